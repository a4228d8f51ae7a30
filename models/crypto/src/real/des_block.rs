//! One block of DES (FIPS 46-3), as MS-CHAPv2 answers challenges with it (RFC 2759 §8.6); no mode, no padding.

use des::Des;
use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};

/// The ciphertext of `block`; the parity bits of `key` do not matter.
pub(super) fn encrypt(key: [u8; 8], block: [u8; 8]) -> [u8; 8] {
    let mut block = block.into();
    Des::new(&key.into()).encrypt_block(&mut block);
    block.into()
}
