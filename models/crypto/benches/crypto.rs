//! Nanoseconds per operation of a session (provider, registry and meter together), beside a bare call of the
//! library underneath in the same run: the difference is what this crate adds.
//!
//! Run with `cargo bench -p ipseclab-crypto`. Each figure is the median of nine batches of about 10 ms; ours and the
//! bare call take turns, so that a slow phase of the machine hits both.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot set up its operation has nothing to measure"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aes::Aes128;
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ipseclab_crypto::{AesKey, Crypto, Encryption, Integrity, KeyExchangeMethod, Prf, RealProvider, Secret};
use num_bigint::BigUint;
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

const HEADER_LEN: usize = 8;
const TEXT_LENS: [usize; 2] = [64, 1408];

fn main() {
    println!("{:<44} {:>12} {:>12} {:>7}", "operation", "ours, ns", "bare, ns", "ratio");
    for text_len in TEXT_LENS {
        aeads(text_len);
        cbc_sha256(text_len);
        null_sha1(text_len);
        prfs(text_len);
    }
    curves();
    modp();
}

fn session() -> Crypto {
    Crypto::new(Arc::new(RealProvider::new()))
}

fn secret(len: usize) -> Secret {
    Secret::new(vec![0x5a; len])
}

fn aeads(text_len: usize) {
    let algorithms = [
        (Encryption::AesGcm16(AesKey::Bits128), &ring::aead::AES_128_GCM),
        (Encryption::AesGcm16(AesKey::Bits256), &ring::aead::AES_256_GCM),
        (Encryption::ChaCha20Poly1305, &ring::aead::CHACHA20_POLY1305),
    ];
    for (encryption, bare_algorithm) in algorithms {
        let key = secret(encryption.key_material_len());
        let bare =
            LessSafeKey::new(UnboundKey::new(bare_algorithm, &key.expose()[..encryption.key_len()]).unwrap());
        let nonce = || Nonce::assume_unique_for_key([0x5a; 12]);
        let mut text = vec![0x5a; text_len];
        let seal = || {
            let aad = Aad::from([0x5a; HEADER_LEN]);
            bare.seal_in_place_separate_tag(nonce(), aad, black_box(&mut text)).unwrap()
        };
        packet(&format!("{encryption}"), (encryption, None), text_len, Direction::Seal, seal);

        let mut sealed = vec![0x5a; text_len];
        let tag =
            bare.seal_in_place_separate_tag(nonce(), Aad::from([0x5a; HEADER_LEN]), &mut sealed).unwrap();
        sealed.extend_from_slice(tag.as_ref());
        let mut buffer = sealed.clone();
        let open = || {
            buffer.copy_from_slice(&sealed);
            bare.open_in_place(nonce(), Aad::from([0x5a; HEADER_LEN]), black_box(&mut buffer)).unwrap().len()
        };
        packet(&format!("{encryption}"), (encryption, None), text_len, Direction::Open, open);
    }
}

fn cbc_sha256(text_len: usize) {
    let (encryption, integrity) = (Encryption::AesCbc(AesKey::Bits128), Integrity::HmacSha2_256_128);
    let name = format!("{encryption} + {integrity}");
    let cipher = Aes128::new_from_slice(&[0x5a; 16]).unwrap();
    let mac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[0x5a; 32]);
    let mut buffer = vec![0x5a; HEADER_LEN + 16 + text_len];
    let seal = || {
        let (blocks, _) = Array::slice_as_chunks_mut(&mut buffer[HEADER_LEN + 16..]);
        cbc::Encryptor::inner_iv_slice_init(&cipher, &[0x5a; 16]).unwrap().encrypt_blocks(blocks);
        ring::hmac::sign(&mac, &buffer)
    };
    packet(&name, (encryption, Some(integrity)), text_len, Direction::Seal, seal);
    let mut buffer = vec![0x5a; HEADER_LEN + 16 + text_len];
    let copy = buffer.clone();
    let open = || {
        buffer.copy_from_slice(&copy);
        let tag = ring::hmac::sign(&mac, &buffer);
        let (blocks, _) = Array::slice_as_chunks_mut(&mut buffer[HEADER_LEN + 16..]);
        cbc::Decryptor::inner_iv_slice_init(&cipher, &[0x5a; 16]).unwrap().decrypt_blocks(blocks);
        tag
    };
    packet(&name, (encryption, Some(integrity)), text_len, Direction::Open, open);
}

fn null_sha1(text_len: usize) {
    let key = Hmac::<Sha1>::new_from_slice(&[0x5a; 20]).unwrap();
    let buffer = vec![0x5a; HEADER_LEN + text_len];
    let sign = || {
        let mut mac = key.clone();
        mac.update(black_box(&buffer));
        mac.finalize()
    };
    let suite = (Encryption::Null, Some(Integrity::HmacSha1_96));
    packet("NULL + HMAC_SHA1_96", suite, text_len, Direction::Seal, sign);
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Seal,
    Open,
}

fn packet<R>(
    name: &str,
    (encryption, integrity): (Encryption, Option<Integrity>),
    text_len: usize,
    direction: Direction,
    bare: impl FnMut() -> R,
) {
    let mut crypto = session();
    let mac = integrity.map(|integrity| (integrity, secret(integrity.key_len())));
    let key = secret(encryption.key_material_len());
    let cipher =
        crypto.packet_cipher(encryption, &key, mac.as_ref().map(|(algorithm, key)| (*algorithm, key)));
    let plain_len = HEADER_LEN + cipher.iv_len() + text_len;
    let mut sealed = vec![0x5a; plain_len];
    sealed.reserve(cipher.icv_len());
    let mut buffer = sealed.clone();
    cipher.seal(&mut crypto, &mut sealed, HEADER_LEN);
    buffer.reserve(cipher.icv_len());
    let ours = || {
        crypto.meter().clear();
        if direction == Direction::Seal {
            buffer.truncate(plain_len);
            cipher.seal(&mut crypto, black_box(&mut buffer), HEADER_LEN);
        } else {
            buffer.clear();
            buffer.extend_from_slice(&sealed);
            black_box(cipher.open(&mut crypto, &mut buffer, HEADER_LEN).unwrap());
        }
    };
    let verb = if direction == Direction::Seal { "seal" } else { "open" };
    compare(&format!("{name} {verb} {text_len} B"), ours, bare);
}

fn prfs(len: usize) {
    let data = vec![0x5a; len];
    let mut crypto = session();
    let bare = || {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, black_box(&[0x5a; 32]));
        ring::hmac::sign(&key, black_box(&data))
    };
    let ours = || {
        crypto.meter().clear();
        crypto.prf(Prf::HmacSha2_256, black_box(&[0x5a; 32]), &[black_box(&data)])
    };
    compare(&format!("PRF HMAC_SHA2_256 {len} B, key included"), ours, bare);
}

fn curves() {
    let methods = [
        (KeyExchangeMethod::Curve25519, &agreement::X25519, 32),
        (KeyExchangeMethod::Ecp256, &agreement::ECDH_P256, 32),
        (KeyExchangeMethod::Ecp384, &agreement::ECDH_P384, 48),
    ];
    for (method, algorithm, key_len) in methods {
        let octets = vec![0x5a; key_len];
        let key = || PrivateKey::from_private_key(algorithm, black_box(&octets)).unwrap();
        let peer = key().compute_public_key().unwrap();
        let derive = || {
            let peer = UnparsedPublicKey::new(algorithm, peer.as_ref());
            agreement::agree(&key(), peer, (), |secret| Ok(secret[0])).unwrap()
        };
        exchange(method, || key().compute_public_key().unwrap(), derive);
    }
}

fn modp() {
    let modp = |method: &&KeyExchangeMethod| method.keyword().starts_with("modp");
    for &method in KeyExchangeMethod::ALL.iter().filter(modp) {
        // Not the group's own prime, but as long, odd and dense: the price is the same.
        let modulus = BigUint::from_bytes_be(&vec![0xfb; method.public_len()]);
        let exponent = BigUint::from_bytes_be(&vec![0x5a; method.private_len()]);
        let peer = BigUint::from_bytes_be(&vec![0x7c; method.public_len()]);
        let two = BigUint::from(2_u8);
        exchange(method, || two.modpow(&exponent, &modulus), || peer.modpow(&exponent, &modulus));
    }
}

fn exchange<R, S>(method: KeyExchangeMethod, generate: impl FnMut() -> R, derive: impl FnMut() -> S) {
    let mut crypto = session();
    let private = secret(method.private_len());
    let public = crypto.public_value(method, &private);
    let ours = || {
        crypto.meter().clear();
        crypto.public_value(method, &private)
    };
    compare(&format!("{method} public value"), ours, generate);
    let ours = || {
        crypto.meter().clear();
        crypto.shared_secret(method, &private, &public).unwrap()
    };
    compare(&format!("{method} shared secret"), ours, derive);
}

fn compare<R, S>(name: &str, mut ours: impl FnMut() -> R, mut bare: impl FnMut() -> S) {
    let rounds = (rounds_per_batch(&mut ours), rounds_per_batch(&mut bare));
    let batch = |_| (batch_ns(&mut ours, rounds.0), batch_ns(&mut bare, rounds.1));
    let (ours, bare): (Vec<_>, Vec<_>) = (0..9).map(batch).unzip();
    let (ours, bare) = (median(ours), median(bare));
    println!("{name:<44} {ours:>12.1} {bare:>12.1} {:>7.2}", ours / bare);
}

/// As many rounds as take about 10 ms.
fn rounds_per_batch<R>(operation: &mut impl FnMut() -> R) -> u32 {
    let mut rounds = 1;
    while elapsed(operation, rounds) < Duration::from_millis(10) {
        rounds *= 2;
    }
    rounds
}

fn batch_ns<R>(operation: &mut impl FnMut() -> R, rounds: u32) -> f64 {
    elapsed(operation, rounds).as_secs_f64() * 1e9 / f64::from(rounds)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the wall clock")]
fn elapsed<R>(operation: &mut impl FnMut() -> R, rounds: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(operation());
    }
    start.elapsed()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
