//! Identification payloads (RFC 7296 §3.5, figure 11); `IDi` and `IDr` differ in their payload type alone.
//!
//! AUTH covers the octets on the wire (§2.15), so the reserved ones are kept as they came although nobody reads them.

use super::buffer::{Reader, Writer};
use super::error::DecodeError;

code_points! {
    /// The kind of an identity (RFC 7296 §3.5).
    IdType: u8 {
        Ipv4 = 1 => "IPV4_ADDR",
        Fqdn = 2 => "FQDN",
        Email = 3 => "RFC822_ADDR",
        Ipv6 = 5 => "IPV6_ADDR",
        Dn = 9 => "DER_ASN1_DN",
        Gn = 10 => "DER_ASN1_GN",
        KeyId = 11 => "KEY_ID",
        Null = 13 => "NULL",
    }
}

/// An Identification payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdPayload {
    /// The kind of identity.
    pub kind: IdType,
    /// The octets behind the kind: sent as zero, received as anything, and covered by AUTH either way.
    pub reserved: [u8; 3],
    /// The identity itself: an address, a name without terminator, DER, or any octets.
    pub data: Vec<u8>,
}

impl IdPayload {
    /// A payload to send, with reserved octets of zero.
    pub fn new(kind: IdType, data: impl Into<Vec<u8>>) -> Self {
        Self { kind, reserved: [0; 3], data: data.into() }
    }

    /// The payload without its generic header: what the AUTH calculation calls `RestOfInitIDPayload` and
    /// `RestOfRespIDPayload` (RFC 7296 §2.15).
    pub fn body(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer);
        writer.into_vec()
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = IdType::from_code(reader.u8("ID type")?);
        let reserved = reader.array("reserved octets")?;
        Ok(Self { kind, reserved, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.code());
        writer.bytes(&self.reserved);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::{Payload, PayloadType};

    #[test]
    fn the_body_is_what_auth_covers() {
        let id = IdPayload::new(IdType::Fqdn, *b"a.example");
        assert_eq!(id.body(), b"\x02\0\0\0a.example");
        check_bytes(&Payload::IdI(id.clone()), b"\x02\0\0\0a.example");
        check_bytes(&Payload::IdR(id), b"\x02\0\0\0a.example");
    }

    #[test]
    fn a_type_alone_is_malformed() {
        check_error(
            PayloadType::IdR,
            &[2],
            "IDr payload at byte 28: reserved octets needs 3 bytes, 0 remain",
        );
    }

    proptest! {
        #[test]
        fn any_identity_survives_with_its_reserved_octets(kind: u8, reserved: [u8; 3], data in octets(0..100)) {
            check_round_trip(&Payload::IdI(IdPayload { kind: IdType::from_code(kind), reserved, data }));
        }
    }
}
