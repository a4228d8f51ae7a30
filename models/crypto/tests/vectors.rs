//! The provider gives what the RFCs and NIST print. The data files in `vectors/` name their sources.

mod common;

use common::{Hex, cases, octets, session};
use ipseclab_crypto::{
    Encryption, Hash, Integrity, KeyExchangeError, KeyExchangeMethod, OpenError, Prf, Secret,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct PrfCase {
    source: String,
    prf: String,
    key: Hex,
    data: Hex,
    output: Hex,
}

fn prf_cases() -> Vec<PrfCase> {
    let files = [include_str!("vectors/hmac.json"), include_str!("vectors/aes-prf.json")];
    files.into_iter().flat_map(cases).collect()
}

#[test]
fn prfs_match_rfc_2202_rfc_4231_rfc_4434_and_rfc_4615() {
    for case in prf_cases() {
        let prf = Prf::from_keyword(&case.prf).unwrap();
        let output = session().prf(prf, &case.key.0, &[&case.data.0]);
        assert_eq!(output.expose(), case.output.0, "{}", case.source);
        assert_eq!(output.len(), prf.output_len());
    }
}

#[test]
fn every_prf_and_mac_of_the_registry_has_a_vector() {
    let prfs = prf_cases();
    assert!(Prf::ALL.iter().all(|prf| prfs.iter().any(|case| case.prf == prf.keyword())));
    let macs = cases::<IcvCase>(include_str!("vectors/icv.json"));
    assert!(Integrity::ALL.iter().all(|mac| macs.iter().any(|case| case.integrity == mac.keyword())));
}

#[test]
fn a_prf_does_not_see_where_its_parts_meet() {
    for case in prf_cases() {
        let prf = Prf::from_keyword(&case.prf).unwrap();
        for cut in 0..case.data.0.len() {
            let (left, right) = case.data.0.split_at(cut);
            let output = session().prf(prf, &case.key.0, &[left, &[], right]);
            assert_eq!(output.expose(), case.output.0, "{} cut at {cut}", case.source);
        }
    }
}

#[derive(Deserialize)]
struct IcvCase {
    source: String,
    integrity: String,
    key: Hex,
    data: Hex,
    icv: Hex,
}

#[test]
fn truncated_icvs_match_rfc_2403_rfc_2404_rfc_3566_rfc_4494_and_rfc_4868() {
    for case in cases::<IcvCase>(include_str!("vectors/icv.json")) {
        let integrity = Integrity::from_keyword(&case.integrity).unwrap();
        let key = Secret::new(case.key.0);
        let mut crypto = session();
        let cipher = crypto.packet_cipher(Encryption::Null, &Secret::new([]), Some((integrity, &key)));
        let mut packet = case.data.0.clone();
        cipher.seal(&mut crypto, &mut packet, 2);
        assert_eq!(packet, [case.data.0.as_slice(), &case.icv.0].concat(), "{}", case.source);
        assert_eq!(cipher.open(&mut crypto, &mut packet, 2).unwrap(), &case.data.0[2..]);
    }
}

#[derive(Deserialize)]
struct HashCase {
    source: String,
    hash: String,
    data: Hex,
    output: Hex,
}

#[test]
fn hashes_match_fips_180_rfc_1320_and_rfc_1321() {
    for case in cases::<HashCase>(include_str!("vectors/hash.json")) {
        let hash = *Hash::ALL.iter().find(|hash| hash.to_string() == case.hash).unwrap();
        let (left, right) = case.data.0.split_at(case.data.0.len() / 2);
        assert_eq!(session().hash(hash, &[left, right]), case.output.0, "{}", case.source);
        assert_eq!(case.output.0.len(), hash.output_len());
    }
}

#[derive(Deserialize)]
struct DesCase {
    source: String,
    key: Hex,
    plaintext: Hex,
    ciphertext: Hex,
}

#[test]
fn a_des_block_matches_nbs_sp_500_20_whatever_the_parity() {
    for case in cases::<DesCase>(include_str!("vectors/des-block.json")) {
        let (key, block): ([u8; 8], _) =
            (case.key.0.try_into().unwrap(), case.plaintext.0.try_into().unwrap());
        for key in [key, key.map(|octet| octet ^ 1)] {
            assert_eq!(session().des_encrypt_block(key, block)[..], case.ciphertext.0, "{}", case.source);
        }
    }
}

#[derive(Deserialize)]
struct CipherCase {
    source: String,
    encryption: String,
    key: Hex,
    salt: Option<Hex>,
    iv: Hex,
    plaintext: Hex,
    ciphertext: Hex,
}

fn cipher_cases() -> Vec<CipherCase> {
    let files = [
        include_str!("vectors/aes-cbc.json"),
        include_str!("vectors/aes-ctr.json"),
        include_str!("vectors/des-cbc.json"),
    ];
    files.into_iter().flat_map(cases).collect()
}

#[test]
fn ciphers_match_rfc_3602_rfc_3686_sp_800_38a_cavp_and_fips_81() {
    let header = [1, 2, 3, 4, 5, 6, 7, 8];
    for case in cipher_cases() {
        let encryption = Encryption::from_keyword(&case.encryption).unwrap();
        let mac_key = Secret::new([0x0b; 32]);
        let mut crypto = session();
        let mac = Some((Integrity::HmacSha2_256_128, &mac_key));
        let key = [case.key.0, case.salt.map_or_else(Vec::new, |salt| salt.0)].concat();
        let cipher = crypto.packet_cipher(encryption, &Secret::new(key), mac);
        let mut packet = [&header[..], &case.iv.0, &case.plaintext.0].concat();
        cipher.seal(&mut crypto, &mut packet, header.len());
        let covered = [&header[..], &case.iv.0, &case.ciphertext.0].concat();
        let icv = crypto.prf(Prf::HmacSha2_256, mac_key.expose(), &[&covered]);
        assert_eq!(packet, [&covered[..], &icv.expose()[..16]].concat(), "{}", case.source);
        assert_eq!(cipher.open(&mut crypto, &mut packet, header.len()).unwrap(), case.plaintext.0);
    }
}

/// As IKEv1 messages have it, and ESP within AH.
#[test]
fn cbc_alone_gives_the_same_text_without_an_icv() {
    let mut tried = 0;
    for case in cipher_cases() {
        let encryption = Encryption::from_keyword(&case.encryption).unwrap();
        if encryption.block_len() == 1 {
            continue;
        }
        let mut crypto = session();
        let cipher = crypto.packet_cipher(encryption, &Secret::new(case.key.0), None);
        let mut packet = [&case.iv.0[..], &case.plaintext.0].concat();
        cipher.seal(&mut crypto, &mut packet, 0);
        assert_eq!(packet, [&case.iv.0[..], &case.ciphertext.0].concat(), "{}", case.source);
        assert_eq!(cipher.open(&mut crypto, &mut packet, 0).unwrap(), case.plaintext.0);
        let len = case.ciphertext.0.len() - 1;
        packet.pop();
        assert_eq!(cipher.open(&mut crypto, &mut packet, 0), Err(OpenError::NotWholeBlocks { len }));
        tried += 1;
    }
    assert!(tried >= 5, "{tried} cases");
}

#[derive(Deserialize)]
struct AeadCase {
    source: String,
    encryption: String,
    key: Hex,
    salt: Hex,
    header: Hex,
    iv: Hex,
    plaintext: Hex,
    ciphertext: Hex,
    icv: Hex,
}

#[test]
fn aeads_match_the_gcm_specification_cavp_rfc_8439_and_rfc_7634() {
    for case in cases::<AeadCase>(include_str!("vectors/aead.json")) {
        let encryption = Encryption::from_keyword(&case.encryption).unwrap();
        let key = Secret::new([case.key.0, case.salt.0].concat());
        let mut crypto = session();
        let cipher = crypto.packet_cipher(encryption, &key, None);
        let header_len = case.header.0.len();
        let mut packet = [&case.header.0[..], &case.iv.0, &case.plaintext.0].concat();
        cipher.seal(&mut crypto, &mut packet, header_len);
        let expected = [&case.header.0[..], &case.iv.0, &case.ciphertext.0, &case.icv.0].concat();
        assert_eq!(packet, expected, "{}", case.source);
        assert_eq!(cipher.open(&mut crypto, &mut packet, header_len).unwrap(), case.plaintext.0);
    }
}

#[test]
fn every_cipher_of_the_registry_has_a_vector() {
    let aeads = cases::<AeadCase>(include_str!("vectors/aead.json")).into_iter().map(|case| case.encryption);
    let named: Vec<_> = aeads.chain(cipher_cases().into_iter().map(|case| case.encryption)).collect();
    for encryption in Encryption::ALL.iter().filter(|encryption| **encryption != Encryption::Null) {
        assert!(named.iter().any(|keyword| keyword == encryption.keyword()), "{encryption}");
    }
}

#[derive(Deserialize)]
struct KeyExchangeCase {
    source: String,
    method: String,
    drawn_i: Hex,
    public_i: Hex,
    drawn_r: Hex,
    public_r: Hex,
    secret: Hex,
}

#[test]
fn key_exchanges_match_rfc_5114_rfc_5903_rfc_7748_and_independent_powers() {
    for case in cases::<KeyExchangeCase>(include_str!("vectors/key-exchange.json")) {
        let method = KeyExchangeMethod::from_keyword(&case.method).unwrap();
        let mut crypto = session();
        let sides = [
            (case.drawn_i.0, &case.public_i.0, &case.public_r.0),
            (case.drawn_r.0, &case.public_r.0, &case.public_i.0),
        ];
        for (drawn, own_public, peer_public) in sides {
            let private = Secret::new(drawn);
            assert_eq!(&crypto.public_value(method, &private), own_public, "{}", case.source);
            let secret = crypto.shared_secret(method, &private, peer_public).unwrap();
            assert_eq!(secret.expose(), case.secret.0, "{}", case.source);
        }
    }
}

#[test]
fn every_key_exchange_of_the_registry_has_a_vector() {
    let cases = cases::<KeyExchangeCase>(include_str!("vectors/key-exchange.json"));
    for method in KeyExchangeMethod::ALL {
        assert!(cases.iter().any(|case| case.method == method.keyword()), "{method}");
    }
}

#[derive(Deserialize)]
struct MontgomeryFile {
    cases: Vec<MontgomeryCase>,
    after_1: Hex,
    after_1000: Hex,
    low_order: Vec<Hex>,
}

#[derive(Deserialize)]
struct MontgomeryCase {
    source: String,
    scalar: Hex,
    u: Hex,
    output: Hex,
}

/// The two curves of RFC 7748 with their files and the coordinates of their base points.
fn montgomery() -> [(KeyExchangeMethod, MontgomeryFile, u8); 2] {
    let read = |file| serde_json::from_str(file).expect("the vector file fits");
    [
        (KeyExchangeMethod::Curve25519, read(include_str!("vectors/x25519.json")), 9),
        (KeyExchangeMethod::Curve448, read(include_str!("vectors/x448.json")), 5),
    ]
}

fn multiple(method: KeyExchangeMethod, scalar: Vec<u8>, u: &[u8]) -> Result<Secret, KeyExchangeError> {
    session().shared_secret(method, &Secret::new(scalar), u)
}

#[test]
fn x25519_and_x448_match_rfc_7748() {
    for (method, file, _) in montgomery() {
        for case in file.cases {
            let output = multiple(method, case.scalar.0, &case.u.0).unwrap();
            assert_eq!(output.expose(), case.output.0, "{}", case.source);
        }
    }
}

/// RFC 7748 §5.2: the output becomes the scalar, the old scalar the coordinate.
#[test]
fn x25519_and_x448_iterated_a_thousand_times_match_rfc_7748() {
    for (method, file, base) in montgomery() {
        let start = [vec![base], vec![0; method.public_len() - 1]].concat();
        let (mut scalar, mut u) = (start.clone(), start);
        for round in 1..=1000 {
            let output = multiple(method, scalar.clone(), &u).unwrap().expose().to_vec();
            (scalar, u) = (output, scalar);
            if round == 1 {
                assert_eq!(scalar, file.after_1.0);
            }
        }
        assert_eq!(scalar, file.after_1000.0);
    }
}

#[test]
fn points_of_small_order_are_rejected() {
    for (method, file, _) in montgomery() {
        for (seed, point) in file.low_order.iter().enumerate() {
            let scalar = octets(seed as u64, method.private_len());
            assert_eq!(multiple(method, scalar, &point.0), Err(KeyExchangeError::Invalid), "{point:?}");
        }
    }
}
