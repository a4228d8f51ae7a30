//! What a sweep measures: named numbers of one run, and what many runs say about them.
//!
//! A [`Metric`] is one number of a run: its mean over the run's negotiations, which in most studies is one, or a figure of
//! the run as a whole: renewals, queues and drops. A
//! [`Statistic`] summarises a metric over the replications of a combination; plots draw nothing else, so that a plot
//! and a table speak of the same thing.
//!
//! A negotiation that failed has no set-up latency and no parts of one: those means are over the tunnels that came up,
//! and a run without any has no value. The shares of successes and first tries, messages, octets and retransmissions are over all
//! negotiations. What started during the warm-up is left out of all of them.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use ipseclab_net::DropReason;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use super::record::{FinishedRun, Negotiation};
use crate::document::{list, nearest};
use crate::structure::{Format, Mistake};

/// A number that each negotiation of a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// From the first request to the tunnel being up, in seconds.
    Latency,
    /// The part of the latency that packets spend propagating, in seconds.
    Propagation,
    /// The part of the latency that packets spend in queues and being serialised, in seconds.
    Queueing,
    /// The part of the latency that processors work, or work for others meanwhile, in seconds.
    Cpu,
    /// The part of the latency that passes until lost messages are sent again, in seconds.
    RetransmissionWait,
    /// Messages that the initiator sent or received, repeated ones included.
    Messages,
    /// Octets of UDP payload in those messages.
    Octets,
    /// Requests sent again.
    Retransmissions,
    /// 1 for a tunnel that came up, else 0; its mean is the share of successes.
    Success,
    /// 1 for a tunnel that came up without a request being sent again, else 0.
    FirstTry,
    /// From the cause of a renewal to the new SA, in seconds; the mean over the renewals that gave fresh keys.
    RenewalLatency,
    /// Renewals that gave fresh keys.
    RenewalCount,
    /// Most of them that ended within one second of the clock.
    RenewalPeakRate,
    /// Packets dropped for want of a usable SA, warm-up included.
    RenewalLostPackets,
    /// Most jobs that waited for the cores of one node, warm-up included.
    CpuQueueMax,
    /// Packets dropped anywhere, warm-up included.
    DropsTotal,
    /// Those of them that were dropped for this reason.
    Drops(DropReason),
}

/// The names of [`Metric::Drops`], in the order of reasons.
static DROPS_NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| DropReason::ALL.iter().map(|reason| format!("drops.{reason}")).collect());

/// What the values of a metric count, and how tables write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Time, written as decimal seconds down to the nanosecond.
    Seconds,
    /// Things that are counted; means of them have decimals.
    Count,
    /// A share between 0 and 1.
    Share,
}

/// What replications say about a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// A metric and a statistic, as plots name them: `negotiation.latency.p50`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlotMetric {
    /// The metric.
    pub metric: Metric,
    /// The statistic.
    pub statistic: Statistic,
}

/// A text that names no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The metric does not exist.
    #[error("there is no metric `{0}`")]
    Metric(String),
    /// The statistic does not exist.
    #[error("there is no statistic `{0}`")]
    Statistic(String),
}

impl Metric {
    /// All metrics but those of single drop reasons.
    pub const ALL: [Self; 16] = [
        Self::Latency,
        Self::Propagation,
        Self::Queueing,
        Self::Cpu,
        Self::RetransmissionWait,
        Self::Messages,
        Self::Octets,
        Self::Retransmissions,
        Self::Success,
        Self::FirstTry,
        Self::RenewalLatency,
        Self::RenewalCount,
        Self::RenewalPeakRate,
        Self::RenewalLostPackets,
        Self::CpuQueueMax,
        Self::DropsTotal,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "negotiation.latency",
            Self::Propagation => "negotiation.propagation",
            Self::Queueing => "negotiation.queueing",
            Self::Cpu => "negotiation.cpu",
            Self::RetransmissionWait => "negotiation.retransmission_wait",
            Self::Messages => "negotiation.messages",
            Self::Octets => "negotiation.octets",
            Self::Retransmissions => "negotiation.retransmissions",
            Self::Success => "negotiation.success",
            Self::FirstTry => "negotiation.first_try",
            Self::RenewalLatency => "renewal.latency",
            Self::RenewalCount => "renewal.count",
            Self::RenewalPeakRate => "renewal.peak_rate",
            Self::RenewalLostPackets => "renewal.lost_packets",
            Self::CpuQueueMax => "cpu.queue.max",
            Self::DropsTotal => "drops.total",
            Self::Drops(reason) => &DROPS_NAMES[reason as usize],
        }
    }

    /// Words for an axis, without the unit.
    pub fn words(self) -> &'static str {
        match self {
            Self::Latency => "set-up latency",
            Self::Propagation => "propagation",
            Self::Queueing => "queueing and serialisation",
            Self::Cpu => "processor time",
            Self::RetransmissionWait => "wait for retransmission",
            Self::Messages => "messages",
            Self::Octets => "octets",
            Self::Retransmissions => "retransmissions",
            Self::Success => "successful set-ups",
            Self::FirstTry => "set-ups without retransmission",
            Self::RenewalLatency => "renewal latency",
            Self::RenewalCount => "renewals",
            Self::RenewalPeakRate => "renewals in the busiest second",
            Self::RenewalLostPackets => "packets without a usable SA",
            Self::CpuQueueMax => "longest queue for a core",
            Self::DropsTotal => "dropped packets",
            Self::Drops(_) => "packets dropped for the reason",
        }
    }

    /// What its values count.
    pub fn unit(self) -> Unit {
        match self {
            Self::Latency
            | Self::Propagation
            | Self::Queueing
            | Self::Cpu
            | Self::RetransmissionWait
            | Self::RenewalLatency => Unit::Seconds,
            Self::Messages
            | Self::Octets
            | Self::Retransmissions
            | Self::RenewalCount
            | Self::RenewalPeakRate
            | Self::RenewalLostPackets
            | Self::CpuQueueMax
            | Self::DropsTotal
            | Self::Drops(_) => Unit::Count,
            Self::Success | Self::FirstTry => Unit::Share,
        }
    }

    /// The name of its column in tables, with the unit.
    pub fn column(self) -> String {
        format!("{}{}", self.name(), self.unit().suffix())
    }

    /// Its value for one negotiation, in nanoseconds, counts, or 0 and 1; `None` where a failure has none, and for figures
    /// of the run as a whole.
    pub fn sample(self, negotiation: &Negotiation) -> Option<u64> {
        let time = |nanoseconds| negotiation.established.then_some(nanoseconds);
        match self {
            Self::Latency => time(negotiation.latency_ns),
            Self::Propagation => time(negotiation.propagation_ns),
            Self::Queueing => time(negotiation.serialisation_queueing_ns),
            Self::Cpu => time(negotiation.cpu_ns),
            Self::RetransmissionWait => time(negotiation.retransmission_wait_ns),
            Self::Messages => Some(negotiation.messages),
            Self::Octets => Some(negotiation.octets),
            Self::Retransmissions => Some(negotiation.retransmissions),
            Self::Success => Some(negotiation.established.into()),
            Self::FirstTry => Some((negotiation.established && negotiation.retransmissions == 0).into()),
            Self::RenewalLatency
            | Self::RenewalCount
            | Self::RenewalPeakRate
            | Self::RenewalLostPackets
            | Self::CpuQueueMax
            | Self::DropsTotal
            | Self::Drops(_) => None,
        }
    }

    /// Its value for a run, in seconds, counts or a share; `None` when nothing in the run has one.
    pub fn value(self, run: &FinishedRun) -> Option<f64> {
        let course = &run.course;
        let count = match self {
            Self::RenewalLatency => return course.renewal_latency(),
            Self::RenewalCount => course.renewals,
            Self::RenewalPeakRate => course.renewals_per_second_max,
            Self::RenewalLostPackets => course.lost_to_renewals(),
            Self::CpuQueueMax => course.cpu_queue_max,
            Self::DropsTotal => course.dropped_in_all(),
            Self::Drops(reason) => course.dropped(reason),
            _ => return self.mean(&run.negotiations),
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^53")]
        let count = count as f64;
        Some(count)
    }

    /// The mean over the negotiations that have a value.
    fn mean(self, negotiations: &[Negotiation]) -> Option<f64> {
        let samples = negotiations.iter().filter_map(|negotiation| self.sample(negotiation));
        // Integers are summed, so that the order of negotiations cannot show.
        let (sum, count) =
            samples.fold((0_u128, 0_u64), |(sum, count), sample| (sum + u128::from(sample), count + 1));
        #[expect(clippy::cast_precision_loss, reason = "the mean is rounded once, to 53 bits")]
        let mean = (count > 0).then(|| sum as f64 / count as f64);
        match self.unit() {
            Unit::Seconds => mean.map(|nanoseconds| nanoseconds / 1e9),
            Unit::Count | Unit::Share => mean,
        }
    }

    /// The metric of that name.
    ///
    /// # Errors
    /// A name that no metric has.
    pub fn parse(name: &str) -> Result<Self, MetricError> {
        let drops = DropReason::ALL.iter().map(|reason| Self::Drops(*reason));
        let found = Self::ALL.into_iter().chain(drops).find(|metric| metric.name() == name);
        found.ok_or_else(|| MetricError::Metric(name.to_owned()))
    }
}

impl Unit {
    /// The unit as tables name it; `1` for plain numbers.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Count | Self::Share => "1",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Seconds => "_s",
            Self::Count | Self::Share => "",
        }
    }

    /// A value as tables write it.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.9}"),
            Self::Count | Self::Share => format!("{value:.6}"),
        }
    }
}

impl Statistic {
    /// All statistics.
    pub const ALL: [Self; 6] = [Self::Mean, Self::P50, Self::P90, Self::P99, Self::Min, Self::Max];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

impl PlotMetric {
    /// Reads `negotiation.latency.p50`; without a statistic, the mean.
    ///
    /// # Errors
    /// A metric or a statistic that does not exist.
    pub fn parse(text: &str) -> Result<Self, MetricError> {
        if let Ok(metric) = Metric::parse(text) {
            return Ok(Self { metric, statistic: Statistic::Mean });
        }
        let (metric, statistic) = text.rsplit_once('.').unwrap_or((text, ""));
        let metric = Metric::parse(metric).map_err(|_| MetricError::Metric(text.to_owned()))?;
        let found = Statistic::ALL.into_iter().find(|known| known.name() == statistic);
        let statistic = found.ok_or_else(|| MetricError::Statistic(statistic.to_owned()))?;
        Ok(Self { metric, statistic })
    }
}

impl fmt::Display for PlotMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.metric.name(), self.statistic.name())
    }
}

impl MetricError {
    /// What would be right.
    pub fn help(&self) -> Vec<String> {
        let (given, known): (_, Vec<_>) = match self {
            Self::Metric(given) => (given, Metric::ALL.into_iter().map(Metric::name).collect()),
            Self::Statistic(given) => (given, Statistic::ALL.into_iter().map(Statistic::name).collect()),
        };
        let near = nearest(given, known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        near.into_iter().chain([format!("allowed: {}", list(known))]).collect()
    }
}

fn mistake(error: &MetricError) -> Mistake {
    Mistake { help: error.help(), ..Mistake::new(error.to_string()) }
}

/// The formats of sweep files.
pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "metric",
        expected: "a metric such as \"negotiation.latency\"",
        check: |text| Metric::parse(text).map(drop).map_err(|error| mistake(&error)),
    },
    Format {
        name: "plot-metric",
        expected: "a metric and a statistic such as \"negotiation.latency.p50\"",
        check: |text| PlotMetric::parse(text).map(drop).map_err(|error| mistake(&error)),
    },
];

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PlotMetric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Self::ALL.map(Self::name);
        schemars::json_schema!({ "type": "string", "format": "metric", "examples": names })
    }
}

impl JsonSchema for PlotMetric {
    fn schema_name() -> Cow<'static, str> {
        "PlotMetric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "plot-metric", "examples": ["negotiation.latency.p50"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::course::Course;

    #[test]
    fn every_metric_and_statistic_reads_back() {
        for metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.name()), Ok(metric));
            for statistic in Statistic::ALL {
                let both = PlotMetric { metric, statistic };
                assert_eq!(PlotMetric::parse(&both.to_string()), Ok(both));
            }
        }
    }

    fn negotiation(latency_ns: u64, retransmissions: u64, established: bool) -> Negotiation {
        Negotiation { established, latency_ns, retransmissions, ..Negotiation::default() }
    }

    #[test]
    fn failures_have_no_latency_but_count_as_failures_and_by_their_messages() {
        let run = [
            negotiation(40_000_001, 0, true),
            negotiation(165_000_000_000, 5, false),
            negotiation(60_000_000, 1, true),
        ];
        assert_eq!(Metric::Latency.mean(&run), Some(0.050_000_000_5));
        assert_eq!(Metric::Retransmissions.mean(&run), Some(2.0));
        assert_eq!(Metric::Success.mean(&run), Some(2.0 / 3.0));
        assert_eq!(Metric::FirstTry.mean(&run), Some(1.0 / 3.0));
        assert_eq!((Metric::Latency.mean(&run[1..2]), Metric::Success.mean(&run[1..2])), (None, Some(0.0)));
        assert_eq!((Metric::Success.mean(&[]), Metric::Messages.mean(&[])), (None, None));
    }

    #[test]
    fn figures_of_the_run_need_no_negotiation() {
        let course = Course {
            renewals: 4,
            renewal_latency_ns: 100_000_000,
            renewals_per_second_max: 3,
            cpu_queue_max: 7,
            drops: [("loss".to_owned(), 2), ("no_sa".to_owned(), 5)].into(),
        };
        let run = FinishedRun { fingerprint: String::new(), events: 0, negotiations: vec![], course };
        let value = |name| Metric::parse(name).unwrap().value(&run);
        assert_eq!(value("renewal.latency"), Some(0.025));
        assert_eq!((value("renewal.count"), value("renewal.peak_rate")), (Some(4.0), Some(3.0)));
        assert_eq!((value("renewal.lost_packets"), value("drops.total")), (Some(5.0), Some(7.0)));
        assert_eq!(
            (value("drops.loss"), value("drops.replay"), value("cpu.queue.max")),
            (Some(2.0), Some(0.0), Some(7.0))
        );
        assert_eq!(value("negotiation.latency"), None);
    }

    #[test]
    fn seconds_keep_every_nanosecond() {
        for latency_ns in [0, 1, 40_123_456, 179_999_999_999] {
            let text = Unit::Seconds.text(Metric::Latency.mean(&[negotiation(latency_ns, 0, true)]).unwrap());
            assert_eq!(
                text.replace('.', "").trim_start_matches('0').parse().unwrap_or(0),
                latency_ns,
                "{text}"
            );
        }
    }

    #[test]
    fn a_metric_alone_means_its_mean() {
        assert_eq!(PlotMetric::parse("negotiation.cpu").unwrap().statistic, Statistic::Mean);
    }

    #[test]
    fn typos_are_told_apart_and_get_a_suggestion() {
        let error = PlotMetric::parse("negotiation.latency.p95").unwrap_err();
        assert_eq!(error, MetricError::Statistic("p95".into()));
        assert_eq!(error.help().len(), 2);
        let error = Metric::parse("negotiation.latencies").unwrap_err();
        assert_eq!(error.help()[0], "did you mean `negotiation.latency`?");
    }
}
