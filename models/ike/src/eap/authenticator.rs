//! The authenticator: the side that asks, and decides (RFC 3748 §2, §4).
//!
//! It asks for a name if told to, offers its methods in order, follows a Nak to the next one that both sides allow,
//! and ends with Success or Failure. One request is outstanding at any time; a response with another identifier is
//! ignored (§4.1). Rounds and wrong passwords are bounded, and the answer to a wrong password names a delay, which
//! the owner honours with its own clock.

use core::time::Duration;
use std::sync::Arc;

use ipseclab_crypto::Purpose;

use super::identity::EapIdentity;
use super::md5;
use super::mschapv2::{Challenger, ChallengerStep, MsChapStyle};
use super::packet::{Content, EapType, Identifier, Packet};
use super::secrets::EapSecrets;
use super::{EapContext, EapFailure, EapMethod, IgnoreReason, Msk, ROUNDS_MAX_DEFAULT};

/// Where the peer's name comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// From an Identity request (swanctl: `eap_id` is set, as in `eap_id = %any`).
    Ask,
    /// From elsewhere, such as `IDi`; the conversation begins with the first method.
    Given(EapIdentity),
}

/// What an authenticator is configured with.
#[derive(Clone, Debug)]
pub struct AuthenticatorConfig {
    /// Where the peer's name comes from.
    pub identity: IdentitySource,
    /// Allowed methods, in the order in which they are offered; at least one.
    pub methods: Vec<EapMethod>,
    /// Who may come in.
    pub secrets: Arc<EapSecrets>,
    /// How `MSCHAPv2` behaves.
    pub style: MsChapStyle,
    /// Further tries that `MSCHAPv2` gives after a wrong password.
    pub retries: u32,
    /// How long `MSCHAPv2` holds the answer to a wrong password back. MD5 has no second try that could be slowed down, and
    /// strongSwan answers at once.
    pub failure_delay: Duration,
    /// Responses that are taken before the authenticator gives up.
    pub rounds_max: u32,
}

impl AuthenticatorConfig {
    /// `MSCHAPv2` after an Identity request with strongSwan's delay of 2 s and its two retries.
    pub fn new(secrets: Arc<EapSecrets>) -> Self {
        Self {
            identity: IdentitySource::Ask,
            methods: vec![EapMethod::MsChapV2],
            secrets,
            style: MsChapStyle::default(),
            retries: 2,
            failure_delay: Duration::from_secs(2),
            rounds_max: ROUNDS_MAX_DEFAULT,
        }
    }
}

/// What a response led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticatorStep {
    /// Send this, and wait for the response.
    Request {
        /// The next request.
        packet: Vec<u8>,
        /// How long to hold it back: not zero after a wrong password.
        after: Duration,
    },
    /// The peer is who it says.
    Success {
        /// The EAP-Success to send.
        packet: Vec<u8>,
        /// The method's key, if it has one.
        msk: Option<Msk>,
        /// The name whose password the peer knows; `MSCHAPv2`'s own, which may differ from the Identity response's.
        user: EapIdentity,
    },
    /// The peer is refused.
    Fail {
        /// The EAP-Failure to send.
        packet: Vec<u8>,
        /// Why.
        reason: EapFailure,
        /// How long to hold it back: not zero after a wrong password.
        after: Duration,
    },
    /// Nothing changed.
    Ignore(IgnoreReason),
}

/// One conversation of an authenticator.
#[derive(Clone, Debug)]
pub struct EapAuthenticator {
    config: AuthenticatorConfig,
    state: State,
    outstanding: Identifier,
    rounds: u32,
    last_refusal: Option<EapFailure>,
    /// Whether the method that was offered last lets a name have several tries.
    retries: bool,
}

#[derive(Clone, Debug)]
enum State {
    Identity,
    Method(Conversation),
    Finished,
}

/// A method at work.
#[derive(Clone, Debug)]
struct Conversation {
    user: EapIdentity,
    /// Methods offered so far, this one included: none is offered twice.
    offered: Vec<EapMethod>,
    wrong_tries: u32,
    method: Method,
}

#[derive(Clone, Debug)]
enum Method {
    Md5(md5::Challenger),
    MsChapV2(Challenger),
}

/// What a response makes of a conversation, before it is a packet.
enum Outcome {
    Next { state: State, body: Content, refusal: Option<EapFailure> },
    Success { user: EapIdentity, msk: Option<Msk> },
}

impl EapAuthenticator {
    /// A conversation with its first request.
    ///
    /// # Panics
    /// When the configuration allows no method.
    pub fn start(config: AuthenticatorConfig, context: &mut EapContext<'_>) -> (Self, Vec<u8>) {
        let first = *config.methods.first().expect("an authenticator allows at least one method");
        let mut authenticator = Self {
            config,
            state: State::Finished,
            outstanding: Identifier(0),
            rounds: 0,
            last_refusal: None,
            retries: false,
        };
        let body = match authenticator.config.identity.clone() {
            // strongSwan's Identity requests carry 0.
            IdentitySource::Ask => {
                authenticator.state = State::Identity;
                Content::new(EapType::Identity, [])
            }
            IdentitySource::Given(user) => {
                let (state, body) = authenticator.offer(first, user, Vec::new(), context);
                authenticator.state = state;
                body
            }
        };
        let packet = Packet::Request(authenticator.outstanding, body).encode();
        (authenticator, packet)
    }

    /// Why the peer was last refused: the reason to report when it breaks off instead of trying again.
    pub const fn last_refusal(&self) -> Option<EapFailure> {
        self.last_refusal
    }

    /// Takes a packet of the peer.
    pub fn handle(&mut self, packet: &[u8], context: &mut EapContext<'_>) -> AuthenticatorStep {
        if matches!(self.state, State::Finished) {
            return AuthenticatorStep::Ignore(IgnoreReason::Finished);
        }
        let body = match Packet::decode(packet) {
            Ok(Packet::Response(identifier, body)) if identifier == self.outstanding => body,
            Ok(Packet::Response(..)) => return AuthenticatorStep::Ignore(IgnoreReason::Identifier),
            Ok(_) => return AuthenticatorStep::Ignore(IgnoreReason::Direction),
            Err(_) => return AuthenticatorStep::Ignore(IgnoreReason::Malformed),
        };
        self.rounds = self.rounds.saturating_add(1);
        let state = core::mem::replace(&mut self.state, State::Finished);
        if self.rounds > self.config.rounds_max {
            return self.fail(EapFailure::TooManyRounds);
        }
        match self.respond(state, &body, context) {
            Ok(outcome) => self.conclude(outcome),
            Err(reason) => self.fail(reason),
        }
    }

    fn respond(
        &mut self,
        state: State,
        body: &Content,
        context: &mut EapContext<'_>,
    ) -> Result<Outcome, EapFailure> {
        match state {
            State::Identity if body.kind == EapType::Identity => {
                let user = EapIdentity::new(&body.data).ok_or(EapFailure::UnknownIdentity)?;
                let first = self.config.methods[0];
                Ok(self.next_method(first, user, Vec::new(), context))
            }
            State::Method(conversation) if body.kind == EapType::Nak => {
                self.fall_back(conversation, &body.data, context)
            }
            State::Method(conversation) if conversation.method.eap_type() == body.kind => {
                self.advance(conversation, &body.data, context)
            }
            State::Identity | State::Method(_) | State::Finished => Err(EapFailure::ProtocolError),
        }
    }

    /// RFC 3748 §5.3.1: a Nak answers the first request of a method, and names what the peer would rather have.
    fn fall_back(
        &mut self,
        conversation: Conversation,
        wanted: &[u8],
        context: &mut EapContext<'_>,
    ) -> Result<Outcome, EapFailure> {
        if !conversation.is_fresh() {
            return Err(EapFailure::ProtocolError);
        }
        let Conversation { user, offered, .. } = conversation;
        let acceptable =
            |method: &&EapMethod| !offered.contains(method) && wanted.contains(&method.eap_type().octet());
        let next = *self.config.methods.iter().find(acceptable).ok_or(EapFailure::MethodRefused)?;
        Ok(self.next_method(next, user, offered, context))
    }

    fn next_method(
        &mut self,
        method: EapMethod,
        user: EapIdentity,
        offered: Vec<EapMethod>,
        context: &mut EapContext<'_>,
    ) -> Outcome {
        let (state, body) = self.offer(method, user, offered, context);
        Outcome::Next { state, body, refusal: None }
    }

    /// Begins a method under a fresh identifier.
    fn offer(
        &mut self,
        method: EapMethod,
        user: EapIdentity,
        mut offered: Vec<EapMethod>,
        context: &mut EapContext<'_>,
    ) -> (State, Content) {
        offered.push(method);
        self.retries = method == EapMethod::MsChapV2;
        self.outstanding = fresh_identifier(self.outstanding, context);
        let (state, data) = match method {
            EapMethod::Md5 => {
                let (challenger, data) = md5::Challenger::start(self.outstanding, context);
                (Method::Md5(challenger), data)
            }
            EapMethod::MsChapV2 => {
                let (challenger, data) = Challenger::start(self.outstanding, &self.config.style, context);
                (Method::MsChapV2(challenger), data)
            }
        };
        let conversation = Conversation { user, offered, wrong_tries: 0, method: state };
        (State::Method(conversation), Content::new(method.eap_type(), data))
    }

    fn advance(
        &mut self,
        conversation: Conversation,
        data: &[u8],
        context: &mut EapContext<'_>,
    ) -> Result<Outcome, EapFailure> {
        let Conversation { user, offered, wrong_tries, method } = conversation;
        let AuthenticatorConfig { secrets, style, retries, .. } = &self.config;
        let challenger = match method {
            Method::Md5(challenger) => {
                challenger.check(data, secrets.password(&user), context)?;
                return Ok(Outcome::Success { user, msk: None });
            }
            Method::MsChapV2(challenger) => challenger,
        };
        let (challenger, data, refusal) =
            match challenger.handle(data, secrets, style, wrong_tries >= *retries, context)? {
                ChallengerStep::Request(challenger, data) => (challenger, data, None),
                ChallengerStep::Refusal(challenger, data, reason) => (challenger, data, Some(reason)),
                ChallengerStep::Success(user, msk) => return Ok(Outcome::Success { user, msk: Some(msk) }),
                ChallengerStep::Failure(reason) => return Err(reason),
            };
        self.outstanding = self.outstanding.next();
        let wrong_tries = wrong_tries + u32::from(refusal.is_some());
        let method = Method::MsChapV2(challenger);
        let state = State::Method(Conversation { user, offered, wrong_tries, method });
        Ok(Outcome::Next { state, body: Content::new(EapType::MsChapV2, data), refusal })
    }

    fn conclude(&mut self, outcome: Outcome) -> AuthenticatorStep {
        match outcome {
            Outcome::Next { state, body, refusal } => {
                self.state = state;
                self.last_refusal = refusal.or(self.last_refusal);
                let packet = Packet::Request(self.outstanding, body).encode();
                AuthenticatorStep::Request { packet, after: self.delay(refusal) }
            }
            Outcome::Success { user, msk } => {
                let packet = Packet::Success(self.outstanding).encode();
                AuthenticatorStep::Success { packet, msk, user }
            }
        }
    }

    fn fail(&mut self, reason: EapFailure) -> AuthenticatorStep {
        self.last_refusal = Some(reason);
        let packet = Packet::Failure(self.outstanding).encode();
        AuthenticatorStep::Fail { packet, reason, after: self.delay(Some(reason)) }
    }

    /// Guessing is slowed down, whether it is a password or a name that is guessed; mistakes are not.
    fn delay(&self, refusal: Option<EapFailure>) -> Duration {
        match refusal {
            Some(EapFailure::BadPassword | EapFailure::UnknownIdentity) if self.retries => {
                self.config.failure_delay
            }
            Some(
                EapFailure::BadPassword
                | EapFailure::UnknownIdentity
                | EapFailure::MethodRefused
                | EapFailure::Denied
                | EapFailure::ProtocolError
                | EapFailure::TooManyRounds,
            )
            | None => Duration::ZERO,
        }
    }
}

impl Conversation {
    /// Whether nothing of the method but its first request has gone out.
    const fn is_fresh(&self) -> bool {
        let challenged = match &self.method {
            Method::Md5(_) => true,
            Method::MsChapV2(challenger) => challenger.is_fresh(),
        };
        challenged && self.wrong_tries == 0
    }
}

impl Method {
    const fn eap_type(&self) -> EapType {
        match self {
            Self::Md5(_) => EapType::Md5Challenge,
            Self::MsChapV2(_) => EapType::MsChapV2,
        }
    }
}

/// A random identifier that is not the last one (RFC 3748 §4.1), nor 0, which is for Identity.
fn fresh_identifier(last: Identifier, context: &mut EapContext<'_>) -> Identifier {
    let mut octet = [0];
    context.random.fill(Purpose::Eap, &mut octet);
    let drawn = Identifier(octet[0].max(1));
    if drawn == last { Identifier(drawn.next().0.max(1)) } else { drawn }
}
