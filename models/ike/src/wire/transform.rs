//! Transforms and their attributes (RFC 7296 §3.3.2 and §3.3.5, figures 8 and 9).
//!
//! Key Length is the only attribute that IKEv2 defines, so it is a field of its own; others are kept behind it, since
//! a transform with an attribute that nobody here knows must be refused (§3.3.6) and yet be encodable.

use super::buffer::{Reader, Writer};
use super::error::{DecodeError, Fault, Item};
use super::sa::check_marker;

/// Most transforms in one proposal: what its count octet can say.
pub const MAX_TRANSFORMS: usize = 255;

/// Most attributes of one transform. Ours: one is defined.
pub const MAX_ATTRIBUTES: usize = 16;

const MORE_TRANSFORMS: u8 = 3;
const TRANSFORM_HEADER_LEN: usize = 4;
/// The "attribute format" bit: the value is in the header.
const SHORT_ATTRIBUTE: u16 = 0x8000;
/// Attribute type of Key Length (RFC 7296 §3.3.5).
const KEY_LENGTH: u16 = 14;

code_points! {
    /// What a transform chooses (RFC 7296 §3.3.2, RFC 9370 for the name of type 4).
    TransformType: u8 {
        Encryption = 1 => "ENCR",
        Prf = 2 => "PRF",
        Integrity = 3 => "INTEG",
        KeyExchange = 4 => "KE",
        Esn = 5 => "ESN",
    }
}

/// One transform substructure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// What the transform chooses.
    pub kind: TransformType,
    /// The IANA number of the algorithm within its type.
    pub id: u16,
    /// The Key Length attribute, in bits.
    pub key_length: Option<u16>,
    /// All other attributes, in order; at most [`MAX_ATTRIBUTES`] together with the key length.
    pub other_attributes: Vec<Attribute>,
}

/// A transform attribute that has no field of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Type and value in four octets (TV); the type is below 0x8000 and not that of Key Length.
    Short {
        /// Attribute type.
        kind: u16,
        /// Value.
        value: u16,
    },
    /// Type, length and value (TLV); the type is below 0x8000.
    Long {
        /// Attribute type.
        kind: u16,
        /// Value.
        value: Vec<u8>,
    },
}

impl Transform {
    /// A transform with no attribute but possibly a key length in bits.
    pub const fn new(kind: TransformType, id: u16, key_length: Option<u16>) -> Self {
        Self { kind, id, key_length, other_attributes: Vec::new() }
    }

    pub(crate) fn decode_list(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
        let transforms = (1..=count)
            .map(|number| Self::decode(reader, Item { name: "transform", number }, number < count))
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish("the last transform")?;
        Ok(transforms)
    }

    fn decode(reader: &mut Reader<'_>, item: Item, more: bool) -> Result<Self, DecodeError> {
        let marker = reader.u8("last transform marker")?;
        check_marker(reader, marker, MORE_TRANSFORMS, more, "last transform marker")?;
        let _reserved = reader.u8("reserved octet of a transform")?;
        let length = usize::from(reader.u16("transform length")?);
        let mut inner = reader.item(item, length, TRANSFORM_HEADER_LEN)?;
        let kind = TransformType::from_code(inner.u8("transform type")?);
        let _reserved = inner.u8("reserved octet of a transform")?;
        let mut transform = Self::new(kind, inner.u16("transform ID")?, None);
        transform.decode_attributes(&mut inner)?;
        Ok(transform)
    }

    fn decode_attributes(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let mut count = 0;
        while !reader.is_empty() {
            count += 1;
            if count > MAX_ATTRIBUTES {
                return Err(reader.fault(Fault::TooMany { what: "attributes", limit: MAX_ATTRIBUTES }));
            }
            match Attribute::decode(reader)? {
                Attribute::Short { kind: KEY_LENGTH, value } => self.set_key_length(reader, value)?,
                other => self.other_attributes.push(other),
            }
        }
        Ok(())
    }

    fn set_key_length(&mut self, reader: &Reader<'_>, value: u16) -> Result<(), DecodeError> {
        match self.key_length.replace(value) {
            None => Ok(()),
            Some(_) => Err(reader.fault(Fault::TooMany { what: "key lengths in a transform", limit: 1 })),
        }
    }

    pub(crate) fn encode_list(transforms: &[Self], writer: &mut Writer) {
        let count = transforms.len();
        for (index, transform) in transforms.iter().enumerate() {
            transform.encode(writer, index + 1 < count);
        }
    }

    fn encode(&self, writer: &mut Writer, more: bool) {
        let attributes = usize::from(self.key_length.is_some()) + self.other_attributes.len();
        assert!(attributes <= MAX_ATTRIBUTES, "a transform has at most {MAX_ATTRIBUTES} attributes");
        writer.measured(2, |writer| {
            writer.u8(if more { MORE_TRANSFORMS } else { 0 });
            writer.u8(0);
            writer.u16(0);
            writer.u8(self.kind.code());
            writer.u8(0);
            writer.u16(self.id);
            if let Some(bits) = self.key_length {
                Attribute::Short { kind: KEY_LENGTH, value: bits }.encode(writer);
            }
            for attribute in &self.other_attributes {
                attribute.encode(writer);
            }
        });
    }
}

impl Attribute {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = reader.u16("attribute type")?;
        let value_or_len = reader.u16("attribute value or length")?;
        if kind & SHORT_ATTRIBUTE != 0 {
            return Ok(Self::Short { kind: kind & !SHORT_ATTRIBUTE, value: value_or_len });
        }
        let value = reader.bytes(usize::from(value_or_len), "attribute value")?.to_vec();
        Ok(Self::Long { kind, value })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Short { kind, value } => {
                writer.u16(kind | SHORT_ATTRIBUTE);
                writer.u16(*value);
            }
            Self::Long { kind, value } => {
                writer.u16(kind & !SHORT_ATTRIBUTE);
                writer.count_u16(value.len());
                writer.bytes(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::Part;

    fn encode(transforms: &[Transform]) -> Vec<u8> {
        let mut writer = Writer::new();
        Transform::encode_list(transforms, &mut writer);
        writer.into_vec()
    }

    fn decode(bytes: &[u8], count: usize) -> Result<Vec<Transform>, String> {
        let mut reader = Reader::new(bytes, Part::Header, 0);
        Transform::decode_list(&mut reader, count).map_err(|error| error.to_string())
    }

    fn check_error(bytes: &[u8], count: usize, expected: &str) {
        assert_eq!(decode(bytes, count), Err(format!("IKE header at byte 0: {expected}")));
    }

    #[test]
    fn the_last_transform_is_marked_and_key_length_is_a_short_attribute() {
        let transforms = [
            Transform::new(TransformType::Encryption, 12, Some(128)),
            Transform::new(TransformType::Prf, 5, None),
        ];
        let bytes = [3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 0, 128, 0, 0, 0, 8, 2, 0, 0, 5];
        assert_eq!(encode(&transforms), bytes);
        assert_eq!(decode(&bytes, 2).as_deref(), Ok(&transforms[..]));
    }

    #[test]
    fn other_attributes_are_kept_behind_the_key_length() {
        let mut transform = Transform::new(TransformType::Encryption, 20, Some(256));
        transform.other_attributes =
            vec![Attribute::Long { kind: 14, value: vec![1, 0] }, Attribute::Short { kind: 99, value: 7 }];
        let bytes = encode(core::slice::from_ref(&transform));
        assert_eq!(decode(&bytes, 1), Ok(vec![transform]));
    }

    #[test]
    fn marker_count_and_length_must_agree() {
        let good = encode(&[Transform::new(TransformType::Esn, 0, None)]);
        check_error(&good, 2, "last transform marker is 0, 3 is right");
        check_error(&good, 0, "8 bytes are left over after the last transform");
        check_error(&good[..7], 1, "transform 1 claims 8 bytes, 7 remain");
        check_error(&[0, 0, 0, 3], 1, "transform 1 claims 3 bytes, at least 4 are needed");
    }

    #[test]
    fn two_key_lengths_contradict_each_other() {
        let bytes = [0, 0, 0, 16, 1, 0, 0, 12, 0x80, 14, 0, 128, 0x80, 14, 1, 0];
        check_error(&bytes, 1, "more than 1 key lengths in a transform");
    }

    #[test]
    fn attributes_are_bounded() {
        let mut transform = Transform::new(TransformType::Encryption, 20, None);
        transform.other_attributes = vec![Attribute::Short { kind: 1, value: 0 }; MAX_ATTRIBUTES];
        let mut bytes = encode(&[transform]);
        assert!(decode(&bytes, 1).is_ok());
        bytes.extend([0x80, 1, 0, 0]);
        bytes[3] += 4;
        check_error(&bytes, 1, "more than 16 attributes");
    }
}
