//! Signatures by the real provider.
//!
//! AWS-LC verifies everything but RSA without a `DigestInfo`, and signs RSA PKCS#1 v1.5 with SHA-2; it is the fastest of the crates at both. It signs
//! neither with SHA-1 nor with a given PSS salt, which the `rsa` crate does, and its ECDSA nonces are random, so that
//! the curves' own crates sign by RFC 6979. Ed25519 signs by ring, from the seed alone.

mod read;
mod salt;
mod sign;
mod verify;

use num_bigint::BigUint;
use p256::ecdsa::SigningKey as P256Key;
use p384::ecdsa::SigningKey as P384Key;
use p521::ecdsa::SigningKey as P521Key;
use ring::signature::Ed25519KeyPair;

use super::curve::{P256_ORDER, P384_ORDER};
use super::integer::{octets_of_hex, to_octets};
use crate::secret::Secret;
use crate::signature::{KeyError, KeyKind};

pub(crate) use read::inspect;
pub(super) use sign::sign;
pub(super) use verify::verify;

/// Order of the base point of P-521 (FIPS 186-4 D.1.2.5).
const P521_ORDER: [u8; 66] = octets_of_hex(
    "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
);

/// A private key as the crates want it.
pub(crate) enum PrivateMaterial {
    Rsa(Box<RsaMaterial>),
    P256(Box<P256Key>),
    P384(Box<P384Key>),
    P521(Box<P521Key>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// One RSA key for two crates.
pub(crate) struct RsaMaterial {
    fast: aws_lc_rs::signature::RsaKeyPair,
    full: rsa::RsaPrivateKey,
}

impl PrivateMaterial {
    /// See [`PrivateKey::from_seed`](crate::PrivateKey::from_seed).
    pub(crate) fn from_seed(kind: KeyKind, octets: &Secret) -> Result<Self, KeyError> {
        match kind {
            KeyKind::Rsa { .. } => Err(KeyError::Algorithm),
            KeyKind::P256 => Self::p256(&scalar(octets, &P256_ORDER)?),
            KeyKind::P384 => Self::p384(&scalar(octets, &P384_ORDER)?),
            KeyKind::P521 => Self::p521(&scalar(octets, &P521_ORDER)?),
            KeyKind::Ed25519 => Self::ed25519(octets.expose()),
        }
    }

    fn p256(scalar: &[u8]) -> Result<Self, KeyError> {
        P256Key::from_slice(scalar).map(|key| Self::P256(Box::new(key))).map_err(|_| KeyError::Invalid)
    }

    fn p384(scalar: &[u8]) -> Result<Self, KeyError> {
        P384Key::from_slice(scalar).map(|key| Self::P384(Box::new(key))).map_err(|_| KeyError::Invalid)
    }

    fn p521(scalar: &[u8]) -> Result<Self, KeyError> {
        P521Key::from_slice(scalar).map(|key| Self::P521(Box::new(key))).map_err(|_| KeyError::Invalid)
    }

    fn ed25519(seed: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Malformed)?;
        Ok(Self::Ed25519(Box::new(pair)))
    }
}

/// The drawn octets as a scalar in 1..n (FIPS 186-5 A.2.1).
fn scalar(octets: &Secret, order: &[u8]) -> Result<Vec<u8>, KeyError> {
    if octets.len() < order.len() {
        return Err(KeyError::Malformed);
    }
    let choices = BigUint::from_bytes_be(order) - 1_u8;
    let scalar = BigUint::from_bytes_be(octets.expose()) % choices + 1_u8;
    Ok(to_octets(&scalar, order.len()))
}
