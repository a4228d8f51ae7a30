//! One X.509 certificate (RFC 5280 §4), with what IKE asks of it taken out (RFC 4945 §5).
//!
//! A certificate with a key or a critical extension that is not supported still reads, so that the refusal can say
//! which of the two it was; [`Chain`](super::Chain) refuses it.

use core::net::IpAddr;

use der::{Decode, Encode as _, Reader as _};
use ipseclab_crypto::signature::KeyError;
use ipseclab_crypto::{Crypto, Hash, PublicKey, SignatureScheme};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};

use super::algorithm::scheme_of;
use super::distinguished_name::DistinguishedName;
use super::pem;
use super::time::UnixTime;
use crate::identity::Identity;

/// SHA-1 over a `SubjectPublicKeyInfo`: how CERTREQ names a trust anchor (RFC 7296 §3.7).
pub type KeyHash = [u8; 20];

/// Octets of a certificate that are read; a message of fragments could carry more.
pub(super) const DER_LEN_MAX: usize = 16_384;
/// Names in a `subjectAltName` that are read.
const NAMES_MAX: usize = 100;

const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";
const SUBJECT_ALT_NAME: &str = "2.5.29.17";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const CRL_DISTRIBUTION_POINTS: &str = "2.5.29.31";

/// Octets or text that are no certificate or CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// More octets than are read.
    #[error("{len} octets, at most {max} are read")]
    TooLong {
        /// Octets given.
        len: usize,
        /// Octets that are read.
        max: usize,
    },
    /// Not the DER of the structure, or something in it contradicts itself.
    #[error("not the DER encoding of the structure")]
    Malformed,
    /// PEM text that is broken or has no block of the kind.
    #[error("no PEM block `{label}` that reads")]
    Pem {
        /// The kind of block.
        label: &'static str,
    },
}

/// A certificate of an end entity or of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    pub(super) signed: Signed,
    serial: Vec<u8>,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    not_before: UnixTime,
    not_after: UnixTime,
    spki: Vec<u8>,
    public_key: Result<PublicKey, KeyError>,
    extensions: Extensions,
}

/// The three parts that every signed structure of X.509 has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) content: Vec<u8>,
    pub(super) scheme: Option<SignatureScheme>,
    pub(super) signature: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extensions {
    alt_names: Vec<Identity>,
    constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    has_crl_uri: bool,
    unknown_critical: bool,
}

impl Signed {
    /// Splits `SEQUENCE { content, algorithm, signature }`, keeping the octets that were signed as they came.
    pub(super) fn from_der(der: &[u8]) -> der::Result<Self> {
        let body = der::asn1::AnyRef::from_der(der)?;
        let mut reader = der::SliceReader::new(body.value())?;
        let content = reader.tlv_bytes()?.to_vec();
        let algorithm = reader.tlv_bytes()?;
        let signature = der::asn1::BitStringRef::decode(&mut reader)?;
        let signature = signature.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?.to_vec();
        Ok(Self { content, scheme: scheme_of(algorithm), signature })
    }
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// When the octets are no certificate or more than 16384.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > DER_LEN_MAX {
            return Err(CertificateError::TooLong { len: der.len(), max: DER_LEN_MAX });
        }
        Self::read(der).map_err(|_| CertificateError::Malformed)
    }

    /// Reads all `CERTIFICATE` blocks of a PEM text: one, or a chain.
    ///
    /// # Errors
    /// When there is none, or one that is no certificate.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        let label = "CERTIFICATE";
        let blocks = pem::blocks(text, label).filter(|blocks| !blocks.is_empty());
        blocks.ok_or(CertificateError::Pem { label })?.iter().map(|der| Self::from_der(der)).collect()
    }

    fn read(der: &[u8]) -> der::Result<Self> {
        let parsed = x509_cert::Certificate::from_der(der)?;
        let tbs = parsed.tbs_certificate();
        if tbs.signature() != parsed.signature_algorithm() {
            // RFC 5280 §4.1.1.2.
            return Err(der::Tag::Sequence.value_error().into());
        }
        let spki = tbs.subject_public_key_info().to_der()?;
        Ok(Self {
            der: der.to_vec(),
            signed: Signed::from_der(der)?,
            serial: tbs.serial_number().as_bytes().to_vec(),
            subject: name(tbs.subject())?,
            issuer: name(tbs.issuer())?,
            not_before: time(tbs.validity().not_before),
            not_after: time(tbs.validity().not_after),
            public_key: PublicKey::from_spki_der(&spki),
            spki,
            extensions: Extensions::read(tbs.extensions().map_or(&[], Vec::as_slice))?,
        })
    }

    /// The whole certificate, as CERT payloads carry it (encoding 4).
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The owner's name; empty where `subjectAltName` alone names it.
    pub const fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The name of the authority that signed.
    pub const fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// The serial number, big endian.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The first second of validity.
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of validity.
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The owner's key.
    ///
    /// # Errors
    /// When no signature scheme here takes keys of its kind.
    pub fn public_key(&self) -> Result<&PublicKey, KeyError> {
        self.public_key.as_ref().map_err(|error| *error)
    }

    /// The identities of `subjectAltName`: domain names, e-mail addresses, IP addresses and distinguished names.
    pub fn alt_names(&self) -> &[Identity] {
        &self.extensions.alt_names
    }

    /// Whether `identity` is one of the owner's: the subject, or else a `subjectAltName` (RFC 4945 §3.1).
    pub fn has_identity(&self, identity: &Identity) -> bool {
        let is_subject = matches!(identity, Identity::Dn(name) if name.is_same(&self.subject));
        is_subject || self.extensions.alt_names.iter().any(|name| name.is_same(identity))
    }

    /// Whether the owner is an authority (`basicConstraints`); version 1 certificates, which cannot say, are not.
    pub const fn is_authority(&self) -> bool {
        matches!(self.extensions.constraints, Some(BasicConstraints { ca: true, .. }))
    }

    /// How many intermediate authorities may stand between this authority and an end entity.
    pub fn path_len_max(&self) -> Option<usize> {
        self.extensions.constraints.as_ref()?.path_len_constraint.map(usize::from)
    }

    /// Whether `keyUsage` is absent or allows signing certificates.
    pub fn may_sign_certificates(&self) -> bool {
        self.extensions.key_usage.as_ref().is_none_or(KeyUsage::key_cert_sign)
    }

    /// Whether `keyUsage` is absent or allows signing CRLs.
    pub fn may_sign_crls(&self) -> bool {
        self.extensions.key_usage.as_ref().is_none_or(KeyUsage::crl_sign)
    }

    /// Whether `keyUsage` is absent or allows IKE signatures (RFC 4945 §5.1.3.2).
    pub fn may_authenticate(&self) -> bool {
        let allows = |usage: &KeyUsage| usage.digital_signature() || usage.non_repudiation();
        self.extensions.key_usage.as_ref().is_none_or(allows)
    }

    /// Whether the certificate says where its CRL is, which is what `revocation = ifuri` goes by.
    pub const fn has_crl_uri(&self) -> bool {
        self.extensions.has_crl_uri
    }

    /// Whether there is a critical extension that must be understood and is not.
    pub const fn has_unknown_critical(&self) -> bool {
        self.extensions.unknown_critical
    }

    /// How a CERTREQ payload names this authority.
    pub fn key_hash(&self, crypto: &mut Crypto) -> KeyHash {
        let digest = crypto.hash(Hash::Sha1, &[&self.spki]);
        let mut hash = KeyHash::default();
        hash.copy_from_slice(&digest[..20]);
        hash
    }
}

impl Extensions {
    fn read(extensions: &[Extension]) -> der::Result<Self> {
        let mut read = Self::default();
        let mut seen = Vec::new();
        for extension in extensions {
            // RFC 5280 §4.2: no more than one of a kind.
            if seen.contains(&extension.extn_id) {
                return Err(der::Tag::Sequence.value_error().into());
            }
            seen.push(extension.extn_id);
            read.add(extension)?;
        }
        Ok(read)
    }

    fn add(&mut self, extension: &Extension) -> der::Result<()> {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id.to_string().as_str() {
            BASIC_CONSTRAINTS => self.constraints = Some(BasicConstraints::from_der(value)?),
            KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value)?),
            SUBJECT_ALT_NAME => {
                let names = SubjectAltName::from_der(value)?.0;
                self.alt_names = names.iter().take(NAMES_MAX).filter_map(identity).collect();
            }
            CRL_DISTRIBUTION_POINTS => self.has_crl_uri = true,
            // RFC 4945 §5.1.3.12 advises against looking at it, and strongSwan does not.
            EXTENDED_KEY_USAGE => {}
            _ => self.unknown_critical |= extension.critical,
        }
        Ok(())
    }
}

fn identity(name: &GeneralName) -> Option<Identity> {
    match name {
        GeneralName::DnsName(text) => Some(Identity::Fqdn(text.as_str().to_owned())),
        GeneralName::Rfc822Name(text) => Some(Identity::Email(text.as_str().to_owned())),
        GeneralName::DirectoryName(name) => {
            DistinguishedName::from_der(&name.to_der().ok()?).ok().map(Identity::Dn)
        }
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(Identity::Address),
        GeneralName::OtherName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::UniformResourceIdentifier(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

pub(super) fn name(name: &x509_cert::name::Name) -> der::Result<DistinguishedName> {
    DistinguishedName::from_der(&name.to_der()?).map_err(|_| der::Tag::Sequence.value_error().into())
}

pub(super) fn time(time: x509_cert::time::Time) -> UnixTime {
    UnixTime::from_secs(time.to_unix_duration().as_secs())
}
