//! Vendor ID payload (RFC 7296 §3.12, figure 18).

use super::buffer::{Reader, Writer};

/// Octets by which an implementation announces itself or a private extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorIdPayload(pub Vec<u8>);

impl VendorIdPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Self {
        Self(reader.rest().to_vec())
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}
