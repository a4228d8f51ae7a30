//! Authorities and certificates that a scenario makes: the same each time, valid when they should be.

use std::sync::Arc;

use ipseclab_crypto::{Crypto, RealProvider};
use ipseclab_experiments::scenario::{CaTrust, CheckedScenario};
use ipseclab_experiments::world::credentials::{Issued, issue};
use ipseclab_ike::Identity;
use ipseclab_ike::credential::{Chain, ChainError, Credentials, UnixTime};

use super::support::silent_offices;

const LAB: &str = r#"
[authorities.lab]
subject = "C=CH, O=Lab, CN=lab CA"
key = "ecdsa-p256"

[authorities.a-branch]
subject = "C=CH, O=Lab, CN=branch CA"
key = "ed25519"
issuer = "lab"
revoked = ["old.pem"]

[certificates."left.pem"]
authority = "a-branch"
subject = "C=CH, O=Lab, CN=left.example"
san = ["left.example", "192.0.2.1"]
key = "rsa-2048"

[certificates."old.pem"]
authority = "a-branch"
subject = "C=CH, O=Lab, CN=old.example"
key = "ecdsa-p384"

[certificates."short.pem"]
authority = "lab"
subject = "C=CH, O=Lab, CN=short.example"
key = "ed25519"
not_before = "2026-01-01"
not_after = "+1h"

[pools.road]
addrs = "10.77.0.0/28"
dns = ["10.2.0.53"]
"#;

fn lab(settings: &[&str]) -> CheckedScenario {
    silent_offices(settings, LAB)
}

/// What a node has that trusts the roots of the scenario.
fn credentials(scenario: &CheckedScenario, issued: &Issued) -> Credentials {
    issued.of(&[&scenario.connections[0]]).unwrap()
}

/// Whether certificate `place` is taken `seconds` after the start of the run.
fn verdict(scenario: &CheckedScenario, place: usize, seconds: i64) -> Result<usize, ChainError> {
    let issued = issue(scenario).unwrap();
    let own = credentials(scenario, &issued);
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let now = UnixTime::from_secs(u64::try_from(scenario.start_unix + seconds).unwrap());
    let shown = &issued.certificates[place];
    let chain = Chain::verify(&mut crypto, now, &shown.certificate, &shown.intermediates, own.trust())?;
    Ok(chain.certificates().len())
}

#[test]
fn a_chain_leads_from_a_node_through_an_intermediate_to_the_root() {
    assert_eq!(verdict(&lab(&[]), 0, 0), Ok(3));
    assert_eq!(verdict(&lab(&[]), 2, 0), Ok(2));
}

#[test]
fn revoked_and_outdated_certificates_are_refused() {
    assert!(verdict(&lab(&[]), 1, 0).is_err(), "on the list of its authority");
    assert!(verdict(&lab(&[]), 2, 3700).is_err(), "after its hour");
    assert!(verdict(&lab(&[]), 2, -1).is_err(), "before its first day");
}

#[test]
fn names_are_those_of_the_file() {
    let scenario = lab(&[]);
    let issued = issue(&scenario).unwrap();
    let left = &issued.certificates[0].certificate;
    for name in ["left.example", "192.0.2.1", "C=CH, O=Lab, CN=left.example"] {
        assert!(left.has_identity(&Identity::parse(name)), "{name}");
    }
    assert_eq!(scenario.connections[0].trust, [CaTrust::Authority(0)], "the root alone");
    let pool = &scenario.credentials.pools[0];
    let (first, size) = (pool.addresses.nth(0).unwrap().to_string(), pool.addresses.size());
    assert_eq!((first.as_str(), size), ("10.77.0.1", 14));
}

#[test]
fn equal_seeds_make_equal_certificates_and_others_make_others() {
    let octets = |settings: &[&str]| -> Vec<Vec<u8>> {
        let issued = issue(&lab(settings)).unwrap();
        issued.certificates.iter().map(|own| own.certificate.as_der().to_vec()).collect()
    };
    assert_eq!(octets(&[]), octets(&[]));
    assert_ne!(octets(&[])[2], octets(&["seed=2"])[2]);
}

#[test]
fn the_keys_of_a_node_are_for_the_two_ends_of_its_connection() {
    let scenario =
        lab(&["connections.office.local_id=left.example", "connections.office.remote_id=right.example"]);
    let own = credentials(&scenario, &issue(&scenario).unwrap());
    let id = |name: &str| Identity::parse(name);
    assert!(own.psk(&id("left.example"), &id("right.example")).is_some());
    assert!(own.psk(&id("a.example"), &id("b.example")).is_none());
    assert!(own.certificates.is_empty() && *own.eap == ipseclab_ike::eap::EapSecrets::default());
}
