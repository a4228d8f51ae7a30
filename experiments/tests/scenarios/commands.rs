//! Commands about one of several tunnels, renewals by volume, and addresses that a peer lends.

use super::support::{MILLISECOND, drops, offices, outcomes, run, scenario, silent_offices};

const SECOND_CHILD: &str = "[connections.office.children.voice]\nesp_proposals = [\"aes128gcm16\"]\n\
    local_ts = [\"10.1.0.0/16[udp]\"]\nremote_ts = [\"10.2.0.0/16[udp]\"]\n";

/// A road warrior without networks, and its gateway.
const ROAD: &str = r#"
name = "road"
duration = "60s"

[topology]
kind = "pair"
link = { rate = "100Mbps", delay = "10ms" }

[nodes."*"]
cost_profile = "free"

[nodes.right]
networks = ["10.2.0.0/16"]

[pools.road]
addrs = "10.77.0.0/30"

[connections.road]
local = "left"
remote = "right"
auth = { psk = "secret" }
vips = ["0.0.0.0"]
pools = ["road"]

[connections.road.children.net]
start_action = "start"

[[traffic]]
kind = "ping"
from = "left"
to = "right"
start = "1s"
stop = "10s"
"#;

fn action(at: &str, kind: &str, more: &str) -> String {
    format!("[[actions]]\nat = \"{at}\"\naction = \"{kind}\"\nconnection = \"office\"\n{more}\n")
}

#[test]
fn one_of_several_tunnels_comes_and_goes_by_command_under_the_same_ike_sa() {
    let settings = &["connections.office.children.lan.start_action=none"];
    let more = [
        SECOND_CHILD,
        &action("1s", "initiate", "child = \"lan\""),
        &action("2s", "initiate", "child = \"voice\""),
        &action("3s", "terminate", "child = \"lan\""),
    ];
    let result = run(&silent_offices(settings, &more.concat()));
    assert_eq!(outcomes(&result), ["established"], "the second one uses the IKE SA of the first");
    assert_eq!(result.renewals.len(), 1);
    let left = &result.nodes[0];
    assert_eq!((left.ike_sas_established, left.ike_sas_closed), (1, 0));
    assert_eq!((left.child_sas_established, left.child_sas_closed), (2, 1));
}

#[test]
fn an_ike_sa_can_come_up_alone_and_be_authenticated_anew() {
    let settings =
        &["connections.office.children.lan.start_action=none", "connections.office.childless=prefer"];
    let more = [action("1s", "initiate", "ike = true"), action("5s", "reauthenticate", "")];
    let result = run(&silent_offices(settings, &more.concat()));
    assert_eq!(outcomes(&result), ["established", "established"]);
    // Break before make: it waits for the answer to its Delete, one round trip of 20 ms.
    let begun = result.negotiations[1].started_ns;
    assert!((5_020 * MILLISECOND..5_021 * MILLISECOND).contains(&begun), "{begun}");
    let left = &result.nodes[0];
    assert_eq!((left.ike_sas_established, left.ike_sas_closed, left.child_sas_established), (2, 1, 0));
}

#[test]
fn volume_and_number_of_packets_bring_fresh_keys() {
    for limits in ["rekey_packets=20", "rekey_bytes=2kB"] {
        let limits = format!("connections.office.children.lan.{limits}");
        let result = run(&offices(&[&limits, "traffic.0.interval=100ms"], ""));
        assert!(result.renewals.len() >= 4, "{limits}: {}", result.renewals.len());
        assert!(result.renewals.iter().all(|row| row.failure_reason.is_empty() && row.child == "lan"));
        assert_eq!(result.flows[0].lost_packets, 0, "{limits}");
    }
}

#[test]
fn a_lent_address_is_the_road_warriors_until_its_ike_sa_ends() {
    let end = "[[actions]]\nat = \"5500ms\"\naction = \"terminate\"\nconnection = \"road\"\n";
    let result = run(&scenario(&format!("{ROAD}\n{end}"), &[]));
    let flow = &result.flows[0];
    assert_eq!((flow.sent_packets, flow.received_packets), (9, 5));
    assert_eq!(drops(&result, "left", "no_address"), 4, "pings at 6, 7, 8 and 9 s");
}

#[test]
fn a_lent_address_outlives_renewals_of_every_kind() {
    let command = |at: &str, kind: &str| {
        format!("[[actions]]\nat = \"{at}\"\naction = \"{kind}\"\nconnection = \"road\"\n")
    };
    let more = [command("2500ms", "rekey"), command("4500ms", "reauthenticate")].concat();
    for order in [false, true] {
        let order = format!("connections.road.make_before_break={order}");
        let result = run(&scenario(&format!("{ROAD}\n{more}"), &[&order]));
        assert_eq!(result.flows[0].lost_packets, 0, "{order}");
        assert_eq!(result.nodes[0].ike_sas_established, 3, "{order}");
    }
}

#[test]
fn who_gets_no_address_sends_nothing() {
    let result = run(&scenario(&ROAD.replace("pools = [\"road\"]\n", ""), &[]));
    assert_eq!(result.flows[0].received_packets, 0);
    assert_eq!(drops(&result, "left", "no_address"), 9);
}
