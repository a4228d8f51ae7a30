//! Security Association payload with its proposals and transforms (RFC 2408 §3.4 to §3.6, RFC 2407 §4.6.1).
//!
//! The plain structure, attributes in the order that they came in; what a proposal means and which one is chosen is
//! [`proposal`](crate::proposal)'s affair. Proposals of one number belong together (AH and ESP, say); transforms of one
//! proposal are alternatives. Labels of the situations with secrecy or integrity are not read, so such a payload does
//! not decode.

use super::attribute::{Attribute, MAX_ATTRIBUTES, decode_list};
use super::doi::{Doi, ProtocolId, Situation};
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Fault, Item};
use crate::wire::sa::check_marker;

/// Most proposals in one SA payload. Ours: the field allows 255, and no peer is known to send more than about ten.
pub const MAX_PROPOSALS: usize = 64;
/// Most transforms in one proposal: what its count octet can say.
pub const MAX_TRANSFORMS: usize = 255;

const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;
const SUBSTRUCTURE_HEADER_LEN: usize = 4;

/// A Security Association payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaPayload {
    /// Whose numbers it uses.
    pub doi: Doi,
    /// What decides about the SA.
    pub situation: Situation,
    /// The proposals, most wanted first, those of one number side by side; 1 to [`MAX_PROPOSALS`].
    pub proposals: Vec<Proposal>,
}

/// One proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The proposal's number; those with the same number are wanted together (RFC 2408 §4.2).
    pub number: u8,
    /// The protocol that the proposal is for.
    pub protocol: ProtocolId,
    /// The SPI that the sender will receive with: 4 octets for ESP and AH; in phase 1 mostly empty, else ignored.
    pub spi: Vec<u8>,
    /// The transforms, most wanted first; at most [`MAX_TRANSFORMS`].
    pub transforms: Vec<Transform>,
}

/// One transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// The transform's number within its proposal; the answer repeats it.
    pub number: u8,
    /// What it is, in the numbers of the proposal's protocol.
    pub id: u8,
    /// The attributes, in order; at most [`MAX_ATTRIBUTES`].
    pub attributes: Vec<Attribute>,
}

impl SaPayload {
    /// A payload for IPsec in the only situation that is supported.
    pub const fn new(proposals: Vec<Proposal>) -> Self {
        Self { doi: Doi::IPSEC, situation: Situation::IDENTITY_ONLY, proposals }
    }

    /// The payload without its generic header: `SAi_b`, which `HASH_I` and `HASH_R` cover (RFC 2409 §5).
    pub fn body(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer);
        writer.into_vec()
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let doi = Doi(reader.u32("DOI")?);
        let situation = Situation(reader.u32("situation")?);
        let mut proposals = Vec::new();
        while proposals.is_empty() || !reader.is_empty() {
            if proposals.len() == MAX_PROPOSALS {
                return Err(reader.fault(Fault::TooMany { what: "proposals", limit: MAX_PROPOSALS }));
            }
            proposals.push(Proposal::decode(reader, proposals.len() + 1)?);
        }
        Ok(Self { doi, situation, proposals })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        let count = self.proposals.len();
        assert!((1..=MAX_PROPOSALS).contains(&count), "an SA payload has 1 to {MAX_PROPOSALS} proposals");
        writer.u32(self.doi.0);
        writer.u32(self.situation.0);
        for (index, proposal) in self.proposals.iter().enumerate() {
            proposal.encode(writer, index + 1 < count);
        }
    }
}

impl Proposal {
    fn decode(reader: &mut Reader<'_>, ordinal: usize) -> Result<Self, DecodeError> {
        let item = Item { name: "proposal", number: ordinal };
        let marker = reader.u8("last proposal marker")?;
        let _reserved = reader.u8("reserved octet of a proposal")?;
        let length = usize::from(reader.u16("proposal length")?);
        let mut inner = reader.item(item, length, SUBSTRUCTURE_HEADER_LEN)?;
        check_marker(&inner, marker, MORE_PROPOSALS, !reader.is_empty(), "last proposal marker")?;
        let number = inner.u8("proposal number")?;
        let protocol = ProtocolId::from_code(inner.u8("protocol ID")?);
        let spi_size = usize::from(inner.u8("SPI size")?);
        let count = usize::from(inner.u8("number of transforms")?);
        let spi = inner.bytes(spi_size, "SPI")?.to_vec();
        let transforms = (1..=count)
            .map(|ordinal| Transform::decode(&mut inner, ordinal, ordinal < count))
            .collect::<Result<_, _>>()?;
        inner.finish("the last transform")?;
        Ok(Self { number, protocol, spi, transforms })
    }

    fn encode(&self, writer: &mut Writer, more: bool) {
        let count = self.transforms.len();
        assert!(count <= MAX_TRANSFORMS, "a proposal has at most {MAX_TRANSFORMS} transforms");
        writer.measured(2, |writer| {
            writer.u8(if more { MORE_PROPOSALS } else { 0 });
            writer.u8(0);
            writer.u16(0);
            writer.u8(self.number);
            writer.u8(self.protocol.code());
            writer.count_u8(self.spi.len());
            writer.count_u8(count);
            writer.bytes(&self.spi);
            for (index, transform) in self.transforms.iter().enumerate() {
                transform.encode(writer, index + 1 < count);
            }
        });
    }
}

impl Transform {
    /// The first attribute of a type.
    pub fn attribute(&self, kind: u16) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.kind() == kind)
    }

    fn decode(reader: &mut Reader<'_>, ordinal: usize, more: bool) -> Result<Self, DecodeError> {
        let item = Item { name: "transform", number: ordinal };
        let marker = reader.u8("last transform marker")?;
        check_marker(reader, marker, MORE_TRANSFORMS, more, "last transform marker")?;
        let _reserved = reader.u8("reserved octet of a transform")?;
        let length = usize::from(reader.u16("transform length")?);
        let mut inner = reader.item(item, length, SUBSTRUCTURE_HEADER_LEN)?;
        let number = inner.u8("transform number")?;
        let id = inner.u8("transform ID")?;
        let _reserved = inner.u16("reserved octets of a transform")?;
        Ok(Self { number, id, attributes: decode_list(&mut inner)? })
    }

    fn encode(&self, writer: &mut Writer, more: bool) {
        assert!(
            self.attributes.len() <= MAX_ATTRIBUTES,
            "a transform has at most {MAX_ATTRIBUTES} attributes"
        );
        writer.measured(2, |writer| {
            writer.u8(if more { MORE_TRANSFORMS } else { 0 });
            writer.u8(0);
            writer.u16(0);
            writer.u8(self.number);
            writer.u8(self.id);
            writer.u16(0);
            self.attributes.iter().for_each(|attribute| attribute.encode(writer));
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, encode_body, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    fn proposal(number: u8) -> Proposal {
        let attributes = vec![Attribute::Short { kind: 4, value: 1 }];
        let transforms = vec![Transform { number: 1, id: 12, attributes }];
        Proposal { number, protocol: ProtocolId::Esp, spi: vec![1, 2, 3, 4], transforms }
    }

    fn body(numbers: &[u8]) -> Vec<u8> {
        let proposals = numbers.iter().map(|number| proposal(*number)).collect();
        encode_body(&Payload::Sa(SaPayload::new(proposals)))
    }

    #[test]
    fn a_proposal_is_a_transform_with_its_attributes_in_order() {
        let attributes = vec![
            Attribute::Short { kind: 5, value: 2 },
            Attribute::Long { kind: 2, value: vec![0, 1, 0x51, 0x80] },
            Attribute::Short { kind: 1, value: 1 },
        ];
        let transforms = vec![Transform { number: 7, id: 3, attributes: attributes.clone() }];
        let proposal = Proposal { number: 1, protocol: ProtocolId::Esp, spi: vec![9; 4], transforms };
        assert_eq!(proposal.transforms[0].attribute(2), Some(&attributes[1]));
        assert_eq!(proposal.transforms[0].attribute(9), None);
        let expected = [
            &[0, 0, 0, 1, 0, 0, 0, 1][..],
            &[0, 0, 0, 36, 1, 3, 4, 1, 9, 9, 9, 9],
            &[0, 0, 0, 24, 7, 3, 0, 0],
            &[0x80, 5, 0, 2, 0, 2, 0, 4, 0, 1, 0x51, 0x80, 0x80, 1, 0, 1],
        ];
        let payload = SaPayload::new(vec![proposal]);
        assert_eq!(payload.body(), expected.concat());
        check_bytes(&Payload::Sa(payload), &expected.concat());
    }

    #[test]
    fn proposals_of_one_number_stay_apart_and_in_order() {
        let payload = SaPayload::new(vec![proposal(1), proposal(1), proposal(2)]);
        let bytes = encode_body(&Payload::Sa(payload.clone()));
        assert_eq!((bytes[8], bytes[32], bytes[56]), (2, 2, 0));
        check_bytes(&Payload::Sa(payload), &bytes);
    }

    #[test]
    fn another_doi_and_another_situation_decode_for_those_who_must_refuse_them() {
        let mut payload = SaPayload::new(vec![proposal(1)]);
        payload.doi = Doi::ISAKMP;
        payload.situation = Situation(0);
        check_round_trip(&Payload::Sa(payload));
    }

    #[test]
    fn errors_name_proposal_offset_and_lengths() {
        let kind = PayloadType::Sa;
        let mut bytes = body(&[1, 2]);
        bytes[35] = 48;
        check_error(kind, &bytes, "proposal 2 claims 48 bytes, 24 remain");
        check_error(kind, &bytes[..8], "last proposal marker needs 1 bytes, 0 remain");
        check_error(kind, &bytes[..7], "situation needs 4 bytes, 3 remain");
        let mut bytes = body(&[1]);
        bytes[14] = 17;
        check_error(kind, &bytes, "SPI needs 17 bytes, 16 remain");
        let mut bytes = body(&[1]);
        bytes[15] = 2;
        check_error(kind, &bytes, "last transform marker is 0, 3 is right");
        bytes[15] = 0;
        check_error(kind, &bytes, "12 bytes are left over after the last transform");
    }

    #[test]
    fn proposals_and_attributes_are_bounded() {
        let kind = PayloadType::Sa;
        let one = body(&[1]).split_off(8);
        let mut bytes = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &one.repeat(MAX_PROPOSALS + 1)].concat();
        (0..MAX_PROPOSALS).for_each(|n| bytes[8 + n * one.len()] = 2);
        check_error(kind, &bytes, "more than 64 proposals");
        let mut many = proposal(1);
        many.transforms[0].attributes = vec![Attribute::Short { kind: 1, value: 1 }; MAX_ATTRIBUTES];
        let mut bytes = encode_body(&Payload::Sa(SaPayload::new(vec![many])));
        bytes.extend([0x80, 1, 0, 1]);
        bytes[11] += 4;
        bytes[23] += 4;
        check_error(kind, &bytes, "more than 32 attributes");
    }

    fn attribute() -> impl Strategy<Value = Attribute> {
        let short = (0_u16..0x8000, any::<u16>()).prop_map(|(kind, value)| Attribute::Short { kind, value });
        let long = (0_u16..0x8000, octets(0..9)).prop_map(|(kind, value)| Attribute::Long { kind, value });
        prop_oneof![short, long]
    }

    fn transform() -> impl Strategy<Value = Transform> {
        (any::<(u8, u8)>(), vec(attribute(), 0..4)).prop_map(|((number, id), attributes)| Transform {
            number,
            id,
            attributes,
        })
    }

    fn any_proposal() -> impl Strategy<Value = Proposal> {
        (any::<(u8, u8)>(), octets(0..9), vec(transform(), 0..4)).prop_map(
            |((number, protocol), spi, transforms)| Proposal {
                number,
                protocol: ProtocolId::from_code(protocol),
                spi,
                transforms,
            },
        )
    }

    proptest! {
        #[test]
        fn any_proposals_survive(doi: u32, situation: u32, proposals in vec(any_proposal(), 1..4)) {
            let payload = SaPayload { doi: Doi(doi), situation: Situation(situation), proposals };
            check_round_trip(&Payload::Sa(payload));
        }
    }
}
