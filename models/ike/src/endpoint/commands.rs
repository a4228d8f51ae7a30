//! What the owner may ask of an endpoint.

use core::net::SocketAddr;
use core::time::Duration;

use super::Endpoint;
use crate::config::{ChildId, ConnectionId, IkeVersion};
use crate::event::IkeSaId;
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

/// Hands a command to the version that does it.
macro_rules! delegate {
    ($self:ident, $version:expr, $command:ident ( $($argument:expr),* )) => {
        match $version {
            IkeVersion::V1 => $self.v1().$command($($argument),*),
            IkeVersion::V2 => $self.v2().$command($($argument),*),
        }
    };
}

impl Endpoint {
    /// Begins an IKE SA with the first Child SA of its connection; `None` when the connection has no peer address or the
    /// table is full.
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn initiate(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        delegate!(self, self.version(connection), initiate(now, connection))
    }

    /// Begins an IKE SA without a Child SA where the peer allows that, else as [`initiate`](Self::initiate) does
    /// (RFC 6023). One that is up or on its way stays the only one.
    ///
    /// # Panics
    /// When `connection` is not a place in the configuration.
    pub fn initiate_ike(&mut self, now: Duration, connection: ConnectionId) -> Option<IkeSaId> {
        delegate!(self, self.version(connection), initiate_ike(now, connection))
    }

    /// Begins a Child SA, in the IKE SA that is up or on its way, else in a new one.
    ///
    /// # Panics
    /// When `child` is not a place in the configuration.
    pub fn initiate_child(&mut self, now: Duration, child: ChildId) -> Option<IkeSaId> {
        delegate!(self, self.version(child.connection), initiate_child(now, child))
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
        delegate!(self, self.version(child.connection), acquire(now, child, local, remote))
    }

    /// Deletes an IKE SA with all its Child SAs, or ends its negotiation.
    ///
    /// # Errors
    /// When there is no such IKE SA.
    pub fn terminate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), terminate(now, ike_sa))
    }

    /// Deletes the Child SA of `ike_sa` with this inbound SPI. The IKE SA stays, without Child SAs if need be.
    ///
    /// # Errors
    /// When there is no such IKE or Child SA, or too much waits for the peer already.
    pub fn close_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), close_child(now, ike_sa, spi_in))
    }

    /// Deletes an unused Child SA; the last one takes the IKE SA with it (strongSwan's `inactivity_close_ike`).
    ///
    /// # Errors
    /// When there is no such IKE or Child SA, or too much waits for the peer already.
    pub fn close_idle_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), close_idle_child(now, ike_sa, spi_in))
    }

    /// Renews the keys of an IKE SA (RFC 7296 §2.18).
    ///
    /// # Errors
    /// When there is no such established IKE SA, or too much waits for the peer already.
    pub fn rekey_ike(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), rekey_ike(now, ike_sa))
    }

    /// Renews the Child SA of `ike_sa` with this inbound SPI (RFC 7296 §2.8).
    ///
    /// # Errors
    /// When there is no such Child SA, or it is being renewed or deleted already.
    pub fn rekey_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), rekey_child(now, ike_sa, spi_in))
    }

    /// The hard limit of a Child SA's volume is reached: it ends.
    ///
    /// # Errors
    /// When there is no such Child SA.
    pub fn expire_child(&mut self, now: Duration, ike_sa: IkeSaId, spi_in: u32) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), expire_child(now, ike_sa, spi_in))
    }

    /// Sets an IKE SA up anew with a fresh authentication, in the order that its connection wants (RFC 7296 §2.8.3).
    ///
    /// # Errors
    /// When there is no such established IKE SA.
    pub fn reauthenticate(&mut self, now: Duration, ike_sa: IkeSaId) -> Result<(), UnknownSa> {
        delegate!(self, self.owner(ike_sa), reauthenticate(now, ike_sa))
    }

    /// The peer of `ike_sa` has shown life outside IKE: an ESP packet of one of its Child SAs arrived.
    pub fn note_alive(&mut self, now: Duration, ike_sa: IkeSaId) {
        delegate!(self, self.owner(ike_sa), note_alive(now, ike_sa));
    }

    /// An ESP packet went out to the peer of `ike_sa`: a NAT in front of us needs no keepalive for a while.
    pub fn note_sent(&mut self, now: Duration, ike_sa: IkeSaId) {
        delegate!(self, self.owner(ike_sa), note_sent(now, ike_sa));
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
        delegate!(self, self.owner(ike_sa), note_path(now, ike_sa, remote))
    }

    fn version(&self, connection: ConnectionId) -> IkeVersion {
        self.shared.config.connection(connection).version
    }

    /// The version of an IKE SA.
    fn owner(&self, ike_sa: IkeSaId) -> IkeVersion {
        if self.v1.contains(ike_sa) { IkeVersion::V1 } else { IkeVersion::V2 }
    }
}
