//! The Child SAs of an ISAKMP SA: their renewal and their ends.

use super::exchanges::{Exchange, Work};
use super::{Established, Gate};
use crate::config::{ChildId, CloseAction};
use crate::event::{ChildProtocol, CloseReason, Event};
use crate::v1::child_sa::{ChildSa, Phase, Wish};
use crate::v1::isakmp_sa::{Env, Head};

impl Established {
    /// The Child SA that we receive with under this SPI.
    pub(crate) fn child(&self, spi_in: u32) -> Option<&ChildSa> {
        self.children.iter().find(|child| child.spi_in == spi_in)
    }

    pub(crate) fn child_mut(&mut self, spi_in: u32) -> Option<&mut ChildSa> {
        self.children.iter_mut().find(|child| child.spi_in == spi_in)
    }

    /// Whether a Child SA of this child is up.
    pub(crate) fn has_child_of(&self, child: ChildId) -> bool {
        self.children.iter().any(|sa| sa.child == child)
    }

    /// Whether one is being asked for.
    pub(crate) fn asks_for(&self, child: ChildId) -> bool {
        let asks = |exchange: &Exchange| match &exchange.work {
            Work::QuickBegun(begun) => begun.wish.child == child && begun.wish.rekeys.is_none(),
            _ => false,
        };
        self.exchanges.values().any(asks)
    }

    /// Whether a Quick Mode of ours may begin: one after another, as strongSwan has it.
    pub(crate) fn may_ask(&self) -> bool {
        let busy = self.exchanges.values().any(Exchange::asks);
        matches!(self.gate, Gate::Open) && !busy && !self.is_replaced()
    }

    /// Whether a Child SA is asked for beside those that the ISAKMP SA was set up for.
    pub(crate) fn is_later(&mut self, wish: &Wish) -> bool {
        wish.rekeys.is_some() || !self.first.remove(&wish.child)
    }

    /// The inbound SPIs of all Child SAs, of those under negotiation too.
    pub(crate) fn spis_in(&self) -> Vec<u32> {
        let of_child = |child: &ChildSa| child.inbound().map(|(_, spi)| spi).collect::<Vec<_>>();
        let asked = self.exchanges.values().flat_map(|exchange| match &exchange.work {
            Work::QuickBegun(begun) => begun.spis_in().collect(),
            Work::QuickAnswered(answered) => answered.spis_in().collect(),
            _ => vec![],
        });
        self.children.iter().flat_map(of_child).chain(asked).collect()
    }

    /// Renews Child SAs whose time has come, and ends those whose time is over.
    pub(super) fn tend_children(&mut self, head: &mut Head, env: &mut Env<'_>) {
        let is_due = |child: &&ChildSa| child.deadline().is_some_and(|at| at <= env.now);
        let due: Vec<_> = self.children.iter().filter(is_due).map(|child| child.spi_in).collect();
        for spi in due {
            let over = self.child(spi).and_then(|child| child.expires_at).is_some_and(|at| at <= env.now);
            if over {
                self.expire_child(head, env, spi);
            } else {
                self.rekey_child(head, env, spi);
            }
        }
    }

    /// Asks for the renewal of a Child SA; false when it is not one that can be renewed. One that has a newer twin is
    /// let go: two renewals have crossed, and one is enough.
    pub(crate) fn rekey_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32) -> bool {
        let Some(place) = self.children.iter().position(|child| child.spi_in == spi_in) else { return false };
        let (before, after) = self.children.split_at_mut(place + 1);
        let child = &mut before[place];
        if child.phase != Phase::Installed {
            return false;
        }
        child.rekey_at = None;
        let twin = |other: &ChildSa| {
            other.child == child.child && other.traffic == child.traffic && other.phase == Phase::Installed
        };
        if after.iter().any(twin) {
            return true;
        }
        child.phase = Phase::Rekeying;
        head.waiting.push_back(Wish { child: child.child, rekeys: Some(spi_in) });
        self.proceed(head, env);
        true
    }

    /// A Child SA is over. The peer is told, unless another has taken its place: then it ends by itself there.
    pub(crate) fn expire_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32) {
        let Some(child) = self.child(spi_in).cloned() else { return };
        let reason = if child.phase == Phase::Rekeyed { CloseReason::Rekeyed } else { CloseReason::Expired };
        if reason == CloseReason::Expired {
            self.send_child_delete(head, env, &child);
        }
        self.remove_child(head, env, spi_in, reason);
    }

    /// Deletes a Child SA.
    pub(crate) fn close_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32) -> bool {
        let Some(child) = self.child(spi_in).cloned() else { return false };
        self.send_child_delete(head, env, &child);
        self.remove_child(head, env, spi_in, CloseReason::Local);
        true
    }

    /// The peer has deleted the SA that it receives with under `spi`; false when it is none of ours.
    pub(crate) fn forget_child(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        protocol: ChildProtocol,
        spi: u32,
    ) -> bool {
        self.forget_offer(spi);
        let found = self.children.iter().find(|child| child.is_sent_with(protocol, spi));
        let Some((spi_in, phase, child)) = found.map(|child| (child.spi_in, child.phase, child.child)) else {
            return false;
        };
        let reason = if phase == Phase::Rekeyed { CloseReason::Rekeyed } else { CloseReason::Remote };
        self.remove_child(head, env, spi_in, reason);
        if reason == CloseReason::Remote && !self.has_child_of(child) {
            match env.config.child(child).close_action {
                CloseAction::None => {}
                CloseAction::Trap => env.events.push_back(Event::TrapWanted { child }),
                CloseAction::Start => {
                    head.waiting.push_back(Wish::fresh(child));
                    self.proceed(head, env);
                }
            }
        }
        true
    }

    /// The peer has deleted what a Quick Mode under way was to make: its third message has been overtaken, and finds
    /// nothing to finish.
    pub(super) fn forget_offer(&mut self, spi: u32) {
        let deleted = |exchange: &Exchange| match &exchange.work {
            Work::QuickAnswered(answered) => answered.is_sent_with(spi),
            _ => false,
        };
        self.exchanges.retain(|_, exchange| !deleted(exchange));
    }

    pub(super) fn remove_child(&mut self, head: &Head, env: &mut Env<'_>, spi_in: u32, reason: CloseReason) {
        self.children.retain(|child| child.spi_in != spi_in);
        env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in, reason });
    }
}
