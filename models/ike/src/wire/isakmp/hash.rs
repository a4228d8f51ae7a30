//! Hash payload (RFC 2408 §3.11).
//!
//! Its length is that of the negotiated hash and checked by comparing it with what it should be.

use crate::wire::buffer::{Reader, Writer};

/// `HASH_I`, `HASH_R`, or HASH(1) to HASH(3) (RFC 2409 §5, §5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPayload(Vec<u8>);

impl HashPayload {
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
    fn the_body_is_the_hash() {
        check_bytes(&Payload::Hash(HashPayload::new([1, 2, 3])), &[1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_hash_survives(octets in octets(0..64)) {
            check_round_trip(&Payload::Hash(HashPayload::new(octets)));
        }
    }
}
