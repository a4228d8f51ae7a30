//! Going through the SK payload with keys (RFC 7296 §3.14, RFC 5282 §3 and §5.1), and one SKF payload (RFC 7383 §2.5).
//!
//! IV and padding come in as octets from the caller's streams; this file draws nothing. Padding is the least that the
//! block length asks for, so AEADs have none (RFC 5282 §3 allows it, and strongSwan sends it so). Payloads in front of
//! SK are covered by the ICV as well and are kept; none is defined to stand there. Cutting messages into fragments and
//! putting them together again is [`fragment`](crate::fragment)'s affair.

use ipseclab_crypto::{Crypto, OpenError, PacketCipher};

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Part};
use super::header::{HEADER_LEN, MessageHeader};
use super::message::{Message, USUAL_LEN, set_length};
use super::payload::{
    Level, PAYLOAD_HEADER_LEN, Payload, PayloadType, decode_chain, encode_chain, first_type,
};
use super::skf::{FRAGMENT_HEADER_LEN, FragmentNumber};

/// Why a protected message does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// The message is malformed outside of SK; nobody vouches for it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What was inside SK is malformed, but authentic: the answer is protected (RFC 7296 §2.21.2).
    #[error("within SK: {0}")]
    Inner(DecodeError),
    /// The SK payload is too short, or its ICV is wrong.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The pad length octet claims more octets than there are; authentic as well.
    #[error("pad length is {pad_len}, {available} octets are there")]
    Padding {
        /// What the pad length octet says.
        pad_len: usize,
        /// Octets in front of it.
        available: usize,
    },
    /// There is no SK payload.
    #[error("message has no SK payload")]
    NoSk,
}

/// Octets of padding that `inner_len` octets of payloads need under `cipher`; the pad length octet is not counted.
pub fn pad_len(cipher: &PacketCipher, inner_len: usize) -> usize {
    let block = cipher.block_len();
    (block - (inner_len + 1) % block) % block
}

/// Octets of a chain of payloads on the wire, as [`pad_len`] wants it.
///
/// # Panics
/// When the payloads cannot be encoded, as [`Message::encode`].
pub fn inner_len(payloads: &[Payload]) -> usize {
    payloads.iter().map(Payload::encoded_len).sum()
}

/// Encodes a message whose payloads are all inside one SK payload.
///
/// `iv` has [`PacketCipher::iv_len`] octets and `padding` [`pad_len`] octets, random with CBC.
///
/// # Panics
/// When `iv` or `padding` has another length, or the payloads cannot be encoded (see [`Message::encode`]).
pub fn seal(
    header: &MessageHeader,
    payloads: &[Payload],
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    iv: &[u8],
    padding: &[u8],
) -> Vec<u8> {
    let envelope = Envelope { first_inner: first_type(payloads), fragment: None };
    let plaintext = padded(&encode_inner(payloads), cipher, padding);
    seal_in(header, envelope, &plaintext, cipher, crypto, iv)
}

/// What stands on an SK payload, or on an SKF payload, in the clear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    /// The payload type that the generic header names.
    pub(crate) first_inner: PayloadType,
    /// Which fragment it is; none makes it SK.
    pub(crate) fragment: Option<FragmentNumber>,
}

impl Envelope {
    fn payload_type(self) -> PayloadType {
        self.fragment.map_or(PayloadType::Encrypted, |_| PayloadType::EncryptedFragment)
    }

    /// Octets from the message's start to the IV.
    pub(crate) fn covered_len(self) -> usize {
        HEADER_LEN + PAYLOAD_HEADER_LEN + self.fragment.map_or(0, |_| FRAGMENT_HEADER_LEN)
    }

    /// Octets of the whole message around `inner_len` octets of payloads.
    pub(crate) fn message_len(self, cipher: &PacketCipher, inner_len: usize) -> usize {
        let plaintext = inner_len + pad_len(cipher, inner_len) + 1;
        self.covered_len() + cipher.iv_len() + plaintext + cipher.icv_len()
    }
}

/// Encodes a message whose only payload is an SK or SKF payload around a padded plaintext.
///
/// # Panics
/// When `iv` has another length than the cipher's, or the message is too long.
pub(crate) fn seal_in(
    header: &MessageHeader,
    envelope: Envelope,
    plaintext: &[u8],
    cipher: &PacketCipher,
    crypto: &mut Crypto,
    iv: &[u8],
) -> Vec<u8> {
    assert_eq!(iv.len(), cipher.iv_len(), "the IV has the cipher's length");
    let len = envelope.covered_len() + iv.len() + plaintext.len() + cipher.icv_len();
    let mut writer = Writer::with_capacity(len);
    header.with_payloads(envelope.payload_type()).encode(&mut writer);
    set_length(&mut writer, len - HEADER_LEN);
    writer.u8(envelope.first_inner.code());
    writer.u8(0);
    writer.count_u16(len - HEADER_LEN);
    if let Some(fragment) = envelope.fragment {
        writer.u16(fragment.number());
        writer.u16(fragment.total());
    }
    let covered = writer.len();
    writer.bytes(iv);
    writer.bytes(plaintext);
    let mut buffer = writer.into_vec();
    cipher.seal(crypto, &mut buffer, covered);
    buffer
}

/// A chain of payloads as it stands inside SK.
pub(crate) fn encode_inner(payloads: &[Payload]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(USUAL_LEN);
    encode_chain(payloads, &mut writer);
    writer.into_vec()
}

/// A plaintext with its padding and pad length.
pub(crate) fn padded(plaintext: &[u8], cipher: &PacketCipher, padding: &[u8]) -> Vec<u8> {
    assert_eq!(padding.len(), pad_len(cipher, plaintext.len()), "padding fills the last block");
    let mut writer = Writer::with_capacity(plaintext.len() + padding.len() + 1);
    writer.bytes(plaintext);
    writer.bytes(padding);
    writer.count_u8(padding.len());
    writer.into_vec()
}

/// Decodes a protected message and puts the payloads inside SK in its place.
///
/// # Errors
/// See [`ProtectError`].
pub fn open(bytes: &[u8], cipher: &PacketCipher, crypto: &mut Crypto) -> Result<Message, ProtectError> {
    let mut message = Message::decode(bytes)?;
    let Some(Payload::Sk(sk)) = message.payloads.pop_if(|payload| matches!(payload, Payload::Sk(_))) else {
        return Err(ProtectError::NoSk);
    };
    let inner = open_body(bytes, sk.body.len(), cipher, crypto)?;
    let offset = bytes.len() - sk.body.len() + cipher.iv_len();
    message.payloads.extend(decode_inner(sk.first_inner, &inner, offset)?);
    Ok(message)
}

/// Decrypts the last `body_len` octets of a message, IV to ICV, and takes the padding off.
pub(crate) fn open_body(
    bytes: &[u8],
    body_len: usize,
    cipher: &PacketCipher,
    crypto: &mut Crypto,
) -> Result<Vec<u8>, ProtectError> {
    let mut buffer = bytes.to_vec();
    let plaintext = cipher.open(crypto, &mut buffer, bytes.len() - body_len)?;
    without_padding(plaintext).map(<[u8]>::to_vec)
}

/// Decodes the chain inside SK, which starts `offset` octets into the message.
pub(crate) fn decode_inner(
    first_inner: PayloadType,
    inner: &[u8],
    offset: usize,
) -> Result<Vec<Payload>, ProtectError> {
    let mut reader = Reader::new(inner, Part::Payload(PayloadType::Encrypted), offset);
    decode_chain(first_inner, &mut reader, Level::Inner).map_err(ProtectError::Inner)
}

fn without_padding(plaintext: &[u8]) -> Result<&[u8], ProtectError> {
    let Some((&pad_len, before)) = plaintext.split_last() else {
        return Err(ProtectError::Padding { pad_len: 0, available: 0 });
    };
    let pad_len = usize::from(pad_len);
    let Some(inner_len) = before.len().checked_sub(pad_len) else {
        return Err(ProtectError::Padding { pad_len, available: before.len() });
    };
    Ok(&before[..inner_len])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipseclab_crypto::{AesKey, Encryption, Integrity, RealProvider, Secret};

    use super::*;
    use crate::wire::{
        DeletePayload, ExchangeType, Flags, IdPayload, IdType, IkeSpi, MessageId, NoncePayload, Version,
    };

    const CBC: Encryption = Encryption::AesCbc(AesKey::Bits128);
    const GCM: Encryption = Encryption::AesGcm16(AesKey::Bits256);

    struct Sealer {
        crypto: Crypto,
        cipher: PacketCipher,
    }

    fn sealer(encryption: Encryption, key_octet: u8) -> Sealer {
        let crypto = Crypto::new(Arc::new(RealProvider));
        let key = Secret::new(vec![key_octet; encryption.key_material_len()]);
        let integrity_key = Secret::new(vec![2; 32]);
        let integrity = (!encryption.is_aead()).then_some((Integrity::HmacSha2_256_128, &integrity_key));
        let cipher = crypto.packet_cipher(encryption, &key, integrity);
        Sealer { crypto, cipher }
    }

    impl Sealer {
        fn seal(&mut self, payloads: &[Payload]) -> Vec<u8> {
            let iv = vec![7; self.cipher.iv_len()];
            let padding = vec![9; pad_len(&self.cipher, inner_len(payloads))];
            seal(&header(), payloads, &self.cipher, &mut self.crypto, &iv, &padding)
        }

        /// Seals octets as they are, in place of payloads, padding and pad length.
        fn seal_plaintext(&mut self, first_inner: PayloadType, plaintext: &[u8]) -> Vec<u8> {
            let sk_len = 4 + self.cipher.iv_len() + plaintext.len() + self.cipher.icv_len();
            let mut writer = Writer::new();
            header().with_payloads(PayloadType::Encrypted).encode(&mut writer);
            set_length(&mut writer, sk_len);
            writer.bytes(&[first_inner.code(), 0]);
            writer.count_u16(sk_len);
            writer.bytes(&vec![7; self.cipher.iv_len()]);
            writer.bytes(plaintext);
            let mut buffer = writer.into_vec();
            self.cipher.seal(&mut self.crypto, &mut buffer, HEADER_LEN + PAYLOAD_HEADER_LEN);
            buffer
        }

        fn open(&mut self, bytes: &[u8]) -> Result<Message, ProtectError> {
            open(bytes, &self.cipher, &mut self.crypto)
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

    fn payloads() -> Vec<Payload> {
        vec![
            Payload::IdI(IdPayload::new(IdType::Fqdn, *b"a.example")),
            Payload::Nonce(NoncePayload::new(vec![5; 32]).unwrap()),
        ]
    }

    #[test]
    fn what_is_sealed_opens_again() {
        for encryption in [CBC, GCM, Encryption::ChaCha20Poly1305] {
            let mut sealer = sealer(encryption, 1);
            for payloads in [Vec::new(), vec![Payload::Delete(DeletePayload::ike_sa())], payloads()] {
                let bytes = sealer.seal(&payloads);
                assert_eq!(sealer.open(&bytes), Ok(Message { header: header(), payloads }));
            }
        }
    }

    #[test]
    fn lengths_are_those_of_strongswan() {
        let delete = [Payload::Delete(DeletePayload::ike_sa())];
        assert_eq!(sealer(CBC, 1).seal(&[]).len(), 80);
        assert_eq!(sealer(CBC, 1).seal(&delete).len(), 80);
        assert_eq!(sealer(GCM, 1).seal(&[]).len(), 57);
        assert_eq!(sealer(GCM, 1).seal(&delete).len(), 65);
    }

    #[test]
    fn padding_is_the_least_that_fills_the_block() {
        let cbc = sealer(CBC, 1).cipher;
        assert_eq!([0, 14, 15, 16, 31].map(|len| pad_len(&cbc, len)), [15, 1, 0, 15, 0]);
        let gcm = sealer(GCM, 1).cipher;
        assert_eq!([0, 14, 15, 16, 31].map(|len| pad_len(&gcm, len)), [0; 5]);
    }

    #[test]
    fn a_change_anywhere_is_noticed() {
        for encryption in [CBC, GCM] {
            let mut sealer = sealer(encryption, 1);
            let good = sealer.seal(&payloads());
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 0x01;
                assert!(sealer.open(&bad).is_err(), "byte {at}");
                let shorter = sealer.open(&good[..at]);
                assert!(matches!(shorter, Err(ProtectError::Decode(_))), "first {at} bytes");
            }
        }
    }

    #[test]
    fn another_key_does_not_open() {
        let bytes = sealer(GCM, 1).seal(&payloads());
        assert_eq!(sealer(GCM, 3).open(&bytes), Err(ProtectError::Open(OpenError::Integrity)));
    }

    #[test]
    fn padding_beyond_the_plaintext_is_an_error() {
        let mut sealer = sealer(GCM, 1);
        let bytes = sealer.seal_plaintext(PayloadType::None, &[0, 0, 3]);
        assert_eq!(sealer.open(&bytes), Err(ProtectError::Padding { pad_len: 3, available: 2 }));
        let bytes = sealer.seal_plaintext(PayloadType::None, &[]);
        assert!(sealer.open(&bytes).is_err());
    }

    #[test]
    fn more_padding_than_needed_is_accepted() {
        let mut sealer = sealer(GCM, 1);
        let bytes = sealer.seal_plaintext(PayloadType::Delete, &[0, 0, 0, 8, 1, 0, 0, 0, 7, 7, 7, 3]);
        assert_eq!(sealer.open(&bytes).unwrap().payloads, [Payload::Delete(DeletePayload::ike_sa())]);
    }

    #[test]
    fn faults_within_sk_are_told_apart_and_located_in_the_message() {
        let mut sealer = sealer(GCM, 1);
        let bytes = sealer.seal_plaintext(PayloadType::Nonce, &[0, 0, 0, 5, 1, 0]);
        let error = sealer.open(&bytes).unwrap_err();
        assert!(matches!(error, ProtectError::Inner(_)));
        let expected = "within SK: No payload at byte 40: nonce length is 1, 16 to 256 is right";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_plain_message_has_nothing_to_open() {
        let bytes = Message { header: header(), payloads: payloads() }.encode();
        assert_eq!(sealer(CBC, 1).open(&bytes), Err(ProtectError::NoSk));
    }
}
