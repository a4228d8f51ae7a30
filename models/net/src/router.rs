//! Forwarding: a table of routes with longest-prefix match, and what a router does to a packet.
//!
//! Routes of one prefix length form a level: a sorted list of network numbers. A lookup goes through the levels that
//! exist, longest prefix first, with a binary search in each. Simulated networks have few levels (host routes and
//! site networks), so this beats a trie and keeps its routes in a defined order. The two families have levels of their
//! own, of numbers of 32 and of 128 bits, so that IPv6 costs IPv4 nothing.

use crate::address::{IpAddr, IpNet, Ipv4Addr, Ipv6Addr};
use crate::drop::DropReason;
use crate::ip::{IpView, decrement_ttl};
use crate::ipv4::TtlOutcome;

/// A port of a node: the index of one of its outgoing links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u32);

/// Forwarding information base: which port leads to a destination.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    v4: Levels<u32>,
    v6: Levels<u128>,
}

/// The routes of one family: longest prefix first; no level is empty.
#[derive(Clone, Debug)]
struct Levels<N>(Vec<Level<N>>);

/// The routes of one prefix length.
#[derive(Clone, Debug)]
struct Level<N> {
    prefix_len: u8,
    mask: N,
    /// Network numbers in ascending order, apart from the ports so that the search touches few cache lines.
    networks: Vec<N>,
    ports: Vec<PortId>,
}

/// A network number: an address as an integer.
trait Number: Copy + Ord + core::ops::BitAnd<Output = Self> {
    /// The mask of `prefix_len` leading one bits.
    fn mask(prefix_len: u8) -> Self;
    fn address(self) -> IpAddr;
}

impl Number for u32 {
    fn mask(prefix_len: u8) -> Self {
        if prefix_len == 0 { 0 } else { Self::MAX << (32 - prefix_len) }
    }

    fn address(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }
}

impl Number for u128 {
    fn mask(prefix_len: u8) -> Self {
        if prefix_len == 0 { 0 } else { Self::MAX << (128 - prefix_len) }
    }

    fn address(self) -> IpAddr {
        Ipv6Addr::from_bits(self).into()
    }
}

impl PortId {
    /// Port number `index` of its node.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number of the port, for use as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<N: Number> Level<N> {
    fn new(prefix_len: u8) -> Self {
        Self { prefix_len, mask: N::mask(prefix_len), networks: Vec::new(), ports: Vec::new() }
    }

    #[inline]
    fn lookup(&self, destination: N) -> Option<PortId> {
        let found = self.networks.binary_search(&(destination & self.mask)).ok()?;
        Some(self.ports[found])
    }

    fn insert(&mut self, network: N, port: PortId) -> Option<PortId> {
        match self.networks.binary_search(&network) {
            Ok(found) => Some(core::mem::replace(&mut self.ports[found], port)),
            Err(place) => {
                self.networks.insert(place, network);
                self.ports.insert(place, port);
                None
            }
        }
    }
}

impl<N> Default for Levels<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N> Levels<N> {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn len(&self) -> usize {
        self.0.iter().map(|level| level.ports.len()).sum()
    }
}

impl<N: Number> Levels<N> {
    fn insert(&mut self, network: N, prefix_len: u8, port: PortId) -> Option<PortId> {
        let place = match self.0.binary_search_by(|level| prefix_len.cmp(&level.prefix_len)) {
            Ok(found) => found,
            Err(place) => {
                self.0.insert(place, Level::new(prefix_len));
                place
            }
        };
        self.0[place].insert(network, port)
    }

    #[inline]
    fn lookup(&self, destination: N) -> Option<PortId> {
        self.0.iter().find_map(|level| level.lookup(destination))
    }

    fn routes(&self) -> impl Iterator<Item = (IpNet, PortId)> + '_ {
        self.0.iter().flat_map(|level| {
            let net = |network: &N| IpNet::new(network.address(), level.prefix_len);
            level.networks.iter().filter_map(net).zip(level.ports.iter().copied())
        })
    }
}

impl Fib {
    /// A table without routes.
    pub const fn new() -> Self {
        Self { v4: Levels::new(), v6: Levels::new() }
    }

    /// Routes `destination` to `port`; returns the port that it led to before.
    pub fn insert(&mut self, destination: IpNet, port: PortId) -> Option<PortId> {
        let prefix_len = destination.prefix_len();
        match destination.first() {
            IpAddr::V4(network) => self.v4.insert(network.to_bits(), prefix_len, port),
            IpAddr::V6(network) => self.v6.insert(network.to_bits(), prefix_len, port),
        }
    }

    /// The port for `destination` by its longest matching prefix, or `None` without a route.
    #[inline]
    pub fn lookup(&self, destination: impl Into<IpAddr>) -> Option<PortId> {
        match destination.into() {
            IpAddr::V4(destination) => self.v4.lookup(destination.to_bits()),
            IpAddr::V6(destination) => self.v6.lookup(destination.to_bits()),
        }
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is no route.
    pub const fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    /// All routes, those of IPv4 first, the longest prefix first, then by network number.
    pub fn routes(&self) -> impl Iterator<Item = (IpNet, PortId)> + '_ {
        self.v4.routes().chain(self.v6.routes())
    }
}

impl FromIterator<(IpNet, PortId)> for Fib {
    /// Later routes replace earlier ones to the same prefix.
    fn from_iter<I: IntoIterator<Item = (IpNet, PortId)>>(routes: I) -> Self {
        let mut sorted: Vec<_> = routes.into_iter().map(|(net, port)| (net.network(), port)).collect();
        // A stable sort keeps later duplicates later; in ascending order each insertion appends.
        sorted.sort_by_key(|&(net, _)| net);
        let mut fib = Self::new();
        for (net, port) in sorted {
            fib.insert(net, port);
        }
        fib
    }
}

/// What a router does (RFC 1812 §5.2, RFC 8200 §3): checks the header, decrements the TTL or hop limit, finds the port.
///
/// # Errors
/// The reason why the packet ends here; it is unchanged then, except that a packet without route has lost one TTL.
#[inline]
pub fn forward(packet: &mut [u8], fib: &Fib) -> Result<PortId, DropReason> {
    let destination = IpView::parse(packet).map_err(|error| error.drop_reason())?.destination();
    match decrement_ttl(packet) {
        TtlOutcome::Forward { .. } => fib.lookup(destination).ok_or(DropReason::NoRoute),
        TtlOutcome::Expired => Err(DropReason::TtlExpired),
        TtlOutcome::Malformed => Err(DropReason::MalformedPacket),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ip::{IpHeader, build_ip};
    use crate::ipv4::protocol;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn fib(routes: &[(&str, u32)]) -> Fib {
        routes.iter().map(|&(text, port)| (net(text), PortId::new(port))).collect()
    }

    fn lookup(fib: &Fib, address: &str) -> Option<usize> {
        fib.lookup(address.parse::<IpAddr>().unwrap()).map(PortId::index)
    }

    fn packet(destination: &str, ttl: u8) -> Vec<u8> {
        let destination: IpAddr = destination.parse().unwrap();
        let source = if destination.is_ipv6() { "2001:db8::1" } else { "10.0.0.1" };
        let header = IpHeader::new(source.parse().unwrap(), destination, protocol::UDP);
        build_ip(&IpHeader { ttl, ..header }, &[1, 2, 3])
    }

    #[test]
    fn the_longest_matching_prefix_wins() {
        let fib = fib(&[("10.0.0.0/8", 1), ("10.1.0.0/16", 2), ("10.1.2.3/32", 3), ("0.0.0.0/0", 4)]);
        assert_eq!(lookup(&fib, "10.1.2.3"), Some(3));
        assert_eq!(lookup(&fib, "10.1.2.4"), Some(2));
        assert_eq!(lookup(&fib, "10.2.0.0"), Some(1));
        assert_eq!(lookup(&fib, "11.0.0.0"), Some(4));
        assert_eq!((fib.len(), fib.is_empty()), (4, false));
    }

    #[test]
    fn without_default_route_the_rest_is_unreachable() {
        let fib = fib(&[("10.0.0.0/8", 1)]);
        assert_eq!(lookup(&fib, "11.0.0.0"), None);
        assert_eq!(forward(&mut packet("11.0.0.0", 64), &fib), Err(DropReason::NoRoute));
        assert!(Fib::new().is_empty());
    }

    #[test]
    fn a_later_route_replaces_an_earlier_one_to_the_same_prefix() {
        let mut fib = fib(&[("10.1.2.3/16", 1), ("10.1.0.0/16", 2)]);
        assert_eq!(lookup(&fib, "10.1.9.9"), Some(2));
        assert_eq!(fib.insert(net("10.1.0.0/16"), PortId::new(5)), Some(PortId::new(2)));
        assert_eq!(fib.routes().collect::<Vec<_>>(), [(net("10.1.0.0/16"), PortId::new(5))]);
    }

    #[test]
    fn forwarding_takes_one_hop_off_and_keeps_the_header_right() {
        let fib = fib(&[("10.0.0.0/8", 7)]);
        let mut forwarded = packet("10.9.9.9", 64);
        assert_eq!(forward(&mut forwarded, &fib), Ok(PortId::new(7)));
        assert_eq!(forwarded, packet("10.9.9.9", 63));
    }

    #[test]
    fn the_families_have_routes_of_their_own() {
        let fib =
            fib(&[("0.0.0.0/0", 1), ("2001:db8::/32", 2), ("2001:db8:7::/48", 3), ("2001:db8::7/128", 4)]);
        assert_eq!(lookup(&fib, "10.1.2.3"), Some(1));
        assert_eq!(lookup(&fib, "2001:db8:7::1"), Some(3));
        assert_eq!(lookup(&fib, "2001:db8::7"), Some(4));
        assert_eq!(lookup(&fib, "2001:db8::8"), Some(2));
        assert_eq!(lookup(&fib, "2001:db9::8"), None);
        assert_eq!((fib.len(), fib.routes().count()), (4, 4));
        let mut forwarded = packet("2001:db8:7::1", 2);
        assert_eq!(forward(&mut forwarded, &fib), Ok(PortId::new(3)));
        assert_eq!(forwarded, packet("2001:db8:7::1", 1));
        assert_eq!(forward(&mut forwarded, &fib), Err(DropReason::TtlExpired));
    }

    #[test]
    fn what_cannot_go_on_is_dropped_by_name() {
        let fib = fib(&[("0.0.0.0/0", 0)]);
        for ttl in [0, 1] {
            let mut expired = packet("10.9.9.9", ttl);
            assert_eq!(forward(&mut expired, &fib), Err(DropReason::TtlExpired));
            assert_eq!(expired, packet("10.9.9.9", ttl), "unchanged");
        }
        let mut damaged = packet("10.9.9.9", 64);
        damaged[16] ^= 1;
        assert_eq!(forward(&mut damaged, &fib), Err(DropReason::BadChecksum));
        assert_eq!(forward(&mut [0x45; 19], &fib), Err(DropReason::MalformedPacket));
    }

    proptest! {
        #[test]
        fn lookups_agree_with_a_search_of_all_routes(
            routes in prop::collection::vec((0_u32..64, 26_u8..=32), 0..40),
            destination in 0_u32..64,
        ) {
            let routes: Vec<_> = routes
                .into_iter()
                .zip(0..)
                .map(|((bits, len), port)| (IpNet::new(Ipv4Addr::from_bits(bits), len).unwrap(), PortId::new(port)))
                .collect();
            let fib: Fib = routes.iter().copied().collect();
            let address = Ipv4Addr::from_bits(destination);
            // Of equal prefixes the last one counts, which is what `max_by_key` returns.
            let best = routes.iter().filter(|(net, _)| net.contains(address)).max_by_key(|(net, _)| net.prefix_len());
            prop_assert_eq!(fib.lookup(address), best.map(|&(_, port)| port));
        }
    }
}
