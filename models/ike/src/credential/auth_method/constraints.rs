//! What swanctl's `auth = pubkey…` allows: kinds of keys, their least size, hashes, and PSS.
//!
//! The grammar is words joined by `-`: `pubkey`, `rsa`, `rsa/pss`, `ecdsa`, `ed25519` name kinds of keys, a number is
//! the least size of the kind before it, `sha256`, `sha384`, `sha512` and `identity` are hashes. `ike:` in front says
//! that AUTH payloads alone are meant, which is the only thing that is looked at here.

use ipseclab_crypto::{KeyKind, SignatureScheme};

use super::SignatureHash;

/// Words that are read.
const WORDS_MAX: usize = 32;

/// Keys that a constraint names together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyFamily {
    /// `rsa`.
    Rsa,
    /// `ecdsa`.
    Ecdsa,
    /// `ed25519`.
    Ed25519,
}

impl KeyFamily {
    const fn of(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Rsa { .. } => Self::Rsa,
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => Self::Ecdsa,
            KeyKind::Ed25519 => Self::Ed25519,
        }
    }
}

/// What is allowed; the default allows all that is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthConstraints {
    /// Kinds of keys with their least bits; any when empty.
    families: Vec<(KeyFamily, usize)>,
    /// Hashes in the order of preference; any when empty.
    hashes: Vec<SignatureHash>,
    pss: bool,
}

/// A word of `auth` that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// The text does not begin with a kind of key.
    #[error("`{text}` names no public key authentication")]
    NotPublicKey {
        /// The text.
        text: String,
    },
    /// A word that means nothing.
    #[error("`{word}` is no kind of key, size or hash")]
    Word {
        /// The word.
        word: String,
    },
    /// More words than are read.
    #[error("more than 32 words")]
    TooLong,
}

impl AuthConstraints {
    /// Reads a value such as `pubkey`, `pubkey-sha256`, `rsa/pss-sha256` or `rsa-3072-ecdsa-256-sha384`.
    ///
    /// # Errors
    /// When the text does not begin with a kind of key (`psk`, `eap-…`), or has an unknown word.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let words = text.strip_prefix("ike:").unwrap_or(text).split('-').collect::<Vec<_>>();
        if words.len() > WORDS_MAX {
            return Err(ConstraintError::TooLong);
        }
        let mut read = Self::default();
        if words[0] != "pubkey" && !read.add_family(words[0]) {
            return Err(ConstraintError::NotPublicKey { text: text.to_owned() });
        }
        words[1..].iter().try_for_each(|word| read.add(word))?;
        Ok(read)
    }

    fn add(&mut self, word: &str) -> Result<(), ConstraintError> {
        let unknown = || ConstraintError::Word { word: word.to_owned() };
        let hash = match word {
            "sha256" => SignatureHash::Sha2_256,
            "sha384" => SignatureHash::Sha2_384,
            "sha512" => SignatureHash::Sha2_512,
            "identity" => SignatureHash::Identity,
            _ if self.add_family(word) => return Ok(()),
            _ => {
                let bits = word.parse().map_err(|_| unknown())?;
                self.families.last_mut().ok_or_else(unknown)?.1 = bits;
                return Ok(());
            }
        };
        self.hashes.push(hash);
        Ok(())
    }

    fn add_family(&mut self, word: &str) -> bool {
        let family = match word {
            "rsa" | "rsa/pss" => KeyFamily::Rsa,
            "ecdsa" => KeyFamily::Ecdsa,
            "ed25519" => KeyFamily::Ed25519,
            _ => return false,
        };
        self.pss |= word == "rsa/pss";
        self.families.push((family, 0));
        true
    }

    /// Hashes in the order of preference; any when empty.
    pub fn hashes(&self) -> &[SignatureHash] {
        &self.hashes
    }

    /// Whether RSA keys sign by PSS.
    pub const fn pss(&self) -> bool {
        self.pss
    }

    /// Whether a signature by `scheme` with such a key is accepted.
    pub fn allow(&self, scheme: SignatureScheme, kind: KeyKind) -> bool {
        let is_family =
            |(family, bits): &(KeyFamily, usize)| *family == KeyFamily::of(kind) && kind.bits() >= *bits;
        let family = self.families.is_empty() || self.families.iter().any(is_family);
        let is_named = |hash| self.hashes.contains(&hash);
        // The schemes behind Ed25519 and PKCS#1 with SHA-1 have no hash that could be named.
        let hash = self.hashes.is_empty()
            || scheme == SignatureScheme::Ed25519
            || SignatureHash::of(scheme).is_some_and(is_named);
        let padding = !self.pss || !is_pkcs1(scheme);
        family && hash && padding
    }

    /// `schemes` in the order of the configured hashes, without those that are not configured.
    pub(super) fn order(&self, schemes: Vec<SignatureScheme>) -> Vec<SignatureScheme> {
        if self.hashes.is_empty() {
            return schemes;
        }
        let uses = |scheme: &SignatureScheme, hash| SignatureHash::of(*scheme) == Some(hash);
        let of_hash = |hash: &SignatureHash| schemes.iter().copied().find(|scheme| uses(scheme, *hash));
        let ordered = self.hashes.iter().filter_map(of_hash);
        let edwards = schemes.iter().copied().filter(|scheme| *scheme == SignatureScheme::Ed25519);
        ordered.chain(edwards).collect()
    }
}

const fn is_pkcs1(scheme: SignatureScheme) -> bool {
    use SignatureScheme as Scheme;
    matches!(
        scheme,
        Scheme::RsaPkcs1Sha1 | Scheme::RsaPkcs1Sha2_256 | Scheme::RsaPkcs1Sha2_384 | Scheme::RsaPkcs1Sha2_512
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: KeyKind = KeyKind::Rsa { bits: 2048 };

    fn check(text: &str, scheme: SignatureScheme, kind: KeyKind, expected: bool) {
        let constraints = AuthConstraints::parse(text).unwrap();
        assert_eq!(constraints.allow(scheme, kind), expected, "{text} {scheme} {kind}");
    }

    #[test]
    fn pubkey_alone_allows_all() {
        for scheme in SignatureScheme::ALL {
            for kind in [RSA, KeyKind::P256, KeyKind::Ed25519] {
                check("pubkey", *scheme, kind, true);
            }
        }
    }

    #[test]
    fn kinds_sizes_and_hashes_limit() {
        use SignatureScheme as Scheme;
        check("rsa-3072", Scheme::RsaPkcs1Sha2_256, RSA, false);
        check("rsa-2048", Scheme::RsaPkcs1Sha2_256, RSA, true);
        check("ecdsa-256-rsa-4096", Scheme::RsaPkcs1Sha2_256, RSA, false);
        check("ecdsa", Scheme::Ed25519, KeyKind::Ed25519, false);
        check("pubkey-sha384", Scheme::RsaPkcs1Sha2_256, RSA, false);
        check("ike:pubkey-sha384-sha256", Scheme::RsaPkcs1Sha2_256, RSA, true);
        check("pubkey-sha256", Scheme::RsaPkcs1Sha1, RSA, false);
        check("pubkey-sha256", Scheme::Ed25519, KeyKind::Ed25519, true);
        check("rsa/pss-sha256", Scheme::RsaPkcs1Sha2_256, RSA, false);
        check("rsa/pss-sha256", Scheme::RsaPssSha2_256, RSA, true);
    }

    #[test]
    fn what_is_no_constraint_says_why() {
        let error = |text: &str| AuthConstraints::parse(text).unwrap_err();
        assert_eq!(error("psk"), ConstraintError::NotPublicKey { text: "psk".into() });
        assert_eq!(error("pubkey-md5"), ConstraintError::Word { word: "md5".into() });
        assert_eq!(error("pubkey-2048"), ConstraintError::Word { word: "2048".into() });
        assert_eq!(error(&format!("rsa{}", "-sha256".repeat(40))), ConstraintError::TooLong);
    }
}
