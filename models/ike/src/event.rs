//! What an endpoint tells its owner.

mod child;

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use ipseclab_crypto::Secret;

use crate::config::{ChildId, ConnectionId, IkeVersion};
use crate::credential::ChainError;
use crate::eap::EapFailure;
use crate::identity::Identity;
use crate::proposal::ChosenIke;
use crate::v1::V1Exchange;
use crate::v2::{IkeKeys, Role};
use crate::wire::{CfgAttribute, ExchangeType, IkeSpi, MessageId};

pub use child::{AhPair, ChildProtocol, ChildSaEstablished, DirectionKeys};

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
    pub exchange: Exchange,
    /// The Message ID.
    pub message_id: MessageId,
    /// Whether it answers a request; with IKEv1, whether the responder of the exchange sent it.
    pub response: bool,
    /// Whether these bytes went out before: a repeated request, or the answer to one.
    pub repeated: bool,
    /// Which fragment of how many it is, when the message travels in several (RFC 7383).
    pub fragment: Option<(u16, u16)>,
    /// Whether it is no message but a NAT keepalive, one octet of ones (RFC 3948 §2.3); the other fields say nothing.
    pub keepalive: bool,
    /// Payloads in order, those inside SK included; empty unless [`EndpointConfig::trace`] is set.
    ///
    /// [`EndpointConfig::trace`]: crate::config::EndpointConfig::trace
    pub payloads: Vec<String>,
}

/// The exchange of a message, of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exchange {
    /// One of IKEv1.
    V1(V1Exchange),
    /// One of IKEv2.
    V2(ExchangeType),
}

impl From<ExchangeType> for Exchange {
    fn from(exchange: ExchangeType) -> Self {
        Self::V2(exchange)
    }
}

impl From<V1Exchange> for Exchange {
    fn from(exchange: V1Exchange) -> Self {
        Self::V1(exchange)
    }
}

impl PartialEq<ExchangeType> for Exchange {
    fn eq(&self, other: &ExchangeType) -> bool {
        *self == Self::V2(*other)
    }
}

impl PartialEq<V1Exchange> for Exchange {
    fn eq(&self, other: &V1Exchange) -> bool {
        *self == Self::V1(*other)
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1(exchange) => exchange.fmt(f),
            Self::V2(exchange) => exchange.fmt(f),
        }
    }
}

/// Something that the owner should know. Events come in the order in which they happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// `IKE_SA_INIT` is done on this side: the IKE SA has keys, the peer is not authenticated yet.
    KeysDerived(Box<IkeSaKeys>),
    /// Phase 1 of IKEv1 has its keys on this side; the peer is not authenticated yet.
    IsakmpKeysDerived(Box<IsakmpSaKeys>),
    /// Both sides are authenticated.
    IkeSaEstablished(Box<IkeSaEstablished>),
    /// The peer has lent us virtual addresses, or we have lent them to the peer; they end with the IKE SA or go to the one
    /// that [`IkeSaRekeyed`](Self::IkeSaRekeyed) names.
    VirtualAddress(Box<VirtualAddress>),
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
    /// A Child SA is gone, and the next packet that matches is to set it up again: the owner arms its trap.
    TrapWanted {
        /// Which child of the configuration.
        child: ChildId,
    },
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

/// The keys of an ISAKMP SA, as soon as they exist (RFC 2409 §5, appendix B).
#[derive(Clone, Debug)]
pub struct IsakmpSaKeys {
    /// Which ISAKMP SA.
    pub ike_sa: IkeSaId,
    /// The initiator's cookie.
    pub cookie_i: IkeSpi,
    /// The responder's cookie.
    pub cookie_r: IkeSpi,
    /// What was chosen; its integrity algorithm stands for the hash.
    pub proposal: ChosenIke,
    /// `SKEYID`.
    pub skeyid: Secret,
    /// `SKEYID_d`.
    pub skeyid_d: Secret,
    /// `SKEYID_a`.
    pub skeyid_a: Secret,
    /// `SKEYID_e`.
    pub skeyid_e: Secret,
    /// What messages are encrypted with: `SKEYID_e`, cut or stretched to the length of the cipher's key.
    pub encryption_key: Secret,
}

/// An IKE SA that came up.
#[derive(Clone, Debug)]
pub struct IkeSaEstablished {
    /// Which.
    pub ike_sa: IkeSaId,
    /// Which IKE it speaks.
    pub version: IkeVersion,
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

/// What a configuration exchange has agreed on (RFC 7296 §2.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The IKE SA.
    pub ike_sa: IkeSaId,
    /// Its connection.
    pub connection: ConnectionId,
    /// Our role: an initiator has got the addresses, a responder has lent them.
    pub role: Role,
    /// The addresses; an initiator may have got none, only attributes.
    pub addresses: Vec<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// All other attributes, in order.
    pub attributes: Vec<CfgAttribute>,
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
    /// The peer does not accept our authentication; it does not say why (RFC 7296 §2.21.2).
    AuthenticationFailed,
    /// No connection is for the identities that the peer names, or it is not the one that we asked for.
    IdentityMismatch,
    /// The peer authenticates in another way than its connection wants.
    AuthMethodMismatch,
    /// The peer's AUTH payload is not that of the shared secret.
    WrongSecret,
    /// We have no shared secret for the two identities, or no password for our EAP name.
    NoSecret,
    /// We have no certificate with a key that fits the connection and the identity.
    NoCertificate,
    /// Our key fails to sign.
    NoSignature,
    /// Our key, the peer's hashes and the connection have no signature scheme in common.
    NoSignatureScheme,
    /// The peer sent no certificate, and we have none of its identity.
    NoPeerCertificate,
    /// The peer sent something as its certificate that is none.
    MalformedCertificate,
    /// The peer's certificate is not for the identity that it shows.
    IdentityNotCertified,
    /// The peer's certificate is not trusted.
    Certificate(ChainError),
    /// The peer signs by a method or an algorithm that is not supported.
    UnsupportedSignature,
    /// The peer signs by a scheme or with a key that the connection does not allow.
    SignatureNotAllowed,
    /// The peer's signature is wrong.
    BadSignature,
    /// EAP has failed.
    Eap(EapFailure),
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
    /// The responder has no virtual address to lend.
    AddressFailure,
    /// The responder wants to lend a virtual address, and the initiator does not ask for one.
    CpRequired,
    /// One side insists on setting up without a Child SA, or with one, and the other does not (RFC 6023).
    Childless,
    /// The peer's `HASH_I` or `HASH_R` of phase 1 is wrong, or its message does not decrypt: the secrets differ, as a rule
    /// (IKEv1).
    Undecryptable,
    /// The peer asks for another mode of phase 1 than its connection has (IKEv1).
    WrongMode,
    /// Extended authentication has failed (IKEv1).
    XauthFailed,
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
            Self::IdentityMismatch => "identity_mismatch",
            Self::AuthMethodMismatch => "auth_method_mismatch",
            Self::WrongSecret => "wrong_secret",
            Self::NoSecret => "no_secret",
            Self::NoCertificate => "no_certificate",
            Self::NoSignature => "no_signature",
            Self::NoSignatureScheme => "no_signature_scheme",
            Self::NoPeerCertificate => "no_peer_certificate",
            Self::MalformedCertificate => "malformed_certificate",
            Self::IdentityNotCertified => "identity_not_certified",
            Self::Certificate(error) => error.as_str(),
            Self::UnsupportedSignature => "unsupported_signature",
            Self::SignatureNotAllowed => "signature_not_allowed",
            Self::BadSignature => "bad_signature",
            Self::Eap(failure) => eap_word(failure),
            Self::TsUnacceptable => "ts_unacceptable",
            Self::InvalidSyntax => "invalid_syntax",
            Self::PeerError => "peer_error",
            Self::Terminated => "terminated",
            Self::TemporaryFailure => "temporary_failure",
            Self::ChildSaNotFound => "child_sa_not_found",
            Self::NoAdditionalSas => "no_additional_sas",
            Self::Duplicate => "duplicate",
            Self::AddressFailure => "address_failure",
            Self::CpRequired => "cp_required",
            Self::Childless => "childless",
            Self::Undecryptable => "undecryptable",
            Self::WrongMode => "wrong_mode",
            Self::XauthFailed => "xauth_failed",
        }
    }
}

/// The name of an EAP failure among all reasons.
const fn eap_word(failure: EapFailure) -> &'static str {
    match failure {
        EapFailure::BadPassword => "eap_bad_password",
        EapFailure::UnknownIdentity => "eap_unknown_identity",
        EapFailure::MethodRefused => "eap_method_refused",
        EapFailure::Denied => "eap_denied",
        EapFailure::ProtocolError => "eap_protocol_error",
        EapFailure::TooManyRounds => "eap_too_many_rounds",
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
