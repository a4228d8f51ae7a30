//! Extended sequence numbers: the high half is authenticated where RFC 4303 and RFC 4106 put it, and is not sent.

mod common;

use common::{keyed, octets, session, suites};
use ipseclab_crypto::{AesKey, Encryption, Integrity, OpenError, Operation, PacketCipher, Secret, SeqHigh};
use ring::{aead, hmac};

const HEADER_LEN: usize = 8;
const HIGH: SeqHigh = SeqHigh(0x0102_0304);

/// SPI | low half | IV | text.
fn plain_packet(cipher: &PacketCipher) -> Vec<u8> {
    octets(1, HEADER_LEN + cipher.iv_len() + 48)
}

fn seal(cipher: &PacketCipher, plain: &[u8], high: Option<SeqHigh>) -> Vec<u8> {
    let mut packet = plain.to_vec();
    cipher.seal_numbered(&mut session(), &mut packet, HEADER_LEN, high);
    packet
}

#[test]
fn what_was_sealed_opens_only_under_the_same_high_half() {
    for suite in suites() {
        let cipher = keyed(&session(), suite, 1);
        let plain = plain_packet(&cipher);
        for high in [None, Some(SeqHigh(0)), Some(HIGH), Some(SeqHigh(u32::MAX))] {
            let sealed = seal(&cipher, &plain, high);
            assert_eq!(sealed.len(), plain.len() + cipher.icv_len(), "{suite:?} sends no high half");
            for other in
                [None, Some(SeqHigh(0)), Some(HIGH), Some(SeqHigh(0x0403_0201)), Some(SeqHigh(u32::MAX))]
            {
                let mut packet = sealed.clone();
                let opened = cipher.open_numbered(&mut session(), &mut packet, HEADER_LEN, other);
                let expected = if other == high {
                    Ok(&plain[HEADER_LEN + cipher.iv_len()..])
                } else {
                    Err(OpenError::Integrity)
                };
                assert_eq!(opened.map(|text| &*text), expected, "{suite:?} {high:?} {other:?}");
            }
        }
    }
}

#[test]
fn every_bit_of_the_packet_and_of_the_high_half_counts() {
    for suite in suites() {
        let cipher = keyed(&session(), suite, 2);
        let sealed = seal(&cipher, &plain_packet(&cipher), Some(HIGH));
        let open = |mut packet: Vec<u8>, high| {
            cipher.open_numbered(&mut session(), &mut packet, HEADER_LEN, Some(high)).map(|text| text.len())
        };
        for bit in 0..32 {
            assert_eq!(
                open(sealed.clone(), SeqHigh(HIGH.0 ^ 1 << bit)),
                Err(OpenError::Integrity),
                "{suite:?}"
            );
        }
        for octet in 0..sealed.len() {
            let mut packet = sealed.clone();
            packet[octet] ^= 0x10;
            assert_eq!(open(packet, HIGH), Err(OpenError::Integrity), "{suite:?} octet {octet}");
        }
    }
}

#[test]
fn an_aead_has_the_high_half_between_spi_and_low_half() {
    for (encryption, algorithm) in [
        (Encryption::AesGcm16(AesKey::Bits128), &aead::AES_128_GCM),
        (Encryption::AesGcm16(AesKey::Bits256), &aead::AES_256_GCM),
        (Encryption::ChaCha20Poly1305, &aead::CHACHA20_POLY1305),
    ] {
        let material = octets(3, encryption.key_material_len());
        let cipher = session().packet_cipher(encryption, &Secret::new(material.clone()), None);
        let plain = plain_packet(&cipher);
        let (key, salt) = material.split_at(encryption.key_len());
        let bare = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).unwrap());
        let nonce = [salt, &plain[HEADER_LEN..16]].concat().try_into().unwrap();
        let associated = [&plain[..4], &[1, 2, 3, 4], &plain[4..HEADER_LEN]].concat();
        let mut text = plain[16..].to_vec();
        bare.seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(associated),
            &mut text,
        )
        .unwrap();
        assert_eq!(seal(&cipher, &plain, Some(HIGH)), [&plain[..16], &text].concat(), "{encryption}");
    }
}

#[test]
fn a_gmac_has_the_high_half_in_front_of_all_that_it_covers() {
    let encryption = Encryption::AesGmac(AesKey::Bits128);
    let material = octets(3, encryption.key_material_len());
    let cipher = session().packet_cipher(encryption, &Secret::new(material.clone()), None);
    let plain = plain_packet(&cipher);
    let (key, salt) = material.split_at(encryption.key_len());
    let bare = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, key).unwrap());
    let nonce = [salt, &plain[HEADER_LEN..16]].concat().try_into().unwrap();
    let associated = [&plain[..4], &[1, 2, 3, 4], &plain[4..]].concat();
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let tag = bare.seal_in_place_separate_tag(nonce, aead::Aad::from(associated), &mut []).unwrap();
    let sealed = seal(&cipher, &plain, Some(HIGH));
    assert_eq!(sealed, [&plain[..], tag.as_ref()].concat());
    let mut packet = sealed.clone();
    cipher.open_numbered(&mut session(), &mut packet, HEADER_LEN, Some(SeqHigh(9))).unwrap_err();
    assert_eq!(packet, sealed, "a refused packet is left as it came");
}

#[test]
fn a_separate_icv_covers_the_high_half_behind_the_ciphertext() {
    let suite = (Encryption::AesCbc(AesKey::Bits128), Some(Integrity::HmacSha2_256_128));
    let cipher = keyed(&session(), suite, 4);
    let sealed = seal(&cipher, &plain_packet(&cipher), Some(HIGH));
    let (covered, icv) = sealed.split_at(sealed.len() - 16);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &octets(!4, Integrity::HmacSha2_256_128.key_len()));
    let tag = hmac::sign(&key, &[covered, &[1, 2, 3, 4]].concat());
    assert_eq!(icv, &tag.as_ref()[..16]);
}

#[test]
fn a_refused_packet_is_left_as_it_came_where_the_icv_stands_apart() {
    let cipher = keyed(&session(), (Encryption::Null, Some(Integrity::HmacSha1_96)), 5);
    let sealed = seal(&cipher, &plain_packet(&cipher), Some(HIGH));
    let mut packet = sealed.clone();
    cipher.open_numbered(&mut session(), &mut packet, HEADER_LEN, Some(SeqHigh(9))).unwrap_err();
    assert_eq!(packet, sealed);
}

#[test]
fn the_integrity_work_includes_the_high_half() {
    let mut crypto = session();
    let cipher = keyed(&crypto, (Encryption::Null, Some(Integrity::HmacSha1_96)), 6);
    let mut packet = plain_packet(&cipher);
    let covered = packet.len();
    cipher.seal(&mut crypto, &mut packet.clone(), HEADER_LEN);
    cipher.seal_numbered(&mut crypto, &mut packet, HEADER_LEN, Some(HIGH));
    cipher.open_numbered(&mut crypto, &mut packet, HEADER_LEN, Some(HIGH)).unwrap();
    let integrity = Operation::Integrity(Integrity::HmacSha1_96);
    let octets: Vec<_> = crypto.take_work().into_iter().filter(|work| work.operation == integrity).collect();
    assert_eq!(
        octets.iter().map(|work| work.octets).collect::<Vec<_>>(),
        [covered, covered + 4, covered + 4]
    );
}
