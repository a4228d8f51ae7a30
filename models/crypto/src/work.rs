//! The work meter: what cryptography was done, for the owner to charge.
//!
//! The protocol cores never measure time; they say which operations ran over how many octets. A simulated node turns
//! that into CPU time through its cost profile.

use crate::algorithm::{Encryption, Hash, Integrity, KeyExchangeMethod, Prf};
use crate::signature::KeyClass;

/// One kind of operation on one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// One PRF call.
    Prf(Prf),
    /// One digest.
    Hash(Hash),
    /// Keying single DES and encrypting one block (RFC 2759 §8.6).
    DesBlock,
    /// Computing a public value.
    KeyGeneration(KeyExchangeMethod),
    /// Computing a shared secret.
    KeyAgreement(KeyExchangeMethod),
    /// Encrypting one message or packet (with its ICV for AEADs).
    Encrypt(Encryption),
    /// Decrypting one message or packet (with its ICV for AEADs).
    Decrypt(Encryption),
    /// Computing or checking one ICV.
    Integrity(Integrity),
    /// Signing one message, its digest included.
    Sign(KeyClass),
    /// Verifying one signature, the digest of its message included.
    Verify(KeyClass),
}

/// An operation and the octets that it ran over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// What was done.
    pub operation: Operation,
    /// Octets processed; 0 where the operation has a fixed size.
    pub octets: usize,
}

/// Collects work until its owner takes it.
#[derive(Clone, Debug, Default)]
pub struct WorkMeter(Vec<Work>);

impl WorkMeter {
    /// Adds one operation over `octets` octets.
    pub fn record(&mut self, operation: Operation, octets: usize) {
        self.0.push(Work { operation, octets });
    }

    /// Takes what was recorded since the last call, oldest first.
    pub fn take(&mut self) -> Vec<Work> {
        core::mem::take(&mut self.0)
    }

    /// What was recorded since the last [`take`](Self::take), oldest first; [`clear`](Self::clear) keeps the memory.
    pub fn entries(&self) -> &[Work] {
        &self.0
    }

    /// Forgets what was recorded.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
