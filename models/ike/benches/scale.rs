//! Ten thousand IKE SAs in one responder, set up one after another: time for each, and memory of each.
//!
//! Run with `cargo bench -p ipseclab-ike --bench scale`. Each peer is an endpoint of its own at an address of its own, and is
//! gone once its IKE SA is up. Time is the CPU time of both sides, and the counting allocator's share is in it; memory is
//! what the responder holds afterwards, events and datagrams drained, for an IKE SA with one Child SA.

use std::alloc::System;
use std::net::Ipv4Addr;
use std::time::Duration;

use cpu_time::ThreadTime;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

mod common;

use common::{branch, gateway, set_up};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PROPOSAL: &str = "aes128gcm16-prfsha256-x25519";
const STEP: u32 = 1000;
const STEPS: u32 = 10;

fn main() {
    let mut gateway = gateway(PROPOSAL);
    let region = Region::new(ALLOCATOR);
    println!("{:>8} {:>12} {:>16}", "IKE SAs", "µs each", "bytes each");
    for step in 0..STEPS {
        let mut busy = Duration::ZERO;
        for peer in step * STEP..(step + 1) * STEP {
            let mut branch = branch(PROPOSAL, Ipv4Addr::from_bits(0x0a80_0000 + peer));
            let start = ThreadTime::now();
            set_up(&mut branch, &mut gateway, Duration::ZERO);
            busy += start.elapsed();
        }
        let stats = region.change();
        let held = stats.bytes_allocated - stats.bytes_deallocated;
        let count = gateway.ike_sa_count();
        println!("{count:>8} {:>12.1} {:>16}", (busy / STEP).as_secs_f64() * 1e6, held / count);
    }
    assert_eq!(gateway.established().count(), (STEP * STEPS) as usize, "all of them are up");
}
