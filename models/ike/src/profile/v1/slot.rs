//! Places in a message of phase 1, in the notation of the ladders: `SA`, `NAT-D`, `V(XAUTH)`, `V(0x882fe56d)`.

use core::fmt;

use super::VendorName;
use crate::profile::slot::{vendor_id, within};

/// A place in a message of phase 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum V1Slot {
    /// Security Association.
    Sa,
    /// Key Exchange.
    KeyExchange,
    /// Nonce.
    Nonce,
    /// Identification.
    Id,
    /// Certificates.
    Certificate,
    /// Certificate requests.
    CertificateRequest,
    /// Hash.
    Hash,
    /// Signature.
    Signature,
    /// NAT discovery, both of them (RFC 3947 §3.2).
    NatD,
    /// The INITIAL-CONTACT notification (RFC 2407 §4.6.3.3).
    InitialContact,
    /// A vendor ID, which is added.
    VendorId(Vec<u8>),
}

const PLAIN: [V1Slot; 10] = [
    V1Slot::Sa,
    V1Slot::KeyExchange,
    V1Slot::Nonce,
    V1Slot::Id,
    V1Slot::Certificate,
    V1Slot::CertificateRequest,
    V1Slot::Hash,
    V1Slot::Signature,
    V1Slot::NatD,
    V1Slot::InitialContact,
];

impl V1Slot {
    /// The place with this name, or `None` when nothing has it.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = within(text, "V(") {
            let known = VendorName::parse(name).map(|vendor| vendor.octets().to_vec());
            return known.or_else(|| vendor_id(name)).map(Self::VendorId);
        }
        PLAIN.into_iter().find(|slot| slot.to_string() == text)
    }

    /// The place of a vendor ID with a name.
    pub fn vendor(name: VendorName) -> Self {
        Self::VendorId(name.octets().to_vec())
    }
}

impl fmt::Display for V1Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sa => "SA",
            Self::KeyExchange => "KE",
            Self::Nonce => "No",
            Self::Id => "ID",
            Self::Certificate => "CERT",
            Self::CertificateRequest => "CERTREQ",
            Self::Hash => "HASH",
            Self::Signature => "SIG",
            Self::NatD => "NAT-D",
            Self::InitialContact => "N(INITIAL_CONTACT)",
            Self::VendorId(octets) => return vendor(octets, f),
        })
    }
}

fn vendor(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(name) = VendorName::of(octets) {
        return write!(f, "V({})", name.name());
    }
    f.write_str("V(0x")?;
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_place_and_comes_back() {
        for slot in PLAIN {
            assert_eq!(V1Slot::parse(&slot.to_string()), Some(slot));
        }
        for name in ["V(XAUTH)", "V(NAT-T-RFC3947)", "V(0x882f)"] {
            assert_eq!(V1Slot::parse(name).map(|slot| slot.to_string()).as_deref(), Some(name));
        }
        for name in ["", "AUTH", "TSi", "V()", "V(0x8)", "N(COOKIE)"] {
            assert_eq!(V1Slot::parse(name), None, "{name}");
        }
    }
}
