//! Wireshark's sample of a Main Mode with certificates: 3DES, MD5 and keys of 1024 bits, by a peer that is not strongSwan.
//! Its wiki gives the encryption key alone, so that hashes and signatures cannot be checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipseclab_crypto::{Crypto, Encryption, Hash, Prf, RealProvider, Secret};

use super::{body_of, table};
use crate::reference::{frames_of, ike_message, secret};
use crate::v1::cipher::{Iv, MessageCipher};
use crate::v1::keys::{IsakmpKeys, PublicValues, Suite};
use crate::wire::isakmp::{Header, Message, MessageId, PayloadType};

/// The encryption key, as the wiki has it for Wireshark's table.
const KEY: &str = "735be0cb62f82675c4f7bf8fbab9b56834ba76d6ab4fa240";

/// Octets of a block of 3DES.
const BLOCK_LEN: usize = 8;

/// What tshark lists; message 8 repeats message 7.
const LISTS: [&str; 10] = [
    "SA(52) V(16) V(20)",
    "SA(52) V(20) V(20) V(20) V(20) V(20) V(20) V(20) V(20) V(32)",
    "KE(132) No(20)",
    "KE(132) No(20) CERTREQ(87)",
    "ID(12) CERT(1498) CERTREQ(87) SIG(132)",
    "ID(12) CERT(1630) SIG(260)",
    "HASH(20) SA(52) No(20) KE(132) ID(12) ID(12)",
    "",
    "HASH(20) SA(52) No(20) KE(132) ID(12) ID(12)",
    "HASH(20)",
];

fn messages() -> Option<Vec<Vec<u8>>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/captures/wireshark");
    let Ok(bytes) = std::fs::read(std::path::Path::new(root).join("ikev1-certs.pcap")) else {
        println!("skipped: no reference captures beside the workspace");
        return None;
    };
    Some(frames_of(&bytes).iter().filter_map(|frame| ike_message(frame)).collect())
}

fn keys() -> IsakmpKeys {
    let none = || Secret::new([]);
    IsakmpKeys {
        suite: Suite { encryption: Encryption::TripleDes, prf: Prf::HmacMd5, hash: Hash::Md5 },
        skeyid: none(),
        skeyid_d: none(),
        skeyid_a: none(),
        skeyid_e: none(),
        encryption_key: secret(KEY),
    }
}

fn public_value(message: &[u8]) -> Vec<u8> {
    body_of(PayloadType::KeyExchange, &message[28..], PayloadType::KeyExchange).unwrap()
}

#[test]
fn messages_of_another_peer_open_with_the_published_key_and_seal_to_the_same_octets() {
    let Some(messages) = messages() else { return };
    assert_eq!(messages.len(), LISTS.len());
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let cipher = MessageCipher::new(&crypto, &keys());
    let [public_i, public_r] = [2, 3].map(|index| public_value(&messages[index]));
    let exchange = PublicValues { public_i: &public_i, public_r: &public_r };
    let mut phase1 = cipher.phase1_iv(&mut crypto, exchange);
    let mut ivs: BTreeMap<MessageId, Iv> = BTreeMap::new();
    for (bytes, list) in messages.iter().zip(LISTS).filter(|(_, list)| !list.is_empty()) {
        if let Ok(message) = Message::decode(bytes) {
            assert_eq!((table(&message.payloads).as_str(), message.encode()), (list, bytes.clone()));
            continue;
        }
        let id = Header::decode(bytes).unwrap().message_id;
        let first = || cipher.exchange_iv(&mut crypto, &phase1, id);
        let iv = if id.is_zero() { phase1.clone() } else { ivs.remove(&id).unwrap_or_else(first) };
        let opened = cipher.open(&mut crypto, bytes, &iv).unwrap();
        assert_eq!(table(&opened.message.payloads), list);
        let sealed = cipher.seal(&mut crypto, &opened.message.header, &opened.message.payloads, &iv);
        // This peer adds nothing to whole blocks, where we add a block of zeros.
        let more = if opened.chain.len().is_multiple_of(BLOCK_LEN) { BLOCK_LEN } else { 0 };
        assert_eq!(sealed.bytes.len(), bytes.len() + more, "{list}");
        assert_eq!(sealed.bytes[28..bytes.len()], bytes[28..], "{list}");
        if id.is_zero() {
            phase1 = opened.next_iv;
        } else {
            ivs.insert(id, opened.next_iv);
        }
    }
    assert_eq!(messages[7], messages[6]);
}
