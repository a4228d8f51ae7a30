//! Vendor IDs of `IKEv1` that mean something here, by the names that profiles and ladders use.
//!
//! Those of NAT traversal are MD5 hashes of the texts that they stand for (RFC 3947 §3.1, and its drafts alike).

/// A vendor ID with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VendorName {
    /// draft-ietf-ipsec-isakmp-xauth-06 §2.
    Xauth,
    /// RFC 3706 §5.1, version 1.0.
    Dpd,
    /// Cisco's fragmentation of IKE messages; the last four octets are flags.
    Fragmentation,
    /// Cisco's fragmentation of IKE messages, without flags.
    FragmentationPlain,
    /// Cisco's remote access extensions, version 1.0.
    Unity,
    /// RFC 3947 §3.1.
    Rfc3947,
    /// draft-ietf-ipsec-nat-t-ike-07.
    NatDraft07,
    /// draft-ietf-ipsec-nat-t-ike-03.
    NatDraft03,
    /// draft-ietf-ipsec-nat-t-ike-02 as most implementations hashed it, with the end of line.
    NatDraft02n,
    /// draft-ietf-ipsec-nat-t-ike-02.
    NatDraft02,
}

impl VendorName {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Xauth,
        Self::Dpd,
        Self::Fragmentation,
        Self::FragmentationPlain,
        Self::Unity,
        Self::Rfc3947,
        Self::NatDraft07,
        Self::NatDraft03,
        Self::NatDraft02n,
        Self::NatDraft02,
    ];

    /// The name in profiles and ladders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xauth => "XAUTH",
            Self::Dpd => "DPD",
            Self::Fragmentation => "FRAGMENTATION",
            Self::FragmentationPlain => "FRAGMENTATION-plain",
            Self::Unity => "CISCO-UNITY",
            Self::Rfc3947 => "NAT-T-RFC3947",
            Self::NatDraft07 => "NAT-T-draft-07",
            Self::NatDraft03 => "NAT-T-draft-03",
            Self::NatDraft02n => "NAT-T-draft-02n",
            Self::NatDraft02 => "NAT-T-draft-02",
        }
    }

    /// What the payload carries.
    pub const fn octets(self) -> &'static [u8] {
        match self {
            Self::Xauth => &[0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12],
            Self::Dpd => &[
                0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01,
                0x00,
            ],
            Self::Fragmentation => &[
                0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2,
                0xd3, 0x80, 0x00, 0x00, 0x00,
            ],
            Self::FragmentationPlain => &[
                0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2,
                0xd3,
            ],
            Self::Unity => &[
                0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 0x01,
                0x00,
            ],
            Self::Rfc3947 => &[
                0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45,
                0x2f,
            ],
            Self::NatDraft07 => &[
                0x43, 0x9b, 0x59, 0xf8, 0xba, 0x67, 0x6c, 0x4c, 0x77, 0x37, 0xae, 0x22, 0xea, 0xb8, 0xf5,
                0x82,
            ],
            Self::NatDraft03 => &[
                0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d,
                0x56,
            ],
            Self::NatDraft02n => &[
                0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b,
                0x1f,
            ],
            Self::NatDraft02 => &[
                0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4,
                0x48,
            ],
        }
    }

    /// The vendor ID with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vendor| vendor.name() == name)
    }

    /// The name of these octets.
    pub fn of(octets: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|vendor| vendor.octets() == octets)
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_crypto::{Crypto, Hash, RealProvider};
    use std::sync::Arc;

    use super::*;

    /// RFC 3947 §3.1: "the vendor ID is an MD5 hash" of the text.
    #[test]
    fn those_of_nat_traversal_are_hashes_of_their_texts() {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let mut check = |vendor: VendorName, text: &str| {
            assert_eq!(crypto.hash(Hash::Md5, &[text.as_bytes()]), vendor.octets(), "{text}");
        };
        check(VendorName::Rfc3947, "RFC 3947");
        check(VendorName::NatDraft07, "draft-ietf-ipsec-nat-t-ike-07");
        check(VendorName::NatDraft03, "draft-ietf-ipsec-nat-t-ike-03");
        check(VendorName::NatDraft02n, "draft-ietf-ipsec-nat-t-ike-02\n");
        check(VendorName::NatDraft02, "draft-ietf-ipsec-nat-t-ike-02");
    }

    #[test]
    fn names_and_octets_lead_to_each_other() {
        for vendor in VendorName::ALL {
            assert_eq!(VendorName::parse(vendor.name()), Some(vendor));
            assert_eq!(VendorName::of(vendor.octets()), Some(vendor));
        }
    }
}
