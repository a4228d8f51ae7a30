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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_round_trip, encode_body, octets};
    use crate::wire::{Attribute, Payload, PayloadType, TransformType};

    fn proposal(number: u8) -> ProposalPayload {
        ProposalPayload {
            number,
            protocol: ProtocolId::Esp,
            spi: vec![1, 2, 3, 4],
            transforms: vec![Transform::new(TransformType::Esn, 0, None)],
        }
    }

    fn body(count: u8) -> Vec<u8> {
        encode_body(&Payload::Sa(SaPayload { proposals: (1..=count).map(proposal).collect() }))
    }

    #[test]
    fn the_last_proposal_is_marked() {
        let payload = SaPayload { proposals: vec![proposal(1), proposal(2)] };
        let expected = [
            [2, 0, 0, 20, 1, 3, 4, 1, 1, 2, 3, 4, 0, 0, 0, 8, 5, 0, 0, 0],
            [0, 0, 0, 20, 2, 3, 4, 1, 1, 2, 3, 4, 0, 0, 0, 8, 5, 0, 0, 0],
        ];
        check_bytes(&Payload::Sa(payload), &expected.concat());
    }

    #[test]
    fn errors_name_proposal_offset_and_lengths() {
        let mut bytes = body(2);
        bytes[23] = 48;
        check_error(PayloadType::Sa, &bytes, "SA payload at byte 28: proposal 2 claims 48 bytes, 20 remain");
        check_error(PayloadType::Sa, &[], "SA payload at byte 28: proposal needs 8 bytes, 0 remain");
    }

    #[test]
    fn the_marker_must_agree_with_the_lengths() {
        let mut bytes = body(2);
        bytes[0] = 0;
        check_error(PayloadType::Sa, &bytes, "SA payload at byte 28: last proposal marker is 0, 2 is right");
        let mut bytes = body(1);
        bytes[0] = 2;
        check_error(PayloadType::Sa, &bytes, "SA payload at byte 28: last proposal marker is 2, 0 is right");
    }

    #[test]
    fn an_spi_must_fit_in_its_proposal() {
        let mut bytes = body(1);
        bytes[6] = 13;
        check_error(PayloadType::Sa, &bytes, "SA payload at byte 28: SPI needs 13 bytes, 12 remain");
    }

    #[test]
    fn proposals_are_bounded() {
        let one = body(1);
        let mut bytes = one.repeat(MAX_PROPOSALS + 1);
        (0..MAX_PROPOSALS).for_each(|n| bytes[n * one.len()] = 2);
        check_error(PayloadType::Sa, &bytes, "SA payload at byte 28: more than 64 proposals");
    }

    fn attribute() -> impl Strategy<Value = Attribute> {
        let short = (15_u16..0x8000, any::<u16>()).prop_map(|(kind, value)| Attribute::Short { kind, value });
        let long = (0_u16..0x8000, octets(0..9)).prop_map(|(kind, value)| Attribute::Long { kind, value });
        prop_oneof![short, long]
    }

    fn transform() -> impl Strategy<Value = Transform> {
        let attributes = vec(attribute(), 0..3);
        (any::<(u8, u16, Option<u16>)>(), attributes).prop_map(
            |((kind, id, key_length), other_attributes)| Transform {
                kind: TransformType::from_code(kind),
                id,
                key_length,
                other_attributes,
            },
        )
    }

    fn any_proposal() -> impl Strategy<Value = ProposalPayload> {
        (any::<(u8, u8)>(), octets(0..9), vec(transform(), 0..6)).prop_map(
            |((number, protocol), spi, transforms)| ProposalPayload {
                number,
                protocol: ProtocolId::from_code(protocol),
                spi,
                transforms,
            },
        )
    }

    proptest! {
        #[test]
        fn any_proposals_survive(proposals in vec(any_proposal(), 1..5)) {
            check_round_trip(&Payload::Sa(SaPayload { proposals }));
        }
    }
}
