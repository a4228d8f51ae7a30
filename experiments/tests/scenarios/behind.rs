//! Nodes behind gateways: their traffic is protected by somebody else, or passes from spoke to spoke through a hub.

use super::support::{drops, outcomes, run, scenario, scenario_error};

const CHAIN: &str = r#"
name = "chain"
duration = "20s"

[topology]
kind = "chain"
nodes = 4
link = { rate = "100Mbps", delay = "5ms" }

[nodes."*"]
cost_profile = "free"

[nodes.left]
behind = "router-1"

[nodes.router-1]
networks = ["10.1.0.0/24"]

[nodes.router-2]
networks = ["10.2.0.0/24"]

[nodes.right]
behind = "router-2"
address = "10.2.0.77"

[connections.office]
local = "router-1"
remote = "router-2"
auth = { psk = "secret" }
[connections.office.children.lan]
esp_proposals = ["aes128gcm16"]

[[traffic]]
kind = "ping"
from = "left"
to = "right"
stop = "10s"

[[traffic]]
kind = "tcp"
from = "right"
to = "left"
size = "200kB"
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
    // The first long segment teaches the gateway the path, the second one its sender.
    assert_eq!(drops(&result, "router-2 > router-1", "mtu_exceeded"), 1);
    assert_eq!(drops(&result, "router-2", "path_mtu"), 1);
    assert!(tcp.retransmitted_segments > Some(0));
    let carried = |name: &str| result.nodes.iter().find(|node| node.node == name).unwrap();
    assert_eq!(carried("left").child_sas_established, 0);
    assert!(carried("router-1").child_sas_established > 0);
}

#[test]
fn places_and_addresses_that_cannot_be_behind_a_gateway_are_refused() {
    let refused = |setting: &str, label: &str| {
        let report = scenario_error(CHAIN, setting);
        assert!(report.contains("behind") || report.contains("cannot have the address"), "{report}");
        assert!(report.contains(label), "{setting}: {report}");
    };
    for (setting, label) in [
        ("nodes.right.address=10.2.0.1", "the gateway's own address in that network"),
        ("nodes.right.address=10.2.1.9", "outside its gateway's networks"),
        ("nodes.right.address=10.2.0.0", "no host of that network"),
        ("nodes.right.address=10.2.0.255", "no host of that network"),
        ("nodes.right.behind=left", "needs one link, and to `left`"),
        ("nodes.right.behind=right", "a node cannot be behind itself"),
        ("nodes.right.networks=[\"10.3.0.0/24\"]", "networks or a NAT of its own"),
        ("nodes.router-2.networks=[]", "has no networks that `right` could be part of"),
        ("nodes.left.behind=router-9", "not in the topology"),
    ] {
        refused(setting, label);
    }
}

#[test]
fn a_gateway_that_is_down_leaves_those_behind_it_alone() {
    let crash = "[[faults]]\nat = \"4500ms\"\nkind = \"node-crash\"\nnode = \"router-1\"\nfor = \"2s\"\n";
    let result = run(&scenario(&format!("{CHAIN}\n{crash}"), &["traffic.1.start=19s"]));
    let ping = &result.flows[0];
    // The two that were sent meanwhile, and what the other gateway loses until it knows.
    assert!(drops(&result, "router-1", "node_down") >= 2 && ping.lost_packets >= 2, "{ping:?}");
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

/// TCP from a node behind one spoke to a node behind the other; the second spoke's link is narrower.
const NARROW: &str = r#"
name = "narrow"
duration = "60s"

[topology]
file = "narrow-topology.toml"

[nodes."*"]
cost_profile = "free"
[nodes.hub]
networks = ["10.0.0.0/16"]
[nodes.a]
networks = ["10.1.0.0/16"]
[nodes.b]
networks = ["10.2.0.0/16"]
[nodes.host-a]
behind = "a"
[nodes.host-b]
behind = "b"

[connections.a]
local = "a"
remote = "hub"
auth = { psk = "secret" }
children.lan = { remote_ts = ["10.0.0.0/8"], start_action = "start" }
[connections.b]
local = "b"
remote = "hub"
auth = { psk = "secret" }
children.lan = { remote_ts = ["10.0.0.0/8"], start_action = "start" }

[[traffic]]
kind = "tcp"
from = "host-a"
to = "host-b"
size = "50kB"
start = "1s"
[[traffic]]
kind = "ping"
from = "host-a"
to = "a"
start = "1s"
stop = "5s"
"#;

const NARROW_TOPOLOGY: &str = r#"
name = "narrow"
[defaults]
delay = "2ms"
rate = "100Mbps"
[[nodes]]
name = "hub"
[[nodes]]
name = "a"
[[nodes]]
name = "b"
[[nodes]]
name = "host-a"
[[nodes]]
name = "host-b"
[[links]]
a = "hub"
b = "a"
[[links]]
a = "hub"
b = "b"
mtu = 1300
[[links]]
a = "a"
b = "host-a"
[[links]]
a = "b"
b = "host-b"
"#;

#[test]
fn a_hub_tells_senders_behind_another_tunnel_how_much_fits_without_showing_what_they_sent() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("narrow-topology.toml"), NARROW_TOPOLOGY).unwrap();
    let file = folder.path().join("narrow.toml");
    std::fs::write(&file, NARROW).unwrap();
    let checked = ipseclab_experiments::scenario::load(file.to_str().unwrap(), &[]);
    let result = run(&checked.unwrap_or_else(|report| panic!("{}", report.render(false))));
    let [tcp, ping] = &result.flows[..] else { panic!("two flows") };
    assert_eq!((tcp.received_payload_bytes, ping.lost_packets), (50_000, 0), "{:?}", result.drops);
    assert!(drops(&result, "hub", "path_mtu") > 0);
    assert_eq!(drops(&result, "a", "spd_unprotected"), 0);
}
