//! EAP payload (RFC 7296 §3.16, figures 24 and 25): one EAP packet (RFC 3748 §4), whole.
//!
//! The methods work on packets, so the packet's octets are what is kept; decoding settles that its length field is
//! right and that the fields which its code asks for are there. EAP lets lower layers pad packets (RFC 3748 §4.1);
//! IKE does not, and more octets than the packet claims are malformed here.

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Item};

/// Octets of code, identifier and length.
const EAP_HEADER_LEN: usize = 4;

code_points! {
    /// What an EAP packet is (RFC 3748 §4).
    EapCode: u8 {
        Request = 1 => "Request",
        Response = 2 => "Response",
        Success = 3 => "Success",
        Failure = 4 => "Failure",
    }
}

/// An EAP payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EapPayload {
    code: EapCode,
    identifier: u8,
    packet: Vec<u8>,
}

impl EapPayload {
    /// The payload that carries an EAP packet, or `None` when its length field is wrong, a request or response has no
    /// type, or a success or failure has data.
    pub fn new(packet: &[u8]) -> Option<Self> {
        let (&[code, identifier, high, low], rest) = packet.split_first_chunk()?;
        let code = EapCode::from_code(code);
        let claimed = usize::from(u16::from_be_bytes([high, low]));
        let fits = claimed == packet.len() && (body_rule(code).fits)(rest.len());
        fits.then(|| Self { code, identifier, packet: packet.to_vec() })
    }

    /// What the packet is.
    pub const fn code(&self) -> EapCode {
        self.code
    }

    /// The number that a response repeats from its request.
    pub const fn identifier(&self) -> u8 {
        self.identifier
    }

    /// The method's number, of requests and responses only (RFC 3748 §5).
    pub fn method(&self) -> Option<u8> {
        match self.code {
            EapCode::Request | EapCode::Response => self.packet.get(EAP_HEADER_LEN).copied(),
            EapCode::Success | EapCode::Failure | EapCode::Unknown(_) => None,
        }
    }

    /// The whole packet from its code on, as EAP methods take it.
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut look = reader.clone();
        let code = EapCode::from_code(look.u8("EAP code")?);
        let _identifier = look.u8("EAP identifier")?;
        let claimed = usize::from(look.u16("EAP length")?);
        let body = look.item(Item::only("EAP packet"), claimed, EAP_HEADER_LEN)?;
        look.finish("the EAP packet")?;
        let BodyRule { allowed, .. } = body_rule(code);
        let fault = Fault::Value { field: "length of EAP type and data", value: body.remaining(), allowed };
        Self::new(reader.rest()).ok_or_else(|| reader.fault(fault))
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.packet);
    }
}

/// How many octets may follow the header of an EAP packet.
struct BodyRule {
    fits: fn(usize) -> bool,
    allowed: &'static str,
}

const fn body_rule(code: EapCode) -> BodyRule {
    match code {
        EapCode::Request | EapCode::Response => BodyRule { fits: |len| len > 0, allowed: "at least 1" },
        EapCode::Success | EapCode::Failure => BodyRule { fits: |len| len == 0, allowed: "0" },
        EapCode::Unknown(_) => BodyRule { fits: |_| true, allowed: "any length" },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_hostile, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    fn packet(code: u8, identifier: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(4 + body.len()).unwrap().to_be_bytes();
        [&[code, identifier, len[0], len[1]], body].concat()
    }

    #[test]
    fn an_identity_request_is_five_octets() {
        let payload = EapPayload::new(&[1, 7, 0, 5, 1]).unwrap();
        assert_eq!((payload.code(), payload.identifier()), (EapCode::Request, 7));
        assert_eq!((payload.method(), payload.packet()), (Some(1), [1, 7, 0, 5, 1].as_slice()));
        check_bytes(&Payload::Eap(payload), &[1, 7, 0, 5, 1]);
    }

    #[test]
    fn success_has_no_method() {
        let payload = EapPayload::new(&[3, 7, 0, 4]).unwrap();
        assert_eq!((payload.code(), payload.method()), (EapCode::Success, None));
    }

    #[test]
    fn the_packets_length_is_the_payloads() {
        let part = "EAP payload at byte 28";
        let short = format!("{part}: EAP packet claims 6 bytes, 5 remain");
        check_error(PayloadType::Eap, &[1, 7, 0, 6, 1], &short);
        let long = format!("{part}: 1 bytes are left over after the EAP packet");
        check_error(PayloadType::Eap, &[1, 7, 0, 5, 1, 0], &long);
        let header = format!("{part}: EAP packet claims 3 bytes, at least 4 are needed");
        check_error(PayloadType::Eap, &[1, 7, 0, 3], &header);
        check_error(PayloadType::Eap, &[1], &format!("{part}: EAP identifier needs 1 bytes, 0 remain"));
        assert_eq!(EapPayload::new(&[1, 7, 0, 6, 1]), None);
    }

    #[test]
    fn the_code_says_whether_a_type_follows() {
        let part = "EAP payload at byte 28: length of EAP type and data";
        check_error(PayloadType::Eap, &[2, 7, 0, 4], &format!("{part} is 0, at least 1 is right"));
        check_error(PayloadType::Eap, &[4, 7, 0, 5, 1], &format!("{part} is 1, 0 is right"));
        assert!(EapPayload::new(&[9, 7, 0, 4]).is_some());
    }

    proptest! {
        #[test]
        fn any_packet_survives(code in 0_u8..8, identifier: u8, body in octets(1..80)) {
            let body = if matches!(code, 3 | 4) { Vec::new() } else { body };
            let payload = Payload::Eap(EapPayload::new(&packet(code, identifier, &body)).unwrap());
            check_round_trip(&payload);
            check_hostile(&payload);
        }
    }
}
