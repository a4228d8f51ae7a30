//! Claims about the registry as a whole.

use std::collections::BTreeSet;

use super::{AesKey, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};

/// Numbers of the IANA registry "Internet Key Exchange Version 2 (IKEv2) Parameters" and strongSwan's keywords.
const ENCRYPTION: &[(&str, u16, Option<u16>, &str)] = &[
    ("des", 2, None, "DES"),
    ("3des", 3, None, "3DES"),
    ("null", 11, None, "NULL"),
    ("aes128", 12, Some(128), "AES_CBC-128"),
    ("aes192", 12, Some(192), "AES_CBC-192"),
    ("aes256", 12, Some(256), "AES_CBC-256"),
    ("aes128ctr", 13, Some(128), "AES_CTR-128"),
    ("aes192ctr", 13, Some(192), "AES_CTR-192"),
    ("aes256ctr", 13, Some(256), "AES_CTR-256"),
    ("aes128ccm8", 14, Some(128), "AES_CCM_8-128"),
    ("aes192ccm8", 14, Some(192), "AES_CCM_8-192"),
    ("aes256ccm8", 14, Some(256), "AES_CCM_8-256"),
    ("aes128ccm12", 15, Some(128), "AES_CCM_12-128"),
    ("aes192ccm12", 15, Some(192), "AES_CCM_12-192"),
    ("aes256ccm12", 15, Some(256), "AES_CCM_12-256"),
    ("aes128ccm16", 16, Some(128), "AES_CCM_16-128"),
    ("aes192ccm16", 16, Some(192), "AES_CCM_16-192"),
    ("aes256ccm16", 16, Some(256), "AES_CCM_16-256"),
    ("aes128gcm8", 18, Some(128), "AES_GCM_8-128"),
    ("aes192gcm8", 18, Some(192), "AES_GCM_8-192"),
    ("aes256gcm8", 18, Some(256), "AES_GCM_8-256"),
    ("aes128gcm12", 19, Some(128), "AES_GCM_12-128"),
    ("aes192gcm12", 19, Some(192), "AES_GCM_12-192"),
    ("aes256gcm12", 19, Some(256), "AES_GCM_12-256"),
    ("aes128gcm16", 20, Some(128), "AES_GCM_16-128"),
    ("aes192gcm16", 20, Some(192), "AES_GCM_16-192"),
    ("aes256gcm16", 20, Some(256), "AES_GCM_16-256"),
    ("aes128gmac", 21, Some(128), "NULL_AUTH_AES_GMAC-128"),
    ("aes192gmac", 21, Some(192), "NULL_AUTH_AES_GMAC-192"),
    ("aes256gmac", 21, Some(256), "NULL_AUTH_AES_GMAC-256"),
    ("chacha20poly1305", 28, None, "CHACHA20_POLY1305"),
];

const KEY_EXCHANGE: &[(&str, u16, &str)] = &[
    ("modp768", 1, "MODP_768"),
    ("modp1024", 2, "MODP_1024"),
    ("modp1536", 5, "MODP_1536"),
    ("modp2048", 14, "MODP_2048"),
    ("modp3072", 15, "MODP_3072"),
    ("modp4096", 16, "MODP_4096"),
    ("modp6144", 17, "MODP_6144"),
    ("modp8192", 18, "MODP_8192"),
    ("ecp256", 19, "ECP_256"),
    ("ecp384", 20, "ECP_384"),
    ("ecp521", 21, "ECP_521"),
    ("modp1024s160", 22, "MODP_1024_160"),
    ("modp2048s224", 23, "MODP_2048_224"),
    ("modp2048s256", 24, "MODP_2048_256"),
    ("x25519", 31, "CURVE_25519"),
    ("x448", 32, "CURVE_448"),
];

const PRF: &[(&str, u16, &str)] = &[
    ("prfmd5", 1, "HMAC_MD5"),
    ("prfsha1", 2, "HMAC_SHA1"),
    ("prfaesxcbc", 4, "AES128_XCBC"),
    ("prfsha256", 5, "HMAC_SHA2_256"),
    ("prfsha384", 6, "HMAC_SHA2_384"),
    ("prfsha512", 7, "HMAC_SHA2_512"),
    ("prfaescmac", 8, "AES128_CMAC"),
];

const INTEGRITY: &[(&str, u16, &str)] = &[
    ("md5", 1, "HMAC_MD5_96"),
    ("sha1", 2, "HMAC_SHA1_96"),
    ("aesxcbc", 5, "AES_XCBC_96"),
    ("aescmac", 8, "AES_CMAC_96"),
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

type Family = fn(AesKey) -> Encryption;

#[test]
fn strongswans_aliases_name_the_same_algorithms() {
    assert_eq!(Encryption::from_keyword("aes"), Some(Encryption::AesCbc(AesKey::Bits128)));
    for &key in AesKey::ALL {
        let families: [([&str; 2], Family); 6] = [
            (["gcm8", "gcm64"], Encryption::AesGcm8),
            (["gcm12", "gcm96"], Encryption::AesGcm12),
            (["gcm", "gcm128"], Encryption::AesGcm16),
            (["ccm8", "ccm64"], Encryption::AesCcm8),
            (["ccm12", "ccm96"], Encryption::AesCcm12),
            (["ccm", "ccm128"], Encryption::AesCcm16),
        ];
        for (suffixes, make) in families {
            let named = suffixes.map(|suffix| format!("aes{}{suffix}", key.bits()));
            assert!(named.iter().all(|word| Encryption::from_keyword(word) == Some(make(key))), "{named:?}");
        }
    }
    assert_eq!(Integrity::from_keyword("sha"), Some(Integrity::HmacSha1_96));
    assert_eq!(Integrity::from_keyword("sha2_384"), Some(Integrity::HmacSha2_384_192));
    assert_eq!(KeyExchangeMethod::from_keyword("curve25519"), Some(KeyExchangeMethod::Curve25519));
    assert_eq!(KeyExchangeMethod::from_keyword("curve448"), Some(KeyExchangeMethod::Curve448));
}

#[test]
fn near_misses_are_no_keywords() {
    let wrong = [
        "",
        "AES128",
        "aes64",
        "aesgcm",
        "aes128gcm4",
        "aes128gcm1",
        "aes128gcm1616",
        "nullgcm",
        "gcm",
        "aes128 ",
        "3des168",
    ];
    for keyword in wrong {
        assert_eq!(Encryption::from_keyword(keyword), None, "{keyword:?}");
    }
    for keyword in ["", "md5_128", "sha2", "sha256_96", "prfsha256", "SHA256"] {
        assert_eq!(Integrity::from_keyword(keyword), None, "{keyword:?}");
        assert_eq!(KeyExchangeMethod::from_keyword(keyword), None, "{keyword:?}");
    }
    assert_eq!(Prf::from_keyword("sha256"), None);
}

/// RFC 3686 §5.1, RFC 4106 §8.1, RFC 4309 §7.1, RFC 7634 §2: the octets of salt after the key.
#[test]
fn key_material_is_the_key_and_the_salt_of_the_mode() {
    for &a in Encryption::ALL {
        let keyword = a.keyword();
        let salt_len = match keyword {
            _ if keyword.contains("ccm") => 3,
            _ if a.is_aead() || keyword.ends_with("ctr") => 4,
            _ => 0,
        };
        assert_eq!(a.key_material_len(), a.key_len() + salt_len, "{a}");
        let key_len = a.key_length_attribute().map_or(0, |bits| usize::from(bits) / 8);
        assert!(key_len == 0 || key_len == a.key_len(), "{a}");
    }
    assert_eq!([Encryption::Des, Encryption::TripleDes].map(Encryption::key_len), [8, 24]);
}

#[test]
fn an_aead_is_what_brings_an_icv_and_a_block_cipher_what_needs_random_ivs() {
    for &a in Encryption::ALL {
        assert_eq!(a.is_aead(), a.icv_len() != 0, "{a}");
        assert!([0, 8, 12, 16].contains(&a.icv_len()), "{a}");
        assert_eq!(a.needs_random_iv(), a.block_len() > 1, "{a}");
        assert!(a.block_len() == 1 || a.block_len() == a.iv_len(), "{a}");
    }
    assert_eq!(Encryption::AesCcm8(AesKey::Bits256).icv_len(), 8);
    assert_eq!(Encryption::AesGcm12(AesKey::Bits128).icv_len(), 12);
    let readable: Vec<_> = Encryption::ALL.iter().filter(|a| !a.hides_text()).map(|a| a.keyword()).collect();
    assert_eq!(readable, ["null", "aes128gmac", "aes192gmac", "aes256gmac"]);
}

/// RFC 7296 §2.14.
#[test]
fn prfs_made_of_aes_have_one_key_length() {
    let fixed: Vec<_> =
        Prf::ALL.iter().filter_map(|prf| Some((prf.keyword(), prf.fixed_key_len()?))).collect();
    assert_eq!(fixed, [("prfaesxcbc", 16), ("prfaescmac", 16)]);
}

/// RFC 4868 §2.6: key and ICV lengths; RFC 2403 §3, RFC 2404 §3, RFC 3566 §4 and RFC 4494 §2 for the others.
#[test]
fn integrity_lengths_are_those_of_the_rfcs() {
    let lengths: Vec<_> = Integrity::ALL.iter().map(|mac| (mac.key_len(), mac.icv_len())).collect();
    assert_eq!(lengths, [(16, 12), (20, 12), (16, 12), (16, 12), (32, 16), (48, 24), (64, 32)]);
}

#[test]
fn modp_exponents_are_at_least_twice_the_strength_of_the_group() {
    // Strengths in bits: SP 800-57 for groups 1 and 2, RFC 3526 §8 (its lower estimate) for the others.
    let strengths = [
        ("modp768", 80),
        ("modp1024", 80),
        ("modp1536", 90),
        ("modp2048", 110),
        ("modp3072", 130),
        ("modp4096", 150),
        ("modp6144", 170),
        ("modp8192", 190),
    ];
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
