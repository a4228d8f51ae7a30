//! The IKEv2 part of an endpoint: all its IKE SAs, found by datagram, timer or command.
//!
//! The queues, the configuration and whatever else both versions need come from around it ([`Shared`]); the next
//! deadline is the least of one timer table. What the owner may ask for is in [`commands`], what becomes of a datagram
//! in [`arrivals`].

mod arrivals;
mod commands;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use crate::config::{ConnectionId, IKE_PORT};
use crate::endpoint::{Shared, UnknownSa};
use crate::event::{CloseReason, Event, FailureReason, IkeSaId};
use crate::v2::Role;
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

/// What only IKEv2 keeps.
#[derive(Debug, Default)]
pub(crate) struct IkeSas {
    table: Table,
    orders: VecDeque<Order>,
    cookies: CookieJar,
    /// Answers to messages of unknown IKE SAs in the second that runs.
    unknown_spi_answers: PerSecond,
}

/// IKEv2 at work: what it keeps, and what it shares.
pub(crate) struct Endpoint<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) own: &'a mut IkeSas,
    /// The inbound SPIs of what IKEv1 has set up.
    pub(crate) foreign_spis: &'a BTreeSet<u32>,
}

impl IkeSas {
    /// The inbound SPIs of all Child SAs.
    pub(crate) fn child_spis(&self) -> &BTreeSet<u32> {
        self.table.child_spis()
    }

    /// When something is due, and for which IKE SA.
    pub(crate) fn next_timer(&self) -> Option<(Duration, IkeSaId)> {
        self.table.next_timer()
    }

    /// The established IKE SAs with the inbound SPIs of their Child SAs, in order of their numbers.
    pub(crate) fn established(&self) -> impl Iterator<Item = (IkeSaId, ConnectionId, Vec<u32>)> {
        self.table.all_established().map(|(id, established)| {
            let spis = established.children.iter().map(|child| child.spi_in).collect();
            (id, established.connection, spis)
        })
    }

    /// IKE SAs in any state.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Endpoint<'_> {
    /// Begins an IKE SA; the first of `wishes` goes with it, the others follow.
    fn start(&mut self, now: Duration, plan: Plan) -> Option<IkeSaId> {
        let (connection, replaces) = (plan.connection, plan.replaces);
        let configured = self.shared.config.connection(connection);
        let remote = configured.remote_address?;
        if self.own.table.len() >= self.shared.config.limits.ike_sas {
            return None;
        }
        let usual = Path {
            local: SocketAddr::from((self.shared.config.local_address, IKE_PORT)),
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
        self.own.table.insert(&self.shared.config, IkeSa { head, state });
        Some(id)
    }

    fn command(&mut self, now: Duration, ike_sa: IkeSaId, request: Request) -> Result<(), UnknownSa> {
        let mut sa = self.own.table.take(ike_sa).ok_or(UnknownSa)?;
        let (state, outcome) = sa.command(&mut self.env(now), request);
        sa.state = state;
        self.own.table.insert(&self.shared.config, sa);
        outcome
    }

    /// Does what the exchanges have asked for outside their own IKE SA.
    fn carry_out(&mut self, now: Duration) {
        while let Some(order) = self.own.orders.pop_front() {
            match order {
                Order::Insert(sa) => self.own.table.insert(&self.shared.config, *sa),
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
        let Some(mut sa) = self.own.table.take(ike_sa) else { return };
        let state = std::mem::replace(&mut sa.state, State::Closed);
        sa.state = match state {
            State::Established(established) => {
                established.close(&mut sa.head, &mut self.env(now), CloseReason::Replaced)
            }
            other => other,
        };
        self.own.table.insert(&self.shared.config, sa);
    }

    /// Sees to it that an IKE SA is deleted whose peer has set up another one from `remote`.
    fn supersede(&mut self, now: Duration, ike_sa: IkeSaId, remote: IpAddr) {
        let Some(mut sa) = self.own.table.take(ike_sa) else { return };
        if let State::Established(established) = &mut sa.state {
            established.supersede(&mut sa.head, &mut self.env(now), remote);
        }
        self.own.table.insert(&self.shared.config, sa);
    }

    /// Hands the Child SAs of one IKE SA to the one that has taken its place.
    fn adopt(&mut self, now: Duration, estate: Estate) {
        let mut heir = self.own.table.take(estate.heir);
        match heir.as_deref_mut() {
            Some(IkeSa { head, state: State::Established(established) }) => {
                established.adopt(head, &mut self.env(now), estate);
            }
            _ => self.escheat(estate),
        }
        if let Some(heir) = heir {
            self.own.table.insert(&self.shared.config, heir);
        }
    }

    /// The peer has deleted the heir before we knew that it was one: everything has ended with it.
    fn escheat(&mut self, estate: Estate) {
        let Estate { heir: ike_sa, children, waiting, .. } = estate;
        self.shared.pools.release(ike_sa);
        let reason = CloseReason::Remote;
        let closed =
            children.iter().map(|child| Event::ChildSaClosed { ike_sa, spi_in: child.spi_in, reason });
        self.shared.events.extend(closed);
        self.shared.events.extend(waiting.into_iter().filter_map(|request| match request {
            Request::CreateChild(Wish { child, .. }) => {
                let (connection, reason) = (child.connection, FailureReason::Terminated);
                Some(Event::ChildSaFailed { ike_sa, connection, child: Some(child), reason })
            }
            _ => None,
        }));
    }

    /// Runs the timer of one IKE SA.
    pub(crate) fn handle_timer(&mut self, now: Duration, id: IkeSaId) {
        let Some(mut sa) = self.own.table.take(id) else { return };
        sa.handle_timeout(&mut self.env(now));
        self.own.table.insert(&self.shared.config, sa);
        self.carry_out(now);
    }

    /// What exchanges work with.
    fn env(&mut self, now: Duration) -> Env<'_> {
        let shared = &mut *self.shared;
        Env {
            now,
            config: &shared.config,
            crypto: &mut shared.crypto,
            random: shared.random.as_mut(),
            transmits: &mut shared.transmits,
            events: &mut shared.events,
            child_spis: [self.own.table.child_spis(), self.foreign_spis],
            ike_spis: self.own.table.ike_spis(),
            contacts: self.own.table.contacts(),
            pools: &mut shared.pools,
            next_id: &mut shared.next_id,
            orders: &mut self.own.orders,
        }
    }
}
