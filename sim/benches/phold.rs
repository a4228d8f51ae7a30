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

use ipseclab_sim::{Context, Options, Process, ProcessId, SimDuration, SimTime, Simulation};

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

/// What a run of either loop comes to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: u64,
    sum: u64,
}

/// A process of the workload; which process is next depends on how many there are.
struct Phold<const PROCESSES: u32> {
    state: u64,
    sum: u64,
}

impl<const PROCESSES: u32> Process for Phold<PROCESSES> {
    type Event = ();

    fn handle(&mut self, ctx: &mut Context<'_, ()>, (): ()) {
        let me = ctx.me().index();
        self.sum = self.sum.wrapping_add(mix(ctx.now().as_nanos() ^ (u64::from(me) << 40)));
        let x = draw(&mut self.state);
        ctx.send(ProcessId::new(next(me, x, PROCESSES)), SimDuration::from_nanos(delay(x)), ());
    }
}

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

fn prepare_kernel<const PROCESSES: u32>() -> Simulation<Phold<PROCESSES>> {
    let mut simulation = Simulation::new(Options::default());
    for p in 0..PROCESSES {
        let mut state = mix(u64::from(p) + 1);
        let starts: [u64; 16] = core::array::from_fn(|_| delay(draw(&mut state)));
        let id = simulation.add(Phold { state, sum: 0 });
        for start in starts {
            simulation.schedule(id, SimTime::from_nanos(start), ());
        }
    }
    simulation
}

fn run_kernel<const PROCESSES: u32>(s: &mut Simulation<Phold<PROCESSES>>, micros: u64) -> Outcome {
    let report = s.run_until(SimTime::from_nanos(micros * 1000));
    Outcome { events: report.events, sum: s.processes().fold(0, |sum, p| sum.wrapping_add(p.sum)) }
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

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

#[expect(clippy::disallowed_methods, reason = "the workload asks for the platform's logarithm")]
#[expect(clippy::cast_possible_truncation, reason = "between 0 and 4e7")]
fn delay(x: u64) -> u64 {
    let u = (to_f64(x >> 11) + 0.5) / to_f64(1 << 53);
    100_000 + ((-u.ln() * 900_000.0) as i64).unsigned_abs()
}

#[expect(clippy::cast_possible_truncation, reason = "the workload takes the low 32 bits")]
fn next(p: u32, x: u64, processes: u32) -> u32 {
    mix(((u64::from(p) << 4) | (x & 15)) + 0x0123_4567) as u32 & (processes - 1)
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

#[expect(clippy::cast_precision_loss, reason = "at most 53 bits where exactness counts")]
fn to_f64(number: u64) -> f64 {
    number as f64
}
