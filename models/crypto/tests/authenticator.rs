//! ICVs of AH: the same tags as the algorithms give elsewhere, and nothing else verifies.

mod common;

use common::{octets, session};
use ipseclab_crypto::{AesKey, Authentication, Encryption, Integrity, Operation, Secret, Work};

/// IANA's transform IDs of type 3 with strongSwan's keywords, and octets of key material, IV and tag.
const REGISTRY: &[(&str, u16, [usize; 3])] = &[
    ("md5", 1, [16, 0, 12]),
    ("sha1", 2, [20, 0, 12]),
    ("aesxcbc", 5, [16, 0, 12]),
    ("aescmac", 8, [16, 0, 12]),
    ("sha256", 12, [32, 0, 16]),
    ("sha384", 13, [48, 0, 24]),
    ("sha512", 14, [64, 0, 32]),
    ("aes128gmac", 9, [20, 8, 16]),
    ("aes192gmac", 10, [28, 8, 16]),
    ("aes256gmac", 11, [36, 8, 16]),
];

#[test]
fn numbers_names_and_lengths_are_those_of_the_registry() {
    let row =
        |a: &Authentication| (a.keyword(), a.transform_id(), [a.key_material_len(), a.iv_len(), a.tag_len()]);
    assert_eq!(Authentication::ALL.iter().map(row).collect::<Vec<_>>(), REGISTRY);
    for &algorithm in Authentication::ALL {
        assert_eq!(Authentication::from_transform(algorithm.transform_id()), Some(algorithm));
        assert_eq!(Authentication::from_keyword(algorithm.keyword()), Some(algorithm));
    }
    let known = (0..=u16::MAX).filter(|id| Authentication::from_transform(*id).is_some()).count();
    assert_eq!(known, REGISTRY.len());
    assert_eq!(Authentication::from_keyword("aes128"), None);
    assert_eq!(Authentication::Gmac(AesKey::Bits256).to_string(), "AES_256_GMAC");
    assert_eq!(Authentication::from(Integrity::HmacSha1_96).to_string(), "HMAC_SHA1_96");
}

#[test]
fn old_algorithms_are_marked_as_weak() {
    let weak = |keyword: &&str| Authentication::from_keyword(keyword).unwrap().is_weak();
    assert_eq!(REGISTRY.iter().map(|row| row.0).filter(weak).collect::<Vec<_>>(), ["md5"]);
    let weak: Vec<_> = Encryption::ALL.iter().filter(|one| one.is_weak()).map(|one| one.keyword()).collect();
    assert_eq!(weak, ["des", "3des"]);
}

/// The tag that ESP puts behind `covered`, whose octets 8 to 16 are the IV of GMAC.
fn tag_of_esp(algorithm: Authentication, key: &Secret, covered: &[u8]) -> Vec<u8> {
    let mut crypto = session();
    let cipher = match algorithm {
        Authentication::Mac(mac) => {
            crypto.packet_cipher(Encryption::Null, &Secret::new([]), Some((mac, key)))
        }
        Authentication::Gmac(bits) => crypto.packet_cipher(Encryption::AesGmac(bits), key, None),
    };
    let mut packet = covered.to_vec();
    cipher.seal(&mut crypto, &mut packet, 8);
    packet.split_off(covered.len())
}

#[test]
fn tags_are_those_of_esp_over_the_same_octets() {
    for &algorithm in Authentication::ALL {
        let mut crypto = session();
        let key = Secret::new(octets(1, algorithm.key_material_len()));
        let authenticator = crypto.authenticator(algorithm, &key);
        for len in [16, 17, 64, 1400] {
            let covered = octets(2, len);
            let iv = &covered[8..8 + algorithm.iv_len()];
            let mut tag = vec![0; algorithm.tag_len()];
            authenticator.sign(&mut crypto, &covered, iv, &mut tag);
            assert_eq!(tag, tag_of_esp(algorithm, &key, &covered), "{algorithm} {len}");
            assert!(authenticator.verify(&mut crypto, &covered, iv, &tag));
        }
    }
}

#[test]
fn every_bit_of_what_is_covered_counts() {
    for &algorithm in Authentication::ALL {
        let mut crypto = session();
        let key = Secret::new(octets(3, algorithm.key_material_len()));
        let authenticator = crypto.authenticator(algorithm, &key);
        let (mut covered, mut iv) = (octets(4, 40), octets(5, algorithm.iv_len()));
        let mut tag = vec![0; algorithm.tag_len()];
        authenticator.sign(&mut crypto, &covered, &iv, &mut tag);
        for bit in 0..covered.len() * 8 {
            covered[bit / 8] ^= 1 << (bit % 8);
            assert!(!authenticator.verify(&mut crypto, &covered, &iv, &tag), "{algorithm} {bit}");
            covered[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..iv.len() * 8 {
            iv[bit / 8] ^= 1 << (bit % 8);
            assert!(!authenticator.verify(&mut crypto, &covered, &iv, &tag), "{algorithm} IV {bit}");
            iv[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(authenticator.verify(&mut crypto, &covered, &iv, &tag));
    }
}

#[test]
fn the_work_is_that_of_the_algorithm_under_esp() {
    let mut crypto = session();
    let mut work = |algorithm: Authentication| {
        let key = Secret::new(octets(6, algorithm.key_material_len()));
        let authenticator = crypto.authenticator(algorithm, &key);
        let (iv, mut tag) = (vec![0; algorithm.iv_len()], vec![0; algorithm.tag_len()]);
        authenticator.sign(&mut crypto, &[7; 100], &iv, &mut tag);
        authenticator.verify(&mut crypto, &[7; 90], &iv, &tag);
        crypto.take_work()
    };
    let sha1 = Operation::Integrity(Integrity::HmacSha1_96);
    let expected = |operations: [Operation; 2]| {
        operations.into_iter().zip([100, 90]).map(|(operation, octets)| Work { operation, octets }).collect()
    };
    let expected: [Vec<Work>; 2] = [
        expected([sha1, sha1]),
        expected(
            [Operation::Encrypt, Operation::Decrypt].map(|make| make(Encryption::AesGmac(AesKey::Bits128))),
        ),
    ];
    assert_eq!(work(Integrity::HmacSha1_96.into()), expected[0]);
    assert_eq!(work(Authentication::Gmac(AesKey::Bits128)), expected[1]);
}

#[test]
fn a_cipher_without_integrity_hides_and_accepts_anything() {
    for encryption in ["des", "3des", "aes128", "aes256ctr", "null"] {
        let encryption = Encryption::from_keyword(encryption).unwrap();
        let mut crypto = session();
        let key = Secret::new(octets(8, encryption.key_material_len()));
        let cipher = crypto.packet_cipher(encryption, &key, None);
        assert_eq!(cipher.icv_len(), 0);
        let plain = octets(9, 8 + encryption.iv_len() + 32);
        let mut packet = plain.clone();
        cipher.seal(&mut crypto, &mut packet, 8);
        assert_eq!((packet.len(), packet == plain), (plain.len(), !encryption.hides_text()));
        let text = cipher.open(&mut crypto, &mut packet.clone(), 8).unwrap().to_vec();
        assert_eq!(text, plain[8 + encryption.iv_len()..]);
        *packet.last_mut().unwrap() ^= 1;
        assert_ne!(cipher.open(&mut crypto, &mut packet, 8).unwrap(), text);
    }
}
