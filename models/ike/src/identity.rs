//! Identities (RFC 7296 §3.5), as swanctl's `id` writes them, and patterns that a peer's identity must fit.
//!
//! Text is read as strongSwan reads it, so that one configuration means the same octets in both. What a text that is
//! meant as a distinguished name and is none becomes (a key id) is strongSwan's choice too.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::credential::DistinguishedName;
use crate::credential::distinguished_name::printable;
use crate::wire::{IdPayload, IdType};

/// Who a peer says it is; two are `==` when their octets are, [`is_same`](Self::is_same) when strongSwan says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// `ID_IPV4_ADDR` or `ID_IPV6_ADDR`.
    Address(IpAddr),
    /// `ID_FQDN`, such as `gateway.example`.
    Fqdn(String),
    /// `ID_RFC822_ADDR`, such as `carol@example.org`.
    Email(String),
    /// `ID_DER_ASN1_DN`, such as `C=CH, O=strongSwan, CN=a.example`.
    Dn(DistinguishedName),
    /// `ID_KEY_ID`: opaque octets.
    KeyId(Vec<u8>),
}

/// The kinds that an explicit prefix names.
const PREFIXES: [(&str, IdType); 9] = [
    ("ipv4:", IdType::Ipv4),
    ("ipv6:", IdType::Ipv6),
    ("rfc822:", IdType::Email),
    ("email:", IdType::Email),
    ("userfqdn:", IdType::Email),
    ("fqdn:", IdType::Fqdn),
    ("dns:", IdType::Fqdn),
    ("asn1dn:", IdType::Dn),
    ("keyid:", IdType::KeyId),
];

/// What swanctl writes for "whoever".
const ANY: [&str; 6] = ["%any", "%any6", "0.0.0.0", "*", "::", "0::0"];

impl Identity {
    /// Reads an identity as swanctl does: a distinguished name (anything with `=`), an address, `user@domain`,
    /// `@domain`, `@#hex` for a key id, `@@user@domain`, a domain name; or any kind behind its prefix, such as
    /// `keyid:#0a1b` or `fqdn:a.example`, where `#` begins hexadecimal octets.
    pub fn parse(text: &str) -> Self {
        Self::parse_prefixed(text).unwrap_or_else(|| Self::parse_bare(text))
    }

    fn parse_prefixed(text: &str) -> Option<Self> {
        let (prefix, kind) = PREFIXES.into_iter().find(|(prefix, _)| text.starts_with(prefix))?;
        let text = &text[prefix.len()..];
        let octets = text.strip_prefix('#').and_then(hexadecimal);
        match (kind, octets) {
            (IdType::Ipv4 | IdType::Ipv6, None) => text.parse().ok().map(Self::Address),
            (IdType::Dn, None) => DistinguishedName::parse(text).ok().map(Self::Dn),
            (kind, octets) => {
                let data = octets.unwrap_or_else(|| text.as_bytes().to_vec());
                Self::from_payload(&IdPayload::new(kind, data))
            }
        }
    }

    fn parse_bare(text: &str) -> Self {
        if text.contains('=') {
            let name = DistinguishedName::parse(text);
            return name.map_or_else(|_| Self::KeyId(text.as_bytes().to_vec()), Self::Dn);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Self::Address(address);
        }
        match text.strip_prefix('@') {
            Some(rest) => Self::parse_behind_at(rest),
            None if text.contains('@') => Self::Email(text.to_owned()),
            None if text.contains(':') => Self::KeyId(text.as_bytes().to_vec()),
            None => Self::Fqdn(text.to_owned()),
        }
    }

    fn parse_behind_at(text: &str) -> Self {
        match (text.strip_prefix('#').and_then(hexadecimal), text.strip_prefix('@')) {
            (Some(octets), _) => Self::KeyId(octets),
            (None, Some(address)) => Self::Email(address.to_owned()),
            (None, None) => Self::Fqdn(text.to_owned()),
        }
    }

    /// Whether both mean the same owner: names regardless of ASCII case, distinguished names by their attributes.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(own), Self::Fqdn(others)) | (Self::Email(own), Self::Email(others)) => {
                own.eq_ignore_ascii_case(others)
            }
            (Self::Dn(own), Self::Dn(others)) => own.is_same(others),
            _ => self == other,
        }
    }

    /// The payload that shows this identity.
    pub fn to_payload(&self) -> IdPayload {
        let (kind, data) = match self {
            Self::Address(IpAddr::V4(address)) => (IdType::Ipv4, address.octets().to_vec()),
            Self::Address(IpAddr::V6(address)) => (IdType::Ipv6, address.octets().to_vec()),
            Self::Fqdn(name) => (IdType::Fqdn, name.clone().into_bytes()),
            Self::Email(address) => (IdType::Email, address.clone().into_bytes()),
            Self::Dn(name) => (IdType::Dn, name.as_der().to_vec()),
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
            IdType::Dn => DistinguishedName::from_der(&payload.data).ok().map(Self::Dn),
            IdType::KeyId => Some(Self::KeyId(payload.data.clone())),
            IdType::Gn | IdType::Null | IdType::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Fqdn(name) | Self::Email(name) => f.write_str(&printable(name.as_bytes())),
            Self::Dn(name) => name.fmt(f),
            Self::KeyId(octets) => {
                f.write_str("keyid:")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// What a peer's identity must be: anyone, one identity, or one with wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityPattern {
    /// `%any`.
    #[default]
    Any,
    /// An identity. A `*` in front of a domain name or e-mail address stands for any beginning, and an attribute of
    /// value `*` in a distinguished name for any value.
    Like(Identity),
}

/// How well an identity fits a pattern; greater is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fit {
    /// It does not.
    None,
    /// Anyone would.
    Any,
    /// By a wildcard in the pattern.
    Wildcard,
    /// It is the identity of the pattern.
    Exact,
}

impl IdentityPattern {
    /// Reads what swanctl's remote `id` says: `%any`, or an identity as [`Identity::parse`] reads it.
    pub fn parse(text: &str) -> Self {
        if ANY.contains(&text) { Self::Any } else { Self::Like(Identity::parse(text)) }
    }

    /// Whether `identity` fits.
    pub fn matches(&self, identity: &Identity) -> bool {
        self.fit(identity) > Fit::None
    }

    /// How well `identity` fits.
    pub fn fit(&self, identity: &Identity) -> Fit {
        let Self::Like(wanted) = self else { return Fit::Any };
        if identity.is_same(wanted) {
            return Fit::Exact;
        }
        let by_wildcard = match (identity, wanted) {
            (Identity::Fqdn(name), Identity::Fqdn(pattern))
            | (Identity::Email(name), Identity::Email(pattern)) => {
                pattern.strip_prefix('*').is_some_and(|end| ends_with(name, end))
            }
            (Identity::Dn(name), Identity::Dn(pattern)) => name.fits(pattern),
            _ => false,
        };
        if by_wildcard { Fit::Wildcard } else { Fit::None }
    }
}

impl From<Identity> for IdentityPattern {
    fn from(identity: Identity) -> Self {
        Self::Like(identity)
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("%any"),
            Self::Like(identity) => identity.fmt(f),
        }
    }
}

fn ends_with(name: &str, end: &str) -> bool {
    let start = name.len().checked_sub(end.len());
    start.and_then(|start| name.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Octets written in hexadecimal, with colons or without.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|c| *c != ':');
    let digits = digits.map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<Vec<u8>>>()?;
    digits.chunks(2).map(|pair| Some(pair[0] << 4 | pair.get(1)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        check_kind("@@carol@a.example", IdType::Email, b"carol@a.example");
        check_kind("@#0a:1B", IdType::KeyId, &[0x0a, 0x1b]);
        check_kind("a:b", IdType::KeyId, b"a:b");
        check_kind("CN=a", IdType::Dn, DistinguishedName::parse("CN=a").unwrap().as_der());
        check_kind("XX=a", IdType::KeyId, b"XX=a");
    }

    #[test]
    fn a_prefix_decides_the_kind() {
        check_kind("fqdn:carol@a.example", IdType::Fqdn, b"carol@a.example");
        check_kind("dns:192.0.2.1", IdType::Fqdn, b"192.0.2.1");
        check_kind("email:a", IdType::Email, b"a");
        check_kind("rfc822:#61", IdType::Email, b"a");
        check_kind("keyid:abc", IdType::KeyId, b"abc");
        check_kind("keyid:#0a1b", IdType::KeyId, &[0x0a, 0x1b]);
        check_kind("keyid:#0a1", IdType::KeyId, b"#0a1");
        check_kind("ipv4:192.0.2.1", IdType::Ipv4, &[192, 0, 2, 1]);
        check_kind("ipv4:#c0000201", IdType::Ipv4, &[192, 0, 2, 1]);
        check_kind("ipv6:2001:db8::1", IdType::Ipv6, &"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        check_kind("asn1dn:CN=a", IdType::Dn, DistinguishedName::parse("CN=a").unwrap().as_der());
        check_kind("asn1dn:#3000", IdType::Dn, &[0x30, 0]);
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

    #[test]
    fn an_identity_shows_as_text_without_control_characters() {
        let shown = |text: &str| Identity::parse(text).to_string();
        assert_eq!(shown("CN=a, O=b"), "CN=a, O=b");
        assert_eq!(shown("keyid:#0a1b"), "keyid:0a1b");
        assert_eq!(shown("a\u{1b}[2J"), "a?[2J");
    }

    fn check_fit(pattern: &str, identity: &str, expected: Fit) {
        let (pattern, identity) = (IdentityPattern::parse(pattern), Identity::parse(identity));
        assert_eq!(pattern.fit(&identity), expected, "{pattern} {identity}");
        assert_eq!(pattern.matches(&identity), expected != Fit::None);
    }

    #[test]
    fn anyone_fits_any() {
        for any in ANY {
            check_fit(any, "a.example", Fit::Any);
            check_fit(any, "192.0.2.1", Fit::Any);
        }
    }

    #[test]
    fn names_fit_regardless_of_case_and_by_their_end() {
        check_fit("a.example", "A.Example", Fit::Exact);
        check_fit("*.example", "a.b.Example", Fit::Wildcard);
        check_fit("*@example.org", "carol@example.org", Fit::Wildcard);
        check_fit("C=CH, CN=*", "C=CH, CN=a", Fit::Wildcard);
        check_fit("C=CH, CN=a", "C=ch, CN=A", Fit::Exact);
    }

    #[test]
    fn what_differs_in_kind_or_text_does_not_fit() {
        check_fit("*.example", "example", Fit::None);
        check_fit("*.example", "ä", Fit::None);
        check_fit("a*.example", "ab.example", Fit::None);
        check_fit("*.example", "a@b.example", Fit::None);
        check_fit("192.0.2.1", "192.0.2.2", Fit::None);
        check_fit("192.0.2.1", "fqdn:192.0.2.1", Fit::None);
        check_fit("keyid:a", "keyid:A", Fit::None);
        check_fit("C=CH, CN=*", "C=CH", Fit::None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_identity_that_its_payload_keeps(text in "(keyid:|fqdn:|email:|ipv4:|asn1dn:|@|@#|CN=)?.{0,40}") {
            let identity = Identity::parse(&text);
            prop_assert_eq!(Identity::from_payload(&identity.to_payload()), Some(identity.clone()));
            prop_assert_eq!(IdentityPattern::from(identity.clone()).fit(&identity), Fit::Exact);
        }

        #[test]
        fn any_payload_is_an_identity_with_the_same_octets_or_none(
            kind in 0_u8..14,
            data in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let payload = IdPayload::new(IdType::from_code(kind), data);
            if let Some(identity) = Identity::from_payload(&payload) {
                prop_assert_eq!(identity.to_payload(), payload);
            }
        }
    }
}
