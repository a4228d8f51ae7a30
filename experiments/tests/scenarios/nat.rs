//! A NAT between a node and its link.

use super::support::{Kind, count, drops, offices, outcomes, packets, run, scenario, silent_offices};

const NAT: &str = "nodes.left.nat={ timeout = \"5s\" }";
const START: &str = "connections.office.children.lan.start_action=start";

#[test]
fn behind_a_nat_everything_after_the_first_exchange_uses_port_4500() {
    let result = run(&offices(&[NAT], ""));
    assert!(result.negotiations[0].nat_detected);
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!(result.flows[0].lost_packets, 0);
    for node in ["left", "left-nat", "right"] {
        let kinds: Vec<_> = packets(&result, node).into_iter().map(|(_, kind)| kind).collect();
        let first = kinds.iter().take_while(|kind| **kind == Kind::Ike500).count();
        assert!(first > 0 && kinds[first..].iter().all(|kind| *kind == Kind::Udp4500), "{node}: {kinds:?}");
    }
    // Two messages of IKE_AUTH, ten pings both ways, and after 20 and 40 s of silence a keepalive.
    assert_eq!(count(&result, "right", Kind::Udp4500), 24);
}

#[test]
fn without_a_nat_none_is_found_and_encap_alone_puts_esp_into_udp() {
    let result = run(&offices(&[], ""));
    assert!(!result.negotiations[0].nat_detected);
    assert_eq!(count(&result, "right", Kind::Udp4500), 0);
    let result = run(&offices(&["connections.office.encap=true"], ""));
    assert_eq!((count(&result, "right", Kind::Esp), result.flows[0].lost_packets), (0, 0));
    assert!(count(&result, "right", Kind::Udp4500) >= 20);
}

/// Pings from the right come every ten seconds, from the third on.
fn from_outside(settings: &[&str]) -> ipseclab_experiments::run::RunResult {
    let traffic =
        "[[traffic]]\nkind = \"ping\"\nfrom = \"right\"\nto = \"left\"\ninterval = \"10s\"\nstart = \"3s\"\n";
    run(&silent_offices(&[&[START], settings].concat(), traffic))
}

#[test]
fn a_mapping_that_outlives_the_gaps_keeps_the_tunnel_usable() {
    let result = from_outside(&["nodes.left.nat={ timeout = \"11s\" }"]);
    assert_eq!((result.flows[0].sent_packets, result.flows[0].lost_packets), (6, 0));
    assert_eq!(drops(&result, "left-nat", "nat_no_mapping"), 0);
}

#[test]
fn a_mapping_shorter_than_the_gaps_cuts_the_node_off() {
    let result = from_outside(&[NAT, "nodes.left.limits.keep_alive=0s"]);
    // The mapping of the negotiation is 3 s old at the first ping; the pong refreshes it for 5 s more.
    assert_eq!((result.flows[0].sent_packets, result.flows[0].received_packets), (6, 1));
    assert_eq!(drops(&result, "left-nat", "nat_no_mapping"), 5);
    assert!(result.closures.is_empty(), "without liveness checks neither side knows");
}

#[test]
fn liveness_checks_of_the_inner_side_keep_a_mapping_alive() {
    let result = from_outside(&[NAT, "connections.office.dpd_delay=4s"]);
    assert_eq!(result.flows[0].lost_packets, 0);
    assert!(result.closures.is_empty());
}

#[test]
fn every_behaviour_of_a_nat_lets_the_tunnel_through() {
    for mapping in ["endpoint-independent", "address-dependent", "address-and-port-dependent"] {
        for filtering in ["endpoint-independent", "address-dependent", "address-and-port-dependent"] {
            let nat = format!("nodes.left.nat={{ mapping = \"{mapping}\", filtering = \"{filtering}\" }}");
            let result = run(&offices(&[&nat], ""));
            assert_eq!(outcomes(&result), ["established"], "{nat}");
            assert_eq!(result.flows[0].lost_packets, 0, "{nat}");
        }
    }
}

#[test]
fn the_inside_address_never_shows_outside() {
    let result = run(&offices(&[NAT], ""));
    let outside = result.observed.iter().find(|node| node.name == "right").unwrap();
    let inside = [100, 64, 0, 1];
    for packet in &outside.records.packets {
        assert!(packet.bytes[12..16] != inside && packet.bytes[16..20] != inside);
    }
}

/// Two hosts, the left one behind a NAT, that protect what is between themselves.
const HOSTS: &str = r#"
name = "hosts"
duration = "30s"

[topology]
kind = "pair"
link = { rate = "100Mbps", delay = "10ms" }

[nodes.left]
address = "203.0.113.1"
mss_clamp = 1300
cost_profile = "free"
nat = { inside = "192.168.7.2", timeout = "1min" }

[nodes.right]
address = "203.0.113.2"
mss_clamp = 1300
cost_profile = "free"

[connections.hosts]
local = "left"
remote = "right"
proposals = ["aes128-sha256-modp2048"]
auth = { psk = "secret" }

[connections.hosts.children.all]
mode = "transport"
esp_proposals = ["aes128-sha256"]
rekey_time = "7s"
rand_time = "0s"

[[traffic]]
kind = "ping"
from = "left"
to = "right"
interval = "1s"
stop = "20s"

[[traffic]]
kind = "udp"
from = "left"
to = "right"
size = "200B"
interval = "500ms"
stop = "20s"

[[traffic]]
kind = "ping"
from = "right"
to = "left"
interval = "1s"
start = "2s"
stop = "20s"

[[traffic]]
kind = "udp"
from = "right"
to = "left"
size = "200B"
interval = "500ms"
start = "2s"
stop = "20s"

[[traffic]]
kind = "request"
from = "left"
to = "right"
interval = "700ms"
stop = "20s"

[[traffic]]
kind = "tcp"
from = "left"
to = "right"
size = "100kB"
start = "3s"

[[traffic]]
kind = "tcp"
from = "right"
to = "left"
size = "50kB"
start = "4s"
"#;

/// Every flow arrives whole, nothing goes in the clear, and no checksum is wrong at the end of its way: a host drops UDP
/// and TCP whose checksum is not that of its addresses.
fn check_transport(settings: &[&str], why: &str) {
    let result = run(&scenario(HOSTS, settings));
    assert!(result.negotiations.iter().all(|row| row.nat_detected), "{why}");
    assert_eq!(outcomes(&result), ["established"], "{why}");
    for flow in &result.flows {
        assert!(flow.sent_packets > 0 && flow.lost_packets == 0, "{why}: {flow:?}");
    }
    assert!(result.drops.is_empty(), "{why}: {:?}", result.drops);
    let transferred = [5, 6].map(|flow: usize| result.flows[flow].received_payload_bytes);
    assert_eq!(transferred, [100_000, 50_000], "{why}");
    let renewed =
        result.renewals.iter().filter(|row| row.exchange == "child" && row.failure_reason.is_empty());
    assert!(renewed.count() >= 2, "{why}: {:?}", result.renewals);
    for node in ["left", "left-nat", "right"] {
        let clear = [Kind::Plain, Kind::Esp].map(|kind| count(&result, node, kind));
        assert_eq!(clear, [0, 0], "{why}: {node}");
    }
    let inside: [u8; 4] = [192, 168, 7, 2];
    let right = result.observed.iter().find(|node| node.name == "right").unwrap();
    assert!(right.records.packets.iter().all(|packet| packet.bytes[12..16] != inside), "{why}");
}

#[test]
fn transport_mode_through_a_nat_carries_ping_udp_and_tcp_both_ways() {
    check_transport(&[], "IKEv2");
    check_transport(
        &["connections.hosts.version=1", "connections.hosts.proposals=[\"aes128-sha1-modp1024\"]"],
        "IKEv1",
    );
    check_transport(
        &["connections.hosts.children.all.start_action=trap|start", "connections.hosts.mobike=true"],
        "MOBIKE",
    );
}

#[test]
fn the_side_behind_the_nat_may_be_the_remote_one_when_it_begins() {
    let turned = HOSTS
        .replace("local = \"left\"\nremote = \"right\"", "local = \"right\"\nremote = \"left\"")
        .replace("mode = \"transport\"", "mode = \"transport\"\nstart_action = \"none\"");
    let turned = format!(
        "{turned}\n[[actions]]\nat = \"0s\"\naction = \"initiate\"\nconnection = \"hosts\"\nnode = \"left\"\n"
    );
    let result = run(&scenario(&turned, &["traffic.0.start=1s", "traffic.1.start=1s", "traffic.4.start=1s"]));
    assert_eq!(outcomes(&result), ["established"]);
    for flow in &result.flows {
        assert!(flow.sent_packets > 0 && flow.lost_packets == 0, "{flow:?}");
    }
}
