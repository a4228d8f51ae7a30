//! Signature payload (RFC 2408 §3.12).

use crate::wire::buffer::{Reader, Writer};

/// `SIG_I` or `SIG_R`: a signature over `HASH_I` or `HASH_R` (RFC 2409 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignaturePayload(Vec<u8>);

impl SignaturePayload {
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
    fn the_body_is_the_signature() {
        check_bytes(&Payload::Signature(SignaturePayload::new([1, 2, 3])), &[1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_signature_survives(octets in octets(0..64)) {
            check_round_trip(&Payload::Signature(SignaturePayload::new(octets)));
        }
    }
}
