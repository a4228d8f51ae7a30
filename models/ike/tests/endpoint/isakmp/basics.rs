//! Setting up, with the lengths of real negotiations.

use std::time::Duration;

use ipseclab_ike::Event;

use super::{messages, pair};

fn check(found: &[(String, usize, String)], expected: &[(&str, usize, &str)]) {
    let found: Vec<_> =
        found.iter().map(|(exchange, len, payloads)| (exchange.as_str(), *len, payloads.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn main_mode_and_quick_mode_are_those_of_strongswan() {
    let mut pair = pair(|_, _| {});
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    check(
        &messages(&pair),
        &[
            ("Main Mode", 180, "SA V V V V V"),
            ("Main Mode", 160, "SA V V V V"),
            ("Main Mode", 244, "KE No NAT-D NAT-D"),
            ("Main Mode", 244, "KE No NAT-D NAT-D"),
            ("Main Mode", 108, "E ID HASH N(INITIAL_CONTACT)"),
            ("Main Mode", 76, "E ID HASH"),
            ("Quick Mode", 188, "E HASH SA No ID ID"),
            ("Quick Mode", 188, "E HASH SA No ID ID"),
            ("Quick Mode", 60, "E HASH"),
        ],
    );
    assert_eq!(pair.live_children().len(), 1);
    for peer in [&pair.a, &pair.b] {
        assert_eq!(peer.count(|event| matches!(event, Event::IkeSaEstablished(_))), 1);
        assert_eq!((peer.failures(), peer.drops()), (vec![], vec![]));
    }
    let (a, b) = (pair.a.children(), pair.b.children());
    assert_eq!((a[0].spi_in, a[0].spi_out), (b[0].spi_out, b[0].spi_in));
    assert_eq!(a[0].keys_in, b[0].keys_out);
    assert_eq!(a[0].keys_out, b[0].keys_in);
    assert_ne!(a[0].keys_in, a[0].keys_out);
}

#[test]
fn aggressive_mode_is_that_of_strongswan() {
    let mut pair = pair(|a, b| {
        (a.v1.aggressive, b.v1.aggressive) = (true, true);
        (a.encap, b.encap) = (true, true);
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    check(
        &messages(&pair),
        &[
            ("Aggressive Mode", 365, "SA KE No ID V V V V V"),
            ("Aggressive Mode", 417, "SA KE No ID V V V V NAT-D NAT-D HASH"),
            ("Aggressive Mode", 108, "E HASH NAT-D NAT-D"),
            ("Quick Mode", 188, "E HASH SA No ID ID"),
            ("Quick Mode", 188, "E HASH SA No ID ID"),
            ("Quick Mode", 60, "E HASH"),
        ],
    );
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.log[2].1.from.port(), 4500);
}
