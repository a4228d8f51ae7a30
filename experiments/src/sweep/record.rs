//! What a finished run leaves on disk: enough for every metric, and a proof that it is whole.
//!
//! Two lines of JSON. The first is the record; the second has the length and the hash of the first, so that a file
//! that a crash or a full disk tore is recognised and its run made again. Which is also why nothing is synced: losing
//! the last runs to a power cut costs seconds, syncing each of 10⁵ costs minutes.
//!
//! All numbers of a negotiation or renewal are kept, not only the metrics that were asked for: other plots and metrics
//! over the same runs need no new run.

use std::collections::BTreeMap;

use ipseclab_output::{
    ChildRow, FlowRow, NegotiationResult, NegotiationRow, RenewalResult, RenewalRow, TimelineRow, sha256_hex,
};
use serde::{Deserialize, Serialize};

use super::plan::RunId;

/// The version of the format; records of another one are made again.
const FORMAT: u32 = 5;

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// How cryptography was done.
    pub crypto: String,
    /// The hash of each cost profile in use, by its name.
    pub cost_profile_sha256: BTreeMap<String, String>,
    /// What came out.
    pub outcome: RunOutcome,
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// It ended as it should.
    Finished(Box<FinishedRun>),
    /// It has no result; the reason.
    Failed(String),
}

/// The results of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedRun {
    /// The fingerprint, as hexadecimal digits.
    pub fingerprint: String,
    /// Events that the kernel handled.
    pub events: u64,
    /// Negotiations that started after the warm-up, in order.
    pub negotiations: Vec<Negotiation>,
    /// Renewals of SAs that began after the warm-up, in order.
    pub renewals: Vec<Renewal>,
    /// Packets that flows sent and that did not arrive by the end of the run.
    pub lost_packets: u64,
    /// What else flows did.
    pub traffic: Traffic,
    /// For how long children were without an SA.
    pub outages: Outages,
    /// Packets dropped at all places in the whole run, by reason.
    pub drops: BTreeMap<String, u64>,
    /// What happened in each stretch of time.
    pub timeline: Timeline,
}

/// All children of a run at all nodes together: the times in which they had no SA to send on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outages {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Outages {
    /// What the children of a run add up to.
    pub fn of(children: &[ChildRow]) -> Self {
        children.iter().fold(Self::default(), |sum, child| Self {
            count: sum.count + child.outages,
            sum_ns: sum.sum_ns + child.outage_ns,
            max_ns: sum.max_ns.max(child.outage_max_ns),
        })
    }
}

/// All flows of a run together, as far as metrics look at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets sent.
    pub sent_packets: u64,
    /// The sum of their goodputs.
    pub goodput_bps: u64,
    /// The sum of the rates at which packets arrived.
    pub received_pps: u64,
    /// The greatest 99th percentile of delay.
    pub delay_p99_ns: Option<u64>,
    /// The sums of what they received in bits per second, on layers 1, 2 and 3.
    pub layer_bps: [u64; 3],
    /// The rate of the slowest link of the topology, if any has one.
    pub slowest_link_bps: Option<u64>,
}

impl Traffic {
    /// What the flows of a run add up to, over links of which the slowest has this rate.
    pub fn of(flows: &[FlowRow], slowest_link_bps: Option<u64>) -> Self {
        let sum = |rate: fn(&FlowRow) -> Option<u64>| flows.iter().filter_map(rate).sum();
        Self {
            sent_packets: flows.iter().map(|flow| flow.sent_packets).sum(),
            goodput_bps: flows.iter().filter_map(|flow| flow.goodput_bps).sum(),
            received_pps: sum(|flow| flow.received_pps),
            delay_p99_ns: flows.iter().filter_map(|flow| flow.delay_p99_ns).max(),
            layer_bps: [
                sum(|flow| flow.layer_1_bps),
                sum(|flow| flow.layer_2_bps),
                sum(|flow| flow.layer_3_bps),
            ],
            slowest_link_bps,
        }
    }
}

/// A renewal, as far as metrics look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// When the node that began it did so.
    pub started_ns: u64,
    /// From then to the fresh keys, or to the failure.
    pub latency_ns: u64,
    /// How it ended.
    pub ended: RenewalEnd,
}

/// How a renewal ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RenewalEnd {
    /// With fresh keys.
    #[default]
    Done,
    /// The peer's own renewal crossed it and won.
    Redundant,
    /// Without fresh keys.
    Failed,
    /// With the run.
    Unfinished,
}

/// What happened between the warm-up and the end of a run, in stretches of equal length that begin at the multiples of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The end of the warm-up.
    pub begin_ns: u64,
    /// The end of the run.
    pub end_ns: u64,
    /// The length of a stretch; above zero where there are any.
    pub width_ns: u64,
    /// The stretches in which something happened, in order.
    pub stretches: Vec<Stretch>,
}

/// What happened in a stretch of time, on all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When it begins.
    pub start_ns: u64,
    /// The most jobs that waited for a core at once, on the node where this was most.
    pub cpu_queue: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// A negotiation, as far as metrics look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiation {
    /// Whether the tunnel came up.
    pub established: bool,
    /// Why not; empty when it did.
    pub failure_reason: String,
    /// From the trigger to the tunnel, or to the failure.
    pub latency_ns: u64,
    /// The part that packets spent propagating.
    pub propagation_ns: u64,
    /// The part that packets spent in queues and being serialised.
    pub serialisation_queueing_ns: u64,
    /// The part that processors worked.
    pub cpu_ns: u64,
    /// The part until retransmission timers fired.
    pub retransmission_wait_ns: u64,
    /// Messages that the initiator sent or received.
    pub messages: u64,
    /// Octets of UDP payload in those messages.
    pub octets: u64,
    /// Requests sent again.
    pub retransmissions: u64,
}

#[derive(Serialize, Deserialize)]
struct Line<R> {
    format: u32,
    run: String,
    #[serde(flatten)]
    record: R,
}

/// The last line.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    octets: usize,
    sha256: String,
}

impl Seal {
    fn of(line: &str) -> Self {
        Self { octets: line.len(), sha256: sha256_hex(line.as_bytes()) }
    }
}

impl RunRecord {
    /// The record as a file.
    ///
    /// # Errors
    /// None that strings and integers can cause.
    pub fn encode(&self, id: RunId) -> Result<String, serde_json::Error> {
        let line = serde_json::to_string(&Line { format: FORMAT, run: id.to_string(), record: self })?;
        let seal = serde_json::to_string(&Seal::of(&line))?;
        Ok(format!("{line}\n{seal}\n"))
    }

    /// The record of run `id`, or `None` when the file is torn, of another format or of another run.
    pub fn decode(file: &[u8], id: RunId) -> Option<Self> {
        let (line, seal) = std::str::from_utf8(file).ok()?.strip_suffix('\n')?.split_once('\n')?;
        let seal: Seal = serde_json::from_str(seal).ok()?;
        let Line { format, run, record } = serde_json::from_str(line).ok()?;
        (seal == Seal::of(line) && format == FORMAT && run == id.to_string()).then_some(record)
    }
}

impl From<&RenewalRow> for Renewal {
    fn from(row: &RenewalRow) -> Self {
        let ended = match row.result {
            RenewalResult::Done => RenewalEnd::Done,
            RenewalResult::Redundant => RenewalEnd::Redundant,
            RenewalResult::Failed => RenewalEnd::Failed,
            RenewalResult::Unfinished => RenewalEnd::Unfinished,
        };
        Self { started_ns: row.started_ns, latency_ns: row.latency_ns, ended }
    }
}

impl Timeline {
    /// The rows of all nodes, put together.
    pub(super) fn of(rows: &[TimelineRow], begin_ns: u64, end_ns: u64) -> Self {
        let mut stretches = BTreeMap::<u64, Stretch>::new();
        for row in rows {
            let stretch = stretches
                .entry(row.time_ns)
                .or_insert(Stretch { start_ns: row.time_ns, ..Stretch::default() });
            stretch.cpu_queue = stretch.cpu_queue.max(row.cpu_queue_max);
            stretch.dropped += row.dropped_packets;
        }
        let width_ns = rows.first().map_or(0, |row| row.width_ns);
        Self { begin_ns, end_ns, width_ns, stretches: stretches.into_values().collect() }
    }
}

impl From<&NegotiationRow> for Negotiation {
    fn from(row: &NegotiationRow) -> Self {
        Self {
            established: row.result == NegotiationResult::Established,
            failure_reason: row.failure_reason.clone(),
            latency_ns: row.latency_ns,
            propagation_ns: row.propagation_ns,
            serialisation_queueing_ns: row.serialisation_queueing_ns,
            cpu_ns: row.cpu_ns,
            retransmission_wait_ns: row.retransmission_wait_ns,
            messages: row.messages_sent + row.messages_received,
            octets: row.bytes_sent + row.bytes_received,
            retransmissions: row.retransmissions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::plan::SweepPlan;

    fn ids() -> [RunId; 2] {
        let plan = SweepPlan::load("negotiation-latency", &[]).unwrap();
        [0, 1].map(|index| plan.run(index).unwrap().id)
    }

    fn record() -> RunRecord {
        let negotiation = Negotiation { established: true, latency_ns: u64::MAX, ..Negotiation::default() };
        RunRecord {
            crypto: "real".into(),
            cost_profile_sha256: BTreeMap::from([("free".into(), "ab".into())]),
            outcome: RunOutcome::Finished(Box::new(FinishedRun {
                fingerprint: "0123456789abcdef".into(),
                events: 7,
                negotiations: vec![negotiation],
                renewals: vec![Renewal { started_ns: 9, latency_ns: 1, ended: RenewalEnd::Redundant }],
                lost_packets: 3,
                outages: Outages { count: 2, sum_ns: 5, max_ns: 4 },
                traffic: Traffic {
                    sent_packets: 9,
                    goodput_bps: 8,
                    received_pps: 1,
                    delay_p99_ns: Some(7),
                    layer_bps: [3, 2, 1],
                    slowest_link_bps: Some(10),
                },
                drops: [("loss".into(), 1)].into(),
                timeline: Timeline {
                    begin_ns: 0,
                    end_ns: 20,
                    width_ns: 10,
                    stretches: vec![Stretch { start_ns: 10, cpu_queue: 4, dropped: 5 }],
                },
            })),
        }
    }

    #[test]
    fn a_record_reads_back_as_itself() {
        let [id, _] = ids();
        let failed = RunRecord { outcome: RunOutcome::Failed("a\nb \"c\"".into()), ..record() };
        for record in [record(), failed] {
            let file = record.encode(id).unwrap();
            assert_eq!(file.lines().count(), 2);
            assert_eq!(RunRecord::decode(file.as_bytes(), id), Some(record));
        }
    }

    #[test]
    fn a_timeline_has_the_longest_queue_and_all_drops_of_its_nodes() {
        let row = |time_ns, cpu_queue_max, dropped_packets| TimelineRow {
            time_ns,
            width_ns: 10,
            cpu_queue_max,
            dropped_packets,
            ..TimelineRow::default()
        };
        let timeline = Timeline::of(&[row(10, 3, 1), row(10, 2, 4), row(30, 1, 0)], 5, 40);
        let stretch = |start_ns, cpu_queue, dropped| Stretch { start_ns, cpu_queue, dropped };
        assert_eq!(timeline.stretches, [stretch(10, 3, 5), stretch(30, 1, 0)]);
        assert_eq!((timeline.begin_ns, timeline.end_ns, timeline.width_ns), (5, 40, 10));
    }

    #[test]
    fn a_torn_or_altered_record_is_not_read() {
        let [id, other] = ids();
        let file = record().encode(id).unwrap().into_bytes();
        for length in 0..file.len() {
            assert_eq!(RunRecord::decode(&file[..length], id), None, "{length}");
        }
        let at = file.windows(8).position(|bytes| bytes == b"events\":").unwrap() + 8;
        let altered = [&file[..at], b"8", &file[at + 1..]].concat();
        assert_eq!(RunRecord::decode(&altered, id), None);
        assert_eq!(RunRecord::decode(&file, other), None, "the record of another run");
        assert_eq!(RunRecord::decode(&[&file[..], b"x"].concat(), id), None);
    }

    #[test]
    fn a_record_of_another_format_is_not_read() {
        let [id, _] = ids();
        let line = serde_json::to_string(&Line { format: 1, run: id.to_string(), record: record() }).unwrap();
        let file = format!("{line}\n{}\n", serde_json::to_string(&Seal::of(&line)).unwrap());
        assert_eq!(RunRecord::decode(file.as_bytes(), id), None);
    }
}
