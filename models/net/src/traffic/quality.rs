//! How well a flow's packets arrive: percentiles of delay and jitter, and the extent of reordering.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use ipseclab_sim::SimDuration;

/// Digits that a percentile has: it is wrong by less than one part in a hundred.
const DIGITS: u8 = 2;
/// Records of the reordering window: more than packets that any network holds back.
const RECORDS_MAX: usize = 65_536;

/// A distribution of spans, kept as a histogram of two significant digits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spans(Option<Box<Histogram<u64>>>);

/// How far packets are out of order (RFC 4737 §4.2): for each reordered packet, how many arrived since the earliest
/// one that should have come after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reordering {
    /// Packets that are reordered: an earlier arrival has a higher sequence number (§3.3).
    pub packets: u64,
    /// The sum of their extents.
    pub extent_sum: u64,
    /// The greatest extent.
    pub extent_max: u64,
    /// Arrivals so far.
    arrivals: u64,
    /// Each arrival that had a higher number than all before: its place among the arrivals, and its number.
    records: VecDeque<(u64, u64)>,
}

impl Eq for Spans {}

impl Spans {
    pub(super) fn record(&mut self, span: SimDuration) {
        let histogram = self.0.get_or_insert_with(|| {
            Box::new(Histogram::new(DIGITS).expect("a histogram may have two significant digits"))
        });
        histogram.record(span.as_nanos()).expect("a histogram that grows takes every span");
    }

    /// The span that `ppm` parts per million of all observations do not exceed, up to the resolution; `None` without
    /// observations.
    pub fn quantile(&self, ppm: u32) -> Option<SimDuration> {
        let histogram = self.0.as_deref().filter(|histogram| !histogram.is_empty())?;
        Some(SimDuration::from_nanos(histogram.value_at_quantile(f64::from(ppm) / 1e6)))
    }

    /// Adds the observations of another distribution.
    ///
    /// # Panics
    /// Never: a histogram that grows takes every value.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, None) => {}
            (None, Some(theirs)) => self.0 = Some(theirs.clone()),
            (Some(ours), Some(theirs)) => {
                ours.add(&**theirs).expect("histograms that grow take each other's values");
            }
        }
    }
}

impl Reordering {
    /// Books the arrival of a packet that has not come before; whether it is reordered.
    pub(super) fn arrive(&mut self, seq: u64) -> bool {
        let place = self.arrivals;
        self.arrivals += 1;
        if self.records.back().is_none_or(|(_, highest)| seq > *highest) {
            if self.records.len() == RECORDS_MAX {
                self.records.pop_front();
            }
            self.records.push_back((place, seq));
            return false;
        }
        let earliest = self.records.partition_point(|(_, record)| *record < seq);
        let extent = place - self.records[earliest].0;
        self.packets += 1;
        self.extent_sum += extent;
        self.extent_max = self.extent_max.max(extent);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(order: &[u64]) -> (u64, u64, u64) {
        let mut reordering = Reordering::default();
        for seq in order {
            reordering.arrive(*seq);
        }
        (reordering.packets, reordering.extent_sum, reordering.extent_max)
    }

    #[test]
    fn extents_are_those_of_the_examples_of_rfc_4737() {
        // §7.1 to §7.3: 4 after 5, 6, 7 and 8; then 5 to 8 before 4; then 7 and 8 in front of 4, 5 and 6.
        assert_eq!(extents(&[1, 2, 3, 5, 6, 7, 8, 4, 9, 10]), (1, 4, 4));
        assert_eq!(extents(&[1, 2, 3, 4, 7, 5, 6, 8, 9, 10]), (2, 3, 2));
        assert_eq!(extents(&[1, 2, 3, 4, 5, 6]), (0, 0, 0));
    }

    #[test]
    fn percentiles_are_right_to_one_in_a_hundred() {
        let mut spans = Spans::default();
        assert_eq!(spans.quantile(500_000), None);
        (1..=10_000).for_each(|micros| spans.record(SimDuration::from_micros(micros)));
        for (ppm, micros) in [(500_000, 5_000), (990_000, 9_900), (1_000_000, 10_000)] {
            let found = spans.quantile(ppm).unwrap().as_nanos();
            assert!(found.abs_diff(micros * 1000) <= micros * 10, "{ppm}: {found}");
        }
        let mut sum = Spans::default();
        sum.merge(&spans);
        sum.merge(&spans);
        assert_eq!(sum.quantile(500_000), spans.quantile(500_000));
    }
}
