//! The IKEv1 part of an endpoint: all its ISAKMP SAs, found by datagram, timer or command.
//!
//! The queues, the configuration and whatever else both versions need come from around it ([`Shared`]). What the owner
//! may ask for is in [`commands`], what becomes of a datagram in [`arrivals`].

mod arrivals;
mod commands;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::config::{ConnectionId, IKE_PORT};
use crate::datagram::Path;
use crate::endpoint::Shared;
use crate::event::{ChildProtocol, CloseReason, Event, FailureReason, IkeSaId};
use crate::v1::conversation::{Overdue, Print};
use crate::v1::established::{Established, Estate};
use crate::v1::exchange::phase1::Goal;
use crate::v1::exchange::{aggressive_mode, main_mode};
use crate::v1::isakmp_sa::{Env, Head, IsakmpSa, Received, State};
use crate::v1::order::{Order, Plan};
use crate::v1::table::Table;
use crate::v2::{Peers, Role};

/// What only IKEv1 keeps.
#[derive(Debug, Default)]
pub(crate) struct IsakmpSas {
    table: Table,
    orders: VecDeque<Order>,
}

/// IKEv1 at work: what it keeps, and what it shares.
pub(crate) struct Endpoint<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) own: &'a mut IsakmpSas,
    /// The inbound SPIs of what IKEv2 has set up.
    pub(crate) foreign_spis: &'a BTreeSet<u32>,
}

impl IsakmpSas {
    /// The inbound SPIs of all Child SAs.
    pub(crate) fn child_spis(&self) -> &BTreeSet<u32> {
        self.table.child_spis()
    }

    /// When something is due, and for which ISAKMP SA.
    pub(crate) fn next_timer(&self) -> Option<(Duration, IkeSaId)> {
        self.table.next_timer()
    }

    /// The established ISAKMP SAs with the inbound SPIs of their Child SAs, in order of their numbers.
    pub(crate) fn established(&self) -> impl Iterator<Item = (IkeSaId, ConnectionId, Vec<u32>)> {
        let up = self.table.all_established().filter(|(_, established)| established.is_open());
        up.map(|(id, established)| {
            let spis = established.children.iter().map(|child| child.spi_in).collect();
            (id, established.connection, spis)
        })
    }

    /// ISAKMP SAs in any state.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is one with this number.
    pub(crate) fn contains(&self, id: IkeSaId) -> bool {
        self.table.contains(id)
    }
}

impl Endpoint<'_> {
    /// Begins phase 1 in the connection's mode.
    fn start(&mut self, now: Duration, plan: Plan) -> Option<IkeSaId> {
        let (connection, replaces) = (plan.connection, plan.replaces);
        let configured = self.shared.config.connection(connection);
        let usual = configured.remote_address.map(|remote| Path {
            local: SocketAddr::from((self.shared.config.local_address, IKE_PORT)),
            remote: SocketAddr::from((remote, IKE_PORT)),
        });
        let path = plan.path.or(usual)?;
        if self.shared.next_is_full(self.own.table.len()) {
            return None;
        }
        let (aggressive, retransmit) = (configured.v1.aggressive, configured.retransmit);
        let mut env = self.env(now);
        let received = Received { path, print: Print::of(&[]) };
        let mut head = Head::new(env.new_id(), Role::Initiator, received);
        head.cookies.initiator = env.draw_cookie();
        head.retransmit = retransmit;
        head.abilities.settle(env.config.connection(connection));
        let id = head.id;
        env.events.push_back(Event::Initiated { ike_sa: id, connection, replaces });
        let state = initiate(&mut head, &mut env, aggressive, Goal { plan });
        self.own.table.insert(&self.shared.config, IsakmpSa { head, state });
        Some(id)
    }

    /// Does what the exchanges have asked for outside their own ISAKMP SA.
    fn carry_out(&mut self, now: Duration) {
        while let Some(order) = self.own.orders.pop_front() {
            match order {
                Order::Initiate(plan) => {
                    // Without an address there is nobody to begin with: the peer must come back itself.
                    let _id = self.start(now, plan);
                }
                Order::Succeed(heir, old) => old.into_iter().for_each(|old| self.succeed(now, heir, old)),
                Order::Forget(id) => {
                    self.on_established(now, id, |sa, head, env| sa.close(head, env, CloseReason::Replaced));
                }
                Order::Retire(id) => {
                    self.on_established(now, id, |mut sa, head, env| {
                        if sa.outlive_delete(env) {
                            State::Established(sa)
                        } else {
                            sa.close(head, env, CloseReason::Remote)
                        }
                    });
                }
                Order::ForgetChild(peers, protocol, spi) => self.forget_child(now, &peers, protocol, spi),
            }
        }
    }

    /// Works on an established ISAKMP SA; false when there is none.
    fn on_established(
        &mut self,
        now: Duration,
        id: IkeSaId,
        work: impl FnOnce(Box<Established>, &mut Head, &mut Env<'_>) -> State,
    ) -> bool {
        let Some(mut sa) = self.own.table.take(id) else { return false };
        let (state, done) = match std::mem::replace(&mut sa.state, State::Closed) {
            State::Established(established) => (work(established, &mut sa.head, &mut self.env(now)), true),
            other => (other, false),
        };
        sa.state = state;
        self.own.table.insert(&self.shared.config, sa);
        done
    }

    /// Hands what one ISAKMP SA has to the one that takes its place.
    fn succeed(&mut self, now: Duration, heir: IkeSaId, old: IkeSaId) {
        if self.own.table.established(heir).is_none() || heir == old {
            return;
        }
        let role = self.own.table.head_mut(heir).map_or(Role::Responder, |head| head.role);
        let mut estate: Option<Estate> = None;
        self.on_established(now, old, |mut sa, head, env| {
            estate = Some(sa.bequeath(head, env, heir, role));
            State::Established(sa)
        });
        if let Some(estate) = estate {
            self.on_established(now, heir, |mut sa, head, env| {
                sa.adopt(head, env, estate);
                State::Established(sa)
            });
        }
    }

    /// The peer has deleted a Child SA that another ISAKMP SA between the same two has here.
    fn forget_child(&mut self, now: Duration, peers: &Arc<Peers>, protocol: ChildProtocol, spi: u32) {
        let ids: Vec<_> = self.own.table.contacts().between(peers).map(|(id, _)| id).collect();
        for id in ids {
            self.on_established(now, id, |mut sa, head, env| {
                sa.forget_child(head, env, protocol, spi);
                State::Established(sa)
            });
        }
    }

    /// Runs the timer of one ISAKMP SA.
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
            cookies: self.own.table.cookies(),
            contacts: self.own.table.contacts(),
            pools: &mut shared.pools,
            next_id: &mut shared.next_id,
            orders: &mut self.own.orders,
        }
    }
}

fn initiate(head: &mut Head, env: &mut Env<'_>, aggressive: bool, goal: Goal) -> State {
    if aggressive { aggressive_mode::initiate(head, env, goal) } else { main_mode::initiate(head, env, goal) }
}

impl IsakmpSa {
    /// Does what is due.
    fn handle_timeout(&mut self, env: &mut Env<'_>) {
        if self.head.keepalive_at(env.config).is_some_and(|at| at <= env.now) && self.established().is_some()
        {
            self.head.send_keepalive(env);
        }
        match self.head.phase1.on_timeout(env.now, self.head.retransmit) {
            Overdue::Repeat(again) => self.head.transmit(env, self.head.path, again),
            Overdue::GaveUp => return self.give_up(env),
            Overdue::NotDue => {}
        }
        let expires = match &self.state {
            State::MainMode(state) => state.expires(),
            State::AggressiveMode(state) => state.expires(),
            _ => None,
        };
        if expires.is_some_and(|at| at <= env.now) {
            return self.give_up(env);
        }
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Established(sa) => sa.handle_timeout(&mut self.head, env),
            other => other,
        };
    }

    /// The peer does not go on with phase 1: it is tried again as often as is configured.
    fn give_up(&mut self, env: &mut Env<'_>) {
        let (goal, reason, aggressive) = match std::mem::replace(&mut self.state, State::Closed) {
            State::MainMode(state) => (state.goal().cloned(), state.silence(), false),
            State::AggressiveMode(state) => (state.goal().cloned(), state.silence(), true),
            other => {
                self.state = other;
                return;
            }
        };
        let connection = goal.as_ref().map(Goal::connection);
        self.head.attempts += 1;
        let tries = connection.map_or(1, |id| env.config.connection(id).keying_tries);
        if let Some(goal) = goal.filter(|_| tries == 0 || self.head.attempts < tries) {
            let cookie = env.draw_cookie();
            self.head.begin_again(cookie);
            self.head.abilities.settle(env.config.connection(goal.connection()));
            self.state = initiate(&mut self.head, env, aggressive, goal);
        } else {
            self.fail(env, connection, reason);
        }
    }

    /// Ends a negotiation, with everything that waited for it.
    pub(super) fn fail(
        &mut self,
        env: &mut Env<'_>,
        connection: Option<ConnectionId>,
        reason: FailureReason,
    ) {
        self.state = self.head.fail(env, connection, reason);
    }
}
