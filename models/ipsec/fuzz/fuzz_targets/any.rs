//! Any protocol behind an IP header, fragments and ICMP among them: thrown as it is, under a real SPI, or sealed under the peer's keys.
//!
//! `cargo +nightly fuzz run any`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/arena/mod.rs"]
mod arena;

fuzz_target!(|input: &[u8]| {
    arena::play(arena::Entry::Any, input);
});
