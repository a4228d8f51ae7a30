//! Identification payloads (RFC 7296 §3.5, figure 11); IDi and IDr differ in their payload type alone.

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
    /// The identity itself: an address, a name without terminator, DER, or any octets.
    pub data: Vec<u8>,
}

impl IdPayload {
    /// The payload without its generic header: what the AUTH calculation calls `RestOfInitIDPayload` and
    /// `RestOfRespIDPayload` (RFC 7296 §2.15).
    pub fn body(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer);
        writer.into_vec()
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = IdType::from_code(reader.u8("ID type")?);
        let _reserved = reader.bytes(3, "reserved octets")?;
        Ok(Self { kind, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.code());
        writer.bytes(&[0; 3]);
        writer.bytes(&self.data);
    }
}
