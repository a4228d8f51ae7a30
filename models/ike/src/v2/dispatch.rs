//! What an IKE SA does with a message, a timer or a command in each of its states.

use core::time::Duration;

use crate::config::{ConnectionId, EndpointConfig};
use crate::event::{DropReason, FailureReason};
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::endpoint::{UnknownSa, error_notification};
use crate::v2::ike_sa::{Env, Head, IkeSa, Received, State};
use crate::v2::request::Request;
use crate::v2::window::{Arrival, Overdue, Path, Tail};
use crate::wire::protect::ProtectError;
use crate::wire::{ExchangeType, Header, Message, MessageHeader, NotifyPayload, NotifyType, Payload};

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
        [own, self.head.window.deadline()].into_iter().flatten().min()
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
        if !self.head.window.expects_response(header.message_id) {
            return Err(DropReason::MessageId);
        }
        let head = &mut self.head;
        let state = std::mem::replace(&mut self.state, State::Closed);
        let (state, outcome) = match (state, header.exchange) {
            (State::SaInitSent(sent), ExchangeType::IkeSaInit) => match Message::decode(bytes) {
                Ok(message) => sent.handle_response(head, env, &message, bytes),
                Err(_) => (State::SaInitSent(sent), Err(DropReason::Malformed)),
            },
            (State::AuthSent(sent), ExchangeType::IkeAuth) => match open(sent.channel(), head, env, bytes) {
                Ok(Opened::Message(message)) => (sent.handle_response(head, env, &message), Ok(())),
                Ok(Opened::Broken(_)) => (sent.handle_broken_response(head, env, header.message_id), Ok(())),
                Err(reason) => (State::AuthSent(sent), Err(reason)),
            },
            (State::Established(established), ExchangeType::Informational | ExchangeType::CreateChildSa) => {
                match open(&established.channel, head, env, bytes) {
                    Ok(Opened::Message(message)) => {
                        (established.handle_response(head, env, &message), Ok(()))
                    }
                    // The peer will answer a repetition with the same octets, so giving up ends this.
                    Ok(Opened::Broken(_)) => (State::Established(established), Err(DropReason::Malformed)),
                    Err(reason) => (State::Established(established), Err(reason)),
                }
            }
            (State::Closing(channel), ExchangeType::Informational) => {
                match open(&channel, head, env, bytes) {
                    Ok(_) => (State::Closed, Ok(())),
                    Err(reason) => (State::Closing(channel), Err(reason)),
                }
            }
            (state, _) => (state, Err(DropReason::Unexpected)),
        };
        self.state = state;
        outcome
    }

    fn handle_request(&mut self, env: &mut Env<'_>, header: &Header, bytes: &[u8]) -> Result<(), DropReason> {
        match self.head.window.classify_request(header.message_id, self.head.received.tail) {
            Arrival::New => self.handle_new_request(env, header, bytes),
            Arrival::Repeated(again) => {
                self.head.transmit(env, self.head.received.path, again);
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
        let head = &mut self.head;
        let opened = match (&self.state, header.exchange) {
            (State::HalfOpen(half_open), ExchangeType::IkeAuth) => {
                let opened = open(&half_open.init.channel, head, env, bytes)?;
                // An initiator that found a NAT has moved to port 4500, whoever is behind the NAT.
                head.path = head.received.path;
                opened
            }
            (State::Authenticating(rounds), exchange) => {
                let channel = rounds.channel_for(exchange).ok_or(DropReason::Unexpected)?;
                let opened = open(channel, head, env, bytes)?;
                head.path = head.received.path;
                opened
            }
            (State::Established(established), ExchangeType::Informational | ExchangeType::CreateChildSa) => {
                open(&established.channel, head, env, bytes)?
            }
            (State::Closing(channel), ExchangeType::Informational) => open(channel, head, env, bytes)?,
            _ => return Err(DropReason::Unexpected),
        };
        let request = header.message_header().map_err(|_| DropReason::Malformed)?;
        let state = std::mem::replace(&mut self.state, State::Closed);
        self.state = match opened {
            Opened::Message(message) => state.handle_request(head, env, &message),
            Opened::Broken(notify) => state.refuse_request(head, env, &request, notify),
        };
        Ok(())
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, env: &mut Env<'_>) {
        let head = &mut self.head;
        match head.window.on_timeout(env.now, head.retransmit) {
            Overdue::Repeat(again) => head.transmit(env, head.path, again),
            Overdue::GaveUp => {
                let state = std::mem::replace(&mut self.state, State::Closed);
                self.state = state.give_up(head, env);
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

/// Opens a message. Only what the peer protected may move the path or be answered (RFC 7296 §2.11, §2.21).
fn open(channel: &Channel, head: &mut Head, env: &mut Env<'_>, bytes: &[u8]) -> Result<Opened, DropReason> {
    let opened = match channel.open(env.crypto, bytes) {
        Ok(message) => Opened::Message(message),
        Err(ProtectError::Inner(error)) => Opened::Broken(error_notification(&error)),
        Err(ProtectError::Padding { .. }) => {
            Opened::Broken(NotifyPayload::new(NotifyType::InvalidSyntax, vec![]))
        }
        Err(ProtectError::Decode(_)) => return Err(DropReason::Malformed),
        Err(ProtectError::Open(_) | ProtectError::NoSk) => return Err(DropReason::NotAuthentic),
    };
    head.follow_peer();
    Ok(opened)
}

impl State {
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
            Self::SaInitSent(sent) => head.fail(env, Some(sent.connection()), FailureReason::Timeout),
            Self::AuthSent(sent) => head.fail(env, Some(sent.connection()), FailureReason::Timeout),
            Self::Established(established) => established.give_up(head, env),
            Self::HalfOpen(_)
            | Self::Authenticating(_)
            | Self::Closing(_)
            | Self::Refused(_)
            | Self::Lingering(_)
            | Self::Closed => Self::Closed,
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

fn answer_with_error(
    head: &mut Head,
    env: &mut Env<'_>,
    channel: &mut Channel,
    request: &MessageHeader,
    notify: NotifyPayload,
) {
    head.send_protected_response(env, channel, request, &[Payload::Notify(notify)]);
}
