//! Encrypted payload (RFC 7296 §3.14, figure 21), still closed.
//!
//! How long IV and ICV are is known with the keys alone, so the body is one run of octets here.

use super::buffer::{Reader, Writer};
use super::payload::PayloadType;

/// A closed SK payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkPayload {
    /// The type of the first payload inside; [`PayloadType::None`] when there is none.
    pub first_inner: PayloadType,
    /// IV, ciphertext and ICV.
    pub body: Vec<u8>,
}

impl SkPayload {
    pub(crate) fn decode(first_inner: PayloadType, reader: &mut Reader<'_>) -> Self {
        Self { first_inner, body: reader.rest().to_vec() }
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::check_error;
    use crate::wire::{ExchangeType, Flags, IkeSpi, Message, MessageHeader, MessageId, Payload, Version};

    fn message() -> Message {
        let header = MessageHeader {
            spi_i: IkeSpi::new(1),
            spi_r: IkeSpi::new(2),
            exchange: ExchangeType::IkeAuth,
            flags: Flags::request(true),
            message_id: MessageId::new(1),
            version: Version::V2_0,
        };
        let sk = SkPayload { first_inner: PayloadType::IdI, body: vec![1, 2, 3] };
        Message { header, payloads: vec![Payload::Sk(sk)] }
    }

    #[test]
    fn next_payload_speaks_of_the_first_payload_inside() {
        let bytes = message().encode();
        assert_eq!(bytes[28..], [35, 0, 0, 7, 1, 2, 3]);
        assert_eq!(Message::decode(&bytes), Ok(message()));
    }

    #[test]
    fn nothing_follows_sk() {
        let mut bytes = message().encode();
        bytes.extend([0, 0, 0, 4]);
        bytes[27] += 4;
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "SK payload at byte 28: 4 bytes are left over after the last payload");
    }

    #[test]
    fn a_length_of_three_does_not_cover_the_generic_header() {
        let mut bytes = message().encode();
        bytes[31] = 3;
        let error = Message::decode(&bytes).unwrap_err().to_string();
        assert_eq!(error, "SK payload at byte 28: payload claims 3 bytes, at least 4 are needed");
        check_error(PayloadType::Nonce, &[], "No payload at byte 28: nonce length is 0, 16 to 256 is right");
    }
}
