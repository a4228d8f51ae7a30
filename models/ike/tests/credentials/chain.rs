//! Each way in which a chain can fail has its own error.

use ipseclab_ike::credential::issue::{IssueError, Request, Usage};
use ipseclab_ike::credential::{
    Certificate, Chain, ChainError, ChainPolicy, Crl, DistinguishedName, Revocation, TrustStore,
};
use ipseclab_ike::{Identity, IdentityPattern};

use crate::world::{Authority, NOW, Trust, crypto, name, validity};

fn trust<'a>(anchors: &[&'a Authority]) -> Trust<'a> {
    Trust { anchors: anchors.to_vec(), ..Trust::default() }
}

#[test]
fn a_certificate_of_a_trusted_authority_is_trusted() {
    let root = Authority::root("Root", 1);
    assert_eq!(trust(&[&root]).verify(&root.peer(7)), Ok(2));
}

#[test]
fn intermediates_that_the_peer_sends_lead_to_the_root() {
    let root = Authority::root("Root", 1);
    let upper = root.below("Upper", 2, Usage::Authority(None));
    let lower = upper.below("Lower", 3, Usage::Authority(Some(0)));
    let all = Trust { sent: vec![&upper, &lower], ..trust(&[&root]) };
    assert_eq!(all.verify(&lower.peer(7)), Ok(4));
    let gap = Trust { sent: vec![&lower], ..trust(&[&root]) };
    assert_eq!(gap.verify(&lower.peer(7)), Err(ChainError::NoTrustAnchor));
}

#[test]
fn a_certificate_that_is_configured_itself_is_trusted() {
    let (root, peer) = (Authority::root("Root", 1), Authority::root("Root", 1).peer(7));
    let pinned = Authority { certificate: peer.clone(), key: root.key.clone() };
    assert_eq!(trust(&[&pinned]).verify(&peer), Ok(1));
}

#[test]
fn another_authority_is_no_trust_anchor() {
    let (root, other) = (Authority::root("Root", 1), Authority::root("Other", 2));
    assert_eq!(trust(&[&other]).verify(&root.peer(7)), Err(ChainError::NoTrustAnchor));
    assert_eq!(trust(&[]).verify(&root.peer(7)), Err(ChainError::NoTrustAnchor));
    let sent = Trust { sent: vec![&root], ..trust(&[&other]) };
    assert_eq!(sent.verify(&root.peer(7)), Err(ChainError::NoTrustAnchor));
}

#[test]
fn an_authority_of_the_same_name_and_another_key_did_not_sign() {
    let (root, impostor) = (Authority::root("Root", 1), Authority::root("Root", 2));
    assert_eq!(trust(&[&root]).verify(&impostor.peer(7)), Err(ChainError::BadSignature));
    assert_eq!(trust(&[&impostor, &root]).verify(&root.peer(7)), Ok(2));
}

#[test]
fn time_decides() {
    let root = Authority::root("Root", 1);
    let peer = |from, to| root.peer_as(7, Usage::Authentication, validity(from, to));
    assert_eq!(trust(&[&root]).verify(&peer(-2, -1)), Err(ChainError::Expired));
    assert_eq!(trust(&[&root]).verify(&peer(1, 2)), Err(ChainError::NotYetValid));
    assert_eq!(trust(&[&root]).verify(&peer(0, 0)), Ok(2));
    let old = Authority::root_as("Old", 3, Usage::Authority(None), validity(-9, -1));
    assert_eq!(trust(&[&old]).verify(&old.peer(7)), Err(ChainError::Expired));
}

#[test]
fn keys_are_used_for_what_they_are_meant() {
    let root = Authority::root("Root", 1);
    let encipher = root.peer_as(7, Usage::Encipherment, validity(-1, 1));
    assert_eq!(trust(&[&root]).verify(&encipher), Err(ChainError::KeyUsage));
    let authority = root.peer_as(7, Usage::Authority(None), validity(-1, 1));
    assert_eq!(trust(&[&root]).verify(&authority), Err(ChainError::KeyUsage));
}

#[test]
fn a_peer_cannot_issue() {
    let root = Authority::root("Root", 1);
    let peer = root.below("Peer", 2, Usage::Authentication);
    let chain = Trust { sent: vec![&peer], ..trust(&[&root]) };
    assert_eq!(chain.verify(&peer.peer(7)), Err(ChainError::NotACa));
}

#[test]
fn an_authority_limits_the_authorities_below() {
    let root = Authority::root_as("Root", 1, Usage::Authority(Some(0)), validity(-1, 1));
    let below = root.below("Below", 2, Usage::Authority(None));
    let chain = Trust { sent: vec![&below], ..trust(&[&root]) };
    assert_eq!(chain.verify(&below.peer(7)), Err(ChainError::PathTooLong));
    assert_eq!(chain.verify(&root.peer(7)), Ok(2));
}

#[test]
fn a_path_has_a_limit_and_so_has_the_search() {
    let root = Authority::root("Root", 1);
    let mut authorities = vec![root.below("CA 0", 2, Usage::Authority(None))];
    for index in 1..8_u8 {
        let above = &authorities[authorities.len() - 1];
        authorities.push(above.below(&format!("CA {index}"), index + 2, Usage::Authority(None)));
    }
    let chain = Trust { sent: authorities.iter().collect(), ..trust(&[&root]) };
    assert_eq!(chain.verify(&authorities[5].peer(7)), Ok(8));
    assert_eq!(chain.verify(&authorities[6].peer(7)), Err(ChainError::PathTooLong));
}

#[test]
fn a_search_ends_after_so_many_signatures() {
    let root = Authority::root("Root", 1);
    let twins: Vec<_> = (2..12).map(|seed| root.below("Twin", seed, Usage::Authority(None))).collect();
    let peer = twins[9].peer(7);
    let (anchors, sent) =
        ([root.certificate.clone()], twins.iter().map(|twin| twin.certificate.clone()).collect::<Vec<_>>());
    let verify = |signatures_max| {
        let policy = ChainPolicy { signatures_max, ..ChainPolicy::default() };
        let trust = TrustStore { anchors: &anchors, intermediates: &[], crls: &[], policy };
        let mut crypto = crypto();
        let trusted = Chain::verify(&mut crypto, NOW, &peer, &sent, trust).is_ok();
        (trusted, crypto.take_work().len())
    };
    // Ten authorities of one name are tried, and the tenth leads to the root.
    assert_eq!(verify(11), (true, 11));
    assert_eq!(verify(10), (false, 10));
}

#[test]
fn a_revoked_certificate_is_refused_by_a_stale_list_too() {
    let root = Authority::root("Root", 1);
    for years in [(-1, 1), (-2, -1)] {
        let listed = Trust { crls: vec![root.crl(years, &[5, 7, 900])], ..trust(&[&root]) };
        assert_eq!(listed.verify(&root.peer(7)), Err(ChainError::Revoked));
        assert_eq!(listed.verify(&root.peer(6)), Ok(2));
    }
}

#[test]
fn a_revoked_intermediate_breaks_the_chain() {
    let root = Authority::root("Root", 1);
    let below = root.below("Below", 2, Usage::Authority(None));
    let crls = vec![root.crl((-1, 1), &[2])];
    let chain = Trust { sent: vec![&below], crls, ..trust(&[&root]) };
    assert_eq!(chain.verify(&below.peer(7)), Err(ChainError::Revoked));
}

#[test]
fn a_list_that_the_authority_did_not_sign_says_nothing() {
    let (root, impostor) = (Authority::root("Root", 1), Authority::root("Root", 2));
    let crls = || vec![impostor.crl((-1, 1), &[7])];
    assert_eq!(Trust { crls: crls(), ..trust(&[&root]) }.verify(&root.peer(7)), Ok(2));
    let strict = Trust { crls: crls(), revocation: Revocation::Strict, ..trust(&[&root]) };
    assert_eq!(strict.verify(&root.peer(7)), Err(ChainError::RevocationUnknown));
}

#[test]
fn policies_differ_where_no_current_list_tells() {
    let root = Authority::root("Root", 1);
    let verify =
        |crls: Vec<Crl>, revocation| Trust { crls, revocation, ..trust(&[&root]) }.verify(&root.peer(7));
    for (word, stale) in
        [("relaxed", Ok(2)), ("ifuri", Ok(2)), ("strict", Err(ChainError::RevocationUnknown))]
    {
        let revocation = Revocation::from_keyword(word).unwrap();
        assert_eq!(verify(vec![], revocation), stale, "{word}");
        assert_eq!(verify(vec![root.crl((-2, -1), &[])], revocation), stale, "{word}");
        assert_eq!(verify(vec![root.crl((1, 2), &[])], revocation), stale, "{word}");
        assert_eq!(verify(vec![root.crl((-2, -1), &[]), root.crl((-1, 1), &[])], revocation), Ok(2));
    }
    assert_eq!(Revocation::from_keyword("soft"), None);
}

#[test]
fn equal_requests_give_equal_octets_and_keep_what_they_ask() {
    let root = Authority::root("Root", 1);
    assert_eq!(root.peer(7), root.peer(7));
    assert_ne!(root.peer(7), root.peer(8));
    let peer = root.peer(0xdead_beef);
    assert_eq!(peer.serial(), [0, 0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(peer.subject(), &name("C=CH, O=Lab, CN=a.example"));
    assert_eq!(
        (peer.not_before(), peer.not_after()),
        (validity(-1, 1).not_before, validity(-1, 1).not_after)
    );
    assert!(!peer.is_authority() && root.certificate.is_authority());
    let far = root.peer_as(7, Usage::Authentication, validity(-1, 60));
    assert_eq!(far.not_after(), validity(-1, 60).not_after);
}

#[test]
fn a_certificate_has_its_subject_and_alternative_names_as_identities() {
    let peer = Authority::root("Root", 1).peer(7);
    for own in ["C=CH, O=Lab, CN=a.example", "C=CH, O=LAB, CN=A.example", "a.example", "A.EXAMPLE"] {
        assert!(peer.has_identity(&Identity::parse(own)), "{own}");
    }
    for other in ["CN=a.example", "b.example", "a@a.example", "192.0.2.1", "keyid:a.example"] {
        assert!(!peer.has_identity(&Identity::parse(other)), "{other}");
    }
    assert!(IdentityPattern::parse("C=CH, O=Lab, CN=*").matches(&Identity::Dn(peer.subject().clone())));
}

#[test]
fn what_x509_cannot_hold_is_not_issued() {
    let root = Authority::root("Root", 1);
    let alt_names = [Identity::parse("keyid:a")];
    let (subject, public_key) = (DistinguishedName::parse("").unwrap(), root.key.public_key());
    let (validity, usage) = (validity(-1, 1), Usage::Authentication);
    let request =
        Request { subject: &subject, alt_names: &alt_names, validity, serial: 1, public_key, usage };
    let error = root.issuer().certificate(&mut crypto(), &request).unwrap_err();
    assert_eq!(error, IssueError::Unwritable { what: "a key id" });
    let alt_names = [Identity::parse("192.0.2.1"), Identity::parse("2001:db8::1"), Identity::parse("CN=x")];
    let request = Request { alt_names: &alt_names, ..request };
    let certificate = root.issuer().certificate(&mut crypto(), &request).unwrap();
    assert_eq!(certificate.alt_names(), alt_names);
    assert_eq!(trust(&[&root]).verify(&certificate), Ok(2));
}

#[test]
fn damaged_certificates_and_lists_never_panic_and_are_never_trusted() {
    let root = Authority::root("Root", 1);
    let (peer, crl) = (root.peer(7), root.crl((-1, 1), &[7]));
    for len in 0..peer.as_der().len() {
        Certificate::from_der(&peer.as_der()[..len]).unwrap_err();
    }
    for at in 0..peer.as_der().len() {
        let mut der = peer.as_der().to_vec();
        der[at] ^= 1 << (at % 8);
        if let Ok(damaged) = Certificate::from_der(&der) {
            trust(&[&root]).verify(&damaged).unwrap_err();
        }
    }
    for at in 0..crl.as_der().len() {
        Crl::from_der(&crl.as_der()[..at]).unwrap_err();
        let mut der = crl.as_der().to_vec();
        der[at] ^= 1 << (at % 8);
        if let Ok(damaged) = Crl::from_der(&der) {
            let strict = Trust { crls: vec![damaged], revocation: Revocation::Strict, ..trust(&[&root]) };
            assert_eq!(strict.verify(&root.peer(6)), Err(ChainError::RevocationUnknown), "octet {at}");
        }
    }
}

#[test]
fn each_error_has_a_word_of_its_own() {
    use ChainError as E;
    let all = [
        E::NoTrustAnchor,
        E::Expired,
        E::NotYetValid,
        E::Revoked,
        E::RevocationUnknown,
        E::BadSignature,
        E::UnsupportedSignature,
        E::NotACa,
        E::PathTooLong,
        E::KeyUsage,
        E::UnsupportedKey,
        E::UnsupportedExtension,
        E::TooManySignatures,
    ];
    let words: std::collections::BTreeSet<_> = all.iter().map(|error| error.as_str()).collect();
    assert_eq!(words.len(), all.len());
}
