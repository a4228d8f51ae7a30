//! A one-way link as a value: rate, drop-tail queue, loss, delay, jitter, reordering, MTU.
//!
//! `transmit` settles a packet's fate at the moment it is handed over: FIFO service makes its start and end of
//! serialisation known then, so no event is needed when a packet leaves the queue, and an owner that uses one pending
//! event per FIFO link does without one per packet. The queue is therefore only a record of service starts still to
//! come; what has started is forgotten lazily.
//!
//! The rules, in this order: a link that is down takes nothing; a packet above the MTU is refused; a packet that would
//! have to wait and finds too few octets of queue free is refused (drop-tail). The packet in service does not count
//! as waiting. A packet that gets through occupies the wire, and is lost there or not.
//!
//! Times are whole nanoseconds, and 64 octets at 100 Gb/s are five and a fraction. An idle wire is busy up to the next
//! whole one; packets that follow each other without a gap share the rounding, so that a saturated link carries exactly its
//! rate.
//!
//! With jitter, each packet has its own delay, and a later one may overtake an earlier one; with reordering, some packets
//! are held back. `is_fifo` is then false.
//!
//! Model: when a link goes down, packets that it has accepted before still arrive.

mod config;
mod counters;
mod framing;
mod reorder;

use std::collections::VecDeque;

use ipseclab_sim::{ModelRng, SimDuration, SimTime};

use crate::drop::DropReason;

use config::Surplus;

pub use config::{BitRate, LinkConfig, LossPpb, Mtu};
pub use counters::LinkCounters;
pub use framing::Framing;
pub use reorder::{Reorder, ReorderSpread};

/// One direction of a link, with the packets that wait for it.
#[derive(Clone)]
pub struct Link {
    config: LinkConfig,
    /// The stream that decides on losses; a loss-free link needs none.
    loss_rng: Option<Box<ModelRng>>,
    /// The stream of delays; a link without jitter needs none.
    jitter_rng: Option<Box<ModelRng>>,
    /// The stream that decides on what is held back; most links need none.
    reorder_rng: Option<Box<ModelRng>>,
    up: bool,
    /// When the wire is free again; in the past for an idle link.
    free_at: SimTime,
    /// How much earlier than `free_at` it really is.
    surplus: Surplus,
    /// Service start and length of each packet that may still be waiting, in order.
    waiting: VecDeque<(SimTime, u32)>,
    /// Octets in `waiting`.
    waiting_bytes: u64,
    counters: LinkCounters,
}

/// What becomes of a packet handed to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives at the other end after both spans, counted from now.
    Deliver {
        /// Waiting for the wire and being put on it.
        queued_and_serialised: SimDuration,
        /// Propagation delay with this packet's jitter, and the span for which it was held back.
        propagation: SimDuration,
    },
    /// It ends here.
    Drop(DropReason),
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Link").field("config", &self.config).field("up", &self.up).finish_non_exhaustive()
    }
}

impl Link {
    /// An idle link that is up. Loss, jitter and reordering draw from a stream each, so that changing one never shifts the
    /// others; each draws equally often for every packet handed over, whatever becomes of it.
    pub fn new(config: LinkConfig, loss_rng: ModelRng, jitter_rng: ModelRng, reorder_rng: ModelRng) -> Self {
        Self {
            config,
            loss_rng: (config.loss != LossPpb::NONE).then(|| Box::new(loss_rng)),
            jitter_rng: (config.jitter != SimDuration::ZERO).then(|| Box::new(jitter_rng)),
            reorder_rng: config.reorder.map(|_| Box::new(reorder_rng)),
            up: true,
            free_at: SimTime::ZERO,
            surplus: Surplus::NONE,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            counters: LinkCounters::default(),
        }
    }

    /// Hands over a packet of `len` octets (IPv4 header included) at `now`, which never goes back.
    #[inline]
    pub fn transmit(&mut self, now: SimTime, len: usize) -> Verdict {
        // Drawn before anything can refuse the packet: the n-th packet meets the n-th draw, whatever the queue does.
        let lost = self.draw_loss();
        let jitter = self.draw_jitter();
        let held = self.draw_reorder();
        let bytes = len as u64;
        self.counters.offered_packets += 1;
        self.counters.offered_bytes += bytes;
        match self.admit(now, len, lost) {
            Ok(queued_and_serialised) => {
                let framing = self.config.framing;
                self.counters.delivered_packets += 1;
                self.counters.delivered_bytes += bytes;
                self.counters.delivered_layer_2_bytes += framing.layer_2_len(bytes);
                self.counters.delivered_layer_1_bytes += framing.layer_1_len(bytes);
                self.counters.held_back_packets += u64::from(held.is_some());
                let propagation = self.config.delay + jitter + held.unwrap_or(SimDuration::ZERO);
                Verdict::Deliver { queued_and_serialised, propagation }
            }
            Err(reason) => {
                self.counters.count_drop(reason, bytes);
                Verdict::Drop(reason)
            }
        }
    }

    /// The span until the packet has left, or why it does not arrive.
    #[inline]
    fn admit(&mut self, now: SimTime, len: usize, lost: bool) -> Result<SimDuration, DropReason> {
        if !self.up {
            return Err(DropReason::LinkDown);
        }
        let len = match u16::try_from(len) {
            Ok(len) if len <= self.config.mtu.octets() => len,
            _ => return Err(DropReason::MtuExceeded),
        };
        self.reserve(now, len)?;
        if lost { Err(DropReason::Loss) } else { Ok(self.free_at.since(now)) }
    }

    /// Gives the packet its turn on the wire.
    #[inline]
    fn reserve(&mut self, now: SimTime, len: u16) -> Result<(), DropReason> {
        let (start, surplus) =
            if self.free_at > now { (self.enqueue(now, len)?, self.surplus) } else { (now, Surplus::NONE) };
        let (serialisation, surplus) = self.config.serialisation_after(len, surplus);
        self.surplus = surplus;
        self.free_at = start + serialisation;
        self.counters.busy += serialisation;
        Ok(())
    }

    /// Puts the packet behind those that wait; returns its service start.
    fn enqueue(&mut self, now: SimTime, len: u16) -> Result<SimTime, DropReason> {
        self.forget_started(now);
        let waiting_bytes = self.waiting_bytes + u64::from(len);
        if waiting_bytes > self.config.queue_bytes {
            return Err(DropReason::QueueFull);
        }
        self.waiting.push_back((self.free_at, u32::from(len)));
        self.waiting_bytes = waiting_bytes;
        self.counters.queue_bytes_max = self.counters.queue_bytes_max.max(waiting_bytes);
        Ok(self.free_at)
    }

    fn forget_started(&mut self, now: SimTime) {
        while let Some(&(_, len)) = self.waiting.front().filter(|&&(start, _)| start <= now) {
            self.waiting_bytes -= u64::from(len);
            self.waiting.pop_front();
        }
    }

    #[inline]
    fn draw_loss(&mut self) -> bool {
        let loss = self.config.loss;
        self.loss_rng.as_mut().is_some_and(|rng| rng.chance_ppb(loss.ppb()))
    }

    #[inline]
    fn draw_jitter(&mut self) -> SimDuration {
        let jitter = self.config.jitter;
        self.jitter_rng.as_mut().map_or(SimDuration::ZERO, |rng| rng.uniform_span(jitter))
    }

    #[inline]
    fn draw_reorder(&mut self) -> Option<SimDuration> {
        let reorder = self.config.reorder?;
        self.reorder_rng.as_mut().and_then(|rng| reorder.draw(rng))
    }

    /// Whether packets always arrive in the order in which they were handed over: true without jitter and reordering.
    #[inline]
    pub fn is_fifo(&self) -> bool {
        self.config.jitter == SimDuration::ZERO && self.config.reorder.is_none()
    }

    /// Takes the link up or down. Packets accepted before still arrive.
    pub const fn set_up(&mut self, up: bool) {
        self.up = up;
    }

    /// Whether the link takes packets.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// What the link was made with.
    pub const fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// What the link has counted so far.
    pub const fn counters(&self) -> &LinkCounters {
        &self.counters
    }

    /// Octets that wait at `now`, without the packet in service.
    pub fn queue_bytes(&self, now: SimTime) -> u64 {
        self.waiting.iter().filter(|&&(start, _)| start > now).map(|&(_, len)| u64::from(len)).sum()
    }

    /// For how long the wire was in use until `now`: utilisation is this over the time that has passed.
    ///
    /// `counters().busy` also holds the serialisation of what is queued; that part lies after `now`.
    pub fn busy_until(&self, now: SimTime) -> SimDuration {
        let ahead = if self.free_at > now { self.free_at.since(now) } else { SimDuration::ZERO };
        self.counters.busy - ahead
    }
}

#[cfg(test)]
mod tests;
