//! `AlgorithmIdentifier`s of signature schemes in DER, for RFC 7427 AUTH payloads and for certificates.
//!
//! There are few enough to be compared octet by octet: one form that we send for each scheme (RFC 7427 appendix A), and
//! the variants that others are known to send, which differ in whether NULL parameters are written.

use ipseclab_crypto::SignatureScheme;
use ipseclab_crypto::signature::EcdsaForm;

use super::distinguished_name::tlv;

const NULL: &[u8] = &[0x05, 0x00];
/// 1.2.840.113549.1.1, what RSA schemes begin with.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3, what ECDSA with SHA-2 begins with.
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 2.16.840.1.101.3.4.2, what the SHA-2 hashes begin with.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// 1.3.101.112.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The `AlgorithmIdentifier` that we write for `scheme`; raw ECDSA has that of its DER form, RSA without a `DigestInfo`
/// that of its key.
pub fn algorithm_identifier(scheme: SignatureScheme) -> Vec<u8> {
    encode(scheme, Nulls { rsa: true, hash: true, mask: true })
}

/// The scheme that an `AlgorithmIdentifier` names, or `None` for one that is not supported.
pub fn scheme_of(identifier: &[u8]) -> Option<SignatureScheme> {
    let sent = SignatureScheme::ALL.iter().copied().filter(|scheme| !is_for_no_identifier(*scheme));
    let mut forms = sent.flat_map(|scheme| Nulls::all().map(move |nulls| (scheme, nulls)));
    forms.find(|(scheme, nulls)| encode(*scheme, *nulls) == identifier).map(|(scheme, _)| scheme)
}

/// Whether identifiers that a peer sends never mean this scheme.
const fn is_for_no_identifier(scheme: SignatureScheme) -> bool {
    use SignatureScheme as Scheme;
    matches!(
        scheme,
        Scheme::RsaPkcs1Unprefixed
            | Scheme::EcdsaP256(EcdsaForm::Raw)
            | Scheme::EcdsaP384(EcdsaForm::Raw)
            | Scheme::EcdsaP521(EcdsaForm::Raw)
    )
}

/// Where NULL parameters are written.
#[derive(Clone, Copy)]
struct Nulls {
    /// Behind the OID of RSA PKCS#1 v1.5.
    rsa: bool,
    /// Behind the hash of PSS.
    hash: bool,
    /// Behind the hash of the mask generation of PSS.
    mask: bool,
}

impl Nulls {
    /// RFC 4055 §2.1 asks receivers to take both forms of each.
    fn all() -> impl Iterator<Item = Self> {
        (0..4_u8).map(|bits| Self { rsa: bits & 1 != 0, hash: bits & 1 != 0, mask: bits & 2 != 0 })
    }
}

fn encode(scheme: SignatureScheme, nulls: Nulls) -> Vec<u8> {
    use SignatureScheme as Scheme;
    let pkcs1 = |last| sequence(&[&oid(PKCS1, Some(last)), null(nulls.rsa)]);
    match scheme {
        Scheme::RsaPkcs1Unprefixed => pkcs1(1),
        Scheme::RsaPkcs1Sha1 => pkcs1(5),
        Scheme::RsaPkcs1Sha2_256 => pkcs1(11),
        Scheme::RsaPkcs1Sha2_384 => pkcs1(12),
        Scheme::RsaPkcs1Sha2_512 => pkcs1(13),
        Scheme::RsaPssSha2_256 => pss(1, 32, nulls),
        Scheme::RsaPssSha2_384 => pss(2, 48, nulls),
        Scheme::RsaPssSha2_512 => pss(3, 64, nulls),
        Scheme::EcdsaP256(_) => sequence(&[&oid(ECDSA_SHA2, Some(2))]),
        Scheme::EcdsaP384(_) => sequence(&[&oid(ECDSA_SHA2, Some(3))]),
        Scheme::EcdsaP521(_) => sequence(&[&oid(ECDSA_SHA2, Some(4))]),
        Scheme::Ed25519 => sequence(&[&oid(ED25519, None)]),
    }
}

/// RSASSA-PSS with its parameters (RFC 4055 §3.1); the trailer has its default and is left out.
fn pss(hash: u8, salt_len: u8, nulls: Nulls) -> Vec<u8> {
    let hash_of = |with_null| sequence(&[&oid(SHA2, Some(hash)), null(with_null)]);
    let mask = sequence(&[&oid(PKCS1, Some(8)), &hash_of(nulls.mask)]);
    let parameters =
        sequence(&[&tlv(0xa0, &hash_of(nulls.hash)), &tlv(0xa1, &mask), &tlv(0xa2, &[0x02, 0x01, salt_len])]);
    sequence(&[&oid(PKCS1, Some(10)), &parameters])
}

fn oid(arc: &[u8], last: Option<u8>) -> Vec<u8> {
    tlv(0x06, &[arc, last.as_slice()].concat())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

const fn null(written: bool) -> &'static [u8] {
    if written { NULL } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_lengths_that_strongswan_sends() {
        use SignatureScheme as Scheme;
        let len = |scheme| algorithm_identifier(scheme).len();
        assert_eq!([Scheme::RsaPkcs1Sha2_256, Scheme::RsaPkcs1Sha2_512].map(len), [15; 2]);
        assert_eq!([Scheme::EcdsaP256(EcdsaForm::Der), Scheme::EcdsaP521(EcdsaForm::Der)].map(len), [12; 2]);
        assert_eq!(len(Scheme::Ed25519), 7);
        assert_eq!(
            [Scheme::RsaPssSha2_256, Scheme::RsaPssSha2_384, Scheme::RsaPssSha2_512].map(len),
            [67; 3]
        );
    }

    #[test]
    fn identifiers_are_those_of_rfc_7427() {
        // RFC 7427 A.1.2 and A.3.2.
        let rsa = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 5, 0];
        assert_eq!(algorithm_identifier(SignatureScheme::RsaPkcs1Sha2_256), rsa);
        let ecdsa = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
        assert_eq!(algorithm_identifier(SignatureScheme::EcdsaP256(EcdsaForm::Der)), ecdsa);
    }

    #[test]
    fn every_form_of_an_identifier_names_its_scheme() {
        for scheme in SignatureScheme::ALL.iter().copied().filter(|scheme| !is_for_no_identifier(*scheme)) {
            for nulls in Nulls::all() {
                assert_eq!(scheme_of(&encode(scheme, nulls)), Some(scheme));
            }
        }
    }

    #[test]
    fn anything_else_names_none() {
        let good = algorithm_identifier(SignatureScheme::RsaPssSha2_256);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert_eq!(scheme_of(&bad), None, "octet {at}");
            assert_eq!(scheme_of(&good[..at]), None);
        }
    }
}
