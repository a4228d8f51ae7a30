//! Which implementation serves which packet cipher, and the layout that they share.
//!
//! A packet is `header | IV | text | ICV`; the lengths are checked once here, so that the implementations slice what
//! is known to be there.

use aes::{Aes128, Aes192, Aes256};
use ring::aead as ring_aead;

use super::aead::{AeadCipher, AesGcm192, RingKey};
use super::digest::IntegrityKey;
use super::encrypt_then_mac::{Cbc, EncryptThenMac, NullText, Text};
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
    assert_eq!(encryption.is_aead(), integrity.is_none(), "an AEAD comes alone, all others with integrity");
    let (key, salt) = key.expose().split_at(encryption.key_len());
    let integrity = integrity.map(|(algorithm, key)| IntegrityKey::new(algorithm, key));
    match integrity {
        None => aead(encryption, key, salt),
        Some(integrity) => encrypt_then_mac(encryption, key, integrity),
    }
}

fn aead(encryption: Encryption, key: &[u8], salt: &[u8]) -> Box<dyn RawPacketCipher> {
    let ring = |algorithm| Box::new(AeadCipher::new(RingKey::new(algorithm, key), salt));
    match encryption {
        Encryption::AesGcm16(AesKey::Bits128) => ring(&ring_aead::AES_128_GCM),
        Encryption::AesGcm16(AesKey::Bits192) => Box::new(AeadCipher::new(AesGcm192::new(key), salt)),
        Encryption::AesGcm16(AesKey::Bits256) => ring(&ring_aead::AES_256_GCM),
        Encryption::ChaCha20Poly1305 => ring(&ring_aead::CHACHA20_POLY1305),
        Encryption::Null | Encryption::AesCbc(_) => unreachable!("{encryption} is no AEAD"),
    }
}

fn encrypt_then_mac(encryption: Encryption, key: &[u8], integrity: IntegrityKey) -> Box<dyn RawPacketCipher> {
    fn boxed<T: Text + 'static>(text: T, integrity: IntegrityKey) -> Box<dyn RawPacketCipher> {
        Box::new(EncryptThenMac::new(text, integrity))
    }
    match encryption {
        Encryption::Null => boxed(NullText, integrity),
        Encryption::AesCbc(AesKey::Bits128) => boxed(Cbc::<Aes128>::new(key), integrity),
        Encryption::AesCbc(AesKey::Bits192) => boxed(Cbc::<Aes192>::new(key), integrity),
        Encryption::AesCbc(AesKey::Bits256) => boxed(Cbc::<Aes256>::new(key), integrity),
        Encryption::AesGcm16(_) | Encryption::ChaCha20Poly1305 => unreachable!("{encryption} is an AEAD"),
    }
}

/// Whether a packet of `actual` octets can hold all its fixed parts.
pub(super) const fn check_len(actual: usize, fixed_parts: [usize; 3]) -> Result<(), OpenError> {
    let needed = fixed_parts[0] + fixed_parts[1] + fixed_parts[2];
    if actual < needed { Err(OpenError::TooShort { needed, actual }) } else { Ok(()) }
}
