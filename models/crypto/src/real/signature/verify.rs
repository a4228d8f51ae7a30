//! Verifying by AWS-LC: strict DER for ECDSA, one salt length for PSS, no low-order tricks. It has no RSA without a
//! `DigestInfo`, which is an exponentiation and a comparison with the one padding that is right (RFC 8017 §9.2).

use aws_lc_rs::signature as aws;
use num_bigint::BigUint;
use rsa::pkcs8::der::Decode as _;
use subtle::ConstantTimeEq as _;

use crate::real::integer::to_octets;
use crate::signature::{EcdsaForm, PublicKey, SignatureScheme, VerifyError};

/// See [`Provider::verify`](crate::Provider::verify).
pub(in crate::real) fn verify(
    key: &PublicKey,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    if !scheme.fits(key.kind()) {
        return Err(VerifyError::WrongKey { kind: key.kind(), scheme });
    }
    let Some(algorithm) = algorithm(scheme) else { return verify_unprefixed(key, message, signature) };
    let key = aws::UnparsedPublicKey::new(algorithm, key.key_octets());
    key.verify(message, signature).map_err(|_| VerifyError::Signature)
}

/// Raises the signature to the public exponent and compares with 0, 1, ones, 0 and the message.
fn verify_unprefixed(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let parts =
        rsa::pkcs1::RsaPublicKeyRef::from_der(key.key_octets()).map_err(|_| VerifyError::Signature)?;
    let [modulus, exponent] =
        [parts.modulus, parts.public_exponent].map(|part| BigUint::from_bytes_be(part.as_bytes()));
    let len = key.kind().bits().div_ceil(8);
    let value = BigUint::from_bytes_be(signature);
    let Some(padding) = len.checked_sub(message.len() + 3).filter(|padding| *padding >= MIN_PADDING) else {
        return Err(VerifyError::Signature);
    };
    if signature.len() != len || value >= modulus {
        return Err(VerifyError::Signature);
    }
    let expected = [&[0, 1][..], &vec![0xff; padding], &[0], message].concat();
    let actual = to_octets(&value.modpow(&exponent, &modulus), len);
    if bool::from(actual.ct_eq(&expected)) { Ok(()) } else { Err(VerifyError::Signature) }
}

/// Fewest octets of ones (RFC 8017 §9.2).
const MIN_PADDING: usize = 8;

/// AWS-LC's algorithm for a scheme, if it has one.
fn algorithm(scheme: SignatureScheme) -> Option<&'static dyn aws::VerificationAlgorithm> {
    use SignatureScheme as Scheme;
    let algorithm: &'static dyn aws::VerificationAlgorithm = match scheme {
        Scheme::RsaPkcs1Unprefixed => return None,
        Scheme::RsaPkcs1Sha1 => &aws::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Scheme::RsaPkcs1Sha2_256 => &aws::RSA_PKCS1_2048_8192_SHA256,
        Scheme::RsaPkcs1Sha2_384 => &aws::RSA_PKCS1_2048_8192_SHA384,
        Scheme::RsaPkcs1Sha2_512 => &aws::RSA_PKCS1_2048_8192_SHA512,
        Scheme::RsaPssSha2_256 => &aws::RSA_PSS_2048_8192_SHA256,
        Scheme::RsaPssSha2_384 => &aws::RSA_PSS_2048_8192_SHA384,
        Scheme::RsaPssSha2_512 => &aws::RSA_PSS_2048_8192_SHA512,
        Scheme::EcdsaP256(EcdsaForm::Der) => &aws::ECDSA_P256_SHA256_ASN1,
        Scheme::EcdsaP256(EcdsaForm::Raw) => &aws::ECDSA_P256_SHA256_FIXED,
        Scheme::EcdsaP384(EcdsaForm::Der) => &aws::ECDSA_P384_SHA384_ASN1,
        Scheme::EcdsaP384(EcdsaForm::Raw) => &aws::ECDSA_P384_SHA384_FIXED,
        Scheme::EcdsaP521(EcdsaForm::Der) => &aws::ECDSA_P521_SHA512_ASN1,
        Scheme::EcdsaP521(EcdsaForm::Raw) => &aws::ECDSA_P521_SHA512_FIXED,
        Scheme::Ed25519 => &aws::ED25519,
    };
    Some(algorithm)
}
