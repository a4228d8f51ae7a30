//! The endpoint: all IKE SAs of one node, found by datagram, timer or command.
//!
//! Style A1 in full: input comes in through `handle_*` and commands, output waits in two queues, and the next
//! deadline is the least of one timer table. The endpoint never looks at a clock and draws no randomness but what its
//! owner's streams give.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use ipseclab_crypto::{Crypto, Purpose, RandomSource, Work};

use crate::config::{ConnectionId, EndpointConfig, IKE_PORT, NAT_T_PORT, RetransmitPolicy};
use crate::event::{DropReason, Event, IkeSaId, Transmit};
use crate::v2::Role;
use crate::v2::exchange::informational::Request;
use crate::v2::exchange::sa_init::{self, Answer, Offer};
use crate::v2::ike_sa::{Env, Head, IkeSa, Received, State};
use crate::v2::nat::NatStatus;
use crate::v2::table::Table;
use crate::v2::window::{Path, Tail, Window, transmit};
use crate::wire::{
    DecodeError, ExchangeType, Header, IkeSpi, Message, NotifyPayload, NotifyType, TrafficSelector, Version,
};

/// An IKEv2 endpoint without I/O.
pub struct Endpoint {
    config: EndpointConfig,
    crypto: Crypto,
    random: Box<dyn RandomSource>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    table: Table,
    next_id: u32,
}

/// What became of a packet's wish for a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// A negotiation began.
    Started(IkeSaId),
    /// One was under way.
    InProgress(IkeSaId),
    /// An IKE SA is up, and its peer refused the Child SA.
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
            next_id: 1,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Begins an IKE SA with its Child SA; `None` when the connection has no peer address or the table is full.
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn initiate(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        let child = &self.config.connections[connection.0 as usize].child;
        let offer = Offer { ts_local: child.local_ts.clone(), ts_remote: child.remote_ts.clone() };
        self.start(now, connection, offer)
    }

    /// A packet needs the Child SA of `connection`; its own selectors go first in the offer (RFC 7296 §2.9).
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn acquire(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        local: TrafficSelector,
        remote: TrafficSelector,
    ) -> Acquired {
        match self.table.outcome_for(connection) {
            Some((id, true)) => return Acquired::Refused(id),
            Some((id, false)) => return Acquired::InProgress(id),
            None => {}
        }
        let child = &self.config.connections[connection.0 as usize].child;
        let offer = Offer {
            ts_local: child.local_ts.preceded_by(local),
            ts_remote: child.remote_ts.preceded_by(remote),
        };
        let useless = self.table.childless(connection);
        let Some(started) = self.start(now, connection, offer) else {
            return Acquired::Impossible;
        };
        for id in useless {
            // One that is ending already needs no second command.
            let _ending = self.terminate(now, id);
        }
        Acquired::Started(started)
    }

    fn start(&mut self, now: Duration, connection: ConnectionId, offer: Offer) -> Option<IkeSaId> {
        let remote = self.config.connections[connection.0 as usize].remote_address?;
        if self.table.len() >= self.config.limits.ike_sas {
            return None;
        }
        let path = Path {
            local: SocketAddr::from((self.config.local_address, IKE_PORT)),
            remote: SocketAddr::from((remote, IKE_PORT)),
        };
        let mut head = self.new_head(Role::Initiator, Received { path, tail: Tail::of(&[]) });
        head.spi_i = self.draw_ike_spi();
        head.retransmit = self.config.connections[connection.0 as usize].retransmit;
        let id = head.id;
        let state = sa_init::initiate(&mut head, &mut self.env(now), connection, offer);
        self.table.insert(&self.config, IkeSa { head, state });
        Some(id)
    }

    /// Deletes an IKE SA with all its Child SAs, or ends its negotiation.
    ///
    /// # Errors
    /// When there is no such IKE SA, or it is ending already.
    pub fn terminate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        self.command(now, ike_sa, Request::DeleteIke)
    }

    /// Deletes the Child SA of `ike_sa` with this inbound SPI; the last one takes the IKE SA with it, since no other
    /// Child SA can follow (strongSwan's `inactivity_close_ike`).
    ///
    /// # Errors
    /// When there is no such IKE or Child SA.
    pub fn close_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        let last = self.table.established(ike_sa).ok_or(UnknownSa)?.children.as_slice();
        let last = match last {
            [only] if only.spi_in == spi_in => true,
            children if children.iter().any(|child| child.spi_in == spi_in) => false,
            _ => return Err(UnknownSa),
        };
        self.command(now, ike_sa, Request::DeleteChild(spi_in))?;
        if last { self.command(now, ike_sa, Request::DeleteIke) } else { Ok(()) }
    }

    /// The peer of `ike_sa` has shown life outside IKE: an ESP packet of one of its Child SAs arrived.
    pub fn note_alive(&mut self, now: Duration, ike_sa: IkeSaId) {
        if let Some(established) = self.table.established_mut(ike_sa) {
            established.heard = established.heard.max(now);
        }
    }

    fn command(&mut self, now: Duration, ike_sa: IkeSaId, request: Request) -> Result<(), UnknownSa> {
        let mut sa = self.table.take(ike_sa).ok_or(UnknownSa)?;
        let (state, outcome) = sa.command(&mut self.env(now), request);
        sa.state = state;
        self.table.insert(&self.config, sa);
        outcome
    }

    /// Handles a UDP payload that arrived at `to` (port 500 or 4500) from `from`.
    pub fn handle_datagram(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let path = Path { local: to, remote: from };
        if let Err(reason) = self.dispatch(now, path, payload) {
            self.events.push_back(Event::Dropped(reason));
        }
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
            self.transmits.push_back(transmit(Some(id), path, again));
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
        let mut head = self.new_head(Role::Responder, Received { path, tail: Tail::of(bytes) });
        head.spi_i = header.spi_i;
        head.spi_r = self.draw_ike_spi();
        match sa_init::answer(&mut head, &mut self.env(now), message, bytes) {
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
        self.transmits.push_back(transmit(None, path, outgoing));
    }

    /// Runs everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((_, id)) = self.table.next_timer().filter(|(deadline, _)| *deadline <= now) {
            let Some(mut sa) = self.table.take(id) else { continue };
            sa.handle_timeout(&mut self.env(now));
            self.table.insert(&self.config, sa);
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

    fn new_head(&mut self, role: Role, received: Received) -> Head {
        let id = IkeSaId(self.next_id);
        self.next_id += 1;
        Head {
            id,
            role,
            spi_i: IkeSpi::ZERO,
            spi_r: IkeSpi::ZERO,
            path: received.path,
            received,
            first_remote: received.path.remote,
            nat: NatStatus::default(),
            window: Window::default(),
            retransmit: RetransmitPolicy::default(),
        }
    }

    /// A non-zero SPI that no IKE SA of ours has.
    fn draw_ike_spi(&mut self) -> IkeSpi {
        loop {
            let mut octets = [0; 8];
            self.random.fill(Purpose::IkeSpi, &mut octets);
            let spi = IkeSpi::new(u64::from_be_bytes(octets));
            if !spi.is_zero() && self.table.by_spi(spi).is_none() {
                return spi;
            }
        }
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
