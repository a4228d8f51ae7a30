//! Encryption alone: CBC where something else authenticates. IKEv1 messages carry a hash inside (RFC 2409 §5), and ESP
//! within AH may leave integrity to that (RFC 4303 §2, RFC 8221 §4 advises against it).

use core::fmt;

use super::cipher::check_len;
use super::encrypt_then_mac::Text;
use crate::error::OpenError;
use crate::provider::{RawPacketCipher, SeqHigh};

/// One direction of an SA under a cipher that nothing here authenticates.
pub(super) struct TextOnly<T>(pub(super) T);

impl<T> fmt::Debug for TextOnly<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(core::any::type_name::<Self>()).finish_non_exhaustive()
    }
}

impl<T: Text> RawPacketCipher for TextOnly<T> {
    /// The high half of a sequence number is authenticated and never encrypted, so it does not matter here.
    fn seal(&self, buffer: &mut Vec<u8>, header_len: usize, _high: Option<SeqHigh>) {
        let (iv, text) = buffer[header_len..].split_at_mut(T::IV_LEN);
        assert_eq!(text.len() % T::BLOCK_LEN, 0, "the caller pads to whole blocks");
        self.0.encrypt(iv, text);
    }

    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        _high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        check_len(buffer.len(), [header_len, T::IV_LEN, 0])?;
        let (iv, text) = buffer[header_len..].split_at_mut(T::IV_LEN);
        let len = text.len();
        if !len.is_multiple_of(T::BLOCK_LEN) {
            return Err(OpenError::NotWholeBlocks { len });
        }
        self.0.decrypt(iv, text);
        Ok(text)
    }
}
