//! Private and public keys as values: read from their standard forms, compared by what they are, redacted when shown.

use core::fmt;
use std::sync::Arc;

use super::error::KeyError;
use crate::real::signature::{PrivateMaterial, inspect};
use crate::secret::Secret;

/// The algorithm of a key, with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// Bits of the modulus, 2048 to 8192.
        bits: usize,
    },
    /// The NIST curve P-256.
    P256,
    /// The NIST curve P-384.
    P384,
    /// The NIST curve P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// Bits of the modulus or of the curve's field.
    pub const fn bits(self) -> usize {
        match self {
            Self::Rsa { bits } => bits,
            Self::P256 | Self::Ed25519 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// What the key's operations are priced as.
    pub const fn class(self) -> KeyClass {
        match self {
            Self::Rsa { bits: ..=2048 } => KeyClass::Rsa2048,
            Self::Rsa { bits: ..=3072 } => KeyClass::Rsa3072,
            Self::Rsa { .. } => KeyClass::Rsa4096,
            Self::P256 => KeyClass::P256,
            Self::P384 => KeyClass::P384,
            Self::P521 => KeyClass::P521,
            Self::Ed25519 => KeyClass::Ed25519,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::P256 => f.pad("P-256"),
            Self::P384 => f.pad("P-384"),
            Self::P521 => f.pad("P-521"),
            Self::Ed25519 => f.pad("Ed25519"),
        }
    }
}

/// Kinds of keys that are priced alike.
///
/// Model: an RSA key costs what the next larger of 2048, 3072 and 4096 bits costs (longer ones what 4096 bits cost),
/// whatever its padding and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyClass {
    /// RSA to 2048 bits.
    Rsa2048,
    /// RSA to 3072 bits.
    Rsa3072,
    /// RSA beyond 3072 bits.
    Rsa4096,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyClass {
    /// Every class.
    pub const ALL: &[Self] =
        &[Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::P256, Self::P384, Self::P521, Self::Ed25519];

    /// The word for it in cost profiles.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
            Self::P256 => "ecdsa256",
            Self::P384 => "ecdsa384",
            Self::P521 => "ecdsa521",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A private key; clones share their numbers.
#[derive(Clone)]
pub struct PrivateKey {
    public: PublicKey,
    material: Arc<PrivateMaterial>,
}

impl PrivateKey {
    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 5958).
    ///
    /// # Errors
    /// When the octets are no such key, or one that no scheme can use.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        PrivateMaterial::from_pkcs8(der)?.try_into()
    }

    /// Reads the first key of a PEM text: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1
    /// (`EC PRIVATE KEY`), none of them encrypted.
    ///
    /// # Errors
    /// When there is none, or one that no scheme can use.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        PrivateMaterial::from_pem(text)?.try_into()
    }

    /// An elliptic key from drawn octets: Ed25519 takes 32; a NIST curve takes as many as its order has or more, and
    /// reduces them to a scalar (FIPS 186-5 A.2.1 asks for 8 octets more than the order has).
    ///
    /// # Errors
    /// For RSA, whose keys are not made from a few octets, and when there are too few octets.
    pub fn from_seed(kind: KeyKind, octets: &[u8]) -> Result<Self, KeyError> {
        PrivateMaterial::from_seed(kind, &Secret::new(octets))?.try_into()
    }

    /// The public half.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Algorithm and size.
    pub const fn kind(&self) -> KeyKind {
        self.public.kind
    }

    pub(crate) fn material(&self) -> &PrivateMaterial {
        &self.material
    }
}

impl TryFrom<PrivateMaterial> for PrivateKey {
    type Error = KeyError;

    fn try_from(material: PrivateMaterial) -> Result<Self, KeyError> {
        let public = PublicKey::from_spki_der(&material.spki()?)?;
        Ok(Self { public, material: Arc::new(material) })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.kind())
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Box<[u8]>,
    /// Where the key itself stands in `spki`: a DER `RSAPublicKey`, an uncompressed point, or 32 octets.
    key_offset: usize,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), as certificates hold it.
    ///
    /// # Errors
    /// When the octets are no such key, one that no scheme can use, or a point off its curve.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let (kind, key_len) = inspect(der)?;
        Ok(Self { kind, spki: der.into(), key_offset: der.len() - key_len })
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The key without its algorithm, as the BIT STRING of the `SubjectPublicKeyInfo` has it.
    pub fn key_octets(&self) -> &[u8] {
        &self.spki[self.key_offset..]
    }

    /// Algorithm and size.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kind)
    }
}
