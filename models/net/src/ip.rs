//! IP packets of either version: one header to build from, one view to read through.
//!
//! Everything above the IP layer (UDP, ICMP, applications, hosts) speaks in these, so that it is written once for both.

use crate::address::IpAddr;
use crate::error::PacketError;
use crate::ipv4::{self, Ipv4Header, Ipv4View, TtlOutcome};
use crate::ipv6::{self, FragmentInfo, Ipv6Header, Ipv6View};

/// What an IP header of either version says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Source address.
    pub source: IpAddr,
    /// Destination address; of the same family.
    pub destination: IpAddr,
    /// Protocol number of the payload; see [`protocol`](ipv4::protocol).
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// The DF flag; IPv6 has none, and its packets are never fragmented on their way.
    pub dont_fragment: bool,
    /// Identification; IPv6 has none in a whole packet.
    pub identification: u16,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Explicit congestion notification, 0 to 3 (RFC 3168).
    pub ecn: u8,
}

/// A well-formed IP packet, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpView<'a> {
    /// IPv4.
    V4(Ipv4View<'a>),
    /// IPv6.
    V6(Ipv6View<'a>),
}

impl IpHeader {
    /// A header with TTL 64, DF set, and the rest zero.
    pub const fn new(source: IpAddr, destination: IpAddr, protocol: u8) -> Self {
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

    /// Octets of the header on the wire.
    pub const fn len(&self) -> usize {
        header_len(self.source)
    }

    /// Never: a header has octets.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes it into the first octets of `packet`, whose length becomes the packet's.
    pub(crate) fn write(&self, packet: &mut [u8]) {
        let Self { protocol, ttl, dont_fragment, identification, dscp, ecn, .. } = *self;
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = Ipv4Header {
                    source,
                    destination,
                    protocol,
                    ttl,
                    dont_fragment,
                    identification,
                    dscp,
                    ecn,
                };
                ipv4::write_header(packet, &header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header =
                    Ipv6Header { source, destination, protocol, hop_limit: ttl, dscp, ecn, flow_label: 0 };
                ipv6::write_header(packet, &header);
            }
            (source, destination) => panic!("no packet goes from {source} to {destination}"),
        }
    }
}

/// Octets of a header without options or extensions, in the family of `address`.
pub(crate) const fn header_len(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => ipv4::HEADER_LEN,
        IpAddr::V6(_) => ipv6::HEADER_LEN,
    }
}

/// The packet of `header` and `payload`, with lengths and checksum filled in.
///
/// # Panics
/// When the payload is too long, a field is out of range, or the addresses are of two families: nothing like it can be
/// sent.
pub fn build_ip(header: &IpHeader, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(header.len() + payload.len());
    packet.resize(header.len(), 0);
    packet.extend_from_slice(payload);
    header.write(&mut packet);
    packet
}

impl<'a> IpView<'a> {
    /// Reads the headers of the packet at the start of `bytes`.
    ///
    /// # Errors
    /// When the version is neither 4 nor 6, and as [`Ipv4View::parse`] and [`Ipv6View::parse`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        match bytes.first().map(|first| first >> 4) {
            Some(6) => Ipv6View::parse(bytes).map(Self::V6),
            _ => Ipv4View::parse(bytes).map(Self::V4),
        }
    }

    /// The header's fields.
    pub fn header(&self) -> IpHeader {
        match self {
            Self::V4(view) => {
                let Ipv4Header {
                    source,
                    destination,
                    protocol,
                    ttl,
                    dont_fragment,
                    identification,
                    dscp,
                    ecn,
                } = view.header();
                let (source, destination) = (source.into(), destination.into());
                IpHeader { source, destination, protocol, ttl, dont_fragment, identification, dscp, ecn }
            }
            Self::V6(view) => {
                let Ipv6Header { source, destination, protocol, hop_limit, dscp, ecn, .. } = view.header();
                let new = IpHeader::new(source.into(), destination.into(), protocol);
                IpHeader { ttl: hop_limit, dscp, ecn, ..new }
            }
        }
    }

    /// Source address.
    pub fn source(&self) -> IpAddr {
        match self {
            Self::V4(view) => view.source().into(),
            Self::V6(view) => view.source().into(),
        }
    }

    /// Destination address.
    pub fn destination(&self) -> IpAddr {
        match self {
            Self::V4(view) => view.destination().into(),
            Self::V6(view) => view.destination().into(),
        }
    }

    /// Protocol number of the payload, behind any extension headers.
    pub fn protocol(&self) -> u8 {
        match self {
            Self::V4(view) => view.protocol(),
            Self::V6(view) => view.protocol(),
        }
    }

    /// The octets after all headers of IP.
    pub fn payload(&self) -> &'a [u8] {
        match self {
            Self::V4(view) => view.payload(),
            Self::V6(view) => view.payload(),
        }
    }

    /// The whole packet, headers included, without what may follow it.
    pub const fn bytes(&self) -> &'a [u8] {
        match self {
            Self::V4(view) => view.bytes(),
            Self::V6(view) => view.bytes(),
        }
    }

    /// Octets of all headers of IP.
    pub const fn header_len(&self) -> usize {
        match self {
            Self::V4(view) => view.header_len(),
            Self::V6(view) => view.header_len(),
        }
    }

    /// Which fragment this is; `None` for a whole packet.
    pub fn fragment(&self) -> Option<FragmentInfo> {
        match self {
            Self::V4(view) => view.fragment(),
            Self::V6(view) => view.fragment(),
        }
    }

    /// Whether this is a fragment, first or later.
    pub fn is_fragment(&self) -> bool {
        self.fragment().is_some()
    }

    /// The payload, if it is whole and of the protocol asked for.
    ///
    /// # Errors
    /// When the packet is a fragment or carries another protocol.
    pub fn payload_of(&self, expected: u8) -> Result<&'a [u8], PacketError> {
        if let Some(FragmentInfo { offset, .. }) = self.fragment() {
            return Err(PacketError::Fragment { offset });
        }
        let found = self.protocol();
        if found == expected { Ok(self.payload()) } else { Err(PacketError::Protocol { expected, found }) }
    }
}

/// Takes one hop off, as a router does: the TTL with its checksum (RFC 1624), or the hop limit.
///
/// A checksum is not verified here; a wrong one stays wrong.
#[inline]
pub fn decrement_ttl(packet: &mut [u8]) -> TtlOutcome {
    match packet.first().map(|first| first >> 4) {
        Some(6) => ipv6::decrement_hop_limit(packet),
        _ => ipv4::decrement_ttl(packet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipv4::protocol;

    fn check_both_read_what_was_built(source: &str, destination: &str, header_len: usize) {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let header =
            IpHeader { ttl: 9, dscp: 46, ecn: 2, ..IpHeader::new(source, destination, protocol::TCP) };
        let packet = build_ip(&header, b"payload");
        let view = IpView::parse(&packet).unwrap();
        assert_eq!((view.header(), view.payload(), view.header_len()), (header, &b"payload"[..], header_len));
        assert_eq!(
            (view.source(), view.destination(), view.protocol()),
            (source, destination, protocol::TCP)
        );
        assert_eq!(view.payload_of(protocol::TCP), Ok(&b"payload"[..]));
    }

    #[test]
    fn a_view_reads_what_was_built_in_both_versions() {
        check_both_read_what_was_built("192.0.2.1", "198.51.100.2", 20);
        check_both_read_what_was_built("2001:db8::1", "2001:db8::2", 40);
    }

    #[test]
    fn each_version_loses_one_hop() {
        for (source, destination, at) in [("192.0.2.1", "192.0.2.2", 8), ("2001:db8::1", "2001:db8::2", 7)] {
            let header = IpHeader::new(source.parse().unwrap(), destination.parse().unwrap(), protocol::UDP);
            let mut packet = build_ip(&header, &[]);
            assert_eq!(decrement_ttl(&mut packet), TtlOutcome::Forward { ttl: 63 });
            assert_eq!(packet[at], 63);
            assert_eq!(packet, build_ip(&IpHeader { ttl: 63, ..header }, &[]));
        }
    }
}
