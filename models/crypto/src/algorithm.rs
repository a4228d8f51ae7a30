//! The registry: every algorithm that IKE and ESP can negotiate here, with its IANA number, names and sizes.
//!
//! Each enum is one transform type of RFC 7296 §3.3.2 and has a file of its own. Keywords are those of strongSwan's
//! proposal strings, displayed names are those of the IANA registry without the type's prefix. A number, keyword or
//! key length that is not in the registry gives `None`: what to answer then is the caller's business.
//!
//! Left out: the proposal grammar (which combinations of keywords make a proposal), which belongs to IKE.

mod authentication;
mod encryption;
mod hash;
mod integrity;
mod key_exchange;
mod prf;

pub use authentication::Authentication;
pub use encryption::{AesKey, Encryption};
pub use hash::Hash;
pub use integrity::Integrity;
pub use key_exchange::KeyExchangeMethod;
pub use prf::Prf;

#[cfg(test)]
mod tests;
