//! What the test files share: hexadecimal in JSON, a session, and deterministic octets.

#![expect(dead_code, reason = "each test file takes its own part of this module")]

use std::sync::Arc;

use ipseclab_crypto::{Crypto, Encryption, Integrity, PacketCipher, RealProvider, Secret};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// Octets that a vector file writes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text).map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is not hexadecimal")))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A vector file: where its cases come from, and the cases.
#[derive(Deserialize)]
pub(crate) struct Vectors<T> {
    /// Publication.
    pub(crate) source: String,
    /// Cases.
    pub(crate) cases: Vec<T>,
}

/// Reads the cases of a vector file, which must name its source and hold at least one.
pub(crate) fn cases<T: for<'de> Deserialize<'de>>(file: &str) -> Vec<T> {
    let vectors: Vectors<T> = serde_json::from_str(file).expect("the vector file fits");
    assert!(!vectors.source.is_empty() && !vectors.cases.is_empty());
    vectors.cases
}

/// A session with the real provider.
pub(crate) fn session() -> Crypto {
    Crypto::new(Arc::new(RealProvider::new()))
}

/// `len` octets that look random and depend on `seed` alone.
pub(crate) fn octets(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        // Knuth's MMIX multiplier; the high octet is the most random one.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(step).collect()
}

/// Every pair that a proposal can choose.
pub(crate) fn suites() -> Vec<(Encryption, Option<Integrity>)> {
    let (aeads, others): (Vec<_>, Vec<_>) =
        Encryption::ALL.iter().partition(|encryption| encryption.is_aead());
    let with_mac = |&mac| others.iter().map(move |&encryption| (encryption, Some(mac)));
    let alone = aeads.iter().map(|&encryption| (encryption, None));
    Integrity::ALL.iter().flat_map(with_mac).chain(alone).collect()
}

/// A cipher of `suite` under keys that depend on `seed`.
pub(crate) fn keyed(crypto: &Crypto, suite: (Encryption, Option<Integrity>), seed: u64) -> PacketCipher {
    let (encryption, integrity) = suite;
    let key = Secret::new(octets(seed, encryption.key_material_len()));
    let mac = integrity.map(|integrity| (integrity, Secret::new(octets(!seed, integrity.key_len()))));
    crypto.packet_cipher(encryption, &key, mac.as_ref().map(|(integrity, key)| (*integrity, key)))
}
