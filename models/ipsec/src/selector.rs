//! Selectors of a packet and the traffic selectors that they are compared with (RFC 4301 §4.4.1.1, RFC 7296 §3.13.1).
//!
//! A port is `Some` where the packet shows one and `None` ("opaque") where it does not: protocols without ports and all
//! fragments but the first. ICMP type and code form one value, `type << 8 | code`, which stands in both port fields as
//! IKE sends it; as RFC 4301 §4.4.1.3 has it, only the selector of the sender's side restricts it.
//! Left out: IPv6, names, and the Mobility Header type.

use core::net::Ipv4Addr;

use smoltcp::wire::Ipv4Packet;

/// Protocol number of ICMP.
const ICMP: u8 = 1;
/// Protocols whose header starts with source and destination port: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

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
    #[error("IPv4 header does not fit a packet of {octets} octets")]
    Header {
        /// Octets of the packet.
        octets: usize,
    },
    /// The version field is not 4.
    #[error("IP version {version} where 4 is needed")]
    Version {
        /// The version field.
        version: u8,
    },
}

/// What a packet shows of itself for policy decisions (RFC 4301 §4.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selectors {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Next layer protocol.
    pub protocol: u8,
    /// Source port, ICMP type and code, or `None` where the packet shows neither.
    pub source_port: Option<u16>,
    /// Destination port, ICMP type and code, or `None` where the packet shows neither.
    pub destination_port: Option<u16>,
}

impl Selectors {
    /// Reads the selectors of an IPv4 packet.
    ///
    /// # Errors
    /// When the version is not 4 or the header's lengths do not fit the packet.
    pub fn parse(packet: &[u8]) -> Result<Self, SelectorError> {
        let header =
            Ipv4Packet::new_checked(packet).map_err(|_| SelectorError::Header { octets: packet.len() })?;
        if header.version() != 4 {
            return Err(SelectorError::Version { version: header.version() });
        }
        let protocol = u8::from(header.next_header());
        let payload = if header.frag_offset() == 0 { header.payload() } else { &[] };
        let (source_port, destination_port) = ports(protocol, payload);
        Ok(Self {
            source: header.src_addr(),
            destination: header.dst_addr(),
            protocol,
            source_port,
            destination_port,
        })
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

fn ports(protocol: u8, payload: &[u8]) -> (Option<u16>, Option<u16>) {
    match payload {
        [kind, code, ..] if protocol == ICMP => {
            let value = Some(u16::from_be_bytes([*kind, *code]));
            (value, value)
        }
        [a, b, c, d, ..] if WITH_PORTS.contains(&protocol) => {
            (Some(u16::from_be_bytes([*a, *b])), Some(u16::from_be_bytes([*c, *d])))
        }
        _ => (None, None),
    }
}

/// Addresses from `start` to `end`, both included; none when `start` is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// First address.
    pub start: Ipv4Addr,
    /// Last address.
    pub end: Ipv4Addr,
}

impl AddressRange {
    /// Every address.
    pub const ANY: Self = Self { start: Ipv4Addr::UNSPECIFIED, end: Ipv4Addr::BROADCAST };

    /// The addresses of `address/prefix_len`; host bits of `address` do not matter, and more than 32 counts as 32.
    pub fn network(address: Ipv4Addr, prefix_len: u8) -> Self {
        let host_bits = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
        let start = address.to_bits() & !host_bits;
        Self { start: Ipv4Addr::from_bits(start), end: Ipv4Addr::from_bits(start | host_bits) }
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
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
    pub fn network(address: Ipv4Addr, prefix_len: u8) -> Self {
        Self { addresses: AddressRange::network(address, prefix_len), ..Self::ANY }
    }

    /// All traffic of one address.
    pub fn host(address: Ipv4Addr) -> Self {
        Self::network(address, 32)
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
            && (packet.protocol == ICMP || self.ports.contains(packet.destination_port))
    }

    fn matches_host(&self, protocol: u8, address: Ipv4Addr) -> bool {
        (self.protocol == 0 || self.protocol == protocol) && self.addresses.contains(address)
    }
}
