//! A whole message in the clear: header and payloads (RFC 2408 §3.1).
//!
//! Encrypted messages have the same header and are the affair of [`v1::cipher`](crate::v1), which has the keys.

use super::header::{Header, MessageHeader};
use super::payload::{Payload, decode_chain, encode_chain, first_type};
use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::{DecodeError, Fault, Part};
use crate::wire::message::{USUAL_LEN, check_length, set_length};

/// An `IKEv1` message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header, but for what follows from the payloads.
    pub header: MessageHeader,
    /// The payloads in order.
    pub payloads: Vec<Payload>,
}

impl Message {
    /// Decodes a message in the clear, without the non-ESP marker of port 4500. The header's length field must be the
    /// datagram's.
    ///
    /// # Errors
    /// See [`DecodeError`]; an encrypted message is one too. [`Header::decode`] still gives the header to answer to.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::IsakmpHeader, 0);
        let header = read_header(&mut reader, bytes.len())?;
        let message_header = header.message_header()?;
        if header.flags.encryption {
            return Err(reader.fault(Fault::Value {
                field: "encryption flag",
                value: 1,
                allowed: "0 in a message in the clear",
            }));
        }
        let payloads = decode_chain(header.next_payload, &mut reader)?;
        reader.finish("the last payload")?;
        Ok(Self { header: message_header, payloads })
    }

    /// The bytes of the message.
    ///
    /// # Panics
    /// When a list or a field in it is longer than its count on the wire or one of the limits allows, or when the
    /// header says that it is encrypted: such a message must not be built.
    pub fn encode(&self) -> Vec<u8> {
        assert!(!self.header.flags.encryption, "a message in the clear does not claim to be encrypted");
        let mut writer = Writer::with_capacity(USUAL_LEN);
        self.header.with_payloads(first_type(&self.payloads)).encode(&mut writer);
        encode_chain(&self.payloads, &mut writer);
        set_length(&mut writer, 0);
        writer.into_vec()
    }
}

/// Reads the header of a datagram of `len` octets, which its length field must claim.
pub(crate) fn read_header(reader: &mut Reader<'_>, len: usize) -> Result<Header, DecodeError> {
    let header = Header::read(reader)?;
    header.message_header()?;
    check_length(reader, header.length, len)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::isakmp::{Cookie, Cookies, ExchangeType, Flags, MessageId, VendorIdPayload, Version};

    fn message() -> Message {
        let header = MessageHeader {
            cookies: Cookies { initiator: Cookie::new(1), responder: Cookie::ZERO },
            exchange: ExchangeType::IdentityProtection,
            flags: Flags::CLEAR,
            message_id: MessageId::ZERO,
            version: Version::V1_0,
        };
        Message { header, payloads: vec![Payload::VendorId(VendorIdPayload(vec![7; 4]))] }
    }

    #[test]
    fn header_and_payloads_are_chained_by_type() {
        let bytes = message().encode();
        assert_eq!((bytes.len(), bytes[16], bytes[27], bytes[28]), (36, 13, 36, 0));
        assert_eq!(Message::decode(&bytes), Ok(message()));
    }

    #[test]
    fn the_length_field_must_be_the_datagrams() {
        let mut bytes = message().encode();
        bytes.push(0);
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "ISAKMP header at byte 0: length is 36, the length of the datagram is right");
    }

    #[test]
    fn an_encrypted_message_does_not_decode_without_keys() {
        let mut bytes = message().encode();
        bytes[19] = 1;
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(
            error,
            "ISAKMP header at byte 0: encryption flag is 1, 0 in a message in the clear is right"
        );
    }

    #[test]
    fn another_major_version_is_not_called_malformed() {
        let mut bytes = message().encode();
        bytes[17] = 0x20;
        assert_eq!(Message::decode(&bytes), Err(DecodeError::UnsupportedVersion { major: 2 }));
    }

    #[test]
    fn octets_behind_the_last_payload_are_an_error() {
        let mut bytes = message().encode();
        bytes.push(0);
        bytes[27] += 1;
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "V payload at byte 28: 1 bytes are left over after the last payload");
    }
}
