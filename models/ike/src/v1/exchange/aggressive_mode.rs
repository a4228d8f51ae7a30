//! Aggressive Mode (RFC 2409 §5.1, §5.4): phase 1 in three messages, which show the identities.
//!
//! ```text
//!    initiator                                    responder
//! 1  HDR, SA, KE, Ni, IDii, [CERTREQ], [V ...]  ──►
//!                        ◄──  HDR, SA, KE, Nr, IDir, [V ...], [NAT-D, NAT-D], HASH_R                  2
//!                        ◄──  or HDR, SA, KE, Nr, IDir, [CERT], [CERTREQ], [V ...], [NAT-D, NAT-D], SIG_R
//! 3  HDR*, HASH_I, [NAT-D, NAT-D]          ──►
//!    or HDR*, [CERT], SIG_I, [NAT-D, NAT-D]  ──►
//! ```
//!
//! There is one key exchange, so all transforms of the offer must have the group of the first; others are left out.
//! Under a shared secret whoever sees message 2 can try secrets offline. The responder repeats message 2 by itself.

use core::time::Duration;

use ipseclab_crypto::{KeyExchangeMethod, Secret};

use crate::config::{Connection, ConnectionId, IkeVersion};
use crate::event::{DropReason, FailureReason};
use crate::identity::{Fit, Identity};
use crate::profile::V1Message;
use crate::v1::V1Exchange;
use crate::v1::conversation::Awaits;
use crate::v1::exchange::main_mode::{Outcome, float};
use crate::v1::exchange::phase1::{
    self, Essentials, Goal, Guest, Halves, Origin, Secured, arranged, establish, has_notify, key_payloads,
    nat_payloads,
};
use crate::v1::exchange::proof::{self, Claim, Own};
use crate::v1::isakmp_sa::{self, Env, Head, KeyPair};
use crate::v1::offer::{self, Phase1};
use crate::v2::Role;
use crate::wire::isakmp::{
    Header, IdPayload, Message, MessageId, NotifyType, Payload, PayloadType, SaPayload,
};

/// How far Aggressive Mode has come.
#[derive(Debug)]
pub(crate) enum State {
    /// Initiator: message 1 is sent.
    OfferSent(Box<OfferSent>),
    /// Responder: message 2 is sent, and there are keys.
    ChoiceSent(Box<ChoiceSent>),
}

/// The initiator after message 1.
#[derive(Debug)]
pub(crate) struct OfferSent {
    goal: Goal,
    sa_i: Vec<u8>,
    pair: KeyPair,
    nonce: Vec<u8>,
    method: KeyExchangeMethod,
}

/// The responder after message 2.
#[derive(Debug)]
pub(crate) struct ChoiceSent {
    guest: Guest,
    secured: Secured,
    id_i: IdPayload,
    own_id: Identity,
    /// A message 3 came that could not be read.
    unreadable: bool,
}

impl From<State> for isakmp_sa::State {
    fn from(state: State) -> Self {
        Self::AggressiveMode(state)
    }
}

/// Sends message 1.
pub(crate) fn initiate(head: &mut Head, env: &mut Env<'_>, goal: Goal) -> isakmp_sa::State {
    let id = goal.connection();
    let connection = env.config.connection(id);
    let Some(method) = offer::method_of(connection, Role::Initiator) else {
        return head.fail(env, Some(id), FailureReason::AuthMethodMismatch);
    };
    let Some((connection, group)) = of_one_group(connection) else {
        return head.fail(env, Some(id), FailureReason::NoProposalChosen);
    };
    let own = match Own::choose(env, &connection, &[], head.path.local.ip()) {
        Ok(own) => own,
        Err(reason) => return head.fail(env, Some(id), reason),
    };
    let own_id = own.id_payload(env);
    let sa = offer::offer_phase1(&connection, &env.config.profile.v1, method);
    let (pair, nonce, sa_i) = (env.draw_key_pair(group), env.draw_nonce(), sa.body());
    let mut payloads = vec![Payload::Sa(sa)];
    payloads.extend(key_payloads(&pair.public, &nonce));
    payloads.push(Payload::Id(own_id));
    if !offer::is_by_secret(method) {
        payloads.extend(proof::requests(env, &connection));
    }
    let payloads = arranged(head, env, V1Message::AggressiveOffer, payloads);
    head.send_clear(env, V1Exchange::AggressiveMode, payloads, Awaits::Answer);
    State::OfferSent(Box::new(OfferSent { goal, sa_i, pair, nonce, method: group })).into()
}

/// The connection with only those proposals that have the group of the first.
fn of_one_group(connection: &Connection) -> Option<(Connection, KeyExchangeMethod)> {
    let group = *connection.proposals.first()?.key_exchange.first()?;
    let mut connection = connection.clone();
    connection.proposals.retain(|proposal| proposal.key_exchange.first() == Some(&group));
    Some((connection, group))
}

/// Judges message 1; a notification is what the peer is told of a refusal.
pub(crate) fn answer(
    head: &mut Head,
    env: &mut Env<'_>,
    message: &Message,
    bytes: &[u8],
) -> Result<isakmp_sa::State, NotifyType> {
    let parts = Essentials::of(message).ok_or(NotifyType::PayloadMalformed)?;
    let (sa, key) = parts.sa.zip(parts.key()).ok_or(NotifyType::PayloadMalformed)?;
    let id_i = one_id(message).ok_or(NotifyType::PayloadMalformed)?;
    phase1::choose_connection(head, env, true, sa)?;
    let peer = proof::identity_of(id_i).ok_or(NotifyType::InvalidIdInformation)?;
    let (id, agreed) = connection_of(head, env, sa, &peer)?;
    let guest = Guest::begin(env, id);
    let connection = env.config.connection(id);
    head.abilities.hear(message);
    head.abilities.settle(connection);
    head.retransmit = connection.retransmit;
    let requested = proof::requested(message);
    let address = head.path.local.ip();
    let own = Own::choose(env, connection, requested.as_deref().unwrap_or_default(), address)
        .map_err(|_| NotifyType::AuthenticationFailed)?;
    let (pair, nonce) = (env.draw_key_pair(agreed.chosen.key_exchange), env.draw_nonce());
    let shared = pair.private.shared_secret(env.crypto, key.0.as_bytes());
    let shared = shared.map_err(|_| NotifyType::InvalidKeyInformation)?;
    let psk = secret(env, agreed, &own.id, &peer).map_err(|_| NotifyType::AuthenticationFailed)?;
    let header = Header::decode(bytes).map_err(|_| NotifyType::PayloadMalformed)?;
    let sa_i = phase1::sa_body(bytes, header.next_payload);
    let mut payloads = vec![Payload::Sa(offer::choice_phase1(&agreed, &env.config.profile.v1))];
    payloads.extend(key_payloads(&pair.public, &nonce));
    payloads.push(Payload::Id(own.id_payload(env)));
    let halves = Halves::of(Role::Responder, (pair.public, nonce), key);
    let secured = Secured::derive(head, env, agreed, sa_i, halves, (shared, psk.as_ref()));
    let secured = secured.ok_or(NotifyType::NoProposalChosen)?;
    if !offer::is_by_secret(agreed.method) {
        payloads.extend(proof::requests(env, connection));
    }
    payloads.extend(nat_payloads(head, env, agreed, connection.encap));
    let proof = own.prove(head, env, connection, &secured, requested.is_some());
    payloads.extend(proof.map_err(|_| NotifyType::AuthenticationFailed)?);
    let own_id = own.id;
    let payloads = arranged(head, env, V1Message::AggressiveChoice, payloads);
    head.phase1.accept(head.received.print);
    head.send_clear(env, V1Exchange::AggressiveMode, payloads, Awaits::Answer);
    let sent = ChoiceSent { guest, secured, id_i: id_i.clone(), own_id, unreadable: false };
    Ok(State::ChoiceSent(Box::new(sent)).into())
}

/// The connection for a peer that has shown its identity, with what its offer comes to there.
fn connection_of(
    head: &Head,
    env: &Env<'_>,
    sa: &SaPayload,
    peer: &Identity,
) -> Result<(ConnectionId, Phase1), NotifyType> {
    let connections = (0_u32..).zip(&env.config.connections);
    let remote = head.path.remote.ip();
    let fits = connections
        .filter(|(_, connection)| connection.accepts(IkeVersion::V1, remote) && connection.v1.aggressive);
    let mut best: Option<(Fit, ConnectionId, Phase1)> = None;
    for (place, connection) in fits {
        let fit = connection.remote.id.fit(peer);
        let agreed = offer::select_phase1(connection, Role::Responder, sa);
        if let Some(agreed) = agreed.filter(|_| fit > Fit::None)
            && best.is_none_or(|(other, ..)| fit > other)
        {
            best = Some((fit, ConnectionId(place), agreed));
        }
    }
    best.map(|(_, id, agreed)| (id, agreed)).ok_or(NotifyType::AuthenticationFailed)
}

fn one_id(message: &Message) -> Option<&IdPayload> {
    let mut ids = message.payloads.iter().filter_map(|payload| match payload {
        Payload::Id(id) => Some(id),
        _ => None,
    });
    let id = ids.next()?;
    ids.next().is_none().then_some(id)
}

/// The secret of two identities that are known; `None` where none is needed.
fn secret(
    env: &Env<'_>,
    agreed: Phase1,
    own: &Identity,
    peer: &Identity,
) -> Result<Option<Secret>, FailureReason> {
    if !offer::is_by_secret(agreed.method) {
        return Ok(None);
    }
    env.config.credentials.psk(own, peer).cloned().map(Some).ok_or(FailureReason::NoSecret)
}

impl State {
    /// What an initiator sets up; `None` on the other side.
    pub(crate) fn goal(&self) -> Option<&Goal> {
        match self {
            Self::OfferSent(sent) => Some(&sent.goal),
            Self::ChoiceSent(_) => None,
        }
    }

    /// When a responder forgets its peer.
    pub(crate) fn expires(&self) -> Option<Duration> {
        match self {
            Self::OfferSent(_) => None,
            Self::ChoiceSent(sent) => Some(sent.guest.expires),
        }
    }

    /// Why nothing has come of it, when the peer does not go on.
    pub(crate) fn silence(&self) -> FailureReason {
        match self {
            Self::ChoiceSent(sent) if sent.unreadable => FailureReason::Undecryptable,
            _ => FailureReason::Timeout,
        }
    }

    /// Whether notifications in the clear are still believed.
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self, Self::OfferSent(_))
    }

    /// Handles a new message of Aggressive Mode.
    pub(crate) fn handle(self, head: &mut Head, env: &mut Env<'_>, header: &Header, bytes: &[u8]) -> Outcome {
        match self {
            Self::OfferSent(sent) => match Message::decode(bytes) {
                Ok(message) => sent.handle(head, env, header, &message),
                Err(_) => (Self::OfferSent(sent).into(), Err(DropReason::Malformed)),
            },
            Self::ChoiceSent(sent) => sent.handle(head, env, bytes),
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
        let parts = Essentials::of(message).filter(|_| !header.cookies.responder.is_zero());
        let parts = parts.and_then(|parts| parts.sa.zip(parts.key()));
        let (Some((sa, key)), Some(claim)) = (parts, Claim::of(message, None)) else {
            return (State::OfferSent(self).into(), Err(DropReason::Unexpected));
        };
        let Self { goal, sa_i, pair, nonce, method: group } = *self;
        let id = goal.connection();
        let connection = env.config.connection(id);
        let agreed = offer::method_of(connection, Role::Initiator)
            .and_then(|method| offer::verify_phase1(connection, method, sa))
            .filter(|agreed| agreed.chosen.key_exchange == group);
        let Some(agreed) = agreed else {
            return (head.fail(env, Some(id), FailureReason::NoProposalChosen), Ok(()));
        };
        head.cookies.responder = header.cookies.responder;
        head.abilities.hear(message);
        head.abilities.settle(connection);
        let Ok(shared) = pair.private.shared_secret(env.crypto, key.0.as_bytes()) else {
            return (head.fail(env, Some(id), FailureReason::InvalidSyntax), Ok(()));
        };
        let halves = Halves::of(Role::Initiator, (pair.public, nonce), key);
        let keyed = keyed(head, env, id, (agreed, sa_i, halves, shared), &claim);
        let (own_id, peer_id, secured) = match keyed {
            Ok(keyed) => keyed,
            Err(reason) => return (head.fail(env, Some(id), reason), Ok(())),
        };
        head.phase1.accept(head.received.print);
        let verdict = claim.verify(head, env, connection, &secured);
        if let Err(reason) = verdict {
            secured.complain(head, env, NotifyType::AuthenticationFailed);
            return (head.fail(env, Some(id), reason), Ok(()));
        }
        let fake = connection.encap;
        head.nat = secured.detect_nat(head, env, message, fake);
        (finish(head, env, goal, (own_id, peer_id), secured, message), Ok(()))
    }
}

/// The identities of both sides and the keys that follow.
fn keyed(
    head: &Head,
    env: &mut Env<'_>,
    id: ConnectionId,
    (agreed, sa_i, halves, shared): (Phase1, Vec<u8>, Halves, Secret),
    claim: &Claim<'_>,
) -> Result<(Identity, Identity, Secured), FailureReason> {
    let connection = env.config.connection(id);
    let peer = proof::identity_of(claim.id).filter(|peer| connection.remote.id.matches(peer));
    let peer = peer.ok_or(FailureReason::IdentityMismatch)?;
    let own = Own::choose(env, connection, &[], head.path.local.ip())?.id;
    let psk = secret(env, agreed, &own, &peer)?;
    let secured = Secured::derive(head, env, agreed, sa_i, halves, (shared, psk.as_ref()));
    Ok((own, peer, secured.ok_or(FailureReason::NoProposalChosen)?))
}

/// Sends message 3; `message` is message 2.
fn finish(
    head: &mut Head,
    env: &mut Env<'_>,
    goal: Goal,
    ids: (Identity, Identity),
    mut secured: Secured,
    message: &Message,
) -> isakmp_sa::State {
    let id = goal.connection();
    let connection = env.config.connection(id);
    let requested = proof::requested(message);
    let address = head.path.local.ip();
    float(head);
    let own = Own::choose(env, connection, requested.as_deref().unwrap_or_default(), address);
    let proven = own.and_then(|own| own.prove(head, env, connection, &secured, requested.is_some()));
    let mut payloads = match proven {
        Ok(proven) => proven,
        Err(reason) => return head.fail(env, Some(id), reason),
    };
    payloads.extend(nat_payloads(head, env, secured.agreed, connection.encap));
    if env.config.profile.v1.names(V1Message::AggressiveProof, PayloadType::Notify) {
        payloads.extend(phase1::initial_contact(head, env, connection, &ids.0));
    }
    let payloads = arranged(head, env, V1Message::AggressiveProof, payloads);
    secured.send(head, env, V1Exchange::AggressiveMode, &payloads, Awaits::Nothing);
    establish(head, env, id, ids, secured, Origin::Begun(goal))
}

impl ChoiceSent {
    /// Handles message 3.
    fn handle(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>, bytes: &[u8]) -> Outcome {
        let opened = self.secured.cipher.open(env.crypto, bytes, &self.secured.iv);
        let opened = opened.ok().filter(|opened| Claim::of(&opened.message, Some(&self.id_i)).is_some());
        let Some(opened) = opened else {
            self.unreadable = true;
            self.secured.complain(head, env, NotifyType::PayloadMalformed);
            return (State::ChoiceSent(self).into(), Err(DropReason::NotAuthentic));
        };
        self.secured.iv = opened.next_iv;
        let id = self.guest.connection;
        let connection = env.config.connection(id);
        let claim = Claim::of(&opened.message, Some(&self.id_i)).ok_or(FailureReason::InvalidSyntax);
        let verdict = claim.and_then(|claim| claim.verify(head, env, connection, &self.secured));
        let peer_id = proof::identity_of(&self.id_i).ok_or(FailureReason::IdentityMismatch);
        let peer_id = match verdict.and(peer_id) {
            Ok(peer_id) => peer_id,
            Err(reason) => {
                self.secured.complain(head, env, NotifyType::AuthenticationFailed);
                return (head.fail(env, Some(id), reason), Ok(()));
            }
        };
        head.nat = self.secured.detect_nat(head, env, &opened.message, connection.encap);
        head.path = head.received.path;
        head.phase1.accept(head.received.print);
        let initial_contact = has_notify(&opened.message, NotifyType::InitialContact);
        let Self { guest, secured, own_id, .. } = *self;
        let origin = Origin::Answered { guest, initial_contact };
        (establish(head, env, id, (own_id, peer_id), secured, origin), Ok(()))
    }

    /// A protected notification: what the peer makes of message 2, if it is the peer's.
    pub(crate) fn handle_informational(
        self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        id: MessageId,
        bytes: &[u8],
    ) -> Outcome {
        if let Some(reason) = self.secured.open_notify(env, id, bytes) {
            return (head.fail(env, Some(self.guest.connection), reason), Ok(()));
        }
        let sent = Self { unreadable: true, ..*self };
        (State::ChoiceSent(Box::new(sent)).into(), Err(DropReason::NotAuthentic))
    }
}
