//! Timing: many short batches of every case, in turns, and the median of each case's batches.
//!
//! Batches are shorter than a scheduler's time slice, so that another program's turn hits few of them and the median
//! none. All cases take their turn in every round, so that a slow phase of the machine hits all alike.

use core::time::Duration;

use super::case::{Case, Repeated};
use super::line::median;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    batches: u32,
    batch: Duration,
}

/// Where doubling ends whatever the clock says: an operation of 1 ns fills any batch with this many rounds.
const ROUNDS_MAX: u32 = 1 << 24;

impl Effort {
    /// Enough for figures that others will use; about half a minute.
    pub const FULL: Self = Self::new(51, Duration::from_millis(1));
    /// Enough to see that everything works; under a second.
    pub const QUICK: Self = Self::new(3, Duration::from_micros(20));

    /// `batches` batches of each case, at least 1, of about `batch` each.
    ///
    /// # Panics
    /// Without a batch.
    pub const fn new(batches: u32, batch: Duration) -> Self {
        assert!(batches > 0, "without a batch there is no figure");
        Self { batches, batch }
    }

    /// Batches of each case.
    pub const fn batches(self) -> u32 {
        self.batches
    }
}

/// Nanoseconds for each case, less its overhead; in the order of the cases.
pub(super) fn measure(
    cases: &mut [Case],
    effort: Effort,
    stopwatch: &mut dyn FnMut() -> Duration,
    progress: &mut dyn FnMut(u32),
) -> Vec<f64> {
    let rounds: Vec<_> = cases.iter_mut().map(|case| rounds_per_batch(case, effort, stopwatch)).collect();
    let mut figures = vec![Vec::new(); cases.len()];
    for batch in 1..=effort.batches {
        for ((case, rounds), figures) in cases.iter_mut().zip(&rounds).zip(&mut figures) {
            figures.push(batch_ns(case, *rounds, stopwatch));
        }
        progress(batch);
    }
    figures.into_iter().map(median).collect()
}

fn rounds_per_batch(case: &mut Case, effort: Effort, stopwatch: &mut dyn FnMut() -> Duration) -> u32 {
    let mut rounds = 1;
    while rounds < ROUNDS_MAX && elapsed(&mut case.work, rounds, stopwatch) < effort.batch {
        rounds *= 2;
    }
    rounds
}

fn batch_ns(case: &mut Case, rounds: u32, stopwatch: &mut dyn FnMut() -> Duration) -> f64 {
    // Other cases have had the caches and the branch predictor since.
    (case.work)(1);
    let work = elapsed(&mut case.work, rounds, stopwatch);
    let overhead = case.overhead.as_mut().map_or(Duration::ZERO, |overhead| {
        overhead(1);
        elapsed(overhead, rounds, stopwatch)
    });
    (work.as_secs_f64() - overhead.as_secs_f64()) * 1e9 / f64::from(rounds)
}

fn elapsed(work: &mut Repeated, rounds: u32, stopwatch: &mut dyn FnMut() -> Duration) -> Duration {
    let start = stopwatch();
    work(rounds);
    stopwatch().saturating_sub(start)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use ipseclab_node::cost_profile::Step;

    use super::super::case::{Subject, repeated};
    use super::*;

    /// A clock that only work moves.
    #[derive(Clone, Default)]
    struct Time(Rc<Cell<u64>>);

    impl Time {
        fn spend(&self, ns: u64) -> impl FnMut() + use<> {
            let time = self.clone();
            move || time.0.set(time.0.get() + ns)
        }

        fn case(&self, work: u64, overhead: Option<u64>) -> Case {
            let overhead = overhead.map(|ns| repeated(self.spend(ns)));
            Case::new(Subject::Step(Step::Send), 0, self.spend(work), overhead)
        }

        fn measure(&self, cases: &mut [Case], effort: Effort) -> Vec<f64> {
            measure(cases, effort, &mut || Duration::from_nanos(self.0.get()), &mut |_| {})
        }
    }

    fn check(measured: &[f64], expected: &[f64]) {
        assert_eq!(measured.len(), expected.len());
        for (measured, expected) in measured.iter().zip(expected) {
            assert!((measured - expected).abs() < 1e-6, "{measured} is not {expected}");
        }
    }

    #[test]
    fn a_figure_is_the_time_of_one_round_without_the_overhead() {
        let time = Time::default();
        let mut cases = [time.case(700, None), time.case(700, Some(300)), time.case(10, Some(15))];
        let effort = Effort::new(3, Duration::from_micros(20));
        check(&time.measure(&mut cases, effort), &[700.0, 400.0, -5.0]);
    }

    #[test]
    fn a_disturbed_batch_does_not_count() {
        let time = Time::default();
        let (disturbance, mut call) = (time.spend(1_000_000), 0);
        let (mut work, mut disturbance) = (time.spend(500), disturbance);
        let work = move || {
            call += 1;
            work();
            // One call to find the number of rounds, then two for each batch: these are in the third and the fifth.
            if call == 7 || call == 11 {
                disturbance();
            }
        };
        let mut cases = [Case::new(Subject::Step(Step::Send), 0, work, None)];
        check(&time.measure(&mut cases, Effort::new(5, Duration::from_nanos(500))), &[500.0]);
    }

    #[test]
    fn batches_are_filled_by_doubling_and_every_one_is_reported() {
        let time = Time::default();
        let calls = Rc::new(Cell::new(0));
        let (counted, mut work) = (Rc::clone(&calls), time.spend(100));
        let work = move || {
            counted.set(counted.get() + 1);
            work();
        };
        let mut cases = [Case::new(Subject::Step(Step::Send), 0, work, None)];
        let mut seen = Vec::new();
        let effort = Effort::new(2, Duration::from_nanos(350));
        measure(&mut cases, effort, &mut || Duration::from_nanos(time.0.get()), &mut |done| seen.push(done));
        assert_eq!(seen, [1, 2]);
        // 1 + 2 + 4 rounds to find that 4 fill a batch, then two batches of 4 after a warm-up round each.
        assert_eq!(calls.get(), 7 + 2 * 5);
    }

    #[test]
    fn a_clock_that_stands_still_ends_the_search() {
        let mut cases = [Case::new(Subject::Step(Step::Send), 0, || (), None)];
        let figures = measure(&mut cases, Effort::QUICK, &mut || Duration::ZERO, &mut |_| {});
        check(&figures, &[0.0]);
    }
}
