//! `connections.<name>.local` and `.remote`: how each side of an IKE SA proves who it is.
//!
//! Secrets, keys and certificates are not here: the two sides name what they want, and
//! [`Credentials`](crate::credential::Credentials) has it. One round of authentication on each side; several (RFC 4739)
//! are left out, and so is EAP without a certificate of the responder (RFC 5998).

use crate::credential::auth_method::{AuthConstraints, SignatureHash};
use crate::credential::{Certificate, Revocation};
use crate::eap::{EapIdentity, EapMethod};
use crate::identity::{Identity, IdentityPattern};

/// How we prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAuth {
    /// `local.id`; without one it is the subject of our certificate, or else our address.
    pub id: Option<Identity>,
    /// `local.auth`.
    pub method: LocalMethod,
}

/// What we prove our identity with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalMethod {
    /// `psk`: the shared secret of the two identities.
    Psk,
    /// `pubkey`: the key of a certificate.
    Pubkey {
        /// What the key may sign with.
        constraints: AuthConstraints,
        /// `local.certs`: this one; otherwise one that has the identity and that the peer asks for.
        certificate: Option<Box<Certificate>>,
    },
    /// `eap-…`: a password, after the peer has shown a certificate (RFC 7296 §2.16). For initiators only.
    Eap {
        /// `local.eap_id`: our name for EAP; without one it is the identity.
        identity: Option<EapIdentity>,
        /// Methods that we go along with, in order of preference.
        methods: Vec<EapMethod>,
    },
}

/// How the peer has to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAuth {
    /// `remote.id`.
    pub id: IdentityPattern,
    /// `remote.auth`.
    pub method: RemoteMethod,
}

/// What the peer has to prove its identity with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteMethod {
    /// `psk`: the shared secret of the two identities.
    Psk,
    /// `pubkey`: the key of a certificate.
    Pubkey {
        /// What the peer may sign with.
        constraints: AuthConstraints,
        /// `remote.cacerts`: the authorities that may vouch for it; without them, all that the endpoint trusts.
        authorities: Vec<Certificate>,
        /// `remote.revocation`.
        revocation: Revocation,
    },
    /// `eap-…`: a password, once we have shown a certificate. For responders only.
    Eap {
        /// Methods to offer, in order; none offers nothing.
        methods: Vec<EapMethod>,
        /// `remote.eap_id`.
        identity: EapName,
    },
}

/// Where the name of an EAP peer comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EapName {
    /// From its IKE identity.
    #[default]
    Ike,
    /// From an EAP-Identity request (`eap_id = %any`).
    Ask,
    /// From configuration.
    Given(EapIdentity),
}

/// `send_cert`: when our certificate is sent along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendCert {
    /// Always.
    Always,
    /// When the peer has sent a certificate request.
    #[default]
    IfAsked,
    /// Never; the peer has it already.
    Never,
}

impl LocalAuth {
    /// A shared secret under this identity.
    pub fn psk(id: Identity) -> Self {
        Self { id: Some(id), method: LocalMethod::Psk }
    }

    /// A certificate that has this identity, or any of ours under its subject.
    pub fn pubkey(id: Option<Identity>) -> Self {
        let constraints = AuthConstraints::default();
        Self { id, method: LocalMethod::Pubkey { constraints, certificate: None } }
    }

    /// A password under this identity.
    pub fn eap(id: Identity, methods: Vec<EapMethod>) -> Self {
        Self { id: Some(id), method: LocalMethod::Eap { identity: None, methods } }
    }
}

impl RemoteAuth {
    /// The hashes that the peer may sign with: those of the constraints, or all.
    pub(crate) fn hashes(&self) -> &[SignatureHash] {
        match &self.method {
            RemoteMethod::Pubkey { constraints, .. } if !constraints.hashes().is_empty() => {
                constraints.hashes()
            }
            RemoteMethod::Pubkey { .. } | RemoteMethod::Psk | RemoteMethod::Eap { .. } => SignatureHash::ALL,
        }
    }

    /// A shared secret.
    pub fn psk(id: IdentityPattern) -> Self {
        Self { id, method: RemoteMethod::Psk }
    }

    /// A certificate below any authority that the endpoint trusts.
    pub fn pubkey(id: IdentityPattern) -> Self {
        let (constraints, revocation) = (AuthConstraints::default(), Revocation::default());
        Self { id, method: RemoteMethod::Pubkey { constraints, authorities: vec![], revocation } }
    }

    /// A password, whose owner an EAP-Identity request asks for.
    pub fn eap(id: IdentityPattern, methods: Vec<EapMethod>) -> Self {
        Self { id, method: RemoteMethod::Eap { methods, identity: EapName::Ask } }
    }
}
