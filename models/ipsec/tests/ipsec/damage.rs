//! Damaged, forged and nonsensical packets: each ends in a counted discard, none in a panic or a wrong delivery.

use ipseclab_crypto::{AesKey, Encryption, Integrity};
use ipseclab_ipsec::{DiscardReason, Inbound, Mode, Outbound, Protection};
use proptest::prelude::*;

use crate::support::{
    LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Suite, TestEngine, delivered, ends, ping, seconds, sent, udp,
};

const CBC: Suite = Suite {
    encryption: Encryption::AesCbc(AesKey::Bits128),
    integrity: Some(Integrity::HmacSha2_256_128),
    ..Suite::GCM_TUNNEL
};

/// Suites of different shape; the algorithms behind them do not matter here.
fn shapes() -> [Suite; 4] {
    [
        Suite::GCM_TUNNEL,
        CBC,
        Suite { mode: Mode::Transport, ..CBC },
        Suite { mode: Mode::Transport, encapsulated: true, ..Suite::GCM_TUNNEL },
    ]
}

fn esp_start(suite: Suite) -> usize {
    if suite.encapsulated { 28 } else { 20 }
}

fn discarded(engine: &mut TestEngine, packet: Vec<u8>) -> DiscardReason {
    match engine.inbound(seconds(1), packet, 0) {
        Inbound::Discard { reason, .. } => reason,
        Inbound::Deliver { packet, .. } => panic!("delivered {packet:02x?}"),
    }
}

#[test]
fn every_bit_flip_behind_the_outer_headers_is_discarded() {
    for suite in shapes() {
        let (mut left, mut right) = ends(&suite.pair(0x1000));
        let wire = sent(left.outbound(seconds(0), ping(LEFT, RIGHT, 30), 0));
        for bit in esp_start(suite) * 8..wire.len() * 8 {
            let mut damaged = wire.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let reason = discarded(&mut right, damaged);
            let expected = match bit / 8 - esp_start(suite) {
                // A flipped SPI names no SA, and in encapsulated packets never becomes the marker.
                0..4 => DiscardReason::UnknownSpi,
                // Only the number 1 that becomes 0 is refused before the integrity check.
                7 if bit % 8 == 0 => DiscardReason::Replay,
                _ => DiscardReason::Integrity,
            };
            assert_eq!(reason, expected, "bit {bit} of {suite:?}");
        }
        delivered(right.inbound(seconds(1), wire, 0));
    }
}

#[test]
fn every_truncation_is_discarded() {
    for suite in shapes() {
        let (mut left, mut right) = ends(&suite.pair(0x1000));
        let wire = sent(left.outbound(seconds(0), ping(LEFT, RIGHT, 30), 0));
        for len in 0..wire.len() {
            let reason = discarded(&mut right, wire[..len].to_vec());
            assert_eq!(reason, DiscardReason::Malformed, "cut to {len}");
            if len >= esp_start(suite) {
                let reason = discarded(&mut right, shortened(&wire, len, suite.encapsulated));
                assert!(matches!(reason, DiscardReason::Malformed | DiscardReason::Integrity), "{reason:?}");
            }
        }
        delivered(right.inbound(seconds(1), wire, 0));
    }
}

/// Cut to `len` octets, with lengths in the headers that agree.
fn shortened(wire: &[u8], len: usize, encapsulated: bool) -> Vec<u8> {
    let mut packet = wire[..len].to_vec();
    packet[2..4].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
    if encapsulated {
        packet[24..26].copy_from_slice(&u16::try_from(len - 20).unwrap().to_be_bytes());
    }
    packet
}

proptest! {
    #[test]
    fn any_octets_are_survived_in_both_directions(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
        let _ = left.outbound(seconds(0), octets.clone(), 0);
        let _ = right.inbound(seconds(0), octets, 0);
    }

    #[test]
    fn any_payload_under_a_good_outer_header_is_discarded(
        encapsulated in any::<bool>(),
        payload in prop::collection::vec(any::<u8>(), 1..120),
    ) {
        prop_assume!(!encapsulated || payload[..4.min(payload.len())] != [0; 4]);
        let (_, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
        let before = right.discards().iter().map(|(_, count)| count).sum::<u64>();
        let mut packet = Vec::new();
        let builder = etherparse::PacketBuilder::ipv4(LEFT.octets(), RIGHT.octets(), 64);
        if encapsulated {
            builder.udp(4500, 4500).write(&mut packet, &payload).unwrap();
        } else {
            builder.write(&mut packet, etherparse::IpNumber(50), &payload).unwrap();
        }
        discarded(&mut right, packet);
        prop_assert_eq!(right.discards().iter().map(|(_, count)| count).sum::<u64>(), before + 1);
    }

    #[test]
    fn damage_anywhere_in_an_outer_header_is_survived(place in 0_usize..28, octet in any::<u8>()) {
        let suite = Suite { encapsulated: true, ..Suite::GCM_TUNNEL };
        let (mut left, mut right) = ends(&suite.pair(0x1000));
        let packet = ping(LEFT_HOST, RIGHT_HOST, 30);
        let mut wire = sent(left.outbound(seconds(0), packet.clone(), 0));
        wire[place] = octet;
        if let Inbound::Deliver { packet: inner, spi: Some(_), .. } = right.inbound(seconds(0), wire, 0) {
            prop_assert_eq!(&inner[20..], &packet[20..]);
        }
    }
}

#[test]
fn a_key_of_somebody_else_fails_the_integrity_check() {
    let (mut left, _) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let mut other = Suite::GCM_TUNNEL.pair(0x1000);
    let Protection::Esp(esp) = &mut other.outbound.protection else { panic!("the suite has ESP") };
    esp.encryption_key = ipseclab_crypto::Secret::new(vec![0x99; 20]);
    let (_, mut right) = ends(&other);
    let wire = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
    assert_eq!(discarded(&mut right, wire), DiscardReason::Integrity);
}

#[test]
fn a_forged_sequence_number_does_not_move_the_window() {
    let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let wire = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
    let mut forged = wire.clone();
    forged[24..28].copy_from_slice(&[0xff; 4]);
    assert_eq!(discarded(&mut right, forged), DiscardReason::Integrity);
    delivered(right.inbound(seconds(1), wire, 0));
}

#[test]
fn fragments_of_esp_are_not_opened() {
    for suite in [Suite::GCM_TUNNEL, Suite { encapsulated: true, ..Suite::GCM_TUNNEL }] {
        let (mut left, mut right) = ends(&suite.pair(0x1000));
        let mut wire = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
        wire[6] |= 0x20;
        assert_eq!(discarded(&mut right, wire), DiscardReason::Fragment);
    }
}

#[test]
fn transport_mode_takes_no_fragments() {
    let (mut left, _) = ends(&Suite { mode: Mode::Transport, ..Suite::GCM_TUNNEL }.pair(0x1000));
    let mut packet = udp(LEFT, RIGHT, (1, 2), 40);
    packet[6] |= 0x20;
    let outcome = left.outbound(seconds(0), packet, 5);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::Fragment, token: 5, .. }));
}

#[test]
fn a_packet_that_would_exceed_ipv4_is_too_big() {
    let (mut left, _) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let outcome = left.outbound(seconds(0), udp(LEFT_HOST, RIGHT_HOST, (1, 2), 65_480), 0);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::TooBig, .. }));
    let next = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
    assert_eq!(next[24..28], [0, 0, 0, 1], "no sequence number is lost");
}
