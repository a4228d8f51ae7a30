//! Any bytes as a packet: reading, forwarding, cutting, clamping and answering it with an error never panic.
//!
//! `cargo +nightly fuzz run packet`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

fuzz_target!(|bytes: &[u8]| hostile::check_packet(bytes));
