//! Key derivation (RFC 7296 §2.14, §2.15, §2.17).

use ipseclab_crypto::{Crypto, PacketCipher, Secret};

use crate::event::DirectionKeys;
use crate::proposal::{ChosenEsp, ChosenIke};
use crate::v2::Role;
use crate::wire::{IdPayload, IkeSpi};

/// The keys of an IKE SA.
#[derive(Clone, Debug)]
pub struct IkeKeys {
    /// SKEYSEED, from which all others come.
    pub skeyseed: Secret,
    /// For keys of Child SAs.
    pub sk_d: Secret,
    /// Integrity of the initiator's messages; empty with AEADs.
    pub sk_ai: Secret,
    /// Integrity of the responder's messages; empty with AEADs.
    pub sk_ar: Secret,
    /// Encryption of the initiator's messages, with the salt of AEADs.
    pub sk_ei: Secret,
    /// Encryption of the responder's messages, with the salt of AEADs.
    pub sk_er: Secret,
    /// For the initiator's AUTH payload.
    pub sk_pi: Secret,
    /// For the responder's AUTH payload.
    pub sk_pr: Secret,
}

/// The nonces and SPIs of `IKE_SA_INIT`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SaInitValues<'a> {
    pub(crate) nonce_i: &'a [u8],
    pub(crate) nonce_r: &'a [u8],
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
}

impl IkeKeys {
    /// `SKEYSEED = prf(Ni | Nr, g^ir)`; `{SK_d | SK_ai | …} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr)`.
    pub(crate) fn derive(
        crypto: &mut Crypto,
        chosen: ChosenIke,
        shared_secret: &Secret,
        values: SaInitValues<'_>,
    ) -> Self {
        let nonces = [values.nonce_i, values.nonce_r].concat();
        let skeyseed = crypto.prf(chosen.prf, &nonces, &[shared_secret.expose()]);
        let spi_i = values.spi_i.as_u64().to_be_bytes();
        let spi_r = values.spi_r.as_u64().to_be_bytes();
        let prf_len = chosen.prf.key_len();
        let integrity_len = chosen.integrity.map_or(0, ipseclab_crypto::Integrity::key_len);
        let encryption_len = chosen.encryption.key_material_len();
        let total = 3 * prf_len + 2 * integrity_len + 2 * encryption_len;
        let stream = crypto.prf_plus(chosen.prf, skeyseed.expose(), &[&nonces, &spi_i, &spi_r], total);
        let mut cut = Cutter(stream.expose());
        Self {
            sk_d: cut.take(prf_len),
            sk_ai: cut.take(integrity_len),
            sk_ar: cut.take(integrity_len),
            sk_ei: cut.take(encryption_len),
            sk_er: cut.take(encryption_len),
            sk_pi: cut.take(prf_len),
            sk_pr: cut.take(prf_len),
            skeyseed,
        }
    }

    /// The cipher of the messages that `sender` protects.
    pub(crate) fn cipher(&self, crypto: &Crypto, chosen: ChosenIke, sender: Role) -> PacketCipher {
        let (sk_e, sk_a) = match sender {
            Role::Initiator => (&self.sk_ei, &self.sk_ai),
            Role::Responder => (&self.sk_er, &self.sk_ar),
        };
        crypto.packet_cipher(chosen.encryption, sk_e, chosen.integrity.map(|algorithm| (algorithm, sk_a)))
    }

    /// The AUTH data of `signer` for a shared key (RFC 7296 §2.15).
    ///
    /// `message` is the signer's `IKE_SA_INIT` message, `nonce` the other side's nonce.
    pub(crate) fn psk_auth(
        &self,
        crypto: &mut Crypto,
        chosen: ChosenIke,
        signer: Role,
        octets: SignedOctets<'_>,
        psk: &Secret,
    ) -> Secret {
        let sk_p = match signer {
            Role::Initiator => &self.sk_pi,
            Role::Responder => &self.sk_pr,
        };
        let id_body = octets.id.body();
        let maced_id = crypto.prf(chosen.prf, sk_p.expose(), &[&id_body]);
        let key = crypto.prf(chosen.prf, psk.expose(), &[KEY_PAD]);
        crypto.prf(chosen.prf, key.expose(), &[octets.message, octets.nonce, maced_id.expose()])
    }

    /// KEYMAT of the Child SA that `IKE_AUTH` makes: `prf+(SK_d, Ni | Nr)`, the initiator's direction first.
    pub(crate) fn child_keys(
        &self,
        crypto: &mut Crypto,
        ike: ChosenIke,
        esp: &ChosenEsp,
        nonce_i: &[u8],
        nonce_r: &[u8],
    ) -> ChildKeys {
        let encryption_len = esp.encryption.key_material_len();
        let integrity_len = esp.integrity.map_or(0, ipseclab_crypto::Integrity::key_len);
        let total = 2 * (encryption_len + integrity_len);
        let keymat = crypto.prf_plus(ike.prf, self.sk_d.expose(), &[nonce_i, nonce_r], total);
        let mut cut = Cutter(keymat.expose());
        let mut direction =
            || DirectionKeys { encryption: cut.take(encryption_len), integrity: cut.take(integrity_len) };
        ChildKeys { from_initiator: direction(), from_responder: direction() }
    }
}

/// "Key Pad for IKEv2", 17 ASCII octets (RFC 7296 §2.15).
const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// What an AUTH payload covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedOctets<'a> {
    pub(crate) message: &'a [u8],
    pub(crate) nonce: &'a [u8],
    pub(crate) id: &'a IdPayload,
}

/// The keys of both directions of a Child SA.
#[derive(Clone, Debug)]
pub(crate) struct ChildKeys {
    pub(crate) from_initiator: DirectionKeys,
    pub(crate) from_responder: DirectionKeys,
}

/// Cuts a key stream into keys, front to back.
struct Cutter<'a>(&'a [u8]);

impl Cutter<'_> {
    fn take(&mut self, len: usize) -> Secret {
        let (front, rest) = self.0.split_at(len);
        self.0 = rest;
        Secret::new(front)
    }
}
