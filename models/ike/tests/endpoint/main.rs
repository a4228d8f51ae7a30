//! Two endpoints in a loop (style T): set-up and deletion, arrival orders, moving paths, and hostile input.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod algorithms;
mod auth;
mod auth_methods;
mod childless;
mod collisions;
mod configuration;
mod cookies;
mod eap;
mod exchanges;
mod fragments;
mod informational;
mod liveness;
mod mutations;
mod paths;
mod probes;
#[expect(dead_code, reason = "shared with the tests of captures, which use the rest")]
#[path = "../reference/mod.rs"]
mod reference;
mod rekeying;
mod sa_init;
mod schedules;
mod support;
mod uniqueness;
mod windows;
