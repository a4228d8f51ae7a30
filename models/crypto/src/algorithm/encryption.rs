//! Encryption algorithms (transform type 1): RFC 2405, RFC 2410, RFC 2451, RFC 3602, RFC 3686, RFC 4106, RFC 4309,
//! RFC 4543, RFC 5282, RFC 5930, RFC 7634.
//!
//! The AES key length is part of the algorithm here, since no proposal can leave it open (RFC 7296 §3.3.5).
//! DES and 3DES are for old peers alone (RFC 8247 §2.1, RFC 8221 §5); no default proposal names them.
//! Left out: Camellia and what the registry lists without a following (`Blowfish`, `CAST`, `RC5`, `IDEA`).

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
    /// `ENCR_DES` (RFC 2405), broken by search.
    Des,
    /// `ENCR_3DES` with three keys (RFC 2451).
    TripleDes,
    /// `ENCR_NULL` (RFC 2410): ESP only.
    Null,
    /// `ENCR_AES_CBC` (RFC 3602).
    AesCbc(AesKey),
    /// `ENCR_AES_CTR` (RFC 3686, RFC 5930).
    AesCtr(AesKey),
    /// AES-CCM with an 8-octet ICV (RFC 4309, RFC 5282).
    AesCcm8(AesKey),
    /// AES-CCM with a 12-octet ICV (RFC 4309, RFC 5282).
    AesCcm12(AesKey),
    /// AES-CCM with a 16-octet ICV (RFC 4309, RFC 5282).
    AesCcm16(AesKey),
    /// AES-GCM with an 8-octet ICV (RFC 4106, RFC 5282).
    AesGcm8(AesKey),
    /// AES-GCM with a 12-octet ICV (RFC 4106, RFC 5282).
    AesGcm12(AesKey),
    /// AES-GCM with a 16-octet ICV (RFC 4106, RFC 5282).
    AesGcm16(AesKey),
    /// `ENCR_NULL_AUTH_AES_GMAC` (RFC 4543 §3), which authenticates without encrypting: ESP only.
    AesGmac(AesKey),
    /// `ENCR_CHACHA20_POLY1305` (RFC 7634).
    ChaCha20Poly1305,
}

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
        Self::Des,
        Self::TripleDes,
        Self::Null,
        Self::AesCbc(AesKey::Bits128),
        Self::AesCbc(AesKey::Bits192),
        Self::AesCbc(AesKey::Bits256),
        Self::AesCtr(AesKey::Bits128),
        Self::AesCtr(AesKey::Bits192),
        Self::AesCtr(AesKey::Bits256),
        Self::AesCcm8(AesKey::Bits128),
        Self::AesCcm8(AesKey::Bits192),
        Self::AesCcm8(AesKey::Bits256),
        Self::AesCcm12(AesKey::Bits128),
        Self::AesCcm12(AesKey::Bits192),
        Self::AesCcm12(AesKey::Bits256),
        Self::AesCcm16(AesKey::Bits128),
        Self::AesCcm16(AesKey::Bits192),
        Self::AesCcm16(AesKey::Bits256),
        Self::AesGcm8(AesKey::Bits128),
        Self::AesGcm8(AesKey::Bits192),
        Self::AesGcm8(AesKey::Bits256),
        Self::AesGcm12(AesKey::Bits128),
        Self::AesGcm12(AesKey::Bits192),
        Self::AesGcm12(AesKey::Bits256),
        Self::AesGcm16(AesKey::Bits128),
        Self::AesGcm16(AesKey::Bits192),
        Self::AesGcm16(AesKey::Bits256),
        Self::AesGmac(AesKey::Bits128),
        Self::AesGmac(AesKey::Bits192),
        Self::AesGmac(AesKey::Bits256),
        Self::ChaCha20Poly1305,
    ];

    /// The IANA transform ID of type 1.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::Des => 2,
            Self::TripleDes => 3,
            Self::Null => 11,
            Self::AesCbc(_) => 12,
            Self::AesCtr(_) => 13,
            Self::AesCcm8(_) => 14,
            Self::AesCcm12(_) => 15,
            Self::AesCcm16(_) => 16,
            Self::AesGcm8(_) => 18,
            Self::AesGcm12(_) => 19,
            Self::AesGcm16(_) => 20,
            Self::AesGmac(_) => 21,
            Self::ChaCha20Poly1305 => 28,
        }
    }

    /// The key length of AES; `None` for the others, whose keys have one length.
    const fn aes_key(self) -> Option<AesKey> {
        match self {
            Self::AesCbc(key)
            | Self::AesCtr(key)
            | Self::AesCcm8(key)
            | Self::AesCcm12(key)
            | Self::AesCcm16(key)
            | Self::AesGcm8(key)
            | Self::AesGcm12(key)
            | Self::AesGcm16(key)
            | Self::AesGmac(key) => Some(key),
            Self::Des | Self::TripleDes | Self::Null | Self::ChaCha20Poly1305 => None,
        }
    }

    /// The value of the Key Length attribute in bits, where the transform has one (RFC 7296 §3.3.5).
    pub const fn key_length_attribute(self) -> Option<u16> {
        match self.aes_key() {
            Some(key) => Some(key.bits()),
            None => None,
        }
    }

    /// The algorithm of a transform; `None` also for AES without a key length, and for a key length where the
    /// algorithm's is fixed (RFC 7296 §3.3.5).
    pub fn from_transform(id: u16, key_length: Option<u16>) -> Option<Self> {
        let same = |algorithm: &Self| {
            (algorithm.transform_id(), algorithm.key_length_attribute()) == (id, key_length)
        };
        Self::ALL.iter().copied().find(same)
    }

    /// Octets of key, without the salt; for DES with the parity bits, which nothing reads.
    pub const fn key_len(self) -> usize {
        match (self, self.aes_key()) {
            (_, Some(key)) => key.octets(),
            (Self::Des, None) => 8,
            (Self::TripleDes, None) => 24,
            (Self::ChaCha20Poly1305, None) => 32,
            (_, None) => 0,
        }
    }

    /// Octets of salt, the implicit part of a nonce: RFC 3686 §5.1 (there called nonce), RFC 4106 §4, RFC 4309 §4,
    /// RFC 7634 §2.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AesCcm8(_) | Self::AesCcm12(_) | Self::AesCcm16(_) => 3,
            Self::AesCtr(_)
            | Self::AesGcm8(_)
            | Self::AesGcm12(_)
            | Self::AesGcm16(_)
            | Self::AesGmac(_)
            | Self::ChaCha20Poly1305 => 4,
            Self::Des | Self::TripleDes | Self::Null | Self::AesCbc(_) => 0,
        }
    }

    /// Octets that the key derivation must give: key, then salt (RFC 3686 §5.1, RFC 4106 §8.1, RFC 4309 §7.1,
    /// RFC 5282 §7.1).
    pub const fn key_material_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Octets of IV in front of the ciphertext.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::AesCbc(_) => 16,
            _ => 8,
        }
    }

    /// Octets of ICV that the algorithm brings itself; 0 unless it is an AEAD.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::AesCcm8(_) | Self::AesGcm8(_) => 8,
            Self::AesCcm12(_) | Self::AesGcm12(_) => 12,
            Self::AesCcm16(_) | Self::AesGcm16(_) | Self::AesGmac(_) | Self::ChaCha20Poly1305 => 16,
            Self::Des | Self::TripleDes | Self::Null | Self::AesCbc(_) | Self::AesCtr(_) => 0,
        }
    }

    /// The plaintext must be a multiple of this many octets.
    pub const fn block_len(self) -> usize {
        if self.needs_random_iv() { self.iv_len() } else { 1 }
    }

    /// Whether the algorithm authenticates too, so that it is proposed without an integrity algorithm.
    pub const fn is_aead(self) -> bool {
        self.icv_len() != 0
    }

    /// Whether the text becomes unreadable; IKE takes no algorithm that leaves it in the clear.
    pub const fn hides_text(self) -> bool {
        !matches!(self, Self::Null | Self::AesGmac(_))
    }

    /// Whether it is there for old peers alone: MUST NOT or SHOULD NOT of RFC 8221 §5 (DES, 3DES).
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::Des | Self::TripleDes)
    }

    /// Whether IVs must be unpredictable (CBC, RFC 3602 §3) rather than unique (counter modes and AEADs).
    pub const fn needs_random_iv(self) -> bool {
        matches!(self, Self::Des | Self::TripleDes | Self::AesCbc(_))
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Des => "des",
            Self::TripleDes => "3des",
            Self::Null => "null",
            Self::AesCbc(AesKey::Bits128) => "aes128",
            Self::AesCbc(AesKey::Bits192) => "aes192",
            Self::AesCbc(AesKey::Bits256) => "aes256",
            Self::AesCtr(AesKey::Bits128) => "aes128ctr",
            Self::AesCtr(AesKey::Bits192) => "aes192ctr",
            Self::AesCtr(AesKey::Bits256) => "aes256ctr",
            Self::AesCcm8(AesKey::Bits128) => "aes128ccm8",
            Self::AesCcm8(AesKey::Bits192) => "aes192ccm8",
            Self::AesCcm8(AesKey::Bits256) => "aes256ccm8",
            Self::AesCcm12(AesKey::Bits128) => "aes128ccm12",
            Self::AesCcm12(AesKey::Bits192) => "aes192ccm12",
            Self::AesCcm12(AesKey::Bits256) => "aes256ccm12",
            Self::AesCcm16(AesKey::Bits128) => "aes128ccm16",
            Self::AesCcm16(AesKey::Bits192) => "aes192ccm16",
            Self::AesCcm16(AesKey::Bits256) => "aes256ccm16",
            Self::AesGcm8(AesKey::Bits128) => "aes128gcm8",
            Self::AesGcm8(AesKey::Bits192) => "aes192gcm8",
            Self::AesGcm8(AesKey::Bits256) => "aes256gcm8",
            Self::AesGcm12(AesKey::Bits128) => "aes128gcm12",
            Self::AesGcm12(AesKey::Bits192) => "aes192gcm12",
            Self::AesGcm12(AesKey::Bits256) => "aes256gcm12",
            Self::AesGcm16(AesKey::Bits128) => "aes128gcm16",
            Self::AesGcm16(AesKey::Bits192) => "aes192gcm16",
            Self::AesGcm16(AesKey::Bits256) => "aes256gcm16",
            Self::AesGmac(AesKey::Bits128) => "aes128gmac",
            Self::AesGmac(AesKey::Bits192) => "aes192gmac",
            Self::AesGmac(AesKey::Bits256) => "aes256gmac",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
        }
    }

    /// The algorithm of a keyword or one of its aliases (`aes`, `aes128gcm`, `aes128gcm128`, `aes128ccm64` …).
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        let canonical = canonical(keyword);
        Self::ALL.iter().copied().find(|algorithm| algorithm.keyword() == canonical)
    }

    /// The registry's name, without the key length.
    const fn name(self) -> &'static str {
        match self {
            Self::Des => "DES",
            Self::TripleDes => "3DES",
            Self::Null => "NULL",
            Self::AesCbc(_) => "AES_CBC",
            Self::AesCtr(_) => "AES_CTR",
            Self::AesCcm8(_) => "AES_CCM_8",
            Self::AesCcm12(_) => "AES_CCM_12",
            Self::AesCcm16(_) => "AES_CCM_16",
            Self::AesGcm8(_) => "AES_GCM_8",
            Self::AesGcm12(_) => "AES_GCM_12",
            Self::AesGcm16(_) => "AES_GCM_16",
            Self::AesGmac(_) => "NULL_AUTH_AES_GMAC",
            Self::ChaCha20Poly1305 => "CHACHA20_POLY1305",
        }
    }
}

/// Aliases give the length of an ICV in bits, or leave it out where it is the longest.
fn canonical(keyword: &str) -> String {
    if keyword == "aes" {
        return "aes128".to_owned();
    }
    let lengths = [("cm128", "cm16"), ("cm96", "cm12"), ("cm64", "cm8"), ("cm", "cm16")];
    let replaced =
        lengths.iter().find_map(|(alias, proper)| Some(format!("{}{proper}", keyword.strip_suffix(alias)?)));
    replaced.unwrap_or_else(|| keyword.to_owned())
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key_length_attribute() {
            Some(bits) => f.pad(&format!("{}-{bits}", self.name())),
            None => f.pad(self.name()),
        }
    }
}
