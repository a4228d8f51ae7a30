//! How tshark 4.0 spells algorithms: one way for IKE, another for ESP.
//!
//! The enums carry the IANA numbers ("Internet Key Exchange Version 2 Parameters", transform types 1 and 3), so that a
//! caller hands over what was negotiated. The test that loads every name into tshark is in `tests/tshark.rs`.

/// Encryption algorithm of an IKE SA or Child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encryption {
    /// `ENCR_3DES`.
    TripleDes,
    /// `ENCR_NULL`; for ESP only.
    Null,
    /// `ENCR_AES_CBC` with 128 bits.
    AesCbc128,
    /// `ENCR_AES_CBC` with 192 bits.
    AesCbc192,
    /// `ENCR_AES_CBC` with 256 bits.
    AesCbc256,
    /// `ENCR_AES_GCM_16` with 128 bits.
    AesGcm128,
    /// `ENCR_AES_GCM_16` with 192 bits.
    AesGcm192,
    /// `ENCR_AES_GCM_16` with 256 bits.
    AesGcm256,
    /// `ENCR_CHACHA20_POLY1305`, which tshark 4.0 does not know.
    ChaCha20Poly1305,
}

impl Encryption {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::TripleDes,
        Self::Null,
        Self::AesCbc128,
        Self::AesCbc192,
        Self::AesCbc256,
        Self::AesGcm128,
        Self::AesGcm192,
        Self::AesGcm256,
        Self::ChaCha20Poly1305,
    ];

    /// By transform ID and key length in bits, if it has one; `None` for anything else.
    pub fn from_iana(id: u16, key_bits: Option<u16>) -> Option<Self> {
        match (id, key_bits) {
            (3, None) => Some(Self::TripleDes),
            (11, None) => Some(Self::Null),
            (12, Some(128)) => Some(Self::AesCbc128),
            (12, Some(192)) => Some(Self::AesCbc192),
            (12, Some(256)) => Some(Self::AesCbc256),
            (20, Some(128)) => Some(Self::AesGcm128),
            (20, Some(192)) => Some(Self::AesGcm192),
            (20, Some(256)) => Some(Self::AesGcm256),
            (28, None) => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// Whether it brings its own integrity check.
    pub fn is_aead(self) -> bool {
        match self {
            Self::AesGcm128 | Self::AesGcm192 | Self::AesGcm256 | Self::ChaCha20Poly1305 => true,
            Self::TripleDes | Self::Null | Self::AesCbc128 | Self::AesCbc192 | Self::AesCbc256 => false,
        }
    }

    /// IANA's name.
    pub fn iana_name(self) -> &'static str {
        match self {
            Self::TripleDes => "ENCR_3DES",
            Self::Null => "ENCR_NULL",
            Self::AesCbc128 | Self::AesCbc192 | Self::AesCbc256 => "ENCR_AES_CBC",
            Self::AesGcm128 | Self::AesGcm192 | Self::AesGcm256 => "ENCR_AES_GCM_16",
            Self::ChaCha20Poly1305 => "ENCR_CHACHA20_POLY1305",
        }
    }

    /// Name in `ikev2_decryption_table`, where the key length is part of it.
    pub fn ike_name(self) -> Option<&'static str> {
        match self {
            Self::TripleDes => Some("3DES [RFC2451]"),
            Self::Null => Some("NULL [RFC2410]"),
            Self::AesCbc128 => Some("AES-CBC-128 [RFC3602]"),
            Self::AesCbc192 => Some("AES-CBC-192 [RFC3602]"),
            Self::AesCbc256 => Some("AES-CBC-256 [RFC3602]"),
            Self::AesGcm128 => Some("AES-GCM-128 with 16 octet ICV [RFC5282]"),
            Self::AesGcm192 => Some("AES-GCM-192 with 16 octet ICV [RFC5282]"),
            Self::AesGcm256 => Some("AES-GCM-256 with 16 octet ICV [RFC5282]"),
            Self::ChaCha20Poly1305 => None,
        }
    }

    /// Name in `esp_sa`, where the key itself tells its length.
    pub fn esp_name(self) -> Option<&'static str> {
        match self {
            Self::TripleDes => Some("TripleDES-CBC [RFC2451]"),
            Self::Null => Some("NULL"),
            Self::AesCbc128 | Self::AesCbc192 | Self::AesCbc256 => Some("AES-CBC [RFC3602]"),
            Self::AesGcm128 | Self::AesGcm192 | Self::AesGcm256 => {
                Some("AES-GCM with 16 octet ICV [RFC4106]")
            }
            Self::ChaCha20Poly1305 => None,
        }
    }
}

/// Integrity algorithm of an IKE SA or Child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Integrity {
    /// None: the cipher is an AEAD.
    None,
    /// `AUTH_HMAC_MD5_96`.
    HmacMd5,
    /// `AUTH_HMAC_SHA1_96`.
    HmacSha1,
    /// `AUTH_HMAC_SHA2_256_128`.
    HmacSha256,
    /// `AUTH_HMAC_SHA2_384_192`.
    HmacSha384,
    /// `AUTH_HMAC_SHA2_512_256`.
    HmacSha512,
}

impl Integrity {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::None, Self::HmacMd5, Self::HmacSha1, Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// By transform ID; `None` for one that tshark cannot check.
    pub fn from_iana(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::HmacMd5),
            2 => Some(Self::HmacSha1),
            12 => Some(Self::HmacSha256),
            13 => Some(Self::HmacSha384),
            14 => Some(Self::HmacSha512),
            _ => None,
        }
    }

    /// Name in `ikev2_decryption_table`.
    pub fn ike_name(self) -> &'static str {
        match self {
            Self::None => "NONE [RFC4306]",
            Self::HmacMd5 => "HMAC_MD5_96 [RFC2403]",
            Self::HmacSha1 => "HMAC_SHA1_96 [RFC2404]",
            Self::HmacSha256 => "HMAC_SHA2_256_128 [RFC4868]",
            Self::HmacSha384 => "HMAC_SHA2_384_192 [RFC4868]",
            Self::HmacSha512 => "HMAC_SHA2_512_256 [RFC4868]",
        }
    }

    /// Name in `esp_sa`.
    pub fn esp_name(self) -> &'static str {
        match self {
            Self::None => "NULL",
            Self::HmacMd5 => "HMAC-MD5-96 [RFC2403]",
            Self::HmacSha1 => "HMAC-SHA-1-96 [RFC2404]",
            Self::HmacSha256 => "HMAC-SHA-256-128 [RFC4868]",
            Self::HmacSha384 => "HMAC-SHA-384-192 [RFC4868]",
            Self::HmacSha512 => "HMAC-SHA-512-256 [RFC4868]",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iana_numbers_reach_every_algorithm_once() {
        let lengths = [None, Some(128), Some(192), Some(256)];
        let found: Vec<_> =
            (0..64).flat_map(|id| lengths.map(|bits| Encryption::from_iana(id, bits))).flatten().collect();
        assert_eq!(found, Encryption::ALL);
        let found: Vec<_> = (0..64).filter_map(Integrity::from_iana).collect();
        assert_eq!(found, Integrity::ALL);
    }

    #[test]
    fn a_key_length_where_none_belongs_is_refused() {
        assert_eq!(Encryption::from_iana(28, Some(256)), None);
        assert_eq!(Encryption::from_iana(12, None), None);
        assert_eq!(Encryption::from_iana(20, Some(512)), None);
    }
}
