//! Encryption of messages with the chained IVs of IKEv1 (RFC 2409 §5, appendix B).
//!
//! Everything behind the header is CBC without an ICV; the Hash payload inside authenticates. No IV is on the wire: the
//! first of phase 1 is a hash of both public values, each exchange of phase 2 begins with a hash of the last block of
//! phase 1 and its message ID, and every message goes on from the last block of the one before, whoever sent it. So
//! a message that is not genuine must not move the IV: [`MessageCipher::open`] gives the next IV back, and the caller
//! keeps it when the hash is right.
//!
//! Messages are padded with zeros to whole blocks, and by a whole block where they are whole already, as strongSwan and
//! Cisco have it (appendix B asks for whole blocks alone). On receipt padding may have any length and any value: the
//! chain of payloads says where it begins, and the hash does not cover it.

use ipseclab_crypto::{Crypto, Hash, PacketCipher, Secret};

use crate::event::DropReason;
use crate::v1::keys::{IsakmpKeys, PublicValues};
use crate::wire::isakmp::{
    Flags, HEADER_LEN, Message, MessageHeader, MessageId, Payload, PayloadType, decode_chain, encode_chain,
    first_type, payload_octets, read_header,
};
use crate::wire::{DecodeError, Fault, Part, Reader, Writer, set_length};

/// An initialization vector: one block of the cipher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Iv(Box<[u8]>);

#[cfg(test)]
impl Iv {
    /// The block, for comparison with what others have logged.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The cipher of an ISAKMP SA, for both directions.
#[derive(Debug)]
pub(crate) struct MessageCipher {
    cipher: PacketCipher,
    hash: Hash,
}

/// A message that was encrypted, and the IV of the next one.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) next_iv: Iv,
}

/// A message that was decrypted and is not authenticated yet, and the IV of the next one if it is.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) message: Message,
    /// The payloads as they were sent, without padding.
    pub(crate) chain: Vec<u8>,
    pub(crate) next_iv: Iv,
}

/// Why a message does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenFault {
    /// The header is malformed, or does not claim that the rest is encrypted, or the rest is not whole blocks.
    #[error("{0}")]
    Outer(DecodeError),
    /// What came out is no chain of payloads: the keys differ, as a rule.
    #[error("after decryption: {0}")]
    Inner(DecodeError),
}

impl MessageCipher {
    pub(crate) fn new(crypto: &Crypto, keys: &IsakmpKeys) -> Self {
        let cipher = crypto.packet_cipher(keys.suite.encryption, &keys.encryption_key, None);
        Self { cipher, hash: keys.suite.hash }
    }

    /// The first IV of phase 1: `hash(g^xi | g^xr)`, cut to a block.
    pub(crate) fn phase1_iv(&self, crypto: &mut Crypto, exchange: PublicValues<'_>) -> Iv {
        self.hashed_iv(crypto, &[exchange.public_i, exchange.public_r])
    }

    /// The first IV of an exchange after phase 1: `hash(last block of phase 1 | message ID)`, cut to a block.
    pub(crate) fn exchange_iv(&self, crypto: &mut Crypto, last_of_phase1: &Iv, id: MessageId) -> Iv {
        self.hashed_iv(crypto, &[&last_of_phase1.0, &id.octets()])
    }

    fn hashed_iv(&self, crypto: &mut Crypto, parts: &[&[u8]]) -> Iv {
        let mut hash = crypto.hash(self.hash, parts);
        hash.truncate(self.cipher.iv_len());
        Iv(hash.into())
    }

    /// Encrypts `payloads` behind `header`, whose encryption flag is set here.
    ///
    /// # Panics
    /// When a payload cannot be encoded or the message is longer than a datagram.
    pub(crate) fn seal(
        &self,
        crypto: &mut Crypto,
        header: &MessageHeader,
        payloads: &[Payload],
        iv: &Iv,
    ) -> Sealed {
        let mut text = Writer::new();
        text.bytes(&iv.0);
        encode_chain(payloads, &mut text);
        let block_len = self.cipher.block_len();
        let padding = block_len - (text.len() - iv.0.len()) % block_len;
        text.bytes(&vec![0; padding]);
        let mut text = text.into_vec();
        self.cipher.seal(crypto, &mut text, 0);
        let next_iv = Iv(text[text.len() - block_len..].into());
        let mut writer = Writer::with_capacity(HEADER_LEN + text.len());
        let header = MessageHeader { flags: header.flags.with_encryption(), ..*header };
        header.with_payloads(first_type(payloads)).encode(&mut writer);
        writer.bytes(&text[block_len..]);
        set_length(&mut writer, 0);
        Sealed { bytes: writer.into_vec(), next_iv }
    }

    /// Decrypts a message. Nothing shows that it is genuine before its hash has been checked.
    pub(crate) fn open(&self, crypto: &mut Crypto, bytes: &[u8], iv: &Iv) -> Result<Opened, OpenFault> {
        let mut reader = Reader::new(bytes, Part::IsakmpHeader, 0);
        let header = read_header(&mut reader, bytes.len()).map_err(OpenFault::Outer)?;
        let text = self.cipher_text(&mut reader, header.flags).map_err(OpenFault::Outer)?;
        let next_iv = Iv(text[text.len() - iv.0.len()..].into());
        let mut buffer = [&iv.0, text].concat();
        let plain = self.cipher.open(crypto, &mut buffer, 0).expect("the length was checked");
        let mut inner = Reader::new(plain, Part::IsakmpHeader, HEADER_LEN);
        let payloads = decode_chain(header.next_payload, &mut inner).map_err(OpenFault::Inner)?;
        let chain = plain[..inner.position() - HEADER_LEN].to_vec();
        let header = header.message_header().map_err(OpenFault::Outer)?;
        Ok(Opened { message: Message { header, payloads }, chain, next_iv })
    }

    /// What follows the header, if it claims to be encrypted and is at least one whole block.
    fn cipher_text<'a>(&self, reader: &mut Reader<'a>, flags: Flags) -> Result<&'a [u8], DecodeError> {
        let fault = |field, value, allowed| Fault::Value { field, value, allowed };
        if !flags.encryption {
            return Err(reader.fault(fault("encryption flag", 0, "1")));
        }
        let text = reader.rest();
        if text.is_empty() || !text.len().is_multiple_of(self.cipher.block_len()) {
            return Err(reader.fault(fault("encrypted length", text.len(), "whole blocks of the cipher")));
        }
        Ok(text)
    }
}

impl Opened {
    /// The first payload must be the hash that is expected: only the peer can have made it.
    pub(crate) fn check_hash(&self, expected: &Secret) -> Result<(), DropReason> {
        match self.message.payloads.first() {
            Some(Payload::Hash(hash)) if Secret::new(hash.as_bytes()) == *expected => Ok(()),
            _ => Err(DropReason::NotAuthentic),
        }
    }

    /// What HASH(1) and HASH(2) cover: the octets behind the first payload, which is the Hash payload.
    pub(crate) fn behind_first(&self) -> &[u8] {
        let first = payload_octets(PayloadType::Hash, &self.chain).next();
        &self.chain[first.map_or(0, |(_, octets)| octets.len())..]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipseclab_crypto::{AesKey, Encryption, Prf, RealProvider, Secret};

    use super::*;
    use crate::v1::keys::Suite;
    use crate::wire::isakmp::{Cookie, Cookies, ExchangeType, HashPayload, OpaquePayload, Version};

    const ALGORITHMS: [(Encryption, Prf, Hash); 5] = [
        (Encryption::Des, Prf::HmacMd5, Hash::Md5),
        (Encryption::TripleDes, Prf::HmacMd5, Hash::Md5),
        (Encryption::AesCbc(AesKey::Bits128), Prf::HmacSha1, Hash::Sha1),
        (Encryption::AesCbc(AesKey::Bits192), Prf::HmacSha2_256, Hash::Sha2_256),
        (Encryption::AesCbc(AesKey::Bits256), Prf::HmacSha2_512, Hash::Sha2_512),
    ];

    struct Bench {
        crypto: Crypto,
        cipher: MessageCipher,
        first: Iv,
    }

    fn bench((encryption, prf, hash): (Encryption, Prf, Hash)) -> Bench {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let (suite, secret) = (Suite { encryption, prf, hash }, Secret::new([3; 128]));
        let skeyid = Secret::new([4; 20]);
        let keys = IsakmpKeys::derive(&mut crypto, suite, skeyid, &secret, header().cookies);
        let cipher = MessageCipher::new(&crypto, &keys);
        let exchange = PublicValues { public_i: &[1; 128], public_r: &[2; 128] };
        let first = cipher.phase1_iv(&mut crypto, exchange);
        Bench { crypto, cipher, first }
    }

    fn header() -> MessageHeader {
        MessageHeader {
            cookies: Cookies { initiator: Cookie::new(1), responder: Cookie::new(2) },
            exchange: ExchangeType::QuickMode,
            flags: Flags::CLEAR,
            message_id: MessageId::new(7),
            version: Version::V1_0,
        }
    }

    fn payloads(len: usize) -> Vec<Payload> {
        vec![
            Payload::Hash(HashPayload::new([9; 4])),
            Payload::Opaque(OpaquePayload::new(PayloadType::Unknown(200), vec![8; len - 12])),
        ]
    }

    #[test]
    fn what_is_sealed_opens_and_goes_on_from_its_last_block() {
        for algorithms in ALGORITHMS {
            let Bench { mut crypto, cipher, first } = bench(algorithms);
            let sealed = cipher.seal(&mut crypto, &header(), &payloads(20), &first);
            let opened = cipher.open(&mut crypto, &sealed.bytes, &first).unwrap();
            assert_eq!(opened.message.payloads, payloads(20));
            assert_eq!(opened.message.header, MessageHeader { flags: Flags::ENCRYPTED, ..header() });
            assert_eq!((opened.chain.len(), opened.behind_first().len()), (20, 12));
            assert_eq!(opened.next_iv, sealed.next_iv);
            assert_eq!(*sealed.next_iv.0, sealed.bytes[sealed.bytes.len() - first.0.len()..]);
            let next = cipher.seal(&mut crypto, &header(), &payloads(20), &sealed.next_iv);
            assert_ne!(next.bytes, sealed.bytes);
        }
    }

    #[test]
    fn whole_blocks_get_one_more_block_of_padding() {
        let Bench { mut crypto, cipher, first } = bench(ALGORITHMS[2]);
        for (len, expected) in [(31, 32), (32, 48), (33, 48), (47, 48), (48, 64)] {
            let sealed = cipher.seal(&mut crypto, &header(), &payloads(len), &first);
            assert_eq!(sealed.bytes.len(), HEADER_LEN + expected, "{len}");
        }
    }

    #[test]
    fn any_padding_is_taken_as_long_as_the_blocks_are_whole() {
        let Bench { mut crypto, cipher, first } = bench(ALGORITHMS[2]);
        for padding in [vec![], vec![7; 16], (0..64).collect::<Vec<u8>>()] {
            let mut text =
                [&first.0[..], &crate::wire::isakmp::encoded_chain(&payloads(32)), &padding].concat();
            cipher.cipher.seal(&mut crypto, &mut text, 0);
            let mut bytes = cipher.seal(&mut crypto, &header(), &payloads(32), &first).bytes;
            bytes.truncate(HEADER_LEN);
            bytes.extend_from_slice(&text[16..]);
            bytes[27] = u8::try_from(bytes.len()).unwrap();
            let opened = cipher.open(&mut crypto, &bytes, &first).unwrap();
            assert_eq!((opened.message.payloads, opened.chain.len()), (payloads(32), 32));
        }
    }

    #[test]
    fn each_exchange_has_an_iv_of_its_own() {
        for algorithms in ALGORITHMS {
            let Bench { mut crypto, cipher, first } = bench(algorithms);
            let iv = cipher.exchange_iv(&mut crypto, &first, MessageId::new(7));
            let expected = crypto.hash(cipher.hash, &[&first.0, &[0, 0, 0, 7]]);
            assert_eq!(*iv.0, expected[..cipher.cipher.block_len()]);
            assert_ne!(iv, cipher.exchange_iv(&mut crypto, &first, MessageId::new(8)));
        }
    }

    #[test]
    fn a_message_in_the_clear_or_of_broken_blocks_is_malformed_outside() {
        let Bench { mut crypto, cipher, first } = bench(ALGORITHMS[2]);
        let good = cipher.seal(&mut crypto, &header(), &payloads(20), &first).bytes;
        let mut check = |bytes: &[u8], expected: &str| {
            let fault = cipher.open(&mut crypto, bytes, &first).unwrap_err();
            assert!(matches!(fault, OpenFault::Outer(_)));
            assert_eq!(fault.to_string(), format!("ISAKMP header at byte 0: {expected}"));
        };
        let mut clear = good.clone();
        clear[19] = 0;
        check(&clear, "encryption flag is 0, 1 is right");
        let mut short = good[..good.len() - 1].to_vec();
        short[27] -= 1;
        check(&short, "encrypted length is 31, whole blocks of the cipher is right");
        let mut empty = good[..HEADER_LEN].to_vec();
        empty[27] = 28;
        check(&empty, "encrypted length is 0, whole blocks of the cipher is right");
    }

    #[test]
    fn another_key_gives_no_payloads_and_never_a_panic() {
        let Bench { mut crypto, cipher, first } = bench(ALGORITHMS[2]);
        let good = cipher.seal(&mut crypto, &header(), &payloads(40), &first).bytes;
        let other = Iv(vec![0x55; 16].into());
        let fault = cipher.open(&mut crypto, &good, &other).unwrap_err();
        assert!(matches!(fault, OpenFault::Inner(_)), "{fault}");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Bits of the second block change nothing but opaque octets.
            if let Ok(opened) = cipher.open(&mut crypto, &bad, &first) {
                assert!(opened.chain.len() <= good.len() - HEADER_LEN);
            }
        }
    }
}
