//! Setting up, with the lengths of real negotiations.

use std::time::Duration;

use ipseclab_ike::Event;

use ipseclab_crypto::KeyKind;

use crate::support::certified;
use crate::{check_messages, configured, messages, pair};

#[test]
fn main_mode_and_quick_mode_are_those_of_strongswan() {
    let mut pair = pair(|_, _| {});
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    check_messages(
        &pair,
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
    check_messages(
        &pair,
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

#[test]
fn signatures_set_up_in_both_modes() {
    for aggressive in [false, true] {
        let mut pair = configured(|a, b| {
            certified::by_certificates(a, b, [KeyKind::Rsa { bits: 2048 }; 2]);
            for config in [a, b] {
                config.connections[0].v1.aggressive = aggressive;
            }
        });
        pair.initiate();
        pair.run_for(Duration::from_secs(10));
        assert_eq!(pair.live_children().len(), 1, "{:?}", messages(&pair));
        assert_eq!((pair.a.failures(), pair.b.failures()), (vec![], vec![]));
    }
}

#[test]
fn a_certificate_that_is_too_long_for_the_path_travels_in_pieces() {
    let mut pair = configured(|a, b| certified::by_certificates(a, b, [KeyKind::Rsa { bits: 3072 }; 2]));
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    let pieces = pair.log.iter().filter(|(_, transmit)| transmit.message.fragment.is_some()).count();
    assert_eq!(pair.live_children().len(), 1);
    assert!(pieces >= 2, "{:?}", messages(&pair));
    assert!(pair.log.iter().all(|(_, transmit)| transmit.payload.len() + 28 <= 1280));
}

#[test]
fn both_versions_live_in_one_endpoint() {
    let mut pair = configured(|a, b| {
        for config in [a, b] {
            let mut second = config.connections[0].clone();
            second.version = ipseclab_ike::config::IkeVersion::V2;
            second.proposals =
                vec![ipseclab_ike::proposal::parse_ike_proposal("aes128-sha256-x25519").unwrap()];
            config.connections.push(second);
        }
    });
    pair.initiate();
    let now = pair.now;
    pair.a.endpoint.initiate(now, ipseclab_ike::config::ConnectionId(1)).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.live_children().len(), 2);
    let ids: Vec<_> = pair.a.endpoint.established().map(|(id, ..)| id).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}
