//! What the payloads' tests share: one payload through the chain codec, and strategies for its fields.

use core::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Part};
use super::header::HEADER_LEN;
use super::payload::{Level, Payload, PayloadType, decode_chain, encode_chain};

/// Decodes a chain that begins with a payload of type `kind` and stands where a message has it.
pub(crate) fn decode_at_start(kind: PayloadType, bytes: &[u8]) -> Result<Vec<Payload>, DecodeError> {
    decode_chain(kind, &mut Reader::new(bytes, Part::Header, HEADER_LEN), Level::Outer)
}

/// Decodes one payload of type `kind` with this body, as the first of a message.
pub(crate) fn decode_body(kind: PayloadType, body: &[u8]) -> Result<Payload, DecodeError> {
    let len = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    decode_at_start(kind, &[&[0, 0, len[0], len[1]], body].concat()).map(|mut chain| chain.remove(0))
}

fn encode(payload: &Payload) -> Vec<u8> {
    let mut writer = Writer::new();
    encode_chain(core::slice::from_ref(payload), &mut writer);
    writer.into_vec()
}

/// The body of a payload on the wire.
pub(crate) fn encode_body(payload: &Payload) -> Vec<u8> {
    encode(payload).split_off(4)
}

/// Checks that a payload and its body are each other's image.
pub(crate) fn check_bytes(payload: &Payload, body: &[u8]) {
    assert_eq!(encode_body(payload), body);
    assert_eq!(decode_body(payload.payload_type(), body).as_ref(), Ok(payload));
}

/// Checks that a payload survives encoding, and that no prefix of its body makes the decoder panic or gives it back.
pub(crate) fn check_round_trip(payload: &Payload) {
    let bytes = encode(payload);
    assert_eq!(bytes.len(), payload.encoded_len());
    assert_eq!(
        decode_at_start(payload.payload_type(), &bytes).as_deref(),
        Ok(core::slice::from_ref(payload))
    );
    for len in 4..bytes.len() {
        if let Ok(shorter) = decode_body(payload.payload_type(), &bytes[4..len]) {
            assert_ne!(&shorter, payload);
        }
    }
}

/// Checks that each prefix and each flipped bit of a payload's body gives an error or a payload that survives encoding.
pub(crate) fn check_hostile(payload: &Payload) {
    let kind = payload.payload_type();
    let body = encode_body(payload);
    for len in 0..body.len() {
        check_survivor(kind, &body[..len]);
    }
    for bit in 0..body.len() * 8 {
        let mut bad = body.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        check_survivor(kind, &bad);
    }
}

fn check_survivor(kind: PayloadType, body: &[u8]) {
    if let Ok(value) = decode_body(kind, body) {
        assert_eq!(decode_body(kind, &encode_body(&value)).as_ref(), Ok(&value));
    }
}

/// Checks what the decoder says about a bad body.
pub(crate) fn check_error(kind: PayloadType, body: &[u8], expected: &str) {
    assert_eq!(decode_body(kind, body).unwrap_err().to_string(), expected);
}

/// Any octets of a length in this range.
pub(crate) fn octets(len: Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), len)
}
