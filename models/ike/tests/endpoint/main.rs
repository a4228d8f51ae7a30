//! Two endpoints in a loop (style T): set-up and deletion, arrival orders, moving paths, and hostile input.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod algorithms;
mod auth;
mod childless;
mod configuration;
mod exchanges;
mod informational;
mod mutations;
mod paths;
mod sa_init;
mod schedules;
mod support;
mod uniqueness;
