//! The table of an endpoint's ISAKMP SAs and the indexes that find them.
//!
//! An ISAKMP SA is taken out, worked on, and put back; both keep every index in step with what it has become.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{ChildId, ConnectionId, EndpointConfig};
use crate::datagram::Outgoing;
use crate::event::{DropReason, IkeSaId};
use crate::v1::conversation::{Arrival, Print};
use crate::v1::established::Established;
use crate::v1::exchange::phase1::Goal;
use crate::v1::isakmp_sa::{Head, IsakmpSa, State};
use crate::v2::{Contacts, Peers, Role};
use crate::wire::isakmp::Cookie;

/// The ISAKMP SAs with the indexes that find them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    sas: BTreeMap<IkeSaId, (Box<IsakmpSa>, Keys)>,
    by_cookie: BTreeMap<Cookie, IkeSaId>,
    by_request: BTreeMap<(SocketAddr, Cookie), IkeSaId>,
    timers: BTreeSet<(Duration, IkeSaId)>,
    child_spis: BTreeSet<u32>,
    contacts: Contacts,
    half_open: usize,
    half_open_of: BTreeMap<IpAddr, usize>,
}

/// What the indexes hold about one ISAKMP SA.
#[derive(Clone, Copy, Debug)]
struct Keys {
    cookie: Cookie,
    request: Option<(SocketAddr, Cookie)>,
    deadline: Option<Duration>,
    /// Where the first message came from, while nobody is authenticated.
    half_open: Option<IpAddr>,
}

/// What an ISAKMP SA makes of a packet that needs a Child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It has one, for other traffic.
    Covered,
    /// It is asking for one.
    Asking,
    /// One side has refused it.
    Refused,
    /// Nobody has asked for it.
    Open,
}

impl Table {
    /// ISAKMP SAs in any state.
    pub(crate) fn len(&self) -> usize {
        self.sas.len()
    }

    /// Whether there is one with this number.
    pub(crate) fn contains(&self, id: IkeSaId) -> bool {
        self.sas.contains_key(&id)
    }

    /// ISAKMP SAs that a peer has begun and not authenticated.
    pub(crate) fn half_open(&self) -> usize {
        self.half_open
    }

    /// Those of them that `address` has begun.
    pub(crate) fn half_open_of(&self, address: IpAddr) -> usize {
        self.half_open_of.get(&address).copied().unwrap_or_default()
    }

    /// The ISAKMP SA that has this cookie of ours.
    pub(crate) fn by_cookie(&self, cookie: Cookie) -> Option<IkeSaId> {
        self.by_cookie.get(&cookie).copied()
    }

    /// The ISAKMP SA that a first message under `cookie` from `remote` has made.
    pub(crate) fn by_request(&self, remote: SocketAddr, cookie: Cookie) -> Option<IkeSaId> {
        self.by_request.get(&(remote, cookie)).copied()
    }

    /// The next deadline and whose it is.
    pub(crate) fn next_timer(&self) -> Option<(Duration, IkeSaId)> {
        self.timers.first().copied()
    }

    /// Our cookies with their ISAKMP SAs.
    pub(crate) fn cookies(&self) -> &BTreeMap<Cookie, IkeSaId> {
        &self.by_cookie
    }

    /// The inbound SPIs of all Child SAs, of an ISAKMP SA that is taken out too.
    pub(crate) fn child_spis(&self) -> &BTreeSet<u32> {
        &self.child_spis
    }

    /// The established ISAKMP SAs by their identities, one that is taken out too.
    pub(crate) fn contacts(&self) -> &Contacts {
        &self.contacts
    }

    /// Takes an ISAKMP SA out.
    pub(crate) fn take(&mut self, id: IkeSaId) -> Option<Box<IsakmpSa>> {
        let (sa, keys) = self.sas.remove(&id)?;
        self.by_cookie.remove(&keys.cookie);
        if let Some(request) = keys.request {
            self.by_request.remove(&request);
        }
        if let Some(deadline) = keys.deadline {
            self.timers.remove(&(deadline, id));
        }
        if let Some(address) = keys.half_open {
            self.count_out(address);
        }
        Some(sa)
    }

    /// Puts an ISAKMP SA in, unless it is closed.
    pub(crate) fn insert(&mut self, config: &EndpointConfig, sa: impl Into<Box<IsakmpSa>>) {
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
        self.by_cookie.insert(keys.cookie, id);
        if let Some(request) = keys.request {
            self.by_request.insert(request, id);
        }
        if let Some(deadline) = keys.deadline {
            self.timers.insert((deadline, id));
        }
        if let Some(address) = keys.half_open {
            self.half_open += 1;
            *self.half_open_of.entry(address).or_default() += 1;
        }
        sa.head.indexed_spis = sa.established().map(Established::spis_in).unwrap_or_default();
        self.child_spis.extend(&sa.head.indexed_spis);
        self.sas.insert(id, (sa, keys));
    }

    /// The identities of an ISAKMP SA never change, only whether it counts.
    fn index_peers(&mut self, sa: &mut IsakmpSa) {
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
        self.half_open -= 1;
        match self.half_open_of.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.half_open_of.remove(&address);
            }
        }
    }

    /// The ISAKMP SA with this number, if it is established.
    pub(crate) fn established(&self, id: IkeSaId) -> Option<&Established> {
        self.sas.get(&id).and_then(|(sa, _)| sa.established())
    }

    /// The established ISAKMP SA with this number, to note what changes no index.
    pub(crate) fn established_mut(&mut self, id: IkeSaId) -> Option<&mut Established> {
        match &mut self.sas.get_mut(&id)?.0.state {
            State::Established(established) => Some(established),
            _ => None,
        }
    }

    /// The head of the ISAKMP SA with this number, to note what changes no index.
    pub(crate) fn head_mut(&mut self, id: IkeSaId) -> Option<&mut Head> {
        self.sas.get_mut(&id).map(|(sa, _)| &mut sa.head)
    }

    /// All established ISAKMP SAs, in order of their numbers.
    pub(crate) fn all_established(&self) -> impl Iterator<Item = (IkeSaId, &Established)> {
        self.sas.iter().filter_map(|(id, (sa, _))| sa.established().map(|established| (*id, established)))
    }

    /// The ISAKMP SA that will serve further Child SAs of `connection`: one that is up, or that we are setting up.
    pub(crate) fn serving(&self, connection: ConnectionId) -> Option<&IsakmpSa> {
        let sas = self.sas.values().map(|(sa, _)| &**sa);
        sas.filter(|sa| sa.connection() == Some(connection)).find(|sa| sa.can_serve())
    }

    /// What the ISAKMP SA that serves `child`'s connection makes of a packet that needs a Child SA.
    pub(crate) fn prospect(&self, child: ChildId) -> Option<(IkeSaId, Prospect)> {
        self.serving(child.connection).map(|sa| (sa.head.id, sa.prospect(child)))
    }

    /// The stored answer to a first message that arrives again.
    pub(crate) fn repeated_choice(&self, id: IkeSaId, print: Print) -> Result<Outgoing, DropReason> {
        let arrival = self.sas.get(&id).map(|(sa, _)| sa.head.phase1.classify(print));
        match arrival {
            Some(Arrival::Repeated(again)) => Ok(again),
            _ => Err(DropReason::MessageId),
        }
    }
}

impl IsakmpSa {
    pub(crate) fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            _ => None,
        }
    }

    /// The identities that it is between, when it counts as a contact of theirs.
    fn contact(&self) -> Option<(Arc<Peers>, ConnectionId)> {
        let counts = |sa: &&Established| sa.is_open() && !sa.is_replaced();
        let established = self.established().filter(counts)?;
        Some((established.peers.clone(), established.connection))
    }

    /// Its connection, once it is chosen for good.
    fn connection(&self) -> Option<ConnectionId> {
        match &self.state {
            State::MainMode(state) => state.goal().map(Goal::connection),
            State::AggressiveMode(state) => state.goal().map(Goal::connection),
            State::Established(sa) => Some(sa.connection),
            State::Closed => None,
        }
    }

    /// Whether further Child SAs can be asked for in it, now or when it is up.
    fn can_serve(&self) -> bool {
        match &self.state {
            State::MainMode(state) => state.goal().is_some(),
            State::AggressiveMode(state) => state.goal().is_some(),
            State::Established(established) => !established.is_replaced(),
            State::Closed => false,
        }
    }

    fn prospect(&self, child: ChildId) -> Prospect {
        let goal = match &self.state {
            State::MainMode(state) => state.goal(),
            State::AggressiveMode(state) => state.goal(),
            _ => None,
        };
        let planned = goal.is_some_and(|goal| goal.plan.wishes.iter().any(|wish| wish.child == child));
        let waits = self.head.waiting.iter().any(|wish| wish.child == child && wish.rekeys.is_none());
        let Some(sa) = self.established() else {
            return if planned || waits { Prospect::Asking } else { Prospect::Open };
        };
        if waits || sa.asks_for(child) {
            Prospect::Asking
        } else if sa.has_child_of(child) {
            Prospect::Covered
        } else if sa.refused.contains(&child) {
            Prospect::Refused
        } else {
            Prospect::Open
        }
    }

    fn keys(&self, config: &EndpointConfig) -> Keys {
        let head = &self.head;
        let is_guest = head.role == Role::Responder;
        let is_up = self.established().is_some();
        Keys {
            cookie: head.own_cookie(),
            request: is_guest.then_some((head.first_remote, head.cookies.initiator)),
            deadline: self.deadline(config),
            half_open: (is_guest && !is_up).then_some(head.first_remote.ip()),
        }
    }

    /// When something is due.
    fn deadline(&self, config: &EndpointConfig) -> Option<Duration> {
        let own = match &self.state {
            State::MainMode(state) => state.expires(),
            State::AggressiveMode(state) => state.expires(),
            State::Established(sa) => {
                let keepalive = self.head.keepalive_at(config);
                [sa.deadline(&self.head, config), keepalive].into_iter().flatten().min()
            }
            State::Closed => None,
        };
        [own, self.head.phase1.deadline()].into_iter().flatten().min()
    }
}
