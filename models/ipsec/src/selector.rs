//! Selectors of a packet and the traffic selectors that they are compared with (RFC 4301 §4.4.1.1, RFC 7296 §3.13.1).
//!
//! A port is `Some` where the packet shows one and `None` ("opaque") where it does not: protocols without ports and all
//! fragments but the first. ICMP type and code form one value, `type << 8 | code`, and so does the type of a Mobility
//! Header, which stands in both port fields as IKE sends it; as RFC 4301 §4.4.1.3 has it, only the selector of the sender's
//! side restricts it. The protocol of an IPv6 packet is that behind its extension headers. Left out: names.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::header::{IpHeader, Part, protocol};

/// Protocols whose header starts with source and destination port: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];
/// Protocols whose one value stands in both port fields.
const WITH_TYPE: [u8; 3] = [protocol::ICMP, protocol::ICMPV6, protocol::MOBILITY];

/// Which way a packet goes, seen from the host that owns the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the unprotected network: the source is local.
    Outbound,
    /// From the unprotected network: the destination is local.
    Inbound,
}

/// A packet whose selectors cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The header's lengths do not fit the octets that are there.
    #[error("IP header does not fit a packet of {octets} octets")]
    Header {
        /// Octets of the packet.
        octets: usize,
    },
    /// The version field is neither 4 nor 6.
    #[error("IP version {version} where 4 or 6 is needed")]
    Version {
        /// The version field.
        version: u8,
    },
}

/// What a packet shows of itself for policy decisions (RFC 4301 §4.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selectors {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Next layer protocol.
    pub protocol: u8,
    /// Source port, ICMP type and code, or `None` where the packet shows neither.
    pub source_port: Option<u16>,
    /// Destination port, ICMP type and code, or `None` where the packet shows neither.
    pub destination_port: Option<u16>,
}

impl Selectors {
    /// Reads the selectors of an IP packet.
    ///
    /// # Errors
    /// When the version is neither 4 nor 6, or the headers' lengths do not fit the packet.
    pub fn parse(packet: &[u8]) -> Result<Self, SelectorError> {
        Ok(Self::of(&IpHeader::parse(packet)?, packet))
    }

    /// The selectors of a packet whose headers have been read.
    pub(crate) fn of(header: &IpHeader, packet: &[u8]) -> Self {
        let (source_port, destination_port) = ports_of(header, packet);
        let IpHeader { source, destination, .. } = *header;
        Self { source, destination, protocol: header.upper.protocol, source_port, destination_port }
    }

    /// Whether these are the selectors of a packet whose headers have been read; cheaper than to make them anew.
    #[inline]
    pub(crate) fn are_of(&self, header: &IpHeader, packet: &[u8]) -> bool {
        self.destination == header.destination
            && self.source == header.source
            && self.protocol == header.upper.protocol
            && (self.source_port, self.destination_port) == ports_of(header, packet)
    }

    /// Whether the sides fall into the given selectors for a packet that goes in `direction`.
    pub fn are_within(
        &self,
        direction: Direction,
        local: &[TrafficSelector],
        remote: &[TrafficSelector],
    ) -> bool {
        let (sender, receiver) = match direction {
            Direction::Outbound => (local, remote),
            Direction::Inbound => (remote, local),
        };
        sender.iter().any(|selector| selector.matches_source(self))
            && receiver.iter().any(|selector| selector.matches_destination(self))
    }
}

#[inline]
fn ports_of(header: &IpHeader, packet: &[u8]) -> (Option<u16>, Option<u16>) {
    match header.part {
        Part::LaterFragment => (None, None),
        Part::Whole | Part::FirstFragment => {
            ports(header.upper.protocol, &packet[header.upper.start..header.total_len])
        }
    }
}

fn ports(protocol: u8, payload: &[u8]) -> (Option<u16>, Option<u16>) {
    match payload {
        [kind, code, ..] if matches!(protocol, protocol::ICMP | protocol::ICMPV6) => {
            let value = Some(u16::from_be_bytes([*kind, *code]));
            (value, value)
        }
        [_, _, kind, ..] if protocol == protocol::MOBILITY => {
            let value = Some(u16::from_be_bytes([*kind, 0]));
            (value, value)
        }
        [a, b, c, d, ..] if WITH_PORTS.contains(&protocol) => {
            (Some(u16::from_be_bytes([*a, *b])), Some(u16::from_be_bytes([*c, *d])))
        }
        _ => (None, None),
    }
}

/// Addresses from `start` to `end`, both included; none when `start` is the greater. All of IPv4 come before all of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
}

impl AddressRange {
    /// Every address of both versions.
    pub const ANY: Self =
        Self { start: IpAddr::V4(Ipv4Addr::UNSPECIFIED), end: IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)) };

    /// The addresses of `address/prefix_len`; host bits of `address` do not matter, and a longer prefix than the version has
    /// counts as its longest.
    pub fn network(address: impl Into<IpAddr>, prefix_len: u8) -> Self {
        match address.into() {
            IpAddr::V4(address) => {
                let host_bits = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
                let start = address.to_bits() & !host_bits;
                Self {
                    start: Ipv4Addr::from_bits(start).into(),
                    end: Ipv4Addr::from_bits(start | host_bits).into(),
                }
            }
            IpAddr::V6(address) => {
                let host_bits = u128::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
                let start = address.to_bits() & !host_bits;
                Self {
                    start: Ipv6Addr::from_bits(start).into(),
                    end: Ipv6Addr::from_bits(start | host_bits).into(),
                }
            }
        }
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        (self.start..=self.end).contains(&address)
    }
}

/// Ports from `start` to `end`, both included; `start` 65535 with `end` 0 means OPAQUE (RFC 4301 §4.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// First port.
    pub start: u16,
    /// Last port.
    pub end: u16,
}

impl PortRange {
    /// Every port, and packets that show none.
    pub const ANY: Self = Self { start: 0, end: u16::MAX };
    /// Only packets that show no port.
    pub const OPAQUE: Self = Self { start: u16::MAX, end: 0 };

    /// One port.
    pub const fn single(port: u16) -> Self {
        Self { start: port, end: port }
    }

    /// Whether a packet with this port, or without one, is covered.
    pub fn contains(&self, port: Option<u16>) -> bool {
        match port {
            Some(port) => (self.start..=self.end).contains(&port),
            None => *self == Self::ANY || *self == Self::OPAQUE,
        }
    }
}

/// One side of a policy or of an SA: protocol, addresses and ports (RFC 7296 §3.13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficSelector {
    /// Next layer protocol; 0 covers all.
    pub protocol: u8,
    /// Addresses.
    pub addresses: AddressRange,
    /// Ports, or ICMP types and codes.
    pub ports: PortRange,
}

impl TrafficSelector {
    /// Everything.
    pub const ANY: Self = Self { protocol: 0, addresses: AddressRange::ANY, ports: PortRange::ANY };

    /// All traffic of the addresses in `address/prefix_len`.
    pub fn network(address: impl Into<IpAddr>, prefix_len: u8) -> Self {
        Self { addresses: AddressRange::network(address, prefix_len), ..Self::ANY }
    }

    /// All traffic of one address.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        Self::network(address, 128)
    }

    /// The same addresses, restricted to one protocol and a range of its ports.
    #[must_use]
    pub fn restricted_to(self, protocol: u8, ports: PortRange) -> Self {
        Self { protocol, ports, ..self }
    }

    /// Whether it covers the sending side of a packet.
    pub fn matches_source(&self, packet: &Selectors) -> bool {
        self.matches_host(packet.protocol, packet.source) && self.ports.contains(packet.source_port)
    }

    /// Whether it covers the receiving side of a packet; ICMP type and code belong to the sender alone.
    pub fn matches_destination(&self, packet: &Selectors) -> bool {
        self.matches_host(packet.protocol, packet.destination)
            && (WITH_TYPE.contains(&packet.protocol) || self.ports.contains(packet.destination_port))
    }

    fn matches_host(&self, protocol: u8, address: IpAddr) -> bool {
        (self.protocol == 0 || self.protocol == protocol) && self.addresses.contains(address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{LEFT, RIGHT, ping};

    fn udp(source_port: u16, destination_port: u16) -> Vec<u8> {
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(LEFT.octets(), RIGHT.octets(), 64)
            .udp(source_port, destination_port)
            .write(&mut packet, &[0; 9])
            .unwrap();
        packet
    }

    #[test]
    fn ports_come_from_the_transport_header_of_a_first_fragment() {
        let mut packet = udp(1000, 53);
        let selectors = Selectors::parse(&packet).unwrap();
        assert_eq!(
            (selectors.source, selectors.destination, selectors.protocol),
            (LEFT.into(), RIGHT.into(), 17)
        );
        assert_eq!((selectors.source_port, selectors.destination_port), (Some(1000), Some(53)));
        packet[6] = 0x20;
        assert_eq!(Selectors::parse(&packet).unwrap().source_port, Some(1000), "more fragments follow");
        packet[7] = 1;
        assert_eq!(Selectors::parse(&packet).unwrap().source_port, None, "a later fragment");
    }

    #[test]
    fn protocols_without_ports_show_none() {
        let mut packet = udp(1000, 53);
        packet[9] = 47;
        assert_eq!(Selectors::parse(&packet).unwrap().destination_port, None);
        assert_eq!(Selectors::parse(&packet[..19]), Err(SelectorError::Header { octets: 19 }));
        packet[0] = 0x55;
        assert_eq!(Selectors::parse(&packet), Err(SelectorError::Version { version: 5 }));
    }

    #[test]
    fn icmp_type_and_code_restrict_only_the_sender() {
        let request = Selectors::parse(&ping(LEFT, RIGHT, 8)).unwrap();
        assert_eq!((request.source_port, request.destination_port), (Some(2048), Some(2048)));
        let echo_request = TrafficSelector::ANY.restricted_to(protocol::ICMP, PortRange::single(2048));
        let echo_reply = TrafficSelector::ANY.restricted_to(protocol::ICMP, PortRange::single(0));
        assert!(request.are_within(Direction::Outbound, &[echo_request], &[echo_reply]));
        assert!(!request.are_within(Direction::Outbound, &[echo_reply], &[echo_request]));
        assert!(request.are_within(Direction::Inbound, &[echo_reply], &[echo_request]));
    }

    #[test]
    fn opaque_ports_match_only_selectors_that_do_not_ask() {
        let cases = [
            (PortRange::ANY, true, true),
            (PortRange::OPAQUE, true, false),
            (PortRange::single(53), false, true),
            (PortRange { start: 0, end: 52 }, false, false),
            (PortRange { start: 50, end: 53 }, false, true),
        ];
        for (range, opaque, fifty_three) in cases {
            assert_eq!((range.contains(None), range.contains(Some(53))), (opaque, fifty_three), "{range:?}");
        }
    }

    #[test]
    fn networks_have_their_first_and_last_address() {
        let range = AddressRange::network(Ipv4Addr::new(10, 1, 2, 3), 16);
        let between = |start: Ipv4Addr, end: Ipv4Addr| AddressRange { start: start.into(), end: end.into() };
        assert_eq!(range, between(Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(10, 1, 255, 255)));
        assert_eq!(AddressRange::network(LEFT, 0), between(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        assert_eq!(AddressRange::network(LEFT, 32), between(LEFT, LEFT));
        assert_eq!(AddressRange::network(LEFT, 200), between(LEFT, LEFT));
        let range = AddressRange::network("2001:db8::1".parse::<Ipv6Addr>().unwrap(), 64);
        let ends = ["2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"].map(|end| end.parse::<IpAddr>().unwrap());
        assert_eq!(range, AddressRange { start: ends[0], end: ends[1] });
        for address in ["0.0.0.0", "255.255.255.255", "::", "ffff::ffff"] {
            assert!(AddressRange::ANY.contains(address.parse().unwrap()), "{address}");
        }
        assert!(!AddressRange::network(Ipv6Addr::UNSPECIFIED, 0).contains(LEFT.into()));
    }

    proptest! {
        #[test]
        fn a_network_contains_what_its_mask_says(address: u32, other: u32, prefix_len in 0_u8..=32) {
            let range = AddressRange::network(Ipv4Addr::from_bits(address), prefix_len);
            let same = (0..prefix_len).all(|bit| (address ^ other) >> (31 - bit) & 1 == 0);
            prop_assert_eq!(range.contains(Ipv4Addr::from_bits(other).into()), same);
        }

        #[test]
        fn any_octets_parse_or_are_refused(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(selectors) = Selectors::parse(&octets) {
                prop_assert!(selectors.are_within(Direction::Inbound, &[TrafficSelector::ANY], &[TrafficSelector::ANY]));
            }
        }
    }
}
