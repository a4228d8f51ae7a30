//! Who the two sides are, and how phase 1 proves it (RFC 2409 §5.1, §5.4).
//!
//! Under a shared secret the Hash payload is the proof, since nobody else has `SKEYID`; under signatures the key of
//! a certificate signs the hash. A responder of Main Mode needs the secret before it knows who the peer is, so it takes
//! that of the connection for the peer's address; with signatures and in Aggressive Mode it need not guess.
//!
//! Left out: encryption with public keys (§5.2, §5.3), ECDSA (RFC 4754), and certificate payloads that are no X.509.

use core::net::IpAddr;

use ipseclab_crypto::{Secret, SignatureScheme};

use crate::config::{Connection, LocalMethod, RemoteMethod, SendCert};
use crate::credential::{Certificate, Chain, KeyHash, OwnCertificate};
use crate::event::FailureReason;
use crate::identity::{Identity, IdentityPattern};
use crate::v1::exchange::phase1::Secured;
use crate::v1::isakmp_sa::{Env, Head};
use crate::wire;
use crate::wire::isakmp::{
    CertPayload, CertReqPayload, CertType, HashPayload, IdPayload, IdType, Message, Payload, SignaturePayload,
};

/// UDP and the port of IKE, which an identity may name (RFC 2407 §4.6.2).
const UDP_PORT_500: (u8, u16) = (17, crate::config::IKE_PORT);

/// Who we are in an ISAKMP SA.
pub(crate) struct Own<'a> {
    pub(crate) id: Identity,
    certificate: Option<&'a OwnCertificate>,
}

impl<'a> Own<'a> {
    /// Chooses identity and certificate; `requested` are the names of authorities that the peer trusts.
    pub(crate) fn choose(
        env: &mut Env<'a>,
        connection: &Connection,
        requested: &[Vec<u8>],
        address: IpAddr,
    ) -> Result<Self, FailureReason> {
        let wanted = connection.local.id.as_ref();
        let LocalMethod::Pubkey { certificate, .. } = &connection.local.method else {
            let id = wanted.cloned().unwrap_or(Identity::Address(address));
            return Ok(Self { id, certificate: None });
        };
        let credentials = &env.config.credentials;
        let own = if let Some(certificate) = certificate {
            credentials.own(certificate)
        } else {
            let named = |authority: &&Certificate| {
                requested.iter().any(|name| name.as_slice() == authority.subject().as_der())
            };
            let named = credentials.authorities.iter().filter(named);
            let hashes: Vec<KeyHash> = named.map(|authority| authority.key_hash(env.crypto)).collect();
            credentials.certificate_for(env.crypto, wanted, &hashes)
        };
        let own = own.ok_or(FailureReason::NoCertificate)?;
        // strongSwan takes the subject in place of an identity that the certificate does not have.
        let fitting = wanted.filter(|id| own.certificate.has_identity(id)).cloned();
        let id = fitting.unwrap_or_else(|| Identity::Dn(own.certificate.subject().clone()));
        Ok(Self { id, certificate: Some(own) })
    }

    /// Our ID payload.
    pub(crate) fn id_payload(&self, env: &Env<'_>) -> IdPayload {
        let wire::IdPayload { kind, data, .. } = self.id.to_payload();
        let payload = IdPayload::new(IdType::from_code(kind.code()), data);
        let (protocol, port) = if env.config.profile.v1.id_names_port { UDP_PORT_500 } else { (0, 0) };
        IdPayload { protocol, port, ..payload }
    }

    fn certificates(&self, policy: SendCert, is_asked: bool) -> Vec<Payload> {
        let is_sent = match policy {
            SendCert::Always => true,
            SendCert::IfAsked => is_asked,
            SendCert::Never => false,
        };
        let Some(own) = self.certificate.filter(|_| is_sent) else { return vec![] };
        let chain = std::iter::once(&own.certificate).chain(&own.intermediates);
        chain.map(|certificate| Payload::Cert(CertPayload::x509(certificate.as_der()))).collect()
    }

    /// What goes with our ID payload to prove it: certificates where the peer asked for them, and the hash or what
    /// our key makes of it.
    pub(crate) fn prove(
        &self,
        head: &Head,
        env: &mut Env<'_>,
        connection: &Connection,
        secured: &Secured,
        is_asked: bool,
    ) -> Result<Vec<Payload>, FailureReason> {
        let id = self.id_payload(env);
        let hash = secured.auth_hash(head, env, head.role, &id);
        let Some(own) = self.certificate else {
            return Ok(vec![Payload::Hash(HashPayload::new(hash.expose()))]);
        };
        let signature = env.crypto.sign(&own.key, SignatureScheme::RsaPkcs1Unprefixed, &[], hash.expose());
        let signature = signature.map_err(|_| FailureReason::NoSignature)?;
        let mut payloads = self.certificates(connection.send_cert, is_asked);
        payloads.push(Payload::Signature(SignaturePayload::new(signature)));
        Ok(payloads)
    }
}

/// The secret of `connection` for a peer at `remote` whose identity is not known yet.
pub(crate) fn secret_of(
    env: &Env<'_>,
    connection: &Connection,
    local: IpAddr,
    remote: IpAddr,
) -> Option<Secret> {
    let own = connection.local.id.clone().unwrap_or(Identity::Address(local));
    let peer = named_peer(&connection.remote.id).cloned().unwrap_or(Identity::Address(remote));
    env.config.credentials.psk(&own, &peer).cloned()
}

/// The peer that a connection names without wildcards.
pub(crate) fn named_peer(pattern: &IdentityPattern) -> Option<&Identity> {
    match pattern {
        IdentityPattern::Like(Identity::Fqdn(name) | Identity::Email(name)) if name.starts_with('*') => None,
        IdentityPattern::Like(Identity::Dn(name)) if name.wildcards() > 0 => None,
        IdentityPattern::Like(identity) => Some(identity),
        IdentityPattern::Any => None,
    }
}

/// The identity in an ID payload of phase 1.
pub(crate) fn identity_of(payload: &IdPayload) -> Option<Identity> {
    let kind = wire::IdType::from_code(payload.kind.code());
    Identity::from_payload(&wire::IdPayload::new(kind, payload.data.clone()))
}

/// The CERTREQ payloads for the authorities that `connection` trusts.
pub(crate) fn requests(env: &Env<'_>, connection: &Connection) -> Vec<Payload> {
    let RemoteMethod::Pubkey { authorities, .. } = &connection.remote.method else { return vec![] };
    if !connection.send_certreq {
        return vec![];
    }
    let trusted = if authorities.is_empty() { &env.config.credentials.authorities } else { authorities };
    let authorities = trusted.iter().filter(|authority| authority.is_authority());
    authorities
        .map(|authority| Payload::CertReq(CertReqPayload::x509(authority.subject().as_der())))
        .collect()
}

/// The names of authorities in the certificate requests of a message; `None` without a request.
pub(crate) fn requested(message: &Message) -> Option<Vec<Vec<u8>>> {
    let names = message.payloads.iter().filter_map(|payload| match payload {
        Payload::CertReq(request) if request.encoding == CertType::X509Signature => {
            Some(request.authority.clone())
        }
        _ => None,
    });
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then_some(names)
}

/// What a peer shows to prove who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) id: &'a IdPayload,
    hash: Option<&'a HashPayload>,
    signature: Option<&'a SignaturePayload>,
    message: &'a Message,
}

impl<'a> Claim<'a> {
    /// The payloads of a message that prove something; `None` when one is missing, or there twice. `id` has come
    /// before where it is not in this message.
    pub(crate) fn of(message: &'a Message, id: Option<&'a IdPayload>) -> Option<Self> {
        let (mut own_id, mut hash, mut signature) = (None, None, None);
        for payload in &message.payloads {
            let twice = match payload {
                Payload::Id(id) => own_id.replace(id).is_some(),
                Payload::Hash(it) => hash.replace(it).is_some(),
                Payload::Signature(it) => signature.replace(it).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        if hash.is_some() == signature.is_some() || own_id.is_some() == id.is_some() {
            return None;
        }
        Some(Self { id: own_id.or(id)?, hash, signature, message })
    }

    /// Checks the proof of the peer, as `connection` wants it.
    pub(crate) fn verify(
        &self,
        head: &Head,
        env: &mut Env<'_>,
        connection: &Connection,
        secured: &Secured,
    ) -> Result<(), FailureReason> {
        let expected = secured.auth_hash(head, env, head.role.other(), self.id);
        match (&connection.remote.method, self.hash, self.signature) {
            (RemoteMethod::Psk, Some(hash), None) => {
                let is_right = Secret::new(hash.as_bytes()) == expected;
                if is_right { Ok(()) } else { Err(FailureReason::WrongSecret) }
            }
            (RemoteMethod::Pubkey { .. }, None, Some(signature)) => {
                self.verify_signature(env, connection, signature, &expected)
            }
            _ => Err(FailureReason::AuthMethodMismatch),
        }
    }

    fn verify_signature(
        &self,
        env: &mut Env<'_>,
        connection: &Connection,
        signature: &SignaturePayload,
        expected: &Secret,
    ) -> Result<(), FailureReason> {
        let RemoteMethod::Pubkey { authorities, revocation, .. } = &connection.remote.method else {
            return Err(FailureReason::AuthMethodMismatch);
        };
        let identity = identity_of(self.id).ok_or(FailureReason::IdentityMismatch)?;
        let mut trust = env.config.credentials.trust();
        trust.policy.revocation = *revocation;
        if !authorities.is_empty() {
            trust.anchors = authorities;
        }
        let (own, others) = self.certificates(env, &identity, trust.anchors)?;
        if !own.has_identity(&identity) {
            return Err(FailureReason::IdentityNotCertified);
        }
        let now = env.config.civil_time(env.now);
        Chain::verify(env.crypto, now, &own, &others, trust).map_err(FailureReason::Certificate)?;
        let key = own.public_key().map_err(|_| FailureReason::UnsupportedSignature)?;
        let scheme = SignatureScheme::RsaPkcs1Unprefixed;
        let verdict = env.crypto.verify(key, scheme, expected.expose(), signature.as_bytes());
        verdict.map_err(|_| FailureReason::BadSignature)
    }

    /// The peer's certificate, and others that may lead from there to an anchor. A peer that sends none may be known.
    fn certificates(
        &self,
        env: &Env<'_>,
        identity: &Identity,
        known: &[Certificate],
    ) -> Result<(Certificate, Vec<Certificate>), FailureReason> {
        let mut sent = self.message.payloads.iter().filter_map(|payload| match payload {
            Payload::Cert(cert) if cert.encoding == CertType::X509Signature => Some(&cert.data),
            _ => None,
        });
        let Some(own) = sent.next() else {
            let own = known.iter().find(|known| !known.is_authority() && known.has_identity(identity));
            return own.cloned().map(|own| (own, vec![])).ok_or(FailureReason::NoPeerCertificate);
        };
        let own = Certificate::from_der(own).map_err(|_| FailureReason::MalformedCertificate)?;
        let readable = sent.filter_map(|der| Certificate::from_der(der).ok());
        Ok((own, readable.take(env.config.credentials.policy.intermediates_max).collect()))
    }
}
