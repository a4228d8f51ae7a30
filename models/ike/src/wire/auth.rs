//! Authentication payload (RFC 7296 §3.8, figure 14).

use super::buffer::{Reader, Writer};
use super::error::DecodeError;

code_points! {
    /// How a peer proves its identity (RFC 7296 §3.8, RFC 4754, RFC 6467, RFC 7427, RFC 7619).
    AuthMethod: u8 {
        Rsa = 1 => "RSA_DIGITAL_SIGNATURE",
        SharedKeyMic = 2 => "SHARED_KEY_MIC",
        Dss = 3 => "DSS_DIGITAL_SIGNATURE",
        Ecdsa256 = 9 => "ECDSA_SHA2_256_P256",
        Ecdsa384 = 10 => "ECDSA_SHA2_384_P384",
        Ecdsa521 = 11 => "ECDSA_SHA2_512_P521",
        SecurePassword = 12 => "GENERIC_SECURE_PASSWORD",
        Null = 13 => "NULL_AUTHENTICATION",
        DigitalSignature = 14 => "DIGITAL_SIGNATURE",
    }
}

/// An Authentication payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthPayload {
    /// The method.
    pub method: AuthMethod,
    /// The signature or the output of the PRF.
    pub data: Vec<u8>,
}

impl AuthPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let method = AuthMethod::from_code(reader.u8("auth method")?);
        let _reserved = reader.bytes(3, "reserved octets")?;
        Ok(Self { method, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.method.code());
        writer.bytes(&[0; 3]);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn the_data_follows_three_reserved_octets() {
        let payload = AuthPayload { method: AuthMethod::SharedKeyMic, data: vec![7; 3] };
        check_bytes(&Payload::Auth(payload), &[2, 0, 0, 0, 7, 7, 7]);
    }

    #[test]
    fn an_empty_payload_is_malformed() {
        check_error(PayloadType::Auth, &[], "AUTH payload at byte 28: auth method needs 1 bytes, 0 remain");
    }

    proptest! {
        #[test]
        fn any_value_survives(method: u8, data in octets(0..100)) {
            check_round_trip(&Payload::Auth(AuthPayload { method: AuthMethod::from_code(method), data }));
        }
    }
}
