//! Tests of the crate through its public interface.
#![expect(clippy::unwrap_used, reason = "a test that fails may say so by panicking")]

mod authentication;
mod captures;
mod damage;
mod ipv6;
mod lifecycle;
mod lifetime;
mod moving;
mod pcap;
mod policy;
mod rekey;
mod road_warriors;
mod round_trip;
mod sizes;
mod support;
mod tshark;
mod windows;
