//! What a provider of cryptography does; the calls are the same for real and for modelled cryptography.
//!
//! Protocol code does not call a provider itself: it goes through [`Crypto`](crate::Crypto), which counts the work
//! in one place, so that two providers are charged alike by construction. No call draws randomness: private keys and
//! IVs come in as bytes from the caller's stream.

use crate::algorithm::{Authentication, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};
use crate::error::{KeyExchangeError, OpenError};
use crate::secret::Secret;
use crate::signature::{PrivateKey, PublicKey, SignError, SignatureScheme, VerifyError};

/// A source of cryptographic results.
pub trait Provider: Send + Sync + core::fmt::Debug {
    /// `prf(key, parts[0] | parts[1] | …)`; the result has the length of the PRF's output.
    fn prf(&self, prf: Prf, key: &[u8], parts: &[&[u8]]) -> Secret;

    /// prf+ of RFC 7296 §2.13: the first `len` octets of `T1 | T2 | …`, where `Tn = prf(key, Tn-1 | seed | n)` and the seed
    /// is the concatenated parts.
    ///
    /// # Panics
    /// When more than 255 blocks are asked for.
    fn prf_plus(&self, prf: Prf, key: &[u8], seed: &[&[u8]], len: usize) -> Secret;

    /// The digest of the concatenated parts.
    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Vec<u8>;

    /// One block under single DES, as MS-CHAPv2 wants it (RFC 2759 §8.6); the key's parity bits do not matter.
    fn des_encrypt_block(&self, key: [u8; 8], block: [u8; 8]) -> [u8; 8];

    /// The private key that [`KeyExchangeMethod::private_len`] random octets stand for, made ready once for both of its
    /// uses.
    ///
    /// # Panics
    /// When there are more or fewer octets.
    fn exchange_key(&self, method: KeyExchangeMethod, private: &Secret) -> Box<dyn RawExchangeKey>;

    /// Keys a packet cipher for one direction of one SA. `encryption_key` includes the salt of AEADs
    /// ([`Encryption::key_material_len`] octets); `integrity` is `None` with AEADs, and `Some` with a key of
    /// [`Integrity::key_len`] octets otherwise. Without it a cipher that is no AEAD hides and does not protect, which
    /// only ESP inside AH, or an old peer, has a use for.
    ///
    /// # Panics
    /// When a key has the wrong length, or an integrity algorithm stands beside an AEAD.
    fn packet_cipher(
        &self,
        encryption: Encryption,
        encryption_key: &Secret,
        integrity: Option<(Integrity, &Secret)>,
    ) -> Box<dyn RawPacketCipher>;

    /// Keys the computation of AH's ICVs for one direction of one SA, with [`Authentication::key_material_len`] octets.
    ///
    /// # Panics
    /// When the key has another length.
    fn authenticator(&self, algorithm: Authentication, key: &Secret) -> Box<dyn RawAuthenticator>;

    /// The signature of `message`, with a salt of [`SignatureScheme::salt_len`] random octets.
    ///
    /// # Errors
    /// When the key is of another kind than the scheme, the salt has another length, or the key's numbers are wrong.
    fn sign(
        &self,
        key: &PrivateKey,
        scheme: SignatureScheme,
        salt: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, SignError>;

    /// Checks that `signature` is that of the key's owner under `message`.
    ///
    /// # Errors
    /// When the key is of another kind than the scheme, or the signature is not right.
    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError>;
}

/// Our private key in one key exchange.
pub trait RawExchangeKey: Send + Sync + core::fmt::Debug {
    /// The public value as the KE payload carries it.
    fn public_value(&self) -> Vec<u8>;

    /// The shared secret g^ir, as RFC 7296 §2.14 wants it (MODP: padded to the modulus; ECP: the x coordinate).
    ///
    /// # Errors
    /// When `peer_public` is not a valid value of the group.
    ///
    /// # Panics
    /// When it has another length than [`KeyExchangeMethod::public_len`].
    fn shared_secret(&self, peer_public: &[u8]) -> Result<Secret, KeyExchangeError>;
}

/// The high half of an extended sequence number: authenticated, never sent (RFC 4303 §2.2.1).
///
/// The ICV of a separate integrity algorithm covers it behind the ciphertext; an AEAD has it in its associated data,
/// between the SPI and the low half (RFC 4106 §5, RFC 7634 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqHigh(pub u32);

impl SeqHigh {
    /// Octets of it.
    pub const LEN: usize = 4;

    /// As it is authenticated.
    pub const fn octets(self) -> [u8; Self::LEN] {
        self.0.to_be_bytes()
    }
}

/// Encryption and integrity of one direction of one SA, IKE or ESP: combined mode or encrypt-then-MAC.
///
/// The layout is the one that SK payloads and ESP share: `header | IV | plaintext or ciphertext | ICV`.
/// With an AEAD the header is the associated data; otherwise the ICV covers header, IV and ciphertext. What both ends
/// know and do not send, [`SeqHigh`], is covered too where it is given.
pub trait RawPacketCipher: Send + Sync + core::fmt::Debug {
    /// Encrypts in place what follows `header_len` octets of header and the IV, and writes the ICV over the last octets of
    /// the packet, which are room for it. The plaintext is already padded to the block length.
    ///
    /// # Panics
    /// When the packet is shorter than header, IV and ICV, the plaintext is not whole blocks, or there is a high half to
    /// another header than ESP's with an AEAD.
    fn seal(&self, packet: &mut [u8], header_len: usize, high: Option<SeqHigh>);

    /// Checks the ICV at the end of `buffer`, decrypts in place, and returns the plaintext with its padding.
    /// After an error the octets behind the IV are unspecified, but never the plaintext.
    ///
    /// # Errors
    /// When the buffer is too short, the ciphertext is not whole blocks, or the ICV is wrong.
    ///
    /// # Panics
    /// When there is a high half to another header than ESP's with an AEAD.
    fn open<'a>(
        &self,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError>;
}

/// The ICVs of AH in one direction of one SA. What they cover the caller puts together, in one piece.
pub trait RawAuthenticator: Send + Sync + core::fmt::Debug {
    /// Writes the tag over `covered` into `tag`, which has [`Authentication::tag_len`] octets; `iv` has
    /// [`Authentication::iv_len`].
    ///
    /// # Panics
    /// When `iv` or `tag` has another length.
    fn sign(&self, covered: &[u8], iv: &[u8], tag: &mut [u8]);

    /// Whether `tag` is the one over `covered`, in time that does not depend on where they differ.
    ///
    /// # Panics
    /// When `iv` or `tag` has another length.
    fn verify(&self, covered: &[u8], iv: &[u8], tag: &[u8]) -> bool;
}
