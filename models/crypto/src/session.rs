//! [`Crypto`]: a provider and a meter together; the only way that protocol code reaches cryptography.

use std::sync::Arc;

use crate::algorithm::{Authentication, Encryption, Hash, Integrity, KeyExchangeMethod, Prf};
use crate::error::{KeyExchangeError, OpenError};
use crate::provider::{Provider, RawAuthenticator, RawExchangeKey, RawPacketCipher, SeqHigh};
use crate::secret::Secret;
use crate::signature::{PrivateKey, PublicKey, SignError, SignatureScheme, VerifyError};
use crate::work::{Operation, Work, WorkMeter};

/// A provider with the meter that its work is counted on. Each protocol core owns one.
#[derive(Clone, Debug)]
pub struct Crypto {
    provider: Arc<dyn Provider>,
    meter: WorkMeter,
}

/// A keyed cipher for one direction of one SA; seal and open count their work on the caller's [`Crypto`].
#[derive(Debug)]
pub struct PacketCipher {
    raw: Box<dyn RawPacketCipher>,
    encryption: Encryption,
    integrity: Option<Integrity>,
    /// The lengths of both, looked up once and not for each packet.
    lens: Lens,
}

#[derive(Clone, Copy, Debug)]
struct Lens {
    iv: usize,
    icv: usize,
    block: usize,
}

/// Keyed ICVs of AH for one direction of one SA; they count their work on the caller's [`Crypto`].
#[derive(Debug)]
pub struct Authenticator {
    raw: Box<dyn RawAuthenticator>,
    algorithm: Authentication,
}

/// Our private key in one key exchange; its uses count their work on the caller's [`Crypto`].
///
/// Keep it from the public value to the shared secret: to make it ready anew costs curves a whole multiplication.
#[derive(Debug)]
pub struct ExchangeKey {
    raw: Box<dyn RawExchangeKey>,
    method: KeyExchangeMethod,
}

impl Crypto {
    /// A session with `provider` and an empty meter.
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, meter: WorkMeter::default() }
    }

    /// See [`Provider::prf`].
    pub fn prf(&mut self, prf: Prf, key: &[u8], parts: &[&[u8]]) -> Secret {
        self.meter.record(Operation::Prf(prf), total_len(parts));
        self.provider.prf(prf, key, parts)
    }

    /// See [`Provider::prf_plus`]; counted as the PRF calls that it consists of.
    ///
    /// # Panics
    /// When more than 255 blocks are asked for.
    pub fn prf_plus(&mut self, prf: Prf, key: &[u8], seed: &[&[u8]], len: usize) -> Secret {
        let first = total_len(seed) + 1;
        let lens = std::iter::once(first).chain(std::iter::repeat(prf.output_len() + first));
        for octets in lens.take(len.div_ceil(prf.output_len())) {
            self.meter.record(Operation::Prf(prf), octets);
        }
        self.provider.prf_plus(prf, key, seed, len)
    }

    /// See [`Provider::hash`].
    pub fn hash(&mut self, hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
        self.meter.record(Operation::Hash(hash), total_len(parts));
        self.provider.hash(hash, parts)
    }

    /// See [`Provider::des_encrypt_block`].
    pub fn des_encrypt_block(&mut self, key: [u8; 8], block: [u8; 8]) -> [u8; 8] {
        self.meter.record(Operation::DesBlock, 0);
        self.provider.des_encrypt_block(key, block)
    }

    /// See [`Provider::exchange_key`].
    pub fn exchange_key(&self, method: KeyExchangeMethod, private: &Secret) -> ExchangeKey {
        ExchangeKey { raw: self.provider.exchange_key(method, private), method }
    }

    /// [`ExchangeKey::public_value`] of a key for this use alone.
    pub fn public_value(&mut self, method: KeyExchangeMethod, private: &Secret) -> Vec<u8> {
        self.exchange_key(method, private).public_value(self)
    }

    /// [`ExchangeKey::shared_secret`] of a key for this use alone.
    ///
    /// # Errors
    /// When `peer_public` has the wrong length or is not a valid value of the group.
    pub fn shared_secret(
        &mut self,
        method: KeyExchangeMethod,
        private: &Secret,
        peer_public: &[u8],
    ) -> Result<Secret, KeyExchangeError> {
        self.exchange_key(method, private).shared_secret(self, peer_public)
    }

    /// See [`Provider::packet_cipher`].
    pub fn packet_cipher(
        &self,
        encryption: Encryption,
        encryption_key: &Secret,
        integrity: Option<(Integrity, &Secret)>,
    ) -> PacketCipher {
        let raw = self.provider.packet_cipher(encryption, encryption_key, integrity);
        let integrity = integrity.map(|(algorithm, _)| algorithm);
        let lens = Lens {
            iv: encryption.iv_len(),
            icv: integrity.map_or(encryption.icv_len(), Integrity::icv_len),
            block: encryption.block_len(),
        };
        PacketCipher { raw, encryption, integrity, lens }
    }

    /// See [`Provider::authenticator`].
    ///
    /// # Panics
    /// When the key does not have [`Authentication::key_material_len`] octets.
    pub fn authenticator(&self, algorithm: Authentication, key: &Secret) -> Authenticator {
        Authenticator { raw: self.provider.authenticator(algorithm, key), algorithm }
    }

    /// See [`Provider::sign`].
    ///
    /// # Errors
    /// When key or salt do not fit the scheme, or the key cannot sign.
    pub fn sign(
        &mut self,
        key: &PrivateKey,
        scheme: SignatureScheme,
        salt: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        self.meter.record(Operation::Sign(key.kind().class()), message.len());
        self.provider.sign(key, scheme, salt, message)
    }

    /// See [`Provider::verify`].
    ///
    /// # Errors
    /// When the key does not fit the scheme, or the signature is not right.
    pub fn verify(
        &mut self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        self.meter.record(Operation::Verify(key.kind().class()), message.len());
        self.provider.verify(key, scheme, message, signature)
    }

    /// Takes the work done since the last call.
    pub fn take_work(&mut self) -> Vec<Work> {
        self.meter.take()
    }

    /// The meter, for owners that read it without taking.
    pub fn meter(&mut self) -> &mut WorkMeter {
        &mut self.meter
    }
}

impl ExchangeKey {
    /// The public value as the KE payload carries it.
    pub fn public_value(&self, crypto: &mut Crypto) -> Vec<u8> {
        crypto.meter.record(Operation::KeyGeneration(self.method), 0);
        self.raw.public_value()
    }

    /// See [`RawExchangeKey::shared_secret`].
    ///
    /// # Errors
    /// When `peer_public` has the wrong length or is not a valid value of the group.
    pub fn shared_secret(&self, crypto: &mut Crypto, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
        crypto.meter.record(Operation::KeyAgreement(self.method), 0);
        let (expected, actual) = (self.method.public_len(), peer_public.len());
        if actual == expected {
            self.raw.shared_secret(peer_public)
        } else {
            Err(KeyExchangeError::Length { expected, actual })
        }
    }
}

impl PacketCipher {
    /// Octets of IV between header and ciphertext.
    #[inline]
    pub fn iv_len(&self) -> usize {
        self.lens.iv
    }

    /// Octets of ICV at the end.
    #[inline]
    pub fn icv_len(&self) -> usize {
        self.lens.icv
    }

    /// Plaintext must be a multiple of this many octets (1 for AEADs and NULL).
    #[inline]
    pub fn block_len(&self) -> usize {
        self.lens.block
    }

    /// Whether IVs must be unpredictable (CBC) rather than unique (AEADs).
    #[inline]
    pub fn needs_random_iv(&self) -> bool {
        self.lens.block > 1
    }

    /// See [`RawPacketCipher::seal`]; without extended sequence numbers, and the ICV is appended.
    pub fn seal(&self, crypto: &mut Crypto, buffer: &mut Vec<u8>, header_len: usize) {
        self.seal_numbered(crypto, buffer, header_len, None);
    }

    /// See [`RawPacketCipher::seal`]; the ICV is appended.
    pub fn seal_numbered(
        &self,
        crypto: &mut Crypto,
        buffer: &mut Vec<u8>,
        header_len: usize,
        high: Option<SeqHigh>,
    ) {
        buffer.resize(buffer.len() + self.icv_len(), 0);
        self.seal_in_place(crypto, buffer, header_len, high);
    }

    /// See [`RawPacketCipher::seal`].
    pub fn seal_in_place(
        &self,
        crypto: &mut Crypto,
        packet: &mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) {
        let covered = packet.len() - self.icv_len();
        let octets = covered - header_len - self.iv_len();
        self.record(crypto, Operation::Encrypt(self.encryption), octets, covered + implicit_len(high));
        self.raw.seal(packet, header_len, high);
    }

    /// See [`RawPacketCipher::open`]; without extended sequence numbers.
    ///
    /// # Errors
    /// When the packet is malformed or its ICV is wrong.
    pub fn open<'a>(
        &self,
        crypto: &mut Crypto,
        buffer: &'a mut [u8],
        header_len: usize,
    ) -> Result<&'a mut [u8], OpenError> {
        self.open_numbered(crypto, buffer, header_len, None)
    }

    /// See [`RawPacketCipher::open`].
    ///
    /// # Errors
    /// When the packet is malformed or its ICV is wrong.
    pub fn open_numbered<'a>(
        &self,
        crypto: &mut Crypto,
        buffer: &'a mut [u8],
        header_len: usize,
        high: Option<SeqHigh>,
    ) -> Result<&'a mut [u8], OpenError> {
        let overhead = header_len + self.iv_len() + self.icv_len();
        let octets = buffer.len().saturating_sub(overhead);
        let covered = buffer.len().saturating_sub(self.icv_len()) + implicit_len(high);
        self.record(crypto, Operation::Decrypt(self.encryption), octets, covered);
        self.raw.open(buffer, header_len, high)
    }

    fn record(&self, crypto: &mut Crypto, cipher: Operation, octets: usize, covered: usize) {
        crypto.meter.record(cipher, octets);
        if let Some(integrity) = self.integrity {
            crypto.meter.record(Operation::Integrity(integrity), covered);
        }
    }
}

impl Authenticator {
    /// The algorithm.
    pub fn algorithm(&self) -> Authentication {
        self.algorithm
    }

    /// See [`RawAuthenticator::sign`].
    pub fn sign(&self, crypto: &mut Crypto, covered: &[u8], iv: &[u8], tag: &mut [u8]) {
        crypto.meter.record(self.operation(Operation::Encrypt), covered.len());
        self.raw.sign(covered, iv, tag);
    }

    /// See [`RawAuthenticator::verify`].
    pub fn verify(&self, crypto: &mut Crypto, covered: &[u8], iv: &[u8], tag: &[u8]) -> bool {
        crypto.meter.record(self.operation(Operation::Decrypt), covered.len());
        self.raw.verify(covered, iv, tag)
    }

    /// What it costs: as much as the same algorithm under ESP.
    fn operation(&self, gmac: fn(Encryption) -> Operation) -> Operation {
        match self.algorithm {
            Authentication::Mac(integrity) => Operation::Integrity(integrity),
            Authentication::Gmac(key) => gmac(Encryption::AesGmac(key)),
        }
    }
}

/// Octets that are authenticated without being sent.
const fn implicit_len(high: Option<SeqHigh>) -> usize {
    if high.is_some() { SeqHigh::LEN } else { 0 }
}

fn total_len(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}
