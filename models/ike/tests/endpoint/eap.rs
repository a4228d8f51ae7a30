//! EAP inside `IKE_AUTH` (RFC 7296 §2.16): rounds, losses, failures and peers that cheat.

use std::time::Duration;

use ipseclab_ike::config::EndpointConfig;
use ipseclab_ike::eap::{EapFailure, EapMethod};
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::wire::{AuthMethod, AuthPayload, EapPayload, ExchangeType, Payload};
use ipseclab_ike::{DropReason, Event, FailureReason, IdentityPattern, Role};

use crate::support::certified::{by_eap, users};
use crate::support::craft::Crafter;
use crate::support::{A, B, Pair, Verdict};

/// Messages of one conversation with `MSCHAPv2`, `IKE_SA_INIT` included.
const MESSAGES: usize = 12;

fn eap(change: impl FnOnce(&mut EndpointConfig, &mut EndpointConfig)) -> Pair {
    Pair::configured(|a, b| {
        by_eap(a, b, &[EapMethod::MsChapV2, EapMethod::Md5]);
        change(a, b);
    })
}

#[test]
fn a_password_sets_up_an_ike_sa_whose_child_comes_last() {
    let pair = eap(|_, _| {}).establish();
    assert_eq!(pair.live_children().len(), 1);
    let labels: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.message.payloads.join(" ")).collect();
    let invitation = "SK IDi N(INITIAL_CONTACT) CERTREQ IDr SA TSi TSr";
    assert_eq!(labels[2..4], [invitation, "SK IDr CERT AUTH EAP"]);
    assert_eq!(labels[4..MESSAGES - 2], ["SK EAP"; 6]);
    assert_eq!(labels[MESSAGES - 2..], ["SK AUTH", "SK AUTH SA TSi TSr"]);
}

#[test]
fn the_rounds_have_the_sizes_of_the_capture() {
    // v2-eap-mschapv2, messages 6 to 12; 13 has 16 octets of MOBIKE more.
    let pair = eap(|a, b| {
        for config in [a, b] {
            let connection = &mut config.connections[0];
            connection.proposals = vec![parse_ike_proposal("aes128-sha256-x25519").unwrap()];
            connection.children[0].esp_proposals = vec![parse_esp_proposal("aes128-sha256").unwrap()];
        }
    })
    .establish();
    let sizes: Vec<_> = pair.log[4..].iter().map(|(_, transmit)| transmit.payload.len()).collect();
    assert_eq!(sizes, [80, 112, 144, 144, 80, 80, 112, 208]);
}

#[test]
fn md5_has_no_key_and_still_ends_with_two_proofs() {
    let pair = Pair::configured(|a, b| by_eap(a, b, &[EapMethod::Md5])).establish();
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.log.len(), MESSAGES - 2);
}

#[test]
fn any_one_message_may_be_lost_or_doubled() {
    for number in 0..MESSAGES {
        for verdict in [Verdict::Lose, Verdict::Duplicate] {
            let pair = eap(|_, _| {})
                .script(move |at, _| if at == number { verdict } else { Verdict::Deliver })
                .establish();
            assert_eq!(pair.live_children().len(), 1, "message {number}: {verdict:?}");
            assert_eq!(pair.b.children().len(), 1, "message {number}: {verdict:?}");
            assert!(pair.a.failures().is_empty() && pair.b.failures().is_empty());
        }
    }
}

fn check_failure(pair: &Pair, expected: EapFailure) {
    assert_eq!(pair.b.failures(), [FailureReason::Eap(expected)]);
    assert_eq!(pair.a.failures(), [FailureReason::Eap(expected)]);
    assert!(pair.a.children().is_empty() && pair.b.children().is_empty());
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
    let farewell = pair.log.iter().find(|(_, it)| it.message.exchange == ExchangeType::Informational);
    assert_eq!(farewell.unwrap().1.message.payloads, ["SK", "N(AUTHENTICATION_FAILED)"]);
}

#[test]
fn a_wrong_password_is_answered_late_and_ends_both_sides() {
    let pair = eap(|a, _| a.credentials.eap = users(&[("carol", "wrong")])).establish();
    check_failure(&pair, EapFailure::BadPassword);
    // The answer to the response to the challenge: message 7.
    let held = pair.log[7].0.saturating_sub(pair.log[6].0);
    assert!(held >= Duration::from_secs(2), "{held:?}");
}

#[test]
fn a_request_that_is_repeated_while_its_answer_is_held_back_is_dropped() {
    let pair = eap(|a, _| a.credentials.eap = users(&[("carol", "wrong")]))
        .script(|at, _| if at == 6 { Verdict::Duplicate } else { Verdict::Deliver })
        .establish();
    check_failure(&pair, EapFailure::BadPassword);
    assert_eq!(pair.b.drops(), [DropReason::Unexpected]);
}

#[test]
fn unknown_names_and_foreign_methods_end_both_sides() {
    let pair = eap(|_, b| b.credentials.eap = users(&[("dave", "x")])).establish();
    assert_eq!(pair.b.failures(), [FailureReason::Eap(EapFailure::UnknownIdentity)]);
    assert!(pair.b.children().is_empty());
    let mut pair = Pair::configured(|a, b| {
        by_eap(a, b, &[EapMethod::MsChapV2]);
        let other = a.connections[0].local.id.clone().unwrap();
        a.connections[0].local = ipseclab_ike::config::LocalAuth::eap(other, vec![EapMethod::Md5]);
    });
    pair = pair.establish();
    check_failure(&pair, EapFailure::MethodRefused);
}

#[test]
fn a_responder_without_methods_refuses_at_once() {
    let pair = eap(|_, b| {
        b.connections[0].remote = ipseclab_ike::config::RemoteAuth::eap(IdentityPattern::default(), vec![]);
    })
    .establish();
    assert_eq!(pair.b.failures(), [FailureReason::Eap(EapFailure::MethodRefused)]);
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
}

#[test]
fn an_initiator_that_falls_silent_is_forgotten_with_the_half_open_timeout() {
    for heard in [3, 5, 7, 9, 10] {
        let mut pair =
            eap(|_, _| {}).script(move |at, _| if at < heard { Verdict::Deliver } else { Verdict::Lose });
        pair.initiate();
        pair.run_for(Duration::from_secs(31));
        assert_eq!(pair.b.failures(), [FailureReason::Timeout], "after {heard} messages");
        assert_eq!(pair.b.endpoint.ike_sa_count(), 0);
        pair.run_for(Duration::from_secs(400));
        assert_eq!((pair.a.failures(), pair.a.endpoint.ike_sa_count()), (vec![FailureReason::Timeout], 0));
    }
}

/// A conversation of which the first `heard` messages arrive.
fn cut_after(heard: usize) -> Pair {
    let mut pair =
        eap(|_, _| {}).script(move |at, _| if at < heard { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    pair
}

fn is_announced(event: &Event) -> bool {
    matches!(event, Event::IkeSaEstablished(_) | Event::ChildSaEstablished(_))
}

#[test]
fn a_success_that_the_method_has_not_reached_is_no_success() {
    // A has sent its name, then its response to the challenge; B claims success at once.
    for (heard, id, identifier) in [(4, 2, 0), (6, 3, 1)] {
        let mut pair = cut_after(heard);
        let success = EapPayload::new(&[3, identifier, 0, 4]).unwrap();
        let answer = Crafter::new(&pair.b, Role::Responder).response(
            ExchangeType::IkeAuth,
            id,
            &[Payload::Eap(success)],
        );
        let sent = pair.a.receive(pair.now, (B, 500), 500, &answer);
        assert_eq!(sent[0].message.payloads, ["SK", "N(AUTHENTICATION_FAILED)"]);
        assert_eq!(pair.a.failures(), [FailureReason::Eap(EapFailure::ProtocolError)]);
        assert_eq!(pair.a.count(is_announced), 0);
    }
}

#[test]
fn auth_without_the_key_of_eap_brings_nothing_up() {
    let auth = |len| Payload::Auth(AuthPayload { method: AuthMethod::SharedKeyMic, data: vec![9; len] });
    // Instead of a name, and in place of the right proof.
    let cases = [(4, 2, FailureReason::InvalidSyntax), (10, 5, FailureReason::WrongSecret)];
    for (heard, id, expected) in cases {
        let mut pair = cut_after(heard);
        let request = Crafter::new(&pair.a, Role::Initiator).request(ExchangeType::IkeAuth, id, &[auth(32)]);
        pair.b.receive(pair.now, (A, 500), 500, &request);
        assert_eq!(pair.b.failures(), [expected]);
        assert_eq!(pair.b.count(is_announced), 0);
    }
}

#[test]
fn a_proof_counts_only_in_its_turn() {
    let first = eap(|_, _| {}).establish();
    let replayed = &first.log[MESSAGES - 2].1.payload;
    let mut pair = cut_after(10);
    pair.b.receive(pair.now, (A, 500), 500, replayed);
    // Equal random octets make equal keys: it is the very message that A has sent.
    assert_eq!(pair.b.endpoint.established().count(), 1);
    let mut other = cut_after(4);
    other.b.receive(other.now, (A, 500), 500, replayed);
    assert_eq!((other.b.count(is_announced), other.b.drops()), (0, vec![DropReason::MessageId]));
}

#[test]
fn md5_is_not_slowed_down_for_it_gives_no_second_try() {
    let pair = Pair::configured(|a, b| {
        by_eap(a, b, &[EapMethod::Md5]);
        a.credentials.eap = users(&[("carol", "wrong")]);
    })
    .establish();
    check_failure(&pair, EapFailure::BadPassword);
    assert!(pair.log.iter().all(|(at, _)| *at < Duration::from_secs(1)), "{:?}", pair.titles());
}
