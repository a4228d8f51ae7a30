//! The initiator's side of `IKE_AUTH`: a proof of its own, or EAP after the responder's.

use core::net::IpAddr;
use std::sync::Arc;

use crate::config::{ChildId, Connection, ConnectionId, LocalMethod, RemoteMethod};
use crate::credential::KeyHash;
use crate::eap::{EapContext, EapFailure, EapIdentity, EapPeer, Msk, PeerConfig, PeerStep};
use crate::event::{ChildProtocol, CloseReason, FailureReason, IkeSaId};
use crate::identity::{Identity, IdentityPattern};
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::child_sa::{Agreed, Named, Wish};
use crate::v2::configuration::{self, Addresses};
use crate::v2::established::Established;
use crate::v2::exchange::auth::certificates::{self, Own};
use crate::v2::exchange::auth::proof::Claim;
use crate::v2::exchange::auth::{Parts, announce, child, complaint, eap_payload};
use crate::v2::exchange::sa_init::SaInit;
use crate::v2::goal::Goal;
use crate::v2::ike_sa::{Env, Head, State, error_notify, failure_of};
use crate::v2::order::Order;
use crate::v2::request::Request;
use crate::v2::schedule::Schedule;
use crate::v2::uniqueness::{self, Peers};
use crate::wire::{
    AuthPayload, ExchangeType, IdPayload, Message, MessageId, NotifyPayload, NotifyType, Payload,
};

/// The initiator with a request under way.
#[derive(Debug)]
pub(crate) struct Sent {
    setup: Setup,
    phase: Phase,
}

/// What is known from the first request on.
#[derive(Debug)]
struct Setup {
    connection: ConnectionId,
    init: SaInit,
    own_id: Identity,
    /// The Child SA that the first request asks for, and its inbound SPI; `None` without one (RFC 6023).
    first: Option<(Wish, u32)>,
    /// The virtual addresses that the first request asks for.
    wanted: Vec<IpAddr>,
    /// The IKE SA that goes when this one is up.
    replaces: Option<IkeSaId>,
}

/// What the answer under way will bring.
#[derive(Debug)]
enum Phase {
    /// The responder's proof, which ends this: ours has gone out.
    Proof,
    /// The responder's proof and the first EAP request.
    Invitation(EapPeer),
    /// The next EAP packet.
    Rounds(EapPeer, Responder),
    /// The responder's proof that it knows the key of EAP, too.
    EapProof(Option<Msk>, Responder),
}

/// A responder that has shown a certificate.
#[derive(Debug)]
struct Responder {
    identity: Identity,
    id: IdPayload,
}

/// Sends the first request.
pub(crate) fn initiate(head: &mut Head, env: &mut Env<'_>, goal: Goal, init: SaInit) -> State {
    let wanted = goal.wanted_addresses(env.config);
    let Goal { connection: connection_id, first, replaces, .. } = goal;
    let opened = Opening::make(head, env, (connection_id, replaces), &init);
    let Opening { own_id, mut payloads, phase } = match opened {
        Ok(opening) => opening,
        Err(reason) => return head.fail(env, Some(connection_id), reason),
    };
    let first = first.map(|wish| (wish, env.draw_child_spi()));
    payloads.extend(configuration::request(&wanted));
    let hosts = Addresses::default().hosts(head.path).awaiting(&wanted);
    payloads.extend(child::request(env, first.as_ref(), &hosts));
    payloads.extend(head.announcements(env.config.connection(connection_id)));
    let setup = Setup { connection: connection_id, init, own_id, first, wanted, replaces };
    Sent { setup, phase }.send(head, env, &payloads)
}

/// The first request as far as it is about us.
struct Opening {
    own_id: Identity,
    payloads: Vec<Payload>,
    phase: Phase,
}

impl Opening {
    fn make(
        head: &Head,
        env: &mut Env<'_>,
        (connection_id, replaces): (ConnectionId, Option<IkeSaId>),
        init: &SaInit,
    ) -> Result<Self, FailureReason> {
        let connection = env.config.connection(connection_id);
        let requested = init.requested.as_deref().unwrap_or(NONE_NAMED);
        let own = Own::choose(env, connection, None, requested, head.path.local.ip())?;
        let mut payloads = vec![Payload::IdI(own.id.to_payload())];
        payloads.extend(own.payloads(connection.send_cert, init.requested.is_some()));
        let peer = named_responder(&connection.remote.id);
        let peers = peer.map(|peer| Peers::new(&own.id, peer));
        if replaces.is_none() && uniqueness::is_initial_contact(env, connection_id, peers.as_ref()) {
            payloads.push(Payload::Notify(NotifyPayload::new(NotifyType::InitialContact, vec![])));
        }
        payloads.extend(certificates::request(env, connection));
        payloads.extend(peer.map(|peer| Payload::IdR(peer.to_payload())));
        let phase = if let Some(peer) = eap_peer(env, connection, &own.id)? {
            Phase::Invitation(peer)
        } else {
            let address = Identity::Address(head.path.remote.ip());
            let auth = init.prove(env, (connection, Role::Initiator), &own, peer.unwrap_or(&address))?;
            payloads.push(Payload::Auth(auth));
            Phase::Proof
        };
        Ok(Self { own_id: own.id, payloads, phase })
    }
}

/// A certificate request that came without names, or none.
const NONE_NAMED: &[KeyHash] = &[];

/// The responder that `IDr` asks for: one that is named without wildcards.
fn named_responder(pattern: &IdentityPattern) -> Option<&Identity> {
    match pattern {
        IdentityPattern::Like(Identity::Fqdn(name) | Identity::Email(name)) if name.starts_with('*') => None,
        IdentityPattern::Like(Identity::Dn(name)) if name.wildcards() > 0 => None,
        IdentityPattern::Like(identity) => Some(identity),
        IdentityPattern::Any => None,
    }
}

/// Our side of EAP, if `connection` wants that. The responder must show a certificate then (RFC 7296 §2.16).
fn eap_peer(
    env: &Env<'_>,
    connection: &Connection,
    own: &Identity,
) -> Result<Option<EapPeer>, FailureReason> {
    let LocalMethod::Eap { identity, methods } = &connection.local.method else { return Ok(None) };
    if !matches!(connection.remote.method, RemoteMethod::Pubkey { .. }) {
        return Err(FailureReason::AuthMethodMismatch);
    }
    let identity = identity.clone().or_else(|| eap_name(own)).ok_or(FailureReason::NoSecret)?;
    let password = env.config.credentials.eap.password(&identity).ok_or(FailureReason::NoSecret)?;
    let config = PeerConfig { methods: methods.clone(), ..PeerConfig::new(identity, password.clone()) };
    Ok(Some(EapPeer::new(config)))
}

/// An IKE identity as a name for EAP: its text.
pub(super) fn eap_name(identity: &Identity) -> Option<EapIdentity> {
    match identity {
        Identity::Fqdn(name) | Identity::Email(name) => EapIdentity::new(name.as_bytes()),
        Identity::KeyId(octets) => EapIdentity::new(octets),
        Identity::Address(_) | Identity::Dn(_) => EapIdentity::new(identity.to_string().as_bytes()),
    }
}

impl Sent {
    /// The connection that is being set up.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.setup.connection
    }

    /// What it was begun for.
    pub(crate) fn into_goal(self) -> Goal {
        let Setup { connection, first, replaces, wanted, .. } = self.setup;
        let first = first.map(|(wish, _)| wish);
        Goal { connection, bare: first.is_none(), first, replaces, addresses: wanted }
    }

    /// The inbound SPI that the Child SA will have.
    pub(crate) fn spi_in(&self) -> Option<u32> {
        self.setup.first.as_ref().map(|(_, spi)| *spi)
    }

    /// Whether a Child SA of this child is asked for.
    pub(crate) fn asks_for(&self, child: ChildId) -> bool {
        self.setup.first.as_ref().is_some_and(|(wish, _)| wish.child == child)
    }

    /// The channel that opens the answer.
    pub(crate) fn channel(&self) -> &Channel {
        &self.setup.init.channel
    }

    fn send(mut self, head: &mut Head, env: &mut Env<'_>, payloads: &[Payload]) -> State {
        head.send_protected_request(env, &mut self.setup.init.channel, ExchangeType::IkeAuth, payloads);
        State::AuthSent(Box::new(self))
    }

    /// Handles the decrypted answer.
    pub(crate) fn handle_response(self, head: &mut Head, env: &mut Env<'_>, message: &Message) -> State {
        let Some(parts) = Parts::of(message) else {
            return self.handle_broken_response(head, env, message.header.message_id);
        };
        head.window.complete(message.header.message_id);
        let Self { setup, phase } = self;
        // An error beside AUTH is about the Child SA.
        if let (None, None, Some(refusal)) = (parts.auth, parts.eap, error_notify(&message.payloads)) {
            return head.fail(env, Some(setup.connection), failure_of(refusal));
        }
        match phase {
            Phase::Proof => match setup.verify(env, &parts) {
                Ok(responder) => setup.finish(head, env, responder.identity, message, &parts),
                Err(reason) => setup.reject_peer(head, env, reason),
            },
            Phase::Invitation(peer) => match setup.verify(env, &parts) {
                Ok(responder) => setup.handle_eap(head, env, (peer, responder), &parts),
                Err(reason) => setup.reject_peer(head, env, reason),
            },
            Phase::Rounds(peer, responder) => setup.handle_eap(head, env, (peer, responder), &parts),
            Phase::EapProof(msk, responder) => {
                match setup.verify_eap(env, msk.as_ref(), &responder, &parts) {
                    Ok(()) => setup.finish(head, env, responder.identity, message, &parts),
                    Err(reason) => setup.reject_peer(head, env, reason),
                }
            }
        }
    }

    /// Handles an answer that is the peer's and does not parse.
    pub(crate) fn handle_broken_response(self, head: &mut Head, env: &mut Env<'_>, id: MessageId) -> State {
        head.window.complete(id);
        self.setup.reject_peer(head, env, FailureReason::InvalidSyntax)
    }
}

impl Setup {
    /// Checks who the responder is.
    fn verify(&self, env: &mut Env<'_>, parts: &Parts<'_>) -> Result<Responder, FailureReason> {
        let (Some(id), Some(auth)) = (parts.id_r, parts.auth) else {
            return Err(FailureReason::InvalidSyntax);
        };
        let connection = env.config.connection(self.connection);
        let identity = Identity::from_payload(id).filter(|id| connection.remote.id.matches(id));
        let identity = identity.ok_or(FailureReason::IdentityMismatch)?;
        let (signer, certificates) = (Role::Responder, parts.certificates.as_slice());
        let claim = Claim { signer, id, identity: &identity, auth, certificates };
        self.init.verify(env, connection, &self.own_id, &claim)?;
        Ok(Responder { id: id.clone(), identity })
    }

    fn verify_eap(
        &self,
        env: &mut Env<'_>,
        msk: Option<&Msk>,
        responder: &Responder,
        parts: &Parts<'_>,
    ) -> Result<(), FailureReason> {
        let auth: &AuthPayload = parts.auth.ok_or(FailureReason::InvalidSyntax)?;
        self.init.verify_eap(env, Role::Responder, (&responder.id, auth), msk)
    }

    /// Takes the responder's EAP packet one step further.
    fn handle_eap(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        (mut peer, responder): (EapPeer, Responder),
        parts: &Parts<'_>,
    ) -> State {
        let Some(eap) = parts.eap else {
            return self.reject_peer(head, env, FailureReason::InvalidSyntax);
        };
        let mut context = EapContext { crypto: &mut *env.crypto, random: &mut *env.random };
        match peer.handle(eap.packet(), &mut context) {
            PeerStep::Respond(packet) => {
                let phase = Phase::Rounds(peer, responder);
                Sent { setup: self, phase }.send(head, env, &[eap_payload(&packet)])
            }
            PeerStep::Success(msk) => {
                let id = self.own_id.to_payload();
                let auth = self.init.eap_proof(env, Role::Initiator, &id, msk.as_ref());
                let phase = Phase::EapProof(msk, responder);
                Sent { setup: self, phase }.send(head, env, &[Payload::Auth(auth)])
            }
            PeerStep::Failure(failure) => self.reject_peer(head, env, FailureReason::Eap(failure)),
            // Nothing else can follow in this exchange.
            PeerStep::Ignore(_) => self.reject_peer(head, env, FailureReason::Eap(EapFailure::ProtocolError)),
        }
    }

    /// The responder believes in an IKE SA that we do not want: tell it, and be gone (RFC 7296 §2.21.2).
    fn reject_peer(self, head: &mut Head, env: &mut Env<'_>, reason: FailureReason) -> State {
        head.fail(env, Some(self.connection), reason);
        let mut channel = self.init.channel;
        let payloads = [complaint(reason)];
        head.send_protected_request(env, &mut channel, ExchangeType::Informational, &payloads);
        State::Closing(Box::new(channel))
    }

    /// Both sides are authenticated.
    fn finish(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        peer_id: Identity,
        message: &Message,
        parts: &Parts<'_>,
    ) -> State {
        head.hear(env.config, env.config.connection(self.connection), message);
        announce(head, env, self.connection, &self.init.channel, peer_id.clone());
        let lent = configuration::accept(head, env, self.connection, &self.wanted, parts.cp);
        let addresses = Addresses { local: lent, remote: vec![] };
        let hosts = Addresses::default().hosts(head.path).awaiting(&self.wanted);
        let hosts = (&hosts, &addresses.hosts(head.path));
        let agree = |(wish, spi): &(Wish, u32)| child::agree(env, (wish, *spi), hosts, message, &parts.child);
        let agreed = self.first.as_ref().map(agree);
        self.establish(head, env, (peer_id, addresses), agreed, parts.child.protocol())
    }

    /// Enters the established state. A Child SA that the peer believes in and we cannot accept is deleted.
    fn establish(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        (peer_id, addresses): (Identity, Addresses),
        agreed: Option<Result<Agreed, FailureReason>>,
        peers_child: Option<ChildProtocol>,
    ) -> State {
        let Self { connection, init, own_id, first, replaces, .. } = self;
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
        let peers = Arc::new(Peers::new(&own_id, &peer_id));
        let sa = Established::new(env, (connection, peer_id), peers, init.channel, schedule);
        let mut sa = Box::new(sa);
        sa.addresses = addresses;
        if let (None, Some((wish, spi))) = (&child, &first) {
            sa.refused.insert(wish.child);
            if let Some(protocol) = peers_child {
                sa.request(head, env, Request::DisownChild(Named { protocol, spi_in: *spi }));
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
