//! Which pairs of a policy may cover a packet: an index by the other side's addresses.
//!
//! A responder's policy can have a pair for each of thousands of peers, which differ in nothing but the peer's address.
//! Each remote selector stands under the smallest network that holds its range, and a packet looks at one network of
//! each length in use, as in a routing table with few lengths. What is found may cover the packet; whether it does, the
//! pair itself says.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::selector::{AddressRange, TrafficSelector};

/// A network of either version: length of the prefix and its bits.
///
/// IPv4 addresses stand where IPv6 has them mapped, so both share one space; only a range over both versions is everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    prefix_len: u8,
    bits: u128,
}

/// The bits of an address in the space of both versions.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    /// Every address of both versions.
    pub(crate) const EVERYTHING: Self = Self { prefix_len: 0, bits: 0 };

    /// The network of this length around an address.
    pub(crate) fn around(address: IpAddr, prefix_len: u8) -> Self {
        let host_bits = u128::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
        Self { prefix_len, bits: bits_of(address) & !host_bits }
    }

    /// The smallest one that holds the range; `None` for a range without addresses.
    pub(crate) fn of(range: AddressRange) -> Option<Self> {
        if range.start > range.end {
            return None;
        }
        let differing = bits_of(range.start) ^ bits_of(range.end);
        let same_version = range.start.is_ipv4() == range.end.is_ipv4();
        let prefix_len = if same_version { differing.leading_zeros() } else { 0 };
        Some(Self::around(range.start, u8::try_from(prefix_len).unwrap_or(u8::MAX)))
    }

    /// The high and the low half of the bits.
    #[expect(clippy::cast_possible_truncation, reason = "each half is what is asked for")]
    pub(crate) const fn halves(self) -> [u64; 2] {
        [(self.bits >> 64) as u64, self.bits as u64]
    }

    pub(crate) const fn prefix_len(self) -> u8 {
        self.prefix_len
    }
}

/// The slots of one policy's pairs.
#[derive(Debug, Default)]
pub(crate) struct RemoteIndex {
    /// Slots under each network, in order of installation.
    slots: BTreeMap<Network, Vec<usize>>,
    lengths: Lengths,
}

/// The lengths of networks in use with how many there are of each, ascending, so that a packet goes over few.
#[derive(Debug, Default)]
struct Lengths(Vec<(u8, usize)>);

impl Lengths {
    fn add(&mut self, prefix_len: u8) {
        match self.0.binary_search_by_key(&prefix_len, |(len, _)| *len) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => self.0.insert(place, (prefix_len, 1)),
        }
    }

    fn remove(&mut self, prefix_len: u8) {
        if let Ok(place) = self.0.binary_search_by_key(&prefix_len, |(len, _)| *len) {
            self.0[place].1 -= 1;
            if self.0[place].1 == 0 {
                self.0.remove(place);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().map(|(len, _)| *len)
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
    pub(crate) fn candidates(&self, remote: IpAddr) -> impl Iterator<Item = usize> + '_ {
        let networks = self.lengths.iter().map(move |prefix_len| Network::around(remote, prefix_len));
        networks.filter_map(|network| self.slots.get(&network)).flatten().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn address(bits: u32) -> IpAddr {
        Ipv4Addr::from_bits(bits).into()
    }

    fn selector(start: u32, end: u32) -> TrafficSelector {
        let [start, end] = [start, end].map(address);
        TrafficSelector { addresses: AddressRange { start, end }, ..TrafficSelector::ANY }
    }

    fn found(index: &RemoteIndex, address: u32) -> BTreeSet<usize> {
        index.candidates(self::address(address)).collect()
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
                remote.iter().any(|one| one.addresses.contains(self::address(address)))
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
            prop_assert!(index.is_empty() && index.lengths.0.is_empty());
        }
    }

    #[test]
    fn a_host_among_ten_thousand_is_found_alone() {
        let mut index = RemoteIndex::default();
        for slot in 0..10_000 {
            let host = u32::try_from(slot).unwrap();
            index.insert(slot, &[selector(host, host)]);
        }
        assert_eq!(index.candidates(address(7_777)).collect::<Vec<_>>(), [7_777]);
        assert_eq!(index.candidates(address(10_000)).count(), 0);
    }

    #[test]
    fn ranges_stand_under_the_smallest_network_around_them() {
        let of = |start, end| Network::of(selector(start, end).addresses);
        let v4 = |prefix_len: u8, bits| Some(Network::around(address(bits), 96 + prefix_len));
        assert_eq!(of(0, u32::MAX), v4(0, 0));
        assert_eq!(of(6, 6), v4(32, 6));
        assert_eq!(of(7, 8), v4(28, 0));
        assert_eq!(of(0x0a01_0000, 0x0a01_ffff), v4(16, 0x0a01_0000));
        assert_eq!(of(8, 7), None);
        assert_eq!(Network::of(AddressRange::ANY), Some(Network { prefix_len: 0, bits: 0 }));
        let v6 = AddressRange::network("2001:db8::".parse::<IpAddr>().unwrap(), 32);
        assert_eq!(Network::of(v6), Some(Network { prefix_len: 32, bits: 0x2001_0db8 << 96 }));
    }

    #[test]
    fn a_range_over_both_versions_is_found_for_both() {
        let mut index = RemoteIndex::default();
        index.insert(1, &[TrafficSelector::ANY]);
        for host in ["10.0.0.1", "2001:db8::1", "::1"] {
            assert_eq!(index.candidates(host.parse().unwrap()).collect::<Vec<_>>(), [1], "{host}");
        }
    }

    #[test]
    fn pairs_under_one_network_come_in_order_of_installation() {
        let mut index = RemoteIndex::default();
        for slot in [4, 1, 9] {
            index.insert(slot, &[selector(5, 5), selector(5, 5)]);
        }
        assert_eq!(index.candidates(address(5)).collect::<Vec<_>>(), [4, 1, 9]);
    }
}
