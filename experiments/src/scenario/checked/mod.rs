//! A scenario that cannot be wrong: every name resolved, every default filled in, every pattern expanded.
//!
//! The world builder reads these types and nothing else of a scenario. Times are nanoseconds from the start of the
//! run; nodes and links are indices into [`CheckedScenario::topology`]; a connection here is what one node is configured
//! with about its peer, as in a swanctl.conf. There is no way to make one of these but [`crate::scenario::check()`].

mod connection;
mod credentials;
mod events;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use ipseclab_ike::profile::Profile;
use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::{NodeIndex, Topology};

pub use connection::{
    Child, ChildIndex, Connection, ConnectionIndex, Eap, EapUser, Identity, Lifetime, LocalAuth,
    PeerIdentity, RemoteAuth, Renewal, Retransmission, V1Settings, Volume, Xauth,
};
pub use credentials::{Authority, CaTrust, Certificate, CertificateSource, Credentials, Pool};
pub use events::{Action, Fault};

use super::addresses::Addresses;
use super::file::{CryptoKind, Df, IpFragmentation, NatBehaviour, PolicyMode, Spreading};
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
    /// What each node is configured with, in the order of connection names and nodes; the two sides of a connection that
    /// was written once follow each other, its local side first.
    pub connections: Vec<Connection>,
    /// Bypass and discard policies, one entry for each node, first match first.
    pub policies: Vec<Policy>,
    /// Streams of packets, one entry for each pair of nodes.
    pub traffic: Vec<Flow>,
    /// Faults, as written.
    pub faults: Vec<Fault>,
    /// Commands, as written; one entry for each connection of each node.
    pub actions: Vec<Action>,
    /// Authorities, certificates and pools.
    pub credentials: Credentials,
    /// Unix time in seconds at which the run begins.
    pub start_unix: i64,
    /// What is written and shown besides the usual.
    pub outputs: Outputs,
    /// Bounds.
    pub limits: Limits,
    /// The scenario with overrides and the texts of the files that it names: equal texts, equal runs.
    pub canonical: String,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSettings {
    /// The node.
    pub node: NodeIndex,
    /// Its name in the topology.
    pub name: String,
    /// Its address towards the topology; the NAT's outside when there is a NAT.
    pub address: IpAddr,
    /// The networks behind it; they overlap with nobody's.
    pub networks: Vec<Network>,
    /// The gateway that it is behind; its address is then one of the gateway's networks.
    pub behind: Option<NodeIndex>,
    /// Processor cores, at least 1.
    pub cores: u32,
    /// Cores for packets alone.
    pub datapath: Option<Datapath>,
    /// What its work costs.
    pub cost_profile: CostProfile,
    /// The NAT in front of it; such a node has one link.
    pub nat: Option<Nat>,
    /// The implementation that it behaves like: its messages, and what it does unless it is told otherwise.
    pub profile: Arc<Profile>,
    /// Bounds on what peers can make it keep; `None` where the profile's own holds.
    pub limits: NodeLimits,
    /// The DF flag of its tunnels' outer headers.
    pub df: Df,
    /// When packets that do not fit its tunnels are cut.
    pub ip_fragmentation: IpFragmentation,
    /// Its ESP packets are padded to a multiple of so many octets: 4, or 1 for no alignment.
    pub esp_alignment: u8,
    /// TCP connections through the node announce segments of at most so many octets.
    pub mss_clamp: Option<u16>,
    /// Whether it has tunnels, networks or traffic of its own; any other node only forwards.
    pub is_host: bool,
}

/// Bounds that a scenario sets on one node; the names are those of the IKE core's own limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLimits {
    /// IKE SAs in all states together.
    pub ike_sas: Option<u32>,
    /// Half-open IKE SAs of peers.
    pub half_open: Option<u32>,
    /// The same from one address.
    pub half_open_per_address: Option<u32>,
    /// Half-open IKE SAs from which on cookies are asked for.
    pub cookie_threshold: Option<u32>,
    /// The same for those from one address.
    pub cookie_threshold_per_address: Option<u32>,
    /// How long a half-open IKE SA waits; above zero.
    pub half_open_timeout: Option<SimDuration>,
    /// Requests that wait for the window of one IKE SA.
    pub queued_requests: Option<u32>,
    /// Child SAs of one IKE SA.
    pub children: Option<u32>,
    /// Requests under way at once.
    pub window: Option<u32>,
    /// Answers in `IKE_SA_INIT` that an initiator follows.
    pub sa_init_retries: Option<u32>,
    /// Fragments of one message, at most 65 535.
    pub fragments: Option<u32>,
    /// Octets of one message in fragments.
    pub fragmented_octets: Option<u32>,
    /// Between two keepalives; zero sends none.
    pub keep_alive: Option<SimDuration>,
    /// The longest wait before a renewal is tried again; above zero.
    pub retry_interval: Option<SimDuration>,
    /// What of it is left out at random, at most.
    pub retry_jitter: Option<SimDuration>,
    /// How long a Child SA that was replaced still takes what arrives.
    pub rekeyed_delay: Option<SimDuration>,
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

/// Cores of a node for packets alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datapath {
    /// How many; at least 1.
    pub cores: u16,
    /// Packets that may wait for each.
    pub ring: usize,
    /// Packets that a core takes at once, at most; at least 1.
    pub batch: usize,
    /// By what arriving packets are spread.
    pub spreading: Spreading,
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

/// Traffic by addresses, protocol and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrafficSelector {
    /// The addresses; with `is_dynamic`, those that it may stand for.
    pub addresses: Addresses,
    /// Whether it stands for the virtual addresses of its side, or the side's own where it has none (swanctl's `dynamic`).
    pub is_dynamic: bool,
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
    /// Where packets come from: an address of `from` or of a network behind it; 0.0.0.0 or :: for its virtual one.
    pub source: IpAddr,
    /// Where packets go: an address of `to` or of a network behind it, of the same family; in transport mode through a NAT,
    /// the NAT's.
    pub destination: IpAddr,
    /// Where packets come from in the eyes of `to`: another address than `source` in transport mode through a NAT.
    pub source_seen: IpAddr,
    /// Where packets go when they are at `to`: its own address where `destination` is its NAT's.
    pub destination_inside: IpAddr,
    /// What is sent.
    pub kind: FlowKind,
    /// When packets leave.
    pub pace: FlowPace,
    /// Time from one packet to the next, or its mean; above zero.
    pub interval: SimDuration,
    /// Octets of data in a packet, without headers.
    pub payload_octets: u32,
    /// When the first packet is sent.
    pub start: SimTime,
    /// No packet is sent at this time or later; above `start`, at most the run's duration.
    pub stop: SimTime,
    /// How many packets are sent at most.
    pub count: Option<u64>,
    /// The port of UDP and TCP, at both ends.
    pub port: u16,
}

/// What a flow sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// ICMP echo requests, which the receiver answers.
    Ping,
    /// UDP datagrams of one length, in one direction.
    Udp,
    /// UDP datagrams whose lengths are those of the simple Internet mix.
    Imix,
    /// UDP datagrams that the receiver answers with others.
    Request {
        /// Octets of data in an answer.
        response_octets: u32,
    },
    /// A bulk transfer over TCP.
    Tcp {
        /// Octets to transfer; `None` for as many as fit.
        volume: Option<u64>,
        /// Octets of the buffers at each end, and so of the largest window.
        window: usize,
    },
}

impl FlowKind {
    /// The name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Udp | Self::Imix => "udp",
            Self::Request { .. } => "request",
            Self::Tcp { .. } => "tcp",
        }
    }
}

/// When the packets of a flow leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowPace {
    /// At regular intervals.
    Constant,
    /// As a Poisson process.
    Poisson,
    /// In bursts, whose lengths and distances have a Pareto distribution.
    OnOff {
        /// Mean length of bursts; above zero.
        on: SimDuration,
        /// Mean silence between bursts; above zero.
        off: SimDuration,
        /// Shape of both in thousandths; above 1000.
        shape_thousandths: u32,
    },
}

/// What a run writes and shows besides the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Lengths of packets under tunnels.
    pub packet_sizes: bool,
}

/// Bounds on what a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets that wait at a node for one tunnel to come up.
    pub acquire_queue: usize,
    /// Events after which a run is stopped as a failure.
    pub events: u64,
}

/// Two nodes with a connection between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The label of the connection in results.
    pub label: &'a str,
    /// The node on whose side it was written.
    pub local: NodeIndex,
    /// The other one.
    pub remote: NodeIndex,
}

impl CheckedScenario {
    /// Where a node may be found by name in messages and columns.
    pub fn node_name(&self, node: NodeIndex) -> &str {
        self.nodes.get(node.index()).map_or("?", |settings| settings.name.as_str())
    }

    /// `office`, or `office/spoke-3--hub` when the connection stands for several pairs.
    pub fn connection_label(&self, index: ConnectionIndex) -> String {
        self.connections.get(index.0).map_or_else(|| "?".to_owned(), |connection| connection.label.clone())
    }

    /// The name of the peer of a connection, or "?" when it may be anybody.
    pub fn peer_name(&self, index: ConnectionIndex) -> &str {
        let peer = self.connections.get(index.0).and_then(|connection| connection.peer);
        peer.map_or("?", |peer| self.node_name(peer))
    }

    /// Every two nodes with a connection between them, once each, in the order of the connections.
    pub fn pairs(&self) -> Vec<Pair<'_>> {
        let mut seen = BTreeSet::new();
        let pair = |connection: &'_ Connection| {
            let (local, remote) = (connection.node, connection.peer?);
            seen.insert((local.min(remote), local.max(remote))).then_some((local, remote))
        };
        let mut pair = pair;
        self.connections
            .iter()
            .filter_map(|connection| {
                let (local, remote) = pair(connection)?;
                Some(Pair { label: &connection.label, local, remote })
            })
            .collect()
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
