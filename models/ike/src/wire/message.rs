//! A whole message: header and payloads (RFC 7296 §3.1).
//!
//! What is encrypted stays an SK payload here; [`protect`](super::protect) goes through it with keys.

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Part};
use super::header::{Header, LENGTH_AT, MessageHeader};
use super::payload::{Level, Payload, decode_chain, encode_chain, first_type};

/// Most octets of a message: what one UDP datagram over IPv4 can carry.
pub const MAX_MESSAGE_LEN: usize = 65_507;

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
        let mut writer = Writer::new();
        self.header.with_payloads(first_type(&self.payloads)).encode(&mut writer);
        encode_chain(&self.payloads, &mut writer);
        set_length(&mut writer, 0);
        writer.into_vec()
    }
}

fn check_length(reader: &Reader<'_>, claimed: u32, actual: usize) -> Result<(), DecodeError> {
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
    let len = u32::try_from(len).expect("the limit is far below 32 bits");
    writer.overwrite_u32(LENGTH_AT, len);
}
