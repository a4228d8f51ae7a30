//! Small scenarios, run as a user would run them: what must happen in each, and what must not.
//!
//! [`support::run`] checks what holds in every run: each latency is the sum of its parts, each packet is booked, and
//! each SA that came up has closed at most once, and nothing that is to be protected is on a wire as it is.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod ah;
mod behind;
mod commands;
mod credentials;
mod ikev1;
mod lifecycle;
mod load;
mod nat;
mod network;
mod policies;
mod sides;
mod support;
mod swanctl;
#[path = "../wire/mod.rs"]
mod wire;
