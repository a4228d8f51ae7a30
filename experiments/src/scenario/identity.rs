//! Identities as swanctl's `id` writes them.
//!
//! An address, `user@domain`, a domain name or a distinguished name are told apart by their looks; a prefix such as
//! `fqdn:` or `keyid:` says it, and a leading `@` makes a domain name of anything. `@#` is followed by the octets of a key
//! identifier in hexadecimal.

use super::checked::{Identity, PeerIdentity};
use super::value::hexadecimal;
use crate::structure::Mistake;

impl Identity {
    /// Reads an identity.
    ///
    /// # Errors
    /// Nothing at all, bad hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        if text.is_empty() {
            return Err(Mistake::new("nobody has an empty identity"));
        }
        if let Some((kind, rest)) = text.split_once(':') {
            match kind {
                "fqdn" | "dns" => return Ok(Self::Fqdn(rest.to_owned())),
                "email" | "rfc822" | "userfqdn" => return Ok(Self::Email(rest.to_owned())),
                "asn1dn" => return Ok(Self::DistinguishedName(rest.to_owned())),
                "keyid" => return Ok(Self::KeyId(rest.as_bytes().to_vec())),
                _ => {}
            }
        }
        if let Some(digits) = text.strip_prefix("@#") {
            return hexadecimal(digits).map(Self::KeyId).map_err(|mistake| Mistake { span: None, ..mistake });
        }
        Ok(Self::by_looks(text))
    }

    fn by_looks(text: &str) -> Self {
        if let Some(name) = text.strip_prefix('@') {
            return Self::Fqdn(name.to_owned());
        }
        match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) if text.contains('=') => Self::DistinguishedName(text.to_owned()),
            Err(_) if text.contains('@') => Self::Email(text.to_owned()),
            Err(_) => Self::Fqdn(text.to_owned()),
        }
    }

    /// The identity as text, as EAP would send it.
    pub fn text(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Fqdn(text) | Self::Email(text) | Self::DistinguishedName(text) => text.clone(),
            Self::KeyId(octets) => super::hex(octets),
        }
    }
}

impl PeerIdentity {
    /// Reads what a peer's identity must be like: one identity, `%any`, or one with `*` in it.
    ///
    /// # Errors
    /// As [`Identity::parse`].
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        match text {
            "%any" | "%" | "*" => Ok(Self::Any),
            like if like.contains('*') => Identity::parse(like).map(Self::Like),
            exactly => Identity::parse(exactly).map(Self::Exactly),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn identities_are_read_as_strongswan_reads_them() {
        let read = |text| Identity::parse(text).unwrap();
        assert_eq!(read("192.0.2.1"), Identity::Address(Ipv4Addr::new(192, 0, 2, 1).into()));
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        assert_eq!(read("2001:db8::1"), Identity::Address(address.into()));
        assert_eq!(read("moon.example"), Identity::Fqdn("moon.example".into()));
        assert_eq!(read("@192.0.2.1"), Identity::Fqdn("192.0.2.1".into()));
        assert_eq!(read("fqdn:192.0.2.1"), Identity::Fqdn("192.0.2.1".into()));
        assert_eq!(read("carol@example"), Identity::Email("carol@example".into()));
        assert_eq!(read("C=CH, CN=a@b"), Identity::DistinguishedName("C=CH, CN=a@b".into()));
        assert_eq!(read("@#6b6579"), Identity::KeyId(b"key".to_vec()));
        assert_eq!(read("keyid:key"), Identity::KeyId(b"key".to_vec()));
        for text in ["", "@#6b657"] {
            assert!(Identity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_peer_may_be_anybody_or_like_a_name() {
        assert_eq!(PeerIdentity::parse("%any"), Ok(PeerIdentity::Any));
        let like = PeerIdentity::Like(Identity::Fqdn("*.example".into()));
        assert_eq!(PeerIdentity::parse("*.example"), Ok(like));
    }
}
