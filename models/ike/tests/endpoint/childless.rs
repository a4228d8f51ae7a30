//! IKE SAs that come up without a Child SA (RFC 6023), and the extended sequence numbers of those that follow.

use std::time::Duration;

use ipseclab_ike::config::{Childless, Connection, Mode, Reauthentication};
use ipseclab_ike::proposal::{Esn, parse_esp_proposal};
use ipseclab_ike::{Event, FailureReason};

use super::support::{OFFICE, Pair};

const ANNOUNCED: &str = "N(CHILDLESS_IKEV2_SUPPORTED)";

fn childless(a: Childless, b: Childless) -> Pair {
    Pair::with(|one, other| (one.childless, other.childless) = (a, b)).establish()
}

fn payloads(pair: &Pair, number: usize) -> &[String] {
    &pair.log[number].1.message.payloads
}

fn asks_for_child(pair: &Pair, number: usize) -> bool {
    payloads(pair, number).iter().any(|payload| payload == "SA")
}

#[test]
fn every_responder_but_one_that_never_does_announces_it() {
    for policy in [Childless::Allow, Childless::Prefer, Childless::Never] {
        let pair = childless(Childless::Allow, policy);
        let announced = payloads(&pair, 1).iter().any(|payload| payload == ANNOUNCED);
        assert_eq!(announced, policy != Childless::Never);
        assert!(asks_for_child(&pair, 2));
        assert_eq!((pair.live_children().len(), pair.log.len()), (1, 4));
    }
}

#[test]
fn who_prefers_it_asks_for_its_child_afterwards() {
    for policy in [Childless::Prefer, Childless::Force] {
        let pair = childless(policy, Childless::Allow);
        assert!(!asks_for_child(&pair, 2) && !asks_for_child(&pair, 3));
        assert_eq!(pair.titles()[4..], ["CREATE_CHILD_SA 2 request", "CREATE_CHILD_SA 2 response"]);
        assert_eq!(pair.live_children().len(), 1);
    }
}

#[test]
fn who_prefers_it_gives_in_and_who_insists_fails() {
    let pair = childless(Childless::Prefer, Childless::Never);
    assert_eq!((pair.live_children().len(), pair.log.len()), (1, 4));
    let pair = childless(Childless::Force, Childless::Never);
    assert_eq!(pair.a.failures(), [FailureReason::Childless]);
    assert_eq!((pair.log.len(), pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (2, 0, 0));
}

#[test]
fn a_responder_that_insists_refuses_a_child_in_ike_auth() {
    let pair = childless(Childless::Allow, Childless::Force);
    assert_eq!(payloads(&pair, 3), ["SK", "N(INVALID_SYNTAX)"]);
    assert_eq!(
        (pair.a.failures(), pair.b.failures()),
        (vec![FailureReason::InvalidSyntax], vec![FailureReason::Childless])
    );
    assert_eq!(pair.b.endpoint.established().count(), 0);
}

#[test]
fn an_ike_sa_alone_is_set_up_without_child_and_stays_so() {
    let mut pair = Pair::with(|a, _| a.childless = Childless::Prefer);
    pair.a.endpoint.initiate_ike(pair.now, OFFICE).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!((pair.log.len(), pair.a.established().1.len()), (4, 0));
}

#[test]
fn an_ike_sa_alone_has_a_child_where_the_peer_cannot_do_without() {
    let mut pair = Pair::with(|a, b| (a.childless, b.childless) = (Childless::Prefer, Childless::Never));
    pair.a.endpoint.initiate_ike(pair.now, OFFICE).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!((pair.log.len(), pair.live_children().len()), (4, 1));
}

#[test]
fn a_childless_ike_sa_comes_back_after_its_reauthentication() {
    for order in [Reauthentication::BreakBeforeMake, Reauthentication::MakeBeforeBreak] {
        let mut pair = Pair::with(|a, _| {
            a.childless = Childless::Prefer;
            a.renewal.reauthentication = order;
        });
        pair.a.endpoint.initiate_ike(pair.now, OFFICE).unwrap();
        pair.flush();
        pair.run_for(Duration::from_secs(5));
        let (old, _) = pair.a.established();
        pair.a.endpoint.reauthenticate(pair.now, old).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
        let (new, spis) = pair.a.established();
        assert!(new != old && spis.is_empty(), "{order:?}");
        assert_eq!(pair.b.endpoint.established().count(), 1);
        let (id, _) = pair.a.established();
        pair.a.endpoint.rekey_ike(pair.now, id).unwrap();
        pair.flush();
        pair.run_for(Duration::from_mins(1));
        assert_eq!(pair.a.endpoint.ike_sa_count(), 1, "a renewal is no reauthentication");
    }
}

/// The ESN that both sides agree on for these proposals, with A's Child SA in `IKE_AUTH` or after it.
fn agreed_esn(own: &[&str], peers: &[&str], policy: Childless) -> Option<Esn> {
    let propose = |connection: &mut Connection, texts: &[&str]| {
        connection.children[0].esp_proposals =
            texts.iter().map(|text| parse_esp_proposal(text).unwrap()).collect();
    };
    let pair = Pair::with(|a, b| {
        a.childless = policy;
        propose(a, own);
        propose(b, peers);
    });
    let pair = pair.establish();
    let esn = |peer: &super::support::Peer| peer.children().first().map(|child| child.proposal.esn);
    assert_eq!(esn(&pair.a), esn(&pair.b));
    esn(&pair.a)
}

#[test]
fn extended_sequence_numbers_are_negotiated_in_either_exchange() {
    for policy in [Childless::Allow, Childless::Prefer] {
        let both = ["aes256gcm16-esn-noesn", "aes256-sha256-esn"];
        assert_eq!(agreed_esn(&both, &both, policy), Some(Esn::Yes), "v2-esn");
        assert_eq!(agreed_esn(&both, &["aes256gcm16-noesn"], policy), Some(Esn::No));
        assert_eq!(agreed_esn(&["aes256gcm16"], &["aes256gcm16-esn-noesn"], policy), Some(Esn::No));
        assert_eq!(agreed_esn(&["aes256gcm16-esn"], &["aes256gcm16-noesn"], policy), None);
    }
}

#[test]
fn transport_mode_needs_both_sides_in_either_exchange() {
    for policy in [Childless::Allow, Childless::Prefer] {
        for (own, peers) in [(Mode::Transport, Mode::Transport), (Mode::Transport, Mode::Tunnel)] {
            let pair = Pair::with(|a, b| {
                a.childless = policy;
                (a.children[0].mode, b.children[0].mode) = (own, peers);
            });
            let pair = pair.establish();
            let modes = [&pair.a, &pair.b].map(|peer| peer.children()[0].mode);
            assert_eq!(modes, [peers; 2]);
            assert_eq!(pair.a.count(|e| matches!(e, Event::ChildSaFailed { .. })), 0);
        }
    }
}

#[test]
fn an_ike_sa_alone_needs_no_preference() {
    // As `swanctl --initiate --ike` has it: the request itself says that no child is wanted.
    let mut pair = Pair::with(|a, _| a.childless = Childless::Allow);
    pair.a.endpoint.initiate_ike(pair.now, OFFICE).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    assert!(!asks_for_child(&pair, 2));
    assert_eq!((pair.log.len(), pair.a.established().1.len()), (4, 0));
    let mut pair = Pair::with(|a, _| a.childless = Childless::Never);
    pair.a.endpoint.initiate_ike(pair.now, OFFICE).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.log.len(), pair.live_children().len()), (4, 1));
}
