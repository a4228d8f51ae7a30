//! Messages that travel in pieces (RFC 7383): who may send them, how they are repeated, and what is kept of them.

use std::time::Duration;

use ipseclab_ike::config::{EndpointConfig, Fragmentation, RetransmitPolicy};
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::wire::{Header, PayloadType};
use ipseclab_ike::{Event, Identity, IkeSaId, Transmit};

use crate::support::{A, Pair, Verdict};

/// IP datagrams of at most 192 octets: `IKE_AUTH` with a shared key needs two fragments.
const SMALL: Fragmentation = Fragmentation::Above(192);

/// A pair with these settings, and ciphers with blocks.
fn pair(a: Fragmentation, b: Fragmentation) -> Pair {
    Pair::with(|left, right| {
        (left.fragmentation, right.fragmentation) = (a, b);
        for connection in [left, right] {
            connection.proposals = vec![parse_ike_proposal("aes256-sha256-x25519").unwrap()];
        }
    })
}

/// What each datagram is: its exchange, its fragment and its octets without the non-ESP marker.
fn sent(pair: &Pair) -> Vec<(Option<(u16, u16)>, usize)> {
    let one = |transmit: &Transmit| (transmit.message.fragment, transmit.payload.len());
    pair.log.iter().map(|(_, transmit)| one(transmit)).collect()
}

fn in_fragments(pair: &Pair) -> usize {
    pair.log.iter().filter(|(_, transmit)| transmit.message.fragment.is_some()).count()
}

#[test]
fn both_sides_cut_what_is_too_long_and_put_it_together_again() {
    let pair = pair(SMALL, SMALL).establish();
    assert_eq!(pair.live_children().len(), 1);
    let sent = sent(&pair);
    let (init, auth) = sent.split_at(2);
    assert!(init.iter().all(|(fragment, _)| fragment.is_none()), "never in IKE_SA_INIT: {init:?}");
    let numbers: Vec<_> = auth.iter().map(|(fragment, _)| fragment.unwrap()).collect();
    assert_eq!(numbers, [(1, 2), (2, 2), (1, 2), (2, 2)]);
    // 192 − 20 − 8 = 164; header 28, SKF 8, IV 16, ICV 16, and six blocks of 16.
    assert_eq!((auth[0].1, auth[2].1), (164, 164));
}

#[test]
fn nothing_is_cut_unless_both_sides_can() {
    use Fragmentation::{Accept, Off};
    for (a, b, expected) in
        [(SMALL, Off, 0), (Off, SMALL, 0), (Accept, SMALL, 2), (SMALL, Accept, 2), (Accept, Accept, 0)]
    {
        let pair = pair(a, b).establish();
        assert_eq!((pair.live_children().len(), in_fragments(&pair)), (1, expected), "{a:?} {b:?}");
        let announced = pair.log[0].1.message.payloads.iter().any(|p| p.contains("FRAGMENTATION"));
        assert_eq!(announced, a != Off);
    }
}

#[test]
fn a_lost_fragment_costs_a_repetition_of_all() {
    let lossy = pair(SMALL, SMALL)
        .script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver })
        .establish();
    assert_eq!(lossy.live_children().len(), 1);
    let repeated: Vec<_> = lossy
        .log
        .iter()
        .filter(|(_, sent)| sent.message.repeated)
        .map(|(_, sent)| sent.message.fragment)
        .collect();
    assert_eq!(repeated, [Some((1, 2)), Some((2, 2))]);
    assert!(lossy.b.drops().is_empty(), "a fragment that is there already is no fault");
}

#[test]
fn a_repeated_request_is_answered_once_for_its_first_fragment() {
    let mut pair = pair(SMALL, SMALL);
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let request: Vec<_> = pair.log[2..4].iter().map(|(_, sent)| sent.payload.clone()).collect();
    let second = pair.b.receive(pair.now, (A, 500), 500, &request[1]);
    assert!(second.is_empty() && pair.b.drops().is_empty());
    let first = pair.b.receive(pair.now, (A, 500), 500, &request[0]);
    assert_eq!(
        first.iter().map(|sent| sent.message.fragment).collect::<Vec<_>>(),
        [Some((1, 2)), Some((2, 2))]
    );
    assert!(first.iter().all(|sent| sent.message.repeated));
}

#[test]
fn fragments_in_any_order_make_the_same_request() {
    let mut pair = pair(SMALL, SMALL).script(|number, _| match number {
        2 => Verdict::Delay(Duration::from_millis(50)),
        _ => Verdict::Deliver,
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.live_children().len(), 1);
    let request = pair.log[2].1.payload.clone();
    assert_eq!(pair.b.receive(pair.now, (A, 500), 500, &request).len(), 2, "known by its first fragment");
}

#[test]
fn forged_fragments_are_kept_by_nobody() {
    let mut pair =
        pair(SMALL, SMALL).script(|number, _| if number == 3 { Verdict::Lose } else { Verdict::Deliver });
    pair.initiate();
    pair.run_for(Duration::from_secs(1));
    let genuine = pair.log[3].1.payload.clone();
    for at in 28..genuine.len() {
        let mut forged = genuine.clone();
        forged[at] ^= 1;
        assert!(pair.b.receive(pair.now, (A, 500), 500, &forged).is_empty(), "octet {at}");
    }
    assert_eq!(pair.b.receive(pair.now, (A, 500), 500, &genuine).len(), 2);
}

#[test]
fn more_fragments_or_octets_than_the_limits_are_dropped() {
    let limits: [fn(&mut EndpointConfig); 2] =
        [|b| b.limits.fragments = 1, |b| b.limits.fragmented_octets = 250];
    for limit in limits {
        let pair = Pair::configured(|a, b| {
            for config in [&mut *a, &mut *b] {
                config.connections[0].fragmentation = SMALL;
                config.connections[0].retransmit =
                    RetransmitPolicy { tries: 1, ..RetransmitPolicy::default() };
            }
            limit(b);
        })
        .establish();
        assert_eq!(pair.b.endpoint.ike_sa_count(), 0);
        assert!(pair.b.drops().iter().all(|reason| *reason == ipseclab_ike::DropReason::Limit));
        assert!(!pair.b.drops().is_empty());
    }
}

#[test]
fn a_renewed_ike_sa_still_cuts() {
    let mut pair = pair(Fragmentation::Above(200), Fragmentation::Above(200)).establish();
    let (old, _) = pair.a.established();
    pair.a.endpoint.rekey_ike(pair.now, old).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(10));
    let (new, _): (IkeSaId, _) = pair.a.established();
    assert_ne!(old, new);
    let before = in_fragments(&pair);
    pair.a.endpoint.rekey_ike(pair.now, new).unwrap();
    pair.flush();
    pair.run_for(Duration::from_secs(10));
    assert!(in_fragments(&pair) > before);
    assert_eq!(pair.a.count(|event| matches!(event, Event::IkeSaRekeyed { .. })), 2);
}

#[test]
fn fragments_carry_the_payload_type_of_the_first_inside_only_once() {
    let pair = pair(SMALL, SMALL).establish();
    let types: Vec<_> = pair.log[2..4]
        .iter()
        .map(|(_, sent)| (Header::decode(&sent.payload).unwrap().next_payload, sent.payload[28]))
        .collect();
    assert_eq!(types, [(PayloadType::EncryptedFragment, 35), (PayloadType::EncryptedFragment, 0)]);
}

#[test]
fn a_request_as_long_as_the_captured_one_has_its_fragments() {
    // v2-frag: 1411 octets of payloads, AES-CBC with SHA-256-128, fragment_size 576, port 4500.
    let long = Identity::parse(&format!("{}.example", "a".repeat(1230)));
    let pair = Pair::with(|a, b| {
        for connection in [&mut *a, &mut *b] {
            connection.proposals = vec![parse_ike_proposal("aes256-sha256-x25519").unwrap()];
            connection.children[0].esp_proposals = vec![parse_esp_proposal("aes128-sha256").unwrap()];
            (connection.fragmentation, connection.mobike) = (Fragmentation::Above(576), true);
        }
        a.local.id = Some(long.clone());
        b.remote.id = long.into();
    })
    .establish();
    assert_eq!(pair.live_children().len(), 1);
    let lens: Vec<_> = pair.log[2..6].iter().map(|(_, sent)| sent.payload.len() - 4).collect();
    assert_eq!(lens, [532, 532, 532, 100]);
}
