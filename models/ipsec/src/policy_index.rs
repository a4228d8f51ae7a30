//! Which entries of a long SPD may match a packet: an index by the networks of both sides, so that a look-up does not slow
//! down with the number of policies (tuple space search: one look-up for each pair of prefix lengths in use).
//!
//! Each pair of a local and a remote selector stands under the smallest networks that hold their ranges. Real lists use few
//! pairs of lengths, whatever their size; pairs of lengths whose first entry comes after one that has been found are not
//! looked at. What stands under the same two networks is told apart by protocol and ports, entry by entry.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::index::Network;
use crate::selector::TrafficSelector;

/// An entry with more pairs of selectors than this stands under the networks that hold everything.
const PAIRS_MAX: usize = 64;

/// A slot of the hash table without a group.
const FREE: u32 = u32::MAX;

/// Lengths of the prefixes of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    local: u8,
    remote: u8,
}

/// A local and a remote network.
type Networks = (Network, Network);

/// What stands under one pair of networks: so many of the index's places, from `start` on.
#[derive(Clone, Copy, Debug)]
struct Group {
    networks: Networks,
    start: usize,
    len: usize,
}

/// The places of a list's entries by their networks.
#[derive(Clone, Debug)]
pub(crate) struct PolicyIndex {
    /// Shapes in use with the first place of each, in order of that place.
    shapes: Vec<(usize, Shape)>,
    /// A hash table with twice as many slots as groups, at least, and a power of two; what finds its slot taken goes on to
    /// the next one. It holds numbers of groups, [`FREE`] for none, so that it stays small.
    table: Vec<u32>,
    groups: Vec<Group>,
    places: Vec<usize>,
}

impl PolicyIndex {
    /// The index of entries, given as their local and remote selectors in order.
    pub(crate) fn new<'a>(
        entries: impl Iterator<Item = (&'a [TrafficSelector], &'a [TrafficSelector])>,
    ) -> Self {
        let (mut shapes, mut groups) = (BTreeMap::new(), BTreeMap::<Networks, Vec<usize>>::new());
        for (place, (local, remote)) in entries.enumerate() {
            for networks in pairs(local, remote) {
                let shape = Shape { local: networks.0.prefix_len(), remote: networks.1.prefix_len() };
                shapes.entry(shape).or_insert(place);
                let places = groups.entry(networks).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        let mut shapes: Vec<_> = shapes.into_iter().map(|(shape, first)| (first, shape)).collect();
        shapes.sort_unstable();
        let slots = (groups.len() * 2).next_power_of_two();
        let mut index = Self { shapes, table: vec![FREE; slots], groups: Vec::new(), places: Vec::new() };
        for (networks, places) in groups {
            let (slot, _) = index.find(networks);
            index.table[slot] =
                u32::try_from(index.groups.len()).expect("a list of so many entries fits nowhere");
            index.groups.push(Group { networks, start: index.places.len(), len: places.len() });
            index.places.extend(places);
        }
        index
    }

    /// The slot of a pair of networks with what stands under it, or the free slot where it would be.
    fn find(&self, networks: Networks) -> (usize, Option<&Group>) {
        let mask = self.table.len() - 1;
        let mut slot = hash(networks) & mask;
        // A free slot holds no number of a group.
        while let Some(group) = self.groups.get(self.table[slot] as usize) {
            if group.networks == networks {
                return (slot, Some(group));
            }
            slot = (slot + 1) & mask;
        }
        (slot, None)
    }

    /// The first place from `start` on that may match these addresses and for which `matches` says that it does.
    pub(crate) fn first(
        &self,
        start: usize,
        local: IpAddr,
        remote: IpAddr,
        matches: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut best = None;
        for &(first, shape) in &self.shapes {
            if best.is_some_and(|best| best < first) {
                break;
            }
            let networks = (Network::around(local, shape.local), Network::around(remote, shape.remote));
            let (_, Some(group)) = self.find(networks) else { continue };
            let places = &self.places[group.start..group.start + group.len];
            let from_start = &places[places.partition_point(|place| *place < start)..];
            let better = from_start.iter().copied().take_while(|place| best.is_none_or(|best| *place < best));
            best = better.into_iter().find(|place| matches(*place)).or(best);
        }
        best
    }
}

/// A fixed hash, so that runs are alike.
fn hash((local, remote): Networks) -> usize {
    // Odd constants of Fibonacci hashing: 2⁶⁴ divided by the golden ratio, and by its square.
    const GOLDEN: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x61c8_8646_80b5_83eb];
    let [local, remote] = [local, remote].map(|network| {
        let [high, low] = network.halves();
        high.wrapping_mul(GOLDEN[1]).rotate_left(29) ^ low.wrapping_add(network.prefix_len().into())
    });
    let mixed = (local.wrapping_mul(GOLDEN[0]).rotate_left(31) ^ remote).wrapping_mul(GOLDEN[0]);
    usize::try_from(mixed >> 32).unwrap_or(0)
}

/// The networks that an entry stands under.
fn pairs(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Vec<(Network, Network)> {
    let networks = |side: &[TrafficSelector]| -> Vec<Network> {
        side.iter().filter_map(|selector| Network::of(selector.addresses)).collect()
    };
    let (local, remote) = (networks(local), networks(remote));
    if local.len() * remote.len() > PAIRS_MAX {
        return vec![(Network::EVERYTHING, Network::EVERYTHING)];
    }
    local.iter().flat_map(|local| remote.iter().map(|remote| (*local, *remote))).collect()
}
