//! Nonce payload (RFC 7296 §3.9, figure 15).

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault};

/// A nonce of 16 to 256 octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoncePayload(Vec<u8>);

impl NoncePayload {
    /// Fewest octets of a nonce (RFC 7296 §3.9).
    pub const MIN_LEN: usize = 16;
    /// Most octets of a nonce (RFC 7296 §3.9).
    pub const MAX_LEN: usize = 256;

    /// A nonce of these octets; `None` when there are fewer than 16 or more than 256.
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        (Self::MIN_LEN..=Self::MAX_LEN).contains(&octets.len()).then_some(Self(octets))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let octets = reader.rest();
        Self::new(octets.to_vec()).ok_or_else(|| {
            reader.fault(Fault::Value { field: "nonce length", value: octets.len(), allowed: "16 to 256" })
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}
