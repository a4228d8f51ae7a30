//! What an IKE SA does with a message, a timer or a command in each of its states.

use core::time::Duration;

use crate::config::{ConnectionId, EndpointConfig};
use crate::endpoint::UnknownSa;
use crate::event::{DropReason, FailureReason};
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::endpoint::error_notification;
use crate::v2::exchange::sa_init;
use crate::v2::extension::fragment_number;
use crate::v2::goal::Goal;
use crate::v2::ike_sa::{Env, Head, IkeSa, Received, State, has_notify};
use crate::v2::request::Request;
use crate::v2::window::{Arrival, Overdue, Path, Tail};
use crate::wire::protect::ProtectError;
use crate::wire::{
    ExchangeType, Header, Message, MessageHeader, NotifyPayload, NotifyType, Payload, PayloadType,
};

impl IkeSa {
    /// Whether the SPIs and the Initiator flag of a message are this IKE SA's. The responder's SPI is unknown to an
    /// initiator until `IKE_SA_INIT` is answered.
    pub(crate) fn fits(&self, header: &Header) -> bool {
        let head = &self.head;
        let from_peer = header.flags.initiator == (head.role == Role::Responder);
        let spi_r_known = !matches!(self.state, State::SaInitSent(_));
        from_peer && header.spi_i == head.spi_i && (!spi_r_known || header.spi_r == head.spi_r)
    }

    /// The connection, once it is settled.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match &self.state {
            State::SaInitSent(sent) => Some(sent.connection()),
            State::AuthSent(sent) => Some(sent.connection()),
            State::Established(established) => Some(established.connection),
            State::HalfOpen(_)
            | State::Authenticating(_)
            | State::Closing(_)
            | State::Refused(_)
            | State::Lingering(_)
            | State::Closed => None,
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self, config: &EndpointConfig) -> Option<Duration> {
        let own = match &self.state {
            State::HalfOpen(half_open) => Some(half_open.expires),
            State::Authenticating(rounds) => Some(rounds.deadline()),
            State::Refused(until) | State::Lingering(until) => Some(*until),
            State::Established(established) => {
                established.deadline(&self.head, config.connection(established.connection))
            }
            State::SaInitSent(_) | State::AuthSent(_) | State::Closing(_) | State::Closed => None,
        };
        let keepalive = self.state.keepalive_at(&self.head, config);
        [own, keepalive, self.head.window.deadline()].into_iter().flatten().min()
    }

    /// Handles an arriving message of this IKE SA.
    pub(crate) fn handle(
        &mut self,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
        path: Path,
    ) -> Result<(), DropReason> {
        self.head.received = Received { path, tail: Tail::of(bytes) };
        if header.flags.response {
            self.handle_response(env, header, bytes)
        } else {
            self.handle_request(env, header, bytes)
        }
    }

    fn handle_response(
        &mut self,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if matches!(self.state, State::Established(_)) && is_unprotected(header) {
            return self.consider_hint(env, bytes);
        }
        if !self.head.window.expects_response(header.message_id, header.exchange) {
            return Err(DropReason::MessageId);
        }
        if matches!(self.state, State::SaInitSent(_)) {
            return self.handle_first_response(env, bytes);
        }
        let Some(opened) = self.open(env, header, bytes)? else { return Ok(()) };
        let head = &mut self.head;
        let state = std::mem::replace(&mut self.state, State::Closed);
        let (state, outcome) = match (state, opened) {
            (State::AuthSent(sent), Opened::Message(message)) => {
                (sent.handle_response(head, env, &message), Ok(()))
            }
            (State::AuthSent(sent), Opened::Broken(_)) => {
                (sent.handle_broken_response(head, env, header.message_id), Ok(()))
            }
            (State::Established(established), Opened::Message(message)) => {
                (established.handle_response(head, env, &message), Ok(()))
            }
            (State::Closing(_), _) => (State::Closed, Ok(())),
            // The peer will answer a repetition with the same octets, so giving up ends this.
            (state, _) => (state, Err(DropReason::Malformed)),
        };
        self.state = state;
        outcome
    }

    fn handle_first_response(&mut self, env: &mut Env<'_>, bytes: &[u8]) -> Result<(), DropReason> {
        let message = Message::decode(bytes).map_err(|_| DropReason::Malformed)?;
        let state = std::mem::replace(&mut self.state, State::Closed);
        let (state, outcome) = match state {
            State::SaInitSent(sent) => sent.handle_response(&mut self.head, env, &message, bytes),
            state => (state, Err(DropReason::Unexpected)),
        };
        self.state = state;
        outcome
    }

    /// Somebody says that the peer does not know this IKE SA. Anybody can say so: it is a reason to ask the peer, unless
    /// it is being asked something already, and no more than that (RFC 7296 §2.4).
    fn consider_hint(&mut self, env: &mut Env<'_>, bytes: &[u8]) -> Result<(), DropReason> {
        let message = Message::decode(bytes).map_err(|_| DropReason::Malformed)?;
        if let State::Established(established) = &mut self.state
            && has_notify(&message, NotifyType::InvalidIkeSpi)
            && self.head.window.is_idle()
        {
            established.request(&mut self.head, env, Request::Liveness);
        }
        Err(DropReason::NotAuthentic)
    }

    fn handle_request(&mut self, env: &mut Env<'_>, header: &Header, bytes: &[u8]) -> Result<(), DropReason> {
        match self.head.window.classify_request(header.message_id, self.head.received.tail) {
            Arrival::New => self.handle_new_request(env, header, bytes),
            Arrival::Repeated(again) => {
                self.head.transmit(env, self.head.received.path, again);
                Ok(())
            }
            // Of a repeated request in fragments the first one alone is answered (RFC 7383 §2.6.1).
            Arrival::OutOfWindow
                if is_fragment(header)
                    && fragment_number(bytes) != Some(1)
                    && self.head.window.has_answered(header.message_id) =>
            {
                Ok(())
            }
            Arrival::OutOfWindow => Err(DropReason::MessageId),
        }
    }

    fn handle_new_request(
        &mut self,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        let Some(opened) = self.open(env, header, bytes)? else { return Ok(()) };
        let request = header.message_header().map_err(|_| DropReason::Malformed)?;
        let head = &mut self.head;
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.state = match opened {
            Opened::Message(message) => state.handle_request(head, env, &message),
            Opened::Broken(notify) => state.refuse_request(head, env, &request, notify),
        };
        Ok(())
    }

    /// Opens a message, or takes a fragment of one that is not whole yet. Only what the peer protected may move the
    /// path or be answered (RFC 7296 §2.11, §2.21).
    fn open(
        &mut self,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
    ) -> Result<Option<Opened>, DropReason> {
        let channel = self.state.channel(header).ok_or(DropReason::Unexpected)?;
        let head = &mut self.head;
        let opened = if is_fragment(header) && head.extensions.takes_fragments() {
            let Some(opened) = head.accept_fragment(env.crypto, channel, header, bytes)? else {
                return Ok(None);
            };
            opened
        } else {
            channel.open(env.crypto, bytes)
        };
        let opened = match opened {
            Ok(message) => Opened::Message(message),
            Err(ProtectError::Inner(error)) => Opened::Broken(error_notification(&error)),
            Err(ProtectError::Padding { .. }) => {
                Opened::Broken(NotifyPayload::new(NotifyType::InvalidSyntax, vec![]))
            }
            Err(ProtectError::Decode(_)) => return Err(DropReason::Malformed),
            Err(ProtectError::Open(_) | ProtectError::NoSk) => return Err(DropReason::NotAuthentic),
        };
        let before = head.path;
        match &self.state {
            // An initiator that found a NAT has moved to port 4500, whoever is behind the NAT.
            State::HalfOpen(_) | State::Authenticating(_) => head.path = head.received.path,
            _ => head.follow_peer(),
        }
        if let State::Established(established) = &self.state
            && before != head.path
        {
            established.announce_path(head, env);
        }
        Ok(Some(opened))
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, env: &mut Env<'_>) {
        let head = &mut self.head;
        match head.window.on_timeout(env.now, head.retransmit) {
            Overdue::Repeat(again) => head.repeat_request(env, again),
            Overdue::GaveUp => {
                let state = std::mem::replace(&mut self.state, State::Closed);
                self.state = state.give_up(head, env);
            }
            Overdue::NotDue if self.state.keepalive_at(head, env.config).is_some_and(|at| at <= env.now) => {
                head.send_keepalive(env);
            }
            Overdue::NotDue => {
                let state = std::mem::replace(&mut self.state, State::Closed);
                self.state = state.handle_timeout(head, env);
            }
        }
    }

    /// Carries out a command of the owner.
    pub(crate) fn command(&mut self, env: &mut Env<'_>, request: Request) -> (State, Result<(), UnknownSa>) {
        let head = &mut self.head;
        let connection = match &self.state {
            State::SaInitSent(sent) => Some(sent.connection()),
            State::AuthSent(sent) => Some(sent.connection()),
            _ => None,
        };
        match std::mem::replace(&mut self.state, State::Closed) {
            State::SaInitSent(_) | State::AuthSent(_) if matches!(request, Request::DeleteIke(_)) => {
                (head.fail(env, connection, FailureReason::Terminated), Ok(()))
            }
            State::Established(mut established) => {
                let accepted = established.request(head, env, request);
                (State::Established(established), if accepted { Ok(()) } else { Err(UnknownSa) })
            }
            // A further Child SA waits until the IKE SA is up.
            state @ (State::SaInitSent(_) | State::AuthSent(_))
                if matches!(request, Request::CreateChild(_)) =>
            {
                let has_room = head.waiting.len() < env.config.limits.queued_requests;
                let is_known = head.waiting.contains(&request);
                if has_room && !is_known {
                    head.waiting.push_back(request);
                }
                (state, if has_room || is_known { Ok(()) } else { Err(UnknownSa) })
            }
            state => (state, Err(UnknownSa)),
        }
    }
}

/// What the peer has protected.
enum Opened {
    /// A message.
    Message(Message),
    /// Something that does not parse, with the notification that says so.
    Broken(NotifyPayload),
}

/// Whether a message is a fragment of one (RFC 7383 §2.5).
fn is_fragment(header: &Header) -> bool {
    header.next_payload == PayloadType::EncryptedFragment
}

/// Whether a message has no protection at all.
fn is_unprotected(header: &Header) -> bool {
    !is_fragment(header) && header.next_payload != PayloadType::Encrypted
}

impl State {
    /// What opens a message of this exchange and direction, where one is expected.
    fn channel(&self, header: &Header) -> Option<&Channel> {
        use ExchangeType::{CreateChildSa, IkeAuth, Informational};
        match (self, header.exchange) {
            (Self::HalfOpen(half_open), IkeAuth) if !header.flags.response => Some(&half_open.init.channel),
            (Self::Authenticating(rounds), exchange) if !header.flags.response => {
                rounds.channel_for(exchange)
            }
            (Self::AuthSent(sent), IkeAuth) if header.flags.response => Some(sent.channel()),
            (Self::Established(established), Informational | CreateChildSa) => Some(&established.channel),
            (Self::Closing(channel), Informational) => Some(channel),
            _ => None,
        }
    }

    /// Hands a decrypted new request to the exchange that expects it.
    fn handle_request(self, head: &mut Head, env: &mut Env<'_>, message: &Message) -> Self {
        match self {
            Self::HalfOpen(half_open) => half_open.handle_request(head, env, message),
            Self::Authenticating(rounds) => rounds.handle_request(head, env, message),
            Self::Established(established) => established.handle_request(head, env, message),
            Self::Closing(mut channel) => {
                head.send_protected_response(env, &mut channel, &message.header, &[]);
                Self::Closing(channel)
            }
            Self::SaInitSent(_)
            | Self::AuthSent(_)
            | Self::Refused(_)
            | Self::Lingering(_)
            | Self::Closed => self,
        }
    }

    /// Answers an authentic request whose payloads do not parse (RFC 7296 §2.21.3): unknown critical payloads are
    /// refused one by one, anything else ends the IKE SA.
    fn refuse_request(
        self,
        head: &mut Head,
        env: &mut Env<'_>,
        request: &MessageHeader,
        notify: NotifyPayload,
    ) -> Self {
        let fatal = notify.kind != NotifyType::UnsupportedCriticalPayload;
        match self {
            Self::HalfOpen(mut half_open) => {
                answer_with_error(head, env, &mut half_open.init.channel, request, notify);
                head.fail(env, None, FailureReason::InvalidSyntax);
                Self::Refused(env.linger_until())
            }
            Self::Authenticating(rounds) => rounds.refuse(head, env, request, FailureReason::InvalidSyntax),
            Self::Established(mut established) => {
                answer_with_error(head, env, &mut established.channel, request, notify);
                if !fatal {
                    return Self::Established(established);
                }
                established.close_and_linger(head, env)
            }
            Self::Closing(_)
            | Self::SaInitSent(_)
            | Self::AuthSent(_)
            | Self::Refused(_)
            | Self::Lingering(_)
            | Self::Closed => self,
        }
    }

    /// No answer came to the last transmission of our request.
    fn give_up(self, head: &mut Head, env: &mut Env<'_>) -> Self {
        match self {
            Self::SaInitSent(sent) => start_over(head, env, sent.into_goal()),
            Self::AuthSent(sent) => start_over(head, env, sent.into_goal()),
            Self::Established(established) => established.give_up(head, env),
            Self::HalfOpen(_)
            | Self::Authenticating(_)
            | Self::Closing(_)
            | Self::Refused(_)
            | Self::Lingering(_)
            | Self::Closed => Self::Closed,
        }
    }

    /// When a NAT in front of us is to see a packet: as long as the IKE SA is of use.
    fn keepalive_at(&self, head: &Head, config: &EndpointConfig) -> Option<Duration> {
        match self {
            Self::Established(established) if !established.is_replaced() => head.keepalive_at(config),
            _ => None,
        }
    }

    /// A deadline of the state itself has come.
    fn handle_timeout(self, head: &mut Head, env: &mut Env<'_>) -> Self {
        match self {
            Self::HalfOpen(half_open) if half_open.expires <= env.now => {
                head.fail(env, None, FailureReason::Timeout)
            }
            Self::Authenticating(rounds) => rounds.handle_timeout(head, env),
            Self::Refused(until) | Self::Lingering(until) if until <= env.now => Self::Closed,
            Self::Established(established) => established.handle_timeout(head, env),
            state => state,
        }
    }
}

/// The peer has not answered: the IKE SA is begun anew under a fresh SPI as often as its connection says, else it has
/// failed. The waits of the requests are the pause between two attempts.
fn start_over(head: &mut Head, env: &mut Env<'_>, goal: Goal) -> State {
    let connection = env.config.connection(goal.connection);
    head.attempts = head.attempts.saturating_add(1);
    if connection.keying_tries != 0 && head.attempts >= connection.keying_tries {
        return head.fail(env, Some(goal.connection), FailureReason::Timeout);
    }
    let spi_i = env.draw_ike_spi();
    head.begin_again(spi_i);
    sa_init::initiate(head, env, goal)
}

fn answer_with_error(
    head: &mut Head,
    env: &mut Env<'_>,
    channel: &mut Channel,
    request: &MessageHeader,
    notify: NotifyPayload,
) {
    head.send_protected_response(env, channel, request, &[Payload::Notify(notify)]);
}
