//! What can happen to a node.

use ipseclab_ike::config::{ChildId, ConnectionId};
use ipseclab_net::{Packet, PortId};

use crate::cpu::CoreId;

/// An event of the simulation.
#[derive(Debug)]
pub enum NodeEvent {
    /// The start of the run: applications set their alarms.
    Start,
    /// A packet comes in.
    Arrive {
        /// Where.
        port: PortId,
        /// The packet.
        packet: Packet,
    },
    /// A core has done its job.
    CoreDone(CoreId),
    /// A datapath core has done its batch.
    BatchDone(u16),
    /// A deadline of the IKE endpoint or of the IPsec engine has come.
    Timer,
    /// An application wants to send.
    App(AppId),
    /// The scenario asks for something.
    Command(Command),
}

/// An application of a node, by its place in the order of additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId(pub u32);

/// What a scenario can ask of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Set up a new IKE SA with the connection's first child.
    Initiate(ConnectionId),
    /// Set up an IKE SA without a Child SA where the peer allows that (RFC 6023), unless there is one.
    InitiateIke(ConnectionId),
    /// Set up the child, in the IKE SA that is there or in a new one.
    InitiateChild(ChildId),
    /// Renew the keys of the connection's IKE SAs (RFC 7296 §2.18).
    RekeyIke(ConnectionId),
    /// Renew all Child SAs of the child (RFC 7296 §2.8).
    RekeyChild(ChildId),
    /// Set the connection's IKE SAs up anew with a fresh authentication (RFC 7296 §2.8.3).
    Reauthenticate(ConnectionId),
    /// Delete all IKE SAs of the connection, and end its negotiations.
    Terminate(ConnectionId),
    /// Delete all Child SAs of the child.
    TerminateChild(ChildId),
    /// Delete all Child SAs of the connection, and then its IKE SAs, which have none left.
    TerminateChildren(ConnectionId),
    /// Take the link behind a port up or down, in the direction away from the node.
    SetLink {
        /// The port.
        port: PortId,
        /// Up or down.
        up: bool,
    },
    /// Go down: all SAs, mappings and packets inside are lost, and what arrives is dropped.
    Crash,
    /// Come back after a crash, as if just started.
    Recover,
    /// Forget all mappings and give new ones other ports; for NATs.
    RebootNat,
    /// Swallow every packet that arrives from now on, or no longer.
    Blackhole(bool),
}
