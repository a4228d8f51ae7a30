//! Keys from and to DER: PKCS#8, PKCS#1, SEC 1 and `SubjectPublicKeyInfo`.

use aws_lc_rs::signature as aws;
use ring::signature::KeyPair as _;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::der::asn1::BitStringRef;
use rsa::pkcs8::der::pem::decode_vec;
use rsa::pkcs8::der::{Decode as _, Encode as _};
use rsa::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use rsa::pkcs8::{
    Document, EncodePrivateKey as _, EncodePublicKey as _, ObjectIdentifier, PrivateKeyInfoRef,
};
use rsa::traits::PublicKeyParts as _;

use super::{PrivateMaterial, RsaMaterial};
use crate::signature::{KeyError, KeyKind};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// What AWS-LC verifies with: shorter keys are forgeable, longer ones a way to keep a peer busy.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=8192;

/// A `SubjectPublicKeyInfo` in front of 32 octets of Ed25519 (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PrivateMaterial {
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Malformed)?;
        let key = info.private_key.as_bytes();
        match info.algorithm.oid {
            RSA => Self::from_pkcs1(key),
            EC => Self::from_sec1(key, curve_of(&info.algorithm)?),
            // RFC 8410 §7: the seed is an OCTET STRING within the OCTET STRING.
            ED25519 => Self::ed25519(key.strip_prefix(&[0x04, 0x20]).ok_or(KeyError::Malformed)?),
            _ => Err(KeyError::Algorithm),
        }
    }

    pub(crate) fn from_pem(text: &str) -> Result<Self, KeyError> {
        let block = first_key_block(text).ok_or(KeyError::Pem)?;
        let (label, der) = decode_vec(block.as_bytes()).map_err(|_| KeyError::Pem)?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&der),
            "EC PRIVATE KEY" => Self::from_sec1_alone(&der),
            _ => Err(KeyError::Pem),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let full = rsa::RsaPrivateKey::from_pkcs1_der(der).map_err(|_| KeyError::Invalid)?;
        let bits = full.n().bits() as usize;
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        let pkcs8 = full.to_pkcs8_der().map_err(|_| KeyError::Invalid)?;
        let fast = aws::RsaKeyPair::from_pkcs8(pkcs8.as_bytes()).map_err(|_| KeyError::Invalid)?;
        Ok(Self::Rsa(Box::new(RsaMaterial { fast, full })))
    }

    fn from_sec1(der: &[u8], kind: KeyKind) -> Result<Self, KeyError> {
        let key = sec1::EcPrivateKey::from_der(der).map_err(|_| KeyError::Malformed)?;
        match kind {
            KeyKind::P256 => Self::p256(key.private_key),
            KeyKind::P384 => Self::p384(key.private_key),
            KeyKind::P521 => Self::p521(key.private_key),
            KeyKind::Rsa { .. } | KeyKind::Ed25519 => Err(KeyError::Algorithm),
        }
    }

    /// Outside PKCS#8 the key names its curve itself (RFC 5915 §3).
    fn from_sec1_alone(der: &[u8]) -> Result<Self, KeyError> {
        let key = sec1::EcPrivateKey::from_der(der).map_err(|_| KeyError::Malformed)?;
        let curve = key.parameters.and_then(sec1::EcParameters::named_curve);
        Self::from_sec1(der, kind_of_curve(curve.ok_or(KeyError::Algorithm)?)?)
    }

    /// The `SubjectPublicKeyInfo` of the public half.
    pub(crate) fn spki(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(key) => {
                let document = key.full.to_public_key().to_public_key_der();
                document.map(Document::into_vec).map_err(|_| KeyError::Invalid)
            }
            Self::P256(key) => spki_of_point(P256, key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::P384(key) => spki_of_point(P384, key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::P521(key) => spki_of_point(P521, key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::Ed25519(pair) => Ok([&ED25519_SPKI[..], pair.public_key().as_ref()].concat()),
        }
    }
}

fn spki_of_point(curve: ObjectIdentifier, point: &[u8]) -> Result<Vec<u8>, KeyError> {
    let algorithm = AlgorithmIdentifierRef { oid: EC, parameters: Some((&curve).into()) };
    let subject_public_key = BitStringRef::from_bytes(point).map_err(|_| KeyError::Invalid)?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().map_err(|_| KeyError::Invalid)
}

/// Kind of a `SubjectPublicKeyInfo` and octets of the key at its end.
pub(crate) fn inspect(der: &[u8]) -> Result<(KeyKind, usize), KeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?;
    let key = info.subject_public_key.as_bytes().ok_or(KeyError::Malformed)?;
    let kind = match info.algorithm.oid {
        RSA => rsa_kind(key)?,
        EC => check_point(curve_of(&info.algorithm)?, key)?,
        ED25519 => ed25519_kind(key)?,
        _ => return Err(KeyError::Algorithm),
    };
    Ok((kind, key.len()))
}

fn rsa_kind(key: &[u8]) -> Result<KeyKind, KeyError> {
    let parts = rsa::pkcs1::RsaPublicKeyRef::from_der(key).map_err(|_| KeyError::Malformed)?;
    let modulus = parts.modulus.as_bytes();
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = modulus.len() * 8 - unused;
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    check_parse(&aws::RSA_PKCS1_2048_8192_SHA256, key)?;
    Ok(KeyKind::Rsa { bits })
}

fn check_point(kind: KeyKind, key: &[u8]) -> Result<KeyKind, KeyError> {
    // RFC 5480 §2.2 asks for the uncompressed form alone.
    if key.first() != Some(&0x04) {
        return Err(KeyError::Invalid);
    }
    match kind {
        KeyKind::P256 => check_parse(&aws::ECDSA_P256_SHA256_ASN1, key)?,
        KeyKind::P384 => check_parse(&aws::ECDSA_P384_SHA384_ASN1, key)?,
        KeyKind::P521 => check_parse(&aws::ECDSA_P521_SHA512_ASN1, key)?,
        KeyKind::Rsa { .. } | KeyKind::Ed25519 => return Err(KeyError::Algorithm),
    }
    Ok(kind)
}

fn ed25519_kind(key: &[u8]) -> Result<KeyKind, KeyError> {
    if key.len() == 32 { Ok(KeyKind::Ed25519) } else { Err(KeyError::Invalid) }
}

fn check_parse(algorithm: &'static dyn aws::VerificationAlgorithm, key: &[u8]) -> Result<(), KeyError> {
    aws::ParsedPublicKey::new(algorithm, key).map(drop).map_err(|_| KeyError::Invalid)
}

fn curve_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<KeyKind, KeyError> {
    kind_of_curve(algorithm.parameters_oid().map_err(|_| KeyError::Algorithm)?)
}

fn kind_of_curve(curve: ObjectIdentifier) -> Result<KeyKind, KeyError> {
    match curve {
        P256 => Ok(KeyKind::P256),
        P384 => Ok(KeyKind::P384),
        P521 => Ok(KeyKind::P521),
        _ => Err(KeyError::Algorithm),
    }
}

/// The first block whose label ends in `PRIVATE KEY`: openssl writes curve parameters in front of some keys.
fn first_key_block(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let start = rest.find("-----BEGIN ")?;
        let block = &rest[start..];
        let label_end = block["-----BEGIN ".len()..].find("-----")? + "-----BEGIN ".len();
        let end_line = format!("-----END {}-----", &block["-----BEGIN ".len()..label_end]);
        let end = block.find(&end_line)? + end_line.len();
        if block[..label_end].ends_with("PRIVATE KEY") {
            return Some(&block[..end]);
        }
        rest = &block[end..];
    }
}
