//! `pools.<name>`: addresses that a responder lends to its clients, and what it tells them beside.
//!
//! As with strongSwan, a network of more than two addresses keeps its first and its last one to itself, in IPv6 too, while
//! a range is lent whole; and a pool has at most 2³¹ addresses, whatever its prefix.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::{CfgAttribute, Ipv6Prefix};

/// Most addresses of a pool, as a power of two (strongSwan's `POOL_LIMIT`).
const SIZE_BITS_MAX: u32 = 31;

/// Attribute types of Cisco's Unity extension.
const UNITY_SPLIT_INCLUDE: u16 = 28676;
const UNITY_LOCAL_LAN: u16 = 28677;
/// What follows a network in a Unity attribute: protocol and ports, none of them used.
const UNITY_PADDING: [u8; 6] = [0; 6];

/// The number of a pool: its place in [`EndpointConfig::pools`](super::EndpointConfig::pools).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolId(pub u32);

/// One `pools.<name>` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The section's name.
    pub name: String,
    /// `addrs`: what is lent.
    pub addresses: PoolRange,
    /// What a client is told with its address, in order.
    pub attributes: Vec<PoolAttribute>,
}

/// The addresses of a pool, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolRange {
    first: IpAddr,
    size: u32,
}

/// These are no addresses for a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The prefix is longer than the address.
    #[error("prefix length {len} is above {limit}")]
    Prefix {
        /// The prefix length.
        len: u8,
        /// The bits of an address of this family.
        limit: u8,
    },
    /// The range has two families, or its end lies before its start.
    #[error("{first} to {last} is no range")]
    Range {
        /// The start.
        first: IpAddr,
        /// The end.
        last: IpAddr,
    },
}

/// Something that a client is told with its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolAttribute {
    /// `dns`: a name server.
    Dns(IpAddr),
    /// `nbns`: a `NetBIOS` name server.
    Nbns(Ipv4Addr),
    /// `dhcp`: a DHCP server.
    Dhcp(IpAddr),
    /// `netmask`: the mask of the client's network.
    Netmask(Ipv4Addr),
    /// `subnet`: a network behind the responder.
    Subnet(Network),
    /// `split_include`: Cisco's word for a network that is reached through the tunnel.
    SplitInclude(Network),
    /// `split_exclude`: Cisco's word for a network that is reached past the tunnel.
    SplitExclude(Network),
}

/// A network: an address and the bits of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Address and mask.
    V4(Ipv4Addr, Ipv4Addr),
    /// Address and prefix.
    V6(Ipv6Prefix),
}

impl Pool {
    /// A pool of these addresses without attributes.
    pub fn new(name: &str, addresses: PoolRange) -> Self {
        Self { name: name.to_owned(), addresses, attributes: vec![] }
    }
}

impl PoolRange {
    /// The addresses of the network `address`/`prefix_len`, without the first and the last when there are more than two.
    ///
    /// # Errors
    /// When the prefix is longer than the address.
    pub fn network(address: IpAddr, prefix_len: u8) -> Result<Self, PoolError> {
        let limit: u8 = if address.is_ipv4() { 32 } else { 128 };
        let host_bits: u32 =
            limit.checked_sub(prefix_len).ok_or(PoolError::Prefix { len: prefix_len, limit })?.into();
        let size = 1 << host_bits.min(SIZE_BITS_MAX);
        let network = plus(address, 0).map_or(0, |number| number & mask(host_bits));
        let (skipped, kept) = if size > 2 { (1, size - 2) } else { (0, size) };
        Ok(Self { first: with_number(address, network + skipped), size: kept })
    }

    /// The addresses from `first` to `last`, both included.
    ///
    /// # Errors
    /// When they are of two families, or the wrong way round.
    pub fn range(first: IpAddr, last: IpAddr) -> Result<Self, PoolError> {
        let error = PoolError::Range { first, last };
        let ends = (plus(first, 0), plus(last, 0));
        let (true, (Some(from), Some(to))) = (first.is_ipv4() == last.is_ipv4(), ends) else {
            return Err(error);
        };
        let size = to.checked_sub(from).ok_or(error)?.saturating_add(1).min(1 << SIZE_BITS_MAX);
        Ok(Self { first, size: u32::try_from(size).map_err(|_| error)? })
    }

    /// How many addresses there are.
    pub fn size(self) -> u32 {
        self.size
    }

    /// Whether the pool has addresses of `address`'s family.
    pub(crate) fn is_family_of(self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4()
    }

    /// The address number `offset`, from 0; `None` past the end.
    pub fn nth(self, offset: u32) -> Option<IpAddr> {
        let number = plus(self.first, offset).filter(|_| offset < self.size)?;
        Some(with_number(self.first, number))
    }

    /// The number of `address` in the pool; `None` when it is none of its addresses.
    pub fn place(self, address: IpAddr) -> Option<u32> {
        let distance = plus(address, 0)?.checked_sub(plus(self.first, 0)?)?;
        let place = u32::try_from(distance).ok()?;
        (self.is_family_of(address) && place < self.size).then_some(place)
    }
}

/// `address` + `offset` as a number; `None` past the end of the family.
fn plus(address: IpAddr, offset: u32) -> Option<u128> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_add(offset).map(u128::from),
        IpAddr::V6(address) => address.to_bits().checked_add(offset.into()),
    }
}

fn mask(host_bits: u32) -> u128 {
    u128::MAX.checked_shl(host_bits).unwrap_or(0)
}

/// The address with this number, of the family of `like`.
fn with_number(like: IpAddr, number: u128) -> IpAddr {
    match like {
        // The number comes from an address of this family.
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

impl Network {
    /// The network of `address` with a prefix of `len` bits; `None` when the address has not so many.
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        match address {
            IpAddr::V4(address) => {
                let host_bits = 32_u32.checked_sub(len.into())?;
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                Some(Self::V4(address, mask.into()))
            }
            IpAddr::V6(address) => Ipv6Prefix::new(address, len).map(Self::V6),
        }
    }
}

impl PoolAttribute {
    /// The attribute as it goes on the wire.
    pub fn to_wire(self) -> CfgAttribute {
        match self {
            Self::Dns(IpAddr::V4(server)) => CfgAttribute::Ip4Dns(Some(server)),
            Self::Dns(IpAddr::V6(server)) => CfgAttribute::Ip6Dns(Some(server)),
            Self::Nbns(server) => CfgAttribute::Ip4Nbns(Some(server)),
            Self::Dhcp(IpAddr::V4(server)) => CfgAttribute::Ip4Dhcp(Some(server)),
            Self::Dhcp(IpAddr::V6(server)) => CfgAttribute::Ip6Dhcp(Some(server)),
            Self::Netmask(mask) => CfgAttribute::Ip4Netmask(Some(mask)),
            Self::Subnet(Network::V4(address, mask)) => CfgAttribute::Ip4Subnet(Some((address, mask))),
            Self::Subnet(Network::V6(prefix)) => CfgAttribute::Ip6Subnet(Some(prefix)),
            Self::SplitInclude(network) => unity(UNITY_SPLIT_INCLUDE, network),
            Self::SplitExclude(network) => unity(UNITY_LOCAL_LAN, network),
        }
    }
}

/// Unity knows IPv4 only; an IPv6 network goes as an ordinary subnet.
fn unity(kind: u16, network: Network) -> CfgAttribute {
    match network {
        Network::V4(address, mask) => {
            let data = [&address.octets()[..], &mask.octets(), &UNITY_PADDING].concat();
            CfgAttribute::Unknown { kind, data }
        }
        Network::V6(prefix) => CfgAttribute::Ip6Subnet(Some(prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn check_network(text: &str, len: u8, size: u32, first: &str, last: &str) {
        let range = PoolRange::network(address(text), len).unwrap();
        assert_eq!(range.size(), size);
        assert_eq!((range.nth(0), range.nth(size - 1)), (Some(address(first)), Some(address(last))));
        assert_eq!((range.nth(size), range.place(address(first))), (None, Some(0)));
        assert_eq!(range.place(address(last)), Some(size - 1));
    }

    #[test]
    fn a_network_keeps_its_first_and_last_address() {
        check_network("10.77.0.0", 28, 14, "10.77.0.1", "10.77.0.14");
        check_network("10.77.0.9", 28, 14, "10.77.0.1", "10.77.0.14");
        check_network("2001:db8::", 120, 254, "2001:db8::1", "2001:db8::fe");
    }

    #[test]
    fn two_addresses_or_one_are_lent_whole() {
        check_network("10.77.0.6", 31, 2, "10.77.0.6", "10.77.0.7");
        check_network("10.77.0.6", 32, 1, "10.77.0.6", "10.77.0.6");
        check_network("2001:db8::5", 128, 1, "2001:db8::5", "2001:db8::5");
    }

    #[test]
    fn a_huge_network_is_cut_to_two_to_the_31() {
        check_network("2001:db8::", 64, (1 << 31) - 2, "2001:db8::1", "2001:db8::7fff:fffe");
        check_network("0.0.0.0", 0, (1 << 31) - 2, "0.0.0.1", "127.255.255.254");
    }

    #[test]
    fn a_range_is_lent_whole() {
        let range = PoolRange::range(address("10.77.0.0"), address("10.77.0.255")).unwrap();
        assert_eq!((range.size(), range.nth(0)), (256, Some(address("10.77.0.0"))));
        assert_eq!(range.place(address("10.76.255.255")), None);
        assert_eq!(range.place(address("10.78.0.0")), None);
        assert_eq!(range.place(address("::a4d:1")), None);
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        let error = PoolRange::network(address("10.0.0.0"), 33).unwrap_err();
        assert_eq!(error.to_string(), "prefix length 33 is above 32");
        let error = PoolRange::range(address("10.0.0.2"), address("10.0.0.1")).unwrap_err();
        assert_eq!(error.to_string(), "10.0.0.2 to 10.0.0.1 is no range");
        assert!(PoolRange::range(address("10.0.0.2"), address("::ffff:1")).is_err());
    }

    #[test]
    fn attributes_have_their_form_on_the_wire() {
        let network = |text, len| Network::new(address(text), len).unwrap();
        let subnet = PoolAttribute::Subnet(network("10.1.0.0", 16));
        let mask = [255, 255, 0, 0].into();
        assert_eq!(subnet.to_wire(), CfgAttribute::Ip4Subnet(Some(([10, 1, 0, 0].into(), mask))));
        let unity = PoolAttribute::SplitInclude(network("10.1.0.0", 16));
        let data = vec![10, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(unity.to_wire(), CfgAttribute::Unknown { kind: 28676, data });
        assert_eq!(Network::new(address("10.0.0.0"), 33), None);
        assert_eq!(Network::new(address("0.0.0.0"), 0), Some(Network::V4([0; 4].into(), [0; 4].into())));
    }
}
