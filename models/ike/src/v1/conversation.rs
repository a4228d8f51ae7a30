//! The message layer of one exchange: what repeats our newest message, and what knows the peer's again.
//!
//! It lies below the exchanges and knows none of them. IKEv1 has no requests and responses: each message of an exchange
//! answers the one before (RFC 2408 §3.1, §5.1). Who waits repeats its newest message on a schedule. A message of the
//! peer's that comes again is answered with the same octets, if they are still the newest; an older one is passed over,
//! since what followed it has arrived.
//!
//! The responder waits with a schedule of its own only where the third of three messages is missing (Aggressive Mode
//! and Quick Mode), as strongSwan has it; otherwise the initiator's repetitions are enough.

use core::time::Duration;

use crate::config::RetransmitPolicy;
use crate::datagram::Outgoing;

/// The messages of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// What the peer has sent so far, the newest last: no exchange has more than three messages of one side.
    heard: Vec<Print>,
    /// Our newest message, unless the peer's newest needs no answer.
    newest: Option<Outgoing>,
    repeat: Option<Repeat>,
}

/// When our newest message is sent again.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    sent: u32,
    deadline: Duration,
}

/// A message's length and a hash of it. Nothing depends on it but which octets go out once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print(usize, u64);

/// What a message of the peer's is to an exchange.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It has not been here.
    New,
    /// The newest one again: send this, which went out before.
    Repeated(Outgoing),
    /// One that has had its answer.
    Old,
}

/// What a timeout asks for.
#[derive(Debug)]
pub(crate) enum Overdue {
    /// Nothing yet.
    NotDue,
    /// Send this again.
    Repeat(Outgoing),
    /// The peer did not answer any transmission.
    GaveUp,
}

/// Whether the peer owes an answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// It does: the message is repeated until then.
    Answer,
    /// It repeats its own until this arrives.
    Nothing,
}

impl Print {
    /// FNV-1a with 64 bits.
    pub(crate) fn of(message: &[u8]) -> Self {
        let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(message.len(), message.iter().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

impl Conversation {
    /// Judges a message of the peer's.
    pub(crate) fn classify(&self, print: Print) -> Arrival {
        match (self.heard.last(), &self.newest) {
            (Some(last), Some(newest)) if *last == print => Arrival::Repeated(newest.again()),
            _ if self.heard.contains(&print) => Arrival::Old,
            _ => Arrival::New,
        }
    }

    /// The peer's message with this print is what was waited for.
    pub(crate) fn accept(&mut self, print: Print) {
        self.heard.push(print);
        self.newest = None;
        self.repeat = None;
    }

    /// Keeps a message that is on its way for the first time.
    pub(crate) fn send(
        &mut self,
        now: Duration,
        policy: RetransmitPolicy,
        message: Outgoing,
        awaits: Awaits,
    ) {
        self.newest = Some(message);
        let wait = policy.wait_after(0).unwrap_or_default();
        let repeat = Repeat { sent: 0, deadline: now.saturating_add(wait) };
        self.repeat = (awaits == Awaits::Answer).then_some(repeat);
    }

    /// When to call [`on_timeout`](Self::on_timeout).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.repeat.map(|repeat| repeat.deadline)
    }

    /// Repeats or gives up what is due at `now`.
    pub(crate) fn on_timeout(&mut self, now: Duration, policy: RetransmitPolicy) -> Overdue {
        let (Some(repeat), Some(newest)) = (&mut self.repeat, &self.newest) else { return Overdue::NotDue };
        if repeat.deadline > now {
            return Overdue::NotDue;
        }
        repeat.sent += 1;
        let Some(wait) = policy.wait_after(repeat.sent) else {
            self.repeat = None;
            return Overdue::GaveUp;
        };
        repeat.deadline = now.saturating_add(wait);
        Overdue::Repeat(newest.again())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::MessageInfo;
    use crate::v1::V1Exchange;
    use crate::wire::MessageId;

    fn message() -> Outgoing {
        let info = MessageInfo {
            exchange: V1Exchange::MainMode.into(),
            message_id: MessageId::new(0),
            response: false,
            repeated: false,
            fragment: None,
            keepalive: false,
            payloads: vec![],
        };
        Outgoing::whole(vec![7; 28], info)
    }

    #[test]
    fn an_unanswered_message_is_sent_six_times_and_given_up() {
        let policy = RetransmitPolicy::default();
        let mut conversation = Conversation::default();
        conversation.send(Duration::ZERO, policy, message(), Awaits::Answer);
        let mut times_ms = vec![0];
        let gave_up = loop {
            let now = conversation.deadline().expect("an answer is awaited");
            match conversation.on_timeout(now, policy) {
                Overdue::Repeat(again) => {
                    assert!(again.info.repeated);
                    times_ms.push(now.as_millis());
                }
                Overdue::GaveUp => break now,
                Overdue::NotDue => unreachable!("called at the deadline"),
            }
        };
        assert_eq!(times_ms, [0, 4_000, 11_200, 24_160, 47_488, 89_478]);
        assert_eq!(gave_up.as_millis(), 165_061);
        assert_eq!(conversation.deadline(), None);
    }

    #[test]
    fn the_newest_message_is_answered_again_and_older_ones_are_not() {
        let mut conversation = Conversation::default();
        let (first, second) = (Print::of(&[1; 40]), Print::of(&[2; 40]));
        assert!(matches!(conversation.classify(first), Arrival::New));
        conversation.accept(first);
        conversation.send(Duration::ZERO, RetransmitPolicy::default(), message(), Awaits::Nothing);
        assert!(matches!(conversation.classify(first), Arrival::Repeated(_)));
        assert_eq!(conversation.deadline(), None);
        conversation.accept(second);
        assert!(matches!(conversation.classify(first), Arrival::Old));
        assert!(matches!(conversation.classify(second), Arrival::Old), "nothing answered it");
    }

    #[test]
    fn calling_early_changes_nothing() {
        let policy = RetransmitPolicy::default();
        let mut conversation = Conversation::default();
        conversation.send(Duration::ZERO, policy, message(), Awaits::Answer);
        assert!(matches!(conversation.on_timeout(Duration::from_millis(3_999), policy), Overdue::NotDue));
        assert_eq!(conversation.deadline(), Some(Duration::from_secs(4)));
    }
}
