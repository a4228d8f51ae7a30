//! Hash functions that the protocols call by themselves: NAT detection (RFC 7296 §2.23), cookies (§2.6), and the
//! challenges of EAP (RFC 1994, RFC 2759), which still want MD4 and MD5.

use core::fmt;

/// Hash functions that the protocols name directly (NAT detection, cookies, EAP methods).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// MD4, for password hashes of MS-CHAPv2 alone; it protects nothing (RFC 6150).
    Md4,
    /// MD5, for EAP-MD5 and IKEv1; it protects little (RFC 6151).
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA2-256.
    Sha2_256,
    /// SHA2-384.
    Sha2_384,
    /// SHA2-512.
    Sha2_512,
}

impl Hash {
    /// Every hash.
    pub const ALL: &[Self] =
        &[Self::Md4, Self::Md5, Self::Sha1, Self::Sha2_256, Self::Sha2_384, Self::Sha2_512];

    /// Octets of output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md4 | Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha2_256 => 32,
            Self::Sha2_384 => 48,
            Self::Sha2_512 => 64,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Md4 => "MD4",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha2_256 => "SHA2_256",
            Self::Sha2_384 => "SHA2_384",
            Self::Sha2_512 => "SHA2_512",
        })
    }
}
