//! Cores and their run queue (design §7).
//!
//! Jobs wait in order of arrival for a free core. A job may belong to a lane: jobs of one lane run one after the other
//! and in order (the messages of one IKE SA, the packets of one ESP SA), jobs of different lanes side by side. A lane
//! whose job is running is passed over, so one busy SA never holds up the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ipseclab_sim::{SimDuration, SimTime};

/// What must not run on two cores at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// The messages of the IKE SA with this initiator's SPI.
    Ike(u64),
    /// The packets of the inbound ESP SA with this SPI.
    EspIn(u32),
    /// The packets of a policy on their way out.
    EspOut(u32),
    /// A job that may run beside anything; the number makes it a lane of its own.
    Free(u64),
}

/// Which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoreId(u16);

/// A job that waits or runs.
#[derive(Debug)]
pub(crate) struct Queued<J> {
    pub(crate) job: J,
    pub(crate) arrived: SimTime,
}

/// The cores of a node.
#[derive(Debug)]
pub(crate) struct Cpu<J> {
    idle: BTreeSet<CoreId>,
    running: BTreeMap<CoreId, Lane>,
    lanes: BTreeMap<Lane, VecDeque<(u64, Queued<J>)>>,
    busy_lanes: BTreeSet<Lane>,
    /// The only job that waits, when a core is idle and its lane free: it can start at once, and passes by the queues.
    only: Option<(Lane, Queued<J>)>,
    /// Lanes that could start now, by the number of their first job.
    ready: BTreeSet<(u64, Lane)>,
    next_number: u64,
    waiting: usize,
    queue_jobs: usize,
    counters: CpuCounters,
}

/// What a CPU did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuCounters {
    /// Jobs done or running.
    pub jobs: u64,
    /// The sum of all service times over all cores.
    pub busy: SimDuration,
    /// Most jobs that waited at once.
    pub queue_max: usize,
    /// The sum of all waits for a core.
    pub wait: SimDuration,
    /// The longest wait for a core.
    pub wait_max: SimDuration,
}

impl<J> Cpu<J> {
    /// `cores` idle cores with room for `queue_jobs` waiting jobs.
    pub(crate) fn new(cores: u16, queue_jobs: usize) -> Self {
        Self {
            idle: (0..cores).map(CoreId).collect(),
            running: BTreeMap::new(),
            lanes: BTreeMap::new(),
            busy_lanes: BTreeSet::new(),
            only: None,
            ready: BTreeSet::new(),
            next_number: 0,
            waiting: 0,
            queue_jobs,
            counters: CpuCounters::default(),
        }
    }

    /// Queues a job; gives it back when the queue is full.
    pub(crate) fn submit(&mut self, now: SimTime, lane: Option<Lane>, job: J) -> Result<(), J> {
        if self.waiting >= self.queue_jobs {
            return Err(job);
        }
        self.submit_always(now, lane, job);
        Ok(())
    }

    /// Queues a job that must not be lost, however many wait: the owner sees to it that there are few of these.
    pub(crate) fn submit_always(&mut self, now: SimTime, lane: Option<Lane>, job: J) {
        let number = self.next_number;
        self.next_number += 1;
        let lane = lane.unwrap_or(Lane::Free(number));
        let queued = Queued { job, arrived: now };
        self.waiting += 1;
        if self.waiting == 1 && !self.idle.is_empty() && !self.busy_lanes.contains(&lane) {
            self.only = Some((lane, queued));
            return;
        }
        // It was the only one, and came before this one.
        if let Some((earlier, only)) = self.only.take() {
            self.enqueue(number - 1, earlier, only);
        }
        self.enqueue(number, lane, queued);
    }

    fn enqueue(&mut self, number: u64, lane: Lane, queued: Queued<J>) {
        let queue = self.lanes.entry(lane).or_default();
        queue.push_back((number, queued));
        if queue.len() == 1 && !self.busy_lanes.contains(&lane) {
            self.ready.insert((number, lane));
        }
    }

    /// The next job to run, if a core is idle and a job may start; [`begin`](Self::begin) or
    /// [`finish_at_once`](Self::finish_at_once) follows.
    pub(crate) fn next(&mut self, now: SimTime) -> Option<(CoreId, Lane, Queued<J>)> {
        if self.waiting == 0 {
            return None;
        }
        let core = *self.idle.first()?;
        let (lane, queued) = match self.only.take() {
            Some(only) => only,
            None => self.first_ready()?,
        };
        self.waiting -= 1;
        let wait = now.since(queued.arrived);
        self.counters.jobs += 1;
        self.counters.wait += wait;
        self.counters.wait_max = self.counters.wait_max.max(wait);
        Some((core, lane, queued))
    }

    fn first_ready(&mut self) -> Option<(Lane, Queued<J>)> {
        let (_, lane) = self.ready.pop_first()?;
        let queue = self.lanes.get_mut(&lane).expect("a ready lane has jobs");
        let (_, queued) = queue.pop_front().expect("a ready lane has jobs");
        if queue.is_empty() {
            self.lanes.remove(&lane);
        }
        Some((lane, queued))
    }

    /// The job occupies its core and lane for `cost`.
    pub(crate) fn begin(&mut self, core: CoreId, lane: Lane, cost: SimDuration) {
        self.idle.remove(&core);
        self.running.insert(core, lane);
        self.busy_lanes.insert(lane);
        self.counters.busy += cost;
        self.counters.queue_max = self.counters.queue_max.max(self.waiting);
    }

    /// The job cost nothing: its lane goes on at once.
    pub(crate) fn finish_at_once(&mut self, lane: Lane) {
        self.make_ready(lane);
    }

    /// The job on `core` is done.
    pub(crate) fn finish(&mut self, core: CoreId) {
        let lane = self.running.remove(&core).expect("a finished core was running");
        self.idle.insert(core);
        self.busy_lanes.remove(&lane);
        self.make_ready(lane);
    }

    fn make_ready(&mut self, lane: Lane) {
        if let Some((number, _)) = self.lanes.get(&lane).and_then(VecDeque::front) {
            self.ready.insert((*number, lane));
        }
    }

    /// Forgets everything but the counters; returns the jobs that waited.
    pub(crate) fn clear(&mut self) -> Vec<J> {
        self.idle.extend(self.running.keys());
        self.running.clear();
        self.busy_lanes.clear();
        self.ready.clear();
        self.waiting = 0;
        let lanes = core::mem::take(&mut self.lanes);
        let only = self.only.take().map(|(_, queued)| queued.job);
        only.into_iter().chain(lanes.into_values().flatten().map(|(_, queued)| queued.job)).collect()
    }

    /// The jobs that wait, by lane.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &J> {
        let only = self.only.iter().map(|(_, queued)| &queued.job);
        only.chain(self.lanes.values().flatten().map(|(_, queued)| &queued.job))
    }

    /// Jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Jobs that wait, and jobs that run.
    pub(crate) fn in_progress(&self) -> usize {
        self.waiting + self.running.len()
    }

    /// What the cores have done.
    pub(crate) fn counters(&self) -> CpuCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::{ModelRng, RunSeed, StreamLabel};

    use super::*;

    const COST: SimDuration = SimDuration::from_nanos(10);

    /// Starts what can start; returns the jobs.
    fn start(cpu: &mut Cpu<u32>) -> Vec<u32> {
        let mut started = Vec::new();
        while let Some((core, lane, queued)) = cpu.next(SimTime::ZERO) {
            cpu.begin(core, lane, COST);
            started.push(queued.job);
        }
        started
    }

    fn with_jobs(cores: u16, jobs: &[(Option<Lane>, u32)]) -> Cpu<u32> {
        let mut cpu = Cpu::new(cores, 100);
        for (lane, job) in jobs {
            cpu.submit(SimTime::ZERO, *lane, *job).unwrap();
        }
        cpu
    }

    #[test]
    fn free_jobs_fill_the_cores_in_order() {
        let mut cpu = with_jobs(2, &[(None, 1), (None, 2), (None, 3)]);
        assert_eq!(start(&mut cpu), [1, 2]);
        cpu.finish(CoreId(1));
        assert_eq!(start(&mut cpu), [3]);
        assert_eq!(cpu.counters().jobs, 3);
    }

    #[test]
    fn one_lane_is_serial_and_others_overtake_it() {
        let (ike, esp) = (Some(Lane::Ike(7)), Some(Lane::EspIn(9)));
        let mut cpu = with_jobs(4, &[(ike, 1), (ike, 2), (esp, 3), (ike, 4)]);
        assert_eq!(start(&mut cpu), [1, 3]);
        cpu.finish(CoreId(0));
        assert_eq!(start(&mut cpu), [2]);
        cpu.finish(CoreId(0));
        assert_eq!(start(&mut cpu), [4]);
        cpu.finish(CoreId(0));
        cpu.finish(CoreId(1));
        assert_eq!(cpu.in_progress(), 0);
    }

    #[test]
    fn free_work_leaves_its_lane_open() {
        let lane = Lane::Ike(1);
        let mut cpu = with_jobs(1, &[(Some(lane), 1), (Some(lane), 2)]);
        let mut done = Vec::new();
        while let Some((_, lane, queued)) = cpu.next(SimTime::ZERO) {
            cpu.finish_at_once(lane);
            done.push(queued.job);
        }
        assert_eq!(done, [1, 2]);
        assert_eq!(cpu.counters().busy, SimDuration::ZERO);
    }

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let mut cpu = Cpu::new(1, 1);
        assert_eq!(cpu.submit(SimTime::ZERO, None, 1), Ok(()));
        assert_eq!(cpu.submit(SimTime::ZERO, None, 2), Err(2));
        cpu.submit_always(SimTime::ZERO, None, 3);
        assert_eq!(start(&mut cpu), [1]);
        cpu.finish(CoreId(0));
        assert_eq!(start(&mut cpu), [3]);
        assert_eq!(cpu.submit(SimTime::ZERO, None, 2), Ok(()));
    }

    #[test]
    fn a_cleared_cpu_is_as_good_as_new_and_keeps_its_counters() {
        let lane = Some(Lane::Ike(1));
        let mut cpu = with_jobs(1, &[(lane, 1), (lane, 2), (None, 3)]);
        start(&mut cpu);
        assert_eq!(cpu.clear(), [2, 3]);
        assert_eq!((cpu.in_progress(), cpu.counters().jobs), (0, 1));
        cpu.submit(SimTime::ZERO, lane, 4).unwrap();
        assert_eq!(start(&mut cpu), [4]);
    }

    #[test]
    fn waits_are_counted_from_arrival() {
        let mut cpu = with_jobs(1, &[(None, 1), (None, 2)]);
        start(&mut cpu);
        cpu.finish(CoreId(0));
        let later = SimTime::from_nanos(10);
        let (core, lane, _) = cpu.next(later).unwrap();
        cpu.begin(core, lane, COST);
        let counters = cpu.counters();
        assert_eq!((counters.wait, counters.wait_max, counters.busy), (COST, COST, COST + COST));
        assert_eq!(counters.queue_max, 1);
    }

    /// Runs a queue with one core for so many customers; the mean wait in service times of 1 µs. `service` draws how long
    /// one takes, in such units.
    fn mean_wait(load: f64, customers: u32, seed: u64, service: fn(&mut ModelRng) -> f64) -> f64 {
        let stream = |purpose| ModelRng::new(RunSeed::new(seed), StreamLabel::new(0, purpose));
        let (mut arrivals, mut services) = (stream("arrivals"), stream("services"));
        let span = |units: f64| SimDuration::from_nanos(nanos(units * UNIT_NS));
        let mut cpu = Cpu::new(1, usize::MAX);
        let (mut next_arrival, mut done, mut left) = (SimTime::ZERO, None::<SimTime>, customers);
        while left > 0 || done.is_some() {
            let now = match done {
                Some(done) if left == 0 || done <= next_arrival => done,
                _ => next_arrival,
            };
            if done == Some(now) {
                cpu.finish(CoreId(0));
                done = None;
            } else {
                cpu.submit(now, None, ()).unwrap();
                left -= 1;
                next_arrival += span(exponential(&mut arrivals) / load);
            }
            if let Some((core, lane, _)) = cpu.next(now) {
                let cost = span(service(&mut services)).max(SimDuration::from_nanos(1));
                cpu.begin(core, lane, cost);
                done = Some(now + cost);
            }
        }
        let counters = cpu.counters();
        assert_eq!(counters.jobs, u64::from(customers));
        units(counters.wait) / f64::from(customers)
    }

    const UNIT_NS: f64 = 1000.0;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "spans of a test are small")]
    fn nanos(nanos: f64) -> u64 {
        nanos as u64
    }

    #[expect(clippy::cast_precision_loss, reason = "hours at most")]
    fn units(span: SimDuration) -> f64 {
        span.as_nanos() as f64 / UNIT_NS
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn exponential(rng: &mut ModelRng) -> f64 {
        -libm::log(((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64)
    }

    /// Twenty runs give a mean and its interval of 99.9 % confidence, which must hold what theory says.
    fn check_queue(load: f64, expected: f64, service: fn(&mut ModelRng) -> f64) {
        // Waits in a busy queue depend on each other for longer, so that it takes more of them to know their mean.
        let customers = if load > 0.9 { 500_000 } else { 100_000 };
        let waits: Vec<f64> = (0..20).map(|seed| mean_wait(load, customers, seed, service)).collect();
        let mean = waits.iter().sum::<f64>() / 20.0;
        let variance = waits.iter().map(|wait| (wait - mean) * (wait - mean)).sum::<f64>() / 19.0;
        // The 99.95 % quantile of Student's t with 19 degrees of freedom.
        let half = 3.883 * (variance / 20.0).sqrt();
        assert!((mean - expected).abs() < half, "load {load}: {mean} ± {half}, not {expected}");
        assert!(half < 0.1 * expected, "load {load}: ± {half} says little");
    }

    #[test]
    fn exponential_service_waits_as_long_as_an_m_m_1_queue() {
        for load in [0.5, 0.8, 0.95] {
            check_queue(load, load / (1.0 - load), exponential);
        }
    }

    #[test]
    fn constant_service_waits_as_long_as_an_m_d_1_queue() {
        for load in [0.5, 0.8, 0.95] {
            check_queue(load, load / (2.0 * (1.0 - load)), |_| 1.0);
        }
    }
}
