//! A scenario that cannot be wrong: every name resolved, every default filled in, every pattern expanded.
//!
//! The world builder reads these types and nothing else of a scenario. Times are nanoseconds from the start of the
//! run; nodes and links are indices into [`CheckedScenario::topology`]; a connection here is one pair of nodes. There
//! is no way to make one of these but [`crate::scenario::check()`].

use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipseclab_ike::proposal::{EspProposal, IkeProposal};
use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::{LinkIndex, NodeIndex, Topology};

use super::file::{ActionKind, CryptoKind, Mode, NatBehaviour, PolicyMode, StartAction};
use super::selector::Network;

/// A whole scenario.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckedScenario {
    /// The name; fit for a folder.
    pub name: String,
    /// What it shows.
    pub description: Option<String>,
    /// How long the run lasts; above zero.
    pub duration: SimDuration,
    /// What statistics leave out; below `duration`.
    pub warm_up: SimDuration,
    /// The seed of the run.
    pub seed: u64,
    /// How cryptography is done.
    pub crypto: CryptoKind,
    /// Nodes and links; at least two nodes.
    pub topology: Topology,
    /// Settings of each node, in node order.
    pub nodes: Vec<NodeSettings>,
    /// One entry for each pair of nodes with a tunnel, in the order of connection names and nodes.
    pub connections: Vec<Connection>,
    /// Bypass and discard policies, one entry for each node, first match first.
    pub policies: Vec<Policy>,
    /// Streams of packets, one entry for each pair of nodes.
    pub traffic: Vec<Flow>,
    /// Faults, as written.
    pub faults: Vec<Fault>,
    /// Commands, as written; one entry for each connection and node.
    pub actions: Vec<Action>,
    /// Bounds.
    pub limits: Limits,
    /// The scenario with overrides and the texts of the files that it names: equal texts, equal runs.
    pub canonical: String,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// The node.
    pub node: NodeIndex,
    /// Its name in the topology.
    pub name: String,
    /// Its address towards the topology; the NAT's outside when there is a NAT.
    pub address: Ipv4Addr,
    /// The networks behind it; they overlap with nobody's.
    pub networks: Vec<Network>,
    /// Processor cores, at least 1.
    pub cores: u32,
    /// What its work costs.
    pub cost_profile: CostProfile,
    /// The NAT in front of it; such a node has one link.
    pub nat: Option<Nat>,
    /// Whether it has tunnels, networks or traffic of its own; any other node only forwards.
    pub is_host: bool,
}

/// What cryptography and packets cost in processor time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CostProfile {
    /// Nothing.
    Free,
    /// The shipped measurements.
    Reference,
    /// A profile that the user made.
    File {
        /// Where it was read from.
        path: PathBuf,
        /// The whole text; it is a complete profile.
        text: String,
    },
}

/// A NAT in front of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// The node's address inside.
    pub inside: Ipv4Addr,
    /// When two packets from one inside port share an outside port.
    pub mapping: NatBehaviour,
    /// Which packets from outside come through.
    pub filtering: NatBehaviour,
    /// How long an unused mapping lives; above zero.
    pub timeout: SimDuration,
}

/// A number of [`CheckedScenario::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionIndex(pub(super) usize);

impl ConnectionIndex {
    /// The position in [`CheckedScenario::connections`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// An IKE connection between two nodes that can reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The name in the file; many pairs may share it.
    pub name: String,
    /// The node that initiates, unless the other side's traffic comes first.
    pub local: NodeIndex,
    /// The other node.
    pub remote: NodeIndex,
    /// IKE proposals of `local`, best first; at least one.
    pub proposals: Vec<IkeProposal>,
    /// IKE proposals of `remote`, best first; at least one.
    pub remote_proposals: Vec<IkeProposal>,
    /// The shared key, as `local` has it.
    pub psk: Vec<u8>,
    /// The shared key, as `remote` has it.
    pub remote_psk: Vec<u8>,
    /// Identity of `local`.
    pub local_id: Identity,
    /// Identity of `remote`.
    pub remote_id: Identity,
    /// Whether ESP travels in UDP even without NAT.
    pub encap: bool,
    /// When requests are repeated.
    pub retransmission: Retransmission,
    /// After this long without a sign of life, each side asks the other for one; above zero.
    pub dpd_delay: Option<SimDuration>,
    /// The tunnel inside; exactly one, as more need `CREATE_CHILD_SA`.
    pub children: Vec<Child>,
}

/// Who a peer says it is (RFC 7296 §3.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// `ID_IPV4_ADDR`.
    Address(Ipv4Addr),
    /// `ID_FQDN`.
    Fqdn(String),
    /// `ID_RFC822_ADDR`.
    Email(String),
}

/// When requests are repeated: after `timeout`, then `timeout` × base, × base² ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    /// The first wait; above zero.
    pub timeout: SimDuration,
    /// The factor in thousandths, from 1000.
    pub base_thousandths: u32,
    /// How often a request is repeated.
    pub tries: u32,
}

/// A tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The name in the file.
    pub name: String,
    /// What the local node is configured with.
    pub local: ChildEnd,
    /// What the remote node is configured with, from its own side.
    pub remote: ChildEnd,
    /// Tunnel or transport mode.
    pub mode: Mode,
    /// What brings it up.
    pub start_action: StartAction,
    /// Idle time after which it ends; above zero.
    pub inactivity: Option<SimDuration>,
}

/// One node's own configuration of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildEnd {
    /// Traffic of the node itself; at least one selector.
    pub local_ts: Vec<TrafficSelector>,
    /// Traffic of its peer; at least one selector.
    pub remote_ts: Vec<TrafficSelector>,
    /// ESP proposals, best first; at least one.
    pub esp_proposals: Vec<EspProposal>,
}

/// Traffic by network, protocol and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrafficSelector {
    /// The addresses.
    pub network: Network,
    /// The IP protocol number, or any.
    pub protocol: Option<u8>,
    /// First and last port, or any.
    pub ports: Option<(u16, u16)>,
}

/// A bypass or discard policy of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The node.
    pub node: NodeIndex,
    /// Traffic of the node's side; at least one selector.
    pub local_ts: Vec<TrafficSelector>,
    /// Traffic of the other side; at least one selector.
    pub remote_ts: Vec<TrafficSelector>,
    /// What happens to it.
    pub mode: PolicyMode,
}

/// A stream of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The element of the file's `traffic` list that it comes from.
    pub entry: usize,
    /// The sending node.
    pub from: NodeIndex,
    /// The receiving node.
    pub to: NodeIndex,
    /// Where packets come from: an address of `from` or of a network behind it.
    pub source: Ipv4Addr,
    /// Where packets go: an address of `to` or of a network behind it.
    pub destination: Ipv4Addr,
    /// What is sent.
    pub kind: FlowKind,
    /// Time from one packet to the next; above zero.
    pub interval: SimDuration,
    /// Octets of data in a packet, without headers.
    pub payload_octets: u32,
    /// When the first packet is sent.
    pub start: SimTime,
    /// No packet is sent at this time or later; above `start`, at most the run's duration.
    pub stop: SimTime,
    /// How many packets are sent at most.
    pub count: Option<u64>,
}

/// What a flow sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// ICMP echo requests, which the receiver answers.
    Ping,
    /// UDP datagrams in one direction.
    Udp,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The link loses every packet from `at` until `until`.
    LinkDown {
        /// The link.
        link: LinkIndex,
        /// From.
        at: SimTime,
        /// Until; above `at`.
        until: SimTime,
    },
}

/// A command given at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// When; before the end of the run.
    pub at: SimTime,
    /// The command.
    pub kind: ActionKind,
    /// The connection.
    pub connection: ConnectionIndex,
    /// The node, one end of the connection.
    pub node: NodeIndex,
    /// The tunnels, as positions in [`Connection::children`]; empty means the IKE SA and all in it.
    pub children: Vec<usize>,
}

/// Bounds on what a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets that wait at a node for one tunnel to come up.
    pub acquire_queue: usize,
    /// Events after which a run is stopped as a failure.
    pub events: u64,
}

impl CheckedScenario {
    /// Where a node may be found by name in messages and columns.
    pub fn node_name(&self, node: NodeIndex) -> &str {
        self.nodes.get(node.index()).map_or("?", |settings| settings.name.as_str())
    }

    /// `office`, or `office/spoke-3--hub` when the connection stands for several pairs.
    pub fn connection_label(&self, index: ConnectionIndex) -> String {
        let Some(connection) = self.connections.get(index.0) else { return "?".to_owned() };
        let same = self.connections.iter().filter(|other| other.name == connection.name).take(2).count();
        match same {
            0 | 1 => connection.name.clone(),
            _ => format!(
                "{}/{}--{}",
                connection.name,
                self.node_name(connection.local),
                self.node_name(connection.remote)
            ),
        }
    }

    /// All connections with their indices.
    pub fn connections(&self) -> impl Iterator<Item = (ConnectionIndex, &Connection)> {
        self.connections.iter().enumerate().map(|(index, connection)| (ConnectionIndex(index), connection))
    }

    /// When the run ends.
    pub fn end(&self) -> SimTime {
        SimTime::ZERO + self.duration
    }
}
