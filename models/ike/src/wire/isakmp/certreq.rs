//! Certificate Request payload (RFC 2408 §3.10): one authority each, by name and not by hash as in IKEv2.

use super::cert::CertType;
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::DecodeError;

/// A Certificate Request payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertReqPayload {
    /// The kind of certificate that is wanted.
    pub encoding: CertType,
    /// The distinguished name of an acceptable authority in DER; empty for any.
    pub authority: Vec<u8>,
}

impl CertReqPayload {
    /// Asks for an X.509 certificate of this authority.
    pub fn x509(authority: impl Into<Vec<u8>>) -> Self {
        Self { encoding: CertType::X509Signature, authority: authority.into() }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = CertType::from_code(reader.u8("certificate type")?);
        Ok(Self { encoding, authority: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.encoding.code());
        writer.bytes(&self.authority);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn an_authority_is_named_behind_the_type() {
        check_bytes(&Payload::CertReq(CertReqPayload::x509([0x30, 0])), &[4, 0x30, 0]);
        check_bytes(&Payload::CertReq(CertReqPayload::x509([])), &[4]);
    }

    #[test]
    fn a_payload_without_type_is_malformed() {
        check_error(PayloadType::CertificateRequest, &[], "certificate type needs 1 bytes, 0 remain");
    }

    proptest! {
        #[test]
        fn any_request_survives(encoding: u8, authority in octets(0..64)) {
            let encoding = CertType::from_code(encoding);
            check_round_trip(&Payload::CertReq(CertReqPayload { encoding, authority }));
        }
    }
}
