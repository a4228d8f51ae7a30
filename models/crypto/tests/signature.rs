//! Signatures: equal to those of the RFCs and of OpenSSL where they are deterministic, verified by another library
//! where not, metered, and refused when anything about them is off.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use common::{Hex, cases, session};
use ipseclab_crypto::signature::{EcdsaForm, KeyError, SignError, VerifyError};
use ipseclab_crypto::{KeyClass, KeyKind, Operation, PrivateKey, PublicKey, SignatureScheme, Work};
use serde::Deserialize;

#[derive(Deserialize)]
struct KeyCase {
    kind: String,
    pem: Vec<String>,
    spki: Hex,
    message: Hex,
    signatures: Vec<SignatureCase>,
}

#[derive(Deserialize)]
struct SignatureCase {
    scheme: String,
    deterministic: bool,
    signature: Hex,
}

#[derive(Deserialize)]
struct NonceCase {
    kind: String,
    seed: Hex,
    scheme: String,
    message: Hex,
    signature: Hex,
}

fn key_cases() -> Vec<KeyCase> {
    cases(include_str!("vectors/signature.json"))
}

fn nonce_cases() -> Vec<NonceCase> {
    cases(include_str!("vectors/rfc6979.json"))
}

fn scheme(name: &str) -> SignatureScheme {
    *SignatureScheme::ALL.iter().find(|scheme| scheme.to_string() == name).unwrap()
}

fn salt(scheme: SignatureScheme) -> Vec<u8> {
    vec![0xa5; scheme.salt_len()]
}

fn elliptic(kind: &str) -> KeyKind {
    let kinds = [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519];
    kinds.into_iter().find(|known| known.to_string() == kind).unwrap()
}

/// One key of each kind.
fn keys() -> Vec<PrivateKey> {
    key_cases().iter().map(|case| PrivateKey::from_pem(&case.pem[0]).unwrap()).collect()
}

fn fitting(key: &PrivateKey) -> impl Iterator<Item = SignatureScheme> {
    SignatureScheme::ALL.iter().copied().filter(|scheme| scheme.fits(key.kind()))
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for case in key_cases() {
        for pem in &case.pem {
            let key = PrivateKey::from_pem(pem).unwrap();
            assert_eq!(key.kind().to_string(), case.kind);
            assert_eq!(key.public_key().spki_der(), case.spki.0);
            assert_eq!(PublicKey::from_spki_der(&case.spki.0).unwrap(), *key.public_key());
        }
    }
}

#[test]
fn signatures_of_openssl_and_rfc_8032_verify_and_are_ours_where_nothing_is_random() {
    for case in key_cases() {
        let key = PrivateKey::from_pem(&case.pem[0]).unwrap();
        for expected in &case.signatures {
            let scheme = scheme(&expected.scheme);
            let mut crypto = session();
            crypto.verify(key.public_key(), scheme, &case.message.0, &expected.signature.0).unwrap();
            let ours = crypto.sign(&key, scheme, &salt(scheme), &case.message.0).unwrap();
            assert_eq!(ours == expected.signature.0, expected.deterministic, "{scheme}");
        }
    }
}

#[test]
fn ecdsa_nonces_are_those_of_rfc_6979() {
    for case in nonce_cases() {
        let key = PrivateKey::from_seed(elliptic(&case.kind), &case.seed.0).unwrap();
        let signature = session().sign(&key, scheme(&case.scheme), &[], &case.message.0).unwrap();
        assert_eq!(signature, case.signature.0, "{}", case.kind);
    }
}

#[test]
fn every_scheme_verifies_what_it_signed_and_signs_alike_twice() {
    for key in keys() {
        for scheme in fitting(&key) {
            let sign = || session().sign(&key, scheme, &salt(scheme), b"message").unwrap();
            let signature = sign();
            assert_eq!(signature, sign(), "{scheme}");
            session().verify(key.public_key(), scheme, b"message", &signature).unwrap();
        }
    }
}

#[test]
fn the_salt_decides_about_a_pss_signature() {
    let (key, scheme) = (&keys()[0], SignatureScheme::RsaPssSha2_256);
    let sign = |salt: [u8; 32]| session().sign(key, scheme, &salt, b"message").unwrap();
    assert_ne!(sign([1; 32]), sign([2; 32]));
    let error = session().sign(key, scheme, &[1; 31], b"message");
    assert_eq!(error, Err(SignError::Salt { scheme, expected: 32, actual: 31 }));
}

#[test]
fn a_changed_message_or_signature_does_not_verify() {
    for key in keys() {
        for scheme in fitting(&key) {
            let signature = session().sign(&key, scheme, &salt(scheme), b"message").unwrap();
            let verify = |message: &[u8], signature: &[u8]| {
                session().verify(key.public_key(), scheme, message, signature)
            };
            let expect_refusal = |message: &[u8], signature: &[u8]| {
                assert_eq!(verify(message, signature), Err(VerifyError::Signature), "{scheme}");
            };
            expect_refusal(b"massage", &signature);
            for at in (0..signature.len()).step_by(7) {
                let mut flipped = signature.clone();
                flipped[at] ^= 0x10;
                expect_refusal(b"message", &flipped);
            }
            expect_refusal(b"message", &signature[1..]);
            expect_refusal(b"message", &signature[..signature.len() - 1]);
            expect_refusal(b"message", &[signature.as_slice(), &[0]].concat());
            expect_refusal(b"message", &[]);
        }
    }
}

#[test]
fn a_scheme_of_another_kind_of_key_is_refused_by_both_sides() {
    for key in keys() {
        for scheme in SignatureScheme::ALL.iter().copied().filter(|scheme| !scheme.fits(key.kind())) {
            let kind = key.kind();
            let signed = session().sign(&key, scheme, &salt(scheme), b"message");
            assert_eq!(signed, Err(SignError::WrongKey { kind, scheme }));
            let verified = session().verify(key.public_key(), scheme, b"message", &[1; 64]);
            assert_eq!(verified, Err(VerifyError::WrongKey { kind, scheme }));
        }
    }
}

/// Edge cases that Wycheproof's ECDSA files are made of, on the signature of RFC 6979 A.2.5.
#[test]
fn der_that_is_not_the_one_encoding_does_not_verify() {
    let case = &nonce_cases()[0];
    let key = PrivateKey::from_seed(KeyKind::P256, &case.seed.0).unwrap();
    let (r, s) = case.signature.0.split_at(32);
    let integer = |prefix: &[u8], n: &[u8]| {
        let len = u8::try_from(prefix.len() + n.len()).unwrap();
        [&[2, len], prefix, n].concat()
    };
    let sequence = |parts: &[Vec<u8>], rest: &[u8]| {
        let body = [parts.concat().as_slice(), rest].concat();
        [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    };
    let verify = |signature: &[u8]| {
        let scheme = SignatureScheme::EcdsaP256(EcdsaForm::Der);
        session().verify(key.public_key(), scheme, &case.message.0, signature).is_ok()
    };
    let (good_r, good_s) = (integer(&[0], r), integer(&[0], s));
    let good = sequence(&[good_r.clone(), good_s.clone()], &[]);
    assert!(verify(&good));
    let long_form = [&[0x30, 0x81, good[1]], &good[2..]].concat();
    let indefinite = [&[0x30, 0x80], &good[2..], &[0, 0]].concat();
    let bad = [
        long_form,
        indefinite,
        sequence(&[integer(&[], r), good_s.clone()], &[]),
        sequence(&[integer(&[0, 0], r), good_s.clone()], &[]),
        sequence(&[good_r.clone(), good_s.clone()], &[5, 0]),
        sequence(std::slice::from_ref(&good_r), &[]),
        sequence(&[good_r.clone(), vec![2, 0]], &[]),
        sequence(&[integer(&[], &[0]), good_s], &[]),
        sequence(&[good_r, integer(&[], &[0])], &[]),
        sequence(&[integer(&[], &[1]), integer(&[], &[1])], &[]),
        [good.as_slice(), &[0]].concat(),
    ];
    for (index, signature) in bad.iter().enumerate() {
        assert!(!verify(signature), "case {index}");
    }
}

#[test]
fn work_is_metered_by_the_class_of_the_key() {
    let classes = [KeyClass::Rsa2048, KeyClass::P256, KeyClass::P384, KeyClass::P521, KeyClass::Ed25519];
    for (key, class) in keys().iter().zip(classes) {
        let (mut crypto, scheme) = (session(), fitting(key).next().unwrap());
        let signature = crypto.sign(key, scheme, &salt(scheme), b"message").unwrap();
        let _ = crypto.verify(key.public_key(), scheme, b"message", &signature);
        let work = |operation| Work { operation, octets: 7 };
        assert_eq!(crypto.take_work(), [work(Operation::Sign(class)), work(Operation::Verify(class))]);
    }
}

#[test]
fn rsa_keys_are_priced_by_the_next_larger_class() {
    let class = |bits| KeyKind::Rsa { bits }.class();
    assert_eq!(
        [2048, 2049, 3072, 4096, 8192].map(class),
        [KeyClass::Rsa2048, KeyClass::Rsa3072, KeyClass::Rsa3072, KeyClass::Rsa4096, KeyClass::Rsa4096]
    );
}

#[test]
fn a_private_key_shows_its_kind_alone() {
    assert_eq!(format!("{:?}", keys()[1]), "PrivateKey(P-256)");
}

#[test]
fn seeds_make_elliptic_keys_of_enough_octets_only() {
    for (kind, least) in
        [(KeyKind::P256, 32), (KeyKind::P384, 48), (KeyKind::P521, 66), (KeyKind::Ed25519, 32)]
    {
        let key = PrivateKey::from_seed(kind, &vec![9; least]).unwrap();
        assert_eq!(key.kind(), kind);
        assert_eq!(PrivateKey::from_seed(kind, &vec![9; least - 1]).unwrap_err(), KeyError::Malformed);
    }
    let rsa = PrivateKey::from_seed(KeyKind::Rsa { bits: 2048 }, &[9; 300]);
    assert_eq!(rsa.unwrap_err(), KeyError::Algorithm);
}

#[test]
fn text_without_a_key_is_refused() {
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    for text in ["", "hello", "-----BEGIN PRIVATE KEY-----", certificate, "-----BEGIN -----END "] {
        assert_eq!(PrivateKey::from_pem(text).unwrap_err(), KeyError::Pem, "{text}");
    }
}

#[test]
fn truncated_and_flipped_keys_never_panic() {
    for case in key_cases() {
        let spki = &case.spki.0;
        for len in (0..spki.len()).step_by(3) {
            PublicKey::from_spki_der(&spki[..len]).unwrap_err();
        }
        for at in 0..spki.len() {
            let mut flipped = spki.clone();
            flipped[at] ^= 1 << (at % 8);
            if let Ok(key) = PublicKey::from_spki_der(&flipped) {
                let scheme = SignatureScheme::ALL.iter().find(|scheme| scheme.fits(key.kind())).unwrap();
                session().verify(&key, *scheme, b"message", &[7; 64]).unwrap_err();
            }
        }
    }
}

#[test]
fn a_point_off_its_curve_is_no_key() {
    let case = key_cases().into_iter().find(|case| case.kind == "P-256").unwrap();
    let mut spki = case.spki.0;
    *spki.last_mut().unwrap() ^= 1;
    assert_eq!(PublicKey::from_spki_der(&spki), Err(KeyError::Invalid));
}
