//! What the owner may ask of an endpoint.

use core::net::SocketAddr;
use core::time::Duration;

use crate::config::{ChildId, Childless, ConnectionId};
use crate::event::{CloseReason, IkeSaId};
use crate::v2::child_sa::Wish;
use crate::v2::endpoint::Endpoint;
use crate::v2::established::Established;
use crate::v2::ike_sa::{Env, Head, State};
use crate::v2::order::Plan;
use crate::v2::request::Request;
use crate::v2::table::Prospect;
use crate::wire::TrafficSelector;

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
    /// Begins an IKE SA with the first Child SA of its connection; `None` when the connection has no peer address or the
    /// table is full.
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn initiate(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        let wishes = self.first_wish(connection);
        let id = self.start(now, Plan::fresh(connection, wishes));
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
        let needs_child = self.config.connection(connection).childless == Childless::Never;
        let wishes = if needs_child { self.first_wish(connection) } else { vec![] };
        let id = self.start(now, Plan::fresh(connection, wishes));
        self.carry_out(now);
        id
    }

    /// Begins a Child SA, in the IKE SA that is up or on its way, else in a new one. One that is up stays the only one of
    /// its kind.
    ///
    /// # Panics
    /// When `child` is not a place in the configuration.
    pub fn initiate_child(&mut self, now: Duration, child: ChildId) -> Option<IkeSaId> {
        if let Some((id, Prospect::Covered)) = self.table.prospect(child) {
            return Some(id);
        }
        let wish = Wish::whole(child);
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
        let wish = Wish::for_packet(child, local, remote);
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

    pub(super) fn first_wish(&self, connection: ConnectionId) -> Vec<Wish> {
        let mut children = self.config.children(connection).map(|(id, _)| id);
        children.next().map(Wish::whole).into_iter().collect()
    }

    /// Asks for a Child SA in the IKE SA that serves its connection, or in a new one.
    fn ask_for(&mut self, now: Duration, wish: Wish) -> Option<IkeSaId> {
        let connection = wish.child.connection;
        let Some(id) = self.table.serving(connection).map(|sa| sa.head.id) else {
            return self.start(now, Plan::fresh(connection, vec![wish]));
        };
        self.command(now, id, Request::CreateChild(wish)).ok().map(|()| id)
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

    /// An ESP packet went out to the peer of `ike_sa`: a NAT in front of us needs no keepalive for a while.
    pub fn note_sent(&mut self, now: Duration, ike_sa: IkeSaId) {
        if let Some(head) = self.table.head_mut(ike_sa) {
            head.last_sent = head.last_sent.max(now);
        }
    }

    /// An authentic ESP packet of `ike_sa`'s peer came from `remote`: a NAT in front of it has given it another outside.
    ///
    /// The peer is asked there first, since an old packet may have been held back and sent from anywhere; when it
    /// answers, [`Event::PathChanged`](crate::Event::PathChanged) tells of its new place (RFC 7296 §2.23). Whoever is
    /// behind a NAT itself does not follow.
    ///
    /// # Errors
    /// When there is no such established IKE SA.
    pub fn note_path(&mut self, now: Duration, ike_sa: IkeSaId, remote: SocketAddr) -> Result<(), UnknownSa> {
        self.on_established(now, ike_sa, |sa, head, env| {
            if !head.nat.local && remote != head.path.remote && head.candidate != Some(remote) {
                head.candidate = Some(remote);
                sa.request(head, env, Request::Liveness);
            }
            true
        })
    }

    fn order(&mut self, now: Duration, ike_sa: IkeSaId, request: Request) -> Result<(), UnknownSa> {
        let outcome = self.command(now, ike_sa, request);
        self.carry_out(now);
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
}
