//! The endpoint: all IKE SAs of one node, of both versions.
//!
//! Style A1 in full: input comes in through `handle_*` and commands, output waits in two queues, and the next
//! deadline is the least of two timer tables. The endpoint never looks at a clock and draws no randomness but what its
//! owner's streams give.
//!
//! IKEv2 and IKEv1 know nothing of each other. A datagram goes by the major version in its header, a command by the
//! version of its connection or by who has the IKE SA; what both need is in [`Shared`]. What the owner may ask for is
//! in [`commands`].

mod commands;
mod shared;

use core::net::SocketAddr;
use core::time::Duration;

use ipseclab_crypto::{Crypto, RandomSource, Work};

use crate::config::{ConnectionId, EndpointConfig, IkeVersion, NAT_T_PORT, PoolId};
use crate::event::{Event, IkeSaId, Transmit};
use crate::{v1, v2};

pub use commands::{Acquired, UnknownSa};
pub(crate) use shared::Shared;

/// Octets in front of the version in the header of a message, the same in both versions (RFC 2408 §3.1).
const VERSION_OFFSET: usize = 17;

/// An IKE endpoint without I/O.
pub struct Endpoint {
    shared: Shared,
    v1: v1::IsakmpSas,
    v2: v2::IkeSas,
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
        let shared = Shared::new(config, crypto, random);
        Self { shared, v1: v1::IsakmpSas::default(), v2: v2::IkeSas::default() }
    }

    /// The configuration.
    pub fn config(&self) -> &EndpointConfig {
        &self.shared.config
    }

    /// Handles a UDP payload that arrived at `to` (port 500 or 4500) from `from`.
    pub fn handle_datagram(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        match self.version_of(to.port(), payload) {
            IkeVersion::V1 => self.v1().handle_datagram(now, from, to, payload),
            IkeVersion::V2 => self.v2().handle_datagram(now, from, to, payload),
        }
    }

    /// Who is to judge a datagram: IKEv1 what says that it is IKEv1, if that is configured at all.
    fn version_of(&self, port: u16, payload: &[u8]) -> IkeVersion {
        let speaks_v1 =
            self.shared.config.connections.iter().any(|connection| connection.version == IkeVersion::V1);
        let marker = if port == NAT_T_PORT { 4 } else { 0 };
        match payload.get(VERSION_OFFSET + marker).map(|version| version >> 4) {
            Some(1) if speaks_v1 => IkeVersion::V1,
            _ => IkeVersion::V2,
        }
    }

    /// Runs everything that is due at `now`, in the order in which it became due.
    pub fn handle_timeout(&mut self, now: Duration) {
        let due = |timer: Option<(Duration, IkeSaId)>| timer.filter(|(deadline, _)| *deadline <= now);
        loop {
            match (due(self.v1.next_timer()), due(self.v2.next_timer())) {
                (None, None) => return,
                (Some(first), second) if second.is_none_or(|second| first < second) => {
                    self.v1().handle_timer(now, first.1);
                }
                (_, Some((_, id))) => self.v2().handle_timer(now, id),
                (Some((_, id)), None) => self.v1().handle_timer(now, id),
            }
        }
    }

    /// The next datagram to send; drain until `None` after every call that takes input.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.shared.transmits.pop_front()?;
        self.shared.counters.keepalives += u64::from(transmit.message.keepalive);
        Some(transmit)
    }

    /// What went out beside the exchanges so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters
    }

    /// The next event; drain until `None` after every call that takes input.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Duration> {
        let timers = [self.v1.next_timer(), self.v2.next_timer()];
        timers.into_iter().flatten().map(|(deadline, _)| deadline).min()
    }

    /// The cryptography done since the last call, for the owner to charge.
    pub fn take_work(&mut self) -> Vec<Work> {
        self.shared.crypto.take_work()
    }

    /// The established IKE SAs with the inbound SPIs of their Child SAs, in order of their numbers.
    pub fn established(&self) -> impl Iterator<Item = (IkeSaId, ConnectionId, Vec<u32>)> {
        let mut all: Vec<_> = self.v2.established().chain(self.v1.established()).collect();
        all.sort_unstable_by_key(|(id, ..)| *id);
        all.into_iter()
    }

    /// Addresses of a pool that clients have now.
    pub fn leases_in_use(&self, pool: PoolId) -> usize {
        self.shared.pools.in_use(pool)
    }

    /// IKE SAs in any state, those that only wait to be forgotten included.
    pub fn ike_sa_count(&self) -> usize {
        self.v1.len() + self.v2.len()
    }

    fn v1(&mut self) -> v1::Endpoint<'_> {
        v1::Endpoint { shared: &mut self.shared, own: &mut self.v1, foreign_spis: self.v2.child_spis() }
    }

    fn v2(&mut self) -> v2::Endpoint<'_> {
        v2::Endpoint { shared: &mut self.shared, own: &mut self.v2, foreign_spis: self.v1.child_spis() }
    }
}
