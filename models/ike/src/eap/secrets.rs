//! Passwords by name: swanctl's `secrets.eap-*` sections.

use std::collections::BTreeMap;

use ipseclab_crypto::Secret;

use super::identity::EapIdentity;

/// Characters of the longest password (RFC 2759 §8.1).
pub const PASSWORD_LEN_MAX: usize = 256;

/// A password of up to [`PASSWORD_LEN_MAX`] characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    utf8: Secret,
    utf16: Secret,
}

impl Password {
    /// A password, or `None` when it is too long.
    pub fn new(text: &str) -> Option<Self> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let utf16: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let fits = units.len() <= PASSWORD_LEN_MAX;
        fits.then(|| Self { utf8: Secret::new(text.as_bytes()), utf16: Secret::new(utf16) })
    }

    /// The octets that MD5-Challenge hashes and XAUTH sends.
    pub(crate) fn utf8(&self) -> &[u8] {
        self.utf8.expose()
    }

    /// The octets that `MSCHAPv2` hashes: UTF-16, low octets first.
    pub(super) fn utf16(&self) -> &[u8] {
        self.utf16.expose()
    }
}

/// The passwords that an authenticator knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EapSecrets(BTreeMap<EapIdentity, Password>);

impl EapSecrets {
    /// The password of a name.
    pub fn password(&self, identity: &EapIdentity) -> Option<&Password> {
        self.0.get(identity)
    }
}

impl FromIterator<(EapIdentity, Password)> for EapSecrets {
    /// Of several passwords of one name the last counts.
    fn from_iter<I: IntoIterator<Item = (EapIdentity, Password)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_are_those_of_the_text() {
        let password = Password::new("aé").unwrap();
        assert_eq!(password.utf8(), "aé".as_bytes());
        assert_eq!(password.utf16(), [0x61, 0, 0xe9, 0]);
    }

    #[test]
    fn endless_passwords_are_refused() {
        assert!(Password::new(&"x".repeat(PASSWORD_LEN_MAX)).is_some());
        assert_eq!(Password::new(&"x".repeat(PASSWORD_LEN_MAX + 1)), None);
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let secrets =
            EapSecrets::from_iter([(EapIdentity::new(b"carol").unwrap(), Password::new("Ar3").unwrap())]);
        assert!(!format!("{secrets:?}").contains("Ar3"));
    }
}
