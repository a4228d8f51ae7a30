//! What can happen to a node.

use ipseclab_ike::config::ConnectionId;
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
    /// Begin the connection.
    Initiate(ConnectionId),
    /// Delete all IKE SAs of the connection, and end its negotiations.
    Terminate(ConnectionId),
    /// Delete all Child SAs of the connection; the last one of an IKE SA takes it along.
    TerminateChildren(ConnectionId),
    /// Take the link behind a port up or down, in the direction away from the node.
    SetLink {
        /// The port.
        port: PortId,
        /// Up or down.
        up: bool,
    },
}
