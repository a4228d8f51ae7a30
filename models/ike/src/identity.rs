//! Identities (RFC 7296 §3.5), as swanctl's `id` writes them.
//!
//! Certificates bring distinguished names later; matching a peer's identity is equality until then.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::{IdPayload, IdType};

/// Who a peer says it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// `ID_IPV4_ADDR` or `ID_IPV6_ADDR`.
    Address(IpAddr),
    /// `ID_FQDN`, such as `gateway.example`.
    Fqdn(String),
    /// `ID_RFC822_ADDR`, such as `carol@example.org`.
    Email(String),
    /// `ID_KEY_ID`: opaque octets.
    KeyId(Vec<u8>),
}

impl Identity {
    /// Reads an identity as swanctl does: an address, `user@domain`, `@domain`, or a domain name.
    pub fn parse(text: &str) -> Self {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Self::Address(address);
        }
        match text.strip_prefix('@') {
            Some(domain) => Self::Fqdn(domain.to_owned()),
            None if text.contains('@') => Self::Email(text.to_owned()),
            None => Self::Fqdn(text.to_owned()),
        }
    }

    /// The payload that shows this identity.
    pub fn to_payload(&self) -> IdPayload {
        let (kind, data) = match self {
            Self::Address(IpAddr::V4(address)) => (IdType::Ipv4, address.octets().to_vec()),
            Self::Address(IpAddr::V6(address)) => (IdType::Ipv6, address.octets().to_vec()),
            Self::Fqdn(name) => (IdType::Fqdn, name.clone().into_bytes()),
            Self::Email(address) => (IdType::Email, address.clone().into_bytes()),
            Self::KeyId(octets) => (IdType::KeyId, octets.clone()),
        };
        IdPayload::new(kind, data)
    }

    /// The identity in a peer's payload, or `None` for kinds that we cannot compare.
    pub fn from_payload(payload: &IdPayload) -> Option<Self> {
        let text = || String::from_utf8(payload.data.clone()).ok();
        match payload.kind {
            IdType::Ipv4 => {
                let octets = <[u8; 4]>::try_from(payload.data.as_slice()).ok()?;
                Some(Self::Address(Ipv4Addr::from(octets).into()))
            }
            IdType::Ipv6 => {
                let octets = <[u8; 16]>::try_from(payload.data.as_slice()).ok()?;
                Some(Self::Address(Ipv6Addr::from(octets).into()))
            }
            IdType::Fqdn => text().map(Self::Fqdn),
            IdType::Email => text().map(Self::Email),
            IdType::KeyId => Some(Self::KeyId(payload.data.clone())),
            IdType::Dn | IdType::Gn | IdType::Null | IdType::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Fqdn(name) | Self::Email(name) => f.write_str(name),
            Self::KeyId(octets) => {
                f.write_str("keyid:")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_kind(text: &str, kind: IdType, data: &[u8]) {
        let identity = Identity::parse(text);
        let payload = identity.to_payload();
        assert_eq!((payload.kind, payload.data.as_slice()), (kind, data), "{text}");
        assert_eq!(Identity::from_payload(&payload), Some(identity));
    }

    #[test]
    fn text_becomes_the_kind_that_swanctl_would_choose() {
        check_kind("192.0.2.1", IdType::Ipv4, &[192, 0, 2, 1]);
        check_kind("a.example", IdType::Fqdn, b"a.example");
        check_kind("@a.example", IdType::Fqdn, b"a.example");
        check_kind("carol@a.example", IdType::Email, b"carol@a.example");
    }

    #[test]
    fn an_address_of_the_wrong_length_is_no_identity() {
        let payload = IdPayload::new(IdType::Ipv4, [192, 0, 2]);
        assert_eq!(Identity::from_payload(&payload), None);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_no_identity() {
        let payload = IdPayload::new(IdType::Fqdn, [0xff, 0xfe]);
        assert_eq!(Identity::from_payload(&payload), None);
    }
}
