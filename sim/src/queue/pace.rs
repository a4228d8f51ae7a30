//! How wide the ladder's finest slots should be.
//!
//! Slots that are too wide for the delays of a model make the heap near the window do the work; slots that are too narrow
//! hold next to nothing each, and their entries pass through coarse slots first. Both show in counts of what
//! the ladder did, which depend on event times alone, never on a clock, so the same run adapts at the same events. The
//! order of events does not depend on the width at all.
//!
//! The bounds for widening and narrowing lie apart by more than one step, so that a steady load finds its width and
//! keeps it. A verdict comes once in as many events as are pending, which is what a change of width has to move.

/// The width to begin with, 2^14 ns: right for packets on links of some 100 µs to 10 ms.
pub(super) const WIDTH_BITS_START: u32 = 14;
/// The greatest width, 2^40 ns or 18 minutes; with more, a few pending events are as well served by the heap.
pub(super) const WIDTH_BITS_MAX: u32 = 40;

/// A verdict needs so many events at least.
const EVENTS_MIN: u64 = 4096;
/// With fewer entries than this to a window, opening it costs more than sorting it.
const SPARSE: u64 = 16;
/// A window of so many entries streams well; more coarse work than that is not worth a wider one.
const DENSE: u64 = 4096;
/// Coarse work is judged over so many times the events of a verdict.
const DEALT_OVER: u64 = 8;
/// Wider or narrower by a factor of four where no better guess is at hand.
const STEP_BITS: u32 = 2;

/// What the ladder did since the last verdict.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Windows opened.
    pub(super) windows: u64,
    /// Entries sorted into windows.
    pub(super) sorted: u64,
    /// Entries pushed for a time that the window had reached.
    pub(super) near: u64,
    /// Entries moved from coarse slots to finer ones.
    pub(super) dealt: u64,
    /// Events and dealt entries of the verdicts before, as far as coarse work is judged together.
    before: [u64; 2],
}

impl Pace {
    /// The width that suits the last events better than `width_bits`, when it is time for a verdict and there is one.
    pub(super) fn verdict(&mut self, width_bits: u32, pending: usize) -> Option<u32> {
        if self.sorted + self.near < EVENTS_MIN.max(pending as u64) {
            return None;
        }
        let last = core::mem::take(self);
        let [events, dealt] = [last.before[0] + last.sorted + last.near, last.before[1] + last.dealt];
        // Coarse slots are dealt out all at once, so one verdict's share of that says little.
        let enough = events >= DEALT_OVER * EVENTS_MIN.max(pending as u64);
        self.before = if enough { [0, 0] } else { [events, dealt] };
        let suited = last.suited(width_bits, enough && dealt > events / 4);
        (suited != width_bits).then(|| {
            *self = Self::default();
            suited
        })
    }

    fn suited(&self, width_bits: u32, much_dealt: bool) -> u32 {
        let events = self.sorted + self.near;
        let per_window = (events / self.windows.max(1)).max(1);
        if per_window < SPARSE {
            return (width_bits + (2 * SPARSE / per_window).ilog2()).min(WIDTH_BITS_MAX);
        }
        if self.near > events / 4 && per_window > 2 * SPARSE {
            return width_bits.saturating_sub(STEP_BITS);
        }
        if much_dealt && self.near < events / 16 && per_window < DENSE {
            return (width_bits + STEP_BITS).min(WIDTH_BITS_MAX);
        }
        width_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the verdict on a load that has gone on long enough for every rule.
    fn check_verdict(pace: Pace, expected: Option<u32>) {
        let mut pace = pace;
        pace.before = [7 * (pace.sorted + pace.near), 7 * pace.dealt];
        assert_eq!(pace.verdict(14, 10_000), expected);
    }

    fn pace(windows: u64, sorted: u64, near: u64, dealt: u64) -> Pace {
        Pace { windows, sorted, near, dealt, before: [0, 0] }
    }

    #[test]
    fn too_few_events_are_no_ground_for_a_verdict() {
        check_verdict(pace(9_000, 9_000, 0, 9_000), None);
        let mut young = pace(4_000, 4_000, 0, 0);
        assert_eq!(young.verdict(14, 0), None);
        assert_eq!(young.sorted, 4_000);
    }

    #[test]
    fn a_verdict_begins_a_new_count() {
        let mut pace = pace(100, 10_000, 0, 0);
        assert_eq!(pace.verdict(14, 10_000), None);
        assert_eq!((pace.windows, pace.sorted), (0, 0));
    }

    #[test]
    fn empty_windows_ask_for_wider_ones_at_once() {
        check_verdict(pace(10_000, 10_000, 0, 0), Some(19));
        check_verdict(pace(1_000, 10_000, 0, 0), Some(15));
    }

    #[test]
    fn a_busy_heap_asks_for_narrower_windows_unless_they_are_nearly_empty() {
        check_verdict(pace(10, 100, 99_900, 0), Some(12));
        check_verdict(pace(5_000, 50_000, 50_000, 0), None);
    }

    #[test]
    fn entries_that_come_through_coarse_slots_ask_for_a_longer_fine_level() {
        check_verdict(pace(1_000, 100_000, 0, 90_000), Some(16));
        check_verdict(pace(1_000, 90_000, 10_000, 90_000), None);
        check_verdict(pace(10, 100_000, 0, 90_000), None);
    }

    #[test]
    fn a_single_coarse_slot_that_is_dealt_out_asks_for_nothing() {
        let mut crossing = pace(100, 10_000, 0, 10_000);
        assert_eq!(crossing.verdict(14, 10_000), None);
        for _ in 0..20 {
            crossing = Pace { before: crossing.before, ..pace(100, 10_000, 0, 0) };
            assert_eq!(crossing.verdict(14, 10_000), None);
        }
    }

    #[test]
    fn widths_stay_within_their_bounds() {
        let (wide, narrow) =
            (Pace { windows: 9, sorted: 9, ..Pace::default() }, Pace { near: 99, ..Pace::default() });
        assert_eq!(wide.suited(WIDTH_BITS_MAX - 1, false), WIDTH_BITS_MAX);
        assert_eq!(narrow.suited(1, false), 0);
    }

    #[test]
    fn the_opposite_of_a_step_is_not_the_next_verdict() {
        // After widening by a step the heap gets four times as much, after narrowing a quarter.
        let wider = pace(250, 75_100, 24_900, 0);
        assert_eq!(wider.suited(14, false), 14);
        let narrower = pace(2_000, 90_000, 10_000, 90_000);
        assert_eq!(narrower.suited(14, true), 14);
    }
}
