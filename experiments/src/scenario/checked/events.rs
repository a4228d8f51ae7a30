//! What happens at given times.

use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::{LinkIndex, NodeIndex};

use super::ConnectionIndex;
use crate::scenario::file::ActionKind;
use crate::scenario::selector::Network;

/// A fault; times are before the end of the run, and `until` is above `at`.
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
    /// The node forgets everything and drops every packet from `at` until `until`; then it starts as at the beginning.
    NodeCrash {
        /// The node, a host.
        node: NodeIndex,
        /// From.
        at: SimTime,
        /// Until; `None` for the rest of the run.
        until: Option<SimTime>,
    },
    /// The NAT in front of the node forgets its mappings and draws the ports of new ones anew.
    NatReboot {
        /// The node behind the NAT.
        node: NodeIndex,
        /// When.
        at: SimTime,
    },
    /// Every packet that arrives at the node is dropped.
    Blackhole {
        /// The node.
        node: NodeIndex,
        /// From.
        at: SimTime,
        /// Until; above `at`.
        until: SimTime,
    },
    /// `IKE_SA_INIT` requests with forged sources.
    Flood {
        /// The node that sends them.
        from: NodeIndex,
        /// The node that they go to; another one, and a host.
        to: NodeIndex,
        /// From.
        at: SimTime,
        /// Until; above `at`.
        until: SimTime,
        /// Time from one request to the next; above zero.
        interval: SimDuration,
        /// Where source addresses are drawn from; no node's address is in it.
        sources: Network,
    },
}

/// A command given at the node of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// When; before the end of the run.
    pub at: SimTime,
    /// The command.
    pub kind: ActionKind,
    /// The node's connection.
    pub connection: ConnectionIndex,
    /// The tunnels, as positions in [`super::Connection::children`]; empty means the IKE SA.
    pub children: Vec<usize>,
}
