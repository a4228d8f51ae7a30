//! Ranges of addresses: what a traffic selector may speak of (RFC 7296 §3.13.1), where a network is one kind among others.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::selector::Network;
use super::value::TextValue as _;
use crate::structure::Mistake;

/// The addresses from a first to a last one, both of one family and in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addresses {
    first: IpAddr,
    last: IpAddr,
}

impl Addresses {
    /// All IPv4 addresses.
    pub const ALL: Self =
        Self { first: IpAddr::V4(Ipv4Addr::UNSPECIFIED), last: IpAddr::V4(Ipv4Addr::BROADCAST) };

    /// The single address.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self { first: address, last: address }
    }

    /// From `first` to `last`; `None` when they are of two families, or in the wrong order.
    pub fn range(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The first address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        self.last
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        let same = self.first.is_ipv4() == other.first.is_ipv4();
        same && self.first <= other.last && other.first <= self.last
    }

    /// Whether it is the whole of its family's address space.
    pub fn is_everything(self) -> bool {
        [Network::ALL, Network::ALL_V6].into_iter().any(|all| self == all.into())
    }

    /// The network that it is, if it is one.
    pub fn network(self) -> Option<Network> {
        let longest = if self.first.is_ipv4() { 32 } else { 128 };
        let networks = (0..=longest).map(|prefix_len| Network::containing(self.first, prefix_len));
        networks.into_iter().find(|network| self == Self::from(*network))
    }

    /// Reads `10.1.0.0/16`, `10.1.0.7` or `10.1.0.5-10.1.0.9`.
    ///
    /// # Errors
    /// Where the text is none of them, with the place in it.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        if text.contains('/') {
            return Network::parse(text).map(Self::from);
        }
        let address = |at: usize, text: &str| {
            text.parse::<IpAddr>().map_err(|_| Mistake {
                span: Some(at..at + text.len()).filter(|span| !span.is_empty()),
                ..Mistake::new("not an IP address")
            })
        };
        // swanctl takes a bare address as the network of that one host.
        let Some((first, last)) = text.split_once('-') else { return address(0, text).map(Self::host) };
        let (first, last) = (address(0, first)?, address(first.len() + 1, last)?);
        Self::range(first, last).ok_or_else(|| Mistake {
            span: Some(0..text.len()),
            help: vec!["a range goes from its lowest address to its highest, both of one family".to_owned()],
            ..Mistake::new("no range of addresses")
        })
    }
}

impl From<Network> for Addresses {
    fn from(network: Network) -> Self {
        Self { first: network.first(), last: network.last() }
    }
}

impl fmt::Display for Addresses {
    /// A network by its prefix, any other range by both ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            Some(network) => network.fmt(f),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(text: &str) -> Addresses {
        Addresses::parse(text).unwrap()
    }

    #[test]
    fn ranges_networks_and_hosts_come_back_as_they_were_written() {
        for text in
            ["10.1.0.5-10.1.0.9", "10.1.0.0/16", "2001:db8::1-2001:db8::ffff", "2001:db8::/32", "0.0.0.0/0"]
        {
            assert_eq!(addresses(text).to_string(), text);
        }
        assert_eq!(addresses("10.1.0.7").to_string(), "10.1.0.7/32");
        assert_eq!(addresses("10.1.0.0-10.1.0.255").to_string(), "10.1.0.0/24");
        assert!(addresses("0.0.0.0-255.255.255.255").is_everything() && addresses("::/0").is_everything());
        assert_eq!(addresses("0.0.0.0/0"), Addresses::ALL);
    }

    #[test]
    fn what_is_no_range_is_placed() {
        let check = |text: &str, message: &str, span| {
            let mistake = Addresses::parse(text).unwrap_err();
            assert_eq!((mistake.message.as_str(), mistake.span), (message, span), "{text}");
        };
        check("10.1.0.5-10.1.0", "not an IP address", Some(9..15));
        check("10.1-10.1.0.9", "not an IP address", Some(0..4));
        check("10.1.0.5-", "not an IP address", None);
        check("10.1.0.9-10.1.0.5", "no range of addresses", Some(0..17));
        check("10.1.0.9-2001:db8::1", "no range of addresses", Some(0..20));
        check("10.1.0.1/16", "host bits are set", None);
    }

    proptest! {
        #[test]
        fn overlap_is_having_an_address_in_common(a: u32, b: u32, c: u32, d: u32, e: u32) {
            let address = |bits| IpAddr::from(Ipv4Addr::from_bits(bits));
            let range = |one: u32, two: u32| Addresses::range(address(one.min(two)), address(one.max(two))).unwrap();
            let (x, y, point) = (range(a, b), range(c, d), Addresses::host(address(e)));
            prop_assert_eq!(x.overlaps(y), y.overlaps(x));
            prop_assert!(!(x.overlaps(point) && y.overlaps(point)) || x.overlaps(y));
            prop_assert!(x.overlaps(Addresses::host(x.first())) && x.overlaps(Addresses::host(x.last())));
        }
    }
}
