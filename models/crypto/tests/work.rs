//! Every operation is counted on the session's meter, over the octets that `Work` promises.

mod common;

use common::{keyed, octets, session, suites};
use ipseclab_crypto::{Crypto, Hash, KeyExchangeMethod, Operation, Prf, Secret, Work};

fn work(operation: Operation, octets: usize) -> Work {
    Work { operation, octets }
}

#[test]
fn prfs_and_hashes_count_the_octets_of_all_parts() {
    for &prf in Prf::ALL {
        let mut crypto = session();
        crypto.prf(prf, b"a key is not counted", &[b"abc", b"", b"defgh"]);
        assert_eq!(crypto.take_work(), [work(Operation::Prf(prf), 8)]);
    }
    for &hash in Hash::ALL {
        let mut crypto = session();
        crypto.hash(hash, &[b"abc", b"defgh"]);
        assert_eq!(crypto.take_work(), [work(Operation::Hash(hash), 8)]);
    }
    let mut crypto = session();
    crypto.des_encrypt_block([1; 8], [2; 8]);
    assert_eq!(crypto.take_work(), [work(Operation::DesBlock, 0)]);
}

/// RFC 7296 §2.13: T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2) …
#[test]
fn prf_plus_counts_one_call_per_block() {
    for &prf in Prf::ALL {
        let mut crypto = session();
        let block = prf.output_len();
        let stream = crypto.prf_plus(prf, b"key", &[b"seed", b"!"], 2 * block + 1);
        assert_eq!(stream.len(), 2 * block + 1);
        let operation = Operation::Prf(prf);
        let expected = [work(operation, 6), work(operation, block + 6), work(operation, block + 6)];
        assert_eq!(crypto.take_work(), expected);
    }
}

#[test]
fn prf_plus_of_nothing_is_empty_and_free() {
    let mut crypto = session();
    assert!(crypto.prf_plus(Prf::HmacSha1, b"key", &[b"seed"], 0).is_empty());
    assert_eq!(crypto.take_work(), []);
}

#[test]
fn a_shorter_key_stream_is_a_prefix_of_a_longer_one() {
    let stream = |len| session().prf_plus(Prf::HmacSha2_256, b"key", &[b"seed"], len);
    let longest = stream(255 * 32);
    for len in [1, 31, 32, 33, 100, 255 * 32 - 1] {
        assert_eq!(stream(len).expose(), &longest.expose()[..len]);
    }
}

#[test]
fn key_exchanges_have_a_fixed_size_and_count_also_when_refused() {
    for &method in KeyExchangeMethod::ALL {
        let mut crypto = session();
        let private = Secret::new(octets(1, method.private_len()));
        let public = crypto.public_value(method, &private);
        crypto.shared_secret(method, &private, &public).unwrap();
        crypto.shared_secret(method, &private, &[]).unwrap_err();
        let (generation, agreement) = (Operation::KeyGeneration(method), Operation::KeyAgreement(method));
        assert_eq!(crypto.take_work(), [work(generation, 0), work(agreement, 0), work(agreement, 0)]);
    }
}

#[test]
fn ciphers_count_the_text_and_macs_all_that_they_cover() {
    const HEADER_LEN: usize = 8;
    const TEXT_LEN: usize = 96;
    for suite in suites() {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 1);
        assert_eq!(crypto.take_work(), [], "keying is part of the packets' price");
        let covered = HEADER_LEN + cipher.iv_len() + TEXT_LEN;
        let mut packet = octets(1, covered);
        let expect = |crypto: &mut Crypto, operation| {
            let mac = suite.1.map(|integrity| work(Operation::Integrity(integrity), covered));
            let expected: Vec<_> = [work(operation, TEXT_LEN)].into_iter().chain(mac).collect();
            assert_eq!(crypto.take_work(), expected, "{suite:?}");
        };
        cipher.seal(&mut crypto, &mut packet, HEADER_LEN);
        expect(&mut crypto, Operation::Encrypt(suite.0));
        packet[0] ^= 1;
        cipher.open(&mut crypto, &mut packet, HEADER_LEN).unwrap_err();
        expect(&mut crypto, Operation::Decrypt(suite.0));
    }
}

#[test]
fn a_packet_shorter_than_its_fixed_parts_counts_no_text() {
    for suite in suites() {
        let mut crypto = session();
        let cipher = keyed(&crypto, suite, 1);
        cipher.open(&mut crypto, &mut [0; 3], 8).unwrap_err();
        assert_eq!(crypto.take_work()[0], work(Operation::Decrypt(suite.0), 0));
    }
}

#[test]
fn taken_work_is_not_given_twice_and_sessions_do_not_share_a_meter() {
    let mut crypto = session();
    let mut other = crypto.clone();
    crypto.hash(Hash::Sha1, &[b"x"]);
    assert_eq!(crypto.meter().entries().len(), 1);
    assert_eq!(crypto.take_work().len(), 1);
    assert_eq!(crypto.take_work(), []);
    assert_eq!(other.take_work(), []);
    other.hash(Hash::Sha1, &[b"x"]);
    other.meter().clear();
    assert_eq!(other.take_work(), []);
}
