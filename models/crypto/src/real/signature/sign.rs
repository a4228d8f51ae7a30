//! Signing; equal keys, salts and messages give equal signatures.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature as aws;
use p256::ecdsa::signature::Signer as _;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::traits::SignatureScheme as _;
use sha1::Sha1;
use sha2::digest::FixedOutputReset;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::salt::Salt;
use super::{PrivateMaterial, RsaMaterial};
use crate::signature::{EcdsaForm, PrivateKey, SignError, SignatureScheme};

/// See [`Provider::sign`](crate::Provider::sign).
pub(in crate::real) fn sign(
    key: &PrivateKey,
    scheme: SignatureScheme,
    salt: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, SignError> {
    if salt.len() != scheme.salt_len() {
        return Err(SignError::Salt { scheme, expected: scheme.salt_len(), actual: salt.len() });
    }
    match (key.material(), scheme) {
        (PrivateMaterial::Rsa(rsa), scheme) if scheme.fits(key.kind()) => rsa.sign(scheme, salt, message),
        (PrivateMaterial::P256(key), SignatureScheme::EcdsaP256(form)) => {
            let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(|_| SignError::Failed)?;
            Ok(in_form(form, || signature.to_der().as_bytes().to_vec(), || signature.to_bytes().to_vec()))
        }
        (PrivateMaterial::P384(key), SignatureScheme::EcdsaP384(form)) => {
            let signature: p384::ecdsa::Signature = key.try_sign(message).map_err(|_| SignError::Failed)?;
            Ok(in_form(form, || signature.to_der().as_bytes().to_vec(), || signature.to_bytes().to_vec()))
        }
        (PrivateMaterial::P521(key), SignatureScheme::EcdsaP521(form)) => {
            let signature: p521::ecdsa::Signature = key.try_sign(message).map_err(|_| SignError::Failed)?;
            Ok(in_form(form, || signature.to_der().as_bytes().to_vec(), || signature.to_bytes().to_vec()))
        }
        (PrivateMaterial::Ed25519(pair), SignatureScheme::Ed25519) => {
            Ok(pair.sign(message).as_ref().to_vec())
        }
        _ => Err(SignError::WrongKey { kind: key.kind(), scheme }),
    }
}

fn in_form(form: EcdsaForm, der: impl FnOnce() -> Vec<u8>, raw: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    match form {
        EcdsaForm::Der => der(),
        EcdsaForm::Raw => raw(),
    }
}

impl RsaMaterial {
    fn sign(&self, scheme: SignatureScheme, salt: &[u8], message: &[u8]) -> Result<Vec<u8>, SignError> {
        use SignatureScheme as Scheme;
        match scheme {
            Scheme::RsaPkcs1Sha2_256 => self.sign_fast(&aws::RSA_PKCS1_SHA256, message),
            Scheme::RsaPkcs1Sha2_384 => self.sign_fast(&aws::RSA_PKCS1_SHA384, message),
            Scheme::RsaPkcs1Sha2_512 => self.sign_fast(&aws::RSA_PKCS1_SHA512, message),
            Scheme::RsaPkcs1Sha1 => {
                let padding = Pkcs1v15Sign::new::<Sha1>();
                self.full.sign(padding, &Sha1::digest(message)).map_err(|_| SignError::Failed)
            }
            Scheme::RsaPkcs1Unprefixed => {
                self.full.sign(Pkcs1v15Sign::new_unprefixed(), message).map_err(|_| SignError::Failed)
            }
            Scheme::RsaPssSha2_256 => self.sign_pss::<Sha256>(salt, message),
            Scheme::RsaPssSha2_384 => self.sign_pss::<Sha384>(salt, message),
            Scheme::RsaPssSha2_512 => self.sign_pss::<Sha512>(salt, message),
            Scheme::EcdsaP256(_) | Scheme::EcdsaP384(_) | Scheme::EcdsaP521(_) | Scheme::Ed25519 => {
                Err(SignError::Failed)
            }
        }
    }

    fn sign_fast(
        &self,
        encoding: &'static aws::RsaSignatureEncoding,
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        let mut signature = vec![0; self.fast.public_modulus_len()];
        // PKCS#1 v1.5 has nothing random, and the crate ignores the generator that its signature asks for.
        self.fast
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SignError::Failed)?;
        Ok(signature)
    }

    fn sign_pss<D: Digest + FixedOutputReset>(
        &self,
        salt: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        // Without blinding, the salt is all that is drawn.
        let padding = Pss::<D> { blinded: false, digest: D::new(), salt_len: Some(salt.len()) };
        padding.sign(Some(&mut Salt(salt)), &self.full, &D::digest(message)).map_err(|_| SignError::Failed)
    }
}
