//! The simulated host: ports, IP, UDP, one IKE endpoint, one IPsec engine, cores with a cost profile, applications.
//!
//! This crate turns the outputs of the protocol cores into events of the kernel, and charges their work as CPU time.
//! It knows no scenario file and writes no file: its owner builds [`Node`]s, runs them in a
//! [`Simulation`](ipseclab_sim::Simulation), and reads their [`Records`].

mod app;
mod books;
pub mod convert;
pub mod cost_profile;
mod coverage;
mod cpu;
mod datapath;
mod delivery;
mod event;
mod fault;
mod flood;
mod host;
mod job;
mod journey;
mod lane;
mod negotiation;
mod node;
mod packet_sizes;
mod path;
mod policies;
mod port;
mod process;
mod random;
mod record;
mod renewal;
mod timeline;
mod transit;

pub use app::{App, AppTimes};
pub use books::{Losses, OwnedPackets, OwnerBooks, PacketBooks};
pub use cost_profile::{Cost, CostEntry, CostOrigin, CostProfile, CostProfileError, CostProfileFile};
pub use coverage::ChildRecord;
pub use cpu::{CoreId, CpuCounters};
pub use datapath::{DatapathConfig, PolledRing, Spreading};
pub use event::{AppId, Command, NodeEvent};
pub use flood::{IkeFlood, IkeFloodConfig};
pub use host::{HostConfig, HostCounters};
pub use node::{Node, NodeConfig};
pub use packet_sizes::{Protected, SizeRecord};
pub use port::Port;
pub use record::{
    Agreed, CaptureDirection, CapturedPacket, ClosedSa, Closure, ClosureRecord, Departure, EndReason,
    MessageRecord, NegotiationRecord, Observe, Outcome, Records, RefusalRecord, RenewalOutcome,
    RenewalRecord, Renewed, SaRecord, Step, StepRecord,
};
pub use timeline::{Bucket, Timeline};
