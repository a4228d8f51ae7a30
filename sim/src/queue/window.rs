//! The window: the entries of one ladder slot, sorted, with a cursor.
//!
//! Sorting is one stable counting pass by time into about as many cells as there are entries, then an insertion pass
//! that finds almost nothing to do. Cells in which many entries meet (bursts, equal times) are sorted by `std` first,
//! so that the insertion pass stays linear whatever the times are.

use super::Entry;
use super::pages::{Bag, Pages};

/// Up to here insertion alone beats counting first.
const COUNTING_FROM: usize = 24;
/// More cells cost clearing, fewer cost comparing.
const CELLS_PER_ENTRY: usize = 2;
/// Cells with more entries than this are sorted before the insertion pass.
const CROWDED: u32 = 16;
/// At most 2^14 cells: their counters, 64 KiB, stay in the second-level cache beside what they sort.
const CELL_BITS_MAX: u32 = 14;

#[derive(Default)]
pub(super) struct Window {
    entries: Vec<Entry>,
    cursor: usize,
    ends: Vec<u32>,
}

impl Window {
    /// Takes the least entry, if it is due at `horizon` or before.
    #[inline]
    pub(super) fn next_until(&mut self, horizon: u64) -> Option<Entry> {
        let first = *self.peek()?;
        (first.time <= horizon).then(|| {
            self.cursor += 1;
            first
        })
    }

    /// How many entries are left.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.cursor
    }

    /// The least entry that is left.
    #[inline]
    pub(super) fn peek(&self) -> Option<&Entry> {
        self.entries.get(self.cursor)
    }

    /// All that is left, in order.
    pub(super) fn rest(&self) -> &[Entry] {
        &self.entries[self.cursor..]
    }

    /// Forgets what is left.
    pub(super) fn clear(&mut self) {
        self.cursor = 0;
        self.entries.clear();
    }

    /// Becomes the sorted content of `bag`, all of whose times share the bits above the lowest `width_bits`.
    pub(super) fn fill(&mut self, pages: &Pages, bag: Bag, width_bits: u32) {
        let mut count = 0;
        pages.for_each_page(bag, |page| count += page.len());
        self.cursor = 0;
        // What is there already is overwritten below, so only growth costs.
        self.entries.resize(count, Entry::FIRST);
        if count < COUNTING_FROM {
            self.copy(pages, bag);
        } else {
            self.scatter(pages, bag, width_bits);
        }
        settle(&mut self.entries);
    }

    /// Drops the entries that `keep` refuses.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let mut end = self.cursor;
        for place in self.cursor..self.entries.len() {
            if keep(&self.entries[place]) {
                self.entries[end] = self.entries[place];
                end += 1;
            }
        }
        self.entries.truncate(end);
    }

    fn copy(&mut self, pages: &Pages, bag: Bag) {
        let mut start = self.entries.len();
        pages.for_each_page(bag, |page| {
            start -= page.len();
            self.entries[start..start + page.len()].copy_from_slice(page);
        });
    }

    fn scatter(&mut self, pages: &Pages, bag: Bag, width_bits: u32) {
        let cell_bits = (CELLS_PER_ENTRY * self.entries.len()).ilog2().min(CELL_BITS_MAX).min(width_bits);
        let (shift, mask) = (width_bits - cell_bits, (1_u64 << cell_bits) - 1);
        let cell = |entry: &Entry| masked_index(entry.time >> shift, mask);
        self.ends.clear();
        self.ends.resize(1 << cell_bits, 0);
        let ends = &mut self.ends[..];
        pages.for_each_page(bag, |page| page.iter().for_each(|entry| ends[cell(entry)] += 1));
        let crowded = accumulate(ends);
        // Pages come newest first and cells fill from their ends, so equal keys would stay in order of arrival.
        pages.for_each_page(bag, |page| {
            for entry in page.iter().rev() {
                let end = &mut ends[cell(entry)];
                *end -= 1;
                self.entries[*end as usize] = *entry;
            }
        });
        if crowded {
            sort_crowded(&mut self.entries, ends);
        }
    }
}

/// Turns counts into the cells' ends; whether one of them is crowded.
fn accumulate(counts: &mut [u32]) -> bool {
    // Two loops, since the first one of them can take many cells at a time.
    let crowded = counts.iter().fold(0, |most, count| *count.max(&most)) > CROWDED;
    let mut end = 0;
    for count in counts {
        end += *count;
        *count = end;
    }
    crowded
}

/// Sorts the crowded cells; `starts` are the cells' first places.
fn sort_crowded(entries: &mut [Entry], starts: &[u32]) {
    let ends = starts.iter().skip(1).map(|start| *start as usize).chain([entries.len()]);
    for (start, end) in starts.iter().map(|start| *start as usize).zip(ends) {
        if end - start > CROWDED as usize {
            entries[start..end].sort_unstable();
        }
    }
}

/// Insertion sort, for entries of which each is near its place.
fn settle(entries: &mut [Entry]) {
    for place in 1..entries.len() {
        let entry = entries[place];
        if entries[place - 1] < entry {
            continue;
        }
        let mut hole = place;
        while hole > 0 && entry < entries[hole - 1] {
            entries[hole] = entries[hole - 1];
            hole -= 1;
        }
        entries[hole] = entry;
    }
}

/// `value & mask` as an index; masks here have at most 14 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the mask leaves at most 14 bits")]
pub(super) const fn masked_index(value: u64, mask: u64) -> usize {
    debug_assert!(mask < 1 << 16);
    (value & mask) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Tie;

    fn append(pages: &mut Pages, bag: &mut Bag, entry: Entry) {
        if bag.needs_page() {
            pages.add_page(bag);
        }
        pages.append(bag, entry);
    }

    fn check_sorts(times: impl Iterator<Item = u64>) {
        check_sorts_slot(times, 12);
    }

    fn check_sorts_slot(times: impl Iterator<Item = u64>, width_bits: u32) {
        let (mut pages, mut bag) = (Pages::default(), Bag::EMPTY);
        let mut expected = Vec::new();
        for (sequence, time) in (0_u32..).zip(times) {
            let tie = (0..=sequence / 5).fold(Tie::before(sequence * 7 % 5), |tie, _| tie.next());
            let entry = Entry { time, tie, ..Entry::FIRST };
            append(&mut pages, &mut bag, entry);
            expected.push(entry);
        }
        expected.sort_unstable();
        let mut window = Window::default();
        window.fill(&pages, bag, width_bits);
        assert_eq!(window.entries, expected);
    }

    fn scrambled(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    }

    #[test]
    fn spread_times_are_sorted() {
        for count in [0, 1, 2, 23, 24, 100, 5000] {
            check_sorts((0..count).map(|n| 0x7000 + scrambled(n) % 4096));
        }
    }

    #[test]
    fn more_entries_than_cells_are_sorted() {
        check_sorts_slot((0..20_000).map(|n| 0x7_0000 + scrambled(n) % (1 << 16)), 16);
    }

    #[test]
    fn equal_times_are_sorted_by_rank_and_sequence() {
        check_sorts((0..3000).map(|_| 0x7abc));
    }

    #[test]
    fn bursts_are_sorted() {
        check_sorts((0..4000).map(|n| 0x7000 + scrambled(n) % 3 * 1300 + u64::from(n % 50 == 0)));
    }

    #[test]
    fn falling_times_are_sorted() {
        check_sorts((0..4096).map(|n| 0x7fff - n));
    }

    #[test]
    fn retain_keeps_what_is_left_in_order() {
        let (mut pages, mut bag) = (Pages::default(), Bag::EMPTY);
        for time in (0..100).rev() {
            append(&mut pages, &mut bag, Entry { time, ..Entry::FIRST });
        }
        let mut window = Window::default();
        window.fill(&pages, bag, 12);
        window.next_until(u64::MAX);
        window.retain(|entry| entry.time % 10 == 0);
        let mut left = Vec::new();
        while let Some(entry) = window.next_until(u64::MAX) {
            left.push(entry.time);
        }
        assert_eq!(left, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
    }
}
