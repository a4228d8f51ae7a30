//! Names of EAP peers (RFC 3748 §5.1): opaque octets, with the domain that `MSCHAPv2` does not hash.

use core::fmt;

/// The longest name; the longest network access identifier has 253 octets (RFC 7542 §2.3).
pub const IDENTITY_LEN_MAX: usize = 253;

/// A peer's name: 1 to [`IDENTITY_LEN_MAX`] octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EapIdentity(Box<[u8]>);

impl EapIdentity {
    /// A name, or `None` when it is empty or too long.
    pub fn new(octets: &[u8]) -> Option<Self> {
        (1..=IDENTITY_LEN_MAX).contains(&octets.len()).then(|| Self(octets.into()))
    }

    /// The name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name without a leading `DOMAIN\`, as RFC 2759 §8.2 hashes it.
    pub(super) fn without_domain(&self) -> &[u8] {
        let domain = self.0.iter().position(|octet| *octet == b'\\');
        domain.map_or(&self.0, |end| &self.0[end + 1..])
    }
}

impl fmt::Display for EapIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for EapIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EapIdentity({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_endless_names_do_not_exist() {
        assert_eq!(EapIdentity::new(b""), None);
        assert_eq!(EapIdentity::new(&[b'x'; IDENTITY_LEN_MAX + 1]), None);
        assert!(EapIdentity::new(&[b'x'; IDENTITY_LEN_MAX]).is_some());
    }

    #[test]
    fn the_domain_ends_at_the_first_backslash() {
        for (name, user) in [("carol", "carol"), ("LAB\\carol", "carol"), ("a\\b\\c", "b\\c"), ("a\\", "")] {
            let identity = EapIdentity::new(name.as_bytes()).unwrap();
            assert_eq!(identity.without_domain(), user.as_bytes());
            assert_eq!(identity.as_bytes(), name.as_bytes());
        }
    }

    #[test]
    fn what_is_no_text_is_escaped() {
        assert_eq!(EapIdentity::new(b"a\n\xff").unwrap().to_string(), "a\\n\\xff");
    }
}
