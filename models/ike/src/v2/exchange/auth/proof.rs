//! AUTH payloads, made and checked (RFC 7296 §2.15).

use ipseclab_crypto::Secret;

use crate::v2::Role;
use crate::v2::exchange::sa_init::SaInit;
use crate::v2::ike_sa::Env;
use crate::v2::keys::SignedOctets;
use crate::wire::{AuthMethod, AuthPayload, IdPayload};

impl SaInit {
    /// The AUTH data of `signer`, who shows `id`.
    pub(super) fn auth_data(&self, env: &mut Env<'_>, signer: Role, id: &IdPayload, psk: &Secret) -> Secret {
        let (message, nonce) = match signer {
            Role::Initiator => (&self.request, &self.nonce_r),
            Role::Responder => (&self.response, &self.nonce_i),
        };
        let octets = SignedOctets { message, nonce, id };
        self.channel.keys.psk_auth(env.crypto, self.channel.chosen, signer, octets, psk)
    }
}

pub(super) fn shared_key(data: &Secret) -> AuthPayload {
    AuthPayload { method: AuthMethod::SharedKeyMic, data: data.expose().to_vec() }
}

pub(super) fn is_valid(auth: &AuthPayload, expected: &Secret) -> bool {
    auth.method == AuthMethod::SharedKeyMic && Secret::new(auth.data.as_slice()) == *expected
}
