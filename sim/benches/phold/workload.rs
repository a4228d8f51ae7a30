//! PHOLD of the reference workloads: its arithmetic, and its processes on the kernel.
//!
//! Shared by the benchmark and by the test that holds the kernel to the workload's table. The arithmetic is given by the
//! workload to the last bit, the platform's logarithm included.

use ipseclab_sim::{Context, Options, Process, ProcessId, SimDuration, SimTime, Simulation};

/// What a run of either loop comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: u64,
    pub(crate) sum: u64,
}

/// A process of the workload; which process is next depends on how many there are.
pub(crate) struct Phold<const PROCESSES: u32> {
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

pub(crate) fn prepare_kernel<const PROCESSES: u32>() -> Simulation<Phold<PROCESSES>> {
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

pub(crate) fn run_kernel<const PROCESSES: u32>(s: &mut Simulation<Phold<PROCESSES>>, micros: u64) -> Outcome {
    let report = s.run_until(SimTime::from_nanos(micros * 1000));
    Outcome { events: report.events, sum: s.processes().fold(0, |sum, p| sum.wrapping_add(p.sum)) }
}

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

#[expect(clippy::disallowed_methods, reason = "the workload asks for the platform's logarithm")]
#[expect(clippy::cast_possible_truncation, reason = "between 0 and 4e7")]
pub(crate) fn delay(x: u64) -> u64 {
    let u = (to_f64(x >> 11) + 0.5) / to_f64(1 << 53);
    100_000 + ((-u.ln() * 900_000.0) as i64).unsigned_abs()
}

#[expect(clippy::cast_possible_truncation, reason = "the workload takes the low 32 bits")]
pub(crate) fn next(p: u32, x: u64, processes: u32) -> u32 {
    mix(((u64::from(p) << 4) | (x & 15)) + 0x0123_4567) as u32 & (processes - 1)
}

#[expect(clippy::cast_precision_loss, reason = "at most 53 bits where exactness counts")]
pub(crate) fn to_f64(number: u64) -> f64 {
    number as f64
}
