//! Topologies that follow from a number: two nodes, a line, a star.
//!
//! Names are part of the interface, for scenarios refer to them: `left`, `right`, `router-1` …, `hub`, `spoke-1` ….
//! They carry plain numbers without leading zeros, so that a node keeps its name when the number of nodes grows.
//! Sizes come straight from scenario files, hence are wide, and are checked before anything is allocated.

use crate::graph::{GraphError, MAX_NODES, NodeIndex, NodeRole, NodeSpec, Topology};
use crate::link::{LinkError, LinkSpec};
use crate::route::MAX_TRANSIT_NODES;

/// Most nodes of a chain: as many routers as routes are computed for, and two ends.
#[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
pub const MAX_CHAIN_NODES: u32 = MAX_TRANSIT_NODES as u32 + 2;

/// Why a topology cannot be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// The number asked for makes no such topology.
    #[error("a {kind} has {least} or more {what}, not {asked}")]
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
/// [`GenerateError`] for less than 2 or more than [`MAX_CHAIN_NODES`] nodes, or a link that cannot exist.
pub fn chain(nodes: u64, link: LinkSpec) -> Result<Topology, GenerateError> {
    check_size("chain", "nodes", nodes, 2, u64::from(MAX_CHAIN_NODES))?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(topology: &Topology) -> Vec<&str> {
        topology.nodes().map(|(_, node)| node.name.as_str()).collect()
    }

    fn link_names(topology: &Topology) -> Vec<String> {
        topology.links().filter_map(|(index, ..)| topology.link_name(index)).collect()
    }

    #[test]
    fn a_pair_is_left_and_right() {
        let topology = pair(LinkSpec::with_delay(3)).unwrap();
        assert_eq!(topology.name, "pair");
        assert_eq!(names(&topology), ["left", "right"]);
        assert_eq!(link_names(&topology), ["left--right"]);
        assert_eq!(topology.link_by_name("right--left"), topology.link_by_name("left--right"));
    }

    #[test]
    fn a_chain_numbers_its_routers() {
        let topology = chain(4, LinkSpec::default()).unwrap();
        assert_eq!(names(&topology), ["left", "router-1", "router-2", "right"]);
        assert_eq!(link_names(&topology), ["left--router-1", "router-1--router-2", "router-2--right"]);
        let roles: Vec<NodeRole> = topology.nodes().map(|(_, node)| node.role).collect();
        assert_eq!(roles, [NodeRole::Site, NodeRole::Router, NodeRole::Router, NodeRole::Site]);
    }

    #[test]
    fn a_star_numbers_its_spokes_without_zeros() {
        let topology = hub_and_spoke(10, LinkSpec::default()).unwrap();
        assert_eq!(names(&topology)[..2], ["hub", "spoke-1"]);
        assert_eq!(names(&topology)[10], "spoke-10");
        assert_eq!(link_names(&topology)[9], "hub--spoke-10");
    }

    #[test]
    fn too_few_and_too_many_are_refused_with_the_limit() {
        let link = LinkSpec::default();
        let errors = [
            chain(0, link).unwrap_err(),
            chain(1, link).unwrap_err(),
            hub_and_spoke(0, link).unwrap_err(),
            chain(1_000_000_000, link).unwrap_err(),
            hub_and_spoke(u64::MAX, link).unwrap_err(),
        ];
        let expected = [
            "a chain has 2 or more nodes, not 0",
            "a chain has 2 or more nodes, not 1",
            "a hub-and-spoke has 1 or more spokes, not 0",
            "a chain has at most 4098 nodes, not 1000000000",
            "a hub-and-spoke has at most 99999 spokes, not 18446744073709551615",
        ];
        assert_eq!(errors.map(|error| error.to_string()), expected);
    }

    #[test]
    fn the_largest_sizes_are_built() {
        let chain = chain(u64::from(MAX_CHAIN_NODES), LinkSpec::default()).unwrap();
        assert_eq!(chain.node_count(), MAX_TRANSIT_NODES + 2);
        assert_eq!(
            hub_and_spoke(u64::from(MAX_NODES) - 1, LinkSpec::default()).unwrap().node_count(),
            100_000
        );
    }

    #[test]
    fn a_link_that_cannot_exist_is_refused() {
        let link = LinkSpec { mtu: 20, ..LinkSpec::default() };
        assert_eq!(pair(link).unwrap_err(), GenerateError::Link(LinkError::Mtu { mtu: 20 }));
        assert_eq!(hub_and_spoke(3, link).unwrap_err(), GenerateError::Link(LinkError::Mtu { mtu: 20 }));
    }

    proptest! {
        #[test]
        fn trees_have_one_link_less_than_nodes_and_are_connected(size in 2_u64..300, delay_ns in 0_u64..1_000_000) {
            let link = LinkSpec::with_delay(delay_ns);
            for topology in [chain(size, link).unwrap(), hub_and_spoke(size - 1, link).unwrap()] {
                prop_assert_eq!(topology.node_count() as u64, size);
                prop_assert_eq!(topology.link_count() as u64, size - 1);
                prop_assert!(topology.is_connected());
                prop_assert!(topology.links().all(|(_, _, _, spec)| *spec == link));
            }
        }
    }
}
