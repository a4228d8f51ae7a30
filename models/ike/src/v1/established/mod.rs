//! An ISAKMP SA that is up: its Child SAs, the exchanges under way, dead peer detection, and its end.

mod children;
mod exchanges;
mod liveness;
mod succession;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{ChildId, ConnectionId, IkeVersion};
use crate::event::{CloseReason, Event, IkeSaEstablished, IkeSaId, PathChange};
use crate::identity::Identity;
use crate::v1::child_sa::ChildSa;
use crate::v1::cipher::{Iv, MessageCipher};
use crate::v1::exchange::phase1::Secured;
use crate::v1::isakmp_sa::{Env, Head, State};
use crate::v1::keys::IsakmpKeys;
use crate::v1::offer::Phase1;
use crate::v1::order::Order;
use crate::v2::{Addresses, Peers};
use crate::wire::IkeSpi;
use crate::wire::isakmp::MessageId;
use exchanges::Seen;
pub(crate) use exchanges::{Exchange, Work, envelope};
use liveness::Dpd;
pub(crate) use succession::Estate;
use succession::Standing;

/// An ISAKMP SA that is up.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: ConnectionId,
    pub(crate) peer_id: Identity,
    pub(crate) peers: Arc<Peers>,
    pub(crate) agreed: Phase1,
    pub(crate) keys: IsakmpKeys,
    pub(crate) cipher: MessageCipher,
    /// The last block of phase 1, which the IVs of all other exchanges come from.
    pub(crate) phase1_iv: Iv,
    pub(crate) children: Vec<ChildSa>,
    /// The exchanges under way, and those whose last message the peer may have missed.
    pub(crate) exchanges: BTreeMap<MessageId, Exchange>,
    seen: Seen,
    pub(crate) gate: Gate,
    dpd: Dpd,
    /// The last sign of life of the peer.
    pub(crate) heard: Duration,
    rekey_at: Option<Duration>,
    ends_at: Option<Duration>,
    standing: Standing,
    /// Children that one side has refused.
    pub(crate) refused: BTreeSet<ChildId>,
    pub(crate) addresses: Addresses,
    /// The ISAKMP SA that goes when this one is up.
    pub(crate) replaces: Option<IkeSaId>,
    /// The children that it was set up for, until they were asked for.
    first: BTreeSet<ChildId>,
}

/// What has to happen before Child SAs can be asked for.
#[derive(Debug)]
pub(crate) enum Gate {
    /// Extended authentication is under way.
    Login,
    /// A virtual address is being asked for.
    Configuring,
    /// Nothing.
    Open,
}

impl Established {
    pub(crate) fn new(
        env: &mut Env<'_>,
        (connection, peer_id): (ConnectionId, Identity),
        peers: Arc<Peers>,
        secured: Secured,
    ) -> Self {
        let renewal = env.config.connection(connection).renewal;
        let soft = [renewal.rekey_time, renewal.reauth_time].into_iter().flatten().min();
        let rekey_at = env.renewal_at(soft, renewal.rand_time);
        let own_end = rekey_at.map(|at| at.saturating_add(renewal.over_time));
        let theirs = secured.agreed.lives.seconds.map(Duration::from_secs);
        let their_end = theirs.map(|life| env.now.saturating_add(life));
        // What the peer has asked for counts where it is less than we would give.
        let sooner = their_end.filter(|theirs| own_end.is_none_or(|own| *theirs < own));
        let Secured { agreed, keys, cipher, iv, .. } = secured;
        let sequence = crate::v1::exchange::informational::first_sequence(env);
        Self {
            connection,
            peer_id,
            peers,
            agreed,
            keys,
            cipher,
            phase1_iv: iv,
            children: vec![],
            exchanges: BTreeMap::new(),
            seen: Seen::default(),
            gate: Gate::Open,
            dpd: Dpd { sequence, asked: None },
            heard: env.now,
            rekey_at: rekey_at.map(|at| sooner.map_or(at, |end| at.min(before(env.now, end)))),
            ends_at: [own_end, their_end].into_iter().flatten().min(),
            standing: Standing::Current,
            refused: BTreeSet::new(),
            addresses: Addresses::default(),
            replaces: None,
            first: BTreeSet::new(),
        }
    }

    /// The ISAKMP SA is up, as far as phase 1 goes: goes on to what must come before Child SAs, or to those.
    pub(crate) fn begin(&mut self, head: &mut Head, env: &mut Env<'_>) {
        self.first = head.waiting.iter().map(|wish| wish.child).collect();
        if !self.begin_login(head, env) {
            self.open(head, env);
        }
    }

    /// Both sides are authenticated in every way that is wanted.
    pub(crate) fn open(&mut self, head: &mut Head, env: &mut Env<'_>) {
        self.gate = Gate::Open;
        env.events.push_back(Event::IkeSaEstablished(Box::new(IkeSaEstablished {
            ike_sa: head.id,
            version: IkeVersion::V1,
            connection: self.connection,
            replaces: self.replaces,
            role: head.role,
            spi_i: IkeSpi::new(head.cookies.initiator.as_u64()),
            spi_r: IkeSpi::new(head.cookies.responder.as_u64()),
            proposal: self.agreed.chosen,
            peer_id: self.peer_id.clone(),
            local: head.path.local,
            remote: head.path.remote,
            nat_detected: head.nat.detected(),
        })));
        if let Some(old) = self.replaces {
            env.orders.push_back(Order::Succeed(head.id, vec![old]));
        }
        self.begin_configuration(head, env);
        self.proceed(head, env);
    }

    /// Whether it is more than a login under way.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.gate, Gate::Login)
    }

    /// The message in hand is the peer's.
    pub(crate) fn note_authentic(&mut self, head: &mut Head, env: &mut Env<'_>, id: MessageId) {
        self.seen.insert(id);
        self.note_alive(env.now);
        let before = head.path;
        head.follow_peer();
        if head.path != before && !self.children.is_empty() {
            self.tell_path(head, env);
        }
    }

    /// The peer has shown life.
    pub(crate) fn note_alive(&mut self, now: Duration) {
        self.heard = self.heard.max(now);
        self.dpd.asked = None;
    }

    /// When something is due.
    pub(crate) fn deadline(
        &self,
        head: &Head,
        env_config: &crate::config::EndpointConfig,
    ) -> Option<Duration> {
        let exchanges = self.exchanges.values().filter_map(Exchange::deadline).min();
        let children = self.children.iter().filter_map(ChildSa::deadline).min();
        let (rekey, dpd) = match self.standing {
            Standing::Replaced(_, until) | Standing::Deleted(_, until) => {
                return [Some(until), exchanges].into_iter().flatten().min();
            }
            Standing::Current => (self.rekey_at, self.dpd_at(head, env_config)),
        };
        [exchanges, children, rekey, self.ends_at, dpd].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        let now = env.now;
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        match self.standing {
            Standing::Replaced(_, until) if until <= now => {
                self.send_delete(head, env);
                return self.close(head, env, CloseReason::Rekeyed);
            }
            Standing::Deleted(_, until) if until <= now => {
                return self.close(head, env, CloseReason::Rekeyed);
            }
            _ => {}
        }
        if due(self.ends_at) {
            let Some(heir) = self.heir(head, env) else {
                return self.delete(head, env, CloseReason::Expired);
            };
            self.ends_at = None;
            env.orders.push_back(Order::Succeed(heir, vec![head.id]));
            return State::Established(self);
        }
        if let Err(reason) = self.repeat_messages(head, env) {
            return self.give_up(head, env, reason);
        }
        if self.is_replaced() {
            return State::Established(self);
        }
        if due(self.rekey_at) {
            self.rekey_at = None;
            self.renew(head, env);
        }
        self.tend_children(head, env);
        if due(self.dpd_at(head, env.config)) {
            return self.ask_for_life(head, env);
        }
        State::Established(self)
    }

    /// The peer's ESP packets come from `remote` now: its NAT has given it another outside.
    pub(crate) fn note_path(&mut self, head: &mut Head, env: &mut Env<'_>, remote: SocketAddr) {
        if head.nat.local || remote == head.path.remote {
            return;
        }
        head.path.remote = remote;
        self.tell_path(head, env);
    }

    fn tell_path(&self, head: &Head, env: &mut Env<'_>) {
        env.events.push_back(Event::PathChanged(PathChange {
            ike_sa: head.id,
            local: head.path.local,
            remote: head.path.remote,
            udp_encap: head.nat.detected(),
            children: self.children.iter().map(|child| child.spi_in).collect(),
        }));
    }
}

/// Nine tenths of the way from `now` to `end`: a lifetime that the peer has asked for is not waited out.
fn before(now: Duration, end: Duration) -> Duration {
    now.saturating_add(end.saturating_sub(now) / 10 * 9)
}
