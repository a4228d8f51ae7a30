//! Payloads of types that nobody here knows, carried as they came.
//!
//! RFC 7296 §2.5 lets a receiver skip what it does not know unless the critical bit is set; critical ones do not decode
//! at all, so what is kept here never was critical.

use super::buffer::Writer;
use super::payload::PayloadType;

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
    use crate::wire::testing::{check_round_trip, decode_at_start, decode_body, octets};
    use crate::wire::{DecodeError, Payload};

    #[test]
    fn unknown_payloads_are_kept_unless_critical() {
        let unknown = PayloadType::Unknown(200);
        let expected = OpaquePayload::new(unknown, vec![1, 2]);
        assert_eq!(decode_body(unknown, &[1, 2]), Ok(Payload::Opaque(expected)));
        let error = decode_at_start(unknown, &[0, 0x80, 0, 4]);
        assert_eq!(error, Err(DecodeError::UnsupportedCriticalPayload { kind: 200 }));
    }

    #[test]
    #[should_panic(expected = "CERT payloads are not opaque")]
    fn a_payload_with_a_codec_is_not_opaque() {
        OpaquePayload::new(PayloadType::Certificate, Vec::new());
    }

    proptest! {
        #[test]
        fn any_payload_survives(kind in 54_u8..=255, data in octets(0..100)) {
            check_round_trip(&Payload::Opaque(OpaquePayload::new(PayloadType::Unknown(kind), data)));
        }
    }
}
