//! Any bytes in front of the IKEv1 decoder: an error, or a message that survives being encoded.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/isakmp/mod.rs"]
mod isakmp;

fuzz_target!(|data: &[u8]| isakmp::check(data));
