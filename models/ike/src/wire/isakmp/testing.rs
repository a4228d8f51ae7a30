//! What the payloads' tests share: one payload through the chain codec.

use super::header::HEADER_LEN;
use super::payload::{Payload, PayloadType, decode_chain, encoded_chain};
use crate::wire::buffer::Reader;
use crate::wire::error::{DecodeError, Part};

pub(crate) use crate::wire::testing::octets;

/// Decodes one payload of type `kind` with this body, as the first of a message.
pub(crate) fn decode_body(kind: PayloadType, body: &[u8]) -> Result<Payload, DecodeError> {
    let len = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    let bytes = [&[0, 0, len[0], len[1]], body].concat();
    let mut reader = Reader::new(&bytes, Part::IsakmpHeader, HEADER_LEN);
    decode_chain(kind, &mut reader).map(|mut chain| chain.remove(0))
}

/// The body of a payload on the wire.
pub(crate) fn encode_body(payload: &Payload) -> Vec<u8> {
    encoded_chain(core::slice::from_ref(payload)).split_off(4)
}

/// Checks that a payload and its body are each other's image.
pub(crate) fn check_bytes(payload: &Payload, body: &[u8]) {
    assert_eq!(encode_body(payload), body);
    assert_eq!(decode_body(payload.payload_type(), body).as_ref(), Ok(payload));
}

/// Checks that a payload survives encoding, and that each prefix and each flipped bit of its body gives an error or
/// another payload that survives encoding.
pub(crate) fn check_round_trip(payload: &Payload) {
    let kind = payload.payload_type();
    let body = encode_body(payload);
    assert_eq!(body.len() + 4, payload.encoded_len());
    assert_eq!(decode_body(kind, &body).as_ref(), Ok(payload));
    for len in 0..body.len() {
        check_survivor(payload, &body[..len]);
    }
    for bit in 0..body.len() * 8 {
        let mut bad = body.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // A flipped reserved bit gives the same payload back, so only the survival is checked.
        if let Ok(value) = decode_body(kind, &bad) {
            assert_eq!(decode_body(kind, &encode_body(&value)), Ok(value));
        }
    }
}

fn check_survivor(original: &Payload, body: &[u8]) {
    let kind = original.payload_type();
    if let Ok(value) = decode_body(kind, body) {
        assert_ne!(&value, original);
        assert_eq!(decode_body(kind, &encode_body(&value)), Ok(value));
    }
}

/// Checks what the decoder says about a bad body.
pub(crate) fn check_error(kind: PayloadType, body: &[u8], expected: &str) {
    let expected = format!("{kind} payload at byte 28: {expected}");
    assert_eq!(decode_body(kind, body).unwrap_err().to_string(), expected);
}
