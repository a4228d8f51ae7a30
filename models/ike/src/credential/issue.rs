//! A small certificate authority for scenarios and tests: equal inputs give equal octets.
//!
//! Nothing here draws: serial numbers, dates and keys come from the caller. RSA keys are taken from [`rsa_key`], a pool
//! made once; elliptic ones are made from seeds ([`PrivateKey::from_seed`]).
//!
//! Certificates follow RFC 5280: version 3, `basicConstraints` and `keyUsage` critical where they stand,
//! `subjectAltName` critical where the subject is empty, keys named by their SHA-1.

use core::net::IpAddr;
use core::time::Duration;

use der::asn1::{BitString, Ia5String, ObjectIdentifier, OctetString};
use der::{Decode as _, Encode as _};
use ipseclab_crypto::signature::{EcdsaForm, SignError};
use ipseclab_crypto::{Crypto, Hash, KeyKind, PrivateKey, PublicKey, SignatureScheme};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::Time;

use super::algorithm::algorithm_identifier;
use super::certificate::{Certificate, CertificateError};
use super::crl::Crl;
use super::distinguished_name::{DistinguishedName, tlv};
use super::time::UnixTime;
use crate::identity::Identity;

/// The test keys of the pool: public knowledge, for simulations alone.
const RSA_POOL: [&str; 4] = [
    include_str!("keys/rsa2048-1.pem"),
    include_str!("keys/rsa2048-2.pem"),
    include_str!("keys/rsa2048-3.pem"),
    include_str!("keys/rsa2048-4.pem"),
];
const RSA_3072: [&str; 3] = [
    include_str!("keys/rsa3072-1.pem"),
    include_str!("keys/rsa3072-2.pem"),
    include_str!("keys/rsa3072-3.pem"),
];
const RSA_4096: [&str; 3] = [
    include_str!("keys/rsa4096-1.pem"),
    include_str!("keys/rsa4096-2.pem"),
    include_str!("keys/rsa4096-3.pem"),
];

/// An RSA test key of the pool: four of 2048 bits, which `index` goes around, and three each of 3072 and 4096, so that an
/// authority and those below it have different ones.
///
/// `None` for another size.
pub fn rsa_key(bits: usize, index: usize) -> Option<PrivateKey> {
    let pem = match bits {
        2048 => RSA_POOL[index % RSA_POOL.len()],
        3072 => RSA_3072[index % RSA_3072.len()],
        4096 => RSA_4096[index % RSA_4096.len()],
        _ => return None,
    };
    PrivateKey::from_pem(pem).ok()
}

/// Why a certificate or CRL could not be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// A name, date or serial number that X.509 cannot hold.
    #[error("{what} cannot be written into a certificate")]
    Unwritable {
        /// What it was.
        what: &'static str,
    },
    /// The authority's key cannot sign.
    #[error("signing: {0}")]
    Sign(#[from] SignError),
    /// The result does not read, which is our mistake.
    #[error("the issued octets do not read: {0}")]
    Unreadable(#[from] CertificateError),
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: UnixTime,
    /// The last second.
    pub not_after: UnixTime,
}

/// What a certificate allows its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// IKE authentication.
    Authentication,
    /// Encipherment alone, which no peer should accept for IKE.
    Encipherment,
    /// Issuing certificates, with at most so many authorities below; `None` for any number.
    Authority(Option<u8>),
}

/// A certificate to be issued.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The owner's name; may be empty when there are `alt_names`.
    pub subject: &'a DistinguishedName,
    /// More identities of the owner; key ids cannot stand in certificates.
    pub alt_names: &'a [Identity],
    /// When it is valid.
    pub validity: Validity,
    /// The serial number, unique for its issuer.
    pub serial: u64,
    /// The owner's key.
    pub public_key: &'a PublicKey,
    /// What the owner may do with it.
    pub usage: Usage,
}

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// The authority's name.
    pub name: &'a DistinguishedName,
    /// The authority's key.
    pub key: &'a PrivateKey,
}

impl Issuer<'_> {
    /// Issues a certificate; one whose subject and key are the issuer's own is a root.
    ///
    /// # Errors
    /// When something cannot be written or the key cannot sign.
    pub fn certificate(self, crypto: &mut Crypto, request: &Request<'_>) -> Result<Certificate, IssueError> {
        let validity = [time(request.validity.not_before)?, time(request.validity.not_after)?].concat();
        let content = [
            // Version 3.
            vec![0xa0, 0x03, 0x02, 0x01, 0x02],
            serial(request.serial)?,
            algorithm_identifier(self.scheme()),
            self.name.as_der().to_vec(),
            tlv(0x30, &validity),
            request.subject.as_der().to_vec(),
            request.public_key.spki_der().to_vec(),
            tlv(0xa3, &tlv(0x30, &extensions(crypto, self.key.public_key(), request)?)),
        ];
        Ok(Certificate::from_der(&self.sign(crypto, &content.concat())?)?)
    }

    /// Issues a list of revoked serial numbers, each revoked when the list is made.
    ///
    /// # Errors
    /// When something cannot be written or the key cannot sign.
    pub fn crl(
        self,
        crypto: &mut Crypto,
        this_update: UnixTime,
        next_update: UnixTime,
        revoked: &[u64],
    ) -> Result<Crl, IssueError> {
        let date = time(this_update)?;
        let entry = |number: &u64| Ok(tlv(0x30, &[serial(*number)?, date.clone()].concat()));
        let entries = revoked.iter().map(entry).collect::<Result<Vec<_>, IssueError>>()?.concat();
        let content = [
            // Version 2.
            vec![0x02, 0x01, 0x01],
            algorithm_identifier(self.scheme()),
            self.name.as_der().to_vec(),
            date.clone(),
            time(next_update)?,
            // RFC 5280 §5.1.2.6: absent rather than empty.
            if revoked.is_empty() { Vec::new() } else { tlv(0x30, &entries) },
        ];
        Ok(Crl::from_der(&self.sign(crypto, &content.concat())?)?)
    }

    const fn scheme(self) -> SignatureScheme {
        match self.key.kind() {
            KeyKind::Rsa { .. } => SignatureScheme::RsaPkcs1Sha2_256,
            KeyKind::P256 => SignatureScheme::EcdsaP256(EcdsaForm::Der),
            KeyKind::P384 => SignatureScheme::EcdsaP384(EcdsaForm::Der),
            KeyKind::P521 => SignatureScheme::EcdsaP521(EcdsaForm::Der),
            KeyKind::Ed25519 => SignatureScheme::Ed25519,
        }
    }

    fn sign(self, crypto: &mut Crypto, content: &[u8]) -> Result<Vec<u8>, IssueError> {
        let content = tlv(0x30, content);
        let signature = crypto.sign(self.key, self.scheme(), &[], &content)?;
        let signature =
            written("the signature", BitString::from_bytes(&signature).and_then(|bits| bits.to_der()))?;
        Ok(tlv(0x30, &[content, algorithm_identifier(self.scheme()), signature].concat()))
    }
}

fn written<T>(what: &'static str, result: der::Result<T>) -> Result<T, IssueError> {
    result.map_err(|_| IssueError::Unwritable { what })
}

fn serial(number: u64) -> Result<Vec<u8>, IssueError> {
    let octets = number.to_be_bytes();
    let significant = &octets[(number.leading_zeros() as usize / 8).min(7)..];
    // A positive number does not begin with a set bit.
    let number = [&[0; 1][..usize::from(significant[0] >> 7)], significant].concat();
    written("a serial number", SerialNumber::<x509_cert::certificate::Rfc5280>::new(&number).map(drop))?;
    Ok(tlv(0x02, &number))
}

/// `UTCTime` before 2050 and `GeneralizedTime` from then on (RFC 5280 §4.1.2.5).
fn time(time: UnixTime) -> Result<Vec<u8>, IssueError> {
    let duration = Duration::from_secs(time.as_secs());
    let utc = der::asn1::UtcTime::from_unix_duration(duration).map(Time::UtcTime);
    let any =
        utc.or_else(|_| der::asn1::GeneralizedTime::from_unix_duration(duration).map(Time::GeneralTime));
    written("a date", any.and_then(|time| time.to_der()))
}

/// The extensions of a certificate. The issuer's key is named, so that chains of authorities of one name are told apart
/// (RFC 5280 §4.2.1.1); a certificate for IKE says what it is for by its extended key usage (RFC 4945 §5.1.3.12), as
/// strongSwan's `pki` has it.
fn extensions(crypto: &mut Crypto, issuer: &PublicKey, request: &Request<'_>) -> Result<Vec<u8>, IssueError> {
    let mut all = Vec::new();
    if let Usage::Authority(path_len_constraint) = request.usage {
        let constraints = BasicConstraints { ca: true, path_len_constraint };
        all.extend(extension("2.5.29.19", true, &written("constraints", constraints.to_der())?)?);
    }
    let usage = match request.usage {
        Usage::Authority(_) => Some(KeyUsages::KeyCertSign | KeyUsages::CRLSign),
        Usage::Encipherment => Some(KeyUsages::KeyEncipherment.into()),
        Usage::Authentication => None,
    };
    if let Some(usage) = usage {
        all.extend(extension("2.5.29.15", true, &written("a key usage", KeyUsage(usage).to_der())?)?);
    }
    if matches!(request.usage, Usage::Authority(_)) {
        all.extend(extension("2.5.29.14", false, &tlv(0x04, &key_id(crypto, request.public_key)))?);
    }
    if issuer.spki_der() != request.public_key.spki_der() {
        let named = tlv(0x30, &tlv(0x80, &key_id(crypto, issuer)));
        all.extend(extension("2.5.29.35", false, &named)?);
    }
    if !request.alt_names.is_empty() {
        let names = request.alt_names.iter().map(general_name).collect::<Result<Vec<_>, _>>()?;
        let value = written("alternative names", SubjectAltName(names).to_der())?;
        all.extend(extension("2.5.29.17", request.subject.is_empty(), &value)?);
    }
    if request.usage == Usage::Authentication {
        all.extend(extension("2.5.29.37", false, &purposes()?)?);
    }
    Ok(all)
}

/// The octets that stand for a key: the SHA-1 of its bits (RFC 5280 §4.2.1.2, method 1).
fn key_id(crypto: &mut Crypto, key: &PublicKey) -> Vec<u8> {
    crypto.hash(Hash::Sha1, &[key.key_octets()])
}

/// `serverAuth` and `clientAuth`.
fn purposes() -> Result<Vec<u8>, IssueError> {
    let oid = |text: &str| {
        let oid = ObjectIdentifier::new(text).map_err(Into::into);
        written("a purpose", oid.and_then(|oid| oid.to_der()))
    };
    Ok(tlv(0x30, &[oid("1.3.6.1.5.5.7.3.1")?, oid("1.3.6.1.5.5.7.3.2")?].concat()))
}

fn extension(kind: &str, critical: bool, value: &[u8]) -> Result<Vec<u8>, IssueError> {
    let kind = written(
        "an extension",
        ObjectIdentifier::new(kind).map_err(Into::into).and_then(|oid| oid.to_der()),
    )?;
    let critical = if critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    Ok(tlv(0x30, &[kind, critical, tlv(0x04, value)].concat()))
}

fn general_name(identity: &Identity) -> Result<GeneralName, IssueError> {
    let text = |text: &str| written("a name", Ia5String::new(text));
    match identity {
        Identity::Fqdn(name) => text(name).map(GeneralName::DnsName),
        Identity::Email(address) => text(address).map(GeneralName::Rfc822Name),
        Identity::Address(IpAddr::V4(address)) => octets(&address.octets()),
        Identity::Address(IpAddr::V6(address)) => octets(&address.octets()),
        Identity::Dn(name) => {
            written("a name", Name::from_der(name.as_der())).map(GeneralName::DirectoryName)
        }
        Identity::KeyId(_) => Err(IssueError::Unwritable { what: "a key id" }),
    }
}

fn octets(octets: &[u8]) -> Result<GeneralName, IssueError> {
    written("an address", OctetString::new(octets)).map(GeneralName::IpAddress)
}
