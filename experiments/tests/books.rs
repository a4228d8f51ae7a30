//! The books of flows, SAs and children, where packets are lost in every way that there is. That they balance is checked
//! by every run itself; here it is checked that the hard cases occur, and that the tables say what happened.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::BTreeSet;

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::run::{RunResult, run};
use ipseclab_experiments::scenario::{Override, check, load};
use ipseclab_node::Observe;
use ipseclab_output::{ChildRow, FlowBookRow};

/// Everything goes wrong at once: loss, reordering, full queues, cut packets, a link that fails, a gateway that
/// crashes, and keys that live for a second.
const HARSH: &str = r#"
name = "harsh"
duration = "12s"

[topology]
kind = "chain"
nodes = 4
link = { rate = "6Mbps", delay = "7ms", jitter = "3ms", loss = "2%", mtu = 1000, queue = "16KiB" }

[nodes."*"]
df = "clear"
ip_fragmentation = "after"

[nodes.left]
networks = ["10.1.0.0/16"]

[nodes.right]
networks = ["10.2.0.0/16"]
datapath = { cores = 2, ring = 64, batch = 8, spreading = "spi" }

[connections.office]
local = "left"
remote = "right"
auth = { psk = "secret" }
proposals = ["aes128gcm16-prfsha256-x25519"]
rekey_time = "3s"
rand_time = "500ms"
dpd_delay = "1s"
retransmit_timeout = "300ms"
retransmit_tries = 3
keyingtries = 0

[connections.office.children.lan]
esp_proposals = ["aes128gcm16"]
rekey_time = "1s"
rand_time = "300ms"
life_time = "2s"
replay_window = 32
start_action = "trap|start"
dpd_action = "restart"

[[traffic]]
kind = "udp"
from = "left"
to = "right"
rate = "3Mbps"
size = "1400B"

[[traffic]]
kind = "udp"
from = "right"
to = "left"
distribution = "poisson"
rate = "2Mbps"
size = "300B"

[[traffic]]
kind = "ping"
from = "left"
to = "right"
interval = "20ms"

[[traffic]]
kind = "request"
from = "left"
to = "right"
interval = "50ms"
size = "100B"
response = "2000B"

[[traffic]]
kind = "tcp"
from = "right"
to = "left"

[[faults]]
kind = "node-crash"
node = "right"
at = "4s"
for = "1s"

[[faults]]
kind = "link-down"
link = "router-1--router-2"
at = "7s"
for = "300ms"
"#;

/// Packets fit, as NATs join no fragments, and left is behind one that forgets.
const BEHIND_NAT: [&str; 3] =
    ["traffic.0.size=700B", "traffic.3.response=500B", "nodes.left.nat={ timeout = \"2s\" }"];
const REBOOT: &str = "[[faults]]\nkind = \"nat-reboot\"\nnode = \"left\"\nat = \"9s\"\n";

fn run_text(text: &str, settings: &[&str]) -> RunResult {
    let mut document = Document::parse(&SourceText::new("scenario.toml", text)).unwrap();
    for change in settings {
        Override::parse(change).unwrap().apply(&mut document).unwrap();
    }
    let scenario = check(&document, None).unwrap_or_else(|report| panic!("{}", report.render(false)));
    run(&scenario, Observe::default()).unwrap()
}

/// Runs some seeds; the reasons for which packets under SAs were lost, and how many were cut, joined and in flight.
fn harsh(text: &str, settings: &[&str]) -> (BTreeSet<String>, [u64; 3]) {
    let (mut reasons, mut sums) = (BTreeSet::new(), [0; 3]);
    for seed in 1..=4 {
        let result = run_text(text, &[settings, &[&format!("seed={seed}")]].concat());
        let books = &result.books;
        reasons.extend(books.sa_losses.iter().map(|loss| loss.reason.clone()));
        sums[0] += books.sas.iter().map(|sa| sa.cut_packets).sum::<u64>();
        sums[1] += books.sas.iter().map(|sa| sa.joined_packets).sum::<u64>();
        sums[2] += books.flows.iter().map(|flow| flow.in_flight_packets).sum::<u64>();
        assert!(books.sas.len() > 10, "seed {seed}: keys were renewed: {}", books.sas.len());
        let is_both = |flow: &FlowBookRow| flow.delivered_packets > 0 && flow.dropped_packets > 0;
        assert!(books.flows.iter().all(is_both), "seed {seed}: {:?}", books.flows);
    }
    (reasons, sums)
}

fn check_occurred(reasons: &BTreeSet<String>, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|reason| !reasons.contains(**reason)).collect();
    assert!(missing.is_empty(), "{missing:?} did not occur: {reasons:?}");
}

#[test]
fn the_books_balance_whatever_happens_to_packets() {
    let (reasons, [cut, joined, in_flight]) = harsh(HARSH, &[]);
    check_occurred(
        &reasons,
        &["loss", "queue_full", "link_down", "node_down", "no_sa", "lost_with_node", "in_flight"],
    );
    assert!(
        cut > 1000 && joined > 500 && in_flight > 10,
        "{cut} cut, {joined} joined, {in_flight} in flight"
    );
}

#[test]
fn the_books_balance_behind_a_nat_that_forgets() {
    let (reasons, _) = harsh(&format!("{HARSH}\n{REBOOT}"), &BEHIND_NAT);
    check_occurred(&reasons, &["loss", "queue_full", "nat_no_mapping", "no_sa", "in_flight"]);
}

#[test]
fn what_an_overloaded_gateway_and_a_replay_window_refuse_is_in_the_books_of_the_sa() {
    let shipped = |name: &str, settings: &[&str]| {
        let changes: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
        run(&load(name, &changes).unwrap(), Observe::default()).unwrap()
    };
    let reasons = |result: &RunResult| -> BTreeSet<String> {
        result.books.sa_losses.iter().map(|loss| loss.reason.clone()).collect()
    };
    let overloaded = shipped("gateway-throughput", &["traffic.0.rate=8Gbps", "traffic.0.stop=55ms"]);
    check_occurred(&reasons(&overloaded), &["ring_full"]);
    // It ends while packets are in the ring and in a batch.
    let stopped =
        shipped("gateway-throughput", &["traffic.0.rate=8Gbps", "traffic.0.stop=54ms", "duration=54ms"]);
    let (sas, flows) = (&stopped.books.sa_losses, &stopped.books.flow_losses);
    let at_hub = |place: &str, reason: &str| (place, reason) == ("hub", "in_flight");
    let under_sas = sas.iter().filter(|loss| at_hub(&loss.where_, &loss.reason)).map(|loss| loss.packets);
    let of_flows = flows.iter().filter(|loss| at_hub(&loss.where_, &loss.reason)).map(|loss| loss.packets);
    let (under_sas, of_flows) = (under_sas.sum::<u64>(), of_flows.sum::<u64>());
    // The ring is nearly full. The SAs have opened the 32 packets of the batch already; the flows wait for its end.
    assert!((900..=1024).contains(&under_sas), "{under_sas}");
    assert_eq!(of_flows, under_sas + 32);
    check_occurred(&reasons(&shipped("replay-window", &["traffic.0.stop=520ms"])), &["replay"]);
}

/// Two offices and a lossy line, with a stream that is not cut.
const PLAIN: &str = r#"
name = "plain"
duration = "10s"

[topology]
kind = "pair"
link = { rate = "4Mbps", delay = "10ms", loss = "1%", queue = "8KiB" }

[nodes.left]
networks = ["10.1.0.0/16"]

[nodes.right]
networks = ["10.2.0.0/16"]

[connections.office]
local = "left"
remote = "right"
auth = { psk = "secret" }
proposals = ["aes128gcm16-prfsha256-x25519"]
retransmit_timeout = "500ms"

[connections.office.children.lan]
esp_proposals = ["aes128gcm16"]

[[traffic]]
kind = "udp"
from = "left"
to = "right"
distribution = "poisson"
rate = "3.5Mbps"
size = "1000B"

[[traffic]]
kind = "ping"
from = "right"
to = "left"
start = "2s"
interval = "10ms"
"#;

#[test]
fn what_a_flow_has_lost_is_listed_by_reason() {
    let result = run_text(PLAIN, &[]);
    for (flow, book) in result.flows.iter().zip(&result.books.flows) {
        let losses: Vec<_> = result.books.flow_losses.iter().filter(|loss| loss.flow == flow.flow).collect();
        let reasons: Vec<_> = losses.iter().map(|loss| (&*loss.where_, &*loss.reason)).collect();
        // A ping is lost with its request or with its reply, and is one packet either way.
        assert_eq!(losses.iter().map(|loss| loss.packets).sum::<u64>(), flow.lost_packets, "{losses:?}");
        assert!(reasons.contains(&("left > right", "loss")), "{reasons:?}");
        let is_full = reasons.contains(&("left > right", "queue_full"));
        assert!(is_full || flow.kind == "ping", "{reasons:?}");
        assert!(reasons.contains(&("links", "in_flight")), "{reasons:?}");
        assert!(book.sent_packets >= flow.sent_packets && book.delivered_packets >= flow.received_packets);
    }
    let udp = &result.books.flows[0];
    assert_eq!(
        (udp.sent_packets, udp.delivered_packets),
        (result.flows[0].sent_packets, result.flows[0].received_packets)
    );
}

#[test]
fn what_both_ends_of_an_sa_counted_is_in_one_row() {
    let result = run_text(PLAIN, &["connections.office.children.lan.rekey_time=2s"]);
    let (sas, nodes) = (&result.books.sas, &result.nodes);
    assert!(sas.len() >= 8, "{} SAs", sas.len());
    for node in nodes {
        let sum = |of: &str,
                   count: fn(&ipseclab_output::SaBookRow) -> u64,
                   at: fn(&ipseclab_output::SaBookRow) -> &str| {
            sas.iter().filter(|sa| at(sa) == of).map(count).sum::<u64>()
        };
        assert_eq!(sum(&node.node, |sa| sa.sealed_packets, |sa| &sa.node), node.esp_packets_out);
        assert_eq!(sum(&node.node, |sa| sa.opened_packets, |sa| &sa.peer), node.esp_packets_in);
    }
    let lost: u64 = result.books.sa_losses.iter().map(|loss| loss.packets).sum();
    assert_eq!(lost, sas.iter().map(|sa| sa.dropped_packets + sa.in_flight_packets).sum::<u64>());
}

#[test]
fn packets_that_wait_for_an_sa_are_in_flight_and_those_that_waited_in_vain_are_lost() {
    let waits = [
        "limits.acquire_queue=3",
        "topology.link.delay=6s",
        "traffic.1.count=1",
        "traffic.1.start=9s",
        "traffic.0.rate=50kbps",
    ];
    let result = run_text(PLAIN, &waits);
    let book = &result.books.flows[0];
    let losses: Vec<_> =
        result.books.flow_losses.iter().map(|loss| (&*loss.where_, &*loss.reason, loss.packets)).collect();
    assert!(losses.contains(&("left", "in_flight", 3)), "3 wait for the peer: {losses:?}");
    let full = book.sent_packets - 3;
    assert!(losses.contains(&("left", "acquire_queue_full", full)), "{losses:?}");
    assert_eq!(
        *book,
        FlowBookRow { dropped_packets: full, in_flight_packets: 3, delivered_packets: 0, ..book.clone() }
    );
}

fn child<'a>(result: &'a RunResult, node: &str) -> &'a ChildRow {
    result.books.children.iter().find(|child| child.node == node).unwrap()
}

#[test]
fn a_child_is_without_an_sa_while_a_reauthentication_breaks_before_it_makes() {
    let calm = ["topology.link.loss=0", "topology.link.queue=1MiB", "traffic.0.rate=1Mbps"];
    let with = |more: &[&str]| run_text(PLAIN, &[&calm, more].concat());
    let reauth = "connections.office.reauth_time=4s";
    let broken = with(&[reauth, "connections.office.rekey_time=0s", "connections.office.rand_time=0s"]);
    let (left, set_up) = (child(&broken, "left"), broken.negotiations.last().unwrap());
    // Two sides that reauthenticate may both have begun; whoever did was without.
    let out = broken.books.children.iter().map(|child| child.outage_ns).max().unwrap();
    assert!(out >= set_up.latency_ns / 2 && out < 1_000_000_000, "{out} ns, {left:?}, {set_up:?}");
    let made = with(&[
        reauth,
        "connections.office.rekey_time=0s",
        "connections.office.rand_time=0s",
        "connections.office.make_before_break=true",
    ]);
    assert!(made.negotiations.len() > 1, "it was set up anew");
    assert!(made.books.children.iter().all(|child| (child.outages, child.outage_ns) == (0, 0)), "{made:?}");
}

#[test]
fn rekeys_and_orders_to_close_are_no_outage_and_a_crash_is_one() {
    let calm = ["topology.link.loss=0", "topology.link.queue=1MiB", "traffic.0.rate=1Mbps"];
    let rekeyed = run_text(PLAIN, &[&calm[..], &["connections.office.children.lan.rekey_time=1s"]].concat());
    for row in &rekeyed.books.children {
        assert!(row.child_sas > 8, "{row:?}");
        assert_eq!((row.outages, row.outage_ns, row.no_sa_packets), (0, 0, 0), "{row:?}");
    }
    let closed =
        format!("{PLAIN}\n[[actions]]\naction = \"terminate\"\nconnection = \"office\"\nat = \"5s\"\n");
    let closed = run_text(&closed, &[&calm[..], &["traffic.0.stop=4s", "traffic.1.stop=4s"]].concat());
    assert_eq!(closed.books.children.iter().map(|row| row.outages).sum::<u64>(), 0);
    let crash =
        format!("{PLAIN}\n[[faults]]\nkind = \"node-crash\"\nnode = \"right\"\nat = \"5s\"\nfor = \"1s\"\n");
    let crashed = run_text(&crash, &calm);
    let (left, right) = (child(&crashed, "left"), child(&crashed, "right"));
    // Nothing tells left, and right has no reason to set up anything until its ping does.
    assert_eq!((left.outages, right.outages), (0, 1));
    assert!(right.outage_ns >= 1_000_000_000 && right.outage_max_ns == right.outage_ns, "{right:?}");
    assert!(right.no_sa_packets > 0, "left goes on as if nothing had happened: {right:?}");
}
