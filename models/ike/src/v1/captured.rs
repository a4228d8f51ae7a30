//! IKEv1 against strongSwan and Cisco: every message of the reference captures is decoded, decrypted with keys that are
//! derived anew from it, checked against its hashes and signatures, and encoded and encrypted again.
//!
//! Left out: KEYMAT of a Quick Mode with its own key exchange, whose secret strongSwan does not log; the ESP packets of
//! scenarios show it.
//!
//! A unit test, since keys and ciphers have no public constructors. Without the captures it says so and passes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipseclab_crypto::{AesKey, Crypto, Encryption, Prf, PublicKey, RealProvider, Secret, SignatureScheme};
use serde::Deserialize;

use crate::credential::Certificate;
use crate::v1::cipher::{Iv, MessageCipher, Opened};
use crate::v1::keys::{IsakmpKeys, KeymatSources, PublicValues, Suite, skeyid_of_psk, skeyid_of_signature};
use crate::v2::Role;
use crate::wire::isakmp::{
    AuthMethod, Cookies, ExchangeType, FragmentPayload, Header, Message, MessageId, Payload, PayloadType,
    Phase1Attribute, ProtocolId, SaPayload, payload_octets,
};

mod wiki;

use crate::reference::{self, cases, frames, ike_message, name, secret};

/// How much was compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    clear: usize,
    encrypted: usize,
    key_sets: usize,
    phase1_hashes: usize,
    signatures: usize,
    message_hashes: usize,
    child_sas: usize,
}

/// A row of `messages.csv`.
#[derive(Debug, Deserialize)]
struct Row {
    frame: usize,
    dir: String,
    ike_len: usize,
    version: String,
    exchange: String,
    msgid: String,
    flags: String,
    payloads: String,
    retransmit_of: Option<usize>,
    key_set: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct KeySet {
    #[serde(rename = "DH_shared")]
    dh_shared: String,
    #[serde(rename = "SKEYID")]
    skeyid: String,
    #[serde(rename = "SKEYID_d")]
    skeyid_d: String,
    #[serde(rename = "SKEYID_a")]
    skeyid_a: String,
    #[serde(rename = "SKEYID_e")]
    skeyid_e: String,
    #[serde(rename = "Ka")]
    ka: String,
    #[serde(rename = "IV0")]
    iv0: String,
    spi_i: String,
    spi_r: String,
    log: String,
}

#[derive(Debug, Deserialize)]
struct Keys {
    ike_sas: Vec<KeySet>,
    child_keys: Vec<reference::ChildKeySet>,
}

/// A message with its row.
struct Wire {
    row: Row,
    bytes: Vec<u8>,
}

fn v1_cases() -> Option<Vec<PathBuf>> {
    let mut cases = cases()?;
    cases.retain(|case| name(case).starts_with("v1-"));
    Some(cases)
}

/// The IKEv1 messages of a case; the probes hold a few of other versions and some that are broken on purpose.
fn wires(case: &Path) -> Vec<Wire> {
    let frames = frames(case);
    let mut reader = csv::Reader::from_path(case.join("messages.csv")).unwrap();
    let rows = reader.deserialize().map(|row| -> Row { row.unwrap() });
    let wire = |row: Row| Wire { bytes: ike_message(&frames[row.frame - 1]).unwrap(), row };
    rows.filter(|row| row.version == "1.0").map(wire).collect()
}

/// The list of payloads as the tables write it.
fn table(payloads: &[Payload]) -> String {
    let label = |payload: &Payload| {
        let len = payload.encoded_len();
        match payload {
            Payload::Notify(notify) => format!("N:{}({len})", notify.kind),
            other => format!("{other}({len})"),
        }
    };
    payloads.iter().map(label).collect::<Vec<_>>().join(" ")
}

impl Wire {
    fn header(&self) -> Header {
        Header::decode(&self.bytes).unwrap()
    }

    fn check_header(&self, label: &str) {
        let (row, header) = (&self.row, self.header());
        assert_eq!(self.bytes.len(), row.ike_len, "{label}");
        assert_eq!(header.message_id.to_string(), row.msgid, "{label}");
        assert_eq!(format!("{:02x}", header.flags.octet()), row.flags, "{label}");
        assert_eq!(header.exchange.to_string(), row.exchange, "{label}");
    }

    fn message(&self) -> Option<Message> {
        Message::decode(&self.bytes).ok()
    }
}

/// The public half of phase 1.
struct Phase1 {
    sa_i: Vec<u8>,
    suite: Suite,
    method: AuthMethod,
    publics: [Vec<u8>; 2],
    nonces: [Vec<u8>; 2],
    cookies: Cookies,
    /// The column `dir` of the initiator's messages.
    dir_i: String,
}

/// Octets of the first payload of a type, without its generic header.
fn body_of(first: PayloadType, chain: &[u8], kind: PayloadType) -> Option<Vec<u8>> {
    let mut payloads = payload_octets(first, chain);
    payloads.find(|(found, _)| *found == kind).map(|(_, octets)| octets[4..].to_vec())
}

impl Phase1 {
    fn find(wires: &[Wire], set: &KeySet) -> Self {
        let cookies =
            Cookies::from_octets(&[&set.spi_i, &set.spi_r].map(|hex| secret(hex).expose().to_vec()).concat())
                .unwrap();
        let of_set = |wire: &&Wire| {
            let header = wire.header();
            header.cookies.initiator == cookies.initiator && !header.flags.encryption
        };
        let clear: Vec<_> = wires.iter().filter(of_set).collect();
        let dir_i = clear[0].row.dir.clone();
        let find = |from_initiator: bool, kind| {
            let mut of_side = clear.iter().filter(|wire| (wire.row.dir == dir_i) == from_initiator);
            of_side.find_map(|wire| body_of(wire.header().next_payload, &wire.bytes[28..], kind)).unwrap()
        };
        let both = |kind| [find(true, kind), find(false, kind)];
        let answer = clear.iter().find(|wire| wire.row.dir != dir_i).unwrap().message().unwrap();
        let Some(Payload::Sa(chosen)) = answer.payloads.first() else { panic!("an answer begins with SA") };
        let (suite, method) = suite(chosen);
        Self {
            sa_i: find(true, PayloadType::Sa),
            suite,
            method,
            publics: both(PayloadType::KeyExchange),
            nonces: both(PayloadType::Nonce),
            cookies,
            dir_i,
        }
    }
}

fn suite(chosen: &SaPayload) -> (Suite, AuthMethod) {
    let number = |kind: Phase1Attribute| {
        let attribute = chosen.proposals[0].transforms[0].attribute(kind.code());
        attribute.map(|attribute| u16::try_from(attribute.number().unwrap()).unwrap())
    };
    let encryption = match (number(Phase1Attribute::Encryption), number(Phase1Attribute::KeyLength)) {
        (Some(5), None) => Encryption::TripleDes,
        (Some(7), Some(bits)) => Encryption::AesCbc(AesKey::from_bits(bits).unwrap()),
        other => panic!("{other:?} is in no capture"),
    };
    let prf = match number(Phase1Attribute::Hash) {
        Some(1) => Prf::HmacMd5,
        Some(2) => Prf::HmacSha1,
        other => panic!("{other:?} is in no capture"),
    };
    let method = AuthMethod::from_code(number(Phase1Attribute::AuthMethod).unwrap());
    (Suite { encryption, prf, hash: prf.hash().unwrap() }, method)
}

/// Nonce, SPI, and whether there is a key exchange, of one message of Quick Mode.
type QuickValues = (Vec<u8>, [u8; 4], bool);

/// An ISAKMP SA that follows the wire.
struct Follower<'a> {
    label: String,
    crypto: Crypto,
    phase1: Phase1,
    keys: IsakmpKeys,
    cipher: MessageCipher,
    /// The IV of the next message of phase 1, in the end the last block that the others begin with.
    iv: Iv,
    ivs: BTreeMap<MessageId, Iv>,
    /// SPIs and nonces of each Quick Mode, the initiator's first.
    quick: BTreeMap<MessageId, Vec<QuickValues>>,
    pieces: Vec<u8>,
    child_keys: &'a [reference::ChildKeySet],
    counts: &'a mut Counts,
}

impl<'a> Follower<'a> {
    fn new(case: &Path, wires: &[Wire], keys: &'a Keys, index: usize, counts: &'a mut Counts) -> Self {
        let (set, label) = (&keys.ike_sas[index], name(case));
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let phase1 = Phase1::find(wires, set);
        let (suite, shared_secret) = (phase1.suite, secret(&set.dh_shared));
        let nonces = [&phase1.nonces[0][..], &phase1.nonces[1]];
        let skeyid = match phase1.method {
            AuthMethod::RsaSignature => skeyid_of_signature(&mut crypto, suite.prf, &shared_secret, nonces),
            _ => skeyid_of_psk(&mut crypto, suite.prf, &psk(case, &set.log), nonces),
        };
        let derived = IsakmpKeys::derive(&mut crypto, suite, skeyid, &shared_secret, phase1.cookies);
        let cipher = MessageCipher::new(&crypto, &derived);
        let [public_i, public_r] = [&phase1.publics[0][..], &phase1.publics[1]];
        let exchange = PublicValues { public_i, public_r };
        let iv = cipher.phase1_iv(&mut crypto, exchange);
        let follower = Self {
            label,
            crypto,
            keys: derived,
            cipher,
            iv,
            phase1,
            ivs: BTreeMap::new(),
            quick: BTreeMap::new(),
            pieces: Vec::new(),
            child_keys: &keys.child_keys,
            counts,
        };
        follower.check_keys(set);
        follower
    }

    fn check_keys(&self, set: &KeySet) {
        let ours = &self.keys;
        let pairs = [
            (&ours.skeyid, &set.skeyid),
            (&ours.skeyid_d, &set.skeyid_d),
            (&ours.skeyid_a, &set.skeyid_a),
            (&ours.skeyid_e, &set.skeyid_e),
            (&ours.encryption_key, &set.ka),
        ];
        for (place, (ours, theirs)) in pairs.into_iter().enumerate() {
            assert_eq!(*ours, secret(theirs), "{}: key {place}", self.label);
        }
        assert_eq!(self.iv.as_bytes(), secret(&set.iv0).expose(), "{}", self.label);
    }

    fn sender(&self, wire: &Wire) -> Role {
        if wire.row.dir == self.phase1.dir_i { Role::Initiator } else { Role::Responder }
    }

    /// Opens a message, encrypts it again, and checks what it proves.
    fn follow(&mut self, wire: &Wire) {
        if let Some(message) = wire.message() {
            return self.follow_clear(wire, &message);
        }
        self.follow_encrypted(wire, &wire.bytes, &wire.row.payloads);
    }

    fn follow_clear(&mut self, wire: &Wire, message: &Message) {
        if let [Payload::Fragment(piece)] = message.payloads.as_slice() {
            return self.follow_piece(wire, piece);
        }
        self.check_proof(wire, message, &wire.bytes[28..]);
    }

    /// Puts the pieces of a message together; they come in order here.
    fn follow_piece(&mut self, wire: &Wire, piece: &FragmentPayload) {
        self.pieces.extend_from_slice(&piece.data);
        if piece.is_last() {
            let whole = core::mem::take(&mut self.pieces);
            let list = wire.row.payloads.split_once("{ ").unwrap().1.split_once(" }").unwrap().0;
            self.follow_encrypted(wire, &whole, list);
        }
    }

    fn follow_encrypted(&mut self, wire: &Wire, bytes: &[u8], list: &str) {
        let label = format!("{} frame {}", self.label, wire.row.frame);
        let id = Header::decode(bytes).unwrap().message_id;
        let iv = self.iv_of(id);
        let opened = self.cipher.open(&mut self.crypto, bytes, &iv).unwrap();
        assert_eq!(table(&opened.message.payloads), list, "{label}");
        let again = self.cipher.seal(&mut self.crypto, &opened.message.header, &opened.message.payloads, &iv);
        assert_eq!(again.bytes, bytes, "{label}");
        if id.is_zero() {
            self.check_proof(wire, &opened.message, &opened.chain);
            self.iv = opened.next_iv;
        } else {
            self.check_hash(wire, &opened);
            self.ivs.insert(id, opened.next_iv);
        }
        self.counts.encrypted += 1;
    }

    fn iv_of(&mut self, id: MessageId) -> Iv {
        if id.is_zero() {
            return self.iv.clone();
        }
        let known = self.ivs.get(&id).cloned();
        known.unwrap_or_else(|| self.cipher.exchange_iv(&mut self.crypto, &self.iv, id))
    }

    /// Checks `HASH_I`, `HASH_R` or the signature under it, where the message has one.
    fn check_proof(&mut self, wire: &Wire, message: &Message, chain: &[u8]) {
        let first = message.payloads.first().map_or(PayloadType::None, Payload::payload_type);
        let sender = self.sender(wire);
        // In Aggressive Mode the initiator has named itself in message 1.
        let id = body_of(first, chain, PayloadType::Id).or_else(|| self.quick_id());
        let Some(id) = id else { return };
        self.remember_id(&id, sender);
        let [public_i, public_r] = [&self.phase1.publics[0][..], &self.phase1.publics[1]];
        let exchange = PublicValues { public_i, public_r };
        let covered = (&self.phase1.sa_i[..], &id[..]);
        let cookies = self.phase1.cookies;
        let expected = self.keys.auth_hash(&mut self.crypto, sender, exchange, cookies, covered);
        for payload in &message.payloads {
            match payload {
                Payload::Hash(hash) => {
                    assert_eq!(hash.as_bytes(), expected.expose(), "{}: hash of {sender:?}", self.label);
                    self.counts.phase1_hashes += 1;
                }
                Payload::Signature(signature) => {
                    let key = certified_key(message);
                    let scheme = SignatureScheme::RsaPkcs1Unprefixed;
                    let verified = self.crypto.verify(&key, scheme, expected.expose(), signature.as_bytes());
                    verified.unwrap();
                    self.counts.signatures += 1;
                }
                _ => {}
            }
        }
    }

    /// Keeps the identity of Aggressive Mode's first message under message ID 0.
    fn remember_id(&mut self, id: &[u8], sender: Role) {
        if sender == Role::Initiator {
            self.quick.insert(MessageId::ZERO, vec![(id.to_vec(), [0; 4], false)]);
        }
    }

    fn quick_id(&self) -> Option<Vec<u8>> {
        self.quick.get(&MessageId::ZERO).map(|kept| kept[0].0.clone())
    }

    /// Checks HASH(1), HASH(2) or HASH(3).
    fn check_hash(&mut self, wire: &Wire, opened: &Opened) {
        let header = opened.message.header;
        let Some(Payload::Hash(hash)) = opened.message.payloads.first() else { panic!("a hash comes first") };
        let rest = opened.behind_first();
        let (id, quick) = (header.message_id, header.exchange == ExchangeType::QuickMode);
        let before = self.quick.entry(id).or_default();
        let expected = match before.as_slice() {
            [(nonce_i, ..), (nonce_r, ..)] if quick => {
                self.keys.hash_3(&mut self.crypto, id, [nonce_i, nonce_r])
            }
            [(nonce_i, ..)] if quick => self.keys.hash_2(&mut self.crypto, id, nonce_i, rest),
            _ => self.keys.hash_1(&mut self.crypto, id, rest),
        };
        let label = format!("{} frame {}", self.label, wire.row.frame);
        assert_eq!(hash.as_bytes(), expected.expose(), "{label}");
        self.counts.message_hashes += 1;
        if quick && before.len() < 2 {
            before.push(quick_values(&opened.message));
            self.check_child(id);
        }
    }

    /// Derives the keys of a Quick Mode without a key exchange of its own.
    fn check_child(&mut self, id: MessageId) {
        let [(nonce_i, spi_i, pfs), (nonce_r, spi_r, _)] = self.quick[&id].as_slice() else { return };
        let spis = [spi_i, spi_r].map(|spi| format!("{:08x}", u32::from_be_bytes(*spi)));
        let is_ours =
            |set: &&reference::ChildKeySet| spis.contains(&set.spi_in) && spis.contains(&set.spi_out);
        let Some(set) = self.child_keys.iter().find(is_ours) else { return };
        if *pfs {
            return;
        }
        let lens = (set.encr_i.len() / 2, set.integ_i.len() / 2);
        let directions = [(spi_r, &set.encr_i, &set.integ_i), (spi_i, &set.encr_r, &set.integ_r)];
        for (spi, encryption, integrity) in directions {
            let nonces = [&nonce_i[..], nonce_r];
            let protocol = ProtocolId::Esp;
            let sources = KeymatSources { shared_secret: None, protocol, spi: *spi, nonces };
            let keys = self.keys.direction_keys(&mut self.crypto, sources, lens);
            assert_eq!(keys.encryption, secret(encryption), "{}", self.label);
            assert_eq!(keys.integrity, secret(integrity), "{}", self.label);
        }
        self.counts.child_sas += 1;
    }
}

fn quick_values(message: &Message) -> QuickValues {
    let (mut nonce, mut spi, mut pfs) = (Vec::new(), [0; 4], false);
    for payload in &message.payloads {
        match payload {
            Payload::Nonce(payload) => nonce = payload.as_bytes().to_vec(),
            Payload::Sa(sa) => spi = sa.proposals[0].spi.as_slice().try_into().unwrap(),
            Payload::Ke(_) => pfs = true,
            _ => {}
        }
    }
    (nonce, spi, pfs)
}

fn certified_key(message: &Message) -> PublicKey {
    let der = message.payloads.iter().find_map(|payload| match payload {
        Payload::Cert(cert) => Some(cert.data.clone()),
        _ => None,
    });
    Certificate::from_der(&der.unwrap()).unwrap().public_key().unwrap().clone()
}

fn psk(case: &Path, side: &str) -> Secret {
    let text = std::fs::read_to_string(case.join("case.txt")).unwrap();
    let key = format!("psk_{side}: ");
    Secret::new(text.lines().find_map(|line| line.strip_prefix(&key)).unwrap().as_bytes())
}

fn check_clear(case: &Path, wire: &Wire, counts: &mut Counts) {
    let label = format!("{} frame {}", name(case), wire.row.frame);
    wire.check_header(&label);
    let Some(message) = wire.message() else { return };
    let list = wire.row.payloads.split([' ']).take(message.payloads.len()).collect::<Vec<_>>().join(" ");
    assert_eq!(table(&message.payloads), list, "{label}");
    assert_eq!(message.encode(), wire.bytes, "{label}");
    counts.clear += 1;
}

fn check_case(case: &Path, counts: &mut Counts) {
    let wires = wires(case);
    let text = std::fs::read_to_string(case.join("keys.json")).unwrap();
    let keys: Keys = serde_json::from_str(&text).unwrap();
    for wire in &wires {
        check_clear(case, wire, counts);
    }
    for (index, set) in keys.ike_sas.iter().enumerate() {
        let mut follower = Follower::new(case, &wires, &keys, index, counts);
        let of_set = |wire: &&Wire| {
            wire.header().cookies.initiator.to_string() == set.spi_i
                && wire.row.retransmit_of.is_none()
                && wire.row.key_set.is_none_or(|number| number == index)
        };
        wires.iter().filter(of_set).for_each(|wire| follower.follow(wire));
        counts.key_sets += 1;
    }
}

#[test]
fn messages_keys_hashes_and_signatures_are_those_of_strongswan() {
    let Some(cases) = v1_cases() else { return };
    let mut counts = Counts::default();
    for case in &cases {
        check_case(case, &mut counts);
    }
    println!("{counts:?}");
    let expected = Counts {
        clear: 85,
        encrypted: 118,
        key_sets: 16,
        phase1_hashes: 27,
        signatures: 2,
        message_hashes: 90,
        child_sas: 14,
    };
    assert_eq!(counts, expected);
}
