//! Append-only bags of entries, cut into pages of one arena.
//!
//! A ladder has thousands of slots of which any may hold a few entries or a million. A vector for each would either
//! allocate all the time or keep the memory of its fullest hour. Pages come from a common free list: appending
//! writes to one place, reading runs through whole pages, and memory stays near what is pending.

use super::Entry;

/// Entries per page: 3072 bytes, long enough to read at streaming speed, short enough to waste.
const PAGE: u32 = 128;
const PAGE_ENTRIES: usize = PAGE as usize;
/// Ends a chain of pages.
const NONE: u32 = u32::MAX;

/// A bag: the place after its newest entry, which is all that appending needs to know; 0 when it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bag(u32);

#[derive(Default)]
pub(super) struct Pages {
    entries: Vec<Entry>,
    /// For each page the one filled before it, in its bag or in the free list.
    previous: Vec<u32>,
    free: Option<u32>,
}

impl Bag {
    pub(super) const EMPTY: Self = Self(0);

    /// Whether the next entry needs a page: there is none yet, or the newest is full.
    #[inline]
    pub(super) const fn needs_page(self) -> bool {
        self.0.is_multiple_of(PAGE)
    }

    /// The newest page and how many entries it has, unless the bag is empty.
    const fn newest(self) -> Option<(u32, usize)> {
        match self.0.checked_sub(1) {
            Some(place) => Some((place / PAGE, (place % PAGE + 1) as usize)),
            None => None,
        }
    }
}

impl Pages {
    /// Adds `entry` to `bag`, which has room: it has just got a page or needs none.
    #[inline]
    pub(super) fn append(&mut self, bag: &mut Bag, entry: Entry) {
        self.entries[bag.0 as usize] = entry;
        bag.0 += 1;
    }

    /// Chains a page behind the (full or no) page of `bag`. An append must follow.
    #[cold]
    #[inline(never)]
    pub(super) fn add_page(&mut self, bag: &mut Bag) {
        let previous = bag.newest().map_or(NONE, |(page, _)| page);
        let page = self.free.unwrap_or_else(|| self.grow());
        let next_free = self.previous[page as usize];
        self.free = (next_free != NONE).then_some(next_free);
        self.previous[page as usize] = previous;
        bag.0 = page * PAGE;
    }

    /// Calls `visit` with each page of `bag`, the newest first; entries within a page are oldest first.
    #[inline]
    pub(super) fn for_each_page(&self, bag: Bag, mut visit: impl FnMut(&[Entry])) {
        let Some((mut page, mut filled)) = bag.newest() else { return };
        while page != NONE {
            let start = page as usize * PAGE_ENTRIES;
            visit(&self.entries[start..start + filled]);
            (page, filled) = (self.previous[page as usize], PAGE_ENTRIES);
        }
    }

    /// Gives the pages of `bag` back and leaves it empty.
    pub(super) fn release(&mut self, bag: &mut Bag) {
        let Some((newest, _)) = bag.newest() else { return };
        let mut oldest = newest;
        while self.previous[oldest as usize] != NONE {
            oldest = self.previous[oldest as usize];
        }
        self.previous[oldest as usize] = self.free.unwrap_or(NONE);
        self.free = Some(newest);
        *bag = Bag::EMPTY;
    }

    /// How many entries there is room for.
    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.entries.len()
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let page = u32::try_from(self.previous.len()).unwrap_or(NONE);
        assert!(page < NONE / PAGE - 1, "more than 2^32 events are pending");
        self.previous.push(NONE);
        self.entries.resize(self.entries.len() + PAGE_ENTRIES, Entry::FIRST);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64) -> Entry {
        Entry { time: sequence, ..Entry::FIRST }
    }

    fn append(pages: &mut Pages, bag: &mut Bag, entry: Entry) {
        if bag.needs_page() {
            pages.add_page(bag);
        }
        pages.append(bag, entry);
    }

    fn sequences(pages: &Pages, bag: Bag) -> Vec<u64> {
        let mut found = Vec::new();
        pages.for_each_page(bag, |page| found.extend(page.iter().map(|e| e.time)));
        found.sort_unstable();
        found
    }

    #[test]
    fn bags_keep_their_entries_apart() {
        let mut pages = Pages::default();
        let mut bags = [Bag::EMPTY; 3];
        for n in 0..300 {
            append(&mut pages, &mut bags[n % 3], entry(n as u64));
        }
        for (k, bag) in bags.iter().enumerate() {
            let expected: Vec<u64> = (0..300).filter(|n| n % 3 == k as u64).collect();
            assert_eq!(sequences(&pages, *bag), expected);
        }
    }

    #[test]
    fn released_pages_are_used_again() {
        let mut pages = Pages::default();
        let mut kept = Bag::EMPTY;
        append(&mut pages, &mut kept, entry(77));
        for round in 0..10 {
            let mut bag = Bag::EMPTY;
            for n in 0..1000 {
                append(&mut pages, &mut bag, entry(round * 1000 + n));
            }
            assert_eq!(sequences(&pages, bag).len(), 1000);
            pages.release(&mut bag);
            assert_eq!(bag, Bag::EMPTY);
        }
        assert_eq!(pages.previous.len(), 1 + 1000_usize.div_ceil(PAGE_ENTRIES));
        assert_eq!(sequences(&pages, kept), [77]);
    }

    #[test]
    fn an_empty_bag_has_no_pages() {
        let mut pages = Pages::default();
        let mut bag = Bag::EMPTY;
        pages.release(&mut bag);
        assert_eq!(sequences(&pages, bag), [] as [u64; 0]);
    }

    #[test]
    fn pages_come_newest_first() {
        let (mut pages, mut bag) = (Pages::default(), Bag::EMPTY);
        for n in 0..136 {
            append(&mut pages, &mut bag, entry(n));
        }
        let mut firsts = Vec::new();
        pages.for_each_page(bag, |page| firsts.push((page[0].time, page.len())));
        assert_eq!(firsts, [(128, 8), (0, 128)]);
    }
}
