//! What goes wrong has a name, and leaves nothing behind.

use std::time::Duration;

use ipseclab_ike::config::RetransmitPolicy;
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{Event, FailureReason, Identity};

use crate::support::{Pair, ids, net};
use crate::{configured, messages, pair};

/// Runs to the end; nothing must remain on either side.
fn fail(mut pair: Pair) -> Pair {
    pair.initiate();
    pair.run_for(Duration::from_secs(400));
    assert_eq!(
        (pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()),
        (0, 0),
        "{:?}",
        messages(&pair)
    );
    assert_eq!((pair.a.endpoint.poll_timeout(), pair.b.endpoint.poll_timeout()), (None, None));
    pair
}

#[test]
fn another_secret_makes_message_5_unreadable_and_the_answer_too() {
    let pair = fail(configured(|_, b| b.credentials = Credentials::with_psk(ids(), *b"another secret")));
    assert_eq!(pair.a.failures(), [FailureReason::Undecryptable]);
    assert_eq!(pair.b.failures(), [FailureReason::Undecryptable]);
    let all = messages(&pair);
    assert_eq!(all[5], ("Informational".to_owned(), 76, "E HASH N(PAYLOAD_MALFORMED)".to_owned()));
}

#[test]
fn another_secret_in_aggressive_mode_is_found_out_by_the_initiator() {
    let pair = fail(configured(|a, b| {
        (a.connections[0].v1.aggressive, b.connections[0].v1.aggressive) = (true, true);
        b.credentials = Credentials::with_psk(ids(), *b"another secret");
    }));
    assert_eq!(pair.a.failures(), [FailureReason::WrongSecret]);
    assert_eq!(pair.b.failures(), [FailureReason::Undecryptable]);
}

#[test]
fn without_a_common_proposal_of_phase_1_nothing_is_kept() {
    let pair = fail(pair(|a, _| a.proposals = vec![parse_ike_proposal("3des-md5-modp1024").unwrap()]));
    assert_eq!(pair.a.failures(), [FailureReason::NoProposalChosen]);
    assert_eq!(messages(&pair)[1], ("Informational".to_owned(), 56, "N(NO_PROPOSAL_CHOSEN)".to_owned()));
}

#[test]
fn the_other_mode_is_refused() {
    let pair = fail(pair(|a, _| a.v1.aggressive = true));
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(messages(&pair)[1].1, 56);
}

#[test]
fn an_identity_that_nobody_expects_is_refused() {
    for aggressive in [false, true] {
        let pair = fail(configured(|a, b| {
            (a.connections[0].v1.aggressive, b.connections[0].v1.aggressive) = (aggressive, aggressive);
            b.connections[0].remote.id = Identity::parse("somebody.else").into();
            // The secret is the same for anyone.
            b.credentials = Credentials::with_psk([], crate::support::SECRET);
        }));
        assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed], "aggressive: {aggressive}");
    }
}

#[test]
fn a_peer_that_answers_under_another_name_is_refused() {
    let pair = fail(configured(|a, _| {
        a.connections[0].remote.id = Identity::parse("somebody.else").into();
        a.credentials = Credentials::with_psk([], crate::support::SECRET);
    }));
    assert_eq!(pair.a.failures(), [FailureReason::IdentityMismatch]);
}

/// A Quick Mode that fails leaves phase 1 up on both sides.
fn fail_child(mut pair: Pair, reason: FailureReason, notify: &str) {
    pair.initiate();
    pair.run_for(Duration::from_secs(20));
    assert_eq!((pair.a.failures(), pair.b.failures()), (vec![reason], vec![reason]));
    assert_eq!(messages(&pair).last().unwrap().2, format!("E HASH N({notify})"));
    assert!(pair.live_children().is_empty());
    assert_eq!((pair.a.established().1, pair.b.established().1), (vec![], vec![]));
}

#[test]
fn without_a_common_proposal_of_phase_2_phase_1_stays() {
    let pair = pair(|a, _| a.children[0].esp_proposals = vec![parse_esp_proposal("3des-md5").unwrap()]);
    fail_child(pair, FailureReason::NoProposalChosen, "NO_PROPOSAL_CHOSEN");
}

#[test]
fn traffic_outside_the_policy_is_refused_and_not_narrowed() {
    let pair = pair(|a, _| a.children[0].remote_ts = net("10.9.0").into());
    fail_child(pair, FailureReason::TsUnacceptable, "INVALID_ID_INFORMATION");
}

#[test]
fn a_peer_that_is_not_there_is_tried_as_often_as_configured() {
    let mut pair = pair(|a, _| a.keying_tries = 2).script(|_, _| crate::support::Verdict::Lose);
    pair.initiate();
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.a.failures(), [FailureReason::Timeout]);
    let times: Vec<_> = pair.log.iter().map(|(at, _)| at.as_millis()).collect();
    let first = [0, 4_000, 11_200, 24_160, 47_488, 89_478];
    assert_eq!(times[..6], first);
    assert_eq!(times[6..], first.map(|at| at + 165_061));
    let total = RetransmitPolicy::default().total();
    assert_eq!(total.as_millis(), 165_061);
}

#[test]
fn every_failure_ends_the_wishes_that_waited() {
    let pair = fail(pair(|a, _| a.proposals = vec![parse_ike_proposal("3des-md5-modp1024").unwrap()]));
    assert_eq!(
        pair.a.count(|event| matches!(event, Event::NegotiationFailed { connection: Some(_), .. })),
        1
    );
}
