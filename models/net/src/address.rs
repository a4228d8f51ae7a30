//! IP addresses and prefixes of both families.
//!
//! The address types are the standard library's. A prefix ([`IpNet`]) is ours, because its text comes from scenario
//! files and its errors must say what would be right. A prefix keeps the address as written ("10.1.0.1/16" is an
//! interface's address and its network at once), and [`IpNet::network`] gives the canonical form. Arithmetic is done on
//! 128 bits for both families: an IPv4 address stands in the lowest 32 of them.

use core::fmt;
use core::str::FromStr;

pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address with a prefix length (RFC 4632 §3.1, RFC 4291 §2.3), such as `10.1.0.0/16` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpNet {
    addr: IpAddr,
    prefix_len: u8,
}

/// Why a text is not an IP prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No slash in the text.
    #[error(
        "`{text}` has no prefix length: write an address and a length, such as `10.1.0.0/16` or `2001:db8::1/128`"
    )]
    NoPrefixLen {
        /// The text as given.
        text: String,
    },
    /// The part before the slash is no IP address.
    #[error("`{address}` is not an IP address: something such as `10.1.0.0` or `2001:db8::` is expected")]
    Address {
        /// The part before the slash.
        address: String,
    },
    /// The part after the slash is no number from 0 to 32, or 128.
    #[error("`/{prefix_len}` is not a prefix length: a number from 0 to {max} is expected")]
    PrefixLen {
        /// The part after the slash.
        prefix_len: String,
        /// 32 for IPv4, 128 for IPv6.
        max: u8,
    },
}

/// The number of bits in an address of the same family.
pub(crate) const fn address_bits(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address of the family of `like` with these bits; upper bits of an IPv4 one do not exist.
const fn from_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address stands in the lowest 32 bits")]
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// The address as a number.
pub(crate) const fn to_bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits() as u128,
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

impl IpNet {
    /// The prefix of all IPv4 addresses, `0.0.0.0/0`.
    pub const ALL_V4: Self = Self { addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 0 };
    /// The prefix of all IPv6 addresses, `::/0`.
    pub const ALL_V6: Self = Self { addr: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix_len: 0 };

    /// The prefix `addr`/`prefix_len`, or `None` when the length is above the family's 32 or 128.
    pub fn new(addr: impl Into<IpAddr>, prefix_len: u8) -> Option<Self> {
        let addr = addr.into();
        (prefix_len <= address_bits(addr)).then_some(Self { addr, prefix_len })
    }

    /// The prefix that holds `addr` alone.
    pub fn host(addr: impl Into<IpAddr>) -> Self {
        let addr = addr.into();
        Self { addr, prefix_len: address_bits(addr) }
    }

    /// The address as written, host bits included.
    pub const fn addr(self) -> IpAddr {
        self.addr
    }

    /// The prefix length, 0 to 32 or 128.
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether it is a prefix of IPv6 addresses.
    pub const fn is_ipv6(self) -> bool {
        self.addr.is_ipv6()
    }

    /// The same prefix with its host bits cleared.
    #[must_use]
    pub const fn network(self) -> Self {
        Self { addr: self.first(), prefix_len: self.prefix_len }
    }

    /// The lowest address of the prefix.
    pub const fn first(self) -> IpAddr {
        from_bits(self.addr, to_bits(self.addr) & !self.host_mask())
    }

    /// The highest address of the prefix.
    pub const fn last(self) -> IpAddr {
        from_bits(self.addr, to_bits(self.addr) | self.host_mask())
    }

    /// The lowest address that a host may have: after the network's own (the routers' anycast address in IPv6, RFC 4291
    /// §2.6.1), which prefixes of all bits or all but one (RFC 3021, RFC 6164) do not have.
    pub const fn first_host(self) -> IpAddr {
        let skip = if self.host_mask() <= 1 { 0 } else { 1 };
        from_bits(self.addr, to_bits(self.first()) + skip)
    }

    /// Whether `addr` lies in the prefix; none of the other family does.
    pub fn contains(self, addr: impl Into<IpAddr>) -> bool {
        let addr = addr.into();
        addr.is_ipv6() == self.is_ipv6() && to_bits(addr) & !self.host_mask() == to_bits(self.first())
    }

    /// Whether the two prefixes share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// Ones in the bits behind the prefix.
    const fn host_mask(self) -> u128 {
        let host_bits = (address_bits(self.addr) - self.prefix_len) as u32;
        if host_bits == 0 { 0 } else { u128::MAX >> (128 - host_bits) }
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

impl FromStr for IpNet {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((address, prefix_len)) = text.split_once('/') else {
            return Err(AddressError::NoPrefixLen { text: text.to_owned() });
        };
        let addr: IpAddr =
            address.parse().map_err(|_| AddressError::Address { address: address.to_owned() })?;
        parse_prefix_len(prefix_len).and_then(|len| Self::new(addr, len)).ok_or_else(|| {
            AddressError::PrefixLen { prefix_len: prefix_len.to_owned(), max: address_bits(addr) }
        })
    }
}

/// Digits only: the standard parser would also take `+8`.
fn parse_prefix_len(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn check_error(text: &str, part: &str) {
        let error = text.parse::<IpNet>().unwrap_err().to_string();
        assert!(error.contains(part), "`{text}` gives `{error}`, which lacks `{part}`");
    }

    #[test]
    fn errors_name_the_offending_part_and_what_is_right() {
        check_error("10.1.0.0", "no prefix length");
        check_error("10.1.0/16", "`10.1.0` is not an IP address");
        check_error("10.1.0.256/16", "such as `10.1.0.0`");
        check_error("10.1.0.0/33", "`/33` is not a prefix length: a number from 0 to 32");
        check_error("2001:db8::/129", "a number from 0 to 128");
        check_error("10.1.0.0/+8", "a number from 0 to 32");
        check_error("10.1.0.0/", "a number from 0 to 32");
        check_error("10.1.0.0/16/8", "`/16/8`");
    }

    #[test]
    fn a_prefix_keeps_its_host_bits_until_asked_for_the_network() {
        let interface = net("10.1.2.3/16");
        assert_eq!(interface.to_string(), "10.1.2.3/16");
        assert_eq!(interface.network(), net("10.1.0.0/16"));
        assert_eq!(
            (interface.first_host(), interface.last()),
            (address("10.1.0.1"), address("10.1.255.255"))
        );
        let interface = net("2001:db8:1::7/48");
        assert_eq!(interface.network(), net("2001:db8:1::/48"));
        assert_eq!(interface.first_host(), address("2001:db8:1::1"));
        assert_eq!(interface.last(), address("2001:db8:1:ffff:ffff:ffff:ffff:ffff"));
    }

    #[test]
    fn short_prefixes_use_their_first_address_as_host() {
        for (text, first) in [
            ("10.0.0.2/31", "10.0.0.2"),
            ("10.0.0.3/32", "10.0.0.3"),
            ("10.0.0.3/30", "10.0.0.1"),
            ("2001:db8::2/127", "2001:db8::2"),
            ("2001:db8::3/128", "2001:db8::3"),
        ] {
            assert_eq!(net(text).first_host(), address(first), "{text}");
        }
    }

    #[test]
    fn overlap_is_containment_either_way() {
        assert!(net("10.0.0.0/8").overlaps(net("10.9.0.0/16")));
        assert!(net("10.9.0.0/16").overlaps(net("10.0.0.0/8")));
        assert!(!net("10.8.0.0/16").overlaps(net("10.9.0.0/16")));
        assert!(IpNet::ALL_V4.overlaps(IpNet::host(Ipv4Addr::BROADCAST)));
        assert!(net("2001:db8::/32").overlaps(net("2001:db8:9::/48")));
    }

    #[test]
    fn no_address_lies_in_a_prefix_of_the_other_family() {
        assert!(!IpNet::ALL_V6.contains(Ipv4Addr::LOCALHOST) && !IpNet::ALL_V4.contains(Ipv6Addr::LOCALHOST));
        assert!(!IpNet::ALL_V6.overlaps(IpNet::ALL_V4));
    }

    proptest! {
        #[test]
        fn text_round_trips(bits: u32, prefix_len in 0_u8..=32) {
            let prefix = IpNet::new(Ipv4Addr::from_bits(bits), prefix_len).unwrap();
            prop_assert_eq!(prefix.to_string().parse::<IpNet>().unwrap(), prefix);
            prop_assert!(prefix.contains(prefix.first()) && prefix.contains(prefix.last()));
        }

        #[test]
        fn text_of_ipv6_round_trips(bits: u128, prefix_len in 0_u8..=128) {
            let prefix = IpNet::new(Ipv6Addr::from_bits(bits), prefix_len).unwrap();
            prop_assert_eq!(prefix.to_string().parse::<IpNet>().unwrap(), prefix);
            prop_assert!(prefix.contains(prefix.first()) && prefix.contains(prefix.last()));
        }
    }
}
