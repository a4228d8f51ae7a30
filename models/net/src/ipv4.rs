//! The IPv4 header (RFC 791): build, read, decrement the TTL.
//!
//! Field access is smoltcp's; what is ours is the rule that a view can only be had of a header that is right in
//! itself: version, lengths, checksum. Options are skipped on reading and never written. Octets after the total
//! length are tolerated, since ESP may append padding to an inner packet (RFC 4303 §2.7).
//! Fragments can be read and recognised here; cutting and joining them is in `fragment`.

pub(crate) use smoltcp::wire::IPV4_HEADER_LEN as HEADER_LEN;
use smoltcp::wire::{IpProtocol, Ipv4Packet};

use crate::address::Ipv4Addr;
use crate::checksum;
use crate::error::PacketError;
use crate::ipv6::FragmentInfo;

/// Protocol numbers of the simulated network (IANA "Assigned Internet Protocol Numbers").
pub mod protocol {
    /// ICMP, RFC 792.
    pub const ICMP: u8 = 1;
    /// IPv4 in IPv4, the next header of ESP in tunnel mode.
    pub const IPV4: u8 = 4;
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
    /// IPv6 in an IP packet, the next header of ESP in tunnel mode around IPv6.
    pub const IPV6: u8 = 41;
    /// The fragment header of IPv6, RFC 8200 §4.5.
    pub const IPV6_FRAGMENT: u8 = 44;
    /// ESP, RFC 4303.
    pub const ESP: u8 = 50;
    /// AH, RFC 4302.
    pub const AH: u8 = 51;
    /// ICMP for IPv6, RFC 4443.
    pub const ICMPV6: u8 = 58;
}

/// What an IPv4 header says, lengths and fragmentation aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Protocol number of the payload; see [`protocol`].
    pub protocol: u8,
    /// Time to live in hops.
    pub ttl: u8,
    /// The DF flag.
    pub dont_fragment: bool,
    /// Identification.
    pub identification: u16,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Explicit congestion notification, 0 to 3 (RFC 3168).
    pub ecn: u8,
}

/// A well-formed IPv4 packet, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4View<'a> {
    packet: &'a [u8],
    header_len: usize,
}

/// What became of a packet whose TTL a router decremented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlOutcome {
    /// It may go on, with this TTL left.
    Forward {
        /// TTL after the decrement, at least 1.
        ttl: u8,
    },
    /// The TTL is used up (RFC 1812 §5.3.1); the packet is unchanged.
    Expired,
    /// There is no IP header; the octets are unchanged.
    Malformed,
}

impl Ipv4Header {
    /// A header with TTL 64, DF set, and the rest zero.
    pub const fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            ttl: 64,
            dont_fragment: true,
            identification: 0,
            dscp: 0,
            ecn: 0,
        }
    }
}

/// The packet of `header` and `payload`, with lengths and checksum filled in.
///
/// # Panics
/// When the payload exceeds 65 515 octets, or `dscp` or `ecn` are out of range: nothing like it can be sent.
pub fn build_ipv4(header: &Ipv4Header, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_LEN + payload.len());
    packet.resize(HEADER_LEN, 0);
    packet.extend_from_slice(payload);
    write_header(&mut packet, header);
    packet
}

/// Writes `header` into the first 20 octets of `packet`, whose length becomes the total length.
pub(crate) fn write_header(packet: &mut [u8], header: &Ipv4Header) {
    let total_len = u16::try_from(packet.len()).expect("an IPv4 packet has at most 65535 octets");
    assert!(header.dscp < 64 && header.ecn < 4, "DSCP has 6 bits and ECN has 2: {header:?}");
    let mut packet = Ipv4Packet::new_unchecked(packet);
    packet.set_version(4);
    packet.set_header_len(20);
    packet.set_dscp(header.dscp);
    packet.set_ecn(header.ecn);
    packet.set_total_len(total_len);
    packet.set_ident(header.identification);
    packet.clear_flags();
    packet.set_dont_frag(header.dont_fragment);
    packet.set_hop_limit(header.ttl);
    packet.set_next_header(IpProtocol::from(header.protocol));
    packet.set_src_addr(header.source);
    packet.set_dst_addr(header.destination);
    packet.fill_checksum();
}

impl<'a> Ipv4View<'a> {
    /// Reads the header of the packet at the start of `bytes`.
    ///
    /// # Errors
    /// When there are too few octets, the version is not 4, lengths contradict each other, or the header checksum is
    /// wrong (RFC 1122 §3.2.1).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let (header_len, total_len) = lengths(bytes)?;
        if !checksum::verifies(&bytes[..header_len]) {
            return Err(PacketError::Checksum { header: "IPv4" });
        }
        Ok(Self { packet: &bytes[..total_len], header_len })
    }

    /// The header's fields.
    pub fn header(&self) -> Ipv4Header {
        let wire = self.wire();
        Ipv4Header {
            source: wire.src_addr(),
            destination: wire.dst_addr(),
            protocol: wire.next_header().into(),
            ttl: wire.hop_limit(),
            dont_fragment: wire.dont_frag(),
            identification: wire.ident(),
            dscp: wire.dscp(),
            ecn: wire.ecn(),
        }
    }

    /// Source address.
    pub fn source(&self) -> Ipv4Addr {
        self.wire().src_addr()
    }

    /// Destination address.
    pub fn destination(&self) -> Ipv4Addr {
        self.wire().dst_addr()
    }

    /// Protocol number of the payload.
    pub fn protocol(&self) -> u8 {
        self.wire().next_header().into()
    }

    /// The octets after the header, up to the total length.
    pub fn payload(&self) -> &'a [u8] {
        &self.packet[self.header_len..]
    }

    /// The whole packet, header included, up to the total length.
    pub const fn bytes(&self) -> &'a [u8] {
        self.packet
    }

    /// Header length in octets, 20 without options.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Which fragment this is; `None` for a whole packet.
    pub fn fragment(&self) -> Option<FragmentInfo> {
        let wire = self.wire();
        let info = FragmentInfo {
            offset: wire.frag_offset(),
            more: wire.more_frags(),
            identification: wire.ident().into(),
        };
        (info.more || info.offset != 0).then_some(info)
    }

    const fn wire(&self) -> Ipv4Packet<&'a [u8]> {
        Ipv4Packet::new_unchecked(self.packet)
    }
}

/// Header and total length, checked against each other and against the octets.
fn lengths(bytes: &[u8]) -> Result<(usize, usize), PacketError> {
    let available = bytes.len();
    if available < HEADER_LEN {
        return Err(PacketError::Truncated { header: "IPv4", needed: HEADER_LEN, available });
    }
    let wire = Ipv4Packet::new_unchecked(bytes);
    if wire.version() != 4 {
        return Err(PacketError::Version { version: wire.version() });
    }
    if wire.check_len().is_err() {
        return Err(PacketError::Ipv4Length {
            header_len: wire.header_len(),
            total_len: wire.total_len(),
            available,
        });
    }
    Ok((usize::from(wire.header_len()), usize::from(wire.total_len())))
}

/// Decrements the TTL as a router does, and updates the header checksum in place (RFC 1624).
///
/// The checksum is not verified here; a wrong one stays wrong.
pub(crate) fn decrement_ttl(packet: &mut [u8]) -> TtlOutcome {
    if packet.len() < HEADER_LEN || packet[0] >> 4 != 4 {
        return TtlOutcome::Malformed;
    }
    let mut wire = Ipv4Packet::new_unchecked(packet);
    let ttl = wire.hop_limit();
    if ttl <= 1 {
        return TtlOutcome::Expired;
    }
    // TTL is the upper octet of its 16-bit word; the protocol below it does not change.
    let checksum = checksum::update_word(wire.checksum(), u16::from(ttl) << 8, u16::from(ttl - 1) << 8);
    wire.set_hop_limit(ttl - 1);
    wire.set_checksum(checksum);
    TtlOutcome::Forward { ttl: ttl - 1 }
}
