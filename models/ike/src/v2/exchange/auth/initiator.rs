//! The initiator's side of `IKE_AUTH`.

use core::net::IpAddr;
use std::sync::Arc;

use crate::config::{ChildId, ConnectionId};
use crate::event::{CloseReason, FailureReason, IkeSaId};
use crate::identity::Identity;
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::child_sa::{Agreed, Wish};
use crate::v2::configuration::{self, Addresses};
use crate::v2::established::{Established, Schedule};
use crate::v2::exchange::auth::{Parts, announce, child, proof};
use crate::v2::exchange::sa_init::{Goal, SaInit};
use crate::v2::ike_sa::{Env, Head, State, error_notify, failure_of};
use crate::v2::order::Order;
use crate::v2::request::Request;
use crate::v2::uniqueness::{self, Peers};
use crate::wire::{ExchangeType, Message, MessageId, NotifyPayload, NotifyType, Payload};

/// The initiator after its request.
#[derive(Debug)]
pub(crate) struct Sent {
    connection: ConnectionId,
    init: SaInit,
    /// The Child SA that the request asks for, and its inbound SPI; `None` without one (RFC 6023).
    first: Option<(Wish, u32)>,
    /// The virtual addresses that the request asks for.
    wanted: Vec<IpAddr>,
    /// The IKE SA that goes when this one is up.
    replaces: Option<IkeSaId>,
}

/// Sends the request.
pub(crate) fn initiate(head: &mut Head, env: &mut Env<'_>, goal: Goal, init: SaInit) -> State {
    let connection = env.config.connection(goal.connection);
    let wanted = goal.wanted_addresses(env.config);
    let Goal { connection: connection_id, first, replaces, .. } = goal;
    let first = first.map(|wish| (wish, env.draw_child_spi()));
    let mut sent = Sent { connection: connection_id, init, first, wanted, replaces };
    let id_i = connection.local_id.to_payload();
    let auth = sent.init.auth_data(env, Role::Initiator, &id_i, &connection.psk);
    let mut payloads = vec![Payload::IdI(id_i)];
    let peers = Peers::new(&connection.local_id, &connection.remote_id);
    if sent.replaces.is_none() && uniqueness::is_initial_contact(env, connection_id, &peers) {
        payloads.push(Payload::Notify(NotifyPayload::new(NotifyType::InitialContact, vec![])));
    }
    payloads.push(Payload::IdR(connection.remote_id.to_payload()));
    payloads.push(Payload::Auth(proof::shared_key(&auth)));
    payloads.extend(configuration::request(&sent.wanted));
    let hosts = Addresses::default().hosts(head.path).awaiting(&sent.wanted);
    payloads.extend(child::request(env, sent.first.as_ref(), &hosts));
    head.send_protected_request(env, &mut sent.init.channel, ExchangeType::IkeAuth, &payloads);
    State::AuthSent(Box::new(sent))
}

impl Sent {
    /// The connection that is being set up.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
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
        let (Some(peer_id), true) = (known, proof::is_valid(auth, &expected)) else {
            return self.reject_peer(head, env, FailureReason::AuthenticationFailed);
        };
        announce(head, env, self.connection, &self.init.channel, peer_id.clone());
        let lent = configuration::accept(head, env, self.connection, &self.wanted, parts.cp);
        let addresses = Addresses { local: lent, remote: vec![] };
        let hosts = Addresses::default().hosts(head.path).awaiting(&self.wanted);
        let hosts = (&hosts, &addresses.hosts(head.path));
        let agree = |(wish, spi): &(Wish, u32)| child::agree(env, (wish, *spi), hosts, message, &parts.child);
        let agreed = self.first.as_ref().map(agree);
        self.establish(head, env, (peer_id, addresses), agreed, parts.child.sa.is_some())
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
        (peer_id, addresses): (Identity, Addresses),
        agreed: Option<Result<Agreed, FailureReason>>,
        peer_has_child: bool,
    ) -> State {
        let Self { connection, init, first, replaces, .. } = self;
        let child = match agreed {
            Some(Ok(agreed)) => Some(child::install_first(head, env, &init, agreed)),
            Some(Err(reason)) => {
                if let Some((wish, _)) = &first {
                    head.child_failed(env, wish, reason);
                }
                None
            }
            None => None,
        };
        let schedule = Schedule::begin(env, connection, None);
        let peers = Arc::new(Peers::new(&env.config.connection(connection).local_id, &peer_id));
        let sa = Established::new(env, (connection, peer_id), peers, init.channel, schedule);
        let mut sa = Box::new(sa);
        sa.addresses = addresses;
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
