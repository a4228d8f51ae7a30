//! A whole message: header and payloads (RFC 7296 §3.1).
//!
//! What is encrypted stays an SK payload here; [`protect`](super::protect) goes through it with keys.

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Part};
use super::header::{Header, LENGTH_AT, MessageHeader};
use super::payload::{Level, Payload, decode_chain, encode_chain, first_type};

/// Most octets of a message: what one UDP datagram over IPv4 can carry.
pub const MAX_MESSAGE_LEN: usize = 65_507;

/// Octets that most messages without certificates stay under, to make room for.
pub(crate) const USUAL_LEN: usize = 512;

/// An IKEv2 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header, but for what follows from the payloads.
    pub header: MessageHeader,
    /// The payloads in order.
    pub payloads: Vec<Payload>,
}

impl Message {
    /// Decodes a datagram, without the non-ESP marker of port 4500. The header's length field must be the datagram's.
    ///
    /// # Errors
    /// See [`DecodeError`]. [`Header::decode`] still gives the header to answer to.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Part::Header, 0);
        let header = Header::read(&mut reader)?;
        let message_header = header.message_header()?;
        check_length(&reader, header.length, bytes.len())?;
        let payloads = decode_chain(header.next_payload, &mut reader, Level::Outer)?;
        Ok(Self { header: message_header, payloads })
    }

    /// The bytes of the message.
    ///
    /// # Panics
    /// When a list or a field in it is longer than its count on the wire or one of the limits allows, or SK is not
    /// the last payload: such a message must not be built.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(USUAL_LEN);
        self.header.with_payloads(first_type(&self.payloads)).encode(&mut writer);
        encode_chain(&self.payloads, &mut writer);
        set_length(&mut writer, 0);
        writer.into_vec()
    }
}

/// Checks the header's length field against the length of the datagram.
pub(crate) fn check_length(reader: &Reader<'_>, claimed: u32, actual: usize) -> Result<(), DecodeError> {
    if actual > MAX_MESSAGE_LEN {
        return Err(reader.fault(Fault::TooMany { what: "bytes", limit: MAX_MESSAGE_LEN }));
    }
    let claimed = usize::try_from(claimed).unwrap_or(usize::MAX);
    if claimed != actual {
        return Err(reader.fault(Fault::Value {
            field: "length",
            value: claimed,
            allowed: "the length of the datagram",
        }));
    }
    Ok(())
}

/// Writes the length of the message that is in `writer`, with `following` octets still to come, into its header.
pub(crate) fn set_length(writer: &mut Writer, following: usize) {
    let len = writer.len() + following;
    assert!(len <= MAX_MESSAGE_LEN, "a message has at most {MAX_MESSAGE_LEN} bytes, not {len}");
    writer.overwrite_length(LENGTH_AT, len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ExchangeType, Flags, IkeSpi, MessageId, NotifyPayload, NotifyType, Version};

    fn header() -> MessageHeader {
        MessageHeader {
            spi_i: IkeSpi::new(1),
            spi_r: IkeSpi::new(2),
            exchange: ExchangeType::Informational,
            flags: Flags::response(false),
            message_id: MessageId::new(3),
            version: Version::V2_0,
        }
    }

    fn notify() -> Payload {
        Payload::Notify(NotifyPayload::new(NotifyType::InitialContact, Vec::new()))
    }

    #[test]
    fn a_message_without_payloads_is_its_header() {
        let message = Message { header: header(), payloads: Vec::new() };
        let bytes = message.encode();
        assert_eq!((bytes.len(), bytes[16]), (28, 0));
        assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn payloads_are_chained_by_type() {
        let message = Message { header: header(), payloads: vec![notify(), notify()] };
        let bytes = message.encode();
        assert_eq!((bytes[16], bytes[28], bytes[36]), (41, 41, 0));
        assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn the_length_field_must_be_the_datagrams() {
        let mut bytes = Message { header: header(), payloads: vec![notify()] }.encode();
        bytes[27] -= 4;
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "IKE header at byte 0: length is 32, the length of the datagram is right");
        bytes[27] += 4;
        bytes.push(0);
        assert!(Message::decode(&bytes).is_err());
    }

    #[test]
    fn messages_are_bounded() {
        let mut bytes = Message { header: header(), payloads: Vec::new() }.encode();
        bytes.resize(MAX_MESSAGE_LEN + 1, 0);
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "IKE header at byte 0: more than 65507 bytes");
    }

    #[test]
    fn another_major_version_is_not_called_malformed() {
        let mut bytes = Message { header: header(), payloads: vec![notify()] }.encode();
        bytes[17] = 0x30;
        assert_eq!(Message::decode(&bytes), Err(DecodeError::UnsupportedVersion { major: 3 }));
    }
}
