//! Two gateways that are configured differently: what they still agree on, and how they fail where they do not.
//!
//! RFC 7296 §1.2 (`INVALID_KE_PAYLOAD`), §2.7 (proposals), §2.9 (narrowing), §2.21.2 (an IKE SA whose Child SA is
//! refused).

use ipseclab_experiments::run::RunResult;
use ipseclab_experiments::scenario::{Override, load};
use ipseclab_output::NegotiationRow;

use super::support::{Kind, MILLISECOND, SECOND, count, drops, offices, outcomes, run, silent_offices};

const FREE_RTT_NS: u64 = 20 * MILLISECOND;
/// At 100 Mbit/s.
const NS_PER_OCTET: u64 = 80;
/// IPv4 and UDP.
const HEADERS: u64 = 20 + 8;

/// `connections.office.<key>=["<value>"]`.
fn office(key: &str, value: &str) -> String {
    format!("connections.office.{key}=[\"{value}\"]")
}

/// `connections.office.children.lan.<key>=["<value>"]`.
fn lan(key: &str, value: &str) -> String {
    office(&format!("children.lan.{key}"), value)
}

/// The remote node's own selectors, each where it has some.
fn remote_policy(local_ts: Option<&str>, remote_ts: Option<&str>) -> String {
    let keys = [("local_ts", local_ts), ("remote_ts", remote_ts)];
    let given = keys.iter().filter_map(|(key, value)| value.map(|value| format!("{key} = [\"{value}\"]")));
    format!("connections.office.children.lan.remote_policy={{ {} }}", given.collect::<Vec<_>>().join(", "))
}

fn run_offices(settings: &[String], more: &str) -> RunResult {
    run(&offices(&settings.iter().map(String::as_str).collect::<Vec<_>>(), more))
}

fn run_silent_offices(settings: &[String], more: &str) -> RunResult {
    run(&silent_offices(&settings.iter().map(String::as_str).collect::<Vec<_>>(), more))
}

/// Ten pings, one each second.
fn pings(from: &str, to: &str, source: &str, destination: &str) -> String {
    format!(
        "[[traffic]]\nkind = \"ping\"\nfrom = \"{from}\"\nto = \"{to}\"\nsource = \"{source}\"\n\
         destination = \"{destination}\"\nstop = \"10s\"\n"
    )
}

/// The time that `round_trips` of messages take when nothing costs anything, from their lengths.
fn expected_latency(row: &NegotiationRow, round_trips: u64) -> u64 {
    let octets = row.bytes_sent + row.bytes_received + 2 * round_trips * HEADERS;
    round_trips * FREE_RTT_NS + octets * NS_PER_OCTET
}

fn check_round_trips(row: &NegotiationRow, round_trips: u64) {
    assert_eq!((row.messages_sent, row.messages_received), (round_trips, round_trips), "{row:?}");
    assert_eq!(row.latency_ns, expected_latency(row, round_trips), "{row:?}");
    assert_eq!(row.propagation_ns, round_trips * FREE_RTT_NS, "{row:?}");
    assert_eq!((row.retransmissions, row.cpu_ns, row.retransmission_wait_ns), (0, 0, 0), "{row:?}");
}

/// IKE and Child SAs that came up, at left and at right.
fn established(result: &RunResult) -> [(u64, u64); 2] {
    ["left", "right"].map(|name| {
        let node = result.nodes.iter().find(|node| node.node == name).unwrap();
        (node.ike_sas_established, node.child_sas_established)
    })
}

fn check_nothing_passed(result: &RunResult) {
    assert_eq!(result.flows[0].received_packets, 0);
    assert_eq!(drops(result, "left", "negotiation_failed"), 10);
    assert_eq!(count(result, "right", Kind::Esp) + count(result, "right", Kind::Plain), 0);
}

/// The IKE SA came up once, its only Child SA was refused, and nobody asked again.
fn check_childless(result: &RunResult, reason: &str) {
    assert_eq!(outcomes(result), [reason]);
    check_round_trips(&result.negotiations[0], 2);
    assert_eq!(established(result), [(1, 0), (1, 0)]);
    assert!(result.closures.is_empty(), "the IKE SA stays: {:?}", result.closures);
    assert_eq!(count(result, "right", Kind::Ike500), 4);
    check_nothing_passed(result);
}

#[test]
fn a_wrong_guess_of_the_group_costs_exactly_one_round_trip() {
    let remote = office("remote_proposals", "aes128-sha256-modp2048");
    let wrong = run_offices(&[office("proposals", "aes128-sha256-x25519-modp2048"), remote.clone()], "");
    let right = run_offices(&[office("proposals", "aes128-sha256-modp2048-x25519"), remote], "");
    assert_eq!((outcomes(&wrong), outcomes(&right)), (vec!["established"], vec!["established"]));
    let (wrong, right) = (&wrong.negotiations[0], &right.negotiations[0]);
    check_round_trips(wrong, 3);
    check_round_trips(right, 2);
    assert_eq!(wrong.ike_proposal, right.ike_proposal);
    assert!(wrong.ike_proposal.ends_with("modp2048"), "{}", wrong.ike_proposal);
}

#[test]
fn a_wrong_guess_goes_on_to_carry_the_traffic() {
    let settings = [
        office("proposals", "aes128-sha256-x25519-modp2048"),
        office("remote_proposals", "aes128-sha256-modp2048"),
    ];
    let result = run_offices(&settings, "");
    assert_eq!(result.flows[0].lost_packets, 0);
    assert_eq!((count(&result, "right", Kind::Ike500), count(&result, "right", Kind::Esp)), (6, 20));
    assert!(result.drops.is_empty(), "{:?}", result.drops);
}

#[test]
fn without_a_common_proposal_it_fails_after_one_round_trip() {
    let result = run_offices(&[office("remote_proposals", "aes128-sha256-modp2048")], "");
    assert_eq!(outcomes(&result), ["no_proposal_chosen"; 10], "each ping asks again");
    for row in &result.negotiations {
        check_round_trips(row, 1);
        assert!(row.ike_proposal.is_empty() && row.esp_proposal.is_empty(), "{row:?}");
    }
    assert_eq!(established(&result), [(0, 0), (0, 0)]);
    check_nothing_passed(&result);
}

#[test]
fn each_side_offers_its_own_proposals() {
    let settings = [
        office("proposals", "aes128-sha256-x25519-modp2048"),
        office("remote_proposals", "aes128-sha256-modp2048"),
        lan("esp_proposals", "aes128gcm16"),
        office("children.lan.remote_esp_proposals", "aes256gcm16-aes128gcm16"),
    ];
    let action =
        "[[actions]]\nat = \"1s\"\naction = \"initiate\"\nconnection = \"office\"\nnode = \"right\"\n";
    let result = run_silent_offices(&settings, action);
    assert_eq!(outcomes(&result), ["established"]);
    let row = &result.negotiations[0];
    assert_eq!((row.initiator.as_str(), row.started_ns), ("right", SECOND));
    // Right knows no other group than the one that it sends, so there is nothing to retry.
    check_round_trips(row, 2);
    assert_eq!(row.esp_proposal.split('-').next(), Some("aes128gcm16"));
}

#[test]
fn without_a_common_esp_proposal_the_ike_sa_stays_without_a_child() {
    let result = run_offices(&[lan("remote_esp_proposals", "aes256-sha256")], "");
    check_childless(&result, "no_proposal_chosen");
}

#[test]
fn selectors_without_overlap_leave_the_ike_sa_without_a_child() {
    let settings = [lan("remote_ts", "10.2.0.0/24"), remote_policy(Some("10.2.9.0/24"), None)];
    let result = run_offices(&settings, "");
    check_childless(&result, "ts_unacceptable");
}

#[test]
fn a_narrower_peer_gets_the_traffic_that_both_allow_and_no_other() {
    let outside = pings("left", "right", "10.1.0.1", "10.2.7.1");
    let result = run_offices(&[remote_policy(Some("10.2.0.0/24"), None)], &outside);
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!((result.flows[0].lost_packets, result.flows[1].received_packets), (0, 0));
    assert_eq!(drops(&result, "left", "selector_mismatch"), 10);
    assert_eq!((count(&result, "right", Kind::Esp), count(&result, "right", Kind::Plain)), (20, 0));
}

#[test]
fn a_packet_outside_that_asked_for_the_tunnel_gets_no_room_in_it() {
    let outside = pings("left", "right", "10.1.5.1", "10.2.0.1");
    let inside = pings("left", "right", "10.1.0.1", "10.2.0.1") + "start = \"500ms\"\n";
    let settings = [remote_policy(None, Some("10.1.0.0/24"))];
    let result = run_silent_offices(&settings, &(outside + &inside));
    assert_eq!(outcomes(&result), ["established"]);
    assert_eq!((result.flows[0].received_packets, result.flows[1].lost_packets), (0, 0));
    assert_eq!(drops(&result, "left", "selector_mismatch"), 10);
    assert_eq!(count(&result, "right", Kind::Plain), 0);
}

#[test]
fn what_the_narrower_peer_sends_in_the_clear_is_refused() {
    let back = pings("right", "left", "10.2.7.1", "10.1.0.1");
    let result = run_offices(&[remote_policy(Some("10.2.0.0/24"), None)], &back);
    assert_eq!((result.flows[0].lost_packets, result.flows[1].received_packets), (0, 0));
    assert_eq!(drops(&result, "left", "spd_unprotected"), 10);
}

#[test]
fn a_wider_peer_changes_nothing() {
    let same = run_offices(&[lan("remote_ts", "10.2.0.0/24")], "");
    let wider = run_offices(&[lan("remote_ts", "10.2.0.0/24"), remote_policy(Some("10.2.0.0/16"), None)], "");
    assert_eq!(outcomes(&wider), ["established"]);
    assert_eq!(wider.flows[0].lost_packets, 0);
    assert_eq!(same.negotiations[0].latency_ns, wider.negotiations[0].latency_ns);
    assert!(wider.drops.is_empty(), "{:?}", wider.drops);
}

#[test]
fn the_shipped_retry_shows_a_wrong_guess_a_second_choice_and_a_narrowed_tunnel() {
    let free = Override::parse("nodes.*.cost_profile=free").unwrap();
    let scenario = load("site-to-site-retry", &[free]).unwrap_or_else(|report| panic!("{report}"));
    let result = run(&scenario);
    assert_eq!(outcomes(&result), ["established"]);
    let row = &result.negotiations[0];
    assert_eq!((row.messages_sent, row.propagation_ns), (3, 3 * 40 * MILLISECOND));
    assert!(row.ike_proposal.ends_with("modp2048") && row.esp_proposal.starts_with("aes128gcm16"), "{row:?}");
    assert_eq!(result.flows[0].lost_packets, 0);
}
