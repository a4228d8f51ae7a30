//! The registry: every algorithm that IKE and ESP can negotiate here, with its IANA number, names and sizes.
//!
//! Each enum is one transform type of RFC 7296 §3.3.2. Keywords are those of strongSwan's proposal strings.

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
    /// ENCR_NULL (RFC 2410): ESP only.
    Null,
    /// ENCR_AES_CBC (RFC 3602).
    AesCbc(AesKey),
    /// AES-GCM with a 16-octet ICV (RFC 4106, RFC 5282).
    AesGcm16(AesKey),
    /// ENCR_CHACHA20_POLY1305 (RFC 7634).
    ChaCha20Poly1305,
}

/// Pseudorandom functions, transform type 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    /// PRF_HMAC_SHA1 (RFC 2104).
    HmacSha1,
    /// PRF_HMAC_SHA2_256 (RFC 4868).
    HmacSha2_256,
    /// PRF_HMAC_SHA2_384 (RFC 4868).
    HmacSha2_384,
    /// PRF_HMAC_SHA2_512 (RFC 4868).
    HmacSha2_512,
}

/// Integrity algorithms, transform type 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// AUTH_HMAC_SHA1_96 (RFC 2404).
    HmacSha1_96,
    /// AUTH_HMAC_SHA2_256_128 (RFC 4868).
    HmacSha2_256_128,
    /// AUTH_HMAC_SHA2_384_192 (RFC 4868).
    HmacSha2_384_192,
    /// AUTH_HMAC_SHA2_512_256 (RFC 4868).
    HmacSha2_512_256,
}

/// Key exchange methods (Diffie-Hellman groups), transform type 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyExchangeMethod {
    /// 1024-bit MODP, group 2.
    Modp1024,
    /// 1536-bit MODP, group 5 (RFC 3526).
    Modp1536,
    /// 2048-bit MODP, group 14 (RFC 3526).
    Modp2048,
    /// 3072-bit MODP, group 15 (RFC 3526).
    Modp3072,
    /// 4096-bit MODP, group 16 (RFC 3526).
    Modp4096,
    /// 256-bit random ECP, group 19 (RFC 5903).
    Ecp256,
    /// 384-bit random ECP, group 20 (RFC 5903).
    Ecp384,
    /// Curve25519, group 31 (RFC 8031).
    Curve25519,
}

/// Hash functions that the protocols name directly (NAT detection, cookies).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA2-256.
    Sha2_256,
}
