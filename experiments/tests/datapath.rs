//! Datapath cores of a whole scenario: a saturated one moves what its cost profile says, and SAs are pinned to cores.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use ipseclab_experiments::cost_profiles;
use ipseclab_experiments::run::{RunResult, run};
use ipseclab_experiments::scenario::{Override, load};
use ipseclab_node::{CostEntry, CostProfileFile, Observe};

/// IPv4 and UDP headers of the packets in the tunnels.
const HEADERS: u32 = 28;
/// Octets of an ESP trailer without padding.
const TRAILER: u32 = 2;

/// The lengths of an ESP algorithm's fields, and its words in cost profiles.
#[derive(Clone, Copy)]
struct Algorithm {
    proposal: &'static str,
    cipher: &'static str,
    integrity: Option<&'static str>,
    iv: u32,
    block: u32,
    icv: u32,
}

const GCM: Algorithm =
    Algorithm { proposal: "aes128gcm16", cipher: "aes128gcm16", integrity: None, iv: 8, block: 4, icv: 16 };
const CHACHA: Algorithm = Algorithm { proposal: "chacha20poly1305", cipher: "chacha20poly1305", ..GCM };
const CBC: Algorithm = Algorithm {
    proposal: "aes128-sha256",
    cipher: "aes128",
    integrity: Some("sha256"),
    iv: 16,
    block: 16,
    icv: 16,
};

/// The gateway under more packets than its cores can take.
fn overloaded(algorithm: Algorithm, data: u32, cores: u32, tunnels: u32) -> RunResult {
    let changes = [
        format!("connections.test.children.lan.esp_proposals=[\"{}\"]", algorithm.proposal),
        format!("traffic.0.size={data}B"),
        format!("nodes.hub.datapath.cores={cores}"),
        format!("topology.spokes={tunnels}"),
        "topology.link.rate=400Gbps".to_owned(),
        "traffic.0.rate=60Gbps".to_owned(),
        "traffic.0.stop=51ms".to_owned(),
        "duration=56ms".to_owned(),
    ];
    let settings: Vec<_> = changes.iter().map(|text| Override::parse(text).unwrap()).collect();
    let scenario =
        load("gateway-throughput", &settings).unwrap_or_else(|report| panic!("{}", report.render(false)));
    run(&scenario, Observe::default()).unwrap()
}

/// Packets a second that came out of all tunnels, from the first to the last of each.
fn pps(result: &RunResult) -> f64 {
    let all: u64 = result.flows.iter().filter_map(|flow| flow.received_pps).sum();
    f64::from(u32::try_from(all).unwrap())
}

fn ns(entry: CostEntry, octets: u32) -> f64 {
    entry.fixed_ns + entry.ns_per_byte * f64::from(octets)
}

/// What the profile `reference` says of a packet with so many octets of data, in nanoseconds, when batches are full.
fn cost(algorithm: Algorithm, data: u32) -> f64 {
    let file: CostProfileFile = toml::from_str(cost_profiles::text("reference").unwrap()).unwrap();
    let text = (HEADERS + data + TRAILER).next_multiple_of(algorithm.block);
    let checked = 8 + algorithm.iv + text;
    let integrity = algorithm.integrity.map_or(0.0, |mac| ns(file.integrity[mac], checked));
    ns(file.path["batch"], 0) / 32.0
        + ns(file.path["receive"], 20 + checked + algorithm.icv)
        + ns(file.decrypt[algorithm.cipher], text)
        + integrity
}

#[test]
fn a_saturated_core_of_a_scenario_moves_what_the_shipped_profile_says() {
    for algorithm in [GCM, CHACHA, CBC] {
        for data in [64, 512, 1400] {
            let result = overloaded(algorithm, data, 1, 1);
            let (expected, measured) = (1e9 / cost(algorithm, data), pps(&result));
            let error = (measured / expected - 1.0).abs();
            assert!(error < 1e-3, "{} over {data}: {measured} not {expected}", algorithm.proposal);
            assert!(result.flows[0].lost_packets > 0, "the core was not the limit");
        }
    }
}

#[test]
fn a_tunnel_is_one_core_s_and_many_tunnels_use_all_cores() {
    let one_core = 1e9 / cost(GCM, 512);
    let share = |cores, tunnels| pps(&overloaded(GCM, 512, cores, tunnels)) / one_core;
    let alone = share(4, 1);
    assert!((alone - 1.0).abs() < 1e-3, "one SA keeps one core busy: {alone}");
    let many = share(4, 16);
    assert!((many - 4.0).abs() < 0.05, "sixteen SAs keep four cores busy: {many}");
}
