//! What can go wrong with keys and signatures.

use super::{KeyKind, SignatureScheme};

/// Octets or text that are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither PKCS#8 nor PKCS#1 nor SEC 1, or broken.
    #[error("not a key in a known form")]
    Malformed,
    /// A key of an algorithm or curve that no scheme here uses.
    #[error("a key of an unsupported algorithm or curve")]
    Algorithm,
    /// An RSA key that is too short or too long.
    #[error("an RSA key of {bits} bits, supported are 2048 to 8192")]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The key's numbers do not belong together, or its point is not on the curve.
    #[error("the numbers of the key are not valid")]
    Invalid,
    /// A PEM text without a block of the wanted kind.
    #[error("no PEM block of a known label")]
    Pem,
}

/// A message that could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key is of another kind.
    #[error("a key of kind {kind} cannot sign by {scheme}")]
    WrongKey {
        /// The key's kind.
        kind: KeyKind,
        /// The scheme that was asked for.
        scheme: SignatureScheme,
    },
    /// The salt does not have the length that the scheme takes.
    #[error("{scheme} takes {expected} octets of salt, not {actual}")]
    Salt {
        /// The scheme that was asked for.
        scheme: SignatureScheme,
        /// Octets that it takes.
        expected: usize,
        /// Octets handed in.
        actual: usize,
    },
    /// The computation failed: an RSA key with consistent form and inconsistent numbers.
    #[error("the key cannot sign")]
    Failed,
}

/// A signature that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The key is of another kind than the scheme.
    #[error("a key of kind {kind} cannot verify {scheme}")]
    WrongKey {
        /// The key's kind.
        kind: KeyKind,
        /// The scheme that was asked for.
        scheme: SignatureScheme,
    },
    /// The signature is not the key's for this message.
    #[error("the signature does not verify")]
    Signature,
}
