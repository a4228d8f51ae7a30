//! From a checked scenario to a simulation that can run.
//!
//! [`World::build`] turns each topology node into a process, puts a NAT process in front of the nodes that ask for
//! one, joins them by links with their own random streams, and fills routing tables, policies, endpoints and
//! applications. Process numbers are node indices, NATs come after them, so a scenario's streams do not move when
//! something is added behind them.
//!
//! Model: the wire between a node and its NAT has no delay, no loss and no limit of rate.

mod authentication;
pub mod credentials;
mod faults;
mod flows;
mod host;
mod links;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipseclab_crypto::{Provider, RealProvider};
use ipseclab_ike::config::{ChildId, ConnectionId};
use ipseclab_ike::proposal::IkeProposal;
use ipseclab_net::{NatConfig, PortId};
use ipseclab_node::{AppId, Command, DatapathConfig, Node, NodeConfig, NodeEvent, Observe};
use ipseclab_sim::{Options, ProcessId, RunSeed, SimTime, Simulation};
use ipseclab_topologies::{NodeIndex, RouteError, shortest_paths};

use self::credentials::CredentialError;
use crate::cost_profiles::{CostProfiles, ProfileError};
use crate::results::course::bucket_width;
use crate::scenario::{
    Action, ActionKind, CheckedScenario, ConnectionIndex, Fault, NatBehaviour, Spreading, StartAction,
};

pub use faults::Flood;
pub use links::WireEnd;

/// Jobs that may wait for a core of one node: far above what a healthy run needs, and a bound all the same.
const CPU_QUEUE_JOBS: usize = 1_000_000;

/// A simulation with the keys to read its results.
pub struct World {
    /// Nodes first, in the order of the topology, then NATs in the order of their nodes.
    pub simulation: Simulation<Node>,
    /// Where each direction of each link begins, in the order of links, from the first end and then from the second.
    pub wires: Vec<WireEnd>,
    /// The applications of each flow of the scenario: the source, and the sink of UDP flows.
    pub flows: Vec<FlowApps>,
    connections: Connections,
    pub(crate) nats: BTreeMap<NodeIndex, ProcessId>,
    /// What connects at the start, by node, to be begun again after a crash.
    starts: BTreeMap<NodeIndex, Vec<Command>>,
}

/// The applications of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowApps {
    /// The node and number of the source.
    pub source: (ProcessId, AppId),
    /// The node and number of the sink; pings book their own replies.
    pub sink: Option<(ProcessId, AppId)>,
}

/// Which connection of the scenario an endpoint's connection is, and back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    by_node: BTreeMap<NodeIndex, Vec<ConnectionIndex>>,
}

/// Why a checked scenario cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The topology is too large to route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A cost profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A certificate cannot be made or read.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

impl World {
    /// Builds the world of a scenario.
    ///
    /// # Errors
    /// When the topology is too large to route, or a cost profile or certificate cannot be used.
    pub fn build(scenario: &CheckedScenario, observe: Observe) -> Result<Self, BuildError> {
        let routes = shortest_paths(&scenario.topology)?;
        let profiles = CostProfiles::load(scenario)?;
        let connections = Connections::of(scenario);
        let issued = credentials::issue(scenario)?;
        let provider: Arc<dyn Provider> = Arc::new(RealProvider::new());
        let seed = RunSeed::new(scenario.seed);
        let options = Options { event_limit: scenario.limits.events, ..Options::default() };
        let mut simulation = Simulation::new(options);
        for settings in &scenario.nodes {
            let id = process(settings.node);
            let config = NodeConfig {
                name: settings.name.clone(),
                address: settings.nat.map_or(settings.address, |nat| nat.inside.into()),
                cores: u16::try_from(settings.cores).unwrap_or(u16::MAX),
                cpu_queue: CPU_QUEUE_JOBS,
                datapath: settings.datapath.map(datapath),
                cost_profile: profiles.of(settings),
                observe,
                timeline: bucket_width(scenario.duration),
            };
            let node = match host::config(scenario, &connections, settings, &issued, observe)? {
                Some(host) => Node::host(config, id, host, &provider, seed),
                None => Node::router(config, id),
            };
            simulation.add(node);
        }
        let nats = add_nats(scenario, &profiles, observe, &mut simulation);
        let wires = links::join(scenario, &nats, seed, &mut simulation);
        links::fill_routes(scenario, &routes, &nats, &wires, &mut simulation);
        let flows = flows::add(scenario, &mut simulation);
        let starts = BTreeMap::new();
        let mut world = Self { simulation, wires, flows, connections, nats, starts };
        world.schedule(scenario, provider.as_ref());
        Ok(world)
    }

    /// The scenario's connection behind the endpoint's connection `id` at `node`.
    pub fn connection_at(&self, node: NodeIndex, id: ConnectionId) -> Option<ConnectionIndex> {
        self.connections.by_node.get(&node)?.get(id.0 as usize).copied()
    }

    /// Puts the starts, commands and faults into the agenda.
    fn schedule(&mut self, scenario: &CheckedScenario, provider: &dyn Provider) {
        for settings in &scenario.nodes {
            self.simulation.schedule(process(settings.node), SimTime::ZERO, NodeEvent::Start);
        }
        for (index, connection) in scenario.connections() {
            for (place, child) in connection.children.iter().enumerate() {
                if matches!(child.start_action, StartAction::Start | StartAction::TrapStart) {
                    let id = self.connections.id(connection.node, index);
                    let command = Command::InitiateChild(child_id(id, place));
                    self.starts.entry(connection.node).or_default().push(command);
                    let node = process(connection.node);
                    self.simulation.schedule(node, SimTime::ZERO, NodeEvent::Command(command));
                }
            }
        }
        for action in &scenario.actions {
            let node = scenario.connections[action.connection.index()].node;
            let id = self.connections.id(node, action.connection);
            for command in commands(action, id) {
                self.simulation.schedule(process(node), action.at, NodeEvent::Command(command));
            }
        }
        for fault in &scenario.faults {
            match *fault {
                Fault::LinkDown { link, at, until } => self.cut_link(link, at, until),
                Fault::NodeCrash { node, at, until } => self.crash(node, at, until),
                Fault::NatReboot { node, at } => self.reboot_nat(node, at),
                Fault::Blackhole { node, at, until } => self.swallow(node, at, until),
                Fault::Flood { from, to, at, until, interval, sources } => {
                    let proposal = offered_to(scenario, to);
                    let sources = links::ip_net(sources);
                    let flood = Flood { from, to, at, until, interval, sources, proposal };
                    let added = self.flood(&flood, scenario.seed, provider);
                    assert!(
                        added.is_some(),
                        "a checked flood goes from a host, and every proposal has a group"
                    );
                }
            }
        }
    }
}

/// What a command of the scenario asks of its node, whose number for the connection is `id`.
fn commands(action: &Action, id: ConnectionId) -> Vec<Command> {
    let children = action.children.iter().map(|place| child_id(id, *place));
    match (action.kind, action.children.is_empty()) {
        (ActionKind::Initiate, true) => vec![Command::InitiateIke(id)],
        (ActionKind::Initiate, false) => children.map(Command::InitiateChild).collect(),
        (ActionKind::Rekey, true) => vec![Command::RekeyIke(id)],
        (ActionKind::Rekey, false) => children.map(Command::RekeyChild).collect(),
        (ActionKind::Reauthenticate, _) => vec![Command::Reauthenticate(id)],
        (ActionKind::Terminate, true) => vec![Command::Terminate(id)],
        (ActionKind::Terminate, false) => children.map(Command::TerminateChild).collect(),
    }
}

fn child_id(connection: ConnectionId, place: usize) -> ChildId {
    ChildId { connection, place: u32::try_from(place).expect("a connection has fewer than 2^32 children") }
}

/// What a forger offers to a node, so that it does not refuse at once: what its first connection takes.
fn offered_to(scenario: &CheckedScenario, node: NodeIndex) -> IkeProposal {
    let mut own = scenario.connections.iter().filter(|connection| connection.node == node);
    let proposals = own.next().map_or_else(IkeProposal::default_set, |own| own.proposals.clone());
    proposals.into_iter().next().expect("a connection has a proposal, and so have the defaults")
}

impl Connections {
    /// Each node's connections, in the order of the scenario: their places are the endpoint's numbers.
    fn of(scenario: &CheckedScenario) -> Self {
        let mut by_node: BTreeMap<NodeIndex, Vec<ConnectionIndex>> = BTreeMap::new();
        for (index, connection) in scenario.connections() {
            by_node.entry(connection.node).or_default().push(index);
        }
        Self { by_node }
    }

    /// The connections of `node`.
    pub(crate) fn at(&self, node: NodeIndex) -> &[ConnectionIndex] {
        self.by_node.get(&node).map_or(&[], Vec::as_slice)
    }

    fn id(&self, node: NodeIndex, index: ConnectionIndex) -> ConnectionId {
        let place = self.at(node).iter().position(|other| *other == index);
        let place = place.expect("a checked command names a connection of its node");
        ConnectionId(u32::try_from(place).expect("a scenario has fewer than 2^32 connections"))
    }
}

/// The process of a topology node.
pub(crate) fn process(node: NodeIndex) -> ProcessId {
    ProcessId::new(u32::try_from(node.index()).expect("a topology has fewer than 2^32 nodes"))
}

/// Adds the NAT processes; their ports come with the links.
fn add_nats(
    scenario: &CheckedScenario,
    profiles: &CostProfiles,
    observe: Observe,
    simulation: &mut Simulation<Node>,
) -> BTreeMap<NodeIndex, ProcessId> {
    let mut nats = BTreeMap::new();
    let mut next = u32::try_from(scenario.nodes.len()).expect("a topology has fewer than 2^32 nodes");
    for settings in &scenario.nodes {
        let Some(nat) = settings.nat else { continue };
        let config = NodeConfig {
            name: format!("{}-nat", settings.name),
            address: settings.address,
            cores: 1,
            cpu_queue: CPU_QUEUE_JOBS,
            datapath: None,
            cost_profile: profiles.free(),
            observe: Observe { packets: observe.packets, steps: false },
            timeline: bucket_width(scenario.duration),
        };
        let behaviour = NatConfig {
            mapping: nat_behaviour(nat.mapping),
            filtering: nat_behaviour(nat.filtering),
            timeout: nat.timeout,
            ..NatConfig::default()
        };
        let nat = Node::nat(config, ProcessId::new(next), behaviour);
        let id = simulation.add(nat.expect("a checked NAT has an IPv4 address outside"));
        next += 1;
        nats.insert(settings.node, id);
    }
    nats
}

fn datapath(written: crate::scenario::Datapath) -> DatapathConfig {
    DatapathConfig {
        cores: written.cores,
        ring: written.ring,
        batch: written.batch,
        spreading: match written.spreading {
            Spreading::Spi => ipseclab_node::Spreading::Spi,
            Spreading::FiveTuple => ipseclab_node::Spreading::FiveTuple,
        },
    }
}

fn nat_behaviour(behaviour: NatBehaviour) -> ipseclab_net::NatBehaviour {
    match behaviour {
        NatBehaviour::EndpointIndependent => ipseclab_net::NatBehaviour::EndpointIndependent,
        NatBehaviour::AddressDependent => ipseclab_net::NatBehaviour::AddressDependent,
        NatBehaviour::AddressAndPortDependent => ipseclab_net::NatBehaviour::AddressAndPortDependent,
    }
}

/// The only port of a node with one link: towards its NAT, or into the link.
const EDGE_PORT: PortId = PortId::new(0);
