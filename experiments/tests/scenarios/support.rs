//! A scenario with a few changes, and ways to look at its run.

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::run::{self, RunError, RunResult};
use ipseclab_experiments::scenario::{CheckedScenario, Override, check};
use ipseclab_net::{IpView, UdpDatagram, protocol};
use ipseclab_node::Observe;
use ipseclab_output::{NegotiationResult, NegotiationRow, SaKind};

use super::wire;

/// Two offices without CPU costs; a ping every second for ten seconds.
const OFFICES: &str = r#"
name = "offices"
duration = "60s"

[topology]
kind = "pair"
link = { rate = "100Mbps", delay = "10ms" }

[nodes."*"]
cost_profile = "free"

[nodes.left]
networks = ["10.1.0.0/16"]

[nodes.right]
networks = ["10.2.0.0/16"]

[connections.office]
local = "left"
remote = "right"
proposals = ["aes256gcm16-prfsha256-x25519"]
auth = { psk = "secret" }

[connections.office.children.lan]
esp_proposals = ["aes128gcm16"]

[[traffic]]
kind = "ping"
from = "left"
to = "right"
stop = "10s"
"#;

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// The two offices with `settings` as for `--set`, and `more` at the end of the file.
pub(crate) fn offices(settings: &[&str], more: &str) -> CheckedScenario {
    scenario(&format!("{OFFICES}\n{more}"), settings)
}

/// The two offices without their ping.
pub(crate) fn silent_offices(settings: &[&str], more: &str) -> CheckedScenario {
    let silent = OFFICES.split("[[traffic]]").next().unwrap();
    scenario(&format!("{silent}\n{more}"), settings)
}

/// A scenario from its text.
pub(crate) fn scenario(text: &str, settings: &[&str]) -> CheckedScenario {
    let parsed = Document::parse(&SourceText::new("scenario.toml", text));
    let mut document = parsed.unwrap_or_else(|report| panic!("{report}"));
    for setting in settings {
        let change = Override::parse(setting).unwrap();
        change.apply(&mut document).unwrap_or_else(|error| panic!("{error}"));
    }
    check(&document, None).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

/// What a user reads of a scenario that is refused after one change.
pub(crate) fn scenario_error(text: &str, setting: &str) -> String {
    let mut document = Document::parse(&SourceText::new("scenario.toml", text)).unwrap();
    Override::parse(setting).unwrap().apply(&mut document).unwrap();
    check(&document, None).expect_err("it is refused").render(false)
}

/// Runs a scenario and checks what holds in all of them.
pub(crate) fn run(scenario: &CheckedScenario) -> RunResult {
    let observe = Observe { packets: true, steps: true };
    let result = run::run(scenario, observe).unwrap_or_else(|error| panic!("{error}"));
    for row in &result.negotiations {
        assert_eq!(row.latency_parts_ns(), Some(row.latency_ns), "{row:?}");
        assert_eq!(row.ended_ns - row.started_ns, row.latency_ns, "{row:?}");
        assert_eq!(row.failure_reason.is_empty(), row.result == NegotiationResult::Established, "{row:?}");
    }
    for node in &result.nodes {
        let closed = |sa| {
            let rows = result.closures.iter().filter(|row| row.node == node.node && row.sa == sa);
            rows.count() as u64
        };
        assert_eq!(
            (closed(SaKind::Ike), closed(SaKind::Child)),
            (node.ike_sas_closed, node.child_sas_closed)
        );
        assert!(node.ike_sas_closed <= node.ike_sas_established, "{node:?}");
        assert!(node.child_sas_closed <= node.child_sas_established, "{node:?}");
    }
    wire::check_nothing_in_the_clear(scenario, &result);
    for flow in &result.flows {
        assert_eq!(flow.sent_packets, flow.received_packets + flow.lost_packets, "{flow:?}");
    }
    result
}

/// The error of a scenario that cannot be run to its end.
pub(crate) fn run_error(scenario: &CheckedScenario) -> RunError {
    run::run(scenario, Observe::default()).unwrap_err()
}

/// "established" or the failure reason of each negotiation.
pub(crate) fn outcomes(result: &RunResult) -> Vec<&str> {
    result.negotiations.iter().map(outcome).collect()
}

fn outcome(row: &NegotiationRow) -> &str {
    match row.result {
        NegotiationResult::Established => "established",
        NegotiationResult::Failed => &row.failure_reason,
        NegotiationResult::Unfinished => "unfinished",
    }
}

/// Packets dropped at a place for a reason.
pub(crate) fn drops(result: &RunResult, place: &str, reason: &str) -> u64 {
    let found = result.drops.iter().find(|row| row.where_ == place && row.reason == reason);
    found.map_or(0, |row| row.packets)
}

/// Node, kind, reason and whole seconds of each closure.
pub(crate) fn closures(result: &RunResult) -> Vec<(&str, SaKind, &str, u64)> {
    let rows = result.closures.iter();
    rows.map(|row| (row.node.as_str(), row.sa, row.reason.as_str(), row.time_ns / SECOND)).collect()
}

/// What a captured packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ike500,
    /// IKE or ESP in UDP.
    Udp4500,
    Esp,
    Ah,
    /// A packet in the clear.
    Plain,
}

/// The packets that arrived at or left a node, with their times.
pub(crate) fn packets(result: &RunResult, node: &str) -> Vec<(u64, Kind)> {
    let node = result.observed.iter().find(|observed| observed.name == node).expect("a node of the scenario");
    node.records.packets.iter().map(|packet| (packet.time.as_nanos(), kind(&packet.bytes))).collect()
}

/// How many packets of a kind passed the ports of a node.
pub(crate) fn count(result: &RunResult, node: &str, wanted: Kind) -> usize {
    packets(result, node).iter().filter(|(_, kind)| *kind == wanted).count()
}

fn kind(bytes: &[u8]) -> Kind {
    let view = IpView::parse(bytes).expect("nodes send well-formed packets");
    match view.protocol() {
        protocol::ESP => Kind::Esp,
        protocol::AH => Kind::Ah,
        protocol::UDP => {
            let datagram = UdpDatagram::parse(&view).expect("nodes send well-formed datagrams");
            let ports = [datagram.source.port(), datagram.destination.port()];
            match ports {
                _ if ports.contains(&4500) => Kind::Udp4500,
                _ if ports.contains(&500) => Kind::Ike500,
                _ => Kind::Plain,
            }
        }
        _ => Kind::Plain,
    }
}
