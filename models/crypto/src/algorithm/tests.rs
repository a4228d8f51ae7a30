//! Claims about the registry as a whole.

use std::collections::BTreeSet;

use super::{AesKey, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};

/// Numbers of the IANA registry "Internet Key Exchange Version 2 (IKEv2) Parameters" and strongSwan's keywords.
const ENCRYPTION: &[(&str, u16, Option<u16>, &str)] = &[
    ("null", 11, None, "NULL"),
    ("aes128", 12, Some(128), "AES_CBC-128"),
    ("aes192", 12, Some(192), "AES_CBC-192"),
    ("aes256", 12, Some(256), "AES_CBC-256"),
    ("aes128gcm16", 20, Some(128), "AES_GCM_16-128"),
    ("aes192gcm16", 20, Some(192), "AES_GCM_16-192"),
    ("aes256gcm16", 20, Some(256), "AES_GCM_16-256"),
    ("chacha20poly1305", 28, None, "CHACHA20_POLY1305"),
];

const KEY_EXCHANGE: &[(&str, u16, &str)] = &[
    ("modp1024", 2, "MODP_1024"),
    ("modp1536", 5, "MODP_1536"),
    ("modp2048", 14, "MODP_2048"),
    ("modp3072", 15, "MODP_3072"),
    ("modp4096", 16, "MODP_4096"),
    ("ecp256", 19, "ECP_256"),
    ("ecp384", 20, "ECP_384"),
    ("x25519", 31, "CURVE_25519"),
];

const PRF: &[(&str, u16, &str)] = &[
    ("prfsha1", 2, "HMAC_SHA1"),
    ("prfsha256", 5, "HMAC_SHA2_256"),
    ("prfsha384", 6, "HMAC_SHA2_384"),
    ("prfsha512", 7, "HMAC_SHA2_512"),
];

const INTEGRITY: &[(&str, u16, &str)] = &[
    ("sha1", 2, "HMAC_SHA1_96"),
    ("sha256", 12, "HMAC_SHA2_256_128"),
    ("sha384", 13, "HMAC_SHA2_384_192"),
    ("sha512", 14, "HMAC_SHA2_512_256"),
];

#[test]
fn encryption_numbers_and_names_are_those_of_the_registry() {
    let actual: Vec<_> = Encryption::ALL
        .iter()
        .map(|a| (a.keyword(), a.transform_id(), a.key_length_attribute(), a.to_string()))
        .collect();
    let expected: Vec<_> = ENCRYPTION.iter().map(|row| (row.0, row.1, row.2, row.3.to_owned())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn key_exchange_numbers_and_names_are_those_of_the_registry() {
    let actual: Vec<_> = KeyExchangeMethod::ALL
        .iter()
        .map(|method| (method.keyword(), method.transform_id(), method.to_string()))
        .collect();
    let expected: Vec<_> = KEY_EXCHANGE.iter().map(|row| (row.0, row.1, row.2.to_owned())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn prf_numbers_and_names_are_those_of_the_registry() {
    let actual: Vec<_> =
        Prf::ALL.iter().map(|prf| (prf.keyword(), prf.transform_id(), prf.to_string())).collect();
    let expected: Vec<_> = PRF.iter().map(|row| (row.0, row.1, row.2.to_owned())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn integrity_numbers_and_names_are_those_of_the_registry() {
    let actual: Vec<_> =
        Integrity::ALL.iter().map(|mac| (mac.keyword(), mac.transform_id(), mac.to_string())).collect();
    let expected: Vec<_> = INTEGRITY.iter().map(|row| (row.0, row.1, row.2.to_owned())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn every_transform_and_keyword_leads_back_to_its_algorithm() {
    for &a in Encryption::ALL {
        assert_eq!(Encryption::from_transform(a.transform_id(), a.key_length_attribute()), Some(a));
        assert_eq!(Encryption::from_keyword(a.keyword()), Some(a));
    }
    for &a in Prf::ALL {
        assert_eq!(
            (Prf::from_transform(a.transform_id()), Prf::from_keyword(a.keyword())),
            (Some(a), Some(a))
        );
    }
    for &a in Integrity::ALL {
        assert_eq!(Integrity::from_transform(a.transform_id()), Some(a));
        assert_eq!(Integrity::from_keyword(a.keyword()), Some(a));
    }
    for &a in KeyExchangeMethod::ALL {
        assert_eq!(KeyExchangeMethod::from_transform(a.transform_id()), Some(a));
        assert_eq!(KeyExchangeMethod::from_keyword(a.keyword()), Some(a));
    }
}

#[test]
fn every_other_transform_id_is_unknown() {
    for id in 0..=u16::MAX {
        assert_eq!(Prf::from_transform(id).is_some(), PRF.iter().any(|row| row.1 == id));
        assert_eq!(Integrity::from_transform(id).is_some(), INTEGRITY.iter().any(|row| row.1 == id));
        let method = KeyExchangeMethod::from_transform(id);
        assert_eq!(method.is_some(), KEY_EXCHANGE.iter().any(|row| row.1 == id));
        for key_length in [None, Some(0), Some(64), Some(128), Some(192), Some(256), Some(512)] {
            let listed = ENCRYPTION.iter().any(|row| (row.1, row.2) == (id, key_length));
            assert_eq!(Encryption::from_transform(id, key_length).is_some(), listed, "{id} {key_length:?}");
        }
    }
}

#[test]
fn strongswans_aliases_name_the_same_algorithms() {
    let gcm = |key| Some(Encryption::AesGcm16(key));
    assert_eq!(Encryption::from_keyword("aes"), Some(Encryption::AesCbc(AesKey::Bits128)));
    for &key in AesKey::ALL {
        for suffix in ["gcm", "gcm16", "gcm128"] {
            assert_eq!(Encryption::from_keyword(&format!("aes{}{suffix}", key.bits())), gcm(key));
        }
    }
    assert_eq!(Integrity::from_keyword("sha"), Some(Integrity::HmacSha1_96));
    assert_eq!(Integrity::from_keyword("sha2_384"), Some(Integrity::HmacSha2_384_192));
    assert_eq!(KeyExchangeMethod::from_keyword("curve25519"), Some(KeyExchangeMethod::Curve25519));
}

#[test]
fn near_misses_are_no_keywords() {
    let wrong =
        ["", "AES128", "aes64", "aesgcm", "aes128gcm8", "aes128gcm1", "nullgcm", "gcm", "aes128 ", "3des"];
    for keyword in wrong {
        assert_eq!(Encryption::from_keyword(keyword), None, "{keyword:?}");
    }
    for keyword in ["", "md5", "sha2", "sha256_96", "prfsha256", "SHA256"] {
        assert_eq!(Integrity::from_keyword(keyword), None, "{keyword:?}");
        assert_eq!(KeyExchangeMethod::from_keyword(keyword), None, "{keyword:?}");
    }
    assert_eq!(Prf::from_keyword("sha256"), None);
}

#[test]
fn only_aeads_have_salt_and_an_icv_of_their_own() {
    for &a in Encryption::ALL {
        assert_eq!(a.is_aead(), a.salt_len() == 4, "{a}");
        assert_eq!(a.is_aead(), a.icv_len() == 16, "{a}");
        assert_eq!(a.needs_random_iv(), a.block_len() == 16, "{a}");
        assert_eq!(a.key_material_len(), a.key_len() + a.salt_len(), "{a}");
    }
}

/// RFC 4868 §2.6: key and ICV lengths; RFC 2404 §3 for SHA-1.
#[test]
fn integrity_lengths_are_those_of_the_rfcs() {
    let lengths: Vec<_> = Integrity::ALL.iter().map(|mac| (mac.key_len(), mac.icv_len())).collect();
    assert_eq!(lengths, [(20, 12), (32, 16), (48, 24), (64, 32)]);
}

#[test]
fn modp_exponents_are_at_least_twice_the_strength_of_the_group() {
    // Strengths in bits: SP 800-57 for group 2, RFC 3526 §8 (its lower estimate) for the others.
    let strengths =
        [("modp1024", 80), ("modp1536", 90), ("modp2048", 110), ("modp3072", 130), ("modp4096", 150)];
    for (keyword, strength) in strengths {
        let method = KeyExchangeMethod::from_keyword(keyword).unwrap();
        assert!(method.private_len() * 8 >= 2 * strength, "{keyword}");
        assert_eq!(method.secret_len(), method.public_len());
    }
}

#[test]
fn algorithms_are_distinct() {
    let keywords: BTreeSet<_> = Encryption::ALL.iter().map(|a| a.keyword()).collect();
    assert_eq!(keywords.len(), Encryption::ALL.len());
    assert_eq!(Hash::ALL.iter().map(|hash| hash.output_len()).collect::<Vec<_>>(), [16, 16, 20, 32, 48, 64]);
    let names = ["MD4", "MD5", "SHA1", "SHA2_256", "SHA2_384", "SHA2_512"];
    assert_eq!(Hash::ALL.iter().map(ToString::to_string).collect::<Vec<_>>(), names);
}
