//! MACs as PRFs and integrity algorithms, and bare hashes: RFC 2104, RFC 2403, RFC 2404, RFC 4434, RFC 4615, RFC 4868.
//!
//! SHA-2 is ring's. SHA-1 is `RustCrypto`'s, which uses the processor's SHA instructions where ring does not (three times
//! as fast over a packet). A key holds the state after the padded key, so that a packet pays for its own octets alone.

use aes::Aes128;
use cmac::Cmac;
use hmac::{Hmac, KeyInit as _, Mac};
use md4::Md4;
use md5::Md5;
use ring::hmac as ring_hmac;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq as _;

use super::xcbc::Xcbc;
use crate::algorithm::{Hash, Integrity, Prf};
use crate::secret::Secret;

/// Octets of an AES key and of one block.
const AES_LEN: usize = 16;

/// A MAC key, ready for use.
#[derive(Clone)]
pub(super) enum MacKey {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha2(ring_hmac::Key),
    Cmac(Cmac<Aes128>),
    Xcbc(Xcbc),
}

/// A whole MAC, kept without allocation.
pub(super) enum Tag {
    Short([u8; 16]),
    Sha1([u8; 20]),
    Sha2(ring_hmac::Tag),
}

impl MacKey {
    /// A key of any length, for `prf`.
    pub(super) fn new(prf: Prf, key: &[u8]) -> Self {
        let sha2 = |algorithm| Self::Sha2(ring_hmac::Key::new(algorithm, key));
        match prf {
            Prf::HmacMd5 => Self::Md5(Hmac::new_from_slice(key).expect("an HMAC key has any length")),
            Prf::HmacSha1 => Self::Sha1(Hmac::new_from_slice(key).expect("an HMAC key has any length")),
            Prf::HmacSha2_256 => sha2(ring_hmac::HMAC_SHA256),
            Prf::HmacSha2_384 => sha2(ring_hmac::HMAC_SHA384),
            Prf::HmacSha2_512 => sha2(ring_hmac::HMAC_SHA512),
            Prf::AesXcbc => Self::Xcbc(Xcbc::new(&xcbc_key(key))),
            Prf::AesCmac => Self::Cmac(Cmac::new(&cmac_key(key).into())),
        }
    }

    /// The MAC of the concatenated parts.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Tag {
        match self {
            Self::Md5(key) => Tag::Short(mac_of(key, parts)),
            Self::Sha1(key) => Tag::Sha1(mac_of(key, parts)),
            Self::Sha2(key) => {
                let mut mac = ring_hmac::Context::with_key(key);
                for part in parts {
                    mac.update(part);
                }
                Tag::Sha2(mac.sign())
            }
            Self::Cmac(key) => Tag::Short(mac_of(key, parts)),
            Self::Xcbc(key) => Tag::Short(key.sign(parts)),
        }
    }
}

impl MacKey {
    /// prf+ with blocks of `block_len` octets, which is the length of this MAC.
    pub(super) fn expand(&self, block_len: usize, seed: &[&[u8]], len: usize) -> Vec<u8> {
        let mut text = vec![0; block_len];
        text.extend(seed.iter().copied().flatten());
        text.push(0);
        let mut stream = Vec::with_capacity(len);
        // The first block has none before it.
        let mut start = block_len;
        while stream.len() < len {
            let counter = text.last_mut().expect("the counter was put there");
            *counter = counter.checked_add(1).expect("prf+ gives at most 255 blocks");
            let block = self.sign(&[&text[start..]]);
            stream.extend_from_slice(&block.as_ref()[..block_len.min(len - stream.len())]);
            text[..block_len].copy_from_slice(block.as_ref());
            start = 0;
        }
        stream
    }
}

fn mac_of<M: Mac + Clone, const N: usize>(key: &M, parts: &[&[u8]]) -> [u8; N] {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().as_bytes()[..].try_into().expect("the output has the length that the tag keeps")
}

/// Short keys get zeros, long ones are the MAC of themselves under a key of zeros (RFC 4434 §2).
fn xcbc_key(key: &[u8]) -> [u8; AES_LEN] {
    let mut fitted = [0; AES_LEN];
    match fitted.get_mut(..key.len()) {
        Some(front) => front.copy_from_slice(key),
        None => fitted = Xcbc::new(&fitted).sign(&[key]),
    }
    fitted
}

/// Every other length than the right one is made right by a MAC under a key of zeros (RFC 4615 §3).
fn cmac_key(key: &[u8]) -> [u8; AES_LEN] {
    key.try_into().unwrap_or_else(|_| mac_of(&Cmac::<Aes128>::new(&[0; AES_LEN].into()), &[key]))
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short(octets) => octets,
            Self::Sha1(octets) => octets,
            Self::Sha2(tag) => tag.as_ref(),
        }
    }
}

/// An integrity algorithm with its key: a MAC cut to the length of the ICV.
pub(super) struct IntegrityKey {
    key: MacKey,
    icv_len: usize,
}

impl IntegrityKey {
    /// # Panics
    /// When the key does not have [`Integrity::key_len`] octets.
    pub(super) fn new(integrity: Integrity, key: &Secret) -> Self {
        assert_eq!(key.len(), integrity.key_len(), "{integrity} takes a key of another length");
        Self { key: MacKey::new(integrity.prf(), key.expose()), icv_len: integrity.icv_len() }
    }

    pub(super) const fn icv_len(&self) -> usize {
        self.icv_len
    }

    /// Writes the ICV over the concatenated parts.
    ///
    /// # Panics
    /// When `icv` does not have the length of an ICV.
    pub(super) fn write_icv(&self, covered: &[&[u8]], icv: &mut [u8]) {
        let tag = self.key.sign(covered);
        icv.copy_from_slice(&tag.as_ref()[..self.icv_len]);
    }

    /// Whether `icv` is the ICV of the concatenated parts, in time that does not depend on where they differ.
    pub(super) fn verify(&self, covered: &[&[u8]], icv: &[u8]) -> bool {
        let tag = self.key.sign(covered);
        tag.as_ref()[..self.icv_len].ct_eq(icv).into()
    }
}

/// The digest of the concatenated parts.
pub(super) fn hash(hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
    match hash {
        Hash::Md4 => portable::<Md4>(parts),
        Hash::Md5 => portable::<Md5>(parts),
        Hash::Sha1 => portable::<Sha1>(parts),
        Hash::Sha2_256 => of_ring(&ring::digest::SHA256, parts),
        Hash::Sha2_384 => of_ring(&ring::digest::SHA384, parts),
        Hash::Sha2_512 => of_ring(&ring::digest::SHA512, parts),
    }
}

fn portable<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().to_vec()
}

fn of_ring(algorithm: &'static ring::digest::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut state = ring::digest::Context::new(algorithm);
    for part in parts {
        state.update(part);
    }
    state.finish().as_ref().to_vec()
}
