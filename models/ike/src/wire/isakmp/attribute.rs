//! Data attributes (RFC 2408 §3.3): a type with a short value beside it (TV) or a long one behind it (TLV).
//!
//! SA transforms and Mode-Config use them alike. Which form a number is sent in is the sender's choice, so
//! [`Attribute::number`] reads both. The attribute itself is IKEv2's, which took the format over.

pub use crate::wire::transform::Attribute;

use crate::wire::buffer::Reader;
use crate::wire::error::{DecodeError, Fault};

/// Most attributes of one transform or one Mode-Config payload. Ours: RFC 2409 appendix A defines 16.
pub const MAX_ATTRIBUTES: usize = 32;

/// Attributes to the end of the reader.
pub(crate) fn decode_list(reader: &mut Reader<'_>) -> Result<Vec<Attribute>, DecodeError> {
    let mut attributes = Vec::new();
    while !reader.is_empty() {
        if attributes.len() == MAX_ATTRIBUTES {
            return Err(reader.fault(Fault::TooMany { what: "attributes", limit: MAX_ATTRIBUTES }));
        }
        attributes.push(Attribute::decode(reader)?);
    }
    Ok(attributes)
}

impl Attribute {
    /// The attribute's type, without the bit that tells its form.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Short { kind, .. } | Self::Long { kind, .. } => *kind,
        }
    }

    /// The value as a number, in either form; `None` when it has more than 8 octets or none.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Short { value, .. } => Some(u64::from(*value)),
            Self::Long { value, .. } if (1..=8).contains(&value.len()) => {
                Some(value.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
            }
            Self::Long { .. } => None,
        }
    }

    /// A number, short where it fits in 16 bits and in four octets otherwise, as life durations are sent.
    pub fn of_number(kind: u16, number: u32) -> Self {
        match u16::try_from(number) {
            Ok(value) => Self::Short { kind, value },
            Err(_) => Self::Long { kind, value: number.to_be_bytes().to_vec() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_forms() {
        let long = |value: &[u8]| Attribute::Long { kind: 12, value: value.to_vec() };
        assert_eq!(Attribute::Short { kind: 12, value: 28_800 }.number(), Some(28_800));
        assert_eq!(long(&[0, 0, 0x70, 0x80]).number(), Some(28_800));
        assert_eq!(long(&[0xff; 8]).number(), Some(u64::MAX));
        assert_eq!((long(&[]).number(), long(&[0; 9]).number()), (None, None));
    }

    #[test]
    fn a_number_takes_the_long_form_only_where_it_must() {
        assert_eq!(Attribute::of_number(12, 65_535), Attribute::Short { kind: 12, value: 65_535 });
        let day = Attribute::of_number(12, 86_400);
        assert_eq!(day, Attribute::Long { kind: 12, value: vec![0, 1, 0x51, 0x80] });
        assert_eq!((day.kind(), day.number()), (12, Some(86_400)));
    }
}
