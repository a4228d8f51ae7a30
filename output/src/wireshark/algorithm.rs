//! How tshark 4.0 spells algorithms: one way for IKE, another for ESP.
//!
//! The enums carry the IANA numbers ("Internet Key Exchange Version 2 Parameters", transform types 1 and 3), so that a
//! caller hands over what was negotiated. The test that loads every name into tshark is in `tests/tshark.rs`.

/// Key lengths of AES.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AesBits {
    /// 128 bits.
    Bits128,
    /// 192 bits.
    Bits192,
    /// 256 bits.
    Bits256,
}

impl AesBits {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bits128, Self::Bits192, Self::Bits256];

    /// The length in bits.
    pub fn bits(self) -> u16 {
        match self {
            Self::Bits128 => 128,
            Self::Bits192 => 192,
            Self::Bits256 => 256,
        }
    }
}

/// Encryption algorithm of an IKE SA or Child SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encryption {
    /// `ENCR_DES`; tshark 4.0 does not know it in `IKEv2`.
    Des,
    /// `ENCR_3DES`.
    TripleDes,
    /// `ENCR_NULL`; for ESP only.
    Null,
    /// `ENCR_AES_CBC`.
    AesCbc(AesBits),
    /// `ENCR_AES_CTR`.
    AesCtr(AesBits),
    /// `ENCR_AES_CCM_8`; tshark 4.0 does not know it in ESP.
    AesCcm8(AesBits),
    /// `ENCR_AES_CCM_12`; tshark 4.0 does not know it in ESP.
    AesCcm12(AesBits),
    /// `ENCR_AES_CCM_16`; tshark 4.0 does not know it in ESP.
    AesCcm16(AesBits),
    /// `ENCR_AES_GCM_8`.
    AesGcm8(AesBits),
    /// `ENCR_AES_GCM_12`.
    AesGcm12(AesBits),
    /// `ENCR_AES_GCM_16`.
    AesGcm16(AesBits),
    /// `ENCR_NULL_AUTH_AES_GMAC`, which tshark 4.0 does not know; for ESP only.
    AesGmac(AesBits),
    /// `ENCR_CHACHA20_POLY1305`, which tshark 4.0 does not know.
    ChaCha20Poly1305,
}

/// A transform ID of AES, and its algorithm for a key length.
type Family = (u16, fn(AesBits) -> Encryption);

const AES: [Family; 9] = [
    (12, Encryption::AesCbc),
    (13, Encryption::AesCtr),
    (14, Encryption::AesCcm8),
    (15, Encryption::AesCcm12),
    (16, Encryption::AesCcm16),
    (18, Encryption::AesGcm8),
    (19, Encryption::AesGcm12),
    (20, Encryption::AesGcm16),
    (21, Encryption::AesGmac),
];

impl Encryption {
    /// All of them, by transform ID and key length.
    pub fn all() -> Vec<Self> {
        let aes = AES.iter().flat_map(|(_, make)| AesBits::ALL.map(make));
        [Self::Des, Self::TripleDes, Self::Null]
            .into_iter()
            .chain(aes)
            .chain([Self::ChaCha20Poly1305])
            .collect()
    }

    /// By transform ID and key length in bits, if it has one; `None` for anything else.
    pub fn from_iana(id: u16, key_bits: Option<u16>) -> Option<Self> {
        match (id, key_bits) {
            (2, None) => Some(Self::Des),
            (3, None) => Some(Self::TripleDes),
            (11, None) => Some(Self::Null),
            (28, None) => Some(Self::ChaCha20Poly1305),
            (_, Some(bits)) => {
                let key = AesBits::ALL.into_iter().find(|key| key.bits() == bits)?;
                AES.iter().find(|(family, _)| *family == id).map(|(_, make)| make(key))
            }
            _ => None,
        }
    }

    /// Whether it brings its own integrity check.
    pub fn is_aead(self) -> bool {
        match self {
            Self::AesCcm8(_)
            | Self::AesCcm12(_)
            | Self::AesCcm16(_)
            | Self::AesGcm8(_)
            | Self::AesGcm12(_)
            | Self::AesGcm16(_)
            | Self::AesGmac(_)
            | Self::ChaCha20Poly1305 => true,
            Self::Des | Self::TripleDes | Self::Null | Self::AesCbc(_) | Self::AesCtr(_) => false,
        }
    }

    /// IANA's name.
    pub fn iana_name(self) -> &'static str {
        match self {
            Self::Des => "ENCR_DES",
            Self::TripleDes => "ENCR_3DES",
            Self::Null => "ENCR_NULL",
            Self::AesCbc(_) => "ENCR_AES_CBC",
            Self::AesCtr(_) => "ENCR_AES_CTR",
            Self::AesCcm8(_) => "ENCR_AES_CCM_8",
            Self::AesCcm12(_) => "ENCR_AES_CCM_12",
            Self::AesCcm16(_) => "ENCR_AES_CCM_16",
            Self::AesGcm8(_) => "ENCR_AES_GCM_8",
            Self::AesGcm12(_) => "ENCR_AES_GCM_12",
            Self::AesGcm16(_) => "ENCR_AES_GCM_16",
            Self::AesGmac(_) => "ENCR_NULL_AUTH_AES_GMAC",
            Self::ChaCha20Poly1305 => "ENCR_CHACHA20_POLY1305",
        }
    }

    /// Name in `ikev2_decryption_table`, where the key length is part of it.
    pub fn ike_name(self) -> Option<String> {
        let combined = |mode: &str, key: AesBits, icv_len: u8| {
            format!("AES-{mode}-{} with {icv_len} octet ICV [RFC5282]", key.bits())
        };
        match self {
            Self::TripleDes => Some("3DES [RFC2451]".into()),
            Self::Null => Some("NULL [RFC2410]".into()),
            Self::AesCbc(key) => Some(format!("AES-CBC-{} [RFC3602]", key.bits())),
            Self::AesCtr(key) => Some(format!("AES-CTR-{} [RFC5930]", key.bits())),
            Self::AesCcm8(key) => Some(combined("CCM", key, 8)),
            Self::AesCcm12(key) => Some(combined("CCM", key, 12)),
            Self::AesCcm16(key) => Some(combined("CCM", key, 16)),
            Self::AesGcm8(key) => Some(combined("GCM", key, 8)),
            Self::AesGcm12(key) => Some(combined("GCM", key, 12)),
            Self::AesGcm16(key) => Some(combined("GCM", key, 16)),
            Self::Des | Self::AesGmac(_) | Self::ChaCha20Poly1305 => None,
        }
    }

    /// Name in `esp_sa`, where the key itself tells its length.
    pub fn esp_name(self) -> Option<&'static str> {
        match self {
            Self::Des => Some("DES-CBC [RFC2405]"),
            Self::TripleDes => Some("TripleDES-CBC [RFC2451]"),
            Self::Null => Some("NULL"),
            Self::AesCbc(_) => Some("AES-CBC [RFC3602]"),
            Self::AesCtr(_) => Some("AES-CTR [RFC3686]"),
            Self::AesGcm8(_) => Some("AES-GCM with 8 octet ICV [RFC4106]"),
            Self::AesGcm12(_) => Some("AES-GCM with 12 octet ICV [RFC4106]"),
            Self::AesGcm16(_) => Some("AES-GCM with 16 octet ICV [RFC4106]"),
            Self::AesCcm8(_)
            | Self::AesCcm12(_)
            | Self::AesCcm16(_)
            | Self::AesGmac(_)
            | Self::ChaCha20Poly1305 => None,
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
    /// `AUTH_AES_XCBC_96`; tshark 4.0 does not know it in `IKEv2`, and does not check it in ESP.
    AesXcbc,
    /// `AUTH_AES_CMAC_96`; tshark 4.0 does not know it in `IKEv2`, and does not check it in ESP.
    AesCmac,
    /// `AUTH_HMAC_SHA2_256_128`.
    HmacSha256,
    /// `AUTH_HMAC_SHA2_384_192`.
    HmacSha384,
    /// `AUTH_HMAC_SHA2_512_256`.
    HmacSha512,
}

impl Integrity {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::HmacMd5,
        Self::HmacSha1,
        Self::AesXcbc,
        Self::AesCmac,
        Self::HmacSha256,
        Self::HmacSha384,
        Self::HmacSha512,
    ];

    /// By transform ID; `None` for anything else.
    pub fn from_iana(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::HmacMd5),
            2 => Some(Self::HmacSha1),
            5 => Some(Self::AesXcbc),
            8 => Some(Self::AesCmac),
            12 => Some(Self::HmacSha256),
            13 => Some(Self::HmacSha384),
            14 => Some(Self::HmacSha512),
            _ => None,
        }
    }

    /// IANA's name.
    pub fn iana_name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::HmacMd5 => "AUTH_HMAC_MD5_96",
            Self::HmacSha1 => "AUTH_HMAC_SHA1_96",
            Self::AesXcbc => "AUTH_AES_XCBC_96",
            Self::AesCmac => "AUTH_AES_CMAC_96",
            Self::HmacSha256 => "AUTH_HMAC_SHA2_256_128",
            Self::HmacSha384 => "AUTH_HMAC_SHA2_384_192",
            Self::HmacSha512 => "AUTH_HMAC_SHA2_512_256",
        }
    }

    /// Name in `ikev2_decryption_table`.
    pub fn ike_name(self) -> Option<&'static str> {
        match self {
            Self::None => Some("NONE [RFC4306]"),
            Self::HmacMd5 => Some("HMAC_MD5_96 [RFC2403]"),
            Self::HmacSha1 => Some("HMAC_SHA1_96 [RFC2404]"),
            Self::AesXcbc | Self::AesCmac => None,
            Self::HmacSha256 => Some("HMAC_SHA2_256_128 [RFC4868]"),
            Self::HmacSha384 => Some("HMAC_SHA2_384_192 [RFC4868]"),
            Self::HmacSha512 => Some("HMAC_SHA2_512_256 [RFC4868]"),
        }
    }

    /// Name in `esp_sa`.
    pub fn esp_name(self) -> &'static str {
        match self {
            Self::None => "NULL",
            Self::HmacMd5 => "HMAC-MD5-96 [RFC2403]",
            Self::HmacSha1 => "HMAC-SHA-1-96 [RFC2404]",
            Self::AesXcbc | Self::AesCmac => "ANY 96 bit authentication [no checking]",
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
        assert_eq!(found, Encryption::all());
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
