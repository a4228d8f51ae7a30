//! The ladder: coarse append-only slots far ahead, one sorted window at the front.
//!
//! ```text
//!   now ─► near heap + window │ 2048 slots of 16 µs │ 256 of 34 ms │ 256 of 8.6 s │ 256 of 37 min │ … to 584 years
//! ```
//!
//! Pushing an entry puts it into a small buffer, and a full buffer is appended to the slots: each entry to the slot of
//! its time, which the highest bit tells in which its time differs from `base`. When the window is used up, the next slot with something in it is sorted and becomes the window. If
//! all fine slots are empty, the next coarse slot is dealt out again around its earliest entry. So an entry is
//! moved at most once a level, however far away it is, and a long timer rests in a coarse slot until its hour comes.
//!
//! Entries for a time that the window has already reached (events without delay) go to a small binary heap,
//! and the lesser of the two fronts is next.
//!
//! The figures above are those at the start. The width of the finest slots, and with it that of all others, follows
//! the density of events (see [`pace`](super::pace)): else a model whose delays are far shorter than a slot would live
//! in the heap, and one whose delays are far longer would open windows for single entries.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pace::{Pace, WIDTH_BITS_START};
use super::pages::{Bag, Pages};
use super::window::{Window, masked_index};
use super::{Entry, EventQueue, Tie};
use crate::process::ProcessId;

const FINE_BITS: u32 = 11;
const COARSE_BITS: u32 = 8;
/// So many levels reach the end of time even from the narrowest slots.
const COARSE_LEVELS: u32 = (64 - FINE_BITS).div_ceil(COARSE_BITS);
const FINE_SLOTS: usize = 1 << FINE_BITS;
const COARSE_SLOTS: usize = 1 << COARSE_BITS;
const SLOTS: usize = FINE_SLOTS + COARSE_LEVELS as usize * COARSE_SLOTS;
const WORDS: usize = SLOTS / 64;

/// So many entries are gathered before they go to their slots. The handler of an event then waits for none of the
/// scattered memory of slots, and a loop that does nothing but append has many cache misses under way at once.
const STAGED: usize = 128;

pub(crate) struct Ladder {
    near: BinaryHeap<Reverse<Entry>>,
    window: Window,
    /// Everything before this multiple of the finest slots' width is in the window or near it. Counted in slots, since
    /// in nanoseconds the end of the last one is beyond 2^64.
    window_end: u64,
    /// The first `staged_count` have not been appended to their slots yet.
    staged: Box<[Entry; STAGED]>,
    staged_count: usize,
    slots: Slots,
    pace: Pace,
    /// Room for dealing out a slot.
    dealt: Vec<Entry>,
}

/// All slots of all levels.
struct Slots {
    /// A slot of the finest level spans 2^`width_bits` ns.
    width_bits: u32,
    /// No entry in a slot is before this time. Slots are laid out around it.
    base: u64,
    bags: Box<[Bag; SLOTS]>,
    /// One bit for each slot with something in it.
    occupied: [u64; WORDS],
    pages: Pages,
    /// How many entries there are.
    waiting: usize,
}

impl Slots {
    fn append_all(&mut self, content: impl Iterator<Item = Entry>) {
        for entry in content {
            let slot = slot_of(entry.time, self.base, self.width_bits);
            let bag = &mut self.bags[slot];
            if bag.needs_page() {
                self.pages.add_page(bag);
                self.occupied[slot / 64] |= 1 << (slot % 64);
            }
            self.pages.append(bag, entry);
            self.waiting += 1;
        }
    }

    /// Adds the content of a slot to `content`, newest page first, and empties it.
    fn drain(&mut self, slot: usize, content: &mut Vec<Entry>) {
        let before = content.len();
        self.pages.for_each_page(self.bags[slot], |page| content.extend_from_slice(page));
        self.waiting -= content.len() - before;
        self.empty(slot);
    }

    fn empty(&mut self, slot: usize) {
        self.pages.release(&mut self.bags[slot]);
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }
}

impl Ladder {
    pub(crate) fn new() -> Self {
        let slots = Slots {
            width_bits: WIDTH_BITS_START,
            base: 0,
            bags: Box::new([Bag::EMPTY; SLOTS]),
            occupied: [0; WORDS],
            pages: Pages::default(),
            waiting: 0,
        };
        Self {
            near: BinaryHeap::new(),
            window: Window::default(),
            window_end: 0,
            staged: Box::new([Entry::FIRST; STAGED]),
            staged_count: 0,
            slots,
            pace: Pace::default(),
            dealt: Vec::new(),
        }
    }

    /// Brings what was gathered to its slots.
    #[inline(never)]
    fn settle_staged(&mut self) {
        let count = core::mem::take(&mut self.staged_count).min(STAGED);
        self.slots.append_all(self.staged[..count].iter().copied());
    }

    /// Makes the next slot that begins by `horizon` the window; false if there is none.
    fn open(&mut self, horizon: u64) -> bool {
        self.settle_staged();
        loop {
            let fine = masked_index(self.slots.base >> self.slots.width_bits, FINE_SLOTS as u64 - 1);
            if let Some(slot) = next_set(&self.slots.occupied[..FINE_SLOTS / 64], fine) {
                return self.open_fine(slot, horizon);
            }
            let Some(slot) = next_set(&self.slots.occupied, FINE_SLOTS) else { return false };
            if !self.deal(slot, horizon) {
                return false;
            }
        }
    }

    fn open_fine(&mut self, slot: usize, horizon: u64) -> bool {
        let span_bits = self.slots.width_bits + FINE_BITS;
        let start = (self.slots.base >> span_bits << span_bits) | ((slot as u64) << self.slots.width_bits);
        if start > horizon {
            return false;
        }
        self.slots.base = start;
        self.window_end = (start >> self.slots.width_bits) + 1;
        self.window.fill(&self.slots.pages, self.slots.bags[slot], self.slots.width_bits);
        self.slots.waiting -= self.window.len();
        self.pace.windows += 1;
        self.pace.sorted += self.window.len() as u64;
        self.slots.empty(slot);
        true
    }

    /// Moves `base` to the earliest entry of a coarse slot and its entries to the finer slots around that.
    fn deal(&mut self, slot: usize, horizon: u64) -> bool {
        let mut earliest = u64::MAX;
        self.slots.pages.for_each_page(self.slots.bags[slot], |page| {
            earliest = page.iter().map(|entry| entry.time).fold(earliest, u64::min);
        });
        if earliest > horizon {
            return false;
        }
        self.slots.base = earliest;
        self.slots.drain(slot, &mut self.dealt);
        self.pace.dealt += self.dealt.len() as u64;
        self.slots.append_all(self.dealt.drain(..));
        true
    }

    /// Gives the finest slots another width and lays everything out anew from the earliest entry.
    fn lay_out(&mut self, width_bits: u32) {
        self.settle_staged();
        let mut content = Vec::with_capacity(self.len());
        content.extend_from_slice(self.window.rest());
        self.window.clear();
        content.extend(self.near.drain().map(|Reverse(entry)| entry));
        let mut from = 0;
        while let Some(slot) = next_set(&self.slots.occupied, from) {
            self.slots.drain(slot, &mut content);
            from = slot + 1;
        }
        let earliest = content.iter().map(|entry| entry.time).min().unwrap_or(0);
        self.slots.width_bits = width_bits;
        self.window_end = earliest >> width_bits;
        self.slots.base = self.window_end << width_bits;
        self.slots.append_all(content.into_iter());
    }

    // Kept out of the common path, which is small without it. The entry comes in pieces: passed whole it would be
    // passed in memory, and writing it there piecemeal only to read it as a whole costs more than all else in a push.
    #[cold]
    #[inline(never)]
    fn push_near(&mut self, at: u64, tie: Tie, target: ProcessId, slot: u32) {
        self.pace.near += 1;
        self.near.push(Reverse(Entry { time: at, tie, target, slot }));
    }

    /// Pops when there is something near, or nothing due in the window.
    #[cold]
    #[inline(never)]
    fn pop_rarely(&mut self, horizon: u64) -> Option<Entry> {
        if let Some(width_bits) = self.pace.verdict(self.slots.width_bits, self.len()) {
            self.lay_out(width_bits);
        }
        let Some(Reverse(near)) = self.near.peek() else {
            let open = self.window.len() > 0 || self.open(horizon);
            return if open { self.window.next_until(horizon) } else { None };
        };
        if self.window.peek().is_some_and(|first| first < near) {
            return self.window.next_until(horizon);
        }
        if near.time > horizon { None } else { self.near.pop().map(|Reverse(entry)| entry) }
    }
}

impl EventQueue for Ladder {
    #[inline]
    fn push(&mut self, entry: Entry) {
        if entry.time >> self.slots.width_bits < self.window_end {
            self.push_near(entry.time, entry.tie, entry.target, entry.slot);
            return;
        }
        self.staged[self.staged_count % STAGED] = entry;
        self.staged_count += 1;
        if self.staged_count == STAGED {
            self.settle_staged();
        }
    }

    #[inline]
    fn pop_until(&mut self, horizon: u64) -> Option<Entry> {
        if self.near.is_empty()
            && let Some(entry) = self.window.next_until(horizon)
        {
            return Some(entry);
        }
        self.pop_rarely(horizon)
    }

    fn upcoming(&self) -> &[Entry] {
        self.window.rest()
    }

    fn len(&self) -> usize {
        self.slots.waiting + self.staged_count + self.window.len() + self.near.len()
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        self.settle_staged();
        self.window.retain(&mut keep);
        self.near.retain(|Reverse(entry)| keep(entry));
        let mut from = 0;
        while let Some(slot) = next_set(&self.slots.occupied, from) {
            self.slots.drain(slot, &mut self.dealt);
            self.slots.append_all(self.dealt.drain(..).filter(&mut keep));
            from = slot + 1;
        }
    }
}

/// The slot for `time` when the slots are laid out around `base`.
#[inline]
fn slot_of(time: u64, base: u64, width_bits: u32) -> usize {
    let differing = time ^ base;
    if differing >> (width_bits + FINE_BITS) == 0 {
        return masked_index(time >> width_bits, FINE_SLOTS as u64 - 1);
    }
    coarse_slot_of(time, differing, width_bits + FINE_BITS)
}

// Out of line for the same reason as `push_near`.
#[inline(never)]
fn coarse_slot_of(time: u64, differing: u64, fine_span_bits: u32) -> usize {
    let level = (differing.ilog2() - fine_span_bits) / COARSE_BITS;
    let place = masked_index(time >> (fine_span_bits + level * COARSE_BITS), COARSE_SLOTS as u64 - 1);
    FINE_SLOTS + level as usize * COARSE_SLOTS + place
}

/// The first bit set at `from` or after it.
fn next_set(words: &[u64], from: usize) -> Option<usize> {
    let first = from / 64;
    let mut word = words.get(first)? & (u64::MAX << (from % 64));
    let mut place = first;
    while word == 0 {
        place += 1;
        word = *words.get(place)?;
    }
    Some(place * 64 + word.trailing_zeros() as usize)
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
