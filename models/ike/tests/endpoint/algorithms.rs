//! A tunnel under every algorithm of the registry: what is negotiated also works on both sides.

use ipseclab_crypto::{Encryption, Integrity, KeyExchangeMethod, Prf};
use ipseclab_ike::ChildProtocol;
use ipseclab_ike::proposal::{parse_ah_proposal, parse_esp_proposal, parse_ike_proposal};

use crate::support::Pair;

/// Sets up a tunnel under the two proposals, and checks that both sides have the same keys.
fn check_tunnel(ike: &str, esp: &str) {
    let pair = Pair::with(|a, b| {
        for side in [a, b] {
            side.proposals = vec![parse_ike_proposal(ike).unwrap()];
            side.children[0].esp_proposals = vec![parse_esp_proposal(esp).unwrap()];
        }
    })
    .establish();
    assert_eq!(pair.live_children().len(), 1, "{ike} {esp}");
    let (a, b) = (pair.a.children()[0], pair.b.children()[0]);
    assert_eq!((&a.keys_in, &a.keys_out), (&b.keys_out, &b.keys_in), "{ike} {esp}");
    assert_eq!(a.keys_in.encryption.len(), a.proposal.encryption.key_material_len(), "{ike} {esp}");
}

#[test]
fn every_cipher_carries_an_ike_sa_and_an_esp_sa() {
    for cipher in Encryption::ALL {
        let esp =
            if cipher.is_aead() { cipher.keyword().to_owned() } else { format!("{}-sha1", cipher.keyword()) };
        let ike = if cipher.hides_text() { cipher.keyword() } else { "aes128" };
        check_tunnel(&format!("{ike}-sha256-x25519"), &esp);
    }
}

#[test]
fn every_mac_and_every_prf_protects_an_ike_sa() {
    for mac in Integrity::ALL {
        let mac = mac.keyword();
        check_tunnel(&format!("3des-{mac}-x448"), &format!("aes128ctr-{mac}"));
    }
    for prf in Prf::ALL {
        check_tunnel(&format!("aes256ccm16-{}-ecp521", prf.keyword()), "aes256gcm16");
    }
}

#[test]
fn every_key_exchange_sets_up_an_ike_sa() {
    for method in KeyExchangeMethod::ALL {
        check_tunnel(&format!("aes128-aesxcbc-prfaescmac-{}", method.keyword()), "null-aescmac");
    }
}

#[test]
fn every_mac_carries_an_ah_sa() {
    for mac in Integrity::ALL {
        let pair = Pair::with(|a, b| {
            for child in [&mut a.children[0], &mut b.children[0]] {
                child.esp_proposals = vec![];
                child.ah_proposals = vec![parse_ah_proposal(mac.keyword()).unwrap()];
            }
        })
        .establish();
        let (a, b) = (pair.a.children()[0], pair.b.children()[0]);
        assert_eq!((a.protocol, b.protocol), (ChildProtocol::Ah, ChildProtocol::Ah), "{mac}");
        assert_eq!((&a.keys_in, &a.keys_out), (&b.keys_out, &b.keys_in), "{mac}");
        assert_eq!((a.keys_in.integrity.len(), a.keys_in.encryption.len()), (mac.key_len(), 0), "{mac}");
        assert_eq!(a.algorithms(), mac.keyword());
    }
}
