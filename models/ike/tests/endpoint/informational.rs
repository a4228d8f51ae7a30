//! INFORMATIONAL and commands under unusual input: misplaced notifications, strange Deletes, full queues
//! (RFC 7296 §1.4, §2.21.3).

use std::time::Duration;

use ipseclab_ike::config::ChildId;
use ipseclab_ike::proposal::parse_ah_proposal;
use ipseclab_ike::wire::{DeletePayload, ExchangeType, NotifyType, Payload, ProtocolId};
use ipseclab_ike::{Acquired, ChildProtocol, CloseReason, DropReason, Event, Role};

use crate::support::craft::{Crafter, notify};
use crate::support::{A, B, LAN, OFFICE, Pair, Side, Verdict, net, tunnel};

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

/// A gets an authentic request of B with two notifications whose octets `edit` has changed; its answer's payloads, and
/// whether its IKE SA survives.
fn answer_to_edited(edit: impl FnOnce(&mut [u8])) -> (Vec<String>, bool) {
    let mut pair = Pair::new().establish();
    let mut crafter = Crafter::new(&pair.b, Role::Responder);
    let payloads = [notify(NotifyType::InitialContact), notify(NotifyType::InitialContact)];
    let request = crafter.request(ExchangeType::Informational, 0, &payloads);
    let answers = pair.a.receive(pair.now, (B, 500), 500, &crafter.edit(request, edit));
    (answers[0].message.payloads.clone(), pair.a.endpoint.established().count() == 1)
}

#[test]
fn an_unknown_critical_payload_is_refused_and_the_ike_sa_stays() {
    // RFC 7296 §2.5: the second payload is of type 200, and critical.
    let (answer, survives) = answer_to_edited(|inner| {
        inner[0] = 200;
        inner[9] = 0x80;
    });
    assert_eq!((answer, survives), (vec!["SK".into(), "N(UNSUPPORTED_CRITICAL_PAYLOAD)".into()], true));
}

#[test]
fn a_malformed_authentic_request_is_refused_and_ends_the_ike_sa() {
    // RFC 7296 §2.21.3: once the length of a payload is wrong, once the pad length.
    let lengths: [fn(&mut [u8]); 2] = [|inner| inner[3] = 200, |inner| *inner.last_mut().unwrap() = 200];
    for edit in lengths {
        let (answer, survives) = answer_to_edited(edit);
        assert_eq!((answer, survives), (vec!["SK".into(), "N(INVALID_SYNTAX)".into()], false));
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
    pair.a.endpoint.close_idle_child(pair.now, id, spis[0]).unwrap();
    pair.flush();
    pair.run_for(Duration::from_mins(1));
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
fn children_under_two_protocols_are_deleted_together_and_answered_by_protocol() {
    let mut pair = Pair::with(|a, b| {
        for (side, [own, peers]) in [(a, ["10.1.1", "10.2.1"]), (b, ["10.2.1", "10.1.1"])] {
            let mut child = tunnel(own, peers);
            "dmz".clone_into(&mut child.name);
            child.esp_proposals = vec![];
            child.ah_proposals = vec![parse_ah_proposal("sha1").unwrap()];
            side.children.push(child);
        }
    })
    .establish();
    pair.a.endpoint.initiate_child(pair.now, ChildId { connection: OFFICE, place: 1 }).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    let [esp, ah] = [0, 1].map(|place: usize| pair.a.children()[place].spi_out.to_be_bytes());
    assert_eq!(pair.a.children()[1].protocol, ChildProtocol::Ah);
    let payloads = [
        Payload::Delete(DeletePayload { protocol: ProtocolId::Ah, spis: vec![ah] }),
        Payload::Delete(DeletePayload::esp(vec![esp])),
    ];
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &payloads);
    let answers = pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(answers[0].message.payloads, ["SK", "D", "D"]);
    assert!(pair.a.established().1.is_empty());
}

#[test]
fn an_ah_sa_of_the_same_spi_is_another_one() {
    let mut pair = Pair::new().establish();
    let spi = pair.a.children()[0].spi_out.to_be_bytes();
    let payloads = [Payload::Delete(DeletePayload { protocol: ProtocolId::Ah, spis: vec![spi] })];
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &payloads);
    pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(pair.a.established().1.len(), 1);
}

#[test]
fn a_child_that_both_delete_is_named_in_no_answer() {
    // RFC 7296 §1.4.1.
    let mut pair = Pair::new().establish();
    for side in [Side::A, Side::B] {
        let (id, spis) = pair.peer(side).established();
        let now = pair.now;
        pair.peer(side).endpoint.close_child(now, id, spis[0]).unwrap();
    }
    pair.flush();
    pair.run_for(Duration::from_secs(1));
    let payloads: Vec<_> =
        pair.log[4..8].iter().map(|(_, transmit)| transmit.message.payloads.join(" ")).collect();
    assert_eq!(payloads, ["SK D", "SK D", "SK", "SK"]);
}

#[test]
fn a_reflected_message_and_one_of_a_strange_peer_are_of_unknown_ike_sas() {
    let mut pair = Pair::new().establish();
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    let request = pair.a.drain().remove(0).payload;
    pair.a.receive(pair.now, (B, 500), 500, &request);
    let mut strange = request;
    strange[0] ^= 1;
    pair.b.receive(pair.now, (A, 500), 500, &strange);
    assert_eq!(
        (pair.a.drops(), pair.b.drops()),
        (vec![DropReason::UnknownSpi], vec![DropReason::UnknownSpi])
    );
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
fn a_packet_after_the_peer_has_deleted_the_child_asks_for_another_in_the_same_ike_sa() {
    let mut pair = Pair::new().establish();
    let (old, spis) = pair.a.established();
    let child = pair.a.children()[0];
    let payloads = [Payload::Delete(DeletePayload::esp(vec![child.spi_out.to_be_bytes()]))];
    let request = Crafter::new(&pair.b, Role::Responder).request(ExchangeType::Informational, 0, &payloads);
    pair.a.receive(pair.now, (B, 500), 500, &request);
    assert_eq!(pair.a.count(|e| matches!(e, Event::ChildSaClosed { spi_in, .. } if *spi_in == spis[0])), 1);
    let selector = |side: &ipseclab_ike::TrafficSelectors| side.as_slice()[0].clone();
    let acquired = pair.a.endpoint.acquire(pair.now, LAN, selector(&net("10.1.0")), selector(&net("10.2.0")));
    assert_eq!(acquired, Acquired::InProgress(old));
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    let (same, fresh) = pair.a.established();
    assert_eq!((same, fresh.len()), (old, 1));
    assert_ne!(fresh, spis);
    // B never sent that Delete itself and still has the old Child SA too.
    assert_eq!(pair.b.established().1.len(), 2);
}

#[test]
fn a_refused_child_is_not_asked_for_again() {
    let mut pair = Pair::with(|a, _| a.children[0].remote_ts = net("10.9.0").into()).establish();
    let (id, _) = pair.a.established();
    let selector = |side: &ipseclab_ike::TrafficSelectors| side.as_slice()[0].clone();
    let acquired = pair.a.endpoint.acquire(pair.now, LAN, selector(&net("10.1.0")), selector(&net("10.9.0")));
    assert_eq!(acquired, Acquired::Refused(id));
}

#[test]
fn an_acquire_while_the_ike_sa_ends_starts_another() {
    let mut pair = Pair::new().establish();
    let (id, _) = pair.a.established();
    pair.a.endpoint.terminate(pair.now, id).unwrap();
    let selector = |side: &ipseclab_ike::TrafficSelectors| side.as_slice()[0].clone();
    let acquired = pair.a.endpoint.acquire(pair.now, LAN, selector(&net("10.1.0")), selector(&net("10.2.0")));
    assert!(matches!(acquired, Acquired::Started(new) if new != id), "{acquired:?}");
    pair.flush();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.live_children().len(), 1);
}
