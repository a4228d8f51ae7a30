//! Key Exchange payload (RFC 2408 §3.7).
//!
//! No group number stands here: the SA payload says which group it is, and its length is checked where that is known.

use crate::wire::buffer::{Reader, Writer};

/// A public value of the negotiated group (RFC 2409 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KePayload(Vec<u8>);

impl KePayload {
    /// A payload of these octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Self {
        Self(reader.rest().to_vec())
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::Payload;
    use crate::wire::isakmp::testing::{check_bytes, check_round_trip, octets};

    #[test]
    fn the_body_is_the_public_value() {
        check_bytes(&Payload::Ke(KePayload::new([1, 2, 3])), &[1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_public_value_survives(octets in octets(0..64)) {
            check_round_trip(&Payload::Ke(KePayload::new(octets)));
        }
    }
}
