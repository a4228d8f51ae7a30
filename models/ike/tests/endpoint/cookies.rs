//! A responder under load (RFC 7296 §2.6): who gets a cookie, who gets in, and what a flood leaves behind.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipseclab_ike::wire::{Header, IkeSpi, Message, NotifyPayload, NotifyType, Payload};
use ipseclab_ike::{DropReason, Event, Transmit};

use crate::support::craft::init_answer;
use crate::support::{A, OFFICE, Pair, Peer};

/// A pair whose B takes first requests from anywhere and asks for cookies from `threshold` half-open IKE SAs on.
fn guarded(threshold: usize) -> Pair {
    Pair::configured(|_, b| {
        b.connections[0].remote_address = None;
        b.limits.cookie_threshold = threshold;
    })
}

/// A genuine first request of A.
fn first_request(pair: &mut Pair) -> Vec<u8> {
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    pair.a.drain().remove(0).payload
}

/// `request` under another initiator's SPI.
fn under_spi(request: &[u8], spi: u64) -> Vec<u8> {
    [&spi.to_be_bytes(), &request[8..]].concat()
}

fn with_cookie(request: &[u8], cookie: &[u8]) -> Vec<u8> {
    let mut message = Message::decode(request).unwrap();
    message.payloads.insert(0, Payload::Notify(NotifyPayload::new(NotifyType::Cookie, cookie.to_vec())));
    message.encode()
}

/// The cookie in an answer, if that is what it is.
fn cookie(answer: &Transmit) -> Option<Vec<u8>> {
    match Message::decode(&answer.payload).unwrap().payloads.as_slice() {
        [Payload::Notify(notify)] if notify.kind == NotifyType::Cookie => Some(notify.data.clone()),
        _ => None,
    }
}

fn address(number: u32) -> SocketAddr {
    (Ipv4Addr::from(0x0a00_0000 + number), 500).into()
}

/// B's answer to `request` from the `number`th address.
fn ask(b: &mut Peer, now: Duration, number: u32, request: &[u8]) -> Option<Transmit> {
    b.receive(now, address(number), 500, request).pop()
}

#[test]
fn from_the_threshold_on_first_requests_are_asked_for_a_cookie_without_state() {
    let mut pair = guarded(3);
    let request = first_request(&mut pair);
    for number in 1..=3 {
        let answer = ask(&mut pair.b, pair.now, number, &request).unwrap();
        assert_eq!(cookie(&answer), None, "{number} half-open IKE SAs");
    }
    let answer = ask(&mut pair.b, pair.now, 4, &request).unwrap();
    // v2-cookie: 60 octets, of which the cookie is 24, and no SPI of the responder.
    assert_eq!((answer.payload.len(), cookie(&answer).unwrap().len()), (60, 24));
    assert_eq!(Header::decode(&answer.payload).unwrap().spi_r, IkeSpi::ZERO);
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.endpoint.counters().cookies), (3, 1));
}

#[test]
fn from_the_fourth_half_open_of_one_address_on_it_is_asked_and_no_other() {
    // FACTS.md, default DoS limits.
    let mut pair = guarded(30);
    let request = first_request(&mut pair);
    let asked: Vec<_> = (1..=4)
        .map(|spi| cookie(&ask(&mut pair.b, pair.now, 1, &under_spi(&request, spi)).unwrap()).is_some())
        .collect();
    assert_eq!(asked, [false, false, false, true]);
    assert_eq!(cookie(&ask(&mut pair.b, pair.now, 2, &request).unwrap()), None);
}

#[test]
fn more_than_five_of_one_address_are_dropped_with_the_right_cookie_too() {
    let mut pair = guarded(30);
    let request = first_request(&mut pair);
    for spi in 1..=7 {
        let request = under_spi(&request, spi);
        let Some(answer) = ask(&mut pair.b, pair.now, 1, &request) else { continue };
        if let Some(cookie) = cookie(&answer) {
            ask(&mut pair.b, pair.now, 1, &with_cookie(&request, &cookie));
        }
    }
    assert_eq!(pair.b.endpoint.ike_sa_count(), 5);
    assert_eq!(pair.b.drops(), [DropReason::Limit; 2]);
}

#[test]
fn a_right_cookie_gets_through_and_a_wrong_one_is_answered_with_a_fresh_one() {
    let mut pair = guarded(1);
    let request = first_request(&mut pair);
    ask(&mut pair.b, pair.now, 1, &request);
    let given = cookie(&ask(&mut pair.b, pair.now, 2, &request).unwrap()).unwrap();
    let stolen = ask(&mut pair.b, pair.now, 3, &with_cookie(&request, &given)).unwrap();
    assert!(cookie(&stolen).is_some_and(|other| other != given), "a cookie is good for one address");
    let answer = ask(&mut pair.b, pair.now, 2, &with_cookie(&request, &given)).unwrap();
    assert_eq!((cookie(&answer), pair.b.endpoint.ike_sa_count()), (None, 2));
}

#[test]
fn a_cookie_that_nobody_asked_for_is_passed_over() {
    // Probe 33 of v2-probes.
    let mut pair = guarded(30);
    let request = first_request(&mut pair);
    let answer = ask(&mut pair.b, pair.now, 1, &with_cookie(&request, &[7; 24])).unwrap();
    assert_eq!((cookie(&answer), pair.b.endpoint.ike_sa_count()), (None, 1));
}

#[test]
fn an_initiator_that_is_asked_for_a_cookie_gets_its_tunnel() {
    let mut pair = guarded(1);
    let request = first_request(&mut pair);
    ask(&mut pair.b, pair.now, 1, &under_spi(&request, 99));
    let mut pair = Pair::of(Pair::new().a, pair.b).establish();
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.log[2].1.message.payloads[0], "N(COOKIE)");
    assert_eq!(pair.b.endpoint.counters().cookies, 1);
    pair.flush();
}

#[test]
fn zero_thresholds_never_ask() {
    let mut pair = guarded(0);
    pair.b = Peer::new(
        {
            let mut config = pair.b.endpoint.config().clone();
            (config.limits.cookie_threshold_per_address, config.limits.half_open_per_address) = (0, 0);
            config
        },
        crate::support::Counting::new(3),
    );
    let request = first_request(&mut pair);
    for spi in 1..=40 {
        ask(&mut pair.b, pair.now, 1, &under_spi(&request, spi));
    }
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.endpoint.counters().cookies), (40, 0));
}

#[test]
fn a_flood_of_a_hundred_thousand_leaves_little_behind_and_a_peer_gets_through() {
    const FLOOD: u32 = 100_000;
    let mut pair = guarded(30);
    let request = first_request(&mut pair);
    for number in 0..FLOOD {
        ask(&mut pair.b, pair.now, number, &under_spi(&request, u64::from(number) + 1));
        pair.b.events.clear();
    }
    assert_eq!((pair.b.endpoint.ike_sa_count(), pair.b.endpoint.counters().cookies), (30, 99_970));
    let pair = Pair::of(Pair::new().a, pair.b).establish();
    assert_eq!(pair.live_children().len(), 1);
    assert_eq!(pair.b.endpoint.ike_sa_count(), 1, "the flood is forgotten after half_open_timeout");
}

#[test]
fn unknown_ike_sas_meet_silence_by_default_and_a_bounded_answer_on_wish() {
    let stray = {
        let mut pair = Pair::new().establish();
        let (id, _) = pair.a.established();
        pair.a.endpoint.terminate(pair.now, id).unwrap();
        pair.a.drain().remove(0).payload
    };
    let mut silent = Pair::new();
    assert!(silent.b.receive(silent.now, (A, 500), 500, &stray).is_empty());
    let mut pair = Pair::configured(|_, b| b.limits.answer_unknown_spi = 2);
    let answers: Vec<_> = (0..5)
        .flat_map(|_| pair.b.receive(pair.now, (A, 500), 500, &stray))
        .map(|sent| sent.payload)
        .collect();
    assert_eq!((answers.len(), pair.b.drops().len()), (2, 5));
    let (asked, answer) = (Header::decode(&stray).unwrap(), Message::decode(&answers[0]).unwrap());
    assert_eq!((answer.header.spi_i, answer.header.spi_r), (asked.spi_i, asked.spi_r));
    assert_eq!((answer.header.message_id, answer.header.flags.response), (asked.message_id, true));
    assert!(matches!(&answer.payloads[..], [Payload::Notify(n)] if n.kind == NotifyType::InvalidIkeSpi));
    // The answer itself is a response, which nobody answers.
    assert!(pair.b.receive(Duration::from_secs(2), (A, 500), 500, &answers[0]).is_empty());
}

#[test]
fn a_hint_that_the_peer_knows_nothing_only_asks_the_peer() {
    let mut pair = Pair::new().establish();
    let template = Header::decode(&pair.log[3].1.payload).unwrap();
    let mut forged =
        init_answer(template.spi_i, vec![crate::support::craft::notify(NotifyType::InvalidIkeSpi)]);
    forged[8..16].copy_from_slice(&template.spi_r.as_u64().to_be_bytes());
    forged[18] = 37;
    let asked = pair.a.receive(pair.now, (crate::support::B, 500), 500, &forged);
    assert_eq!((asked.len(), asked[0].message.message_id.as_u32()), (1, 2));
    assert!(pair.a.receive(pair.now, (crate::support::B, 500), 500, &forged).is_empty(), "once at a time");
    assert_eq!(pair.a.count(|event| matches!(event, Event::IkeSaClosed { .. })), 0);
}
