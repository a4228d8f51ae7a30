//! Any bytes: an error or a message, and a message survives being encoded.
//!
//! `cargo +nightly fuzz run codec`

#![no_main]

use ipseclab_ike::wire::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::decode(bytes) {
        let encoded = message.encode();
        assert_eq!(encoded.len(), bytes.len());
        assert_eq!(Message::decode(&encoded), Ok(message));
    }
});
