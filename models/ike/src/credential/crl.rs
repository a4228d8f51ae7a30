//! Certificate revocation lists (RFC 5280 §5), complete and direct ones, as configuration holds them.

use der::Decode as _;
use x509_cert::crl::CertificateList;

use super::certificate::{CertificateError, Signed, name, time};
use super::distinguished_name::DistinguishedName;
use super::pem;
use super::time::UnixTime;

/// Octets of a CRL that are read: about a quarter of a million entries.
const DER_LEN_MAX: usize = 8 << 20;

/// One authority's list of revoked serial numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    der: Vec<u8>,
    pub(super) signed: Signed,
    issuer: DistinguishedName,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    /// Sorted.
    revoked: Vec<Vec<u8>>,
    unknown_critical: bool,
}

impl Crl {
    /// Reads DER.
    ///
    /// # Errors
    /// When the octets are no CRL or more than 8 MiB.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > DER_LEN_MAX {
            return Err(CertificateError::TooLong { len: der.len(), max: DER_LEN_MAX });
        }
        Self::read(der).map_err(|_| CertificateError::Malformed)
    }

    /// Reads all `X509 CRL` blocks of a PEM text.
    ///
    /// # Errors
    /// When there is none, or one that is no CRL.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        let label = "X509 CRL";
        let blocks = pem::blocks(text, label).filter(|blocks| !blocks.is_empty());
        blocks.ok_or(CertificateError::Pem { label })?.iter().map(|der| Self::from_der(der)).collect()
    }

    fn read(der: &[u8]) -> der::Result<Self> {
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)?.tbs_cert_list;
        let entries = list.revoked_certificates.unwrap_or_default();
        let mut revoked: Vec<_> =
            entries.iter().map(|entry| entry.serial_number.as_bytes().to_vec()).collect();
        revoked.sort_unstable();
        Ok(Self {
            der: der.to_vec(),
            signed: Signed::from_der(der)?,
            issuer: name(&list.issuer)?,
            this_update: time(list.this_update),
            next_update: list.next_update.map(time),
            revoked,
            unknown_critical: list.crl_extensions.iter().flatten().any(|extension| extension.critical),
        })
    }

    /// The whole list.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The authority.
    pub const fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// When the list was made.
    pub const fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// When the next list was to come, after which this one is stale.
    pub const fn next_update(&self) -> Option<UnixTime> {
        self.next_update
    }

    /// Whether the certificate of this serial number (big endian) is revoked.
    pub fn revokes(&self, serial: &[u8]) -> bool {
        self.revoked.binary_search_by(|revoked| revoked.as_slice().cmp(serial)).is_ok()
    }

    /// Whether the list says at `now` who is good: made already, and not replaced by the next one.
    pub fn is_current(&self, now: UnixTime) -> bool {
        self.this_update <= now && self.next_update.is_none_or(|next| now <= next)
    }

    /// Whether a critical extension limits the list in a way that is not understood (RFC 5280 §5.2).
    pub const fn has_unknown_critical(&self) -> bool {
        self.unknown_critical
    }
}
