//! Where messages go: answers follow their requests, and who is not behind a NAT follows its peer
//! (RFC 7296 §2.11, §2.23).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_ike::wire::{ExchangeType, Message, NotifyPayload, NotifyType, Payload};
use ipseclab_ike::{Event, Role};

use crate::support::craft::{Crafter, notify};
use crate::support::{A, B, Nat, OFFICE, Pair, Peer, Verdict};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const FORGOTTEN: Nat = Nat { address: OUTSIDE, port_offset: 20_000 };
const REBOUND: Nat = Nat { address: OUTSIDE, port_offset: 30_000 };

/// A behind a NAT, B in the open, one Child SA.
fn behind_nat() -> Pair {
    let mut pair = Pair::configured(|a, b| {
        (a.limits.keep_alive, b.connections[0].remote_address) = (Duration::ZERO, None);
    });
    pair.nat = Some(FORGOTTEN);
    let pair = pair.establish();
    assert_eq!(pair.live_children().len(), 1);
    pair
}

#[test]
fn an_answer_goes_where_the_request_came_from() {
    let mut pair = behind_nat();
    pair.nat = Some(REBOUND);
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.log[5].1.to, (OUTSIDE, 34_500).into());
    assert_eq!((pair.log.len(), pair.a.endpoint.ike_sa_count()), (6, 0));
}

#[test]
fn a_repeated_answer_goes_where_the_repeated_request_came_from() {
    let mut pair =
        behind_nat().script(|number, _| if number == 5 { Verdict::Lose } else { Verdict::Deliver });
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    pair.nat = Some(REBOUND);
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.titles()[6..], ["INFORMATIONAL 2 request again", "INFORMATIONAL 2 response again"]);
    assert_eq!(pair.log[7].1.to, (OUTSIDE, 34_500).into());
    assert_eq!(pair.a.endpoint.ike_sa_count(), 0);
}

#[test]
fn the_open_side_follows_its_peer_even_with_a_request_under_way() {
    let mut pair = behind_nat();
    pair.nat = Some(REBOUND);
    let (id, _) = pair.b.established();
    pair.b.endpoint.terminate(pair.now, id).unwrap();
    pair.flush();
    // The mapping that B writes to is gone; a liveness check of A shows B the new one.
    let alive = Crafter::new(&pair.a, Role::Initiator).request(ExchangeType::Informational, 2, &[]);
    let marked = [&[0; 4], alive.as_slice()].concat();
    pair.b.receive(pair.now, (OUTSIDE, 34_500), 4500, &marked);
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.titles()[5..], ["INFORMATIONAL 0 request again", "INFORMATIONAL 0 response"]);
    assert_eq!(pair.log[5].1.to, (OUTSIDE, 34_500).into());
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn the_side_behind_a_nat_answers_strangers_addresses_but_does_not_move() {
    let mut pair = behind_nat();
    let elsewhere = (Ipv4Addr::new(198, 51, 100, 7), 4500);
    let alive = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &[]);
    let answers = pair.a.receive(pair.now, elsewhere, 4500, &[&[0; 4], alive.as_slice()].concat());
    assert_eq!(answers[0].to, elsewhere.into());
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    assert_eq!(pair.a.drain()[0].to, (B, 4500).into());
}

#[test]
fn a_replayed_request_moves_nothing() {
    let mut pair = Pair::new().establish();
    let elsewhere = (Ipv4Addr::new(198, 51, 100, 7), 500);
    let replayed = pair.log[2].1.payload.clone();
    let answers = pair.b.receive(pair.now, elsewhere, 500, &replayed);
    assert_eq!(answers[0].to, elsewhere.into());
    let (id, _) = pair.b.established();
    pair.b.endpoint.terminate(pair.now, id).unwrap();
    assert_eq!(pair.b.drain()[0].to, (A, 500).into());
}

#[test]
fn a_peer_may_move_to_port_4500_without_a_nat() {
    // FACTS.md: with MOBIKE strongSwan does so in IKE_AUTH.
    let mut pair = Pair::new().script(|number, _| if number == 2 { Verdict::Lose } else { Verdict::Deliver });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let request = [&[0; 4], pair.log[2].1.payload.as_slice()].concat();
    let answers = pair.b.receive(pair.now, (A, 4500), 4500, &request);
    assert_eq!((answers[0].from, answers[0].to), ((B, 4500).into(), (A, 4500).into()));
    let child = pair.b.children()[0];
    assert!(!child.udp_encap);
    assert_eq!((child.local, child.remote), ((B, 4500).into(), (A, 4500).into()));
}

#[test]
fn without_nat_detection_by_the_peer_encap_does_not_move_to_port_4500() {
    let mut pair = Pair::with(|a, _| a.encap = true);
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    let request = pair.a.drain().remove(0);
    let answer = pair.b.receive(pair.now, (A, 500), 500, &request.payload).remove(0);
    let mut answer = Message::decode(&answer.payload).unwrap();
    answer.payloads.retain(|payload| !matches!(payload, Payload::Notify(_)));
    let sent = pair.a.receive(pair.now, (B, 500), 500, &answer.encode());
    assert_eq!((sent[0].from, sent[0].to), ((A, 500).into(), (B, 500).into()));
}

#[test]
fn a_responder_behind_a_nat_follows_to_port_4500_once() {
    let mut pair = Pair::with(|a, _| a.remote_address = Some(OUTSIDE.into()));
    pair.a.endpoint.initiate(pair.now, OFFICE).unwrap();
    let first = pair.a.drain().remove(0);
    let answer = pair.b.receive(pair.now, (A, 500), 500, &first.payload).remove(0);
    let auth = pair.a.receive(pair.now, (OUTSIDE, 500), 500, &answer.payload).remove(0);
    assert_eq!((auth.from, auth.to), ((A, 4500).into(), (OUTSIDE, 4500).into()));
    pair.b.receive(pair.now, (A, 4500), 4500, &auth.payload);
    assert_eq!(pair.b.children()[0].remote, (A, 4500).into());
    let (id, _) = pair.b.established();
    pair.b.endpoint.terminate(pair.now, id).unwrap();
    assert_eq!(pair.b.drain()[0].to, (A, 4500).into());
}

/// A behind a NAT with MOBIKE on both sides.
fn mobile() -> Pair {
    let mut pair = Pair::configured(|a, b| {
        (a.limits.keep_alive, b.connections[0].remote_address) = (Duration::ZERO, None);
        for config in [a, b] {
            config.connections[0].mobike = true;
            config.connections[0].proposals = vec![parse_ike_proposal("aes128-sha256-x25519").unwrap()];
        }
    });
    pair.nat = Some(FORGOTTEN);
    pair.establish()
}

fn moves(peer: &Peer) -> Vec<(SocketAddr, bool, usize)> {
    let change = |event: &Event| match event {
        Event::PathChanged(change) => Some((change.remote, change.udp_encap, change.children.len())),
        _ => None,
    };
    peer.events.iter().filter_map(change).collect()
}

#[test]
fn with_mobike_ike_auth_moves_to_port_4500_without_a_nat() {
    // FACTS.md, Ports; v2-mobike-p500.
    for (a, b, expected) in [(true, true, 4500), (true, false, 4500), (false, true, 500)] {
        let pair = Pair::with(|left, right| (left.mobike, right.mobike) = (a, b)).establish();
        assert_eq!(pair.log[2].1.to.port(), expected);
        let announced =
            [2, 3].map(|n| pair.log[n].1.message.payloads.contains(&"N(MOBIKE_SUPPORTED)".to_owned()));
        assert_eq!(announced, [a, a && b]);
        assert!(!pair.a.children()[0].udp_encap);
        assert_eq!(pair.live_children().len(), 1);
    }
}

#[test]
fn with_mobike_and_a_nat_a_sign_of_life_carries_nat_detection_both_ways() {
    // v2-nat-dpd-initiator: 128 octets each way with AES-CBC and SHA-256-128, and the marker.
    let mut pair = mobile();
    pair.nat = Some(REBOUND);
    let (id, _) = pair.a.established();
    pair.a.endpoint.note_path(pair.now, id, (B, 4501).into()).unwrap();
    assert!(pair.a.drain().is_empty(), "whoever is behind a NAT follows nobody");
    let mut pair = Pair::with(|a, b| {
        (a.dpd_delay, b.remote_address) = (Some(Duration::from_secs(2)), None);
        for connection in [a, b] {
            connection.mobike = true;
            connection.proposals = vec![parse_ike_proposal("aes128-sha256-x25519").unwrap()];
        }
    });
    pair.nat = Some(FORGOTTEN);
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    pair.nat = Some(REBOUND);
    pair.run_for(Duration::from_millis(1500));
    let lens: Vec<_> = pair.log[4..].iter().map(|(_, sent)| sent.payload.len()).collect();
    assert_eq!(lens, [132, 132]);
    assert_eq!(pair.log[5].1.message.payloads[1], "N(NAT_DETECTION_SOURCE_IP)");
    assert_eq!(moves(&pair.b), [((OUTSIDE, 34_500).into(), true, 1)], "and shows B the new outside");
}

#[test]
fn esp_from_a_new_outside_is_believed_when_the_peer_answers_there() {
    let mut pair = behind_nat();
    pair.nat = Some(REBOUND);
    let (id, _) = pair.b.established();
    let (now, outside) = (pair.now, (OUTSIDE, 34_500).into());
    pair.b.endpoint.note_path(now, id, outside).unwrap();
    pair.b.endpoint.note_path(now, id, outside).unwrap();
    assert!(moves(&pair.b).is_empty());
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(moves(&pair.b), [(outside, true, 1)]);
    assert_eq!(pair.log.len(), 6, "one question and its answer");
    pair.b.endpoint.note_path(pair.now, id, outside).unwrap();
    assert!(pair.b.drain().is_empty());
}

#[test]
fn esp_from_a_wrong_address_moves_nothing_and_ends_nothing() {
    let mut pair = behind_nat();
    let (id, _) = pair.b.established();
    let stranger = (Ipv4Addr::new(198, 51, 100, 7), 4500).into();
    pair.b.endpoint.note_path(pair.now, id, stranger).unwrap();
    pair.flush();
    assert_eq!(pair.log[4].1.to, stranger);
    pair.run_for(Duration::from_mins(5));
    assert!(moves(&pair.b).is_empty());
    assert_eq!(pair.live_children().len(), 1, "the repetition went to the old place too");
}

/// What a mobile initiator sends when its address has changed (RFC 4555 §3.5).
fn update() -> Vec<Payload> {
    let echo = NotifyPayload::new(NotifyType::Cookie2, vec![9; 16]);
    vec![
        notify(NotifyType::UpdateSaAddresses),
        Payload::Notify(NotifyPayload::new(NotifyType::NatDetectionSourceIp, vec![1; 20])),
        Payload::Notify(NotifyPayload::new(NotifyType::NatDetectionDestinationIp, vec![2; 20])),
        Payload::Notify(echo),
    ]
}

#[test]
fn an_initiator_with_mobike_may_move_and_gets_its_echo() {
    let mut pair = Pair::with(|a, b| (a.mobike, b.mobike) = (true, true)).establish();
    let elsewhere = (Ipv4Addr::new(198, 51, 100, 7), 4500);
    let request = Crafter::new(&pair.a, Role::Initiator).request(ExchangeType::Informational, 2, &update());
    let answers = pair.b.receive(pair.now, elsewhere, 4500, &[&[0; 4], request.as_slice()].concat());
    let payloads = &answers[0].message.payloads[1..];
    assert_eq!(payloads, ["N(NAT_DETECTION_SOURCE_IP)", "N(NAT_DETECTION_DESTINATION_IP)", "N(COOKIE2)"]);
    // The hashes are of no address, so both sides are behind a NAT by now, and B has moved none the less.
    assert_eq!(moves(&pair.b).last(), Some(&(elsewhere.into(), true, 1)));
}

#[test]
fn without_mobike_an_update_is_read_over() {
    let mut pair = Pair::new().establish();
    let request = Crafter::new(&pair.a, Role::Initiator).request(ExchangeType::Informational, 2, &update());
    let answers = pair.b.receive(pair.now, (A, 500), 500, &request);
    assert_eq!(
        (answers[0].message.payloads.as_slice(), moves(&pair.b).len()),
        (["SK".to_owned()].as_slice(), 0)
    );
}

#[test]
fn a_responder_does_not_decide_on_addresses() {
    let mut pair = Pair::with(|a, b| (a.mobike, b.mobike) = (true, true)).establish();
    let (id, _) = pair.a.established();
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &update());
    pair.a.receive(pair.now, (B, 4500), 4500, &[&[0; 4], request.as_slice()].concat());
    assert!(moves(&pair.a).is_empty());
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    assert_eq!(pair.a.drain()[0].to, (B, 4500).into());
}
