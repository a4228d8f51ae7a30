//! What an endpoint tells its owner.

use core::fmt;
use core::net::SocketAddr;

use ipseclab_crypto::Secret;

use crate::config::{ChildId, ConnectionId, Mode};
use crate::identity::Identity;
use crate::proposal::{ChosenEsp, ChosenIke};
use crate::traffic_selector::TrafficSelectors;
use crate::v2::{IkeKeys, Role};
use crate::wire::{ExchangeType, IkeSpi, MessageId};

/// The endpoint's own number of an IKE SA; never used twice by one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IkeSaId(pub u32);

impl fmt::Display for IkeSaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A datagram to send.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Our address and port.
    pub from: SocketAddr,
    /// The peer's address and port.
    pub to: SocketAddr,
    /// UDP payload; on port 4500 it begins with the non-ESP marker (RFC 3948 §2.2).
    pub payload: Vec<u8>,
    /// The IKE SA that it belongs to; `None` for answers that keep no state.
    pub ike_sa: Option<IkeSaId>,
    /// What it is.
    pub message: MessageInfo,
}

/// What a transmitted message is, for logs and diagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageInfo {
    /// The exchange.
    pub exchange: ExchangeType,
    /// The Message ID.
    pub message_id: MessageId,
    /// Whether it answers a request.
    pub response: bool,
    /// Whether these bytes went out before: a repeated request, or the answer to one.
    pub repeated: bool,
    /// Which fragment of how many it is, when the message travels in several (RFC 7383).
    pub fragment: Option<(u16, u16)>,
    /// Payloads in order, those inside SK included; empty unless [`EndpointConfig::trace`] is set.
    ///
    /// [`EndpointConfig::trace`]: crate::config::EndpointConfig::trace
    pub payloads: Vec<String>,
}

/// Something that the owner should know. Events come in the order in which they happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// `IKE_SA_INIT` is done on this side: the IKE SA has keys, the peer is not authenticated yet.
    KeysDerived(Box<IkeSaKeys>),
    /// Both sides are authenticated.
    IkeSaEstablished(Box<IkeSaEstablished>),
    /// A Child SA can carry packets.
    ChildSaEstablished(Box<ChildSaEstablished>),
    /// The peer refused, or we refused, a Child SA; the IKE SA lives on without it.
    ChildSaFailed {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Its connection.
        connection: ConnectionId,
        /// Which child it was to be, when that is known.
        child: Option<ChildId>,
        /// Why.
        reason: FailureReason,
    },
    /// The peer has begun to use a Child SA, or has given up the one before: packets may go out on it from now on.
    ChildSaReady {
        /// The IKE SA that it belongs to.
        ike_sa: IkeSaId,
        /// Our inbound SPI.
        spi_in: u32,
    },
    /// An IKE SA of ours is being set up.
    Initiated {
        /// Which.
        ike_sa: IkeSaId,
        /// Its connection.
        connection: ConnectionId,
        /// The IKE SA that goes when it is up.
        replaces: Option<IkeSaId>,
    },
    /// A `CREATE_CHILD_SA` request of ours goes out, possibly again because the peer wants another group.
    CreateChildSaBegan {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// The request's Message ID.
        message_id: MessageId,
        /// What it asks for.
        subject: CreateChildSubject,
    },
    /// A renewal met an obstacle; the old SA lives on, and the renewal is tried again if it was a passing one.
    RekeyFailed {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Our inbound SPI of the Child SA, or `None` when the IKE SA itself was to be renewed.
        spi_in: Option<u32>,
        /// Why.
        reason: FailureReason,
    },
    /// An IKE SA has taken the place of another, with all its Child SAs.
    IkeSaRekeyed {
        /// The one that ends.
        old: IkeSaId,
        /// The one that lives on; [`IkeSaEstablished`](Self::IkeSaEstablished) has told of it.
        new: IkeSaId,
    },
    /// The peer, or we, have another address or port than before: the SAD's Child SAs follow.
    PathChanged(PathChange),
    /// A Child SA has ended; its SPIs are to be removed.
    ChildSaClosed {
        /// The IKE SA that it belonged to.
        ike_sa: IkeSaId,
        /// Our inbound SPI.
        spi_in: u32,
        /// Why.
        reason: CloseReason,
    },
    /// An established IKE SA has ended, after all its Child SAs.
    IkeSaClosed {
        /// Which.
        ike_sa: IkeSaId,
        /// Why.
        reason: CloseReason,
    },
    /// An IKE SA that was being set up will not come up.
    NegotiationFailed {
        /// Which.
        ike_sa: IkeSaId,
        /// Its connection, once chosen.
        connection: Option<ConnectionId>,
        /// Our role.
        role: Role,
        /// Why.
        reason: FailureReason,
    },
    /// An arriving datagram was dropped without an answer.
    Dropped(DropReason),
}

/// What a `CREATE_CHILD_SA` request asks for (RFC 7296 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CreateChildSubject {
    /// A further Child SA.
    Child(ChildId),
    /// Fresh keys for the Child SA with this inbound SPI of ours.
    RekeyChild(u32),
    /// Fresh keys for the IKE SA.
    RekeyIke,
}

/// Where an IKE SA and its Child SAs go from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// The IKE SA.
    pub ike_sa: IkeSaId,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Whether ESP goes into UDP.
    pub udp_encap: bool,
    /// Our inbound SPIs of its Child SAs.
    pub children: Vec<u32>,
}

/// When packets may go out on a new Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// At once.
    Now,
    /// With [`Event::ChildSaReady`], or once a packet has come in on it: the peer may not have it yet
    /// (RFC 7296 §2.8).
    Later,
}

/// The keys of an IKE SA, as soon as they exist.
#[derive(Clone, Debug)]
pub struct IkeSaKeys {
    /// Which IKE SA.
    pub ike_sa: IkeSaId,
    /// The initiator's SPI.
    pub spi_i: IkeSpi,
    /// The responder's SPI.
    pub spi_r: IkeSpi,
    /// What was chosen.
    pub proposal: ChosenIke,
    /// All seven keys.
    pub keys: IkeKeys,
}

/// An IKE SA that came up.
#[derive(Clone, Debug)]
pub struct IkeSaEstablished {
    /// Which.
    pub ike_sa: IkeSaId,
    /// Its connection.
    pub connection: ConnectionId,
    /// The IKE SA whose keys it renews.
    pub replaces: Option<IkeSaId>,
    /// Our role.
    pub role: Role,
    /// The initiator's SPI.
    pub spi_i: IkeSpi,
    /// The responder's SPI.
    pub spi_r: IkeSpi,
    /// What was chosen.
    pub proposal: ChosenIke,
    /// The peer's authenticated identity.
    pub peer_id: Identity,
    /// Our address and port from now on.
    pub local: SocketAddr,
    /// The peer's address and port from now on.
    pub remote: SocketAddr,
    /// Whether a NAT is on the path.
    pub nat_detected: bool,
}

/// A Child SA that came up: what the SAD needs for both directions.
#[derive(Clone, Debug)]
pub struct ChildSaEstablished {
    /// The IKE SA that it belongs to.
    pub ike_sa: IkeSaId,
    /// Its connection.
    pub connection: ConnectionId,
    /// Which child of the configuration it is.
    pub child: ChildId,
    /// Our inbound SPI of the Child SA that it replaces.
    pub replaces: Option<u32>,
    /// When packets may go out on it.
    pub outbound: Outbound,
    /// Our role in the exchange that made it.
    pub role: Role,
    /// The SPI on packets that we receive.
    pub spi_in: u32,
    /// The SPI on packets that we send.
    pub spi_out: u32,
    /// What was chosen.
    pub proposal: ChosenEsp,
    /// Keys of packets that we receive.
    pub keys_in: DirectionKeys,
    /// Keys of packets that we send.
    pub keys_out: DirectionKeys,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Our side's traffic, narrowed.
    pub local_ts: TrafficSelectors,
    /// The peer's side's traffic, narrowed.
    pub remote_ts: TrafficSelectors,
    /// Whether ESP goes into UDP, between [`local`](Self::local) and [`remote`](Self::remote).
    pub udp_encap: bool,
    /// Our address and the port of UDP encapsulation.
    pub local: SocketAddr,
    /// The peer's address and the port of UDP encapsulation.
    pub remote: SocketAddr,
}

/// The keys of one direction of a Child SA (RFC 7296 §2.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectionKeys {
    /// Encryption key, with the salt of AEADs.
    pub encryption: Secret,
    /// Integrity key; empty with AEADs.
    pub integrity: Secret,
}

/// Why an IKE SA or its first Child SA did not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureReason {
    /// No answer after all retransmissions.
    Timeout,
    /// The two sides share no IKE or ESP proposal.
    NoProposalChosen,
    /// The peer asks for a group that we did not offer, or keeps changing its mind.
    InvalidKePayload,
    /// The peer's identity or AUTH payload, or ours at the peer, is not accepted.
    AuthenticationFailed,
    /// The two sides' traffic selectors have nothing in common.
    TsUnacceptable,
    /// The peer reports, or we found, a message that breaks the protocol.
    InvalidSyntax,
    /// The peer refuses with another error notification.
    PeerError,
    /// The owner ended it.
    Terminated,
    /// The peer is busy with something that this would cross (RFC 7296 §2.25).
    TemporaryFailure,
    /// The peer does not know the Child SA that was to be renewed (RFC 7296 §2.25).
    ChildSaNotFound,
    /// The peer, or a limit of ours, allows no further Child SA.
    NoAdditionalSas,
    /// Policy allows one IKE SA with this peer, and there is one.
    Duplicate,
}

/// Why something established has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// Our owner asked for it.
    Local,
    /// The peer deleted it.
    Remote,
    /// The peer no longer answers.
    PeerDead,
    /// Another one has taken its place.
    Rekeyed,
    /// Two renewals crossed, and the other one stayed.
    Redundant,
    /// Its lifetime is over.
    Expired,
    /// The peer has begun anew: it says that it has no other IKE SA, or policy allows one only.
    Replaced,
}

/// Why a datagram was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// It is no IKE message.
    Malformed,
    /// It names an IKE SA that does not exist.
    UnknownSpi,
    /// Its integrity check fails, or it does not decrypt to payloads.
    NotAuthentic,
    /// Its Message ID is outside the window.
    MessageId,
    /// It does not fit the state of its IKE SA.
    Unexpected,
    /// No connection is configured for its addresses.
    NoConnection,
    /// A limit on state is reached.
    Limit,
}

impl FailureReason {
    /// The name in result tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoProposalChosen => "no_proposal_chosen",
            Self::InvalidKePayload => "invalid_ke_payload",
            Self::AuthenticationFailed => "authentication_failed",
            Self::TsUnacceptable => "ts_unacceptable",
            Self::InvalidSyntax => "invalid_syntax",
            Self::PeerError => "peer_error",
            Self::Terminated => "terminated",
            Self::TemporaryFailure => "temporary_failure",
            Self::ChildSaNotFound => "child_sa_not_found",
            Self::NoAdditionalSas => "no_additional_sas",
            Self::Duplicate => "duplicate",
        }
    }
}

impl CloseReason {
    /// The name in result tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::PeerDead => "peer_dead",
            Self::Rekeyed => "rekeyed",
            Self::Redundant => "redundant",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
        }
    }
}

impl DropReason {
    /// The name in result tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "ike_malformed",
            Self::UnknownSpi => "ike_unknown_spi",
            Self::NotAuthentic => "ike_not_authentic",
            Self::MessageId => "ike_message_id",
            Self::Unexpected => "ike_unexpected",
            Self::NoConnection => "ike_no_connection",
            Self::Limit => "ike_limit",
        }
    }
}
