//! Configuration payload (RFC 7296 §3.15, figure 22); its attributes have a file of their own.

use super::buffer::{Reader, Writer};
use super::cfg_attribute::CfgAttribute;
use super::error::{DecodeError, Fault};

/// Most attributes in one Configuration payload. Ours: real requests have fewer than ten, and a reply with a subnet for
/// each of a hundred networks still fits.
pub const MAX_CFG_ATTRIBUTES: usize = 256;

code_points! {
    /// What a Configuration payload does (RFC 7296 §3.15).
    CfgType: u8 {
        Request = 1 => "CFG_REQUEST",
        Reply = 2 => "CFG_REPLY",
        Set = 3 => "CFG_SET",
        Ack = 4 => "CFG_ACK",
    }
}

/// A Configuration payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpPayload {
    /// What it does.
    pub kind: CfgType,
    /// The attributes in order; at most [`MAX_CFG_ATTRIBUTES`].
    pub attributes: Vec<CfgAttribute>,
}

impl CpPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = CfgType::from_code(reader.u8("CFG type")?);
        let _reserved = reader.bytes(3, "reserved octets")?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            if attributes.len() == MAX_CFG_ATTRIBUTES {
                let what = "configuration attributes";
                return Err(reader.fault(Fault::TooMany { what, limit: MAX_CFG_ATTRIBUTES }));
            }
            attributes.push(CfgAttribute::decode(reader, attributes.len() + 1)?);
        }
        Ok(Self { kind, attributes })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        let limit = MAX_CFG_ATTRIBUTES;
        assert!(self.attributes.len() <= limit, "a CP payload has at most {limit} attributes");
        writer.u8(self.kind.code());
        writer.bytes(&[0; 3]);
        self.attributes.iter().for_each(|attribute| attribute.encode(writer));
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::cfg_attribute::tests::any_attribute;
    use crate::wire::testing::{check_bytes, check_error, check_hostile, check_round_trip, decode_body};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn a_request_asks_with_empty_attributes() {
        let attributes = vec![CfgAttribute::Ip4Address(None), CfgAttribute::Ip4Dns(None)];
        let payload = Payload::Cp(CpPayload { kind: CfgType::Request, attributes });
        check_bytes(&payload, &[1, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0]);
    }

    #[test]
    fn a_reply_answers_with_values() {
        let attributes = vec![CfgAttribute::Ip4Address(Some([10, 9, 0, 1].into()))];
        let payload = Payload::Cp(CpPayload { kind: CfgType::Reply, attributes });
        check_bytes(&payload, &[2, 0, 0, 0, 0, 1, 0, 4, 10, 9, 0, 1]);
    }

    #[test]
    fn an_attribute_cannot_reach_past_the_payload() {
        let part = "CP payload at byte 28";
        let overrun = format!("{part}: configuration attribute 1 claims 4 bytes, 2 remain");
        check_error(PayloadType::Configuration, &[1, 0, 0, 0, 0, 1, 0, 4, 10, 9], &overrun);
        let short = format!("{part}: attribute length needs 2 bytes, 1 remain");
        check_error(PayloadType::Configuration, &[1, 0, 0, 0, 0, 1, 0], &short);
        let header = format!("{part}: reserved octets needs 3 bytes, 2 remain");
        check_error(PayloadType::Configuration, &[1, 0, 0], &header);
    }

    #[test]
    fn attributes_are_bounded() {
        let mut body = [&[1, 0, 0, 0][..], &[0, 1, 0, 0].repeat(MAX_CFG_ATTRIBUTES)].concat();
        assert!(decode_body(PayloadType::Configuration, &body).is_ok());
        body.extend([0, 1, 0, 0]);
        let expected = "CP payload at byte 28: more than 256 configuration attributes";
        check_error(PayloadType::Configuration, &body, expected);
    }

    proptest! {
        #[test]
        fn any_attributes_survive(kind: u8, attributes in vec(any_attribute(), 0..6)) {
            let payload = Payload::Cp(CpPayload { kind: CfgType::from_code(kind), attributes });
            check_round_trip(&payload);
            check_hostile(&payload);
        }
    }
}
