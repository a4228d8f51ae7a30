//! The seeds of the fuzz targets, with the properties that the targets check, on every test run.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::wire::{DecodeError, Message, isakmp as v1};

mod codec;
#[path = "codec/isakmp.rs"]
mod isakmp;

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seed = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    paths.into_iter().map(seed).collect()
}

#[test]
fn every_codec_seed_is_a_message_that_encodes_to_itself() {
    let mut decoded = 0;
    for (name, bytes) in seeds("codec") {
        match Message::decode(&bytes) {
            Ok(message) => assert_eq!(message.encode(), bytes, "{name}"),
            Err(error) => {
                assert_eq!((name.as_str(), error), ("critical-unknown", critical(200)));
                continue;
            }
        }
        decoded += 1;
    }
    assert!(decoded >= 11);
}

#[test]
fn the_codec_seeds_hold_every_payload_that_is_defined() {
    let messages = seeds("codec").into_iter().filter_map(|(_, bytes)| Message::decode(&bytes).ok());
    let payloads = messages.flat_map(|message| message.payloads);
    let kinds: BTreeSet<_> = payloads.map(|payload| payload.payload_type().code()).collect();
    let defined: BTreeSet<_> = (33..=48).chain([53]).collect();
    assert!(kinds.is_superset(&defined), "{:?} are missing", defined.difference(&kinds));
}

fn critical(kind: u8) -> DecodeError {
    DecodeError::UnsupportedCriticalPayload { kind }
}

#[test]
fn every_prefix_and_flipped_bit_of_a_codec_seed_gives_an_error_or_a_message() {
    for (name, bytes) in seeds("codec") {
        codec::check(&bytes);
        for len in 0..bytes.len() {
            assert!(Message::decode(&bytes[..len]).is_err(), "{name}: first {len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            codec::check(&bad);
        }
    }
}

#[test]
fn every_isakmp_seed_in_the_clear_is_a_message_that_encodes_to_itself() {
    let mut kinds = BTreeSet::new();
    for (name, bytes) in seeds("isakmp") {
        let decoded = v1::Message::decode(&bytes);
        assert_eq!(decoded.is_ok(), name != "encrypted", "{name}");
        if let Ok(message) = decoded {
            assert_eq!(message.encode(), bytes, "{name}");
            kinds.extend(message.payloads.iter().map(|payload| payload.payload_type().code()));
        }
    }
    let defined: BTreeSet<_> = [1, 20, 21, 130, 131, 132].into_iter().chain(4..=14).collect();
    assert!(kinds.is_superset(&defined), "{:?} are missing", defined.difference(&kinds));
}

#[test]
fn every_prefix_and_flipped_bit_of_an_isakmp_seed_gives_an_error_or_a_message() {
    for (name, bytes) in seeds("isakmp") {
        isakmp::check(&bytes);
        for len in 0..bytes.len() {
            assert!(v1::Message::decode(&bytes[..len]).is_err(), "{name}: first {len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            isakmp::check(&bad);
        }
    }
}

#[test]
fn every_proposal_seed_is_a_proposal_or_an_error_that_points_into_it() {
    for (name, bytes) in seeds("proposal") {
        let text = String::from_utf8(bytes).unwrap();
        let (ike, esp) = (parse_ike_proposal(&text), parse_esp_proposal(&text));
        assert_eq!(ike.is_ok() || esp.is_ok(), name != "mixed", "{name}");
        for error in [ike.err(), esp.err()].into_iter().flatten() {
            assert_eq!(text[error.range], error.keyword, "{name}");
        }
    }
}
