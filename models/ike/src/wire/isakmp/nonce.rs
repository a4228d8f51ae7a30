//! Nonce payload (RFC 2408 §3.13).

use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Fault};

/// A nonce of 8 to 256 octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoncePayload(Vec<u8>);

impl NoncePayload {
    /// Fewest octets of a nonce (RFC 2409 §5).
    pub const MIN_LEN: usize = 8;
    /// Most octets of a nonce (RFC 2409 §5).
    pub const MAX_LEN: usize = 256;

    /// A nonce of these octets; `None` when there are fewer than 8 or more than 256.
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
            reader.fault(Fault::Value { field: "nonce length", value: octets.len(), allowed: "8 to 256" })
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn nonces_have_8_to_256_octets() {
        assert_eq!(NoncePayload::new(vec![0; 7]), None);
        assert!(NoncePayload::new(vec![0; 8]).is_some());
        assert!(NoncePayload::new(vec![0; 256]).is_some());
        assert_eq!(NoncePayload::new(vec![0; 257]), None);
        check_error(PayloadType::Nonce, &[0; 7], "nonce length is 7, 8 to 256 is right");
    }

    proptest! {
        #[test]
        fn any_nonce_survives(nonce in octets(8..257)) {
            check_round_trip(&Payload::Nonce(NoncePayload::new(nonce).unwrap()));
        }
    }
}
