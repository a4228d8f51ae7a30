//! What the two sides can agree on: algorithms of both phases, ESP, AH and both, lifetimes.

use std::time::Duration;

use ipseclab_crypto::{Encryption, Integrity};
use ipseclab_ike::config::{Connection, Mode};
use ipseclab_ike::proposal::{
    parse_ah_proposal, parse_bundled_esp_proposal, parse_esp_proposal, parse_ike_proposal,
};
use ipseclab_ike::{ChildProtocol, ChildSaEstablished};

use crate::{messages, pair};

/// Sets up with both connections changed alike; what A was told of its Child SA.
fn agree(change: impl Fn(&mut Connection)) -> ChildSaEstablished {
    let mut pair = pair(|a, b| {
        change(a);
        change(b);
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.live_children().len(), 1, "{:?} {:?}", messages(&pair), pair.a.failures());
    let (a, b) = (pair.a.children()[0].clone(), pair.b.children()[0].clone());
    assert_eq!((&a.keys_in, &a.keys_out), (&b.keys_out, &b.keys_in));
    match (&a.ah, &b.ah) {
        (Some(one), Some(other)) => {
            assert_eq!((one.spi_in, one.spi_out), (other.spi_out, other.spi_in));
            assert_eq!((&one.key_in, &one.key_out), (&other.key_out, &other.key_in));
        }
        (one, other) => assert_eq!(one, other),
    }
    a
}

#[test]
fn every_algorithm_of_phase_1_comes_up() {
    for encryption in ["des", "3des", "aes128", "aes192", "aes256"] {
        for hash in ["md5", "sha1", "sha256", "sha384", "sha512"] {
            let proposal = parse_ike_proposal(&format!("{encryption}-{hash}-ecp256")).unwrap();
            agree(|connection| connection.proposals = vec![proposal.clone()]);
        }
    }
    for group in ["modp768", "modp1024", "modp1536", "modp2048", "ecp256", "ecp384", "ecp521"] {
        let proposal = parse_ike_proposal(&format!("aes128-sha1-{group}")).unwrap();
        agree(|connection| connection.proposals = vec![proposal.clone()]);
    }
}

#[test]
fn every_algorithm_of_phase_2_comes_up() {
    let texts = [
        "des-md5",
        "3des-sha1",
        "aes192-sha256",
        "aes256-sha512",
        "aes128gcm16",
        "aes256gcm8",
        "aes128ccm12",
        "null-sha384",
        "aes128ctr-sha1",
        "aes128-aesxcbc",
        "aes128-sha1-esn",
        "aes128-sha1-modp1024",
    ];
    for text in texts {
        let proposal = parse_esp_proposal(text).unwrap();
        let child = agree(|connection| connection.children[0].esp_proposals = vec![proposal.clone()]);
        assert_eq!((child.protocol, child.ah), (ChildProtocol::Esp, None));
        assert_eq!(child.proposal.encryption, proposal.encryption[0], "{text}");
        assert_eq!(child.proposal.integrity, proposal.integrity.first().copied(), "{text}");
        assert_eq!(child.proposal.esn, proposal.esn[0], "{text}");
    }
}

#[test]
fn ah_comes_up_alone_and_around_esp() {
    let ah = vec![parse_ah_proposal("sha1").unwrap()];
    let child = agree(|connection| {
        connection.children[0].esp_proposals = vec![];
        connection.children[0].ah_proposals.clone_from(&ah);
    });
    assert_eq!(child.protocol, ChildProtocol::Ah);
    assert_eq!(child.proposal.integrity, Some(Integrity::HmacSha1_96));
    assert!(child.keys_in.encryption.is_empty() && !child.keys_in.integrity.is_empty());

    let child = agree(|connection| {
        connection.children[0].esp_proposals = vec![parse_bundled_esp_proposal("aes128").unwrap()];
        connection.children[0].ah_proposals.clone_from(&ah);
    });
    let around = child.ah.expect("there is AH too");
    assert_eq!((child.protocol, child.proposal.integrity), (ChildProtocol::Esp, None));
    assert!(matches!(child.proposal.encryption, Encryption::AesCbc(_)));
    assert_eq!(around.integrity, Integrity::HmacSha1_96);
    let spis = [child.spi_in, child.spi_out, around.spi_in, around.spi_out];
    assert_eq!(spis.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[test]
fn a_quick_mode_for_both_protocols_is_as_long_as_between_two_routers() {
    // Issue 4: AES-128 without integrity inside AH with SHA-1; both lifetimes announced; nonces of 20 octets.
    let mut pair = crate::configured(|a, b| {
        for config in [a, b] {
            config.profile.v1.nonce_len = ipseclab_ike::profile::V1NonceLen::new(20).unwrap();
            let child = &mut config.connections[0].children[0];
            child.esp_proposals = vec![parse_bundled_esp_proposal("aes128").unwrap()];
            child.ah_proposals = vec![parse_ah_proposal("sha1").unwrap()];
            child.lifetime.life_time = Some(Duration::from_hours(1));
            child.bytes.life = Some(4_608_000 * 1024);
        }
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    let quick: Vec<_> =
        messages(&pair).into_iter().filter(|(exchange, ..)| exchange == "Quick Mode").collect();
    assert_eq!(quick.iter().map(|(_, len, _)| *len).collect::<Vec<_>>(), [220, 220, 60]);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn several_proposals_become_transforms_and_the_responder_takes_its_own_first() {
    let ike = ["aes256-sha256-modp2048", "aes128-sha1-modp1024", "3des-md5-modp1024"];
    let esp = ["aes256-sha256", "aes128-sha1", "3des-md5"];
    let mut pair = pair(|a, b| {
        a.proposals = ike.iter().map(|text| parse_ike_proposal(text).unwrap()).collect();
        a.children[0].esp_proposals = esp.iter().map(|text| parse_esp_proposal(text).unwrap()).collect();
        (a.encap, b.encap) = (true, true);
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    // v1-multi-proposals.
    let lens: Vec<_> = messages(&pair).iter().map(|(_, len, _)| *len).collect();
    assert_eq!(lens, [248, 160, 244, 244, 108, 76, 236, 188, 60]);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn perfect_forward_secrecy_has_a_key_exchange_of_its_own() {
    let mut pair = pair(|a, b| {
        let proposal = parse_esp_proposal("aes128-sha1-modp1024").unwrap();
        a.children[0].esp_proposals = vec![proposal.clone()];
        b.children[0].esp_proposals = vec![proposal];
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(10));
    // v1-quick-pfs.
    let quick = &messages(&pair)[6..];
    assert_eq!(quick[0], ("Quick Mode".to_owned(), 316, "E HASH SA No KE ID ID".to_owned()));
    assert_eq!(quick[1].1, 316);
    assert_eq!(pair.live_children().len(), 1);
}

#[test]
fn transport_mode_is_between_the_hosts() {
    let child = agree(|connection| {
        let child = &mut connection.children[0];
        child.mode = Mode::Transport;
        child.local_ts = ipseclab_ike::config::ConfiguredTs::dynamic();
        child.remote_ts = ipseclab_ike::config::ConfiguredTs::dynamic();
    });
    assert_eq!(child.mode, Mode::Transport);
    assert_eq!(
        (child.local_ts.to_string(), child.remote_ts.to_string()),
        ("192.0.2.1".into(), "192.0.2.2".into())
    );
}

#[test]
fn a_shorter_lifetime_of_the_peer_counts() {
    let mut pair = pair(|a, b| {
        a.children[0].lifetime.rekey_time = None;
        a.children[0].lifetime.life_time = Some(Duration::from_secs(100));
        b.children[0].lifetime.life_time = Some(Duration::from_hours(1));
        b.children[0].lifetime.rekey_time = Some(Duration::from_mins(50));
    });
    pair.initiate();
    pair.run_for(Duration::from_secs(95));
    // B renews what A has limited to 100 s.
    assert_eq!(pair.b.children().len(), 2, "{:?}", messages(&pair));
    assert_eq!(pair.b.children()[1].replaces, Some(pair.b.children()[0].spi_in));
    assert_eq!(pair.a.children()[1].replaces, Some(pair.a.children()[0].spi_in));
}
