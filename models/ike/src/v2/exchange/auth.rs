//! `IKE_AUTH` with shared keys (RFC 7296 §1.2, §2.15): identities, AUTH, and the first Child SA.
//!
//! ```text
//! initiator                                                                     responder
//! HDR, SK { IDi, IDr, AUTH, [N(USE_TRANSPORT_MODE)], SAi2, TSi, TSr }  ──►
//!                ◄──  HDR, SK { IDr, AUTH, [N(USE_TRANSPORT_MODE)], SAr2, TSi, TSr }
//!            or  ◄──  HDR, SK { IDr, AUTH, N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN) }   IKE SA without Child SA
//!            or  ◄──  HDR, SK { N(AUTHENTICATION_FAILED) }
//! ```

use ipseclab_crypto::Secret;

use crate::config::{Child, ChildId, Connection, ConnectionId};
use crate::event::{CloseReason, Event, FailureReason, IkeSaEstablished, IkeSaId};
use crate::identity::Identity;
use crate::proposal::{self, EspProposal};
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::child_sa::{
    self, Agreed, ChildParts, ChildSa, KeySources, Start, Wish, answer_payloads, install, transport_notify,
};
use crate::v2::established::{Established, Schedule};
use crate::v2::exchange::sa_init::{Goal, HalfOpen, SaInit};
use crate::v2::ike_sa::{Env, Head, State, error_notify, failure_of};
use crate::v2::keys::SignedOctets;
use crate::v2::order::Order;
use crate::v2::request::Request;
use crate::wire::{
    AuthMethod, AuthPayload, ExchangeType, IdPayload, Message, MessageId, NotifyPayload, NotifyType, Payload,
};

/// The initiator after its request.
#[derive(Debug)]
pub(crate) struct Sent {
    connection: ConnectionId,
    init: SaInit,
    /// The Child SA that the request asks for, and its inbound SPI; `None` without one (RFC 6023).
    first: Option<(Wish, u32)>,
    /// The IKE SA that goes when this one is up.
    replaces: Option<IkeSaId>,
}

/// The payloads of an `IKE_AUTH` message, by kind.
#[derive(Default)]
struct Parts<'a> {
    id_i: Option<&'a IdPayload>,
    id_r: Option<&'a IdPayload>,
    auth: Option<&'a AuthPayload>,
    child: ChildParts<'a>,
}

/// Sends the request.
pub(crate) fn initiate(
    head: &mut Head,
    env: &mut Env<'_>,
    connection_id: ConnectionId,
    (wish, replaces): (Option<Wish>, Option<IkeSaId>),
    init: SaInit,
) -> State {
    let connection = env.config.connection(connection_id);
    let first = wish.map(|wish| (wish, env.draw_child_spi()));
    let mut sent = Sent { connection: connection_id, init, first, replaces };
    let id_i = connection.local_id.to_payload();
    let auth = sent.init.auth_data(env, Role::Initiator, &id_i, &connection.psk);
    let mut payloads = vec![
        Payload::IdI(id_i),
        Payload::IdR(connection.remote_id.to_payload()),
        Payload::Auth(auth_payload(&auth)),
    ];
    if let Some((wish, spi)) = &sent.first {
        let child = env.config.child(wish.child);
        payloads.extend(transport_notify(child.mode));
        payloads.push(child_sa::offer(&without_pfs(child), *spi));
        payloads.push(Payload::TsI(wish.ts_local.to_payload()));
        payloads.push(Payload::TsR(wish.ts_remote.to_payload()));
    }
    payloads.extend(head.announcements(connection));
    head.send_protected_request(env, &mut sent.init.channel, ExchangeType::IkeAuth, &payloads);
    State::AuthSent(Box::new(sent))
}

impl Sent {
    /// The connection that is being set up.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// What it was begun for.
    pub(crate) fn into_goal(self) -> Goal {
        let first = self.first.map(|(wish, _)| wish);
        Goal { connection: self.connection, first, replaces: self.replaces }
    }

    /// The inbound SPI that the Child SA will have.
    pub(crate) fn spi_in(&self) -> Option<u32> {
        self.first.as_ref().map(|(_, spi)| *spi)
    }

    /// Whether a Child SA of this child is asked for.
    pub(crate) fn asks_for(&self, child: ChildId) -> bool {
        self.first.as_ref().is_some_and(|(wish, _)| wish.child == child)
    }

    /// The channel that opens the answer.
    pub(crate) fn channel(&self) -> &Channel {
        &self.init.channel
    }

    /// Handles the decrypted answer.
    pub(crate) fn handle_response(self, head: &mut Head, env: &mut Env<'_>, message: &Message) -> State {
        let connection = env.config.connection(self.connection);
        let Some(parts) = Parts::of(message) else {
            return self.handle_broken_response(head, env, message.header.message_id);
        };
        head.window.complete(message.header.message_id);
        let (id_r, auth) = match (parts.id_r, parts.auth, error_notify(&message.payloads)) {
            (Some(id_r), Some(auth), _) => (id_r, auth),
            (_, _, Some(refusal)) => return head.fail(env, Some(self.connection), failure_of(refusal)),
            (_, _, None) => return self.reject_peer(head, env, FailureReason::InvalidSyntax),
        };
        let expected = self.init.auth_data(env, Role::Responder, id_r, &connection.psk);
        let known = Identity::from_payload(id_r).filter(|id| *id == connection.remote_id);
        let (Some(peer_id), true) = (known, is_valid(auth, &expected)) else {
            return self.reject_peer(head, env, FailureReason::AuthenticationFailed);
        };
        head.hear(env.config, connection, message);
        announce(head, env, self.connection, &self.init.channel, peer_id.clone());
        let agreed = self.first.as_ref().map(|(wish, spi)| agree(env, wish, *spi, message, &parts.child));
        self.establish(head, env, peer_id, agreed, parts.child.sa.is_some())
    }

    /// Handles an answer that is the peer's and does not parse.
    pub(crate) fn handle_broken_response(self, head: &mut Head, env: &mut Env<'_>, id: MessageId) -> State {
        head.window.complete(id);
        self.reject_peer(head, env, FailureReason::InvalidSyntax)
    }

    /// The responder believes in an IKE SA that we do not want: tell it, and be gone (RFC 7296 §2.21.2).
    fn reject_peer(self, head: &mut Head, env: &mut Env<'_>, reason: FailureReason) -> State {
        head.fail(env, Some(self.connection), reason);
        let mut channel = self.init.channel;
        let kind = match reason {
            FailureReason::AuthenticationFailed => NotifyType::AuthenticationFailed,
            _ => NotifyType::InvalidSyntax,
        };
        let payloads = [Payload::Notify(NotifyPayload::new(kind, vec![]))];
        head.send_protected_request(env, &mut channel, ExchangeType::Informational, &payloads);
        State::Closing(Box::new(channel))
    }

    /// Enters the established state. A Child SA that the peer believes in and we cannot accept is deleted.
    fn establish(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        peer_id: Identity,
        agreed: Option<Result<Agreed, FailureReason>>,
        peer_has_child: bool,
    ) -> State {
        let Self { connection, init, first, replaces } = self;
        let child = match agreed {
            Some(Ok(agreed)) => Some(install_first(head, env, &init, agreed)),
            Some(Err(reason)) => {
                if let Some((wish, _)) = &first {
                    head.child_failed(env, wish, reason);
                }
                None
            }
            None => None,
        };
        let schedule = Schedule::begin(env, connection, None);
        let mut sa = Box::new(Established::new(env, (connection, peer_id), init.channel, schedule));
        if let (None, Some((wish, spi))) = (&child, &first) {
            sa.refused.insert(wish.child);
            if peer_has_child {
                sa.request(head, env, Request::DisownChild(*spi));
            }
        }
        sa.children.extend(child);
        if let Some(old) = replaces {
            env.orders.push_back(Order::Request(old, Request::DeleteIke(CloseReason::Replaced)));
        }
        sa.send_next(head, env);
        State::Established(sa)
    }
}

/// Checks the Child SA part of the answer.
fn agree(
    env: &Env<'_>,
    wish: &Wish,
    spi_in: u32,
    message: &Message,
    parts: &ChildParts<'_>,
) -> Result<Agreed, FailureReason> {
    let Some(sa) = parts.sa else {
        let refused = error_notify(&message.payloads).map(failure_of);
        return Err(refused.unwrap_or(FailureReason::InvalidSyntax));
    };
    let proposals = without_pfs(env.config.child(wish.child));
    let chosen = proposal::verify_answer_esp(&proposals, sa).ok_or(FailureReason::NoProposalChosen)?;
    child_sa::verify_answer(env.config, wish, (spi_in, chosen), message, parts)
}

impl HalfOpen {
    /// Handles the decrypted request of the initiator.
    pub(crate) fn handle_request(mut self, head: &mut Head, env: &mut Env<'_>, message: &Message) -> State {
        let parts = Parts::of(message).and_then(|parts| parts.id_i.map(|id_i| (id_i, parts)));
        let Some((id_i, parts)) = parts else {
            return self.refuse(head, env, message, NotifyType::InvalidSyntax, FailureReason::InvalidSyntax);
        };
        // Without AUTH the initiator wants EAP (§2.16), which no connection has.
        let connection = self.find_connection(head, env, id_i, parts.id_r);
        let (Some((connection_id, peer_id)), Some(auth)) = (connection, parts.auth) else {
            return self.refuse_authentication(head, env, message);
        };
        let connection = env.config.connection(connection_id);
        head.settle(connection);
        let expected = self.init.auth_data(env, Role::Initiator, id_i, &connection.psk);
        if !is_valid(auth, &expected) {
            return self.refuse_authentication(head, env, message);
        }
        head.hear(env.config, connection, message);
        announce(head, env, connection_id, &self.init.channel, peer_id.clone());
        let agreed = agree_as_responder(env, connection_id, message, &parts);
        let id_r = connection.local_id.to_payload();
        let auth = self.init.auth_data(env, Role::Responder, &id_r, &connection.psk);
        let mut payloads = vec![Payload::IdR(id_r), Payload::Auth(auth_payload(&auth))];
        payloads.extend(child_answer(agreed.as_ref()));
        payloads.extend(head.announcements(connection));
        head.send_protected_response(env, &mut self.init.channel, &message.header, &payloads);
        let schedule = Schedule::begin(env, connection_id, None);
        let child = match agreed {
            Some(Ok(agreed)) => Some(install_first(head, env, &self.init, agreed)),
            Some(Err((child, reason))) => {
                let (ike_sa, connection) = (head.id, connection_id);
                env.events.push_back(Event::ChildSaFailed { ike_sa, connection, child, reason });
                None
            }
            None => None,
        };
        let mut sa = Established::new(env, (connection_id, peer_id), self.init.channel, schedule);
        sa.children.extend(child);
        State::Established(Box::new(sa))
    }

    fn refuse_authentication(self, head: &mut Head, env: &mut Env<'_>, request: &Message) -> State {
        let reason = FailureReason::AuthenticationFailed;
        self.refuse(head, env, request, NotifyType::AuthenticationFailed, reason)
    }

    /// Answers with an error alone, and stays only to repeat it.
    fn refuse(
        mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &Message,
        kind: NotifyType,
        reason: FailureReason,
    ) -> State {
        let payloads = [Payload::Notify(NotifyPayload::new(kind, vec![]))];
        head.send_protected_response(env, &mut self.init.channel, &request.header, &payloads);
        head.fail(env, None, reason);
        State::Refused(env.linger_until())
    }

    /// The first connection whose peer may be `id_i`, which allows the algorithms that `IKE_SA_INIT` settled on and
    /// which, if the initiator named a responder, is that one.
    fn find_connection(
        &self,
        head: &Head,
        env: &Env<'_>,
        id_i: &IdPayload,
        id_r: Option<&IdPayload>,
    ) -> Option<(ConnectionId, Identity)> {
        let peer = Identity::from_payload(id_i)?;
        let chosen = self.init.channel.chosen;
        let fits = |connection: &Connection| {
            connection.remote_id == peer
                && connection.accepts(head.path.remote.ip())
                && connection.proposals.iter().any(|proposal| proposal.allows(chosen))
                && id_r
                    .is_none_or(|id| Identity::from_payload(id).is_some_and(|id| id == connection.local_id))
        };
        let place = env.config.connections.iter().position(fits)?;
        Some((ConnectionId(u32::try_from(place).ok()?), peer))
    }
}

impl SaInit {
    /// The AUTH data of `signer`, who shows `id`.
    fn auth_data(&self, env: &mut Env<'_>, signer: Role, id: &IdPayload, psk: &Secret) -> Secret {
        let (message, nonce) = match signer {
            Role::Initiator => (&self.request, &self.nonce_r),
            Role::Responder => (&self.response, &self.nonce_i),
        };
        let octets = SignedOctets { message, nonce, id };
        self.channel.keys.psk_auth(env.crypto, self.channel.chosen, signer, octets, psk)
    }
}

impl<'a> Parts<'a> {
    /// Sorts the payloads; `None` when one comes twice.
    fn of(message: &'a Message) -> Option<Self> {
        let mut parts = Self::default();
        for payload in &message.payloads {
            let twice = match payload {
                Payload::IdI(id) => parts.id_i.replace(id).is_some(),
                Payload::IdR(id) => parts.id_r.replace(id).is_some(),
                Payload::Auth(auth) => parts.auth.replace(auth).is_some(),
                Payload::Sa(sa) => parts.child.sa.replace(sa).is_some(),
                Payload::TsI(ts) => parts.child.ts_i.replace(ts.into()).is_some(),
                Payload::TsR(ts) => parts.child.ts_r.replace(ts.into()).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(parts)
    }
}

/// The Child SA that the initiator gets, or why not; `None` when it asks for none.
fn agree_as_responder(
    env: &mut Env<'_>,
    connection: ConnectionId,
    message: &Message,
    parts: &Parts<'_>,
) -> Option<Result<Agreed, (Option<ChildId>, FailureReason)>> {
    let asked = parts.child.sa.is_some() || parts.child.ts_i.is_some() || parts.child.ts_r.is_some();
    asked.then(|| {
        let offer = parts.child.sa.ok_or((None, FailureReason::InvalidSyntax))?;
        if parts.child.ts_i.is_none() || parts.child.ts_r.is_none() {
            return Err((None, FailureReason::InvalidSyntax));
        }
        let id = child_sa::matching_child(env.config, connection, &parts.child);
        let id = id.ok_or((None, FailureReason::TsUnacceptable))?;
        let child = env.config.child(id);
        let (ts_local, ts_remote) =
            child_sa::narrow(child, &parts.child).ok_or((Some(id), FailureReason::TsUnacceptable))?;
        let chosen = proposal::select_esp(&without_pfs(child), offer)
            .ok_or((Some(id), FailureReason::NoProposalChosen))?;
        let mode = child_sa::answer_mode(child, message);
        Ok(Agreed { child: id, chosen, mode, spi_in: env.draw_child_spi(), ts_local, ts_remote })
    })
}

/// The responder's payloads for the Child SA, or the error that refuses it.
fn child_answer(agreed: Option<&Result<Agreed, (Option<ChildId>, FailureReason)>>) -> Vec<Payload> {
    match agreed {
        Some(Ok(agreed)) => {
            let (mut payloads, selectors) = answer_payloads(agreed);
            payloads.extend(selectors);
            payloads
        }
        Some(Err((_, reason))) => vec![Payload::Notify(child_sa::refusal(*reason))],
        None => vec![],
    }
}

/// Installs the Child SA that came with the IKE SA.
fn install_first(head: &Head, env: &mut Env<'_>, init: &SaInit, agreed: Agreed) -> ChildSa {
    let sources =
        KeySources { side: head.role, nonce_i: &init.nonce_i, nonce_r: &init.nonce_r, shared_secret: None };
    install(head, env, &init.channel, agreed, sources, Start::FRESH)
}

fn announce(head: &Head, env: &mut Env<'_>, connection: ConnectionId, channel: &Channel, peer_id: Identity) {
    env.events.push_back(Event::IkeSaEstablished(Box::new(IkeSaEstablished {
        ike_sa: head.id,
        connection,
        replaces: None,
        role: head.role,
        spi_i: head.spi_i,
        spi_r: head.spi_r,
        proposal: channel.chosen,
        peer_id,
        local: head.path.local,
        remote: head.path.remote,
        nat_detected: head.nat.detected(),
    })));
}

/// `IKE_AUTH` carries no key exchange for its Child SA (RFC 7296 §1.2).
fn without_pfs(child: &Child) -> Vec<EspProposal> {
    child.esp_proposals.iter().map(EspProposal::without_key_exchange).collect()
}

fn auth_payload(data: &Secret) -> AuthPayload {
    AuthPayload { method: AuthMethod::SharedKeyMic, data: data.expose().to_vec() }
}

fn is_valid(auth: &AuthPayload, expected: &Secret) -> bool {
    auth.method == AuthMethod::SharedKeyMic && Secret::new(auth.data.as_slice()) == *expected
}
