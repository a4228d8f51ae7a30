//! AUTH payloads of every method and scheme.

use ipseclab_crypto::signature::EcdsaForm;
use ipseclab_crypto::{KeyKind, PrivateKey, SignatureScheme};
use ipseclab_ike::credential::auth_method::{AuthConstraints, AuthError, AuthScheme, SignatureHash, verify};
use ipseclab_ike::credential::issue::rsa_key;
use ipseclab_ike::wire::{AuthMethod, AuthPayload};

use crate::world::{crypto, key};

const OCTETS: &[u8] = b"what RFC 7296 section 2.15 wants signed";
const ALL: Option<&[SignatureHash]> = Some(SignatureHash::ALL);

fn keys() -> Vec<PrivateKey> {
    let elliptic = [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519].map(|kind| key(kind, 5));
    [rsa_key(2048, 0).unwrap(), rsa_key(3072, 0).unwrap()].into_iter().chain(elliptic).collect()
}

fn constraints(text: &str) -> AuthConstraints {
    AuthConstraints::parse(text).unwrap()
}

fn sign(choice: AuthScheme, key: &PrivateKey) -> AuthPayload {
    choice.sign(&mut crypto(), key, &vec![9; choice.salt_len()], OCTETS).unwrap()
}

fn judge(key: &PrivateKey, payload: &AuthPayload, allowed: &str) -> Result<SignatureScheme, AuthError> {
    verify(&mut crypto(), key.public_key(), payload, OCTETS, &constraints(allowed))
}

#[test]
fn what_one_side_chooses_the_other_accepts() {
    for key in keys() {
        for hashes in [ALL, None] {
            for text in ["pubkey", "rsa/pss-ecdsa-ed25519"] {
                let Ok(choice) = AuthScheme::choose(key.kind(), hashes, &constraints(text)) else { continue };
                let payload = sign(choice, &key);
                assert_eq!(judge(&key, &payload, text), Ok(choice.scheme), "{choice:?}");
            }
        }
    }
}

#[test]
fn payloads_have_the_lengths_of_the_captures() {
    let len = |key: &PrivateKey, text: &str| {
        let choice = AuthScheme::choose(key.kind(), ALL, &constraints(text)).unwrap();
        // With the header of four octets and the method with its three reserved ones.
        8 + sign(choice, key).data.len()
    };
    let keys = keys();
    assert_eq!(len(&keys[0], "pubkey"), 8 + 1 + 15 + 256);
    assert_eq!(len(&keys[0], "rsa/pss"), 8 + 1 + 67 + 256);
    assert!((8 + 1 + 12 + 68..=8 + 1 + 12 + 72).contains(&len(&keys[2], "pubkey")));
    assert_eq!(len(&keys[5], "pubkey"), 8 + 1 + 7 + 64);
}

fn check_choice(
    kind: KeyKind,
    hashes: Option<&[SignatureHash]>,
    text: &str,
    expected: Option<SignatureScheme>,
) {
    let choice = AuthScheme::choose(kind, hashes, &constraints(text));
    assert_eq!(choice.map(|choice| choice.scheme).ok(), expected, "{kind} {hashes:?} {text}");
}

#[test]
fn the_scheme_follows_key_announced_hashes_and_configuration() {
    use SignatureHash as H;
    use SignatureScheme as S;
    let rsa = |bits| KeyKind::Rsa { bits };
    check_choice(rsa(2048), ALL, "pubkey", Some(S::RsaPkcs1Sha2_256));
    check_choice(rsa(4096), ALL, "pubkey", Some(S::RsaPkcs1Sha2_384));
    check_choice(rsa(8192), ALL, "pubkey", Some(S::RsaPkcs1Sha2_512));
    check_choice(rsa(2048), Some(&[H::Sha2_512]), "pubkey", Some(S::RsaPkcs1Sha2_512));
    check_choice(rsa(2048), ALL, "pubkey-sha384-sha256", Some(S::RsaPkcs1Sha2_384));
    check_choice(rsa(2048), ALL, "rsa/pss-sha512", Some(S::RsaPssSha2_512));
    check_choice(rsa(2048), Some(&[H::Identity]), "pubkey", None);
    check_choice(rsa(2048), ALL, "ecdsa", None);
    check_choice(rsa(2048), ALL, "rsa-3072", None);
    check_choice(KeyKind::P384, ALL, "pubkey", Some(S::EcdsaP384(EcdsaForm::Der)));
    check_choice(KeyKind::P384, Some(&[H::Sha2_256]), "pubkey", None);
    check_choice(KeyKind::Ed25519, ALL, "pubkey-sha256", Some(S::Ed25519));
    check_choice(KeyKind::Ed25519, Some(&[H::Sha2_256]), "pubkey", None);
}

#[test]
fn a_peer_without_rfc_7427_gets_the_older_methods() {
    let method = |kind| AuthScheme::choose(kind, None, &constraints("pubkey")).map(|choice| choice.method);
    assert_eq!(method(KeyKind::Rsa { bits: 2048 }), Ok(AuthMethod::Rsa));
    assert_eq!(method(KeyKind::P256), Ok(AuthMethod::Ecdsa256));
    assert_eq!(method(KeyKind::P384), Ok(AuthMethod::Ecdsa384));
    assert_eq!(method(KeyKind::P521), Ok(AuthMethod::Ecdsa521));
    assert_eq!(method(KeyKind::Ed25519), Err(AuthError::NoScheme { kind: KeyKind::Ed25519 }));
    let choice = AuthScheme::choose(KeyKind::P521, None, &constraints("pubkey")).unwrap();
    assert_eq!(sign(choice, &key(KeyKind::P521, 5)).data.len(), 132);
}

#[test]
fn sha1_is_accepted_in_its_own_method_alone() {
    let key = rsa_key(2048, 0).unwrap();
    let scheme = SignatureScheme::RsaPkcs1Sha1;
    let classic = sign(AuthScheme { method: AuthMethod::Rsa, scheme }, &key);
    assert_eq!(judge(&key, &classic, "pubkey"), Ok(scheme));
    let kind = key.kind();
    assert_eq!(judge(&key, &classic, "pubkey-sha256"), Err(AuthError::NotAllowed { scheme, kind }));
    let modern = sign(AuthScheme { method: AuthMethod::DigitalSignature, scheme }, &key);
    assert_eq!(judge(&key, &modern, "pubkey"), Err(AuthError::Algorithm));
}

#[test]
fn methods_without_signatures_are_refused() {
    let key = key(KeyKind::Ed25519, 5);
    for method in [AuthMethod::SharedKeyMic, AuthMethod::Dss, AuthMethod::Null, AuthMethod::Unknown(77)] {
        let payload = AuthPayload { method, data: vec![1; 64] };
        assert_eq!(judge(&key, &payload, "pubkey"), Err(AuthError::Method { method }));
    }
}

#[test]
fn damaged_payloads_never_verify() {
    for key in keys() {
        let choice = AuthScheme::choose(key.kind(), ALL, &constraints("pubkey")).unwrap();
        let good = sign(choice, &key);
        for at in 0..good.data.len() {
            let mut flipped = good.clone();
            flipped.data[at] ^= 1 << (at % 8);
            judge(&key, &flipped, "pubkey").unwrap_err();
            let cut = AuthPayload { method: good.method, data: good.data[..at].to_vec() };
            judge(&key, &cut, "pubkey").unwrap_err();
        }
    }
}

#[test]
fn a_scheme_of_another_kind_of_key_is_a_wrong_signature() {
    let (rsa, edwards) = (rsa_key(2048, 0).unwrap(), key(KeyKind::Ed25519, 5));
    let choice = AuthScheme::choose(rsa.kind(), ALL, &constraints("pubkey")).unwrap();
    assert_eq!(judge(&edwards, &sign(choice, &rsa), "pubkey"), Err(AuthError::Signature));
}

#[test]
fn announced_hashes_survive_the_notify_and_unknown_ones_are_skipped() {
    let data = SignatureHash::to_notify(SignatureHash::ALL);
    assert_eq!(data, [0, 2, 0, 3, 0, 4, 0, 5]);
    assert_eq!(SignatureHash::from_notify(&data), SignatureHash::ALL);
    assert_eq!(SignatureHash::from_notify(&[0, 1, 0, 9, 0, 4, 0, 4, 0]), [SignatureHash::Sha2_512]);
}
