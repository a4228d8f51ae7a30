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

/// Lengths of the prefixes of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    local: u8,
    remote: u8,
}

/// The places of a list's entries by their networks.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyIndex {
    /// Shapes in use with the first place of each, in order of that place.
    shapes: Vec<(usize, Shape)>,
    places: BTreeMap<(Network, Network), Vec<usize>>,
}

impl PolicyIndex {
    /// The index of entries, given as their local and remote selectors in order.
    pub(crate) fn new<'a>(
        entries: impl Iterator<Item = (&'a [TrafficSelector], &'a [TrafficSelector])>,
    ) -> Self {
        let mut index = Self::default();
        let mut shapes = BTreeMap::new();
        for (place, (local, remote)) in entries.enumerate() {
            for networks in pairs(local, remote) {
                let shape = Shape { local: networks.0.prefix_len(), remote: networks.1.prefix_len() };
                shapes.entry(shape).or_insert(place);
                let places = index.places.entry(networks).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        index.shapes = shapes.into_iter().map(|(shape, first)| (first, shape)).collect();
        index.shapes.sort_unstable();
        index
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
            let Some(places) = self.places.get(&networks) else { continue };
            let from_start = &places[places.partition_point(|place| *place < start)..];
            let better = from_start.iter().copied().take_while(|place| best.is_none_or(|best| *place < best));
            best = better.into_iter().find(|place| matches(*place)).or(best);
        }
        best
    }
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
