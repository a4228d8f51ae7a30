//! Encrypted Fragment payload (RFC 7383 §2.5, figure 1), still closed.
//!
//! How long IV and ICV are is known with the keys alone, so they are one run of octets with the ciphertext here.

use core::fmt;

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault};
use super::payload::PayloadType;

/// Octets of Fragment Number and Total Fragments.
pub(crate) const FRAGMENT_HEADER_LEN: usize = 4;

/// Which fragment of how many: 1 ≤ number ≤ total (RFC 7383 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentNumber {
    number: u16,
    total: u16,
}

impl FragmentNumber {
    /// Fragment `number` of `total`, or `None` when there is no such fragment.
    pub const fn new(number: u16, total: u16) -> Option<Self> {
        if number >= 1 && number <= total { Some(Self { number, total }) } else { None }
    }

    /// The fragment's own number, from 1.
    pub const fn number(self) -> u16 {
        self.number
    }

    /// How many fragments the message has.
    pub const fn total(self) -> u16 {
        self.total
    }

    /// Whether it is the one that names the first payload inside.
    pub const fn is_first(self) -> bool {
        self.number == 1
    }
}

impl fmt::Display for FragmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.total)
    }
}

/// A closed SKF payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkfPayload {
    /// In fragment 1 the type of the first payload inside the whole message; sent as [`PayloadType::None`] in all others.
    pub first_inner: PayloadType,
    /// Which fragment it is.
    pub fragment: FragmentNumber,
    /// IV, ciphertext and ICV.
    pub body: Vec<u8>,
}

impl SkfPayload {
    pub(crate) fn decode(first_inner: PayloadType, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = reader.u16("fragment number")?;
        let total = reader.u16("total fragments")?;
        let allowed = "from 1 to the total";
        let fault = Fault::Value { field: "fragment number", value: usize::from(number), allowed };
        let fragment = FragmentNumber::new(number, total).ok_or_else(|| reader.fault(fault))?;
        Ok(Self { first_inner, fragment, body: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.fragment.number);
        writer.u16(self.fragment.total);
        writer.bytes(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Payload;
    use crate::wire::testing::{check_bytes, check_error, check_hostile, check_round_trip, octets};

    fn payload(first_inner: PayloadType, number: u16, total: u16, body: Vec<u8>) -> Payload {
        let fragment = FragmentNumber::new(number, total).unwrap();
        Payload::Skf(SkfPayload { first_inner, fragment, body })
    }

    #[test]
    fn number_and_total_stand_before_the_iv() {
        let payload = payload(PayloadType::None, 2, 3, vec![7, 8]);
        check_bytes(&payload, &[0, 2, 0, 3, 7, 8]);
    }

    #[test]
    fn the_first_fragment_names_the_first_payload_inside() {
        check_round_trip(&payload(PayloadType::IdI, 1, 2, vec![9; 20]));
    }

    #[test]
    fn there_is_no_fragment_zero_and_none_beyond_the_total() {
        for (number, total) in [(0, 0), (0, 1), (2, 1)] {
            let expected =
                format!("SKF payload at byte 28: fragment number is {number}, from 1 to the total is right");
            check_error(PayloadType::EncryptedFragment, &[0, number, 0, total, 9], &expected);
        }
        assert_eq!(FragmentNumber::new(1, 1).map(FragmentNumber::is_first), Some(true));
        let expected = "SKF payload at byte 28: total fragments needs 2 bytes, 1 remain";
        check_error(PayloadType::EncryptedFragment, &[0, 1, 0], expected);
    }

    proptest! {
        #[test]
        fn any_fragment_survives(first: u8, number in 1_u16.., more: u16, body in octets(0..80)) {
            let total = number.saturating_add(more);
            let payload = payload(PayloadType::from_code(first), number, total, body);
            check_round_trip(&payload);
            check_hostile(&payload);
        }
    }
}
