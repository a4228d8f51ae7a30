//! AES-XCBC-MAC (RFC 3566): a CBC-MAC whose last block is mixed with one of two further keys.
//!
//! No kept crate has it. Parts are taken as they come, so that callers need not join them.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

const BLOCK_LEN: usize = 16;

type Block = [u8; BLOCK_LEN];

/// The three keys of RFC 3566 §4.
#[derive(Clone)]
pub(super) struct Xcbc {
    cipher: Aes128,
    /// For a last block that is whole.
    whole: Block,
    /// For a last block that was padded.
    padded: Block,
}

impl Xcbc {
    pub(super) fn new(key: &Block) -> Self {
        let master = Aes128::new(key.into());
        let derived = |octet| encrypted(&master, [octet; BLOCK_LEN]);
        Self { cipher: Aes128::new(&derived(1).into()), whole: derived(2), padded: derived(3) }
    }

    /// The whole MAC of the concatenated parts.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Block {
        // The last block waits until it is known to be the last; its octets are mixed in as they come.
        let (mut state, mut filled) = ([0; BLOCK_LEN], 0);
        for octet in parts.iter().copied().flatten() {
            if filled == BLOCK_LEN {
                state = encrypted(&self.cipher, state);
                filled = 0;
            }
            state[filled] ^= octet;
            filled += 1;
        }
        let key = if filled == BLOCK_LEN {
            &self.whole
        } else {
            state[filled] ^= 0x80;
            &self.padded
        };
        encrypted(&self.cipher, core::array::from_fn(|place| state[place] ^ key[place]))
    }
}

fn encrypted(cipher: &Aes128, block: Block) -> Block {
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.into()
}
