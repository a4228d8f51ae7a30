//! What can go wrong with bytes from a peer.

/// A peer's public value that is not one of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyExchangeError {
    /// The value does not have the length of the group's public values.
    #[error("public value has {actual} octets, the group's have {expected}")]
    Length {
        /// Octets that the group asks for.
        expected: usize,
        /// Octets received.
        actual: usize,
    },
    /// The value is not an element of the group, or would give a trivial secret (RFC 6989).
    #[error("public value is not a valid element of the group")]
    Invalid,
}

/// A packet that does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Shorter than header, IV and ICV together.
    #[error("packet has {actual} octets, at least {needed} are needed")]
    TooShort {
        /// Least length.
        needed: usize,
        /// Length of the packet.
        actual: usize,
    },
    /// The ciphertext is not a whole number of cipher blocks.
    #[error("ciphertext of {len} octets is not a whole number of blocks")]
    NotWholeBlocks {
        /// Octets of ciphertext.
        len: usize,
    },
    /// The integrity check value is wrong.
    #[error("integrity check failed")]
    Integrity,
}
