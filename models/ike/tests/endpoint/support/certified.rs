//! Authorities, certificates and passwords for A and B.

use std::sync::Arc;

use ipseclab_crypto::{Crypto, KeyKind, PrivateKey, RealProvider};
use ipseclab_ike::Identity;
use ipseclab_ike::config::{EndpointConfig, LocalAuth, RemoteAuth};
use ipseclab_ike::credential::issue::{Issuer, Request, Usage, Validity, rsa_key};
use ipseclab_ike::credential::{Certificate, Crl, DistinguishedName, OwnCertificate, UnixTime};
use ipseclab_ike::eap::{EapIdentity, EapMethod, EapSecrets, Password};

use super::ids;

/// The civil time at which the tests begin: some day in 2027.
pub(crate) const EPOCH: UnixTime = UnixTime::from_secs(1_800_000_000);
/// The serial number of A's certificate.
pub(crate) const SERIAL_A: u64 = 7;
const YEAR: u64 = 365 * 86_400;

/// Years from `from` to `to`, counted from [`EPOCH`].
pub(crate) fn validity(from: i64, to: i64) -> Validity {
    let at = |years: i64| {
        let seconds = years.unsigned_abs() * YEAR;
        UnixTime::from_secs(if years < 0 { EPOCH.as_secs() - seconds } else { EPOCH.as_secs() + seconds })
    };
    Validity { not_before: at(from), not_after: at(to) }
}

pub(crate) fn key(kind: KeyKind, seed: u8) -> PrivateKey {
    match kind {
        KeyKind::Rsa { bits } => rsa_key(bits, usize::from(seed)).unwrap(),
        KeyKind::Ed25519 => PrivateKey::from_seed(kind, &[seed; 32]).unwrap(),
        _ => PrivateKey::from_seed(kind, &[seed; 74]).unwrap(),
    }
}

/// An authority of its own.
pub(crate) struct Authority {
    name: DistinguishedName,
    key: PrivateKey,
    crypto: Crypto,
}

impl Authority {
    pub(crate) fn new(common_name: &str, seed: u8) -> Self {
        let name = DistinguishedName::parse(&format!("C=CH, O=Lab, CN={common_name}")).unwrap();
        let crypto = Crypto::new(Arc::new(RealProvider::new()));
        Self { name, key: key(KeyKind::P256, seed), crypto }
    }

    fn issue(&mut self, request: &Request<'_>) -> Certificate {
        let issuer = Issuer { name: &self.name, key: &self.key };
        issuer.certificate(&mut self.crypto, request).unwrap()
    }

    pub(crate) fn certificate(&mut self) -> Certificate {
        let (subject, public_key) = (self.name.clone(), self.key.public_key().clone());
        let (validity, usage) = (validity(-1, 10), Usage::Authority(None));
        self.issue(&Request {
            subject: &subject,
            alt_names: &[],
            validity,
            serial: 1,
            public_key: &public_key,
            usage,
        })
    }

    /// A certificate for `id` with its key.
    pub(crate) fn certify(
        &mut self,
        id: &Identity,
        key: PrivateKey,
        serial: u64,
        validity: Validity,
    ) -> OwnCertificate {
        let subject = DistinguishedName::parse(&format!("C=CH, O=Lab, CN={id}")).unwrap();
        let public_key = key.public_key().clone();
        let (alt_names, usage) = (std::slice::from_ref(id), Usage::Authentication);
        let request =
            Request { subject: &subject, alt_names, validity, serial, public_key: &public_key, usage };
        OwnCertificate::new(self.issue(&request), key).unwrap()
    }

    pub(crate) fn crl(&mut self, revoked: &[u64]) -> Crl {
        let Validity { not_before, not_after } = validity(-1, 1);
        let issuer = Issuer { name: &self.name, key: &self.key };
        issuer.crl(&mut self.crypto, not_before, not_after, revoked).unwrap()
    }
}

/// Gives A and B certificates of `kinds`, and lets each trust the other's authority.
pub(crate) fn certify(a: &mut EndpointConfig, b: &mut EndpointConfig, kinds: [KeyKind; 2]) {
    let mut root = Authority::new("Root", 1);
    for (config, (id, (kind, serial))) in
        [a, b].into_iter().zip(ids().iter().zip(kinds.into_iter().zip(SERIAL_A..)))
    {
        let own = root.certify(id, key(kind, u8::try_from(serial).unwrap()), serial, validity(-1, 1));
        config.credentials.certificates = vec![own];
        config.credentials.authorities = vec![root.certificate()];
        config.epoch = EPOCH;
    }
}

/// A and B show certificates to each other.
pub(crate) fn by_certificates(a: &mut EndpointConfig, b: &mut EndpointConfig, kinds: [KeyKind; 2]) {
    certify(a, b, kinds);
    let [id_a, id_b] = ids();
    for (config, own, peer) in [(a, &id_a, &id_b), (b, &id_b, &id_a)] {
        config.connections[0].local = LocalAuth::pubkey(Some(own.clone()));
        config.connections[0].remote = RemoteAuth::pubkey(peer.clone().into());
    }
}

pub(crate) fn users(users: &[(&str, &str)]) -> Arc<EapSecrets> {
    let entry = |(name, password): &(&str, &str)| {
        (EapIdentity::new(name.as_bytes()).unwrap(), Password::new(password).unwrap())
    };
    Arc::new(users.iter().map(entry).collect())
}

/// A is carol, with a password; B shows a certificate.
pub(crate) fn by_eap(a: &mut EndpointConfig, b: &mut EndpointConfig, methods: &[EapMethod]) {
    certify(a, b, [KeyKind::P256; 2]);
    let carol = Identity::parse("carol");
    a.credentials.certificates.clear();
    for config in [&mut *a, &mut *b] {
        config.credentials.eap = users(&[("carol", "Ar3etTnp")]);
    }
    a.connections[0].local = LocalAuth::eap(carol.clone(), methods.to_vec());
    a.connections[0].remote = RemoteAuth::pubkey(ids()[1].clone().into());
    b.connections[0].local = LocalAuth::pubkey(Some(ids()[1].clone()));
    b.connections[0].remote = RemoteAuth::eap(carol.into(), methods.to_vec());
}
