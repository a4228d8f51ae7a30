//! The Security Policy Database: an ordered list of rules, first match wins (RFC 4301 §4.4.1, §5.1, §5.2).
//!
//! Lists longer than a few entries remember verdicts in a direct-mapped cache, as RFC 4301 §4.4.1 suggests; it holds a
//! few slots per entry, is emptied by every change, and cannot change a verdict. The default for packets that match
//! nothing is explicit. Left out: decorrelation (the list stays ordered) and populate-from-packet flags, which are the
//! key manager's business.

use crate::sad::Mode;
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
    /// It passes as it is.
    Bypass,
    /// It is discarded.
    Discard,
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
}

impl Spd {
    /// The list in the order of precedence, and what happens to packets that match none of it.
    pub fn new(entries: Vec<SpdEntry>, default: DefaultAction) -> Self {
        let mut spd = Self { entries, default, cache: Vec::new() };
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
        self.entries
            .retain(|entry| !matches!(entry.action, SpdAction::Protect { policy: id, .. } if id == policy));
        self.forget();
        before - self.entries.len()
    }

    /// The entries, in order of precedence.
    pub fn entries(&self) -> &[SpdEntry] {
        &self.entries
    }

    /// The action for packets that match no entry.
    pub fn default_action(&self) -> DefaultAction {
        self.default
    }

    /// The first entry that matches, if any does.
    pub fn lookup(&mut self, direction: Direction, packet: &Selectors) -> Option<&SpdEntry> {
        let place =
            if self.cache.is_empty() { self.scan(direction, packet) } else { self.cached(direction, packet) };
        place.map(|place| &self.entries[place])
    }

    fn scan(&self, direction: Direction, packet: &Selectors) -> Option<usize> {
        self.entries.iter().position(|entry| entry.matches(direction, packet))
    }

    fn cached(&mut self, direction: Direction, packet: &Selectors) -> Option<usize> {
        let key = (direction, *packet);
        let slot = slot_of(&key, self.cache.len());
        if let Some((held, place)) = &self.cache[slot]
            && *held == key
        {
            return place.map(|place| place as usize);
        }
        let place = self.scan(direction, packet);
        // A list of more than 2³² entries does not fit in memory; should one ever, its tail is just not remembered.
        let compact = place.map(u32::try_from).transpose();
        self.cache[slot] = compact.ok().map(|compact| (key, compact));
        place
    }

    fn forget(&mut self) {
        self.cache.clear();
        if self.entries.len() > SCAN_ENTRIES {
            let slots = (self.entries.len() * SLOTS_PER_ENTRY).next_power_of_two().min(SLOTS_MAX);
            self.cache.resize(slots, None);
        }
    }
}

/// The cache slot of a flow among `slots`, a power of two; a fixed hash, so that runs are alike.
fn slot_of((direction, packet): &Key, slots: usize) -> usize {
    // Odd constant of Fibonacci hashing, 2⁶⁴ divided by the golden ratio.
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let addresses = u64::from(packet.source.to_bits()) << 32 | u64::from(packet.destination.to_bits());
    let ports =
        u64::from(packet.source_port.unwrap_or(0)) << 16 | u64::from(packet.destination_port.unwrap_or(0));
    let rest = ports << 16 | u64::from(packet.protocol) << 1 | u64::from(*direction == Direction::Inbound);
    let mixed = (addresses.wrapping_mul(GOLDEN) ^ addresses >> 29).wrapping_add(rest).wrapping_mul(GOLDEN);
    usize::try_from(mixed >> 32).unwrap_or(0) & (slots - 1)
}
