//! A NAT between a node and its link.

use super::support::{Kind, count, drops, offices, outcomes, packets, run, silent_offices};

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
