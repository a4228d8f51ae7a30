//! `IKE_AUTH` with shared keys (RFC 7296 §1.2, §2.15): identities, AUTH, and the first Child SA.
//!
//! ```text
//! initiator                                                                     responder
//! HDR, SK { IDi, IDr, AUTH, [N(USE_TRANSPORT_MODE)], SAi2, TSi, TSr }  ──►
//!                ◄──  HDR, SK { IDr, AUTH, [N(USE_TRANSPORT_MODE)], SAr2, TSi, TSr }
//!            or  ◄──  HDR, SK { IDr, AUTH, N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN) }   IKE SA without Child SA
//!            or  ◄──  HDR, SK { N(AUTHENTICATION_FAILED) }
//! ```

use std::collections::VecDeque;

use ipseclab_crypto::Secret;

use crate::config::{Child, Connection, ConnectionId, Mode};
use crate::event::{ChildSaEstablished, Event, FailureReason, IkeSaEstablished};
use crate::identity::Identity;
use crate::proposal::{self, ChosenEsp, EspProposal};
use crate::traffic_selector::TrafficSelectors;
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::exchange::informational;
use crate::v2::exchange::sa_init::{HalfOpen, Offer, SaInit};
use crate::v2::ike_sa::{ChildSa, Env, Established, Head, State, error_notify, failure_of, has_notify};
use crate::v2::keys::SignedOctets;
use crate::wire::{
    AuthMethod, AuthPayload, ExchangeType, IdPayload, Message, NotifyPayload, NotifyType, Payload, SaPayload,
};

/// The initiator after its request.
#[derive(Debug)]
pub(crate) struct Sent {
    connection: ConnectionId,
    init: SaInit,
    offer: Offer,
    spi_in: u32,
}

/// The payloads of an `IKE_AUTH` message, by kind.
#[derive(Default)]
struct Parts<'a> {
    id_i: Option<&'a IdPayload>,
    id_r: Option<&'a IdPayload>,
    auth: Option<&'a AuthPayload>,
    sa: Option<&'a SaPayload>,
    ts_i: Option<TrafficSelectors>,
    ts_r: Option<TrafficSelectors>,
}

/// A Child SA as agreed, before its keys.
struct Agreed {
    chosen: ChosenEsp,
    mode: Mode,
    spi_in: u32,
    ts_local: TrafficSelectors,
    ts_remote: TrafficSelectors,
}

/// Sends the request.
pub(crate) fn initiate(
    head: &mut Head,
    env: &mut Env<'_>,
    connection_id: ConnectionId,
    offer: Offer,
    init: SaInit,
) -> State {
    let connection = &env.config.connections[connection_id.0 as usize];
    let mut sent = Sent { connection: connection_id, init, offer, spi_in: env.draw_child_spi() };
    let id_i = connection.local_id.to_payload();
    let auth = sent.init.auth_data(env, Role::Initiator, &id_i, &connection.psk);
    let mut payloads = vec![
        Payload::IdI(id_i),
        Payload::IdR(connection.remote_id.to_payload()),
        Payload::Auth(auth_payload(&auth)),
    ];
    payloads.extend(transport_notify(connection.child.mode));
    let spi = sent.spi_in.to_be_bytes();
    let proposals = without_pfs(&connection.child).into_iter().zip(1_u8..);
    let proposals = proposals.map(|(proposal, number)| proposal.to_wire(number, &spi)).collect();
    payloads.push(Payload::Sa(SaPayload { proposals }));
    payloads.push(Payload::TsI(sent.offer.ts_local.to_payload()));
    payloads.push(Payload::TsR(sent.offer.ts_remote.to_payload()));
    head.send_protected_request(env, &mut sent.init.channel, ExchangeType::IkeAuth, &payloads);
    State::AuthSent(Box::new(sent))
}

impl Sent {
    /// The connection that is being set up.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The inbound SPI that the Child SA will have.
    pub(crate) fn spi_in(&self) -> u32 {
        self.spi_in
    }

    /// The channel that opens the answer.
    pub(crate) fn channel(&self) -> &Channel {
        &self.init.channel
    }

    /// Handles the decrypted answer.
    pub(crate) fn handle_response(self, head: &mut Head, env: &mut Env<'_>, message: &Message) -> State {
        let connection = &env.config.connections[self.connection.0 as usize];
        let Some(parts) = Parts::of(message) else {
            return self.handle_broken_response(head, env);
        };
        head.window.complete();
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
        announce(head, env, self.connection, &self.init.channel, peer_id);
        let agreed = self.agree(connection, message, &parts);
        self.establish(head, env, agreed, parts.sa.is_some())
    }

    /// Handles an answer that is the peer's and does not parse.
    pub(crate) fn handle_broken_response(self, head: &mut Head, env: &mut Env<'_>) -> State {
        head.window.complete();
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

    /// Checks the Child SA part of the answer.
    fn agree(
        &self,
        connection: &Connection,
        message: &Message,
        parts: &Parts<'_>,
    ) -> Result<Agreed, FailureReason> {
        let (Some(sa), Some(ts_i), Some(ts_r)) = (parts.sa, &parts.ts_i, &parts.ts_r) else {
            let refused = error_notify(&message.payloads).map(failure_of);
            return Err(refused.unwrap_or(FailureReason::InvalidSyntax));
        };
        let chosen = proposal::verify_answer_esp(&without_pfs(&connection.child), sa)
            .ok_or(FailureReason::NoProposalChosen)?;
        let (ts_local, ts_remote) = (ts_i.clone(), ts_r.clone());
        let within = ts_local.is_within(&self.offer.ts_local) && ts_remote.is_within(&self.offer.ts_remote);
        if !within || ts_local.is_empty() || ts_remote.is_empty() {
            return Err(FailureReason::TsUnacceptable);
        }
        let transport = has_notify(message, NotifyType::UseTransportMode);
        if transport && connection.child.mode == Mode::Tunnel {
            return Err(FailureReason::InvalidSyntax);
        }
        let mode = agreed_mode(connection.child.mode, transport);
        Ok(Agreed { chosen, mode, spi_in: self.spi_in, ts_local, ts_remote })
    }

    /// Enters the established state. When the peer believes in a Child SA that we cannot accept, both end.
    fn establish(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        agreed: Result<Agreed, FailureReason>,
        peer_has_child: bool,
    ) -> State {
        let Self { connection, init, .. } = self;
        let children = install(head, env, connection, &init, agreed);
        let disagree = children.is_empty() && peer_has_child;
        let mut established = Box::new(Established::new(env, connection, init.channel, children));
        if disagree {
            established.request(head, env, informational::Request::DeleteIke);
        }
        State::Established(established)
    }
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
        let connection = &env.config.connections[connection_id.0 as usize];
        head.retransmit = connection.retransmit;
        let expected = self.init.auth_data(env, Role::Initiator, id_i, &connection.psk);
        if !is_valid(auth, &expected) {
            return self.refuse_authentication(head, env, message);
        }
        announce(head, env, connection_id, &self.init.channel, peer_id);
        let agreed = agree_as_responder(env, &connection.child, message, &parts);
        let id_r = connection.local_id.to_payload();
        let auth = self.init.auth_data(env, Role::Responder, &id_r, &connection.psk);
        let mut payloads = vec![Payload::IdR(id_r), Payload::Auth(auth_payload(&auth))];
        payloads.extend(child_answer(&agreed));
        head.send_protected_response(env, &mut self.init.channel, &message.header, &payloads);
        let children = install(head, env, connection_id, &self.init, agreed);
        State::Established(Box::new(Established::new(env, connection_id, self.init.channel, children)))
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
                Payload::Sa(sa) => parts.sa.replace(sa).is_some(),
                Payload::TsI(ts) => parts.ts_i.replace(ts.into()).is_some(),
                Payload::TsR(ts) => parts.ts_r.replace(ts.into()).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(parts)
    }
}

fn agree_as_responder(
    env: &mut Env<'_>,
    child: &Child,
    message: &Message,
    parts: &Parts<'_>,
) -> Result<Agreed, FailureReason> {
    let (Some(sa), Some(ts_i), Some(ts_r)) = (parts.sa, &parts.ts_i, &parts.ts_r) else {
        return Err(FailureReason::InvalidSyntax);
    };
    let chosen = proposal::select_esp(&without_pfs(child), sa).ok_or(FailureReason::NoProposalChosen)?;
    let ts_remote = ts_i.narrow_to(&child.remote_ts);
    let ts_local = ts_r.narrow_to(&child.local_ts);
    if ts_local.is_empty() || ts_remote.is_empty() {
        return Err(FailureReason::TsUnacceptable);
    }
    let mode = agreed_mode(child.mode, has_notify(message, NotifyType::UseTransportMode));
    Ok(Agreed { chosen, mode, spi_in: env.draw_child_spi(), ts_local, ts_remote })
}

/// The responder's payloads for the Child SA, or the error that refuses it.
fn child_answer(agreed: &Result<Agreed, FailureReason>) -> Vec<Payload> {
    match agreed {
        Ok(agreed) => {
            let answer = agreed.chosen.to_wire(agreed.chosen.number, &agreed.spi_in.to_be_bytes());
            let mut payloads: Vec<_> = transport_notify(agreed.mode).into_iter().collect();
            payloads.push(Payload::Sa(SaPayload { proposals: vec![answer] }));
            payloads.push(Payload::TsI(agreed.ts_remote.to_payload()));
            payloads.push(Payload::TsR(agreed.ts_local.to_payload()));
            payloads
        }
        Err(reason) => vec![Payload::Notify(NotifyPayload::new(child_error(*reason), vec![]))],
    }
}

/// The error notification for a Child SA that we refuse.
fn child_error(reason: FailureReason) -> NotifyType {
    match reason {
        FailureReason::TsUnacceptable => NotifyType::TsUnacceptable,
        FailureReason::InvalidSyntax => NotifyType::InvalidSyntax,
        FailureReason::NoProposalChosen
        | FailureReason::InvalidKePayload
        | FailureReason::Timeout
        | FailureReason::AuthenticationFailed
        | FailureReason::PeerError
        | FailureReason::Terminated => NotifyType::NoProposalChosen,
    }
}

/// Derives the Child SA's keys and tells the owner; returns the Child SAs that the IKE SA now has.
fn install(
    head: &Head,
    env: &mut Env<'_>,
    connection: ConnectionId,
    init: &SaInit,
    agreed: Result<Agreed, FailureReason>,
) -> Vec<ChildSa> {
    let agreed = match agreed {
        Ok(agreed) => agreed,
        Err(reason) => {
            env.events.push_back(Event::ChildSaFailed { ike_sa: head.id, connection, reason });
            return vec![];
        }
    };
    let channel = &init.channel;
    let keys =
        channel.keys.child_keys(env.crypto, channel.chosen, &agreed.chosen, &init.nonce_i, &init.nonce_r);
    let (keys_in, keys_out) = match head.role {
        Role::Initiator => (keys.from_responder, keys.from_initiator),
        Role::Responder => (keys.from_initiator, keys.from_responder),
    };
    let child = ChildSa { spi_in: agreed.spi_in, spi_out: u32::from_be_bytes(agreed.chosen.spi) };
    env.events.push_back(Event::ChildSaEstablished(Box::new(ChildSaEstablished {
        ike_sa: head.id,
        connection,
        role: head.role,
        spi_in: child.spi_in,
        spi_out: child.spi_out,
        proposal: agreed.chosen,
        keys_in,
        keys_out,
        mode: agreed.mode,
        local_ts: agreed.ts_local,
        remote_ts: agreed.ts_remote,
        udp_encap: head.nat.detected(),
        local: head.path.local,
        remote: head.path.remote,
    })));
    vec![child]
}

fn announce(head: &Head, env: &mut Env<'_>, connection: ConnectionId, channel: &Channel, peer_id: Identity) {
    env.events.push_back(Event::IkeSaEstablished(Box::new(IkeSaEstablished {
        ike_sa: head.id,
        connection,
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

impl Established {
    fn new(env: &Env<'_>, connection: ConnectionId, channel: Channel, children: Vec<ChildSa>) -> Self {
        let refused = children.is_empty();
        let (current, waiting) = (None, VecDeque::<informational::Request>::new());
        Self { connection, channel, children, refused, heard: env.now, current, waiting }
    }
}

/// `IKE_AUTH` carries no key exchange for its Child SA (RFC 7296 §1.2).
fn without_pfs(child: &Child) -> Vec<EspProposal> {
    child.esp_proposals.iter().map(EspProposal::without_key_exchange).collect()
}

fn transport_notify(mode: Mode) -> Option<Payload> {
    let notify = NotifyPayload::new(NotifyType::UseTransportMode, vec![]);
    (mode == Mode::Transport).then_some(Payload::Notify(notify))
}

/// Transport mode needs both sides' wish (RFC 7296 §1.3.1).
fn agreed_mode(configured: Mode, peer_wants_transport: bool) -> Mode {
    if peer_wants_transport { configured } else { Mode::Tunnel }
}

fn auth_payload(data: &Secret) -> AuthPayload {
    AuthPayload { method: AuthMethod::SharedKeyMic, data: data.expose().to_vec() }
}

fn is_valid(auth: &AuthPayload, expected: &Secret) -> bool {
    auth.method == AuthMethod::SharedKeyMic && Secret::new(auth.data.as_slice()) == *expected
}
