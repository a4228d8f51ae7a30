//! `IKE_SA_INIT` under input that a correct and friendly peer would not send (RFC 7296 §1.2, §2.4, §2.6, §2.7).

use std::time::Duration;

use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_ike::wire::{KePayload, Message, NotifyPayload, NotifyType, Payload, SaPayload};
use ipseclab_ike::{DropReason, FailureReason};

use crate::support::craft::{init_answer, notify};
use crate::support::{A, B, OFFICE, Pair, Verdict};

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
fn an_answer_that_chooses_another_group_than_its_key_exchange_is_refused() {
    let mut pair = Pair::with(|a, b| {
        a.proposals = vec![parse_ike_proposal("aes128-sha256-x25519-modp2048").unwrap()];
        b.proposals = vec![parse_ike_proposal("aes128-sha256-x25519").unwrap()];
    });
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    let request = pair.a.drain().remove(0);
    let answer = pair.b.receive(pair.now, (A, 500), 500, &request.payload).remove(0);
    let mut answer = Message::decode(&answer.payload).unwrap();
    let proposal = parse_ike_proposal("aes128-sha256-modp2048").unwrap().to_wire(1, &[]);
    answer.payloads[0] = Payload::Sa(SaPayload { proposals: vec![proposal] });
    assert!(pair.a.receive(pair.now, (B, 500), 500, &answer.encode()).is_empty());
    assert_eq!(pair.a.failures(), [FailureReason::NoProposalChosen]);
}

#[test]
fn an_answer_with_a_key_exchange_of_another_group_or_length_is_refused() {
    let changes: [fn(&mut KePayload); 3] =
        [|ke| ke.method = 14, |ke| ke.public_value.truncate(31), |ke| ke.public_value.fill(0)];
    for change in changes {
        let mut pair = Pair::new();
        pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
        let request = pair.a.drain().remove(0);
        let answer = pair.b.receive(pair.now, (A, 500), 500, &request.payload).remove(0);
        let mut answer = Message::decode(&answer.payload).unwrap();
        let Payload::Ke(ke) = &mut answer.payloads[1] else { unreachable!("SA, KE, …") };
        change(ke);
        assert!(pair.a.receive(pair.now, (B, 500), 500, &answer.encode()).is_empty());
        assert_eq!(pair.a.failures(), [FailureReason::InvalidSyntax]);
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
fn a_first_request_again_after_establishment_makes_no_second_ike_sa() {
    let mut pair = Pair::new().establish();
    let first = pair.log[0].1.payload.clone();
    assert!(pair.b.receive(pair.now, (A, 500), 500, &first).is_empty());
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.drops()), (1, vec![DropReason::MessageId]));
}

#[test]
fn half_open_ike_sas_are_bounded() {
    let mut pair = Pair::configured(|_, b| {
        (b.limits.half_open, b.limits.cookie_threshold_per_address) = (3, 0);
    });
    for _ in 0..5 {
        pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    }
    for request in pair.a.drain() {
        pair.b.receive(pair.now, (A, 500), 500, &request.payload);
    }
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.drops()), (3, vec![DropReason::Limit; 2]));
}

#[test]
fn a_nat_keepalive_is_not_a_malformed_message() {
    let mut pair = Pair::new();
    assert!(pair.b.receive(pair.now, (A, 4500), 4500, &[0xff]).is_empty());
    assert!(pair.b.drops().is_empty());
    pair.b.receive(pair.now, (A, 4500), 4500, &[0xff, 0xff]);
    assert_eq!(pair.b.drops(), [DropReason::Malformed]);
}
