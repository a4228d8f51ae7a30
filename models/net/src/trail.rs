//! Where a packet's time went.
//!
//! A negotiation's latency is reported split into four parts that sum to the whole, to the nanosecond. That is only
//! so if no stage ever loses or double-counts a span, hence the shape: a packet carries the instant it began and what
//! each cause has added since, and each stage adds its whole elapsed time to exactly one part. Then
//! `started + total == now` holds at every stage, and [`Trail::assert_at`] checks it wherever a packet arrives.

use core::ops::{Add, AddAssign};

use ipseclab_sim::{SimDuration, SimTime};

/// Elapsed time by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// On the wire: propagation delay, jitter included.
    pub propagation: SimDuration,
    /// Waiting for a link and being put on it.
    pub serialisation_queueing: SimDuration,
    /// Waiting for a core and being worked on by it.
    pub cpu: SimDuration,
    /// Waiting for a retransmission timer after a loss.
    pub retransmission_wait: SimDuration,
}

/// When something began, and where its time went since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The instant it began.
    pub started: SimTime,
    /// What each cause added since.
    pub delays: Delays,
}

impl Delays {
    /// No time at all.
    pub const ZERO: Self = Self {
        propagation: SimDuration::ZERO,
        serialisation_queueing: SimDuration::ZERO,
        cpu: SimDuration::ZERO,
        retransmission_wait: SimDuration::ZERO,
    };

    /// The sum of the four parts.
    pub fn total(&self) -> SimDuration {
        self.propagation + self.serialisation_queueing + self.cpu + self.retransmission_wait
    }
}

impl Add for Delays {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            propagation: self.propagation + other.propagation,
            serialisation_queueing: self.serialisation_queueing + other.serialisation_queueing,
            cpu: self.cpu + other.cpu,
            retransmission_wait: self.retransmission_wait + other.retransmission_wait,
        }
    }
}

impl AddAssign for Delays {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Trail {
    /// A trail that begins at `now`.
    pub const fn new(now: SimTime) -> Self {
        Self { started: now, delays: Delays::ZERO }
    }

    /// The instant up to which the trail accounts for time: `started` plus all delays.
    pub fn now(&self) -> SimTime {
        self.started + self.delays.total()
    }

    /// Adds time on the wire.
    pub fn add_propagation(&mut self, span: SimDuration) {
        self.delays.propagation += span;
    }

    /// Adds time waiting for a link and being serialised.
    pub fn add_serialisation_queueing(&mut self, span: SimDuration) {
        self.delays.serialisation_queueing += span;
    }

    /// Adds time waiting for and using a core.
    pub fn add_cpu(&mut self, span: SimDuration) {
        self.delays.cpu += span;
    }

    /// Adds time waiting for a retransmission timer.
    pub fn add_retransmission_wait(&mut self, span: SimDuration) {
        self.delays.retransmission_wait += span;
    }

    /// Checks that the trail accounts for all time up to `now`.
    ///
    /// # Panics
    /// When it does not: a stage forgot a span or counted one twice, and the latency split would be false.
    #[track_caller]
    pub fn assert_at(&self, now: SimTime) {
        assert!(self.now() == now, "the trail accounts up to {} s, but it is {now} s: {self:?}", self.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ns(nanos: u64) -> SimDuration {
        SimDuration::from_nanos(nanos)
    }

    #[test]
    fn each_part_counts_once_in_the_total() {
        let mut trail = Trail::new(SimTime::from_nanos(1_000));
        trail.add_propagation(ns(1));
        trail.add_serialisation_queueing(ns(20));
        trail.add_cpu(ns(300));
        trail.add_retransmission_wait(ns(4_000));
        assert_eq!(trail.delays.total(), ns(4_321));
        assert_eq!(trail.now(), SimTime::from_nanos(5_321));
        trail.assert_at(SimTime::from_nanos(5_321));
    }

    #[test]
    fn delays_add_part_by_part() {
        let one = Delays {
            propagation: ns(1),
            serialisation_queueing: ns(2),
            cpu: ns(3),
            retransmission_wait: ns(4),
        };
        let mut sum = one;
        sum += one;
        assert_eq!(sum.retransmission_wait, ns(8));
        assert_eq!(sum.total(), ns(20));
    }

    #[test]
    fn a_forgotten_span_is_caught() {
        let trail = Trail::new(SimTime::ZERO);
        let caught = std::panic::catch_unwind(|| trail.assert_at(SimTime::from_nanos(1)));
        assert!(caught.is_err());
    }
}
