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
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = reader.u16("attribute type")?;
        let value_or_len = reader.u16("attribute value or length")?;
        if kind & SHORT_ATTRIBUTE != 0 {
            return Ok(Self::Short { kind: kind & !SHORT_ATTRIBUTE, value: value_or_len });
        }
        let value = reader.bytes(usize::from(value_or_len), "attribute value")?.to_vec();
        Ok(Self::Long { kind, value })
    }

    fn encode(&self, writer: &mut Writer) {
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
