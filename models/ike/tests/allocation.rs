//! No message makes the decoder allocate more than a multiple of its own length and a constant.
//!
//! All bytes that are allocated on the way are counted, given back or not, so the bound holds for the peak as well.
//! A protected message takes 4 bytes more for each octet and 1 KiB, in each of its fragments where it has some.
//! One test alone, since the counter is the process's.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::alloc::System;
use std::path::PathBuf;
use std::sync::Arc;

use ipseclab_crypto::{AesKey, Crypto, Encryption, RealProvider, Secret};
use ipseclab_ike::fragment::{self, Draw, FragmentLimits, MessageLimit, Reassembler};
use ipseclab_ike::wire::protect::open;
use ipseclab_ike::wire::{
    AddressRange, Attribute, CfgAttribute, CfgType, CpPayload, DeletePayload, ExchangeType, Flags, IkeSpi,
    MAX_MESSAGE_LEN, MAX_PAYLOADS, Message, MessageHeader, MessageId, NotifyPayload, NotifyType, Payload,
    ProposalPayload, ProtocolId, SaPayload, TrafficSelector, Transform, TransformType, TsPayload,
    VendorIdPayload, Version,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[expect(dead_code, reason = "shared with tests/captures.rs, which uses the rest")]
mod reference;

use reference::{frames, ike_message, keys, rows, v2_cases};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated for each octet of a message, at most.
const PER_OCTET: usize = 24;
/// Bytes allocated whatever the message, at most.
const CONSTANT: usize = 16 * 1024;

/// Decodes, and gives the bytes that this allocated.
fn measure(bytes: &[u8]) -> usize {
    let region = Region::new(ALLOCATOR);
    drop(Message::decode(bytes));
    region.change().bytes_allocated
}

/// Checks the bound, and gives the bytes above the constant for each octet, in hundredths.
fn check(bytes: &[u8], label: &str) -> usize {
    let allocated = measure(bytes);
    let bound = PER_OCTET * bytes.len() + CONSTANT;
    assert!(allocated <= bound, "{label}: {} octets allocate {allocated} bytes", bytes.len());
    allocated.saturating_sub(CONSTANT) * 100 / bytes.len().max(1)
}

fn header() -> MessageHeader {
    MessageHeader {
        spi_i: IkeSpi::new(1),
        spi_r: IkeSpi::new(2),
        exchange: ExchangeType::IkeAuth,
        flags: Flags::request(true),
        message_id: MessageId::new(1),
        version: Version::V2_0,
    }
}

/// Bytes more for each octet of a protected message: a copy to decrypt, its plaintext, and the chain of fragments.
const PROTECTED_PER_OCTET: usize = PER_OCTET + 4;
/// Bytes more for each protected message.
const PROTECTED_CONSTANT: usize = 1024;

/// Seals, opens in one piece and in fragments, and checks that each way keeps the bound for protected messages.
fn check_protected(payload: &Payload, label: &str) {
    let mut crypto = Crypto::new(Arc::new(RealProvider));
    let encryption = Encryption::AesGcm16(AesKey::Bits128);
    let cipher = crypto.packet_cipher(encryption, &Secret::new([1; 20]), None);
    let payloads = Message::decode(&repeated(payload)).unwrap().payloads;
    let payloads = &payloads[..payloads.len() - payloads.len().min(2)];
    let limits = FragmentLimits { octets: 2 * MAX_MESSAGE_LEN, ..FragmentLimits::default() };
    for limit in [MAX_MESSAGE_LEN, 1248] {
        let limit = MessageLimit::new(limit);
        let mut fill = |_: Draw, octets: &mut [u8]| octets.fill(7);
        let sealed = fragment::seal(&header(), payloads, &cipher, &mut crypto, limit, &mut fill);
        let mut reassembler = Reassembler::new(limits);
        crypto.take_work();
        let region = Region::new(ALLOCATOR);
        for bytes in &sealed {
            match sealed.len() {
                1 => drop(open(bytes, &cipher, &mut crypto).unwrap()),
                _ => drop(reassembler.accept(bytes, &cipher, &mut crypto).unwrap()),
            }
        }
        let allocated = region.change().bytes_allocated;
        let octets: usize = sealed.iter().map(Vec::len).sum();
        let bound = PROTECTED_PER_OCTET * octets + CONSTANT + PROTECTED_CONSTANT * sealed.len();
        println!("{label}: {octets} octets in {} messages allocate {allocated} bytes", sealed.len());
        assert!(allocated <= bound, "{label}: {allocated} bytes");
    }
}

/// The longest message made of this payload again and again.
fn repeated(payload: &Payload) -> Vec<u8> {
    let count = ((MAX_MESSAGE_LEN - 28) / payload.encoded_len()).min(MAX_PAYLOADS);
    Message { header: header(), payloads: vec![payload.clone(); count] }.encode()
}

fn transform(attributes: usize) -> Transform {
    let other_attributes = vec![Attribute::Short { kind: 99, value: 1 }; attributes];
    Transform { kind: TransformType::Encryption, id: 12, key_length: None, other_attributes }
}

fn sa(proposals: usize, transforms: usize, attributes: usize) -> Payload {
    let proposal = |number| ProposalPayload {
        number,
        protocol: ProtocolId::Esp,
        spi: vec![1; 4],
        transforms: vec![transform(attributes); transforms],
    };
    let numbers = (1..=u8::MAX).take(proposals);
    Payload::Sa(SaPayload { proposals: numbers.map(proposal).collect() })
}

/// Payloads whose values are large for their octets, and lists just long enough to make vectors grow once more.
fn dense_payloads() -> Vec<(&'static str, Payload)> {
    let addresses = AddressRange::Unknown { kind: 99, data: Vec::new() };
    let selector = TrafficSelector { protocol: 0, start_port: 0, end_port: 0, addresses };
    let selectors = |count| Payload::TsI(TsPayload { selectors: vec![selector.clone(); count] });
    let attributes = |count| {
        let attributes = vec![CfgAttribute::Ip4Address(None); count];
        Payload::Cp(CpPayload { kind: CfgType::Request, attributes })
    };
    let notify = NotifyPayload { spi: vec![1], ..NotifyPayload::new(NotifyType::Cookie, vec![1]) };
    vec![
        ("empty payloads", Payload::VendorId(VendorIdPayload(Vec::new()))),
        ("short notifications", Payload::Notify(notify)),
        ("129 selectors", selectors(129)),
        ("255 selectors", selectors(255)),
        ("129 attributes", attributes(129)),
        ("256 attributes", attributes(256)),
        ("SPIs", Payload::Delete(DeletePayload::esp(vec![[1; 4]; 129]))),
        ("small proposals", sa(33, 1, 0)),
        ("transforms", sa(1, 33, 0)),
        ("transform attributes", sa(1, 9, 9)),
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/codec");
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// The messages of the captures, and what is inside SK as plain messages.
fn captured() -> Vec<Vec<u8>> {
    let mut crypto = Crypto::new(Arc::new(RealProvider));
    let mut messages = Vec::new();
    for case in v2_cases().unwrap_or_default() {
        let (frames, key_sets) = (frames(&case), keys(&case).ike_sas);
        for row in rows(&case) {
            let bytes = ike_message(&frames[row.frame - 1]).unwrap();
            let Ok(message) = Message::decode(&bytes) else { continue };
            let from_initiator = message.header.flags.initiator;
            let cipher = row.key_set.and_then(|key_set| key_sets[key_set].cipher(&crypto, from_initiator));
            let opened = cipher.and_then(|cipher| open(&bytes, &cipher, &mut crypto).ok());
            messages.extend(opened.map(|opened| opened.encode()));
            messages.push(bytes);
        }
    }
    messages
}

/// Every message, its prefixes, and its flipped bits, a few of them where there are many octets.
fn check_with_changes(message: &[u8], label: &str) {
    check(message, label);
    let step = message.len() / 64 + 1;
    for at in (0..message.len()).step_by(step) {
        check(&message[..at], label);
        for bit in 0..8 {
            let mut bad = message.to_vec();
            bad[at] ^= 1 << bit;
            check(&bad, label);
        }
    }
}

#[test]
fn decoding_allocates_no_more_than_24_bytes_for_each_octet_and_16_kib() {
    for (label, payload) in dense_payloads() {
        let bytes = repeated(&payload);
        let worst = check(&bytes, label);
        println!("{label}: {} octets, {worst} hundredths of a byte for each", bytes.len());
        check_with_changes(&bytes, label);
        check_protected(&payload, label);
    }
    let messages = [seeds(), captured()].concat();
    for message in &messages {
        check_with_changes(message, "real message");
    }
    println!("{} real messages and their changes", messages.len());
    assert!(messages.len() >= 11);
}
