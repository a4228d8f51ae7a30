//! Encryption and a separate ICV: CBC (RFC 2405, RFC 2451, RFC 3602), AES-CTR (RFC 3686, RFC 5930) or NULL (RFC 2410)
//! with a MAC over everything before the ICV.
//!
//! The high half of an extended sequence number stands for a moment where the ICV is or will be, so that what the ICV
//! covers is one piece and nothing is allocated. The ICV is checked before anything is decrypted (RFC 4303 §3.4.4.1, RFC 7296 §3.14).

use core::fmt;

use cbc::cipher::array::Array;
use cbc::cipher::consts::U16;
use cbc::cipher::typenum::Unsigned as _;
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt as _, BlockModeEncrypt as _, BlockSizeUser,
    InnerIvInit as _, KeyInit, StreamCipher as _,
};
use ctr::{Ctr32BE, CtrCore};

use super::cipher::check_len;
use super::digest::IntegrityKey;
use crate::error::OpenError;
use crate::provider::{RawPacketCipher, SeqHigh};

/// Octets of the longest ICV, that of HMAC-SHA2-512-256; the shortest is longer than [`SeqHigh`].
const ICV_MAX: usize = 32;

/// A keyed cipher without integrity.
pub(super) trait Text: Send + Sync {
    const IV_LEN: usize;
    const BLOCK_LEN: usize;

    /// Encrypts whole blocks in place.
    fn encrypt(&self, iv: &[u8], text: &mut [u8]);

    /// Decrypts whole blocks in place.
    fn decrypt(&self, iv: &[u8], text: &mut [u8]);
}

/// One direction of an SA under a cipher and a MAC.
pub(super) struct EncryptThenMac<T> {
    text: T,
    integrity: IntegrityKey,
}

impl<T> EncryptThenMac<T> {
    pub(super) const fn new(text: T, integrity: IntegrityKey) -> Self {
        Self { text, integrity }
    }
}

impl<T> EncryptThenMac<T> {
    /// Whether the ICV behind `covered_len` octets is theirs; the buffer is afterwards as it was.
    fn verify(&self, buffer: &mut [u8], covered_len: usize, high: Option<SeqHigh>) -> bool {
        let (covered, icv) = buffer.split_at(covered_len);
        let Some(high) = high else { return self.integrity.verify(covered, icv) };
        let mut received = [0; ICV_MAX];
        let received = &mut received[..icv.len()];
        received.copy_from_slice(icv);
        let end = covered_len + SeqHigh::LEN;
        buffer[covered_len..end].copy_from_slice(&high.octets());
        let genuine = self.integrity.verify(&buffer[..end], received);
        buffer[covered_len..].copy_from_slice(received);
        genuine
    }
}

impl<T> fmt::Debug for EncryptThenMac<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(core::any::type_name::<Self>()).finish_non_exhaustive()
    }
}

impl<T: Text> RawPacketCipher for EncryptThenMac<T> {
    fn seal(&self, buffer: &mut Vec<u8>, header_len: usize, high: Option<SeqHigh>) {
        let (iv, text) = buffer[header_len..].split_at_mut(T::IV_LEN);
        assert_eq!(text.len() % T::BLOCK_LEN, 0, "the caller pads to whole blocks");
        self.text.encrypt(iv, text);
        let end = buffer.len();
        if let Some(high) = high {
            buffer.extend_from_slice(&high.octets());
        }
        let implicit = end..buffer.len();
        self.integrity.append_icv(buffer);
        buffer.drain(implicit);
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        let icv_len = self.integrity.icv_len();
        check_len(buffer.len(), [header_len, T::IV_LEN, icv_len])?;
        let covered_len = buffer.len() - icv_len;
        let len = covered_len - header_len - T::IV_LEN;
        if !len.is_multiple_of(T::BLOCK_LEN) {
            return Err(OpenError::NotWholeBlocks { len });
        }
        if !self.verify(buffer, covered_len, high) {
            return Err(OpenError::Integrity);
        }
        let (iv, text) = buffer[header_len..covered_len].split_at_mut(T::IV_LEN);
        self.text.decrypt(iv, text);
        Ok(text)
    }
}

/// No encryption.
pub(super) struct NullText;

impl Text for NullText {
    const IV_LEN: usize = 0;
    const BLOCK_LEN: usize = 1;

    fn encrypt(&self, _iv: &[u8], _text: &mut [u8]) {}

    fn decrypt(&self, _iv: &[u8], _text: &mut [u8]) {}
}

/// CBC over a block cipher; the key schedule is kept.
pub(super) struct Cbc<C>(C);

impl<C: KeyInit> Cbc<C> {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(C::new_from_slice(key).expect("the caller has checked the key's length"))
    }
}

impl<C> Text for Cbc<C>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync,
{
    const IV_LEN: usize = C::BlockSize::USIZE;
    const BLOCK_LEN: usize = C::BlockSize::USIZE;

    fn encrypt(&self, iv: &[u8], text: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        let mode = cbc::Encryptor::inner_iv_slice_init(&self.0, iv);
        mode.expect("the IV is one block").encrypt_blocks(blocks);
    }

    fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        let mode = cbc::Decryptor::inner_iv_slice_init(&self.0, iv);
        mode.expect("the IV is one block").decrypt_blocks(blocks);
    }
}

/// Octets of the nonce that the key material ends with (RFC 3686 §5.1).
const CTR_NONCE_LEN: usize = 4;
const CTR_IV_LEN: usize = 8;

/// CTR over a cipher with blocks of 16 octets: nonce | IV | counter from 1 (RFC 3686 §4).
pub(super) struct Ctr<C> {
    cipher: C,
    nonce: [u8; CTR_NONCE_LEN],
}

impl<C: KeyInit> Ctr<C> {
    pub(super) fn new(key: &[u8], nonce: &[u8]) -> Self {
        let cipher = C::new_from_slice(key).expect("the caller has checked the key's length");
        Self { cipher, nonce: nonce.try_into().expect("the key material ends with the nonce") }
    }
}

impl<C> Text for Ctr<C>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    const IV_LEN: usize = CTR_IV_LEN;
    const BLOCK_LEN: usize = 1;

    fn encrypt(&self, iv: &[u8], text: &mut [u8]) {
        let mut block = [0; 16];
        block[..CTR_NONCE_LEN].copy_from_slice(&self.nonce);
        block[CTR_NONCE_LEN..CTR_NONCE_LEN + CTR_IV_LEN].copy_from_slice(iv);
        block[15] = 1;
        let core = CtrCore::inner_iv_init(&self.cipher, &block.into());
        Ctr32BE::from_core(core).apply_keystream(text);
    }

    fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        self.encrypt(iv, text);
    }
}
