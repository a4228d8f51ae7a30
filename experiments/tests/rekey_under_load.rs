//! No packet is lost by a rekey at any rate: shown at 90 % of the rate at which a gateway starts to drop.
//!
//! The rate is the one that `throughput-search` finds, on a gateway whose packets cost so much that half a second of them is
//! soon simulated. Then Child SAs and IKE SAs are renewed by both sides, again and again, with and without a key exchange
//! of their own, while packets go both ways; all of them must arrive.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use ipseclab_experiments::run::{RunResult, run};
use ipseclab_experiments::scenario::{Override, load};
use ipseclab_experiments::throughput::Search;
use ipseclab_node::Observe;
use ipseclab_output::RenewalResult;

/// Two generators with a tunnel each to a gateway with one datapath core; IKE has a core of its own.
const GATEWAY: &str = r#"
name = "gateway"
duration = "350ms"

[topology]
kind = "hub-and-spoke"
spokes = 2
link = { rate = "10Gbps", delay = "1ms", queue = "64MiB" }

[nodes.hub]
networks = ["10.2.0.0/16"]
cost_profile = "slow.toml"
datapath = { cores = 1, ring = 64, batch = 8, spreading = "spi" }

[nodes."spoke-*"]
pool = { from = "10.1.0.0/16", prefix = 24 }
cost_profile = "free"

[connections.test]
local = "spoke-*"
remote = "hub"
proposals = ["aes128gcm16-prfsha256-x25519"]
auth = { psk = "secret" }

[connections.test.children.lan]
esp_proposals = ["aes128gcm16", "aes128gcm16-x25519"]
start_action = "start"

[[traffic]]
kind = "udp"
from = "spoke-*"
to = "hub"
rate = "100Mbps"
size = "500B"
start = "50ms"
stop = "300ms"

[[traffic]]
kind = "udp"
from = "hub"
to = "spoke-*"
rate = "8Mbps"
size = "500B"
start = "50ms"
stop = "300ms"
"#;

/// A folder with the scenario, and the reference profile with packets that cost a hundred times as much.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let reference = include_str!("../data/cost_profiles/reference.toml");
    let line = reference.lines().find(|line| line.starts_with("receive")).unwrap();
    let slow = reference.replace(line, "receive = { fixed_ns = 7_500, ns_per_byte = 0 }");
    std::fs::write(folder.path().join("slow.toml"), slow).unwrap();
    std::fs::write(folder.path().join("gateway.toml"), GATEWAY).unwrap();
    folder
}

fn settings(settings: &[&str]) -> Vec<Override> {
    settings.iter().map(|text| Override::parse(text).unwrap()).collect()
}

/// Runs a load with renewals; nothing may be lost, and every packet that was sent has arrived.
fn check_lossless(scenario: &str, changes: &[&str]) -> RunResult {
    let scenario =
        load(scenario, &settings(changes)).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let result = run(&scenario, Observe::default()).unwrap();
    assert_eq!(result.drops, [], "{changes:?}");
    for flow in &result.books.flows {
        assert!(flow.sent_packets > 100, "{flow:?}");
        assert_eq!(
            (flow.delivered_packets, flow.in_flight_packets),
            (flow.sent_packets, 0),
            "{changes:?}: {flow:?}"
        );
    }
    for child in &result.books.children {
        assert_eq!((child.outages, child.no_sa_packets), (0, 0), "{changes:?}: {child:?}");
    }
    result
}

fn renewals(result: &RunResult, kind: &str) -> usize {
    let done = result.renewals.iter().filter(|row| row.result == RenewalResult::Done);
    done.filter(|row| row.exchange == kind).count()
}

#[test]
fn no_packet_is_lost_by_rekeys_at_ninety_percent_of_the_non_drop_rate() {
    let folder = folder();
    let scenario = folder.path().join("gateway.toml").display().to_string();
    let search = Search {
        scenario: scenario.clone(),
        settings: vec![],
        entry: 0,
        rate_max: 2_000_000_000,
        loss_ppm: 5_000,
        resolution_ppm: 10_000,
    };
    let found = search.run(|_| {}).unwrap();
    let non_drop = found.non_drop.unwrap();
    let beyond = found.trials.iter().filter(|trial| trial.lost() > 0);
    assert!(beyond.count() > 0, "the search has seen the gateway drop");

    // The rate is that of both flows together.
    let rate = format!("traffic.0.rate={}bps", non_drop.rate_bps * 9 / 10 / 2);
    let child = "connections.test.children.lan";
    let kinds: [(&str, &[&str]); 3] = [
        ("Child SAs by turns", &["connections.test.rekey_time=0s"]),
        (
            "with a key exchange",
            &[
                "connections.test.rekey_time=0s",
                "connections.test.children.lan.esp_proposals=[\"aes128gcm16-x25519\"]",
            ],
        ),
        ("and IKE SAs", &["connections.test.rekey_time=40ms", "connections.test.rand_time=10ms"]),
    ];
    for (what, more) in kinds {
        let times = [
            format!("{child}.rekey_time=20ms"),
            format!("{child}.rand_time=10ms"),
            format!("{child}.life_time=1s"),
        ];
        let times: Vec<_> = times.iter().map(String::as_str).collect();
        let result = check_lossless(&scenario, &[&times, &[rate.as_str()][..], more].concat());
        assert!(renewals(&result, "child") > 20, "{what}: {} renewals", renewals(&result, "child"));
        assert_eq!(
            renewals(&result, "ike") > 5,
            what == "and IKE SAs",
            "{what}: {}",
            renewals(&result, "ike")
        );
    }

    // It takes the old inbound SAs to be there a while longer: IKE has a core of its own here, and its Delete overtakes the
    // packets that wait in the ring.
    let at_once = [
        "connections.test.children.lan.rekey_time=20ms",
        "connections.test.children.lan.rand_time=10ms",
        "connections.test.children.lan.life_time=1s",
        "nodes.hub.limits.delete_rekeyed_delay=0s",
        rate.as_str(),
    ];
    let result = run(&load(&scenario, &settings(&at_once)).unwrap(), Observe::default()).unwrap();
    let lost: Vec<_> = result.drops.iter().map(|drop| (&*drop.where_, &*drop.reason)).collect();
    assert_eq!(lost, [("hub", "no_sa")]);
    let late: u64 = result.books.children.iter().map(|child| child.no_sa_packets).sum();
    assert_eq!(late, result.drops[0].packets);
}
