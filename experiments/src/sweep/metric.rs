//! What a sweep measures: named numbers of one run, and what many runs say about them.
//!
//! A [`Metric`] is one number of a run, such as the mean latency of its negotiations, which in most studies are one;
//! `measure` computes it. A [`Statistic`] summarises a metric over the replications of a combination; plots draw nothing else, so that a plot
//! and a table speak of the same thing.
//! What happened during the warm-up is left out, except for counts of packets.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use ipseclab_net::DropReason;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de};

use super::series::TimeSeries;
use crate::document::{list, nearest};
use crate::scenario;
use crate::structure::{Format, Mistake};

/// A number that a run has. Those of negotiations are means over the run's negotiations.
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
    /// Mean time from the beginning of a renewal to fresh keys, in seconds.
    RenewalLatency,
    /// The median of the same over the renewals of the run.
    RenewalLatencyP50,
    /// The 99th percentile of the same over the renewals of the run.
    RenewalLatencyP99,
    /// Renewals that began and gave fresh keys.
    RenewalCount,
    /// Renewals that began in the second with most of them: seconds are those of simulated time, from 0.
    RenewalPeakRate,
    /// Renewals that ended without fresh keys, other than those that a crossing renewal of the peer made needless.
    RenewalFailed,
    /// Packets dropped for want of a usable SA, warm-up included.
    RenewalLostPackets,
    /// How often a child had no Child SA to send on at one of its nodes, unless somebody had taken it down.
    OutageCount,
    /// For how long, all children and both nodes together, in seconds.
    OutageTime,
    /// The longest such time.
    OutageMax,
    /// The most jobs that waited for a core at once, on the node where this was most.
    CpuQueueMax,
    /// Payload that flows received, in bits per second from each flow's first packet sent to its last received, all flows
    /// together, warm-up included.
    Goodput,
    /// Packets that flows received per second, from each flow's first to its last, all flows together.
    PacketRate,
    /// Bits per second that flows received, from each flow's first packet to its last, all flows together: of the wire of an
    /// Ethernet, with preambles and gaps.
    Layer1Rate,
    /// The same of the frames of an Ethernet.
    Layer2Rate,
    /// The same of IP packets, as they are outside of tunnels.
    Layer3Rate,
    /// That as a share of the rate of the slowest link.
    LinkShare,
    /// Octets that the slowest link carries from one packet received to the next: on a saturated link, what a packet takes
    /// there with all that surrounds it.
    LinkOctets,
    /// The share of packets that flows sent and that had not arrived at the end.
    Loss,
    /// The greatest 99th percentile of delay of any flow.
    DelayP99,
    /// Packets that flows sent and that had not arrived at the end, warm-up included.
    PacketsLost,
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
    /// Things per second.
    PerSecond,
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
    /// The curve over time does not exist.
    #[error("there is no curve over time `{0}`")]
    Series(String),
}

impl Metric {
    /// All metrics but those of single drop reasons.
    pub const ALL: [Self; 32] = [
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
        Self::RenewalLatencyP50,
        Self::RenewalLatencyP99,
        Self::RenewalCount,
        Self::RenewalPeakRate,
        Self::RenewalFailed,
        Self::RenewalLostPackets,
        Self::OutageCount,
        Self::OutageTime,
        Self::OutageMax,
        Self::CpuQueueMax,
        Self::Goodput,
        Self::PacketRate,
        Self::Layer1Rate,
        Self::Layer2Rate,
        Self::Layer3Rate,
        Self::LinkShare,
        Self::LinkOctets,
        Self::Loss,
        Self::DelayP99,
        Self::PacketsLost,
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
            Self::RenewalLatencyP50 => "renewal.latency_p50",
            Self::RenewalLatencyP99 => "renewal.latency_p99",
            Self::RenewalCount => "renewal.count",
            Self::RenewalPeakRate => "renewal.peak_rate",
            Self::RenewalFailed => "renewal.failed",
            Self::RenewalLostPackets => "renewal.lost_packets",
            Self::OutageCount => "outage.count",
            Self::OutageTime => "outage.time",
            Self::OutageMax => "outage.max",
            Self::CpuQueueMax => "cpu.queue.max",
            Self::Goodput => "traffic.goodput",
            Self::PacketRate => "traffic.packet_rate",
            Self::Layer1Rate => "traffic.layer_1_rate",
            Self::Layer2Rate => "traffic.layer_2_rate",
            Self::Layer3Rate => "traffic.layer_3_rate",
            Self::LinkShare => "traffic.link_share",
            Self::LinkOctets => "traffic.link_octets",
            Self::Loss => "traffic.loss",
            Self::DelayP99 => "traffic.delay_p99",
            Self::PacketsLost => "packets.lost",
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
            Self::RenewalLatency => "rekey latency",
            Self::RenewalLatencyP50 => "median rekey latency",
            Self::RenewalLatencyP99 => "99th percentile of rekey latency",
            Self::RenewalCount => "rekeys",
            Self::RenewalPeakRate => "peak rekey rate",
            Self::RenewalFailed => "failed rekeys",
            Self::RenewalLostPackets => "packets without a usable SA",
            Self::OutageCount => "outages",
            Self::OutageTime => "time without an SA",
            Self::OutageMax => "longest time without an SA",
            Self::CpuQueueMax => "longest processor queue",
            Self::Goodput => "goodput in bits",
            Self::PacketRate => "packets received",
            Self::Layer1Rate => "bits received on layer 1",
            Self::Layer2Rate => "bits received on layer 2",
            Self::Layer3Rate => "bits received on layer 3",
            Self::LinkShare => "share of the link for IP packets",
            Self::LinkOctets => "octets of the link for each packet",
            Self::Loss => "share of packets lost",
            Self::DelayP99 => "99th percentile of delay",
            Self::PacketsLost => "lost packets",
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
            | Self::RenewalLatency
            | Self::RenewalLatencyP50
            | Self::RenewalLatencyP99
            | Self::OutageTime
            | Self::OutageMax
            | Self::DelayP99 => Unit::Seconds,
            Self::Messages
            | Self::Octets
            | Self::Retransmissions
            | Self::RenewalCount
            | Self::RenewalFailed
            | Self::RenewalLostPackets
            | Self::OutageCount
            | Self::CpuQueueMax
            | Self::PacketsLost
            | Self::LinkOctets
            | Self::DropsTotal
            | Self::Drops(_) => Unit::Count,
            Self::Success | Self::FirstTry | Self::Loss | Self::LinkShare => Unit::Share,
            Self::RenewalPeakRate
            | Self::Goodput
            | Self::PacketRate
            | Self::Layer1Rate
            | Self::Layer2Rate
            | Self::Layer3Rate => Unit::PerSecond,
        }
    }

    /// Whether its value says of each run, or of each tunnel of it, whether something succeeded. Other shares, such as that
    /// of lost packets, are 0 in a run or 1 without being a yes or no.
    pub fn is_share_of_successes(self) -> bool {
        matches!(self, Self::Success | Self::FirstTry)
    }

    /// The name of its column in tables, with the unit.
    pub fn column(self) -> String {
        format!("{}{}", self.name(), self.unit().suffix())
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
            Self::PerSecond => "1/s",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Seconds => "_s",
            Self::Count | Self::Share => "",
            Self::PerSecond => "_per_s",
        }
    }

    /// A value as tables write it.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.9}"),
            Self::Count | Self::Share | Self::PerSecond => format!("{value:.6}"),
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
            Self::Series(given) => (given, TimeSeries::ALL.into_iter().map(TimeSeries::name).collect()),
        };
        let near = nearest(given, known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        near.into_iter().chain([format!("allowed: {}", list(known))]).collect()
    }
}

fn mistake(error: &MetricError) -> Mistake {
    Mistake { help: error.help(), ..Mistake::new(error.to_string()) }
}

/// The formats of sweep files: those of scenarios, and names of metrics.
pub(super) fn formats() -> Vec<Format> {
    scenario::FORMATS.iter().copied().chain(METRIC_FORMATS.iter().copied()).collect()
}

const METRIC_FORMATS: &[Format] = &[
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

    #[test]
    fn a_metric_alone_means_its_mean() {
        assert_eq!(PlotMetric::parse("negotiation.cpu").unwrap().statistic, Statistic::Mean);
    }

    #[test]
    fn typos_are_told_apart_and_get_a_suggestion() {
        let error = PlotMetric::parse("negotiation.latency.p95").unwrap_err();
        assert_eq!(error, MetricError::Statistic("p95".into()));
        assert_eq!(error.help().len(), 2);
        let error = TimeSeries::parse("renewal.rates").unwrap_err();
        assert_eq!(error.help()[0], "did you mean `renewal.rate`?");
        let error = Metric::parse("negotiation.latencies").unwrap_err();
        assert_eq!(error.help()[0], "did you mean `negotiation.latency`?");
    }
}
