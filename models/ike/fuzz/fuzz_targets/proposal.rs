//! Any string: an error that points into it, or a proposal that survives being written and offered.
//!
//! `cargo +nightly fuzz run proposal`

#![no_main]

use ipseclab_ike::proposal::{IkeProposal, parse_esp_proposal, parse_ike_proposal, select_ike};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse_ike_proposal(text) {
        Ok(proposal) => {
            assert_eq!(parse_ike_proposal(&proposal.to_string()).as_ref(), Ok(&proposal));
            let offer = IkeProposal::offer(core::slice::from_ref(&proposal), &[]);
            assert!(select_ike(&[proposal], &offer).is_some());
        }
        Err(error) => assert_eq!(text[error.range], error.keyword),
    }
    if let Ok(proposal) = parse_esp_proposal(text) {
        assert_eq!(parse_esp_proposal(&proposal.to_string()), Ok(proposal));
    }
});
