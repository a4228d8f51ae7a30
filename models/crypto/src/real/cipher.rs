//! Which implementation serves which packet cipher, and the layout that they share.
//!
//! A packet is `header | IV | text | ICV`; the lengths are checked once here, so that the implementations slice what
//! is known to be there.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U8, U11, U12, U16};
use aes_gcm::aead::{AeadInOut, KeyInit};
use ccm::Ccm;
use des::{Des, TdesEde3};
use ring::aead::{AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305};

use super::aead::{AeadCipher, AeadKey, GmacCipher, PortableKey, RingKey};
use super::digest::IntegrityKey;
use super::encrypt_then_mac::{Cbc, Ctr, EncryptOnly, EncryptThenMac, NullText, Text};
use crate::algorithm::{AesKey, Encryption, Integrity};
use crate::error::OpenError;
use crate::provider::RawPacketCipher;
use crate::secret::Secret;

type Boxed = Box<dyn RawPacketCipher>;

/// See [`Provider::packet_cipher`](crate::Provider::packet_cipher).
pub(super) fn packet_cipher(
    encryption: Encryption,
    key: &Secret,
    integrity: Option<(Integrity, &Secret)>,
) -> Box<dyn RawPacketCipher> {
    assert_eq!(key.len(), encryption.key_material_len(), "{encryption} takes a key of another length");
    let (key, salt) = key.expose().split_at(encryption.key_len());
    match integrity.map(|(algorithm, key)| IntegrityKey::new(algorithm, key)) {
        None => combined(encryption, key, salt),
        Some(mac) => separate(encryption, key, salt, Some(mac)),
    }
}

/// The ciphers that authenticate by themselves, and those that go without.
fn combined(encryption: Encryption, key: &[u8], salt: &[u8]) -> Boxed {
    use AesKey::{Bits128, Bits192, Bits256};
    match encryption {
        Encryption::AesGcm16(Bits128) => aead(RingKey::new(&AES_128_GCM, key), salt),
        Encryption::AesGcm16(Bits192) => portable::<AesGcm<Aes192, U12>>(key, salt),
        Encryption::AesGcm16(Bits256) => aead(RingKey::new(&AES_256_GCM, key), salt),
        Encryption::AesGcm12(Bits128) => portable::<AesGcm<Aes128, U12, U12>>(key, salt),
        Encryption::AesGcm12(Bits192) => portable::<AesGcm<Aes192, U12, U12>>(key, salt),
        Encryption::AesGcm12(Bits256) => portable::<AesGcm<Aes256, U12, U12>>(key, salt),
        Encryption::AesGcm8(Bits128) => portable::<AesGcm<Aes128, U12, U8>>(key, salt),
        Encryption::AesGcm8(Bits192) => portable::<AesGcm<Aes192, U12, U8>>(key, salt),
        Encryption::AesGcm8(Bits256) => portable::<AesGcm<Aes256, U12, U8>>(key, salt),
        Encryption::AesCcm16(Bits128) => portable::<Ccm<Aes128, U16, U11>>(key, salt),
        Encryption::AesCcm16(Bits192) => portable::<Ccm<Aes192, U16, U11>>(key, salt),
        Encryption::AesCcm16(Bits256) => portable::<Ccm<Aes256, U16, U11>>(key, salt),
        Encryption::AesCcm12(Bits128) => portable::<Ccm<Aes128, U12, U11>>(key, salt),
        Encryption::AesCcm12(Bits192) => portable::<Ccm<Aes192, U12, U11>>(key, salt),
        Encryption::AesCcm12(Bits256) => portable::<Ccm<Aes256, U12, U11>>(key, salt),
        Encryption::AesCcm8(Bits128) => portable::<Ccm<Aes128, U8, U11>>(key, salt),
        Encryption::AesCcm8(Bits192) => portable::<Ccm<Aes192, U8, U11>>(key, salt),
        Encryption::AesCcm8(Bits256) => portable::<Ccm<Aes256, U8, U11>>(key, salt),
        Encryption::AesGmac(Bits128) => Box::new(GmacCipher::new(RingKey::new(&AES_128_GCM, key), salt)),
        Encryption::AesGmac(Bits192) => {
            Box::new(GmacCipher::new(PortableKey::<AesGcm<Aes192, U12>>::new(key), salt))
        }
        Encryption::AesGmac(Bits256) => Box::new(GmacCipher::new(RingKey::new(&AES_256_GCM, key), salt)),
        Encryption::ChaCha20Poly1305 => aead(RingKey::new(&CHACHA20_POLY1305, key), salt),
        Encryption::Des
        | Encryption::TripleDes
        | Encryption::Null
        | Encryption::AesCbc(_)
        | Encryption::AesCtr(_) => separate(encryption, key, salt, None),
    }
}

fn aead<K: AeadKey + 'static>(key: K, salt: &[u8]) -> Boxed {
    Box::new(AeadCipher::new(key, salt))
}

fn portable<A: AeadInOut + KeyInit + Send + Sync + 'static>(key: &[u8], salt: &[u8]) -> Boxed {
    aead(PortableKey::<A>::new(key), salt)
}

/// The ciphers beside which an integrity algorithm stands, or could.
fn separate(encryption: Encryption, key: &[u8], salt: &[u8], mac: Option<IntegrityKey>) -> Boxed {
    use AesKey::{Bits128, Bits192, Bits256};
    match encryption {
        Encryption::Null => then_mac(NullText, mac),
        Encryption::Des => then_mac(Cbc::<Des>::new(key), mac),
        Encryption::TripleDes => then_mac(Cbc::<TdesEde3>::new(key), mac),
        Encryption::AesCbc(Bits128) => then_mac(Cbc::<Aes128>::new(key), mac),
        Encryption::AesCbc(Bits192) => then_mac(Cbc::<Aes192>::new(key), mac),
        Encryption::AesCbc(Bits256) => then_mac(Cbc::<Aes256>::new(key), mac),
        Encryption::AesCtr(Bits128) => then_mac(Ctr::<Aes128>::new(key, salt), mac),
        Encryption::AesCtr(Bits192) => then_mac(Ctr::<Aes192>::new(key, salt), mac),
        Encryption::AesCtr(Bits256) => then_mac(Ctr::<Aes256>::new(key, salt), mac),
        _ => panic!("{encryption} takes no integrity algorithm beside it"),
    }
}

fn then_mac<T: Text + 'static>(text: T, mac: Option<IntegrityKey>) -> Boxed {
    match mac {
        Some(mac) => Box::new(EncryptThenMac::new(text, mac)),
        None => Box::new(EncryptOnly(text)),
    }
}

/// Whether a packet of `actual` octets can hold all its fixed parts.
pub(super) const fn check_len(actual: usize, fixed_parts: [usize; 3]) -> Result<(), OpenError> {
    let needed = fixed_parts[0] + fixed_parts[1] + fixed_parts[2];
    if actual < needed { Err(OpenError::TooShort { needed, actual }) } else { Ok(()) }
}
