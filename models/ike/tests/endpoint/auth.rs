//! `IKE_AUTH` under input that a correct and friendly peer would not send (RFC 7296 §2.15, §2.21.2).

use std::time::Duration;

use ipseclab_crypto::{Purpose, RandomSource};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::wire::{
    AuthMethod, AuthPayload, ExchangeType, IdPayload, Message, NotifyType, Payload, SaPayload,
};
use ipseclab_ike::{DropReason, Event, FailureReason, Identity, Role, TrafficSelectors};

use crate::support::craft::{Crafter, notify};
use crate::support::{A, B, Counting, Pair, Peer, SECRET, Side, Verdict, config, ids, net};

/// B is half-open with A, and gets these payloads as A's `IKE_AUTH`; returns the payloads of B's answer.
fn answer_to_auth(payloads: &[Payload]) -> (Pair, Vec<String>) {
    let mut pair = Pair::new().script(|number, _| if number < 2 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let request = Crafter::new(&pair.a, Role::Initiator).request(ExchangeType::IkeAuth, 1, payloads);
    let answers = pair.b.receive(pair.now, (A, 500), 500, &request);
    let labels = answers[0].message.payloads.clone();
    (pair, labels)
}

fn id_i() -> Payload {
    Payload::IdI(a_id())
}

fn a_id() -> IdPayload {
    ids()[0].to_payload()
}

fn auth(data: Vec<u8>) -> Payload {
    Payload::Auth(AuthPayload { method: AuthMethod::SharedKeyMic, data })
}

#[test]
fn a_request_without_auth_asks_for_eap_and_fails_to_authenticate() {
    // RFC 7296 §2.16.
    let (pair, answer) = answer_to_auth(&[id_i()]);
    assert_eq!(answer, ["SK", "N(AUTHENTICATION_FAILED)"]);
    assert_eq!(pair.b.failures(), [FailureReason::AuthMethodMismatch]);
}

#[test]
fn a_request_without_identity_or_with_two_is_invalid_syntax() {
    for payloads in [vec![auth(vec![1; 32])], vec![id_i(), id_i(), auth(vec![1; 32])], vec![]] {
        let (pair, answer) = answer_to_auth(&payloads);
        assert_eq!(answer, ["SK", "N(INVALID_SYNTAX)"]);
        assert_eq!(pair.b.failures(), [FailureReason::InvalidSyntax]);
    }
}

#[test]
fn auth_data_of_any_wrong_kind_is_refused() {
    let wrong = [vec![], vec![0; 31], vec![0; 32], vec![0; 33], vec![0; 60_000]];
    for data in wrong {
        let (pair, answer) = answer_to_auth(&[id_i(), auth(data)]);
        assert_eq!(answer, ["SK", "N(AUTHENTICATION_FAILED)"]);
        assert_eq!(pair.b.endpoint.established().count(), 0);
    }
}

/// A awaits `IKE_AUTH`'s answer while B is established; A gets this instead of it.
fn forge_auth_answer(payloads: &[Payload]) -> Pair {
    let mut pair = Pair::new().script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let forged = Crafter::new(&pair.b, Role::Responder).response(ExchangeType::IkeAuth, 1, payloads);
    let now = pair.now;
    pair.a.endpoint.handle_datagram(now, (B, 500).into(), (A, 500).into(), &forged);
    pair.flush();
    pair.run_for(Duration::from_secs(400));
    pair
}

#[test]
fn a_responder_that_is_not_who_it_should_be_is_told_and_both_forget() {
    let id_r = |name| Payload::IdR(Identity::parse(name).to_payload());
    let stranger = forge_auth_answer(&[id_r("b.example"), auth(vec![1; 32])]);
    let other = forge_auth_answer(&[id_r("c.example"), auth(vec![1; 32])]);
    for (pair, reason) in [(stranger, FailureReason::WrongSecret), (other, FailureReason::IdentityMismatch)] {
        assert_eq!(pair.a.failures(), [reason]);
        assert_eq!(pair.log[4].1.message.payloads, ["SK", "N(AUTHENTICATION_FAILED)"]);
        assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
        assert!(pair.a.children().is_empty());
    }
}

#[test]
fn an_answer_without_identity_and_auth_is_told_to_be_malformed() {
    let pair = forge_auth_answer(&[]);
    assert_eq!(pair.a.failures(), [FailureReason::InvalidSyntax]);
    assert_eq!(pair.log[4].1.message.payloads, ["SK", "N(INVALID_SYNTAX)"]);
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn a_refusal_alone_ends_the_negotiation_without_another_message() {
    let refusals = [
        (NotifyType::TemporaryFailure, FailureReason::TemporaryFailure),
        // An error that nobody has defined means failure as well (RFC 7296 §3.10.1).
        (NotifyType::Unknown(8_000), FailureReason::PeerError),
    ];
    for (kind, reason) in refusals {
        let pair = forge_auth_answer(&[notify(kind)]);
        assert_eq!(pair.a.failures(), [reason]);
        assert_eq!((pair.log.len(), pair.a.endpoint.ike_sa_count()), (4, 0));
    }
}

#[test]
fn a_lost_complaint_is_repeated_and_given_up() {
    let mut pair = Pair::new().script(|number, _| if number < 3 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let forged = Crafter::new(&pair.b, Role::Responder).response(ExchangeType::IkeAuth, 1, &[]);
    pair.a.endpoint.handle_datagram(pair.now, (B, 500).into(), (A, 500).into(), &forged);
    pair.flush();
    pair.run_for(Duration::from_mins(5));
    assert_eq!(
        pair.titles()[4..],
        [["INFORMATIONAL 2 request"].as_slice(), &["INFORMATIONAL 2 request again"; 5]].concat()
    );
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.a.endpoint.poll_timeout()), (0, None));
    assert_eq!(pair.a.failures(), [FailureReason::InvalidSyntax], "the failure is told once");
}

#[test]
fn a_connection_does_not_accept_algorithms_that_only_another_one_allows() {
    // Both connections accept A's address, so the first that likes the offer chooses; A then shows the other's identity.
    let pair = Pair::configured(|a, b| {
        let weak = parse_ike_proposal("aes128-sha1-modp1024").unwrap();
        a.connections[0].proposals = vec![weak.clone()];
        let mut lax = b.connections[0].clone();
        lax.remote.id = Identity::parse("legacy.example").into();
        lax.proposals = vec![weak];
        b.connections.push(lax);
    })
    .establish();
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(pair.b.failures(), [FailureReason::IdentityMismatch]);
}

#[test]
fn refused_peers_count_as_half_open_until_they_are_forgotten() {
    let mut pair = Pair::configured(|a, b| {
        a.credentials = Credentials::with_psk([], *b"wrong");
        b.limits.half_open = 1;
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.failures(), [FailureReason::WrongSecret]);
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.drops(), [DropReason::Limit]);
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.b.failures(), [FailureReason::WrongSecret; 2], "the second was let in later");
}

/// Gives every Child SPI twice.
struct Stuttering {
    inner: Counting,
    spi: Option<Vec<u8>>,
}

impl RandomSource for Stuttering {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        if purpose != Purpose::ChildSpi {
            return self.inner.fill(purpose, out);
        }
        if let Some(again) = self.spi.take() {
            out.copy_from_slice(&again);
        } else {
            self.inner.fill(purpose, out);
            self.spi = Some(out.to_vec());
        }
    }
}

#[test]
fn no_two_child_sas_of_an_endpoint_share_an_inbound_spi() {
    let stuttering = |seed| Stuttering { inner: Counting::new(seed), spi: None };
    let (a, b) = (Peer::new(config(Side::A), stuttering(1)), Peer::new(config(Side::B), stuttering(2)));
    let mut pair = Pair::of(a, b);
    pair.initiate();
    // Before the first one is up, the second would say that it is the first contact.
    pair.run_for(Duration::from_secs(1));
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.live_children().len(), 2);
    for peer in [&pair.a, &pair.b] {
        let children = peer.children();
        assert_ne!(children[0].spi_in, children[1].spi_in);
    }
}

/// B's answer in `IKE_AUTH` as `change` has changed it, under the right key and secret, reaches A in place of the real
/// one; returns what has become of both when nothing happens any more.
fn change_auth_answer(id: &IdPayload, change: impl FnOnce(&mut Vec<Payload>)) -> Pair {
    let mut pair = Pair::new().script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let answer = changed_auth_answer(&pair, id, change);
    pair.a.endpoint.handle_datagram(pair.now, (B, 500).into(), (A, 500).into(), &answer);
    pair.flush();
    pair.run_for(Duration::from_secs(400));
    pair
}

fn changed_auth_answer(pair: &Pair, id: &IdPayload, change: impl FnOnce(&mut Vec<Payload>)) -> Vec<u8> {
    let child = pair.b.children()[0];
    let mut crafter = Crafter::new(&pair.b, Role::Responder);
    let response = &pair.log[1].1.payload;
    let nonce = nonce(&pair.log[0].1.payload);
    let data = crafter.auth(&SECRET, response, &nonce, &id.body());
    let answer = child.proposal.to_wire(1, &child.spi_in.to_be_bytes());
    let mut payloads = vec![
        Payload::IdR(id.clone()),
        auth(data),
        Payload::Sa(SaPayload { proposals: vec![answer] }),
        Payload::TsI(net("10.1.0").to_payload()),
        Payload::TsR(net("10.2.0").to_payload()),
    ];
    change(&mut payloads);
    crafter.response(ExchangeType::IkeAuth, 1, &payloads)
}

fn b_id() -> IdPayload {
    ids()[1].to_payload()
}

#[test]
fn an_answer_that_changes_nothing_is_accepted() {
    let pair = change_auth_answer(&b_id(), |_| {});
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn the_right_secret_under_another_identity_is_an_authentication_failure() {
    let pair = change_auth_answer(&Identity::parse("c.example").to_payload(), |_| {});
    assert_eq!(pair.a.failures(), [FailureReason::IdentityMismatch]);
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn auth_covers_the_reserved_octets_of_an_identity_as_they_were_sent() {
    let id = IdPayload { reserved: [1, 2, 3], ..b_id() };
    let pair = change_auth_answer(&id, |_| {});
    assert_eq!((pair.live_children().len(), pair.a.failures().len()), (1, 0));
    let pair = change_auth_answer(&id, |payloads| payloads[0] = Payload::IdR(b_id()));
    assert_eq!(pair.a.failures(), [FailureReason::WrongSecret], "AUTH was made over other octets");
}

#[test]
fn an_initiator_with_reserved_octets_in_its_identity_authenticates() {
    let mut pair = Pair::new().script(|number, _| if number < 2 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let id = IdPayload { reserved: [0xff; 3], ..a_id() };
    let mut crafter = Crafter::new(&pair.a, Role::Initiator);
    let nonce = nonce(&pair.log[1].1.payload);
    let data = crafter.auth(&SECRET, &pair.log[0].1.payload, &nonce, &id.body());
    let request = crafter.request(ExchangeType::IkeAuth, 1, &[Payload::IdI(id), auth(data)]);
    pair.b.receive(pair.now, (A, 500), 500, &request);
    assert_eq!(pair.b.endpoint.established().count(), 1, "{:?}", pair.b.failures());
}

/// A's reason to refuse the Child SA. The peer has shown who it is, so the IKE SA stays, and B's half of the Child SA is
/// deleted (RFC 7296 §1.3.1, §2.21.2).
fn refusal_of(change: impl FnOnce(&mut Vec<Payload>)) -> FailureReason {
    let pair = change_auth_answer(&b_id(), change);
    assert!(pair.a.children().is_empty());
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (1, 1));
    assert_eq!(pair.b.count(|event| matches!(event, Event::ChildSaClosed { .. })), 1);
    assert!(pair.live_children().is_empty());
    let [reason] = pair.a.failures()[..] else { unreachable!("one failure") };
    reason
}

#[test]
fn an_answer_that_was_not_offered_ends_the_child_sa_alone() {
    let transport = refusal_of(|payloads| payloads.insert(2, notify(NotifyType::UseTransportMode)));
    assert_eq!(transport, FailureReason::InvalidSyntax);
    let wider = TrafficSelectors::ipv4_range([10, 0, 0, 0].into(), [10, 255, 255, 255].into());
    let wide = refusal_of(|payloads| payloads[4] = Payload::TsR(wider.to_payload()));
    assert_eq!(wide, FailureReason::TsUnacceptable);
    let other = parse_esp_proposal("aes256gcm16").unwrap().to_wire(1, &[9; 4]);
    let stronger = refusal_of(|payloads| payloads[2] = Payload::Sa(SaPayload { proposals: vec![other] }));
    assert_eq!(stronger, FailureReason::NoProposalChosen);
    let without_ts = refusal_of(|payloads| payloads.truncate(3));
    assert_eq!(without_ts, FailureReason::InvalidSyntax);
}

#[test]
fn a_responder_that_is_not_the_one_asked_for_refuses() {
    let pair = Pair::with(|a, _| a.remote.id = Identity::parse("c.example").into()).establish();
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(pair.b.failures(), [FailureReason::IdentityMismatch]);
}

fn nonce(message: &[u8]) -> Vec<u8> {
    let message = Message::decode(message).unwrap();
    let nonce = message.payloads.iter().find_map(|payload| match payload {
        Payload::Nonce(nonce) => Some(nonce.as_bytes().to_vec()),
        _ => None,
    });
    nonce.unwrap()
}

#[test]
fn malformed_payloads_under_the_right_keys_end_the_negotiation_at_once() {
    let mut pair = Pair::new().script(|number, _| if number < 3 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let twice = [id_i(), id_i()];
    let answer = Crafter::new(&pair.b, Role::Responder).response(ExchangeType::IkeAuth, 1, &twice);
    let sent = pair.a.receive(pair.now, (B, 500), 500, &answer);
    assert_eq!(sent[0].message.payloads, ["SK", "N(INVALID_SYNTAX)"]);
    assert_eq!(pair.a.failures(), [FailureReason::InvalidSyntax]);
}
