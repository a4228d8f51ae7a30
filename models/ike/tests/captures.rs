//! Every IKEv2 message of the strongSwan reference captures through the codec, and with the keys through SK.
//!
//! The captures are not part of the repository; without them the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ipseclab_crypto::{Crypto, PacketCipher, RealProvider};
use ipseclab_ike::fragment::{self, Accepted, Draw, FragmentLimits, MessageLimit, Reassembler};
use ipseclab_ike::proposal::{parse_ike_proposal, select_ike, verify_answer_ike};
use ipseclab_ike::wire::protect::{ProtectError, inner_len, open, pad_len, seal};
use ipseclab_ike::wire::{
    DecodeError, ExchangeType, HEADER_LEN, Header, Message, Payload, SaPayload, SkPayload,
};

#[expect(dead_code, reason = "shared with src/v2/captured.rs, which uses the rest")]
mod reference;

use reference::{Row, cases, frames, ike_message, keys, name, rows, v2_cases};

/// One message of a capture with its row of the table.
struct Captured {
    case: String,
    row: Row,
    bytes: Vec<u8>,
}

impl Captured {
    fn label(&self) -> String {
        format!("{} frame {}", self.case, self.row.frame)
    }

    fn is_probe(&self) -> bool {
        self.case == "v2-probes"
    }

    fn is_fragment(&self) -> bool {
        self.row.payloads.contains("SKF(")
    }

    /// The probes with a wrong length field; strongSwan goes by the datagram, we refuse them.
    fn has_wrong_length(&self) -> bool {
        self.row.ike_len != self.bytes.len()
    }
}

fn captured(case: &Path) -> Vec<Captured> {
    let frames = frames(case);
    let message = |row: Row| {
        let bytes = ike_message(&frames[row.frame - 1]).unwrap();
        Captured { case: name(case), row, bytes }
    };
    rows(case).into_iter().filter(|row| row.version.starts_with("2.")).map(message).collect()
}

fn all_captured(cases: &[impl AsRef<Path>]) -> Vec<Captured> {
    cases.iter().flat_map(|case| captured(case.as_ref())).collect()
}

/// Payloads as the table writes them, such as `SA(48) N:COOKIE(32)`.
fn describe(payloads: &[Payload]) -> String {
    let one = |payload: &Payload| {
        let label = payload.to_string().replace("N(", "N:").replace(')', "");
        format!("{label}({})", payload.encoded_len())
    };
    payloads.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The row's payload column without what is inside SK, what a fragment says of itself, and critical marks.
fn expected_outside(row: &Row) -> String {
    let outside = row.payloads.split(" {").next().unwrap();
    outside.split(" frag ").next().unwrap().replace(")!", ")")
}

fn expected_inside(row: &Row) -> &str {
    row.payloads.split_once("{ ").and_then(|(_, rest)| rest.split_once(" }")).map_or("", |(inside, _)| inside)
}

/// Whether a message is one that an implementation may refuse to decode, and how it must be refused.
fn expected_refusal(message: &Captured) -> Option<&'static str> {
    if !message.is_probe() {
        return None;
    }
    let row = &message.row;
    if message.has_wrong_length() {
        return Some("IKE header at byte 0: length is");
    }
    if row.payloads.ends_with("200(8)!") {
        return Some("payload type 200 is critical and unknown");
    }
    if row.payloads.ends_with("No(12)") {
        return Some("No payload at byte 340: nonce length is 8,");
    }
    if row.payloads.ends_with("No(304)") {
        return Some("No payload at byte 340: nonce length is 300,");
    }
    // Probes 27 and 28: the table stops at the payload whose length field is wrong.
    let broken = row.payloads == "SA(48) KE(264)" && message.bytes.len() == 376;
    broken.then_some("No payload at byte 340: payload claims")
}

#[test]
fn well_formed_messages_decode_to_the_tables_payloads_and_encode_to_the_same_bytes() {
    let Some(cases) = v2_cases() else { return };
    let (mut decoded, mut refused, mut not_canonical) = (0, Vec::new(), Vec::new());
    for message in all_captured(&cases) {
        match (Message::decode(&message.bytes), expected_refusal(&message)) {
            (Ok(value), None) => {
                decoded += 1;
                assert_eq!(describe(&value.payloads), expected_outside(&message.row), "{}", message.label());
                check_header(&value, &message);
                if value.encode() != message.bytes {
                    not_canonical.push(message.label());
                }
            }
            (Err(error), Some(expected)) => {
                assert!(error.to_string().starts_with(expected), "{}: {error}", message.label());
                refused.push(message.label());
            }
            (value, expected) => panic!("{}: {value:?} instead of {expected:?}", message.label()),
        }
    }
    println!("{decoded} messages decoded, {} malformed ones refused", refused.len());
    // Probe 26 sets the critical bit of payloads that RFC 7296 defines, which §3.2 forbids.
    assert_eq!(not_canonical, ["v2-probes frame 47"]);
    assert_eq!((decoded, refused.len()), (440, 7));
}

fn check_header(value: &Message, message: &Captured) {
    let row = &message.row;
    let header = &value.header;
    assert_eq!(header.spi_i.to_string(), row.spi_i);
    assert_eq!(header.spi_r.to_string(), row.spi_r);
    assert_eq!(header.exchange.to_string(), row.exchange);
    assert_eq!(header.message_id.to_string(), row.msgid);
    assert_eq!(format!("{:02x}", header.flags.octet()), row.flags);
    assert_eq!(format!("2.{}", header.version.minor()), row.version);
    assert!(row.udp_payload_len == row.ike_len || row.udp_payload_len == row.ike_len + 4);
}

#[test]
fn every_other_packet_on_the_ike_ports_gives_a_value_or_an_error() {
    let Some(cases) = cases() else { return };
    let mut versions = BTreeMap::new();
    for case in cases {
        for bytes in frames(&case).iter().filter_map(|frame| ike_message(frame)) {
            let key = match (Message::decode(&bytes), Header::decode(&bytes)) {
                (Ok(_), _) => "decoded".to_owned(),
                (Err(DecodeError::UnsupportedVersion { major }), Ok(_)) => format!("version {major}"),
                (Err(_), Ok(_)) => "malformed".to_owned(),
                (Err(_), Err(_)) => "shorter than a header".to_owned(),
            };
            *versions.entry(key).or_insert(0) += 1;
        }
    }
    println!("{versions:?}");
    assert!(versions["version 1"] > 100);
    assert_eq!(versions["version 3"], 1);
}

struct Protected<'a> {
    message: &'a Captured,
    cipher: PacketCipher,
}

impl Protected<'_> {
    /// Opens, compares with the table, and seals again with the IV and padding of the capture.
    fn check(&self, crypto: &mut Crypto) {
        let (row, bytes) = (&self.message.row, &self.message.bytes);
        let label = self.message.label();
        let opened = open(bytes, &self.cipher, crypto).unwrap();
        assert_eq!(describe(&opened.payloads), expected_inside(row), "{label}");
        assert_eq!(Some(self.cipher.iv_len()), row.iv_len, "{label}");
        assert_eq!(Some(self.cipher.icv_len()), row.icv_len, "{label}");
        assert_eq!(Some(pad_len(&self.cipher, inner_len(&opened.payloads))), row.pad_len, "{label}");
        let (iv, padding) = self.iv_and_padding(crypto);
        let sealed = seal(&opened.header, &opened.payloads, &self.cipher, crypto, &iv, &padding);
        assert_eq!(&sealed, bytes, "{label}");
        self.check_that_changes_are_noticed(crypto);
    }

    fn iv_and_padding(&self, crypto: &mut Crypto) -> (Vec<u8>, Vec<u8>) {
        iv_and_padding(&self.message.bytes, HEADER_LEN + 4, &self.cipher, crypto)
    }

    fn check_that_changes_are_noticed(&self, crypto: &mut Crypto) {
        for at in [8, HEADER_LEN - 8, HEADER_LEN + 4, self.message.bytes.len() - 1] {
            let mut bytes = self.message.bytes.clone();
            bytes[at] ^= 0x10;
            let error = open(&bytes, &self.cipher, crypto).unwrap_err();
            assert!(matches!(error, ProtectError::Open(_)), "{}: byte {at}: {error}", self.message.label());
        }
    }
}

/// The IV and the padding of a message whose IV starts behind `covered` octets.
fn iv_and_padding(
    bytes: &[u8],
    covered: usize,
    cipher: &PacketCipher,
    crypto: &mut Crypto,
) -> (Vec<u8>, Vec<u8>) {
    let mut buffer = bytes.to_vec();
    let iv = buffer[covered..covered + cipher.iv_len()].to_vec();
    let plaintext = cipher.open(crypto, &mut buffer, covered).unwrap();
    let (pad_len, before) = plaintext.split_last().unwrap();
    (iv, before[before.len() - usize::from(*pad_len)..].to_vec())
}

#[test]
fn protected_messages_open_with_the_keys_and_seal_to_the_same_bytes() {
    let Some(cases) = v2_cases() else { return };
    let mut crypto = Crypto::new(Arc::new(RealProvider));
    let (mut opened, mut foreign) = (0, BTreeMap::new());
    let mut report = String::new();
    for case in &cases {
        let key_sets = keys(case).ike_sas;
        let mut count = 0;
        for message in captured(case).iter().filter(|message| !message.is_fragment()) {
            let Some(key_set) = message.row.key_set else { continue };
            let value = Message::decode(&message.bytes).unwrap();
            let Some(cipher) = key_sets[key_set].cipher(&crypto, value.header.flags.initiator) else {
                *foreign.entry(name(case)).or_insert(0) += 1;
                continue;
            };
            assert!(matches!(value.payloads.as_slice(), [Payload::Sk(_)]), "{}", message.label());
            Protected { message, cipher }.check(&mut crypto);
            count += 1;
        }
        opened += count;
        if count > 0 {
            write!(report, " {}:{count}", name(case)).unwrap();
        }
    }
    println!("{opened} messages opened and sealed again:{report}");
    println!("algorithms that we do not have: {foreign:?}");
    assert_eq!(foreign.into_keys().collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(opened, 263);
}

/// The fragments of one message, in the order of the capture.
struct Fragments<'a> {
    fragments: Vec<&'a Captured>,
    cipher: PacketCipher,
}

impl Fragments<'_> {
    /// Puts the message together, compares it with the table, and cuts and seals it as strongSwan did.
    fn check(&self, crypto: &mut Crypto) {
        let last = self.fragments.last().unwrap();
        let mut reassembler = Reassembler::new(FragmentLimits::default());
        let mut accept = |captured: &Captured, crypto: &mut Crypto| {
            let accepted = reassembler.accept(&captured.bytes, &self.cipher, crypto);
            accepted.unwrap_or_else(|error| panic!("{}: {error}", captured.label()))
        };
        let others = self.fragments.len() - 1;
        for fragment in &self.fragments[..others] {
            assert!(matches!(accept(fragment, crypto), Accepted::Incomplete { .. }), "{}", fragment.label());
        }
        let Accepted::Complete(message) = accept(last, crypto) else { panic!("{}", last.label()) };
        assert_eq!(describe(&message.payloads), expected_inside(&last.row), "{}", last.label());
        assert_eq!(self.seal_again(&message, crypto), self.bytes(), "{}", last.label());
    }

    fn bytes(&self) -> Vec<&[u8]> {
        self.fragments.iter().map(|captured| captured.bytes.as_slice()).collect()
    }

    fn seal_again(&self, message: &Message, crypto: &mut Crypto) -> Vec<Vec<u8>> {
        let fillings = self.fragments.iter().map(|captured| {
            let (iv, padding) = iv_and_padding(&captured.bytes, HEADER_LEN + 8, &self.cipher, crypto);
            assert_eq!(Some(padding.len()), captured.row.pad_len, "{}", captured.label());
            [iv, padding]
        });
        let mut fillings = fillings.collect::<Vec<_>>().into_iter().flatten();
        let mut fill = |_: Draw, octets: &mut [u8]| octets.copy_from_slice(&fillings.next().unwrap());
        let size = if self.fragments[0].case == "v2-frag" { 576 } else { 1280 };
        let limit = MessageLimit::of_datagram(size, std::net::Ipv4Addr::LOCALHOST.into(), true);
        fragment::seal(&message.header, &message.payloads, &self.cipher, crypto, limit, &mut fill)
    }
}

#[test]
fn fragments_are_put_together_and_messages_are_cut_as_strongswan_cuts_them() {
    let Some(cases) = v2_cases() else { return };
    let mut crypto = Crypto::new(Arc::new(RealProvider));
    let (mut fragments, mut messages) = (0, BTreeMap::new());
    for case in &cases {
        let key_sets = keys(case).ike_sas;
        let captured: Vec<_> = captured(case).into_iter().filter(Captured::is_fragment).collect();
        let same = |a: &Captured, b: &Captured| (&a.row.flags, &a.row.msgid) == (&b.row.flags, &b.row.msgid);
        for group in captured.chunk_by(same) {
            let from_initiator = Message::decode(&group[0].bytes).unwrap().header.flags.initiator;
            let cipher = key_sets[group[0].row.key_set.unwrap()].cipher(&crypto, from_initiator).unwrap();
            Fragments { fragments: group.iter().collect(), cipher }.check(&mut crypto);
            fragments += group.len();
            *messages.entry(name(case)).or_insert(0) += 1;
        }
    }
    println!("{fragments} fragments put together and sealed again: {messages:?}");
    let expected = [("v2-eap-mschapv2", 1), ("v2-eap-tls", 1), ("v2-frag", 2), ("v2-rsa2048", 2)];
    assert_eq!(messages, expected.map(|(case, count)| (case.to_owned(), count)).into());
    assert_eq!(fragments, 15);
}

fn sa(message: &Message) -> Option<&SaPayload> {
    message.payloads.iter().find_map(|payload| match payload {
        Payload::Sa(sa) => Some(sa),
        _ => None,
    })
}

/// The IKE proposals of a side's `swanctl.conf`.
fn configured(case: &Path, side: &str) -> String {
    let text = std::fs::read_to_string(case.join(format!("{side}.swanctl.conf"))).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("proposals = ")).unwrap();
    line.to_owned()
}

#[test]
fn our_choice_from_strongswans_offers_is_the_one_that_strongswan_made() {
    let Some(cases) = v2_cases() else { return };
    let mut compared = 0;
    for case in &cases {
        let messages = captured(case);
        let init = messages.iter().filter(|message| {
            message.row.exchange == ExchangeType::IkeSaInit.to_string() && !message.is_probe()
        });
        let values: Vec<_> = init.map(|message| Message::decode(&message.bytes).unwrap()).collect();
        for pair in values.windows(2) {
            let (Some(offer), Some(answer)) = (sa(&pair[0]), sa(&pair[1])) else { continue };
            let strings = configured(case, "b");
            let ours = strings.split(',').filter_map(|text| parse_ike_proposal(text.trim()).ok());
            let Some(chosen) = select_ike(&ours.collect::<Vec<_>>(), offer) else { continue };
            let expected = SaPayload { proposals: vec![chosen.to_wire(chosen.number, &[])] };
            assert_eq!(answer, &expected, "{}", name(case));
            compared += 1;
        }
    }
    println!("{compared} choices compared");
    assert!(compared > 40);
}

#[test]
fn our_offer_has_the_bytes_of_strongswans_and_its_answer_is_accepted() {
    let Some(cases) = v2_cases() else { return };
    for case in ["v2-psk-aes128-modp2048", "v2-psk-gcm256-ecp256", "v2-psk-chapoly-x25519"] {
        let case = cases.iter().find(|path| name(path) == case).unwrap();
        let own = [parse_ike_proposal(&configured(case, "a")).unwrap()];
        let messages = captured(case);
        let offer = Message::decode(&messages[0].bytes).unwrap();
        assert_eq!(sa(&offer), Some(&ipseclab_ike::proposal::IkeProposal::offer(&own, &[])));
        let answer = Message::decode(&messages[1].bytes).unwrap();
        let chosen = verify_answer_ike(&own, sa(&answer).unwrap()).unwrap();
        assert_eq!(chosen.encryption, own[0].encryption[0]);
    }
}

#[test]
fn no_prefix_and_no_flipped_bit_of_a_real_message_panics() {
    let Some(cases) = v2_cases() else { return };
    let mut seen = BTreeSet::new();
    let (mut tried, mut accepted) = (0, 0);
    let messages = all_captured(&cases);
    for message in messages.iter().filter(|message| seen.insert(message.row.payloads.clone())) {
        let (bits, still) = try_changes(&message.bytes, &message.label());
        tried += bits;
        accepted += still;
    }
    println!("{} messages, {tried} flipped bits, {accepted} of them still messages", seen.len());
    assert!(tried > 100_000);
}

/// Decodes each prefix, which is an error, and each flipped bit, which is an error or survives being encoded: how many
/// bits there were, and how many of them gave a message.
fn try_changes(bytes: &[u8], label: &str) -> (usize, usize) {
    for len in 0..bytes.len() {
        assert!(Message::decode(&bytes[..len]).is_err(), "{label}: first {len} octets");
    }
    let mut accepted = 0;
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(value) = Message::decode(&bad) {
            accepted += 1;
            assert_eq!(Message::decode(&value.encode()).as_ref(), Ok(&value), "{label}: bit {bit}");
        }
    }
    (bytes.len() * 8, accepted)
}

#[test]
fn no_prefix_and_no_flipped_bit_of_what_was_inside_sk_panics() {
    let Some(cases) = v2_cases() else { return };
    let mut crypto = Crypto::new(Arc::new(RealProvider));
    let (mut seen, mut tried) = (BTreeSet::new(), 0);
    for case in &cases {
        let key_sets = keys(case).ike_sas;
        for message in captured(case).iter().filter(|message| message.row.key_set.is_some()) {
            let from_initiator = Message::decode(&message.bytes).unwrap().header.flags.initiator;
            let cipher = key_sets[message.row.key_set.unwrap()].cipher(&crypto, from_initiator);
            let opened = cipher.and_then(|cipher| open(&message.bytes, &cipher, &mut crypto).ok());
            let Some(opened) = opened.filter(|opened| seen.insert(describe(&opened.payloads))) else {
                continue;
            };
            tried += try_changes(&opened.encode(), &message.label()).0;
        }
    }
    println!("{} messages without their SK, {tried} flipped bits", seen.len());
    assert!(tried > 50_000);
}

#[test]
fn flipped_bits_inside_sk_never_panic() {
    let Some(cases) = v2_cases() else { return };
    let mut crypto = Crypto::new(Arc::new(RealProvider));
    let mut tried = 0;
    for case in cases.iter().filter(|case| name(case).starts_with("v2-psk-gcm256")) {
        let key_sets = keys(case).ike_sas;
        for message in captured(case).iter().filter(|message| message.row.enc == "y") {
            let value = Message::decode(&message.bytes).unwrap();
            let cipher = key_sets[0].cipher(&crypto, value.header.flags.initiator).unwrap();
            tried += flip_inside(message, &value, &cipher, &mut crypto);
        }
    }
    println!("{tried} flipped bits inside SK");
    assert!(tried > 1_000);
}

/// Flips each bit of the plaintext and seals it again, so that the inner decoder sees it.
fn flip_inside(message: &Captured, value: &Message, cipher: &PacketCipher, crypto: &mut Crypto) -> usize {
    let covered = HEADER_LEN + 4;
    let start = covered + cipher.iv_len();
    let end = message.bytes.len() - cipher.icv_len();
    let mut plain = message.bytes.clone();
    cipher.open(crypto, &mut plain, covered).unwrap();
    assert!(matches!(value.payloads.as_slice(), [Payload::Sk(SkPayload { .. })]));
    for bit in 0..(end - start) * 8 {
        let mut buffer = plain[..end].to_vec();
        buffer[start + bit / 8] ^= 1 << (bit % 8);
        cipher.seal(crypto, &mut buffer, covered);
        match open(&buffer, cipher, crypto) {
            Ok(_) | Err(ProtectError::Inner(_) | ProtectError::Padding { .. }) => {}
            Err(error) => panic!("{}: {error}", message.label()),
        }
    }
    (end - start) * 8
}
