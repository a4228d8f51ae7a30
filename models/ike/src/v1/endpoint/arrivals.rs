//! What becomes of a datagram: which ISAKMP SA gets it, and how first messages are judged.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::config::{IkeVersion, NAT_T_PORT};
use crate::datagram::{Outgoing, Path, transmits};
use crate::event::{DropReason, Event};
use crate::v1::V1Exchange;
use crate::v1::conversation::{Arrival, Print};
use crate::v1::endpoint::Endpoint;
use crate::v1::exchange::phase1::Goal;
use crate::v1::exchange::{aggressive_mode, main_mode};
use crate::v1::isakmp_sa::{
    Env, Envelope, Head, IsakmpSa, Received, State, describe, error_notify, failure_of,
};
use crate::v2::Role;
use crate::wire::isakmp::{
    Cookies, ExchangeType, Flags, Header, Message, MessageHeader, NotifyPayload, NotifyType, Payload,
    PayloadType, Version,
};

impl Endpoint<'_> {
    /// Handles a UDP payload that arrived at `to` (port 500 or 4500) from `from` and says that it is IKEv1.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) {
        let path = Path { local: to, remote: from };
        if let Err(reason) = self.dispatch(now, path, payload) {
            self.shared.events.push_back(Event::Dropped(reason));
        }
        self.carry_out(now);
    }

    fn dispatch(&mut self, now: Duration, path: Path, payload: &[u8]) -> Result<(), DropReason> {
        let bytes = match path.local.port() {
            NAT_T_PORT => payload.strip_prefix(&[0; 4]).ok_or(DropReason::Malformed)?,
            _ => payload,
        };
        let header = Header::decode(bytes).map_err(|_| DropReason::Malformed)?;
        let first = [ExchangeType::IdentityProtection, ExchangeType::Aggressive].contains(&header.exchange);
        if first && header.cookies.responder.is_zero() {
            return self.handle_first(now, path, &header, bytes);
        }
        let Cookies { initiator, responder } = header.cookies;
        let known = self.own.table.by_cookie(responder).or_else(|| self.own.table.by_cookie(initiator));
        let Some(mut sa) = known.and_then(|id| self.own.table.take(id)) else {
            return Err(DropReason::UnknownSpi);
        };
        let outcome = sa.handle(&mut self.env(now), &header, bytes, path);
        self.own.table.insert(&self.shared.config, sa);
        outcome
    }

    fn handle_first(
        &mut self,
        now: Duration,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if !header.message_id.is_zero() || header.cookies.initiator.is_zero() || header.flags.encryption {
            return Err(DropReason::Unexpected);
        }
        if header.next_payload == PayloadType::Fragment {
            // No peer that we know cuts a first message, and there is no ISAKMP SA yet that could keep pieces.
            return Err(DropReason::Unexpected);
        }
        if let Some(id) = self.own.table.by_request(path.remote, header.cookies.initiator) {
            let again = self.own.table.repeated_choice(id, Print::of(bytes))?;
            self.shared.transmits.extend(transmits(Some(id), path, again));
            return Ok(());
        }
        let remote = path.remote.ip();
        let config = &self.shared.config;
        if !config.connections.iter().any(|connection| connection.accepts(IkeVersion::V1, remote)) {
            return Err(DropReason::NoConnection);
        }
        if self.is_full(remote) {
            return Err(DropReason::Limit);
        }
        self.answer_first(now, path, header, bytes);
        Ok(())
    }

    fn answer_first(&mut self, now: Duration, path: Path, header: &Header, bytes: &[u8]) {
        let mut env = self.env(now);
        let received = Received { path, print: Print::of(bytes) };
        let mut head = Head::new(env.new_id(), Role::Responder, received);
        head.cookies = Cookies { initiator: header.cookies.initiator, responder: env.draw_cookie() };
        let answer = match Message::decode(bytes) {
            Err(_) => Err(NotifyType::PayloadMalformed),
            Ok(message) if header.exchange == ExchangeType::Aggressive => {
                aggressive_mode::answer(&mut head, &mut env, &message, bytes)
            }
            Ok(message) => main_mode::answer(&mut head, &mut env, &message, bytes),
        };
        match answer {
            Ok(state) => self.own.table.insert(&self.shared.config, IsakmpSa { head, state }),
            Err(kind) => refuse(&head, &mut env, path, kind),
        }
    }

    /// Whether no further half-open ISAKMP SA of `address` is taken.
    fn is_full(&self, address: IpAddr) -> bool {
        let limits = self.shared.config.limits;
        let reached = |limit: usize, count: usize| limit != 0 && count >= limit;
        reached(limits.half_open, self.own.table.half_open())
            || reached(limits.half_open_per_address, self.own.table.half_open_of(address))
            || self.shared.next_is_full(self.own.table.len())
    }
}

/// Refuses a first message, in the clear and without keeping anything. strongSwan names the ISAKMP SA but where the
/// message could not be read.
fn refuse(head: &Head, env: &mut Env<'_>, path: Path, kind: NotifyType) {
    let notify = match kind {
        NotifyType::PayloadMalformed => NotifyPayload::isakmp(kind, vec![]),
        _ => NotifyPayload::of_isakmp_sa(kind, head.cookies, vec![]),
    };
    let id = env.draw_message_id();
    let envelope = Envelope { exchange: V1Exchange::Informational, id, response: true };
    let header = MessageHeader {
        cookies: head.cookies,
        exchange: ExchangeType::Informational,
        flags: Flags::CLEAR,
        message_id: id,
        version: Version::V1_0,
    };
    let payloads = vec![Payload::Notify(notify)];
    let info = describe(env.config, envelope, &payloads, false);
    let bytes = Message { header, payloads }.encode();
    env.transmits.extend(transmits(None, path, Outgoing::whole(bytes, info)));
}

impl IsakmpSa {
    /// Handles a message whose cookies are this ISAKMP SA's.
    fn handle(
        &mut self,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
        path: Path,
    ) -> Result<(), DropReason> {
        if !self.fits(header) {
            return Err(DropReason::UnknownSpi);
        }
        if header.next_payload == PayloadType::Fragment && !header.flags.encryption {
            let Some(whole) = self.head.reassembler.accept(&env.config.limits, bytes)? else { return Ok(()) };
            let header = Header::decode(&whole).map_err(|_| DropReason::Malformed)?;
            if !self.fits(&header) || header.next_payload == PayloadType::Fragment {
                return Err(DropReason::Malformed);
            }
            return self.handle_whole(env, &header, &whole, path);
        }
        self.handle_whole(env, header, bytes, path)
    }

    /// Whether both cookies are right, as far as they are known.
    fn fits(&self, header: &Header) -> bool {
        let own = self.head.cookies;
        let answered = own.responder == header.cookies.responder || own.responder.is_zero();
        own.initiator == header.cookies.initiator && answered
    }

    fn handle_whole(
        &mut self,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
        path: Path,
    ) -> Result<(), DropReason> {
        self.head.received = Received { path, print: Print::of(bytes) };
        match (header.message_id.is_zero(), header.exchange) {
            (true, ExchangeType::IdentityProtection | ExchangeType::Aggressive) => {
                self.handle_phase1(env, header, bytes)
            }
            (false, ExchangeType::Informational) if !header.flags.encryption => {
                self.handle_clear_notify(env, bytes)
            }
            (false, _) if header.flags.encryption => self.handle_later(env, header, bytes),
            _ => Err(DropReason::Unexpected),
        }
    }

    fn handle_phase1(&mut self, env: &mut Env<'_>, header: &Header, bytes: &[u8]) -> Result<(), DropReason> {
        match self.head.phase1.classify(self.head.received.print) {
            Arrival::Repeated(again) => {
                self.head.transmit(env, self.head.received.path, again);
                return Ok(());
            }
            Arrival::Old => return Err(DropReason::MessageId),
            Arrival::New => {}
        }
        let is_main = header.exchange == ExchangeType::IdentityProtection;
        let (state, outcome) = match std::mem::replace(&mut self.state, State::Closed) {
            State::MainMode(state) if is_main => state.handle(&mut self.head, env, header, bytes),
            State::AggressiveMode(state) if !is_main => state.handle(&mut self.head, env, header, bytes),
            other => (other, Err(DropReason::Unexpected)),
        };
        self.state = state;
        outcome
    }

    /// An unprotected notification: the refusal of an offer, if there are no keys yet.
    fn handle_clear_notify(&mut self, env: &mut Env<'_>, bytes: &[u8]) -> Result<(), DropReason> {
        let goal = match &self.state {
            State::MainMode(state) if state.is_clear() => state.goal(),
            State::AggressiveMode(state) if state.is_clear() => state.goal(),
            _ => return Err(DropReason::NotAuthentic),
        };
        let connection = goal.map(Goal::connection);
        let message = Message::decode(bytes).map_err(|_| DropReason::Malformed)?;
        let notify = error_notify(&message.payloads).ok_or(DropReason::Unexpected)?;
        self.fail(env, connection, failure_of(notify));
        Ok(())
    }

    /// A message of an exchange after phase 1.
    fn handle_later(&mut self, env: &mut Env<'_>, header: &Header, bytes: &[u8]) -> Result<(), DropReason> {
        let informational = header.exchange == ExchangeType::Informational;
        let (state, outcome) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Established(sa) => sa.handle(&mut self.head, env, header, bytes),
            State::MainMode(main_mode::State::ProofSent(sent)) if informational => {
                sent.handle_informational(&mut self.head, env, header.message_id, bytes)
            }
            State::AggressiveMode(aggressive_mode::State::ChoiceSent(sent)) if informational => {
                sent.handle_informational(&mut self.head, env, header.message_id, bytes)
            }
            other => (other, Err(DropReason::Unexpected)),
        };
        self.state = state;
        outcome
    }
}
