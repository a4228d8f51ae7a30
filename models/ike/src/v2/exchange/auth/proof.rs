//! AUTH payloads, made and checked (RFC 7296 §2.15, §2.16, RFC 7427).

use ipseclab_crypto::{Purpose, Secret};

use crate::config::{Connection, LocalMethod, RemoteMethod};
use crate::credential::Chain;
use crate::credential::auth_method::{self, AuthError, AuthScheme};
use crate::eap::Msk;
use crate::event::FailureReason;
use crate::identity::Identity;
use crate::v2::Role;
use crate::v2::exchange::auth::certificates::{Own, PeerCertificates};
use crate::v2::exchange::sa_init::SaInit;
use crate::v2::ike_sa::Env;
use crate::v2::keys::SignedOctets;
use crate::wire::{AuthMethod, AuthPayload, CertPayload, IdPayload};

/// What a peer shows to prove who it is.
pub(super) struct Claim<'a> {
    /// The peer's role in the IKE SA.
    pub(super) signer: Role,
    pub(super) id: &'a IdPayload,
    /// What `id` means.
    pub(super) identity: &'a Identity,
    pub(super) auth: &'a AuthPayload,
    pub(super) certificates: &'a [&'a CertPayload],
}

impl SaInit {
    fn octets<'a>(&'a self, signer: Role, id: &'a IdPayload) -> SignedOctets<'a> {
        let (message, nonce) = match signer {
            Role::Initiator => (&self.request, &self.nonce_r),
            Role::Responder => (&self.response, &self.nonce_i),
        };
        SignedOctets { message, nonce, id }
    }

    /// The AUTH data of `signer`, who shows `id` and knows `key`.
    fn mac(&self, env: &mut Env<'_>, signer: Role, id: &IdPayload, key: &Secret) -> Secret {
        let channel = &self.channel;
        channel.keys.psk_auth(env.crypto, channel.chosen, signer, self.octets(signer, id), key)
    }

    fn signed_octets(&self, env: &mut Env<'_>, signer: Role, id: &IdPayload) -> Vec<u8> {
        let channel = &self.channel;
        channel.keys.signed_octets(env.crypto, channel.chosen, signer, self.octets(signer, id))
    }

    /// Our AUTH payload, as `connection` wants it; `peer` is whom the shared secret is for.
    pub(super) fn prove(
        &self,
        env: &mut Env<'_>,
        (connection, signer): (&Connection, Role),
        own: &Own<'_>,
        peer: &Identity,
    ) -> Result<AuthPayload, FailureReason> {
        let id = own.id.to_payload();
        if let (LocalMethod::Pubkey { constraints, .. }, Some(own)) =
            (&connection.local.method, own.certificate)
        {
            let hashes = self.peer_hashes.as_deref();
            let scheme = AuthScheme::choose(own.key.kind(), hashes, constraints).map_err(|e| reason(&e))?;
            let octets = self.signed_octets(env, signer, &id);
            let salt = env.draw(Purpose::Signature, scheme.salt_len());
            return scheme.sign(env.crypto, &own.key, &salt, &octets).map_err(|error| reason(&error));
        }
        let secret = env.config.credentials.psk(&own.id, peer).ok_or(FailureReason::NoSecret)?;
        let data = self.mac(env, signer, &id, secret);
        Ok(shared_key(&data))
    }

    /// Checks a peer's AUTH payload as `connection` wants it; `own` is our identity.
    pub(super) fn verify(
        &self,
        env: &mut Env<'_>,
        connection: &Connection,
        own: &Identity,
        claim: &Claim<'_>,
    ) -> Result<(), FailureReason> {
        let by_secret = claim.auth.method == AuthMethod::SharedKeyMic;
        match &connection.remote.method {
            RemoteMethod::Psk if by_secret => {
                let secret = env.config.credentials.psk(own, claim.identity);
                let expected = self.mac(env, claim.signer, claim.id, secret.ok_or(FailureReason::NoSecret)?);
                is_valid(claim.auth, &expected)
            }
            RemoteMethod::Pubkey { .. } if !by_secret => self.verify_signature(env, connection, claim),
            RemoteMethod::Psk | RemoteMethod::Pubkey { .. } | RemoteMethod::Eap { .. } => {
                Err(FailureReason::AuthMethodMismatch)
            }
        }
    }

    fn verify_signature(
        &self,
        env: &mut Env<'_>,
        connection: &Connection,
        claim: &Claim<'_>,
    ) -> Result<(), FailureReason> {
        let RemoteMethod::Pubkey { authorities, revocation, constraints } = &connection.remote.method else {
            return Err(FailureReason::AuthMethodMismatch);
        };
        let mut trust = env.config.credentials.trust();
        trust.policy.revocation = *revocation;
        if !authorities.is_empty() {
            trust.anchors = authorities;
        }
        let sent = PeerCertificates::read(env, claim.certificates, claim.identity, trust.anchors)?;
        if !sent.own.has_identity(claim.identity) {
            return Err(FailureReason::IdentityNotCertified);
        }
        let now = env.config.civil_time(env.now);
        Chain::verify(env.crypto, now, &sent.own, &sent.others, trust).map_err(FailureReason::Certificate)?;
        let octets = self.signed_octets(env, claim.signer, claim.id);
        let key = sent.own.public_key().map_err(|_| FailureReason::UnsupportedSignature)?;
        let verdict = auth_method::verify(env.crypto, key, claim.auth, &octets, constraints);
        verdict.map(drop).map_err(|error| reason(&error))
    }

    /// The AUTH payload of `signer` after EAP.
    pub(super) fn eap_proof(
        &self,
        env: &mut Env<'_>,
        signer: Role,
        id: &IdPayload,
        msk: Option<&Msk>,
    ) -> AuthPayload {
        shared_key(&self.mac(env, signer, id, self.eap_key(signer, msk)))
    }

    /// Checks the AUTH payload of `signer` after EAP.
    pub(super) fn verify_eap(
        &self,
        env: &mut Env<'_>,
        signer: Role,
        (id, auth): (&IdPayload, &AuthPayload),
        msk: Option<&Msk>,
    ) -> Result<(), FailureReason> {
        let expected = self.mac(env, signer, id, self.eap_key(signer, msk));
        is_valid(auth, &expected)
    }

    /// RFC 7296 §2.16: the method's key, or `SK_p` where it has none.
    fn eap_key<'a>(&'a self, signer: Role, msk: Option<&'a Msk>) -> &'a Secret {
        msk.map_or_else(|| self.channel.keys.sk_p(signer), Msk::as_secret)
    }
}

fn shared_key(data: &Secret) -> AuthPayload {
    AuthPayload { method: AuthMethod::SharedKeyMic, data: data.expose().to_vec() }
}

fn is_valid(auth: &AuthPayload, expected: &Secret) -> Result<(), FailureReason> {
    let is_right = auth.method == AuthMethod::SharedKeyMic && Secret::new(auth.data.as_slice()) == *expected;
    if is_right { Ok(()) } else { Err(FailureReason::WrongSecret) }
}

fn reason(error: &AuthError) -> FailureReason {
    match error {
        AuthError::NoScheme { .. } => FailureReason::NoSignatureScheme,
        AuthError::Sign(_) => FailureReason::NoSignature,
        AuthError::Method { .. } | AuthError::Algorithm => FailureReason::UnsupportedSignature,
        AuthError::NotAllowed { .. } => FailureReason::SignatureNotAllowed,
        AuthError::Signature => FailureReason::BadSignature,
    }
}
