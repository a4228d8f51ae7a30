//! Certificates and a CRL that OpenSSL 3.0 made; they are valid from November 2026 on for a hundred years.

use ipseclab_crypto::KeyKind;
use ipseclab_ike::Identity;
use ipseclab_ike::credential::issue::rsa_key;
use ipseclab_ike::credential::{
    Certificate, CertificateError, Chain, ChainError, ChainPolicy, Crl, Revocation, TrustStore, UnixTime,
};

use crate::world::{NOW, crypto, name};

macro_rules! vector {
    ($file:literal) => {
        include_str!(concat!("../vectors/certificates/", $file))
    };
}

fn certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem).unwrap().remove(0)
}

fn verify(now: UnixTime, pem: &str, revocation: Revocation) -> Result<usize, ChainError> {
    let anchors = [certificate(vector!("root.pem")), certificate(vector!("pssroot.pem"))];
    let intermediates = [certificate(vector!("inter.pem"))];
    let crls = Crl::from_pem(vector!("inter.crl")).unwrap();
    let policy = ChainPolicy { revocation, ..ChainPolicy::default() };
    let trust = TrustStore { anchors: &anchors, intermediates: &intermediates, crls: &crls, policy };
    let peer = certificate(pem);
    Chain::verify(&mut crypto(), now, &peer, &[], trust).map(|chain| chain.certificates().len())
}

#[test]
fn a_chain_of_three_holds_and_its_crl_revokes() {
    let relaxed = Revocation::Relaxed;
    assert_eq!(verify(NOW, vector!("peer.pem"), relaxed), Ok(3));
    assert_eq!(verify(NOW, vector!("revoked.pem"), relaxed), Err(ChainError::Revoked));
    // The intermediate says nothing about a CRL, the peer does.
    assert_eq!(verify(NOW, vector!("peer.pem"), Revocation::IfUri), Ok(3));
    assert_eq!(verify(NOW, vector!("peer.pem"), Revocation::Strict), Err(ChainError::RevocationUnknown));
}

#[test]
fn chains_hold_at_their_time_alone() {
    let at = |seconds| verify(UnixTime::from_secs(seconds), vector!("peer.pem"), Revocation::Relaxed);
    let peer = certificate(vector!("peer.pem"));
    assert_eq!(at(peer.not_before().as_secs() - 1), Err(ChainError::NotYetValid));
    assert_eq!(at(peer.not_after().as_secs() + 1), Err(ChainError::Expired));
    assert_eq!(peer.not_before().to_string(), "2026-11-20T19:11:20Z");
    assert_eq!(peer.not_after().to_string(), "2126-10-27T19:11:20Z");
}

#[test]
fn pss_signs_certificates_and_sha1_does_not() {
    let relaxed = Revocation::Relaxed;
    assert_eq!(verify(NOW, vector!("psspeer.pem"), relaxed), Ok(2));
    assert_eq!(verify(NOW, vector!("sha1peer.pem"), relaxed), Err(ChainError::UnsupportedSignature));
}

#[test]
fn what_openssl_wrote_is_read() {
    let peer = certificate(vector!("peer.pem"));
    assert_eq!(peer.serial(), [0, 0xde, 0xad, 0xbe, 0xef]);
    let names = ["a.example", "carol@example.org", "192.0.2.1", "2001:db8::1"].map(Identity::parse);
    assert_eq!(peer.alt_names()[..4], names);
    assert!(peer.has_identity(&Identity::parse("C=CH, CN=alternative")));
    assert!(peer.has_crl_uri() && peer.may_authenticate() && !peer.is_authority());
    assert_eq!(peer.public_key(), Ok(rsa_key(2048, 0).unwrap().public_key()));
    let inter = certificate(vector!("inter.pem"));
    assert_eq!((inter.path_len_max(), inter.public_key().unwrap().kind()), (Some(0), KeyKind::P384));
}

#[test]
fn names_that_openssl_wrote_as_utf8_are_those_that_we_write_as_printable_strings() {
    let (theirs, ours) = (certificate(vector!("peer.pem")), name("C=CH, O=Lab, CN=a.example"));
    assert_ne!(*theirs.subject(), ours);
    assert!(theirs.subject().is_same(&ours));
    assert_eq!(theirs.subject().to_string(), "C=CH, O=Lab, CN=a.example");
}

#[test]
fn certreq_names_an_authority_by_the_sha1_of_its_key() {
    // openssl x509 -pubkey | openssl pkey -pubin -outform DER | openssl sha1
    let hash = certificate(vector!("root.pem")).key_hash(&mut crypto());
    let shown = Identity::KeyId(hash.to_vec()).to_string();
    assert_eq!(shown, "keyid:1535325cef2b112868f9e2a2926992976325be79");
}

#[test]
fn pem_texts_hold_chains_and_may_be_wrong() {
    let chain = [vector!("peer.pem"), vector!("inter.pem")].concat();
    assert_eq!(Certificate::from_pem(&chain).unwrap().len(), 2);
    let label = "CERTIFICATE";
    assert_eq!(Certificate::from_pem(vector!("inter.crl")), Err(CertificateError::Pem { label }));
    assert_eq!(Crl::from_pem(&chain), Err(CertificateError::Pem { label: "X509 CRL" }));
    let long = vec![0x30; 20_000];
    assert_eq!(Certificate::from_der(&long), Err(CertificateError::TooLong { len: 20_000, max: 16_384 }));
}

#[test]
fn short_keys_and_critical_constraints_read_and_are_refused_by_name() {
    let relaxed = Revocation::Relaxed;
    assert_eq!(verify(NOW, vector!("rsa1024.pem"), relaxed), Err(ChainError::UnsupportedKey));
    assert_eq!(verify(NOW, vector!("critical.pem"), relaxed), Err(ChainError::UnsupportedExtension));
    assert!(certificate(vector!("critical.pem")).has_unknown_critical());
}

#[test]
fn damaged_certificates_of_openssl_never_panic_and_are_never_trusted() {
    let (peer, anchor) = (certificate(vector!("peer.pem")), [certificate(vector!("inter.pem"))]);
    let trust =
        TrustStore { anchors: &anchor, intermediates: &[], crls: &[], policy: ChainPolicy::default() };
    for at in 0..peer.as_der().len() {
        Certificate::from_der(&peer.as_der()[..at]).unwrap_err();
        let mut der = peer.as_der().to_vec();
        der[at] ^= 1 << (at % 8);
        if let Ok(damaged) = Certificate::from_der(&der) {
            Chain::verify(&mut crypto(), NOW, &damaged, &[], trust).unwrap_err();
        }
    }
}
