//! Certificate payload (RFC 2408 §3.9).

use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::DecodeError;

code_points! {
    /// How the data of a certificate, or of the certificate that is asked for, is encoded (RFC 2408 §3.9).
    CertType: u8 {
        None = 0 => "NONE",
        Pkcs7 = 1 => "PKCS7_X509",
        Pgp = 2 => "PGP",
        DnsSignedKey = 3 => "DNS_SIGNED_KEY",
        X509Signature = 4 => "X509_SIGNATURE",
        X509KeyExchange = 5 => "X509_KEY_EXCHANGE",
        KerberosTokens = 6 => "KERBEROS_TOKENS",
        Crl = 7 => "CRL",
        Arl = 8 => "ARL",
        Spki = 9 => "SPKI",
        X509Attribute = 10 => "X509_ATTRIBUTE",
    }
}

/// A Certificate payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertPayload {
    /// What kind of data it is.
    pub encoding: CertType,
    /// The certificate, revocation list or other data; DER for [`CertType::X509Signature`].
    pub data: Vec<u8>,
}

impl CertPayload {
    /// One X.509 certificate in DER.
    pub fn x509(der: impl Into<Vec<u8>>) -> Self {
        Self { encoding: CertType::X509Signature, data: der.into() }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = CertType::from_code(reader.u8("certificate encoding")?);
        Ok(Self { encoding, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.encoding.code());
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn an_x509_certificate_is_der_behind_its_encoding() {
        check_bytes(&Payload::Cert(CertPayload::x509([0x30, 0x82])), &[4, 0x30, 0x82]);
    }

    #[test]
    fn a_payload_without_encoding_is_malformed() {
        check_error(PayloadType::Certificate, &[], "certificate encoding needs 1 bytes, 0 remain");
    }

    proptest! {
        #[test]
        fn any_certificate_survives(encoding: u8, data in octets(0..64)) {
            let encoding = CertType::from_code(encoding);
            check_round_trip(&Payload::Cert(CertPayload { encoding, data }));
        }
    }
}
