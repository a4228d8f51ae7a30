//! Networks and traffic selectors as swanctl writes them: `10.1.0.0/16`, `2001:db8:1::/48[udp/53]`, `10.1.0.5-10.1.0.9`,
//! `dynamic`.
//!
//! Model: a selector names one protocol or any, and one range of ports or any, as RFC 7296 §3.13.1 can
//! carry; opaque ports (`%opaque`) are left out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addresses::Addresses;
use super::value::TextValue;
use crate::structure::Mistake;

/// An IPv4 or IPv6 network; its host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

/// Which part of the address space a selector speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectorRange {
    /// The node's virtual address, or its own where it has none (swanctl's `dynamic`).
    Own,
    /// A network, or any other range.
    Addresses(Addresses),
}

/// A traffic selector of a scenario file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The addresses.
    pub range: SelectorRange,
    /// The IP protocol number, or any.
    pub protocol: Option<u8>,
    /// First and last port, or any.
    pub ports: Option<(u16, u16)>,
}

/// An address as a number; an IPv4 one stands in the lowest 32 bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of the family of `like` with these bits, or `None` where it has too few.
fn from_bits(like: IpAddr, bits: u128) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => u32::try_from(bits).ok().map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(_) => Some(Ipv6Addr::from_bits(bits).into()),
    }
}

/// Bits in an address of the family of `like`.
fn width(like: IpAddr) -> u8 {
    if like.is_ipv6() { 128 } else { 32 }
}

impl Network {
    /// All IPv4 addresses.
    pub const ALL: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 0 };
    /// All IPv6 addresses.
    pub const ALL_V6: Self = Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix_len: 0 };

    /// The network of `prefix_len` bits that holds `address`; lengths above the family's 32 or 128 count as that.
    pub fn containing(address: impl Into<IpAddr>, prefix_len: u8) -> Self {
        let address = address.into();
        let prefix_len = prefix_len.min(width(address));
        let host = Self { address, prefix_len }.host_mask();
        Self { address: from_bits(address, bits(address) & !host).unwrap_or(address), prefix_len }
    }

    /// The single address as a network of all its bits.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self { address, prefix_len: width(address) }
    }

    /// The first address.
    pub fn first(self) -> IpAddr {
        self.address
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        from_bits(self.address, bits(self.address) | self.host_mask()).unwrap_or(self.address)
    }

    /// The number of leading bits that are fixed.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether its addresses are of IPv6.
    pub fn is_ipv6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Whether it is the whole of its family's address space.
    pub fn is_everything(self) -> bool {
        self.prefix_len == 0
    }

    /// Whether `address` is in the network; none of the other family is.
    pub fn contains(self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        address.is_ipv6() == self.is_ipv6() && bits(address) & !self.host_mask() == bits(self.address)
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// The address of the first host: the one behind the network's own, or the only one there is.
    pub fn first_host(self) -> IpAddr {
        let skip = u128::from(self.host_mask() > 1);
        from_bits(self.address, bits(self.address) + skip).unwrap_or(self.address)
    }

    /// The `index`-th host, counted from [`first_host`](Self::first_host), or `None` past the end.
    pub fn host_at(self, index: u128) -> Option<IpAddr> {
        let address = bits(self.first_host()).checked_add(index)?;
        from_bits(self.address, address).filter(|address| self.contains(*address))
    }

    /// The `index`-th network of `prefix_len` bits inside this one, or `None` past the end.
    pub fn subnet(self, prefix_len: u8, index: u32) -> Option<Self> {
        let width = width(self.address);
        if !(self.prefix_len..=width).contains(&prefix_len) {
            return None;
        }
        let step = 1_u128.checked_shl(u32::from(width - prefix_len));
        let offset = if index == 0 { 0 } else { step?.checked_mul(index.into())? };
        let address = from_bits(self.address, bits(self.address).checked_add(offset)?)?;
        self.contains(address).then_some(Self { address, prefix_len })
    }

    /// Ones in the bits behind the prefix.
    fn host_mask(self) -> u128 {
        let host_bits = u32::from(width(self.address) - self.prefix_len);
        u128::MAX.checked_shr(128 - host_bits).unwrap_or(0)
    }
}

impl Selector {
    /// All traffic of a network.
    pub fn network(network: Network) -> Self {
        Self { range: SelectorRange::Addresses(network.into()), protocol: None, ports: None }
    }

    /// All traffic of the node's own address.
    pub fn own() -> Self {
        Self { range: SelectorRange::Own, protocol: None, ports: None }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl TextValue for Network {
    const FORMAT: &'static str = "ip-network";
    const EXPECTED: &'static str = "an IP network such as \"10.1.0.0/16\" or \"2001:db8:1::/48\"";
    const PATTERN: &'static str = r"^[0-9a-fA-F.:]+/[0-9]{1,3}$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let (address, prefix_len) =
            text.split_once('/').ok_or_else(|| Mistake::new("`/` and a length are missing"))?;
        let place = |span| Some(span).filter(|span: &std::ops::Range<usize>| !span.is_empty());
        let parsed: IpAddr = address
            .parse()
            .map_err(|_| Mistake { span: place(0..address.len()), ..Mistake::new("not an IP address") })?;
        let most = width(parsed);
        let length = prefix_len.parse::<u8>().ok().filter(|bits| *bits <= most).ok_or_else(|| Mistake {
            span: place(address.len() + 1..text.len()),
            ..Mistake::new(format!("not a prefix length from 0 to {most}"))
        })?;
        let network = Self::containing(parsed, length);
        if network.address != parsed {
            let help = vec![format!("the network that holds it is {network}")];
            return Err(Mistake { help, ..Mistake::new("host bits are set") });
        }
        Ok(network)
    }
}

impl TextValue for Selector {
    const FORMAT: &'static str = "traffic-selector";
    const EXPECTED: &'static str = "a traffic selector such as \"10.1.0.0/16\", \"10.1.0.0/16[udp/53]\", \"10.1.0.5-10.1.0.9\" or \"dynamic\"";
    const PATTERN: &'static str = r"^(dynamic|[0-9a-fA-F.:/-]+)(\[[a-z0-9]+(/[0-9]+(-[0-9]+)?)?\])?$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        let (range, rest) = text.split_at(text.find('[').unwrap_or(text.len()));
        let range = match range {
            "dynamic" => SelectorRange::Own,
            addresses => SelectorRange::Addresses(Addresses::parse(addresses)?),
        };
        let at = |message: &str| Mistake {
            span: Some(text.len() - rest.len()..text.len()),
            ..Mistake::new(message)
        };
        let inner = match rest {
            "" => return Ok(Self { range, protocol: None, ports: None }),
            rest => rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')),
        };
        let inner = inner.ok_or_else(|| at("`]` belongs at the end"))?;
        let (protocol, ports) =
            inner.split_once('/').map_or((inner, None), |(name, ports)| (name, Some(ports)));
        let protocol =
            protocol_number(protocol).ok_or_else(|| at("not icmp, tcp, udp or a protocol number"))?;
        let ports = ports.map(|ports| port_range(ports).ok_or_else(|| at("not a port or a range of ports")));
        let ports = ports.transpose()?;
        if ports.is_some() && !matches!(protocol, 6 | 17) {
            return Err(at("only tcp and udp have ports"));
        }
        Ok(Self { range, protocol: Some(protocol), ports })
    }
}

fn protocol_number(name: &str) -> Option<u8> {
    match name {
        "icmp" => Some(1),
        "icmpv6" => Some(58),
        "tcp" => Some(6),
        "udp" => Some(17),
        // RFC 7296 §3.13.1: protocol 0 means any, which is written by leaving the protocol out.
        number => number.parse().ok().filter(|number| *number != 0),
    }
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        <Network as TextValue>::parse(text).unwrap()
    }

    #[test]
    fn networks_know_their_first_and_last_address() {
        let net = network("10.1.0.0/16");
        assert_eq!(net.last(), Ipv4Addr::new(10, 1, 255, 255));
        assert_eq!(net.first_host(), Ipv4Addr::new(10, 1, 0, 1));
        assert_eq!(network("192.0.2.7/32").first_host(), Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(network("0.0.0.0/0").last(), Ipv4Addr::BROADCAST);
        assert_eq!(net.to_string(), "10.1.0.0/16");
    }

    #[test]
    fn host_bits_and_bad_lengths_are_refused_with_the_right_network() {
        let mistake = <Network as TextValue>::parse("10.1.2.3/16").unwrap_err();
        assert_eq!(mistake.help, ["the network that holds it is 10.1.0.0/16"]);
        assert_eq!(<Network as TextValue>::parse("10.1.0.0/33").unwrap_err().span, Some(9..11));
        assert_eq!(<Network as TextValue>::parse("10.1.0/8").unwrap_err().span, Some(0..6));
        for text in ["", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/8/8"] {
            assert!(<Network as TextValue>::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn selectors_hold_protocol_and_ports() {
        let parse = <Selector as TextValue>::parse;
        assert_eq!(parse("dynamic"), Ok(Selector::own()));
        assert_eq!(parse("10.1.0.0/16"), Ok(Selector::network(network("10.1.0.0/16"))));
        assert_eq!(parse("192.0.2.1"), Ok(Selector::network(network("192.0.2.1/32"))));
        let dns = parse("10.1.0.0/16[udp/53]").unwrap();
        assert_eq!((dns.protocol, dns.ports), (Some(17), Some((53, 53))));
        let some = parse("10.1.0.5-10.1.0.9[tcp/80-90]").unwrap();
        assert_eq!(some.range, SelectorRange::Addresses(Addresses::parse("10.1.0.5-10.1.0.9").unwrap()));
        assert_eq!((some.protocol, some.ports), (Some(6), Some((80, 90))));
        assert_eq!(parse("dynamic[tcp/1-1024]").unwrap().ports, Some((1, 1024)));
        assert_eq!(parse("dynamic[icmp]").unwrap().protocol, Some(1));
        for text in [
            "x",
            "10.1.0.9-10.1.0.5",
            "10.1.0.0/24-10.1.1.0/24",
            "dynamic[",
            "dynamic[]",
            "dynamic[udp/]",
            "dynamic[udp/9-1]",
            "dynamic[icmp/1]",
            "dynamic[0]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn subnets_fill_their_network_and_stop_at_its_end() {
        let pool = network("10.0.0.0/22");
        assert_eq!(pool.subnet(24, 3), Some(network("10.0.3.0/24")));
        assert_eq!(pool.subnet(24, 4), None);
        assert_eq!(pool.subnet(16, 0), None);
        assert_eq!(network("0.0.0.0/0").subnet(32, u32::MAX), Some(Network::host(Ipv4Addr::BROADCAST)));
        assert_eq!(network("255.255.255.255/32").subnet(32, 1), None);
        assert_eq!(network("2001:db8::/32").subnet(48, 7), Some(network("2001:db8:7::/48")));
        assert_eq!(network("2001:db8::/32").subnet(48, 1 << 16), None);
    }

    proptest! {
        #[test]
        fn overlap_is_having_an_address_in_common(a: u32, b: u32, m in 0_u8..=32, n in 0_u8..=32) {
            let (x, y) = (Network::containing(Ipv4Addr::from_bits(a), m), Network::containing(Ipv4Addr::from_bits(b), n));
            let common = x.first().max(y.first()) <= x.last().min(y.last());
            prop_assert_eq!(x.overlaps(y), common);
        }

        #[test]
        fn networks_read_back_as_written(a: u32, m in 0_u8..=32) {
            let net = Network::containing(Ipv4Addr::from_bits(a), m);
            prop_assert_eq!(network(&net.to_string()), net);
        }

        #[test]
        fn networks_of_ipv6_read_back_as_written(a: u128, m in 0_u8..=128) {
            let net = Network::containing(Ipv6Addr::from_bits(a), m);
            prop_assert_eq!(network(&net.to_string()), net);
            prop_assert!(net.contains(net.first_host()) && net.contains(net.last()));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,24}") {
            let _ = <Selector as TextValue>::parse(&text);
            let _ = <Network as TextValue>::parse(&text);
        }
    }
}
