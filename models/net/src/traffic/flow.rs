//! The books of one flow: what was sent, what arrived, how long it took.
//!
//! All sums are integers, so records of parts add up to the record of the whole, in any order. Duplicates are told
//! from first arrivals by the set of sequence numbers received, kept as ranges: one range without loss, and at most
//! one more for each lost packet. So the count is exact however late a packet comes.

use std::collections::BTreeMap;

use ipseclab_sim::{SimDuration, SimTime};

use super::quality::{Reordering, Spans};
use super::stamp::Stamp;
use crate::link::Framing;

/// Packets and their octets (IPv4 header included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Octets.
    pub bytes: u64,
    /// Octets of the frames that an Ethernet would have around them (see [`Framing`]).
    pub frame_bytes: u64,
}

/// Count, sum, squares and extremes of a delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelayStats {
    /// Number of observations.
    pub count: u64,
    /// Sum in nanoseconds.
    pub sum_ns: u128,
    /// Sum of squares in square nanoseconds.
    pub sum_squares_ns2: u128,
    min: Option<SimDuration>,
    max: Option<SimDuration>,
}

/// What one flow did. A source fills the sent part, a sink the rest; [`FlowRecord::join`] puts them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowRecord {
    /// Packets sent.
    pub sent: Tally,
    /// Packets received, each counted once.
    pub received: Tally,
    /// Further arrivals of packets received before.
    pub duplicates: u64,
    /// Packets received after one with a higher sequence number.
    pub reordered: u64,
    /// Arrivals that no packet of this flow explains.
    pub foreign: u64,
    /// Octets of payload received, without any headers and each counted once: over time, the goodput.
    pub received_payload: u64,
    /// One-way delay, or round-trip time for a ping or a request.
    pub delay: DelayStats,
    /// The distribution of the same.
    pub delays: Spans,
    /// The differences, without their sign, between the delays of packets that were sent one after the other and arrived
    /// one after the other (RFC 3393 §2.2 with the selection of §4.1).
    pub jitter: Spans,
    /// How far packets are out of order.
    pub reordering: Reordering,
    /// The longest time between two arrivals: what an interruption has cost.
    pub gap_max: SimDuration,
    pub(super) last_arrival: Option<SimTime>,
}

/// What a receiver makes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is new, and took this long.
    New {
        /// One-way delay, or round-trip time for a ping.
        delay: SimDuration,
    },
    /// It has been received before.
    Duplicate,
    /// It is none of this flow's.
    Foreign,
}

impl Tally {
    pub(super) fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.bytes += octets as u64;
        self.frame_bytes += Framing::Ethernet.layer_2_len(octets as u64);
    }
}

impl DelayStats {
    pub(super) fn record(&mut self, delay: SimDuration) {
        let nanos = u128::from(delay.as_nanos());
        self.count += 1;
        self.sum_ns += nanos;
        self.sum_squares_ns2 += nanos * nanos;
        self.min = Some(self.min.map_or(delay, |min| min.min(delay)));
        self.max = self.max.max(Some(delay));
    }

    /// The least, or `None` without observations.
    pub const fn min(&self) -> Option<SimDuration> {
        self.min
    }

    /// The greatest, or `None` without observations.
    pub const fn max(&self) -> Option<SimDuration> {
        self.max
    }

    /// The mean, rounded down to a nanosecond, or `None` without observations.
    pub fn mean(&self) -> Option<SimDuration> {
        self.sum_ns.checked_div(u128::from(self.count)).map(span)
    }

    /// The standard deviation over all observations (divided by n, as `ping` prints it), rounded down to a nanosecond;
    /// `None` without observations.
    pub fn std_dev(&self) -> Option<SimDuration> {
        let count = u128::from(self.count);
        let mean = self.sum_ns.checked_div(count)?;
        // n²·variance = n·Σx² − (Σx)² is exact in integers, and fits unless the delays sum to more than 584 years;
        // then the rounded mean is near enough.
        let exact = count.checked_mul(self.sum_squares_ns2).zip(self.sum_ns.checked_mul(self.sum_ns));
        Some(span(match exact {
            Some((squares, square)) => (squares - square).isqrt() / count,
            None => (self.sum_squares_ns2 / count).saturating_sub(mean * mean).isqrt(),
        }))
    }
}

/// A statistic that lies between two observed spans, so it is one.
fn span(nanos: u128) -> SimDuration {
    SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl FlowRecord {
    /// Something has arrived that was not there before.
    pub(super) fn note_arrival(&mut self, now: SimTime) {
        let gap = self.last_arrival.map_or(SimDuration::ZERO, |last| now.since(last));
        self.gap_max = self.gap_max.max(gap);
        self.last_arrival = Some(now);
    }

    /// Packets sent and not received: lost, or still under way.
    pub const fn lost(&self) -> u64 {
        self.sent.packets.saturating_sub(self.received.packets)
    }

    /// The record of a flow whose source and sink kept one each.
    pub fn join(source: &Self, sink: &Self) -> Self {
        Self { sent: source.sent, ..sink.clone() }
    }
}

/// The receiving side of a flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Receiver {
    seen: SequenceSet,
    /// Number and delay of the last arrival.
    last: Option<(u64, SimDuration)>,
}

impl Receiver {
    /// Books a packet with so many octets of headers and of payload that carries `stamp` and must belong to the first `sent` of its flow.
    pub(super) fn receive(
        &mut self,
        now: SimTime,
        stamp: Option<Stamp>,
        sent: u64,
        (headers, payload): (usize, usize),
        record: &mut FlowRecord,
    ) -> Arrival {
        let Some(stamp) = stamp.filter(|stamp| stamp.sent_at <= now && stamp.seq < sent) else {
            record.foreign += 1;
            return Arrival::Foreign;
        };
        if !self.seen.insert(stamp.seq) {
            record.duplicates += 1;
            return Arrival::Duplicate;
        }
        let delay = now.since(stamp.sent_at);
        record.received.count(headers + payload);
        record.received_payload += payload as u64;
        record.reordered += u64::from(record.reordering.arrive(stamp.seq));
        record.delay.record(delay);
        record.delays.record(delay);
        if let Some((_, before)) = self.last.filter(|(seq, _)| seq + 1 == stamp.seq) {
            let (less, more) = (before.min(delay), before.max(delay));
            record.jitter.record(more - less);
        }
        self.last = Some((stamp.seq, delay));
        record.note_arrival(now);
        Arrival::New { delay }
    }
}

/// A set of sequence numbers as disjoint, non-adjacent ranges: first number to the one after the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SequenceSet(BTreeMap<u64, u64>);

impl SequenceSet {
    /// Adds a number below `u64::MAX`; false when it was there already.
    fn insert(&mut self, number: u64) -> bool {
        let before = self.0.range(..=number).next_back().map(|(&start, &end)| (start, end));
        if before.is_some_and(|(_, end)| number < end) {
            return false;
        }
        let start = before.filter(|&(_, end)| end == number).map_or(number, |(start, _)| start);
        let end = self.0.remove(&(number + 1)).unwrap_or(number + 1);
        self.0.insert(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn stats(nanos: &[u64]) -> DelayStats {
        let mut stats = DelayStats::default();
        for &nanos in nanos {
            stats.record(SimDuration::from_nanos(nanos));
        }
        stats
    }

    #[test]
    fn frames_of_the_internet_mix_have_its_published_mean() {
        // Seven of 64 octets, four of 594 and one of 1518: 361.83 in the mean.
        let mut tally = Tally::default();
        let mix = [vec![40; 7], vec![576; 4], vec![1500]].concat();
        for octets in mix {
            tally.count(octets);
        }
        assert_eq!(tally, Tally { packets: 12, bytes: 4_084, frame_bytes: 4_342 });
    }

    #[test]
    fn statistics_are_those_of_the_textbook() {
        let stats = stats(&[2, 4, 4, 4, 5, 5, 7, 9]);
        let ns = |nanos| Some(SimDuration::from_nanos(nanos));
        assert_eq!((stats.min(), stats.max(), stats.mean(), stats.std_dev()), (ns(2), ns(9), ns(5), ns(2)));
        let none = DelayStats::default();
        assert_eq!((none.min(), none.max(), none.mean(), none.std_dev()), (None, None, None, None));
    }

    #[test]
    fn long_delays_do_not_overflow_the_sums() {
        let year = 31_557_600_000_000_000;
        let stats = stats(&[year; 1_000]);
        assert_eq!(stats.mean(), Some(SimDuration::from_nanos(year)));
        assert_eq!(stats.std_dev(), Some(SimDuration::ZERO));
    }

    #[test]
    fn lost_is_what_was_sent_and_not_received() {
        let source =
            FlowRecord { sent: Tally { packets: 5, bytes: 500, frame_bytes: 590 }, ..FlowRecord::default() };
        let sink = FlowRecord {
            received: Tally { packets: 3, bytes: 300, frame_bytes: 354 },
            duplicates: 1,
            ..FlowRecord::default()
        };
        let joined = FlowRecord::join(&source, &sink);
        assert_eq!((joined.lost(), joined.sent.bytes, joined.duplicates), (2, 500, 1));
    }

    proptest! {
        #[test]
        fn a_sequence_set_agrees_with_a_plain_set(numbers in prop::collection::vec(0_u64..40, 0..80)) {
            let (mut ranges, mut plain) = (SequenceSet::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), plain.insert(number));
            }
            let gaps = plain.iter().filter(|&&n| !plain.contains(&(n + 1))).count();
            prop_assert_eq!(ranges.0.len(), gaps);
        }
    }
}
