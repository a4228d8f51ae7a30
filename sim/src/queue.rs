//! The pending events: small entries in the order of their keys.
//!
//! The key is (time, source, source sequence). It depends neither on insertion order nor on partitioning, so every
//! executor sees the same order. A source is represented by its rank, which is its index or, to shake out models
//! that lean on the order of ties, a seeded permutation of it (see [`TieBreak`](crate::TieBreak)).
//!
//! The ladder was chosen by `benches/phold` over `std`'s binary heap behind the same interface; that heap stays as
//! the oracle of the tests.

mod ladder;
mod pace;
mod pages;
mod window;

pub(crate) use ladder::Ladder;

use core::cmp::Ordering;

use crate::process::ProcessId;

/// Processes have 24-bit numbers.
pub(crate) const PROCESSES_MAX: u32 = 1 << 24;

/// Marks a slot number as that of a FIFO channel, whose payloads wait in the channel's ring.
pub(crate) const CHANNEL_BIT: u32 = 1 << 31;

/// The order among events at the same time: the source's rank (24 bits), then the source's sequence number (40 bits).
///
/// Packed, since comparing keys is what a queue does all day, and the room that it saves in the entry holds the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tie(u64);

/// One pending event: its key, and where its payload is. Compared by the key alone, which is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When, in nanoseconds.
    pub(crate) time: u64,
    pub(crate) tie: Tie,
    /// The process that gets it.
    pub(crate) target: ProcessId,
    /// The payload's slot, or a channel.
    pub(crate) slot: u32,
}

const SEQUENCE_BITS: u32 = 40;

impl Tie {
    /// Before all events of the source with this rank.
    ///
    /// # Panics
    /// When the rank has more than 24 bits.
    pub(crate) fn before(rank: u32) -> Self {
        assert!(rank < PROCESSES_MAX, "rank {rank} has more than 24 bits");
        Self(u64::from(rank) << SEQUENCE_BITS)
    }

    /// The next event of the same source.
    ///
    /// # Panics
    /// After 2⁴⁰ events of one source.
    #[inline]
    pub(crate) fn next(self) -> Self {
        let next = self.0 + 1;
        assert!(next.trailing_zeros() < SEQUENCE_BITS, "a process has caused more than 2^40 events");
        Self(next)
    }

    pub(crate) const fn rank(self) -> u32 {
        (self.0 >> SEQUENCE_BITS) as u32
    }

    pub(crate) const fn sequence(self) -> u64 {
        self.0 & ((1 << SEQUENCE_BITS) - 1)
    }
}

impl Entry {
    /// Before every entry there can be.
    pub(crate) const FIRST: Self = Self { time: 0, tie: Tie(0), target: ProcessId::new(0), slot: 0 };
}

impl Entry {
    /// Time and tie as one number, which compares without a branch.
    #[inline]
    const fn key(&self) -> u128 {
        ((self.time as u128) << 64) | self.tie.0 as u128
    }
}

impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.key() < other.key()
    }
}

/// What the engine asks of a set of pending events.
pub(crate) trait EventQueue {
    fn push(&mut self, entry: Entry);

    /// Removes the entry with the least key, if it is due at `horizon` or before.
    fn pop_until(&mut self, horizon: u64) -> Option<Entry>;

    /// Entries that are likely to come next, in order; for reading ahead only.
    fn upcoming(&self) -> &[Entry];

    fn len(&self) -> usize;

    /// Drops the entries that `keep` refuses.
    fn retain(&mut self, keep: impl FnMut(&Entry) -> bool);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_fits_24_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn ties_go_by_rank_and_then_by_sequence() {
        let (low, high) = (Tie::before(3), Tie::before(4));
        assert!(low < low.next() && low.next() < low.next().next());
        assert!(low.next().next() < high.next());
        assert_eq!((high.next().rank(), high.next().sequence()), (4, 1));
    }

    #[test]
    fn a_sequence_never_runs_into_the_rank() {
        let last = Tie((1 << SEQUENCE_BITS) - 1);
        assert!(std::panic::catch_unwind(|| last.next()).is_err());
        assert!(std::panic::catch_unwind(|| Tie::before(PROCESSES_MAX)).is_err());
    }
}
