//! IKEv1 between two endpoints: phase 1 in both modes, Quick Mode, and what surrounds them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod arena;
mod basics;
mod crossing;
mod failures;
mod hostile;
mod lives;
mod offers;
mod paths;
mod pieces;
mod probes;
#[expect(dead_code, reason = "shared with the tests of captures, which use the rest")]
#[path = "../reference/mod.rs"]
mod reference;
mod remote_access;
mod schedules;
mod stage;
#[allow(dead_code, reason = "shared with the tests of IKEv2, which use the rest")]
#[path = "../endpoint/support/mod.rs"]
mod support;

use ipseclab_ike::Transmit;
use ipseclab_ike::config::{Connection, EndpointConfig, IkeVersion, Lifetime, Renewal};
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};

use crate::support::Pair;

/// The same with whole configurations.
pub(crate) fn configured(change: impl FnOnce(&mut EndpointConfig, &mut EndpointConfig)) -> Pair {
    Pair::configured(|a, b| {
        old(&mut a.connections[0]);
        old(&mut b.connections[0]);
        change(a, b);
    })
}

/// Fails unless the messages so far are these: exchange, length, payloads.
pub(crate) fn check_messages(pair: &Pair, expected: &[(&str, usize, &str)]) {
    let found = messages(pair);
    let found: Vec<_> =
        found.iter().map(|(exchange, len, payloads)| (exchange.as_str(), *len, payloads.as_str())).collect();
    assert_eq!(found, expected);
}

/// A pair that speaks IKEv1 as strongSwan's captures do, changed by `change`.
pub(crate) fn pair(change: impl FnOnce(&mut Connection, &mut Connection)) -> Pair {
    Pair::with(|a, b| {
        old(a);
        old(b);
        change(a, b);
    })
}

/// Makes a connection one of IKEv1, with the lifetimes that strongSwan announces.
pub(crate) fn old(connection: &mut Connection) {
    connection.version = IkeVersion::V1;
    connection.renewal = Renewal::default();
    connection.proposals = vec![parse_ike_proposal("aes128-sha1-modp1024").unwrap()];
    for child in &mut connection.children {
        child.esp_proposals = vec![parse_esp_proposal("aes128-sha1").unwrap()];
        child.lifetime = Lifetime::default();
    }
}

/// What each message on the wire was: its exchange, its length without the non-ESP marker, and its payloads.
pub(crate) fn messages(pair: &Pair) -> Vec<(String, usize, String)> {
    let message = |transmit: &Transmit| {
        let marker = if transmit.from.port() == 4500 { 4 } else { 0 };
        let payloads = transmit.message.payloads.join(" ");
        (transmit.message.exchange.to_string(), transmit.payload.len() - marker, payloads)
    };
    pair.log.iter().map(|(_, transmit)| message(transmit)).collect()
}
