//! How an ISAKMP SA ends, and how another takes its place.
//!
//! IKEv1 renews phase 1 by setting it up anew. As with strongSwan, the new ISAKMP SA takes the Child SAs over, and the old
//! one is deleted a little later. RFC 2409 says nothing of it: Child SAs live by themselves, and a Delete names them one
//! by one.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use super::Established;
use crate::config::{ChildId, CloseAction, DpdAction};
use crate::event::{CloseReason, Event, FailureReason, IkeSaId};
use crate::v1::child_sa::{ChildSa, Phase, Wish};
use crate::v1::isakmp_sa::{Env, Head, State};
use crate::v1::order::{Order, Plan};
use crate::v2::{Addresses, Role};

/// Whether an ISAKMP SA counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Current,
    /// Another one has taken its place; it is deleted at the given time.
    Replaced(IkeSaId, Duration),
    /// The same, and the peer has deleted it: until the given time it takes what that Delete has overtaken.
    Deleted(IkeSaId, Duration),
}

/// What an ISAKMP SA leaves to the one that takes its place.
#[derive(Debug)]
pub(crate) struct Estate {
    children: Vec<ChildSa>,
    waiting: VecDeque<Wish>,
    addresses: Addresses,
}

impl Established {
    /// Whether another one has taken its place.
    pub(crate) fn is_replaced(&self) -> bool {
        !matches!(self.standing, Standing::Current)
    }

    /// The peer has deleted it; false when nothing has taken its place.
    pub(crate) fn outlive_delete(&mut self, env: &Env<'_>) -> bool {
        let (Standing::Replaced(heir, until) | Standing::Deleted(heir, until)) = self.standing else {
            return false;
        };
        let soon = env.now.saturating_add(env.config.limits.replaced_delay);
        self.standing = Standing::Deleted(heir, until.min(soon));
        true
    }

    /// A Quick Mode has ended after another ISAKMP SA has taken this one's place: what it made goes there too.
    pub(crate) fn pass_on(&self, head: &Head, env: &mut Env<'_>) {
        if let Standing::Replaced(heir, _) | Standing::Deleted(heir, _) = self.standing {
            env.orders.push_back(Order::Succeed(heir, vec![head.id]));
        }
    }

    /// Another ISAKMP SA of the same connection between the same two, the youngest.
    pub(crate) fn heir(&self, head: &Head, env: &Env<'_>) -> Option<IkeSaId> {
        let others =
            env.contacts.between(&self.peers).filter(|(_, connection)| *connection == self.connection);
        others.map(|(id, _)| id).filter(|id| *id != head.id).max()
    }

    /// Sets up the ISAKMP SA that is to take this one's place, unless there is one already.
    pub(crate) fn renew(&mut self, head: &Head, env: &mut Env<'_>) {
        let mut others = env.contacts.between(&self.peers).filter(|(id, _)| *id > head.id);
        if others.all(|(_, connection)| connection != self.connection) {
            let plan = Plan {
                replaces: Some(head.id),
                path: Some(head.path),
                ..Plan::fresh(self.connection, vec![])
            };
            env.orders.push_back(Order::Initiate(plan));
        }
    }

    /// Another ISAKMP SA takes this one's place: hands over what it has, and waits for its Delete or to send one.
    ///
    /// Who has got the last message of phase 1 knows that both have the new one, and deletes the old one soon, as
    /// strongSwan does. The other side leaves its peer all the time that it may need: a Delete that came before would take
    /// the Child SAs along.
    pub(crate) fn bequeath(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        heir: IkeSaId,
        heir_role: Role,
    ) -> Estate {
        let aggressive = env.config.connection(self.connection).v1.aggressive;
        let is_sure = (heir_role == Role::Responder) == aggressive;
        let patience = if is_sure { env.config.limits.replaced_delay } else { head.retransmit.total() };
        if !self.is_replaced() {
            self.standing = Standing::Replaced(heir, env.now.saturating_add(patience));
        }
        self.exchanges.retain(|_, exchange| !exchange.asks());
        env.pools.inherit(head.id, heir);
        env.events.push_back(Event::IkeSaRekeyed { old: head.id, new: heir });
        let mut waiting = std::mem::take(&mut head.waiting);
        let mut children = std::mem::take(&mut self.children);
        // What was being renewed is renewed by the heir.
        for child in children.iter_mut().filter(|child| child.phase == Phase::Rekeying) {
            let wish = Wish { child: child.child, rekeys: Some(child.spi_in) };
            if !waiting.contains(&wish) {
                waiting.push_back(wish);
            }
        }
        Estate { children, waiting, addresses: std::mem::take(&mut self.addresses) }
    }

    /// Takes over what another ISAKMP SA had.
    pub(crate) fn adopt(&mut self, head: &mut Head, env: &mut Env<'_>, estate: Estate) {
        let newer = std::mem::replace(&mut self.children, estate.children);
        self.children.extend(newer);
        if self.addresses == Addresses::default() {
            self.addresses = estate.addresses;
        }
        head.waiting.extend(estate.waiting);
        self.proceed(head, env);
    }

    /// Deletes the ISAKMP SA with all its Child SAs, and tells the peer of each.
    pub(crate) fn delete(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        reason: CloseReason,
    ) -> State {
        for child in self.children.clone() {
            self.send_child_delete(head, env, &child);
        }
        self.send_delete(head, env);
        self.close(head, env, reason)
    }

    /// No answer came to any transmission: the peer is gone, and a login has failed.
    pub(super) fn give_up(self: Box<Self>, head: &mut Head, env: &mut Env<'_>, reason: CloseReason) -> State {
        self.close(head, env, reason)
    }

    /// Ends the ISAKMP SA with all its Child SAs, and asks for what is to follow.
    pub(crate) fn close(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        reason: CloseReason,
    ) -> State {
        let is_open = self.is_open();
        env.pools.release(head.id);
        let ids: Vec<_> = self.exchanges.keys().copied().collect();
        for id in ids {
            self.abandon_quick_mode(head, env, id, FailureReason::Terminated);
        }
        let wishes = std::mem::take(&mut head.waiting);
        if !is_open {
            // The set-up as a whole has failed, what was wished for with it.
            let failure = if reason == CloseReason::PeerDead {
                FailureReason::Timeout
            } else {
                FailureReason::XauthFailed
            };
            return head.fail(env, Some(self.connection), failure);
        }
        for wish in wishes {
            head.child_failed(env, &wish, FailureReason::Terminated);
        }
        let (wishes, traps) = self.sequel(env, reason);
        for child in std::mem::take(&mut self.children) {
            let reason = if reason == CloseReason::Rekeyed { CloseReason::Local } else { reason };
            env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in: child.spi_in, reason });
        }
        let reason = if self.is_replaced() { CloseReason::Rekeyed } else { reason };
        env.events.push_back(Event::IkeSaClosed { ike_sa: head.id, reason });
        env.events.extend(traps.into_iter().map(|child| Event::TrapWanted { child }));
        if !wishes.is_empty() {
            let wishes = wishes.into_iter().map(Wish::fresh).collect();
            env.orders.push_back(Order::Initiate(Plan::fresh(self.connection, wishes)));
        }
        State::Closed
    }

    /// The children that are set up again after the end, at once and with the next packet.
    pub(super) fn sequel(
        &self,
        env: &Env<'_>,
        reason: CloseReason,
    ) -> (BTreeSet<ChildId>, BTreeSet<ChildId>) {
        let config = |sa: &ChildSa| env.config.child(sa.child);
        let pick = |wanted: &dyn Fn(&ChildSa) -> bool| {
            self.children.iter().filter(|sa| wanted(sa)).map(|sa| sa.child).collect()
        };
        match reason {
            CloseReason::PeerDead => (
                pick(&|sa| config(sa).dpd_action == DpdAction::Restart),
                pick(&|sa| config(sa).dpd_action == DpdAction::Trap),
            ),
            CloseReason::Remote => (
                pick(&|sa| config(sa).close_action == CloseAction::Start),
                pick(&|sa| config(sa).close_action == CloseAction::Trap),
            ),
            _ => (BTreeSet::new(), BTreeSet::new()),
        }
    }
}
