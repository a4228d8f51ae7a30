//! The kernel does the work of the reference workload PHOLD: as many events, at the same times, at the same processes.
//!
//! The benchmark checks longer rows of the same table; this one is short enough for every test run.

#[path = "../benches/phold/workload.rs"]
mod workload;

use workload::{Outcome, prepare_kernel, run_kernel};

#[test]
fn events_and_sum_are_those_of_the_workloads_table() {
    let mut simulation = prepare_kernel::<1024>();
    let outcome = run_kernel(&mut simulation, 12_200);
    assert_eq!(outcome, Outcome { events: 198_450, sum: 0xcb95_8ca5_fa53_6aef });
}

#[test]
fn stopping_on_the_way_gives_the_same_sum_and_fingerprint() {
    let (mut whole, mut parts) = (prepare_kernel::<1024>(), prepare_kernel::<1024>());
    let outcome = run_kernel(&mut whole, 2_000);
    let events: u64 = (1..=20).map(|part| run_kernel(&mut parts, part * 100).events).sum();
    assert_eq!(events, outcome.events);
    assert_eq!(run_kernel(&mut parts, 2_000).sum, outcome.sum);
    assert_eq!(parts.fingerprint(), whole.fingerprint());
}
