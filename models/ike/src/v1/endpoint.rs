//! The IKEv1 part of an endpoint: all its ISAKMP SAs, found by datagram, timer or command.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use crate::config::{ChildId, ConnectionId};
use crate::endpoint::{Acquired, Shared, UnknownSa};
use crate::event::{DropReason, Event, IkeSaId};
use crate::wire::TrafficSelector;

/// What only IKEv1 keeps.
#[derive(Debug, Default)]
pub(crate) struct IsakmpSas {
    child_spis: BTreeSet<u32>,
}

/// IKEv1 at work: what it keeps, and what it shares.
pub(crate) struct Endpoint<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) own: &'a mut IsakmpSas,
    /// The inbound SPIs of what IKEv2 has set up.
    pub(crate) foreign_spis: &'a BTreeSet<u32>,
}

impl IsakmpSas {
    pub(crate) fn child_spis(&self) -> &BTreeSet<u32> {
        &self.child_spis
    }
    pub(crate) fn next_timer(&self) -> Option<(Duration, IkeSaId)> {
        None
    }
    pub(crate) fn established(&self) -> impl Iterator<Item = (IkeSaId, ConnectionId, Vec<u32>)> {
        std::iter::empty()
    }
    pub(crate) fn len(&self) -> usize {
        0
    }
    pub(crate) fn contains(&self, _: IkeSaId) -> bool {
        false
    }
}

impl Endpoint<'_> {
    pub(crate) fn handle_datagram(&mut self, _: Duration, _: SocketAddr, _: SocketAddr, _: &[u8]) {
        self.shared.events.push_back(Event::Dropped(DropReason::NoConnection));
    }
    pub(crate) fn handle_timer(&mut self, _: Duration, _: IkeSaId) {}
    pub(crate) fn initiate(&mut self, _: Duration, _: ConnectionId) -> Option<IkeSaId> {
        None
    }
    pub(crate) fn initiate_ike(&mut self, _: Duration, _: ConnectionId) -> Option<IkeSaId> {
        None
    }
    pub(crate) fn initiate_child(&mut self, _: Duration, _: ChildId) -> Option<IkeSaId> {
        None
    }
    pub(crate) fn acquire(
        &mut self,
        _: Duration,
        _: ChildId,
        _: TrafficSelector,
        _: TrafficSelector,
    ) -> Acquired {
        Acquired::Impossible
    }
    pub(crate) fn terminate(&mut self, _: Duration, _: IkeSaId) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn close_child(&mut self, _: Duration, _: IkeSaId, _: u32) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn close_idle_child(&mut self, _: Duration, _: IkeSaId, _: u32) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn rekey_ike(&mut self, _: Duration, _: IkeSaId) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn rekey_child(&mut self, _: Duration, _: IkeSaId, _: u32) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn expire_child(&mut self, _: Duration, _: IkeSaId, _: u32) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn reauthenticate(&mut self, _: Duration, _: IkeSaId) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
    pub(crate) fn note_alive(&mut self, _: Duration, _: IkeSaId) {}
    pub(crate) fn note_sent(&mut self, _: Duration, _: IkeSaId) {}
    pub(crate) fn note_path(&mut self, _: Duration, _: IkeSaId, _: SocketAddr) -> Result<(), UnknownSa> {
        Err(UnknownSa)
    }
}
