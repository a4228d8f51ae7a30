//! Cryptography for IKE and IPsec behind one interface.
//!
//! Protocol code names algorithms by the enums of [`algorithm`] and calls [`Crypto`]; only the modules of a provider
//! name an algorithm crate. All randomness comes in as bytes ([`RandomSource`]); nothing here has a generator.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ipseclab_crypto::{AesKey, Crypto, Encryption, KeyExchangeMethod, RealProvider, Secret};
//!
//! let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
//! let method = KeyExchangeMethod::Curve25519;
//! let (ours, theirs) = (Secret::new([1; 32]), Secret::new([2; 32]));
//! let public = crypto.public_value(method, &theirs);
//! let secret = crypto.shared_secret(method, &ours, &public)?;
//! assert_eq!(secret.len(), method.secret_len());
//!
//! let encryption = Encryption::AesGcm16(AesKey::Bits128);
//! let key = Secret::new(vec![3; encryption.key_material_len()]);
//! let cipher = crypto.packet_cipher(encryption, &key, None);
//! let mut packet = b"header, IV------, text".to_vec();
//! cipher.seal(&mut crypto, &mut packet, 8);
//! assert_eq!(cipher.open(&mut crypto, &mut packet, 8).expect("what was sealed opens"), b", text");
//! assert_eq!(crypto.take_work().len(), 4);
//! # Ok::<(), ipseclab_crypto::KeyExchangeError>(())
//! ```

pub mod algorithm;
mod error;
mod provider;
mod random;
pub mod real;
mod secret;
mod session;
pub mod signature;
mod work;

pub use algorithm::{AesKey, Authentication, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};
pub use error::{KeyExchangeError, OpenError};
pub use provider::{Provider, RawAuthenticator, RawExchangeKey, RawPacketCipher, SeqHigh};
pub use random::{Purpose, RandomSource};
pub use real::RealProvider;
pub use secret::Secret;
pub use session::{Authenticator, Crypto, ExchangeKey, PacketCipher};
pub use signature::{KeyClass, KeyKind, PrivateKey, PublicKey, SignatureScheme};
pub use work::{Operation, Work, WorkMeter};
