//! What a node writes down: plain records for the tables, the captures and the ladder.

use core::net::SocketAddr;

use ipseclab_ike::config::{ChildId, ConnectionId};
use ipseclab_ike::wire::IkeSpi;
use ipseclab_ike::{CloseReason, Event, FailureReason, IkeSaId, MessageInfo};
use ipseclab_ipsec::{ChildSaCounters, Selectors};
use ipseclab_net::{Delays, SaId};
use ipseclab_sim::SimTime;

use crate::coverage::ChildRecord;
use crate::timeline::Timeline;

/// What to write down besides counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observe {
    /// Every packet at every port.
    pub packets: bool,
    /// IKE messages with their payload lists, and the steps between them with all keys.
    pub steps: bool,
}

/// One negotiation, as its initiator saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiationRecord {
    /// The connection.
    pub connection: ConnectionId,
    /// The IKE SA on the initiator.
    pub ike_sa: IkeSaId,
    /// When the packet or command that caused it came.
    pub started: SimTime,
    /// When the Child SA could carry packets, the failure was known, or the run ended.
    pub ended: SimTime,
    /// How it ended.
    pub outcome: Outcome,
    /// IKE messages sent by the initiator, repetitions included.
    pub messages_sent: u32,
    /// IKE messages that reached the initiator.
    pub messages_received: u32,
    /// UDP payload octets of the messages sent.
    pub bytes_sent: u64,
    /// UDP payload octets of the messages received.
    pub bytes_received: u64,
    /// Repetitions among the messages sent.
    pub retransmissions: u32,
    /// Where the time went; its total is `ended` − `started`.
    pub delays: Delays,
    /// The initiator's SPI.
    pub spi_i: IkeSpi,
    /// The initiator's SPI of the IKE SA that this one is to take the place of, in a reauthentication.
    pub renews: Option<IkeSpi>,
    /// What the two sides agreed on, once they did.
    pub agreed: Agreed,
}

/// A renewal, or an exchange for a further Child SA, as the node saw it that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalRecord {
    /// The connection.
    pub connection: ConnectionId,
    /// The child, where the exchange is about one.
    pub child: Option<ChildId>,
    /// What it is about.
    pub what: Renewed,
    /// When the timer, packet or command that caused the request came.
    pub started: SimTime,
    /// When the new SA was there, the failure was known, or the run ended.
    pub ended: SimTime,
    /// How it ended.
    pub outcome: RenewalOutcome,
    /// Repetitions of the request.
    pub retransmissions: u32,
    /// Where the time went; its total is `ended` − `started`.
    pub delays: Delays,
    /// The SPI of what is renewed: this node's inbound one of a Child SA, the initiator's of an IKE SA.
    pub spi_old: Option<u64>,
    /// The same of what has come of it.
    pub spi_new: Option<u64>,
}

/// What an exchange is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewed {
    /// A further Child SA; it renews nothing.
    NewChild,
    /// A Child SA (RFC 7296 §2.8).
    Child,
    /// An IKE SA (RFC 7296 §2.18).
    Ike,
    /// An IKE SA with a fresh authentication (RFC 7296 §2.8.3).
    Reauthentication,
}

/// How a renewal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// The new SA is there.
    Done,
    /// The peer's own renewal crossed this one, and the peer's stays (RFC 7296 §2.8.1).
    Redundant,
    /// It failed; the old SA may live on.
    Failed(FailureReason),
    /// The node that had begun it went down.
    NodeDown,
    /// The run ended first.
    Unfinished,
}

impl Renewed {
    /// The name in result tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewChild => "new_child",
            Self::Child => "child",
            Self::Ike => "ike",
            Self::Reauthentication => "reauthentication",
        }
    }
}

/// What the negotiation has chosen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The responder's SPI.
    pub spi_r: Option<IkeSpi>,
    /// The IKE proposal in swanctl's words.
    pub ike_proposal: Option<String>,
    /// The ESP proposal in swanctl's words.
    pub esp_proposal: Option<String>,
    /// Whether a NAT is on the path.
    pub nat_detected: bool,
}

/// How a negotiation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// IKE SA and Child SA are up.
    Established,
    /// It failed.
    Failed(FailureReason),
    /// The node that had begun it went down.
    NodeDown,
    /// The run ended first.
    Unfinished,
}

/// An IKE message that left or reached a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// The number that departure and arrival share.
    pub tag: u64,
    /// When.
    pub time: SimTime,
    /// What it is; known where it left.
    pub departure: Option<Departure>,
}

/// An IKE message as its sender knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// From where, before any NAT.
    pub from: SocketAddr,
    /// To where, before any NAT.
    pub to: SocketAddr,
    /// UDP payload octets.
    pub len: usize,
    /// Exchange, Message ID, payloads.
    pub info: MessageInfo,
}

/// A set-up that this node, as the responder, has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalRecord {
    /// When.
    pub time: SimTime,
    /// The connection, where one was chosen.
    pub connection: Option<ConnectionId>,
    /// Why; the initiator need not learn it.
    pub reason: FailureReason,
}

/// The end of an SA at one of its two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosureRecord {
    /// When.
    pub time: SimTime,
    /// What ended, and why.
    pub closure: Closure,
}

/// What ended, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The connection.
    pub connection: ConnectionId,
    /// Who or what ended it.
    pub reason: EndReason,
    /// Which kind of SA.
    pub sa: ClosedSa,
}

/// Why an SA has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndReason {
    /// The IKE endpoint closed it.
    Closed(CloseReason),
    /// It was lost when its node went down; the peer does not know.
    NodeDown,
}

impl EndReason {
    /// The name in result tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed(reason) => reason.as_str(),
            Self::NodeDown => "node_down",
        }
    }
}

/// An SA that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedSa {
    /// An IKE SA.
    Ike,
    /// A Child SA, with what it carried; octets are those of the packets inside.
    Child(ChildSaCounters),
}

/// A Child SA at one of its two nodes, over its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaRecord {
    /// The name that its outbound SA has on the packets under way.
    pub outbound: SaId,
    /// The child that it is of.
    pub child: ChildId,
    /// The SPI on packets that this node receives.
    pub spi_in: u32,
    /// The SPI on packets that this node sends.
    pub spi_out: u32,
    /// When it was installed.
    pub installed: SimTime,
    /// When it was removed; `None` if it lived to the end of the run.
    pub removed: Option<SimTime>,
    /// What it carried.
    pub carried: ChildSaCounters,
}

/// A step between messages.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// When its CPU time was over.
    pub time: SimTime,
    /// What happened.
    pub step: Step,
}

/// What happened inside a node.
#[derive(Clone, Debug)]
pub enum Step {
    /// A packet needed an SA that was not there.
    Acquire {
        /// The connection whose policy it matched.
        connection: ConnectionId,
        /// The packet's selectors.
        packet: Selectors,
    },
    /// No packet passed for the idle time of the Child SA.
    IdleTimeout {
        /// The inbound SPI.
        spi_in: u32,
    },
    /// A Child SA is about to close; this is what it carried.
    Carried {
        /// The inbound SPI.
        spi_in: u32,
        /// Packets, and the octets of the packets inside.
        carried: ChildSaCounters,
    },
    /// The IKE endpoint reported something.
    Ike(Event),
}

/// Which way a captured packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaptureDirection {
    /// Into the node.
    Inbound,
    /// Out of the node.
    Outbound,
}

/// A packet at a port of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// When it arrived, or was handed to the link.
    pub time: SimTime,
    /// Which way.
    pub direction: CaptureDirection,
    /// The IPv4 packet.
    pub bytes: Vec<u8>,
}

/// Everything that a node wrote down.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Negotiations that this node began, in the order of their ends.
    pub negotiations: Vec<NegotiationRecord>,
    /// Renewals that this node began, in the order of their ends.
    pub renewals: Vec<RenewalRecord>,
    /// What happened when, if asked for.
    pub timeline: Timeline,
    /// Set-ups of peers that were given up here for another reason than silence, in the order of time.
    pub refusals: Vec<RefusalRecord>,
    /// SAs that ended here, in the order of time.
    pub closures: Vec<ClosureRecord>,
    /// Child SAs that were installed here: those that were removed in the order of their ends, then the others.
    pub sas: Vec<SaRecord>,
    /// How the children of this node fared, in the order of the configuration.
    pub children: Vec<ChildRecord>,
    /// IKE messages, if asked for, in the order of time.
    pub messages: Vec<MessageRecord>,
    /// Steps, if asked for, in the order of time.
    pub steps: Vec<StepRecord>,
    /// Packets, if asked for, in the order of time.
    pub packets: Vec<CapturedPacket>,
}
