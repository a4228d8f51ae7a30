//! [`Reader`] and [`Writer`]: the only places that slice the bytes of a message.
//!
//! A reader knows which part of the message it is in and where that part starts, so that every error says so without
//! help from the payloads. Numbers are in network byte order (RFC 7296 §3.1).

use core::num::TryFromIntError;

use super::error::{DecodeError, Fault, Item, Part};

/// A cursor over the bytes of one part of a message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    position: usize,
    part: Part,
    part_start: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which start `offset` bytes into the message, as part `part`.
    pub fn new(bytes: &'a [u8], part: Part, offset: usize) -> Self {
        Self { rest: bytes, position: offset, part, part_start: offset }
    }

    /// Bytes from the start of the message to the cursor.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether no byte is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Says that another part begins at the cursor; errors name it from here on.
    pub fn enter(&mut self, part: Part) {
        self.part = part;
        self.part_start = self.position;
    }

    /// The error for a fault in this part.
    pub fn fault(&self, fault: Fault) -> DecodeError {
        DecodeError::Malformed { part: self.part, offset: self.part_start, fault }
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// When fewer are left; `field` names them in the error.
    pub fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.fault(Fault::Truncated { field, needed: len, remaining: self.rest.len() }));
        };
        self.rest = rest;
        self.position += len;
        Ok(head)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.position += self.rest.len();
        core::mem::take(&mut self.rest)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N, field)?);
        Ok(out)
    }

    /// The next byte.
    ///
    /// # Errors
    /// When none is left.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// The next two bytes as a number.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// The next four bytes as a number.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// The next eight bytes as a number.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// A reader over what is left of an item whose length field says `claimed` bytes, `read` of which (the item's own
    /// header) are behind the cursor already; the cursor moves past the item.
    ///
    /// # Errors
    /// When `claimed` does not even cover `read`, or more than is left.
    pub fn item(&mut self, item: Item, claimed: usize, read: usize) -> Result<Self, DecodeError> {
        let Some(len) = claimed.checked_sub(read) else {
            return Err(self.fault(Fault::TooShort { item, claimed, least: read }));
        };
        if len > self.rest.len() {
            return Err(self.fault(Fault::Overrun { item, claimed, remaining: self.rest.len() + read }));
        }
        let position = self.position;
        let rest = self.bytes(len, item.name)?;
        Ok(Self { rest, position, part: self.part, part_start: self.part_start })
    }

    /// Ends the part.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn finish(&self, after: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(self.fault(Fault::Trailing { after, count })),
        }
    }
}

/// The bytes of a message in the making.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty message with room for `capacity` bytes, which is no limit.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends a 16-bit number.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends a count or length in one byte.
    ///
    /// # Panics
    /// When it does not fit: then the caller built a value that cannot be sent.
    pub fn count_u8(&mut self, count: usize) {
        self.u8(fit(count));
    }

    /// Appends a count or length in two bytes.
    ///
    /// # Panics
    /// When it does not fit: then the caller built a value that cannot be sent.
    pub fn count_u16(&mut self, count: usize) {
        self.u16(fit(count));
    }

    /// Appends what `body` writes, with the two bytes at `length_at` (bytes from here) set to the length of it all.
    ///
    /// # Panics
    /// When the length does not fit in two bytes.
    pub fn measured(&mut self, length_at: usize, body: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        body(self);
        let len: u16 = fit(self.0.len() - start);
        self.0[start + length_at..start + length_at + 2].copy_from_slice(&len.to_be_bytes());
    }

    /// Writes a length of four bytes over what stands at `at`.
    pub(crate) fn overwrite_length(&mut self, at: usize, length: usize) {
        let length: u32 = fit(length);
        self.0[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// A count or length in the size of its field.
fn fit<T: TryFrom<usize, Error = TryFromIntError>>(count: usize) -> T {
    T::try_from(count).expect("no value is built that its count on the wire cannot hold")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader<'_> {
        Reader::new(bytes, Part::Header, 100)
    }

    #[test]
    fn numbers_are_read_in_network_order() {
        let mut reader = reader(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(0x0203));
        assert_eq!(reader.u32("c"), Ok(0x0405_0607));
        assert_eq!(reader.u64("d"), Ok(0x0809_0a0b_0c0d_0e0f));
        assert_eq!(reader.position(), 115);
        assert_eq!(reader.finish("all"), Ok(()));
    }

    #[test]
    fn a_short_read_names_part_offset_and_field() {
        let error = reader(&[1, 2, 3]).u32("message id").unwrap_err();
        assert_eq!(error.to_string(), "IKE header at byte 100: message id needs 4 bytes, 3 remain");
    }

    #[test]
    fn a_failed_read_leaves_the_cursor_where_it_was() {
        let mut reader = reader(&[1, 2]);
        assert!(reader.u32("x").is_err());
        assert_eq!(reader.u16("x"), Ok(0x0102));
    }

    #[test]
    fn an_item_cannot_reach_past_its_parent() {
        let mut reader = reader(&[0; 20]);
        let item = Item { name: "proposal", number: 2 };
        let error = reader.item(item, 48, 0).unwrap_err();
        assert_eq!(error.to_string(), "IKE header at byte 100: proposal 2 claims 48 bytes, 20 remain");
        assert!(reader.item(item, 3, 4).is_err());
        let inner = reader.item(item, 12, 4).unwrap();
        assert_eq!((inner.remaining(), inner.position(), reader.remaining()), (8, 100, 12));
    }

    #[test]
    fn measured_writes_the_length_of_everything_within() {
        let mut writer = Writer::new();
        writer.u8(0xff);
        writer.measured(2, |writer| {
            writer.bytes(&[1, 2, 0, 0]);
            writer.u32(7);
        });
        assert_eq!(writer.into_vec(), [0xff, 1, 2, 0, 8, 0, 0, 0, 7]);
    }
}
