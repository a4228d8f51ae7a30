//! A tunnel's life: beginning, refusal, idleness, commands, and a peer that is gone.

use ipseclab_output::SaKind::{Child, Ike};

use super::support::{
    Kind, MILLISECOND, SECOND, closures, count, drops, offices, outcomes, packets, run, silent_offices,
};

const NO_TRAP: &str = "connections.office.children.lan.start_action=none";

#[test]
fn the_first_packet_brings_the_tunnel_up_and_all_of_them_pass() {
    let result = run(&offices(&[], ""));
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!((result.flows[0].sent_packets, result.flows[0].lost_packets), (10, 0));
    // The first ping waits for two round trips and makes a third.
    let first = result.flows[0].first_received_ns.unwrap();
    assert!((60 * MILLISECOND..61 * MILLISECOND).contains(&first), "{first}");
    assert_eq!(count(&result, "right", Kind::Ike500), 4);
    assert_eq!(count(&result, "right", Kind::Esp), 20);
    assert_eq!(count(&result, "right", Kind::Plain) + count(&result, "right", Kind::Udp4500), 0);
    assert!(result.closures.is_empty() && result.drops.is_empty(), "nobody asked for an end");
}

#[test]
fn an_idle_tunnel_ends_at_both_nodes_and_tells_what_it_carried() {
    let result = run(&offices(&["connections.office.children.lan.inactivity=10s"], ""));
    let expected = [
        ("right", Child, "remote", 19),
        ("left", Child, "local", 19),
        ("right", Ike, "remote", 19),
        ("left", Ike, "local", 19),
    ];
    assert_eq!(closures(&result), expected);
    for closure in result.closures.iter().filter(|closure| closure.sa == Child) {
        assert_eq!((closure.esp_packets_in, closure.esp_packets_out), (Some(10), Some(10)));
        // 20 octets of IPv4, 8 of ICMP and 56 of data in each.
        assert_eq!((closure.esp_bytes_in, closure.esp_bytes_out), (Some(840), Some(840)));
    }
    let ike = result.closures.iter().find(|closure| closure.sa == Ike).unwrap();
    assert_eq!((ike.esp_packets_in, ike.esp_bytes_out), (None, None));
    assert_eq!((ike.connection.as_str(), ike.peer.as_str()), ("office", "left"));
}

#[test]
fn traffic_after_an_idle_end_brings_a_new_tunnel() {
    let later =
        "[[traffic]]\nkind = \"ping\"\nfrom = \"left\"\nto = \"right\"\nstart = \"30s\"\nstop = \"32s\"\n";
    let result = run(&offices(&["connections.office.children.lan.inactivity=10s"], later));
    assert_eq!(outcomes(&result), ["established", "established"]);
    assert_eq!(result.negotiations[1].attempt, 2);
    assert_eq!(result.negotiations[1].started_ns, 30 * SECOND);
    assert_ne!(result.negotiations[0].ike_spi_i, result.negotiations[1].ike_spi_i);
    assert_eq!(result.flows[1].lost_packets, 0);
}

#[test]
fn a_wrong_key_fails_and_nothing_passes_in_the_clear() {
    let result = run(&offices(&["connections.office.auth.remote_psk=other"], ""));
    assert_eq!(outcomes(&result), ["authentication_failed"; 10], "each ping asks again");
    assert_eq!(result.flows[0].received_packets, 0);
    assert_eq!(drops(&result, "left", "negotiation_failed"), 10);
    assert_eq!(count(&result, "right", Kind::Esp) + count(&result, "right", Kind::Plain), 0);
    assert!(result.nodes.iter().all(|node| node.ike_sas_established + node.child_sas_established == 0));
}

#[test]
fn without_a_trap_a_command_brings_the_tunnel_and_a_command_takes_it() {
    let actions = "[[actions]]\nat = \"2500ms\"\naction = \"initiate\"\nconnection = \"office\"\n\
                   [[actions]]\nat = \"7500ms\"\naction = \"terminate\"\nconnection = \"office\"\n";
    let result = run(&offices(&[NO_TRAP], actions));
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!(result.negotiations[0].started_ns, 2_500 * MILLISECOND);
    // Pings at 3, 4, 5, 6 and 7 s pass; those at 0, 1, 2, 8 and 9 s find neither an SA nor a trap.
    assert_eq!(result.flows[0].received_packets, 5);
    assert_eq!(drops(&result, "left", "no_tunnel"), 5);
    let expected = [
        ("right", Child, "remote", 7),
        ("right", Ike, "remote", 7),
        ("left", Child, "local", 7),
        ("left", Ike, "local", 7),
    ];
    assert_eq!(closures(&result), expected);
    // Four messages to set up, and one Delete for everything with its answer.
    assert_eq!(count(&result, "left", Kind::Ike500), 6);
}

#[test]
fn a_child_can_be_terminated_by_its_own_delete_and_leaves_the_ike_sa() {
    let action = "[[actions]]\nat = \"20s\"\naction = \"terminate\"\nconnection = \"office\"\nchild = \"lan\"\nnode = \"right\"\n";
    let result = run(&offices(&[], action));
    let reasons: Vec<_> =
        result.closures.iter().map(|row| (row.node.as_str(), row.sa, row.reason.as_str())).collect();
    assert_eq!(reasons, [("left", Child, "remote"), ("right", Child, "local")]);
    assert_eq!(count(&result, "left", Kind::Ike500), 6, "one Delete with its answer");
}

#[test]
fn a_tunnel_can_start_with_the_run_and_wait_for_traffic() {
    let result = run(&silent_offices(&["connections.office.children.lan.start_action=start"], ""));
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!((result.negotiations[0].started_ns, result.negotiations[0].messages_sent), (0, 2));
    assert_eq!(count(&result, "right", Kind::Esp), 0);
}

#[test]
fn nothing_is_negotiated_without_a_cause() {
    let result = run(&silent_offices(&[], ""));
    assert!(result.negotiations.is_empty() && packets(&result, "left").is_empty());
}

#[test]
fn a_command_ends_a_negotiation_that_gets_no_answer() {
    let more = "[[faults]]\nat = \"0s\"\nkind = \"link-down\"\nlink = \"left--right\"\nfor = \"60s\"\n\
                [[actions]]\nat = \"1s\"\naction = \"initiate\"\nconnection = \"office\"\n\
                [[actions]]\nat = \"7s\"\naction = \"terminate\"\nconnection = \"office\"\n";
    let result = run(&silent_offices(&[NO_TRAP], more));
    assert_eq!(outcomes(&result), ["terminated"]);
    let row = &result.negotiations[0];
    assert_eq!((row.latency_ns, row.retransmission_wait_ns), (6 * SECOND, 6 * SECOND));
    assert_eq!((row.messages_sent, row.retransmissions), (2, 1));
}

#[test]
fn a_peer_that_never_answers_is_given_up_when_the_schedule_ends() {
    let more = "[[faults]]\nat = \"0s\"\nkind = \"link-down\"\nlink = \"left--right\"\nfor = \"200s\"\n";
    let result = run(&offices(&["duration=200s"], more));
    // All pings wait for one negotiation: 4 s × 1.8⁰ … 1.8⁵.
    assert_eq!(outcomes(&result), ["timeout"]);
    assert_eq!(result.negotiations[0].latency_ns / MILLISECOND, 165_061);
    assert_eq!(result.negotiations[0].retransmissions, 5);
    assert_eq!(drops(&result, "left", "negotiation_failed"), 10);
}

/// The link is down from 10 s to 50 s; requests are repeated twice, a second apart.
fn with_a_dead_link(settings: &[&str]) -> ipseclab_experiments::run::RunResult {
    let patience = [
        "connections.office.retransmit_timeout=1s",
        "connections.office.retransmit_base=1",
        "connections.office.retransmit_tries=2",
    ];
    let fault = "[[faults]]\nat = \"10s\"\nkind = \"link-down\"\nlink = \"left--right\"\nfor = \"40s\"\n";
    run(&offices(&[&patience[..], settings, &["traffic.0.stop=4s"]].concat(), fault))
}

#[test]
fn a_dead_peer_is_found_by_liveness_checks_on_both_sides() {
    let result = with_a_dead_link(&["connections.office.dpd_delay=5s"]);
    // The last pong comes at 3.02 s, the last answer to a liveness check after 8 s; the one after 13 s is sent three
    // times, and a second after the last the peer is dead.
    let expected = [
        ("left", Child, "peer_dead", 16),
        ("left", Ike, "peer_dead", 16),
        ("right", Child, "peer_dead", 16),
        ("right", Ike, "peer_dead", 16),
    ];
    let mut found = closures(&result);
    found.sort_unstable_by_key(|(node, sa, ..)| (*node, *sa == Ike));
    assert_eq!(found, expected);
    assert!(drops(&result, "left > right", "link_down") >= 3);
}

#[test]
fn a_living_peer_stays_however_often_it_is_asked() {
    let result =
        run(&offices(&["connections.office.dpd_delay=1s", "connections.office.retransmit_tries=0"], ""));
    assert!(result.closures.is_empty());
    let checks = count(&result, "left", Kind::Ike500);
    assert!(checks > 4 + 50, "about fifty seconds of silence: {checks}");
}

#[test]
fn without_liveness_checks_nobody_notices() {
    let result = with_a_dead_link(&["connections.office.dpd_delay=0s"]);
    assert!(result.closures.is_empty());
    assert_eq!(count(&result, "left", Kind::Ike500), 4);
}
