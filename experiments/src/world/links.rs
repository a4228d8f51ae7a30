//! Links, ports and routes.

use std::collections::BTreeMap;

use ipseclab_net::{BitRate, Framing, IpNet, Link, LinkConfig, LossPpb, Mtu, PortId, Reorder, ReorderSpread};
use ipseclab_node::{Node, Port};
use ipseclab_sim::{ModelRng, ProcessId, RunSeed, SimDuration, Simulation, StreamLabel};
use ipseclab_topologies::{LinkSpec, NodeIndex, Routes};

use super::{EDGE_PORT, process};
use crate::scenario::{CheckedScenario, Network};

/// The beginning of one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireEnd {
    /// The process that sends into it: the node, or the NAT in front of it.
    pub process: ProcessId,
    /// The port of that process.
    pub port: PortId,
}

/// Joins the processes; returns the beginnings of all directions, two for each link.
pub(super) fn join(
    scenario: &CheckedScenario,
    nats: &BTreeMap<NodeIndex, ProcessId>,
    seed: RunSeed,
    simulation: &mut Simulation<Node>,
) -> Vec<WireEnd> {
    for (node, nat) in nats {
        attach_nat(*node, *nat, seed, simulation);
    }
    let outside = |node: NodeIndex| nats.get(&node).copied().unwrap_or_else(|| process(node));
    let mut wires = Vec::new();
    for (index, a, b, spec) in scenario.topology.links() {
        let (a, b) = (outside(a), outside(b));
        let ports = (next_port(simulation, a), next_port(simulation, b));
        let number = u32::try_from(2 * index.index()).expect("a topology has fewer than 2^31 links");
        let config = link_config(spec);
        add_port(simulation, (a, b), ports.1, &config, seed, number);
        add_port(simulation, (b, a), ports.0, &config, seed, number + 1);
        wires.push(WireEnd { process: a, port: ports.0 });
        wires.push(WireEnd { process: b, port: ports.1 });
    }
    wires
}

/// The wire between a node and its NAT is ideal; it comes first, so it is port 0 on both.
fn attach_nat(node: NodeIndex, nat: ProcessId, seed: RunSeed, simulation: &mut Simulation<Node>) {
    let node = process(node);
    let config = LinkConfig::ideal(SimDuration::ZERO);
    // An ideal link draws nothing; its stream numbers only have to exist.
    let number = u32::MAX - 2 * nat.index();
    add_port(simulation, (node, nat), EDGE_PORT, &config, seed, number);
    add_port(simulation, (nat, node), EDGE_PORT, &config, seed, number - 1);
}

fn next_port(simulation: &Simulation<Node>, process: ProcessId) -> PortId {
    let count = simulation.process(process).ports().len();
    PortId::new(u32::try_from(count).expect("a node has fewer than 2^32 ports"))
}

fn add_port(
    simulation: &mut Simulation<Node>,
    (from, to): (ProcessId, ProcessId),
    to_port: PortId,
    config: &LinkConfig,
    seed: RunSeed,
    number: u32,
) {
    let stream = |purpose| ModelRng::new(seed, StreamLabel::new(number, purpose));
    let link = Link::new(*config, stream("link loss"), stream("link jitter"), stream("link reorder"));
    let channel = link.is_fifo().then(|| simulation.add_channel(from, to));
    simulation.process_mut(from).add_port(Port { link, to, to_port, channel });
}

fn link_config(spec: &LinkSpec) -> LinkConfig {
    LinkConfig {
        rate: spec.rate_bps.and_then(BitRate::new),
        delay: SimDuration::from_nanos(spec.delay_ns),
        jitter: SimDuration::from_nanos(spec.jitter_ns),
        reorder: spec.reorder.map(|spec| Reorder {
            probability: LossPpb::new(spec.probability_ppb).unwrap_or(LossPpb::ALL),
            delay: SimDuration::from_nanos(spec.delay_ns),
            spread: if spec.is_exponential { ReorderSpread::Exponential } else { ReorderSpread::Constant },
        }),
        loss: LossPpb::new(spec.loss_ppb).unwrap_or(LossPpb::ALL),
        mtu: Mtu::new(u16::try_from(spec.mtu).unwrap_or(u16::MAX)).unwrap_or(Mtu::MAX),
        queue_bytes: spec.queue_bytes,
        framing: match spec.framing {
            ipseclab_topologies::Framing::None => Framing::None,
            ipseclab_topologies::Framing::Ethernet => Framing::Ethernet,
            ipseclab_topologies::Framing::Octets(octets) => Framing::Octets(octets),
        },
    }
}

/// Fills the routing tables: every node's address and networks, along the shortest paths.
pub(super) fn fill_routes(
    scenario: &CheckedScenario,
    routes: &Routes,
    nats: &BTreeMap<NodeIndex, ProcessId>,
    wires: &[WireEnd],
    simulation: &mut Simulation<Node>,
) {
    for settings in &scenario.nodes {
        let from = settings.node;
        let fib = simulation.process_mut(process(from)).fib_mut();
        // A node at the edge has one way to everybody. A table of all destinations would say the same, and the tables
        // of all spokes of a hub would take memory in the square of their number.
        if nats.contains_key(&from) || scenario.topology.degree(from) == 1 {
            fib.insert(IpNet::ALL_V4, EDGE_PORT);
            fib.insert(IpNet::ALL_V6, EDGE_PORT);
            continue;
        }
        let mut behind = Vec::new();
        for destination in scenario.nodes.iter().filter(|other| other.node != from) {
            let Some((_, link)) = routes.next_hop(from, destination.node) else { continue };
            let ends = &wires[2 * link.index()..][..2];
            let wire = ends.iter().find(|wire| wire.process == process(from));
            let port = wire.expect("a next hop leaves by a link of its node").port;
            match destination.behind {
                Some(gateway) if gateway == from => {
                    behind.push((IpNet::host(destination.address), port));
                    continue;
                }
                // It is part of its gateway's networks.
                Some(_) => continue,
                None => {}
            }
            fib.insert(IpNet::host(destination.address), port);
            for network in &destination.networks {
                fib.insert(ip_net(*network), port);
            }
        }
        for (network, port) in behind {
            simulation.process_mut(process(from)).put_behind(network, port);
        }
    }
}

/// A network of the scenario in the words of the network crate.
pub(super) fn ip_net(network: Network) -> IpNet {
    IpNet::new(network.first(), network.prefix_len())
        .expect("a checked network has at most as many bits as its addresses")
}
