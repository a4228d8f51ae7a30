//! The Security Policy Database: an ordered list of rules, first match wins (RFC 4301 §4.4.1, §5.1, §5.2).
//!
//! Lists longer than a few entries are looked up through an index by networks, and remember verdicts in a direct-mapped
//! cache, as RFC 4301 §4.4.1 suggests; it holds a few slots per entry. Both are made anew after every change, when the next
//! packet comes, and cannot change a verdict. The default for packets that match nothing is explicit. Left out: decorrelation (the list stays ordered) and populate-from-packet flags, which are the
//! key manager's business.

use core::net::IpAddr;

use crate::policy_index::PolicyIndex;
use crate::sa::Mode;
use crate::selector::{Direction, Selectors, TrafficSelector};

/// The owner's number for a policy; entries that share it share their SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub u32);

/// What happens to a packet that matches an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpdAction {
    /// It passes only under an SA of this policy.
    Protect {
        /// Whose SAs.
        policy: PolicyId,
        /// The mode that an SA for it is negotiated with.
        mode: Mode,
    },
    /// It passes only under an SA of this policy, and the entry matches only what an installed pair of it covers: the
    /// entry stands for the selectors of all pairs that come and go, and nothing is negotiated for it. So a responder's
    /// one entry serves all its road warriors, and a road warrior's the address that it is assigned (swanctl's
    /// `dynamic`).
    ProtectInstalled {
        /// Whose SAs.
        policy: PolicyId,
    },
    /// It passes as it is.
    Bypass,
    /// It is discarded.
    Discard,
}

impl SpdAction {
    /// The policy whose SAs protect what matches; `None` where nothing is protected.
    pub const fn policy(self) -> Option<PolicyId> {
        match self {
            Self::Protect { policy, .. } | Self::ProtectInstalled { policy } => Some(policy),
            Self::Bypass | Self::Discard => None,
        }
    }
}

/// What happens to a packet that matches no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// It passes as it is.
    Bypass,
    /// It is discarded, as [`DiscardReason::NoPolicy`](crate::DiscardReason::NoPolicy).
    Discard,
}

/// One rule; it matches a packet when one selector of each side does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpdEntry {
    /// A name for people.
    pub name: String,
    /// Selectors of this side.
    pub local: Vec<TrafficSelector>,
    /// Selectors of the other side.
    pub remote: Vec<TrafficSelector>,
    /// What happens to packets that match.
    pub action: SpdAction,
}

impl SpdEntry {
    /// Whether it applies to a packet that goes in `direction`.
    pub fn matches(&self, direction: Direction, packet: &Selectors) -> bool {
        packet.are_within(direction, &self.local, &self.remote)
    }
}

/// Up to this many entries a scan costs no more than the cache.
const SCAN_ENTRIES: usize = 8;
/// Cache slots for each entry.
const SLOTS_PER_ENTRY: usize = 4;
/// Most cache slots, whatever the number of entries.
const SLOTS_MAX: usize = 1 << 16;

type Key = (Direction, Selectors);

/// The ordered list of rules.
#[derive(Clone, Debug)]
pub struct Spd {
    entries: Vec<SpdEntry>,
    default: DefaultAction,
    cache: Vec<Option<(Key, Option<u32>)>>,
    /// Of a list that is long enough, from the first look-up after a change on.
    index: Option<PolicyIndex>,
}

impl Spd {
    /// The list in the order of precedence, and what happens to packets that match none of it.
    pub fn new(entries: Vec<SpdEntry>, default: DefaultAction) -> Self {
        let mut spd = Self { entries, default, cache: Vec::new(), index: None };
        spd.forget();
        spd
    }

    /// Adds an entry in front of the one at `place`, or at the end when there are fewer.
    pub fn insert(&mut self, place: usize, entry: SpdEntry) {
        self.entries.insert(place.min(self.entries.len()), entry);
        self.forget();
    }

    /// Removes all entries that protect under `policy`; says how many there were.
    pub fn remove(&mut self, policy: PolicyId) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.action.policy() != Some(policy));
        self.forget();
        before - self.entries.len()
    }

    /// Puts other entries in the place of those that protect under `policy`: where the first of them was, or at the end
    /// when there was none. Says how many there were.
    pub fn replace(&mut self, policy: PolicyId, entries: impl IntoIterator<Item = SpdEntry>) -> usize {
        let first = self.entries.iter().position(|entry| entry.action.policy() == Some(policy));
        let removed = self.remove(policy);
        let place = first.unwrap_or(self.entries.len());
        self.entries.splice(place..place, entries);
        self.forget();
        removed
    }

    /// The entries, in order of precedence.
    pub fn entries(&self) -> &[SpdEntry] {
        &self.entries
    }

    /// The action for packets that match no entry.
    pub fn default_action(&self) -> DefaultAction {
        self.default
    }

    /// The first entry that matches, if any does; `is_covered` says whether a pair of a policy covers the packet.
    ///
    /// What the cache remembers does not depend on the pairs that are installed.
    pub(crate) fn lookup(
        &mut self,
        direction: Direction,
        packet: &Selectors,
        is_covered: impl Fn(PolicyId) -> bool,
    ) -> Option<&SpdEntry> {
        self.refresh();
        let first = if self.cache.is_empty() {
            self.scan(0, direction, packet)
        } else {
            self.cached(direction, packet)
        };
        let mut place = first?;
        while let SpdAction::ProtectInstalled { policy } = self.entries[place].action
            && !is_covered(policy)
        {
            place = self.scan(place + 1, direction, packet)?;
        }
        self.entries.get(place)
    }

    /// The first entry from `start` on whose own selectors match.
    fn scan(&self, start: usize, direction: Direction, packet: &Selectors) -> Option<usize> {
        let matches = |place: usize| self.entries[place].matches(direction, packet);
        let Some(index) = &self.index else {
            return (start..self.entries.len()).find(|place| matches(*place));
        };
        let (local, remote) = match direction {
            Direction::Outbound => (packet.source, packet.destination),
            Direction::Inbound => (packet.destination, packet.source),
        };
        index.first(start, local, remote, matches)
    }

    fn cached(&mut self, direction: Direction, packet: &Selectors) -> Option<usize> {
        let key = (direction, *packet);
        let slot = slot_of(&key, self.cache.len());
        if let Some((held, place)) = &self.cache[slot]
            && *held == key
        {
            return place.map(|place| place as usize);
        }
        let place = self.scan(0, direction, packet);
        // A list of more than 2³² entries does not fit in memory; should one ever, its tail is just not remembered.
        let compact = place.map(u32::try_from).transpose();
        self.cache[slot] = compact.ok().map(|compact| (key, compact));
        place
    }

    fn forget(&mut self) {
        self.cache.clear();
        self.index = None;
    }

    /// Makes index and cache if there are none and the list is long.
    fn refresh(&mut self) {
        if self.index.is_none() && self.entries.len() > SCAN_ENTRIES {
            let sides = self.entries.iter().map(|entry| (&entry.local[..], &entry.remote[..]));
            self.index = Some(PolicyIndex::new(sides));
            let slots = (self.entries.len() * SLOTS_PER_ENTRY).next_power_of_two().min(SLOTS_MAX);
            self.cache.resize(slots, None);
        }
    }
}

/// An address in 64 bits; those of IPv4 stay apart.
fn folded(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => {
            let [high, low] = [address.to_bits() >> 64, address.to_bits() & u128::from(u64::MAX)];
            u64::try_from(high ^ low.rotate_left(31) & u128::from(u64::MAX)).unwrap_or(0)
        }
    }
}

/// The cache slot of a flow among `slots`, a power of two; a fixed hash, so that runs are alike.
fn slot_of((direction, packet): &Key, slots: usize) -> usize {
    // Odd constant of Fibonacci hashing, 2⁶⁴ divided by the golden ratio.
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let addresses = folded(packet.source) << 32 ^ folded(packet.destination);
    let ports =
        u64::from(packet.source_port.unwrap_or(0)) << 16 | u64::from(packet.destination_port.unwrap_or(0));
    let rest = ports << 16 | u64::from(packet.protocol) << 1 | u64::from(*direction == Direction::Inbound);
    let mixed = (addresses.wrapping_mul(GOLDEN) ^ addresses >> 29).wrapping_add(rest).wrapping_mul(GOLDEN);
    usize::try_from(mixed >> 32).unwrap_or(0) & (slots - 1)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::selector::{AddressRange, PortRange};

    fn selector() -> impl Strategy<Value = TrafficSelector> {
        let protocol = prop::sample::select(vec![0_u8, 1, 6, 17]);
        let ports = prop::sample::select(vec![PortRange::ANY, PortRange::OPAQUE, PortRange::single(2)]);
        (protocol, 0_u32..8, 29_u8..=32, ports).prop_map(|(protocol, address, prefix_len, ports)| {
            TrafficSelector {
                protocol,
                addresses: AddressRange::network(Ipv4Addr::from_bits(address), prefix_len),
                ports,
            }
        })
    }

    fn packet() -> impl Strategy<Value = Selectors> {
        let port = || prop::option::of(0_u16..4);
        let protocol = prop::sample::select(vec![1_u8, 6, 17]);
        (0_u32..8, 0_u32..8, protocol, port(), port()).prop_map(
            |(source, destination, protocol, from, to)| Selectors {
                source: Ipv4Addr::from_bits(source).into(),
                destination: Ipv4Addr::from_bits(destination).into(),
                protocol,
                source_port: from,
                destination_port: to,
            },
        )
    }

    fn entry() -> impl Strategy<Value = SpdEntry> {
        let side = || prop::collection::vec(selector(), 0..3);
        let protect = SpdAction::Protect { policy: PolicyId(3), mode: Mode::Tunnel };
        let action = prop::sample::select(vec![SpdAction::Bypass, SpdAction::Discard, protect]);
        (any::<u16>(), side(), side(), action).prop_map(|(name, local, remote, action)| SpdEntry {
            name: name.to_string(),
            local,
            remote,
            action,
        })
    }

    /// The first entry that matches, written out from RFC 4301 §4.4.1 without the crate's own helpers.
    fn naive<'a>(entries: &'a [SpdEntry], direction: Direction, packet: &Selectors) -> Option<&'a SpdEntry> {
        entries.iter().find(|entry| {
            let (sender, receiver) = match direction {
                Direction::Outbound => (&entry.local, &entry.remote),
                Direction::Inbound => (&entry.remote, &entry.local),
            };
            let fits = |selector: &TrafficSelector, address: IpAddr, port: Option<u16>, ask_port: bool| {
                let TrafficSelector { protocol, addresses, ports } = *selector;
                let port_fits = match (port, ports.start, ports.end) {
                    (_, 0, 65535) | (None, 65535, 0) => true,
                    (None, ..) => false,
                    (Some(port), start, end) => start <= port && port <= end,
                };
                (protocol == 0 || protocol == packet.protocol)
                    && addresses.start <= address
                    && address <= addresses.end
                    && (port_fits || !ask_port)
            };
            sender.iter().any(|selector| fits(selector, packet.source, packet.source_port, true))
                && receiver.iter().any(|selector| {
                    fits(selector, packet.destination, packet.destination_port, packet.protocol != 1)
                })
        })
    }

    fn rule(name: &str, policy: u32) -> SpdEntry {
        let any = || vec![TrafficSelector::ANY];
        let action = SpdAction::Protect { policy: PolicyId(policy), mode: Mode::Tunnel };
        SpdEntry { name: String::from(name), local: any(), remote: any(), action }
    }

    #[test]
    fn replaced_entries_keep_their_place() {
        let mut spd =
            Spd::new(vec![rule("a", 1), rule("b", 2), rule("c", 3), rule("d", 2)], DefaultAction::Discard);
        let names = |spd: &Spd| spd.entries().iter().map(|entry| entry.name.clone()).collect::<String>();
        assert_eq!(spd.replace(PolicyId(2), [rule("x", 2), rule("y", 2)]), 2);
        assert_eq!(names(&spd), "axyc");
        assert_eq!(spd.replace(PolicyId(2), []), 2);
        assert_eq!(names(&spd), "ac");
        assert_eq!(spd.replace(PolicyId(7), [rule("z", 7)]), 0);
        assert_eq!(names(&spd), "acz");
    }

    #[test]
    fn a_long_list_is_looked_up_in_order_whatever_the_shapes_of_its_networks() {
        let network = |number: u32, prefix_len| {
            vec![TrafficSelector::network(Ipv4Addr::from_bits(0x0a00_0000 + (number << 8)), prefix_len)]
        };
        let entry = |number: u32| SpdEntry {
            remote: network(number, if number.is_multiple_of(3) { 24 } else { 23 }),
            local: network(0, if number.is_multiple_of(2) { 8 } else { 16 }),
            ..rule("", number)
        };
        let entries: Vec<_> = (0..3000).map(entry).chain([rule("", 5000)]).collect();
        let mut spd = Spd::new(entries.clone(), DefaultAction::Discard);
        for host in (0..3100).step_by(13) {
            let packet = Selectors {
                source: Ipv4Addr::from_bits(0x0a00_0000 + (host << 6)).into(),
                destination: Ipv4Addr::from_bits(0x0a00_0007 + (host << 8)).into(),
                protocol: 17,
                source_port: Some(1),
                destination_port: Some(2),
            };
            for direction in [Direction::Outbound, Direction::Inbound] {
                let found = spd.lookup(direction, &packet, |_| true);
                assert_eq!(found, naive(&entries, direction, &packet), "host {host}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_match_wins_with_and_without_the_cache(
            entries in prop::collection::vec(entry(), 0..3 * SCAN_ENTRIES),
            packets in prop::collection::vec((packet(), any::<bool>()), 0..60),
        ) {
            let mut spd = Spd::new(entries.clone(), DefaultAction::Discard);
            for (packet, outbound) in packets {
                let direction = if outbound { Direction::Outbound } else { Direction::Inbound };
                prop_assert_eq!(spd.lookup(direction, &packet, |_| true), naive(&entries, direction, &packet));
            }
        }

        #[test]
        fn entries_for_installed_pairs_count_only_while_a_pair_covers(
            entries in prop::collection::vec(entry(), 0..3 * SCAN_ENTRIES),
            places in prop::collection::vec(0..3 * SCAN_ENTRIES, 0..6),
            packets in prop::collection::vec((packet(), any::<bool>()), 0..30),
        ) {
            let mut spd = Spd::new(entries, DefaultAction::Discard);
            for place in places {
                let action = SpdAction::ProtectInstalled { policy: PolicyId(9) };
                let (local, remote) = (vec![TrafficSelector::ANY], vec![TrafficSelector::ANY]);
                spd.insert(place, SpdEntry { name: String::new(), local, remote, action });
            }
            let all = spd.entries().to_vec();
            let fixed: Vec<SpdEntry> =
                all.iter().filter(|entry| entry.action.policy() != Some(PolicyId(9))).cloned().collect();
            for (packet, covered) in packets {
                let expected = if covered { &all } else { &fixed };
                let found = spd.lookup(Direction::Outbound, &packet, |policy| covered && policy == PolicyId(9));
                prop_assert_eq!(found, naive(expected, Direction::Outbound, &packet));
            }
        }

        #[test]
        fn a_changed_list_forgets_old_verdicts(
            entries in prop::collection::vec(entry(), SCAN_ENTRIES + 1..2 * SCAN_ENTRIES),
            packets in prop::collection::vec(packet(), 1..30),
            first in entry(),
            place in 0..2 * SCAN_ENTRIES,
        ) {
            let mut spd = Spd::new(entries, DefaultAction::Bypass);
            for change in 0..3 {
                match change {
                    0 => {}
                    1 => spd.insert(place, first.clone()),
                    _ => prop_assert!(spd.remove(PolicyId(4)) == 0 && spd.remove(PolicyId(3)) <= 2 * SCAN_ENTRIES),
                }
                let entries = spd.entries().to_vec();
                for packet in &packets {
                    let found = spd.lookup(Direction::Outbound, packet, |_| true);
                    prop_assert_eq!(found, naive(&entries, Direction::Outbound, packet));
                }
            }
        }
    }
}
