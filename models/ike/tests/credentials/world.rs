//! A small world of authorities to test with.

use std::sync::Arc;

use ipseclab_crypto::{Crypto, KeyKind, PrivateKey, RealProvider};
use ipseclab_ike::Identity;
use ipseclab_ike::credential::issue::{Issuer, Request, Usage, Validity};
use ipseclab_ike::credential::{
    Certificate, Chain, ChainError, ChainPolicy, Crl, DistinguishedName, Revocation, TrustStore, UnixTime,
};

/// Some day in 2027.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) const YEAR: u64 = 365 * 86_400;

pub(crate) fn crypto() -> Crypto {
    Crypto::new(Arc::new(RealProvider::new()))
}

pub(crate) fn name(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap()
}

pub(crate) fn key(kind: KeyKind, seed: u8) -> PrivateKey {
    let len = if kind == KeyKind::Ed25519 { 32 } else { 74 };
    PrivateKey::from_seed(kind, &vec![seed; len]).unwrap()
}

/// Years from `from` to `to`, counted from [`NOW`].
pub(crate) fn validity(from: i64, to: i64) -> Validity {
    let at = |years: i64| {
        let seconds = years.unsigned_abs() * YEAR;
        UnixTime::from_secs(if years < 0 { NOW.as_secs() - seconds } else { NOW.as_secs() + seconds })
    };
    Validity { not_before: at(from), not_after: at(to) }
}

/// An authority with its key.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    pub(crate) key: PrivateKey,
}

impl Authority {
    pub(crate) fn root(common_name: &str, seed: u8) -> Self {
        Self::root_as(common_name, seed, Usage::Authority(None), validity(-1, 10))
    }

    pub(crate) fn root_as(common_name: &str, seed: u8, usage: Usage, validity: Validity) -> Self {
        let (key, name) = (key(KeyKind::Ed25519, seed), name(&format!("C=CH, O=Lab, CN={common_name}")));
        let issuer = Issuer { name: &name, key: &key };
        let public_key = key.public_key();
        let request = Request { subject: &name, alt_names: &[], validity, serial: 1, public_key, usage };
        let certificate = issuer.certificate(&mut crypto(), &request).unwrap();
        Self { certificate, key }
    }

    pub(crate) fn issuer(&self) -> Issuer<'_> {
        Issuer { name: self.certificate.subject(), key: &self.key }
    }

    pub(crate) fn below(&self, common_name: &str, seed: u8, usage: Usage) -> Self {
        let (key, name) = (key(KeyKind::P384, seed), name(&format!("C=CH, O=Lab, CN={common_name}")));
        let (validity, public_key) = (validity(-1, 10), key.public_key());
        let request = Request { subject: &name, alt_names: &[], validity, serial: 2, public_key, usage };
        let certificate = self.issuer().certificate(&mut crypto(), &request).unwrap();
        Self { certificate, key }
    }

    /// A peer's certificate, valid for a year around now.
    pub(crate) fn peer(&self, serial: u64) -> Certificate {
        self.peer_as(serial, Usage::Authentication, validity(-1, 1))
    }

    pub(crate) fn peer_as(&self, serial: u64, usage: Usage, validity: Validity) -> Certificate {
        let alt_names = [Identity::parse("a.example")];
        let (subject, key) = (name("C=CH, O=Lab, CN=a.example"), key(KeyKind::P256, 77));
        let public_key = key.public_key();
        let request =
            Request { subject: &subject, alt_names: &alt_names, validity, serial, public_key, usage };
        self.issuer().certificate(&mut crypto(), &request).unwrap()
    }

    pub(crate) fn crl(&self, years: (i64, i64), revoked: &[u64]) -> Crl {
        let Validity { not_before, not_after } = validity(years.0, years.1);
        self.issuer().crl(&mut crypto(), not_before, not_after, revoked).unwrap()
    }
}

/// What a verification is about, besides the peer's certificate.
#[derive(Default)]
pub(crate) struct Trust<'a> {
    pub(crate) anchors: Vec<&'a Authority>,
    pub(crate) sent: Vec<&'a Authority>,
    pub(crate) crls: Vec<Crl>,
    pub(crate) revocation: Revocation,
}

impl Trust<'_> {
    /// The length of the chain that holds.
    pub(crate) fn verify(&self, peer: &Certificate) -> Result<usize, ChainError> {
        let copies = |authorities: &[&Authority]| -> Vec<Certificate> {
            authorities.iter().map(|authority| authority.certificate.clone()).collect()
        };
        let (anchors, sent) = (copies(&self.anchors), copies(&self.sent));
        let policy = ChainPolicy { revocation: self.revocation, ..ChainPolicy::default() };
        let trust = TrustStore { anchors: &anchors, intermediates: &[], crls: &self.crls, policy };
        let chain = Chain::verify(&mut crypto(), NOW, peer, &sent, trust)?;
        Ok(chain.certificates().len())
    }
}
