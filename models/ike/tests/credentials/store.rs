//! Which credential fits whom.

use ipseclab_crypto::{KeyKind, Secret};
use ipseclab_ike::credential::{Certificate, Credentials, OwnCertificate, Owners, Psk};
use ipseclab_ike::{Identity, IdentityPattern};

use crate::world::{Authority, crypto, key};

fn psk(owners: &[&str], secret: u8) -> Psk {
    let owners = Owners(owners.iter().map(|owner| IdentityPattern::parse(owner)).collect());
    Psk { owners, secret: Secret::new([secret]) }
}

fn check_psk(psks: &[Psk], own: &str, peer: &str, expected: Option<u8>) {
    let credentials = Credentials { psks: psks.to_vec(), ..Credentials::default() };
    let found = credentials.psk(&Identity::parse(own), &Identity::parse(peer));
    assert_eq!(found.map(|secret| secret.expose()[0]), expected, "{own} {peer}");
}

#[test]
fn the_psk_that_names_both_beats_one_that_names_one_beats_one_for_all() {
    let psks = [psk(&[], 0), psk(&["b.example"], 1), psk(&["a.example", "b.example"], 2), psk(&["*.org"], 3)];
    check_psk(&psks, "a.example", "b.example", Some(2));
    check_psk(&psks, "c.example", "b.example", Some(0));
    check_psk(&psks[1..], "c.example", "b.example", Some(1));
    check_psk(&psks, "c.example", "d.example", Some(0));
    check_psk(&psks[1..], "c.example", "d.example", None);
    check_psk(&psks[1..], "c.example", "x.org", Some(3));
    check_psk(&[psk(&["%any"], 1), psk(&["%any", "a.example"], 2)], "c.example", "a.example", Some(2));
    check_psk(&[psk(&["a.example"], 1), psk(&["a.example"], 2)], "a.example", "b.example", Some(1));
}

fn own(certificate: Certificate) -> OwnCertificate {
    OwnCertificate::new(certificate, key(KeyKind::P256, 77)).unwrap()
}

#[test]
fn a_key_belongs_to_its_certificate() {
    let certificate = Authority::root("Root", 1).peer(7);
    OwnCertificate::new(certificate.clone(), key(KeyKind::P256, 78)).unwrap_err();
    let credentials = Credentials { certificates: vec![own(certificate.clone())], ..Credentials::default() };
    assert_eq!(credentials.key_of(&certificate).unwrap().kind(), KeyKind::P256);
    assert!(credentials.key_of(&Authority::root("Root", 1).peer(8)).is_none());
}

#[test]
fn a_certificate_is_found_by_identity_and_by_the_authority_that_was_asked_for() {
    let (first, second) = (Authority::root("First", 1), Authority::root("Second", 2));
    let below = second.below("Below", 3, ipseclab_ike::credential::issue::Usage::Authority(None));
    let mut chained = own(below.peer(2));
    chained.intermediates.push(below.certificate.clone());
    let credentials = Credentials {
        certificates: vec![own(first.peer(1)), chained],
        authorities: vec![first.certificate, second.certificate],
        ..Credentials::default()
    };
    let mut crypto = crypto();
    let hashes = credentials.authority_hashes(&mut crypto);
    let identity = Identity::parse("a.example");
    let mut serial = |identity: Option<&Identity>, requested: &[[u8; 20]]| {
        let own = credentials.certificate_for(&mut crypto, identity, requested);
        own.map(|own| own.certificate.serial()[0])
    };
    assert_eq!(serial(Some(&identity), &[]), Some(1));
    assert_eq!(serial(Some(&identity), &hashes[1..]), Some(2));
    assert_eq!(serial(None, &hashes[1..]), Some(2));
    assert_eq!(serial(None, &[[7; 20]]), Some(1));
    assert_eq!(serial(Some(&Identity::parse("b.example")), &hashes), None);
}

#[test]
fn secrets_do_not_show() {
    let credentials = Credentials { psks: vec![psk(&["a.example"], 0x5a)], ..Credentials::default() };
    assert!(format!("{credentials:?}").contains("Secret(1 octets)"));
}
