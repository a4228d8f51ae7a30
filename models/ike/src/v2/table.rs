//! The table of an endpoint's IKE SAs and the indexes that find them.
//!
//! An IKE SA is taken out, worked on, and put back; both keep every index in step with what the IKE SA has become, so
//! that no exchange has to know of any of them.

use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{ChildId, ConnectionId, EndpointConfig};
use crate::event::{DropReason, IkeSaId};
use crate::v2::Role;
use crate::v2::established::Established;
use crate::v2::ike_sa::{Head, IkeSa, State};
use crate::v2::request::{Pending, Request};
use crate::v2::uniqueness::{Contacts, Peers};
use crate::v2::window::Outgoing;
use crate::wire::IkeSpi;

/// The IKE SAs with the indexes that find them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    sas: BTreeMap<IkeSaId, (Box<IkeSa>, Keys)>,
    by_spi: BTreeMap<IkeSpi, IkeSaId>,
    by_request: BTreeMap<(SocketAddr, IkeSpi), IkeSaId>,
    by_connection: BTreeSet<(ConnectionId, IkeSaId)>,
    timers: BTreeSet<(Duration, IkeSaId)>,
    child_spis: BTreeSet<u32>,
    contacts: Contacts,
    half_open: usize,
    awaited: usize,
    /// Those of them that may still come up, by the address that began them. Who was refused has shown that it receives
    /// what is sent to its address, and need not show it with a cookie.
    half_open_of: BTreeMap<IpAddr, usize>,
}

/// What the indexes hold about one IKE SA.
#[derive(Clone, Copy, Debug)]
struct Keys {
    spi: IkeSpi,
    request: Option<(SocketAddr, IkeSpi)>,
    connection: Option<ConnectionId>,
    deadline: Option<Duration>,
    /// Nobody is authenticated.
    half_open: bool,
    /// Where the first request came from, when somebody may yet be.
    awaited: Option<IpAddr>,
}

impl Table {
    /// IKE SAs in any state.
    pub(crate) fn len(&self) -> usize {
        self.sas.len()
    }

    /// IKE SAs that a peer has begun and not authenticated.
    pub(crate) fn half_open(&self) -> usize {
        self.half_open
    }

    /// Those of them that may still come up.
    pub(crate) fn awaited(&self) -> usize {
        self.awaited
    }

    /// Those of them that `address` has begun and that may still come up.
    pub(crate) fn half_open_of(&self, address: IpAddr) -> usize {
        self.half_open_of.get(&address).copied().unwrap_or_default()
    }

    /// The IKE SA that has this SPI of ours.
    pub(crate) fn by_spi(&self, spi: IkeSpi) -> Option<IkeSaId> {
        self.by_spi.get(&spi).copied()
    }

    /// The IKE SA that a first request under `spi_i` from `remote` has made.
    pub(crate) fn by_request(&self, remote: SocketAddr, spi_i: IkeSpi) -> Option<IkeSaId> {
        self.by_request.get(&(remote, spi_i)).copied()
    }

    /// The next deadline and whose it is.
    pub(crate) fn next_timer(&self) -> Option<(Duration, IkeSaId)> {
        self.timers.first().copied()
    }

    /// The SPIs of ours with their IKE SAs.
    pub(crate) fn ike_spis(&self) -> &BTreeMap<IkeSpi, IkeSaId> {
        &self.by_spi
    }

    /// The inbound SPIs of all Child SAs, of an IKE SA that is taken out too.
    pub(crate) fn child_spis(&self) -> &BTreeSet<u32> {
        &self.child_spis
    }

    /// The established IKE SAs by their identities, one that is taken out too.
    pub(crate) fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// Takes an IKE SA out, and out of most indexes: not out of those that it is no longer in when it is put back.
    pub(crate) fn take(&mut self, id: IkeSaId) -> Option<Box<IkeSa>> {
        let (sa, keys) = self.sas.remove(&id)?;
        self.by_spi.remove(&keys.spi);
        if let Some(request) = keys.request {
            self.by_request.remove(&request);
        }
        if let Some(connection) = keys.connection {
            self.by_connection.remove(&(connection, id));
        }
        if let Some(deadline) = keys.deadline {
            self.timers.remove(&(deadline, id));
        }
        self.half_open -= usize::from(keys.half_open);
        if let Some(address) = keys.awaited {
            self.count_out(address);
        }
        Some(sa)
    }

    /// Puts an IKE SA in, unless it is closed.
    pub(crate) fn insert(&mut self, config: &EndpointConfig, sa: impl Into<Box<IkeSa>>) {
        let mut sa = sa.into();
        for spi in sa.head.indexed_spis.drain(..) {
            self.child_spis.remove(&spi);
        }
        self.index_peers(&mut sa);
        if matches!(sa.state, State::Closed) {
            return;
        }
        let id = sa.head.id;
        let keys = sa.keys(config);
        self.by_spi.insert(keys.spi, id);
        if let Some(request) = keys.request {
            self.by_request.insert(request, id);
        }
        if let Some(connection) = keys.connection {
            self.by_connection.insert((connection, id));
        }
        if let Some(deadline) = keys.deadline {
            self.timers.insert((deadline, id));
        }
        sa.head.indexed_spis = sa.child_spis();
        self.child_spis.extend(&sa.head.indexed_spis);
        self.half_open += usize::from(keys.half_open);
        if let Some(address) = keys.awaited {
            self.awaited += 1;
            *self.half_open_of.entry(address).or_default() += 1;
        }
        self.sas.insert(id, (sa, keys));
    }

    /// The identities of an IKE SA never change, only whether it counts.
    fn index_peers(&mut self, sa: &mut IkeSa) {
        let id = sa.head.id;
        match (sa.contact(), sa.head.indexed_peers.take()) {
            (Some((peers, connection)), None) => {
                self.contacts.insert(peers.clone(), id, connection);
                sa.head.indexed_peers = Some(peers);
            }
            (None, Some(peers)) => self.contacts.remove(&peers, id),
            (_, indexed) => sa.head.indexed_peers = indexed,
        }
    }

    fn count_out(&mut self, address: IpAddr) {
        self.awaited -= 1;
        match self.half_open_of.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.half_open_of.remove(&address);
            }
        }
    }

    /// The IKE SA with this number, if it is established.
    pub(crate) fn established(&self, id: IkeSaId) -> Option<&Established> {
        self.sas.get(&id).and_then(|(sa, _)| sa.established())
    }

    /// The established IKE SA with this number, to note what changes no index.
    pub(crate) fn established_mut(&mut self, id: IkeSaId) -> Option<&mut Established> {
        match &mut self.sas.get_mut(&id)?.0.state {
            State::Established(established) => Some(established),
            _ => None,
        }
    }

    /// The head of the IKE SA with this number, to note what changes no index.
    pub(crate) fn head_mut(&mut self, id: IkeSaId) -> Option<&mut Head> {
        self.sas.get_mut(&id).map(|(sa, _)| &mut sa.head)
    }

    /// All established IKE SAs, in order of their numbers.
    pub(crate) fn all_established(&self) -> impl Iterator<Item = (IkeSaId, &Established)> {
        self.sas.iter().filter_map(|(id, (sa, _))| sa.established().map(|established| (*id, established)))
    }

    /// The IKE SAs of `connection`, in order of their numbers.
    pub(crate) fn of_connection(&self, connection: ConnectionId) -> impl Iterator<Item = &IkeSa> {
        let ids = self.by_connection.range(range_of(connection));
        ids.filter_map(|(_, id)| self.sas.get(id).map(|(sa, _)| &**sa))
    }

    /// The IKE SA that will serve further Child SAs of `connection`: one that is up, or on its way there.
    pub(crate) fn serving(&self, connection: ConnectionId) -> Option<&IkeSa> {
        self.of_connection(connection).find(|sa| sa.can_serve())
    }

    /// What the IKE SA that serves `child`'s connection makes of a packet that needs a Child SA.
    pub(crate) fn prospect(&self, child: ChildId) -> Option<(IkeSaId, Prospect)> {
        self.serving(child.connection).map(|sa| (sa.head.id, sa.prospect(child)))
    }

    /// The stored answer to a first request that arrives again.
    pub(crate) fn repeated_first_response(&self, id: IkeSaId, bytes: &[u8]) -> Result<Outgoing, DropReason> {
        match self.sas.get(&id).map(|(sa, _)| &**sa) {
            Some(IkeSa { head, state: State::HalfOpen(half_open) }) if half_open.init.request == bytes => {
                head.window.repeat_response().ok_or(DropReason::MessageId)
            }
            _ => Err(DropReason::MessageId),
        }
    }
}

/// What an IKE SA makes of a packet that needs a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It has one, which was narrowed to other traffic.
    Covered,
    /// It is asking for one.
    Asking,
    /// One side has refused it.
    Refused,
    /// Nobody has asked for it.
    Open,
}

/// The places of a connection's IKE SAs in `by_connection`.
fn range_of(connection: ConnectionId) -> RangeInclusive<(ConnectionId, IkeSaId)> {
    (connection, IkeSaId(0))..=(connection, IkeSaId(u32::MAX))
}

impl IkeSa {
    fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            _ => None,
        }
    }

    /// The identities that it is between, when it counts as a contact of theirs.
    fn contact(&self) -> Option<(Arc<Peers>, ConnectionId)> {
        let established = self.established().filter(|established| !established.is_replaced())?;
        Some((established.peers.clone(), established.connection))
    }

    /// Whether further Child SAs can be asked for in it, now or when it is up.
    fn can_serve(&self) -> bool {
        match &self.state {
            State::SaInitSent(_) | State::AuthSent(_) => true,
            State::Established(established) => {
                !established.is_replaced() && !established.is_ending(&self.head)
            }
            _ => false,
        }
    }

    fn prospect(&self, child: ChildId) -> Prospect {
        let waits = |request: &Request| matches!(request, Request::CreateChild(wish) if wish.child == child);
        let (has, asks, refused) = match &self.state {
            State::SaInitSent(sent) => (false, sent.asks_for(child), false),
            State::AuthSent(sent) => (false, sent.asks_for(child), false),
            State::Established(sa) => {
                let asks = sa.awaits_child_of(&self.head, child);
                (sa.has_child_of(child), asks, sa.refused.contains(&child))
            }
            _ => (false, false, false),
        };
        match (has, asks || self.head.waiting.iter().any(waits), refused) {
            (_, true, _) => Prospect::Asking,
            (true, ..) => Prospect::Covered,
            (_, _, true) => Prospect::Refused,
            _ => Prospect::Open,
        }
    }

    /// The inbound SPIs of its Child SAs, of those under negotiation too.
    fn child_spis(&self) -> Vec<u32> {
        let asked = |pending: &Pending| match pending {
            Pending::Child(sent) => Some(sent.spi_in()),
            _ => None,
        };
        match &self.state {
            State::AuthSent(sent) => sent.spi_in().into_iter().collect(),
            State::Established(sa) => {
                let established = sa.children.iter().map(|child| child.spi_in);
                established.chain(sa.under_way.values().filter_map(asked)).collect()
            }
            _ => vec![],
        }
    }

    fn keys(&self, config: &EndpointConfig) -> Keys {
        let head = &self.head;
        Keys {
            spi: if head.role == Role::Initiator { head.spi_i } else { head.spi_r },
            request: (head.role == Role::Responder).then_some((head.first_remote, head.spi_i)),
            connection: self.connection(),
            deadline: self.deadline(config),
            half_open: matches!(
                self.state,
                State::HalfOpen(_) | State::Authenticating(_) | State::Refused(_)
            ),
            awaited: matches!(self.state, State::HalfOpen(_) | State::Authenticating(_))
                .then_some(head.first_remote.ip()),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::v2::ike_sa::{Head, Received};
    use crate::v2::window::{Path, Tail};

    fn config() -> EndpointConfig {
        EndpointConfig::new(Ipv4Addr::LOCALHOST.into(), vec![])
    }

    fn remote() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 500))
    }

    fn responder(id: u32, state: State) -> IkeSa {
        let path = Path { local: SocketAddr::from(([192, 0, 2, 2], 500)), remote: remote() };
        let received = Received { path, tail: Tail::of(&[]) };
        let mut head = Head::new(IkeSaId(id), Role::Responder, received);
        (head.spi_i, head.spi_r) = (IkeSpi::new(7), IkeSpi::new(u64::from(id)));
        IkeSa { head, state }
    }

    #[test]
    fn what_is_put_in_is_found_and_what_is_taken_out_is_nowhere() {
        let mut table = Table::default();
        let until = Duration::from_secs(30);
        table.insert(&config(), responder(1, State::Refused(until)));
        assert_eq!(table.by_spi(IkeSpi::new(1)), Some(IkeSaId(1)));
        assert_eq!(table.by_request(remote(), IkeSpi::new(7)), Some(IkeSaId(1)));
        assert_eq!((table.next_timer(), table.half_open(), table.len()), (Some((until, IkeSaId(1))), 1, 1));
        assert!(table.take(IkeSaId(1)).is_some());
        assert!(table.take(IkeSaId(1)).is_none());
        assert_eq!(table.by_spi(IkeSpi::new(1)), None);
        assert_eq!(table.by_request(remote(), IkeSpi::new(7)), None);
        assert_eq!((table.next_timer(), table.half_open(), table.len()), (None, 0, 0));
    }

    #[test]
    fn a_closed_ike_sa_is_not_kept() {
        let mut table = Table::default();
        table.insert(&config(), responder(1, State::Closed));
        assert_eq!((table.len(), table.by_spi(IkeSpi::new(1))), (0, None));
    }

    #[test]
    fn indexes_follow_a_change_of_state() {
        let mut table = Table::default();
        table.insert(&config(), responder(1, State::Refused(Duration::from_secs(30))));
        let mut sa = table.take(IkeSaId(1)).expect("it was put in");
        sa.state = State::Lingering(Duration::from_secs(9));
        table.insert(&config(), sa);
        assert_eq!((table.half_open(), table.next_timer()), (0, Some((Duration::from_secs(9), IkeSaId(1)))));
    }
}
