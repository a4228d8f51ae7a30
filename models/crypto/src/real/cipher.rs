//! Which implementation serves which packet cipher, and the layout that they share.
//!
//! A packet is `header | IV | text | ICV`; the lengths are checked once here, so that the implementations slice what
//! is known to be there.

use aes::{Aes128, Aes192, Aes256};
use ring::aead as ring_aead;

use super::aead::{AeadCipher, AesGcm192, RingKey};
use super::digest::IntegrityKey;
use super::encrypt_then_mac::{Cbc, EncryptThenMac, NullText};
use crate::algorithm::{AesKey, Encryption, Integrity};
use crate::error::OpenError;
use crate::provider::RawPacketCipher;
use crate::secret::Secret;

/// See [`Provider::packet_cipher`](crate::Provider::packet_cipher).
pub(super) fn packet_cipher(
    encryption: Encryption,
    key: &Secret,
    integrity: Option<(Integrity, &Secret)>,
) -> Box<dyn RawPacketCipher> {
    assert_eq!(key.len(), encryption.key_material_len(), "{encryption} takes a key of another length");
    let (key, salt) = key.expose().split_at(encryption.key_len());
    let integrity = integrity.map(|(algorithm, key)| IntegrityKey::new(algorithm, key));
    let ring = |algorithm| Box::new(AeadCipher::new(RingKey::new(algorithm, key), salt));
    match (encryption, integrity) {
        (Encryption::AesGcm16(AesKey::Bits128), None) => ring(&ring_aead::AES_128_GCM),
        (Encryption::AesGcm16(AesKey::Bits192), None) => Box::new(AeadCipher::new(AesGcm192::new(key), salt)),
        (Encryption::AesGcm16(AesKey::Bits256), None) => ring(&ring_aead::AES_256_GCM),
        (Encryption::ChaCha20Poly1305, None) => ring(&ring_aead::CHACHA20_POLY1305),
        (Encryption::Null, Some(mac)) => Box::new(EncryptThenMac::new(NullText, mac)),
        (Encryption::AesCbc(length), Some(mac)) => aes_cbc(length, key, mac),
        (Encryption::AesGcm16(_) | Encryption::ChaCha20Poly1305, Some(_)) => {
            panic!("{encryption} takes no integrity algorithm beside it")
        }
        (Encryption::Null | Encryption::AesCbc(_), None) => {
            panic!("{encryption} needs an integrity algorithm")
        }
    }
}

fn aes_cbc(length: AesKey, key: &[u8], integrity: IntegrityKey) -> Box<dyn RawPacketCipher> {
    match length {
        AesKey::Bits128 => Box::new(EncryptThenMac::new(Cbc::<Aes128>::new(key), integrity)),
        AesKey::Bits192 => Box::new(EncryptThenMac::new(Cbc::<Aes192>::new(key), integrity)),
        AesKey::Bits256 => Box::new(EncryptThenMac::new(Cbc::<Aes256>::new(key), integrity)),
    }
}

/// Whether a packet of `actual` octets can hold all its fixed parts.
pub(super) const fn check_len(actual: usize, fixed_parts: [usize; 3]) -> Result<(), OpenError> {
    let needed = fixed_parts[0] + fixed_parts[1] + fixed_parts[2];
    if actual < needed { Err(OpenError::TooShort { needed, actual }) } else { Ok(()) }
}
