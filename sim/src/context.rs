//! What a process can do while it handles an event.
//!
//! A context lives for one call. It hands out no reference to another process and no random stream: state is
//! private to its process, and streams belong to the component that draws from them.

use crate::channel::{Channel, Waiting};
use crate::fingerprint::History;
use crate::process::{ChannelId, ProcessId, TimerHandle};
use crate::queue::{CHANNEL_BIT, Entry, EventQueue, Ladder, Tie};
use crate::slab::Slab;
use crate::time::{SimDuration, SimTime};

/// The kernel as seen by the process that handles an event now.
pub struct Context<'a, E> {
    pub(crate) now: SimTime,
    pub(crate) me: ProcessId,
    pub(crate) processes: usize,
    pub(crate) account: &'a mut Account,
    pub(crate) agenda: &'a mut Agenda<E>,
}

/// What the kernel keeps for each process.
pub(crate) struct Account {
    /// The key of the event that it has caused last.
    pub(crate) tie: Tie,
    pub(crate) history: History,
}

/// All that is still to happen.
pub(crate) struct Agenda<E> {
    pub(crate) queue: Ladder,
    pub(crate) slab: Slab<E>,
    pub(crate) channels: Vec<Channel<E>>,
}

/// Below this many cancelled entries sweeping them out is not worth a thought.
const SWEEP_FROM: usize = 1024;

impl<E> Context<'_, E> {
    /// The instant at which the event is due.
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// The process that handles the event.
    pub const fn me(&self) -> ProcessId {
        self.me
    }

    /// Schedules `event` for this process, `delay` from now.
    ///
    /// # Panics
    /// When the time overflows (584 years), or 2³¹ events are pending.
    #[inline]
    pub fn schedule(&mut self, delay: SimDuration, event: E) -> TimerHandle {
        self.agenda.schedule(self.account, self.me, self.now + delay, event)
    }

    /// Cancels what this process scheduled; false if it has happened or was cancelled before.
    ///
    /// # Panics
    /// When another process scheduled it.
    pub fn cancel(&mut self, timer: TimerHandle) -> bool {
        self.agenda.cancel(self.me, timer)
    }

    /// Sends `event` to the process `to`, where it arrives `delay` from now.
    ///
    /// # Panics
    /// When there is no process `to`, when the time overflows, or when 2³¹ events are pending.
    #[inline]
    pub fn send(&mut self, to: ProcessId, delay: SimDuration, event: E) {
        if to.as_usize() >= self.processes {
            no_such_process(self.me, to);
        }
        self.agenda.send(self.account, to, self.now + delay, event);
    }

    /// Sends `event` along a FIFO channel, where it arrives `delay` from now.
    ///
    /// The result is exactly that of [`send`](Self::send), at a lower price when many events are on their way.
    ///
    /// # Panics
    /// When the event would overtake one sent earlier, when the channel does not begin here, or when the time overflows.
    #[inline]
    pub fn send_fifo(&mut self, channel: ChannelId, delay: SimDuration, event: E) {
        self.agenda.append(self.account, self.me, channel, self.now + delay, event);
    }

    /// Adds facts to this process's history, so that the fingerprint of a run that differs in them differs.
    ///
    /// `kind` is a number of the model's choice for what the facts mean.
    pub fn note(&mut self, kind: u32, facts: &[u64]) {
        self.account.history.absorb_facts(kind, facts);
    }
}

// Out of line and by value, so that the numbers can stay in registers.
#[cold]
#[inline(never)]
fn no_such_process(me: ProcessId, to: ProcessId) -> ! {
    panic!("{me} sends to {to}, which does not exist")
}

impl Account {
    /// The next key of this source, as a queue entry for `slot`.
    #[inline]
    fn entry(&mut self, time: SimTime, target: ProcessId, slot: u32) -> Entry {
        self.tie = self.tie.next();
        Entry { time: time.as_nanos(), tie: self.tie, target, slot }
    }
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self { queue: Ladder::new(), slab: Slab::new(), channels: Vec::new() }
    }

    /// All events that are still to happen.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &E> {
        self.slab.iter().chain(self.channels.iter().flat_map(Channel::iter))
    }

    #[inline]
    pub(crate) fn schedule(
        &mut self,
        source: &mut Account,
        me: ProcessId,
        time: SimTime,
        event: E,
    ) -> TimerHandle {
        let handle = self.slab.insert_timer(me, event);
        self.queue.push(source.entry(time, me, handle.slot));
        handle
    }

    #[inline]
    fn send(&mut self, source: &mut Account, to: ProcessId, time: SimTime, event: E) {
        let slot = self.slab.insert(event);
        self.queue.push(source.entry(time, to, slot));
    }

    #[inline]
    fn append(&mut self, source: &mut Account, me: ProcessId, id: ChannelId, time: SimTime, event: E) {
        let channel = &mut self.channels[id.0 as usize];
        assert!(channel.from == me, "{me} sends on a channel of {}", channel.from);
        let entry = source.entry(time, channel.to, CHANNEL_BIT | id.0);
        let waiting = Waiting { time: entry.time, tie: entry.tie, payload: event };
        if channel.append(waiting) {
            self.queue.push(entry);
        }
    }

    /// Takes the due head of the channel that `slot` names and lets the next event of the channel step forward.
    // Out of line, as inlining it would make the path of plain events longer.
    #[inline(never)]
    pub(crate) fn advance(&mut self, target: ProcessId, slot: u32) -> Option<E> {
        let (event, next) = self.channels[(slot & !CHANNEL_BIT) as usize].advance()?;
        if let Some(next) = next {
            self.queue.push(Entry { time: next.time, tie: next.tie, target, slot });
        }
        Some(event)
    }

    pub(crate) fn cancel(&mut self, owner: ProcessId, timer: TimerHandle) -> bool {
        let dropped = self.slab.cancel(owner, timer);
        // Timers that are set and cancelled for every packet would otherwise pile up until they are due. A sweep
        // is paid by the cancellations before it, and beyond the first thousand at most half of the queue is dead.
        let dead = self.slab.cancelled();
        if dropped && dead >= SWEEP_FROM && 2 * dead > self.queue.len() {
            self.sweep();
        }
        dropped
    }

    fn sweep(&mut self) {
        let slab = &mut self.slab;
        self.queue.retain(|entry| {
            let dead = entry.slot & CHANNEL_BIT == 0 && slab.is_cancelled(entry.slot);
            if dead {
                slab.take(entry.slot);
            }
            !dead
        });
    }

    /// Whether nothing is left to happen.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.len() == self.slab.cancelled()
    }
}
