//! The topology itself: named nodes, duplex links, and the ways to find them.
//!
//! A petgraph graph holds nodes and links, so that its algorithms can be used; our own dense indices stand in
//! front of it, so that no other crate depends on petgraph and nobody meets its iteration order (which is the
//! reverse of insertion). Nodes and links only ever get added, hence indices never move.
//!
//! Two nodes may be joined by several links, because real backbones have them and studies cut one of two: the
//! first is called `a--b`, the next `a--b#2`, and so on in order of declaration. A link from a node to itself is
//! refused, as no packet would ever take it.

use std::collections::BTreeMap;

use petgraph::graph::UnGraph;
use petgraph::unionfind::UnionFind;
use petgraph::visit::EdgeRef as _;

use crate::geo::Position;
use crate::link::{LinkError, LinkSpec};
use crate::name::{LINK_MARK, NameError, PARALLEL_MARK, check_name};

/// Most nodes in a topology; beyond it nothing is built and nothing allocated.
pub const MAX_NODES: u32 = 100_000;
/// Most links in a topology.
pub const MAX_LINKS: u32 = 1_000_000;

/// A node of one topology, counted from 0 in order of declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(u32);

/// A link of one topology, counted from 0 in order of declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(u32);

impl NodeIndex {
    /// The index of the node with this number; [`Topology`] answers `None` for one that it does not have.
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, for use as a position in a dense table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl LinkIndex {
    /// The index of the link with this number; [`Topology`] answers `None` for one that it does not have.
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, for use as a position in a dense table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<petgraph::graph::NodeIndex> for NodeIndex {
    fn from(index: petgraph::graph::NodeIndex) -> Self {
        // petgraph keeps the index in a u32 (its default), so nothing is cut off.
        Self(u32::try_from(index.index()).unwrap_or(u32::MAX))
    }
}

impl From<petgraph::graph::EdgeIndex> for LinkIndex {
    fn from(index: petgraph::graph::EdgeIndex) -> Self {
        Self(u32::try_from(index.index()).unwrap_or(u32::MAX))
    }
}

impl From<NodeIndex> for petgraph::graph::NodeIndex {
    fn from(index: NodeIndex) -> Self {
        Self::from(index.0)
    }
}

impl From<LinkIndex> for petgraph::graph::EdgeIndex {
    fn from(index: LinkIndex) -> Self {
        Self::from(index.0)
    }
}

/// What a node is there for, when the scenario says nothing else about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// A place with networks of its own behind it.
    #[default]
    Site,
    /// The centre of a star, where the tunnels of all spokes end.
    Hub,
    /// One of the many ends of a star.
    Spoke,
    /// Forwards packets and has nothing behind it.
    Router,
}

impl NodeRole {
    /// The role as topology files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Hub => "hub",
            Self::Spoke => "spoke",
            Self::Router => "router",
        }
    }
}

/// A node: its name, what it is for, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// Unique in its topology; see [`NameError`] for what cannot be a name.
    pub name: String,
    /// What the node is for.
    pub role: NodeRole,
    /// Where it stands, if known.
    pub position: Option<Position>,
}

impl NodeSpec {
    /// A node without a position.
    pub fn new(name: impl Into<String>, role: NodeRole) -> Self {
        Self { name: name.into(), role, position: None }
    }
}

/// Why a node or a link cannot join a topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The name cannot be a node's.
    #[error("`{}` cannot be a node: {reason}", .name.escape_debug())]
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// There is a node of that name already.
    #[error("there is a node `{name}` already")]
    DuplicateNode {
        /// The name.
        name: String,
    },
    /// Both ends of a link are the same node.
    #[error("a link cannot join `{name}` to itself")]
    SelfLoop {
        /// The name of the node.
        name: String,
    },
    /// An index of another topology was used.
    #[error("there is no node number {}", .index.0)]
    NoSuchNode {
        /// The index.
        index: NodeIndex,
    },
    /// A value of a link is out of range.
    #[error("link {a}--{b}: {reason}")]
    Link {
        /// One end.
        a: String,
        /// The other end.
        b: String,
        /// What is wrong.
        reason: LinkError,
    },
    /// There are [`MAX_NODES`] nodes already.
    #[error("a topology has at most {MAX_NODES} nodes")]
    TooManyNodes,
    /// There are [`MAX_LINKS`] links already.
    #[error("a topology has at most {MAX_LINKS} links")]
    TooManyLinks,
}

/// A link inside the graph.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) spec: LinkSpec,
    /// 1 for the first link of its pair of nodes, 2 for its first parallel, and so on.
    ordinal: u32,
}

/// A network: nodes in a defined order, joined by duplex links in a defined order.
#[derive(Debug, Clone)]
pub struct Topology {
    /// What the topology is called, for titles and manifests.
    pub name: String,
    graph: UnGraph<NodeSpec, Edge>,
    by_name: BTreeMap<String, NodeIndex>,
    /// The links between two nodes, lower index first, in order of declaration.
    by_ends: BTreeMap<(NodeIndex, NodeIndex), Vec<LinkIndex>>,
    notes: Vec<String>,
}

impl Topology {
    /// A topology without nodes.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            graph: UnGraph::default(),
            by_name: BTreeMap::new(),
            by_ends: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a node behind all others.
    ///
    /// # Errors
    /// [`GraphError::Name`], [`GraphError::DuplicateNode`] or [`GraphError::TooManyNodes`]; nothing is added.
    pub fn add_node(&mut self, node: NodeSpec) -> Result<NodeIndex, GraphError> {
        check_name(&node.name).map_err(|reason| GraphError::Name { name: node.name.clone(), reason })?;
        if self.by_name.contains_key(&node.name) {
            return Err(GraphError::DuplicateNode { name: node.name });
        }
        if self.node_count() >= MAX_NODES as usize {
            return Err(GraphError::TooManyNodes);
        }
        let name = node.name.clone();
        let index = self.graph.add_node(node).into();
        self.by_name.insert(name, index);
        Ok(index)
    }

    /// Joins two nodes by a link behind all others; they may be joined already.
    ///
    /// # Errors
    /// [`GraphError::NoSuchNode`], [`GraphError::SelfLoop`], [`GraphError::Link`] or
    /// [`GraphError::TooManyLinks`]; nothing is added.
    pub fn add_link(&mut self, a: NodeIndex, b: NodeIndex, spec: LinkSpec) -> Result<LinkIndex, GraphError> {
        let [a_name, b_name] = [self.name_of(a)?, self.name_of(b)?].map(str::to_owned);
        if a == b {
            return Err(GraphError::SelfLoop { name: a_name });
        }
        spec.validate().map_err(|reason| GraphError::Link { a: a_name, b: b_name, reason })?;
        if self.link_count() >= MAX_LINKS as usize {
            return Err(GraphError::TooManyLinks);
        }
        let twins = self.by_ends.entry((a.min(b), a.max(b))).or_default();
        let ordinal = u32::try_from(twins.len()).map_or(u32::MAX, |count| count + 1);
        let index = self.graph.add_edge(a.into(), b.into(), Edge { spec, ordinal }).into();
        twins.push(index);
        Ok(index)
    }

    /// Records something that the reader of the topology should know, for example what an importer left out.
    pub fn add_note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// What the importer wants the reader to know, in order.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.graph.node_count()
    }

    /// How many links there are, parallel ones counted each.
    pub fn link_count(&self) -> usize {
        self.graph.edge_count()
    }

    /// All nodes in order of declaration.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeIndex, &NodeSpec)> {
        self.graph.node_indices().map(|index| (index.into(), &self.graph[index]))
    }

    /// All links in order of declaration, each with its ends as declared.
    pub fn links(&self) -> impl ExactSizeIterator<Item = (LinkIndex, NodeIndex, NodeIndex, &LinkSpec)> {
        self.graph.edge_indices().zip(self.graph.raw_edges()).map(|(index, edge)| {
            (index.into(), edge.source().into(), edge.target().into(), &edge.weight.spec)
        })
    }

    /// The node of that index.
    pub fn node(&self, index: NodeIndex) -> Option<&NodeSpec> {
        self.graph.node_weight(index.into())
    }

    /// The link of that index.
    pub fn link(&self, index: LinkIndex) -> Option<&LinkSpec> {
        self.graph.edge_weight(index.into()).map(|edge| &edge.spec)
    }

    /// The ends of a link, as declared.
    pub fn ends(&self, index: LinkIndex) -> Option<(NodeIndex, NodeIndex)> {
        self.graph.edge_endpoints(index.into()).map(|(a, b)| (a.into(), b.into()))
    }

    /// The node of that name.
    pub fn node_by_name(&self, name: &str) -> Option<NodeIndex> {
        self.by_name.get(name).copied()
    }

    /// The name of a link: `left--right` as declared, `left--right#2` for the second between the same nodes.
    pub fn link_name(&self, index: LinkIndex) -> Option<String> {
        let edge = self.graph.edge_weight(index.into())?;
        let (a, b) = self.ends(index)?;
        let name = format!("{}{LINK_MARK}{}", self.node(a)?.name, self.node(b)?.name);
        Some(if edge.ordinal == 1 { name } else { format!("{name}{PARALLEL_MARK}{}", edge.ordinal) })
    }

    /// The link of that name, with its ends in either order; `#1` may be written for the first.
    pub fn link_by_name(&self, name: &str) -> Option<LinkIndex> {
        let (ends, ordinal) = name.split_once(PARALLEL_MARK).unwrap_or((name, "1"));
        let (a, b) = ends.split_once(LINK_MARK)?;
        let (a, b) = (self.node_by_name(a)?, self.node_by_name(b)?);
        let position = ordinal.parse::<usize>().ok()?.checked_sub(1)?;
        self.links_between(a, b).get(position).copied()
    }

    /// The links that join two nodes, in order of declaration.
    pub fn links_between(&self, a: NodeIndex, b: NodeIndex) -> &[LinkIndex] {
        self.by_ends.get(&(a.min(b), a.max(b))).map_or(&[], Vec::as_slice)
    }

    /// The neighbours of a node with the links to them, in order of the links' declaration.
    ///
    /// A neighbour over parallel links occurs once for each. A node that does not exist has none.
    pub fn neighbours(&self, node: NodeIndex) -> Vec<(NodeIndex, LinkIndex)> {
        let edges = self.graph.edges(node.into());
        let mut neighbours: Vec<_> = edges.map(|edge| (edge.target().into(), edge.id().into())).collect();
        neighbours.sort_unstable_by_key(|&(_, link)| link);
        neighbours
    }

    /// How many links a node has.
    pub fn degree(&self, node: NodeIndex) -> usize {
        self.graph.edges(node.into()).count()
    }

    /// Whether every node can reach every other; a topology of no nodes is connected.
    pub fn is_connected(&self) -> bool {
        self.components().len() <= 1
    }

    /// The sets of nodes that can reach each other: nodes ascending, sets by their first node.
    pub fn components(&self) -> Vec<Vec<NodeIndex>> {
        let mut sets = UnionFind::<usize>::new(self.node_count());
        for (_, a, b, _) in self.links() {
            sets.union(a.index(), b.index());
        }
        let mut position = BTreeMap::new();
        let mut components: Vec<Vec<NodeIndex>> = Vec::new();
        for (index, _) in self.nodes() {
            let at = *position.entry(sets.find(index.index())).or_insert(components.len());
            if at == components.len() {
                components.push(Vec::new());
            }
            components[at].push(index);
        }
        components
    }

    /// The graph, for the algorithms of this crate.
    pub(crate) fn graph(&self) -> &UnGraph<NodeSpec, Edge> {
        &self.graph
    }

    /// Names in alphabetical order, for suggestions.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    fn name_of(&self, index: NodeIndex) -> Result<&str, GraphError> {
        self.node(index).map(|node| node.name.as_str()).ok_or(GraphError::NoSuchNode { index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes `a` to `d`, two links between `a` and `b`, one from `c` to `b`; `d` alone.
    fn sample() -> Topology {
        let mut topology = Topology::new("sample");
        for name in ["a", "b", "c", "d"] {
            topology.add_node(NodeSpec::new(name, NodeRole::Site)).unwrap();
        }
        let [a, b, c] = [0, 1, 2].map(NodeIndex::new);
        for (delay_ns, (from, to)) in (1..).zip([(a, b), (b, a), (c, b)]) {
            topology.add_link(from, to, LinkSpec::with_delay(delay_ns)).unwrap();
        }
        topology
    }

    fn check_link(name: &str, expected: Option<u32>) {
        assert_eq!(sample().link_by_name(name), expected.map(LinkIndex::new), "{name}");
    }

    #[test]
    fn nodes_and_links_keep_their_order() {
        let topology = sample();
        let names: Vec<&str> = topology.nodes().map(|(_, node)| node.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        let delays: Vec<u64> = topology.links().map(|(_, _, _, link)| link.delay_ns).collect();
        assert_eq!(delays, [1, 2, 3]);
        assert_eq!((topology.node_count(), topology.link_count()), (4, 3));
    }

    #[test]
    fn links_are_named_by_their_ends_as_declared_and_numbered_from_the_second() {
        let topology = sample();
        let names: Vec<String> =
            topology.links().map(|(index, ..)| topology.link_name(index).unwrap()).collect();
        assert_eq!(names, ["a--b", "b--a#2", "c--b"]);
    }

    #[test]
    fn links_are_found_with_their_ends_in_either_order() {
        check_link("a--b", Some(0));
        check_link("b--a", Some(0));
        check_link("a--b#1", Some(0));
        check_link("a--b#2", Some(1));
        check_link("b--c", Some(2));
    }

    #[test]
    fn names_that_no_link_has_find_none() {
        for name in ["", "a", "a--", "a--d", "a--b#0", "a--b#3", "a--b#x", "a-b", "a--b--c", "a--a"] {
            check_link(name, None);
        }
    }

    #[test]
    fn every_link_is_found_by_its_name() {
        let topology = sample();
        for (index, ..) in topology.links() {
            assert_eq!(topology.link_by_name(&topology.link_name(index).unwrap()), Some(index));
        }
    }

    #[test]
    fn neighbours_come_in_order_of_the_links() {
        let [a, c] = [0, 2].map(NodeIndex::new);
        let expected = [(a, 0), (a, 1), (c, 2)].map(|(node, link)| (node, LinkIndex::new(link)));
        assert_eq!(sample().neighbours(NodeIndex::new(1)), expected);
        assert_eq!(sample().degree(NodeIndex::new(1)), 3);
        assert_eq!(sample().neighbours(NodeIndex::new(3)), []);
        assert_eq!(sample().neighbours(NodeIndex::new(9)), []);
    }

    #[test]
    fn components_are_ordered_by_their_first_node() {
        let mut topology = Topology::new("parts");
        let nodes =
            ["a", "b", "c", "d"].map(|n| topology.add_node(NodeSpec::new(n, NodeRole::Site)).unwrap());
        topology.add_link(nodes[3], nodes[0], LinkSpec::default()).unwrap();
        assert_eq!(topology.components(), [vec![nodes[0], nodes[3]], vec![nodes[1]], vec![nodes[2]]]);
        assert!(!topology.is_connected());
    }

    #[test]
    fn a_single_part_or_none_is_connected() {
        assert!(Topology::new("empty").is_connected());
        assert!(!sample().is_connected());
        let mut topology = sample();
        topology.add_link(NodeIndex::new(3), NodeIndex::new(0), LinkSpec::default()).unwrap();
        assert!(topology.is_connected());
    }

    #[test]
    fn what_would_be_wrong_everywhere_is_refused_and_changes_nothing() {
        let mut topology = sample();
        let [a, b, none] = [0, 1, 9].map(NodeIndex::new);
        let link = LinkSpec::default();
        let refused = [
            topology.add_node(NodeSpec::new("a", NodeRole::Site)).unwrap_err(),
            topology.add_node(NodeSpec::new("x--y", NodeRole::Site)).unwrap_err(),
            topology.add_link(a, a, link).unwrap_err(),
            topology.add_link(a, none, link).unwrap_err(),
            topology.add_link(a, b, LinkSpec { mtu: 20, ..link }).unwrap_err(),
        ];
        let expected = [
            "there is a node `a` already",
            "`x--y` cannot be a node: `--` cannot occur in a name, since it joins the two ends in the name of a link",
            "a link cannot join `a` to itself",
            "there is no node number 9",
            "link a--b: mtu of 20 is not between 68 and 65535",
        ];
        assert_eq!(refused.map(|error| error.to_string()), expected);
        assert_eq!((topology.node_count(), topology.link_count()), (4, 3));
        assert_eq!(topology.link_by_name("a--b#3"), None);
    }

    #[test]
    fn there_is_no_room_beyond_the_limit_of_nodes() {
        let mut topology = Topology::new("full");
        for number in 0..MAX_NODES {
            topology.add_node(NodeSpec::new(number.to_string(), NodeRole::Spoke)).unwrap();
        }
        let error = topology.add_node(NodeSpec::new("one more", NodeRole::Spoke)).unwrap_err();
        assert_eq!(error, GraphError::TooManyNodes);
    }
}
