//! Datagrams to port 4500, ESP in UDP among them: thrown as it is, under a real SPI, or sealed under the peer's keys.
//!
//! `cargo +nightly fuzz run udp_encap`

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/arena/mod.rs"]
mod arena;

fuzz_target!(|input: &[u8]| {
    arena::play(arena::Entry::UdpEncap, input);
});
