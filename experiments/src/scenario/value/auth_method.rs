//! `auth`: how a side proves who it is, in swanctl's words.
//!
//! `pubkey`, `rsa`, `ecdsa`, `ed25519`, each with hash algorithms behind a dash, `rsa/pss-…` for PSS padding, `psk`, and
//! `eap-mschapv2` and `eap-md5`. strongSwan also takes the least strength of keys and `ike:` in front; neither is built.

use std::fmt;

use super::{TextValue, text_values};
use crate::structure::{Mistake, suggestion};

/// How a side proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A shared key.
    Psk,
    /// A signature, and a certificate with it.
    PublicKey(SignatureChoice),
    /// A password, after the other side has proved who it is.
    Eap(EapMethod),
}

/// Which signatures are made and taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureChoice {
    /// The kind of key; any when `None`.
    pub family: Option<KeyFamily>,
    /// Whether RSA uses PSS padding.
    pub pss: bool,
    /// Hash algorithms in order of preference; empty leaves the choice to both sides' `SIGNATURE_HASH_ALGORITHMS`.
    pub hashes: Vec<HashName>,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFamily {
    /// RSA.
    Rsa,
    /// ECDSA.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

/// A hash algorithm of signatures (RFC 7427).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashName {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A method of EAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EapMethod {
    /// EAP-MSCHAPv2.
    Mschapv2,
    /// EAP-MD5.
    Md5,
}

const WORDS: [&str; 8] = ["psk", "pubkey", "rsa", "rsa/pss", "ecdsa", "ed25519", "eap-mschapv2", "eap-md5"];
const HASHES: [&str; 3] = ["sha256", "sha384", "sha512"];
/// What strongSwan has and this does not.
const NOT_BUILT: [&str; 13] = [
    "eap",
    "eap-tls",
    "eap-ttls",
    "eap-peap",
    "eap-sim",
    "eap-aka",
    "eap-gtc",
    "eap-radius",
    "eap-dynamic",
    "eap-identity",
    "ed448",
    "bliss",
    "any",
];

impl AuthMethod {
    /// Whether a key of one's own and a certificate are needed.
    pub fn is_public_key(&self) -> bool {
        matches!(self, Self::PublicKey(_))
    }
}

impl TextValue for AuthMethod {
    const FORMAT: &'static str = "auth-method";
    const EXPECTED: &'static str =
        "a way of authentication such as \"psk\", \"pubkey-sha256\" or \"eap-mschapv2\"";
    const PATTERN: &'static str = r"^[a-z0-9]+(/pss)?(-[a-z0-9]+)*$";

    fn parse(text: &str) -> Result<Self, Mistake> {
        match text {
            "psk" => Ok(Self::Psk),
            "eap-mschapv2" => Ok(Self::Eap(EapMethod::Mschapv2)),
            "eap-md5" => Ok(Self::Eap(EapMethod::Md5)),
            _ => signature_choice(text).map(Self::PublicKey),
        }
    }
}

impl fmt::Display for SignatureChoice {
    /// As swanctl writes it, such as `rsa/pss-sha256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.family, self.pss) {
            (None, _) => "pubkey",
            (Some(KeyFamily::Rsa), false) => "rsa",
            (Some(KeyFamily::Rsa), true) => "rsa/pss",
            (Some(KeyFamily::Ecdsa), _) => "ecdsa",
            (Some(KeyFamily::Ed25519), _) => "ed25519",
        })?;
        self.hashes.iter().try_for_each(|hash| write!(f, "-{}", hash.word()))
    }
}

impl HashName {
    fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

fn signature_choice(text: &str) -> Result<SignatureChoice, Mistake> {
    let (word, hashes) = text.split_once('-').map_or((text, None), |(word, rest)| (word, Some(rest)));
    let (family, pss) = match word {
        "pubkey" => (None, false),
        "rsa" => (Some(KeyFamily::Rsa), false),
        "rsa/pss" => (Some(KeyFamily::Rsa), true),
        "ecdsa" => (Some(KeyFamily::Ecdsa), false),
        "ed25519" => (Some(KeyFamily::Ed25519), false),
        _ => return Err(unknown(text, word)),
    };
    let mut choice = SignatureChoice { family, pss, hashes: Vec::new() };
    let mut at = word.len() + 1;
    for name in hashes.into_iter().flat_map(|hashes| hashes.split('-')) {
        let hash = hash(name).ok_or_else(|| no_hash(name, at))?;
        if choice.hashes.contains(&hash) {
            let span = Some(at..at + name.len());
            return Err(Mistake { span, ..Mistake::new(format!("`{name}` is named twice")) });
        }
        choice.hashes.push(hash);
        at += name.len() + 1;
    }
    Ok(choice)
}

fn hash(name: &str) -> Option<HashName> {
    match name {
        "sha256" => Some(HashName::Sha256),
        "sha384" => Some(HashName::Sha384),
        "sha512" => Some(HashName::Sha512),
        _ => None,
    }
}

fn no_hash(name: &str, at: usize) -> Mistake {
    let span = Some(at..at + name.len());
    if name == "sha1" {
        let help = vec![
            "RFC 8247 §3 forbids signatures over SHA-1".to_owned(),
            format!("hashes: {}", HASHES.join(", ")),
        ];
        return Mistake { span, help, message: "too weak to sign with".to_owned() };
    }
    let mut help: Vec<_> = suggestion(name, &HASHES).into_iter().collect();
    help.push(format!("hashes: {}", HASHES.join(", ")));
    Mistake { span, help, message: "not a hash algorithm of signatures".to_owned() }
}

fn unknown(text: &str, word: &str) -> Mistake {
    if word == "xauth" {
        let help = vec![
            "IKEv1 asks for a password after another way: auth = { psk = \"…\", xauth_password = \"…\" }"
                .to_owned(),
        ];
        return Mistake { help, ..Mistake::new("XAUTH comes after another way of authentication") };
    }
    let planned = NOT_BUILT.contains(&text) || NOT_BUILT.contains(&word) || text.starts_with("ike:");
    let message =
        if planned { format!("`{text}` is not built yet") } else { format!("`{word}` is no such way") };
    let mut help: Vec<_> = suggestion(text, &WORDS).filter(|_| !planned).into_iter().collect();
    help.push(format!("allowed: {}", WORDS.join(", ")));
    Mistake { message, span: None, help }
}

text_values! {
    AuthMethod = "AuthMethod": "psk, pubkey, rsa, rsa/pss, ecdsa or ed25519 (with hashes as in pubkey-sha256), eap-mschapv2 or eap-md5.",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &str) -> SignatureChoice {
        match AuthMethod::parse(text) {
            Ok(AuthMethod::PublicKey(choice)) => choice,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_words_of_swanctl_are_read() {
        assert_eq!(AuthMethod::parse("psk"), Ok(AuthMethod::Psk));
        assert_eq!(AuthMethod::parse("eap-mschapv2"), Ok(AuthMethod::Eap(EapMethod::Mschapv2)));
        assert_eq!(signature("pubkey"), SignatureChoice::default());
        let pss = signature("rsa/pss-sha384-sha256");
        assert_eq!((pss.family, pss.pss), (Some(KeyFamily::Rsa), true));
        assert_eq!(pss.hashes, [HashName::Sha384, HashName::Sha256]);
        assert_eq!(signature("ecdsa-sha512").hashes, [HashName::Sha512]);
    }

    #[test]
    fn mistakes_are_placed_at_the_word_at_fault() {
        let typo = AuthMethod::parse("pubkey-sha265").unwrap_err();
        assert_eq!((typo.span, typo.help[0].as_str()), (Some(7..13), "did you mean `sha256`?"));
        let weak = AuthMethod::parse("pubkey-sha256-sha1").unwrap_err();
        assert_eq!((weak.span, weak.message.as_str()), (Some(14..18), "too weak to sign with"));
        assert!(weak.help[0].contains("RFC 8247"));
        assert_eq!(AuthMethod::parse("rsa-sha256-sha256").unwrap_err().span, Some(11..17));
        assert_eq!(AuthMethod::parse("pubkye").unwrap_err().help[0], "did you mean `pubkey`?");
        assert_eq!(AuthMethod::parse("eap-tls").unwrap_err().message, "`eap-tls` is not built yet");
        for text in ["", "-", "psk-sha256", "rsa/pss/x", "pubkey-"] {
            assert!(AuthMethod::parse(text).is_err(), "{text}");
        }
    }
}
