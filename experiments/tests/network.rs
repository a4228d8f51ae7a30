//! The network below and beside the tunnels: IPv6, small MTUs, reordering, and packets that must not be seen.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use ipseclab_experiments::run::{RunResult, run};
use ipseclab_experiments::scenario::{CheckedScenario, Override, load};
use ipseclab_experiments::throughput::Search;
use ipseclab_net::{IpView, protocol};
use ipseclab_node::Observe;
use ipseclab_output::FlowRow;

#[path = "wire/mod.rs"]
mod wire;

use wire::check_nothing_in_the_clear;

fn settings(settings: &[&str]) -> Vec<Override> {
    settings.iter().map(|text| Override::parse(text).unwrap()).collect()
}

fn result(name: &str, changes: &[&str]) -> (CheckedScenario, RunResult) {
    let scenario = load(name, &settings(changes)).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let result = run(&scenario, Observe { packets: true, steps: false }).unwrap();
    (scenario, result)
}

fn flow<'a>(result: &'a RunResult, kind: &str) -> &'a FlowRow {
    result.flows.iter().find(|flow| flow.kind == kind).unwrap()
}

fn drops(result: &RunResult, reason: &str) -> u64 {
    result.drops.iter().filter(|drop| drop.reason == reason).map(|drop| drop.packets).sum()
}

#[test]
fn a_tunnel_over_ipv6_carries_ipv6() {
    let (scenario, result) = result("two-offices-ipv6", &[]);
    let (ping, tcp) = (flow(&result, "ping"), flow(&result, "tcp"));
    assert_eq!((ping.lost_packets, tcp.received_payload_bytes), (0, 10_000_000));
    // The clamp says how long segments are, so that no packet of the tunnel needs to be cut.
    assert_eq!(tcp.segment_payload_max_bytes, Some(1320));
    assert_eq!(drops(&result, "mtu_exceeded"), 0);
    assert!(check_nothing_in_the_clear(&scenario, &result) > 1000);
    let esp = |bytes: &[u8]| matches!(IpView::parse(bytes), Ok(IpView::V6(view)) if view.protocol() == protocol::ESP);
    let seen =
        result.observed.iter().flat_map(|node| &node.records.packets).filter(|packet| esp(&packet.bytes));
    assert!(seen.count() > 1000);
}

#[test]
fn a_tunnel_of_one_family_carries_the_other() {
    let changes = ["topology.addresses=2001:db8::/64", "nodes.left.cost_profile=free"];
    let (scenario, result) = result("site-to-site", &changes);
    assert_eq!(flow(&result, "ping").lost_packets, 0);
    assert!(scenario.nodes.iter().all(|node| node.address.is_ipv6()));
    check_nothing_in_the_clear(&scenario, &result);
}

#[test]
fn senders_inside_a_tunnel_learn_how_much_fits() {
    let (scenario, result) = result("tunnel-mtu", &["duration=20s"]);
    let (ping, tcp) = (flow(&result, "ping"), flow(&result, "tcp"));
    assert_eq!(tcp.received_payload_bytes, 5_000_000);
    assert!(tcp.retransmitted_segments > Some(0), "the first segments were too long");
    // Each side first learns what its own link takes, and then what is left inside the tunnel.
    assert!(ping.lost_packets <= 4 && ping.received_packets > 40, "{ping:?}");
    assert!(drops(&result, "path_mtu") + drops(&result, "mtu_exceeded") > 0);
    check_nothing_in_the_clear(&scenario, &result);
}

#[test]
fn without_df_a_tunnel_s_packets_are_cut_and_joined() {
    let changes = [
        "nodes.left.df=clear",
        "nodes.right.df=clear",
        "nodes.left.ip_fragmentation=after",
        "nodes.right.ip_fragmentation=after",
        "duration=20s",
    ];
    let (_, result) = result("tunnel-mtu", &changes);
    assert_eq!(flow(&result, "ping").lost_packets, 0);
    assert_eq!(flow(&result, "tcp").received_payload_bytes, 5_000_000);
    assert_eq!((drops(&result, "mtu_exceeded"), flow(&result, "tcp").retransmitted_segments), (0, Some(0)));
    let is_fragment = |bytes: &[u8]| IpView::parse(bytes).unwrap().is_fragment();
    assert!(
        result.observed.iter().any(|node| node
            .records
            .packets
            .iter()
            .any(|packet| is_fragment(&packet.bytes)))
    );
}

#[test]
fn a_longer_replay_window_loses_fewer_of_the_packets_that_come_late() {
    let lost = |window: u32| {
        let change = format!("connections.office.children.lan.replay_window={window}");
        let (_, result) = result("replay-window", &[&change, "traffic.0.stop=700ms"]);
        let udp = flow(&result, "udp");
        assert!(udp.reordered_packets > 0 && udp.reordering_extent_max_packets >= 31);
        assert_eq!(udp.lost_packets, drops(&result, "replay"));
        udp.lost_packets
    };
    let (short, long) = (lost(32), lost(4096));
    assert!(short > 100 && long == 0, "{short} and {long}");
}

#[test]
fn packets_behind_the_replay_window_are_as_many_as_the_study_says() {
    // λ = 100 000 a second, p = 10 %: p · (λD / (1 + λD))^W, as derived in the study `replay-window`.
    for (delay, overtakers, window) in
        [("100us", 10.0_f64, 32), ("1ms", 100.0, 64), ("1ms", 100.0, 256), ("5ms", 500.0, 512)]
    {
        let changes = [
            format!("connections.office.children.lan.replay_window={window}"),
            format!("topology.link.reorder.delay={delay}"),
        ];
        let (_, result) = result("replay-window", &[&changes[0], &changes[1]]);
        let udp = flow(&result, "udp");
        let share = 0.1 * (overtakers / (1.0 + overtakers)).powi(window);
        let (mean, sigma) = {
            let sent = to_f64(udp.sent_packets);
            (sent * share, (sent * share * (1.0 - share)).sqrt())
        };
        let lost = to_f64(drops(&result, "replay"));
        assert_eq!(drops(&result, "replay"), udp.lost_packets);
        assert!((lost - mean).abs() < 4.0 * sigma, "{delay}, window {window}: {lost}, not {mean} ± {sigma}");
        // What was held back is in the books of the link.
        let held = result.links.iter().map(|link| link.held_back_packets).sum::<u64>();
        let expected = to_f64(udp.sent_packets) * 0.1;
        assert!((to_f64(held) - expected).abs() < 5.0 * expected.sqrt(), "{held}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets in a second")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[test]
fn bursts_mixes_and_requests_arrive() {
    let kinds: [(&str, &[&str]); 3] = [
        ("udp", &["traffic.0.kind=udp", "traffic.0.mix=imix", "traffic.0.distribution=poisson"]),
        (
            "udp",
            &["traffic.0.kind=udp", "traffic.0.distribution=on-off", "traffic.0.on=1s", "traffic.0.off=1s"],
        ),
        ("request", &["traffic.0.kind=request", "traffic.0.response=4000B"]),
    ];
    for (kind, changes) in kinds {
        let (scenario, result) = result("site-to-site", &[changes, &["traffic.0.interval=20ms"]].concat());
        let flow = flow(&result, kind);
        // The first packet of 1500 octets teaches its gateway how much fits the tunnel.
        assert!(flow.sent_packets > 50 && flow.lost_packets <= 1, "{changes:?}: {flow:?}");
        assert!(flow.delay_p50_ns >= Some(20_000_000) && flow.delay_p50_ns <= flow.delay_p99_ns);
        check_nothing_in_the_clear(&scenario, &result);
    }
}

#[test]
fn a_transfer_moves_a_window_in_a_round_trip_and_goes_to_its_port() {
    let transfer = |window: &str| {
        let window = format!("traffic.1.window={window}");
        let (scenario, result) =
            result("two-offices-ipv6", &[&window, "traffic.1.size=400kB", "traffic.1.port=443"]);
        assert_eq!(scenario.traffic[1].port, 443);
        let flow = flow(&result, "tcp");
        assert_eq!(flow.received_payload_bytes, 400_000, "{flow:?}");
        flow.goodput_bps.unwrap()
    };
    // A round trip of 20 ms and a little for serialisation: 16 KiB of each are 6.5 Mbit/s at most, half of that half.
    let (small, large, default) = (transfer("8KiB"), transfer("16KiB"), transfer("256KiB"));
    let most = |octets: u64| octets * 8 * 1000 / 20;
    assert!(small <= most(8 << 10) && small > most(8 << 10) / 2, "{small}");
    assert!(large <= most(16 << 10) && large > small * 3 / 2, "{large} and {small}");
    assert!(default > large, "{default} and {large}");
}

#[test]
fn a_throughput_search_finds_what_the_cost_profile_says() {
    let search = Search {
        scenario: "gateway-throughput".to_owned(),
        settings: settings(&["traffic.0.size=1372B"]),
        entry: 0,
        rate_max: 80_000_000_000,
        loss_ppm: 5_000,
        resolution_ppm: 10_000,
    };
    let found = search.run(|_| {}).unwrap();
    let (non_drop, partial) = (found.non_drop.unwrap(), found.partial_drop.unwrap());
    assert_eq!(non_drop.lost(), 0);
    assert!(partial.rate_bps >= non_drop.rate_bps && partial.lost() * 200 <= partial.sent);
    // A packet of 1400 octets costs the reference profile's `receive` over the ESP packet of 1456 (38.8 + 36.4 ns) and
    // the decryption of 1404 octets. The ring takes what the last 20 ms bring too much, so that the rate is a little above.
    let limit = 1e3 / (38.8 + 0.025 * 1456.0 + decryption_ns(1404.0));
    let measured = partial.rates().mpps;
    assert!((limit * 0.97..limit * 1.06).contains(&measured), "{measured} Mpps, {limit} by the profile");
}

/// What the shipped profile says of decrypting with AES-128-GCM.
fn decryption_ns(octets: f64) -> f64 {
    let text = include_str!("../data/cost_profiles/reference.toml");
    let file: ipseclab_node::CostProfileFile = toml::from_str(text).unwrap();
    let entry = file.decrypt["aes128gcm16"];
    entry.fixed_ns + entry.ns_per_byte * octets
}

#[test]
fn no_shipped_scenario_lets_out_in_the_clear_what_it_protects() {
    for shipped in ipseclab_experiments::scenario::library::SCENARIOS {
        let (scenario, result) = result(shipped.name, &[]);
        assert!(check_nothing_in_the_clear(&scenario, &result) > 0, "{}", shipped.name);
    }
}
