//! Certificate payload (RFC 7296 §3.6, figure 12).
//!
//! What the octets mean is for whoever reads certificates; here they are an encoding and a run of octets.

use super::buffer::{Reader, Writer};
use super::error::DecodeError;

code_points! {
    /// How the data of CERT and CERTREQ payloads is encoded (RFC 7296 §3.6, RFC 4806, RFC 7670).
    CertEncoding: u8 {
        Pkcs7 = 1 => "PKCS7_X509",
        Pgp = 2 => "PGP",
        DnsSignedKey = 3 => "DNS_SIGNED_KEY",
        X509Signature = 4 => "X509_SIGNATURE",
        KerberosToken = 6 => "KERBEROS_TOKEN",
        Crl = 7 => "CRL",
        Arl = 8 => "ARL",
        Spki = 9 => "SPKI",
        X509Attribute = 10 => "X509_ATTRIBUTE",
        RawRsaKey = 11 => "RAW_RSA_KEY",
        HashAndUrl = 12 => "HASH_AND_URL_OF_X509",
        HashAndUrlBundle = 13 => "HASH_AND_URL_OF_BUNDLE",
        Ocsp = 14 => "OCSP",
        RawPublicKey = 15 => "RAW_PUBLIC_KEY",
    }
}

/// A Certificate payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertPayload {
    /// What kind of data it is.
    pub encoding: CertEncoding,
    /// The certificate, revocation list or other data; DER for [`CertEncoding::X509Signature`].
    pub data: Vec<u8>,
}

impl CertPayload {
    /// One X.509 certificate in DER.
    pub fn x509(der: impl Into<Vec<u8>>) -> Self {
        Self { encoding: CertEncoding::X509Signature, data: der.into() }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = CertEncoding::from_code(reader.u8("certificate encoding")?);
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
    use crate::wire::testing::{check_bytes, check_error, check_hostile, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn an_x509_certificate_is_der_behind_its_encoding() {
        check_bytes(&Payload::Cert(CertPayload::x509([0x30, 0x82])), &[4, 0x30, 0x82]);
    }

    #[test]
    fn a_payload_without_encoding_is_malformed() {
        let expected = "CERT payload at byte 28: certificate encoding needs 1 bytes, 0 remain";
        check_error(PayloadType::Certificate, &[], expected);
    }

    proptest! {
        #[test]
        fn any_certificate_survives(encoding: u8, data in octets(0..100)) {
            let payload = Payload::Cert(CertPayload { encoding: CertEncoding::from_code(encoding), data });
            check_round_trip(&payload);
            check_hostile(&payload);
        }
    }
}
