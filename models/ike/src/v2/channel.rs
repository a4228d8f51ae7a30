//! The protected channel of an IKE SA: keys, ciphers and IVs (RFC 7296 §3.14, RFC 5282).

use ipseclab_crypto::{Crypto, PacketCipher, Purpose, RandomSource};

use crate::proposal::ChosenIke;
use crate::v2::Role;
use crate::v2::fragment::{self, Accepted, Draw, FragmentError, MessageLimit, Reassembler};
use crate::v2::keys::IkeKeys;
use crate::wire::protect::{self, ProtectError};
use crate::wire::{MAX_MESSAGE_LEN, Message, MessageHeader, Payload};

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

    /// Encrypts `payloads` into the SK payload of a message, or into SKF payloads of several where it would be longer
    /// than `limit`.
    pub(crate) fn seal(
        &mut self,
        crypto: &mut Crypto,
        random: &mut dyn RandomSource,
        header: &MessageHeader,
        payloads: &[Payload],
        limit: Option<MessageLimit>,
    ) -> Vec<Vec<u8>> {
        let (outbound, salt, sealed) = (&self.outbound, self.iv_salt, &mut self.sealed);
        let needs_random_iv = outbound.needs_random_iv();
        let mut draw = |what: Draw, octets: &mut [u8]| match what {
            Draw::Padding => random.fill(Purpose::Padding, octets),
            Draw::Iv { .. } => {
                if needs_random_iv {
                    random.fill(Purpose::Iv, octets);
                } else if octets.len() == size_of::<u64>() {
                    octets.copy_from_slice(&(salt ^ *sealed).to_be_bytes());
                }
                *sealed += 1;
            }
        };
        let limit = limit.unwrap_or(MessageLimit::new(MAX_MESSAGE_LEN));
        fragment::seal(header, payloads, outbound, crypto, limit, &mut draw)
    }

    /// Checks and decrypts a message of the peer.
    pub(crate) fn open(&self, crypto: &mut Crypto, bytes: &[u8]) -> Result<Message, ProtectError> {
        protect::open(bytes, &self.inbound, crypto)
    }

    /// Hands a fragment of the peer to `reassembler`.
    pub(crate) fn accept_fragment(
        &self,
        reassembler: &mut Reassembler,
        crypto: &mut Crypto,
        bytes: &[u8],
    ) -> Result<Accepted, FragmentError> {
        reassembler.accept(bytes, &self.inbound, crypto)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use ipseclab_crypto::{RealProvider, Secret};

    use super::*;
    use crate::proposal::{IkeProposal, parse_ike_proposal, select_ike};
    use crate::v2::keys::SaInitValues;
    use crate::wire::{ExchangeType, Flags, HEADER_LEN, IkeSpi, MessageId, Version};

    /// Octets that never change: what is unique must be so without their help.
    struct Stuck;

    impl RandomSource for Stuck {
        fn fill(&mut self, _: Purpose, out: &mut [u8]) {
            out.fill(0x5a);
        }
    }

    fn header() -> MessageHeader {
        MessageHeader {
            spi_i: IkeSpi::new(1),
            spi_r: IkeSpi::new(2),
            exchange: ExchangeType::Informational,
            flags: Flags::request(true),
            message_id: MessageId::new(2),
            version: Version::V2_0,
        }
    }

    fn channels(proposal: &str) -> (Crypto, Channel, Channel) {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let own = [parse_ike_proposal(proposal).unwrap()];
        let chosen = select_ike(&own, &IkeProposal::offer(&own, &[])).unwrap();
        let (spi_i, spi_r) = (IkeSpi::new(1), IkeSpi::new(2));
        let values = SaInitValues { nonce_i: &[1; 32], nonce_r: &[2; 32], spi_i, spi_r };
        let keys = IkeKeys::derive(&mut crypto, chosen, &Secret::new([3; 32]), values);
        let initiator = Channel::new(&crypto, &mut Stuck, Role::Initiator, chosen, keys.clone());
        let responder = Channel::new(&crypto, &mut Stuck, Role::Responder, chosen, keys);
        (crypto, initiator, responder)
    }

    #[test]
    fn each_side_opens_what_the_other_sealed_and_not_what_it_sealed_itself() {
        for proposal in ["aes256gcm16-prfsha256-x25519", "aes128-sha256-x25519"] {
            let (mut crypto, mut initiator, responder) = channels(proposal);
            let bytes = initiator.seal(&mut crypto, &mut Stuck, &header(), &[], None).concat();
            assert!(responder.open(&mut crypto, &bytes).is_ok());
            assert!(initiator.open(&mut crypto, &bytes).is_err());
        }
    }

    #[test]
    fn an_aead_never_sees_an_iv_twice() {
        // RFC 5282 §3.1 and §4: a repeated IV under one key would give the key stream away.
        let (mut crypto, mut initiator, _) = channels("aes256gcm16-prfsha256-x25519");
        let ivs: BTreeSet<_> = (0..1000)
            .map(|_| {
                let bytes = initiator.seal(&mut crypto, &mut Stuck, &header(), &[], None).concat();
                bytes[HEADER_LEN + 4..HEADER_LEN + 12].to_vec()
            })
            .collect();
        assert_eq!(ivs.len(), 1000);
    }
}
