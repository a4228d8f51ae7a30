//! The responder's first step in `IKE_AUTH`: which connection the request is for, and whether to believe it.
//!
//! A request without AUTH asks for EAP (RFC 7296 §2.16), whose further steps are in [`rounds`](super::rounds).

use core::cmp::Reverse;
use std::sync::Arc;

use crate::config::{Connection, ConnectionId, LocalMethod, RemoteMethod};
use crate::event::{Event, FailureReason};
use crate::identity::{Fit, Identity};
use crate::v2::Role;
use crate::v2::configuration::{self, Addresses};
use crate::v2::established::Established;
use crate::v2::exchange::auth::certificates::{self, Own};
use crate::v2::exchange::auth::proof::Claim;
use crate::v2::exchange::auth::rounds::Rounds;
use crate::v2::exchange::auth::{Parts, announce, child, complaint};
use crate::v2::exchange::sa_init::{HalfOpen, SaInit};
use crate::v2::ike_sa::{Env, Head, State, has_notify};
use crate::v2::schedule::Schedule;
use crate::v2::uniqueness::{self, Peers, Turn};
use crate::wire::{AuthMethod, IdPayload, Message, MessageHeader, NotifyType, Payload};

/// An initiator that we talk to.
pub(super) struct Accepted {
    pub(super) connection: ConnectionId,
    pub(super) own_id: Identity,
    pub(super) peer_id: Identity,
    /// Our payloads: `IDr`, CERT and AUTH.
    pub(super) proof: Vec<Payload>,
    /// Our identity as the payload shows it.
    pub(super) id_r: IdPayload,
}

impl HalfOpen {
    /// Handles the decrypted request of the initiator.
    pub(crate) fn handle_request(mut self, head: &mut Head, env: &mut Env<'_>, message: &Message) -> State {
        let parts = Parts::of(message).and_then(|parts| parts.id_i.map(|id_i| (id_i, parts)));
        let Some((id_i, parts)) = parts else {
            return self.init.refuse(head, env, &message.header, FailureReason::InvalidSyntax);
        };
        self.init.requested = certificates::requested(message);
        match self.init.judge(head, env, id_i, &parts) {
            Err(reason) => self.init.refuse(head, env, &message.header, reason),
            Ok(accepted) if parts.auth.is_some() => {
                let Accepted { connection, peer_id, own_id, proof, .. } = accepted;
                let asked = (message, &parts);
                let who = (connection, own_id, peer_id);
                self.init.establish(head, env, &message.header, who, proof, asked)
            }
            Ok(accepted) => Rounds::begin(self, head, env, accepted, id_i, message),
        }
    }
}

impl SaInit {
    /// Finds the connection, checks the initiator's proof if there is one, and makes ours.
    fn judge(
        &self,
        head: &mut Head,
        env: &mut Env<'_>,
        id: &IdPayload,
        parts: &Parts<'_>,
    ) -> Result<Accepted, FailureReason> {
        let asked = match parts.id_r.map(Identity::from_payload) {
            Some(None) => return Err(FailureReason::IdentityMismatch),
            asked => asked.flatten(),
        };
        let peer_id = Identity::from_payload(id).ok_or(FailureReason::IdentityMismatch)?;
        let method = parts.auth.map(|auth| auth.method);
        let connection_id = self.find_connection(head, env, (&peer_id, asked.as_ref()), method)?;
        let connection = env.config.connection(connection_id);
        head.settle(connection);
        let requested = self.requested.as_deref().unwrap_or_default();
        let own = Own::choose(env, connection, asked.as_ref(), requested, head.path.local.ip())?;
        if let Some(auth) = parts.auth {
            let (signer, certificates) = (Role::Initiator, parts.certificates.as_slice());
            let claim = Claim { signer, id, identity: &peer_id, auth, certificates };
            self.verify(env, connection, &own.id, &claim)?;
        }
        let auth = self.prove(env, (connection, Role::Responder), &own, &peer_id)?;
        let id_r = own.id.to_payload();
        let mut proof = vec![Payload::IdR(id_r.clone())];
        proof.extend(own.payloads(connection.send_cert, self.requested.is_some()));
        proof.push(Payload::Auth(auth));
        Ok(Accepted { connection: connection_id, own_id: own.id, peer_id, proof, id_r })
    }

    /// The connection that fits the initiator's identity best, the first of equals: one that allows the algorithms that
    /// `IKE_SA_INIT` settled on, that lets us be `asked`, and whose peer authenticates by `method`.
    fn find_connection(
        &self,
        head: &Head,
        env: &Env<'_>,
        (peer, asked): (&Identity, Option<&Identity>),
        method: Option<AuthMethod>,
    ) -> Result<ConnectionId, FailureReason> {
        let (config, chosen) = (env.config, self.channel.chosen);
        let (local, remote) = (head.path.local.ip(), head.path.remote.ip());
        let fits = |connection: &Connection| {
            connection.accepts(remote)
                && connection.proposals.iter().any(|proposal| proposal.allows(chosen))
                && asked.is_none_or(|asked| certificates::may_be(config, connection, asked, local))
        };
        let rank = |connection: &Connection| (takes(connection, method), connection.remote.id.fit(peer));
        let candidates = (0_u32..).zip(&config.connections).filter(|(_, connection)| fits(connection));
        let known = candidates.filter(|(_, connection)| connection.remote.id.fit(peer) > Fit::None);
        let best = known.max_by_key(|(place, connection)| (rank(connection), Reverse(*place)));
        match best {
            None => Err(FailureReason::IdentityMismatch),
            Some((_, connection)) if !takes(connection, method) => Err(FailureReason::AuthMethodMismatch),
            Some((place, _)) => Ok(ConnectionId(place)),
        }
    }

    /// Answers with an error alone, and stays only to repeat it.
    pub(super) fn refuse(
        mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &MessageHeader,
        reason: FailureReason,
    ) -> State {
        head.send_protected_response(env, &mut self.channel, request, &[complaint(reason)]);
        head.fail(env, None, reason);
        State::Refused(env.linger_until())
    }

    /// Both sides are authenticated: answers `request` with our proof and what becomes of the Child SA that was `asked`
    /// for.
    pub(super) fn establish(
        mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &MessageHeader,
        (connection, own_id, peer_id): (ConnectionId, Identity, Identity),
        mut payloads: Vec<Payload>,
        asked: (&Message, &Parts<'_>),
    ) -> State {
        let peers = Arc::new(Peers::new(&own_id, &peer_id));
        if let Err(reason) = admit(head, env, self.begun, (connection, &peers), asked) {
            return self.refuse(head, env, request, reason);
        }
        let configured = env.config.connection(connection);
        head.hear(env.config, configured, asked.0);
        announce(head, env, connection, &self.channel, peer_id.clone());
        let lent = configuration::lend(head, env, connection, &peer_id, asked.1.cp);
        let addresses = Addresses { local: vec![], remote: lent.addresses };
        let agreed = match lent.refusal {
            Some(reason) => Some(Err((None, reason))),
            None => child::agree_as_responder(env, connection, (head, &addresses.hosts(head.path)), asked),
        };
        payloads.extend(lent.payload);
        payloads.extend(child::answer(agreed.as_ref()));
        payloads.extend(head.announcements(configured));
        head.send_protected_response(env, &mut self.channel, request, &payloads);
        let schedule = Schedule::begin(env, connection, None);
        let child = match agreed {
            Some(Ok(agreed)) => Some(child::install_first(head, env, &self, agreed)),
            Some(Err((child, reason))) => {
                env.events.push_back(Event::ChildSaFailed { ike_sa: head.id, connection, child, reason });
                None
            }
            None => None,
        };
        let mut sa = Established::new(env, (connection, peer_id), peers, self.channel, schedule);
        sa.addresses = addresses;
        sa.children.extend(child);
        State::Established(Box::new(sa))
    }
}

/// Whether an authenticated peer gets what it asks for: an IKE SA beside others, with a Child SA or without.
fn admit(
    head: &Head,
    env: &mut Env<'_>,
    begun: Turn,
    (connection, peers): (ConnectionId, &Peers),
    (message, parts): (&Message, &Parts<'_>),
) -> Result<(), FailureReason> {
    if !child::is_welcome(env.config.connection(connection), parts) {
        return Err(FailureReason::Childless);
    }
    let initial_contact = has_notify(message, NotifyType::InitialContact).then_some(begun);
    let is_admitted = uniqueness::admit(head, env, connection, peers, initial_contact);
    if is_admitted { Ok(()) } else { Err(FailureReason::Duplicate) }
}

/// Whether the peer of `connection` authenticates by `method`, and we in a way that a responder can.
fn takes(connection: &Connection, method: Option<AuthMethod>) -> bool {
    match (&connection.local.method, &connection.remote.method, method) {
        (LocalMethod::Eap { .. }, ..) => false,
        (_, RemoteMethod::Psk, Some(method)) => method == AuthMethod::SharedKeyMic,
        (_, RemoteMethod::Pubkey { .. }, Some(method)) => method != AuthMethod::SharedKeyMic,
        // RFC 7296 §2.16: EAP only with a responder that shows a certificate.
        (LocalMethod::Pubkey { .. }, RemoteMethod::Eap { .. }, None) => true,
        _ => false,
    }
}
