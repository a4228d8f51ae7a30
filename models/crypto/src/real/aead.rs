//! Combined-mode ciphers: AES-GCM (RFC 4106, RFC 5282) and ChaCha20-Poly1305 (RFC 7634).
//!
//! All three share the construction: nonce = salt (4 octets, from the key material) | IV (8 octets, in the packet),
//! associated data = the packet's header, ICV = the whole tag of 16 octets. With extended sequence numbers the header of
//! ESP has the high half of the number in its middle, which is put together on the stack.

use core::fmt;

use aes::Aes192;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _};
use ring::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

use super::cipher::check_len;
use crate::error::OpenError;
use crate::provider::{RawPacketCipher, SeqHigh};

const SALT_LEN: usize = 4;
const IV_LEN: usize = 8;
const NONCE_LEN: usize = SALT_LEN + IV_LEN;
const TAG_LEN: usize = 16;
/// SPI and low half of the sequence number.
const ESP_HEADER_LEN: usize = 8;
const EXTENDED_HEADER_LEN: usize = ESP_HEADER_LEN + SeqHigh::LEN;

/// A keyed AEAD with nonces of 12 octets.
pub(super) trait AeadKey: Send + Sync + fmt::Debug {
    /// Encrypts in place and returns the tag.
    fn seal(&self, nonce: [u8; NONCE_LEN], header: &[u8], text: &mut [u8]) -> [u8; TAG_LEN];

    /// Checks the tag at the end of `text` and decrypts the rest in place.
    fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        header: &[u8],
        text: &'a mut [u8],
    ) -> Result<&'a mut [u8], OpenError>;
}

/// One direction of an SA under an AEAD.
pub(super) struct AeadCipher<K> {
    key: K,
    salt: [u8; SALT_LEN],
}

impl<K> AeadCipher<K> {
    pub(super) fn new(key: K, salt: &[u8]) -> Self {
        Self { key, salt: salt.try_into().expect("the key material ends with the salt") }
    }

    fn nonce(&self, iv: &[u8]) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[..SALT_LEN].copy_from_slice(&self.salt);
        nonce[SALT_LEN..].copy_from_slice(iv);
        nonce
    }
}

impl<K: fmt::Debug> fmt::Debug for AeadCipher<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeadCipher").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<K: AeadKey> RawPacketCipher for AeadCipher<K> {
    fn seal(&self, buffer: &mut Vec<u8>, header_len: usize, high: Option<SeqHigh>) {
        let (header, rest) = buffer.split_at_mut(header_len);
        let (iv, text) = rest.split_at_mut(IV_LEN);
        let mut storage = [0; EXTENDED_HEADER_LEN];
        let tag = self.key.seal(self.nonce(iv), associated_data(header, high, &mut storage), text);
        buffer.extend_from_slice(&tag);
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        check_len(buffer.len(), [header_len, IV_LEN, TAG_LEN])?;
        let (header, rest) = buffer.split_at_mut(header_len);
        let (iv, text) = rest.split_at_mut(IV_LEN);
        let mut storage = [0; EXTENDED_HEADER_LEN];
        self.key.open(self.nonce(iv), associated_data(header, high, &mut storage), text)
    }
}

/// The header itself, or with the high half between SPI and low half (RFC 4106 §5).
fn associated_data<'a>(
    header: &'a [u8],
    high: Option<SeqHigh>,
    storage: &'a mut [u8; EXTENDED_HEADER_LEN],
) -> &'a [u8] {
    let Some(high) = high else { return header };
    assert_eq!(header.len(), ESP_HEADER_LEN, "only ESP has extended sequence numbers");
    let (spi, low) = header.split_at(ESP_HEADER_LEN - SeqHigh::LEN);
    for (place, part) in [spi, &high.octets(), low].into_iter().enumerate() {
        storage[place * SeqHigh::LEN..][..SeqHigh::LEN].copy_from_slice(part);
    }
    storage
}

/// AES-GCM with 128 or 256 bits, or ChaCha20-Poly1305.
#[derive(Debug)]
pub(super) struct RingKey(LessSafeKey);

impl RingKey {
    pub(super) fn new(algorithm: &'static Algorithm, key: &[u8]) -> Self {
        let key = UnboundKey::new(algorithm, key).expect("the caller has checked the key's length");
        Self(LessSafeKey::new(key))
    }
}

impl AeadKey for RingKey {
    fn seal(&self, nonce: [u8; NONCE_LEN], header: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), text)
            .expect("a packet is shorter than any AEAD's limit");
        tag.as_ref().try_into().expect("all tags have 16 octets")
    }

    fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        header: &[u8],
        text: &'a mut [u8],
    ) -> Result<&'a mut [u8], OpenError> {
        self.0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header), text)
            .map_err(|_| OpenError::Integrity)
    }
}

/// AES-GCM with 192 bits, which ring does not have.
pub(super) struct AesGcm192(AesGcm<Aes192, U12>);

impl AesGcm192 {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(AesGcm::new_from_slice(key).expect("the caller has checked the key's length"))
    }
}

impl fmt::Debug for AesGcm192 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AesGcm192").finish_non_exhaustive()
    }
}

impl AeadKey for AesGcm192 {
    fn seal(&self, nonce: [u8; NONCE_LEN], header: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        self.0
            .encrypt_inout_detached(&nonce.into(), header, text.into())
            .expect("a packet is shorter than any AEAD's limit")
            .into()
    }

    fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        header: &[u8],
        text: &'a mut [u8],
    ) -> Result<&'a mut [u8], OpenError> {
        let (text, tag) = text.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError::Integrity)?;
        self.0
            .decrypt_inout_detached(&nonce.into(), header, (&mut *text).into(), &(*tag).into())
            .map_err(|_| OpenError::Integrity)?;
        Ok(text)
    }
}
