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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Payload;
    use crate::wire::testing::{check_bytes, check_round_trip, octets};

    #[test]
    fn the_body_is_the_vendor_id() {
        check_bytes(&Payload::VendorId(VendorIdPayload(b"ipseclab".to_vec())), b"ipseclab");
    }

    proptest! {
        #[test]
        fn any_vendor_id_survives(octets in octets(0..64)) {
            check_round_trip(&Payload::VendorId(VendorIdPayload(octets)));
        }
    }
}
