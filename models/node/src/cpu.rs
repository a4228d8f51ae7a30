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
        let queue = self.lanes.entry(lane).or_default();
        queue.push_back((number, Queued { job, arrived: now }));
        if queue.len() == 1 && !self.busy_lanes.contains(&lane) {
            self.ready.insert((number, lane));
        }
        self.waiting += 1;
    }

    /// The next job to run, if a core is idle and a job may start; [`begin`](Self::begin) or
    /// [`finish_at_once`](Self::finish_at_once) follows.
    pub(crate) fn next(&mut self, now: SimTime) -> Option<(CoreId, Lane, Queued<J>)> {
        let core = *self.idle.first()?;
        let (_, lane) = self.ready.pop_first()?;
        let queue = self.lanes.get_mut(&lane).expect("a ready lane has jobs");
        let (_, queued) = queue.pop_front().expect("a ready lane has jobs");
        if queue.is_empty() {
            self.lanes.remove(&lane);
        }
        self.waiting -= 1;
        let wait = now.since(queued.arrived);
        self.counters.jobs += 1;
        self.counters.wait += wait;
        self.counters.wait_max = self.counters.wait_max.max(wait);
        Some((core, lane, queued))
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
        lanes.into_values().flatten().map(|(_, queued)| queued.job).collect()
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
}
