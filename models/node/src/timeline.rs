//! What happened when: counts of a node in buckets of time, for curves over the run.
//!
//! Only buckets in which something happened are kept, and their number has a bound; what comes later than the last one
//! is counted in it.

use std::collections::BTreeMap;

use ipseclab_net::DropReason;
use ipseclab_sim::{SimDuration, SimTime};

/// Buckets at most: far above what a plot can show.
const BUCKETS_MAX: u64 = 10_000;

/// Counts in buckets of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    width: SimDuration,
    buckets: BTreeMap<u64, Bucket>,
}

/// What happened within one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Set-ups that this node began.
    pub setups_begun: u64,
    /// Set-ups of this node that came up.
    pub setups_established: u64,
    /// Renewals, and exchanges for further Child SAs, that this node began.
    pub renewals_begun: u64,
    /// Of its own renewals, those that gave fresh keys.
    pub renewals_done: u64,
    /// Of its own renewals, those that ended otherwise.
    pub renewals_failed: u64,
    /// Most jobs that waited for a core after an event.
    pub cpu_queue_max: u64,
    /// Packets that ended in the node, or on a link when it sent them.
    pub drops: BTreeMap<DropReason, u64>,
}

impl Timeline {
    /// An empty timeline with buckets of this width; zero keeps it empty.
    pub(crate) fn new(width: SimDuration) -> Self {
        Self { width, buckets: BTreeMap::new() }
    }

    /// Width of a bucket.
    pub fn width(&self) -> SimDuration {
        self.width
    }

    /// The buckets in which something happened, with their beginnings, in order.
    pub fn buckets(&self) -> impl Iterator<Item = (SimTime, &Bucket)> {
        let width = self.width.as_nanos();
        self.buckets.iter().map(move |(number, bucket)| (SimTime::from_nanos(number * width), bucket))
    }

    /// Counts something at `now`.
    pub(crate) fn count(&mut self, now: SimTime, count: impl FnOnce(&mut Bucket)) {
        if let Some(number) = now.as_nanos().checked_div(self.width.as_nanos()) {
            count(self.buckets.entry(number.min(BUCKETS_MAX - 1)).or_default());
        }
    }

    /// Counts a dropped packet.
    pub(crate) fn drop(&mut self, now: SimTime, reason: DropReason) {
        self.count(now, |bucket| *bucket.drops.entry(reason).or_default() += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: SimDuration = SimDuration::from_secs(1);

    fn beginnings(timeline: &Timeline) -> Vec<u64> {
        timeline.buckets().map(|(time, _)| time.as_nanos() / SECOND.as_nanos()).collect()
    }

    #[test]
    fn a_moment_belongs_to_the_bucket_that_begins_with_or_before_it() {
        let mut timeline = Timeline::new(SECOND);
        for nanos in [0, 999_999_999, 1_000_000_000, 7_000_000_001] {
            timeline.drop(SimTime::from_nanos(nanos), DropReason::Loss);
        }
        assert_eq!(beginnings(&timeline), [0, 1, 7]);
        assert_eq!(timeline.buckets().next().unwrap().1.drops[&DropReason::Loss], 2);
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let mut timeline = Timeline::new(SimDuration::from_nanos(1));
        for nanos in 0..BUCKETS_MAX + 100 {
            timeline.count(SimTime::from_nanos(nanos), |bucket| bucket.setups_begun += 1);
        }
        assert_eq!(timeline.buckets().count() as u64, BUCKETS_MAX);
        assert_eq!(timeline.buckets().last().unwrap().1.setups_begun, 101);
    }

    #[test]
    fn without_a_width_nothing_is_kept() {
        let mut timeline = Timeline::default();
        timeline.drop(SimTime::ZERO, DropReason::Loss);
        assert_eq!(timeline.buckets().count(), 0);
    }
}
