//! Any bytes in front of the IKEv1 decoder: an error, or a message that survives being encoded.
//!
//! `cargo +nightly fuzz run isakmp`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/codec/isakmp.rs"]
mod isakmp;

fuzz_target!(|bytes: &[u8]| isakmp::check(bytes));
