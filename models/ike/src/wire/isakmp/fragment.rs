//! A piece of a larger message: payload 132 of the extension that Cisco and Microsoft announce as "FRAGMENTATION".
//!
//! No RFC describes it. A message is cut after it was encrypted; each piece travels under a header of its own, in the
//! clear, with this one payload.

use crate::wire::buffer::{Reader, Writer};
use crate::wire::error::DecodeError;

/// Marks the last piece.
const FLAG_LAST: u8 = 0x01;

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentPayload {
    /// Which message the piece is of.
    pub id: u16,
    /// Which piece it is, from 1.
    pub number: u8,
    /// The flags; [`is_last`](Self::is_last) reads the one that is known.
    pub flags: u8,
    /// Octets of the message, its header included in piece 1.
    pub data: Vec<u8>,
}

impl FragmentPayload {
    /// Octets in front of the data, generic header included.
    pub const OVERHEAD: usize = 8;

    /// A piece of a message.
    pub fn new(id: u16, number: u8, last: bool, data: Vec<u8>) -> Self {
        Self { id, number, flags: if last { FLAG_LAST } else { 0 }, data }
    }

    /// Whether no piece follows.
    pub const fn is_last(&self) -> bool {
        self.flags & FLAG_LAST != 0
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: reader.u16("fragment ID")?,
            number: reader.u8("fragment number")?,
            flags: reader.u8("fragment flags")?,
            data: reader.rest().to_vec(),
        })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.id);
        writer.u8(self.number);
        writer.u8(self.flags);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::testing::{check_bytes, check_error, check_round_trip, octets};
    use crate::wire::isakmp::{Payload, PayloadType};

    #[test]
    fn the_last_piece_is_marked() {
        let payload = FragmentPayload::new(1, 2, true, vec![9]);
        assert!(payload.is_last() && !FragmentPayload::new(1, 1, false, Vec::new()).is_last());
        check_bytes(&Payload::Fragment(payload), &[0, 1, 2, 1, 9]);
    }

    #[test]
    fn a_short_payload_is_malformed() {
        check_error(PayloadType::Fragment, &[0, 1, 2], "fragment flags needs 1 bytes, 0 remain");
    }

    proptest! {
        #[test]
        fn any_fragment_survives(id: u16, number: u8, flags: u8, data in octets(0..64)) {
            check_round_trip(&Payload::Fragment(FragmentPayload { id, number, flags, data }));
        }
    }
}
