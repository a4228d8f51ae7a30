//! IKEv1 as the shipped scenarios show it: lengths of real routers, and failures by their names.

use ipseclab_experiments::run::RunResult;
use ipseclab_experiments::scenario::{CheckedScenario, Override, load};
use ipseclab_ike::Exchange;

use super::support::{Kind, count, offices, outcomes, run};

fn shipped(name: &str, settings: &[&str]) -> CheckedScenario {
    let settings: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    load(name, &settings).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

/// ISAKMP lengths of the messages of all nodes, in the order in which they left.
fn lengths(result: &RunResult) -> Vec<usize> {
    let mut messages: Vec<_> = result.observed.iter().flat_map(|node| &node.records.messages).collect();
    messages.sort_by_key(|message| message.time);
    let departures = messages.into_iter().filter_map(|message| message.departure.as_ref());
    let isakmp = departures.filter(|departure| matches!(departure.info.exchange, Exchange::V1(_)));
    isakmp.map(|departure| departure.len - if departure.from.port() == 4500 { 4 } else { 0 }).collect()
}

#[test]
fn main_mode_of_two_cisco_routers_has_the_lengths_of_the_real_ones() {
    let result = run(&shipped("ikev1-main-mode", &[]));
    assert_eq!(lengths(&result), [168, 108, 284, 304, 108, 76, 220, 220, 60]);
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!(result.flows[0].lost_packets, 0, "AH and ESP carry every ping");
}

#[test]
fn aggressive_mode_of_two_cisco_routers_has_the_lengths_of_the_real_ones() {
    let result = run(&shipped("ikev1-aggressive-mode", &[]));
    assert_eq!(lengths(&result), [388, 420, 140, 220, 220, 60]);
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!(result.flows[0].lost_packets, 0);
}

#[test]
fn a_set_up_counts_all_its_messages_the_last_one_included() {
    for (name, sent, received) in [("ikev1-main-mode", 5, 4), ("ikev1-aggressive-mode", 4, 2)] {
        let result = run(&shipped(name, &[]));
        let row = &result.negotiations[0];
        assert_eq!((row.messages_sent, row.messages_received), (sent, received), "{name}");
    }
}

#[test]
fn a_set_up_takes_four_round_trips_in_main_mode_and_two_in_aggressive_mode() {
    let free = ["nodes.left.cost_profile=\"free\"", "nodes.right.cost_profile=\"free\""];
    for (name, round_trips) in [("ikev1-main-mode", 4), ("ikev1-aggressive-mode", 2)] {
        let result = run(&shipped(name, &free));
        let propagation = result.negotiations[0].propagation_ns;
        assert_eq!(propagation, round_trips * 40_000_000, "{name}");
    }
}

#[test]
fn different_keys_make_message_five_unreadable_and_the_initiator_gives_up() {
    let result = run(&shipped("ikev1-wrong-psk", &[]));
    assert_eq!(outcomes(&result), ["undecryptable"], "no answer that it could read");
    assert!(result.refusals.iter().all(|row| row.reason == "undecryptable" && row.node == "right"));
    assert!(!result.refusals.is_empty(), "the responder knows");
    assert_eq!(count(&result, "left", Kind::Esp), 0);
}

#[test]
fn road_warriors_get_addresses_for_their_passwords_and_nothing_for_wrong_ones() {
    let result = run(&shipped("ikev1-remote-access", &[]));
    let named: Vec<_> =
        result.negotiations.iter().map(|row| row.connection.as_str()).zip(outcomes(&result)).collect();
    assert_eq!(named, [("carol", "established"), ("dave", "xauth_failed")]);
    assert_eq!(result.flows[0].lost_packets, 0);
    assert_eq!(count(&result, "hub", Kind::Esp), 0, "behind a NAT, ESP travels in UDP");
}

const V1: [&str; 3] = [
    "connections.office.version=1",
    "connections.office.proposals=[\"aes128-sha1-modp1024\"]",
    "connections.office.children.lan.esp_proposals=[\"aes128-sha1\"]",
];

fn with(more: &[&'static str]) -> CheckedScenario {
    offices(&[&V1, more].concat(), "")
}

#[test]
fn what_the_two_sides_do_not_share_is_a_failure_by_name() {
    let proposals = with(&["connections.office.remote_proposals=[\"3des-md5-modp1024\"]"]);
    assert!(outcomes(&run(&proposals)).iter().all(|outcome| *outcome == "no_proposal_chosen"));
    let esp = with(&["connections.office.children.lan.remote_esp_proposals=[\"3des-md5\"]"]);
    assert!(outcomes(&run(&esp)).iter().all(|outcome| *outcome == "no_proposal_chosen"));
    let selectors = with(&["connections.office.children.lan.remote_policy={ local_ts = [\"10.2.9.0/24\"] }"]);
    assert!(outcomes(&run(&selectors)).iter().all(|outcome| *outcome == "ts_unacceptable"));
}

#[test]
fn a_tunnel_carries_what_it_is_for_in_each_protocol() {
    for protocols in [
        "connections.office.children.lan={ esp_proposals = [\"aes128-sha1\"] }",
        "connections.office.children.lan={ ah_proposals = [\"sha1\"] }",
        "connections.office.children.lan={ ah_proposals = [\"sha256\"], esp_proposals = [\"aes128\"] }",
        "connections.office.children.lan={ esp_proposals = [\"aes128-sha1-modp1024\"] }",
    ] {
        let result = run(&with(&[protocols]));
        assert_eq!(outcomes(&result), ["established"], "{protocols}");
        assert_eq!(result.flows[0].lost_packets, 0, "{protocols}");
    }
}

#[test]
fn tunnels_and_phase_one_are_renewed_without_a_lost_packet() {
    let scenario = with(&[
        "duration=\"10min\"",
        "traffic.0.stop=\"9min\"",
        "connections.office.rekey_time=\"4min\"",
        "connections.office.over_time=\"30s\"",
        "connections.office.children.lan.rekey_time=\"1min\"",
        "connections.office.children.lan.life_time=\"90s\"",
    ]);
    let result = run(&scenario);
    let done = |exchange: &str| {
        result.renewals.iter().filter(|row| row.exchange == exchange && row.failure_reason.is_empty()).count()
    };
    assert!(done("child") >= 8, "{:?}", result.renewals);
    assert!(done("ike") + done("reauthentication") >= 2, "{:?}", result.renewals);
    assert_eq!(result.flows[0].lost_packets, 0);
}
