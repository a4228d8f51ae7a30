//! Key exchange methods (transform type 4): RFC 7296 appendix B, RFC 3526, RFC 5114, RFC 5903, RFC 8031.
//!
//! Groups 1, 2, 5 and 22 are too small by now (RFC 8247 §2.4) and stand in no default proposal.
//! Left out: ECP groups below 256 bits, Brainpool and the post-quantum methods.

use core::fmt;

/// Key exchange methods (Diffie-Hellman groups), transform type 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyExchangeMethod {
    /// 768-bit MODP, group 1 (RFC 7296 appendix B.1).
    Modp768,
    /// 1024-bit MODP, group 2 (RFC 7296 appendix B.2).
    Modp1024,
    /// 1536-bit MODP, group 5 (RFC 3526).
    Modp1536,
    /// 2048-bit MODP, group 14 (RFC 3526).
    Modp2048,
    /// 3072-bit MODP, group 15 (RFC 3526).
    Modp3072,
    /// 4096-bit MODP, group 16 (RFC 3526).
    Modp4096,
    /// 6144-bit MODP, group 17 (RFC 3526).
    Modp6144,
    /// 8192-bit MODP, group 18 (RFC 3526).
    Modp8192,
    /// 256-bit random ECP, group 19 (RFC 5903).
    Ecp256,
    /// 384-bit random ECP, group 20 (RFC 5903).
    Ecp384,
    /// 521-bit random ECP, group 21 (RFC 5903).
    Ecp521,
    /// 1024-bit MODP with a subgroup of a 160-bit order, group 22 (RFC 5114).
    Modp1024s160,
    /// 2048-bit MODP with a subgroup of a 224-bit order, group 23 (RFC 5114).
    Modp2048s224,
    /// 2048-bit MODP with a subgroup of a 256-bit order, group 24 (RFC 5114).
    Modp2048s256,
    /// Curve25519, group 31 (RFC 8031).
    Curve25519,
    /// Curve448, group 32 (RFC 8031).
    Curve448,
}

impl KeyExchangeMethod {
    /// Every method, by transform number.
    pub const ALL: &[Self] = &[
        Self::Modp768,
        Self::Modp1024,
        Self::Modp1536,
        Self::Modp2048,
        Self::Modp3072,
        Self::Modp4096,
        Self::Modp6144,
        Self::Modp8192,
        Self::Ecp256,
        Self::Ecp384,
        Self::Ecp521,
        Self::Modp1024s160,
        Self::Modp2048s224,
        Self::Modp2048s256,
        Self::Curve25519,
        Self::Curve448,
    ];

    /// The IANA transform ID of type 4, the group number of KE payloads.
    pub const fn transform_id(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::Modp6144 => 17,
            Self::Modp8192 => 18,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
            Self::Ecp521 => 21,
            Self::Modp1024s160 => 22,
            Self::Modp2048s224 => 23,
            Self::Modp2048s256 => 24,
            Self::Curve25519 => 31,
            Self::Curve448 => 32,
        }
    }

    /// The method of a transform ID.
    pub fn from_transform(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.transform_id() == id)
    }

    /// Octets of a public value as the KE payload carries it: MODP padded to the modulus (RFC 7296 §3.4), ECP as
    /// x | y (RFC 5903 §7), Curve25519 and Curve448 as RFC 8031 §3.1 has them.
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp768 | Self::Ecp384 => 96,
            Self::Modp1024 | Self::Modp1024s160 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 | Self::Modp2048s224 | Self::Modp2048s256 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::Modp6144 => 768,
            Self::Modp8192 => 1024,
            Self::Ecp256 => 64,
            Self::Ecp521 => 132,
            Self::Curve25519 => 32,
            Self::Curve448 => 56,
        }
    }

    /// Random octets to draw for a private key; every value of them is a valid key.
    ///
    /// MODP exponents have twice the group's strength, which makes the shortest exponent that is no weaker than the
    /// group: 80 and 90 bits for groups 1, 2 and 5 (SP 800-57, RFC 3526 §8), and above that the sizes of RFC 7919
    /// appendix A for moduli of the same length (225, 275, 325, 375 and 400 bits), which exceed the lower estimates
    /// of RFC 3526 §8. Where the order is a prime that the key has to stay below (ECP and RFC 5114), keys take 64
    /// bits more than it has, so that reducing them leaves no bias worth naming (FIPS 186-5 A.2.1).
    pub const fn private_len(self) -> usize {
        match self {
            Self::Modp768 | Self::Modp1024 => 20,
            Self::Modp1536 => 24,
            Self::Modp2048 => 29,
            Self::Modp3072 => 35,
            Self::Modp4096 => 41,
            Self::Modp6144 => 47,
            Self::Modp8192 => 50,
            Self::Ecp256 | Self::Modp2048s256 => 40,
            Self::Ecp384 | Self::Curve448 => 56,
            Self::Ecp521 => 74,
            Self::Modp1024s160 => 28,
            Self::Modp2048s224 => 36,
            Self::Curve25519 => 32,
        }
    }

    /// Octets of the shared secret g^ir: MODP padded to the modulus (RFC 7296 §2.14), ECP the x coordinate alone
    /// (RFC 5903 §7).
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Ecp256 | Self::Ecp384 | Self::Ecp521 => self.public_len() / 2,
            _ => self.public_len(),
        }
    }

    /// The keyword of strongSwan's proposal strings.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Modp768 => "modp768",
            Self::Modp1024 => "modp1024",
            Self::Modp1536 => "modp1536",
            Self::Modp2048 => "modp2048",
            Self::Modp3072 => "modp3072",
            Self::Modp4096 => "modp4096",
            Self::Modp6144 => "modp6144",
            Self::Modp8192 => "modp8192",
            Self::Ecp256 => "ecp256",
            Self::Ecp384 => "ecp384",
            Self::Ecp521 => "ecp521",
            Self::Modp1024s160 => "modp1024s160",
            Self::Modp2048s224 => "modp2048s224",
            Self::Modp2048s256 => "modp2048s256",
            Self::Curve25519 => "x25519",
            Self::Curve448 => "x448",
        }
    }

    /// The method of a keyword or its alias (`curve25519`, `curve448`).
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        let canonical = match keyword {
            "curve25519" => "x25519",
            "curve448" => "x448",
            other => other,
        };
        Self::ALL.iter().copied().find(|method| method.keyword() == canonical)
    }
}

impl fmt::Display for KeyExchangeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Modp768 => "MODP_768",
            Self::Modp1024 => "MODP_1024",
            Self::Modp1536 => "MODP_1536",
            Self::Modp2048 => "MODP_2048",
            Self::Modp3072 => "MODP_3072",
            Self::Modp4096 => "MODP_4096",
            Self::Modp6144 => "MODP_6144",
            Self::Modp8192 => "MODP_8192",
            Self::Ecp256 => "ECP_256",
            Self::Ecp384 => "ECP_384",
            Self::Ecp521 => "ECP_521",
            Self::Modp1024s160 => "MODP_1024_160",
            Self::Modp2048s224 => "MODP_2048_224",
            Self::Modp2048s256 => "MODP_2048_256",
            Self::Curve25519 => "CURVE_25519",
            Self::Curve448 => "CURVE_448",
        })
    }
}
