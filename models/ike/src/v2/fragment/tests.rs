//! Cutting and putting together, with every order, loss, copy and change of the fragments of a message.

use std::sync::Arc;

use ipseclab_crypto::{AesKey, Encryption, Integrity, OpenError, RealProvider, Secret};
use proptest::prelude::*;

use super::*;
use crate::wire::{
    DeletePayload, ExchangeType, Flags, IdPayload, IdType, IkeSpi, NoncePayload, NotifyPayload, NotifyType,
    Version,
};

const CBC: Encryption = Encryption::AesCbc(AesKey::Bits256);
const GCM: Encryption = Encryption::AesGcm16(AesKey::Bits256);
const PEER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);

struct Bench {
    crypto: Crypto,
    cipher: PacketCipher,
    reassembler: Reassembler,
}

impl Bench {
    fn new(encryption: Encryption) -> Self {
        Self::with_limits(encryption, FragmentLimits::default())
    }

    fn with_limits(encryption: Encryption, limits: FragmentLimits) -> Self {
        let crypto = Crypto::new(Arc::new(RealProvider::new()));
        let key = Secret::new(vec![1; encryption.key_material_len()]);
        let integrity_key = Secret::new(vec![2; 32]);
        let integrity = (!encryption.is_aead()).then_some((Integrity::HmacSha2_256_128, &integrity_key));
        let cipher = crypto.packet_cipher(encryption, &key, integrity);
        Self { crypto, cipher, reassembler: Reassembler::new(limits) }
    }

    fn seal(&mut self, header: &MessageHeader, inner_len: usize, limit: usize) -> Vec<Vec<u8>> {
        let limit = MessageLimit::new(limit);
        let mut fill = |draw: Draw, octets: &mut [u8]| match draw {
            Draw::Iv { fragment } => octets.fill(fragment.to_be_bytes()[1]),
            Draw::Padding => octets.fill(0x55),
        };
        seal(header, &payloads(inner_len), &self.cipher, &mut self.crypto, limit, &mut fill)
    }

    fn accept(&mut self, bytes: &[u8]) -> Result<Accepted, FragmentError> {
        self.reassembler.accept(bytes, &self.cipher, &mut self.crypto)
    }

    fn accept_all<'a>(&mut self, fragments: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Accepted> {
        fragments.into_iter().map(|bytes| self.accept(bytes).unwrap()).collect()
    }
}

fn header(message_id: u32) -> MessageHeader {
    MessageHeader {
        spi_i: IkeSpi::new(1),
        spi_r: IkeSpi::new(2),
        exchange: ExchangeType::IkeAuth,
        flags: Flags::request(true),
        message_id: MessageId::new(message_id),
        version: Version::V2_0,
    }
}

/// Payloads of `inner_len` octets, at least 44.
fn payloads(inner_len: usize) -> Vec<Payload> {
    let data: Vec<u8> = (0..inner_len - 44).map(|at| at.to_le_bytes()[0]).collect();
    let nonce = NoncePayload::new(vec![5; 32]).unwrap();
    vec![Payload::IdI(IdPayload::new(IdType::KeyId, data)), Payload::Nonce(nonce)]
}

fn message(message_id: u32, inner_len: usize) -> Message {
    Message { header: header(message_id), payloads: payloads(inner_len) }
}

fn lens(fragments: &[Vec<u8>]) -> Vec<usize> {
    fragments.iter().map(Vec::len).collect()
}

#[test]
fn lengths_are_those_of_strongswans_captures() {
    let mut bench = Bench::new(CBC);
    let limit = |size| MessageLimit::of_datagram(size, PEER, true);
    assert_eq!([1280, 576].map(|size| limit(size).chunk_len(&bench.cipher)), [1167, 463]);
    let cases = [
        (1411, 1280, vec![1236, 324]),
        (1293, 1280, vec![1236, 196]),
        (1194, 1280, vec![1236, 100]),
        (1411, 576, vec![532, 532, 532, 100]),
        (1293, 576, vec![532, 532, 436]),
    ];
    for (inner_len, size, expected) in cases {
        assert_eq!(lens(&bench.seal(&header(1), inner_len, limit(size).octets())), expected, "{inner_len}");
    }
}

#[test]
fn an_aead_fills_the_datagram_to_the_last_octet() {
    let mut bench = Bench::new(GCM);
    let limit = MessageLimit::of_datagram(576, PEER, true);
    assert_eq!(lens(&bench.seal(&header(1), 1000, limit.octets())), [544, 544, 95]);
}

#[test]
fn the_limit_counts_ip_udp_and_the_marker() {
    let v6 = IpAddr::V6(core::net::Ipv6Addr::LOCALHOST);
    assert_eq!(MessageLimit::of_datagram(1280, PEER, false).octets(), 1252);
    assert_eq!(MessageLimit::of_datagram(1280, PEER, true).octets(), 1248);
    assert_eq!(MessageLimit::of_datagram(1280, v6, true).octets(), 1228);
    assert_eq!(MessageLimit::of_datagram(1, PEER, true).octets(), MessageLimit::MIN);
    assert_eq!(MessageLimit::new(usize::MAX).octets(), MAX_MESSAGE_LEN);
}

#[test]
fn a_message_that_fits_stays_whole() {
    // SK has no fragment header: 1183 octets inside make 1248, while fragments would take 1167 each.
    let mut bench = Bench::new(CBC);
    assert_eq!(lens(&bench.seal(&header(1), 1183, 1248)), [1248]);
    let whole = bench.seal(&header(1), 1183, 1248).remove(0);
    assert_eq!(protect::open(&whole, &bench.cipher, &mut bench.crypto), Ok(message(1, 1183)));
    assert_eq!(bench.accept(&whole), Err(FragmentError::NotAFragment));
    assert_eq!(bench.seal(&header(1), 1184, 1248).len(), 2);
}

#[test]
fn the_first_fragment_alone_names_what_is_inside_and_each_has_its_iv() {
    let mut bench = Bench::new(GCM);
    for (bytes, number) in bench.seal(&header(1), 1000, 400).iter().zip(1..) {
        let closed = Closed::decode(bytes).unwrap();
        let expected = if number == 1 { PayloadType::IdI } else { PayloadType::None };
        assert_eq!(closed.skf.first_inner, expected);
        assert_eq!(closed.skf.fragment.to_string(), format!("{number}/3"));
        assert_eq!(closed.skf.body[..8], [number; 8]);
    }
}

#[test]
fn every_order_of_the_fragments_gives_the_message_once() {
    for encryption in [CBC, GCM] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut bench = Bench::new(encryption);
            let fragments = bench.seal(&header(1), 1000, 450);
            let got = bench.accept_all(order.map(|at| &fragments[at]));
            let incomplete = |received| Accepted::Incomplete { received, total: 3 };
            assert_eq!(got, [incomplete(1), incomplete(2), Accepted::Complete(message(1, 1000))]);
            assert_eq!(bench.reassembler.octets(), 0);
        }
    }
}

#[test]
fn copies_change_nothing_and_cost_no_decryption() {
    let mut bench = Bench::new(GCM);
    let fragments = bench.seal(&header(1), 1000, 450);
    bench.accept_all(&fragments[..2]);
    let (octets, _) = (bench.reassembler.octets(), bench.crypto.take_work());
    assert_eq!(bench.accept_all(&fragments[..2]), [Accepted::Duplicate, Accepted::Duplicate]);
    assert_eq!((bench.reassembler.octets(), bench.crypto.take_work()), (octets, Vec::new()));
    assert_eq!(bench.accept_all(&fragments[2..]), [Accepted::Complete(message(1, 1000))]);
}

#[test]
fn a_lost_fragment_is_made_good_by_sending_all_again() {
    for lost in 0..3 {
        let mut bench = Bench::new(CBC);
        let fragments = bench.seal(&header(1), 1000, 450);
        let others = fragments.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, bytes)| bytes);
        let first_round = bench.accept_all(others);
        assert!(!first_round.iter().any(|got| matches!(got, Accepted::Complete(_))));
        let second_round = bench.accept_all(&fragments[..=lost]);
        assert_eq!(second_round.last(), Some(&Accepted::Complete(message(1, 1000))));
    }
}

#[test]
fn no_flipped_bit_and_no_prefix_of_a_fragment_is_kept() {
    for encryption in [CBC, GCM] {
        let mut bench = Bench::new(encryption);
        for good in bench.seal(&header(1), 300, 200) {
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(bench.accept(&bad).is_err(), "bit {bit}");
            }
            for len in 0..good.len() {
                assert!(bench.accept(&good[..len]).is_err(), "first {len} octets");
            }
        }
        assert_eq!(bench.reassembler.octets(), 0);
        let again = bench.seal(&header(1), 300, 200);
        assert_eq!(bench.accept_all(&again).last(), Some(&Accepted::Complete(message(1, 300))));
    }
}

#[test]
fn a_forged_fragment_does_not_take_the_place_of_the_real_one() {
    let mut bench = Bench::new(GCM);
    let fragments = bench.seal(&header(1), 600, 450);
    let mut forged = fragments[1].clone();
    *forged.last_mut().unwrap() ^= 1;
    bench.accept(&fragments[0]).unwrap();
    let error = FragmentError::Protect(ProtectError::Open(OpenError::Integrity));
    assert_eq!(bench.accept(&forged), Err(error));
    assert_eq!(bench.accept(&fragments[1]), Ok(Accepted::Complete(message(1, 600))));
}

#[test]
fn more_fragments_begin_anew_and_fewer_are_refused() {
    let mut bench = Bench::new(GCM);
    let (few, many) = (bench.seal(&header(1), 1000, 600), bench.seal(&header(1), 1000, 450));
    assert_eq!((few.len(), many.len()), (2, 3));
    bench.accept(&few[0]).unwrap();
    assert_eq!(bench.accept(&many[1]), Ok(Accepted::Incomplete { received: 1, total: 3 }));
    assert_eq!(bench.reassembler.octets(), many[1].len());
    assert_eq!(bench.accept(&few[1]), Err(FragmentError::FewerFragments { total: 2, known: 3 }));
    let got = bench.accept_all([&many[0], &many[2]]);
    assert_eq!(got[1], Accepted::Complete(message(1, 1000)));
}

#[test]
fn a_forged_total_does_not_throw_away_what_is_there() {
    let mut bench = Bench::new(GCM);
    let fragments = bench.seal(&header(1), 600, 450);
    bench.accept(&fragments[0]).unwrap();
    let mut forged = fragments[1].clone();
    forged[35] = 9;
    assert!(bench.accept(&forged).is_err());
    assert_eq!(bench.accept(&fragments[1]), Ok(Accepted::Complete(message(1, 600))));
}

#[test]
fn messages_and_directions_do_not_mix() {
    let mut bench = Bench::new(GCM);
    let response = MessageHeader { flags: Flags::response(true), ..header(1) };
    let headers = [header(1), header(2), response];
    let fragments = headers.map(|header| bench.seal(&header, 600, 450));
    for two in &fragments {
        assert_eq!(bench.accept(&two[0]), Ok(Accepted::Incomplete { received: 1, total: 2 }));
    }
    for (two, header) in fragments.iter().zip(headers) {
        let complete = Accepted::Complete(Message { header, payloads: payloads(600) });
        assert_eq!(bench.accept(&two[1]), Ok(complete));
    }
}

#[test]
fn fragments_of_another_exchange_with_the_same_number_are_refused() {
    let mut bench = Bench::new(GCM);
    let other = MessageHeader { exchange: ExchangeType::Informational, ..header(1) };
    let (ours, others) = (bench.seal(&header(1), 600, 450), bench.seal(&other, 600, 450));
    bench.accept(&ours[0]).unwrap();
    assert_eq!(bench.accept(&others[1]), Err(FragmentError::OtherHeader));
    assert_eq!(bench.accept(&ours[1]), Ok(Accepted::Complete(message(1, 600))));
}

#[test]
fn fragments_and_octets_of_a_message_are_bounded() {
    let limits = FragmentLimits { messages: 1, fragments: 3, octets: 1000 };
    let mut bench = Bench::with_limits(GCM, limits);
    let four = bench.seal(&header(1), 1000, 350);
    assert_eq!(bench.accept(&four[0]), Err(FragmentError::TooManyFragments { total: 4, limit: 3 }));
    let three = bench.seal(&header(1), 1000, 450);
    bench.accept_all(&three[..2]);
    let octets = three.iter().map(Vec::len).sum();
    assert_eq!(bench.accept(&three[2]), Err(FragmentError::TooManyOctets { octets, limit: 1000 }));
    assert!(bench.reassembler.octets() <= 1000);
}

#[test]
fn newer_messages_replace_unfinished_older_ones_beyond_the_limit() {
    let limits = FragmentLimits { messages: 2, ..FragmentLimits::default() };
    let mut bench = Bench::with_limits(GCM, limits);
    let fragments = [5, 6, 7, 4].map(|id| bench.seal(&header(id), 600, 450));
    bench.accept_all([&fragments[0][0], &fragments[1][0], &fragments[2][0]]);
    assert_eq!(bench.reassembler.octets(), 450 * 2);
    assert_eq!(bench.accept(&fragments[3][0]), Err(FragmentError::TooManyMessages { limit: 2 }));
    assert_eq!(bench.accept(&fragments[2][1]), Ok(Accepted::Complete(message(7, 600))));
}

#[test]
fn what_is_forgotten_has_to_come_again() {
    let mut bench = Bench::new(GCM);
    let fragments = bench.seal(&header(1), 600, 450);
    bench.accept(&fragments[0]).unwrap();
    bench.reassembler.forget(false, MessageId::new(1));
    assert_eq!(bench.reassembler.octets(), 0);
    assert_eq!(bench.accept(&fragments[1]), Ok(Accepted::Incomplete { received: 1, total: 2 }));
}

#[test]
fn payloads_in_front_of_the_first_fragment_are_authentic_and_kept() {
    let mut bench = Bench::new(GCM);
    let notify = Payload::Notify(NotifyPayload::new(NotifyType::InitialContact, Vec::new()));
    let fragments = [(1, vec![0, 0, 0, 8]), (2, vec![1, 0, 0, 0])].map(|(number, chunk)| {
        let first_inner = if number == 1 { PayloadType::Delete } else { PayloadType::None };
        let fragment = FragmentNumber::new(number, 2).unwrap();
        let plaintext = protect::padded(&chunk, &bench.cipher, &[]);
        let body = [&[7; 8], plaintext.as_slice(), &[0; 16]].concat();
        let covered = 28 + 8 + 4 + 4;
        let skf = Payload::Skf(SkfPayload { first_inner, fragment, body });
        let mut bytes = Message { header: header(1), payloads: vec![notify.clone(), skf] }.encode();
        bytes.truncate(bytes.len() - 16);
        bench.cipher.seal(&mut bench.crypto, &mut bytes, covered);
        bytes
    });
    let payloads = vec![notify, Payload::Delete(DeletePayload::ike_sa())];
    let whole = Message { header: header(1), payloads };
    let mut forged = fragments[0].clone();
    forged[35] ^= 1;
    assert!(bench.accept(&forged).is_err());
    assert_eq!(bench.accept_all(&fragments)[1], Accepted::Complete(whole));
}

#[test]
fn broken_payloads_are_found_when_the_message_is_complete_and_nothing_stays() {
    let mut bench = Bench::new(GCM);
    let halves = [(1, [0, 0, 0, 6]), (2, [1, 2, 3, 4])].map(|(number, chunk)| {
        let fragment = FragmentNumber::new(number, 2);
        let envelope = Envelope { first_inner: PayloadType::Nonce, fragment };
        let plaintext = protect::padded(&chunk, &bench.cipher, &[]);
        protect::seal_in(&header(1), envelope, &plaintext, &bench.cipher, &mut bench.crypto, &[7; 8])
    });
    bench.accept(&halves[0]).unwrap();
    let error = bench.accept(&halves[1]).unwrap_err();
    assert!(matches!(error, FragmentError::Protect(ProtectError::Inner(_))));
    assert_eq!(error.to_string(), "within SK: No payload at byte 0: nonce length is 2, 16 to 256 is right");
    assert_eq!(bench.reassembler.octets(), 0);
}

proptest! {
    #[test]
    fn any_message_under_any_limit_comes_back_and_keeps_the_limit(
        aead: bool,
        inner_len in 44_usize..3000,
        limit in 0_usize..1500,
        backwards: bool,
    ) {
        let mut bench = Bench::new(if aead { GCM } else { CBC });
        let mut fragments = bench.seal(&header(1), inner_len, limit);
        let limit = MessageLimit::new(limit);
        prop_assert!(fragments.iter().all(|bytes| bytes.len() <= limit.octets()));
        prop_assert_eq!(fragments.len() == 1, limit.fits(&payloads(inner_len), &bench.cipher));
        if backwards {
            fragments.reverse();
        }
        let whole = match fragments.as_slice() {
            [one] => protect::open(one, &bench.cipher, &mut bench.crypto).unwrap(),
            _ => match bench.accept_all(&fragments).pop() {
                Some(Accepted::Complete(message)) => message,
                other => panic!("{other:?}"),
            },
        };
        prop_assert_eq!(whole, message(1, inner_len));
    }
}
