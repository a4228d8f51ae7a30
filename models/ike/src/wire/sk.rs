//! Encrypted payload (RFC 7296 §3.14, figure 21), still closed.
//!
//! How long IV and ICV are is known with the keys alone, so the body is one run of octets here.

use super::buffer::{Reader, Writer};
use super::payload::PayloadType;

/// A closed SK payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkPayload {
    /// The type of the first payload inside; [`PayloadType::None`] when there is none.
    pub first_inner: PayloadType,
    /// IV, ciphertext and ICV.
    pub body: Vec<u8>,
}

impl SkPayload {
    pub(crate) fn decode(first_inner: PayloadType, reader: &mut Reader<'_>) -> Self {
        Self { first_inner, body: reader.rest().to_vec() }
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.body);
    }
}
