//! Input that a correct and friendly peer would not send: forgeries, misplaced notifications, excess.

use std::collections::BTreeMap;
use std::time::Duration;

use ipseclab_crypto::{Purpose, RandomSource, Secret};
use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_ike::wire::{
    AuthMethod, AuthPayload, DeletePayload, ExchangeType, Message, NotifyPayload, NotifyType, Payload,
};
use ipseclab_ike::{Acquired, CloseReason, DropReason, Event, FailureReason, Identity, Role};

use crate::support::craft::{Crafter, init_answer, notify};
use crate::support::{A, B, Counting, OFFICE, Pair, Peer, Side, Verdict, config, connection, net};

/// A has sent its first request, which is returned; nothing has arrived anywhere.
fn started() -> (Pair, Message) {
    let mut pair = Pair::new();
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    let request = pair.a.drain().remove(0);
    (pair, Message::decode(&request.payload).unwrap())
}

fn cookie(data: Vec<u8>) -> Vec<Payload> {
    vec![Payload::Notify(NotifyPayload::new(NotifyType::Cookie, data))]
}

#[test]
fn a_cookie_comes_back_first_and_the_rest_stays_as_it_was() {
    let (mut pair, request) = started();
    let answer = init_answer(request.header.spi_i, cookie(vec![7; 24]));
    let again = pair.a.receive(pair.now, (B, 500), 500, &answer);
    let again = Message::decode(&again[0].payload).unwrap();
    assert_eq!(again.payloads[0], cookie(vec![7; 24])[0]);
    assert_eq!((again.header, &again.payloads[1..]), (request.header, &request.payloads[..]));
}

#[test]
fn a_cookie_of_no_or_absurd_size_is_dropped() {
    // RFC 7296 §2.6: 1 to 64 octets.
    for len in [0, 65, 1000, 65_400] {
        let (mut pair, request) = started();
        let answer = init_answer(request.header.spi_i, cookie(vec![7; len]));
        assert!(pair.a.receive(pair.now, (B, 500), 500, &answer).is_empty(), "{len} octets");
        assert_eq!(pair.a.drops(), [DropReason::Malformed], "{len} octets");
        assert_eq!(pair.a.endpoint.ike_sa_count(), 1);
    }
}

#[test]
fn the_same_cookie_twice_is_answered_once() {
    let (mut pair, request) = started();
    let answer = init_answer(request.header.spi_i, cookie(vec![7; 24]));
    assert_eq!(pair.a.receive(pair.now, (B, 500), 500, &answer).len(), 1);
    assert_eq!(pair.a.receive(pair.now, (B, 500), 500, &answer).len(), 0);
    assert_eq!(pair.a.drops(), [DropReason::Unexpected]);
}

#[test]
fn a_peer_that_wants_ever_new_cookies_is_given_up() {
    let (mut pair, request) = started();
    for round in 0..9 {
        let answer = init_answer(request.header.spi_i, cookie(vec![round; 8]));
        pair.a.receive(pair.now, (B, 500), 500, &answer);
    }
    assert_eq!(pair.a.failures(), [FailureReason::PeerError]);
    assert_eq!(pair.a.endpoint.ike_sa_count(), 0);
}

#[test]
fn a_duplicated_group_refusal_is_followed_once() {
    let pair = Pair::with(|a, b| {
        a.proposals = vec![parse_ike_proposal("aes128-sha256-ecp384-x25519").unwrap()];
        b.proposals = vec![parse_ike_proposal("aes128-sha256-x25519").unwrap()];
    })
    .script(|number, _| if number == 1 { Verdict::Duplicate } else { Verdict::Deliver })
    .establish();
    assert_eq!(pair.live_children().len(), 1, "{:?}", pair.titles());
    assert_eq!(pair.log.len(), 6);
}

#[test]
fn a_group_that_was_not_offered_ends_the_negotiation() {
    for group in [vec![0, 14], vec![0], vec![], vec![0xff, 0xff]] {
        let (mut pair, request) = started();
        let refusal = Payload::Notify(NotifyPayload::new(NotifyType::InvalidKePayload, group));
        pair.a.receive(pair.now, (B, 500), 500, &init_answer(request.header.spi_i, vec![refusal]));
        assert_eq!(pair.a.failures(), [FailureReason::InvalidKePayload]);
        assert_eq!((pair.a.endpoint.ike_sa_count(), pair.a.endpoint.poll_timeout()), (0, None));
    }
}

#[test]
fn an_answer_under_another_spi_or_message_id_is_dropped() {
    use DropReason::{MessageId, UnknownSpi};
    let (mut pair, request) = started();
    let refusal = init_answer(request.header.spi_i, vec![notify(NotifyType::NoProposalChosen)]);
    for at in [0, 7, 23] {
        let mut forged = refusal.clone();
        forged[at] ^= 1;
        pair.a.receive(pair.now, (B, 500), 500, &forged);
    }
    assert_eq!(pair.a.drops(), [UnknownSpi, UnknownSpi, MessageId]);
    assert_eq!(pair.a.endpoint.ike_sa_count(), 1);
}

#[test]
fn only_the_first_request_itself_has_its_answer_repeated() {
    let mut pair = Pair::new().script(|number, _| if number < 2 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let first = pair.log[0].1.payload.clone();
    let mut auth_as_first = pair.log[2].1.payload.clone();
    auth_as_first[20..24].fill(0);
    let mut changed = first.clone();
    *changed.last_mut().unwrap() ^= 1;
    for forged in [auth_as_first, changed] {
        assert!(pair.b.receive(pair.now, (A, 500), 500, &forged).is_empty());
    }
    assert_eq!(pair.b.drops(), [DropReason::MessageId; 2]);
    assert_eq!(pair.b.receive(pair.now, (A, 500), 500, &first).len(), 1);
}

#[test]
fn another_message_under_an_answered_id_is_dropped() {
    let mut pair = Pair::new().establish();
    let request = pair.log[2].1.payload.clone();
    let mut crafter = Crafter::new(&pair.b, Role::Initiator);
    let authentic = crafter.request(ExchangeType::IkeAuth, 1, &[]);
    let mut flipped = request.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for other in [authentic, flipped] {
        assert!(pair.b.receive(pair.now, (A, 500), 500, &other).is_empty());
    }
    assert_eq!(pair.b.drops(), [DropReason::MessageId; 2]);
    let again = pair.b.receive(pair.now, (A, 500), 500, &request);
    assert_eq!(again[0].payload, pair.log[3].1.payload);
}

#[test]
fn a_first_request_again_after_establishment_makes_no_second_ike_sa() {
    let mut pair = Pair::new().establish();
    let first = pair.log[0].1.payload.clone();
    assert!(pair.b.receive(pair.now, (A, 500), 500, &first).is_empty());
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.drops()), (1, vec![DropReason::MessageId]));
}

/// B sends an INFORMATIONAL request with `kind`; does A's IKE SA survive?
fn survives_request(kind: NotifyType) -> bool {
    let mut pair = Pair::new().establish();
    let request =
        Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &[notify(kind)]);
    let answers = pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(answers.len(), 1, "every authentic request is answered");
    pair.a.endpoint.established().count() == 1
}

#[test]
fn only_fatal_notifications_end_an_ike_sa() {
    // RFC 7296 §2.21.2: only authentication failures and malformed messages delete without a Delete payload.
    for kind in [NotifyType::AuthenticationFailed, NotifyType::InvalidSyntax] {
        assert!(!survives_request(kind), "{kind}");
    }
    for kind in [
        NotifyType::InvalidSpi,
        NotifyType::InvalidSelectors,
        NotifyType::UnacceptableAddresses,
        NotifyType::Unknown(8192),
        NotifyType::InitialContact,
    ] {
        assert!(survives_request(kind), "{kind}");
    }
}

#[test]
fn a_fatal_answer_ends_the_ike_sa() {
    let mut pair = Pair::with(|a, _| a.dpd_delay = Some(Duration::from_secs(30)))
        .script(|number, _| if number < 4 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(31));
    let answer = Crafter::new(&pair.b, Role::Responder).response(
        ExchangeType::Informational,
        2,
        &[notify(NotifyType::InvalidSyntax)],
    );
    pair.a.receive(pair.now, (B, 500), 500, &answer);
    assert_eq!(pair.a.endpoint.established().count(), 0);
    assert_eq!(pair.a.count(|e| matches!(e, Event::IkeSaClosed { reason: CloseReason::Remote, .. })), 1);
}

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
    Payload::IdI(connection(Side::A).local_id.to_payload())
}

fn auth(data: Vec<u8>) -> Payload {
    Payload::Auth(AuthPayload { method: AuthMethod::SharedKeyMic, data })
}

#[test]
fn a_request_without_auth_asks_for_eap_and_fails_to_authenticate() {
    // RFC 7296 §2.16.
    let (pair, answer) = answer_to_auth(&[id_i()]);
    assert_eq!(answer, ["SK", "N(AUTHENTICATION_FAILED)"]);
    assert_eq!(pair.b.failures(), [FailureReason::AuthenticationFailed]);
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
    for pair in [stranger, other] {
        assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
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
    let pair = forge_auth_answer(&[notify(NotifyType::TemporaryFailure)]);
    assert_eq!(pair.a.failures(), [FailureReason::PeerError]);
    assert_eq!((pair.log.len(), pair.a.endpoint.ike_sa_count()), (4, 0));
}

#[test]
fn a_lost_complaint_is_repeated_and_given_up() {
    let mut pair = Pair::new().script(|number, _| if number < 3 { Verdict::Deliver } else { Verdict::Lose });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let forged = Crafter::new(&pair.b, Role::Responder).response(ExchangeType::IkeAuth, 1, &[]);
    pair.a.endpoint.handle_datagram(pair.now, (B, 500).into(), (A, 500).into(), &forged);
    pair.flush();
    pair.run_for(Duration::from_secs(300));
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
        lax.remote_id = Identity::parse("legacy.example");
        lax.proposals = vec![weak];
        b.connections.push(lax);
    })
    .establish();
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(pair.b.failures(), [FailureReason::AuthenticationFailed]);
}

#[test]
fn refused_peers_count_as_half_open_until_they_are_forgotten() {
    let mut pair = Pair::configured(|a, b| {
        a.connections[0].psk = Secret::new(*b"wrong");
        b.limits.half_open = 1;
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.failures(), [FailureReason::AuthenticationFailed]);
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.drops(), [DropReason::Limit]);
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.b.failures(), [FailureReason::AuthenticationFailed; 2], "the second was let in later");
}

#[test]
fn half_open_ike_sas_are_bounded() {
    let mut pair = Pair::configured(|_, b| b.limits.half_open = 3);
    for _ in 0..5 {
        pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    }
    for request in pair.a.drain() {
        pair.b.receive(pair.now, (A, 500), 500, &request.payload);
    }
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.drops()), (3, vec![DropReason::Limit; 2]));
}

/// Gives every Child SPI twice.
struct Stuttering {
    inner: Counting,
    spis: BTreeMap<bool, Vec<u8>>,
}

impl RandomSource for Stuttering {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        if purpose != Purpose::ChildSpi {
            return self.inner.fill(purpose, out);
        }
        match self.spis.remove(&true) {
            Some(again) => out.copy_from_slice(&again),
            None => {
                self.inner.fill(purpose, out);
                self.spis.insert(true, out.to_vec());
            }
        }
    }
}

#[test]
fn no_two_child_sas_of_an_endpoint_share_an_inbound_spi() {
    let stuttering = |seed| Stuttering { inner: Counting::new(seed), spis: BTreeMap::new() };
    let (a, b) = (Peer::new(config(Side::A), stuttering(1)), Peer::new(config(Side::B), stuttering(2)));
    let mut pair = Pair::of(a, b);
    pair.initiate();
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.live_children().len(), 2);
    for peer in [&pair.a, &pair.b] {
        let children = peer.children();
        assert_ne!(children[0].spi_in, children[1].spi_in);
    }
}

#[test]
fn a_queue_without_room_still_lets_the_window_be_used() {
    let mut pair = Pair::configured(|a, _| {
        a.limits.queued_requests = 0;
        a.connections[0].dpd_delay = Some(Duration::from_secs(30));
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(31));
    assert_eq!(pair.titles()[4..], ["INFORMATIONAL 2 request", "INFORMATIONAL 2 response"]);
    let (id, spis) = pair.a.established();
    pair.a.endpoint.close_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(60));
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn deletes_of_the_ike_sa_that_cross_need_no_repetition() {
    let mut pair = Pair::new().establish();
    for side in [Side::A, Side::B] {
        let (id, _) = pair.peer(side).established();
        let now = pair.now;
        pair.peer(side).endpoint.terminate(now, id).unwrap();
    }
    pair.flush();
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.log.len(), 8, "{:?}", pair.titles());
    for peer in [&pair.a, &pair.b] {
        assert_eq!(peer.count(|e| matches!(e, Event::IkeSaClosed { .. })), 1);
        assert_eq!((peer.endpoint.ike_sa_count(), peer.endpoint.poll_timeout()), (0, None));
    }
}

#[test]
fn deletes_of_unknown_spis_are_answered_with_nothing() {
    let mut pair = Pair::new().establish();
    let spis = (0..4000_u32).map(u32::to_be_bytes).collect();
    let payloads = [Payload::Delete(DeletePayload::esp(spis))];
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &payloads);
    let answers = pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(answers[0].message.payloads, ["SK"]);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn our_inbound_spi_does_not_name_a_child_in_the_peers_delete() {
    let mut pair = Pair::new().establish();
    let (_, spis) = pair.a.established();
    let payloads = [Payload::Delete(DeletePayload::esp(vec![spis[0].to_be_bytes()]))];
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &payloads);
    pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(pair.a.established().1.len(), 1);
}

#[test]
fn transport_mode_that_was_not_asked_for_ends_the_ike_sa() {
    let pair = {
        let mut pair =
            Pair::new().script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver });
        pair.initiate();
        pair.run_for(Duration::from_secs(1));
        let answer = with_transport_mode(&pair);
        pair.a.endpoint.handle_datagram(pair.now, (B, 500).into(), (A, 500).into(), &answer);
        pair.flush();
        pair.run_for(Duration::from_secs(400));
        pair
    };
    assert_eq!(pair.a.failures(), [FailureReason::InvalidSyntax]);
    assert!(pair.a.children().is_empty());
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

/// What B has answered in `IKE_AUTH`, with `USE_TRANSPORT_MODE` slipped in.
fn with_transport_mode(pair: &Pair) -> Vec<u8> {
    let child = pair.b.children()[0];
    let mut crafter = Crafter::new(&pair.b, Role::Responder);
    let id = connection(Side::B).local_id.to_payload();
    let response = &pair.log[1].1.payload;
    let nonce = nonce(&pair.log[0].1.payload);
    let data = crafter.auth(connection(Side::B).psk.expose(), response, &nonce, &id.body());
    let answer = child.proposal.to_wire(1, &child.spi_in.to_be_bytes());
    let sa = ipseclab_ike::wire::SaPayload { proposals: vec![answer] };
    let payloads = [
        Payload::IdR(id),
        auth(data),
        notify(NotifyType::UseTransportMode),
        Payload::Sa(sa),
        Payload::TsI(net("10.1.0").to_payload()),
        Payload::TsR(net("10.2.0").to_payload()),
    ];
    crafter.response(ExchangeType::IkeAuth, 1, &payloads)
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

#[test]
fn a_nat_keepalive_is_not_a_malformed_message() {
    let mut pair = Pair::new();
    assert!(pair.b.receive(pair.now, (A, 4500), 4500, &[0xff]).is_empty());
    assert!(pair.b.drops().is_empty());
    pair.b.receive(pair.now, (A, 4500), 4500, &[0xff, 0xff]);
    assert_eq!(pair.b.drops(), [DropReason::Malformed]);
}

#[test]
fn a_packet_after_the_peer_has_deleted_the_child_starts_anew() {
    let mut pair = Pair::new().establish();
    let (old, spis) = pair.a.established();
    let child = pair.a.children()[0];
    let payloads = [Payload::Delete(DeletePayload::esp(vec![child.spi_out.to_be_bytes()]))];
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &payloads);
    pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(pair.a.count(|e| matches!(e, Event::ChildSaClosed { spi_in, .. } if *spi_in == spis[0])), 1);
    let selector = |side: &ipseclab_ike::TrafficSelectors| side.as_slice()[0].clone();
    let acquired =
        pair.a.endpoint.acquire(pair.now, OFFICE, selector(&net("10.1.0")), selector(&net("10.2.0")));
    let Acquired::Started(new) = acquired else { unreachable!("{acquired:?}") };
    assert_ne!(new, old);
    // B never sent that Delete itself and still has the old IKE SA, which A now takes down.
    pair.flush();
    pair.run_for(Duration::from_secs(60));
    assert_eq!(pair.a.established().0, new);
    assert_eq!(pair.b.endpoint.established().count(), 1);
}

#[test]
fn a_refused_child_is_not_asked_for_again() {
    let mut pair = Pair::with(|a, _| a.child.remote_ts = net("10.9.0")).establish();
    let (id, _) = pair.a.established();
    let selector = |side: &ipseclab_ike::TrafficSelectors| side.as_slice()[0].clone();
    let acquired =
        pair.a.endpoint.acquire(pair.now, OFFICE, selector(&net("10.1.0")), selector(&net("10.9.0")));
    assert_eq!(acquired, Acquired::Refused(id));
}

#[test]
fn an_acquire_while_the_ike_sa_ends_starts_another() {
    let mut pair = Pair::new().establish();
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    let selector = |side: &ipseclab_ike::TrafficSelectors| side.as_slice()[0].clone();
    let acquired =
        pair.a.endpoint.acquire(pair.now, OFFICE, selector(&net("10.1.0")), selector(&net("10.2.0")));
    assert!(matches!(acquired, Acquired::Started(new) if new != id), "{acquired:?}");
    pair.flush();
    pair.run_for(Duration::from_secs(60));
    assert_eq!(pair.live_children().len(), 1);
}
