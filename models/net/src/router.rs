//! Forwarding: a table of routes with longest-prefix match, and what a router does to a packet.
//!
//! Routes of one prefix length form a level: a sorted list of network numbers. A lookup goes through the levels that
//! exist, longest prefix first, with a binary search in each. Simulated networks have few levels (host routes and
//! site networks), so this beats a trie and keeps its routes in a defined order.

use crate::address::{self, Ipv4Addr, Ipv4Net};
use crate::drop::DropReason;
use crate::ipv4::{Ipv4View, TtlOutcome, decrement_ttl};

/// A port of a node: the index of one of its outgoing links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u32);

/// Forwarding information base: which port leads to a destination.
#[derive(Clone, Debug, Default)]
pub struct Fib {
    /// Longest prefix first; no level is empty.
    levels: Vec<Level>,
}

/// The routes of one prefix length.
#[derive(Clone, Debug)]
struct Level {
    prefix_len: u8,
    mask: u32,
    /// Network numbers in ascending order, apart from the ports so that the search touches few cache lines.
    networks: Vec<u32>,
    ports: Vec<PortId>,
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

impl Level {
    const fn new(prefix_len: u8) -> Self {
        Self { prefix_len, mask: address::mask(prefix_len), networks: Vec::new(), ports: Vec::new() }
    }

    fn lookup(&self, destination: u32) -> Option<PortId> {
        let found = self.networks.binary_search(&(destination & self.mask)).ok()?;
        Some(self.ports[found])
    }

    fn insert(&mut self, network: u32, port: PortId) -> Option<PortId> {
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

impl Fib {
    /// A table without routes.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Routes `destination` to `port`; returns the port that it led to before.
    pub fn insert(&mut self, destination: Ipv4Net, port: PortId) -> Option<PortId> {
        let prefix_len = destination.prefix_len();
        let place = match self.levels.binary_search_by(|level| prefix_len.cmp(&level.prefix_len)) {
            Ok(found) => found,
            Err(place) => {
                self.levels.insert(place, Level::new(prefix_len));
                place
            }
        };
        self.levels[place].insert(destination.first().to_bits(), port)
    }

    /// The port for `destination` by its longest matching prefix, or `None` without a route.
    #[inline]
    pub fn lookup(&self, destination: Ipv4Addr) -> Option<PortId> {
        self.levels.iter().find_map(|level| level.lookup(destination.to_bits()))
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.levels.iter().map(|level| level.networks.len()).sum()
    }

    /// Whether there is no route.
    pub const fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// All routes, longest prefix first, then by network number.
    pub fn routes(&self) -> impl Iterator<Item = (Ipv4Net, PortId)> + '_ {
        self.levels.iter().flat_map(|level| {
            let nets = level
                .networks
                .iter()
                .filter_map(|&network| Ipv4Net::new(Ipv4Addr::from_bits(network), level.prefix_len));
            nets.zip(level.ports.iter().copied())
        })
    }
}

impl FromIterator<(Ipv4Net, PortId)> for Fib {
    /// Later routes replace earlier ones to the same prefix.
    fn from_iter<I: IntoIterator<Item = (Ipv4Net, PortId)>>(routes: I) -> Self {
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

/// What a router does (RFC 1812 §5.2): checks the header, decrements the TTL, finds the port.
///
/// # Errors
/// The reason why the packet ends here; it is unchanged then, except that a packet without route has lost one TTL.
#[inline]
pub fn forward(packet: &mut [u8], fib: &Fib) -> Result<PortId, DropReason> {
    let destination = Ipv4View::parse(packet).map_err(|error| error.drop_reason())?.destination();
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
    use crate::ipv4::{Ipv4Header, build_ipv4, protocol};

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn fib(routes: &[(&str, u32)]) -> Fib {
        routes.iter().map(|&(text, port)| (net(text), PortId::new(port))).collect()
    }

    fn lookup(fib: &Fib, address: &str) -> Option<usize> {
        fib.lookup(address.parse().unwrap()).map(PortId::index)
    }

    fn packet(destination: &str, ttl: u8) -> Vec<u8> {
        let header = Ipv4Header::new(Ipv4Addr::new(10, 0, 0, 1), destination.parse().unwrap(), protocol::UDP);
        build_ipv4(&Ipv4Header { ttl, ..header }, &[1, 2, 3])
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
                .map(|((bits, len), port)| (Ipv4Net::new(bits.into(), len).unwrap(), PortId::new(port)))
                .collect();
            let fib: Fib = routes.iter().copied().collect();
            let address = Ipv4Addr::from_bits(destination);
            // Of equal prefixes the last one counts, which is what `max_by_key` returns.
            let best = routes.iter().filter(|(net, _)| net.contains(address)).max_by_key(|(net, _)| net.prefix_len());
            prop_assert_eq!(fib.lookup(address), best.map(|&(_, port)| port));
        }
    }
}
