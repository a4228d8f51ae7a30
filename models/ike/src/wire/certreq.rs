//! Certificate Request payload (RFC 7296 §3.7, figure 13).
//!
//! For X.509 the data is a run of SHA-1 hashes, one for the public key of each authority that the sender trusts; RFC
//! 4806 takes the same form for OCSP responders. The RFC leaves the data of all other encodings open and asks to
//! ignore what is not understood, so those are kept as octets.

use super::buffer::{Reader, Writer};
use super::cert::CertEncoding;
use super::error::{DecodeError, Fault};

/// Octets of the SHA-1 hash that names an authority.
pub const AUTHORITY_HASH_LEN: usize = 20;

/// SHA-1 of an authority's `SubjectPublicKeyInfo` in DER (RFC 7296 §3.7).
pub type AuthorityHash = [u8; AUTHORITY_HASH_LEN];

/// A Certificate Request payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertReqPayload {
    encoding: CertEncoding,
    data: Vec<u8>,
}

impl CertReqPayload {
    /// Asks for an X.509 certificate below one of these authorities; none means below any.
    pub fn x509(authorities: &[AuthorityHash]) -> Self {
        Self { encoding: CertEncoding::X509Signature, data: authorities.as_flattened().to_vec() }
    }

    /// Asks for data of another encoding, or `None` when the encoding names authorities by hashes and `data` is not
    /// a whole number of them.
    pub fn new(encoding: CertEncoding, data: Vec<u8>) -> Option<Self> {
        let fits = !names_authorities(encoding) || data.len().is_multiple_of(AUTHORITY_HASH_LEN);
        fits.then_some(Self { encoding, data })
    }

    /// What kind of certificate is asked for.
    pub const fn encoding(&self) -> CertEncoding {
        self.encoding
    }

    /// The hashes of the trusted authorities; `None` for encodings that do not name authorities so.
    pub fn authorities(&self) -> Option<&[AuthorityHash]> {
        names_authorities(self.encoding).then(|| self.data.as_chunks().0)
    }

    /// What follows the encoding, whatever it means.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = CertEncoding::from_code(reader.u8("certificate encoding")?);
        let data = reader.rest().to_vec();
        let value = data.len();
        let allowed = "a multiple of 20";
        let fault = Fault::Value { field: "length of certification authorities", value, allowed };
        Self::new(encoding, data).ok_or_else(|| reader.fault(fault))
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.encoding.code());
        writer.bytes(&self.data);
    }
}

/// Whether requests of this encoding hold hashes of authorities (RFC 7296 §3.7, RFC 4806 §3.1).
const fn names_authorities(encoding: CertEncoding) -> bool {
    matches!(
        encoding,
        CertEncoding::X509Signature
            | CertEncoding::HashAndUrl
            | CertEncoding::HashAndUrlBundle
            | CertEncoding::Ocsp
    )
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_hostile, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn authorities_stand_one_behind_the_other() {
        let request = CertReqPayload::x509(&[[1; 20], [2; 20]]);
        assert_eq!(request.authorities(), Some([[1; 20], [2; 20]].as_slice()));
        check_bytes(&Payload::CertReq(request), &[&[4][..], &[1; 20], &[2; 20]].concat());
    }

    #[test]
    fn a_request_may_name_nobody() {
        check_bytes(&Payload::CertReq(CertReqPayload::x509(&[])), &[4]);
    }

    #[test]
    fn half_a_hash_is_malformed() {
        let part = "CERTREQ payload at byte 28";
        let expected =
            format!("{part}: length of certification authorities is 21, a multiple of 20 is right");
        check_error(PayloadType::CertificateRequest, &[4; 22], &expected);
        let expected = format!("{part}: certificate encoding needs 1 bytes, 0 remain");
        check_error(PayloadType::CertificateRequest, &[], &expected);
        assert_eq!(CertReqPayload::new(CertEncoding::Ocsp, vec![0; 19]), None);
    }

    #[test]
    fn data_of_encodings_without_hashes_is_kept_and_not_read_as_hashes() {
        let request = CertReqPayload::new(CertEncoding::Spki, vec![7; 20]).unwrap();
        assert_eq!((request.authorities(), request.data()), (None, [7; 20].as_slice()));
        check_bytes(&Payload::CertReq(request), &[&[9][..], &[7; 20]].concat());
    }

    proptest! {
        #[test]
        fn any_authorities_survive(hashes in vec(any::<AuthorityHash>(), 0..5)) {
            let payload = Payload::CertReq(CertReqPayload::x509(&hashes));
            check_round_trip(&payload);
            check_hostile(&payload);
        }

        #[test]
        fn any_other_data_survives(encoding in 15_u8..=255, data in octets(0..60)) {
            let request = CertReqPayload::new(CertEncoding::from_code(encoding), data).unwrap();
            check_round_trip(&Payload::CertReq(request));
        }
    }
}
