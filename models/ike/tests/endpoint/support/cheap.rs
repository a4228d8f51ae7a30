//! Cryptography without its price: real hashes and ciphers, and key exchanges whose result anybody could compute.
//!
//! Explorations of arrival orders set up two endpoints many thousand times. What they look for does not depend on the
//! strength of a shared secret, only on both sides having the same one, and on different exchanges having different ones.

use ipseclab_crypto::signature::{SignError, VerifyError};
use ipseclab_crypto::{
    Authentication, Encryption, Hash, Integrity, KeyExchangeError, KeyExchangeMethod, Prf, PrivateKey,
    Provider, PublicKey, RawAuthenticator, RawExchangeKey, RawPacketCipher, RealProvider, Secret,
    SignatureScheme,
};

#[derive(Debug)]
pub(crate) struct Cheap(RealProvider);

impl Cheap {
    pub(crate) fn new() -> Self {
        Self(RealProvider::new())
    }
}

impl Provider for Cheap {
    fn prf(&self, prf: Prf, key: &[u8], parts: &[&[u8]]) -> Secret {
        self.0.prf(prf, key, parts)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
        self.0.hash(hash, parts)
    }

    fn des_encrypt_block(&self, key: [u8; 8], block: [u8; 8]) -> [u8; 8] {
        self.0.des_encrypt_block(key, block)
    }

    fn prf_plus(&self, prf: Prf, key: &[u8], seed: &[&[u8]], len: usize) -> Secret {
        self.0.prf_plus(prf, key, seed, len)
    }

    fn exchange_key(&self, method: KeyExchangeMethod, private: &Secret) -> Box<dyn RawExchangeKey> {
        let octets = private.expose().iter().copied().cycle().take(method.public_len());
        Box::new(CheapKey(octets.collect()))
    }

    fn packet_cipher(
        &self,
        encryption: Encryption,
        encryption_key: &Secret,
        integrity: Option<(Integrity, &Secret)>,
    ) -> Box<dyn RawPacketCipher> {
        self.0.packet_cipher(encryption, encryption_key, integrity)
    }

    fn authenticator(&self, algorithm: Authentication, key: &Secret) -> Box<dyn RawAuthenticator> {
        self.0.authenticator(algorithm, key)
    }

    fn sign(
        &self,
        key: &PrivateKey,
        scheme: SignatureScheme,
        salt: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        self.0.sign(key, scheme, salt, message)
    }

    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        self.0.verify(key, scheme, message, signature)
    }
}

/// A private key, as often as it takes to fill the length of a public value.
#[derive(Debug)]
struct CheapKey(Vec<u8>);

impl RawExchangeKey for CheapKey {
    fn public_value(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// The octets of both public values, combined without regard to their order.
    fn shared_secret(&self, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
        if peer_public.len() != self.0.len() {
            return Err(KeyExchangeError::Length { expected: self.0.len(), actual: peer_public.len() });
        }
        let sum = self.0.iter().zip(peer_public).map(|(a, b)| a.wrapping_add(*b));
        Ok(Secret::new(sum.collect::<Vec<_>>()))
    }
}
