//! The pending events: small entries in the order of their keys.
//!
//! The key is (time, source, source sequence). It depends neither on insertion order nor on partitioning, so every
//! executor sees the same order. A source is represented by its rank, which is its index or, to shake out models
//! that lean on the order of ties, a seeded permutation of it (see [`TieBreak`](crate::TieBreak)).
//!
//! The ladder was chosen by `benches/phold.rs` over `std`'s binary heap and a 4-ary heap; the binary heap stays as
//! the oracle of the tests.

mod ladder;
mod pages;
mod window;

pub(crate) use ladder::Ladder;

/// Marks a slot number as that of a FIFO channel, whose payloads wait in the channel's ring.
pub(crate) const CHANNEL_BIT: u32 = 1 << 31;

/// One pending event: its key, and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// When, in nanoseconds.
    pub(crate) time: u64,
    /// Whose event: the source's place among ties.
    pub(crate) rank: u32,
    /// The how-manieth event of that source.
    pub(crate) sequence: u64,
    /// The payload's slot, or a channel. The key is unique, so it never decides an order.
    pub(crate) slot: u32,
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
