//! Main Mode (RFC 2409 §5.1, §5.4): phase 1 in six messages, which hides the identities.
//!
//! ```text
//!    initiator                                    responder
//! 1  HDR, SA, [V ...]                       ──►
//!                                          ◄──    HDR, SA, [V ...]                             2
//! 3  HDR, KE, Ni, [NAT-D, NAT-D]            ──►
//!                                          ◄──    HDR, KE, Nr, [CERTREQ], [NAT-D, NAT-D]       4
//! 5  HDR*, IDii, HASH_I, [N(INITIAL_CONTACT)]                                     ──►
//!    or HDR*, IDii, [CERT], SIG_I, [CERTREQ], [N(INITIAL_CONTACT)]                ──►
//!                                          ◄──    HDR*, IDir, HASH_R                           6
//!                                          ◄──    or HDR*, IDir, [CERT], SIG_R
//! ```
//!
//! Where a NAT is found, message 5 and all that follow use port 4500 (RFC 3947 §4). A responder refuses an offer with an
//! unprotected notification and keeps nothing.
//!
//! Model: the initiator believes unprotected notifications of errors until there are keys, as strongSwan does.

use core::time::Duration;

use ipseclab_crypto::Secret;

use crate::config::{ConnectionId, NAT_T_PORT};
use crate::datagram::Path;
use crate::event::{DropReason, FailureReason};
use crate::identity::Identity;
use crate::profile::V1Message;
use crate::v1::V1Exchange;
use crate::v1::conversation::Awaits;
use crate::v1::exchange::phase1::{
    self, Essentials, Goal, Guest, Halves, Origin, Secured, arranged, establish, has_notify, key_payloads,
    nat_payloads,
};
use crate::v1::exchange::proof::{self, Claim, Own};
use crate::v1::isakmp_sa::{self, Env, Head, KeyPair};
use crate::v1::offer::{self, Phase1};
use crate::v2::Role;
use crate::wire::isakmp::{Header, Message, NotifyType, Payload};

/// How far Main Mode has come.
#[derive(Debug)]
pub(crate) enum State {
    /// Initiator: message 1 is sent.
    OfferSent(Box<OfferSent>),
    /// Responder: message 2 is sent.
    ChoiceSent(Box<ChoiceSent>),
    /// Initiator: message 3 is sent.
    KeySent(Box<KeySent>),
    /// Responder: message 4 is sent, and there are keys.
    KeyAnswered(Box<KeyAnswered>),
    /// Initiator: message 5 is sent.
    ProofSent(Box<ProofSent>),
}

/// The initiator after message 1.
#[derive(Debug)]
pub(crate) struct OfferSent {
    goal: Goal,
    sa_i: Vec<u8>,
}

/// The responder after message 2.
#[derive(Debug)]
pub(crate) struct ChoiceSent {
    guest: Guest,
    agreed: Phase1,
    sa_i: Vec<u8>,
}

/// The initiator after message 3.
#[derive(Debug)]
pub(crate) struct KeySent {
    goal: Goal,
    agreed: Phase1,
    sa_i: Vec<u8>,
    pair: KeyPair,
    nonce: Vec<u8>,
}

/// The responder after message 4.
#[derive(Debug)]
pub(crate) struct KeyAnswered {
    guest: Guest,
    secured: Secured,
    /// A message 5 came that could not be read.
    unreadable: bool,
}

/// The initiator after message 5.
#[derive(Debug)]
pub(crate) struct ProofSent {
    goal: Goal,
    secured: Secured,
    own_id: Identity,
    /// Something came under other keys than ours.
    unreadable: bool,
}

/// What becomes of the ISAKMP SA, and of the message.
pub(crate) type Outcome = (isakmp_sa::State, Result<(), DropReason>);

/// Sends message 1.
pub(crate) fn initiate(head: &mut Head, env: &mut Env<'_>, goal: Goal) -> isakmp_sa::State {
    let connection = env.config.connection(goal.connection());
    let Some(method) = offer::method_of(connection, Role::Initiator) else {
        return head.fail(env, Some(goal.connection()), FailureReason::AuthMethodMismatch);
    };
    let sa = offer::offer_phase1(connection, &env.config.profile.v1, method);
    if sa.proposals.iter().all(|proposal| proposal.transforms.is_empty()) {
        return head.fail(env, Some(goal.connection()), FailureReason::NoProposalChosen);
    }
    let sa_i = sa.body();
    let payloads = arranged(head, env, V1Message::MainOffer, vec![Payload::Sa(sa)]);
    head.send_clear(env, V1Exchange::MainMode, payloads, Awaits::Answer);
    State::OfferSent(Box::new(OfferSent { goal, sa_i })).into()
}

/// Judges message 1; a notification is what the peer is told of a refusal.
pub(crate) fn answer(
    head: &mut Head,
    env: &mut Env<'_>,
    message: &Message,
    bytes: &[u8],
) -> Result<isakmp_sa::State, NotifyType> {
    let sa = Essentials::of(message).and_then(|parts| parts.sa).ok_or(NotifyType::PayloadMalformed)?;
    let (id, agreed) = phase1::choose_connection(head, env, false, sa)?;
    let connection = env.config.connection(id);
    head.abilities.hear(message);
    head.abilities.settle(connection);
    head.retransmit = connection.retransmit;
    let choice = Payload::Sa(offer::choice_phase1(&agreed, &env.config.profile.v1));
    let payloads = arranged(head, env, V1Message::MainChoice, vec![choice]);
    head.phase1.accept(head.received.print);
    head.send_clear(env, V1Exchange::MainMode, payloads, Awaits::Nothing);
    let first = Header::decode(bytes).map_err(|_| NotifyType::PayloadMalformed)?.next_payload;
    let (guest, sa_i) = (Guest::begin(env, id), phase1::sa_body(bytes, first));
    Ok(State::ChoiceSent(Box::new(ChoiceSent { guest, agreed, sa_i })).into())
}

impl From<State> for isakmp_sa::State {
    fn from(state: State) -> Self {
        Self::MainMode(state)
    }
}

impl State {
    /// What an initiator sets up; `None` on the other side.
    pub(crate) fn goal(&self) -> Option<&Goal> {
        match self {
            Self::OfferSent(sent) => Some(&sent.goal),
            Self::KeySent(sent) => Some(&sent.goal),
            Self::ProofSent(sent) => Some(&sent.goal),
            Self::ChoiceSent(_) | Self::KeyAnswered(_) => None,
        }
    }

    fn guest(&self) -> Option<&Guest> {
        match self {
            Self::ChoiceSent(sent) => Some(&sent.guest),
            Self::KeyAnswered(sent) => Some(&sent.guest),
            Self::OfferSent(_) | Self::KeySent(_) | Self::ProofSent(_) => None,
        }
    }

    /// When a responder forgets its peer.
    pub(crate) fn expires(&self) -> Option<Duration> {
        self.guest().map(|guest| guest.expires)
    }

    /// Why nothing has come of it, when the peer does not go on.
    pub(crate) fn silence(&self) -> FailureReason {
        match self {
            Self::KeyAnswered(sent) if sent.unreadable => FailureReason::Undecryptable,
            Self::ProofSent(sent) if sent.unreadable => FailureReason::Undecryptable,
            _ => FailureReason::Timeout,
        }
    }

    /// Whether notifications in the clear are still believed.
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self, Self::OfferSent(_) | Self::KeySent(_))
    }

    /// Handles a new message of Main Mode.
    pub(crate) fn handle(self, head: &mut Head, env: &mut Env<'_>, header: &Header, bytes: &[u8]) -> Outcome {
        match self {
            Self::OfferSent(_) | Self::ChoiceSent(_) | Self::KeySent(_) => match Message::decode(bytes) {
                Ok(message) => self.handle_clear(head, env, header, &message),
                Err(_) => (self.into(), Err(DropReason::Malformed)),
            },
            Self::KeyAnswered(sent) => sent.handle(head, env, bytes),
            Self::ProofSent(sent) => sent.handle(head, env, bytes),
        }
    }

    fn handle_clear(self, head: &mut Head, env: &mut Env<'_>, header: &Header, message: &Message) -> Outcome {
        match self {
            Self::OfferSent(sent) => sent.handle(head, env, header, message),
            Self::ChoiceSent(sent) => sent.handle(head, env, message),
            Self::KeySent(sent) => sent.handle(head, env, message),
            other => (other.into(), Err(DropReason::Unexpected)),
        }
    }
}

impl OfferSent {
    /// Handles message 2 and sends message 3.
    fn handle(
        self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        header: &Header,
        message: &Message,
    ) -> Outcome {
        let sa = Essentials::of(message).and_then(|parts| parts.sa);
        let Some(sa) = sa.filter(|_| !header.cookies.responder.is_zero()) else {
            return (State::OfferSent(self).into(), Err(DropReason::Unexpected));
        };
        let Self { goal, sa_i } = *self;
        let id = goal.connection();
        let connection = env.config.connection(id);
        let method = offer::method_of(connection, Role::Initiator);
        let Some(agreed) = method.and_then(|method| offer::verify_phase1(connection, method, sa)) else {
            return (head.fail(env, Some(id), FailureReason::NoProposalChosen), Ok(()));
        };
        head.cookies.responder = header.cookies.responder;
        head.abilities.hear(message);
        head.phase1.accept(head.received.print);
        let (pair, nonce) = (env.draw_key_pair(agreed.chosen.key_exchange), env.draw_nonce());
        let mut payloads = key_payloads(&pair.public, &nonce).to_vec();
        payloads.extend(nat_payloads(head, env, agreed, connection.encap));
        let payloads = arranged(head, env, V1Message::MainKeyI, payloads);
        head.send_clear(env, V1Exchange::MainMode, payloads, Awaits::Answer);
        (State::KeySent(Box::new(KeySent { goal, agreed, sa_i, pair, nonce })).into(), Ok(()))
    }
}

impl ChoiceSent {
    /// Handles message 3 and sends message 4.
    fn handle(self: Box<Self>, head: &mut Head, env: &mut Env<'_>, message: &Message) -> Outcome {
        let Some(key) = Essentials::of(message).and_then(|parts| parts.key()) else {
            return (State::ChoiceSent(self).into(), Err(DropReason::Unexpected));
        };
        let Self { guest, agreed, sa_i } = *self;
        let connection = env.config.connection(guest.connection);
        let (pair, nonce) = (env.draw_key_pair(agreed.chosen.key_exchange), env.draw_nonce());
        let Ok(shared) = pair.private.shared_secret(env.crypto, key.0.as_bytes()) else {
            let sent = Self { guest, agreed, sa_i };
            return (State::ChoiceSent(Box::new(sent)).into(), Err(DropReason::Malformed));
        };
        head.abilities.hear(message);
        head.phase1.accept(head.received.print);
        let mut payloads = key_payloads(&pair.public, &nonce).to_vec();
        if !offer::is_by_secret(agreed.method) {
            payloads.extend(proof::requests(env, connection));
        }
        payloads.extend(nat_payloads(head, env, agreed, connection.encap));
        let payloads = arranged(head, env, V1Message::MainKeyR, payloads);
        head.send_clear(env, V1Exchange::MainMode, payloads, Awaits::Nothing);
        let psk = match secret(head, env, guest.connection, agreed) {
            Ok(psk) => psk,
            Err(reason) => return (head.fail(env, Some(guest.connection), reason), Ok(())),
        };
        let halves = Halves::of(Role::Responder, (pair.public, nonce), key);
        let secured = Secured::derive(head, env, agreed, sa_i, halves, (shared, psk.as_ref()));
        let Some(secured) = secured else {
            return (head.fail(env, Some(guest.connection), FailureReason::NoProposalChosen), Ok(()));
        };
        head.nat = secured.detect_nat(head, env, message, connection.encap);
        let sent = KeyAnswered { guest, secured, unreadable: false };
        (State::KeyAnswered(Box::new(sent)).into(), Ok(()))
    }
}

/// The shared secret that phase 1 needs; `None` where it needs none.
fn secret(
    head: &Head,
    env: &Env<'_>,
    connection: ConnectionId,
    agreed: Phase1,
) -> Result<Option<Secret>, FailureReason> {
    if !offer::is_by_secret(agreed.method) {
        return Ok(None);
    }
    let (local, remote) = (head.path.local.ip(), head.path.remote.ip());
    let secret = proof::secret_of(env, env.config.connection(connection), local, remote);
    secret.map(Some).ok_or(FailureReason::NoSecret)
}

impl KeySent {
    /// Handles message 4 and sends message 5.
    fn handle(self: Box<Self>, head: &mut Head, env: &mut Env<'_>, message: &Message) -> Outcome {
        let Some(key) = Essentials::of(message).and_then(|parts| parts.key()) else {
            return (State::KeySent(self).into(), Err(DropReason::Unexpected));
        };
        let Ok(shared) = self.pair.private.shared_secret(env.crypto, key.0.as_bytes()) else {
            return (State::KeySent(self).into(), Err(DropReason::Malformed));
        };
        let Self { goal, agreed, sa_i, pair, nonce } = *self;
        let id = goal.connection();
        let psk = match secret(head, env, id, agreed) {
            Ok(psk) => psk,
            Err(reason) => return (head.fail(env, Some(id), reason), Ok(())),
        };
        head.abilities.hear(message);
        head.phase1.accept(head.received.print);
        let halves = Halves::of(Role::Initiator, (pair.public, nonce), key);
        let secured = Secured::derive(head, env, agreed, sa_i, halves, (shared, psk.as_ref()));
        let Some(secured) = secured else {
            return (head.fail(env, Some(id), FailureReason::NoProposalChosen), Ok(()));
        };
        head.nat = secured.detect_nat(head, env, message, env.config.connection(id).encap);
        float(head);
        (prove(head, env, goal, secured, message), Ok(()))
    }
}

/// Moves to port 4500 where there is a NAT (RFC 3947 §4).
pub(crate) fn float(head: &mut Head) {
    let Path { local, remote } = &mut head.path;
    if head.nat.detected() && local.port() != NAT_T_PORT {
        local.set_port(NAT_T_PORT);
        remote.set_port(NAT_T_PORT);
    }
}

/// Sends message 5; `message` is message 4.
fn prove(
    head: &mut Head,
    env: &mut Env<'_>,
    goal: Goal,
    mut secured: Secured,
    message: &Message,
) -> isakmp_sa::State {
    let id = goal.connection();
    let connection = env.config.connection(id);
    let requested = proof::requested(message);
    let address = head.path.local.ip();
    let own = Own::choose(env, connection, requested.as_deref().unwrap_or_default(), address);
    let proven = own.and_then(|own| {
        let is_asked = requested.is_some();
        let mut payloads = vec![Payload::Id(own.id_payload(env))];
        payloads.extend(own.prove(head, env, connection, &secured, is_asked)?);
        if !offer::is_by_secret(secured.agreed.method) {
            payloads.extend(proof::requests(env, connection));
        }
        payloads.extend(phase1::initial_contact(head, env, connection, &own.id));
        Ok((payloads, own.id))
    });
    let (payloads, own_id) = match proven {
        Ok(proven) => proven,
        Err(reason) => return head.fail(env, Some(id), reason),
    };
    let payloads = arranged(head, env, V1Message::MainProofI, payloads);
    secured.send(head, env, V1Exchange::MainMode, &payloads, Awaits::Answer);
    State::ProofSent(Box::new(ProofSent { goal, secured, own_id, unreadable: false })).into()
}

impl KeyAnswered {
    /// Handles message 5 and sends message 6.
    fn handle(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>, bytes: &[u8]) -> Outcome {
        let opened = self.secured.cipher.open(env.crypto, bytes, &self.secured.iv);
        let opened = opened.ok().filter(|opened| Claim::of(&opened.message, None).is_some());
        let Some(opened) = opened else {
            // Another secret, as a rule. What we say under our keys the peer cannot read either.
            self.unreadable = true;
            self.secured.complain(head, env, NotifyType::PayloadMalformed);
            return (State::KeyAnswered(self).into(), Err(DropReason::NotAuthentic));
        };
        self.secured.iv = opened.next_iv;
        let state = match self.judge(head, env, &opened.message) {
            Ok((connection, peer_id)) => self.finish(head, env, connection, peer_id, &opened.message),
            Err(reason) => self.refuse(head, env, reason),
        };
        (state, Ok(()))
    }

    /// Who the peer is, and which connection is for it.
    fn judge(
        &self,
        head: &Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> Result<(ConnectionId, Identity), FailureReason> {
        let claim = Claim::of(message, None).ok_or(FailureReason::InvalidSyntax)?;
        let peer = proof::identity_of(claim.id).ok_or(FailureReason::IdentityMismatch)?;
        let id = phase1::connection_for(head, env, &self.guest, &self.secured.agreed, &peer);
        let id = id.ok_or(FailureReason::IdentityMismatch)?;
        claim.verify(head, env, env.config.connection(id), &self.secured)?;
        Ok((id, peer))
    }

    fn refuse(self, head: &mut Head, env: &mut Env<'_>, reason: FailureReason) -> isakmp_sa::State {
        self.secured.complain(head, env, NotifyType::AuthenticationFailed);
        head.fail(env, Some(self.guest.connection), reason)
    }

    fn finish(
        mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        id: ConnectionId,
        peer_id: Identity,
        message: &Message,
    ) -> isakmp_sa::State {
        let connection = env.config.connection(id);
        let requested = proof::requested(message);
        let address = head.path.local.ip();
        let own = Own::choose(env, connection, requested.as_deref().unwrap_or_default(), address);
        let proven = own.and_then(|own| {
            let mut payloads = vec![Payload::Id(own.id_payload(env))];
            payloads.extend(own.prove(head, env, connection, &self.secured, requested.is_some())?);
            Ok((payloads, own.id))
        });
        let (payloads, own_id) = match proven {
            Ok(proven) => proven,
            Err(reason) => return self.refuse(head, env, reason),
        };
        // The peer is where its proof came from (RFC 3947 §4).
        head.path = head.received.path;
        head.abilities.settle(connection);
        head.retransmit = connection.retransmit;
        head.phase1.accept(head.received.print);
        let payloads = arranged(head, env, V1Message::MainProofR, payloads);
        self.secured.send(head, env, V1Exchange::MainMode, &payloads, Awaits::Nothing);
        let initial_contact = has_notify(message, NotifyType::InitialContact);
        let origin = Origin::Answered { guest: self.guest, initial_contact };
        establish(head, env, id, (own_id, peer_id), self.secured, origin)
    }
}

impl ProofSent {
    /// Handles message 6.
    fn handle(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>, bytes: &[u8]) -> Outcome {
        let Ok(opened) = self.secured.cipher.open(env.crypto, bytes, &self.secured.iv) else {
            self.unreadable = true;
            return (State::ProofSent(self).into(), Err(DropReason::NotAuthentic));
        };
        self.secured.iv = opened.next_iv;
        let id = self.goal.connection();
        let state = match self.judge(head, env, &opened.message) {
            Ok(peer_id) => {
                let Self { goal, secured, own_id, .. } = *self;
                head.phase1.accept(head.received.print);
                establish(head, env, id, (own_id, peer_id), secured, Origin::Begun(goal))
            }
            Err(reason) => {
                self.secured.complain(head, env, NotifyType::AuthenticationFailed);
                head.fail(env, Some(id), reason)
            }
        };
        (state, Ok(()))
    }

    fn judge(&self, head: &Head, env: &mut Env<'_>, message: &Message) -> Result<Identity, FailureReason> {
        let claim = Claim::of(message, None).ok_or(FailureReason::InvalidSyntax)?;
        let connection = env.config.connection(self.goal.connection());
        let peer = proof::identity_of(claim.id).filter(|peer| connection.remote.id.matches(peer));
        let peer = peer.ok_or(FailureReason::IdentityMismatch)?;
        claim.verify(head, env, connection, &self.secured)?;
        Ok(peer)
    }

    /// A protected notification: what the peer makes of message 5, if it is the peer's.
    pub(crate) fn handle_informational(
        self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        id: crate::wire::isakmp::MessageId,
        bytes: &[u8],
    ) -> Outcome {
        if let Some(reason) = self.secured.open_notify(env, id, bytes) {
            return (head.fail(env, Some(self.goal.connection()), reason), Ok(()));
        }
        let sent = Self { unreadable: true, ..*self };
        (State::ProofSent(Box::new(sent)).into(), Err(DropReason::NotAuthentic))
    }
}
