//! What a model implements, and the names by which the kernel knows its parts.
//!
//! A process owns all of its state and sees one event at a time; everything it wants from the kernel goes through
//! the [`Context`] of that call. Ids are plain indices in the order of addition, so that iteration over processes
//! has one order and so that a link can be looked up without a map.

use core::fmt;

use crate::context::Context;

/// The number of a process: its place in the order of [`Simulation::add`](crate::Simulation::add).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(u32);

/// The number of a FIFO channel between two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(crate) u32);

/// A scheduled event that its process can still cancel.
///
/// It names its owner, its slot and the slot's generation, a count of timers modulo 2³²: a handle that is used after its
/// event is gone does nothing, unless exactly a multiple of 2³² timers was scheduled in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerHandle {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) owner: ProcessId,
}

/// A component of the model that reacts to events; typically an enum or a struct per kind of node.
pub trait Process {
    /// What can happen to the process: an enum, dispatched by `match`.
    type Event;

    /// Reacts to `event`, which is due now.
    fn handle(&mut self, ctx: &mut Context<'_, Self::Event>, event: Self::Event);
}

impl ProcessId {
    /// The id with the index `index`.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The place of the process in the order of addition, from 0.
    pub const fn index(self) -> u32 {
        self.0
    }

    pub(crate) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.0)
    }
}
