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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_round_trip, decode_body, octets};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn method_and_value_stand_around_two_reserved_octets() {
        let payload = Payload::Ke(KePayload { method: 31, public_value: vec![0xaa, 0xbb] });
        check_bytes(&payload, &[0, 31, 0, 0, 0xaa, 0xbb]);
        let with_reserved_bits = decode_body(PayloadType::KeyExchange, &[0, 31, 1, 2, 0xaa, 0xbb]);
        assert_eq!(with_reserved_bits, Ok(payload));
    }

    #[test]
    fn a_payload_without_room_for_its_fields_is_malformed() {
        check_error(
            PayloadType::KeyExchange,
            &[0, 14, 0],
            "KE payload at byte 28: reserved octets needs 2 bytes, 1 remain",
        );
    }

    proptest! {
        #[test]
        fn any_value_survives(method: u16, public_value in octets(0..600)) {
            check_round_trip(&Payload::Ke(KePayload { method, public_value }));
        }
    }
}
