//! The course of a run as rows: renewals, and what happened in which bucket of time.

use ipseclab_net::DropReason;
use ipseclab_node::{Bucket, RenewalOutcome, RenewalRecord, Renewed, Timeline};
use ipseclab_output::{DropTimelineRow, RenewalResult, RenewalRow, TimelineRow};
use ipseclab_sim::{SimDuration, SimTime};

/// Buckets of a timeline at most, unless they would be shorter than a second.
const BUCKETS: u64 = 300;
/// The shortest bucket.
const BUCKET_MIN: SimDuration = SimDuration::from_secs(1);

/// Width of the buckets of a run of this duration: whole seconds, so that their beginnings are easy to read.
pub(crate) fn bucket_width(duration: SimDuration) -> SimDuration {
    let second = BUCKET_MIN.as_nanos();
    let seconds = duration.as_nanos().div_ceil(second).div_ceil(BUCKETS).max(1);
    SimDuration::from_secs(seconds)
}

/// The row of a renewal, but for the names in it.
pub(crate) fn renewal_row(record: &RenewalRecord) -> RenewalRow {
    let (result, failure_reason) = match record.outcome {
        RenewalOutcome::Done => (RenewalResult::Done, ""),
        RenewalOutcome::Redundant => (RenewalResult::Redundant, ""),
        RenewalOutcome::Failed(reason) => (RenewalResult::Failed, reason.as_str()),
        RenewalOutcome::NodeDown => (RenewalResult::Failed, "node_down"),
        RenewalOutcome::Unfinished => (RenewalResult::Unfinished, ""),
    };
    RenewalRow {
        exchange: record.what.as_str().to_owned(),
        started_ns: record.started.as_nanos(),
        ended_ns: record.ended.as_nanos(),
        latency_ns: record.ended.since(record.started).as_nanos(),
        result,
        failure_reason: failure_reason.to_owned(),
        retransmissions: record.retransmissions.into(),
        propagation_ns: record.delays.propagation.as_nanos(),
        serialisation_queueing_ns: record.delays.serialisation_queueing.as_nanos(),
        cpu_ns: record.delays.cpu.as_nanos(),
        retransmission_wait_ns: record.delays.retransmission_wait.as_nanos(),
        spi_old: spi(record.what, record.spi_old),
        spi_new: spi(record.what, record.spi_new),
        ..RenewalRow::default()
    }
}

fn spi(what: Renewed, spi: Option<u64>) -> String {
    match (spi, what) {
        (None, _) => String::new(),
        (Some(spi), Renewed::Child | Renewed::NewChild) => format!("{spi:08x}"),
        (Some(spi), Renewed::Ike | Renewed::Reauthentication) => format!("{spi:016x}"),
    }
}

/// The rows of a node's timeline.
pub(crate) fn timeline_rows(node: &str, timeline: &Timeline) -> Vec<TimelineRow> {
    let row = |(time, bucket): (SimTime, &Bucket)| TimelineRow {
        time_ns: time.as_nanos(),
        width_ns: timeline.width().as_nanos(),
        node: node.to_owned(),
        setups_begun: bucket.setups_begun,
        setups_established: bucket.setups_established,
        renewals_begun: bucket.renewals_begun,
        renewals_done: bucket.renewals_done,
        renewals_failed: bucket.renewals_failed,
        cpu_queue_max: bucket.cpu_queue_max,
        dropped_packets: bucket.drops.values().sum(),
    };
    timeline.buckets().map(row).collect()
}

/// The rows of a node's drops over time.
pub(crate) fn drop_rows(node: &str, timeline: &Timeline) -> Vec<DropTimelineRow> {
    let row = |time: SimTime, reason: DropReason, packets: u64| DropTimelineRow {
        time_ns: time.as_nanos(),
        width_ns: timeline.width().as_nanos(),
        node: node.to_owned(),
        reason: reason.as_str().to_owned(),
        packets,
    };
    let rows = |(time, bucket): (SimTime, &Bucket)| -> Vec<_> {
        bucket.drops.iter().map(|(reason, packets)| row(time, *reason, *packets)).collect()
    };
    timeline.buckets().flat_map(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_whole_seconds_and_300_at_most() {
        let width =
            |seconds| bucket_width(SimDuration::from_secs(seconds)).as_nanos() / BUCKET_MIN.as_nanos();
        assert_eq!([1, 300, 301, 3_600, 86_400].map(width), [1, 1, 2, 12, 288]);
        assert_eq!(bucket_width(SimDuration::from_nanos(1)), BUCKET_MIN);
        for seconds in 1..2_000 {
            assert!(u64::div_ceil(seconds, width(seconds)) <= 300);
        }
    }

    #[test]
    fn spis_have_the_digits_of_their_kind() {
        assert_eq!(spi(Renewed::Child, Some(0xc0de)), "0000c0de");
        assert_eq!(spi(Renewed::Ike, Some(0xc0de)), "000000000000c0de");
        assert_eq!(spi(Renewed::NewChild, None), "");
    }
}
