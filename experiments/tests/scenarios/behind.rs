//! Nodes behind gateways: their traffic is protected by somebody else, or passes from spoke to spoke through a hub.

use super::support::{drops, outcomes, run, scenario};

const CHAIN: &str = r#"
name = "chain"
duration = "20s"

[topology]
kind = "chain"
nodes = 4
link = { rate = "100Mbps", delay = "5ms" }

[nodes."*"]
cost_profile = "free"

[nodes.node-1]
behind = "node-2"

[nodes.node-2]
networks = ["10.1.0.0/24"]

[nodes.node-3]
networks = ["10.2.0.0/24"]

[nodes.node-4]
behind = "node-3"
address = "10.2.0.77"

[connections.office]
local = "node-2"
remote = "node-3"
auth = { psk = "secret" }
[connections.office.children.lan]
esp_proposals = ["aes128gcm16"]

[[traffic]]
kind = "ping"
from = "node-1"
to = "node-4"
stop = "10s"

[[traffic]]
kind = "tcp"
from = "node-4"
to = "node-1"
volume = "200kB"
start = "2s"
"#;

const SPOKES: &str = r#"
name = "spokes"
duration = "20s"

[topology]
kind = "hub-and-spoke"
spokes = 2
link = { rate = "100Mbps", delay = "5ms" }

[nodes."*"]
cost_profile = "free"

[nodes."spoke-*"]
pool = { from = "10.128.0.0/9", prefix = 24 }

[nodes.hub]
networks = ["10.0.0.0/16"]

[connections.branch]
local = "spoke-*"
remote = "hub"
auth = { psk = "secret" }
[connections.branch.children.lan]
remote_ts = ["10.0.0.0/8"]
start_action = "start"

[[traffic]]
kind = "ping"
from = "spoke-1"
to = "spoke-2"
start = "1s"
stop = "10s"
"#;

#[test]
fn hosts_behind_two_gateways_talk_through_their_tunnel() {
    let checked = scenario(CHAIN, &[]);
    let addresses: Vec<_> = checked.nodes.iter().map(|node| node.address.to_string()).collect();
    assert_eq!([&addresses[0], &addresses[3]], ["10.1.0.2", "10.2.0.77"]);
    let result = run(&checked);
    assert_eq!(outcomes(&result), ["established"]);
    let [ping, tcp] = &result.flows[..] else { panic!("two flows") };
    assert_eq!((ping.sent_packets, ping.lost_packets, tcp.received_payload_bytes), (10, 0, 200_000));
    // Senders behind the gateway learn from it how much fits into the tunnel.
    assert!(tcp.segment_payload_max_bytes < Some(1460) && drops(&result, "node-3", "path_mtu") > 0);
    let carried = |name: &str| result.nodes.iter().find(|node| node.node == name).unwrap();
    assert_eq!(carried("node-1").child_sas_established, 0);
    assert!(carried("node-2").child_sas_established > 0);
}

#[test]
fn a_gateway_that_is_down_leaves_those_behind_it_alone() {
    let crash = "[[faults]]\nat = \"4500ms\"\nkind = \"node-crash\"\nnode = \"node-2\"\nfor = \"2s\"\n";
    let result = run(&scenario(&format!("{CHAIN}\n{crash}"), &["traffic.1.start=19s"]));
    let ping = &result.flows[0];
    // The two that were sent meanwhile, and what the other gateway loses until it knows.
    assert!(drops(&result, "node-2", "node_down") >= 2 && ping.lost_packets >= 2, "{ping:?}");
}

#[test]
fn a_hub_passes_packets_from_one_tunnel_to_another() {
    // The hub answers for the spokes' networks too, as its side of every tunnel.
    let result = run(&scenario(SPOKES, &[]));
    assert_eq!(outcomes(&result), ["established"; 2]);
    assert_eq!((result.flows[0].sent_packets, result.flows[0].lost_packets), (9, 0));
    let hub = result.nodes.iter().find(|node| node.node == "hub").unwrap();
    assert_eq!((hub.esp_packets_in, hub.esp_packets_out), (18, 18));
}
