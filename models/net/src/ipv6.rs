//! The IPv6 header (RFC 8200): build, read, walk the extension headers, decrement the hop limit.
//!
//! As with IPv4, a view can only be had of a packet that is right in itself: version, payload length, and a chain of
//! extension headers that ends within the octets. Extension headers are skipped on reading; the fragment header alone
//! means something here. Authentication headers and ESP are upper-layer protocols to this crate: what is in them is the
//! IPsec engine's. Octets after the payload length are tolerated, as with IPv4.
//!
//! Model: options of hop-by-hop and destination headers are not looked at, so that none of them has an effect; a packet
//! whose next header is unknown goes up as that protocol and ends for want of a listener.

use smoltcp::wire::{IpProtocol, Ipv6Packet};

use crate::address::{IpAddr, Ipv6Addr};
use crate::error::PacketError;
use crate::ipv4::{TtlOutcome, protocol};

/// Octets of the header without extensions.
pub(crate) const HEADER_LEN: usize = 40;
/// Octets of a fragment header (RFC 8200 §4.5).
pub(crate) const FRAGMENT_HEADER_LEN: usize = 8;
/// Extension headers in one packet: far more than any real packet has, and a bound on the walk.
const EXTENSIONS_MAX: usize = 8;

/// Next-header values that are extensions of IPv6 itself.
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const DESTINATION: u8 = 60;
}

/// What an IPv6 header says, lengths and extension headers aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Protocol number of the payload; see [`protocol`].
    pub protocol: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Explicit congestion notification, 0 to 3 (RFC 3168).
    pub ecn: u8,
    /// Flow label, 20 bits (RFC 6437).
    pub flow_label: u32,
}

/// Which part of a larger packet a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Where its payload belongs, in octets.
    pub offset: u16,
    /// Whether more follows.
    pub more: bool,
    /// What it shares with the others of its packet; 16 bits in IPv4.
    pub identification: u32,
}

/// A well-formed IPv6 packet, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6View<'a> {
    packet: &'a [u8],
    /// Where the last extension header ends.
    upper: usize,
    protocol: u8,
    /// The fragment header, and where it begins.
    fragment: Option<(usize, FragmentInfo)>,
}

impl Ipv6Header {
    /// A header with hop limit 64 and the rest zero.
    pub const fn new(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8) -> Self {
        Self { source, destination, protocol, hop_limit: 64, dscp: 0, ecn: 0, flow_label: 0 }
    }
}

/// The packet of `header` and `payload`, with the length filled in.
///
/// # Panics
/// When the payload exceeds 65 535 octets, or `dscp`, `ecn` or `flow_label` are out of range.
pub fn build_ipv6(header: &Ipv6Header, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_LEN + payload.len());
    packet.resize(HEADER_LEN, 0);
    packet.extend_from_slice(payload);
    write_header(&mut packet, header);
    packet
}

/// Writes `header` into the first 40 octets of `packet`, whose other octets are the payload.
pub(crate) fn write_header(packet: &mut [u8], header: &Ipv6Header) {
    let payload_len =
        u16::try_from(packet.len() - HEADER_LEN).expect("an IPv6 payload has 16 bits of length");
    assert!(header.dscp < 64 && header.ecn < 4, "DSCP has 6 bits and ECN has 2: {header:?}");
    assert!(header.flow_label < 1 << 20, "a flow label has 20 bits: {header:?}");
    let mut packet = Ipv6Packet::new_unchecked(packet);
    packet.set_version(6);
    packet.set_traffic_class(header.dscp << 2 | header.ecn);
    packet.set_flow_label(header.flow_label);
    packet.set_payload_len(payload_len);
    packet.set_next_header(IpProtocol::from(header.protocol));
    packet.set_hop_limit(header.hop_limit);
    packet.set_src_addr(header.source);
    packet.set_dst_addr(header.destination);
}

impl<'a> Ipv6View<'a> {
    /// Reads the headers of the packet at the start of `bytes`.
    ///
    /// # Errors
    /// When there are too few octets, the version is not 6, or the chain of extension headers is too long or leaves the
    /// packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let available = bytes.len();
        if available < HEADER_LEN {
            return Err(PacketError::Truncated { header: "IPv6", needed: HEADER_LEN, available });
        }
        let wire = Ipv6Packet::new_unchecked(bytes);
        if wire.version() != 6 {
            return Err(PacketError::Version { version: wire.version() });
        }
        let payload_len = wire.payload_len();
        let end = HEADER_LEN + usize::from(payload_len);
        let packet = bytes.get(..end).ok_or(PacketError::Ipv6Length { payload_len, available })?;
        let (upper, protocol, fragment) = walk(packet, wire.next_header().into())?;
        Ok(Self { packet, upper, protocol, fragment })
    }

    /// The header's fields.
    pub fn header(&self) -> Ipv6Header {
        let wire = self.wire();
        Ipv6Header {
            source: wire.src_addr(),
            destination: wire.dst_addr(),
            protocol: self.protocol,
            hop_limit: wire.hop_limit(),
            dscp: wire.traffic_class() >> 2,
            ecn: wire.traffic_class() & 0b11,
            flow_label: wire.flow_label(),
        }
    }

    /// Source address.
    pub fn source(&self) -> Ipv6Addr {
        self.wire().src_addr()
    }

    /// Destination address.
    pub fn destination(&self) -> Ipv6Addr {
        self.wire().dst_addr()
    }

    /// Protocol number behind the extension headers; of a fragment, that of the packet's first part.
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The octets behind the extension headers.
    pub fn payload(&self) -> &'a [u8] {
        &self.packet[self.upper..]
    }

    /// The whole packet, headers included, up to the payload length.
    pub const fn bytes(&self) -> &'a [u8] {
        self.packet
    }

    /// Octets of the header and its extensions.
    pub const fn header_len(&self) -> usize {
        self.upper
    }

    /// Which fragment this is; `None` for a whole packet. A packet with a fragment header that is whole all the same
    /// (RFC 6946) is one.
    pub fn fragment(&self) -> Option<FragmentInfo> {
        self.fragment.map(|(_, info)| info)
    }

    /// Where the fragment header begins.
    pub(crate) fn fragment_header(&self) -> Option<usize> {
        self.fragment.map(|(start, _)| start)
    }

    const fn wire(&self) -> Ipv6Packet<&'a [u8]> {
        Ipv6Packet::new_unchecked(self.packet)
    }
}

/// Where the extension headers end, what follows, and the fragment header.
type Chain = (usize, u8, Option<(usize, FragmentInfo)>);

fn walk(packet: &[u8], first: u8) -> Result<Chain, PacketError> {
    let (mut at, mut next, mut fragment) = (HEADER_LEN, first, None);
    for _ in 0..EXTENSIONS_MAX {
        let len = match next {
            extension::HOP_BY_HOP if at == HEADER_LEN => options_len(packet, at)?,
            extension::ROUTING | extension::DESTINATION => options_len(packet, at)?,
            protocol::IPV6_FRAGMENT if fragment.is_none() => {
                fragment = Some((at, fragment_info(packet, at)?));
                FRAGMENT_HEADER_LEN
            }
            _ => return Ok((at, next, fragment)),
        };
        if at + len > packet.len() {
            return Err(truncated(packet, at, len));
        }
        (at, next) = (at + len, packet[at]);
        // What follows a fragment header is in the first fragment only.
        if fragment.is_some_and(|(_, info): (usize, FragmentInfo)| info.offset > 0) {
            return Ok((at, next, fragment));
        }
    }
    Err(PacketError::TooManyExtensions { max: EXTENSIONS_MAX })
}

/// The length of an extension header in units of 8 octets, the first not counted.
fn options_len(packet: &[u8], at: usize) -> Result<usize, PacketError> {
    packet.get(at + 1).map(|len| 8 + 8 * usize::from(*len)).ok_or_else(|| truncated(packet, at, 8))
}

fn fragment_info(packet: &[u8], at: usize) -> Result<FragmentInfo, PacketError> {
    let header = packet.get(at..).and_then(<[u8]>::first_chunk::<FRAGMENT_HEADER_LEN>);
    let [_, _, high, low, identification @ ..] =
        header.ok_or_else(|| truncated(packet, at, FRAGMENT_HEADER_LEN))?;
    let word = u16::from_be_bytes([*high, *low]);
    Ok(FragmentInfo {
        offset: word & !0b111,
        more: word & 1 == 1,
        identification: u32::from_be_bytes(*identification),
    })
}

const fn truncated(packet: &[u8], at: usize, needed: usize) -> PacketError {
    PacketError::Truncated { header: "IPv6 extension", needed, available: packet.len() - at }
}

/// Decrements the hop limit as a router does; there is no checksum to mend.
pub(crate) fn decrement_hop_limit(packet: &mut [u8]) -> TtlOutcome {
    if packet.len() < HEADER_LEN {
        return TtlOutcome::Malformed;
    }
    let mut wire = Ipv6Packet::new_unchecked(packet);
    let hop_limit = wire.hop_limit();
    if hop_limit <= 1 {
        return TtlOutcome::Expired;
    }
    wire.set_hop_limit(hop_limit - 1);
    TtlOutcome::Forward { ttl: hop_limit - 1 }
}

/// Whether an address can be that of one host: neither multicast nor unspecified.
pub(crate) fn is_one_host(address: IpAddr) -> bool {
    let broadcast = IpAddr::V4(crate::address::Ipv4Addr::BROADCAST);
    !address.is_multicast() && !address.is_unspecified() && address != broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const RIGHT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

    fn packet(first: u8, payload: &[u8]) -> Vec<u8> {
        build_ipv6(&Ipv6Header::new(LEFT, RIGHT, first), payload)
    }

    #[test]
    fn extension_headers_are_skipped_up_to_the_protocol() {
        let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
        let destination = [17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let octets = packet(0, &[&hop_by_hop[..], &destination, b"payload"].concat());
        let view = Ipv6View::parse(&octets).unwrap();
        assert_eq!((view.protocol(), view.payload(), view.header_len()), (17, &b"payload"[..], 64));
        assert_eq!(view.fragment(), None);
    }

    #[test]
    fn a_later_fragment_shows_what_its_packet_carries() {
        let header = [17, 0, 0x05, 0xa9, 0xde, 0xad, 0xbe, 0xef];
        let octets = packet(44, &[&header[..], &[0xff; 16]].concat());
        let view = Ipv6View::parse(&octets).unwrap();
        let info = FragmentInfo { offset: 1448, more: true, identification: 0xdead_beef };
        assert_eq!((view.fragment(), view.protocol(), view.payload().len()), (Some(info), 17, 16));
    }

    #[test]
    fn a_chain_that_leaves_the_packet_is_an_error() {
        for (first, payload) in
            [(0, &[17, 1, 0, 0, 0, 0, 0, 0][..]), (44, &[17, 0, 0]), (60, &[]), (43, &[60])]
        {
            assert!(matches!(Ipv6View::parse(&packet(first, payload)), Err(PacketError::Truncated { .. })));
        }
        let endless = [60, 0, 0, 0, 0, 0, 0, 0].repeat(100);
        assert!(matches!(Ipv6View::parse(&packet(60, &endless)), Err(PacketError::TooManyExtensions { .. })));
    }

    #[test]
    fn the_last_hop_keeps_its_packet() {
        let mut octets = packet(17, &[]);
        octets[7] = 2;
        assert_eq!(decrement_hop_limit(&mut octets), TtlOutcome::Forward { ttl: 1 });
        assert_eq!((decrement_hop_limit(&mut octets), octets[7]), (TtlOutcome::Expired, 1));
        assert_eq!(decrement_hop_limit(&mut octets[..39]), TtlOutcome::Malformed);
    }
}
