//! Key derivation (RFC 7296 §2.14, §2.15, §2.17).

use ipseclab_crypto::{Crypto, PacketCipher, Prf, Secret};

use crate::event::DirectionKeys;
use crate::proposal::{ChosenEsp, ChosenIke};
use crate::v2::Role;
use crate::v2::child_sa::KeySources;
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

/// The nonces and SPIs of the exchange that makes the IKE SA.
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
        let key = skeyseed_key(chosen.prf, values.nonce_i, values.nonce_r);
        let skeyseed = crypto.prf(chosen.prf, &key, &[shared_secret.expose()]);
        Self::expand(crypto, chosen, skeyseed, values)
    }

    fn expand(crypto: &mut Crypto, chosen: ChosenIke, skeyseed: Secret, values: SaInitValues<'_>) -> Self {
        let SaInitValues { nonce_i, nonce_r, .. } = values;
        let spi_i = values.spi_i.as_u64().to_be_bytes();
        let spi_r = values.spi_r.as_u64().to_be_bytes();
        let prf_len = chosen.prf.key_len();
        let integrity_len = chosen.integrity.map_or(0, ipseclab_crypto::Integrity::key_len);
        let encryption_len = chosen.encryption.key_material_len();
        let total = 3 * prf_len + 2 * integrity_len + 2 * encryption_len;
        let stream =
            crypto.prf_plus(chosen.prf, skeyseed.expose(), &[nonce_i, nonce_r, &spi_i, &spi_r], total);
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

    /// The AUTH data of `signer` for a shared key, or for the key of an EAP method (RFC 7296 §2.15, §2.16).
    pub(crate) fn psk_auth(
        &self,
        crypto: &mut Crypto,
        chosen: ChosenIke,
        signer: Role,
        octets: SignedOctets<'_>,
        psk: &Secret,
    ) -> Secret {
        let maced_id = self.maced_id(crypto, chosen, signer, octets.id);
        let key = crypto.prf(chosen.prf, psk.expose(), &[KEY_PAD]);
        crypto.prf(chosen.prf, key.expose(), &[octets.message, octets.nonce, maced_id.expose()])
    }

    /// What the key of a certificate signs: message, nonce and the identity under `SK_p` (RFC 7296 §2.15).
    pub(crate) fn signed_octets(
        &self,
        crypto: &mut Crypto,
        chosen: ChosenIke,
        signer: Role,
        octets: SignedOctets<'_>,
    ) -> Vec<u8> {
        let maced_id = self.maced_id(crypto, chosen, signer, octets.id);
        [octets.message, octets.nonce, maced_id.expose()].concat()
    }

    fn maced_id(&self, crypto: &mut Crypto, chosen: ChosenIke, signer: Role, id: &IdPayload) -> Secret {
        crypto.prf(chosen.prf, self.sk_p(signer).expose(), &[&id.body()])
    }

    /// `SK_pi` or `SK_pr`.
    pub(crate) fn sk_p(&self, signer: Role) -> &Secret {
        match signer {
            Role::Initiator => &self.sk_pi,
            Role::Responder => &self.sk_pr,
        }
    }

    /// The keys of an IKE SA that renews this one: `SKEYSEED = prf(SK_d, g^ir | Ni | Nr)` with the PRF of this one, and all
    /// the others with the PRF of the new one (RFC 7296 §2.18).
    pub(crate) fn rekey(
        &self,
        crypto: &mut Crypto,
        (old, new): (ChosenIke, ChosenIke),
        shared_secret: &Secret,
        values: SaInitValues<'_>,
    ) -> Self {
        let parts = [shared_secret.expose(), values.nonce_i, values.nonce_r];
        let skeyseed = crypto.prf(old.prf, self.sk_d.expose(), &parts);
        Self::expand(crypto, new, skeyseed, values)
    }

    /// KEYMAT of a Child SA: `prf+(SK_d, [g^ir] | Ni | Nr)`, the direction of the exchange's initiator first.
    pub(crate) fn child_keys(
        &self,
        crypto: &mut Crypto,
        ike: ChosenIke,
        esp: &ChosenEsp,
        sources: KeySources<'_>,
    ) -> ChildKeys {
        let encryption_len = esp.encryption.key_material_len();
        let integrity_len = esp.integrity.map_or(0, ipseclab_crypto::Integrity::key_len);
        let total = 2 * (encryption_len + integrity_len);
        let shared_secret = sources.shared_secret.map_or(&[][..], Secret::expose);
        let seed = [shared_secret, sources.nonce_i, sources.nonce_r];
        let keymat = crypto.prf_plus(ike.prf, self.sk_d.expose(), &seed, total);
        let mut cut = Cutter(keymat.expose());
        let mut direction =
            || DirectionKeys { encryption: cut.take(encryption_len), integrity: cut.take(integrity_len) };
        ChildKeys { from_initiator: direction(), from_responder: direction() }
    }
}

/// Both nonces, or as many of their first octets as the PRF has room for, half of them from each (RFC 7296 §2.14).
fn skeyseed_key(prf: Prf, nonce_i: &[u8], nonce_r: &[u8]) -> Vec<u8> {
    let share = prf.fixed_key_len().map_or(usize::MAX, |len| len / 2);
    [nonce_i, nonce_r].map(|nonce| &nonce[..share.min(nonce.len())]).concat()
}

/// "Key Pad for IKEv2", 17 ASCII octets (RFC 7296 §2.15).
const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// What an AUTH payload covers: the signer's `IKE_SA_INIT` message, the other side's nonce, and the signer's identity.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use ipseclab_crypto::{AesKey, Encryption, Integrity, KeyExchangeMethod, RealProvider};

    use super::*;
    use crate::proposal::Esn;

    struct Vector(BTreeMap<String, String>);

    impl Vector {
        fn read() -> Self {
            let text = include_str!("../../tests/vectors/cavp-ikev2.json");
            Self(serde_json::from_str(text).unwrap())
        }

        fn octets(&self, name: &str) -> Vec<u8> {
            let hex = &self.0[name];
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }

        fn spi(&self, name: &str) -> IkeSpi {
            IkeSpi::new(u64::from_str_radix(&self.0[name], 16).unwrap())
        }
    }

    /// The lengths of the case: 132 octets are three of the PRF, two of HMAC-SHA1 and two of AES-128.
    fn chosen() -> ChosenIke {
        ChosenIke {
            number: 1,
            encryption: Encryption::AesCbc(AesKey::Bits128),
            integrity: Some(Integrity::HmacSha1_96),
            prf: Prf::HmacSha1,
            key_exchange: KeyExchangeMethod::Curve25519,
        }
    }

    fn derive(crypto: &mut Crypto, vector: &Vector) -> IkeKeys {
        let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
        let (spi_i, spi_r) = (vector.spi("spi_i"), vector.spi("spi_r"));
        let values = SaInitValues { nonce_i: &nonce_i, nonce_r: &nonce_r, spi_i, spi_r };
        IkeKeys::derive(crypto, chosen(), &Secret::new(vector.octets("shared_secret")), values)
    }

    #[test]
    fn the_seven_keys_are_those_of_nist_in_the_order_of_the_rfc() {
        let vector = Vector::read();
        let keys = derive(&mut Crypto::new(Arc::new(RealProvider::new())), &vector);
        assert_eq!(keys.skeyseed, Secret::new(vector.octets("skeyseed")));
        let in_order =
            [&keys.sk_d, &keys.sk_ai, &keys.sk_ar, &keys.sk_ei, &keys.sk_er, &keys.sk_pi, &keys.sk_pr];
        assert_eq!(in_order.map(Secret::len), [20, 20, 20, 16, 16, 20, 20]);
        assert_eq!(in_order.map(Secret::expose).concat(), vector.octets("dkm"));
    }

    #[test]
    fn a_prf_made_of_aes_takes_half_its_key_from_each_nonce_and_prf_plus_the_whole_nonces() {
        let (vector, secret) = (Vector::read(), Secret::new([7; 32]));
        let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
        let (spi_i, spi_r) = (vector.spi("spi_i"), vector.spi("spi_r"));
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        for prf in [Prf::AesXcbc, Prf::AesCmac] {
            let values = SaInitValues { nonce_i: &nonce_i, nonce_r: &nonce_r, spi_i, spi_r };
            let keys = IkeKeys::derive(&mut crypto, ChosenIke { prf, ..chosen() }, &secret, values);
            let key = [&nonce_i[..8], &nonce_r[..8]].concat();
            assert_eq!(keys.skeyseed, crypto.prf(prf, &key, &[secret.expose()]));
            let spis = [spi_i, spi_r].map(|spi| spi.as_u64().to_be_bytes());
            let seed = [&nonce_i[..], &nonce_r, &spis[0], &spis[1]];
            assert_eq!(keys.sk_d, crypto.prf_plus(prf, keys.skeyseed.expose(), &seed, 16));
            assert_eq!([&keys.sk_d, &keys.sk_pi, &keys.sk_pr].map(Secret::len), [16; 3]);
        }
    }

    #[test]
    fn keymat_gives_the_initiators_direction_first_and_encryption_before_integrity() {
        let vector = Vector::read();
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let keys = derive(&mut crypto, &vector);
        let esp = ChosenEsp {
            number: 1,
            spi: [1; 4],
            encryption: Encryption::AesCbc(AesKey::Bits256),
            integrity: Some(Integrity::HmacSha2_256_128),
            key_exchange: None,
            esn: Esn::No,
        };
        let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
        let sources =
            KeySources { side: Role::Initiator, nonce_i: &nonce_i, nonce_r: &nonce_r, shared_secret: None };
        let child = keys.child_keys(&mut crypto, chosen(), &esp, sources);
        let (i, r) = (&child.from_initiator, &child.from_responder);
        let in_order =
            [&i.encryption, &i.integrity, &r.encryption, &r.integrity].map(Secret::expose).concat();
        assert_eq!(in_order, vector.octets("dkm_child")[..128]);
    }

    #[test]
    fn keymat_with_a_key_exchange_of_its_own_is_that_of_nist() {
        let vector = Vector::read();
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let keys = derive(&mut crypto, &vector);
        let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
        let secret = vector.octets("shared_secret_new");
        let seed = [&secret[..], &nonce_i, &nonce_r];
        let keymat = crypto.prf_plus(Prf::HmacSha1, keys.sk_d.expose(), &seed, 132);
        assert_eq!(keymat.expose(), vector.octets("dkm_child_pfs"));
        let shared_secret = Secret::new(secret);
        let esp = ChosenEsp {
            number: 1,
            spi: [1; 4],
            encryption: Encryption::AesCbc(AesKey::Bits256),
            integrity: Some(Integrity::HmacSha2_256_128),
            key_exchange: Some(KeyExchangeMethod::Curve25519),
            esn: Esn::No,
        };
        let sources = KeySources {
            side: Role::Initiator,
            nonce_i: &nonce_i,
            nonce_r: &nonce_r,
            shared_secret: Some(&shared_secret),
        };
        let child = keys.child_keys(&mut crypto, chosen(), &esp, sources);
        assert_eq!(child.from_initiator.encryption.expose(), &keymat.expose()[..32]);
        assert_eq!(child.from_responder.integrity.expose(), &keymat.expose()[96..128]);
    }

    #[test]
    fn a_renewed_ike_sa_has_the_skeyseed_of_nist() {
        let vector = Vector::read();
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let keys = derive(&mut crypto, &vector);
        let (nonce_i, nonce_r) = (vector.octets("nonce_i"), vector.octets("nonce_r"));
        let (spi_i, spi_r) = (vector.spi("spi_i"), vector.spi("spi_r"));
        let values = SaInitValues { nonce_i: &nonce_i, nonce_r: &nonce_r, spi_i, spi_r };
        let secret = Secret::new(vector.octets("shared_secret_new"));
        let renewed = keys.rekey(&mut crypto, (chosen(), chosen()), &secret, values);
        assert_eq!(renewed.skeyseed, Secret::new(vector.octets("skeyseed_rekey")));
        assert_ne!(renewed.sk_d, keys.sk_d);
    }
}
