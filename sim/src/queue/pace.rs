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
}

impl Pace {
    /// The width that suits the last events better than `width_bits`, when it is time for a verdict and there is one.
    pub(super) fn verdict(&mut self, width_bits: u32, pending: usize) -> Option<u32> {
        if self.sorted + self.near < EVENTS_MIN.max(pending as u64) {
            return None;
        }
        let suited = core::mem::take(self).suited(width_bits);
        (suited != width_bits).then_some(suited)
    }

    fn suited(&self, width_bits: u32) -> u32 {
        let events = self.sorted + self.near;
        let per_window = (events / self.windows.max(1)).max(1);
        if per_window < SPARSE {
            return (width_bits + (2 * SPARSE / per_window).ilog2()).min(WIDTH_BITS_MAX);
        }
        if self.near > events / 4 && per_window > 2 * SPARSE {
            return width_bits.saturating_sub(STEP_BITS);
        }
        if self.dealt > events / 4 && self.near < events / 16 && per_window < DENSE {
            return (width_bits + STEP_BITS).min(WIDTH_BITS_MAX);
        }
        width_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_verdict(pace: Pace, expected: Option<u32>) {
        let mut pace = pace;
        assert_eq!(pace.verdict(14, 10_000), expected);
    }

    #[test]
    fn too_few_events_are_no_ground_for_a_verdict() {
        check_verdict(Pace { windows: 9_000, sorted: 9_000, near: 0, dealt: 9_000 }, None);
        let mut young = Pace { windows: 4_000, sorted: 4_000, near: 0, dealt: 0 };
        assert_eq!(young.verdict(14, 0), None);
        assert_eq!(young.sorted, 4_000);
    }

    #[test]
    fn a_verdict_begins_a_new_count() {
        let mut pace = Pace { windows: 100, sorted: 10_000, near: 0, dealt: 0 };
        assert_eq!(pace.verdict(14, 10_000), None);
        assert_eq!((pace.windows, pace.sorted), (0, 0));
    }

    #[test]
    fn empty_windows_ask_for_wider_ones_at_once() {
        check_verdict(Pace { windows: 10_000, sorted: 10_000, near: 0, dealt: 0 }, Some(19));
        check_verdict(Pace { windows: 1_000, sorted: 10_000, near: 0, dealt: 0 }, Some(15));
    }

    #[test]
    fn a_busy_heap_asks_for_narrower_windows_unless_they_are_nearly_empty() {
        check_verdict(Pace { windows: 10, sorted: 100, near: 99_900, dealt: 0 }, Some(12));
        check_verdict(Pace { windows: 5_000, sorted: 50_000, near: 50_000, dealt: 0 }, None);
    }

    #[test]
    fn entries_that_come_through_coarse_slots_ask_for_a_longer_fine_level() {
        check_verdict(Pace { windows: 1_000, sorted: 100_000, near: 0, dealt: 90_000 }, Some(16));
        check_verdict(Pace { windows: 1_000, sorted: 90_000, near: 10_000, dealt: 90_000 }, None);
        check_verdict(Pace { windows: 10, sorted: 100_000, near: 0, dealt: 90_000 }, None);
    }

    #[test]
    fn widths_stay_within_their_bounds() {
        let (wide, narrow) =
            (Pace { windows: 9, sorted: 9, ..Pace::default() }, Pace { near: 99, ..Pace::default() });
        assert_eq!(wide.suited(WIDTH_BITS_MAX - 1), WIDTH_BITS_MAX);
        assert_eq!(narrow.suited(1), 0);
    }

    #[test]
    fn the_opposite_of_a_step_is_not_the_next_verdict() {
        // After widening by a step the heap gets four times as much, after narrowing a quarter.
        let wider = Pace { windows: 250, sorted: 75_100, near: 24_900, dealt: 0 };
        assert_eq!(wider.suited(14), 14);
        let narrower = Pace { windows: 2_000, sorted: 90_000, near: 10_000, dealt: 90_000 };
        assert_eq!(narrower.suited(14), 14);
    }
}
