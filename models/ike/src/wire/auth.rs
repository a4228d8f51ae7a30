//! Authentication payload (RFC 7296 §3.8, figure 14).

use super::buffer::{Reader, Writer};
use super::error::DecodeError;

code_points! {
    /// How a peer proves its identity (RFC 7296 §3.8, RFC 4754, RFC 7427, RFC 7619).
    AuthMethod: u8 {
        Rsa = 1 => "RSA_DIGITAL_SIGNATURE",
        SharedKeyMic = 2 => "SHARED_KEY_MIC",
        Dss = 3 => "DSS_DIGITAL_SIGNATURE",
        Ecdsa256 = 9 => "ECDSA_SHA2_256_P256",
        Ecdsa384 = 10 => "ECDSA_SHA2_384_P384",
        Ecdsa521 = 11 => "ECDSA_SHA2_512_P521",
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
