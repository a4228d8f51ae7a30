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
