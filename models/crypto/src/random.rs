//! Randomness as bytes from the owner.

/// What random octets are for; each purpose is a stream of its own, so that one more draw shifts no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// SPIs of IKE SAs.
    IkeSpi,
    /// SPIs of ESP and AH SAs.
    ChildSpi,
    /// Nonces.
    Nonce,
    /// Private keys of key exchanges.
    KeyExchange,
    /// IVs and salts of IVs.
    Iv,
    /// Padding octets.
    Padding,
    /// Secrets behind cookies.
    Cookie,
    /// Spreading renewals over time.
    Jitter,
    /// Challenges and identifiers of EAP methods.
    Eap,
    /// Salts of signatures.
    Signature,
}

/// The owner's seeded streams, one per [`Purpose`].
pub trait RandomSource: Send {
    /// Fills `out` with the next octets of the stream for `purpose`.
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]);
}
