//! Topologies of ipseclab: which nodes there are, what joins them, and which way packets go.
//!
//! A [`Topology`] is built by a generator ([`pair`], [`chain`], [`hub_and_spoke`]), read from a file
//! ([`from_toml`], [`from_graphml`]), or taken from the shipped ones ([`shipped`]); [`shortest_paths`] turns it
//! into next hops, [`check`] says what is doubtful about it and [`describe`] prints it.
//!
//! Invariants of the crate:
//!
//! - Everything is ordered: nodes and links keep the order of their declaration, and no result depends on a
//!   hash, a clock, a thread or the platform's mathematics.
//! - A [`Topology`] cannot hold what would be wrong everywhere (two nodes of one name, a link to itself, a loss
//!   above one); what is merely unusual is a [`Finding`].
//! - Every input is bounded ([`MAX_INPUT_BYTES`], [`MAX_NODES`], [`MAX_LINKS`]), and no input panics.
//!
//! The crate knows no packets, protocols, scenarios or terminals. The units of scenario files live here too
//! ([`units`]), since topology files are the lowest place that needs them.
//!
//! ```
//! use ipseclab_topologies::{LinkSpec, chain, shortest_paths};
//!
//! let topology = chain(3, LinkSpec::with_delay(5_000_000))?;
//! let (left, right) = (topology.node_by_name("left").unwrap(), topology.node_by_name("right").unwrap());
//! let routes = shortest_paths(&topology)?;
//! assert_eq!(routes.distance_ns(left, right), Some(10_000_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod describe;
mod generate;
pub mod geo;
mod graph;
mod import;
mod link;
mod name;
mod route;
mod shipped;
pub mod units;

pub use check::{Finding, Severity, check};
pub use describe::describe;
pub use generate::{GenerateError, MAX_CHAIN_NODES, chain, hub_and_spoke, pair};
pub use geo::Position;
pub use graph::{GraphError, LinkIndex, MAX_LINKS, MAX_NODES, NodeIndex, NodeRole, NodeSpec, Topology};
pub use import::graphml::{GraphmlOptions, from_graphml};
pub use import::toml::from_toml;
pub use import::{MAX_INPUT_BYTES, Problem, TopologyError, decode_text};
pub use link::{
    DEFAULT_MTU, DEFAULT_QUEUE_BYTES, Framing, FramingError, LinkError, LinkSpec, LinkValue, MAX_DELAY_NS,
    MAX_MTU, MIN_MTU, ReorderSpec,
};
pub use name::NameError;
pub use route::{Cost, MAX_TRANSIT_NODES, RouteError, Routes, shortest_paths};
pub use shipped::{shipped, shipped_text};
pub use units::UnitError;
