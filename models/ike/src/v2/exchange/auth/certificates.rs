//! CERT and CERTREQ payloads, and who we are by our certificates (RFC 7296 §3.6, §3.7).
//!
//! Left out: certificates by URL, and CRLs inside CERT payloads; those are configured.

use core::net::IpAddr;

use crate::config::{Connection, EndpointConfig, LocalAuth, LocalMethod, RemoteMethod, SendCert};
use crate::credential::{Certificate, KeyHash, OwnCertificate};
use crate::event::FailureReason;
use crate::identity::Identity;
use crate::v2::ike_sa::Env;
use crate::wire::{CertEncoding, CertPayload, CertReqPayload, Message, Payload};

/// Who we are in an IKE SA.
pub(super) struct Own<'a> {
    pub(super) id: Identity,
    pub(super) certificate: Option<&'a OwnCertificate>,
}

impl<'a> Own<'a> {
    /// Chooses identity and certificate. `asked` is the one of ours that the peer names, if it does; `requested` are the
    /// authorities that it trusts; `address` is ours.
    pub(super) fn choose(
        env: &mut Env<'a>,
        connection: &Connection,
        asked: Option<&Identity>,
        requested: &[KeyHash],
        address: IpAddr,
    ) -> Result<Self, FailureReason> {
        let wanted = connection.local.id.as_ref().or(asked);
        let LocalMethod::Pubkey { certificate, .. } = &connection.local.method else {
            let id = wanted.cloned().unwrap_or(Identity::Address(address));
            return Ok(Self { id, certificate: None });
        };
        let credentials = &env.config.credentials;
        let own = match certificate {
            Some(certificate) => credentials.own(certificate),
            None => credentials.certificate_for(env.crypto, wanted, requested),
        };
        let own = own.ok_or(FailureReason::NoCertificate)?;
        // strongSwan takes the subject in place of an identity that the certificate does not have.
        let fitting = wanted.filter(|id| own.certificate.has_identity(id)).cloned();
        let id = fitting.unwrap_or_else(|| Identity::Dn(own.certificate.subject().clone()));
        Ok(Self { id, certificate: Some(own) })
    }

    /// CERT payloads: the certificate, then the authorities below the anchor.
    pub(super) fn payloads(&self, policy: SendCert, is_asked: bool) -> Vec<Payload> {
        let is_sent = match policy {
            SendCert::Always => true,
            SendCert::IfAsked => is_asked,
            SendCert::Never => false,
        };
        let Some(own) = self.certificate.filter(|_| is_sent) else { return vec![] };
        let chain = std::iter::once(&own.certificate).chain(&own.intermediates);
        chain.map(|certificate| Payload::Cert(CertPayload::x509(certificate.as_der()))).collect()
    }
}

/// Whether `connection` lets us be `asked`, by the identity that it has or by a certificate.
pub(super) fn may_be(
    config: &EndpointConfig,
    connection: &Connection,
    asked: &Identity,
    address: IpAddr,
) -> bool {
    let LocalAuth { id, method } = &connection.local;
    match (id, method) {
        (Some(id), _) => id.is_same(asked),
        (None, LocalMethod::Pubkey { certificate: Some(certificate), .. }) => certificate.has_identity(asked),
        (None, LocalMethod::Pubkey { certificate: None, .. }) => {
            config.credentials.certificates.iter().any(|own| own.certificate.has_identity(asked))
        }
        (None, LocalMethod::Psk | LocalMethod::Eap { .. }) => Identity::Address(address) == *asked,
    }
}

/// The CERTREQ payload of an initiator.
pub(super) fn request(env: &mut Env<'_>, connection: &Connection) -> Option<Payload> {
    let mut hashes = vec![];
    add_hashes(env, connection, &mut hashes);
    request_for(&hashes)
}

/// The CERTREQ payload of a responder, which knows no more of its peer than the address.
pub(crate) fn request_from(env: &mut Env<'_>, address: IpAddr) -> Option<Payload> {
    let mut hashes = vec![];
    for connection in env.config.connections.iter().filter(|connection| connection.accepts(address)) {
        add_hashes(env, connection, &mut hashes);
    }
    request_for(&hashes)
}

fn request_for(hashes: &[KeyHash]) -> Option<Payload> {
    (!hashes.is_empty()).then(|| Payload::CertReq(CertReqPayload::x509(hashes)))
}

/// Adds the authorities whose certificates `connection` asks its peer for, each once.
fn add_hashes(env: &mut Env<'_>, connection: &Connection, hashes: &mut Vec<KeyHash>) {
    let authorities: &[Certificate] = match &connection.remote.method {
        RemoteMethod::Pubkey { authorities, .. } => authorities,
        // Until the peer leaves its AUTH out, nobody knows that it will use a password; strongSwan asks, too.
        RemoteMethod::Eap { .. } => &[],
        // Who signs has authorities, and until the peer's AUTH nobody knows which kind it will be; strongSwan asks, too.
        RemoteMethod::Psk if matches!(connection.local.method, LocalMethod::Pubkey { .. }) => &[],
        RemoteMethod::Psk => return,
    };
    if !connection.send_certreq {
        return;
    }
    let trusted: &[Certificate] =
        if authorities.is_empty() { &env.config.credentials.authorities } else { authorities };
    for authority in trusted.iter().filter(|authority| authority.is_authority()) {
        let hash = authority.key_hash(env.crypto);
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
}

/// The authorities whose certificates a message asks for; `None` without a request.
pub(crate) fn requested(message: &Message) -> Option<Vec<KeyHash>> {
    let lists = message.payloads.iter().filter_map(|payload| match payload {
        Payload::CertReq(request) if request.encoding() == CertEncoding::X509Signature => {
            request.authorities()
        }
        _ => None,
    });
    lists.fold(None, |all: Option<Vec<KeyHash>>, list| {
        let mut all = all.unwrap_or_default();
        all.extend(list);
        Some(all)
    })
}

/// The certificates of a peer: its own, and others that may lead from there to an anchor.
pub(super) struct PeerCertificates {
    pub(super) own: Certificate,
    pub(super) others: Vec<Certificate>,
}

impl PeerCertificates {
    /// Reads CERT payloads, its own first (RFC 7296 §3.6). A peer that sends none may be known already: then its
    /// certificate is among `known`.
    pub(super) fn read(
        env: &Env<'_>,
        sent: &[&CertPayload],
        identity: &Identity,
        known: &[Certificate],
    ) -> Result<Self, FailureReason> {
        let mut x509 = sent.iter().filter(|cert| cert.encoding == CertEncoding::X509Signature);
        let Some(own) = x509.next() else {
            let own = known.iter().find(|known| !known.is_authority() && known.has_identity(identity));
            let own = own.cloned().ok_or(FailureReason::NoPeerCertificate)?;
            return Ok(Self { own, others: vec![] });
        };
        let own = Certificate::from_der(&own.data).map_err(|_| FailureReason::MalformedCertificate)?;
        let readable = x509.filter_map(|cert| Certificate::from_der(&cert.data).ok());
        let others = readable.take(env.config.credentials.policy.intermediates_max).collect();
        Ok(Self { own, others })
    }
}
