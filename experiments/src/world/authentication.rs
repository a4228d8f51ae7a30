//! How the two sides of a connection prove who they are, in the words of the IKE core.

use ipseclab_ike::IdentityPattern;
use ipseclab_ike::config::{EapName, LocalAuth, LocalMethod, RemoteAuth, RemoteMethod, SendCert, Xauth};
use ipseclab_ike::credential::Revocation;
use ipseclab_ike::credential::auth_method::AuthConstraints;
use ipseclab_ike::eap::{EapIdentity, EapMethod};

use super::credentials::{CredentialError, Issued};
use super::host::identity;
use crate::scenario::{self, PeerIdentity};

/// What a node shows.
pub(super) fn local(written: &scenario::Connection, issued: &Issued) -> LocalAuth {
    let method = match &written.local_auth {
        scenario::LocalAuth::Psk(_) => LocalMethod::Psk,
        scenario::LocalAuth::PublicKey { choice, certificates } => LocalMethod::Pubkey {
            constraints: constraints(choice),
            certificate: match certificates.as_slice() {
                [only] => Some(Box::new(issued.certificates[*only].certificate.clone())),
                _ => None,
            },
        },
        scenario::LocalAuth::Eap { method, name, .. } => LocalMethod::Eap {
            identity: name.as_ref().and_then(|name| EapIdentity::new(name.as_bytes())),
            methods: vec![eap_method(*method)],
        },
    };
    LocalAuth { id: Some(identity(&written.local_id)), method }
}

/// What a node asks of its peer.
pub(super) fn remote(written: &scenario::Connection, issued: &Issued) -> Result<RemoteAuth, CredentialError> {
    let method = match &written.remote_auth {
        scenario::RemoteAuth::Psk(_) => RemoteMethod::Psk,
        scenario::RemoteAuth::PublicKey(choice) => RemoteMethod::Pubkey {
            constraints: constraints(choice),
            authorities: issued.trusted_by(written)?,
            revocation: Revocation::default(),
        },
        scenario::RemoteAuth::Eap { method, .. } => {
            RemoteMethod::Eap { methods: vec![eap_method(*method)], identity: EapName::Ask }
        }
    };
    Ok(RemoteAuth { id: peer_identity(&written.remote_id), method })
}

/// Which identities of the peer are taken.
pub(super) fn peer_identity(written: &PeerIdentity) -> IdentityPattern {
    match written {
        PeerIdentity::Any => IdentityPattern::Any,
        PeerIdentity::Exactly(wanted) | PeerIdentity::Like(wanted) => IdentityPattern::Like(identity(wanted)),
    }
}

/// The part in XAUTH; its passwords are with the credentials.
pub(super) fn xauth(written: &scenario::Xauth) -> Option<Xauth> {
    match written {
        scenario::Xauth::Client(user) => EapIdentity::new(user.name.as_bytes()).map(Xauth::Client),
        scenario::Xauth::Server(_) => Some(Xauth::Server),
    }
}

/// When certificates are sent.
pub(super) fn send_cert(written: scenario::SendCert) -> SendCert {
    match written {
        scenario::SendCert::IfAsked => SendCert::IfAsked,
        scenario::SendCert::Always => SendCert::Always,
        scenario::SendCert::Never => SendCert::Never,
    }
}

fn eap_method(method: scenario::EapMethod) -> EapMethod {
    match method {
        scenario::EapMethod::Mschapv2 => EapMethod::MsChapV2,
        scenario::EapMethod::Md5 => EapMethod::Md5,
    }
}

/// The checker and the core read the same words, so that what one has taken the other takes.
fn constraints(choice: &scenario::SignatureChoice) -> AuthConstraints {
    AuthConstraints::parse(&choice.to_string()).unwrap_or_default()
}
