//! Combined-mode ciphers: AES-GCM (RFC 4106, RFC 5282), AES-CCM (RFC 4309), AES-GMAC (RFC 4543) and
//! ChaCha20-Poly1305 (RFC 7634).
//!
//! All share the construction: nonce = salt (from the key material) | IV (8 octets, in the packet), associated data =
//! the packet's header, ICV = the tag. GMAC takes the whole packet as associated data and encrypts nothing. With extended
//! sequence numbers the header of ESP has the high half of the number in its middle: put together on the stack, or for
//! GMAC in the packet itself for as long as it takes.

use core::fmt;
use core::marker::PhantomData;

use aes_gcm::aead::array::typenum::Unsigned as _;
use aes_gcm::{AeadInOut, KeyInit};
use ring::aead::{Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::cipher::check_len;
use crate::error::OpenError;
use crate::provider::{RawPacketCipher, SeqHigh};

const IV_LEN: usize = 8;
/// The longest tag; shorter ones are its first octets.
const TAG_LEN_MAX: usize = 16;
/// SPI and low half of the sequence number.
const ESP_HEADER_LEN: usize = 8;
const EXTENDED_HEADER_LEN: usize = ESP_HEADER_LEN + SeqHigh::LEN;
/// Where the high half stands in the header.
const HIGH_START: usize = ESP_HEADER_LEN - SeqHigh::LEN;
const HIGH_END: usize = HIGH_START + SeqHigh::LEN;

/// A keyed AEAD with nonces of a salt and an IV.
pub(super) trait AeadKey: Send + Sync + fmt::Debug {
    /// Octets of the whole nonce, at most [`NONCE_LEN`].
    const NONCE_LEN: usize;
    /// Octets of the tag, at most [`TAG_LEN_MAX`].
    const TAG_LEN: usize;

    /// Encrypts in place and returns the tag in the first octets of the result.
    fn seal(&self, nonce: &[u8], header: &[u8], text: &mut [u8]) -> [u8; TAG_LEN_MAX];

    /// Checks the tag at the end of `text` and decrypts the rest in place.
    fn open<'a>(&self, nonce: &[u8], header: &[u8], text: &'a mut [u8]) -> Result<&'a mut [u8], OpenError>;
}

/// One direction of an SA under an AEAD.
pub(super) struct AeadCipher<K> {
    key: K,
    /// The salt, with zeros where the IV goes.
    nonce: [u8; NONCE_LEN],
}

impl<K: AeadKey> AeadCipher<K> {
    pub(super) fn new(key: K, salt: &[u8]) -> Self {
        assert_eq!(salt.len() + IV_LEN, K::NONCE_LEN, "the key material ends with the salt");
        let mut nonce = [0; NONCE_LEN];
        nonce[..salt.len()].copy_from_slice(salt);
        Self { key, nonce }
    }

    fn nonce(&self, iv: &[u8]) -> [u8; NONCE_LEN] {
        let mut nonce = self.nonce;
        nonce[K::NONCE_LEN - IV_LEN..K::NONCE_LEN].copy_from_slice(iv);
        nonce
    }
}

impl<K: fmt::Debug> fmt::Debug for AeadCipher<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeadCipher").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<K: AeadKey> RawPacketCipher for AeadCipher<K> {
    fn seal(&self, packet: &mut [u8], header_len: usize, high: Option<SeqHigh>) {
        let (packet, icv) = packet.split_at_mut(packet.len() - K::TAG_LEN);
        let (header, rest) = packet.split_at_mut(header_len);
        let (iv, text) = rest.split_at_mut(IV_LEN);
        let mut storage = [0; EXTENDED_HEADER_LEN];
        let associated = associated_data(header, high, &mut storage);
        let tag = self.key.seal(&self.nonce(iv)[..K::NONCE_LEN], associated, text);
        icv.copy_from_slice(&tag[..K::TAG_LEN]);
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        check_len(buffer.len(), [header_len, IV_LEN, K::TAG_LEN])?;
        let (header, rest) = buffer.split_at_mut(header_len);
        let (iv, text) = rest.split_at_mut(IV_LEN);
        let mut storage = [0; EXTENDED_HEADER_LEN];
        self.key.open(&self.nonce(iv)[..K::NONCE_LEN], associated_data(header, high, &mut storage), text)
    }
}

/// One direction of an SA under a GMAC: the packet stays readable, IV and text are authenticated with the header
/// (RFC 4543 §3.3).
pub(super) struct GmacCipher<K>(AeadCipher<K>);

impl<K: AeadKey> GmacCipher<K> {
    pub(super) fn new(key: K, salt: &[u8]) -> Self {
        Self(AeadCipher::new(key, salt))
    }

    /// Whether the tag behind `covered_len` octets is theirs; the buffer is afterwards as it was.
    fn verify(&self, nonce: &[u8], buffer: &mut [u8], covered_len: usize, high: Option<SeqHigh>) -> bool {
        let (packet, tag) = buffer.split_at_mut(covered_len);
        let Some(high) = high else { return self.0.key.open(nonce, packet, tag).is_ok() };
        let mut received = [0; TAG_LEN_MAX];
        let received = &mut received[..K::TAG_LEN];
        received.copy_from_slice(tag);
        let extended_len = extend(buffer, ESP_HEADER_LEN, covered_len, high);
        let mut checked = [0; TAG_LEN_MAX];
        let checked = &mut checked[..K::TAG_LEN];
        checked.copy_from_slice(received);
        let genuine = self.0.key.open(nonce, &buffer[..extended_len], checked).is_ok();
        buffer.copy_within(HIGH_END..extended_len, HIGH_START);
        buffer[covered_len..].copy_from_slice(received);
        genuine
    }
}

impl<K: fmt::Debug> fmt::Debug for GmacCipher<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GmacCipher").field(&self.0).finish()
    }
}

impl<K: AeadKey> RawPacketCipher for GmacCipher<K> {
    fn seal(&self, packet: &mut [u8], header_len: usize, high: Option<SeqHigh>) {
        let nonce = self.0.nonce(&packet[header_len..header_len + IV_LEN]);
        let end = packet.len() - K::TAG_LEN;
        let covered = match high {
            Some(high) => extend(packet, header_len, end, high),
            None => end,
        };
        let tag = self.0.key.seal(&nonce[..K::NONCE_LEN], &packet[..covered], &mut []);
        if high.is_some() {
            packet.copy_within(HIGH_END..covered, HIGH_START);
        }
        packet[end..].copy_from_slice(&tag[..K::TAG_LEN]);
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        check_len(buffer.len(), [header_len, IV_LEN, K::TAG_LEN])?;
        assert!(high.is_none() || header_len == ESP_HEADER_LEN, "only ESP has extended sequence numbers");
        let (front, end) = (header_len + IV_LEN, buffer.len() - K::TAG_LEN);
        let nonce = self.0.nonce(&buffer[header_len..front]);
        if !self.verify(&nonce[..K::NONCE_LEN], buffer, end, high) {
            return Err(OpenError::Integrity);
        }
        Ok(&mut buffer[front..end])
    }
}

/// Puts the high half into the first `end` octets of a packet, over the first octets of its tag; gives the new end.
fn extend(packet: &mut [u8], header_len: usize, end: usize, high: SeqHigh) -> usize {
    assert_eq!(header_len, ESP_HEADER_LEN, "only ESP has extended sequence numbers");
    packet.copy_within(HIGH_START..end, HIGH_END);
    packet[HIGH_START..HIGH_END].copy_from_slice(&high.octets());
    end + SeqHigh::LEN
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
    const NONCE_LEN: usize = NONCE_LEN;
    const TAG_LEN: usize = TAG_LEN_MAX;

    fn seal(&self, nonce: &[u8], header: &[u8], text: &mut [u8]) -> [u8; TAG_LEN_MAX] {
        let tag = self
            .0
            .seal_in_place_separate_tag(unique(nonce), Aad::from(header), text)
            .expect("a packet is shorter than any AEAD's limit");
        tag.as_ref().try_into().expect("all tags have 16 octets")
    }

    fn open<'a>(&self, nonce: &[u8], header: &[u8], text: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        self.0.open_in_place(unique(nonce), Aad::from(header), text).map_err(|_| OpenError::Integrity)
    }
}

fn unique(nonce: &[u8]) -> Nonce {
    Nonce::try_assume_unique_for_key(nonce).expect("the nonce has the length that the key asks for")
}

/// An AEAD of `RustCrypto`: AES-GCM with 192 bits or a short tag, and AES-CCM, none of which ring has.
pub(super) struct PortableKey<A>(A);

impl<A: KeyInit> PortableKey<A> {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(A::new_from_slice(key).expect("the caller has checked the key's length"))
    }
}

impl<A> fmt::Debug for PortableKey<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PortableKey").field(&PhantomData::<A>).finish()
    }
}

impl<A: AeadInOut + Send + Sync> AeadKey for PortableKey<A> {
    const NONCE_LEN: usize = A::NonceSize::USIZE;
    const TAG_LEN: usize = A::TagSize::USIZE;

    fn seal(&self, nonce: &[u8], header: &[u8], text: &mut [u8]) -> [u8; TAG_LEN_MAX] {
        let nonce = nonce.try_into().expect("the nonce has the length that the key asks for");
        let tag = self
            .0
            .encrypt_inout_detached(nonce, header, text.into())
            .expect("a packet is shorter than any AEAD's limit");
        let mut octets = [0; TAG_LEN_MAX];
        octets[..Self::TAG_LEN].copy_from_slice(&tag);
        octets
    }

    fn open<'a>(&self, nonce: &[u8], header: &[u8], text: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        let nonce = nonce.try_into().expect("the nonce has the length that the key asks for");
        let text_len = text.len().checked_sub(Self::TAG_LEN).ok_or(OpenError::Integrity)?;
        let (text, tag) = text.split_at_mut(text_len);
        let tag = (&*tag).try_into().expect("the tag was split off by its length");
        self.0
            .decrypt_inout_detached(nonce, header, (&mut *text).into(), tag)
            .map_err(|_| OpenError::Integrity)?;
        Ok(text)
    }
}
