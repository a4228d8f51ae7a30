//! Pseudorandom functions (transform type 2): RFC 2104, RFC 4434, RFC 4615, RFC 4868.
//!
//! All take keys of any length. An HMAC's preferred key length is its output length (RFC 7296 §2.13); the AES-based
//! ones were made for keys of 16 octets, and the first key of an IKE SA is cut to fit them (RFC 7296 §2.14).

use core::fmt;

use super::Hash;

/// Pseudorandom functions, transform type 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    /// `PRF_HMAC_MD5` (RFC 2104), for old peers alone (RFC 8247 §2.2).
    HmacMd5,
    /// `PRF_HMAC_SHA1` (RFC 2104).
    HmacSha1,
    /// `PRF_AES128_XCBC` (RFC 4434).
    AesXcbc,
    /// `PRF_HMAC_SHA2_256` (RFC 4868).
    HmacSha2_256,
    /// `PRF_HMAC_SHA2_384` (RFC 4868).
    HmacSha2_384,
    /// `PRF_HMAC_SHA2_512` (RFC 4868).
    HmacSha2_512,
    /// `PRF_AES128_CMAC` (RFC 4615).
    AesCmac,
}

impl Prf {
    /// Every PRF, by transform number.
    pub const ALL: &[Self] = &[
        Self::HmacMd5,
        Self::HmacSha1,
        Self::AesXcbc,
        Self::HmacSha2_256,
        Self::HmacSha2_384,
        Self::HmacSha2_512,
        Self::AesCmac,
    ];

    /// The IANA transform ID of type 2.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::HmacMd5 => 1,
            Self::HmacSha1 => 2,
            Self::AesXcbc => 4,
            Self::HmacSha2_256 => 5,
            Self::HmacSha2_384 => 6,
            Self::HmacSha2_512 => 7,
            Self::AesCmac => 8,
        }
    }

    /// The PRF of a transform ID.
    pub fn from_transform(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|prf| prf.transform_id() == id)
    }

    /// Octets of output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::HmacMd5 | Self::AesXcbc | Self::AesCmac => 16,
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

    /// Octets of the one key length that IKE gives the function, half of it from each nonce when SKEYSEED is made of
    /// nonces; `None` where whole nonces are the key (RFC 7296 §2.14, RFC 4434 §2, RFC 4615 §3).
    pub const fn fixed_key_len(self) -> Option<usize> {
        match self {
            Self::AesXcbc | Self::AesCmac => Some(16),
            Self::HmacMd5 | Self::HmacSha1 | Self::HmacSha2_256 | Self::HmacSha2_384 | Self::HmacSha2_512 => {
                None
            }
        }
    }

    /// The hash that an HMAC is made of: what IKEv1 negotiates, with its HMAC as the PRF (RFC 2409 §4).
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::HmacMd5 => Some(Hash::Md5),
            Self::HmacSha1 => Some(Hash::Sha1),
            Self::HmacSha2_256 => Some(Hash::Sha2_256),
            Self::HmacSha2_384 => Some(Hash::Sha2_384),
            Self::HmacSha2_512 => Some(Hash::Sha2_512),
            Self::AesXcbc | Self::AesCmac => None,
        }
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::HmacMd5 => "prfmd5",
            Self::HmacSha1 => "prfsha1",
            Self::AesXcbc => "prfaesxcbc",
            Self::HmacSha2_256 => "prfsha256",
            Self::HmacSha2_384 => "prfsha384",
            Self::HmacSha2_512 => "prfsha512",
            Self::AesCmac => "prfaescmac",
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
            Self::HmacMd5 => "HMAC_MD5",
            Self::HmacSha1 => "HMAC_SHA1",
            Self::AesXcbc => "AES128_XCBC",
            Self::HmacSha2_256 => "HMAC_SHA2_256",
            Self::HmacSha2_384 => "HMAC_SHA2_384",
            Self::HmacSha2_512 => "HMAC_SHA2_512",
            Self::AesCmac => "AES128_CMAC",
        })
    }
}
