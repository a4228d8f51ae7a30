//! Delete payload (RFC 2408 §3.15).
//!
//! The size of an SPI is a field of its own, so SPIs are kept side by side as they came, and sizes that their protocol
//! does not have are malformed.

use super::doi::{Doi, ProtocolId};
use super::header::Cookies;
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Fault};

/// Octets of an SPI of ESP or AH.
const IPSEC_SPI_LEN: usize = 4;

/// A Delete payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletePayload {
    doi: Doi,
    protocol: ProtocolId,
    spi_len: usize,
    octets: Vec<u8>,
}

impl DeletePayload {
    /// Deletes the ISAKMP SA of these cookies.
    pub fn isakmp_sa(cookies: Cookies) -> Self {
        Self {
            doi: Doi::IPSEC,
            protocol: ProtocolId::Isakmp,
            spi_len: Cookies::LEN,
            octets: cookies.octets().to_vec(),
        }
    }

    /// Deletes ESP or AH SAs by the SPIs that the sender receives with.
    pub fn ipsec(protocol: ProtocolId, spis: &[[u8; IPSEC_SPI_LEN]]) -> Self {
        Self { doi: Doi::IPSEC, protocol, spi_len: IPSEC_SPI_LEN, octets: spis.concat() }
    }

    /// Whose numbers it uses.
    pub const fn doi(&self) -> Doi {
        self.doi
    }

    /// What is deleted.
    pub const fn protocol(&self) -> ProtocolId {
        self.protocol
    }

    /// The SPIs: 16 octets of cookies for ISAKMP, 4 for ESP and AH, any for others.
    pub fn spis(&self) -> impl Iterator<Item = &[u8]> {
        // An SPI size of zero comes with no octets, and then there are no chunks.
        self.octets.chunks(self.spi_len.max(1))
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let doi = Doi(reader.u32("DOI")?);
        let protocol = ProtocolId::from_code(reader.u8("protocol ID")?);
        let spi_len = usize::from(reader.u8("SPI size")?);
        let count = usize::from(reader.u16("number of SPIs")?);
        if let Some((expected, allowed)) = spi_len_of(protocol)
            && spi_len != expected
        {
            return Err(reader.fault(Fault::Value { field: "SPI size", value: spi_len, allowed }));
        }
        if spi_len == 0 && count != 0 {
            return Err(reader.fault(Fault::Value { field: "number of SPIs", value: count, allowed: "0" }));
        }
        let octets = reader.bytes(spi_len * count, "list of SPIs")?.to_vec();
        Ok(Self { doi, protocol, spi_len, octets })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u32(self.doi.0);
        writer.u8(self.protocol.code());
        writer.count_u8(self.spi_len);
        writer.count_u16(self.octets.len().checked_div(self.spi_len).unwrap_or(0));
        writer.bytes(&self.octets);
    }
}

const fn spi_len_of(protocol: ProtocolId) -> Option<(usize, &'static str)> {
    match protocol {
        ProtocolId::Isakmp => Some((Cookies::LEN, "16")),
        ProtocolId::Ah | ProtocolId::Esp => Some((IPSEC_SPI_LEN, "4")),
        ProtocolId::IpComp | ProtocolId::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, decode_body};
    use crate::wire::isakmp::{Cookie, Payload, PayloadType};

    #[test]
    fn an_isakmp_sa_is_deleted_by_its_cookies() {
        let cookies = Cookies { initiator: Cookie::new(1), responder: Cookie::new(2) };
        let payload = DeletePayload::isakmp_sa(cookies);
        assert_eq!(payload.spis().map(Cookies::from_octets).collect::<Vec<_>>(), [Some(cookies)]);
        let expected = [&[0, 0, 0, 1, 1, 16, 0, 1][..], &cookies.octets()];
        check_bytes(&Payload::Delete(payload), &expected.concat());
    }

    #[test]
    fn ipsec_sas_are_deleted_by_their_spis() {
        let payload = DeletePayload::ipsec(ProtocolId::Esp, &[[1, 2, 3, 4], [5, 6, 7, 8]]);
        assert_eq!(payload.spis().collect::<Vec<_>>(), [[1, 2, 3, 4], [5, 6, 7, 8]]);
        let expected = [0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        check_bytes(&Payload::Delete(payload), &expected);
    }

    #[test]
    fn sizes_and_counts_must_fit_the_protocol() {
        let kind = PayloadType::Delete;
        check_error(kind, &[0, 0, 0, 1, 1, 8, 0, 0], "SPI size is 8, 16 is right");
        check_error(kind, &[0, 0, 0, 1, 3, 8, 0, 0], "SPI size is 8, 4 is right");
        check_error(kind, &[0, 0, 0, 1, 9, 0, 0, 1], "number of SPIs is 1, 0 is right");
        check_error(kind, &[0, 0, 0, 1, 3, 4, 0xff, 0xff, 1], "list of SPIs needs 262140 bytes, 1 remain");
        check_error(kind, &[0, 0, 0, 1, 3, 4, 0, 0, 1], "1 bytes are left over after its last field");
    }

    #[test]
    fn the_spis_of_other_protocols_have_any_size() {
        let payload = decode_body(PayloadType::Delete, &[0, 0, 0, 1, 4, 2, 0, 2, 1, 2, 3, 4]).unwrap();
        let Payload::Delete(delete) = payload else { panic!("a Delete payload") };
        assert_eq!((delete.doi(), delete.protocol()), (Doi::IPSEC, ProtocolId::IpComp));
        assert_eq!(delete.spis().collect::<Vec<_>>(), [[1, 2], [3, 4]]);
    }

    proptest! {
        #[test]
        fn any_list_survives(protocol in 2_u8..8, spis in vec(any::<[u8; 4]>(), 0..8)) {
            check_round_trip(&Payload::Delete(DeletePayload::ipsec(ProtocolId::from_code(protocol), &spis)));
        }
    }
}
