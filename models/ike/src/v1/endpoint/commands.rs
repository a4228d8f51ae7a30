//! What the owner may ask of an endpoint, as far as IKEv1 does it; [`crate::Endpoint`] says what each means.

use core::net::SocketAddr;
use core::time::Duration;

use crate::config::{ChildId, ConnectionId};
use crate::endpoint::{Acquired, UnknownSa};
use crate::event::{CloseReason, FailureReason, IkeSaId};
use crate::v1::child_sa::Wish;
use crate::v1::endpoint::Endpoint;
use crate::v1::established::Established;
use crate::v1::exchange::phase1::Goal;
use crate::v1::isakmp_sa::{Env, Head, State};
use crate::v1::order::Plan;
use crate::v1::table::Prospect;
use crate::wire::TrafficSelector;

impl Endpoint<'_> {
    /// Begins an ISAKMP SA with the first Child SA of its connection.
    pub(crate) fn initiate(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        let first = self.shared.config.children(connection).map(|(id, _)| Wish::fresh(id)).next();
        let id = self.start(now, Plan::fresh(connection, first.into_iter().collect()));
        self.carry_out(now);
        id
    }

    /// Begins an ISAKMP SA without a Child SA: in IKEv1 phase 1 needs none.
    pub(crate) fn initiate_ike(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        if let Some(serving) = self.own.table.serving(connection) {
            return Some(serving.head.id);
        }
        let id = self.start(now, Plan::fresh(connection, vec![]));
        self.carry_out(now);
        id
    }

    /// Begins a Child SA, in the ISAKMP SA that is up or on its way, else in a new one.
    pub(crate) fn initiate_child(&mut self, now: Duration, child: ChildId) -> Option<IkeSaId> {
        let id = self.ask_for(now, child);
        self.carry_out(now);
        id
    }

    /// A packet needs the Child SA of `child`. Its own selectors are not offered: a Child SA of IKEv1 has one for each
    /// side.
    pub(crate) fn acquire(
        &mut self,
        now: Duration,
        child: ChildId,
        _local: TrafficSelector,
        _remote: TrafficSelector,
    ) -> Acquired {
        let acquired = match self.own.table.prospect(child) {
            Some((id, Prospect::Refused)) => Acquired::Refused(id),
            Some((id, Prospect::Covered)) => Acquired::Covered(id),
            Some((id, Prospect::Asking)) => Acquired::InProgress(id),
            Some((_, Prospect::Open)) => {
                self.ask_for(now, child).map_or(Acquired::Impossible, Acquired::InProgress)
            }
            None => self.ask_for(now, child).map_or(Acquired::Impossible, Acquired::Started),
        };
        self.carry_out(now);
        acquired
    }

    /// Asks for a Child SA in the ISAKMP SA that serves its connection, or in a new one.
    fn ask_for(&mut self, now: Duration, child: ChildId) -> Option<IkeSaId> {
        let wish = Wish::fresh(child);
        let Some(id) = self.own.table.serving(child.connection).map(|sa| sa.head.id) else {
            return self.start(now, Plan::fresh(child.connection, vec![wish]));
        };
        let mut sa = self.own.table.take(id)?;
        let room = sa.head.waiting.len() < self.shared.config.limits.queued_requests;
        if room {
            sa.head.waiting.push_back(wish);
            if let State::Established(established) = &mut sa.state {
                established.proceed(&mut sa.head, &mut self.env(now));
            }
        }
        self.own.table.insert(&self.shared.config, sa);
        room.then_some(id)
    }

    /// Deletes an ISAKMP SA with all its Child SAs, or ends its negotiation.
    pub(crate) fn terminate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        let mut sa = self.own.table.take(ike_sa).ok_or(UnknownSa)?;
        let mut env = self.env(now);
        sa.state = match std::mem::replace(&mut sa.state, State::Closed) {
            State::Established(established) => established.delete(&mut sa.head, &mut env, CloseReason::Local),
            State::MainMode(state) => {
                let connection = state.goal().map(Goal::connection);
                sa.head.fail(&mut env, connection, FailureReason::Terminated)
            }
            State::AggressiveMode(state) => {
                let connection = state.goal().map(Goal::connection);
                sa.head.fail(&mut env, connection, FailureReason::Terminated)
            }
            State::Closed => State::Closed,
        };
        self.own.table.insert(&self.shared.config, sa);
        self.carry_out(now);
        Ok(())
    }

    /// Deletes the Child SA of `ike_sa` with this inbound SPI.
    pub(crate) fn close_child(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        spi_in: u32,
    ) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, |sa, head, env| sa.close_child(head, env, spi_in))
    }

    /// Deletes an unused Child SA; the last one takes the ISAKMP SA with it.
    pub(crate) fn close_idle_child(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        spi_in: u32,
    ) -> Result<(), UnknownSa> {
        let last = matches!(self.own.table.established(ike_sa).ok_or(UnknownSa)?.children.as_slice(), [_]);
        if last { self.terminate(now, ike_sa) } else { self.close_child(now, ike_sa, spi_in) }
    }

    /// Renews phase 1 by setting a new one up.
    pub(crate) fn rekey_ike(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, |sa, head, env| {
            sa.renew(head, env);
            true
        })
    }

    /// Renews the Child SA of `ike_sa` with this inbound SPI.
    pub(crate) fn rekey_child(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        spi_in: u32,
    ) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, |sa, head, env| sa.rekey_child(head, env, spi_in))
    }

    /// The hard limit of a Child SA's volume is reached: it ends.
    pub(crate) fn expire_child(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        spi_in: u32,
    ) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, |sa, head, env| {
            let known = sa.child(spi_in).is_some();
            sa.expire_child(head, env, spi_in);
            known
        })
    }

    /// The same as renewing phase 1: IKEv1 authenticates anew each time.
    pub(crate) fn reauthenticate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        self.rekey_ike(now, ike_sa)
    }

    /// The peer of `ike_sa` has shown life outside IKE.
    pub(crate) fn note_alive(&mut self, now: Duration, ike_sa: IkeSaId) {
        if let Some(established) = self.own.table.established_mut(ike_sa) {
            established.note_alive(now);
        }
    }

    /// An ESP packet went out to the peer of `ike_sa`.
    pub(crate) fn note_sent(&mut self, now: Duration, ike_sa: IkeSaId) {
        if let Some(head) = self.own.table.head_mut(ike_sa) {
            head.last_sent = head.last_sent.max(now);
        }
    }

    /// An authentic ESP packet of `ike_sa`'s peer came from `remote`: ours go there from now on (RFC 3948 §3, RFC 3947
    /// §6), unless we are behind a NAT ourselves.
    pub(crate) fn note_path(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        remote: SocketAddr,
    ) -> Result<(), UnknownSa> {
        self.order(now, ike_sa, |sa, head, env| {
            sa.note_path(head, env, remote);
            true
        })
    }

    /// Works on an established ISAKMP SA; `work` says whether it could.
    fn order(
        &mut self,
        now: Duration,
        ike_sa: IkeSaId,
        work: impl FnOnce(&mut Established, &mut Head, &mut Env<'_>) -> bool,
    ) -> Result<(), UnknownSa> {
        let mut done = false;
        self.on_established(now, ike_sa, |mut sa, head, env| {
            done = work(&mut sa, head, env);
            State::Established(sa)
        });
        self.carry_out(now);
        if done { Ok(()) } else { Err(UnknownSa) }
    }
}
