//! Encryption algorithms (transform type 1): RFC 2410, RFC 3602, RFC 4106, RFC 5282, RFC 7634.
//!
//! The AES key length is part of the algorithm here, since no proposal can leave it open (RFC 7296 §3.3.5).
//! Left out: GCM with 8- or 12-octet ICVs, CTR and CCM.

use core::fmt;

/// AES key lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AesKey {
    /// 128 bits.
    Bits128,
    /// 192 bits.
    Bits192,
    /// 256 bits.
    Bits256,
}

/// Encryption algorithms, transform type 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    /// `ENCR_NULL` (RFC 2410): ESP only.
    Null,
    /// `ENCR_AES_CBC` (RFC 3602).
    AesCbc(AesKey),
    /// AES-GCM with a 16-octet ICV (RFC 4106, RFC 5282).
    AesGcm16(AesKey),
    /// `ENCR_CHACHA20_POLY1305` (RFC 7634).
    ChaCha20Poly1305,
}

const NULL: u16 = 11;
const AES_CBC: u16 = 12;
const AES_GCM_16: u16 = 20;
const CHACHA20_POLY1305: u16 = 28;

impl AesKey {
    /// Every key length, shortest first.
    pub const ALL: &[Self] = &[Self::Bits128, Self::Bits192, Self::Bits256];

    /// The key length in bits.
    pub const fn bits(self) -> u16 {
        match self {
            Self::Bits128 => 128,
            Self::Bits192 => 192,
            Self::Bits256 => 256,
        }
    }

    /// The key length in octets.
    pub const fn octets(self) -> usize {
        self.bits() as usize / 8
    }

    /// The key length of `bits` bits.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            128 => Some(Self::Bits128),
            192 => Some(Self::Bits192),
            256 => Some(Self::Bits256),
            _ => None,
        }
    }
}

impl Encryption {
    /// Every algorithm, by transform number and key length.
    pub const ALL: &[Self] = &[
        Self::Null,
        Self::AesCbc(AesKey::Bits128),
        Self::AesCbc(AesKey::Bits192),
        Self::AesCbc(AesKey::Bits256),
        Self::AesGcm16(AesKey::Bits128),
        Self::AesGcm16(AesKey::Bits192),
        Self::AesGcm16(AesKey::Bits256),
        Self::ChaCha20Poly1305,
    ];

    /// The IANA transform ID of type 1.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::Null => NULL,
            Self::AesCbc(_) => AES_CBC,
            Self::AesGcm16(_) => AES_GCM_16,
            Self::ChaCha20Poly1305 => CHACHA20_POLY1305,
        }
    }

    /// The value of the Key Length attribute in bits, where the transform has one (RFC 7296 §3.3.5).
    pub const fn key_length_attribute(self) -> Option<u16> {
        match self {
            Self::AesCbc(key) | Self::AesGcm16(key) => Some(key.bits()),
            Self::Null | Self::ChaCha20Poly1305 => None,
        }
    }

    /// The algorithm of a transform; `None` also for AES without a key length, and for a key length where the
    /// algorithm's is fixed (RFC 7296 §3.3.5).
    pub fn from_transform(id: u16, key_length: Option<u16>) -> Option<Self> {
        match (id, key_length) {
            (NULL, None) => Some(Self::Null),
            (AES_CBC, Some(bits)) => AesKey::from_bits(bits).map(Self::AesCbc),
            (AES_GCM_16, Some(bits)) => AesKey::from_bits(bits).map(Self::AesGcm16),
            (CHACHA20_POLY1305, None) => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// Octets of key, without the salt.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::AesCbc(key) | Self::AesGcm16(key) => key.octets(),
            Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Octets of salt, the implicit part of an AEAD's nonce (RFC 4106 §4, RFC 7634 §2).
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 4 } else { 0 }
    }

    /// Octets that the key derivation must give: key, then salt (RFC 4106 §8.1, RFC 5282 §7.1).
    pub const fn key_material_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Octets of IV in front of the ciphertext.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::AesCbc(_) => 16,
            Self::AesGcm16(_) | Self::ChaCha20Poly1305 => 8,
        }
    }

    /// Octets of ICV that the algorithm brings itself; 0 unless it is an AEAD.
    pub const fn icv_len(self) -> usize {
        if self.is_aead() { 16 } else { 0 }
    }

    /// The plaintext must be a multiple of this many octets.
    pub const fn block_len(self) -> usize {
        match self {
            Self::AesCbc(_) => 16,
            Self::Null | Self::AesGcm16(_) | Self::ChaCha20Poly1305 => 1,
        }
    }

    /// Whether the algorithm authenticates too, so that it is proposed without an integrity algorithm.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AesGcm16(_) | Self::ChaCha20Poly1305)
    }

    /// Whether IVs must be unpredictable (CBC, RFC 3602 §3) rather than unique (AEADs).
    pub const fn needs_random_iv(self) -> bool {
        matches!(self, Self::AesCbc(_))
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::AesCbc(AesKey::Bits128) => "aes128",
            Self::AesCbc(AesKey::Bits192) => "aes192",
            Self::AesCbc(AesKey::Bits256) => "aes256",
            Self::AesGcm16(AesKey::Bits128) => "aes128gcm16",
            Self::AesGcm16(AesKey::Bits192) => "aes192gcm16",
            Self::AesGcm16(AesKey::Bits256) => "aes256gcm16",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
        }
    }

    /// The algorithm of a keyword or one of its aliases (`aes`, `aes128gcm`, `aes128gcm128` …).
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        if keyword == "aes" {
            return Some(Self::AesCbc(AesKey::Bits128));
        }
        let plain = keyword.strip_suffix("gcm128").or_else(|| keyword.strip_suffix("gcm"));
        Self::ALL.iter().copied().find(|algorithm| match (algorithm, plain) {
            (Self::AesGcm16(key), Some(plain)) => plain == Self::AesCbc(*key).keyword(),
            _ => algorithm.keyword() == keyword,
        })
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.pad("NULL"),
            Self::AesCbc(key) => f.pad(&format!("AES_CBC-{}", key.bits())),
            Self::AesGcm16(key) => f.pad(&format!("AES_GCM_16-{}", key.bits())),
            Self::ChaCha20Poly1305 => f.pad("CHACHA20_POLY1305"),
        }
    }
}
