//! Which pairs of a policy may cover a packet: an index by the other side's addresses.
//!
//! A responder's policy can have a pair for each of thousands of peers, which differ in nothing but the peer's address.
//! Each remote selector stands under the smallest network that holds its range, and a packet looks at one network of
//! each length in use, as in a routing table with few lengths. What is found may cover the packet; whether it does, the
//! pair itself says.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::selector::{AddressRange, TrafficSelector};

/// An IPv4 network: length of the prefix and its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    prefix_len: u32,
    bits: u32,
}

impl Network {
    /// The network of this length around an address.
    fn around(address: Ipv4Addr, prefix_len: u32) -> Self {
        let host_bits = u32::MAX.checked_shr(prefix_len).unwrap_or(0);
        Self { prefix_len, bits: address.to_bits() & !host_bits }
    }

    /// The smallest one that holds the range; `None` for a range without addresses.
    fn of(range: AddressRange) -> Option<Self> {
        let differing = range.start.to_bits() ^ range.end.to_bits();
        (range.start <= range.end).then(|| Self::around(range.start, differing.leading_zeros()))
    }
}

/// The slots of one policy's pairs.
#[derive(Debug, Default)]
pub(crate) struct RemoteIndex {
    /// Slots under each network, in order of installation.
    slots: BTreeMap<Network, Vec<usize>>,
    lengths: Lengths,
}

/// How many networks of each length there are, and the lengths in use as bits, so that a packet goes over few.
#[derive(Debug)]
struct Lengths {
    counts: [usize; 33],
    used: u64,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { counts: [0; 33], used: 0 }
    }
}

impl Lengths {
    fn add(&mut self, prefix_len: u32) {
        self.counts[prefix_len as usize] += 1;
        self.used |= 1 << prefix_len;
    }

    fn remove(&mut self, prefix_len: u32) {
        let count = &mut self.counts[prefix_len as usize];
        *count -= 1;
        if *count == 0 {
            self.used &= !(1 << prefix_len);
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> + use<> {
        let mut rest = self.used;
        core::iter::from_fn(move || {
            let prefix_len = rest.trailing_zeros();
            let some = rest != 0;
            rest &= rest.wrapping_sub(1);
            some.then_some(prefix_len)
        })
    }
}

impl RemoteIndex {
    /// Adds the pair in `slot`, installed after all others, with its remote selectors.
    pub(crate) fn insert(&mut self, slot: usize, remote: &[TrafficSelector]) {
        for network in remote.iter().filter_map(|selector| Network::of(selector.addresses)) {
            let slots = self.slots.entry(network).or_default();
            if slots.is_empty() {
                self.lengths.add(network.prefix_len);
            }
            // Selectors of one pair often differ in ports alone.
            if slots.last() != Some(&slot) {
                slots.push(slot);
            }
        }
    }

    /// Takes the pair in `slot` out, which came in with these selectors.
    pub(crate) fn remove(&mut self, slot: usize, remote: &[TrafficSelector]) {
        for network in remote.iter().filter_map(|selector| Network::of(selector.addresses)) {
            let Some(slots) = self.slots.get_mut(&network) else { continue };
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.slots.remove(&network);
                self.lengths.remove(network.prefix_len);
            }
        }
    }

    /// Slots of the pairs that may cover a packet from or to this address of the other side; a pair may come twice.
    pub(crate) fn candidates(&self, remote: Ipv4Addr) -> impl Iterator<Item = usize> + '_ {
        let networks = self.lengths.iter().map(move |prefix_len| Network::around(remote, prefix_len));
        networks.filter_map(|network| self.slots.get(&network)).flatten().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn selector(start: u32, end: u32) -> TrafficSelector {
        let [start, end] = [start, end].map(Ipv4Addr::from_bits);
        TrafficSelector { addresses: AddressRange { start, end }, ..TrafficSelector::ANY }
    }

    fn found(index: &RemoteIndex, address: u32) -> BTreeSet<usize> {
        index.candidates(Ipv4Addr::from_bits(address)).collect()
    }

    proptest! {
        #[test]
        fn no_pair_that_holds_the_address_is_missed(
            pairs in prop::collection::vec(prop::collection::vec((0_u32..300, 0_u32..300), 0..4), 1..20),
            removed in prop::collection::btree_set(0_usize..20, 0..20),
            address in 0_u32..300,
        ) {
            let selectors: Vec<Vec<_>> =
                pairs.iter().map(|ranges| ranges.iter().map(|&(start, end)| selector(start, end)).collect()).collect();
            let mut index = RemoteIndex::default();
            for (slot, remote) in selectors.iter().enumerate() {
                index.insert(slot, remote);
            }
            for slot in removed.iter().filter(|slot| **slot < selectors.len()) {
                index.remove(*slot, &selectors[*slot]);
            }
            let holds = |remote: &[TrafficSelector]| {
                remote.iter().any(|one| one.addresses.contains(Ipv4Addr::from_bits(address)))
            };
            let present = |slot: &usize| !removed.contains(slot);
            let expected = (0..selectors.len()).filter(present).filter(|slot| holds(&selectors[*slot]));
            let candidates = found(&index, address);
            prop_assert!(expected.collect::<BTreeSet<_>>().is_subset(&candidates));
            prop_assert!(candidates.iter().all(present));
        }

        #[test]
        fn an_index_without_pairs_holds_nothing(
            pairs in prop::collection::vec(prop::collection::vec((any::<u32>(), any::<u32>()), 0..5), 0..20),
        ) {
            let mut index = RemoteIndex::default();
            let remote = |ranges: &[(u32, u32)]| ranges.iter().map(|&(start, end)| selector(start, end)).collect::<Vec<_>>();
            for (slot, ranges) in pairs.iter().enumerate() {
                index.insert(slot, &remote(ranges));
            }
            for (slot, ranges) in pairs.iter().enumerate() {
                index.remove(slot, &remote(ranges));
            }
            prop_assert!(index.is_empty() && index.lengths.used == 0);
        }
    }

    #[test]
    fn a_host_among_ten_thousand_is_found_alone() {
        let mut index = RemoteIndex::default();
        for slot in 0..10_000 {
            let address = u32::try_from(slot).unwrap();
            index.insert(slot, &[selector(address, address)]);
        }
        assert_eq!(index.candidates(Ipv4Addr::from_bits(7_777)).collect::<Vec<_>>(), [7_777]);
        assert_eq!(index.candidates(Ipv4Addr::from_bits(10_000)).count(), 0);
    }

    #[test]
    fn ranges_stand_under_the_smallest_network_around_them() {
        let of = |start, end| Network::of(selector(start, end).addresses);
        assert_eq!(of(0, u32::MAX), Some(Network { prefix_len: 0, bits: 0 }));
        assert_eq!(of(6, 6), Some(Network { prefix_len: 32, bits: 6 }));
        assert_eq!(of(7, 8), Some(Network { prefix_len: 28, bits: 0 }));
        assert_eq!(of(0x0a01_0000, 0x0a01_ffff), Some(Network { prefix_len: 16, bits: 0x0a01_0000 }));
        assert_eq!(of(8, 7), None);
    }

    #[test]
    fn pairs_under_one_network_come_in_order_of_installation() {
        let mut index = RemoteIndex::default();
        for slot in [4, 1, 9] {
            index.insert(slot, &[selector(5, 5), selector(5, 5)]);
        }
        assert_eq!(index.candidates(Ipv4Addr::from_bits(5)).collect::<Vec<_>>(), [4, 1, 9]);
    }
}
