//! NIST's cases, and what they leave out. `captured.rs` compares the rest with strongSwan.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipseclab_crypto::{AesKey, RealProvider};

use super::*;
use crate::wire::isakmp::Cookie;

struct Vector(BTreeMap<String, String>);

impl Vector {
    fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    fn octets(&self, name: &str) -> Vec<u8> {
        let hex = &self.0[name];
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn secret(&self, name: &str) -> Secret {
        Secret::new(self.octets(name))
    }

    fn cookies(&self) -> Cookies {
        Cookies::from_octets(&[self.octets("cookie_i"), self.octets("cookie_r")].concat()).unwrap()
    }

    fn check(&self, skeyid: Secret) -> IsakmpKeys {
        assert_eq!(skeyid, self.secret("skeyid"));
        let secret = self.secret("shared_secret");
        let keys = IsakmpKeys::derive(&mut crypto(), AES128_SHA1, skeyid, &secret, self.cookies());
        assert_eq!(keys.skeyid_d, self.secret("skeyid_d"));
        assert_eq!(keys.skeyid_a, self.secret("skeyid_a"));
        assert_eq!(keys.skeyid_e, self.secret("skeyid_e"));
        keys
    }
}

const AES128_SHA1: Suite =
    Suite { encryption: Encryption::AesCbc(AesKey::Bits128), prf: Prf::HmacSha1, hash: Hash::Sha1 };

fn crypto() -> Crypto {
    Crypto::new(Arc::new(RealProvider::new()))
}

fn psk_keys() -> IsakmpKeys {
    let vector = Vector::read(include_str!("../../../tests/vectors/cavp-ikev1-psk.json"));
    let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
    let psk = vector.secret("psk");
    vector.check(skeyid_of_psk(&mut crypto(), Prf::HmacSha1, &psk, [&nonce_i, &nonce_r]))
}

#[test]
fn keys_under_a_shared_secret_are_those_of_nist() {
    let keys = psk_keys();
    assert_eq!(keys.encryption_key.expose(), &keys.skeyid_e.expose()[..16]);
}

#[test]
fn keys_under_signatures_are_those_of_nist() {
    let vector = Vector::read(include_str!("../../../tests/vectors/cavp-ikev1-dsa.json"));
    let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
    let secret = vector.secret("shared_secret");
    let skeyid = skeyid_of_signature(&mut crypto(), Prf::HmacSha1, &secret, [&nonce_i, &nonce_r]);
    vector.check(skeyid);
}

#[test]
fn a_secret_and_a_signature_give_different_keys() {
    let (nonces, secret) = ([&[1; 16][..], &[2; 16]], Secret::new([3; 32]));
    let psk = skeyid_of_psk(&mut crypto(), Prf::HmacSha1, &secret, nonces);
    assert_ne!(psk, skeyid_of_signature(&mut crypto(), Prf::HmacSha1, &secret, nonces));
}

/// RFC 2409 appendix B: `K1 = prf(SKEYID_e, 0)`, `K2 = prf(SKEYID_e, K1)`.
#[test]
fn a_short_skeyid_e_is_stretched_from_zero_and_not_from_itself() {
    let skeyid_e = Secret::new([5; 20]);
    let suite = |encryption| Suite { encryption, ..AES128_SHA1 };
    let mut crypto = crypto();
    let k1 = crypto.prf(Prf::HmacSha1, skeyid_e.expose(), &[&[0]]);
    let k2 = crypto.prf(Prf::HmacSha1, skeyid_e.expose(), &[k1.expose()]);
    let stream = [k1.expose(), k2.expose()].concat();
    for encryption in [Encryption::TripleDes, Encryption::AesCbc(AesKey::Bits256)] {
        let key = encryption_key(&mut crypto, suite(encryption), &skeyid_e);
        assert_eq!(key.expose(), &stream[..encryption.key_len()]);
    }
    let short = encryption_key(&mut crypto, suite(Encryption::AesCbc(AesKey::Bits128)), &skeyid_e);
    assert_eq!(short.expose(), &skeyid_e.expose()[..16]);
}

#[test]
fn des_passes_over_weak_keys() {
    let suite = Suite { encryption: Encryption::Des, ..AES128_SHA1 };
    let mut octets = [7; 20];
    octets[..8].copy_from_slice(&[0xfe; 8]);
    let key = encryption_key(&mut crypto(), suite, &Secret::new(octets));
    assert_eq!(key.expose(), [7; 8]);
    octets[8..16].copy_from_slice(&[1; 8]);
    let key = encryption_key(&mut crypto(), suite, &Secret::new(octets));
    assert_eq!(key.len(), 8);
    assert!(!is_weak(key.expose()));
}

#[test]
fn keymat_depends_on_protocol_spi_and_forward_secrecy_and_feeds_blocks_forward() {
    let (keys, secret) = (psk_keys(), Secret::new([9; 96]));
    let sources = KeymatSources {
        shared_secret: None,
        protocol: ProtocolId::Esp,
        spi: [1, 2, 3, 4],
        nonces: [&[1; 16], &[2; 16]],
    };
    let mut crypto = crypto();
    let keymat = keys.keymat(&mut crypto, sources, 50);
    let seed = [&[3_u8, 1, 2, 3, 4][..], &[1; 16], &[2; 16]].concat();
    let k1 = crypto.prf(Prf::HmacSha1, keys.skeyid_d.expose(), &[&seed]);
    let k2 = crypto.prf(Prf::HmacSha1, keys.skeyid_d.expose(), &[k1.expose(), &seed]);
    assert_eq!(keymat.expose()[..40], [k1.expose(), k2.expose()].concat());
    let others = [
        KeymatSources { protocol: ProtocolId::Ah, ..sources },
        KeymatSources { spi: [1, 2, 3, 5], ..sources },
        KeymatSources { shared_secret: Some(&secret), ..sources },
    ];
    for other in others {
        assert_ne!(keys.keymat(&mut crypto, other, 50), keymat, "{other:?}");
    }
    let cut = keys.direction_keys(&mut crypto, sources, (16, 20));
    assert_eq!([cut.encryption.expose(), cut.integrity.expose()].concat(), keymat.expose()[..36]);
}

#[test]
fn each_hash_has_its_own_input() {
    let (keys, mut crypto) = (psk_keys(), crypto());
    let id = MessageId::new(0x0102_0304);
    let mut prf = |octets: &[u8]| crypto.prf(Prf::HmacSha1, keys.skeyid_a.expose(), &[octets]);
    let expected = [prf(&[1, 2, 3, 4, 9]), prf(&[1, 2, 3, 4, 5, 9]), prf(&[0, 1, 2, 3, 4, 5, 6])];
    let hashes = [
        keys.hash_1(&mut crypto, id, &[9]),
        keys.hash_2(&mut crypto, id, &[5], &[9]),
        keys.hash_3(&mut crypto, id, [&[5], &[6]]),
    ];
    assert_eq!(hashes, expected);
}

#[test]
fn the_sides_prove_themselves_with_their_own_values_in_front() {
    let (keys, mut crypto) = (psk_keys(), crypto());
    let exchange = KeyExchange { public_i: &[1], public_r: &[2] };
    let cookies = Cookies { initiator: Cookie::new(3), responder: Cookie::new(4) };
    let mut hash = |role| keys.auth_hash(&mut crypto, role, exchange, cookies, (&[5], &[6]));
    let (hash_i, hash_r) = (hash(Role::Initiator), hash(Role::Responder));
    let expect = |octets: [u8; 20]| Secret::new(octets);
    let mut prf = |parts: &[&[u8]]| crypto.prf(Prf::HmacSha1, keys.skeyid.expose(), parts);
    let (three, four) = (3_u64.to_be_bytes(), 4_u64.to_be_bytes());
    assert_eq!(hash_i, prf(&[&[1], &[2], &three, &four, &[5], &[6]]));
    assert_eq!(hash_r, prf(&[&[2], &[1], &four, &three, &[5], &[6]]));
    assert_ne!(hash_i, expect([0; 20]));
}
