//! `IKE_AUTH` with certificates and shared secrets on either side (RFC 7296 §2.15, RFC 7427, RFC 4754).

use std::time::Duration;

use ipseclab_crypto::KeyKind;
use ipseclab_ike::config::{EndpointConfig, LocalAuth, RemoteAuth, RemoteMethod, SendCert, SignatureNaming};
use ipseclab_ike::credential::auth_method::AuthConstraints;
use ipseclab_ike::credential::issue::rsa_key;
use ipseclab_ike::credential::{ChainError, Credentials, Revocation, UnixTime};
use ipseclab_ike::{Event, FailureReason, Identity, IdentityPattern};

use crate::support::certified::{Authority, EPOCH, SERIAL_A, by_certificates, key, validity};
use crate::support::{Pair, SECRET, ids};

const RSA: KeyKind = KeyKind::Rsa { bits: 2048 };
const KINDS: [KeyKind; 5] = [RSA, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519];

fn certified(kinds: [KeyKind; 2], change: impl FnOnce(&mut EndpointConfig, &mut EndpointConfig)) -> Pair {
    Pair::configured(|a, b| {
        by_certificates(a, b, kinds);
        change(a, b);
    })
    .establish()
}

fn is_up(pair: &Pair) -> bool {
    pair.a.endpoint.established().count() == 1 && pair.live_children().len() == 1
}

#[test]
fn keys_of_every_kind_authenticate_each_other() {
    for kind in KINDS {
        for kinds in [[kind, RSA], [KeyKind::P256, kind]] {
            let pair = certified(kinds, |_, _| {});
            assert!(is_up(&pair), "{kinds:?}: {:?} {:?}", pair.a.failures(), pair.b.failures());
        }
    }
}

#[test]
fn certificates_are_asked_for_and_shown_where_strongswan_does() {
    let pair = certified([RSA; 2], |_, _| {});
    let labels: Vec<_> = pair.log.iter().map(|(_, transmit)| transmit.message.payloads.join(" ")).collect();
    let answer = "N(NAT_DETECTION_DESTINATION_IP) CERTREQ N(IKEV2_FRAGMENTATION_SUPPORTED) \
                  N(SIGNATURE_HASH_ALGORITHMS) N(CHILDLESS_IKEV2_SUPPORTED)";
    assert!(labels[1].ends_with(answer), "{}", labels[1]);
    let auth = "SK IDi CERT N(INITIAL_CONTACT) CERTREQ IDr AUTH SA TSi TSr";
    assert_eq!(labels[2..4], [auth, "SK IDr CERT AUTH SA TSi TSr"]);
}

#[test]
fn one_side_may_show_a_certificate_and_the_other_a_secret() {
    let pair = certified([RSA; 2], |a, b| {
        let [id_a, id_b] = ids();
        a.connections[0].local = LocalAuth::psk(id_a.clone());
        b.connections[0].remote = RemoteAuth::psk(id_a.into());
        assert!(b.connections[0].local.id == Some(id_b));
    });
    assert!(is_up(&pair));
    let auth = "SK IDi N(INITIAL_CONTACT) CERTREQ IDr AUTH SA TSi TSr";
    assert_eq!(pair.log[2].1.message.payloads.join(" "), auth);
    assert_eq!(pair.log[3].1.message.payloads[2], "CERT");
}

#[test]
fn anyone_below_the_authority_may_come_and_is_named_by_its_certificate() {
    let pair = certified([KeyKind::Ed25519; 2], |a, b| {
        a.connections[0].local.id = None;
        a.connections[0].remote.id = IdentityPattern::Any;
        b.connections[0].remote.id = IdentityPattern::parse("C=CH, O=Lab, CN=*");
    });
    assert!(is_up(&pair));
    assert!(!pair.log[2].1.message.payloads.contains(&"IDr".to_owned()));
    let peer_id = pair.b.events.iter().find_map(|event| match event {
        Event::IkeSaEstablished(sa) => Some(sa.peer_id.to_string()),
        _ => None,
    });
    assert_eq!(peer_id.as_deref(), Some("C=CH, O=Lab, CN=a.example"));
}

#[test]
fn a_certificate_that_the_peer_has_need_not_be_sent() {
    let pair = certified([RSA; 2], |a, b| {
        a.connections[0].send_cert = SendCert::Never;
        let known = a.credentials.certificates[0].certificate.clone();
        b.credentials.authorities.push(known);
    });
    assert!(is_up(&pair));
    assert!(!pair.log[2].1.message.payloads.contains(&"CERT".to_owned()));
}

/// B's reason to refuse A, who is told nothing but that authentication failed.
fn check_refusal(expected: FailureReason, change: impl FnOnce(&mut EndpointConfig, &mut EndpointConfig)) {
    let pair = certified([KeyKind::P256; 2], change);
    assert_eq!(pair.b.failures(), [expected]);
    assert_eq!(pair.a.failures(), [FailureReason::AuthenticationFailed], "{expected:?}");
    assert_eq!(pair.log[3].1.message.payloads, ["SK", "N(AUTHENTICATION_FAILED)"]);
    assert!(pair.a.children().is_empty() && pair.b.children().is_empty());
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

fn later(years: u64) -> UnixTime {
    EPOCH.after(Duration::from_secs(years * 366 * 86_400))
}

#[test]
fn certificates_that_are_not_trusted_are_refused_each_for_its_reason() {
    let chain = FailureReason::Certificate;
    check_refusal(chain(ChainError::NoTrustAnchor), |_, b| {
        b.credentials.authorities = vec![Authority::new("Other", 9).certificate()];
    });
    check_refusal(chain(ChainError::BadSignature), |_, b| {
        b.credentials.authorities = vec![Authority::new("Root", 9).certificate()];
    });
    check_refusal(chain(ChainError::Expired), |_, b| b.epoch = later(2));
    check_refusal(chain(ChainError::NotYetValid), |_, b| b.epoch = UnixTime::from_secs(1));
    check_refusal(chain(ChainError::Revoked), |_, b| {
        b.credentials.crls = vec![Authority::new("Root", 1).crl(&[SERIAL_A])];
    });
    check_refusal(chain(ChainError::RevocationUnknown), |_, b| {
        let RemoteMethod::Pubkey { revocation, .. } = &mut b.connections[0].remote.method else { panic!() };
        *revocation = Revocation::Strict;
    });
    check_refusal(chain(ChainError::NoTrustAnchor), |_, b| {
        let RemoteMethod::Pubkey { authorities, .. } = &mut b.connections[0].remote.method else { panic!() };
        *authorities = vec![Authority::new("Other", 9).certificate()];
    });
}

#[test]
fn a_certificate_expires_while_the_simulation_runs() {
    let year = Duration::from_hours(366 * 24);
    let mut pair = Pair::configured(|a, b| by_certificates(a, b, [KeyKind::Ed25519; 2]));
    pair.now = year;
    pair.initiate();
    pair.run_for(Duration::from_mins(1));
    assert_eq!(pair.b.failures(), [FailureReason::Certificate(ChainError::Expired)]);
}

#[test]
fn identities_methods_and_missing_credentials_are_refused_each_for_its_reason() {
    check_refusal(FailureReason::IdentityMismatch, |_, b| {
        b.connections[0].remote.id = Identity::parse("c.example").into();
    });
    check_refusal(FailureReason::NoPeerCertificate, |a, _| a.connections[0].send_cert = SendCert::Never);
    check_refusal(FailureReason::AuthMethodMismatch, |_, b| {
        b.connections[0].remote.method = RemoteMethod::Psk;
    });
    check_refusal(FailureReason::NoCertificate, |_, b| b.credentials.certificates.clear());
    check_refusal(FailureReason::SignatureNotAllowed, |_, b| {
        let RemoteMethod::Pubkey { constraints, .. } = &mut b.connections[0].remote.method else { panic!() };
        *constraints = AuthConstraints::parse("rsa-2048").unwrap();
    });
    check_refusal(FailureReason::NoSecret, |a, b| {
        a.connections[0].local = LocalAuth::psk(ids()[0].clone());
        b.connections[0].remote = RemoteAuth::psk(ids()[0].clone().into());
        b.credentials.psks.clear();
    });
}

#[test]
fn whoever_lacks_its_own_credentials_does_not_begin() {
    let pair = certified([RSA; 2], |a, _| a.credentials.certificates.clear());
    assert_eq!((pair.a.failures(), pair.log.len()), (vec![FailureReason::NoCertificate], 2));
    let pair = Pair::configured(|a, _| a.credentials = Credentials::default()).establish();
    assert_eq!((pair.a.failures(), pair.log.len()), (vec![FailureReason::NoSecret], 2));
}

#[test]
fn the_initiator_judges_the_responder_by_the_same_rules_and_tells_it() {
    let pair = certified([RSA; 2], |a, _| {
        a.credentials.authorities = vec![Authority::new("Other", 9).certificate()];
        a.connections[0].send_certreq = false;
    });
    assert!(pair.a.children().is_empty());
    // B does not know that its certificate will not please; without A's request it keeps it.
    assert_eq!(pair.a.failures(), [FailureReason::NoPeerCertificate]);
    let pair = certified([RSA; 2], |a, b| {
        a.credentials.authorities = vec![Authority::new("Other", 9).certificate()];
        b.connections[0].send_cert = SendCert::Always;
    });
    assert_eq!(pair.a.failures(), [FailureReason::Certificate(ChainError::NoTrustAnchor)]);
    assert_eq!(pair.log[4].1.message.payloads, ["SK", "N(AUTHENTICATION_FAILED)"]);
    assert_eq!((pair.a.endpoint.ike_sa_count(), pair.b.endpoint.ike_sa_count()), (0, 0));
}

#[test]
fn a_certificate_of_somebody_else_does_not_prove_an_identity() {
    // A shows b.example's name beside a certificate for c.example: strongSwan's way is to show its subject instead.
    check_refusal(FailureReason::IdentityMismatch, |a, _| {
        let own = Authority::new("Root", 1).certify(
            &Identity::parse("c.example"),
            key(KeyKind::P256, 3),
            9,
            validity(-1, 1),
        );
        let certificate = Some(Box::new(own.certificate.clone()));
        a.credentials.certificates = vec![own];
        a.connections[0].local.method = ipseclab_ike::config::LocalMethod::Pubkey {
            constraints: AuthConstraints::default(),
            certificate,
        };
    });
}

#[test]
fn several_connections_share_an_address_and_the_best_fit_is_chosen() {
    let pair = certified([KeyKind::P256; 2], |_, b| {
        let mut secret = b.connections[0].clone();
        secret.remote = RemoteAuth::psk(ids()[0].clone().into());
        let mut anyone = b.connections[0].clone();
        anyone.remote.id = IdentityPattern::Any;
        b.connections.splice(0..0, [secret, anyone]);
        b.credentials.psks = Credentials::with_psk([], SECRET).psks;
    });
    let chosen: Vec<_> = pair.b.endpoint.established().map(|(_, connection, _)| connection.0).collect();
    assert_eq!(chosen, [2]);
}

/// The AUTH methods of both sides, and whether each has announced hashes.
fn announced(pair: &Pair) -> Vec<bool> {
    let says = |number: usize| {
        let payloads = &pair.log[number].1.message.payloads;
        payloads.iter().any(|payload| payload == "N(SIGNATURE_HASH_ALGORITHMS)")
    };
    vec![says(0), says(1)]
}

#[test]
fn without_signature_authentication_each_kind_of_key_has_its_one_method() {
    for kind in [RSA, KeyKind::P256, KeyKind::P384] {
        for side in 0..2 {
            let pair = certified([kind; 2], |a, b| {
                [a, b][side].connections[0].signatures = SignatureNaming::PerKey;
            });
            assert!(is_up(&pair), "{kind:?}: {:?} {:?}", pair.a.failures(), pair.b.failures());
            assert_eq!(announced(&pair), [side == 1, false], "nobody is asked to be told of hashes");
        }
    }
}

#[test]
fn an_initiator_announces_the_hashes_that_it_takes() {
    let len = |constraints: &str| {
        let pair = certified([RSA; 2], |a, _| {
            let RemoteMethod::Pubkey { constraints: own, .. } = &mut a.connections[0].remote.method else {
                unreachable!("both show certificates")
            };
            *own = AuthConstraints::parse(constraints).unwrap();
        });
        assert!(is_up(&pair));
        (pair.log[0].1.payload.len(), pair.log[1].1.payload.len())
    };
    let (all, one) = (len("pubkey"), len("ike:rsa-sha384"));
    assert_eq!((all.0 - one.0, all.1), (6, one.1), "three hashes less, in the request alone");
}

#[test]
fn who_signs_asks_for_certificates_before_it_knows_how_the_peer_proves_itself() {
    let pair = certified([RSA; 2], |a, b| {
        let [id_a, _] = ids();
        a.connections[0].local = LocalAuth::psk(id_a.clone());
        b.connections[0].remote = RemoteAuth::psk(id_a.into());
    });
    assert!(pair.log[1].1.message.payloads.iter().any(|payload| payload == "CERTREQ"));
    assert!(is_up(&pair), "{:?} {:?}", pair.a.failures(), pair.b.failures());
}

#[test]
fn an_authority_and_those_below_it_have_different_keys_of_every_size() {
    for bits in [2048, 3072, 4096] {
        let keys = [0, 1].map(|index| rsa_key(bits, index).unwrap());
        assert_eq!(keys[0].kind(), KeyKind::Rsa { bits });
        assert_ne!(keys[0].public_key().spki_der(), keys[1].public_key().spki_der());
    }
    assert!(rsa_key(1024, 0).is_none());
}
