//! Vendor ID payload (RFC 2408 §3.16), and the vendor IDs that name an extension which is spoken here.
//!
//! A vendor ID is mostly the MD5 of a text; the text stands beside each. Some end in version octets.

use crate::wire::buffer::{Reader, Writer};

/// Octets by which an implementation announces itself or an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorIdPayload(pub Vec<u8>);

impl VendorIdPayload {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Self {
        Self(reader.rest().to_vec())
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }

    /// The extension that the octets name, if it is one of ours.
    pub fn known(&self) -> Option<KnownVendorId> {
        KnownVendorId::ALL.iter().copied().find(|known| known.names(&self.0))
    }
}

impl From<KnownVendorId> for VendorIdPayload {
    fn from(known: KnownVendorId) -> Self {
        Self(known.octets().to_vec())
    }
}

/// Extensions that are announced by vendor ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KnownVendorId {
    /// XAUTH (draft-ietf-ipsec-isakmp-xauth-06).
    Xauth,
    /// Dead peer detection (RFC 3706 §5.1).
    Dpd,
    /// Fragmentation of IKE messages; MD5 of "FRAGMENTATION" and capability bits.
    Fragmentation,
    /// Cisco Unity client and server.
    CiscoUnity,
    /// RFC 3947; MD5 of "RFC 3947".
    NatTraversal,
    /// MD5 of "draft-ietf-ipsec-nat-t-ike-03".
    NatTraversalDraft03,
    /// MD5 of "draft-ietf-ipsec-nat-t-ike-02\n", as most have it.
    NatTraversalDraft02Newline,
    /// MD5 of "draft-ietf-ipsec-nat-t-ike-02".
    NatTraversalDraft02,
}

impl KnownVendorId {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::Xauth,
        Self::Dpd,
        Self::Fragmentation,
        Self::CiscoUnity,
        Self::NatTraversal,
        Self::NatTraversalDraft03,
        Self::NatTraversalDraft02Newline,
        Self::NatTraversalDraft02,
    ];

    /// What is sent.
    pub const fn octets(self) -> &'static [u8] {
        match self {
            Self::Xauth => &[0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12],
            Self::Dpd => b"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00",
            Self::Fragmentation => {
                b"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3\x80\x00\x00\x00"
            }
            Self::CiscoUnity => b"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00",
            Self::NatTraversal => b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f",
            Self::NatTraversalDraft03 => b"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56",
            Self::NatTraversalDraft02Newline => {
                b"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f"
            }
            Self::NatTraversalDraft02 => b"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48",
        }
    }

    /// Octets at the start that name the extension; versions and capabilities may follow.
    const fn significant_len(self) -> usize {
        match self {
            Self::Xauth => 8,
            Self::Dpd | Self::CiscoUnity => 14,
            _ => 16,
        }
    }

    fn names(self, octets: &[u8]) -> bool {
        octets.starts_with(&self.octets()[..self.significant_len()])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipseclab_crypto::{Crypto, Hash, RealProvider};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::Payload;
    use crate::wire::isakmp::testing::{check_bytes, check_round_trip, octets};

    #[test]
    fn the_body_is_the_vendor_id() {
        check_bytes(&Payload::VendorId(VendorIdPayload(b"ipseclab".to_vec())), b"ipseclab");
    }

    #[test]
    fn vendor_ids_made_of_a_text_are_its_md5() {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let texts: [(_, &[u8]); 5] = [
            (KnownVendorId::Fragmentation, b"FRAGMENTATION"),
            (KnownVendorId::NatTraversal, b"RFC 3947"),
            (KnownVendorId::NatTraversalDraft03, b"draft-ietf-ipsec-nat-t-ike-03"),
            (KnownVendorId::NatTraversalDraft02Newline, b"draft-ietf-ipsec-nat-t-ike-02\n"),
            (KnownVendorId::NatTraversalDraft02, b"draft-ietf-ipsec-nat-t-ike-02"),
        ];
        for (known, text) in texts {
            assert_eq!(crypto.hash(Hash::Md5, &[text]), known.octets()[..16], "{known:?}");
        }
    }

    #[test]
    fn each_is_known_again_whatever_version_it_ends_with() {
        for &known in KnownVendorId::ALL {
            assert_eq!(VendorIdPayload::from(known).known(), Some(known));
        }
        let mut unity = VendorIdPayload::from(KnownVendorId::CiscoUnity);
        unity.0[15] = 7;
        assert_eq!(unity.known(), Some(KnownVendorId::CiscoUnity));
        assert_eq!(VendorIdPayload(vec![0; 16]).known(), None);
        assert_eq!(VendorIdPayload(Vec::new()).known(), None);
    }

    proptest! {
        #[test]
        fn any_vendor_id_survives(octets in octets(0..64)) {
            check_round_trip(&Payload::VendorId(VendorIdPayload(octets)));
        }
    }
}
