//! The endpoint: all IKE SAs of one node, found by datagram, timer or command.
//!
//! Style A1 in full: input comes in through `handle_*` and commands, output waits in two queues, and the next
//! deadline is the least of one timer table. The endpoint never looks at a clock and draws no randomness but what its
//! owner's streams give. What the owner may ask for is in [`commands`], what becomes of a datagram in [`arrivals`].

mod arrivals;
mod commands;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;

use ipseclab_crypto::{Crypto, RandomSource, Work};

use crate::config::{ConnectionId, EndpointConfig, IKE_PORT};
use crate::event::{CloseReason, Event, FailureReason, IkeSaId, Transmit};
use crate::v2::Role;
use crate::v2::address_pool::AddressPools;
use crate::v2::child_sa::Wish;
use crate::v2::cookie::CookieJar;
use crate::v2::exchange::sa_init;
use crate::v2::goal::Goal;
use crate::v2::ike_sa::{Env, Head, IkeSa, Received, State};
use crate::v2::order::{Estate, Order, Plan};
use crate::v2::rate::PerSecond;
use crate::v2::request::Request;
use crate::v2::table::Table;
use crate::v2::window::{Path, Tail};

pub(crate) use arrivals::error_notification;
pub use commands::{Acquired, UnknownSa};

/// An IKEv2 endpoint without I/O.
pub struct Endpoint {
    config: EndpointConfig,
    crypto: Crypto,
    random: Box<dyn RandomSource>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    table: Table,
    orders: VecDeque<Order>,
    pools: AddressPools,
    next_id: u32,
    cookies: CookieJar,
    /// Answers to messages of unknown IKE SAs in the second that runs.
    unknown_spi_answers: PerSecond,
    counters: Counters,
}

/// What an endpoint has sent that belongs to no exchange of an IKE SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Demands for a cookie (RFC 7296 §2.6).
    pub cookies: u64,
    /// Answers to messages of unknown IKE SAs (RFC 7296 §2.21.4).
    pub unknown_spi: u64,
    /// NAT keepalives (RFC 3948 §2.3).
    pub keepalives: u64,
}

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
            pools: AddressPools::default(),
            next_id: 1,
            cookies: CookieJar::default(),
            unknown_spi_answers: PerSecond::default(),
            counters: Counters::default(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Begins an IKE SA; the first of `wishes` goes with it, the others follow.
    fn start(&mut self, now: Duration, plan: Plan) -> Option<IkeSaId> {
        let (connection, replaces) = (plan.connection, plan.replaces);
        let configured = self.config.connection(connection);
        let remote = configured.remote_address?;
        if self.table.len() >= self.config.limits.ike_sas {
            return None;
        }
        let usual = Path {
            local: SocketAddr::from((self.config.local_address, IKE_PORT)),
            remote: SocketAddr::from((remote, IKE_PORT)),
        };
        let path = plan.path.unwrap_or(usual);
        let spare = self.first_wish(connection).pop();
        let mut env = self.env(now);
        let received = Received { path, tail: Tail::of(&[]) };
        let mut head = Head::new(env.new_id(), Role::Initiator, received);
        head.spi_i = env.draw_ike_spi();
        head.settle(env.config.connection(connection));
        let (goal, wishes) = Goal::of(plan, spare);
        head.waiting.extend(wishes.map(Request::CreateChild));
        let id = head.id;
        env.events.push_back(Event::Initiated { ike_sa: id, connection, replaces });
        let state = sa_init::initiate(&mut head, &mut env, goal);
        self.table.insert(&self.config, IkeSa { head, state });
        Some(id)
    }

    fn command(&mut self, now: Duration, ike_sa: IkeSaId, request: Request) -> Result<(), UnknownSa> {
        let mut sa = self.table.take(ike_sa).ok_or(UnknownSa)?;
        let (state, outcome) = sa.command(&mut self.env(now), request);
        sa.state = state;
        self.table.insert(&self.config, sa);
        outcome
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
                Order::Initiate(plan) => {
                    // Without an address there is nobody to begin with: the peer must come back itself.
                    let _id = self.start(now, plan);
                }
                Order::Forget(ike_sa) => self.forget(now, ike_sa),
                Order::Supersede(ike_sa, remote) => self.supersede(now, ike_sa, remote),
            }
        }
    }

    /// Ends an established IKE SA that its peer no longer has.
    fn forget(&mut self, now: Duration, ike_sa: IkeSaId) {
        let Some(mut sa) = self.table.take(ike_sa) else { return };
        let state = std::mem::replace(&mut sa.state, State::Closed);
        sa.state = match state {
            State::Established(established) => {
                established.close(&mut sa.head, &mut self.env(now), CloseReason::Replaced)
            }
            other => other,
        };
        self.table.insert(&self.config, sa);
    }

    /// Sees to it that an IKE SA is deleted whose peer has set up another one from `remote`.
    fn supersede(&mut self, now: Duration, ike_sa: IkeSaId, remote: IpAddr) {
        let Some(mut sa) = self.table.take(ike_sa) else { return };
        if let State::Established(established) = &mut sa.state {
            established.supersede(&mut sa.head, &mut self.env(now), remote);
        }
        self.table.insert(&self.config, sa);
    }

    /// Hands the Child SAs of one IKE SA to the one that has taken its place.
    fn adopt(&mut self, now: Duration, estate: Estate) {
        let mut heir = self.table.take(estate.heir);
        match heir.as_deref_mut() {
            Some(IkeSa { head, state: State::Established(established) }) => {
                established.adopt(head, &mut self.env(now), estate);
            }
            _ => self.escheat(estate),
        }
        if let Some(heir) = heir {
            self.table.insert(&self.config, heir);
        }
    }

    /// The peer has deleted the heir before we knew that it was one: everything has ended with it.
    fn escheat(&mut self, estate: Estate) {
        let Estate { heir: ike_sa, children, waiting, .. } = estate;
        self.pools.release(ike_sa);
        let reason = CloseReason::Remote;
        let closed =
            children.iter().map(|child| Event::ChildSaClosed { ike_sa, spi_in: child.spi_in, reason });
        self.events.extend(closed);
        self.events.extend(waiting.into_iter().filter_map(|request| match request {
            Request::CreateChild(Wish { child, .. }) => {
                let (connection, reason) = (child.connection, FailureReason::Terminated);
                Some(Event::ChildSaFailed { ike_sa, connection, child: Some(child), reason })
            }
            _ => None,
        }));
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
        let transmit = self.transmits.pop_front()?;
        self.counters.keepalives += u64::from(transmit.message.keepalive);
        Some(transmit)
    }

    /// What went out beside the exchanges so far.
    pub fn counters(&self) -> Counters {
        self.counters
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

    /// Addresses of a pool that clients have now.
    pub fn leases_in_use(&self, pool: crate::config::PoolId) -> usize {
        self.pools.in_use(pool)
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
            contacts: self.table.contacts(),
            pools: &mut self.pools,
            next_id: &mut self.next_id,
            orders: &mut self.orders,
        }
    }
}
