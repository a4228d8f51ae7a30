//! Integrity algorithms (transform type 3): RFC 2403, RFC 2404, RFC 3566, RFC 4494, RFC 4868.
//!
//! Keys are as long as the PRF's output, ICVs are the first octets of that output.
//! Left out: GMAC, which is for AH alone ([`Authentication`](super::Authentication)), and what the registry has for Fibre Channel or strongSwan for its own past
//! (`md5_128`, `sha1_160`, `sha256_96`).

use core::fmt;

use super::Prf;

/// Integrity algorithms, transform type 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// `AUTH_HMAC_MD5_96` (RFC 2403), for old peers alone (RFC 8247 §2.3).
    HmacMd5_96,
    /// `AUTH_HMAC_SHA1_96` (RFC 2404).
    HmacSha1_96,
    /// `AUTH_AES_XCBC_96` (RFC 3566).
    AesXcbc96,
    /// `AUTH_AES_CMAC_96` (RFC 4494).
    AesCmac96,
    /// `AUTH_HMAC_SHA2_256_128` (RFC 4868).
    HmacSha2_256_128,
    /// `AUTH_HMAC_SHA2_384_192` (RFC 4868).
    HmacSha2_384_192,
    /// `AUTH_HMAC_SHA2_512_256` (RFC 4868).
    HmacSha2_512_256,
}

impl Integrity {
    /// Every algorithm, by transform number.
    pub const ALL: &[Self] = &[
        Self::HmacMd5_96,
        Self::HmacSha1_96,
        Self::AesXcbc96,
        Self::AesCmac96,
        Self::HmacSha2_256_128,
        Self::HmacSha2_384_192,
        Self::HmacSha2_512_256,
    ];

    /// The IANA transform ID of type 3.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::HmacMd5_96 => 1,
            Self::HmacSha1_96 => 2,
            Self::AesXcbc96 => 5,
            Self::AesCmac96 => 8,
            Self::HmacSha2_256_128 => 12,
            Self::HmacSha2_384_192 => 13,
            Self::HmacSha2_512_256 => 14,
        }
    }

    /// The algorithm of a transform ID.
    pub fn from_transform(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|integrity| integrity.transform_id() == id)
    }

    /// Octets of key.
    pub const fn key_len(self) -> usize {
        self.prf().output_len()
    }

    /// Octets of ICV.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacMd5_96 | Self::HmacSha1_96 | Self::AesXcbc96 | Self::AesCmac96 => 12,
            Self::HmacSha2_256_128 => 16,
            Self::HmacSha2_384_192 => 24,
            Self::HmacSha2_512_256 => 32,
        }
    }

    /// Whether it is there for old peers alone: MUST NOT of RFC 8221 §6. HMAC-SHA1 is on its way there and not there yet.
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::HmacMd5_96)
    }

    /// The PRF of the same hash or cipher, which strongSwan takes where a proposal names none.
    pub const fn prf(self) -> Prf {
        match self {
            Self::HmacMd5_96 => Prf::HmacMd5,
            Self::HmacSha1_96 => Prf::HmacSha1,
            Self::AesXcbc96 => Prf::AesXcbc,
            Self::AesCmac96 => Prf::AesCmac,
            Self::HmacSha2_256_128 => Prf::HmacSha2_256,
            Self::HmacSha2_384_192 => Prf::HmacSha2_384,
            Self::HmacSha2_512_256 => Prf::HmacSha2_512,
        }
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::HmacMd5_96 => "md5",
            Self::HmacSha1_96 => "sha1",
            Self::AesXcbc96 => "aesxcbc",
            Self::AesCmac96 => "aescmac",
            Self::HmacSha2_256_128 => "sha256",
            Self::HmacSha2_384_192 => "sha384",
            Self::HmacSha2_512_256 => "sha512",
        }
    }

    /// The algorithm of a keyword or one of its aliases (`sha`, `sha2_256` …).
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        let canonical = match keyword {
            "sha" => "sha1",
            "sha2_256" => "sha256",
            "sha2_384" => "sha384",
            "sha2_512" => "sha512",
            other => other,
        };
        Self::ALL.iter().copied().find(|integrity| integrity.keyword() == canonical)
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HmacMd5_96 => "HMAC_MD5_96",
            Self::HmacSha1_96 => "HMAC_SHA1_96",
            Self::AesXcbc96 => "AES_XCBC_96",
            Self::AesCmac96 => "AES_CMAC_96",
            Self::HmacSha2_256_128 => "HMAC_SHA2_256_128",
            Self::HmacSha2_384_192 => "HMAC_SHA2_384_192",
            Self::HmacSha2_512_256 => "HMAC_SHA2_512_256",
        })
    }
}
