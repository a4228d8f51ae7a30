//! `IKE_SA_INIT` (RFC 7296 §1.2): proposals, key exchange, nonces, NAT detection.
//!
//! ```text
//! initiator                                             responder
//! HDR, [N(COOKIE)], SAi1, KEi, Ni, N(NATD_S), N(NATD_D), N(SIGNATURE_HASH_ALGORITHMS)  ──►
//!          ◄──  HDR, SAr1, KEr, Nr, N(NATD_S), N(NATD_D), [CERTREQ], N(SIGNATURE_HASH_ALGORITHMS)
//!                                   or  ◄──  HDR, N(INVALID_KE_PAYLOAD | COOKIE | NO_PROPOSAL_CHOSEN)
//! ```
//!
//! An answer that asks for another group or for a cookie repeats the request under the same SPI, Message ID and
//! nonce. The refusing responder keeps no state.
//!
//! Model: the initiator believes unauthenticated refusals at once, as strongSwan does; RFC 7296 §2.21.1 would rather
//! have it go on for a while, in case somebody forged them.

use ipseclab_crypto::{ExchangeKey, KeyExchangeMethod, Secret};

use crate::config::{
    ChildId, Childless, Connection, ConnectionId, Fragmentation, NAT_T_PORT, SignatureNaming,
};
use crate::credential::KeyHash;
use crate::credential::auth_method::SignatureHash;
use crate::event::{DropReason, Event, FailureReason, IkeSaKeys};
use crate::profile;
use crate::proposal::{self, ChosenIke, IkeProposal};
use crate::v2::channel::Channel;
use crate::v2::exchange::auth;
use crate::v2::extension::fragmentation_notify;
use crate::v2::goal::Goal;
use crate::v2::ike_sa::{Env, Head, State, describe, error_notify, failure_of, has_notify, notify_data};
use crate::v2::keys::{IkeKeys, SaInitValues};
use crate::v2::nat::{self, NatStatus};
use crate::v2::uniqueness::Turn;
use crate::v2::window::Outgoing;
use crate::wire::{
    ExchangeType, Flags, Header, IkeSpi, KePayload, Message, MessageHeader, NoncePayload, NotifyPayload,
    NotifyType, Payload, SaPayload, Version,
};

/// Octets of a cookie (RFC 7296 §2.6).
const COOKIE_LEN: core::ops::RangeInclusive<usize> = 1..=64;

/// The initiator after its request.
#[derive(Debug)]
pub(crate) struct Sent {
    goal: Goal,
    /// In the order of the last request.
    proposals: Vec<IkeProposal>,
    method: KeyExchangeMethod,
    private: ExchangeKey,
    public_value: Vec<u8>,
    nonce: Vec<u8>,
    cookie: Option<Vec<u8>>,
    /// The request as sent: the initiator's AUTH payload covers it.
    request: Vec<u8>,
    retries: u32,
}

/// What `IKE_SA_INIT` leaves for `IKE_AUTH`, on either side.
#[derive(Debug)]
pub(crate) struct SaInit {
    pub(crate) channel: Channel,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    /// The initiator's message as it was on the wire.
    pub(crate) request: Vec<u8>,
    /// The responder's message as it was on the wire.
    pub(crate) response: Vec<u8>,
    /// The hashes that the peer verifies signatures with; `None` when it does not say (RFC 7427 §4).
    pub(crate) peer_hashes: Option<Vec<SignatureHash>>,
    /// The authorities that the peer trusts; `None` when it does not ask for a certificate.
    pub(crate) requested: Option<Vec<KeyHash>>,
    /// How many IKE SAs had come up before.
    pub(crate) begun: Turn,
}

/// The responder after its answer.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    pub(crate) init: SaInit,
    /// When to forget it.
    pub(crate) expires: core::time::Duration,
}

/// What an answer that is no acceptance makes of the request.
enum Demand {
    /// It is changed as the peer asks; when that came too often, the negotiation fails for this reason.
    Followed(FailureReason),
    /// The negotiation fails.
    Refused(FailureReason),
    /// The answer says nothing to this request.
    Dropped(DropReason),
}

/// The three payloads that every `IKE_SA_INIT` message must have.
struct Essentials<'a> {
    sa: &'a SaPayload,
    ke: &'a KePayload,
    nonce: &'a NoncePayload,
}

/// Sends the first request of a new IKE SA.
pub(crate) fn initiate(head: &mut Head, env: &mut Env<'_>, goal: Goal) -> State {
    let connection = goal.connection;
    let proposals = env.config.connection(connection).proposals.clone();
    let Some(method) = proposals.first().and_then(|proposal| proposal.key_exchange.first().copied()) else {
        return head.fail(env, Some(connection), FailureReason::NoProposalChosen);
    };
    let (private, public_value) = env.draw_key_pair(method);
    let sent = Sent {
        goal,
        proposals,
        method,
        private,
        public_value,
        nonce: env.draw_nonce(),
        cookie: None,
        request: vec![],
        retries: 0,
    };
    sent.send(head, env)
}

impl Sent {
    /// The connection that is being set up.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.goal.connection
    }

    /// What it was begun for.
    pub(crate) fn into_goal(self) -> Goal {
        self.goal
    }

    /// Whether a Child SA of this child is asked for.
    pub(crate) fn asks_for(&self, child: ChildId) -> bool {
        !self.goal.bare && self.goal.first.as_ref().is_some_and(|wish| wish.child == child)
    }

    fn send(mut self, head: &mut Head, env: &mut Env<'_>) -> State {
        let connection = env.config.connection(self.goal.connection);
        let mut payloads = Vec::new();
        if let Some(cookie) = &self.cookie {
            payloads.push(Payload::Notify(NotifyPayload::new(NotifyType::Cookie, cookie.clone())));
        }
        let numbered =
            self.proposals.iter().zip(1_u8..).map(|(proposal, number)| proposal.to_wire(number, &[]));
        payloads.push(Payload::Sa(SaPayload { proposals: numbered.collect() }));
        payloads.extend(exchange_payloads(self.method, self.public_value.clone(), &self.nonce));
        let spis = (head.spi_i, IkeSpi::ZERO);
        payloads.extend(nat::notifies(env.crypto, spis, head.path.local, head.path.remote, connection.encap));
        payloads.extend(understands_fragments(connection).then(fragmentation_notify));
        payloads.extend(hashes_notify(connection.remote.hashes(), connection));
        let header = head.request_header(ExchangeType::IkeSaInit);
        let payloads = env.config.profile.messages.arrange(&header, &payloads, &[]).into_owned();
        let message = Message { header, payloads };
        self.request = message.encode();
        let info = describe(env.config, &message.header, &message.payloads, false);
        head.send_request(env, Outgoing::whole(self.request.clone(), info));
        State::SaInitSent(Box::new(self))
    }

    /// Handles the answer. What asks for nothing new is dropped, and the request stays under way.
    pub(crate) fn handle_response(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
        bytes: &[u8],
    ) -> (State, Result<(), DropReason>) {
        let demand = if let Some(cookie) = notify_data(message, NotifyType::Cookie) {
            self.follow_cookie(cookie)
        } else if let Some(group) = notify_data(message, NotifyType::InvalidKePayload) {
            self.follow_group(env, group)
        } else if let Some(notify) = error_notify(&message.payloads) {
            Demand::Refused(failure_of(notify))
        } else {
            head.window.complete(message.header.message_id);
            return (self.accept(head, env, message, bytes), Ok(()));
        };
        match demand {
            Demand::Dropped(reason) => (State::SaInitSent(self), Err(reason)),
            Demand::Refused(reason) => (head.fail(env, Some(self.goal.connection), reason), Ok(())),
            Demand::Followed(kind) => (self.retry(head, env, kind), Ok(())),
        }
    }

    /// Takes the cookie into the next request. The network may have doubled the answer that brought it.
    fn follow_cookie(&mut self, cookie: &[u8]) -> Demand {
        if !COOKIE_LEN.contains(&cookie.len()) {
            return Demand::Dropped(DropReason::Malformed);
        }
        if self.cookie.as_deref() == Some(cookie) {
            return Demand::Dropped(DropReason::Unexpected);
        }
        self.cookie = Some(cookie.to_vec());
        Demand::Followed(FailureReason::PeerError)
    }

    /// Changes to the wanted group. A wish for the group that was just sent is an answer to an earlier request: another
    /// key pair now would not fit the answer that is on its way.
    fn follow_group(&mut self, env: &mut Env<'_>, group: &[u8]) -> Demand {
        let method = <[u8; 2]>::try_from(group).ok().map(u16::from_be_bytes);
        match method.and_then(KeyExchangeMethod::from_transform) {
            Some(method) if method == self.method => Demand::Dropped(DropReason::Unexpected),
            Some(method) if self.change_group(env, method) => {
                Demand::Followed(FailureReason::InvalidKePayload)
            }
            Some(_) | None => Demand::Refused(FailureReason::InvalidKePayload),
        }
    }

    /// Repeats the request as it is by now, unless the peer has asked too often; `kind` is the failure then.
    fn retry(mut self, head: &mut Head, env: &mut Env<'_>, kind: FailureReason) -> State {
        self.retries += 1;
        if self.retries > env.config.limits.sa_init_retries {
            return head.fail(env, Some(self.goal.connection), kind);
        }
        head.window.restart();
        self.send(head, env)
    }

    /// Moves the wanted group to the front of its proposal and that proposal to the front of the list, as strongSwan
    /// does; false when the group was not offered.
    fn change_group(&mut self, env: &mut Env<'_>, method: KeyExchangeMethod) -> bool {
        let holds = |proposal: &IkeProposal| proposal.key_exchange.contains(&method);
        let Some(place) = self.proposals.iter().position(holds) else {
            return false;
        };
        let mut proposal = self.proposals.remove(place);
        proposal.key_exchange.retain(|other| *other != method);
        proposal.key_exchange.insert(0, method);
        self.proposals.insert(0, proposal);
        self.method = method;
        (self.private, self.public_value) = env.draw_key_pair(method);
        true
    }

    fn accept(mut self, head: &mut Head, env: &mut Env<'_>, message: &Message, bytes: &[u8]) -> State {
        let connection = Some(self.goal.connection);
        let Some(essentials) = essentials(message).filter(|_| !message.header.spi_r.is_zero()) else {
            return head.fail(env, connection, FailureReason::InvalidSyntax);
        };
        let Some(chosen) = proposal::verify_answer_ike(&self.proposals, essentials.sa)
            .filter(|chosen| chosen.key_exchange == self.method)
        else {
            return head.fail(env, connection, FailureReason::NoProposalChosen);
        };
        let same_group = essentials.ke.method == self.method.transform_id();
        let secret = self.private.shared_secret(env.crypto, &essentials.ke.public_value);
        let (true, Ok(secret)) = (same_group, secret) else {
            return head.fail(env, connection, FailureReason::InvalidSyntax);
        };
        let peer_can = has_notify(message, NotifyType::ChildlessIkev2Supported);
        if let Err(reason) = self.goal.settle_first(head, env.config, peer_can) {
            return head.fail(env, connection, reason);
        }
        head.spi_r = message.header.spi_r;
        head.heard = profile::heard(message);
        let nonce_r = essentials.nonce.as_bytes().to_vec();
        let channel = derive(head, env, chosen, &secret, (&self.nonce, &nonce_r));
        self.detect_nat(head, env, message);
        let init = SaInit {
            channel,
            nonce_i: self.nonce,
            nonce_r,
            request: self.request,
            response: bytes.to_vec(),
            peer_hashes: usable_hashes(message, env.config.connection(self.goal.connection)),
            requested: auth::certificates::requested(message),
            begun: env.contacts.next_turn(),
        };
        auth::initiate(head, env, self.goal, init)
    }

    /// A NAT anywhere moves the IKE SA to port 4500 (RFC 7296 §2.23).
    ///
    /// With MOBIKE it moves there without one, so that a NAT found later changes no port (RFC 4555 §3.3).
    fn detect_nat(&self, head: &mut Head, env: &mut Env<'_>, message: &Message) {
        let (spis, path) = ((head.spi_i, head.spi_r), head.received.path);
        let connection = env.config.connection(self.goal.connection);
        let nat = nat::detect(env.crypto, message, spis, path.remote, path.local, connection.encap);
        let may_move = nat.is_some() && connection.mobike;
        head.nat = nat.unwrap_or_default();
        if understands_fragments(connection) && has_notify(message, NotifyType::Ikev2FragmentationSupported) {
            head.allow_fragments(&env.config.limits);
        }
        if head.nat.detected() || may_move {
            head.path.local.set_port(NAT_T_PORT);
            head.path.remote.set_port(NAT_T_PORT);
        }
    }
}

/// What a responder does with a first request.
pub(crate) enum Answer {
    /// It sets up an IKE SA.
    Accept(Box<HalfOpen>, NatStatus),
    /// It refuses, without keeping state.
    Refuse(NotifyPayload),
}

/// Judges the first request of a new IKE SA. `head` carries the two SPIs and the addresses.
pub(crate) fn answer(head: &mut Head, env: &mut Env<'_>, message: &Message, bytes: &[u8]) -> Answer {
    let Some(essentials) = essentials(message) else {
        return refuse(NotifyType::InvalidSyntax, vec![]);
    };
    let reachable = |connection: &&Connection| connection.accepts(head.path.remote.ip());
    let mut candidates = env.config.connections.iter().filter(reachable);
    let Some((chosen, connection)) = candidates.find_map(|connection| {
        proposal::select_ike(&connection.proposals, essentials.sa).map(|chosen| (chosen, connection))
    }) else {
        return refuse(NotifyType::NoProposalChosen, vec![]);
    };
    let method = chosen.key_exchange;
    if essentials.ke.method != method.transform_id() {
        return refuse(NotifyType::InvalidKePayload, method.transform_id().to_be_bytes().to_vec());
    }
    head.heard = profile::heard(message);
    let (private, public_value) = env.draw_key_pair(method);
    let Ok(secret) = private.shared_secret(env.crypto, &essentials.ke.public_value) else {
        return refuse(NotifyType::InvalidSyntax, vec![]);
    };
    if env.config.connections.iter().filter(reachable).any(understands_fragments)
        && has_notify(message, NotifyType::Ikev2FragmentationSupported)
    {
        head.allow_fragments(&env.config.limits);
    }
    let nonce_i = essentials.nonce.as_bytes().to_vec();
    let nonce_r = env.draw_nonce();
    let channel = derive(head, env, chosen, &secret, (&nonce_i, &nonce_r));
    let spis_seen = (head.spi_i, IkeSpi::ZERO);
    let nat =
        nat::detect(env.crypto, message, spis_seen, head.path.remote, head.path.local, connection.encap);
    let response = respond(head, env, message, chosen, public_value, &nonce_r, (nat.is_some(), connection));
    let (request, peer_hashes, begun) =
        (bytes.to_vec(), usable_hashes(message, connection), env.contacts.next_turn());
    let init = SaInit { channel, nonce_i, nonce_r, request, response, peer_hashes, requested: None, begun };
    let expires = env.now.saturating_add(env.config.limits.half_open_timeout);
    Answer::Accept(Box::new(HalfOpen { init, expires }), nat.unwrap_or_default())
}

/// Sends the positive answer and returns it as encoded. NAT detection is answered when it was asked for.
fn respond(
    head: &mut Head,
    env: &mut Env<'_>,
    request: &Message,
    chosen: ChosenIke,
    public_value: Vec<u8>,
    nonce: &[u8],
    (nat_t, connection): (bool, &Connection),
) -> Vec<u8> {
    let mut payloads = vec![Payload::Sa(SaPayload { proposals: vec![chosen.to_wire(chosen.number, &[])] })];
    payloads.extend(exchange_payloads(chosen.key_exchange, public_value, nonce));
    if nat_t {
        let spis = (head.spi_i, head.spi_r);
        payloads.extend(nat::notifies(env.crypto, spis, head.path.local, head.path.remote, connection.encap));
    }
    payloads.extend(auth::certificates::request_from(env, head.path.remote.ip()));
    payloads.extend(head.extensions.takes_fragments().then(fragmentation_notify));
    // Which connection it will be, and so which hashes it allows, only IKE_AUTH tells.
    payloads.extend(announced_hashes(request).and_then(|_| hashes_notify(SignatureHash::ALL, connection)));
    if connection.childless != Childless::Never {
        payloads.push(Payload::Notify(NotifyPayload::new(NotifyType::ChildlessIkev2Supported, vec![])));
    }
    let header = head.response_header(ExchangeType::IkeSaInit, request.header.message_id);
    let payloads = env.config.profile.messages.arrange(&header, &payloads, &head.heard).into_owned();
    let message = Message { header, payloads };
    let bytes = message.encode();
    let info = describe(env.config, &message.header, &message.payloads, false);
    head.send_response(env, Outgoing::whole(bytes.clone(), info));
    bytes
}

/// The stateless refusal of a first request: `SPIr` is zero.
pub(crate) fn refusal(env: &Env<'_>, request: &Header, notify: NotifyPayload) -> Outgoing {
    let flags = Flags::response(!request.flags.initiator);
    let (spi_i, spi_r, exchange) = (request.spi_i, request.spi_r, request.exchange);
    let header = MessageHeader {
        spi_i,
        spi_r,
        exchange,
        flags,
        message_id: request.message_id,
        version: Version::V2_0,
    };
    let message = Message { header, payloads: vec![Payload::Notify(notify)] };
    let info = describe(env.config, &message.header, &message.payloads, false);
    Outgoing::whole(message.encode(), info)
}

/// Whether fragments are announced to the peer (RFC 7383 §2.3).
fn understands_fragments(connection: &Connection) -> bool {
    connection.fragmentation != Fragmentation::Off
}

fn refuse(kind: NotifyType, data: Vec<u8>) -> Answer {
    Answer::Refuse(NotifyPayload::new(kind, data))
}

fn exchange_payloads(method: KeyExchangeMethod, public_value: Vec<u8>, nonce: &[u8]) -> [Payload; 2] {
    let nonce = NoncePayload::new(nonce.to_vec()).expect("our nonces have an allowed length");
    [Payload::Ke(KePayload { method: method.transform_id(), public_value }), Payload::Nonce(nonce)]
}

/// The hashes that we verify signatures with (RFC 7427 §4).
fn hashes_notify(hashes: &[SignatureHash], connection: &Connection) -> Option<Payload> {
    let data = SignatureHash::to_notify(hashes);
    let notify = NotifyPayload::new(NotifyType::SignatureHashAlgorithms, data);
    is_named(connection).then_some(Payload::Notify(notify))
}

/// Those that the peer has announced, unless we know nothing of this either.
fn usable_hashes(message: &Message, connection: &Connection) -> Option<Vec<SignatureHash>> {
    announced_hashes(message).filter(|_| is_named(connection))
}

fn is_named(connection: &Connection) -> bool {
    connection.signatures == SignatureNaming::Named
}

/// Those that the peer has announced; `None` when it knows nothing of this.
fn announced_hashes(message: &Message) -> Option<Vec<SignatureHash>> {
    notify_data(message, NotifyType::SignatureHashAlgorithms).map(SignatureHash::from_notify)
}

/// Derives the keys on either side, tells the owner, and opens the channel.
fn derive(
    head: &Head,
    env: &mut Env<'_>,
    chosen: ChosenIke,
    secret: &Secret,
    (nonce_i, nonce_r): (&[u8], &[u8]),
) -> Channel {
    let values = SaInitValues { nonce_i, nonce_r, spi_i: head.spi_i, spi_r: head.spi_r };
    let keys = IkeKeys::derive(env.crypto, chosen, secret, values);
    env.events.push_back(Event::KeysDerived(Box::new(IkeSaKeys {
        ike_sa: head.id,
        spi_i: head.spi_i,
        spi_r: head.spi_r,
        proposal: chosen,
        keys: keys.clone(),
    })));
    Channel::new(env.crypto, env.random, head.role, chosen, keys)
}

/// The three payloads, each exactly once.
fn essentials(message: &Message) -> Option<Essentials<'_>> {
    let (mut sa, mut ke, mut nonce) = (None, None, None);
    for payload in &message.payloads {
        let twice = match payload {
            Payload::Sa(payload) => sa.replace(payload).is_some(),
            Payload::Ke(payload) => ke.replace(payload).is_some(),
            Payload::Nonce(payload) => nonce.replace(payload).is_some(),
            _ => false,
        };
        if twice {
            return None;
        }
    }
    Some(Essentials { sa: sa?, ke: ke?, nonce: nonce? })
}
