//! Test: extended sequence numbers through two engines, across the wrap of the low half (RFC 4303 §2.2.1, appendix A).

use core::time::Duration;

use ipseclab_crypto::{AesKey, Authentication, Encryption, Integrity, Secret};
use ring::aead;

use crate::discard::DiscardReason;
use crate::engine::Engine;
use crate::event::Event;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::sa::{AhParameters, EspParameters, Mode, Protection, SaPair};
use crate::spi::{SeqNo, Spi};
use crate::testing::{LEFT, RIGHT, engine, mirrored, pair, ping};

/// Where the low half begins anew.
const WRAP: u64 = 1 << 32;
/// Outer IPv4 header of the packets here.
const OUTER_LEN: usize = 20;

fn extended() -> SaPair {
    let mut pair = pair(Mode::Tunnel);
    pair.inbound.esn = true;
    pair.outbound.esn = true;
    pair
}

/// The same under a cipher with a separate ICV.
fn extended_hmac() -> SaPair {
    let mut pair = extended();
    for sa in [&mut pair.inbound, &mut pair.outbound] {
        let key = Secret::new(vec![7; Integrity::HmacSha2_256_128.key_len()]);
        sa.protection = Protection::Esp(EspParameters {
            spi: sa.spi(),
            encryption: Encryption::Null,
            encryption_key: Secret::new([]),
            integrity: Some((Integrity::HmacSha2_256_128, key)),
        });
    }
    pair
}

/// The same under AH, with a MAC and with GMAC.
fn extended_ah(algorithm: Authentication) -> SaPair {
    let mut pair = extended();
    for sa in [&mut pair.inbound, &mut pair.outbound] {
        let key = Secret::new(vec![9; algorithm.key_material_len()]);
        sa.protection = Protection::Ah(AhParameters { spi: sa.spi(), algorithm, key });
    }
    pair
}

fn every_kind() -> [SaPair; 4] {
    let gmac = Authentication::Gmac(AesKey::Bits128);
    [extended(), extended_hmac(), extended_ah(Integrity::HmacSha1_96.into()), extended_ah(gmac)]
}

/// Two ends, of which the left has sent so many packets to the right.
fn ends_after(pair: SaPair, number: u64) -> (Engine<u32>, Engine<u32>) {
    let (mut left, mut right) = (engine(LEFT, pair.clone()), engine(RIGHT, mirrored(pair)));
    left.sad.get_mut(Spi::new(0x1000).unwrap()).unwrap().outbound.number = SeqNo::new(number);
    let receiver = right.sad.get_mut(Spi::new(0x2000).unwrap()).unwrap();
    receiver.inbound.window.update(SeqNo::new(number));
    (left, right)
}

fn send(left: &mut Engine<u32>) -> Vec<u8> {
    match left.outbound(Duration::ZERO, ping(LEFT, RIGHT, 8), 0) {
        Outbound::Send { packet, .. } => packet,
        other => panic!("{other:?}"),
    }
}

fn receive(right: &mut Engine<u32>, packet: &[u8]) -> Result<Vec<u8>, DiscardReason> {
    match right.inbound(Duration::ZERO, packet.to_vec(), 0) {
        Inbound::Deliver { packet, .. } => Ok(packet),
        Inbound::Discard { reason, .. } => Err(reason),
    }
}

#[test]
fn packets_pass_the_wrap_of_the_low_half_in_any_order_and_once() {
    for pair in every_kind() {
        let (mut left, mut right) = ends_after(pair, WRAP - 5);
        let packets: Vec<_> = (0..9).map(|_| send(&mut left)).collect();
        // In ESP behind the SPI, in AH behind what is in front of the SPI too.
        let number_at = if packets[0][9] == 50 { OUTER_LEN + 4 } else { OUTER_LEN + 8 };
        let low = |packet: &Vec<u8>| u32::from_be_bytes(packet[number_at..number_at + 4].try_into().unwrap());
        assert_eq!(packets.iter().map(low).collect::<Vec<_>>()[3..5], [u32::MAX, 0]);
        for place in [4, 0, 8, 3, 1, 7, 2, 6, 5] {
            assert_eq!(receive(&mut right, &packets[place]), Ok(ping(LEFT, RIGHT, 8)), "packet {place}");
            assert_eq!(receive(&mut right, &packets[place]), Err(DiscardReason::Replay), "packet {place}");
        }
    }
}

#[test]
fn packets_left_of_the_window_do_not_come_back_as_those_of_the_next_round() {
    for pair in every_kind() {
        let (mut left, mut right) = ends_after(pair, WRAP + 100);
        let old = send(&mut left);
        receive(&mut right, &old).unwrap();
        for _ in 0..64 {
            receive(&mut right, &send(&mut left)).unwrap();
        }
        // The low half now stands for a number 2³² further on, whose high half the ICV does not fit.
        assert_eq!(receive(&mut right, &old), Err(DiscardReason::Integrity));
        receive(&mut right, &send(&mut left)).unwrap();
    }
}

#[test]
fn ends_that_disagree_on_extended_numbers_understand_nothing() {
    for pair in every_kind() {
        let mut short = pair.clone();
        short.inbound.esn = false;
        short.outbound.esn = false;
        let (mut left, _) = ends_after(pair, 0);
        let (mut plain, mut right) = ends_after(short, 0);
        assert_eq!(receive(&mut right, &send(&mut left)), Err(DiscardReason::Integrity));
        receive(&mut right, &send(&mut plain)).unwrap();
    }
}

#[test]
fn the_end_of_the_extended_numbers_is_the_end() {
    let (mut left, mut right) = ends_after(extended(), u64::MAX - 1);
    receive(&mut right, &send(&mut left)).unwrap();
    let outcome = left.outbound(Duration::ZERO, ping(LEFT, RIGHT, 8), 0);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::SeqExhausted, .. }));
    assert_eq!(left.poll_event(), Some(Event::SeqExhausted { spi: Spi::new(0x1000).unwrap() }));
}

#[test]
fn a_packet_is_the_one_that_the_bare_cipher_makes_with_the_whole_number_in_its_associated_data() {
    let number = 0x1_2345_6789_u64;
    let (mut left, _) = ends_after(extended(), number - 1);
    let packet = send(&mut left);
    let esp = &packet[OUTER_LEN..];
    assert_eq!(esp[..8], [0, 0, 0x20, 0, 0x23, 0x45, 0x67, 0x89]);
    // Key and salt of `testing::pair`; the SPI, then all 64 bits of the number (RFC 4106 §5).
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &[0x33; 16]).unwrap());
    let nonce = [&[0x33; 4], &esp[8..16]].concat().try_into().unwrap();
    let associated = [&[0, 0, 0x20, 0][..], &number.to_be_bytes()].concat();
    let mut text = esp[16..].to_vec();
    let opened =
        key.open_in_place(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(associated), &mut text);
    let inner = ping(LEFT, RIGHT, 8);
    assert_eq!(opened.unwrap()[..inner.len()], inner);
}
