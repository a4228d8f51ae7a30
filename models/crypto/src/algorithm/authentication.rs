//! What AH authenticates with (transform type 3 in AH proposals): the integrity algorithms, and AES-GMAC (RFC 4543 §4).
//!
//! GMAC has numbers of type 3 only for AH; ESP has it as an encryption algorithm, and IKE not at all. So it is here and
//! not in [`Integrity`], which all three take.

use core::fmt;

use super::{AesKey, Integrity};

/// Octets of the IV that GMAC has in front of its tag.
const GMAC_IV_LEN: usize = 8;
/// Octets of salt behind a GMAC key, as in RFC 4106 §8.1.
const GMAC_SALT_LEN: usize = 4;

/// Algorithms of AH, transform type 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authentication {
    /// A MAC without an IV.
    Mac(Integrity),
    /// `AUTH_AES_128_GMAC`, `AUTH_AES_192_GMAC` or `AUTH_AES_256_GMAC` (RFC 4543).
    Gmac(AesKey),
}

impl Authentication {
    /// Every algorithm, by transform number within its kind.
    pub const ALL: &[Self] = &[
        Self::Mac(Integrity::HmacMd5_96),
        Self::Mac(Integrity::HmacSha1_96),
        Self::Mac(Integrity::AesXcbc96),
        Self::Mac(Integrity::AesCmac96),
        Self::Mac(Integrity::HmacSha2_256_128),
        Self::Mac(Integrity::HmacSha2_384_192),
        Self::Mac(Integrity::HmacSha2_512_256),
        Self::Gmac(AesKey::Bits128),
        Self::Gmac(AesKey::Bits192),
        Self::Gmac(AesKey::Bits256),
    ];

    /// The IANA transform ID of type 3.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::Mac(integrity) => integrity.transform_id(),
            Self::Gmac(AesKey::Bits128) => 9,
            Self::Gmac(AesKey::Bits192) => 10,
            Self::Gmac(AesKey::Bits256) => 11,
        }
    }

    /// The algorithm of a transform ID.
    pub fn from_transform(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.transform_id() == id)
    }

    /// Octets that the key derivation must give: the key, and the salt of GMAC.
    pub const fn key_material_len(self) -> usize {
        match self {
            Self::Mac(integrity) => integrity.key_len(),
            Self::Gmac(key) => key.octets() + GMAC_SALT_LEN,
        }
    }

    /// Octets of IV in front of the tag, both of which are AH's ICV field (RFC 4543 §4).
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Mac(_) => 0,
            Self::Gmac(_) => GMAC_IV_LEN,
        }
    }

    /// Octets of tag.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::Mac(integrity) => integrity.icv_len(),
            Self::Gmac(_) => 16,
        }
    }

    /// Whether it is there for old peers alone (RFC 8221 §6).
    pub const fn is_weak(self) -> bool {
        match self {
            Self::Mac(integrity) => integrity.is_weak(),
            Self::Gmac(_) => false,
        }
    }

    /// The keyword of strongSwan's proposal strings; for GMAC that of the encryption algorithm of ESP.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Mac(integrity) => integrity.keyword(),
            Self::Gmac(AesKey::Bits128) => "aes128gmac",
            Self::Gmac(AesKey::Bits192) => "aes192gmac",
            Self::Gmac(AesKey::Bits256) => "aes256gmac",
        }
    }

    /// The algorithm of a keyword or one of its aliases.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        let gmac = |algorithm: &Self| matches!(algorithm, Self::Gmac(_)) && algorithm.keyword() == keyword;
        let mac = Integrity::from_keyword(keyword).map(Self::Mac);
        mac.or_else(|| Self::ALL.iter().copied().find(gmac))
    }
}

impl From<Integrity> for Authentication {
    fn from(integrity: Integrity) -> Self {
        Self::Mac(integrity)
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(integrity) => integrity.fmt(f),
            Self::Gmac(AesKey::Bits128) => f.pad("AES_128_GMAC"),
            Self::Gmac(AesKey::Bits192) => f.pad("AES_192_GMAC"),
            Self::Gmac(AesKey::Bits256) => f.pad("AES_256_GMAC"),
        }
    }
}
