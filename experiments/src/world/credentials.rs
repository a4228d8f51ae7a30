//! Certificates of a scenario, made or read, and what of them each node has.
//!
//! Keys come from the run's seed and the name of their owner, RSA keys from a pool of test keys; so equal scenarios have
//! equal certificates, whatever else is in them. Serial numbers are places in the scenario, from 1.

use std::sync::Arc;

use ipseclab_crypto::signature::KeyError;
use ipseclab_crypto::{Crypto, KeyKind as CryptoKeyKind, PrivateKey, RealProvider, Secret};
use ipseclab_ike::credential::issue::{self, IssueError, Issuer, Request, Usage, Validity};
use ipseclab_ike::credential::{
    Certificate, CertificateError, Credentials, Crl, DistinguishedName, NameError, OwnCertificate, Owners,
    Psk, UnixTime,
};
use ipseclab_ike::eap::{EapIdentity, Password};
use ipseclab_ike::{Identity, IdentityPattern};
use ipseclab_sim::{KeyRng, RunSeed, StreamLabel};

use super::authentication::peer_identity;
use super::host::identity;
use crate::scenario::{
    Authority, CaTrust, CertificateSource, CheckedScenario, Connection, KeyKind, LocalAuth, RemoteAuth, Xauth,
};

/// Octets from which an elliptic key is made: 8 more than P-384 needs (FIPS 186-5 A.2.1).
const SEED_OCTETS: usize = 56;
/// How long a revocation list is current: longer than any run.
const CRL_SECONDS: u64 = 2 * 365 * 86_400;

/// Everything that the authorities of a scenario have signed, in its order.
#[derive(Clone, Debug, Default)]
pub struct Issued {
    /// The authorities' own certificates.
    pub authorities: Vec<Certificate>,
    /// Certificates of nodes, with their keys and the way up to a root.
    pub certificates: Vec<OwnCertificate>,
    /// Revocation lists of authorities that have revoked something.
    pub crls: Vec<Crl>,
}

/// Why a certificate cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate `{name}`: {reason}")]
pub struct CredentialError {
    /// The authority or certificate.
    pub name: String,
    /// What is wrong with it.
    pub reason: CredentialFault,
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Its name cannot be read.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its key cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It cannot be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// It cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Its file holds none.
    #[error("the file holds no certificate")]
    Empty,
    /// Its file holds the key of another one.
    #[error("the private key is not that of the first certificate")]
    OtherKey,
}

/// An authority that can sign.
struct Signer {
    name: DistinguishedName,
    key: PrivateKey,
    certificate: Certificate,
    /// Certificates above it, without the root.
    chain: Vec<Certificate>,
}

/// Makes and reads all certificates of a scenario.
///
/// # Errors
/// When a name, date or file cannot be used.
pub fn issue(scenario: &CheckedScenario) -> Result<Issued, CredentialError> {
    let mut maker = Maker {
        seed: RunSeed::new(scenario.seed),
        crypto: Crypto::new(Arc::new(RealProvider::new())),
        signers: Vec::new(),
        keys_made: 0,
    };
    let given = &scenario.credentials;
    for authority in &given.authorities {
        let signer = maker.authority(authority).map_err(|reason| blame(&authority.name, reason))?;
        maker.signers.push(signer);
    }
    let mut issued = Issued::default();
    for (place, certificate) in given.certificates.iter().enumerate() {
        let made = maker.certificate(place, &certificate.name, &certificate.source);
        issued.certificates.push(made.map_err(|reason| blame(&certificate.name, reason))?);
    }
    for (authority, signer) in given.authorities.iter().zip(&maker.signers) {
        if !authority.revoked.is_empty() {
            let numbers: Vec<_> = authority.revoked.iter().map(|place| serial(*place)).collect();
            let from = unix(scenario.start_unix);
            let until = UnixTime::from_secs(from.as_secs().saturating_add(CRL_SECONDS));
            let crl = signer.issuer().crl(&mut maker.crypto, from, until, &numbers);
            issued.crls.push(crl.map_err(|error| blame(&authority.name, error.into()))?);
        }
    }
    issued.authorities = maker.signers.into_iter().map(|signer| signer.certificate).collect();
    Ok(issued)
}

fn blame(name: &str, reason: CredentialFault) -> CredentialError {
    CredentialError { name: name.to_owned(), reason }
}

/// The first serial number: eight octets, as authorities make them.
const SERIALS: u64 = (1 << 62) + 1;

/// The serial number of the certificate at a place.
fn serial(place: usize) -> u64 {
    SERIALS + place as u64
}

/// Certificates know no time before 1970.
fn unix(seconds: i64) -> UnixTime {
    UnixTime::from_secs(u64::try_from(seconds).unwrap_or(0))
}

struct Maker {
    seed: RunSeed,
    crypto: Crypto,
    signers: Vec<Signer>,
    keys_made: usize,
}

impl Signer {
    fn issuer(&self) -> Issuer<'_> {
        Issuer { name: &self.name, key: &self.key }
    }
}

impl Maker {
    fn authority(&mut self, given: &Authority) -> Result<Signer, CredentialFault> {
        let name = DistinguishedName::parse(&given.subject)?;
        let key = self.key(given.key, &format!("authority {}", given.name))?;
        let request = Request {
            subject: &name,
            alt_names: &[],
            validity: validity(given.not_before, given.not_after),
            // Authorities number their own certificates from the far end, so that the two kinds cannot meet.
            serial: u64::MAX / 2 - self.signers.len() as u64,
            public_key: key.public_key(),
            usage: Usage::Authority(None),
        };
        let above = given.issuer.map(|place| &self.signers[place]);
        let own = Issuer { name: &name, key: &key };
        let certificate = above.map_or(own, Signer::issuer).certificate(&mut self.crypto, &request)?;
        let chain = above.map_or_else(Vec::new, Signer::with_chain);
        Ok(Signer { name, key, certificate, chain })
    }

    fn certificate(
        &mut self,
        place: usize,
        name: &str,
        source: &CertificateSource,
    ) -> Result<OwnCertificate, CredentialFault> {
        let (authority, subject, san, kind, dates) = match source {
            CertificateSource::File { pem } => return read(pem),
            CertificateSource::Issued { authority, subject, san, key, not_before, not_after } => {
                (*authority, subject, san, *key, (*not_before, *not_after))
            }
        };
        let subject = DistinguishedName::parse(subject)?;
        let key = self.key(kind, &format!("certificate {name}"))?;
        let alt_names: Vec<_> = san.iter().map(|name| Identity::parse(name)).collect();
        let request = Request {
            subject: &subject,
            alt_names: &alt_names,
            validity: validity(dates.0, dates.1),
            serial: serial(place),
            public_key: key.public_key(),
            usage: Usage::Authentication,
        };
        let signer = &self.signers[authority];
        let certificate = signer.issuer().certificate(&mut self.crypto, &request)?;
        let own = OwnCertificate::new(certificate, key).map_err(|_| CredentialFault::OtherKey)?;
        Ok(OwnCertificate { intermediates: signer.with_chain(), ..own })
    }

    fn key(&mut self, kind: KeyKind, label: &str) -> Result<PrivateKey, KeyError> {
        let place = self.keys_made;
        self.keys_made += 1;
        let kind = match kind {
            KeyKind::Rsa2048 => return Ok(pooled(2048, place)),
            KeyKind::Rsa3072 => return Ok(pooled(3072, place)),
            KeyKind::EcdsaP256 => CryptoKeyKind::P256,
            KeyKind::EcdsaP384 => CryptoKeyKind::P384,
            KeyKind::Ed25519 => CryptoKeyKind::Ed25519,
        };
        let octets = if kind == CryptoKeyKind::Ed25519 { 32 } else { SEED_OCTETS };
        let mut seed = vec![0; octets];
        // No process has this number, so no node draws from the same stream.
        KeyRng::new(self.seed, StreamLabel::new(u32::MAX, label)).fill(&mut seed);
        PrivateKey::from_seed(kind, &seed)
    }
}

fn pooled(bits: usize, place: usize) -> PrivateKey {
    issue::rsa_key(bits, place).expect("the pool has keys of 2048 and 3072 bits")
}

impl Signer {
    /// The certificates that lead from a certificate of this authority to a root, without the root.
    fn with_chain(&self) -> Vec<Certificate> {
        let is_root = self.certificate.issuer().is_same(self.certificate.subject());
        let own = Some(self.certificate.clone()).filter(|_| !is_root);
        own.into_iter().chain(self.chain.iter().cloned()).collect()
    }
}

fn validity(not_before: i64, not_after: i64) -> Validity {
    Validity { not_before: unix(not_before), not_after: unix(not_after) }
}

/// A certificate, those that lead to it and its key from one text.
fn read(pem: &str) -> Result<OwnCertificate, CredentialFault> {
    let mut certificates = Certificate::from_pem(pem)?.into_iter();
    let own = certificates.next().ok_or(CredentialFault::Empty)?;
    let own = OwnCertificate::new(own, PrivateKey::from_pem(pem)?).map_err(|_| CredentialFault::OtherKey)?;
    Ok(OwnCertificate { intermediates: certificates.collect(), ..own })
}

impl Issued {
    /// What a node with these connections has.
    ///
    /// # Errors
    /// When a file with authorities cannot be read.
    pub fn of(&self, connections: &[&Connection]) -> Result<Credentials, CredentialError> {
        let mut credentials = Credentials { crls: self.crls.clone(), ..Credentials::default() };
        for connection in connections {
            self.add_own(connection, &mut credentials);
            credentials.authorities.extend(self.trusted_by(connection)?);
            add_keys(connection, &mut credentials);
        }
        let known =
            connections.iter().flat_map(|connection| passwords(connection)).filter_map(|(name, password)| {
                Some((EapIdentity::new(name.as_bytes())?, Password::new(&password)?))
            });
        credentials.eap = Arc::new(known.collect());
        credentials.authorities.sort_by(|a, b| a.as_der().cmp(b.as_der()));
        credentials.authorities.dedup_by(|a, b| a.as_der() == b.as_der());
        Ok(credentials)
    }

    /// The authorities that a connection trusts; none when it says nothing, so that all of the node's do.
    pub(super) fn trusted_by(&self, connection: &Connection) -> Result<Vec<Certificate>, CredentialError> {
        let found = connection.trust.iter().map(|trusted| self.anchors(trusted));
        let found: Result<Vec<_>, _> = found.collect();
        found.map(|found| found.concat()).map_err(|reason| blame(&connection.name, reason))
    }

    fn add_own(&self, connection: &Connection, credentials: &mut Credentials) {
        let LocalAuth::PublicKey { certificates, .. } = &connection.local_auth else { return };
        for own in certificates.iter().map(|place| &self.certificates[*place]) {
            let is_new = |known: &OwnCertificate| known.certificate.as_der() != own.certificate.as_der();
            if credentials.certificates.iter().all(is_new) {
                credentials.certificates.push(own.clone());
            }
        }
    }

    fn anchors(&self, trusted: &CaTrust) -> Result<Vec<Certificate>, CredentialFault> {
        match trusted {
            CaTrust::Authority(place) => Ok(vec![self.authorities[*place].clone()]),
            CaTrust::File(pem) => Ok(Certificate::from_pem(pem)?),
        }
    }
}

/// Keys of a connection, each with those whom it is for.
fn add_keys(connection: &Connection, credentials: &mut Credentials) {
    let owners = || {
        let own = IdentityPattern::Like(identity(&connection.local_id));
        Owners(vec![own, peer_identity(&connection.remote_id)])
    };
    // The same key, where both sides show one.
    let ((LocalAuth::Psk(key), _) | (_, RemoteAuth::Psk(key))) =
        (&connection.local_auth, &connection.remote_auth)
    else {
        return;
    };
    credentials.psks.push(Psk { owners: owners(), secret: Secret::new(key.as_slice()) });
}

/// Names and passwords of a connection.
fn passwords(connection: &Connection) -> Vec<(String, String)> {
    let own = match &connection.local_auth {
        LocalAuth::Eap { name, password, .. } => {
            Some((name.clone().unwrap_or_else(|| connection.local_id.text()), password.clone()))
        }
        LocalAuth::Psk(_) | LocalAuth::PublicKey { .. } => None,
    };
    let users = match &connection.remote_auth {
        RemoteAuth::Eap { users, .. } => users.as_slice(),
        RemoteAuth::Psk(_) | RemoteAuth::PublicKey(_) => &[],
    };
    let xauth = match &connection.v1.xauth {
        Some(Xauth::Client(user)) => std::slice::from_ref(user),
        Some(Xauth::Server(users)) => users.as_slice(),
        None => &[],
    };
    let users = users.iter().chain(xauth).map(|user| (user.name.clone(), user.password.clone()));
    own.into_iter().chain(users).collect()
}
