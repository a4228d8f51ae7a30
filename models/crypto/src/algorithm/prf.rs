//! Pseudorandom functions (transform type 2): RFC 2104, RFC 4868.
//!
//! All are HMACs, so that the preferred key length is the output length (RFC 7296 §2.13) and any other key length is
//! taken too. Left out: the AES-based PRFs, whose keys have a fixed length.

use core::fmt;

/// Pseudorandom functions, transform type 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    /// `PRF_HMAC_SHA1` (RFC 2104).
    HmacSha1,
    /// `PRF_HMAC_SHA2_256` (RFC 4868).
    HmacSha2_256,
    /// `PRF_HMAC_SHA2_384` (RFC 4868).
    HmacSha2_384,
    /// `PRF_HMAC_SHA2_512` (RFC 4868).
    HmacSha2_512,
}

impl Prf {
    /// Every PRF, by transform number.
    pub const ALL: &[Self] = &[Self::HmacSha1, Self::HmacSha2_256, Self::HmacSha2_384, Self::HmacSha2_512];

    /// The IANA transform ID of type 2.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::HmacSha1 => 2,
            Self::HmacSha2_256 => 5,
            Self::HmacSha2_384 => 6,
            Self::HmacSha2_512 => 7,
        }
    }

    /// The PRF of a transform ID.
    pub fn from_transform(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|prf| prf.transform_id() == id)
    }

    /// Octets of output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha2_256 => 32,
            Self::HmacSha2_384 => 48,
            Self::HmacSha2_512 => 64,
        }
    }

    /// Octets of the preferred key: the length of `SK_d`, `SK_pi` and `SK_pr` (RFC 7296 §2.14).
    pub const fn key_len(self) -> usize {
        self.output_len()
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::HmacSha1 => "prfsha1",
            Self::HmacSha2_256 => "prfsha256",
            Self::HmacSha2_384 => "prfsha384",
            Self::HmacSha2_512 => "prfsha512",
        }
    }

    /// The PRF of a keyword.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|prf| prf.keyword() == keyword)
    }
}

impl fmt::Display for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HmacSha1 => "HMAC_SHA1",
            Self::HmacSha2_256 => "HMAC_SHA2_256",
            Self::HmacSha2_384 => "HMAC_SHA2_384",
            Self::HmacSha2_512 => "HMAC_SHA2_512",
        })
    }
}
