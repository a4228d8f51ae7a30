//! Distinguished names (RFC 5280 §4.1.2.4) between DER and the text that swanctl's `id` uses.
//!
//! Text becomes the octets that strongSwan 5.9 makes of it, since `ID_DER_ASN1_DN` payloads and AUTH cover octets: one
//! attribute for each RDN, `PrintableString` where the characters allow it and `UTF8String` elsewhere, and `IA5String`
//! for e-mail addresses and unstructured names. Comparing is strongSwan's as well: printable strings and e-mail
//! addresses regardless of ASCII case, all else octet by octet.

use core::fmt;

use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

/// RDNs in a name, as many as strongSwan reads.
const RDNS_MAX: usize = 20;
/// Octets of a name; real ones stay below a tenth of this.
const DER_LEN_MAX: usize = 4096;

const EMAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// Keywords of swanctl with their attribute types; the first keyword of a type is the one shown.
const KEYWORDS: &[(&str, ObjectIdentifier)] = &[
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("E", EMAIL),
    ("Email", EMAIL),
    ("emailAddress", EMAIL),
    ("DC", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25")),
    ("UID", ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1")),
    ("S", ObjectIdentifier::new_unwrap("2.5.4.4")),
    ("SN", SERIAL_NUMBER),
    ("serialNumber", SERIAL_NUMBER),
    ("T", ObjectIdentifier::new_unwrap("2.5.4.12")),
    ("D", ObjectIdentifier::new_unwrap("2.5.4.13")),
    ("N", ObjectIdentifier::new_unwrap("2.5.4.41")),
    ("G", ObjectIdentifier::new_unwrap("2.5.4.42")),
    ("I", ObjectIdentifier::new_unwrap("2.5.4.43")),
    ("ID", ObjectIdentifier::new_unwrap("2.5.4.45")),
    ("dnQualifier", ObjectIdentifier::new_unwrap("2.5.4.46")),
    ("EN", EMPLOYEE_NUMBER),
    ("employeeNumber", EMPLOYEE_NUMBER),
    ("UN", UNSTRUCTURED_NAME),
    ("unstructuredName", UNSTRUCTURED_NAME),
    ("UA", UNSTRUCTURED_ADDRESS),
    ("unstructuredAddress", UNSTRUCTURED_ADDRESS),
];

const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const EMPLOYEE_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113730.3.1.3");
const UNSTRUCTURED_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.2");
const UNSTRUCTURED_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.8");

/// A distinguished name; two are `==` when their octets are, [`is_same`](Self::is_same) when strongSwan says so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DistinguishedName {
    der: Vec<u8>,
    attributes: Vec<Attribute>,
}

/// One attribute; where an RDN has several, they follow each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    kind: ObjectIdentifier,
    tag: Tag,
    value: Vec<u8>,
}

/// Text or octets that are no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An attribute keyword that swanctl does not have.
    #[error("unknown attribute `{keyword}` in a distinguished name")]
    Keyword {
        /// The word.
        keyword: String,
    },
    /// A part without `=`.
    #[error("`{part}` in a distinguished name has no `=`")]
    NoValue {
        /// The part.
        part: String,
    },
    /// More RDNs or octets than are read.
    #[error("a distinguished name has at most 20 parts and 4096 octets")]
    TooLong,
    /// Octets that are no DER of a name.
    #[error("the octets are no distinguished name")]
    Malformed,
}

impl DistinguishedName {
    /// Reads text such as `C=CH, O=strongSwan, CN=a.example`, or with slashes `/C=CH/CN=a.example`.
    ///
    /// # Errors
    /// When an attribute is unknown or has no `=`, or the name is too long.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim_matches(' ');
        let (separator, text) = text.strip_prefix('/').map_or((',', text), |rest| ('/', rest));
        let parts = text.split(separator).map(|part| part.trim_matches(' '));
        let parts = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>();
        if parts.len() > RDNS_MAX {
            return Err(NameError::TooLong);
        }
        let rdns = parts.into_iter().map(encode_rdn).collect::<Result<Vec<_>, _>>()?;
        Self::from_der(&tlv(0x30, &rdns.concat()))
    }

    /// Reads a DER `Name`.
    ///
    /// # Errors
    /// When the octets are none, or too many.
    pub fn from_der(der: &[u8]) -> Result<Self, NameError> {
        if der.len() > DER_LEN_MAX {
            return Err(NameError::TooLong);
        }
        let name = RdnSequence::from_der(der).map_err(|_| NameError::Malformed)?;
        let attributes = name.iter().flat_map(RelativeDistinguishedName::iter).map(|attribute| Attribute {
            kind: attribute.oid,
            tag: attribute.value.tag(),
            value: attribute.value.value().to_vec(),
        });
        Ok(Self { der: der.to_vec(), attributes: attributes.collect() })
    }

    /// The `Name` in DER, as `ID_DER_ASN1_DN` payloads carry it.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Whether there is no attribute at all, as in certificates that name their owner by `subjectAltName` alone.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Whether both name the same owner.
    pub fn is_same(&self, other: &Self) -> bool {
        self.compare(other, Attribute::is_same)
    }

    /// Whether this name fits `pattern`, in which an attribute of value `*` stands for any value.
    pub fn fits(&self, pattern: &Self) -> bool {
        self.compare(pattern, |own, wanted| {
            own.kind == wanted.kind && (wanted.value == b"*" || own.is_same(wanted))
        })
    }

    /// Number of attributes of value `*`.
    pub fn wildcards(&self) -> usize {
        self.attributes.iter().filter(|attribute| attribute.value == b"*").count()
    }

    fn compare(&self, other: &Self, same: impl Fn(&Attribute, &Attribute) -> bool) -> bool {
        let pairs = || self.attributes.iter().zip(&other.attributes);
        self.attributes.len() == other.attributes.len() && pairs().all(|(own, others)| same(own, others))
    }
}

impl Attribute {
    fn is_same(&self, other: &Self) -> bool {
        let any_case = self.tag == Tag::PrintableString || self.tag == Tag::Ia5String && self.kind == EMAIL;
        let same_value = if any_case && self.tag == other.tag {
            self.value.eq_ignore_ascii_case(&other.value)
        } else {
            self.value == other.value
        };
        self.kind == other.kind && same_value
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Attribute { kind, value, .. }) in self.attributes.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match KEYWORDS.iter().find(|(_, known)| known == kind) {
                Some((keyword, _)) => write!(f, "{keyword}=")?,
                None => write!(f, "{kind}=")?,
            }
            f.write_str(&printable(value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({self})")
    }
}

fn encode_rdn(part: &str) -> Result<Vec<u8>, NameError> {
    // A keyword ends at a blank or at `=`, and blanks around `=` do not count.
    let (keyword, value) =
        part.split_once('=').ok_or_else(|| NameError::NoValue { part: part.to_owned() })?;
    let (keyword, value) = (keyword.trim_matches(' '), value.trim_matches(' '));
    let known = KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword));
    let (_, kind) = known.ok_or_else(|| NameError::Keyword { keyword: keyword.to_owned() })?;
    let kind_der = kind.to_der().map_err(|_| NameError::Malformed)?;
    let value = tlv(string_tag(*kind, value), value.as_bytes());
    Ok(tlv(0x31, &tlv(0x30, &[kind_der, value].concat())))
}

fn string_tag(kind: ObjectIdentifier, value: &str) -> u8 {
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    if kind == EMAIL || kind == UNSTRUCTURED_NAME {
        0x16
    } else if value.chars().all(printable) {
        0x13
    } else {
        0x0c
    }
}

/// A DER element.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let significant = &len[len.iter().position(|octet| *octet != 0).unwrap_or(len.len() - 1)..];
    let long_form = match significant {
        [..0x80] => None,
        _ => Some(0x80 | significant.len().to_le_bytes()[0]),
    };
    [&[tag], long_form.as_slice(), significant, content].concat()
}

/// Octets for a human: UTF-8 without control characters, `?` for what is not.
pub(crate) fn printable(octets: &[u8]) -> String {
    let shown = |c: char| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c };
    String::from_utf8_lossy(octets).chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    #[test]
    fn text_becomes_the_octets_that_openssl_and_strongswan_make_of_it() {
        // openssl asn1parse of /C=CH/CN=a.example
        let expected = [
            &[0x30, 0x21, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02][..],
            b"CH",
            &[0x31, 0x12, 0x30, 0x10, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x09],
            b"a.example",
        ];
        assert_eq!(name("C=CH, CN=a.example").as_der(), expected.concat());
        for alike in
            ["/C=CH/CN=a.example", "C = CH,CN= a.example", " c=CH , cn=a.example ", "C=CH,,CN=a.example,"]
        {
            assert_eq!(name(alike), name("C=CH, CN=a.example"), "{alike}");
        }
    }

    #[test]
    fn lengths_take_as_many_octets_as_they_need() {
        for (len, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (70_000, &[4, 0x83, 1, 0x11, 0x70]),
        ] {
            let element = tlv(4, &vec![7; len]);
            assert_eq!((&element[..head.len()], element.len()), (head, head.len() + len));
        }
    }

    fn check_string_kind(text: &str, tag: Tag) {
        assert_eq!(name(text).attributes[0].tag, tag, "{text}");
    }

    #[test]
    fn the_kind_of_string_follows_attribute_and_characters() {
        check_string_kind("CN=a b-c", Tag::PrintableString);
        check_string_kind("CN=a_b", Tag::Utf8String);
        check_string_kind("CN=*", Tag::Utf8String);
        check_string_kind("O=Zürich", Tag::Utf8String);
        check_string_kind("DC=example", Tag::PrintableString);
        check_string_kind("E=carol@example.org", Tag::Ia5String);
        check_string_kind("unstructuredName=a", Tag::Ia5String);
    }

    #[test]
    fn names_show_as_they_are_written() {
        let text = "C=CH, ST=Bern, L=Bern, O=Lab é, OU=a, CN=b, E=c@d.example, UID=7, SN=1";
        assert_eq!(name(text).to_string(), text);
        assert_eq!(name("").to_string(), "");
    }

    #[test]
    fn what_is_no_name_says_why() {
        let error = |text: &str| DistinguishedName::parse(text).unwrap_err();
        assert_eq!(error("C=CH, XY=1"), NameError::Keyword { keyword: "XY".into() });
        assert_eq!(error("C=CH, XY"), NameError::NoValue { part: "XY".into() });
        assert_eq!(error(&"CN=a,".repeat(21)), NameError::TooLong);
        assert_eq!(error(&format!("CN={}", "a".repeat(5000))), NameError::TooLong);
        assert_eq!(DistinguishedName::from_der(&[0x30, 5]), Err(NameError::Malformed));
    }

    #[test]
    fn case_counts_in_utf8_strings_only() {
        assert!(name("CN=A.Example").is_same(&name("CN=a.example")));
        assert!(name("E=A@B.example").is_same(&name("E=a@b.example")));
        assert!(!name("CN=A_B").is_same(&name("CN=a_b")));
        for other in ["CN=a", "O=a.example", "CN=a.example, O=x", "CN=b.example"] {
            assert!(!name("CN=a.example").is_same(&name(other)), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_one_value_of_its_attribute() {
        let pattern = name("C=CH, O=Lab, CN=*");
        assert_eq!(pattern.wildcards(), 1);
        assert!(name("C=CH, O=Lab, CN=a.example").fits(&pattern));
        for other in ["C=CH, O=Lab", "C=CH, O=Lab, OU=a", "C=DE, O=Lab, CN=a", "C=CH, O=Lab, CN=a, OU=b"] {
            assert!(!name(other).fits(&pattern), "{other}");
        }
    }

    proptest! {
        #[test]
        fn damaged_names_are_errors_or_other_names(at in 0_usize..45, bit in 0_u8..8) {
            let mut der = name("C=CH, O=Lab rsa, CN=a.example").as_der().to_vec();
            der[at] ^= 1 << bit;
            if let Ok(read) = DistinguishedName::from_der(&der) {
                prop_assert_eq!(read.as_der(), der);
                prop_assert!(read.to_string().len() < 200);
            }
        }
    }
}
