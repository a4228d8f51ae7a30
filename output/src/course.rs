//! Rows about the course of a run: renewals (`renewals.csv`), and what happened when (`timeline.csv`,
//! `drops_timeline.csv`).

use serde::Serialize;

/// How a renewal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RenewalResult {
    /// The new SA is there.
    Done,
    /// The peer's own renewal crossed it, and the peer's stayed.
    Redundant,
    /// It ended without a new SA; the row names the reason.
    #[default]
    Failed,
    /// The run ended first.
    Unfinished,
}

/// One renewal, or one exchange for a further Child SA, as the node saw it that began it (`renewals.csv`).
///
/// The four parts of the latency sum to it exactly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RenewalRow {
    /// Node that began it.
    pub node: String,
    /// Node that answered.
    pub peer: String,
    /// Name of the connection.
    pub connection: String,
    /// Name of the child; empty when it is about an IKE SA.
    pub child: String,
    /// `child`, `ike`, `reauthentication`, or `new_child` for a further Child SA, which renews nothing.
    pub exchange: String,
    /// When the timer, packet or command that caused it came.
    pub started_ns: u64,
    /// When the new SA was there or the failure was known.
    pub ended_ns: u64,
    /// `ended_ns - started_ns`.
    pub latency_ns: u64,
    /// Done, redundant, failed or unfinished.
    pub result: RenewalResult,
    /// Empty unless it failed.
    pub failure_reason: String,
    /// Requests that the node sent again.
    pub retransmissions: u64,
    /// Share of the latency spent in flight.
    pub propagation_ns: u64,
    /// Share of the latency spent being serialised or waiting in a port queue.
    pub serialisation_queueing_ns: u64,
    /// Share of the latency spent waiting for a core or computing.
    pub cpu_ns: u64,
    /// Share of the latency spent until a retransmission timer fired, or something else ended the wait.
    pub retransmission_wait_ns: u64,
    /// SPI of what was renewed: the node's inbound one of a Child SA (8 hex digits), the initiator's of an IKE SA (16).
    pub spi_old: String,
    /// The same of what has come of it; empty if nothing has.
    pub spi_new: String,
}

/// One node in one bucket of time in which something happened there (`timeline.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TimelineRow {
    /// Beginning of the bucket.
    pub time_ns: u64,
    /// Width of the bucket.
    pub width_ns: u64,
    /// The node.
    pub node: String,
    /// Set-ups of IKE SAs that it began.
    pub setups_begun: u64,
    /// Set-ups of its own that came up.
    pub setups_established: u64,
    /// Renewals, and exchanges for further Child SAs, that it began.
    pub renewals_begun: u64,
    /// Of its own, those that gave a new SA.
    pub renewals_done: u64,
    /// Of its own, those that ended otherwise.
    pub renewals_failed: u64,
    /// Most jobs that waited for a core.
    pub cpu_queue_max: u64,
    /// Packets that ended in it, or on a link when it sent them.
    pub dropped_packets: u64,
}

/// Packets dropped by one node for one reason in one bucket of time (`drops_timeline.csv`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DropTimelineRow {
    /// Beginning of the bucket.
    pub time_ns: u64,
    /// Width of the bucket.
    pub width_ns: u64,
    /// The node in which they ended, or that sent them into the link where they ended.
    pub node: String,
    /// Named reason.
    pub reason: String,
    /// Packets.
    pub packets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::write_csv;

    fn check_header<T: Serialize + Default>(expected: &str) {
        assert_eq!(String::from_utf8(write_csv::<T>(&[]).unwrap()).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn the_columns_of_renewals_are_stable() {
        check_header::<RenewalRow>(
            "node,peer,connection,child,exchange,started_ns,ended_ns,latency_ns,result,failure_reason,\
             retransmissions,propagation_ns,serialisation_queueing_ns,cpu_ns,retransmission_wait_ns,spi_old,spi_new",
        );
    }

    #[test]
    fn the_columns_of_timelines_are_stable() {
        check_header::<TimelineRow>(
            "time_ns,width_ns,node,setups_begun,setups_established,renewals_begun,renewals_done,renewals_failed,\
             cpu_queue_max,dropped_packets",
        );
        check_header::<DropTimelineRow>("time_ns,width_ns,node,reason,packets");
    }
}
