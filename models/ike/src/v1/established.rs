//! An ISAKMP SA that is up: its Child SAs, the exchanges under way, dead peer detection, and its end.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::config::{ChildId, CloseAction, ConnectionId, DpdAction, IkeVersion};
use crate::event::{
    ChildProtocol, CloseReason, DropReason, Event, FailureReason, IkeSaEstablished, IkeSaId, PathChange,
};
use crate::identity::Identity;
use crate::v1::V1Exchange;
use crate::v1::child_sa::{ChildSa, Phase, Wish};
use crate::v1::cipher::{Iv, MessageCipher, Opened};
use crate::v1::conversation::{Arrival, Awaits, Conversation, Overdue};
use crate::v1::exchange::phase1::Secured;
use crate::v1::exchange::{quick_mode, transaction};
use crate::v1::isakmp_sa::{Env, Envelope, Head, State};
use crate::v1::keys::IsakmpKeys;
use crate::v1::offer::Phase1;
use crate::v1::order::{Order, Plan};
use crate::v2::{Addresses, Peers, Role};
use crate::wire::IkeSpi;
use crate::wire::isakmp::{ExchangeType, Header, KnownVendorId, MessageId, Payload};

/// Message IDs of the peer's that are remembered, so that no exchange is begun twice. Ours: more than there are while
/// any key of phase 1 lives, but for peers that ask every second.
const SEEN_MAX: usize = 4096;

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

/// Whether an ISAKMP SA counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Current,
    /// Another one has taken its place; it is deleted at the given time.
    Replaced(IkeSaId, Duration),
    /// The same, and the peer has deleted it: until the given time it takes what that Delete has overtaken.
    Deleted(IkeSaId, Duration),
}

/// Dead peer detection (RFC 3706).
#[derive(Clone, Copy, Debug)]
struct Dpd {
    /// The number of our next question.
    sequence: u32,
    /// Since when the peer owes an answer, and when it is asked again.
    asked: Option<(Duration, Duration)>,
}

/// Message IDs that the peer, or we, have used.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<MessageId>,
    order: VecDeque<MessageId>,
}

/// An exchange of an ISAKMP SA that is up.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) conversation: Conversation,
    pub(crate) iv: Iv,
    pub(crate) work: Work,
}

/// How far an exchange has come.
#[derive(Debug)]
pub(crate) enum Work {
    QuickBegun(Box<quick_mode::Begun>),
    QuickAnswered(Box<quick_mode::Answered>),
    /// Ours: what we have sent awaits its answer.
    Transaction(transaction::Asked),
    /// It is over; our last message is sent again when the peer has missed it, until the given time.
    Done(Duration),
}

impl Seen {
    /// Notes an ID; false when it was there.
    fn insert(&mut self, id: MessageId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

impl Exchange {
    pub(crate) fn new(iv: Iv, work: Work) -> Self {
        Self { conversation: Conversation::default(), iv, work }
    }

    /// Seals and sends the next message.
    pub(crate) fn send(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        cipher: &MessageCipher,
        (envelope, payloads): (Envelope, &[Payload]),
        awaits: Awaits,
    ) {
        let message = head.seal(env, (cipher, &mut self.iv), envelope, payloads);
        self.conversation.send(env.now, head.retransmit, message.clone(), awaits);
        head.transmit(env, head.path, message);
    }

    /// It is over but for what the peer may have missed.
    pub(crate) fn finish(&mut self, head: &Head, env: &Env<'_>) {
        self.work = Work::Done(env.now.saturating_add(head.retransmit.total()));
    }

    fn deadline(&self) -> Option<Duration> {
        match self.work {
            Work::Done(until) => Some(until),
            _ => self.conversation.deadline(),
        }
    }

    /// Whether it is a Quick Mode that we have begun.
    fn asks(&self) -> bool {
        matches!(self.work, Work::QuickBegun(_))
    }
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

    /// Whether it is more than a login under way.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.gate, Gate::Login)
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

    /// A message ID that nobody has used.
    pub(crate) fn new_message_id(&mut self, env: &mut Env<'_>) -> MessageId {
        loop {
            let id = env.draw_message_id();
            if self.seen.insert(id) {
                return id;
            }
        }
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

    /// Handles a message that is not one of phase 1.
    pub(crate) fn handle(
        self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        header: &Header,
        bytes: &[u8],
    ) -> (State, Result<(), DropReason>) {
        let id = header.message_id;
        if let Some(exchange) = self.exchanges.get(&id) {
            match exchange.conversation.classify(head.received.print) {
                Arrival::Repeated(again) => {
                    head.transmit(env, head.received.path, again);
                    return (State::Established(self), Ok(()));
                }
                Arrival::Old => return (State::Established(self), Err(DropReason::MessageId)),
                Arrival::New => {}
            }
            return self.go_on(head, env, id, bytes);
        }
        if self.seen.ids.contains(&id) {
            return (State::Established(self), Err(DropReason::MessageId));
        }
        let iv = self.cipher.exchange_iv(env.crypto, &self.phase1_iv, id);
        let Ok(opened) = self.cipher.open(env.crypto, bytes, &iv) else {
            return (State::Established(self), Err(DropReason::NotAuthentic));
        };
        self.begin_answer(head, env, header, opened)
    }

    /// Handles the first message of an exchange that the peer begins.
    fn begin_answer(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        header: &Header,
        opened: Opened,
    ) -> (State, Result<(), DropReason>) {
        match header.exchange {
            ExchangeType::QuickMode if matches!(self.gate, Gate::Login) => {
                (State::Established(self), Err(DropReason::Unexpected))
            }
            ExchangeType::QuickMode => {
                let outcome = self.answer_quick_mode(head, env, opened);
                (State::Established(self), outcome)
            }
            ExchangeType::Informational => {
                let id = header.message_id;
                let expected = self.keys.hash_1(env.crypto, id, opened.behind_first());
                if let Err(reason) = opened.check_hash(&expected) {
                    return (State::Established(self), Err(reason));
                }
                self.note_authentic(head, env, id);
                (self.handle_informational(head, env, &opened.message), Ok(()))
            }
            ExchangeType::Transaction => self.answer_transaction(head, env, opened),
            _ => (State::Established(self), Err(DropReason::Unexpected)),
        }
    }

    /// Handles a further message of an exchange.
    fn go_on(
        mut self: Box<Self>,
        head: &mut Head,
        env: &mut Env<'_>,
        id: MessageId,
        bytes: &[u8],
    ) -> (State, Result<(), DropReason>) {
        let opened = match self.open_next(env, id, bytes) {
            Ok(opened) => opened,
            Err(reason) => return (State::Established(self), Err(reason)),
        };
        self.note_authentic(head, env, id);
        let Some(Exchange { mut conversation, work, .. }) = self.exchanges.remove(&id) else {
            return (State::Established(self), Err(DropReason::MessageId));
        };
        conversation.accept(head.received.print);
        let (message, iv) = (opened.message, opened.next_iv);
        let exchange = Exchange { conversation, iv, work: Work::Done(env.now) };
        match work {
            Work::QuickBegun(begun) => self.conclude_quick_mode(head, env, (exchange, begun), &message),
            Work::QuickAnswered(answered) => self.confirm_quick_mode(head, env, id, (exchange, answered)),
            Work::Transaction(asked) => {
                return (self.conclude_transaction(head, env, (exchange, asked), &message), Ok(()));
            }
            Work::Done(_) => {}
        }
        (State::Established(self), Ok(()))
    }

    /// Decrypts the next message of an exchange and checks its hash.
    fn open_next(&self, env: &mut Env<'_>, id: MessageId, bytes: &[u8]) -> Result<Opened, DropReason> {
        let exchange = self.exchanges.get(&id).ok_or(DropReason::MessageId)?;
        let opened =
            self.cipher.open(env.crypto, bytes, &exchange.iv).map_err(|_| DropReason::NotAuthentic)?;
        let expected = match &exchange.work {
            Work::QuickBegun(begun) => begun.expected(env.crypto, &self.keys, &opened),
            Work::QuickAnswered(answered) => answered.expected(env.crypto, &self.keys, &opened),
            Work::Transaction(_) => self.keys.hash_1(env.crypto, id, opened.behind_first()),
            Work::Done(_) => return Err(DropReason::MessageId),
        };
        opened.check_hash(&expected)?;
        Ok(opened)
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

    fn dpd_at(&self, head: &Head, config: &crate::config::EndpointConfig) -> Option<Duration> {
        let delay = config
            .connection(self.connection)
            .dpd_delay
            .filter(|_| head.abilities.has(KnownVendorId::Dpd))?;
        match self.dpd.asked {
            Some((since, next)) => Some(next.min(since.saturating_add(self.dpd_timeout(head, config)))),
            None => Some(self.heard.saturating_add(delay)),
        }
    }

    fn dpd_timeout(&self, head: &Head, config: &crate::config::EndpointConfig) -> Duration {
        config.connection(self.connection).v1.dpd_timeout.unwrap_or_else(|| head.retransmit.total())
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

    /// Sends again what is due, and forgets what is over; an error ends the ISAKMP SA.
    fn repeat_messages(&mut self, head: &mut Head, env: &mut Env<'_>) -> Result<(), CloseReason> {
        let now = env.now;
        self.exchanges.retain(|_, exchange| !matches!(exchange.work, Work::Done(until) if until <= now));
        let ids: Vec<_> = self.exchanges.keys().copied().collect();
        for id in ids {
            let Some(exchange) = self.exchanges.get_mut(&id) else { continue };
            match exchange.conversation.on_timeout(now, head.retransmit) {
                Overdue::NotDue => {}
                Overdue::Repeat(again) => head.transmit(env, head.path, again),
                Overdue::GaveUp => self.give_exchange_up(head, env, id)?,
            }
        }
        Ok(())
    }

    /// The peer did not go on with an exchange.
    fn give_exchange_up(
        &mut self,
        head: &mut Head,
        env: &mut Env<'_>,
        id: MessageId,
    ) -> Result<(), CloseReason> {
        match self.exchanges.remove(&id).map(|exchange| exchange.work) {
            Some(Work::QuickAnswered(answered)) => {
                // It may have its Child SA all the same: tell it that there is none.
                let spis: Vec<_> = answered.spis_in().collect();
                self.disown(head, env, &spis);
                Ok(())
            }
            Some(Work::QuickBegun(begun)) => {
                head.child_failed(env, &begun.wish, FailureReason::Timeout);
                Err(CloseReason::PeerDead)
            }
            Some(Work::Transaction(_)) => Err(CloseReason::PeerDead),
            Some(Work::Done(_)) | None => Ok(()),
        }
    }

    /// Asks the peer whether it is alive, or takes it for dead.
    fn ask_for_life(mut self: Box<Self>, head: &mut Head, env: &mut Env<'_>) -> State {
        let timeout = self.dpd_timeout(head, env.config);
        let delay = env.config.connection(self.connection).dpd_delay.unwrap_or(timeout);
        let since = match self.dpd.asked {
            Some((since, _)) if since.saturating_add(timeout) <= env.now => {
                return self.give_up(head, env, CloseReason::PeerDead);
            }
            Some((since, _)) => since,
            None => env.now,
        };
        self.dpd.asked = Some((since, env.now.saturating_add(delay)));
        let sequence = self.dpd.sequence;
        self.send_dpd(head, env, sequence);
        State::Established(self)
    }

    /// The peer has answered one of our questions: the next one has another number (RFC 3706 §6.2).
    pub(crate) fn note_dpd_answer(&mut self, sequence: u32) {
        if sequence == self.dpd.sequence {
            self.dpd.sequence = self.dpd.sequence.wrapping_add(1);
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

    /// Renews Child SAs whose time has come, and ends those whose time is over.
    fn tend_children(&mut self, head: &mut Head, env: &mut Env<'_>) {
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
    fn forget_offer(&mut self, spi: u32) {
        let deleted = |exchange: &Exchange| match &exchange.work {
            Work::QuickAnswered(answered) => answered.is_sent_with(spi),
            _ => false,
        };
        self.exchanges.retain(|_, exchange| !deleted(exchange));
    }

    fn remove_child(&mut self, head: &Head, env: &mut Env<'_>, spi_in: u32, reason: CloseReason) {
        self.children.retain(|child| child.spi_in != spi_in);
        env.events.push_back(Event::ChildSaClosed { ike_sa: head.id, spi_in, reason });
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

    /// Tells the peer that nothing receives under these SPIs.
    fn disown(&mut self, head: &mut Head, env: &mut Env<'_>, spis: &[u32]) {
        use crate::wire::isakmp::{DeletePayload, ProtocolId};
        let protocols = [ProtocolId::Esp, ProtocolId::Ah];
        let deletes = spis
            .iter()
            .zip(protocols)
            .map(|(spi, protocol)| Payload::Delete(DeletePayload::ipsec(protocol, &[spi.to_be_bytes()])));
        self.inform(head, env, deletes.collect());
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
    fn give_up(self: Box<Self>, head: &mut Head, env: &mut Env<'_>, reason: CloseReason) -> State {
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
    fn sequel(&self, env: &Env<'_>, reason: CloseReason) -> (BTreeSet<ChildId>, BTreeSet<ChildId>) {
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

/// What an ISAKMP SA leaves to the one that takes its place.
#[derive(Debug)]
pub(crate) struct Estate {
    children: Vec<ChildSa>,
    waiting: VecDeque<Wish>,
    addresses: Addresses,
}

/// Nine tenths of the way from `now` to `end`: a lifetime that the peer has asked for is not waited out.
fn before(now: Duration, end: Duration) -> Duration {
    now.saturating_add(end.saturating_sub(now) / 10 * 9)
}

/// The envelope of a message in an exchange.
pub(crate) fn envelope(exchange: V1Exchange, id: MessageId, response: bool) -> Envelope {
    Envelope { exchange, id, response }
}
