//! ICVs of AH: the MACs of ESP, and GMAC over what AH covers (RFC 4302 §3.3.3, RFC 4543 §4).

use core::fmt;

use aes::Aes192;
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use ring::aead::{AES_128_GCM, AES_256_GCM, NONCE_LEN};

use super::aead::{AeadKey, PortableKey, RingKey};
use super::digest::IntegrityKey;
use crate::algorithm::{AesKey, Authentication};
use crate::provider::RawAuthenticator;
use crate::secret::Secret;

/// See [`Provider::authenticator`](crate::Provider::authenticator).
pub(super) fn authenticator(algorithm: Authentication, key: &Secret) -> Box<dyn RawAuthenticator> {
    assert_eq!(key.len(), algorithm.key_material_len(), "{algorithm} takes a key of another length");
    match algorithm {
        Authentication::Mac(integrity) => Box::new(MacAuthenticator(IntegrityKey::new(integrity, key))),
        Authentication::Gmac(bits) => gmac(bits, key.expose()),
    }
}

fn gmac(bits: AesKey, material: &[u8]) -> Box<dyn RawAuthenticator> {
    let (key, salt) = material.split_at(bits.octets());
    match bits {
        AesKey::Bits128 => Box::new(GmacAuthenticator::new(RingKey::new(&AES_128_GCM, key), salt)),
        AesKey::Bits192 => {
            Box::new(GmacAuthenticator::new(PortableKey::<AesGcm<Aes192, U12>>::new(key), salt))
        }
        AesKey::Bits256 => Box::new(GmacAuthenticator::new(RingKey::new(&AES_256_GCM, key), salt)),
    }
}

struct MacAuthenticator(IntegrityKey);

impl fmt::Debug for MacAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacAuthenticator").finish_non_exhaustive()
    }
}

impl RawAuthenticator for MacAuthenticator {
    fn sign(&self, covered: &[u8], _iv: &[u8], tag: &mut [u8]) {
        self.0.write_icv(&[covered], tag);
    }

    fn verify(&self, covered: &[u8], _iv: &[u8], tag: &[u8]) -> bool {
        self.0.verify(&[covered], tag)
    }
}

/// A GCM key that encrypts nothing; the nonce is salt | IV.
struct GmacAuthenticator<K> {
    key: K,
    salt: [u8; NONCE_LEN],
}

impl<K: AeadKey> GmacAuthenticator<K> {
    fn new(key: K, salt: &[u8]) -> Self {
        let mut nonce = [0; NONCE_LEN];
        nonce[..salt.len()].copy_from_slice(salt);
        Self { key, salt: nonce }
    }

    fn nonce(&self, iv: &[u8]) -> [u8; NONCE_LEN] {
        let mut nonce = self.salt;
        nonce[NONCE_LEN - iv.len()..].copy_from_slice(iv);
        nonce
    }
}

impl<K> fmt::Debug for GmacAuthenticator<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GmacAuthenticator").finish_non_exhaustive()
    }
}

impl<K: AeadKey> RawAuthenticator for GmacAuthenticator<K> {
    fn sign(&self, covered: &[u8], iv: &[u8], tag: &mut [u8]) {
        tag.copy_from_slice(&self.key.seal(&self.nonce(iv), covered, &mut []));
    }

    fn verify(&self, covered: &[u8], iv: &[u8], tag: &[u8]) -> bool {
        let mut text: [u8; 16] = tag.try_into().expect("the caller brings a whole tag");
        self.key.open(&self.nonce(iv), covered, &mut text).is_ok()
    }
}
