//! Signatures: schemes, keys and what can go wrong, for AUTH payloads (RFC 7427, RFC 4754) and certificates.
//!
//! A key is read once from its DER or PEM form and is then a value that any provider signs or verifies with. What a
//! scheme draws at random (the salt of PSS) comes in as octets; ECDSA nonces are those of RFC 6979.
//!
//! Left out: DSS (RFC 8247 §3.1 demotes it) and Ed448.

mod error;
mod key;

pub use error::{KeyError, SignError, VerifyError};
pub use key::{KeyClass, KeyKind, PrivateKey, PublicKey};

use core::fmt;

/// How the two integers of an ECDSA signature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EcdsaForm {
    /// DER, as in certificates and RFC 7427.
    Der,
    /// r and s side by side, each as long as the order of the curve (RFC 4754 §7).
    Raw,
}

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureScheme {
    /// RSA PKCS#1 v1.5 over octets that are a hash already, without a `DigestInfo` that says which: the signatures of
    /// IKEv1 (RFC 2409 §5.1). They have to be 11 octets shorter than the key at least.
    RsaPkcs1Unprefixed,
    /// RSA PKCS#1 v1.5 with SHA-1: what the RSA method of RFC 7296 §2.15 implies.
    RsaPkcs1Sha1,
    /// RSA PKCS#1 v1.5 with SHA2-256.
    RsaPkcs1Sha2_256,
    /// RSA PKCS#1 v1.5 with SHA2-384.
    RsaPkcs1Sha2_384,
    /// RSA PKCS#1 v1.5 with SHA2-512.
    RsaPkcs1Sha2_512,
    /// RSA PSS with SHA2-256 everywhere and a salt of 32 octets.
    RsaPssSha2_256,
    /// RSA PSS with SHA2-384 everywhere and a salt of 48 octets.
    RsaPssSha2_384,
    /// RSA PSS with SHA2-512 everywhere and a salt of 64 octets.
    RsaPssSha2_512,
    /// ECDSA on P-256 with SHA2-256.
    EcdsaP256(EcdsaForm),
    /// ECDSA on P-384 with SHA2-384.
    EcdsaP384(EcdsaForm),
    /// ECDSA on P-521 with SHA2-512.
    EcdsaP521(EcdsaForm),
    /// Ed25519 (RFC 8032, RFC 8420).
    Ed25519,
}

impl SignatureScheme {
    /// Every scheme.
    pub const ALL: &[Self] = &[
        Self::RsaPkcs1Unprefixed,
        Self::RsaPkcs1Sha1,
        Self::RsaPkcs1Sha2_256,
        Self::RsaPkcs1Sha2_384,
        Self::RsaPkcs1Sha2_512,
        Self::RsaPssSha2_256,
        Self::RsaPssSha2_384,
        Self::RsaPssSha2_512,
        Self::EcdsaP256(EcdsaForm::Der),
        Self::EcdsaP256(EcdsaForm::Raw),
        Self::EcdsaP384(EcdsaForm::Der),
        Self::EcdsaP384(EcdsaForm::Raw),
        Self::EcdsaP521(EcdsaForm::Der),
        Self::EcdsaP521(EcdsaForm::Raw),
        Self::Ed25519,
    ];

    /// Octets of salt that a signer hands in; 0 for all but PSS.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::RsaPssSha2_256 => 32,
            Self::RsaPssSha2_384 => 48,
            Self::RsaPssSha2_512 => 64,
            Self::RsaPkcs1Unprefixed
            | Self::RsaPkcs1Sha1
            | Self::RsaPkcs1Sha2_256
            | Self::RsaPkcs1Sha2_384
            | Self::RsaPkcs1Sha2_512
            | Self::EcdsaP256(_)
            | Self::EcdsaP384(_)
            | Self::EcdsaP521(_)
            | Self::Ed25519 => 0,
        }
    }

    /// Whether keys of `kind` can sign this way.
    pub const fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::RsaPkcs1Unprefixed
            | Self::RsaPkcs1Sha1
            | Self::RsaPkcs1Sha2_256
            | Self::RsaPkcs1Sha2_384
            | Self::RsaPkcs1Sha2_512
            | Self::RsaPssSha2_256
            | Self::RsaPssSha2_384
            | Self::RsaPssSha2_512 => matches!(kind, KeyKind::Rsa { .. }),
            Self::EcdsaP256(_) => matches!(kind, KeyKind::P256),
            Self::EcdsaP384(_) => matches!(kind, KeyKind::P384),
            Self::EcdsaP521(_) => matches!(kind, KeyKind::P521),
            Self::Ed25519 => matches!(kind, KeyKind::Ed25519),
        }
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RsaPkcs1Unprefixed => "RSA_PKCS1_UNPREFIXED",
            Self::RsaPkcs1Sha1 => "RSA_PKCS1_SHA1",
            Self::RsaPkcs1Sha2_256 => "RSA_PKCS1_SHA2_256",
            Self::RsaPkcs1Sha2_384 => "RSA_PKCS1_SHA2_384",
            Self::RsaPkcs1Sha2_512 => "RSA_PKCS1_SHA2_512",
            Self::RsaPssSha2_256 => "RSA_PSS_SHA2_256",
            Self::RsaPssSha2_384 => "RSA_PSS_SHA2_384",
            Self::RsaPssSha2_512 => "RSA_PSS_SHA2_512",
            Self::EcdsaP256(EcdsaForm::Der) => "ECDSA_P256_SHA2_256",
            Self::EcdsaP256(EcdsaForm::Raw) => "ECDSA_P256_SHA2_256_RAW",
            Self::EcdsaP384(EcdsaForm::Der) => "ECDSA_P384_SHA2_384",
            Self::EcdsaP384(EcdsaForm::Raw) => "ECDSA_P384_SHA2_384_RAW",
            Self::EcdsaP521(EcdsaForm::Der) => "ECDSA_P521_SHA2_512",
            Self::EcdsaP521(EcdsaForm::Raw) => "ECDSA_P521_SHA2_512_RAW",
            Self::Ed25519 => "ED25519",
        })
    }
}
