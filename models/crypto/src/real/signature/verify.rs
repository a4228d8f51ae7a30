//! Verifying, all of it by AWS-LC: strict DER for ECDSA, one salt length for PSS, no low-order tricks.

use aws_lc_rs::signature as aws;

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
    let key = aws::UnparsedPublicKey::new(algorithm(scheme), key.key_octets());
    key.verify(message, signature).map_err(|_| VerifyError::Signature)
}

fn algorithm(scheme: SignatureScheme) -> &'static dyn aws::VerificationAlgorithm {
    use SignatureScheme as Scheme;
    match scheme {
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
    }
}
