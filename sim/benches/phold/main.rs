//! PHOLD: what an event costs in the kernel, beside a plain binary heap in the same run.
//!
//! The workload is `PHOLD` of the reference workloads: N processes with 16 events each, exponential delays of at least
//! 100 µs. The kernel pays for ordering keys, cancellable slots, fingerprints and dispatch; the reference loop for nothing
//! but its heap. Event counts and checksums must be those of the workload's table. Batches are interleaved
//! and timed in CPU seconds (`/proc/self/schedstat`; elsewhere the wall clock); as machines are shared, the best batch is
//! shown beside the median.
//!
//! `cargo bench -p ipseclab-sim --bench phold`

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Instant;

use workload::{Outcome, delay, draw, mix, next, prepare_kernel, run_kernel, to_f64};

mod workload;

/// A row of the workload's table.
struct Row {
    processes: u32,
    horizon_micros: u64,
    events: u64,
    sum: u64,
}

const BATCHES: usize = 5;
const ROWS: [Row; 2] = [
    Row { processes: 1024, horizon_micros: 305_000, events: 4_994_855, sum: 0x4a8d_f57b_5fca_26e2 },
    Row { processes: 65_536, horizon_micros: 9_600, events: 9_967_416, sum: 0x7331_2981_ec48_1bd3 },
];

fn main() {
    for row in &ROWS {
        match row.processes {
            1024 => compare::<1024>(row),
            _ => compare::<65_536>(row),
        }
    }
}

fn compare<const PROCESSES: u32>(row: &Row) {
    let (mut kernel, mut heap) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        kernel.push(measure(row, prepare_kernel::<PROCESSES>, |s| run_kernel(s, row.horizon_micros)));
        heap.push(measure(row, || prepare_heap(PROCESSES), |s| run_heap(s, row.horizon_micros)));
    }
    println!("{} processes, {} events pending:", row.processes, row.processes * 16);
    println!("  events {} and sum {:016x} as in the table, both loops", row.events, row.sum);
    let (kernel, heap) = (median_and_best(kernel), median_and_best(heap));
    println!("  million events per CPU second    median     best");
    println!("  kernel                         {:8.2} {:8.2}", kernel[0], kernel[1]);
    println!("  BinaryHeap                     {:8.2} {:8.2}", heap[0], heap[1]);
    println!("  ratio                          {:8.2} {:8.2}", kernel[0] / heap[0], kernel[1] / heap[1]);
}

/// Million events per CPU second of one batch, without its preparation.
fn measure<S>(row: &Row, prepare: impl Fn() -> S, run: impl Fn(&mut S) -> Outcome) -> f64 {
    let mut state = black_box(prepare());
    let start = cpu_nanos();
    let outcome = run(&mut state);
    let nanos = cpu_nanos() - start;
    assert_eq!(outcome, Outcome { events: row.events, sum: row.sum }, "the workload's table differs");
    to_f64(row.events) * 1e3 / to_f64(nanos)
}

/// The reference: a heap of (time, process) and the processes' states.
struct Heap {
    pending: BinaryHeap<Reverse<(u64, u32)>>,
    states: Vec<u64>,
}

fn prepare_heap(processes: u32) -> Heap {
    let mut heap = Heap { pending: BinaryHeap::new(), states: Vec::new() };
    for p in 0..processes {
        let mut state = mix(u64::from(p) + 1);
        for _ in 0..16 {
            heap.pending.push(Reverse((delay(draw(&mut state)), p)));
        }
        heap.states.push(state);
    }
    heap
}

fn run_heap(heap: &mut Heap, micros: u64) -> Outcome {
    let mut outcome = Outcome { events: 0, sum: 0 };
    let processes = u32::try_from(heap.states.len()).expect("the table's numbers are small");
    while let Some(Reverse((t, p))) = heap.pending.pop() {
        if t > micros * 1000 {
            break;
        }
        outcome.events += 1;
        outcome.sum = outcome.sum.wrapping_add(mix(t ^ (u64::from(p) << 40)));
        let x = draw(&mut heap.states[p as usize]);
        heap.pending.push(Reverse((t + delay(x), next(p, x, processes))));
    }
    outcome
}

/// CPU time of this process so far; wall time where the system does not tell.
fn cpu_nanos() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let on_cpu = schedstat.split(' ').next().and_then(|field| field.parse().ok());
    on_cpu.unwrap_or_else(wall_nanos)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine")]
fn wall_nanos() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

fn median_and_best(mut figures: Vec<f64>) -> [f64; 2] {
    figures.sort_by(f64::total_cmp);
    [figures[figures.len() / 2], figures[figures.len() - 1]]
}
