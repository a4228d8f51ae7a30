//! The numbers of a run: what each metric is, computed from what the run left behind.
//!
//! A negotiation that failed has no set-up latency and no parts of one: those means are over the tunnels that came up,
//! and a run without any has no value. The shares of successes and first tries, messages, octets and retransmissions
//! are over all negotiations. In the same way, the latency of renewals is over those that gave fresh keys, and their
//! number counts those too; the peak rate is over all that began, also those that the other side's renewal crossed.

use ipseclab_net::DropReason;
use ipseclab_sim::stats::quantile;

use super::metric::{Metric, Unit};
use super::record::{FinishedRun, Negotiation, Renewal, RenewalEnd};

/// The window of the peak rate; the rate per second is then a whole number.
const PEAK_WINDOW_NS: u64 = 1_000_000_000;

/// Drops for want of a usable SA: there was none under the SPI, or it had ended or carried all that it may.
const LOST_TO_RENEWALS: [DropReason; 3] =
    [DropReason::NoSa, DropReason::SaExpired, DropReason::SequenceExhausted];

impl Metric {
    /// Its value for a run, in seconds, counts, a share or things per second.
    pub fn value(self, run: &FinishedRun) -> Option<f64> {
        let all = |count: fn(&FinishedRun) -> u64| Some(to_f64(count(run)));
        match self {
            Self::RenewalLatency => {
                let latencies = latencies(&run.renewals);
                mean(latencies.iter().copied()).map(|mean| mean / 1e9)
            }
            Self::RenewalLatencyP50 => latency_quantile(&run.renewals, 500_000),
            Self::RenewalLatencyP99 => latency_quantile(&run.renewals, 990_000),
            Self::RenewalCount => all(|run| count_of(&run.renewals, RenewalEnd::Done)),
            Self::RenewalPeakRate => all(|run| peak(&run.renewals)),
            Self::RenewalFailed => all(|run| count_of(&run.renewals, RenewalEnd::Failed)),
            Self::RenewalLostPackets => {
                all(|run| LOST_TO_RENEWALS.iter().map(|reason| dropped(run, *reason)).sum())
            }
            Self::OutageCount => all(|run| run.outages.count),
            Self::OutageTime => Some(to_f64(run.outages.sum_ns) / 1e9),
            Self::OutageMax => Some(to_f64(run.outages.max_ns) / 1e9),
            Self::DropsTotal => all(|run| run.drops.values().sum()),
            Self::Drops(reason) => Some(to_f64(dropped(run, reason))),
            Self::CpuQueueMax => {
                all(|run| run.timeline.counted().map(|stretch| stretch.cpu_queue).max().unwrap_or(0))
            }
            Self::PacketsLost => all(|run| run.lost_packets),
            Self::Goodput => all(|run| run.traffic.goodput_bps),
            Self::PacketRate => all(|run| run.traffic.received_pps),
            Self::Layer1Rate => all(|run| run.traffic.layer_bps[0]),
            Self::Layer2Rate => all(|run| run.traffic.layer_bps[1]),
            Self::Layer3Rate => all(|run| run.traffic.layer_bps[2]),
            Self::LinkShare => {
                let [.., layer_3_bps] = run.traffic.layer_bps;
                run.traffic.slowest_link_bps.map(|rate| to_f64(layer_3_bps) / to_f64(rate))
            }
            Self::LinkOctets => {
                let pps = run.traffic.received_pps;
                let rate = run.traffic.slowest_link_bps.filter(|_| pps > 0);
                rate.map(|rate| to_f64(rate) / 8.0 / to_f64(pps))
            }
            Self::Loss => {
                let sent = run.traffic.sent_packets;
                (sent > 0).then(|| to_f64(run.lost_packets) / to_f64(sent))
            }
            Self::DelayP99 => run.traffic.delay_p99_ns.map(|nanoseconds| to_f64(nanoseconds) / 1e9),
            Self::Latency
            | Self::Propagation
            | Self::Queueing
            | Self::Cpu
            | Self::RetransmissionWait
            | Self::Messages
            | Self::Octets
            | Self::Retransmissions
            | Self::Success
            | Self::FirstTry => {
                let mean = mean(run.negotiations.iter().filter_map(|negotiation| self.sample(negotiation)));
                let scale = if self.unit() == Unit::Seconds { 1e9 } else { 1.0 };
                mean.map(|mean| mean / scale)
            }
        }
    }

    /// Its value for one negotiation, in nanoseconds, counts, or 0 and 1; `None` where a failure has none, and for the
    /// metrics of other things.
    fn sample(self, negotiation: &Negotiation) -> Option<u64> {
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
            | Self::RenewalLatencyP50
            | Self::RenewalLatencyP99
            | Self::RenewalCount
            | Self::RenewalPeakRate
            | Self::RenewalFailed
            | Self::RenewalLostPackets
            | Self::OutageCount
            | Self::OutageTime
            | Self::OutageMax
            | Self::CpuQueueMax
            | Self::Goodput
            | Self::PacketRate
            | Self::Layer1Rate
            | Self::Layer2Rate
            | Self::Layer3Rate
            | Self::LinkShare
            | Self::LinkOctets
            | Self::Loss
            | Self::DelayP99
            | Self::PacketsLost
            | Self::DropsTotal
            | Self::Drops(_) => None,
        }
    }
}

/// The mean of integers, which are summed exactly, so that their order cannot show; `None` of nothing.
pub(super) fn mean(samples: impl Iterator<Item = u64>) -> Option<f64> {
    let (sum, count) =
        samples.fold((0_u128, 0_u64), |(sum, count), sample| (sum + u128::from(sample), count + 1));
    #[expect(clippy::cast_precision_loss, reason = "the mean is rounded once, to 53 bits")]
    let mean = (count > 0).then(|| sum as f64 / count as f64);
    mean
}

/// How long it took to fresh keys, where there were any.
pub(super) fn latencies(renewals: &[Renewal]) -> Vec<u64> {
    let done = renewals.iter().filter(|renewal| renewal.ended == RenewalEnd::Done);
    done.map(|renewal| renewal.latency_ns).collect()
}

fn latency_quantile(renewals: &[Renewal], ppm: u32) -> Option<f64> {
    let mut latencies = latencies(renewals);
    latencies.sort_unstable();
    quantile(&latencies, ppm).map(|nanoseconds| to_f64(nanoseconds) / 1e9)
}

fn count_of(renewals: &[Renewal], ended: RenewalEnd) -> u64 {
    renewals.iter().filter(|renewal| renewal.ended == ended).count() as u64
}

fn dropped(run: &FinishedRun, reason: DropReason) -> u64 {
    run.drops.get(reason.as_str()).copied().unwrap_or(0)
}

fn peak(renewals: &[Renewal]) -> u64 {
    let mut windows = std::collections::BTreeMap::<u64, u64>::new();
    for renewal in renewals {
        *windows.entry(renewal.started_ns / PEAK_WINDOW_NS).or_default() += 1;
    }
    windows.into_values().max().unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(super) fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::record::{Stretch, Timeline, Traffic};

    fn negotiations(negotiations: &[Negotiation]) -> FinishedRun {
        FinishedRun { negotiations: negotiations.to_vec(), ..FinishedRun::default() }
    }

    fn negotiation(latency_ns: u64, retransmissions: u64, established: bool) -> Negotiation {
        Negotiation { established, latency_ns, retransmissions, ..Negotiation::default() }
    }

    #[test]
    fn failures_have_no_latency_but_count_as_failures_and_by_their_messages() {
        let run = negotiations(&[
            negotiation(40_000_001, 0, true),
            negotiation(165_000_000_000, 5, false),
            negotiation(60_000_000, 1, true),
        ]);
        assert_eq!(Metric::Latency.value(&run), Some(0.050_000_000_5));
        assert_eq!(Metric::Retransmissions.value(&run), Some(2.0));
        assert_eq!(Metric::Success.value(&run), Some(2.0 / 3.0));
        assert_eq!(Metric::FirstTry.value(&run), Some(1.0 / 3.0));
        let failed = negotiations(&run.negotiations[1..2]);
        assert_eq!((Metric::Latency.value(&failed), Metric::Success.value(&failed)), (None, Some(0.0)));
        let none = FinishedRun::default();
        assert_eq!((Metric::Success.value(&none), Metric::Messages.value(&none)), (None, None));
    }

    #[test]
    fn seconds_keep_every_nanosecond() {
        for latency_ns in [0, 1, 40_123_456, 179_999_999_999] {
            let run = negotiations(&[negotiation(latency_ns, 0, true)]);
            let text = Unit::Seconds.text(Metric::Latency.value(&run).unwrap());
            assert_eq!(
                text.replace('.', "").trim_start_matches('0').parse().unwrap_or(0),
                latency_ns,
                "{text}"
            );
        }
    }

    fn renewal(started_ms: u64, latency_ms: u64, ended: RenewalEnd) -> Renewal {
        Renewal { started_ns: started_ms * 1_000_000, latency_ns: latency_ms * 1_000_000, ended }
    }

    #[test]
    fn every_renewal_counts_and_only_fresh_keys_have_a_latency() {
        let run = FinishedRun {
            renewals: vec![
                renewal(900, 10, RenewalEnd::Done),
                renewal(1_000, 30, RenewalEnd::Done),
                renewal(1_500, 100, RenewalEnd::Redundant),
                renewal(1_999, 20, RenewalEnd::Done),
                renewal(2_000, 165_000, RenewalEnd::Failed),
                renewal(2_001, 1, RenewalEnd::Unfinished),
            ],
            lost_packets: 7,
            ..FinishedRun::default()
        };
        let value = |metric: Metric| metric.value(&run);
        assert_eq!(value(Metric::RenewalLatency), Some(0.02));
        assert_eq!(
            (value(Metric::RenewalLatencyP50), value(Metric::RenewalLatencyP99)),
            (Some(0.02), Some(0.03))
        );
        assert_eq!((value(Metric::RenewalCount), value(Metric::RenewalFailed)), (Some(3.0), Some(1.0)));
        assert_eq!(value(Metric::RenewalPeakRate), Some(3.0), "the second from 1 s to 2 s");
        assert_eq!(value(Metric::PacketsLost), Some(7.0));
        let none = FinishedRun::default();
        assert_eq!(
            (Metric::RenewalLatency.value(&none), Metric::RenewalLatencyP99.value(&none)),
            (None, None)
        );
        assert_eq!(
            (Metric::RenewalPeakRate.value(&none), Metric::CpuQueueMax.value(&none)),
            (Some(0.0), Some(0.0))
        );
    }

    #[test]
    fn outages_of_all_children_add_up() {
        let child = |outages, outage_ns, outage_max_ns| ipseclab_output::ChildRow {
            outages,
            outage_ns,
            outage_max_ns,
            ..ipseclab_output::ChildRow::default()
        };
        let outages =
            crate::sweep::record::Outages::of(&[child(2, 3_000_000_000, 2_500_000_000), child(1, 7, 7)]);
        let run = FinishedRun { outages, ..FinishedRun::default() };
        let value = |name| Metric::parse(name).unwrap().value(&run);
        assert_eq!(value("outage.count"), Some(3.0));
        assert_eq!((value("outage.time"), value("outage.max")), (Some(3.000_000_007), Some(2.5)));
    }

    #[test]
    fn drops_add_up_by_reason() {
        let drops = [("no_sa", 3), ("sa_expired", 1), ("loss", 5)];
        let drops = drops.map(|(reason, packets)| (reason.to_owned(), packets)).into();
        let run = FinishedRun { drops, ..FinishedRun::default() };
        let value = |name| Metric::parse(name).unwrap().value(&run);
        assert_eq!((value("renewal.lost_packets"), value("drops.total")), (Some(4.0), Some(9.0)));
        assert_eq!((value("drops.loss"), value("drops.replay")), (Some(5.0), Some(0.0)));
    }

    #[test]
    fn a_saturated_link_tells_what_a_packet_takes() {
        // Packets of 40 octets on a 10 Gb/s Ethernet: 84 octets each, and 47.62 % of the rate.
        let run = |slowest_link_bps| FinishedRun {
            traffic: Traffic {
                received_pps: 14_880_952,
                layer_bps: [9_999_999_744, 7_619_047_424, 4_761_904_640],
                slowest_link_bps,
                ..Traffic::default()
            },
            ..FinishedRun::default()
        };
        let value = |metric: Metric| metric.value(&run(Some(10_000_000_000))).unwrap();
        assert!((value(Metric::LinkOctets) - 84.0).abs() < 1e-5);
        assert!((value(Metric::LinkShare) - 0.476_190_5).abs() < 1e-7);
        assert!((value(Metric::Layer1Rate) - 9_999_999_744.0).abs() < 1.0);
        assert_eq!((Metric::LinkOctets.value(&run(None)), Metric::LinkShare.value(&run(None))), (None, None));
    }

    #[test]
    fn the_queue_of_the_warm_up_does_not_count() {
        let stretch = |start_ns, cpu_queue| Stretch { start_ns, cpu_queue, dropped: 0 };
        let stretches = vec![stretch(0, 900), stretch(10, 3), stretch(20, 8), stretch(30, 5)];
        let timeline = Timeline { begin_ns: 10, end_ns: 40, width_ns: 10, stretches };
        let run = FinishedRun { timeline, ..FinishedRun::default() };
        assert_eq!(Metric::CpuQueueMax.value(&run), Some(8.0));
    }
}
