//! Tests of the crate through its public interface.
#![expect(clippy::unwrap_used, reason = "a test that fails may say so by panicking")]

mod captures;
mod damage;
mod lifecycle;
mod pcap;
mod policy;
mod round_trip;
mod support;
