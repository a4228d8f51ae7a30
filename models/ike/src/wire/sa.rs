//! Security Association payload and its proposals (RFC 7296 §3.3, §3.3.1, figures 6 and 7).
//!
//! This is the plain structure; what a proposal means and which one is chosen is
//! [`proposal`](crate::proposal)'s affair.

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Item};
use super::transform::{MAX_TRANSFORMS, Transform};

/// Most proposals in one SA payload. Ours: the field allows 255, and no peer is known to send more than about ten.
pub const MAX_PROPOSALS: usize = 64;

const PROPOSAL_HEADER_LEN: usize = 8;
const MORE_PROPOSALS: u8 = 2;

code_points! {
    /// What a proposal or an SPI is for (RFC 7296 §3.3.1).
    ProtocolId: u8 {
        Ike = 1 => "IKE",
        Ah = 2 => "AH",
        Esp = 3 => "ESP",
    }
}

/// A Security Association payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaPayload {
    /// The proposals, most wanted first; at most [`MAX_PROPOSALS`].
    pub proposals: Vec<ProposalPayload>,
}

/// One proposal substructure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalPayload {
    /// The proposal's number, 1 for the first; an answer repeats the number of what it accepts.
    pub number: u8,
    /// The protocol that the proposal is for.
    pub protocol: ProtocolId,
    /// The sender's SPI: empty in an initial IKE SA, 8 octets when rekeying one, 4 for ESP and AH.
    pub spi: Vec<u8>,
    /// The transforms, most wanted first within each type; at most [`MAX_TRANSFORMS`].
    pub transforms: Vec<Transform>,
}

impl SaPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut proposals = Vec::new();
        while !reader.is_empty() {
            if proposals.len() == MAX_PROPOSALS {
                return Err(reader.fault(Fault::TooMany { what: "proposals", limit: MAX_PROPOSALS }));
            }
            proposals.push(ProposalPayload::decode(reader, proposals.len() + 1)?);
        }
        if proposals.is_empty() {
            return Err(reader.fault(Fault::Truncated {
                field: "proposal",
                needed: PROPOSAL_HEADER_LEN,
                remaining: 0,
            }));
        }
        Ok(Self { proposals })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        assert!(
            (1..=MAX_PROPOSALS).contains(&self.proposals.len()),
            "an SA payload has 1 to {MAX_PROPOSALS} proposals"
        );
        let last = self.proposals.len() - 1;
        for (index, proposal) in self.proposals.iter().enumerate() {
            proposal.encode(writer, index < last);
        }
    }
}

impl ProposalPayload {
    fn decode(reader: &mut Reader<'_>, ordinal: usize) -> Result<Self, DecodeError> {
        let item = Item { name: "proposal", number: ordinal };
        let marker = reader.u8("last proposal marker")?;
        let _reserved = reader.u8("reserved octet of a proposal")?;
        let length = usize::from(reader.u16("proposal length")?);
        let mut inner = reader.item(item, length, 4)?;
        check_marker(&inner, marker, MORE_PROPOSALS, !reader.is_empty(), "last proposal marker")?;
        let number = inner.u8("proposal number")?;
        let protocol = ProtocolId::from_code(inner.u8("protocol ID")?);
        let spi_size = usize::from(inner.u8("SPI size")?);
        let count = usize::from(inner.u8("number of transforms")?);
        let spi = inner.bytes(spi_size, "SPI")?.to_vec();
        let transforms = Transform::decode_list(&mut inner, count)?;
        Ok(Self { number, protocol, spi, transforms })
    }

    fn encode(&self, writer: &mut Writer, more: bool) {
        assert!(
            self.transforms.len() <= MAX_TRANSFORMS,
            "a proposal has at most {MAX_TRANSFORMS} transforms"
        );
        writer.measured(2, |writer| {
            writer.u8(if more { MORE_PROPOSALS } else { 0 });
            writer.u8(0);
            writer.u16(0);
            writer.u8(self.number);
            writer.u8(self.protocol.code());
            writer.count_u8(self.spi.len());
            writer.count_u8(self.transforms.len());
            writer.bytes(&self.spi);
            Transform::encode_list(&self.transforms, writer);
        });
    }
}

/// Checks the "last substructure" octet, which repeats what the lengths say already (RFC 7296 §3.3.1).
pub(crate) fn check_marker(
    reader: &Reader<'_>,
    marker: u8,
    more_value: u8,
    more: bool,
    field: &'static str,
) -> Result<(), DecodeError> {
    if marker == if more { more_value } else { 0 } {
        return Ok(());
    }
    let allowed = match (more, more_value) {
        (false, _) => "0",
        (true, MORE_PROPOSALS) => "2",
        (true, _) => "3",
    };
    Err(reader.fault(Fault::Value { field, value: usize::from(marker), allowed }))
}
