//! Any octets from outside, and any under the peer's keys: delivered whole or discarded, and nothing panics.
//!
//! The fuzz targets of `fuzz/` play the same game for longer.

mod arena;

use arena::{Entry, play};
use proptest::prelude::*;

/// One packet of an input.
fn throw(choice: u8, octets: &[u8]) -> Vec<u8> {
    [&[u8::try_from(octets.len()).expect("throws are short"), choice], octets].concat()
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let one = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..100));
    prop::collection::vec(one, 0..8)
        .prop_map(|throws| throws.iter().flat_map(|(choice, octets)| throw(*choice, octets)).collect())
}

proptest! {
    #[test]
    fn any_octets_are_delivered_whole_or_discarded(input in input()) {
        for entry in [Entry::Esp, Entry::Ah, Entry::UdpEncap, Entry::Any] {
            play(entry, &input);
        }
    }
}

/// An IPv4 packet between the tunnel's hosts, without a payload.
const INNER: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

#[test]
fn an_insider_reaches_what_is_behind_the_checks() {
    let trailer = [1, 2, 2, 4];
    let esp = throw(0b1000_0000, &[&INNER[..], &trailer].concat());
    assert_eq!(play(Entry::Esp, &esp), 1);
    assert_eq!(play(Entry::UdpEncap, &esp), 1);
    // AH in tunnel mode is the pair of number 4.
    let ah = throw(0b1000_0000 | 4 << 1, &[&[4][..], &INNER].concat());
    assert_eq!(play(Entry::Ah, &ah), 1);
    let wrong = throw(0b1000_0000, &[&INNER[..], &[1, 2, 3, 4]].concat());
    assert_eq!(play(Entry::Esp, &wrong), 0, "a trailer that does not count up");
}
