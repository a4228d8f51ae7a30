//! The kernel of ipseclab: a deterministic discrete-event simulator that knows no network.
//!
//! A [`Simulation`] holds processes of one type `P`. Each owns its state and reacts to its events one at a time through
//! a [`Context`], with which it schedules and cancels timers, sends to other processes and notes facts. Events are
//! ordered by (time, source process, source sequence), so that neither insertion order nor threads can change a run.
//! [`Simulation::fingerprint`] says whether two runs did the same, and per process where they differ.
//!
//! ```
//! use ipseclab_sim::{Context, Options, Process, ProcessId, SimDuration, SimTime, Simulation, StopReason};
//!
//! struct Player { peer: ProcessId, returns: u32 }
//!
//! impl Process for Player {
//!     type Event = u32;
//!     fn handle(&mut self, ctx: &mut Context<'_, u32>, rally: u32) {
//!         self.returns += 1;
//!         if rally < 9 {
//!             ctx.send(self.peer, SimDuration::from_millis(20), rally + 1);
//!         }
//!     }
//! }
//!
//! let mut simulation = Simulation::new(Options::default());
//! let left = simulation.add(Player { peer: ProcessId::new(1), returns: 0 });
//! let right = simulation.add(Player { peer: left, returns: 0 });
//! simulation.schedule(left, SimTime::ZERO, 0);
//!
//! let report = simulation.run_until(SimTime::MAX);
//! assert_eq!((report.events, report.stopped), (10, StopReason::Idle));
//! assert_eq!(report.end.as_nanos(), 9 * 20_000_000);
//! assert_eq!(simulation.process(right).returns, 5);
//! ```
//!
//! What the kernel must not know: packets, addresses, topologies, files, threads, the wall clock.

mod channel;
mod context;
mod engine;
mod fingerprint;
mod process;
mod queue;
mod slab;
mod tie_break;

pub mod rng;
pub mod stats;
pub mod time;

pub use context::Context;
pub use engine::{Options, RunReport, Simulation, StopReason};
pub use fingerprint::Fingerprint;
pub use process::{ChannelId, Process, ProcessId, TimerHandle};
pub use rng::{KeyRng, ModelRng, RunSeed, StreamLabel};
pub use stats::Summary;
pub use tie_break::TieBreak;
pub use time::{SimDuration, SimTime};
