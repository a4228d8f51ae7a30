//! A victim at any stage of an ISAKMP SA's life, and any bytes: thrown as they are, or encrypted under the keys of phase 1
//! behind a hash that is right.
//!
//! `cargo +nightly fuzz run isakmp_endpoint`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/isakmp/arena.rs"]
mod arena;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/isakmp/stage.rs"]
mod stage;
#[expect(dead_code, reason = "the exchange scripts use the rest")]
#[path = "../../tests/endpoint/support/mod.rs"]
mod support;

fuzz_target!(|input: &[u8]| arena::play(input));
