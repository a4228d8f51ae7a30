//! Curves over time: what a run did in each stretch of it.
//!
//! Time is cut into buckets that begin at the multiples of their width, so that the curves of all runs share them and
//! can be averaged bucket by bucket. The part of the run before the end of the warm-up has no buckets, and neither has
//! what is left of a bucket at the end. Queues and drops are known by the stretches that the run counted in, so that
//! their buckets are whole stretches.

use super::file::PlotFile;
use super::measure::{latencies, mean, to_f64};
use super::metric::{MetricError, Unit};
use super::record::{FinishedRun, Renewal, Stretch, Timeline};
use crate::scenario::Duration;

/// The width of a bucket, unless a plot says otherwise.
const BUCKET_NS: u64 = 1_000_000_000;

/// A quantity that each bucket of time has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeSeries {
    /// Renewals that began in the bucket, per second.
    RenewalRate,
    /// Mean latency of the renewals that began in the bucket and gave fresh keys, in seconds; none without any.
    RenewalLatency,
    /// The most jobs that waited for a core at once, on the node where this was most.
    CpuQueue,
    /// Packets that were dropped, per second.
    PacketsDropped,
}

/// The buckets of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit is part of each name, as in tables")]
pub(super) struct Buckets {
    /// Their width, above zero.
    pub(super) width_ns: u64,
    /// No bucket begins earlier.
    pub(super) from_ns: u64,
    /// No bucket ends later.
    pub(super) until_ns: u64,
}

/// The values of a run in neighbouring buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curve {
    /// The width of a bucket.
    pub(super) width_ns: u64,
    /// The number of the first bucket, counted from time zero.
    pub(super) first: u64,
    pub(super) values: Vec<Option<f64>>,
}

impl TimeSeries {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::RenewalRate, Self::RenewalLatency, Self::CpuQueue, Self::PacketsDropped];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::RenewalRate => "renewal.rate",
            Self::RenewalLatency => "renewal.latency",
            Self::CpuQueue => "cpu.queue",
            Self::PacketsDropped => "packets.dropped",
        }
    }

    /// Words for an axis, without the unit.
    pub fn words(self) -> &'static str {
        match self {
            Self::RenewalRate => "rekeys per second",
            Self::RenewalLatency => "rekey latency",
            Self::CpuQueue => "longest processor queue",
            Self::PacketsDropped => "dropped packets per second",
        }
    }

    /// What its values count.
    pub fn unit(self) -> Unit {
        match self {
            Self::RenewalRate | Self::PacketsDropped => Unit::PerSecond,
            Self::RenewalLatency => Unit::Seconds,
            Self::CpuQueue => Unit::Count,
        }
    }

    /// The series of that name.
    ///
    /// # Errors
    /// A name that no series has.
    pub fn parse(name: &str) -> Result<Self, MetricError> {
        let found = Self::ALL.into_iter().find(|series| series.name() == name);
        found.ok_or_else(|| MetricError::Series(name.to_owned()))
    }

    /// The curve of a run.
    pub(super) fn curve(self, run: &FinishedRun, buckets: Buckets) -> Curve {
        let Buckets { width_ns, from_ns, until_ns } = buckets;
        let width_ns = match self {
            Self::RenewalRate | Self::RenewalLatency => width_ns,
            Self::CpuQueue | Self::PacketsDropped => width_ns.next_multiple_of(run.timeline.width_ns.max(1)),
        };
        let first = run.timeline.begin_ns.max(from_ns).div_ceil(width_ns);
        let end = run.timeline.end_ns.min(until_ns) / width_ns;
        // What belongs to each bucket, in one pass over what happened.
        let count = usize::try_from(end.saturating_sub(first)).unwrap_or(0);
        let place = |time_ns: u64| {
            let place = usize::try_from((time_ns / width_ns).checked_sub(first)?).ok()?;
            (place < count).then_some(place)
        };
        let mut contents = vec![(Vec::<Renewal>::new(), Stretch::default()); count];
        for renewal in &run.renewals {
            if let Some(place) = place(renewal.started_ns) {
                contents[place].0.push(renewal.clone());
            }
        }
        for stretch in &run.timeline.stretches {
            if let Some(place) = place(stretch.start_ns) {
                let whole = &mut contents[place].1;
                whole.cpu_queue = whole.cpu_queue.max(stretch.cpu_queue);
                whole.dropped += stretch.dropped;
            }
        }
        let seconds = to_f64(width_ns) / 1e9;
        let value = |(renewals, stretch): &(Vec<Renewal>, Stretch)| match self {
            Self::RenewalRate => Some(to_f64(renewals.len() as u64) / seconds),
            Self::RenewalLatency => mean(latencies(renewals).into_iter()).map(|mean| mean / 1e9),
            Self::CpuQueue => Some(to_f64(stretch.cpu_queue)),
            Self::PacketsDropped => Some(to_f64(stretch.dropped) / seconds),
        };
        Curve { width_ns, first, values: contents.iter().map(value).collect() }
    }
}

impl Buckets {
    /// Those that a plot asks for.
    pub(super) fn of(file: &PlotFile) -> Self {
        let nanos = |given: Option<Duration>| given.map(|span| span.span().as_nanos());
        Self {
            width_ns: nanos(file.bucket).unwrap_or(BUCKET_NS),
            from_ns: nanos(file.from).unwrap_or(0),
            until_ns: nanos(file.until).unwrap_or(u64::MAX),
        }
    }
}

impl Curve {
    /// The value in the bucket of that number.
    pub(super) fn at(&self, bucket: u64) -> Option<f64> {
        let place = usize::try_from(bucket.checked_sub(self.first)?).ok()?;
        self.values.get(place).copied().flatten()
    }

    /// The number behind the last bucket.
    pub(super) fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }
}

impl Timeline {
    /// The stretches after the warm-up.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Stretch> {
        self.stretches.iter().filter(|stretch| stretch.start_ns >= self.begin_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::record::RenewalEnd;

    const SECOND: u64 = 1_000_000_000;
    const BUCKETS: Buckets = Buckets { width_ns: 2 * SECOND, from_ns: 0, until_ns: u64::MAX };

    fn run() -> FinishedRun {
        let renewal = |started_ns, latency_ns, ended| Renewal { started_ns, latency_ns, ended };
        let stretch = |second, cpu_queue, dropped| Stretch { start_ns: second * SECOND, cpu_queue, dropped };
        FinishedRun {
            renewals: vec![
                renewal(4 * SECOND, SECOND, RenewalEnd::Done),
                renewal(5 * SECOND, 3 * SECOND, RenewalEnd::Done),
                renewal(8 * SECOND - 1, SECOND, RenewalEnd::Failed),
            ],
            timeline: Timeline {
                begin_ns: 3 * SECOND,
                end_ns: 11 * SECOND,
                width_ns: SECOND,
                stretches: vec![stretch(0, 99, 99), stretch(4, 2, 1), stretch(5, 7, 2), stretch(8, 1, 0)],
            },
            ..FinishedRun::default()
        }
    }

    #[test]
    fn whole_buckets_after_the_warm_up_have_a_value() {
        let curve = TimeSeries::RenewalRate.curve(&run(), BUCKETS);
        assert_eq!((curve.first, &curve.values[..]), (2, &[Some(1.0), Some(0.5), Some(0.0)][..]));
        assert_eq!((curve.at(1), curve.at(3), curve.at(5), curve.end()), (None, Some(0.5), None, 5));
        let queue = TimeSeries::CpuQueue.curve(&run(), BUCKETS);
        assert_eq!(queue.values, [Some(7.0), Some(0.0), Some(1.0)]);
        let fine = TimeSeries::CpuQueue.curve(&run(), Buckets { width_ns: SECOND * 3 / 2, ..BUCKETS });
        assert_eq!((fine.width_ns, fine.first, fine.end()), (2 * SECOND, 2, 5));
        let dropped = TimeSeries::PacketsDropped.curve(&run(), BUCKETS);
        assert_eq!(dropped.values, [Some(1.5), Some(0.0), Some(0.0)]);
    }

    #[test]
    fn a_bucket_without_fresh_keys_has_no_latency() {
        let curve = TimeSeries::RenewalLatency.curve(&run(), BUCKETS);
        assert_eq!(curve.values, [Some(2.0), None, None]);
    }

    #[test]
    fn a_plot_may_show_a_part_of_the_run() {
        let part = Buckets { from_ns: 5 * SECOND, until_ns: 8 * SECOND, width_ns: SECOND };
        let curve = TimeSeries::RenewalRate.curve(&run(), part);
        assert_eq!((curve.first, &curve.values[..]), (5, &[Some(1.0), Some(0.0), Some(1.0)][..]));
        let nothing = Buckets { from_ns: 20 * SECOND, ..part };
        assert_eq!(TimeSeries::CpuQueue.curve(&run(), nothing).values, []);
    }

    #[test]
    fn every_series_reads_back() {
        for series in TimeSeries::ALL {
            assert_eq!(TimeSeries::parse(series.name()), Ok(series));
        }
    }
}
