//! NAT discovery payload (RFC 3947 §3.2).
//!
//! The first one of a message is about the address that it is sent to, the others about those it may come from.

use crate::wire::buffer::{Reader, Writer};

/// The hash of cookies, address and port, as its sender knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatDPayload(Vec<u8>);

impl NatDPayload {
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
        check_bytes(&Payload::NatD(NatDPayload::new([1, 2, 3])), &[1, 2, 3]);
    }

    proptest! {
        #[test]
        fn any_hash_survives(octets in octets(0..64)) {
            check_round_trip(&Payload::NatD(NatDPayload::new(octets)));
        }
    }
}
