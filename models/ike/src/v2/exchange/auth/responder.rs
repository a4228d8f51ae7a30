//! The responder's side of `IKE_AUTH`.

use std::sync::Arc;

use crate::config::{Connection, ConnectionId};
use crate::event::{Event, FailureReason};
use crate::identity::Identity;
use crate::v2::Role;
use crate::v2::configuration::{self, Addresses};
use crate::v2::established::{Established, Schedule};
use crate::v2::exchange::auth::{Parts, announce, child, proof};
use crate::v2::exchange::sa_init::HalfOpen;
use crate::v2::ike_sa::{Env, Head, State, has_notify};
use crate::v2::uniqueness::{self, Peers};
use crate::wire::{IdPayload, Message, NotifyPayload, NotifyType, Payload};

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
        head.retransmit = connection.retransmit;
        let expected = self.init.auth_data(env, Role::Initiator, id_i, &connection.psk);
        if !proof::is_valid(auth, &expected) {
            return self.refuse_authentication(head, env, message);
        }
        if !child::is_welcome(connection, &parts) {
            return self.refuse(head, env, message, NotifyType::InvalidSyntax, FailureReason::Childless);
        }
        let peers = Arc::new(Peers::new(&connection.local_id, &peer_id));
        let initial_contact = has_notify(message, NotifyType::InitialContact);
        if !uniqueness::admit(head, env, connection_id, &peers, initial_contact) {
            let reason = FailureReason::Duplicate;
            return self.refuse(head, env, message, NotifyType::AuthenticationFailed, reason);
        }
        announce(head, env, connection_id, &self.init.channel, peer_id.clone());
        let lent = configuration::lend(head, env, connection_id, &peer_id, parts.cp);
        let addresses = Addresses { local: vec![], remote: lent.addresses };
        let agreed = match lent.refusal {
            Some(reason) => Some(Err((None, reason))),
            None => {
                child::agree_as_responder(env, connection_id, &addresses.hosts(head.path), message, &parts)
            }
        };
        let id_r = connection.local_id.to_payload();
        let auth = self.init.auth_data(env, Role::Responder, &id_r, &connection.psk);
        let mut payloads = vec![Payload::IdR(id_r), Payload::Auth(proof::shared_key(&auth))];
        payloads.extend(lent.payload);
        payloads.extend(child::answer(agreed.as_ref()));
        head.send_protected_response(env, &mut self.init.channel, &message.header, &payloads);
        let schedule = Schedule::begin(env, connection_id, None);
        let child = match agreed {
            Some(Ok(agreed)) => Some(child::install_first(head, env, &self.init, agreed)),
            Some(Err((child, reason))) => {
                let (ike_sa, connection) = (head.id, connection_id);
                env.events.push_back(Event::ChildSaFailed { ike_sa, connection, child, reason });
                None
            }
            None => None,
        };
        let mut sa = Established::new(env, (connection_id, peer_id), peers, self.init.channel, schedule);
        sa.addresses = addresses;
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
