//! Cryptography for IKE and IPsec behind one interface.
//!
//! Protocol code names algorithms by the enums of [`algorithm`] and calls [`Crypto`]; only the modules of a provider
//! name an algorithm crate. All randomness comes in as bytes ([`RandomSource`]); nothing here has a generator.

pub mod algorithm;
mod error;
mod provider;
mod random;
pub mod real;

mod secret;
mod session;
mod work;

pub use algorithm::{AesKey, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};
pub use error::{KeyExchangeError, OpenError};
pub use provider::{Provider, RawPacketCipher};
pub use random::{Purpose, RandomSource};
pub use real::RealProvider;

pub use secret::Secret;
pub use session::{Crypto, PacketCipher};
pub use work::{Operation, Work, WorkMeter};
