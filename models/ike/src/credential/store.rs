//! What one endpoint is configured with, and which of it fits a peer.

use std::sync::Arc;

use ipseclab_crypto::{Crypto, PrivateKey, Secret};

use super::certificate::{Certificate, KeyHash};
use super::chain::{ChainPolicy, TrustStore};
use super::crl::Crl;
use crate::eap::EapSecrets;
use crate::identity::{Fit, Identity, IdentityPattern};

/// A certificate of ours with its key.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// The key of the certificate.
    pub key: PrivateKey,
    /// Authorities between the certificate and an anchor, which are sent along, the issuer first.
    pub intermediates: Vec<Certificate>,
}

/// A key and a certificate that do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the private key is not that of the certificate")]
pub struct KeyMismatch;

/// Whom a shared secret is for: any of these, and anyone when there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(pub Vec<IdentityPattern>);

/// A pre-shared key with its owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Psk {
    /// Whom it is for.
    pub owners: Owners,
    /// The secret.
    pub secret: Secret,
}

/// All credentials of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Our certificates, the preferred first.
    pub certificates: Vec<OwnCertificate>,
    /// Trust anchors.
    pub authorities: Vec<Certificate>,
    /// Authorities below the anchors, for peers that do not send them.
    pub intermediates: Vec<Certificate>,
    /// Revocation lists.
    pub crls: Vec<Crl>,
    /// Pre-shared keys.
    pub psks: Vec<Psk>,
    /// Passwords for EAP, our own and those of peers.
    pub eap: Arc<EapSecrets>,
    /// How chains of peers are judged.
    pub policy: ChainPolicy,
}

impl OwnCertificate {
    /// A certificate with its key.
    ///
    /// # Errors
    /// When the key is another one.
    pub fn new(certificate: Certificate, key: PrivateKey) -> Result<Self, KeyMismatch> {
        if certificate.public_key() != Ok(key.public_key()) {
            return Err(KeyMismatch);
        }
        Ok(Self { certificate, key, intermediates: Vec::new() })
    }

    /// Whether one of the authorities of `hashes` stands above the certificate, as far as we know the way up.
    fn is_below(&self, crypto: &mut Crypto, authorities: &[Certificate], hashes: &[KeyHash]) -> bool {
        let named = |above: &Certificate| {
            let issued = |below: &Certificate| below.issuer().is_same(above.subject());
            issued(&self.certificate) || self.intermediates.iter().any(issued)
        };
        let mut above = authorities.iter().chain(&self.intermediates).filter(|above| named(above));
        above.any(|above| hashes.contains(&above.key_hash(crypto)))
    }
}

impl Owners {
    /// How well `identity` fits the owner that it fits best.
    pub fn fit(&self, identity: &Identity) -> Fit {
        if self.0.is_empty() {
            return Fit::Any;
        }
        self.0.iter().map(|owner| owner.fit(identity)).max().unwrap_or(Fit::None)
    }
}

impl Credentials {
    /// One pre-shared key for these identities, and nothing else.
    pub fn with_psk(owners: impl IntoIterator<Item = Identity>, secret: impl Into<Box<[u8]>>) -> Self {
        let mut credentials = Self::default();
        credentials.add_psk(owners, secret);
        credentials
    }

    /// Adds a pre-shared key for these identities, or for anyone when there are none.
    pub fn add_psk(&mut self, owners: impl IntoIterator<Item = Identity>, secret: impl Into<Box<[u8]>>) {
        let owners = Owners(owners.into_iter().map(IdentityPattern::Like).collect());
        self.psks.push(Psk { owners, secret: Secret::new(secret) });
    }

    /// Our certificate for `identity`, or any of ours when there is none. Where several fit, one below an authority of
    /// `requested` (a peer's CERTREQ) comes first, then the order of configuration.
    pub fn certificate_for(
        &self,
        crypto: &mut Crypto,
        identity: Option<&Identity>,
        requested: &[KeyHash],
    ) -> Option<&OwnCertificate> {
        let fits =
            |own: &&OwnCertificate| identity.is_none_or(|identity| own.certificate.has_identity(identity));
        let wanted = self.certificates.iter().filter(fits);
        let mut requested_first = wanted.clone();
        let below = requested_first.find(|own| own.is_below(crypto, &self.authorities, requested));
        below.or_else(|| wanted.into_iter().next())
    }

    /// Ours of this certificate, if it is one of ours.
    pub fn own(&self, certificate: &Certificate) -> Option<&OwnCertificate> {
        self.certificates.iter().find(|own| own.certificate.as_der() == certificate.as_der())
    }

    /// The key of one of our certificates.
    pub fn key_of(&self, certificate: &Certificate) -> Option<&PrivateKey> {
        self.own(certificate).map(|own| &own.key)
    }

    /// How CERTREQ names our anchors, in their order (RFC 7296 §3.7).
    pub fn authority_hashes(&self, crypto: &mut Crypto) -> Vec<KeyHash> {
        self.authorities.iter().map(|authority| authority.key_hash(crypto)).collect()
    }

    /// The pre-shared key for two identities: as in strongSwan, one that fits us best, then the peer best, the first
    /// of equals; one that fits only one of the two will do.
    pub fn psk(&self, own: &Identity, peer: &Identity) -> Option<&Secret> {
        best(&self.psks, |psk| (psk.owners.fit(own), psk.owners.fit(peer)))
    }

    /// What [`Chain::verify`](super::Chain::verify) judges peers by.
    pub fn trust(&self) -> TrustStore<'_> {
        TrustStore {
            anchors: &self.authorities,
            intermediates: &self.intermediates,
            crls: &self.crls,
            policy: self.policy,
        }
    }
}

/// The first of those that fit best.
fn best(psks: &[Psk], fit: impl Fn(&Psk) -> (Fit, Fit)) -> Option<&Secret> {
    let fitting = psks.iter().map(|psk| (fit(psk), psk)).filter(|(fit, _)| *fit > (Fit::None, Fit::None));
    let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, psk)| &psk.secret)
}
