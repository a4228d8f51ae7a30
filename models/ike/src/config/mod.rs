//! What an endpoint is configured with, in the vocabulary of strongSwan's `swanctl.conf`.
//!
//! Everything here is checked by its owner's file format before it arrives; the endpoint only reads it. Durations
//! count from the owner's epoch or are spans. What swanctl leaves to the daemon (`charon.*` in `strongswan.conf`) is
//! in [`EndpointConfig`]; its retransmission settings belong to a connection here.

mod auth;
mod child;
mod connection;
mod limits;
mod pool;
mod retransmit;
mod selectors;

use core::net::IpAddr;
use core::time::Duration;

use crate::credential::{Credentials, UnixTime};
use crate::profile::Profile;

pub use auth::{EapName, LocalAuth, LocalMethod, RemoteAuth, RemoteMethod, SendCert};
pub use child::{Child, CloseAction, DpdAction, Lifetime, Mode, Volume};
pub use connection::{
    Childless, Connection, Fragmentation, Reauthentication, Renewal, SignatureNaming, Unique,
};
pub use limits::Limits;
pub use pool::{Network, Pool, PoolAttribute, PoolError, PoolId, PoolRange};
pub use retransmit::RetransmitPolicy;
pub use selectors::{ConfiguredTs, TsEntry};

/// The UDP port of IKE (RFC 7296 §2).
pub const IKE_PORT: u16 = 500;
/// The UDP port of IKE and ESP behind a NAT (RFC 7296 §2.23, RFC 3948).
pub const NAT_T_PORT: u16 = 4500;

/// Everything that an [`Endpoint`](crate::v2::Endpoint) needs to know.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The address that this endpoint sends from.
    pub local_address: IpAddr,
    /// Connections, in order of preference.
    pub connections: Vec<Connection>,
    /// Pools of addresses that connections lend from.
    pub pools: Vec<Pool>,
    /// Secrets, keys, certificates and authorities of all connections.
    pub credentials: Credentials,
    /// The civil time at the owner's zero, by which certificates are judged.
    pub epoch: UnixTime,
    /// Bounds on what peers can make this endpoint keep.
    pub limits: Limits,
    /// Whose habits it has; the defaults in it are for whoever builds this configuration.
    pub profile: Profile,
    /// Whether transmitted messages carry their payload list, for ladders and logs.
    pub trace: bool,
}

/// The number of a connection: its place in [`EndpointConfig::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

/// The number of a child: its connection, and its place in [`Connection::children`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildId {
    /// The connection.
    pub connection: ConnectionId,
    /// The place among its children.
    pub place: u32,
}

impl EndpointConfig {
    /// The epoch unless configured: 2025-01-01 00:00:00 UTC.
    pub const DEFAULT_EPOCH: UnixTime = UnixTime::from_secs(1_735_689_600);

    /// A configuration with default limits and epoch, and without credentials.
    pub fn new(local_address: IpAddr, connections: Vec<Connection>) -> Self {
        Self {
            local_address,
            connections,
            pools: vec![],
            credentials: Credentials::default(),
            epoch: Self::DEFAULT_EPOCH,
            limits: Limits::default(),
            profile: Profile::default(),
            trace: false,
        }
    }

    /// The civil time when the owner's clock shows `now`.
    pub fn civil_time(&self, now: Duration) -> UnixTime {
        self.epoch.after(now)
    }

    /// The connection with this number.
    ///
    /// # Panics
    /// When the number is no place in the configuration.
    pub fn connection(&self, id: ConnectionId) -> &Connection {
        &self.connections[id.0 as usize]
    }

    /// The child with this number.
    ///
    /// # Panics
    /// When the number is no place in the configuration.
    pub fn child(&self, id: ChildId) -> &Child {
        &self.connection(id.connection).children[id.place as usize]
    }

    /// The pools that a connection lends from, in order; numbers that are no place in the configuration are left out.
    pub(crate) fn pools_of(&self, connection: &Connection) -> Vec<(PoolId, &Pool)> {
        let pools = connection.pools.iter();
        pools.filter_map(|id| self.pools.get(id.0 as usize).map(|pool| (*id, pool))).collect()
    }

    /// The children of a connection with their numbers, in order.
    pub fn children(&self, connection: ConnectionId) -> impl Iterator<Item = (ChildId, &Child)> {
        let children = self.connection(connection).children.iter();
        (0..).zip(children).map(move |(place, child)| (ChildId { connection, place }, child))
    }
}
