//! One ISAKMP SA: what all exchanges share ([`Head`]) and the state that it is in ([`State`]).

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ipseclab_crypto::{Crypto, ExchangeKey, KeyExchangeMethod, Purpose, RandomSource, Secret};

use crate::config::{ConnectionId, EndpointConfig, IKE_PORT, RetransmitPolicy};
use crate::datagram::{Outgoing, Path, transmits};
use crate::event::{Event, FailureReason, IkeSaId, MessageInfo, Transmit};
use crate::v1::V1Exchange;
use crate::v1::abilities::Abilities;
use crate::v1::child_sa::Wish;
use crate::v1::cipher::{Iv, MessageCipher};
use crate::v1::conversation::{Awaits, Conversation, Print};
use crate::v1::established::Established;
use crate::v1::exchange::{aggressive_mode, main_mode};
use crate::v1::fragment::{self, Reassembler};
use crate::v1::nat::NatStatus;
use crate::v1::order::Order;
use crate::v2::{AddressPools, Contacts, Peers, Role};
use crate::wire::isakmp::{
    Cookie, Cookies, Flags, Message, MessageHeader, MessageId, NotifyPayload, NotifyType, Payload, Version,
};

/// What an exchange needs from the endpoint around it.
pub(crate) struct Env<'a> {
    pub(crate) now: Duration,
    pub(crate) config: &'a EndpointConfig,
    pub(crate) crypto: &'a mut Crypto,
    pub(crate) random: &'a mut dyn RandomSource,
    pub(crate) transmits: &'a mut VecDeque<Transmit>,
    pub(crate) events: &'a mut VecDeque<Event>,
    /// Inbound SPIs of all Child SAs, those of IKEv2 apart.
    pub(crate) child_spis: [&'a BTreeSet<u32>; 2],
    /// Our cookies of all other ISAKMP SAs.
    pub(crate) cookies: &'a BTreeMap<Cookie, IkeSaId>,
    /// The established ISAKMP SAs by their identities, the one in hand included.
    pub(crate) contacts: &'a Contacts,
    /// Who has which virtual address.
    pub(crate) pools: &'a mut AddressPools,
    /// The number of the next IKE SA.
    pub(crate) next_id: &'a mut u32,
    /// What is to happen outside the ISAKMP SA in hand.
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
        self.draw(Purpose::Nonce, self.config.profile.v1.nonce_len.octets())
    }

    fn draw_u32(&mut self, purpose: Purpose) -> u32 {
        let mut octets = [0; 4];
        self.random.fill(purpose, &mut octets);
        u32::from_be_bytes(octets)
    }

    /// An SPI that no Child SA of ours has and that is none of `others`; 0 to 255 are reserved (RFC 2406 §2.1).
    pub(crate) fn draw_child_spi(&mut self, others: &[u32]) -> u32 {
        loop {
            let spi = self.draw_u32(Purpose::ChildSpi);
            let taken = self.child_spis.iter().any(|taken| taken.contains(&spi));
            if spi >= 256 && !taken && !others.contains(&spi) {
                return spi;
            }
        }
    }

    /// A non-zero cookie that no ISAKMP SA of ours has.
    pub(crate) fn draw_cookie(&mut self) -> Cookie {
        loop {
            let mut octets = [0; Cookie::LEN];
            self.random.fill(Purpose::IkeSpi, &mut octets);
            let cookie = Cookie::new(u64::from_be_bytes(octets));
            if !cookie.is_zero() && !self.cookies.contains_key(&cookie) {
                return cookie;
            }
        }
    }

    /// A message ID that is not zero, which is phase 1's.
    pub(crate) fn draw_message_id(&mut self) -> MessageId {
        loop {
            let id = MessageId::new(self.draw_u32(Purpose::IkeSpi));
            if !id.is_zero() {
                return id;
            }
        }
    }

    /// The number of a new ISAKMP SA.
    pub(crate) fn new_id(&mut self) -> IkeSaId {
        let id = IkeSaId(*self.next_id);
        *self.next_id += 1;
        id
    }

    /// A fresh key pair for `method`.
    pub(crate) fn draw_key_pair(&mut self, method: KeyExchangeMethod) -> KeyPair {
        let private = Secret::new(self.draw(Purpose::KeyExchange, method.private_len()));
        let private = self.crypto.exchange_key(method, &private);
        let public = private.public_value(self.crypto);
        KeyPair { private, public }
    }

    /// A uniform share of `most`. The bias of 2⁻⁶⁴ × `most` in nanoseconds is below any effect.
    fn draw_share(&mut self, most: Duration) -> Duration {
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

/// Our half of a key exchange.
#[derive(Debug)]
pub(crate) struct KeyPair {
    pub(crate) private: ExchangeKey,
    pub(crate) public: Vec<u8>,
}

/// What every state of an ISAKMP SA has.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) id: IkeSaId,
    pub(crate) role: Role,
    pub(crate) cookies: Cookies,
    /// Where our messages go now.
    pub(crate) path: Path,
    /// The message in hand.
    pub(crate) received: Received,
    /// Where the peer was when the ISAKMP SA began.
    pub(crate) first_remote: SocketAddr,
    pub(crate) nat: NatStatus,
    /// What the peer can do beyond the RFCs.
    pub(crate) abilities: Abilities,
    /// How our messages are repeated: the connection's, once it is known.
    pub(crate) retransmit: RetransmitPolicy,
    /// When something last went out to the peer, in IKE or ESP.
    pub(crate) last_sent: Duration,
    /// How often setting up was begun before.
    pub(crate) attempts: u32,
    /// The messages of phase 1.
    pub(crate) phase1: Conversation,
    /// Child SAs that wait to be asked for.
    pub(crate) waiting: VecDeque<Wish>,
    /// Pieces of a message of the peer's.
    pub(crate) reassembler: Reassembler,
    /// The inbound SPIs under which the endpoint's index has the Child SAs of this ISAKMP SA.
    pub(crate) indexed_spis: Vec<u32>,
    /// The identities under which it has this ISAKMP SA.
    pub(crate) indexed_peers: Option<Arc<Peers>>,
}

/// What the answer to an arriving message needs to know of it, beside its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Where it came from.
    pub(crate) path: Path,
    /// What to know it by when it comes again.
    pub(crate) print: Print,
}

/// An ISAKMP SA.
#[derive(Debug)]
pub(crate) struct IsakmpSa {
    pub(crate) head: Head,
    pub(crate) state: State,
}

/// The life of an ISAKMP SA; each state owns what is valid in it.
#[derive(Debug)]
pub(crate) enum State {
    /// Main Mode is under way.
    MainMode(main_mode::State),
    /// Aggressive Mode is under way.
    AggressiveMode(aggressive_mode::State),
    /// Both sides are authenticated.
    Established(Box<Established>),
    /// To be forgotten.
    Closed,
}

/// What a sealed message is sent under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) exchange: V1Exchange,
    pub(crate) id: MessageId,
    /// Whether the responder of the exchange sends it.
    pub(crate) response: bool,
}

impl Envelope {
    /// A message of the exchange that sets the ISAKMP SA up.
    pub(crate) fn phase1(exchange: V1Exchange, role: Role) -> Self {
        Self { exchange, id: MessageId::ZERO, response: role == Role::Responder }
    }
}

impl Head {
    /// An ISAKMP SA that begins on `received`'s path, with both cookies yet to be set.
    pub(crate) fn new(id: IkeSaId, role: Role, received: Received) -> Self {
        Self {
            id,
            role,
            cookies: Cookies::default(),
            path: received.path,
            received,
            first_remote: received.path.remote,
            nat: NatStatus::default(),
            abilities: Abilities::default(),
            retransmit: RetransmitPolicy::default(),
            last_sent: Duration::ZERO,
            attempts: 0,
            phase1: Conversation::default(),
            waiting: VecDeque::new(),
            reassembler: Reassembler::default(),
            indexed_spis: vec![],
            indexed_peers: None,
        }
    }

    /// Our own cookie.
    pub(crate) fn own_cookie(&self) -> Cookie {
        match self.role {
            Role::Initiator => self.cookies.initiator,
            Role::Responder => self.cookies.responder,
        }
    }

    /// Forgets all that a first attempt to set the ISAKMP SA up has settled, but for what waits for it.
    pub(crate) fn begin_again(&mut self, cookie: Cookie) {
        self.cookies = Cookies { initiator: cookie, responder: Cookie::ZERO };
        (self.nat, self.abilities) = (NatStatus::default(), Abilities::default());
        self.phase1 = Conversation::default();
        self.path.local.set_port(IKE_PORT);
        self.path.remote = self.first_remote;
    }

    fn header(&self, envelope: Envelope, flags: Flags) -> MessageHeader {
        MessageHeader {
            cookies: self.cookies,
            exchange: envelope.exchange.wire(),
            flags,
            message_id: envelope.id,
            version: Version::V1_0,
        }
    }

    /// Sends a message of phase 1 in the clear, and returns its octets.
    pub(crate) fn send_clear(
        &mut self,
        env: &mut Env<'_>,
        exchange: V1Exchange,
        payloads: Vec<Payload>,
        awaits: Awaits,
    ) {
        let envelope = Envelope::phase1(exchange, self.role);
        let message = Message { header: self.header(envelope, Flags::CLEAR), payloads };
        let bytes = message.encode();
        let outgoing = self.wrap(env, envelope, &message.payloads, false, bytes);
        self.phase1.send(env.now, self.retransmit, outgoing.clone(), awaits);
        self.transmit(env, self.path, outgoing);
    }

    /// Encrypts a message and moves `iv` on.
    pub(crate) fn seal(
        &self,
        env: &mut Env<'_>,
        (cipher, iv): (&MessageCipher, &mut Iv),
        envelope: Envelope,
        payloads: &[Payload],
    ) -> Outgoing {
        let header = self.header(envelope, Flags::ENCRYPTED);
        let sealed = cipher.seal(env.crypto, &header, payloads, iv);
        *iv = sealed.next_iv;
        self.wrap(env, envelope, payloads, true, sealed.bytes)
    }

    /// A message with its description, in pieces where it is too long for the path.
    fn wrap(
        &self,
        env: &Env<'_>,
        envelope: Envelope,
        payloads: &[Payload],
        sealed: bool,
        bytes: Vec<u8>,
    ) -> Outgoing {
        let header = self.header(envelope, Flags::CLEAR);
        let limit = self.abilities.fragment_limit(self.path);
        let datagrams = fragment::split(&header, bytes, limit);
        Outgoing { datagrams, info: describe(env.config, envelope, payloads, sealed) }
    }

    /// Hands a message of this ISAKMP SA to the owner.
    pub(crate) fn transmit(&mut self, env: &mut Env<'_>, path: Path, message: Outgoing) {
        self.last_sent = env.now;
        env.transmits.extend(transmits(Some(self.id), path, message));
    }

    /// The message in hand is authentic: whoever is not behind a NAT writes to where its peer was last seen
    /// (RFC 3947 §4, §6).
    pub(crate) fn follow_peer(&mut self) {
        if !self.nat.local {
            self.path = self.received.path;
        }
    }

    /// When the NAT in front of us is to see a packet, unless another one goes out before (RFC 3948 §4).
    pub(crate) fn keepalive_at(&self, config: &EndpointConfig) -> Option<Duration> {
        let every = config.limits.keep_alive;
        let wanted = self.nat.local && !every.is_zero();
        wanted.then(|| self.last_sent.saturating_add(every))
    }

    /// Keeps the mapping of the NAT in front of us alive.
    pub(crate) fn send_keepalive(&mut self, env: &mut Env<'_>) {
        let envelope = Envelope { exchange: V1Exchange::Informational, id: MessageId::ZERO, response: false };
        let message = MessageInfo { keepalive: true, ..describe(env.config, envelope, &[], false) };
        let Path { local: from, remote: to } = self.path;
        env.transmits.push_back(Transmit { from, to, payload: vec![0xff], ike_sa: Some(self.id), message });
        self.last_sent = env.now;
    }

    /// Ends a negotiation that did not succeed.
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
        let (ike_sa, connection) = (self.id, wish.child.connection);
        let event = match wish.rekeys {
            None => Event::ChildSaFailed { ike_sa, connection, child: Some(wish.child), reason },
            Some(spi_in) => Event::RekeyFailed { ike_sa, spi_in: Some(spi_in), reason },
        };
        env.events.push_back(event);
    }
}

/// Describes a message for logs; the payload list costs time, so it is made on request only.
pub(crate) fn describe(
    config: &EndpointConfig,
    envelope: Envelope,
    payloads: &[Payload],
    sealed: bool,
) -> MessageInfo {
    let labels = payloads.iter().map(ToString::to_string);
    let payloads = match (config.trace, sealed) {
        (false, _) => vec![],
        (true, false) => labels.collect(),
        (true, true) => std::iter::once("E".to_owned()).chain(labels).collect(),
    };
    MessageInfo {
        exchange: envelope.exchange.into(),
        message_id: crate::wire::MessageId::new(envelope.id.as_u32()),
        response: envelope.response,
        repeated: false,
        fragment: None,
        keepalive: false,
        payloads,
    }
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
        NotifyType::NoProposalChosen | NotifyType::BadProposalSyntax | NotifyType::AttributesNotSupported => {
            FailureReason::NoProposalChosen
        }
        NotifyType::AuthenticationFailed
        | NotifyType::InvalidSignature
        | NotifyType::InvalidHashInformation
        | NotifyType::InvalidCertificate => FailureReason::AuthenticationFailed,
        NotifyType::InvalidIdInformation => FailureReason::TsUnacceptable,
        NotifyType::InvalidKeyInformation => FailureReason::InvalidKePayload,
        NotifyType::PayloadMalformed | NotifyType::InvalidPayloadType => FailureReason::InvalidSyntax,
        NotifyType::UnsupportedExchangeType => FailureReason::WrongMode,
        _ => FailureReason::PeerError,
    }
}
