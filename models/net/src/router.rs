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
