//! IPv4 addresses and prefixes.
//!
//! The address type is the standard library's. A prefix ([`Ipv4Net`]) is ours, because its text comes from scenario
//! files and its errors must say what would be right. A prefix keeps the address as written ("10.1.0.1/16" is an
//! interface's address and its network at once), and [`Ipv4Net::network`] gives the canonical form.

use core::fmt;
use core::str::FromStr;

pub use core::net::Ipv4Addr;

/// An IPv4 address with a prefix length (RFC 4632 §3.1), such as `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Net {
    addr: Ipv4Addr,
    prefix_len: u8,
}

/// Why a text is not an IPv4 prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No slash in the text.
    #[error(
        "`{text}` has no prefix length: write an address and a length, such as `10.1.0.0/16` or `10.1.0.1/32`"
    )]
    NoPrefixLen {
        /// The text as given.
        text: String,
    },
    /// The part before the slash is no IPv4 address.
    #[error(
        "`{address}` is not an IPv4 address: four numbers from 0 to 255 are expected, such as `10.1.0.0`"
    )]
    Address {
        /// The part before the slash.
        address: String,
    },
    /// The part after the slash is no number from 0 to 32.
    #[error("`/{prefix_len}` is not a prefix length: a number from 0 to 32 is expected")]
    PrefixLen {
        /// The part after the slash.
        prefix_len: String,
    },
}

impl Ipv4Net {
    /// The prefix of all addresses, `0.0.0.0/0`.
    pub const ALL: Self = Self { addr: Ipv4Addr::UNSPECIFIED, prefix_len: 0 };

    /// The prefix `addr`/`prefix_len`, or `None` when the length is above 32.
    pub const fn new(addr: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        if prefix_len <= 32 { Some(Self { addr, prefix_len }) } else { None }
    }

    /// The prefix that holds `addr` alone.
    pub const fn host(addr: Ipv4Addr) -> Self {
        Self { addr, prefix_len: 32 }
    }

    /// The address as written, host bits included.
    pub const fn addr(self) -> Ipv4Addr {
        self.addr
    }

    /// The prefix length, 0 to 32.
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// The same prefix with its host bits cleared.
    #[must_use]
    pub const fn network(self) -> Self {
        Self { addr: Ipv4Addr::from_bits(self.addr.to_bits() & self.mask()), prefix_len: self.prefix_len }
    }

    /// The lowest address of the prefix.
    pub const fn first(self) -> Ipv4Addr {
        self.network().addr
    }

    /// The highest address of the prefix.
    pub const fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.addr.to_bits() | !self.mask())
    }

    /// The lowest address that a host may have: after the network's own, which /31 (RFC 3021) and /32 do not have.
    pub const fn first_host(self) -> Ipv4Addr {
        let skip = if self.prefix_len >= 31 { 0 } else { 1 };
        Ipv4Addr::from_bits(self.first().to_bits() + skip)
    }

    /// Whether `addr` lies in the prefix.
    pub const fn contains(self, addr: Ipv4Addr) -> bool {
        addr.to_bits() & self.mask() == self.first().to_bits()
    }

    /// Whether the two prefixes share an address.
    pub const fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// The network mask as a number.
    pub(crate) const fn mask(self) -> u32 {
        mask(self.prefix_len)
    }
}

/// The mask of `prefix_len` leading one bits.
pub(crate) const fn mask(prefix_len: u8) -> u32 {
    if prefix_len == 0 { 0 } else { u32::MAX << (32 - prefix_len) }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

impl FromStr for Ipv4Net {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((address, prefix_len)) = text.split_once('/') else {
            return Err(AddressError::NoPrefixLen { text: text.to_owned() });
        };
        let addr = address.parse().map_err(|_| AddressError::Address { address: address.to_owned() })?;
        parse_prefix_len(prefix_len)
            .and_then(|len| Self::new(addr, len))
            .ok_or_else(|| AddressError::PrefixLen { prefix_len: prefix_len.to_owned() })
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

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn check_error(text: &str, part: &str) {
        let error = text.parse::<Ipv4Net>().unwrap_err().to_string();
        assert!(error.contains(part), "`{text}` gives `{error}`, which lacks `{part}`");
    }

    #[test]
    fn errors_name_the_offending_part_and_what_is_right() {
        check_error("10.1.0.0", "no prefix length");
        check_error("10.1.0/16", "`10.1.0` is not an IPv4 address");
        check_error("10.1.0.256/16", "numbers from 0 to 255");
        check_error("10.1.0.0/33", "`/33` is not a prefix length");
        check_error("10.1.0.0/+8", "a number from 0 to 32");
        check_error("10.1.0.0/", "a number from 0 to 32");
        check_error("10.1.0.0/16/8", "`/16/8`");
    }

    #[test]
    fn a_prefix_keeps_its_host_bits_until_asked_for_the_network() {
        let interface = net("10.1.2.3/16");
        assert_eq!(interface.to_string(), "10.1.2.3/16");
        assert_eq!(interface.network(), net("10.1.0.0/16"));
        assert_eq!(interface.first_host(), Ipv4Addr::new(10, 1, 0, 1));
        assert_eq!(interface.last(), Ipv4Addr::new(10, 1, 255, 255));
    }

    #[test]
    fn short_prefixes_use_their_first_address_as_host() {
        assert_eq!(net("10.0.0.2/31").first_host(), Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(net("10.0.0.3/32").first_host(), Ipv4Addr::new(10, 0, 0, 3));
        assert_eq!(net("10.0.0.3/30").first_host(), Ipv4Addr::new(10, 0, 0, 1));
    }

    #[test]
    fn overlap_is_containment_either_way() {
        assert!(net("10.0.0.0/8").overlaps(net("10.9.0.0/16")));
        assert!(net("10.9.0.0/16").overlaps(net("10.0.0.0/8")));
        assert!(!net("10.8.0.0/16").overlaps(net("10.9.0.0/16")));
        assert!(Ipv4Net::ALL.overlaps(Ipv4Net::host(Ipv4Addr::BROADCAST)));
        assert!(Ipv4Net::ALL.contains(Ipv4Addr::BROADCAST));
    }

    proptest! {
        #[test]
        fn text_round_trips(bits: u32, prefix_len in 0_u8..=32) {
            let prefix = Ipv4Net::new(Ipv4Addr::from_bits(bits), prefix_len).unwrap();
            prop_assert_eq!(prefix.to_string().parse::<Ipv4Net>().unwrap(), prefix);
            prop_assert!(prefix.contains(prefix.first()) && prefix.contains(prefix.last()));
        }
    }
}
