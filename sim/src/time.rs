//! Simulated time.
//!
//! Time is an integer count of nanoseconds since the start of the run: no float ever orders two events.
//! Instants and spans are two types, so that an instant cannot be added to an instant.
//! Arithmetic panics on overflow: 2⁶⁴ ns is 584 years, and a run that gets there has a bug.

use core::fmt;
use core::ops::{Add, AddAssign, Sub, SubAssign};
use core::time::Duration;

/// An instant: nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

/// A span of simulated time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(u64);

impl SimTime {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// The last representable instant.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since the start as `core::time::Duration`, the clock of the protocol cores.
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The instant a protocol core names, or `None` past the end of representable time.
    pub fn from_duration(since_start: Duration) -> Option<Self> {
        u64::try_from(since_start.as_nanos()).ok().map(Self)
    }

    /// The span from `earlier` to `self`.
    ///
    /// # Panics
    /// When `earlier` is later than `self`.
    pub const fn since(self, earlier: Self) -> SimDuration {
        assert!(self.0 >= earlier.0, "since() needs an earlier instant");
        SimDuration(self.0 - earlier.0)
    }

    /// `self + span`, or `None` on overflow.
    pub const fn checked_add(self, span: SimDuration) -> Option<Self> {
        match self.0.checked_add(span.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span.
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `micros` microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The span as `core::time::Duration`.
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// `self + other`, or `None` on overflow.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// `self * factor`, or `None` on overflow.
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, span: SimDuration) -> Self {
        Self(self.0.checked_add(span.0).expect("simulated time overflows"))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, span: SimDuration) {
        *self = *self + span;
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).expect("simulated span overflows"))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for SimDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.checked_sub(other.0).expect("simulated span below zero"))
    }
}

impl SubAssign for SimDuration {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SimDuration(self.0).fmt(f)
    }
}

impl fmt::Display for SimDuration {
    /// Seconds with nine decimals, exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_add_up_in_every_unit() {
        assert_eq!(SimDuration::from_secs(1), SimDuration::from_millis(1_000));
        assert_eq!(SimDuration::from_millis(1), SimDuration::from_micros(1_000));
        assert_eq!(SimDuration::from_micros(1), SimDuration::from_nanos(1_000));
        let start = SimTime::from_nanos(5);
        assert_eq!((start + SimDuration::from_nanos(7)).since(start), SimDuration::from_nanos(7));
    }

    #[test]
    fn assigning_operators_agree_with_the_plain_ones() {
        let (mut instant, mut span) = (SimTime::from_nanos(3), SimDuration::from_nanos(10));
        instant += span;
        span += SimDuration::from_nanos(5);
        span -= SimDuration::from_nanos(1);
        assert_eq!((instant.as_nanos(), span.as_nanos()), (13, 14));
        assert_eq!(span - span, SimDuration::ZERO);
    }

    #[test]
    fn checked_arithmetic_sees_the_end_of_time() {
        let one = SimDuration::from_nanos(1);
        assert_eq!(SimTime::MAX.checked_add(one), None);
        assert_eq!(SimTime::ZERO.checked_add(SimDuration::MAX), Some(SimTime::MAX));
        assert_eq!(SimDuration::MAX.checked_add(one), None);
        assert_eq!(SimDuration::from_secs(u64::MAX / 1_000_000_000).checked_mul(2), None);
        assert_eq!(one.checked_mul(9), Some(SimDuration::from_nanos(9)));
    }

    #[test]
    fn unchecked_arithmetic_stops_the_run_instead_of_wrapping() {
        let one = SimDuration::from_nanos(1);
        assert!(std::panic::catch_unwind(|| SimTime::MAX + one).is_err());
        assert!(std::panic::catch_unwind(|| SimDuration::ZERO - one).is_err());
        assert!(std::panic::catch_unwind(|| SimTime::ZERO.since(SimTime::MAX)).is_err());
    }

    #[test]
    fn the_protocol_cores_clock_converts_both_ways() {
        let instant = SimTime::from_nanos(12_345_678_901);
        assert_eq!(SimTime::from_duration(instant.to_duration()), Some(instant));
        assert_eq!(SimTime::from_duration(Duration::MAX), None);
    }

    #[test]
    fn times_print_as_exact_seconds() {
        assert_eq!(SimTime::from_nanos(1_000_000_001).to_string(), "1.000000001");
        assert_eq!(SimDuration::from_millis(20).to_string(), "0.020000000");
    }
}
