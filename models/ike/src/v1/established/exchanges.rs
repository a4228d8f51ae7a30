//! The exchanges of an ISAKMP SA that is up: which message belongs to which, and what has been used before.
//!
//! An exchange is known by its message ID. One that is over stays for a while, since the peer may have missed its last
//! message; and no message ID is taken twice, or old messages could be played again (RFC 2408 §3.1, RFC 2409 §5.5).

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use super::{Established, Gate};
use crate::event::{CloseReason, DropReason, FailureReason};
use crate::v1::V1Exchange;
use crate::v1::cipher::{Iv, MessageCipher, Opened};
use crate::v1::conversation::{Arrival, Awaits, Conversation, Overdue};
use crate::v1::exchange::{quick_mode, transaction};
use crate::v1::isakmp_sa::{Env, Envelope, Head, State};
use crate::wire::isakmp::{ExchangeType, Header, MessageId, Payload};

/// Message IDs of the peer's that are remembered, so that no exchange is begun twice. Ours: more than there are while
/// any key of phase 1 lives, but for peers that ask every second.
const SEEN_MAX: usize = 4096;

/// Message IDs that the peer, or we, have used.
#[derive(Debug, Default)]
pub(super) struct Seen {
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
    pub(super) fn insert(&mut self, id: MessageId) -> bool {
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

    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.work {
            Work::Done(until) => Some(until),
            _ => self.conversation.deadline(),
        }
    }

    /// Whether it is a Quick Mode that we have begun.
    pub(super) fn asks(&self) -> bool {
        matches!(self.work, Work::QuickBegun(_))
    }
}

impl Established {
    /// A message ID that nobody has used.
    pub(crate) fn new_message_id(&mut self, env: &mut Env<'_>) -> MessageId {
        loop {
            let id = env.draw_message_id();
            if self.seen.insert(id) {
                return id;
            }
        }
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
    pub(super) fn begin_answer(
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
    pub(super) fn go_on(
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
    pub(super) fn open_next(
        &self,
        env: &mut Env<'_>,
        id: MessageId,
        bytes: &[u8],
    ) -> Result<Opened, DropReason> {
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

    /// Sends again what is due, and forgets what is over; an error ends the ISAKMP SA.
    pub(super) fn repeat_messages(&mut self, head: &mut Head, env: &mut Env<'_>) -> Result<(), CloseReason> {
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
    pub(super) fn give_exchange_up(
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

    /// Tells the peer that nothing receives under these SPIs.
    pub(super) fn disown(&mut self, head: &mut Head, env: &mut Env<'_>, spis: &[u32]) {
        use crate::wire::isakmp::{DeletePayload, ProtocolId};
        let protocols = [ProtocolId::Esp, ProtocolId::Ah];
        let deletes = spis
            .iter()
            .zip(protocols)
            .map(|(spi, protocol)| Payload::Delete(DeletePayload::ipsec(protocol, &[spi.to_be_bytes()])));
        self.inform(head, env, deletes.collect());
    }
}

/// The envelope of a message in an exchange.
pub(crate) fn envelope(exchange: V1Exchange, id: MessageId, response: bool) -> Envelope {
    Envelope { exchange, id, response }
}
