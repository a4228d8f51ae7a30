//! The domain of interpretation and what it numbers: situations, protocols, and transforms of each protocol
//! (RFC 2407 §4.2, §4.4 and IANA's "isakmp-registry").

use core::fmt;

/// A domain of interpretation (RFC 2407 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Doi(pub u32);

impl Doi {
    /// ISAKMP itself, before anything is negotiated.
    pub const ISAKMP: Self = Self(0);
    /// IPsec.
    pub const IPSEC: Self = Self(1);
}

impl fmt::Display for Doi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The bits of a situation (RFC 2407 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Situation(pub u32);

impl Situation {
    /// Who the peer is decides; the only situation that is supported here (RFC 2407 §4.2.1).
    pub const IDENTITY_ONLY: Self = Self(1);
}

code_points! {
    /// What a proposal, an SPI or a notification is for (RFC 2407 §4.4.1).
    ProtocolId: u8 {
        Isakmp = 1 => "ISAKMP",
        Ah = 2 => "AH",
        Esp = 3 => "ESP",
        IpComp = 4 => "IPCOMP",
    }
}

code_points! {
    /// Transforms of phase 1 (RFC 2407 §4.4.2).
    IsakmpTransform: u8 {
        KeyIke = 1 => "KEY_IKE",
    }
}

code_points! {
    /// Transforms of ESP (RFC 2407 §4.4.4, RFC 3602, RFC 3686, RFC 4106, RFC 4309, RFC 4543).
    EspTransform: u8 {
        DesIv64 = 1 => "DES_IV64",
        Des = 2 => "DES",
        TripleDes = 3 => "3DES",
        Rc5 = 4 => "RC5",
        Idea = 5 => "IDEA",
        Cast = 6 => "CAST",
        Blowfish = 7 => "BLOWFISH",
        TripleIdea = 8 => "3IDEA",
        DesIv32 = 9 => "DES_IV32",
        Rc4 = 10 => "RC4",
        Null = 11 => "NULL",
        AesCbc = 12 => "AES_CBC",
        AesCtr = 13 => "AES_CTR",
        AesCcm8 = 14 => "AES_CCM_8",
        AesCcm12 = 15 => "AES_CCM_12",
        AesCcm16 = 16 => "AES_CCM_16",
        AesGcm8 = 18 => "AES_GCM_8",
        AesGcm12 = 19 => "AES_GCM_12",
        AesGcm16 = 20 => "AES_GCM_16",
        SeedCbc = 21 => "SEED_CBC",
        Camellia = 22 => "CAMELLIA",
        NullAuthAesGmac = 23 => "NULL_AUTH_AES_GMAC",
    }
}

code_points! {
    /// Transforms of AH (RFC 2407 §4.4.3, RFC 3566, RFC 4868).
    AhTransform: u8 {
        Md5 = 2 => "MD5",
        Sha1 = 3 => "SHA",
        Des = 4 => "DES",
        Sha2_256 = 5 => "SHA2_256",
        Sha2_384 = 6 => "SHA2_384",
        Sha2_512 = 7 => "SHA2_512",
        Ripemd = 8 => "RIPEMD",
        AesXcbc = 9 => "AES_XCBC_MAC",
    }
}
