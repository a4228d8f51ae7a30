//! AUTH payloads made and judged with keys: which method and scheme, and what the payload holds.
//!
//! When both sides announced hashes (RFC 7427 §4), method 14 is used: the DER of an `AlgorithmIdentifier`, its length in
//! front, and the signature. Otherwise the older methods are: RSA with SHA-1 (RFC 7296 §3.8) and ECDSA with raw
//! integers (RFC 4754). SHA-1 is taken in method 1 alone, MD5 never (RFC 8247 §3).
//!
//! Model: an ECDSA key signs with the hash of its curve's size, as strongSwan and RFC 4754 do; a peer that pairs them
//! otherwise (P-256 with SHA2-384) is refused, though RFC 7427 lets it.

mod constraints;

pub use constraints::{AuthConstraints, ConstraintError, KeyFamily};

use ipseclab_crypto::signature::{EcdsaForm, SignError};
use ipseclab_crypto::{Crypto, KeyKind, PrivateKey, PublicKey, SignatureScheme};

use super::algorithm::{algorithm_identifier, scheme_of};
use crate::wire::{AuthMethod, AuthPayload};

/// Hashes of a `SIGNATURE_HASH_ALGORITHMS` notify that are read; a few more than exist.
const HASHES_MAX: usize = 32;

/// A hash of the IANA registry "IKEv2 Hash Algorithms" (RFC 7427 §7, RFC 8420 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureHash {
    /// SHA2-256.
    Sha2_256,
    /// SHA2-384.
    Sha2_384,
    /// SHA2-512.
    Sha2_512,
    /// The scheme hashes by itself (Ed25519).
    Identity,
}

impl SignatureHash {
    /// What strongSwan announces, in its order.
    pub const ALL: &[Self] = &[Self::Sha2_256, Self::Sha2_384, Self::Sha2_512, Self::Identity];

    /// The number in `SIGNATURE_HASH_ALGORITHMS`.
    pub const fn code(self) -> u16 {
        match self {
            Self::Sha2_256 => 2,
            Self::Sha2_384 => 3,
            Self::Sha2_512 => 4,
            Self::Identity => 5,
        }
    }

    /// The data of a `SIGNATURE_HASH_ALGORITHMS` notify that announces `hashes`.
    pub fn to_notify(hashes: &[Self]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.code().to_be_bytes()).collect()
    }

    /// The hashes that a `SIGNATURE_HASH_ALGORITHMS` notify announces, without those unknown here (SHA-1 is).
    pub fn from_notify(data: &[u8]) -> Vec<Self> {
        let codes = data.chunks_exact(2).take(HASHES_MAX).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let mut hashes = Vec::new();
        for hash in codes.filter_map(|code| Self::ALL.iter().find(|hash| hash.code() == code)) {
            if !hashes.contains(hash) {
                hashes.push(*hash);
            }
        }
        hashes
    }

    /// The hash of a scheme; `None` for SHA-1, which RFC 7427 authentication does not use, and for IKEv1's, which names
    /// no hash.
    pub const fn of(scheme: SignatureScheme) -> Option<Self> {
        use SignatureScheme as Scheme;
        match scheme {
            Scheme::RsaPkcs1Unprefixed | Scheme::RsaPkcs1Sha1 => None,
            Scheme::RsaPkcs1Sha2_256 | Scheme::RsaPssSha2_256 | Scheme::EcdsaP256(_) => Some(Self::Sha2_256),
            Scheme::RsaPkcs1Sha2_384 | Scheme::RsaPssSha2_384 | Scheme::EcdsaP384(_) => Some(Self::Sha2_384),
            Scheme::RsaPkcs1Sha2_512 | Scheme::RsaPssSha2_512 | Scheme::EcdsaP521(_) => Some(Self::Sha2_512),
            Scheme::Ed25519 => Some(Self::Identity),
        }
    }
}

/// Why an AUTH payload with a signature was not made or not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Our key, the peer's hashes and our configuration have nothing in common.
    #[error("no signature scheme for a {kind} key that both sides and the configuration allow")]
    NoScheme {
        /// Our key.
        kind: KeyKind,
    },
    /// Our key failed.
    #[error("signing: {0}")]
    Sign(#[from] SignError),
    /// The method is not one of signatures.
    #[error("{method} is no signature method that is supported")]
    Method {
        /// What the peer sent.
        method: AuthMethod,
    },
    /// The data of method 14 is cut short or names an unsupported algorithm.
    #[error("the payload names no supported signature algorithm")]
    Algorithm,
    /// The configuration does not accept the scheme or the key.
    #[error("the configuration does not allow {scheme} with a {kind} key")]
    NotAllowed {
        /// What the peer used.
        scheme: SignatureScheme,
        /// The peer's key.
        kind: KeyKind,
    },
    /// The signature is not right, or its scheme does not fit the key of the certificate.
    #[error("the signature is wrong")]
    Signature,
}

impl AuthError {
    /// The word for it in result tables.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoScheme { .. } => "auth_no_common_scheme",
            Self::Sign(_) => "auth_key_unusable",
            Self::Method { .. } => "auth_unsupported_method",
            Self::Algorithm => "auth_unsupported_algorithm",
            Self::NotAllowed { .. } => "auth_not_allowed",
            Self::Signature => "auth_bad_signature",
        }
    }
}

/// A method with the scheme that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthScheme {
    /// The method in the payload.
    pub method: AuthMethod,
    /// How the octets are signed.
    pub scheme: SignatureScheme,
}

impl AuthScheme {
    /// Chooses as strongSwan does. `peer_hashes` is what the peer announced, `None` when it announced nothing.
    ///
    /// # Errors
    /// When nothing is left that the key, the peer and the configuration all allow.
    pub fn choose(
        kind: KeyKind,
        peer_hashes: Option<&[SignatureHash]>,
        constraints: &AuthConstraints,
    ) -> Result<Self, AuthError> {
        let candidates = match peer_hashes {
            Some(hashes) => {
                let announced = |scheme| SignatureHash::of(scheme).is_some_and(|hash| hashes.contains(&hash));
                let wanted = constraints.order(schemes_of(kind, constraints.pss()));
                let common = wanted.into_iter().filter(|scheme| announced(*scheme));
                common.map(|scheme| Self { method: AuthMethod::DigitalSignature, scheme }).next()
            }
            None => Self::classic(kind),
        };
        let allowed = |choice: &Self| constraints.allow(choice.scheme, kind);
        candidates.filter(allowed).ok_or(AuthError::NoScheme { kind })
    }

    /// What peers without RFC 7427 understand.
    const fn classic(kind: KeyKind) -> Option<Self> {
        use SignatureScheme as Scheme;
        let (method, scheme) = match kind {
            KeyKind::Rsa { .. } => (AuthMethod::Rsa, Scheme::RsaPkcs1Sha1),
            KeyKind::P256 => (AuthMethod::Ecdsa256, Scheme::EcdsaP256(EcdsaForm::Raw)),
            KeyKind::P384 => (AuthMethod::Ecdsa384, Scheme::EcdsaP384(EcdsaForm::Raw)),
            KeyKind::P521 => (AuthMethod::Ecdsa521, Scheme::EcdsaP521(EcdsaForm::Raw)),
            KeyKind::Ed25519 => return None,
        };
        Some(Self { method, scheme })
    }

    /// Octets of random salt that [`sign`](Self::sign) takes.
    pub const fn salt_len(self) -> usize {
        self.scheme.salt_len()
    }

    /// Makes the payload for `octets`, the signed octets of RFC 7296 §2.15.
    ///
    /// # Errors
    /// When key or salt do not fit the scheme.
    pub fn sign(
        self,
        crypto: &mut Crypto,
        key: &PrivateKey,
        salt: &[u8],
        octets: &[u8],
    ) -> Result<AuthPayload, AuthError> {
        let signature = crypto.sign(key, self.scheme, salt, octets)?;
        let data = match self.method {
            AuthMethod::DigitalSignature => encode(self.scheme, &signature),
            _ => signature,
        };
        Ok(AuthPayload { method: self.method, data })
    }
}

/// What a key can sign by in method 14, the preferred first: a hash of the key's strength, then longer ones.
fn schemes_of(kind: KeyKind, pss: bool) -> Vec<SignatureScheme> {
    use SignatureScheme as Scheme;
    let rsa = if pss {
        [Scheme::RsaPssSha2_256, Scheme::RsaPssSha2_384, Scheme::RsaPssSha2_512]
    } else {
        [Scheme::RsaPkcs1Sha2_256, Scheme::RsaPkcs1Sha2_384, Scheme::RsaPkcs1Sha2_512]
    };
    match kind {
        // Longer keys than these are worth more than the hash.
        KeyKind::Rsa { bits: ..=3072 } => rsa.to_vec(),
        KeyKind::Rsa { bits: ..=7680 } => rsa[1..].to_vec(),
        KeyKind::Rsa { .. } => rsa[2..].to_vec(),
        KeyKind::P256 => vec![Scheme::EcdsaP256(EcdsaForm::Der)],
        KeyKind::P384 => vec![Scheme::EcdsaP384(EcdsaForm::Der)],
        KeyKind::P521 => vec![Scheme::EcdsaP521(EcdsaForm::Der)],
        KeyKind::Ed25519 => vec![Scheme::Ed25519],
    }
}

/// The data of method 14 (RFC 7427 §3).
fn encode(scheme: SignatureScheme, signature: &[u8]) -> Vec<u8> {
    let algorithm = algorithm_identifier(scheme);
    let len = u8::try_from(algorithm.len()).unwrap_or(u8::MAX);
    [&[len], algorithm.as_slice(), signature].concat()
}

/// Scheme and signature in the data of method 14.
fn decode(data: &[u8]) -> Option<(SignatureScheme, &[u8])> {
    let (len, rest) = data.split_first()?;
    let (algorithm, signature) = rest.split_at_checked(usize::from(*len))?;
    let scheme = scheme_of(algorithm).filter(|scheme| SignatureHash::of(*scheme).is_some())?;
    Some((scheme, signature))
}

/// Checks a peer's payload over `octets` with the key of its certificate, and says how it was signed.
///
/// # Errors
/// When method or algorithm are not supported or not allowed, or the signature is wrong.
pub fn verify(
    crypto: &mut Crypto,
    key: &PublicKey,
    payload: &AuthPayload,
    octets: &[u8],
    constraints: &AuthConstraints,
) -> Result<SignatureScheme, AuthError> {
    use SignatureScheme as Scheme;
    let (scheme, signature) = match payload.method {
        AuthMethod::Rsa => (Scheme::RsaPkcs1Sha1, payload.data.as_slice()),
        AuthMethod::Ecdsa256 => (Scheme::EcdsaP256(EcdsaForm::Raw), payload.data.as_slice()),
        AuthMethod::Ecdsa384 => (Scheme::EcdsaP384(EcdsaForm::Raw), payload.data.as_slice()),
        AuthMethod::Ecdsa521 => (Scheme::EcdsaP521(EcdsaForm::Raw), payload.data.as_slice()),
        AuthMethod::DigitalSignature => decode(&payload.data).ok_or(AuthError::Algorithm)?,
        method => return Err(AuthError::Method { method }),
    };
    if !constraints.allow(scheme, key.kind()) {
        return Err(AuthError::NotAllowed { scheme, kind: key.kind() });
    }
    crypto.verify(key, scheme, octets, signature).map_err(|_| AuthError::Signature)?;
    Ok(scheme)
}
