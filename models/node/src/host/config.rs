//! What a host is made from, and what it counts.

use core::time::Duration;

use ipseclab_ike::config::EndpointConfig;
use ipseclab_ipsec::{ChildSaCounters, DontFragment, Fragmentation, Spd, TrailerAlignment, WindowLen};
use ipseclab_net::{IpNet, ReassemblyConfig};

/// What a host is made from, besides what every node has.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Networks behind the host; their addresses are its own applications', but for those of nodes that are put
    /// [behind](crate::Node::put_behind) it.
    pub networks: Vec<IpNet>,
    /// The IKE endpoint.
    pub ike: EndpointConfig,
    /// The policies; [`PolicyId`](ipseclab_ipsec::PolicyId) n protects what child n negotiates, counted through all connections of `ike` in order.
    pub spd: Spd,
    /// Packets that wait for the SA of one policy at most.
    pub acquire_queue: usize,
    /// For each child, counted in the same way: whether a packet that matches its policy starts a negotiation (swanctl's `trap`).
    pub traps: Vec<bool>,
    /// For each child: how many sequence numbers its anti-replay windows cover.
    pub replay_windows: Vec<WindowLen>,
    /// For each child: whether its ESP may go without integrity, and without AH around it.
    pub unauthenticated_esp: Vec<bool>,
    /// For each child: after this long without a packet its Child SA ends (swanctl's `inactivity`).
    pub inactivity: Vec<Option<Duration>>,
    /// Bounds of the memory for fragments that arrive; those that come out of tunnels have as much again.
    pub reassembly: ReassemblyConfig,
    /// The DF flag of a tunnel's outer headers.
    pub dont_fragment: DontFragment,
    /// When packets that do not fit their tunnel are cut.
    pub fragmentation: Fragmentation,
    /// Where the trailers of ESP packets end.
    pub trailer_alignment: TrailerAlignment,
    /// How long a Child SA that another one has replaced still takes what arrives.
    pub rekeyed_delay: Duration,
    /// TCP connections that begin through this host announce a maximum segment size of at most this.
    pub mss_clamp: Option<u16>,
    /// Whether the lengths of packets under Child SAs are written down.
    pub packet_sizes: bool,
}

/// What a host counts besides packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// IKE SAs that came up, in either role.
    pub ike_sas_established: u64,
    /// IKE SAs that ended after they came up.
    pub ike_sas_closed: u64,
    /// Child SAs that came up.
    pub child_sas_established: u64,
    /// Child SAs that ended.
    pub child_sas_closed: u64,
    /// Negotiations that failed here in the responder's role.
    pub negotiations_refused: u64,
    /// What Child SAs carried, each way; octets are those of the packets inside.
    pub esp: ChildSaCounters,
    /// IKE datagrams that were dropped without an answer.
    pub ike_datagrams_dropped: u64,
}
