//! What is doubtful about a topology.
//!
//! A [`Topology`] cannot hold nonsense; it can still be something that nobody wanted, such as a network in two
//! parts. Findings say so; whether they stop a run is for the scenario to decide, which knows what is used.

use std::fmt;

use crate::graph::Topology;
use crate::link::{LOSS_ONE_PPB, LinkSpec};
use crate::units::{format_duration, format_size};

/// The least MTU at which IPv6 may be carried, in octets (RFC 8200 §5).
const IPV6_MIN_MTU: u32 = 1280;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; may well be intended.
    Warning,
    /// Something in the topology can never work.
    Error,
}

/// One doubtful thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// There is no node.
    Empty,
    /// Some nodes cannot reach others.
    Disconnected {
        /// How many parts there are.
        parts: usize,
        /// One node of each part, at most five.
        examples: Vec<String>,
    },
    /// A node has no link.
    Isolated {
        /// The node.
        node: String,
    },
    /// A link loses everything.
    Dead {
        /// The link.
        link: String,
    },
    /// A link has no delay, which leaves a parallel run nothing to look ahead.
    NoDelay {
        /// The link.
        link: String,
    },
    /// The extra delay can exceed the delay, so packets overtake each other by far.
    JitterAboveDelay {
        /// The link.
        link: String,
        /// Its jitter in nanoseconds.
        jitter_ns: u64,
        /// Its delay in nanoseconds.
        delay_ns: u64,
    },
    /// A packet of full size does not fit into the queue.
    QueueBelowMtu {
        /// The link.
        link: String,
        /// Its queue in octets.
        queue_bytes: u64,
        /// Its MTU in octets.
        mtu: u32,
    },
    /// IPv6 needs 1280 octets (RFC 8200 §5).
    MtuBelowIpv6 {
        /// The link.
        link: String,
        /// Its MTU in octets.
        mtu: u32,
    },
}

impl Finding {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Empty | Self::Disconnected { .. } | Self::Isolated { .. } => Severity::Error,
            Self::Dead { .. }
            | Self::NoDelay { .. }
            | Self::JitterAboveDelay { .. }
            | Self::QueueBelowMtu { .. }
            | Self::MtuBelowIpv6 { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no node"),
            Self::Disconnected { parts, examples } => {
                write!(f, "{parts} parts cannot reach each other, such as those of {}", examples.join(", "))
            }
            Self::Isolated { node } => write!(f, "node {node} has no link"),
            Self::Dead { link } => write!(f, "link {link} loses every packet"),
            Self::NoDelay { link } => write!(f, "link {link} has no delay"),
            Self::JitterAboveDelay { link, jitter_ns, delay_ns } => {
                let (jitter, delay) = (format_duration(*jitter_ns), format_duration(*delay_ns));
                write!(f, "link {link} has a jitter of {jitter}, more than its delay of {delay}")
            }
            Self::QueueBelowMtu { link, queue_bytes, mtu } => {
                let queue = format_size(*queue_bytes);
                write!(f, "link {link} has a queue of {queue}, too small for a packet of {mtu} octets")
            }
            Self::MtuBelowIpv6 { link, mtu } => {
                write!(f, "link {link} has an MTU of {mtu}, below the {IPV6_MIN_MTU} that IPv6 needs")
            }
        }
    }
}

/// Looks for what is doubtful: first about the whole, then node by node, then link by link.
pub fn check(topology: &Topology) -> Vec<Finding> {
    let mut findings = Vec::new();
    if topology.node_count() == 0 {
        findings.push(Finding::Empty);
    }
    findings.extend(disconnected(topology));
    if topology.node_count() > 1 {
        let isolated = topology.nodes().filter(|&(index, _)| topology.degree(index) == 0);
        findings.extend(isolated.map(|(_, node)| Finding::Isolated { node: node.name.clone() }));
    }
    for (index, _, _, link) in topology.links() {
        let name = topology.link_name(index).unwrap_or_default();
        findings.extend(check_link(&name, link));
    }
    findings
}

fn disconnected(topology: &Topology) -> Option<Finding> {
    let components = topology.components();
    let first = components.iter().filter_map(|nodes| topology.node(*nodes.first()?));
    let examples = first.take(5).map(|node| node.name.clone()).collect();
    (components.len() > 1).then_some(Finding::Disconnected { parts: components.len(), examples })
}

fn check_link(name: &str, link: &LinkSpec) -> impl Iterator<Item = Finding> {
    let LinkSpec { delay_ns, rate_bps: _, jitter_ns, reorder: _, loss_ppb, mtu, queue_bytes, framing: _ } =
        *link;
    let link = || name.to_owned();
    let findings = [
        (loss_ppb == LOSS_ONE_PPB).then(|| Finding::Dead { link: link() }),
        (delay_ns == 0).then(|| Finding::NoDelay { link: link() }),
        (jitter_ns > delay_ns).then(|| Finding::JitterAboveDelay { link: link(), jitter_ns, delay_ns }),
        (queue_bytes < u64::from(mtu)).then(|| Finding::QueueBelowMtu { link: link(), queue_bytes, mtu }),
        (mtu < IPV6_MIN_MTU).then(|| Finding::MtuBelowIpv6 { link: link(), mtu }),
    ];
    findings.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{chain, pair};
    use crate::graph::{NodeRole, NodeSpec};

    fn healthy() -> LinkSpec {
        LinkSpec::with_delay(1_000_000)
    }

    /// The findings about a pair with that link, as text.
    fn of_link(link: LinkSpec) -> Vec<String> {
        check(&pair(link).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_healthy_topology_has_no_findings() {
        assert_eq!(check(&chain(5, healthy()).unwrap()), []);
    }

    #[test]
    fn a_topology_without_nodes_is_an_error() {
        assert_eq!(check(&Topology::new("empty")), [Finding::Empty]);
        assert_eq!(Finding::Empty.severity(), Severity::Error);
    }

    #[test]
    fn a_single_node_needs_no_link() {
        let mut topology = Topology::new("one");
        topology.add_node(NodeSpec::new("a", NodeRole::Site)).unwrap();
        assert_eq!(check(&topology), []);
    }

    #[test]
    fn parts_and_isolated_nodes_are_errors_that_name_nodes() {
        let mut topology = pair(healthy()).unwrap();
        topology.add_node(NodeSpec::new("island", NodeRole::Site)).unwrap();
        let findings = check(&topology);
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let expected =
            ["2 parts cannot reach each other, such as those of left, island", "node island has no link"];
        assert_eq!(texts, expected);
        assert!(findings.iter().all(|finding| finding.severity() == Severity::Error));
    }

    #[test]
    fn a_dead_link_is_found() {
        let link = LinkSpec { loss_ppb: LOSS_ONE_PPB, ..healthy() };
        assert_eq!(of_link(link), ["link left--right loses every packet"]);
        assert_eq!(of_link(LinkSpec { loss_ppb: LOSS_ONE_PPB - 1, ..healthy() }), [""; 0]);
    }

    #[test]
    fn a_link_without_delay_is_found() {
        assert_eq!(of_link(LinkSpec::default()), ["link left--right has no delay"]);
    }

    #[test]
    fn more_jitter_than_delay_is_found() {
        let link = LinkSpec { jitter_ns: 1_500_000, ..healthy() };
        assert_eq!(of_link(link), ["link left--right has a jitter of 1.5ms, more than its delay of 1ms"]);
    }

    #[test]
    fn a_queue_too_small_for_one_packet_is_found() {
        let link = LinkSpec { queue_bytes: 1499, ..healthy() };
        assert_eq!(
            of_link(link),
            ["link left--right has a queue of 1499B, too small for a packet of 1500 octets"]
        );
        assert_eq!(of_link(LinkSpec { queue_bytes: 1500, ..healthy() }), [""; 0]);
    }

    #[test]
    fn an_mtu_too_small_for_ipv6_is_found() {
        let link = LinkSpec { mtu: 1279, ..healthy() };
        assert_eq!(of_link(link), ["link left--right has an MTU of 1279, below the 1280 that IPv6 needs"]);
        let findings = check(&pair(link).unwrap());
        assert_eq!(findings[0].severity(), Severity::Warning);
    }
}
