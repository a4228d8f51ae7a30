//! `summary.json`: the run in one screen.

use std::collections::BTreeMap;

use ipseclab_output::{NegotiationResult, NegotiationRow, RefusalRow};
use ipseclab_sim::stats::quantile;
use serde::Serialize;

use super::warning::warnings;
use crate::run::RunResult;
use crate::scenario::CheckedScenario;

/// The run in one screen. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Simulated time.
    pub duration_ns: u64,
    /// Nodes of the topology.
    pub nodes: usize,
    /// Links of the topology.
    pub links: usize,
    /// Events that the kernel handled.
    pub events: u64,
    /// The fingerprint of the run: equal for equal runs.
    pub fingerprint: String,
    /// The fingerprint of each node, to find where two runs part.
    pub node_fingerprints: BTreeMap<String, String>,
    /// Negotiations.
    pub negotiations: Negotiations,
    /// Packets of all flows together.
    pub traffic: Traffic,
    /// Packets dropped, by reason.
    pub drops: BTreeMap<String, u64>,
    /// What the reader should be warned of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Negotiations by result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Negotiations {
    /// Those that began after the warm-up.
    pub counted: usize,
    /// Of these, the ones that came up.
    pub established: usize,
    /// Of these, the ones that failed, by reason.
    pub failed: BTreeMap<String, usize>,
    /// Set-ups that responders gave up after the warm-up, by what they know about the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, usize>,
    /// Of these, the ones that the end of the run cut off.
    pub unfinished: usize,
    /// Retransmissions of the initiators.
    pub retransmissions: u64,
    /// Set-up latency of the established ones.
    pub latency: Option<Latency>,
}

/// Quantiles of set-up latency, in nanoseconds.
#[expect(clippy::struct_field_names, reason = "the unit is part of each name in the file")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// The shortest.
    pub min_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 90th percentile.
    pub p90_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// Packets of all flows.
#[expect(clippy::struct_field_names, reason = "the unit is part of each name in the file")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Sent.
    pub sent_packets: u64,
    /// Received; for pings, answers.
    pub received_packets: u64,
    /// Sent and not received when the run ended.
    pub lost_packets: u64,
}

/// Summarises a run.
pub fn summarise(scenario: &CheckedScenario, result: &RunResult) -> Summary {
    let mut traffic = Traffic::default();
    for flow in &result.flows {
        traffic.sent_packets += flow.sent_packets;
        traffic.received_packets += flow.received_packets;
        traffic.lost_packets += flow.lost_packets;
    }
    let mut drops = BTreeMap::new();
    for drop in &result.drops {
        *drops.entry(drop.reason.clone()).or_default() += drop.packets;
    }
    let fingerprints = result.observed.iter().map(|node| (node.name.clone(), node.fingerprint.to_string()));
    Summary {
        scenario: scenario.name.clone(),
        seed: scenario.seed,
        duration_ns: scenario.duration.as_nanos(),
        nodes: scenario.topology.node_count(),
        links: scenario.topology.link_count(),
        events: result.events,
        fingerprint: result.fingerprint.to_string(),
        node_fingerprints: fingerprints.collect(),
        negotiations: Negotiations {
            refused: refused(&result.refusals, scenario.warm_up.as_nanos()),
            ..negotiations(&result.negotiations, scenario.warm_up.as_nanos())
        },
        traffic,
        drops,
        warnings: warnings(scenario),
    }
}

fn negotiations(rows: &[NegotiationRow], warm_up_ns: u64) -> Negotiations {
    let counted: Vec<_> = rows.iter().filter(|row| row.started_ns >= warm_up_ns).collect();
    let mut failed = BTreeMap::new();
    let mut unfinished = 0;
    let mut latencies = Vec::new();
    for row in &counted {
        match row.result {
            NegotiationResult::Established => latencies.push(row.latency_ns),
            NegotiationResult::Unfinished => unfinished += 1,
            NegotiationResult::Failed => *failed.entry(row.failure_reason.clone()).or_default() += 1,
        }
    }
    latencies.sort_unstable();
    Negotiations {
        counted: counted.len(),
        established: latencies.len(),
        failed,
        refused: BTreeMap::new(),
        unfinished,
        retransmissions: counted.iter().map(|row| row.retransmissions).sum(),
        latency: latency(&latencies),
    }
}

fn refused(rows: &[RefusalRow], warm_up_ns: u64) -> BTreeMap<String, usize> {
    let mut refused = BTreeMap::new();
    for row in rows.iter().filter(|row| row.time_ns >= warm_up_ns) {
        *refused.entry(row.reason.clone()).or_default() += 1;
    }
    refused
}

fn latency(sorted: &[u64]) -> Option<Latency> {
    Some(Latency {
        min_ns: *sorted.first()?,
        p50_ns: quantile(sorted, 500_000)?,
        p90_ns: quantile(sorted, 900_000)?,
        p99_ns: quantile(sorted, 990_000)?,
        max_ns: *sorted.last()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(started_ns: u64, latency_ns: u64, result: NegotiationResult) -> NegotiationRow {
        let failure_reason = match result {
            NegotiationResult::Established | NegotiationResult::Unfinished => String::new(),
            NegotiationResult::Failed => "timeout".to_owned(),
        };
        NegotiationRow { started_ns, latency_ns, result, failure_reason, ..NegotiationRow::default() }
    }

    #[test]
    fn failures_have_no_part_in_the_latency() {
        let rows = [row(5, 10, NegotiationResult::Established), row(5, 99, NegotiationResult::Failed)];
        let summary = negotiations(&rows, 0);
        assert_eq!((summary.counted, summary.established), (2, 1));
        assert_eq!(summary.failed["timeout"], 1);
        assert_eq!(summary.latency.unwrap().max_ns, 10);
    }

    #[test]
    fn what_the_end_cut_off_has_not_failed() {
        let summary = negotiations(&[row(5, 10, NegotiationResult::Unfinished)], 0);
        assert_eq!((summary.counted, summary.unfinished, summary.failed.len()), (1, 1, 0));
    }

    #[test]
    fn what_began_in_the_warm_up_is_not_counted() {
        let rows = [row(4, 10, NegotiationResult::Established), row(5, 20, NegotiationResult::Established)];
        let summary = negotiations(&rows, 5);
        assert_eq!((summary.counted, summary.latency.unwrap().p50_ns), (1, 20));
    }

    #[test]
    fn a_run_without_negotiations_has_no_latency() {
        assert_eq!(negotiations(&[], 0).latency, None);
    }
}
