//! Encryption and a separate ICV: CBC (RFC 2405, RFC 2451, RFC 3602), AES-CTR (RFC 3686, RFC 5930) or NULL (RFC 2410)
//! with a MAC over everything before the ICV and the high half of an extended sequence number.
//!
//! The ICV is checked before anything is decrypted (RFC 4303 §3.4.4.1, RFC 7296 §3.14). Without a MAC there is nothing
//! to check: ESP inside AH, where AH protects both.

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

impl<T> fmt::Debug for EncryptThenMac<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(core::any::type_name::<Self>()).finish_non_exhaustive()
    }
}

impl<T: Text> RawPacketCipher for EncryptThenMac<T> {
    fn seal(&self, packet: &mut [u8], header_len: usize, high: Option<SeqHigh>) {
        let (covered, icv) = packet.split_at_mut(packet.len() - self.integrity.icv_len());
        encrypt(&self.text, &mut covered[header_len..]);
        match high {
            Some(high) => self.integrity.write_icv(&[covered, &high.octets()], icv),
            None => self.integrity.write_icv(&[covered], icv),
        }
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        let icv_len = self.integrity.icv_len();
        check_len(buffer.len(), [header_len, T::IV_LEN, icv_len])?;
        let (covered, icv) = buffer.split_at_mut(buffer.len() - icv_len);
        check_blocks::<T>(covered.len() - header_len - T::IV_LEN)?;
        let genuine = match high {
            Some(high) => self.integrity.verify(&[covered, &high.octets()], icv),
            None => self.integrity.verify(&[covered], icv),
        };
        if genuine { Ok(decrypt(&self.text, &mut covered[header_len..])) } else { Err(OpenError::Integrity) }
    }
}

/// One direction of an SA under a cipher alone.
pub(super) struct EncryptOnly<T>(pub(super) T);

impl<T> fmt::Debug for EncryptOnly<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(core::any::type_name::<Self>()).finish_non_exhaustive()
    }
}

impl<T: Text> RawPacketCipher for EncryptOnly<T> {
    fn seal(&self, packet: &mut [u8], header_len: usize, _high: Option<SeqHigh>) {
        encrypt(&self.0, &mut packet[header_len..]);
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        _high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        check_len(buffer.len(), [header_len, T::IV_LEN, 0])?;
        check_blocks::<T>(buffer.len() - header_len - T::IV_LEN)?;
        Ok(decrypt(&self.0, &mut buffer[header_len..]))
    }
}

const fn check_blocks<T: Text>(len: usize) -> Result<(), OpenError> {
    if len.is_multiple_of(T::BLOCK_LEN) { Ok(()) } else { Err(OpenError::NotWholeBlocks { len }) }
}

/// Encrypts what follows the IV.
fn encrypt<T: Text>(cipher: &T, packet: &mut [u8]) {
    let (iv, text) = packet.split_at_mut(T::IV_LEN);
    assert_eq!(text.len() % T::BLOCK_LEN, 0, "the caller pads to whole blocks");
    cipher.encrypt(iv, text);
}

/// Decrypts what follows the IV, and gives it back.
fn decrypt<'a, T: Text>(cipher: &T, packet: &'a mut [u8]) -> &'a mut [u8] {
    let (iv, text) = packet.split_at_mut(T::IV_LEN);
    cipher.decrypt(iv, text);
    text
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
