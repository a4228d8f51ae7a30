//! Packet ciphers: what was sealed opens, and nothing else does.

mod common;

use common::{keyed, octets, session, suites};
use ipseclab_crypto::{Encryption, Integrity, OpenError, PacketCipher};
use proptest::prelude::*;

const HEADER_LEN: usize = 8;

/// header | IV | text, with text rounded up to whole blocks.
fn plain_packet(cipher: &PacketCipher, seed: u64, text_len: usize) -> Vec<u8> {
    octets(seed, HEADER_LEN + cipher.iv_len() + text_len.next_multiple_of(cipher.block_len()))
}

#[test]
fn seal_then_open_is_the_identity_for_every_suite_and_length() {
    for suite in suites() {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 1);
        for text_len in (0..=80).chain([255, 1400, 9000]) {
            let plain = plain_packet(&cipher, text_len as u64, text_len);
            let mut packet = plain.clone();
            cipher.seal(&mut crypto, &mut packet, HEADER_LEN);
            let body = HEADER_LEN + cipher.iv_len();
            assert_eq!(packet.len(), plain.len() + cipher.icv_len(), "{suite:?}");
            assert_eq!(packet[..body], plain[..body], "header and IV stay in the clear");
            let text = cipher.open(&mut crypto, &mut packet, HEADER_LEN).unwrap();
            assert_eq!(text, &plain[body..], "{suite:?} {text_len}");
        }
    }
}

#[test]
fn ciphertext_hides_the_plaintext_where_the_cipher_says_so() {
    for suite in suites() {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 2);
        let plain = plain_packet(&cipher, 2, 64);
        let mut packet = plain.clone();
        cipher.seal(&mut crypto, &mut packet, HEADER_LEN);
        let body = HEADER_LEN + cipher.iv_len()..plain.len();
        assert_eq!(packet[body.clone()] != plain[body], suite.0.hides_text(), "{suite:?}");
    }
}

#[test]
fn every_single_bit_flip_fails_the_integrity_check() {
    for suite in suites() {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 3);
        let mut sealed = plain_packet(&cipher, 3, 33);
        cipher.seal(&mut crypto, &mut sealed, HEADER_LEN);
        for bit in 0..sealed.len() * 8 {
            let mut packet = sealed.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            let result = cipher.open(&mut crypto, &mut packet, HEADER_LEN);
            assert_eq!(result, Err(OpenError::Integrity), "{suite:?} bit {bit}");
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for suite in suites() {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 4);
        let mut sealed = plain_packet(&cipher, 4, 48);
        cipher.seal(&mut crypto, &mut sealed, HEADER_LEN);
        let needed = HEADER_LEN + cipher.iv_len() + cipher.icv_len();
        for actual in 0..sealed.len() {
            let mut packet = sealed[..actual].to_vec();
            let error = cipher.open(&mut crypto, &mut packet, HEADER_LEN).unwrap_err();
            let len = actual.saturating_sub(needed);
            let expected = if actual < needed {
                OpenError::TooShort { needed, actual }
            } else if len % cipher.block_len() != 0 {
                OpenError::NotWholeBlocks { len }
            } else {
                OpenError::Integrity
            };
            assert_eq!(error, expected, "{suite:?} {actual}");
        }
    }
}

#[test]
fn another_key_does_not_open() {
    for suite in suites() {
        let mut crypto = session();
        let (ours, theirs) = (keyed(&crypto, suite, 5), keyed(&crypto, suite, 6));
        let mut packet = plain_packet(&ours, 5, 64);
        ours.seal(&mut crypto, &mut packet, HEADER_LEN);
        let result = theirs.open(&mut crypto, &mut packet, HEADER_LEN);
        assert_eq!(result, Err(OpenError::Integrity), "{suite:?}");
    }
}

#[test]
fn a_salt_is_part_of_the_key() {
    for encryption in Encryption::ALL.iter().copied().filter(|encryption| encryption.is_aead()) {
        let mut crypto = session();
        let material = octets(7, encryption.key_material_len());
        let mut other = material.clone();
        *other.last_mut().unwrap() ^= 1;
        let [ours, theirs] = [material, other]
            .map(|key| crypto.packet_cipher(encryption, &ipseclab_crypto::Secret::new(key), None));
        let mut packet = plain_packet(&ours, 7, 20);
        ours.seal(&mut crypto, &mut packet, HEADER_LEN);
        assert_eq!(theirs.open(&mut crypto, &mut packet, HEADER_LEN), Err(OpenError::Integrity));
    }
}

#[test]
fn a_failed_check_leaves_no_plaintext_behind() {
    for suite in suites().into_iter().filter(|suite| suite.0.hides_text()) {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 8);
        let plain = plain_packet(&cipher, 8, 64);
        let mut packet = plain.clone();
        cipher.seal(&mut crypto, &mut packet, HEADER_LEN);
        *packet.last_mut().unwrap() ^= 1;
        cipher.open(&mut crypto, &mut packet, HEADER_LEN).unwrap_err();
        let body = HEADER_LEN + cipher.iv_len()..plain.len();
        assert_ne!(packet[body.clone()], plain[body], "{suite:?}");
    }
}

#[test]
fn debug_output_shows_no_key() {
    for suite in suites() {
        let shown = format!("{:?}", keyed(&session(), suite, 0x1234));
        let key = octets(0x1234, suite.0.key_material_len());
        let digits = |octets: &[u8]| octets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        assert!(key.is_empty() || !shown.contains(&digits(&key[key.len() - 3..])), "{shown}");
        assert!(shown.contains("PacketCipher"), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_octets_never_open_and_never_panic(mut packet: Vec<u8>, header_len in 0_usize..64, seed: u64) {
        for suite in suites() {
            let mut crypto = session();
            let cipher = keyed(&crypto, suite, seed);
            prop_assert!(cipher.open(&mut crypto, &mut packet, header_len).is_err());
        }
    }

    #[test]
    fn any_text_survives_the_round_trip(text: Vec<u8>, header: Vec<u8>, seed: u64) {
        for suite in suites() {
            let mut crypto = session();
            let cipher = keyed(&crypto, suite, seed);
            let mut text = text.clone();
            text.resize(text.len().next_multiple_of(cipher.block_len()), 0);
            let mut packet = [&header[..], &octets(seed, cipher.iv_len()), &text].concat();
            cipher.seal(&mut crypto, &mut packet, header.len());
            prop_assert_eq!(&*cipher.open(&mut crypto, &mut packet, header.len()).unwrap(), &text[..]);
        }
    }
}

#[test]
fn the_null_cipher_authenticates_header_and_text() {
    let mut crypto = session();
    let cipher = keyed(&crypto, (Encryption::Null, Some(Integrity::HmacSha1_96)), 9);
    let mut packet = b"headertext".to_vec();
    cipher.seal(&mut crypto, &mut packet, 6);
    assert_eq!(cipher.open(&mut crypto, &mut packet.clone(), 6).unwrap(), b"text");
    // Where the header ends is not authenticated by itself: the ICV covers all octets either way.
    assert_eq!(cipher.open(&mut crypto, &mut packet, 0).unwrap(), b"headertext");
}
