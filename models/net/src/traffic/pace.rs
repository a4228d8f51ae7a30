//! When the packets of a source leave: at regular intervals, as a Poisson process, or in bursts.

use ipseclab_sim::{ModelRng, SimDuration, SimTime};

use super::TrafficError;
use super::sample::{Pareto, exponential};
use crate::link::BitRate;

/// How a source spaces its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One packet every so often.
    Interval(SimDuration),
    /// So many bits of IP packets per second, for packets of one length; rounding never accumulates.
    Rate(BitRate),
    /// A Poisson process: the spans between packets are independent and exponentially distributed with this mean.
    Poisson(SimDuration),
    /// Bursts: packets at an interval while a period lasts, and silence until the next one. Periods with heavy tails
    /// make traffic that is bursty on all scales of time (Willinger et al. 1997), as real traffic is.
    OnOff {
        /// Between two packets of a burst.
        interval: SimDuration,
        /// How long bursts last; each has a packet at least.
        on: Pareto,
        /// How long the silence between bursts lasts.
        off: Pareto,
    },
}

/// When packets leave: start, pace and end of one source.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    start: SimTime,
    pace: Pace,
    packet_len: usize,
    count: Option<u64>,
    until: Option<SimTime>,
    rng: Option<Box<ModelRng>>,
    /// When the next packet leaves; `None` beyond representable time.
    next: Option<SimTime>,
    /// When the burst under way ends.
    burst_end: SimTime,
    sent: u64,
}

impl Pace {
    /// When packet `n` leaves, counted from the first; `None` beyond representable time, or when chance decides.
    fn offset(self, n: u64, packet_len: usize) -> Option<SimDuration> {
        match self {
            Self::Interval(interval) => interval.checked_mul(n),
            Self::Rate(rate) => {
                let scaled_bits = u128::from(n).checked_mul(packet_len as u128 * 8_000_000_000)?;
                let nanos = scaled_bits / u128::from(rate.bits_per_second());
                u64::try_from(nanos).ok().map(SimDuration::from_nanos)
            }
            Self::Poisson(_) | Self::OnOff { .. } => None,
        }
    }

    /// Whether chance decides when packets leave.
    pub const fn is_random(self) -> bool {
        matches!(self, Self::Poisson(_) | Self::OnOff { .. })
    }

    /// Whether no time ever passes between packets.
    fn stands_still(self) -> bool {
        match self {
            Self::Interval(interval) | Self::Poisson(interval) | Self::OnOff { interval, .. } => {
                interval == SimDuration::ZERO
            }
            Self::Rate(_) => false,
        }
    }
}

impl Schedule {
    /// A source that begins at `start`, and ends after `count` packets or at `until`. A random pace draws from `rng`.
    pub(super) fn new(
        start: SimTime,
        pace: Pace,
        packet_len: usize,
        (count, until): (Option<u64>, Option<SimTime>),
        rng: Option<ModelRng>,
    ) -> Result<Self, TrafficError> {
        if pace.stands_still() && (count.is_none() || pace.is_random()) {
            return Err(TrafficError::EndlessBurst);
        }
        if pace.is_random() && rng.is_none() {
            return Err(TrafficError::NoRandomness);
        }
        let rng = rng.map(Box::new);
        let mut schedule =
            Self { start, pace, packet_len, count, until, rng, next: Some(start), burst_end: start, sent: 0 };
        match (pace, &mut schedule.rng) {
            // The first packet of a Poisson process comes after a span like all others.
            (Pace::Poisson(mean), Some(rng)) => schedule.next = start.checked_add(exponential(rng, mean)),
            (Pace::OnOff { on, .. }, Some(rng)) => {
                schedule.burst_end = start.checked_add(on.sample(rng)).unwrap_or(SimTime::MAX);
            }
            _ => {}
        }
        Ok(schedule)
    }

    /// When the next packet leaves, or `None` after the last.
    pub(super) fn next_send(&self) -> Option<SimTime> {
        let is_over = self.count.is_some_and(|count| self.sent >= count);
        self.next.filter(|next| !is_over && self.until.is_none_or(|until| *next < until))
    }

    /// The number of the packet that is due at `now`, or `None`; it counts as sent.
    pub(super) fn take_due(&mut self, now: SimTime) -> Option<u64> {
        let number = self.sent;
        let due = self.next_send().filter(|&due| due <= now)?;
        self.sent += 1;
        self.next = self.after(due);
        Some(number)
    }

    fn after(&mut self, due: SimTime) -> Option<SimTime> {
        match (self.pace, &mut self.rng) {
            (Pace::Poisson(mean), Some(rng)) => due.checked_add(exponential(rng, mean)),
            (Pace::OnOff { interval, on, off }, Some(rng)) => {
                let next = due.checked_add(interval)?;
                if next < self.burst_end {
                    return Some(next);
                }
                let begin = self.burst_end.checked_add(off.sample(rng))?;
                self.burst_end = begin.checked_add(on.sample(rng)).unwrap_or(SimTime::MAX);
                Some(begin)
            }
            (pace, _) => self.start.checked_add(pace.offset(self.sent, self.packet_len)?),
        }
    }

    /// How many packets have left.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::{RunSeed, StreamLabel};

    use super::*;

    fn rng() -> ModelRng {
        ModelRng::new(RunSeed::new(5), StreamLabel::new(0, "pace"))
    }

    fn us(micros: u64) -> SimDuration {
        SimDuration::from_micros(micros)
    }

    fn times(pace: Pace, count: u64) -> Vec<u64> {
        let mut schedule = Schedule::new(SimTime::ZERO, pace, 100, (Some(count), None), Some(rng())).unwrap();
        let mut times = vec![];
        while let Some(due) = schedule.next_send() {
            schedule.take_due(due).unwrap();
            times.push(due.as_nanos());
        }
        times
    }

    #[test]
    fn a_poisson_process_has_as_many_packets_as_its_mean_says() {
        let times = times(Pace::Poisson(us(10)), 100_000);
        let mean = times[99_999] / 100_000;
        assert!((9_870..10_130).contains(&mean), "{mean}");
        // The variance of counts in windows of 1 ms equals their mean, 100.
        let mut counts = vec![0_i64; 900];
        times.iter().filter(|time| **time < 900_000_000).for_each(|time| {
            counts[usize::try_from(time / 1_000_000).unwrap()] += 1;
        });
        let variance = counts.iter().map(|count| (count - 100).pow(2)).sum::<i64>() / 900;
        assert!((80..120).contains(&variance), "{variance}");
    }

    #[test]
    fn bursts_keep_their_interval_and_are_apart() {
        let on = Pareto::new(us(100), 1_500).unwrap();
        let off = Pareto::new(us(900), 1_500).unwrap();
        let times = times(Pace::OnOff { interval: us(10), on, off }, 50_000);
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let within = gaps.iter().filter(|gap| **gap == 10_000).count();
        let between: Vec<_> = gaps.iter().filter(|gap| **gap > 10_000).collect();
        assert!(within + between.len() == gaps.len() && within > 8 * between.len(), "{within}");
        // No silence is shorter than a third of its mean, 300 µs.
        assert!(between.iter().all(|gap| **gap >= 300_000));
    }

    #[test]
    fn a_random_pace_needs_randomness_and_time() {
        let schedule = |pace, rng| Schedule::new(SimTime::ZERO, pace, 100, (Some(1), None), rng).err();
        assert_eq!(schedule(Pace::Poisson(us(1)), None), Some(TrafficError::NoRandomness));
        assert_eq!(schedule(Pace::Poisson(us(0)), Some(rng())), Some(TrafficError::EndlessBurst));
    }

    #[test]
    fn nothing_leaves_at_the_end_or_later() {
        let until = Some(SimTime::from_nanos(50_000));
        let mut schedule =
            Schedule::new(SimTime::ZERO, Pace::Interval(us(10)), 100, (None, until), None).unwrap();
        while let Some(due) = schedule.next_send() {
            assert_eq!(schedule.take_due(due).map(|number| number * 10_000), Some(due.as_nanos()));
        }
        assert_eq!(schedule.sent(), 5);
    }
}
