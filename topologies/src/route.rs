//! Shortest paths: for every two nodes, the next node and the link to it.
//!
//! A path is best by total propagation delay, then by number of hops, then by the lower index of the next node,
//! then by the lower index of the link. So routes are fully determined, and free of loops: the number of hops
//! left falls at every step, also over links without delay.
//!
//! One Dijkstra run (petgraph's) per destination fills a table of next hops. Nodes with a single link never carry
//! transit, so they stay out of the table and take the route of the node that they hang on: a star of 100 000
//! spokes needs a table of one entry. What remains is quadratic and bounded by [`MAX_TRANSIT_NODES`].
//!
//! Left out: rate, loss and queues do not enter the choice, paths of equal cost are not shared, and a link that
//! fails later does not change the routes.

use std::ops::Add;

use petgraph::algo::dijkstra;
use petgraph::visit::NodeFiltered;

use crate::graph::{LinkIndex, NodeIndex, Topology};

/// Most nodes with two or more links for which routes are computed: seconds of work, and a table of 64 MiB.
pub const MAX_TRANSIT_NODES: usize = 4096;
/// Marks an entry of the table without a route.
const NO_LINK: u32 = u32::MAX;

/// Why there are no routes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Too many nodes have two or more links.
    #[error(
        "{transit} nodes with two or more links are too many for all shortest paths (at most {MAX_TRANSIT_NODES})"
    )]
    TooManyTransitNodes {
        /// How many there are.
        transit: usize,
    },
}

/// What a path costs; compares by delay, then by hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cost {
    /// Sum of the propagation delays in nanoseconds.
    pub delay_ns: u64,
    /// Number of links.
    pub hops: u32,
}

impl Add for Cost {
    type Output = Self;

    /// Cannot overflow: the limits of delay and node count keep the sum of any simple path below 2⁶⁴.
    fn add(self, other: Self) -> Self {
        Self { delay_ns: self.delay_ns + other.delay_ns, hops: self.hops + other.hops }
    }
}

/// Where a node stands among the routes.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Has a row and a column of the table.
    Transit(usize),
    /// Has one link, to a transit node.
    Leaf { at: NodeIndex, link: LinkIndex },
    /// Has no link.
    Alone,
}

/// What routes need to know of a link.
#[derive(Debug, Clone, Copy)]
struct Span {
    a: NodeIndex,
    b: NodeIndex,
    delay_ns: u64,
}

/// The next hop between any two nodes of one topology.
#[derive(Debug, Clone)]
pub struct Routes {
    places: Vec<Place>,
    spans: Vec<Span>,
    transit_count: usize,
    /// Link to take, by row of the destination and column of the node that asks.
    table: Vec<u32>,
}

/// Computes the shortest paths between all nodes.
///
/// # Errors
/// [`RouteError::TooManyTransitNodes`] before anything large is allocated.
pub fn shortest_paths(topology: &Topology) -> Result<Routes, RouteError> {
    let places = places(topology);
    let transit: Vec<NodeIndex> =
        topology.nodes().map(|(index, _)| index).filter(|&i| is_transit(&places, i)).collect();
    if transit.len() > MAX_TRANSIT_NODES {
        return Err(RouteError::TooManyTransitNodes { transit: transit.len() });
    }
    let spans = topology.links().map(|(_, a, b, link)| Span { a, b, delay_ns: link.delay_ns }).collect();
    let neighbours: Vec<Vec<(NodeIndex, LinkIndex)>> = transit
        .iter()
        .map(|&node| {
            topology.neighbours(node).into_iter().filter(|&(next, _)| is_transit(&places, next)).collect()
        })
        .collect();
    let mut routes = Routes { places, spans, transit_count: transit.len(), table: Vec::new() };
    routes.table.reserve_exact(transit.len() * transit.len());
    for &destination in &transit {
        let costs = routes.costs_to(topology, destination);
        let links = neighbours.iter().enumerate().map(|(row, near)| {
            if transit[row] == destination { NO_LINK } else { routes.best_link(near, &costs) }
        });
        let links: Vec<u32> = links.collect();
        routes.table.extend(links);
    }
    Ok(routes)
}

/// Tells transit nodes from leaves. Of two nodes that only have each other, the first counts as transit.
fn places(topology: &Topology) -> Vec<Place> {
    let near: Vec<_> = topology.nodes().map(|(index, _)| topology.neighbours(index)).collect();
    let mut transit_count = 0;
    let place = |(index, _): (NodeIndex, _)| match near[index.index()][..] {
        [] => Place::Alone,
        [(at, link)] if near[at.index()].len() > 1 || at < index => Place::Leaf { at, link },
        _ => {
            transit_count += 1;
            Place::Transit(transit_count - 1)
        }
    };
    topology.nodes().map(place).collect()
}

fn is_transit(places: &[Place], node: NodeIndex) -> bool {
    matches!(places[node.index()], Place::Transit(_))
}

impl Routes {
    /// The next node on the way and the link to it; `None` at the destination or without a path.
    pub fn next_hop(&self, from: NodeIndex, to: NodeIndex) -> Option<(NodeIndex, LinkIndex)> {
        let (here, there) = (*self.places.get(from.index())?, *self.places.get(to.index())?);
        match (here, there) {
            _ if from == to => None,
            (Place::Alone, _) | (_, Place::Alone) => None,
            (Place::Leaf { at, link }, _) => {
                (at == to || self.next_hop(at, to).is_some()).then_some((at, link))
            }
            (Place::Transit(_), Place::Leaf { at, link }) if at == from => Some((to, link)),
            (Place::Transit(_), Place::Leaf { at, .. }) => self.next_hop(from, at),
            (Place::Transit(column), Place::Transit(row)) => {
                let link = self.table[row * self.transit_count + column];
                (link != NO_LINK).then(|| (self.across(link, from), LinkIndex::new(link)))
            }
        }
    }

    /// The nodes on the way, destination included, each with the link to it; empty when there is no way to go.
    ///
    /// `None` without a path.
    pub fn path(&self, from: NodeIndex, to: NodeIndex) -> Option<Vec<(NodeIndex, LinkIndex)>> {
        let mut path = Vec::new();
        let mut at = from;
        while at != to {
            let hop = self.next_hop(at, to)?;
            path.push(hop);
            at = hop.0;
        }
        (from.index() < self.places.len()).then_some(path)
    }

    /// Sum of the propagation delays on the way in nanoseconds; `None` without a path.
    pub fn distance_ns(&self, from: NodeIndex, to: NodeIndex) -> Option<u64> {
        self.cost(from, to).map(|cost| cost.delay_ns)
    }

    /// Delay and hops on the way; `None` without a path.
    pub fn cost(&self, from: NodeIndex, to: NodeIndex) -> Option<Cost> {
        let path = self.path(from, to)?;
        Some(path.into_iter().fold(Cost::default(), |sum, (_, link)| sum + self.step(link)))
    }

    /// The greatest delay and the greatest number of hops of any route; pairs without a path do not count.
    ///
    /// Takes time with the square of the number of nodes.
    pub fn diameter(&self) -> Cost {
        let mut diameter = Cost::default();
        for to in (0..).zip(&self.places).map(|(number, _)| NodeIndex::new(number)) {
            for cost in self.costs_by_table(to).into_iter().flatten() {
                diameter.delay_ns = diameter.delay_ns.max(cost.delay_ns);
                diameter.hops = diameter.hops.max(cost.hops);
            }
        }
        diameter
    }

    /// What the way to one node costs from each node: every step is walked once.
    fn costs_by_table(&self, to: NodeIndex) -> Vec<Option<Cost>> {
        let mut costs = vec![None; self.places.len()];
        costs[to.index()] = Some(Cost::default());
        let mut trail = Vec::new();
        for start in (0..).zip(&self.places).map(|(number, _)| NodeIndex::new(number)) {
            let mut at = start;
            while let (None, Some((next, link))) = (costs[at.index()], self.next_hop(at, to)) {
                trail.push((at, link));
                at = next;
            }
            let mut cost = costs[at.index()];
            while let Some((node, link)) = trail.pop() {
                cost = cost.map(|cost| cost + self.step(link));
                costs[node.index()] = cost;
            }
        }
        costs
    }

    /// Costs from every transit node to one of them, by row.
    fn costs_to(&self, topology: &Topology, destination: NodeIndex) -> Vec<Option<Cost>> {
        let transit =
            NodeFiltered::from_fn(topology.graph(), |node| is_transit(&self.places, NodeIndex::from(node)));
        let step = |edge: petgraph::graph::EdgeReference<'_, _>| {
            self.step(petgraph::visit::EdgeRef::id(&edge).into())
        };
        // The map that comes back is only asked, never iterated, so its order does not matter.
        let found = dijkstra(&transit, destination.into(), None, step);
        let rows = self.places.iter().enumerate().filter(|(_, place)| matches!(place, Place::Transit(_)));
        rows.map(|(node, _)| found.get(&petgraph::graph::NodeIndex::new(node)).copied()).collect()
    }

    /// The link of the best step, by the order that the head of this file states.
    fn best_link(&self, neighbours: &[(NodeIndex, LinkIndex)], costs: &[Option<Cost>]) -> u32 {
        let steps = neighbours.iter().filter_map(|&(next, link)| {
            let Place::Transit(row) = self.places[next.index()] else { return None };
            Some((costs[row]? + self.step(link), next, link))
        });
        steps.min().and_then(|(_, _, link)| u32::try_from(link.index()).ok()).unwrap_or(NO_LINK)
    }

    fn step(&self, link: LinkIndex) -> Cost {
        Cost { delay_ns: self.spans[link.index()].delay_ns, hops: 1 }
    }

    fn across(&self, link: u32, from: NodeIndex) -> NodeIndex {
        let Span { a, b, .. } = self.spans[link as usize];
        if a == from { b } else { a }
    }
}

#[cfg(test)]
mod tests {
    use petgraph::algo::floyd_warshall;
    use proptest::prelude::*;

    use super::*;
    use crate::generate::{chain, hub_and_spoke, pair};
    use crate::graph::{NodeRole, NodeSpec};
    use crate::link::LinkSpec;

    /// Nodes `n0` … and links with delays; links from a node to itself are left out.
    fn network(nodes: u32, links: &[(u32, u32, u64)]) -> Topology {
        let mut topology = Topology::new("test");
        for number in 0..nodes {
            topology.add_node(NodeSpec::new(format!("n{number}"), NodeRole::Router)).unwrap();
        }
        for &(a, b, delay_ns) in links.iter().filter(|(a, b, _)| a % nodes != b % nodes) {
            let (a, b) = (NodeIndex::new(a % nodes), NodeIndex::new(b % nodes));
            topology.add_link(a, b, LinkSpec::with_delay(delay_ns)).unwrap();
        }
        topology
    }

    fn networks() -> impl Strategy<Value = Topology> {
        (1_u32..12, prop::collection::vec((0_u32..12, 0_u32..12, 0_u64..4), 0..24))
            .prop_map(|(nodes, links)| network(nodes, &links))
    }

    fn all_pairs(topology: &Topology) -> Vec<(NodeIndex, NodeIndex)> {
        let indices: Vec<NodeIndex> = topology.nodes().map(|(index, _)| index).collect();
        indices.iter().flat_map(|&from| indices.iter().map(move |&to| (from, to))).collect()
    }

    fn check_path(topology: &Topology, from: u32, to: u32, expected: Option<&[u32]>) {
        let path = shortest_paths(topology).unwrap().path(NodeIndex::new(from), NodeIndex::new(to));
        let nodes = path.map(|path| path.into_iter().map(|(node, _)| node).collect::<Vec<_>>());
        assert_eq!(nodes, expected.map(|nodes| nodes.iter().map(|&n| NodeIndex::new(n)).collect()));
    }

    #[test]
    fn the_least_delay_wins_over_fewer_hops() {
        check_path(&network(3, &[(0, 2, 10), (0, 1, 4), (1, 2, 5)]), 0, 2, Some(&[1, 2]));
    }

    #[test]
    fn fewer_hops_win_among_equal_delays() {
        check_path(&network(4, &[(0, 1, 2), (1, 3, 2), (3, 2, 1), (0, 2, 5)]), 0, 2, Some(&[2]));
    }

    #[test]
    fn the_lowest_next_node_wins_among_equal_hops() {
        check_path(&network(4, &[(0, 2, 1), (2, 3, 1), (0, 1, 1), (1, 3, 1)]), 0, 3, Some(&[1, 3]));
    }

    #[test]
    fn the_first_of_equal_parallel_links_wins() {
        let topology = network(3, &[(0, 1, 9), (1, 0, 5), (0, 1, 5), (1, 2, 1), (2, 1, 1)]);
        let routes = shortest_paths(&topology).unwrap();
        let hop = |from, to| routes.next_hop(NodeIndex::new(from), NodeIndex::new(to));
        assert_eq!(hop(0, 2), Some((NodeIndex::new(1), LinkIndex::new(1))));
        assert_eq!(hop(1, 2), Some((NodeIndex::new(2), LinkIndex::new(3))));
    }

    #[test]
    fn there_is_no_way_to_another_part_and_none_to_go_to_oneself() {
        let topology = network(5, &[(0, 1, 1), (2, 3, 1)]);
        check_path(&topology, 0, 2, None);
        check_path(&topology, 0, 4, None);
        check_path(&topology, 4, 0, None);
        check_path(&topology, 4, 4, Some(&[]));
        check_path(&topology, 3, 2, Some(&[2]));
        check_path(&topology, 7, 7, None);
    }

    #[test]
    fn loops_of_links_without_delay_are_left() {
        check_path(&network(4, &[(0, 1, 0), (1, 2, 0), (2, 0, 0), (2, 3, 0)]), 0, 3, Some(&[2, 3]));
    }

    #[test]
    fn a_pair_routes_both_ways() {
        let topology = pair(LinkSpec::with_delay(7)).unwrap();
        check_path(&topology, 0, 1, Some(&[1]));
        check_path(&topology, 1, 0, Some(&[0]));
        assert_eq!(shortest_paths(&topology).unwrap().diameter(), Cost { delay_ns: 7, hops: 1 });
    }

    #[test]
    fn a_chain_is_walked_from_end_to_end() {
        let topology = chain(5, LinkSpec::with_delay(3)).unwrap();
        check_path(&topology, 0, 4, Some(&[1, 2, 3, 4]));
        check_path(&topology, 4, 1, Some(&[3, 2, 1]));
        assert_eq!(shortest_paths(&topology).unwrap().diameter(), Cost { delay_ns: 12, hops: 4 });
    }

    #[test]
    fn a_star_of_a_hundred_thousand_needs_a_table_of_one_entry() {
        let topology = hub_and_spoke(99_999, LinkSpec::with_delay(5)).unwrap();
        let routes = shortest_paths(&topology).unwrap();
        assert_eq!(routes.table.len(), 1);
        assert_eq!(
            routes.cost(NodeIndex::new(1), NodeIndex::new(99_999)),
            Some(Cost { delay_ns: 10, hops: 2 })
        );
    }

    #[test]
    fn more_transit_nodes_than_the_limit_are_refused_before_the_table_is_made() {
        let mut topology = chain(u64::from(crate::MAX_CHAIN_NODES), LinkSpec::default()).unwrap();
        let right = topology.node_by_name("right").unwrap();
        let beyond = topology.add_node(NodeSpec::new("beyond", NodeRole::Site)).unwrap();
        topology.add_link(right, beyond, LinkSpec::default()).unwrap();
        let error = shortest_paths(&topology).unwrap_err();
        assert_eq!(error, RouteError::TooManyTransitNodes { transit: MAX_TRANSIT_NODES + 1 });
    }

    #[test]
    fn the_longest_delays_over_the_most_nodes_still_fit() {
        let longest = crate::link::MAX_DELAY_NS.checked_mul(u64::from(crate::graph::MAX_NODES));
        assert!(longest.is_some());
    }

    proptest! {
        #[test]
        fn every_distance_is_the_shortest(topology in networks()) {
            let routes = shortest_paths(&topology).unwrap();
            let link_delay = |edge: petgraph::graph::EdgeReference<'_, crate::graph::Edge>| edge.weight().spec.delay_ns;
            let known = floyd_warshall(topology.graph(), link_delay).unwrap();
            for (from, to) in all_pairs(&topology) {
                let expected = Some(known[&(from.into(), to.into())]).filter(|&delay| delay != u64::MAX);
                prop_assert_eq!(routes.distance_ns(from, to), expected, "{:?} to {:?}", from, to);
            }
        }

        #[test]
        fn every_step_is_the_least_by_delay_hops_node_and_link(topology in networks()) {
            let routes = shortest_paths(&topology).unwrap();
            for (from, to) in all_pairs(&topology).into_iter().filter(|(from, to)| from != to) {
                let steps = topology.neighbours(from).into_iter();
                let steps = steps.filter_map(|(next, link)| {
                    Some((routes.cost(next, to)? + routes.step(link), next, link))
                });
                let expected = steps.min().map(|(_, next, link)| (next, link));
                prop_assert_eq!(routes.next_hop(from, to), expected, "{:?} to {:?}", from, to);
            }
        }

        #[test]
        fn no_path_visits_a_node_twice(topology in networks()) {
            let routes = shortest_paths(&topology).unwrap();
            for (from, to) in all_pairs(&topology) {
                let mut nodes: Vec<_> = routes.path(from, to).unwrap_or_default().into_iter().map(|(n, _)| n).collect();
                nodes.push(from);
                let length = nodes.len();
                nodes.sort_unstable();
                nodes.dedup();
                prop_assert_eq!(nodes.len(), if from == to { 1 } else { length });
            }
        }

        #[test]
        fn there_and_back_cost_the_same(topology in networks()) {
            let routes = shortest_paths(&topology).unwrap();
            for (from, to) in all_pairs(&topology) {
                prop_assert_eq!(routes.cost(from, to), routes.cost(to, from));
            }
        }

        #[test]
        fn the_diameter_is_the_greatest_cost(topology in networks()) {
            let routes = shortest_paths(&topology).unwrap();
            let costs = all_pairs(&topology).into_iter().filter_map(|(from, to)| routes.cost(from, to));
            let costs: Vec<Cost> = costs.collect();
            let expected = Cost {
                delay_ns: costs.iter().map(|cost| cost.delay_ns).max().unwrap_or_default(),
                hops: costs.iter().map(|cost| cost.hops).max().unwrap_or_default(),
            };
            prop_assert_eq!(routes.diameter(), expected);
        }
    }
}
