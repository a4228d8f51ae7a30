//! The ladder: coarse append-only slots far ahead, one sorted window at the front.
//!
//! ```text
//!   now ─► near heap + window │ 2048 slots of 8 µs │ 256 of 17 ms │ 256 of 4.3 s │ 256 of 18 min │ … to 584 years
//! ```
//!
//! Pushing an entry appends it to the slot of its time, which the highest bit tells in which its time differs from
//! `base`. When the window is used up, the next slot with something in it is sorted and becomes the window. If
//! all slots of 8 µs are empty, the next coarse slot is dealt out again around its earliest entry. So an entry is
//! moved at most once a level, however far away it is, and a long timer rests in a coarse slot until its hour comes.
//!
//! Entries for a time that the window has already reached (events without delay) go to a small binary heap,
//! and the lesser of the two fronts is next. Were all events like that, the ladder would be that heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::pages::{Bag, Pages};
use super::window::{Window, masked_index};
use super::{Entry, EventQueue};

/// A slot of the finest level spans 2^13 ns, a compromise: in five alternating runs of PHOLD on a busy machine 12 was some
/// 5 % slower with 16 k events pending and the same with 1 M, 14 some 3 % faster with 16 k and 8 % slower with 1 M.
const WIDTH_BITS: u32 = 13;
const FINE_BITS: u32 = 11;
const COARSE_BITS: u32 = 8;
/// Where the coarse levels begin.
const FINE_SPAN_BITS: u32 = WIDTH_BITS + FINE_BITS;
const COARSE_LEVELS: u32 = (64 - FINE_SPAN_BITS) / COARSE_BITS;
const FINE_SLOTS: usize = 1 << FINE_BITS;
const COARSE_SLOTS: usize = 1 << COARSE_BITS;
const SLOTS: usize = FINE_SLOTS + COARSE_LEVELS as usize * COARSE_SLOTS;
const WORDS: usize = SLOTS / 64;

pub(crate) struct Ladder {
    near: BinaryHeap<Reverse<Entry>>,
    window: Window,
    /// Everything before this multiple of the finest slots' width is in the window or near it. Counted in slots, since
    /// in nanoseconds the end of the last one is beyond 2^64.
    window_end: u64,
    /// No entry in a slot is before this time. Slots are laid out around it.
    base: u64,
    bags: Vec<Bag>,
    /// One bit for each slot with something in it.
    occupied: [u64; WORDS],
    pages: Pages,
    len: usize,
    /// Room for dealing out a slot.
    dealt: Vec<Entry>,
}

impl Ladder {
    pub(crate) fn new() -> Self {
        Self {
            near: BinaryHeap::new(),
            window: Window::default(),
            window_end: 0,
            base: 0,
            bags: vec![Bag::EMPTY; SLOTS],
            occupied: [0; WORDS],
            pages: Pages::default(),
            len: 0,
            dealt: Vec::new(),
        }
    }

    #[inline]
    fn append(&mut self, entry: Entry) {
        let slot = slot_of(entry.time, self.base);
        if self.pages.append(&mut self.bags[slot], entry) {
            self.occupied[slot / 64] |= 1 << (slot % 64);
        }
    }

    /// Appends what `content` yields; for the rare occasions.
    fn append_all(&mut self, content: impl Iterator<Item = Entry>) {
        content.for_each(|entry| self.append(entry));
    }

    /// Makes the next slot that begins by `horizon` the window; false if there is none.
    fn open(&mut self, horizon: u64) -> bool {
        loop {
            let fine = masked_index(self.base >> WIDTH_BITS, FINE_SLOTS as u64 - 1);
            if let Some(slot) = next_set(&self.occupied[..FINE_SLOTS / 64], fine) {
                return self.open_fine(slot, horizon);
            }
            let Some(slot) = next_set(&self.occupied, FINE_SLOTS) else { return false };
            if !self.deal(slot, horizon) {
                return false;
            }
        }
    }

    fn open_fine(&mut self, slot: usize, horizon: u64) -> bool {
        let start = (self.base >> FINE_SPAN_BITS << FINE_SPAN_BITS) | ((slot as u64) << WIDTH_BITS);
        if start > horizon {
            return false;
        }
        self.base = start;
        self.window_end = (start >> WIDTH_BITS) + 1;
        self.window.fill(&self.pages, self.bags[slot], WIDTH_BITS);
        self.empty(slot);
        true
    }

    /// Moves `base` to the earliest entry of a coarse slot and its entries to the finer slots around that.
    fn deal(&mut self, slot: usize, horizon: u64) -> bool {
        let mut earliest = u64::MAX;
        self.pages.for_each_page(self.bags[slot], |page| {
            earliest = page.iter().map(|entry| entry.time).fold(earliest, u64::min);
        });
        if earliest > horizon {
            return false;
        }
        self.base = earliest;
        let mut dealt = self.drain(slot);
        self.append_all(dealt.drain(..));
        self.dealt = dealt;
        true
    }

    /// The content of a slot, oldest page last, in the common scratch vector.
    fn drain(&mut self, slot: usize) -> Vec<Entry> {
        let mut content = core::mem::take(&mut self.dealt);
        self.pages.for_each_page(self.bags[slot], |page| content.extend_from_slice(page));
        self.empty(slot);
        content
    }

    fn empty(&mut self, slot: usize) {
        self.pages.release(&mut self.bags[slot]);
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }

    // Kept out of the common path, which is small without it.
    #[cold]
    #[inline(never)]
    fn push_near(&mut self, entry: Entry) {
        self.near.push(Reverse(entry));
    }

    #[cold]
    #[inline(never)]
    fn pop_near(&mut self) -> Option<Entry> {
        self.len -= 1;
        self.near.pop().map(|Reverse(entry)| entry)
    }
}

impl EventQueue for Ladder {
    #[inline]
    fn push(&mut self, entry: Entry) {
        self.len += 1;
        if entry.time >> WIDTH_BITS < self.window_end {
            self.push_near(entry);
        } else {
            self.append(entry);
        }
    }

    #[inline]
    fn pop_until(&mut self, horizon: u64) -> Option<Entry> {
        loop {
            let sorted = self.window.peek();
            let near = self.near.peek().map(|Reverse(entry)| entry);
            match (sorted, near) {
                (None, None) => {
                    if !self.open(horizon) {
                        return None;
                    }
                }
                (Some(&first), near) if near.is_none_or(|near| first < *near) => {
                    if first.time > horizon {
                        return None;
                    }
                    self.window.advance();
                    self.len -= 1;
                    return Some(first);
                }
                (_, near) => {
                    return if near?.time > horizon { None } else { self.pop_near() };
                }
            }
        }
    }

    fn upcoming(&self) -> &[Entry] {
        self.window.rest()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let mut kept = 0;
        let mut keep = |entry: &Entry| {
            let stays = keep(entry);
            kept += usize::from(stays);
            stays
        };
        self.window.retain(&mut keep);
        self.near.retain(|Reverse(entry)| keep(entry));
        let mut from = 0;
        while let Some(slot) = next_set(&self.occupied, from) {
            let mut content = self.drain(slot);
            self.append_all(content.drain(..).filter(&mut keep));
            self.dealt = content;
            from = slot + 1;
        }
        self.len = kept;
    }
}

/// The slot for `time` when the slots are laid out around `base`.
#[inline]
fn slot_of(time: u64, base: u64) -> usize {
    let differing = time ^ base;
    if differing >> FINE_SPAN_BITS == 0 {
        return masked_index(time >> WIDTH_BITS, FINE_SLOTS as u64 - 1);
    }
    coarse_slot_of(time, differing)
}

// Out of line for the same reason as `push_near`.
#[inline(never)]
fn coarse_slot_of(time: u64, differing: u64) -> usize {
    let level = (differing.ilog2() - FINE_SPAN_BITS) / COARSE_BITS;
    let place = masked_index(time >> (FINE_SPAN_BITS + level * COARSE_BITS), COARSE_SLOTS as u64 - 1);
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
