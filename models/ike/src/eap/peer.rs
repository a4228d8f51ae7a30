//! The peer: the side that is asked and shows that it knows a password (RFC 3748 §2, §4).
//!
//! The first request of a method that is not allowed is answered with a Nak that lists those that are (§5.3.1). Once
//! a method has begun, no other may (§2.1). A repeated request gets the same response again, without new work (§4.1).

use super::identity::EapIdentity;
use super::md5;
use super::mschapv2::{MsChapStyle, Responder};
use super::packet::{Content, EapType, Identifier, Packet};
use super::secrets::Password;
use super::{EapContext, EapFailure, EapMethod, IgnoreReason, Msk, ROUNDS_MAX_DEFAULT};

/// What a peer is configured with.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The name that answers Identity requests and goes into `MSCHAPv2` (swanctl's `eap_id`, or else the IKE identity).
    pub identity: EapIdentity,
    /// The name's password.
    pub password: Password,
    /// Allowed methods, in order of preference; with none, every method is refused.
    pub methods: Vec<EapMethod>,
    /// How `MSCHAPv2` behaves.
    pub style: MsChapStyle,
    /// Requests that are answered before the peer gives up; repeated ones do not count.
    pub rounds_max: u32,
}

impl PeerConfig {
    /// Both methods, `MSCHAPv2` first, as strongSwan behaves.
    pub fn new(identity: EapIdentity, password: Password) -> Self {
        let methods = vec![EapMethod::MsChapV2, EapMethod::Md5];
        Self { identity, password, methods, style: MsChapStyle::default(), rounds_max: ROUNDS_MAX_DEFAULT }
    }
}

/// What a packet led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerStep {
    /// Send this.
    Respond(Vec<u8>),
    /// The authenticator has accepted us; the method's key, if it has one.
    Success(Option<Msk>),
    /// The conversation has failed; there is nothing to send.
    Failure(EapFailure),
    /// Nothing changed.
    Ignore(IgnoreReason),
}

/// One conversation of a peer.
#[derive(Clone, Debug)]
pub struct EapPeer {
    config: PeerConfig,
    state: State,
    rounds: u32,
    last: Option<Exchange>,
}

#[derive(Clone, Debug)]
enum State {
    Waiting,
    Identified,
    /// A Nak is out.
    Refusing,
    Md5,
    MsChapV2(Responder),
    Finished,
}

/// The last request, with the answer that it gets again when it is repeated.
#[derive(Clone, Debug)]
struct Exchange {
    identifier: Identifier,
    request: Content,
    response: Vec<u8>,
}

impl EapPeer {
    /// A conversation that waits for its first request.
    pub const fn new(config: PeerConfig) -> Self {
        Self { config, state: State::Waiting, rounds: 0, last: None }
    }

    /// Takes a packet of the authenticator.
    pub fn handle(&mut self, packet: &[u8], context: &mut EapContext<'_>) -> PeerStep {
        if matches!(self.state, State::Finished) {
            return PeerStep::Ignore(IgnoreReason::Finished);
        }
        match Packet::decode(packet) {
            Ok(Packet::Request(identifier, body)) => self.request(identifier, body, context),
            Ok(Packet::Success(identifier)) => self.success(identifier),
            Ok(Packet::Failure(identifier)) => self.failure(identifier),
            Ok(Packet::Response(..)) => PeerStep::Ignore(IgnoreReason::Direction),
            Err(_) => PeerStep::Ignore(IgnoreReason::Malformed),
        }
    }

    fn request(&mut self, identifier: Identifier, body: Content, context: &mut EapContext<'_>) -> PeerStep {
        if let Some(last) = &self.last
            && last.identifier == identifier
            && last.request == body
        {
            return PeerStep::Respond(last.response.clone());
        }
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > self.config.rounds_max {
            return self.finish(EapFailure::TooManyRounds);
        }
        let state = core::mem::replace(&mut self.state, State::Finished);
        match self.config.answer(state, identifier, &body, context) {
            Ok((state, answer)) => {
                self.state = state;
                let response = Packet::Response(identifier, answer).encode();
                self.last = Some(Exchange { identifier, request: body, response: response.clone() });
                PeerStep::Respond(response)
            }
            Err(reason) => self.finish(reason),
        }
    }

    /// A success counts once the method has nothing left to prove (RFC 3748 §4.2).
    fn success(&mut self, identifier: Identifier) -> PeerStep {
        if !self.is_last(identifier) {
            return PeerStep::Ignore(IgnoreReason::Identifier);
        }
        let msk = match &self.state {
            State::Md5 => None,
            State::MsChapV2(Responder::Confirmed { msk }) => Some(msk.clone()),
            State::MsChapV2(Responder::Answered { .. } | Responder::Refused { .. })
            | State::Waiting
            | State::Identified
            | State::Refusing
            | State::Finished => return PeerStep::Ignore(IgnoreReason::EarlySuccess),
        };
        self.state = State::Finished;
        PeerStep::Success(msk)
    }

    fn failure(&mut self, identifier: Identifier) -> PeerStep {
        if !self.is_last(identifier) {
            return PeerStep::Ignore(IgnoreReason::Identifier);
        }
        let reason = match &self.state {
            State::Identified => EapFailure::UnknownIdentity,
            State::Refusing => EapFailure::MethodRefused,
            State::Md5 | State::MsChapV2(Responder::Answered { .. }) => EapFailure::BadPassword,
            State::MsChapV2(Responder::Refused { reason }) => *reason,
            State::MsChapV2(Responder::Confirmed { .. }) | State::Waiting | State::Finished => {
                EapFailure::Denied
            }
        };
        self.finish(reason)
    }

    fn is_last(&self, identifier: Identifier) -> bool {
        self.last.as_ref().is_some_and(|last| last.identifier == identifier)
    }

    fn finish(&mut self, reason: EapFailure) -> PeerStep {
        self.state = State::Finished;
        PeerStep::Failure(reason)
    }
}

impl PeerConfig {
    /// The next state and the answer to a new request.
    fn answer(
        &self,
        state: State,
        identifier: Identifier,
        request: &Content,
        context: &mut EapContext<'_>,
    ) -> Result<(State, Content), EapFailure> {
        let data = request.data.as_slice();
        match (state, request.kind) {
            // RFC 3748 §5.2: acknowledged at any time, and nothing more.
            (state, EapType::Notification) => Ok((state, Content::new(EapType::Notification, []))),
            (State::Waiting | State::Identified | State::Refusing, EapType::Identity) => {
                Ok((State::Identified, Content::new(EapType::Identity, self.identity.as_bytes())))
            }
            (State::Waiting | State::Identified | State::Refusing, kind) => {
                self.begin(identifier, kind, data, context)
            }
            (State::Md5, EapType::Md5Challenge) => self.answer_md5(identifier, data, context),
            (State::MsChapV2(responder), EapType::MsChapV2) => {
                let (responder, data) = responder.handle(data, &self.style)?;
                Ok((State::MsChapV2(responder), Content::new(EapType::MsChapV2, data)))
            }
            (State::Md5 | State::MsChapV2(_) | State::Finished, _) => Err(EapFailure::ProtocolError),
        }
    }

    fn begin(
        &self,
        identifier: Identifier,
        kind: EapType,
        data: &[u8],
        context: &mut EapContext<'_>,
    ) -> Result<(State, Content), EapFailure> {
        let allowed = EapMethod::from_eap_type(kind).filter(|method| self.methods.contains(method));
        match allowed {
            Some(EapMethod::Md5) => self.answer_md5(identifier, data, context),
            Some(EapMethod::MsChapV2) => {
                let (responder, data) = Responder::start(data, &self.identity, &self.password, context)?;
                Ok((State::MsChapV2(responder), Content::new(kind, data)))
            }
            None => Ok((State::Refusing, self.nak())),
        }
    }

    fn answer_md5(
        &self,
        identifier: Identifier,
        data: &[u8],
        context: &mut EapContext<'_>,
    ) -> Result<(State, Content), EapFailure> {
        let response = md5::respond(identifier, data, &self.password, context)?;
        Ok((State::Md5, Content::new(EapType::Md5Challenge, response)))
    }

    /// The allowed methods, each once; 0 says that there is none.
    fn nak(&self) -> Content {
        let mut types = Vec::new();
        for octet in self.methods.iter().map(|method| method.eap_type().octet()) {
            if !types.contains(&octet) {
                types.push(octet);
            }
        }
        if types.is_empty() {
            types.push(0);
        }
        Content::new(EapType::Nak, types)
    }
}
