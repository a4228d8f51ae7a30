//! Identities, certificates and AUTH payloads of strongSwan, decrypted with the keys beside the captures.
//!
//! The captures are not part of the repository; without them the tests say so and pass. The authority's own
//! certificate is in no capture, so what is checked is all that the peers sent.

#[path = "../reference/mod.rs"]
#[expect(dead_code, reason = "shared with other tests, which use the rest")]
mod reference;

use std::path::{Path, PathBuf};

use ipseclab_crypto::{Crypto, Prf, SignatureScheme};
use ipseclab_ike::Identity;
use ipseclab_ike::credential::auth_method::{AuthConstraints, verify};
use ipseclab_ike::credential::{Certificate, Chain, ChainError, ChainPolicy, TrustStore};
use ipseclab_ike::wire::{AuthMethod, AuthPayload, IdPayload, IdType};

use crate::world::crypto;
use reference::{KeySet, cases, frames, ike_message, keys, name, secret};

/// The IKE header, and the generic header with the numbers of a fragment (RFC 7383 §2.5).
const HEADER: usize = 28;
const FRAGMENT_HEADER: usize = 8;
const SK: u8 = 46;
const SKF: u8 = 53;

/// Payloads by type, without their generic headers.
type Payloads = Vec<(u8, Vec<u8>)>;

fn case(wanted: &str) -> Option<PathBuf> {
    cases()?.into_iter().find(|case| name(case) == wanted)
}

/// Splits a chain of payloads (RFC 7296 §3.2).
fn split(first: u8, octets: &[u8]) -> Payloads {
    let (mut kind, mut rest, mut payloads) = (first, octets, Vec::new());
    while kind != 0 {
        let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        payloads.push((kind, rest[4..len].to_vec()));
        (kind, rest) = (rest[0], &rest[len..]);
    }
    payloads
}

/// The inner payloads of one message, whose fragments come in order.
fn inner(crypto: &mut Crypto, set: &KeySet, messages: &[Vec<u8>], from_initiator: bool) -> Payloads {
    let cipher = set.cipher(crypto, from_initiator).unwrap();
    let (mut first, mut text) = (0, Vec::new());
    for message in messages {
        let header_len = HEADER + if message[16] == SKF { FRAGMENT_HEADER } else { 4 };
        let mut buffer = message.clone();
        let plain = cipher.open(crypto, &mut buffer, header_len).unwrap();
        let padding = usize::from(plain[plain.len() - 1]) + 1;
        text.extend_from_slice(&plain[..plain.len() - padding]);
        first = first.max(message[HEADER]);
    }
    split(first, &text)
}

/// One side's part of `IKE_AUTH`.
struct Proof {
    payloads: Payloads,
    signed: Vec<u8>,
    crypto: Crypto,
}

impl Proof {
    fn payload(&self, kind: u8) -> &[u8] {
        &self.payloads.iter().find(|(found, _)| *found == kind).unwrap().1
    }

    fn certificate(&self) -> Certificate {
        // Encoding 4: an X.509 certificate for signatures.
        Certificate::from_der(self.payload(37).strip_prefix(&[4]).unwrap()).unwrap()
    }

    fn identity(&self, kind: u8) -> Identity {
        let body = self.payload(kind);
        Identity::from_payload(&IdPayload::new(IdType::from_code(body[0]), &body[4..])).unwrap()
    }

    fn check(&mut self, id_kind: u8, expected: &str, scheme: SignatureScheme) {
        let expected = Identity::parse(expected);
        assert_eq!(self.identity(id_kind), expected, "octet by octet");
        assert_eq!(self.payload(id_kind)[4..], expected.to_payload().data);
        let certificate = self.certificate();
        assert!(certificate.has_identity(&expected));
        let auth = self.payload(39);
        let payload = AuthPayload { method: AuthMethod::from_code(auth[0]), data: auth[4..].to_vec() };
        assert_eq!(payload.method, AuthMethod::DigitalSignature);
        let (key, any) = (certificate.public_key().unwrap(), AuthConstraints::default());
        assert_eq!(verify(&mut self.crypto, key, &payload, &self.signed, &any), Ok(scheme));
        self.signed[40] ^= 1;
        verify(&mut self.crypto, key, &payload, &self.signed, &any).unwrap_err();
    }
}

/// What the original initiator or responder proves its identity with.
fn proof(case: &Path, from_initiator: bool) -> Proof {
    let messages: Vec<_> = frames(case).iter().filter_map(|frame| ike_message(frame)).collect();
    let (keys, mut crypto) = (keys(case), crypto());
    let set = &keys.ike_sas[0];
    let (init, auth) = (34, 35);
    let of = |exchange: u8, initiator: bool| {
        let wanted =
            move |message: &&Vec<u8>| message[18] == exchange && (message[19] & 0x20 == 0) == initiator;
        messages.iter().filter(wanted).cloned().collect::<Vec<_>>()
    };
    let fragments: Vec<_> =
        of(auth, from_initiator).into_iter().filter(|message| [SK, SKF].contains(&message[16])).collect();
    let payloads = inner(&mut crypto, set, &fragments, from_initiator);
    let nonce_of = |message: &[u8]| {
        let payloads = split(message[16], &message[HEADER..]);
        payloads.into_iter().find(|(kind, _)| *kind == 40).unwrap().1
    };
    let (own, others) = (&of(init, from_initiator)[0], &of(init, !from_initiator)[0]);
    let (id_kind, sk_p) = if from_initiator { (35, &set.sk_pi) } else { (36, &set.sk_pr) };
    let id = &payloads.iter().find(|(kind, _)| *kind == id_kind).unwrap().1;
    let mac = crypto.prf(Prf::HmacSha2_256, secret(sk_p).expose(), &[id]);
    let signed = [own.as_slice(), &nonce_of(others), mac.expose()].concat();
    Proof { payloads, signed, crypto }
}

#[test]
fn rsa_proofs_of_strongswan_verify() {
    let Some(case) = case("v2-rsa2048") else { return };
    let mut initiator = proof(&case, true);
    // With the generic header and the four octets of an ID payload, 61 octets.
    assert_eq!(initiator.payload(35).len() + 4, 61);
    initiator.check(35, "C=CH, O=Lab rsa, CN=a.example", SignatureScheme::RsaPkcs1Sha2_256);
    assert_eq!(initiator.identity(36), Identity::parse("C=CH, O=Lab rsa, CN=b.example"));
    proof(&case, false).check(36, "C=CH, O=Lab rsa, CN=b.example", SignatureScheme::RsaPkcs1Sha2_256);
}

#[test]
fn ecdsa_proofs_of_strongswan_verify() {
    use ipseclab_crypto::signature::EcdsaForm;
    let Some(case) = case("v2-ecdsa256") else { return };
    let scheme = SignatureScheme::EcdsaP256(EcdsaForm::Der);
    proof(&case, true).check(35, "C=CH, O=Lab ecdsa, CN=a.example", scheme);
    proof(&case, false).check(36, "C=CH, O=Lab ecdsa, CN=b.example", scheme);
}

#[test]
fn certificates_of_strongswan_are_pinned_and_otherwise_lack_their_authority() {
    for wanted in ["v2-rsa2048", "v2-ecdsa256"] {
        let Some(case) = case(wanted) else { return };
        let (peer, other) = (proof(&case, true).certificate(), proof(&case, false).certificate());
        assert!(peer.issuer().is_same(other.issuer()) && !peer.is_authority());
        let verify = |anchors: &[Certificate]| {
            let trust = TrustStore { anchors, intermediates: &[], crls: &[], policy: ChainPolicy::default() };
            let chain = Chain::verify(&mut crypto(), peer.not_before(), &peer, &[], trust);
            chain.map(|chain| chain.certificates().len())
        };
        assert_eq!(verify(std::slice::from_ref(&peer)), Ok(1));
        assert_eq!(verify(&[other]), Err(ChainError::NoTrustAnchor));
    }
}
