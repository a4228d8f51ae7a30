//! The cases of cryptography: every algorithm of the registry, through the real provider.
//!
//! The work meter counts CBC or CTR and its MAC as two operations, but a provider does them in one call. So the MAC is
//! measured with NULL encryption, and the cipher as what it adds to NULL over the same octets. NULL itself is free by that definition.

use std::sync::Arc;

use ipseclab_crypto::{
    Encryption, Hash, Integrity, KeyClass, KeyExchangeMethod, KeyKind, Operation, Prf, PrivateKey, Provider,
    RawPacketCipher, RealProvider, Secret, SignatureScheme, signature::EcdsaForm,
};

use super::case::{Case, Repeated, Subject, repeated};

/// Octets of text in each case: all lengths are whole blocks of every cipher.
pub(super) const SIZES: [usize; 4] = [64, 256, 1024, 4096];

/// Octets that are signed: what AUTH covers lies between them.
const SIGNED_SIZES: [usize; 2] = [256, 4096];

/// SPI and sequence number of ESP: what is covered by an ICV in front of IV and text.
const HEADER_LEN: usize = 8;
/// The fastest MAC beside CBC or CTR, so that least is taken off.
const CBC_COMPANION: Integrity = Integrity::HmacSha1_96;
/// No algorithm here takes another time for other octets.
const FILL: u8 = 0x5a;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        cases.extend(Prf::ALL.iter().map(|prf| prf_case(*prf, size)));
        cases.extend(Hash::ALL.iter().map(|hash| hash_case(*hash, size)));
        cases.extend(Integrity::ALL.iter().map(|integrity| integrity_case(*integrity, size)));
        let ciphers = Encryption::ALL.iter().filter(|encryption| **encryption != Encryption::Null);
        cases.extend(ciphers.flat_map(|encryption| cipher_cases(*encryption, size)));
    }
    cases.push(des_block_case());
    cases.extend(KeyExchangeMethod::ALL.iter().flat_map(|method| key_exchange_cases(*method)));
    for size in SIGNED_SIZES {
        cases.extend(KeyClass::ALL.iter().flat_map(|class| signature_cases(*class, size)));
    }
    cases
}

fn provider() -> Arc<dyn Provider> {
    Arc::new(RealProvider::new())
}

fn secret(len: usize) -> Secret {
    Secret::new(vec![FILL; len])
}

fn case<R>(operation: Operation, octets: usize, work: impl FnMut() -> R + 'static) -> Case {
    Case::new(Subject::Operation(operation), octets, work, None)
}

fn prf_case(prf: Prf, size: usize) -> Case {
    let (provider, key, text) = (provider(), secret(prf.key_len()), vec![FILL; size]);
    case(Operation::Prf(prf), size, move || provider.prf(prf, key.expose(), &[&text]))
}

fn hash_case(hash: Hash, size: usize) -> Case {
    let (provider, text) = (provider(), vec![FILL; size]);
    case(Operation::Hash(hash), size, move || provider.hash(hash, &[&text]))
}

fn des_block_case() -> Case {
    let provider = provider();
    case(Operation::DesBlock, 0, move || {
        provider.des_encrypt_block([FILL; 8], core::hint::black_box([FILL; 8]))
    })
}

fn integrity_case(integrity: Integrity, size: usize) -> Case {
    let packet = Packet::new(Encryption::Null, Some(integrity), size);
    case(Operation::Integrity(integrity), packet.covered_len, packet.sealing())
}

fn key_exchange_cases(method: KeyExchangeMethod) -> [Case; 2] {
    let (generating, agreeing) = (provider(), provider());
    let private = secret(method.private_len());
    let peer = Secret::new(vec![0x7c; method.private_len()]);
    let peer = agreeing.exchange_key(method, &peer).public_value();
    let ours = agreeing.exchange_key(method, &private);
    let generate = move || generating.exchange_key(method, &private).public_value();
    let agree = move || ours.shared_secret(&peer);
    [case(Operation::KeyGeneration(method), 0, generate), case(Operation::KeyAgreement(method), 0, agree)]
}

/// Keys for measuring: RSA ones from files, as nothing here can make them.
fn signing_key(class: KeyClass) -> (PrivateKey, SignatureScheme) {
    let rsa = |pem| PrivateKey::from_pem(pem).expect("the measuring keys are keys");
    let seeded = |kind| {
        PrivateKey::from_seed(kind, &[FILL; 74][..seed_len(kind)]).expect("the seeds have the right length")
    };
    match class {
        KeyClass::Rsa2048 => (rsa(include_str!("rsa2048.pem")), SignatureScheme::RsaPkcs1Sha2_256),
        KeyClass::Rsa3072 => (rsa(include_str!("rsa3072.pem")), SignatureScheme::RsaPkcs1Sha2_256),
        KeyClass::Rsa4096 => (rsa(include_str!("rsa4096.pem")), SignatureScheme::RsaPkcs1Sha2_256),
        KeyClass::P256 => (seeded(KeyKind::P256), SignatureScheme::EcdsaP256(EcdsaForm::Der)),
        KeyClass::P384 => (seeded(KeyKind::P384), SignatureScheme::EcdsaP384(EcdsaForm::Der)),
        KeyClass::P521 => (seeded(KeyKind::P521), SignatureScheme::EcdsaP521(EcdsaForm::Der)),
        KeyClass::Ed25519 => (seeded(KeyKind::Ed25519), SignatureScheme::Ed25519),
    }
}

/// Ed25519 takes its seed as it is, the curves one that is longer than their order.
const fn seed_len(kind: KeyKind) -> usize {
    if matches!(kind, KeyKind::Ed25519) { 32 } else { 74 }
}

fn signature_cases(class: KeyClass, size: usize) -> [Case; 2] {
    let (signing, verifying) = (provider(), provider());
    let ((key, scheme), text) = (signing_key(class), vec![FILL; size]);
    let signature = signing.sign(&key, scheme, &[], &text).expect("the key fits the scheme");
    let (public, signed) = (key.public_key().clone(), text.clone());
    let sign = move || signing.sign(&key, scheme, &[], &text);
    let verify = move || verifying.verify(&public, scheme, &signed, &signature);
    [case(Operation::Sign(class), size, sign), case(Operation::Verify(class), size, verify)]
}

fn cipher_cases(encryption: Encryption, size: usize) -> [Case; 2] {
    let integrity = (!encryption.is_aead()).then_some(CBC_COMPANION);
    let packet = || Packet::new(encryption, integrity, size);
    // Without its cipher, a packet has the same octets in front of the ICV, IV included.
    let bare = || Packet::new(Encryption::Null, integrity, encryption.iv_len() + size);
    let seal_overhead = integrity.map(|_| repeated(bare().sealing()));
    let open_overhead = if integrity.is_some() { repeated(bare().opening()) } else { packet().restoring() };
    let subject = |make: fn(Encryption) -> Operation| Subject::Operation(make(encryption));
    [
        Case::new(subject(Operation::Encrypt), size, packet().sealing(), seal_overhead),
        Case::new(subject(Operation::Decrypt), size, packet().opening(), Some(open_overhead)),
    ]
}

/// A packet before its encryption, with the cipher for it.
struct Packet {
    cipher: Box<dyn RawPacketCipher>,
    /// With room for the ICV at the end.
    buffer: Vec<u8>,
    /// Octets of header, IV and text.
    covered_len: usize,
}

impl Packet {
    fn new(encryption: Encryption, integrity: Option<Integrity>, text_len: usize) -> Self {
        let key = secret(encryption.key_material_len());
        let integrity_key = integrity.map(|integrity| (integrity, secret(integrity.key_len())));
        let integrity = integrity_key.as_ref().map(|(integrity, key)| (*integrity, key));
        let cipher = provider().packet_cipher(encryption, &key, integrity);
        let covered_len = HEADER_LEN + encryption.iv_len() + text_len;
        let icv_len = integrity.map_or(encryption.icv_len(), |(integrity, _)| integrity.icv_len());
        Self { cipher, buffer: vec![FILL; covered_len + icv_len], covered_len }
    }

    /// Encrypts over and over; what was ciphertext is the next text.
    fn sealing(mut self) -> impl FnMut() {
        move || self.cipher.seal(&mut self.buffer, HEADER_LEN, None)
    }

    /// Decrypts over and over, after restoring the ciphertext.
    fn opening(mut self) -> impl FnMut() -> usize {
        self.cipher.seal(&mut self.buffer, HEADER_LEN, None);
        let sealed = self.buffer.clone();
        move || {
            self.buffer.copy_from_slice(&sealed);
            let text = self.cipher.open(&mut self.buffer, HEADER_LEN, None);
            text.expect("what was sealed opens").len()
        }
    }

    /// What [`opening`](Self::opening) does besides.
    fn restoring(mut self) -> Repeated {
        self.cipher.seal(&mut self.buffer, HEADER_LEN, None);
        let sealed = self.buffer.clone();
        repeated(move || {
            self.buffer.copy_from_slice(&sealed);
            core::hint::black_box(&mut self.buffer).len()
        })
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_crypto::{AesKey, Crypto};

    use super::*;

    fn octets_of(operation: Operation) -> Vec<usize> {
        let cases = cases();
        let of_operation = cases.iter().filter(|case| case.subject == Subject::Operation(operation));
        of_operation.map(|case| case.octets).collect()
    }

    #[test]
    fn every_algorithm_has_a_case_of_every_size() {
        for encryption in Encryption::ALL.iter().filter(|encryption| **encryption != Encryption::Null) {
            assert_eq!(octets_of(Operation::Encrypt(*encryption)), SIZES, "{encryption}");
            assert_eq!(octets_of(Operation::Decrypt(*encryption)), SIZES, "{encryption}");
        }
        assert_eq!(octets_of(Operation::Prf(Prf::HmacSha2_384)), SIZES);
        assert_eq!(octets_of(Operation::Hash(Hash::Sha1)), SIZES);
        assert_eq!(octets_of(Operation::DesBlock), [0]);
        assert_eq!(octets_of(Operation::KeyAgreement(KeyExchangeMethod::Ecp384)), [0]);
    }

    #[test]
    fn octets_are_those_that_the_work_meter_counts() {
        let mut crypto = Crypto::new(provider());
        let integrity_key = secret(CBC_COMPANION.key_len());
        let cipher =
            crypto.packet_cipher(Encryption::Null, &secret(0), Some((CBC_COMPANION, &integrity_key)));
        cipher.seal(&mut crypto, &mut vec![FILL; HEADER_LEN + SIZES[0]], HEADER_LEN);
        let counted =
            crypto.take_work().into_iter().find(|work| matches!(work.operation, Operation::Integrity(_)));
        let case = integrity_case(CBC_COMPANION, SIZES[0]);
        assert_eq!(counted.map(|work| work.octets), Some(case.octets));
    }

    #[test]
    fn the_overhead_of_cbc_covers_the_same_octets() {
        let encryption = Encryption::AesCbc(AesKey::Bits256);
        let packet = Packet::new(encryption, Some(CBC_COMPANION), 256);
        let bare = Packet::new(Encryption::Null, Some(CBC_COMPANION), encryption.iv_len() + 256);
        assert_eq!(packet.covered_len, bare.covered_len);
        for mut case in cipher_cases(encryption, 256) {
            (case.work)(2);
            (case.overhead.as_mut().unwrap())(2);
        }
    }

    #[test]
    fn packets_can_be_sealed_and_opened_again_and_again() {
        for encryption in Encryption::ALL {
            let integrity = (!encryption.is_aead()).then_some(CBC_COMPANION);
            let mut sealing = Packet::new(*encryption, integrity, 64).sealing();
            let mut opening = Packet::new(*encryption, integrity, 64).opening();
            for _ in 0..3 {
                sealing();
                assert_eq!(opening(), 64, "{encryption}");
            }
        }
    }
}
