//! Topologies that follow from a number: two nodes, a line, a star.
//!
//! Names are part of the interface, for scenarios refer to them: `left`, `right`, `router-1` …, `hub`, `spoke-1` ….
//! They carry plain numbers without leading zeros, so that a node keeps its name when the number of nodes grows.
//! Sizes come straight from scenario files, hence are wide, and are checked before anything is allocated.

use crate::graph::{GraphError, MAX_NODES, NodeIndex, NodeRole, NodeSpec, Topology};
use crate::link::{LinkError, LinkSpec};

/// Why a topology cannot be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The number asked for makes no such topology.
    #[error("a {kind} needs at least {least} {what}, not {asked}")]
    TooFew {
        /// The topology.
        kind: &'static str,
        /// What is counted.
        what: &'static str,
        /// The number asked for.
        asked: u64,
        /// The least that makes sense.
        least: u64,
    },
    /// The number asked for is above the limit.
    #[error("a {kind} has at most {most} {what}, not {asked}")]
    TooMany {
        /// The topology.
        kind: &'static str,
        /// What is counted.
        what: &'static str,
        /// The number asked for.
        asked: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// The link cannot exist.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The parts do not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Two sites, `left` and `right`, joined by one link.
///
/// # Errors
/// [`GenerateError::Link`] for a link that cannot exist.
pub fn pair(link: LinkSpec) -> Result<Topology, GenerateError> {
    let mut topology = chain(2, link)?;
    "pair".clone_into(&mut topology.name);
    Ok(topology)
}

/// A line of `nodes` nodes: `left`, `router-1`, `router-2` …, `right`, with the same link between any two.
///
/// # Errors
/// [`GenerateError`] for less than 2 or more than [`MAX_NODES`] nodes, or a link that cannot exist.
pub fn chain(nodes: u64, link: LinkSpec) -> Result<Topology, GenerateError> {
    check_size("chain", "nodes", nodes, 2, u64::from(MAX_NODES))?;
    link.validate()?;
    let mut topology = Topology::new(format!("chain-{nodes}"));
    let mut last = topology.add_node(NodeSpec::new("left", NodeRole::Site))?;
    for number in 1..nodes - 1 {
        last =
            append(&mut topology, last, NodeSpec::new(format!("router-{number}"), NodeRole::Router), link)?;
    }
    append(&mut topology, last, NodeSpec::new("right", NodeRole::Site), link)?;
    Ok(topology)
}

/// A star: `hub` in the middle, `spoke-1` to `spoke-n` around it, with the same link to each.
///
/// # Errors
/// [`GenerateError`] for no spoke, more nodes than [`MAX_NODES`], or a link that cannot exist.
pub fn hub_and_spoke(spokes: u64, link: LinkSpec) -> Result<Topology, GenerateError> {
    check_size("hub-and-spoke", "spokes", spokes, 1, u64::from(MAX_NODES) - 1)?;
    link.validate()?;
    let mut topology = Topology::new(format!("hub-and-spoke-{spokes}"));
    let hub = topology.add_node(NodeSpec::new("hub", NodeRole::Hub))?;
    for number in 1..=spokes {
        append(&mut topology, hub, NodeSpec::new(format!("spoke-{number}"), NodeRole::Spoke), link)?;
    }
    Ok(topology)
}

fn append(
    topology: &mut Topology,
    to: NodeIndex,
    node: NodeSpec,
    link: LinkSpec,
) -> Result<NodeIndex, GraphError> {
    let added = topology.add_node(node)?;
    topology.add_link(to, added, link)?;
    Ok(added)
}

fn check_size(
    kind: &'static str,
    what: &'static str,
    asked: u64,
    least: u64,
    most: u64,
) -> Result<(), GenerateError> {
    if asked < least {
        return Err(GenerateError::TooFew { kind, what, asked, least });
    }
    if asked > most {
        return Err(GenerateError::TooMany { kind, what, asked, most });
    }
    Ok(())
}
