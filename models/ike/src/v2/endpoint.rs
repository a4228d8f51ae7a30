//! The endpoint: all IKE SAs of one node, found by datagram, timer or command.
//!
//! Style A1 in full: input comes in through `handle_*` and commands, output waits in two queues, and the next
//! deadline is the least of one timer table. The endpoint never looks at a clock and draws no randomness but what its
//! owner's streams give.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use ipseclab_crypto::{Crypto, RandomSource, Work};

use crate::config::{ChildId, Childless, ConnectionId, EndpointConfig, IKE_PORT, NAT_T_PORT};
use crate::event::{CloseReason, DropReason, Event, IkeSaId, Transmit};
use crate::v2::Role;
use crate::v2::child_sa::Wish;
use crate::v2::established::Established;
use crate::v2::exchange::sa_init::{self, Answer, Goal};
use crate::v2::ike_sa::{Env, Head, IkeSa, Received, State};
use crate::v2::order::{Estate, Order};
use crate::v2::request::Request;
use crate::v2::table::{Prospect, Table};
use crate::v2::window::{Path, Tail, transmits};
use crate::wire::{
    DecodeError, ExchangeType, Header, Message, NotifyPayload, NotifyType, TrafficSelector, Version,
};

/// An IKEv2 endpoint without I/O.
pub struct Endpoint {
    config: EndpointConfig,
    crypto: Crypto,
    random: Box<dyn RandomSource>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    table: Table,
    orders: VecDeque<Order>,
    next_id: u32,
}

/// What became of a packet's wish for a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// A new IKE SA is being set up for it.
    Started(IkeSaId),
    /// It is being asked for, or was already.
    InProgress(IkeSaId),
    /// There is one, which was narrowed to other traffic.
    Covered(IkeSaId),
    /// An IKE SA is up, and one side has refused the Child SA.
    Refused(IkeSaId),
    /// The connection has no peer address, or the table of IKE SAs is full.
    Impossible,
}

/// The named IKE or Child SA does not exist, or is not in a state that the command fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such established SA")]
pub struct UnknownSa;

impl Endpoint {
    /// An endpoint that knows `config` and has done nothing yet.
    pub fn new(config: EndpointConfig, crypto: Crypto, random: Box<dyn RandomSource>) -> Self {
        Self {
            config,
            crypto,
            random,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            table: Table::default(),
            orders: VecDeque::new(),
            next_id: 1,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Begins an IKE SA with the first Child SA of its connection; `None` when the connection has no peer address or the
    /// table is full.
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn initiate(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        let wishes = self.first_wish(connection);
        let id = self.start(now, connection, wishes, None);
        self.carry_out(now);
        id
    }

    /// Begins an IKE SA without a Child SA where the peer allows that, else as [`initiate`](Self::initiate) does
    /// (RFC 6023). One that is up or on its way stays the only one.
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn initiate_ike(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        if let Some(serving) = self.table.serving(connection) {
            return Some(serving.head.id);
        }
        let childless =
            matches!(self.config.connection(connection).childless, Childless::Prefer | Childless::Force);
        let wishes = if childless { vec![] } else { self.first_wish(connection) };
        let id = self.start(now, connection, wishes, None);
        self.carry_out(now);
        id
    }

    /// Begins a Child SA, in the IKE SA that is up or on its way, else in a new one.
    ///
    /// # Panics
    /// When `child` is not a place in the configuration.
    pub fn initiate_child(&mut self, now: Duration, child: ChildId) -> Option<IkeSaId> {
        let wish = Wish::whole(&self.config, child);
        let id = self.ask_for(now, wish);
        self.carry_out(now);
        id
    }

    /// A packet needs the Child SA of `child`; its own selectors go first in the offer (RFC 7296 §2.9).
    ///
    /// # Panics
    /// When `child` is not a place in the configuration.
    pub fn acquire(
        &mut self,
        now: Duration,
        child: ChildId,
        local: TrafficSelector,
        remote: TrafficSelector,
    ) -> Acquired {
        let wish = Wish::for_packet(&self.config, child, local, remote);
        let acquired = match self.table.prospect(child) {
            Some((id, Prospect::Refused)) => Acquired::Refused(id),
            Some((id, Prospect::Covered)) => Acquired::Covered(id),
            Some((id, Prospect::Asking)) => Acquired::InProgress(id),
            Some((_, Prospect::Open)) => {
                self.ask_for(now, wish).map_or(Acquired::Impossible, Acquired::InProgress)
            }
            None => self.ask_for(now, wish).map_or(Acquired::Impossible, Acquired::Started),
        };
        self.carry_out(now);
        acquired
    }

    fn first_wish(&self, connection: ConnectionId) -> Vec<Wish> {
        let mut children = self.config.children(connection).map(|(id, _)| id);
        children.next().map(|id| Wish::whole(&self.config, id)).into_iter().collect()
    }

    /// Asks for a Child SA in the IKE SA that serves its connection, or in a new one.
    fn ask_for(&mut self, now: Duration, wish: Wish) -> Option<IkeSaId> {
        let connection = wish.child.connection;
        let Some(id) = self.table.serving(connection).map(|sa| sa.head.id) else {
            return self.start(now, connection, vec![wish], None);
        };
        self.command(now, id, Request::CreateChild(wish)).ok().map(|()| id)
    }

    /// Begins an IKE SA; the first of `wishes` goes with it, the others follow.
    fn start(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        wishes: Vec<Wish>,
        replaces: Option<IkeSaId>,
    ) -> Option<IkeSaId> {
        let configured = self.config.connection(connection);
        let (remote, retransmit) = (configured.remote_address?, configured.retransmit);
        if self.table.len() >= self.config.limits.ike_sas {
            return None;
        }
        let path = Path {
            local: SocketAddr::from((self.config.local_address, IKE_PORT)),
            remote: SocketAddr::from((remote, IKE_PORT)),
        };
        let mut env = self.env(now);
        let received = Received { path, tail: Tail::of(&[]) };
        let mut head = Head::new(env.new_id(), Role::Initiator, received);
        (head.spi_i, head.retransmit) = (env.draw_ike_spi(), retransmit);
        let mut wishes = wishes.into_iter();
        let goal = Goal { connection, first: wishes.next(), replaces };
        head.waiting.extend(wishes.map(Request::CreateChild));
        let id = head.id;
        env.events.push_back(Event::Initiated { ike_sa: id, connection, replaces });
        let state = sa_init::initiate(&mut head, &mut env, goal);
        self.table.insert(&self.config, IkeSa { head, state });
        Some(id)
    }

    /// Deletes an IKE SA with all its Child SAs, or ends its negotiation.
    ///
    /// # Errors
    /// When there is no such IKE SA.
    pub fn terminate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, Request::DeleteIke(CloseReason::Local))
    }

    /// Deletes the Child SA of `ike_sa` with this inbound SPI. The IKE SA stays, without Child SAs if need be.
    ///
    /// # Errors
    /// When there is no such IKE or Child SA, or too much waits for the peer already.
    pub fn close_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        self.table.established(ike_sa).and_then(|sa| sa.child(spi_in)).ok_or(UnknownSa)?;
        self.order(now, ike_sa, Request::DeleteChild(spi_in))
    }

    /// Deletes an unused Child SA; the last one takes the IKE SA with it (strongSwan's `inactivity_close_ike`).
    ///
    /// # Errors
    /// When there is no such IKE or Child SA, or too much waits for the peer already.
    pub fn close_idle_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        let last = matches!(self.table.established(ike_sa).ok_or(UnknownSa)?.children.as_slice(), [_]);
        self.close_child(now, ike_sa, spi_in)?;
        if last { self.terminate(now, ike_sa) } else { Ok(()) }
    }

    /// Renews the keys of an IKE SA (RFC 7296 §2.18).
    ///
    /// # Errors
    /// When there is no such established IKE SA, or too much waits for the peer already.
    pub fn rekey_ike(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, Request::RekeyIke)
    }

    /// Renews the Child SA of `ike_sa` with this inbound SPI (RFC 7296 §2.8).
    ///
    /// # Errors
    /// When there is no such Child SA, or it is being renewed or deleted already.
    pub fn rekey_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        self.on_established(now, ike_sa, |sa, head, env| sa.rekey_child(head, env, spi_in))
    }

    /// The hard limit of a Child SA's volume is reached: it ends.
    ///
    /// # Errors
    /// When there is no such Child SA.
    pub fn expire_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        self.on_established(now, ike_sa, |sa, head, env| {
            let known = sa.child(spi_in).is_some();
            sa.expire_child(head, env, spi_in);
            known
        })
    }

    /// Sets an IKE SA up anew with a fresh authentication, in the order that its connection wants (RFC 7296 §2.8.3).
    ///
    /// # Errors
    /// When there is no such established IKE SA.
    pub fn reauthenticate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        self.on_established(now, ike_sa, |sa, head, env| {
            sa.reauthenticate(head, env);
            true
        })
    }

    /// The peer of `ike_sa` has shown life outside IKE: an ESP packet of one of its Child SAs arrived.
    pub fn note_alive(&mut self, now: Duration, ike_sa: IkeSaId) {
        if let Some(established) = self.table.established_mut(ike_sa) {
            established.heard = established.heard.max(now);
        }
    }

    fn order(&mut self, now: Duration, ike_sa: IkeSaId, request: Request) -> Result<(), UnknownSa> {
        let outcome = self.command(now, ike_sa, request);
        self.carry_out(now);
        outcome
    }

    fn command(&mut self, now: Duration, ike_sa: IkeSaId, request: Request) -> Result<(), UnknownSa> {
        let mut sa = self.table.take(ike_sa).ok_or(UnknownSa)?;
        let (state, outcome) = sa.command(&mut self.env(now), request);
        sa.state = state;
        self.table.insert(&self.config, sa);
        outcome
    }

    /// Works on an established IKE SA; `work` says whether it could.
    fn on_established(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        work: impl FnOnce(&mut Established, &mut Head, &mut Env<'_>) -> bool,
    ) -> Result<(), UnknownSa> {
        let mut sa = self.table.take(ike_sa).ok_or(UnknownSa)?;
        let done = match &mut sa.state {
            State::Established(established) => work(established, &mut sa.head, &mut self.env(now)),
            _ => false,
        };
        self.table.insert(&self.config, sa);
        self.carry_out(now);
        if done { Ok(()) } else { Err(UnknownSa) }
    }

    /// Does what the exchanges have asked for outside their own IKE SA.
    fn carry_out(&mut self, now: Duration) {
        while let Some(order) = self.orders.pop_front() {
            match order {
                Order::Insert(sa) => self.table.insert(&self.config, *sa),
                Order::Adopt(estate) => self.adopt(now, estate),
                Order::Request(ike_sa, request) => {
                    // It may have ended meanwhile, which is what this wanted.
                    let _gone = self.command(now, ike_sa, request);
                }
                Order::Initiate { connection, wishes, replaces } => {
                    // Without an address there is nobody to begin with: the peer must come back itself.
                    let _id = self.start(now, connection, wishes, replaces);
                }
            }
        }
    }

    /// Hands the Child SAs of one IKE SA to the one that has taken its place.
    fn adopt(&mut self, now: Duration, estate: Estate) {
        let Some(mut sa) = self.table.take(estate.heir) else {
            // The heir was deleted while its election was under way: its Child SAs went with it.
            let (ike_sa, reason) = (estate.heir, CloseReason::Remote);
            let closed = estate.children.iter().map(|child| child.spi_in);
            self.events.extend(closed.map(|spi_in| Event::ChildSaClosed { ike_sa, spi_in, reason }));
            return;
        };
        if let State::Established(established) = &mut sa.state {
            established.adopt(&mut sa.head, &mut self.env(now), estate);
        }
        self.table.insert(&self.config, sa);
    }

    /// Handles a UDP payload that arrived at `to` (port 500 or 4500) from `from`.
    pub fn handle_datagram(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let path = Path { local: to, remote: from };
        if let Err(reason) = self.dispatch(now, path, payload) {
            self.events.push_back(Event::Dropped(reason));
        }
        self.carry_out(now);
    }

    fn dispatch(&mut self, now: Duration, path: Path, payload: &[u8]) -> Result<(), DropReason> {
        let bytes = match path.local.port() {
            // A NAT keepalive has done its work by arriving (RFC 3948 §2.3).
            NAT_T_PORT if payload == [0xff] => return Ok(()),
            NAT_T_PORT => payload.strip_prefix(&[0; 4]).ok_or(DropReason::Malformed)?,
            _ => payload,
        };
        let header = Header::decode(bytes).map_err(|_| DropReason::Malformed)?;
        if header.major != Version::MAJOR {
            return self.refuse_version(now, path, &header);
        }
        let first = header.exchange == ExchangeType::IkeSaInit && !header.flags.response;
        if first {
            return self.handle_first_request(now, path, &header, bytes);
        }
        let spi = if header.flags.initiator { header.spi_r } else { header.spi_i };
        let id = self.table.by_spi(spi).ok_or(DropReason::UnknownSpi)?;
        let mut sa = self.table.take(id).ok_or(DropReason::UnknownSpi)?;
        let outcome = if sa.fits(&header) {
            sa.handle(&mut self.env(now), &header, bytes, path)
        } else {
            Err(DropReason::UnknownSpi)
        };
        self.table.insert(&self.config, sa);
        outcome
    }

    /// A request of a later major version is told the highest that we speak (RFC 7296 §2.5).
    fn refuse_version(&mut self, now: Duration, path: Path, request: &Header) -> Result<(), DropReason> {
        if request.flags.response || request.major < Version::MAJOR {
            return Err(DropReason::Malformed);
        }
        let notify = NotifyPayload::new(NotifyType::InvalidMajorVersion, vec![]);
        self.send_refusal(now, path, request, notify);
        Ok(())
    }

    fn handle_first_request(
        &mut self,
        now: Duration,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if !header.flags.initiator
            || !header.spi_r.is_zero()
            || header.spi_i.is_zero()
            || header.message_id.as_u32() != 0
        {
            return Err(DropReason::Unexpected);
        }
        if let Some(id) = self.table.by_request(path.remote, header.spi_i) {
            let again = self.table.repeated_first_response(id, bytes)?;
            self.transmits.extend(transmits(Some(id), path, again));
            return Ok(());
        }
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.send_refusal(now, path, header, error_notification(&error));
                return Ok(());
            }
        };
        self.answer_first_request(now, path, header, &message, bytes)
    }

    fn answer_first_request(
        &mut self,
        now: Duration,
        path: Path,
        header: &Header,
        message: &Message,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        let limits = self.config.limits;
        if self.table.half_open() >= limits.half_open || self.table.len() >= limits.ike_sas {
            return Err(DropReason::Limit);
        }
        if !self.config.connections.iter().any(|connection| connection.accepts(path.remote.ip())) {
            return Err(DropReason::NoConnection);
        }
        let mut env = self.env(now);
        let received = Received { path, tail: Tail::of(bytes) };
        let mut head = Head::new(env.new_id(), Role::Responder, received);
        (head.spi_i, head.spi_r) = (header.spi_i, env.draw_ike_spi());
        match sa_init::answer(&mut head, &mut env, message, bytes) {
            Answer::Accept(half_open, nat) => {
                head.nat = nat;
                self.table.insert(&self.config, IkeSa { head, state: State::HalfOpen(half_open) });
            }
            Answer::Refuse(notify) => self.send_refusal(now, path, header, notify),
        }
        Ok(())
    }

    fn send_refusal(&mut self, now: Duration, path: Path, request: &Header, notify: NotifyPayload) {
        let outgoing = sa_init::refusal(&self.env(now), request, notify);
        self.transmits.extend(transmits(None, path, outgoing));
    }

    /// Runs everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((_, id)) = self.table.next_timer().filter(|(deadline, _)| *deadline <= now) {
            let Some(mut sa) = self.table.take(id) else { continue };
            sa.handle_timeout(&mut self.env(now));
            self.table.insert(&self.config, sa);
            self.carry_out(now);
        }
    }

    /// The next datagram to send; drain until `None` after every call that takes input.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event; drain until `None` after every call that takes input.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.table.next_timer().map(|(deadline, _)| deadline)
    }

    /// The cryptography done since the last call, for the owner to charge.
    pub fn take_work(&mut self) -> Vec<Work> {
        self.crypto.take_work()
    }

    /// The established IKE SAs with the inbound SPIs of their Child SAs, in order of their numbers.
    pub fn established(&self) -> impl Iterator<Item = (IkeSaId, ConnectionId, Vec<u32>)> {
        self.table.all_established().map(|(id, established)| {
            let spis = established.children.iter().map(|child| child.spi_in).collect();
            (id, established.connection, spis)
        })
    }

    /// IKE SAs in any state, those that only wait to be forgotten included.
    pub fn ike_sa_count(&self) -> usize {
        self.table.len()
    }

    /// What exchanges work with.
    fn env(&mut self, now: Duration) -> Env<'_> {
        Env {
            now,
            config: &self.config,
            crypto: &mut self.crypto,
            random: self.random.as_mut(),
            transmits: &mut self.transmits,
            events: &mut self.events,
            child_spis: self.table.child_spis(),
            ike_spis: self.table.ike_spis(),
            next_id: &mut self.next_id,
            orders: &mut self.orders,
        }
    }
}

/// The one place that turns malformed input into a notification (style A10).
pub(crate) fn error_notification(error: &DecodeError) -> NotifyPayload {
    match error {
        DecodeError::UnsupportedCriticalPayload { kind } => {
            NotifyPayload::new(NotifyType::UnsupportedCriticalPayload, vec![*kind])
        }
        DecodeError::UnsupportedVersion { .. } => NotifyPayload::new(NotifyType::InvalidMajorVersion, vec![]),
        DecodeError::Malformed { .. } => NotifyPayload::new(NotifyType::InvalidSyntax, vec![]),
    }
}
