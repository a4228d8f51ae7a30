//! The responder's further steps with EAP (RFC 7296 §2.16), from its first EAP request to the initiator's AUTH.
//!
//! The answer to a wrong password is held back: it waits here with its request, whose repetitions are dropped in the
//! meantime, and goes out by a timer. The first request stays until the end, since only then its Child SA is agreed on.

use core::time::Duration;
use std::sync::Arc;

use crate::config::{Connection, ConnectionId, EapName, RemoteMethod};
use crate::eap::{
    AuthenticatorConfig, AuthenticatorStep, EapAuthenticator, EapContext, EapFailure, IdentitySource, Msk,
};
use crate::event::FailureReason;
use crate::identity::Identity;
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::exchange::auth::initiator::eap_name;
use crate::v2::exchange::auth::responder::Accepted;
use crate::v2::exchange::auth::{Parts, eap_payload};
use crate::v2::exchange::sa_init::{HalfOpen, SaInit};
use crate::v2::ike_sa::{Env, Head, Received, State, is_fatal};
use crate::wire::{ExchangeType, IdPayload, Message, MessageHeader, Payload};

/// A responder whose initiator authenticates by EAP.
#[derive(Debug)]
pub(crate) struct Rounds {
    init: SaInit,
    /// When to forget it.
    expires: Duration,
    connection: ConnectionId,
    own_id: Identity,
    peer_id: Identity,
    id_i: IdPayload,
    id_r: IdPayload,
    /// The first request, which says what Child SA is wanted.
    first: Message,
    phase: Phase,
}

/// What is awaited.
#[derive(Debug)]
enum Phase {
    /// The initiator's next EAP packet.
    Eap(Box<EapAuthenticator>),
    /// The time of an answer that is held back.
    Held(Box<Held>),
    /// The initiator's AUTH payload, by the key of EAP.
    Proof(Option<Msk>),
    /// Nothing but the initiator's farewell: it has failed.
    Over,
}

/// An answer that is held back.
#[derive(Debug)]
struct Held {
    until: Duration,
    received: Received,
    request: MessageHeader,
    answer: Answer,
}

/// An EAP packet to send and what follows.
#[derive(Debug)]
struct Answer {
    packet: Vec<u8>,
    outcome: Result<Box<EapAuthenticator>, EapFailure>,
}

impl Rounds {
    /// Answers the first request: our proof, and the first EAP request.
    pub(super) fn begin(
        half_open: HalfOpen,
        head: &mut Head,
        env: &mut Env<'_>,
        accepted: Accepted,
        id_i: &IdPayload,
        message: &Message,
    ) -> State {
        let HalfOpen { mut init, expires } = half_open;
        let Accepted { connection, own_id, peer_id, mut proof, id_r } = accepted;
        let config = authenticator(env, env.config.connection(connection), &peer_id);
        let config = match config {
            Ok(config) => config,
            Err(failure) => return init.refuse(head, env, &message.header, FailureReason::Eap(failure)),
        };
        let (authenticator, packet) = EapAuthenticator::start(config, &mut context(env));
        proof.push(eap_payload(&packet));
        head.send_protected_response(env, &mut init.channel, &message.header, &proof);
        let (id_i, first) = (id_i.clone(), message.clone());
        let phase = Phase::Eap(Box::new(authenticator));
        let rounds = Self { init, expires, connection, own_id, peer_id, id_i, id_r, first, phase };
        State::Authenticating(Box::new(rounds))
    }

    /// The channel that opens the next request of exchange `exchange`; `None` while none is expected.
    pub(crate) fn channel_for(&self, exchange: ExchangeType) -> Option<&Channel> {
        let is_expected = match self.phase {
            Phase::Eap(_) | Phase::Proof(_) => {
                matches!(exchange, ExchangeType::IkeAuth | ExchangeType::Informational)
            }
            Phase::Over => exchange == ExchangeType::Informational,
            Phase::Held(_) => false,
        };
        is_expected.then_some(&self.init.channel)
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Duration {
        match &self.phase {
            Phase::Held(held) => held.until.min(self.expires),
            Phase::Eap(_) | Phase::Proof(_) | Phase::Over => self.expires,
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        if self.expires <= env.now {
            return match self.phase {
                Phase::Over => State::Closed,
                _ => head.fail(env, None, FailureReason::Timeout),
            };
        }
        match self.phase {
            Phase::Held(waiting) if waiting.until <= env.now => {
                let Held { received, request, answer, .. } = *waiting;
                head.received = received;
                self.phase = Phase::Over;
                self.send(head, env, &request, answer)
            }
            _ => State::Authenticating(self),
        }
    }

    /// Handles a decrypted request.
    pub(crate) fn handle_request(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        if message.header.exchange == ExchangeType::Informational {
            return self.handle_farewell(head, env, message);
        }
        let Some(parts) = Parts::of(message) else {
            return self.refuse(head, env, &message.header, FailureReason::InvalidSyntax);
        };
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Eap(authenticator) => self.handle_eap(head, env, message, authenticator, &parts),
            Phase::Proof(msk) => self.handle_proof(head, env, message, msk.as_ref(), &parts),
            phase @ (Phase::Over | Phase::Held(_)) => {
                self.phase = phase;
                State::Authenticating(self)
            }
        }
    }

    /// The initiator breaks off (RFC 7296 §2.21.2). It is not authenticated, so nothing else that it says here counts.
    fn handle_farewell(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>, message: &Message) -> State {
        head.send_protected_response(env, &mut self.init.channel, &message.header, &[]);
        if !is_fatal(&message.payloads) {
            return State::Authenticating(self);
        }
        let refusal = match &self.phase {
            Phase::Eap(authenticator) => authenticator.last_refusal(),
            Phase::Over => return State::Refused(env.linger_until()),
            Phase::Proof(_) | Phase::Held(_) => None,
        };
        head.fail(env, None, refusal.map_or(FailureReason::AuthenticationFailed, FailureReason::Eap));
        State::Refused(env.linger_until())
    }

    fn handle_eap(
        self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
        mut authenticator: Box<EapAuthenticator>,
        parts: &Parts<'_>,
    ) -> State {
        let Some(eap) = parts.eap else {
            return self.refuse(head, env, &message.header, FailureReason::InvalidSyntax);
        };
        let (after, answer) = match authenticator.handle(eap.packet(), &mut context(env)) {
            AuthenticatorStep::Request { packet, after } => {
                (after, Answer { packet, outcome: Ok(authenticator) })
            }
            AuthenticatorStep::Fail { packet, reason, after } => {
                (after, Answer { packet, outcome: Err(reason) })
            }
            AuthenticatorStep::Success { packet, msk, .. } => {
                return self.await_proof(head, env, &message.header, &packet, msk);
            }
            // Nothing else can follow in this exchange.
            AuthenticatorStep::Ignore(_) => {
                let reason = FailureReason::Eap(EapFailure::ProtocolError);
                return self.refuse(head, env, &message.header, reason);
            }
        };
        self.answer(head, env, message.header, after, answer)
    }

    /// Sends an answer, now or later.
    fn answer(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        request: MessageHeader,
        after: Duration,
        answer: Answer,
    ) -> State {
        if after.is_zero() {
            return self.send(head, env, &request, answer);
        }
        let until = env.now.saturating_add(after);
        self.phase = Phase::Held(Box::new(Held { until, received: head.received, request, answer }));
        State::Authenticating(self)
    }

    fn send(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &MessageHeader,
        answer: Answer,
    ) -> State {
        let payloads = [eap_payload(&answer.packet)];
        head.send_protected_response(env, &mut self.init.channel, request, &payloads);
        self.phase = match answer.outcome {
            Ok(authenticator) => Phase::Eap(authenticator),
            Err(failure) => {
                head.fail(env, None, FailureReason::Eap(failure));
                self.expires = env.linger_until();
                Phase::Over
            }
        };
        State::Authenticating(self)
    }

    fn await_proof(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &MessageHeader,
        success: &[u8],
        msk: Option<Msk>,
    ) -> State {
        head.send_protected_response(env, &mut self.init.channel, request, &[eap_payload(success)]);
        self.phase = Phase::Proof(msk);
        State::Authenticating(self)
    }

    fn handle_proof(
        self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
        msk: Option<&Msk>,
        parts: &Parts<'_>,
    ) -> State {
        let Some(auth) = parts.auth else {
            return self.refuse(head, env, &message.header, FailureReason::InvalidSyntax);
        };
        if let Err(reason) = self.init.verify_eap(env, Role::Initiator, (&self.id_i, auth), msk) {
            return self.refuse(head, env, &message.header, reason);
        }
        let Self { init, connection, own_id, peer_id, id_r, first, .. } = *self;
        let proof = Payload::Auth(init.eap_proof(env, Role::Responder, &id_r, msk));
        // The first request has been sorted before.
        let asked = Parts::of(&first).unwrap_or_default();
        let who = (connection, own_id, peer_id);
        init.establish(head, env, &message.header, who, vec![proof], (&first, &asked))
    }

    /// Answers a request that does not parse, or that is not what it should be.
    pub(crate) fn refuse(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &MessageHeader,
        reason: FailureReason,
    ) -> State {
        self.init.refuse(head, env, request, reason)
    }
}

fn context<'a>(env: &'a mut Env<'_>) -> EapContext<'a> {
    EapContext { crypto: &mut *env.crypto, random: &mut *env.random }
}

/// Our side of EAP as `connection` wants it.
fn authenticator(
    env: &Env<'_>,
    connection: &Connection,
    peer: &Identity,
) -> Result<AuthenticatorConfig, EapFailure> {
    let RemoteMethod::Eap { methods, identity } = &connection.remote.method else {
        return Err(EapFailure::MethodRefused);
    };
    if methods.is_empty() {
        return Err(EapFailure::MethodRefused);
    }
    let identity = match identity {
        EapName::Ask => IdentitySource::Ask,
        EapName::Given(name) => IdentitySource::Given(name.clone()),
        EapName::Ike => IdentitySource::Given(eap_name(peer).ok_or(EapFailure::UnknownIdentity)?),
    };
    let secrets = Arc::clone(&env.config.credentials.eap);
    Ok(AuthenticatorConfig { identity, methods: methods.clone(), ..AuthenticatorConfig::new(secrets) })
}
