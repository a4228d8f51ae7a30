//! Going through the SK payload with keys (RFC 7296 §3.14, RFC 5282 §3 and §5.1).
//!
//! IV and padding come in as octets from the caller's streams; this file draws nothing. Padding is the least that the
//! block length asks for, so AEADs have none (RFC 5282 §3 allows it, and strongSwan sends it so). Payloads in front of
//! SK are covered by the ICV as well and are kept; none is defined to stand there.

use ipseclab_crypto::{Crypto, OpenError, PacketCipher};

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Part};
use super::header::MessageHeader;
use super::message::{Message, set_length};
use super::payload::{
    Level, PAYLOAD_HEADER_LEN, Payload, PayloadType, decode_chain, encode_chain, first_type,
};

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
    assert_eq!(iv.len(), cipher.iv_len(), "the IV has the cipher's length");
    let plaintext = padded_plaintext(payloads, cipher, padding);
    let sk_len = PAYLOAD_HEADER_LEN + iv.len() + plaintext.len() + cipher.icv_len();
    let mut writer = Writer::new();
    header.with_payloads(PayloadType::Encrypted).encode(&mut writer);
    set_length(&mut writer, sk_len);
    writer.u8(first_type(payloads).code());
    writer.u8(0);
    writer.count_u16(sk_len);
    let covered = writer.len();
    writer.bytes(iv);
    writer.bytes(&plaintext);
    let mut buffer = writer.into_vec();
    cipher.seal(crypto, &mut buffer, covered);
    buffer
}

fn padded_plaintext(payloads: &[Payload], cipher: &PacketCipher, padding: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    encode_chain(payloads, &mut writer);
    assert_eq!(padding.len(), pad_len(cipher, writer.len()), "padding fills the last block");
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
    let covered = bytes.len() - sk.body.len();
    let mut buffer = bytes.to_vec();
    let plaintext = cipher.open(crypto, &mut buffer, covered)?;
    let inner = without_padding(plaintext)?;
    let offset = covered + cipher.iv_len();
    let mut reader = Reader::new(inner, Part::Payload(PayloadType::Encrypted), offset);
    let inner = decode_chain(sk.first_inner, &mut reader, Level::Inner).map_err(ProtectError::Inner)?;
    message.payloads.extend(inner);
    Ok(message)
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
