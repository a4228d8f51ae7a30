//! NAT traversal (RFC 3947).

use std::time::Duration;

use ipseclab_ike::Event;
use ipseclab_ike::config::{ConfiguredTs, Mode};

use crate::support::{Nat, Pair};
use crate::{messages, pair};

fn behind_nat(mut pair: Pair) -> Pair {
    pair.nat = Some(Nat { address: [203, 0, 113, 7].into(), port_offset: 10_000 });
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    pair
}

#[test]
fn main_mode_floats_with_message_5_and_esp_goes_into_udp() {
    let pair = behind_nat(pair(|_, b| b.remote_address = None));
    assert_eq!(pair.live_children().len(), 1, "{:?}", messages(&pair));
    let ports: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.from.port()).collect();
    assert_eq!(ports, [500, 500, 500, 500, 4500, 4500, 4500, 4500, 4500]);
    for peer in [&pair.a, &pair.b] {
        let child = peer.children()[0];
        assert!(child.udp_encap);
        assert_eq!(child.local.port(), 4500);
    }
    assert_eq!(pair.b.children()[0].remote, ([203, 0, 113, 7], 14_500).into());
}

#[test]
fn aggressive_mode_floats_with_message_3() {
    let pair = behind_nat(pair(|a, b| {
        b.remote_address = None;
        (a.v1.aggressive, b.v1.aggressive) = (true, true);
    }));
    assert_eq!(pair.live_children().len(), 1, "{:?}", messages(&pair));
    let ports: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.from.port()).collect();
    assert_eq!(ports, [500, 500, 4500, 4500, 4500, 4500]);
}

#[test]
fn transport_mode_behind_a_nat_names_original_addresses() {
    let pair = behind_nat(pair(|a, b| {
        b.remote_address = None;
        for connection in [a, b] {
            let child = &mut connection.children[0];
            child.mode = Mode::Transport;
            (child.local_ts, child.remote_ts) = (ConfiguredTs::dynamic(), ConfiguredTs::dynamic());
        }
    }));
    assert_eq!(pair.live_children().len(), 1, "{:?}", messages(&pair));
    assert_eq!(messages(&pair)[6].2, "E HASH SA No ID ID NAT-OA NAT-OA");
    assert_eq!(pair.b.children()[0].remote_ts.to_string(), "203.0.113.7");
    assert_eq!(pair.a.children()[0].local_ts.to_string(), "192.0.2.1");
}

#[test]
fn whoever_is_behind_a_nat_keeps_its_mapping_alive() {
    let mut pair = behind_nat(pair(|_, b| b.remote_address = None));
    pair.log.clear();
    pair.run_for(Duration::from_secs(65));
    assert_eq!(pair.log.len(), 3);
    assert!(pair.log.iter().all(|(_, transmit)| transmit.message.keepalive && transmit.payload == [0xff]));
}

#[test]
fn a_peer_whose_nat_has_another_outside_is_followed() {
    let mut pair = behind_nat(pair(|a, b| {
        b.remote_address = None;
        a.dpd_delay = Some(Duration::from_secs(30));
    }));
    pair.nat = Some(Nat { address: [203, 0, 113, 7].into(), port_offset: 20_000 });
    pair.run_for(Duration::from_secs(40));
    let moved = pair.b.events.iter().find_map(|event| match event {
        Event::PathChanged(change) => Some(change.clone()),
        _ => None,
    });
    let moved = moved.expect("B follows");
    assert_eq!((moved.remote.port(), moved.children.len()), (24_500, 1));
    assert!(pair.a.endpoint.established().next().is_some());
}
