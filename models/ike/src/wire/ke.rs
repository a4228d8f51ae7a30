//! Key Exchange payload (RFC 7296 §3.4, figure 10).
//!
//! Whether the value is one of its group is cryptography's affair; here it is octets.

use super::buffer::{Reader, Writer};
use super::error::DecodeError;

/// A Key Exchange payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KePayload {
    /// The transform ID of the key exchange method (Diffie-Hellman group).
    pub method: u16,
    /// The sender's public value.
    pub public_value: Vec<u8>,
}

impl KePayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let method = reader.u16("key exchange method")?;
        let _reserved = reader.u16("reserved octets")?;
        Ok(Self { method, public_value: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.method);
        writer.u16(0);
        writer.bytes(&self.public_value);
    }
}
