//! AH to the local address: thrown as it is, under a real SPI, or sealed under the peer's keys.
//!
//! `cargo +nightly fuzz run ah`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/arena/mod.rs"]
mod arena;

fuzz_target!(|input: &[u8]| {
    arena::play(arena::Entry::Ah, input);
});
