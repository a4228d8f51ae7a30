//! Any series of fragments: reassembly stays within its bounds, its books balance, and nothing panics.
//!
//! `cargo +nightly fuzz run fragments`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/hostile/mod.rs"]
mod hostile;

fuzz_target!(|bytes: &[u8]| hostile::check_fragments(bytes));
