//! Payloads of types that nobody here knows, carried as they came: peers announce private extensions by vendor IDs but
//! do not always wait for the answer, and what is not understood is skipped.

use super::payload::PayloadType;
use crate::wire::buffer::Writer;

/// A payload as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaquePayload {
    kind: PayloadType,
    data: Vec<u8>,
}

impl OpaquePayload {
    /// A payload of an unknown type.
    ///
    /// # Panics
    /// When the type is known: then it has a codec of its own.
    pub fn new(kind: PayloadType, data: Vec<u8>) -> Self {
        assert!(matches!(kind, PayloadType::Unknown(_)), "{kind} payloads are not opaque");
        Self { kind, data }
    }

    /// The payload's type.
    pub const fn kind(&self) -> PayloadType {
        self.kind
    }

    /// What follows the generic header.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::Payload;
    use crate::wire::isakmp::testing::{check_bytes, check_round_trip, octets};

    #[test]
    fn the_body_is_kept() {
        let payload = OpaquePayload::new(PayloadType::Unknown(99), vec![1, 2]);
        assert_eq!(payload.data(), [1, 2]);
        check_bytes(&Payload::Opaque(payload), &[1, 2]);
    }

    proptest! {
        #[test]
        fn any_payload_survives(kind in 133_u8..=255, data in octets(0..100)) {
            check_round_trip(&Payload::Opaque(OpaquePayload::new(PayloadType::Unknown(kind), data)));
        }
    }
}
