//! The real provider: what a peer on a real network would compute.
//!
//! Which crate does what was chosen by measurement: ring for SHA-2, AES-GCM-128/256 and ChaCha20-Poly1305, AWS-LC for
//! ECDH (ring takes no given private keys), num-bigint for MODP, `RustCrypto` for what is left (SHA-1, MD4, MD5, DES,
//! CBC, CTR, CCM, CMAC, AES-192-GCM and short tags), and own code for what no kept crate has (AES-XCBC, X448);
//! `real/signature.rs` says the same of signatures. Nothing here draws randomness, and every result depends on the arguments alone.
//!
//! Model: MODP exponentiation and the reduction of ECP keys take time that depends on the secret. Keys of a simulation
//! come from its seed and are printed on demand, so that protecting them from a neighbour's stopwatch gains nothing.

mod aead;
mod authenticator;
mod cipher;
mod curve;
mod des_block;
mod digest;
mod encrypt_then_mac;
mod integer;
mod modp;
mod modp_primes;
pub(crate) mod signature;
mod x448;
mod xcbc;

use crate::algorithm::{Authentication, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};
use crate::provider::{Provider, RawAuthenticator, RawExchangeKey, RawPacketCipher};
use crate::secret::Secret;
use crate::signature::{PrivateKey, PublicKey, SignError, SignatureScheme, VerifyError};

/// Real cryptography, computed from the caller's octets alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealProvider;

impl RealProvider {
    /// The provider; it has no state.
    pub const fn new() -> Self {
        Self
    }
}

impl Provider for RealProvider {
    fn prf(&self, prf: Prf, key: &[u8], parts: &[&[u8]]) -> Secret {
        Secret::new(digest::MacKey::new(prf, key).sign(parts).as_ref())
    }

    fn prf_plus(&self, prf: Prf, key: &[u8], seed: &[&[u8]], len: usize) -> Secret {
        Secret::new(digest::MacKey::new(prf, key).expand(prf.output_len(), seed, len))
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
        digest::hash(hash, parts)
    }

    fn des_encrypt_block(&self, key: [u8; 8], block: [u8; 8]) -> [u8; 8] {
        des_block::encrypt(key, block)
    }

    fn exchange_key(&self, method: KeyExchangeMethod, private: &Secret) -> Box<dyn RawExchangeKey> {
        assert_eq!(private.len(), method.private_len(), "{method} takes a private key of another length");
        match scheme(method) {
            Scheme::Modp(group) => Box::new(modp::ModpKey::new(group, private)),
            Scheme::Curve(curve) => Box::new(curve::CurveKey::new(curve, private)),
            Scheme::X448 => Box::new(x448::X448Key::new(private)),
        }
    }

    fn packet_cipher(
        &self,
        encryption: Encryption,
        encryption_key: &Secret,
        integrity: Option<(Integrity, &Secret)>,
    ) -> Box<dyn RawPacketCipher> {
        cipher::packet_cipher(encryption, encryption_key, integrity)
    }

    fn authenticator(&self, algorithm: Authentication, key: &Secret) -> Box<dyn RawAuthenticator> {
        authenticator::authenticator(algorithm, key)
    }

    fn sign(
        &self,
        key: &PrivateKey,
        scheme: SignatureScheme,
        salt: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        signature::sign(key, scheme, salt, message)
    }

    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        signature::verify(key, scheme, message, signature)
    }
}

enum Scheme {
    Modp(modp::Group),
    Curve(curve::Curve),
    X448,
}

const fn scheme(method: KeyExchangeMethod) -> Scheme {
    use KeyExchangeMethod as Method;
    match method {
        Method::Modp768 => Scheme::Modp(modp::MODP_768),
        Method::Modp1024 => Scheme::Modp(modp::MODP_1024),
        Method::Modp1536 => Scheme::Modp(modp::MODP_1536),
        Method::Modp2048 => Scheme::Modp(modp::MODP_2048),
        Method::Modp3072 => Scheme::Modp(modp::MODP_3072),
        Method::Modp4096 => Scheme::Modp(modp::MODP_4096),
        Method::Modp6144 => Scheme::Modp(modp::MODP_6144),
        Method::Modp8192 => Scheme::Modp(modp::MODP_8192),
        Method::Ecp256 => Scheme::Curve(curve::Curve::P256),
        Method::Ecp384 => Scheme::Curve(curve::Curve::P384),
        Method::Ecp521 => Scheme::Curve(curve::Curve::P521),
        Method::Modp1024s160 => Scheme::Modp(modp::MODP_1024_160),
        Method::Modp2048s224 => Scheme::Modp(modp::MODP_2048_224),
        Method::Modp2048s256 => Scheme::Modp(modp::MODP_2048_256),
        Method::Curve25519 => Scheme::Curve(curve::Curve::X25519),
        Method::Curve448 => Scheme::X448,
    }
}
