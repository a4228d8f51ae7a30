//! A victim at any stage of an IKE SA's life, and any bytes: thrown as they are, or sealed under the peer's keys.
//!
//! `cargo +nightly fuzz run endpoint`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the exchange scripts use the rest")]
#[path = "../../tests/endpoint/support/mod.rs"]
mod support;

fuzz_target!(|input: &[u8]| support::arena::play(input));
