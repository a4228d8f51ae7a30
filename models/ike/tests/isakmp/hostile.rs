//! Real messages, changed, at every stage: nothing panics, nobody is let in, nobody who is in is thrown out by an
//! outsider, and state stays bounded.
//!
//! Phase 1 is in the clear to begin with, so an outsider can spoil a set-up that has not come to its proofs; what it
//! cannot do is come up.

use ipseclab_ike::wire::isakmp::{
    Cookies, DeletePayload, ExchangeType, Header, Message, NotifyPayload, NotifyType, Payload, ProtocolId,
};

use crate::arena;
use crate::stage::{HALF_OPEN, Stage, Staged};

/// Throws every change of every message of a stage, and checks after each.
fn check(stage: Stage, change: impl Fn(&[u8]) -> Vec<Vec<u8>>) {
    let mut staged = Staged::new(stage);
    let (established, children) = (staged.counts().0, staged.children());
    assert_eq!(established, usize::from(stage.is_established()), "{stage:?}");
    let genuine = staged.genuine.clone();
    for bytes in genuine.iter().flat_map(|bytes| change(bytes)) {
        if genuine.contains(&bytes) {
            continue;
        }
        assert!(staged.throw(&bytes) <= 1, "{stage:?}: at most one answer");
        let (now_established, all) = staged.counts();
        assert_eq!((now_established, staged.children()), (established, children), "{stage:?}");
        assert!(all <= 1 + HALF_OPEN, "{stage:?}: {all} ISAKMP SAs");
    }
    staged.wait();
    let left = usize::from(stage.lasts());
    assert_eq!(staged.counts(), (left, left), "{stage:?}");
}

#[test]
fn every_flipped_bit_of_every_message_lets_nobody_in_and_throws_nobody_out() {
    let flips = |bytes: &[u8]| {
        let flip = |bit: usize| {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        };
        (0..bytes.len() * 8).step_by(3).map(flip).collect()
    };
    for stage in Stage::ALL {
        check(stage, flips);
    }
}

#[test]
fn every_prefix_of_every_message_does_no_more() {
    let cuts = |bytes: &[u8]| {
        let cut = |len: usize| {
            let mut short = bytes[..len].to_vec();
            if let Some(field) = short.get_mut(24..28) {
                field.copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
            }
            short
        };
        (0..bytes.len()).map(cut).collect()
    };
    for stage in Stage::ALL {
        check(stage, cuts);
    }
}

/// What only the peer may say, in the clear.
fn unprotected(cookies: Cookies) -> Vec<Payload> {
    let delete = |payload| Payload::Delete(payload);
    let notify = |kind| Payload::Notify(NotifyPayload::of_isakmp_sa(kind, cookies, vec![]));
    vec![
        delete(DeletePayload::isakmp_sa(cookies)),
        delete(DeletePayload::ipsec(ProtocolId::Esp, &[[0, 0, 1, 0]])),
        notify(NotifyType::InitialContact),
        notify(NotifyType::AuthenticationFailed),
        notify(NotifyType::InvalidCookie),
        notify(NotifyType::RUThere),
    ]
}

#[test]
fn unprotected_notifications_and_deletes_end_nothing_that_is_established() {
    for stage in Stage::ALL.into_iter().filter(|stage| stage.is_established()) {
        let mut staged = Staged::new(stage);
        let before = (staged.counts(), staged.children());
        let mut header = Header::decode(staged.genuine.last().unwrap()).unwrap().message_header().unwrap();
        header.exchange = ExchangeType::Informational;
        header.flags = ipseclab_ike::wire::isakmp::Flags::CLEAR;
        for payload in unprotected(header.cookies) {
            let bytes = Message { header, payloads: vec![payload] }.encode();
            assert_eq!(staged.throw(&bytes), 0, "{stage:?}");
            assert_eq!((staged.counts(), staged.children()), before, "{stage:?}");
        }
    }
}

#[test]
fn an_insiders_delete_ends_it_and_is_not_answered() {
    for stage in [Stage::Initiator, Stage::Responder] {
        let mut staged = Staged::new(stage);
        let mut insider = staged.insider().unwrap();
        let cookies = Header::decode(staged.genuine.last().unwrap()).unwrap().cookies;
        let delete = Payload::Delete(DeletePayload::isakmp_sa(cookies));
        let bytes = insider.begin(ExchangeType::Informational, 77, &[delete]);
        assert_eq!(staged.throw(&bytes), 0, "{stage:?}");
        assert_eq!((staged.counts(), staged.children()), ((0, 0), 0), "{stage:?}");
    }
}

#[test]
fn payloads_of_every_seed_under_the_right_keys_leave_no_half_built_state() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/isakmp");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for stage in 0..Stage::ALL.len() {
        for how in [0, 1] {
            let mut input = vec![u8::try_from(stage).unwrap()];
            for path in &paths {
                let bytes = std::fs::read(path).unwrap();
                let len = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                input.extend([&[how, len[0], len[1]], &bytes[..]].concat());
            }
            arena::play(&input);
        }
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_plays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/isakmp_endpoint");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        arena::play(&std::fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert_eq!(played, Stage::ALL.len());
}
