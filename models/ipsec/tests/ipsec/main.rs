//! Tests of the crate through its public interface.

mod captures;
mod damage;
mod lifecycle;
mod pcap;
mod policy;
mod round_trip;
mod support;
