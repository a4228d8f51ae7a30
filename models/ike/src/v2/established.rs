//! An authenticated IKE SA: its Child SAs, its timers, and which exchange gets which message.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{ChildId, CloseAction, Connection, ConnectionId, DpdAction, Reauthentication};
use crate::event::{CloseReason, Event, FailureReason, IkeSaId, PathChange};
use crate::identity::Identity;
use crate::v2::channel::Channel;
use crate::v2::child_sa::{ChildSa, Phase, Wish};
use crate::v2::configuration::{Addresses, Hosts};
use crate::v2::exchange::informational::ends_ike_sa;
use crate::v2::exchange::{create_child, rekey_ike};
use crate::v2::ike_sa::{Env, Head, State, is_fatal};
use crate::v2::order::{Estate, Order, Plan};
use crate::v2::request::{Pending, Request};
use crate::v2::schedule::Schedule;
use crate::v2::uniqueness::Peers;
use crate::wire::{ExchangeType, Message};

/// An authenticated IKE SA.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) connection: ConnectionId,
    pub(crate) peer_id: Identity,
    /// Both identities, to find the IKE SAs that have the same.
    pub(crate) peers: Arc<Peers>,
    /// Virtual addresses of both sides.
    pub(crate) addresses: Addresses,
    pub(crate) channel: Channel,
    pub(crate) children: Vec<ChildSa>,
    /// Children that one side has refused: asking again would end the same way.
    pub(crate) refused: BTreeSet<ChildId>,
    /// The last sign of life of the peer, in IKE or ESP.
    pub(crate) heard: Duration,
    /// Requests of ours under way, by Message ID.
    pub(crate) under_way: BTreeMap<u32, Pending>,
    pub(crate) schedule: Schedule,
    /// Children that the peer was too busy for, with the time to ask again.
    postponed: Vec<(Duration, Wish)>,
    /// When to delete this one because its peer has set up another one.
    superseded: Option<Duration>,
    /// Whether another IKE SA has taken this one's place.
    standing: Standing,
}

/// Whether an IKE SA is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is.
    Current,
    /// It has come out of a renewal that may cross another, and inherits when that is decided. When that has not
    /// happened by the given time, it is forgotten.
    Expectant(Duration),
    /// Another one has taken its place, or is about to; its creator deletes this one. When that has not happened by
    /// the given time, it is forgotten.
    Replaced(CloseReason, Duration),
}

impl Established {
    pub(crate) fn new(
        env: &Env<'_>,
        (connection, peer_id): (ConnectionId, Identity),
        peers: Arc<Peers>,
        channel: Channel,
        schedule: Schedule,
    ) -> Self {
        Self {
            connection,
            peer_id,
            peers,
            addresses: Addresses::default(),
            channel,
            children: vec![],
            refused: BTreeSet::new(),
            heard: env.now,
            under_way: BTreeMap::new(),
            schedule,
            postponed: vec![],
            superseded: None,
            standing: Standing::Current,
        }
    }

    /// The Child SA with this inbound SPI.
    pub(crate) fn child(&self, spi_in: u32) -> Option<&ChildSa> {
        self.children.iter().find(|child| child.spi_in == spi_in)
    }

    /// The Child SA with this inbound SPI, to change it.
    pub(crate) fn child_mut(&mut self, spi_in: u32) -> Option<&mut ChildSa> {
        self.children.iter_mut().find(|child| child.spi_in == spi_in)
    }

    /// What `dynamic` stands for in its Child SAs.
    pub(crate) fn hosts(&self, head: &Head) -> Hosts {
        self.addresses.hosts(head.path)
    }

    /// The peer has set up another IKE SA, from `remote`. From where this one is, that is a reauthentication, and the peer
    /// deletes this one itself in a moment.
    pub(crate) fn supersede(&mut self, head: &mut Head, env: &mut Env<'_>, remote: IpAddr) {
        if head.path.remote.ip() == remote {
            let at = env.now.saturating_add(env.config.limits.replaced_delay);
            self.superseded = Some(self.superseded.map_or(at, |earlier| earlier.min(at)));
        } else {
            self.request(head, env, Request::DeleteIke(CloseReason::Replaced));
        }
    }

    /// Whether another IKE SA has taken this one's place.
    pub(crate) fn is_replaced(&self) -> bool {
        self.standing != Standing::Current
    }

    /// Tells the owner where the Child SAs go from now on.
    pub(crate) fn announce_path(&self, head: &Head, env: &mut Env<'_>) {
        env.events.push_back(Event::PathChanged(PathChange {
            ike_sa: head.id,
            local: head.path.local,
            remote: head.path.remote,
            udp_encap: head.nat.detected(),
            children: self.children.iter().map(|child| child.spi_in).collect(),
        }));
    }

    /// The answer to a liveness check may show that a NAT has come or gone.
    fn note_nat(&self, head: &mut Head, env: &mut Env<'_>, answer: &Message) {
        if head.detect_nat(env, answer) {
            self.announce_path(head, env);
        }
    }

    /// For a packet that needs a Child SA of `child`: whether there is one that will stay.
    pub(crate) fn has_child_of(&self, child: ChildId) -> bool {
        self.children.iter().any(|sa| sa.child == child && !sa.is_ending())
    }

    /// Whether a Child SA of `child` is asked for already.
    pub(crate) fn awaits_child_of(&self, head: &Head, child: ChildId) -> bool {
        let waits = |request: &Request| matches!(request, Request::CreateChild(wish) if wish.child == child);
        let under_way = |pending: &Pending| matches!(pending, Pending::Child(sent) if sent.child() == child);
        let later = self.postponed.iter().any(|(_, wish)| wish.child == child);
        later || head.waiting.iter().any(waits) || self.under_way.values().any(under_way)
    }

    /// When something is due, besides repeated requests.
    pub(crate) fn deadline(&self, head: &Head, connection: &Connection) -> Option<Duration> {
        if let Standing::Replaced(_, until) | Standing::Expectant(until) = self.standing {
            return Some(until);
        }
        let dpd = connection.dpd_delay.filter(|_| head.window.is_idle());
        let liveness = dpd.map(|delay| self.heard.saturating_add(delay));
        let renewals = if self.is_ending(head) { None } else { self.schedule.next() };
        let children = self.children.iter().filter_map(ChildSa::deadline).min();
        let postponed = self.postponed.iter().map(|(at, _)| *at).min();
        [liveness, renewals, children, postponed, self.superseded].into_iter().flatten().min()
    }

    /// Asks for a Child SA again when the peer has had time.
    pub(crate) fn postpone(&mut self, env: &mut Env<'_>, wish: Wish) {
        let at = env.retry_at();
        self.postponed.push((at, wish));
    }

    fn ask_again(&mut self, head: &mut Head, env: &mut Env<'_>) {
        let (due, later) = self.postponed.drain(..).partition::<Vec<_>, _>(|(at, _)| *at <= env.now);
        self.postponed = later;
        for (_, wish) in due {
            self.request(head, env, Request::CreateChild(wish));
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= env.now);
        if let Some((reason, until)) = self.retired() {
            return if until <= env.now { self.close(head, env, reason) } else { State::Established(self) };
        }
        if due(self.schedule.end) && !self.is_ending(head) {
            return self.expire(head, env);
        }
        let (reauth, rekey) = (due(self.schedule.reauth), due(self.schedule.rekey));
        if due(self.superseded) {
            self.superseded = None;
            self.request(head, env, Request::DeleteIke(CloseReason::Replaced));
        }
        if reauth {
            self.schedule.reauth = None;
            self.reauthenticate(head, env);
        } else if rekey {
            self.schedule.rekey = None;
            self.request(head, env, Request::RekeyIke);
        }
        self.renew_children(head, env);
        self.ask_again(head, env);
        let delay = env.config.connection(self.connection).dpd_delay;
        if head.window.is_idle() && delay.is_some_and(|delay| self.heard.saturating_add(delay) <= env.now) {
            self.request(head, env, Request::Liveness);
        }
        State::Established(self)
    }

    fn renew_children(&mut self, head: &mut Head, env: &mut Env<'_>) {
        let is_due = |child: &&ChildSa| child.deadline().is_some_and(|at| at <= env.now);
        let due: Vec<_> = self.children.iter().filter(is_due).map(|child| child.spi_in).collect();
        for spi in due {
            self.renew_child(head, env, spi);
        }
    }

    /// Renews a Child SA whose time has come, or ends one whose time is over.
    fn renew_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32) {
        let now = env.now;
        let Some(child) = self.child_mut(spi_in) else { return };
        if child.expires_at.is_some_and(|at| at <= now) {
            child.expires_at = None;
            self.expire_child(head, env, spi_in);
        } else {
            child.rekey_at = None;
            self.rekey_child(head, env, spi_in);
        }
    }

    /// Asks for the renewal of a Child SA; false when it is not one that can be renewed.
    pub(crate) fn rekey_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32) -> bool {
        match self.child_mut(spi_in) {
            Some(child) if child.phase == Phase::Installed => {
                child.phase = Phase::Rekeying;
                self.request(head, env, Request::RekeyChild(spi_in))
            }
            _ => false,
        }
    }

    /// The hard limit of a Child SA: it ends, and if nothing has taken its place the next packet finds none.
    pub(crate) fn expire_child(&mut self, head: &mut Head, env: &mut Env<'_>, spi_in: u32) {
        if let Some(child) = self.child_mut(spi_in)
            && !child.is_ending()
        {
            child.phase = Phase::Deleting(CloseReason::Expired);
            self.request(head, env, Request::DeleteChild(spi_in));
        }
    }

    /// The hard limit of the IKE SA: the peer is told, and does not need to agree.
    fn expire(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        self.schedule = Schedule::default();
        self.request(head, env, Request::DeleteIke(CloseReason::Expired));
        State::Established(self)
    }

    /// Begins the reauthentication of the IKE SA, in the configured order (RFC 7296 §2.8.3).
    pub(crate) fn reauthenticate(&mut self, head: &mut Head, env: &mut Env<'_>) {
        match env.config.connection(self.connection).renewal.reauthentication {
            Reauthentication::BreakBeforeMake => {
                self.request(head, env, Request::DeleteIke(CloseReason::Rekeyed));
            }
            Reauthentication::MakeBeforeBreak => {
                let plan = Plan { replaces: Some(head.id), ..self.again(head, self.wishes_again(|_| true)) };
                env.orders.push_back(Order::Initiate(plan));
            }
        }
    }

    /// The same IKE SA once more, on the way that it has found: a peer on port 4500 is still there (RFC 7296 §2.23).
    fn again(&self, head: &Head, wishes: Vec<Wish>) -> Plan {
        let (addresses, path) = (self.addresses.local.clone(), Some(head.path));
        Plan { addresses, path, ..Plan::fresh(self.connection, wishes) }
    }

    /// The children that are up, to be asked for once more.
    fn wishes_again(&self, wanted: impl Fn(&ChildSa) -> bool) -> Vec<Wish> {
        let mut children: Vec<ChildId> =
            self.children.iter().filter(|child| wanted(child)).map(|child| child.child).collect();
        children.sort_unstable();
        children.dedup();
        children.into_iter().map(Wish::whole).collect()
    }

    /// Handles the decrypted answer to the request under way with its Message ID.
    pub(crate) fn handle_response(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        let id = message.header.message_id;
        head.window.complete(id);
        self.heard = env.now;
        match self.under_way.remove(&id.as_u32()) {
            _ if is_fatal(&message.payloads) => return self.close_and_linger(head, env),
            Some(Pending::DeleteIke(reason)) => return self.close(head, env, reason),
            Some(Pending::DeleteChild(spi)) => {
                let reason = self.child(spi).map_or(CloseReason::Local, ChildSa::local_reason);
                self.remove_child(head, env, spi, reason);
            }
            Some(Pending::Child(sent)) => create_child::handle_response(&mut self, head, env, *sent, message),
            Some(Pending::RekeyIke(sent)) => rekey_ike::handle_response(&mut self, head, env, *sent, message),
            Some(Pending::Liveness) => self.note_nat(head, env, message),
            None => {}
        }
        self.send_next(head, env);
        State::Established(self)
    }

    /// Handles a decrypted new request of the peer.
    pub(crate) fn handle_request(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        message: &Message,
    ) -> State {
        if self.is_too_early(message) {
            return State::Established(self);
        }
        self.heard = env.now;
        if message.header.exchange != ExchangeType::CreateChildSa {
            return self.handle_informational(head, env, message);
        }
        if rekey_ike::is_request(message) {
            rekey_ike::handle_request(&mut self, head, env, message);
        } else {
            create_child::handle_request(&mut self, head, env, message);
        }
        self.send_next(head, env);
        State::Established(self)
    }

    /// Takes a Child SA out and tells the owner. The one that has taken its place may be used from now on.
    pub(crate) fn remove_child(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        spi_in: u32,
        reason: CloseReason,
    ) {
        let Some(place) = self.children.iter().position(|child| child.spi_in == spi_in) else { return };
        let child = self.children.remove(place);
        if let Some(successor) = child.successor {
            self.use_child(head, env, successor);
        }
        env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in, reason });
    }

    /// Packets may go out on this Child SA.
    pub(crate) fn use_child(&mut self, head: &Head, env: &mut Env<'_>, spi_in: u32) {
        if let Some(child) = self.child_mut(spi_in)
            && std::mem::take(&mut child.waits_for_use)
        {
            env.events.push_back(Event::ChildSaReady { ike_sa: head.id, spi_in });
        }
    }

    /// Another IKE SA takes this one's place: it inherits the Child SAs and what waits. This one is kept for its peer's
    /// Delete, or for ours.
    pub(crate) fn bequeath(&mut self, head: &mut Head, env: &mut Env<'_>, heir: IkeSaId) {
        let children = std::mem::take(&mut self.children);
        let waiting = Self::heritage(head);
        let addresses = std::mem::take(&mut self.addresses);
        env.pools.inherit(head.id, heir);
        env.orders.push_back(Order::Adopt(Estate { heir, children, waiting, addresses }));
        env.events.push_back(Event::IkeSaRekeyed { old: head.id, new: heir });
        self.schedule = Schedule::default();
        self.replaced(head, env, CloseReason::Rekeyed);
    }

    /// The peer's Delete is awaited; when it is lost for good, nobody misses this IKE SA.
    pub(crate) fn replaced(&mut self, head: &Head, env: &Env<'_>, reason: CloseReason) {
        let until = env.now.saturating_add(head.retransmit.total());
        self.standing = Standing::Replaced(reason, until);
    }

    /// An IKE SA that has come out of a renewal, until it inherits.
    pub(crate) fn expect_estate(&mut self, head: &Head, env: &Env<'_>) {
        self.standing = Standing::Expectant(env.now.saturating_add(head.retransmit.total()));
    }

    /// Why and when an IKE SA that does not count ends, if nobody ends it before.
    fn retired(&self) -> Option<(CloseReason, Duration)> {
        match self.standing {
            Standing::Current => None,
            Standing::Expectant(until) => Some((CloseReason::Redundant, until)),
            Standing::Replaced(reason, until) => Some((reason, until)),
        }
    }

    /// Whether a request is about something that we shall only hear of with an answer that it has overtaken. It stays
    /// unanswered as if it had not arrived, and its repetition finds us ready.
    fn is_too_early(&self, message: &Message) -> bool {
        let estate = matches!(self.standing, Standing::Expectant(_)) && !ends_ike_sa(message);
        estate || self.awaits_child() && self.names_unknown_child(message)
    }

    /// Takes over what another IKE SA had.
    pub(crate) fn adopt(&mut self, head: &mut Head, env: &mut Env<'_>, estate: Estate) {
        self.standing = Standing::Current;
        self.children.extend(estate.children);
        self.addresses = estate.addresses;
        head.waiting.extend(estate.waiting);
        self.send_next(head, env);
    }

    /// The peer has ended the IKE SA: a request of ours needs no answer any more, only its repetitions do.
    pub(crate) fn close_and_linger(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        let rival = self.rekeying().and_then(|sent| sent.rival());
        if let Some(heir) = rival {
            // The renewal that the peer has finished and the one that we began crossed: the peer's stays (§2.25.2).
            self.under_way.clear();
            self.bequeath(head, env, heir);
        }
        let reason = self.retired().map_or(CloseReason::Remote, |(reason, _)| reason);
        self.close(head, env, reason);
        head.window.abandon();
        State::Lingering(env.linger_until())
    }

    /// Ends the IKE SA with all its Child SAs, and asks for what is to follow.
    pub(crate) fn close(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        reason: CloseReason,
    ) -> State {
        let successor = self.successor(head, env, reason);
        env.pools.release(head.id);
        let traps = self.traps(env, reason);
        self.abandon_requests(head, env);
        for child in std::mem::take(&mut self.children) {
            let reason = if reason == CloseReason::Rekeyed { CloseReason::Local } else { reason };
            env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in: child.spi_in, reason });
        }
        env.events.push_back(Event::IkeSaClosed { ike_sa: head.id, reason });
        env.events.extend(traps.into_iter().map(|child| Event::TrapWanted { child }));
        env.orders.extend(successor.map(Order::Initiate));
        State::Closed
    }

    /// What is set up again after the IKE SA has ended for `reason`.
    fn successor(&self, head: &Head, env: &Env<'_>, reason: CloseReason) -> Option<Plan> {
        let config = env.config;
        let wishes = match reason {
            CloseReason::PeerDead => {
                self.wishes_again(|sa| config.child(sa.child).dpd_action == DpdAction::Restart)
            }
            CloseReason::Remote => {
                self.wishes_again(|sa| config.child(sa.child).close_action == CloseAction::Start)
            }
            // Reauthentication has broken what it is to make again, with Child SAs or without.
            CloseReason::Rekeyed if !self.is_replaced() => {
                return Some(self.again(head, self.wishes_again(|_| true)));
            }
            CloseReason::Rekeyed
            | CloseReason::Local
            | CloseReason::Redundant
            | CloseReason::Expired
            | CloseReason::Replaced => vec![],
        };
        // Whoever is lost is looked for where it was configured to be, and not where it was last seen.
        let afresh = |wishes| Plan { path: None, ..self.again(head, wishes) };
        (!wishes.is_empty()).then(|| afresh(wishes))
    }

    /// The children that the next packet is to set up again after the IKE SA has ended for `reason`.
    fn traps(&self, env: &Env<'_>, reason: CloseReason) -> BTreeSet<ChildId> {
        let wanted = |child: ChildId| match reason {
            CloseReason::PeerDead => env.config.child(child).dpd_action == DpdAction::Trap,
            CloseReason::Remote => env.config.child(child).close_action == CloseAction::Trap,
            _ => false,
        };
        self.children.iter().map(|child| child.child).filter(|child| wanted(*child)).collect()
    }

    /// Nothing comes of what was asked for or waits.
    fn abandon_requests(&mut self, head: &mut Head, env: &mut Env<'_>) {
        for pending in std::mem::take(&mut self.under_way).into_values() {
            if let Pending::Child(sent) = pending {
                sent.abandon(head, env, FailureReason::Terminated);
            }
        }
        for request in std::mem::take(&mut head.waiting) {
            if let Request::CreateChild(wish) = request {
                head.child_failed(env, &wish, FailureReason::Terminated);
            }
        }
    }

    /// No answer came to any transmission of a request.
    pub(crate) fn give_up(self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        let asked = self.under_way.values().find_map(|pending| match pending {
            Pending::DeleteIke(reason) => Some(*reason),
            _ => None,
        });
        head.window.abandon();
        self.close(head, env, asked.unwrap_or(CloseReason::PeerDead))
    }
}
