//! The protected channel of an IKE SA: keys, ciphers and IVs (RFC 7296 §3.14, RFC 5282).

use ipseclab_crypto::{Crypto, PacketCipher, Purpose, RandomSource};

use crate::proposal::ChosenIke;
use crate::v2::Role;
use crate::v2::keys::IkeKeys;
use crate::wire::protect::{self, ProtectError};
use crate::wire::{Message, MessageHeader, Payload};

/// What both sides share once `IKE_SA_INIT` is done.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) chosen: ChosenIke,
    pub(crate) keys: IkeKeys,
    outbound: PacketCipher,
    inbound: PacketCipher,
    /// AEAD IVs are this salt xor the count of sealed messages: unique under the key, and not a bare counter.
    iv_salt: u64,
    sealed: u64,
}

impl Channel {
    pub(crate) fn new(
        crypto: &Crypto,
        random: &mut dyn RandomSource,
        role: Role,
        chosen: ChosenIke,
        keys: IkeKeys,
    ) -> Self {
        let mut salt = [0; 8];
        random.fill(Purpose::Iv, &mut salt);
        Self {
            outbound: keys.cipher(crypto, chosen, role),
            inbound: keys.cipher(crypto, chosen, role.other()),
            chosen,
            keys,
            iv_salt: u64::from_be_bytes(salt),
            sealed: 0,
        }
    }

    /// Encrypts `payloads` into the SK payload of a message.
    pub(crate) fn seal(
        &mut self,
        crypto: &mut Crypto,
        random: &mut dyn RandomSource,
        header: &MessageHeader,
        payloads: &[Payload],
    ) -> Vec<u8> {
        let mut iv = vec![0; self.outbound.iv_len()];
        if self.outbound.needs_random_iv() {
            random.fill(Purpose::Iv, &mut iv);
        } else if iv.len() == size_of::<u64>() {
            iv.copy_from_slice(&(self.iv_salt ^ self.sealed).to_be_bytes());
        }
        self.sealed += 1;
        let mut padding = vec![0; protect::pad_len(&self.outbound, protect::inner_len(payloads))];
        random.fill(Purpose::Padding, &mut padding);
        protect::seal(header, payloads, &self.outbound, crypto, &iv, &padding)
    }

    /// Checks and decrypts a message of the peer.
    pub(crate) fn open(&self, crypto: &mut Crypto, bytes: &[u8]) -> Result<Message, ProtectError> {
        protect::open(bytes, &self.inbound, crypto)
    }
}
