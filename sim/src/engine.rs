//! The sequential executor: processes, their events, and the loop that brings them together.
//!
//! The events of a process are handled in the order of their keys, (time, source process, source sequence). An event
//! sent without delay can have a lesser key than one that has been handled already at the same instant; it follows.
//!
//! What an event needs to run is its process, that process's account and the agenda; the three are kept apart so that
//! a parallel executor can give each partition its own agenda and merge nothing but mail.

use std::hint::black_box;

use crate::channel::Channel;
use crate::context::{Account, Agenda, Context};
use crate::fingerprint::{Fingerprint, History};
use crate::process::{ChannelId, Process, ProcessId, TimerHandle};
use crate::queue::{CHANNEL_BIT, Entry, EventQueue, PROCESSES_MAX, Tie};
use crate::tie_break::TieBreak;
use crate::time::SimTime;

/// How a simulation runs, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most events that the simulation handles over its life. The default, 10¹⁰, is some minutes of work for one
    /// core: beyond what a run needs, and soon enough to notice a model that runs in circles.
    pub event_limit: u64,
    /// Who goes first when events from several sources are due at one process at the same instant.
    pub tie_break: TieBreak,
}

/// A set of processes and everything that is still to happen to them.
pub struct Simulation<P: Process> {
    options: Options,
    seats: Vec<Seat<P>>,
    agenda: Agenda<P::Event>,
    now: SimTime,
    handled: u64,
    /// The key of the last event handled; sequences begin with 1, so at first it is equal to none.
    last: (u64, Tie),
}

/// How many entries are read ahead at once: their slots and processes fit the first-level cache together.
const READ_AHEAD: usize = 128;

/// With fewer bytes of processes and slots than this the second-level cache holds them all, and reading ahead costs more
/// than it saves.
const READ_AHEAD_FROM: usize = 1 << 19;

/// A process and the kernel's account of it, together as they are needed together.
// Aligned so that a small one never straddles two cache lines, of which reading ahead would fetch only the first.
#[repr(align(32))]
struct Seat<P> {
    account: Account,
    process: P,
}

/// What a call of [`Simulation::run_until`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// How many events were handled in this call.
    pub events: u64,
    /// Where the clock stands now.
    pub end: SimTime,
    /// Why the call returned.
    pub stopped: StopReason,
}

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// All that is left lies after the horizon, where the clock stands now.
    Horizon,
    /// Nothing is left to happen; the clock stands at the last event.
    Idle,
    /// The event limit is reached; the clock stands at the last event.
    EventLimit,
}

impl Default for Options {
    fn default() -> Self {
        Self { event_limit: 10_000_000_000, tie_break: TieBreak::BySource }
    }
}

impl<P: Process> Simulation<P> {
    /// An empty simulation at the start of time.
    pub fn new(options: Options) -> Self {
        let agenda = Agenda::new();
        Self { options, seats: Vec::new(), agenda, now: SimTime::ZERO, handled: 0, last: (0, Tie::before(0)) }
    }

    /// Adds a process; ids are given in order, from 0.
    ///
    /// # Panics
    /// When there are 2²⁴ processes already.
    pub fn add(&mut self, process: P) -> ProcessId {
        let index = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        assert!(index < PROCESSES_MAX, "there are more than 2^24 processes");
        let account =
            Account { tie: Tie::before(self.options.tie_break.rank(index)), history: History::new() };
        self.seats.push(Seat { account, process });
        ProcessId::new(index)
    }

    /// Adds a FIFO channel: events that `from` sends along it reach `to` in order.
    ///
    /// # Panics
    /// When one of the processes does not exist, or there are 2³¹ channels already.
    pub fn add_channel(&mut self, from: ProcessId, to: ProcessId) -> ChannelId {
        let count = self.seats.len();
        assert!(from.as_usize() < count && to.as_usize() < count, "a channel needs two existing processes");
        let id = u32::try_from(self.agenda.channels.len()).unwrap_or(u32::MAX);
        assert!(id < CHANNEL_BIT, "there are too many channels");
        self.agenda.channels.push(Channel::new(from, to));
        ChannelId(id)
    }

    /// Schedules an event for a process from outside the run, as if the process had scheduled it itself.
    ///
    /// # Panics
    /// When the process does not exist, or `time` has passed.
    pub fn schedule(&mut self, process: ProcessId, time: SimTime, event: P::Event) -> TimerHandle {
        assert!(time >= self.now, "an event at {time} s is scheduled at {} s", self.now);
        self.agenda.schedule(&mut self.seats[process.as_usize()].account, process, time, event)
    }

    /// Cancels an event of `process` from outside the run; false if it has happened or was cancelled before.
    ///
    /// # Panics
    /// When the event is not one that `process` scheduled.
    pub fn cancel(&mut self, process: ProcessId, timer: TimerHandle) -> bool {
        self.agenda.cancel(process, timer)
    }

    /// Handles all events due at `horizon` or before, in the order of their keys, up to the event limit.
    pub fn run_until(&mut self, horizon: SimTime) -> RunReport {
        let before = self.handled;
        let stopped = loop {
            if let Some(reason) = self.run_batch(horizon.as_nanos()) {
                break reason;
            }
        };
        if stopped == StopReason::Horizon {
            self.now = self.now.max(horizon);
        }
        RunReport { events: self.handled - before, end: self.now, stopped }
    }

    /// Handles as many events as one look ahead covers; why the run stops, if it does.
    fn run_batch(&mut self, horizon: u64) -> Option<StopReason> {
        let left = self.options.event_limit - self.handled;
        if left == 0 {
            return Some(StopReason::EventLimit);
        }
        for _ in 0..left.min(self.read_ahead()) {
            let Some(entry) = self.agenda.queue.pop_until(horizon) else {
                return Some(if self.agenda.is_empty() { StopReason::Idle } else { StopReason::Horizon });
            };
            self.dispatch(entry);
        }
        None
    }

    /// Touches the payloads and processes of the next events; how many events, but at least one.
    ///
    /// With a million events pending each of these is a cache miss, and handling one event at a time waits for each
    /// of them in turn. A loop that does nothing but read has many misses under way at once.
    fn read_ahead(&self) -> u64 {
        let ahead = self.agenda.queue.upcoming();
        let ahead = &ahead[..ahead.len().min(READ_AHEAD)];
        let count = ahead.len().max(1) as u64;
        if size_of::<Seat<P>>() * self.seats.len() + self.agenda.slab.bytes() < READ_AHEAD_FROM {
            return count;
        }
        let touched = ahead.iter().map(|entry| {
            let seat = self.seats.get(entry.target.as_usize()).map_or(0, |seat| seat.account.tie.sequence());
            seat ^ self.agenda.slab.touch(entry.slot)
        });
        black_box(touched.fold(0, |sum, word| sum ^ word));
        count
    }

    /// Brings a due event to its process, unless it was cancelled.
    #[inline]
    fn dispatch(&mut self, entry: Entry) {
        let Some(event) = self.resolve(entry) else { return };
        self.check_order(entry);
        self.now = SimTime::from_nanos(entry.time);
        self.handled += 1;
        let processes = self.seats.len();
        let Seat { account, process } = &mut self.seats[entry.target.as_usize()];
        let source = self.options.tie_break.source(entry.tie.rank());
        account.history.absorb(entry.time, (u64::from(source) << 40) | entry.tie.sequence());
        let mut context =
            Context { now: self.now, me: entry.target, processes, account, agenda: &mut self.agenda };
        process.handle(&mut context, event);
    }

    /// Fetches what the entry stands for.
    #[inline]
    fn resolve(&mut self, entry: Entry) -> Option<P::Event> {
        if entry.slot & CHANNEL_BIT == 0 {
            return self.agenda.slab.take(entry.slot);
        }
        self.agenda.advance(entry.target, entry.slot)
    }

    /// Time never falls and no key comes twice: a queue that breaks this would publish false numbers.
    #[inline]
    fn check_order(&mut self, entry: Entry) {
        let last = self.last;
        if entry.time < last.0 || (entry.time, entry.tie) == last {
            out_of_order((entry.time, entry.tie), last);
        }
        self.last = (entry.time, entry.tie);
    }

    /// Where the clock stands.
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// The process `id`.
    ///
    /// # Panics
    /// When it does not exist.
    pub fn process(&self, id: ProcessId) -> &P {
        &self.seats[id.as_usize()].process
    }

    /// The process `id`, to change between runs.
    ///
    /// # Panics
    /// When it does not exist.
    pub fn process_mut(&mut self, id: ProcessId) -> &mut P {
        &mut self.seats[id.as_usize()].process
    }

    /// The events that are still to happen, in no order that means anything: for an owner that takes stock when a run has
    /// ended.
    pub fn pending(&self) -> impl Iterator<Item = &P::Event> {
        self.agenda.pending()
    }

    /// All processes in the order of their ids.
    pub fn processes(&self) -> impl ExactSizeIterator<Item = &P> {
        self.seats.iter().map(|seat| &seat.process)
    }

    /// The processes, taken out in the order of their ids.
    pub fn into_processes(self) -> Vec<P> {
        self.seats.into_iter().map(|seat| seat.process).collect()
    }

    /// The fingerprint of the run so far: the processes' fingerprints in the order of their ids.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::combine(self.seats.iter().map(|seat| seat.account.history.fingerprint()))
    }

    /// The fingerprint of what one process has handled and noted.
    ///
    /// # Panics
    /// When it does not exist.
    pub fn process_fingerprint(&self, id: ProcessId) -> Fingerprint {
        self.seats[id.as_usize()].account.history.fingerprint()
    }
}

// Out of line and by value: a message formatted in place would keep both keys in memory for every event.
#[cold]
#[inline(never)]
fn out_of_order(key: (u64, Tie), last: (u64, Tie)) -> ! {
    panic!("{key:?} follows {last:?}")
}
