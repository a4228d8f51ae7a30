//! Any bytes: an error or a message; a message survives being encoded, and being cut into fragments and put together.
//!
//! `cargo +nightly fuzz run codec`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/codec/mod.rs"]
mod codec;

fuzz_target!(|bytes: &[u8]| codec::check(bytes));
