//! Delete payload (RFC 7296 §3.11, figure 17).
//!
//! ESP and AH SPIs have four octets and the IKE SA is named by the header, so SPIs of other sizes do not exist here.

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault};
use super::sa::ProtocolId;

/// Octets of an SPI of ESP or AH.
const SPI_LEN: usize = 4;

/// A Delete payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletePayload {
    /// What is deleted: the IKE SA that carries the message, or the sender's inbound ESP or AH SAs.
    pub protocol: ProtocolId,
    /// The SPIs that the sender receives with; none for the IKE SA.
    pub spis: Vec<[u8; SPI_LEN]>,
}

impl DeletePayload {
    /// Deletes the IKE SA that carries the message.
    pub const fn ike_sa() -> Self {
        Self { protocol: ProtocolId::Ike, spis: Vec::new() }
    }

    /// Deletes ESP SAs by the SPIs that the sender receives with.
    pub const fn esp(spis: Vec<[u8; SPI_LEN]>) -> Self {
        Self { protocol: ProtocolId::Esp, spis }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = ProtocolId::from_code(reader.u8("protocol ID")?);
        let spi_size = usize::from(reader.u8("SPI size")?);
        let count = usize::from(reader.u16("number of SPIs")?);
        let (expected, allowed) = spi_size_of(protocol);
        if spi_size != expected {
            return Err(reader.fault(Fault::Value { field: "SPI size", value: spi_size, allowed }));
        }
        if expected == 0 && count != 0 {
            return Err(reader.fault(Fault::Value { field: "number of SPIs", value: count, allowed: "0" }));
        }
        let spis = (0..count).map(|_| reader.array("SPI")).collect::<Result<_, _>>()?;
        Ok(Self { protocol, spis })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        let (spi_size, _) = spi_size_of(self.protocol);
        assert!(spi_size != 0 || self.spis.is_empty(), "the IKE SA is deleted without an SPI");
        writer.u8(self.protocol.code());
        writer.count_u8(spi_size);
        writer.count_u16(self.spis.len());
        self.spis.iter().for_each(|spi| writer.bytes(spi));
    }
}

const fn spi_size_of(protocol: ProtocolId) -> (usize, &'static str) {
    match protocol {
        ProtocolId::Ike => (0, "0"),
        ProtocolId::Ah | ProtocolId::Esp | ProtocolId::Unknown(_) => (SPI_LEN, "4"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_round_trip};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn the_ike_sa_is_deleted_without_an_spi() {
        check_bytes(&Payload::Delete(DeletePayload::ike_sa()), &[1, 0, 0, 0]);
    }

    #[test]
    fn child_sas_are_deleted_by_their_spis() {
        let payload = DeletePayload::esp(vec![[1, 2, 3, 4], [5, 6, 7, 8]]);
        check_bytes(&Payload::Delete(payload), &[3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn sizes_and_counts_must_fit_the_protocol() {
        let part = "D payload at byte 28";
        check_error(PayloadType::Delete, &[1, 8, 0, 0], &format!("{part}: SPI size is 8, 0 is right"));
        check_error(PayloadType::Delete, &[1, 0, 0, 1], &format!("{part}: number of SPIs is 1, 0 is right"));
        check_error(PayloadType::Delete, &[3, 8, 0, 0], &format!("{part}: SPI size is 8, 4 is right"));
        check_error(
            PayloadType::Delete,
            &[3, 4, 0, 2, 1, 2, 3, 4, 5],
            &format!("{part}: SPI needs 4 bytes, 1 remain"),
        );
        check_error(
            PayloadType::Delete,
            &[3, 4, 0, 0, 1],
            &format!("{part}: 1 bytes are left over after its last field"),
        );
    }

    #[test]
    fn a_count_beyond_the_payload_allocates_nothing_for_it() {
        check_error(
            PayloadType::Delete,
            &[3, 4, 0xff, 0xff],
            "D payload at byte 28: SPI needs 4 bytes, 0 remain",
        );
    }

    proptest! {
        #[test]
        fn any_list_survives(protocol in 2_u8..8, spis in vec(any::<[u8; 4]>(), 0..20)) {
            check_round_trip(&Payload::Delete(DeletePayload { protocol: ProtocolId::from_code(protocol), spis }));
        }
    }
}
