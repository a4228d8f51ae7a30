//! One IKE SA: what all exchanges share ([`Head`]) and the state that it is in ([`State`]).

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ipseclab_crypto::{Crypto, ExchangeKey, KeyExchangeMethod, Purpose, RandomSource, Secret};

use crate::config::{ConnectionId, EndpointConfig, IKE_PORT, RetransmitPolicy};
use crate::event::{Event, FailureReason, IkeSaId, MessageInfo, Transmit};
use crate::v2::Role;
use crate::v2::address_pool::AddressPools;
use crate::v2::channel::Channel;
use crate::v2::child_sa::Wish;
use crate::v2::established::Established;
use crate::v2::exchange::{auth, sa_init};
use crate::v2::extension::Extensions;
use crate::v2::nat::NatStatus;
use crate::v2::order::Order;
use crate::v2::request::Request;
use crate::v2::uniqueness::{Contacts, Peers};
use crate::v2::window::{Outgoing, Path, Tail, Window, transmits};
use crate::wire::{
    ExchangeType, Flags, IkeSpi, Message, MessageHeader, MessageId, NotifyPayload, NotifyType, Payload,
    Version,
};

/// What an exchange needs from the endpoint around it.
pub(crate) struct Env<'a> {
    pub(crate) now: Duration,
    pub(crate) config: &'a EndpointConfig,
    pub(crate) crypto: &'a mut Crypto,
    pub(crate) random: &'a mut dyn RandomSource,
    pub(crate) transmits: &'a mut VecDeque<Transmit>,
    pub(crate) events: &'a mut VecDeque<Event>,
    /// Inbound SPIs of all Child SAs, those of IKEv1 apart.
    pub(crate) child_spis: [&'a BTreeSet<u32>; 2],
    /// SPIs of all other IKE SAs.
    pub(crate) ike_spis: &'a BTreeMap<IkeSpi, IkeSaId>,
    /// The established IKE SAs by their identities, the one in hand included.
    pub(crate) contacts: &'a Contacts,
    /// Who has which virtual address.
    pub(crate) pools: &'a mut AddressPools,
    /// The number of the next IKE SA.
    pub(crate) next_id: &'a mut u32,
    /// What is to happen outside the IKE SA in hand.
    pub(crate) orders: &'a mut VecDeque<Order>,
}

impl Env<'_> {
    /// Draws `len` octets for `purpose`.
    pub(crate) fn draw(&mut self, purpose: Purpose, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        self.random.fill(purpose, &mut octets);
        octets
    }

    /// A nonce of ours, as long as the profile has them.
    pub(crate) fn draw_nonce(&mut self) -> Vec<u8> {
        self.draw(Purpose::Nonce, self.config.profile.defaults.nonce_len.octets())
    }

    /// Until when an IKE SA that ends now repeats its last response.
    pub(crate) fn linger_until(&self) -> Duration {
        self.now.saturating_add(self.config.limits.half_open_timeout)
    }

    /// An ESP SPI that no Child SA of ours has; 0 to 255 are reserved (RFC 4303 §2.1).
    pub(crate) fn draw_child_spi(&mut self) -> u32 {
        loop {
            let mut octets = [0; 4];
            self.random.fill(Purpose::ChildSpi, &mut octets);
            let spi = u32::from_be_bytes(octets);
            if spi >= 256 && !self.child_spis.iter().any(|taken| taken.contains(&spi)) {
                return spi;
            }
        }
    }

    /// A non-zero SPI that no IKE SA of ours has.
    pub(crate) fn draw_ike_spi(&mut self) -> IkeSpi {
        loop {
            let mut octets = [0; 8];
            self.random.fill(Purpose::IkeSpi, &mut octets);
            let spi = IkeSpi::new(u64::from_be_bytes(octets));
            if !spi.is_zero() && !self.ike_spis.contains_key(&spi) {
                return spi;
            }
        }
    }

    /// The number of a new IKE SA.
    pub(crate) fn new_id(&mut self) -> IkeSaId {
        let id = IkeSaId(*self.next_id);
        *self.next_id += 1;
        id
    }

    /// A fresh key pair for `method`.
    pub(crate) fn draw_key_pair(&mut self, method: KeyExchangeMethod) -> (ExchangeKey, Vec<u8>) {
        let private = Secret::new(self.draw(Purpose::KeyExchange, method.private_len()));
        let private = self.crypto.exchange_key(method, &private);
        let public_value = private.public_value(self.crypto);
        (private, public_value)
    }

    /// A uniform share of `most`. The bias of 2⁻⁶⁴ × `most` in nanoseconds is below any effect.
    pub(crate) fn draw_share(&mut self, most: Duration) -> Duration {
        if most.is_zero() {
            return Duration::ZERO;
        }
        let mut octets = [0; 8];
        self.random.fill(Purpose::Jitter, &mut octets);
        let share = (u128::from(u64::from_be_bytes(octets)) * (most.as_nanos() + 1)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// When something that is renewed every `soft`, at most `rand` earlier, is due.
    pub(crate) fn renewal_at(&mut self, soft: Option<Duration>, rand: Duration) -> Option<Duration> {
        let soft = soft?;
        let early = self.draw_share(rand.min(soft));
        Some(self.now.saturating_add(soft.saturating_sub(early)))
    }

    /// When something that met a passing obstacle is tried again.
    pub(crate) fn retry_at(&mut self) -> Duration {
        let limits = self.config.limits;
        let early = self.draw_share(limits.retry_jitter.min(limits.retry_interval));
        self.now.saturating_add(limits.retry_interval.saturating_sub(early))
    }
}

/// What every state of an IKE SA has.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) id: IkeSaId,
    pub(crate) role: Role,
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    /// Where our requests go now.
    pub(crate) path: Path,
    /// The message in hand.
    pub(crate) received: Received,
    /// Where the peer was when the IKE SA began.
    pub(crate) first_remote: SocketAddr,
    pub(crate) nat: NatStatus,
    pub(crate) window: Window,
    /// How our requests are repeated: the connection's, once it is known.
    pub(crate) retransmit: RetransmitPolicy,
    /// What the two sides have agreed on beyond the exchanges.
    pub(crate) extensions: Extensions,
    /// Where the peer may be by now, for all that its ESP packets say; our requests try both until it answers.
    pub(crate) candidate: Option<SocketAddr>,
    /// When something last went out to the peer, in IKE or ESP.
    pub(crate) last_sent: Duration,
    /// How often setting up was begun before.
    pub(crate) attempts: u32,
    /// Requests of ours that wait for the window, or for the IKE SA to be established.
    pub(crate) waiting: VecDeque<Request>,
    /// What the peer announced in `IKE_SA_INIT`.
    pub(crate) heard: Vec<NotifyType>,
    /// The inbound SPIs under which the endpoint's index has the Child SAs of this IKE SA.
    pub(crate) indexed_spis: Vec<u32>,
    /// The identities under which it has this IKE SA.
    pub(crate) indexed_peers: Option<Arc<Peers>>,
}

/// What the answer to an arriving message needs to know of it, beside its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Where it came from; its answer goes back there (RFC 7296 §2.11).
    pub(crate) path: Path,
    /// How it ends, to know it again.
    pub(crate) tail: Tail,
}

/// An IKE SA.
#[derive(Debug)]
pub(crate) struct IkeSa {
    pub(crate) head: Head,
    pub(crate) state: State,
}

/// The life of an IKE SA; each state owns what is valid in it.
#[derive(Debug)]
pub(crate) enum State {
    /// Initiator: `IKE_SA_INIT` is sent.
    SaInitSent(Box<sa_init::Sent>),
    /// Responder: `IKE_SA_INIT` is answered, `IKE_AUTH` is awaited.
    HalfOpen(Box<sa_init::HalfOpen>),
    /// Responder: EAP is under way in `IKE_AUTH`.
    Authenticating(Box<auth::Rounds>),
    /// Initiator: `IKE_AUTH` is sent.
    AuthSent(Box<auth::Sent>),
    /// Both sides are authenticated.
    Established(Box<Established>),
    /// A last request of ours awaits its answer; nothing else remains.
    Closing(Box<Channel>),
    /// The peer was refused before it had authenticated; the refusal is repeated until the given time.
    Refused(Duration),
    /// An established IKE SA is over; the last response is repeated until the given time.
    Lingering(Duration),
    /// To be forgotten.
    Closed,
}

impl Head {
    /// An IKE SA that begins on `received`'s path, with both SPIs yet to be set.
    pub(crate) fn new(id: IkeSaId, role: Role, received: Received) -> Self {
        Self {
            id,
            role,
            spi_i: IkeSpi::ZERO,
            spi_r: IkeSpi::ZERO,
            path: received.path,
            received,
            first_remote: received.path.remote,
            nat: NatStatus::default(),
            window: Window::default(),
            retransmit: RetransmitPolicy::default(),
            extensions: Extensions::default(),
            candidate: None,
            last_sent: Duration::ZERO,
            attempts: 0,
            waiting: VecDeque::new(),
            heard: vec![],
            indexed_spis: vec![],
            indexed_peers: None,
        }
    }

    /// Forgets all that a first attempt to set the IKE SA up has settled, but for what waits for it.
    pub(crate) fn begin_again(&mut self, spi_i: IkeSpi) {
        (self.spi_i, self.spi_r) = (spi_i, IkeSpi::ZERO);
        (self.nat, self.window) = (NatStatus::default(), Window::default());
        self.extensions = self.extensions.unsettled();
        self.path.local.set_port(IKE_PORT);
        self.path.remote = self.first_remote;
    }

    /// The header of our next request.
    pub(crate) fn request_header(&self, exchange: ExchangeType) -> MessageHeader {
        self.header(exchange, Flags::request(self.role == Role::Initiator), self.window.next_id())
    }

    /// The header of our response to request `id`.
    pub(crate) fn response_header(&self, exchange: ExchangeType, id: MessageId) -> MessageHeader {
        self.header(exchange, Flags::response(self.role == Role::Initiator), id)
    }

    fn header(&self, exchange: ExchangeType, flags: Flags, message_id: MessageId) -> MessageHeader {
        let version = Version::V2_0;
        MessageHeader { spi_i: self.spi_i, spi_r: self.spi_r, exchange, flags, message_id, version }
    }

    /// Puts an encoded request on its way.
    pub(crate) fn send_request(&mut self, env: &mut Env<'_>, message: Outgoing) {
        self.window.send_request(env.now, self.retransmit, message.clone());
        let remote = self.candidate.unwrap_or(self.path.remote);
        self.transmit(env, Path { remote, ..self.path }, message);
    }

    /// Sends a request once more, wherever the peer may be.
    pub(crate) fn repeat_request(&mut self, env: &mut Env<'_>, message: Outgoing) {
        if let Some(remote) = self.candidate {
            self.transmit(env, Path { remote, ..self.path }, message.clone());
        }
        self.transmit(env, self.path, message);
    }

    /// Hands a message of this IKE SA to the owner.
    pub(crate) fn transmit(&mut self, env: &mut Env<'_>, path: Path, message: Outgoing) {
        self.last_sent = env.now;
        env.transmits.extend(transmits(Some(self.id), path, message));
    }

    /// The message in hand is authentic: whoever is not behind a NAT writes to where its peer was last seen, and
    /// whoever is would let a forger move it (RFC 7296 §2.23).
    pub(crate) fn follow_peer(&mut self) {
        if !self.nat.local {
            self.path = self.received.path;
            self.candidate = None;
        }
    }

    /// Protects and sends a request, in fragments where it is too long for the path. What arranges the payloads of a
    /// message does so here and in [`send_protected_response`](Self::send_protected_response), before
    /// [`seal`](Self::seal).
    pub(crate) fn send_protected_request(
        &mut self,
        env: &mut Env<'_>,
        channel: &mut Channel,
        exchange: ExchangeType,
        payloads: &[Payload],
    ) {
        let header = self.request_header(exchange);
        let payloads = &*env.config.profile.messages.arrange(&header, payloads, &self.heard);
        let message = self.seal(env, channel, (&header, self.path), payloads);
        self.send_request(env, message);
    }

    /// Protects and sends the response to `request`, and keeps it for repetitions.
    pub(crate) fn send_protected_response(
        &mut self,
        env: &mut Env<'_>,
        channel: &mut Channel,
        request: &MessageHeader,
        payloads: &[Payload],
    ) {
        let header = self.response_header(request.exchange, request.message_id);
        let payloads = &*env.config.profile.messages.arrange(&header, payloads, &self.heard);
        let message = self.seal(env, channel, (&header, self.received.path), payloads);
        self.send_response(env, message);
    }

    fn seal(
        &self,
        env: &mut Env<'_>,
        channel: &mut Channel,
        (header, path): (&MessageHeader, Path),
        payloads: &[Payload],
    ) -> Outgoing {
        let limit = self.extensions.message_limit(path);
        let datagrams = channel.seal(env.crypto, env.random, header, payloads, limit);
        Outgoing { datagrams, info: describe(env.config, header, payloads, true) }
    }

    /// Sends the response to the request in hand and keeps it for repetitions.
    pub(crate) fn send_response(&mut self, env: &mut Env<'_>, message: Outgoing) {
        self.window.send_response(self.received.tail, message.clone());
        self.transmit(env, self.received.path, message);
    }

    /// When the NAT in front of us is to see a packet, unless another one goes out before (RFC 3948 §4).
    pub(crate) fn keepalive_at(&self, config: &EndpointConfig) -> Option<Duration> {
        let every = config.limits.keep_alive;
        let wanted = self.nat.local && !every.is_zero();
        wanted.then(|| self.last_sent.saturating_add(every))
    }

    /// Keeps the mapping of the NAT in front of us alive.
    pub(crate) fn send_keepalive(&mut self, env: &mut Env<'_>) {
        let header = self.header(ExchangeType::Informational, Flags::default(), MessageId::new(0));
        let message = MessageInfo { keepalive: true, ..describe(env.config, &header, &[], false) };
        let Path { local: from, remote: to } = self.path;
        env.transmits.push_back(Transmit { from, to, payload: vec![0xff], ike_sa: Some(self.id), message });
        self.last_sent = env.now;
    }

    /// Ends a negotiation that did not succeed, with everything that waited for it.
    pub(crate) fn fail(
        &self,
        env: &mut Env<'_>,
        connection: Option<ConnectionId>,
        reason: FailureReason,
    ) -> State {
        let failed = Event::NegotiationFailed { ike_sa: self.id, connection, role: self.role, reason };
        env.events.push_back(failed);
        State::Closed
    }

    /// A Child SA that was wished for will not come up.
    pub(crate) fn child_failed(&self, env: &mut Env<'_>, wish: &Wish, reason: FailureReason) {
        let child = wish.child;
        let (ike_sa, connection) = (self.id, child.connection);
        env.events.push_back(Event::ChildSaFailed { ike_sa, connection, child: Some(child), reason });
    }
}

/// The data of the first notification `kind` of a message.
pub(crate) fn notify_data(message: &Message, kind: NotifyType) -> Option<&[u8]> {
    message.payloads.iter().find_map(|payload| match payload {
        Payload::Notify(notify) if notify.kind == kind => Some(notify.data.as_slice()),
        _ => None,
    })
}

/// Describes a message for logs; the payload list costs time, so it is made on request only.
pub(crate) fn describe(
    config: &EndpointConfig,
    header: &MessageHeader,
    payloads: &[Payload],
    protected: bool,
) -> MessageInfo {
    let labels = || payloads.iter().map(ToString::to_string);
    let payloads = match (config.trace, protected) {
        (false, _) => vec![],
        (true, false) => labels().collect(),
        (true, true) => std::iter::once("SK".to_owned()).chain(labels()).collect(),
    };
    MessageInfo {
        exchange: header.exchange.into(),
        message_id: header.message_id,
        response: header.flags.response,
        repeated: false,
        fragment: None,
        keepalive: false,
        payloads,
    }
}

/// Whether `payloads` end the IKE SA without a Delete payload: failed authentication and malformed messages do
/// (RFC 7296 §2.21.2, §2.21.3).
pub(crate) fn is_fatal(payloads: &[Payload]) -> bool {
    use NotifyType::{AuthenticationFailed, InvalidSyntax};
    let fatal = |notify: &NotifyPayload| [AuthenticationFailed, InvalidSyntax].contains(&notify.kind);
    payloads.iter().any(|payload| matches!(payload, Payload::Notify(notify) if fatal(notify)))
}

/// The first error notification among `payloads`.
pub(crate) fn error_notify(payloads: &[Payload]) -> Option<&NotifyPayload> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Notify(notify) if notify.kind.is_error() => Some(notify),
        _ => None,
    })
}

/// What an error notification of the peer means for a negotiation.
pub(crate) fn failure_of(notify: &NotifyPayload) -> FailureReason {
    match notify.kind {
        NotifyType::NoProposalChosen => FailureReason::NoProposalChosen,
        NotifyType::InvalidKePayload => FailureReason::InvalidKePayload,
        NotifyType::AuthenticationFailed => FailureReason::AuthenticationFailed,
        NotifyType::TsUnacceptable => FailureReason::TsUnacceptable,
        NotifyType::InvalidSyntax => FailureReason::InvalidSyntax,
        NotifyType::TemporaryFailure => FailureReason::TemporaryFailure,
        NotifyType::ChildSaNotFound => FailureReason::ChildSaNotFound,
        NotifyType::NoAdditionalSas => FailureReason::NoAdditionalSas,
        NotifyType::InternalAddressFailure => FailureReason::AddressFailure,
        NotifyType::FailedCpRequired => FailureReason::CpRequired,
        _ => FailureReason::PeerError,
    }
}

/// Whether `message` carries the status notification `kind`.
pub(crate) fn has_notify(message: &Message, kind: NotifyType) -> bool {
    message.payloads.iter().any(|payload| matches!(payload, Payload::Notify(notify) if notify.kind == kind))
}
