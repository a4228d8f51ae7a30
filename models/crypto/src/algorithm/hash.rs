//! Hash functions that the protocols call by themselves: NAT detection (RFC 7296 §2.23) and cookies (§2.6).

use core::fmt;

/// Hash functions that the protocols name directly (NAT detection, cookies).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA2-256.
    Sha2_256,
}

impl Hash {
    /// Every hash.
    pub const ALL: &[Self] = &[Self::Sha1, Self::Sha2_256];

    /// Octets of output.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha2_256 => 32,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sha1 => "SHA1",
            Self::Sha2_256 => "SHA2_256",
        })
    }
}
