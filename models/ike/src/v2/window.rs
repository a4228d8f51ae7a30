//! Message IDs, retransmission and repeated requests of one IKE SA (RFC 7296 §2.1–§2.3).
//!
//! This layer lies below the exchanges and knows none of them. It holds one outstanding request of ours (a window of
//! one) with its schedule, and the last response of ours, which answers a repeated request byte for byte. Messages
//! wait without an address: a repetition goes where the peer is by then (§2.23), and a repeated answer where its
//! request came from (§2.11).

use core::net::SocketAddr;
use core::time::Duration;

use crate::config::{NAT_T_PORT, RetransmitPolicy};
use crate::event::{IkeSaId, MessageInfo, Transmit};
use crate::wire::MessageId;

/// Where a message goes: our address and port, the peer's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// An encoded message with its description.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) info: MessageInfo,
}

/// The message layer of one IKE SA.
#[derive(Debug, Default)]
pub(crate) struct Window {
    next_request: u32,
    outstanding: Option<Outstanding>,
    expected_request: u32,
    answered: Option<Answered>,
}

#[derive(Debug)]
struct Outstanding {
    message: Outgoing,
    sent: u32,
    deadline: Duration,
}

/// Our last response with the end of the request that it answers.
#[derive(Debug)]
struct Answered {
    request_tail: Tail,
    response: Outgoing,
}

/// The last octets of a message. They belong to the integrity check value of a protected one, so two messages that
/// share them are the same message, unless somebody forged one who might as well have replayed the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail([u8; Self::LEN]);

impl Tail {
    /// The shortest check value, that of HMAC-SHA1-96.
    const LEN: usize = 12;

    /// The tail of `message`; of one that is shorter, which is none, zeros.
    pub(crate) fn of(message: &[u8]) -> Self {
        Self(message.last_chunk().copied().unwrap_or_default())
    }
}

/// What an arriving request's Message ID says.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The next one.
    New,
    /// The last one again: send this, which went out before.
    Repeated(Outgoing),
    /// Outside the window.
    OutOfWindow,
}

/// What a timeout asks for.
#[derive(Debug)]
pub(crate) enum Overdue {
    /// Nothing yet.
    NotDue,
    /// Send this request again.
    Repeat(Outgoing),
    /// The peer did not answer any transmission.
    GaveUp,
}

impl Window {
    /// The Message ID of our next request.
    pub(crate) fn next_id(&self) -> MessageId {
        MessageId::new(self.next_request)
    }

    /// Whether no request of ours is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_none()
    }

    /// When to call [`on_timeout`](Self::on_timeout).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.outstanding.as_ref().map(|outstanding| outstanding.deadline)
    }

    /// Keeps a request that is on its way for the first time.
    pub(crate) fn send_request(&mut self, now: Duration, policy: RetransmitPolicy, message: Outgoing) {
        assert!(self.outstanding.is_none(), "the window holds one request");
        let wait = policy.wait_after(0).unwrap_or_default();
        self.outstanding = Some(Outstanding { message, sent: 0, deadline: now.saturating_add(wait) });
    }

    /// Whether a response with `id` answers the outstanding request.
    pub(crate) fn expects_response(&self, id: MessageId) -> bool {
        self.outstanding.is_some() && id == self.next_id()
    }

    /// The outstanding request is answered.
    pub(crate) fn complete(&mut self) {
        self.outstanding = None;
        // RFC 7296 §2.2: an IKE SA is closed or rekeyed long before its Message IDs run out.
        self.next_request = self.next_request.saturating_add(1);
    }

    /// The outstanding request is not repeated any more; its Message ID is free again. So it is when `IKE_SA_INIT` is
    /// answered by a wish to see it changed, and when the IKE SA has ended meanwhile.
    pub(crate) fn abandon(&mut self) {
        self.outstanding = None;
    }

    /// Judges an arriving request by its Message ID and, when that was answered already, by its content.
    pub(crate) fn classify_request(&self, id: MessageId, tail: Tail) -> Arrival {
        if id.as_u32() == self.expected_request {
            return Arrival::New;
        }
        let answered = self.answered.as_ref().filter(|answered| answered.response.info.message_id == id);
        match answered.filter(|answered| answered.request_tail == tail) {
            Some(answered) => Arrival::Repeated(answered.response.again()),
            None => Arrival::OutOfWindow,
        }
    }

    /// The last response, once more.
    pub(crate) fn repeat_response(&self) -> Option<Outgoing> {
        self.answered.as_ref().map(|answered| answered.response.again())
    }

    /// Keeps the response to the request that was new and ended with `request_tail`.
    pub(crate) fn send_response(&mut self, request_tail: Tail, response: Outgoing) {
        self.expected_request = self.expected_request.saturating_add(1);
        self.answered = Some(Answered { request_tail, response });
    }

    /// Repeats or gives up what is due at `now`.
    pub(crate) fn on_timeout(&mut self, now: Duration, policy: RetransmitPolicy) -> Overdue {
        let Some(outstanding) = self.outstanding.as_mut().filter(|outstanding| outstanding.deadline <= now)
        else {
            return Overdue::NotDue;
        };
        outstanding.sent += 1;
        let Some(wait) = policy.wait_after(outstanding.sent) else {
            self.outstanding = None;
            return Overdue::GaveUp;
        };
        outstanding.deadline = now.saturating_add(wait);
        Overdue::Repeat(outstanding.message.again())
    }
}

impl Outgoing {
    fn again(&self) -> Self {
        let mut again = self.clone();
        again.info.repeated = true;
        again
    }
}

/// Wraps an encoded message for its path: port 4500 takes the non-ESP marker (RFC 3948 §2.2).
pub(crate) fn transmit(ike_sa: Option<IkeSaId>, path: Path, message: Outgoing) -> Transmit {
    let payload = if path.local.port() == NAT_T_PORT {
        [&[0; 4], message.bytes.as_slice()].concat()
    } else {
        message.bytes
    };
    Transmit { from: path.local, to: path.remote, payload, ike_sa, message: message.info }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ExchangeType;

    fn path(port: u16) -> Path {
        Path {
            local: SocketAddr::from(([192, 0, 2, 1], port)),
            remote: SocketAddr::from(([192, 0, 2, 2], port)),
        }
    }

    fn message(id: u32, response: bool) -> Outgoing {
        let info = MessageInfo {
            exchange: ExchangeType::Informational,
            message_id: MessageId::new(id),
            response,
            repeated: false,
            payloads: vec![],
        };
        Outgoing { bytes: vec![7; 28], info }
    }

    #[test]
    fn an_unanswered_request_is_sent_six_times_and_given_up() {
        let policy = RetransmitPolicy::default();
        let mut window = Window::default();
        window.send_request(Duration::ZERO, policy, message(0, false));
        let mut times_ms = vec![0];
        let gave_up = loop {
            let now = window.deadline().expect("a request is outstanding");
            match window.on_timeout(now, policy) {
                Overdue::Repeat(again) => {
                    assert_eq!(again.bytes, message(0, false).bytes);
                    assert!(again.info.repeated);
                    times_ms.push(now.as_millis());
                }
                Overdue::GaveUp => break now,
                Overdue::NotDue => unreachable!("called at the deadline"),
            }
        };
        assert_eq!(times_ms, [0, 4_000, 11_200, 24_160, 47_488, 89_478]);
        assert_eq!(gave_up.as_millis(), 165_061);
        assert!(window.is_idle());
    }

    #[test]
    fn calling_early_changes_nothing() {
        let policy = RetransmitPolicy::default();
        let mut window = Window::default();
        window.send_request(Duration::ZERO, policy, message(0, false));
        assert!(matches!(window.on_timeout(Duration::from_millis(3_999), policy), Overdue::NotDue));
        assert_eq!(window.deadline(), Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_repeated_request_gets_the_same_response_and_older_ones_nothing() {
        let mut window = Window::default();
        let (tail, other) = (Tail::of(&[1; 40]), Tail::of(&[2; 40]));
        assert!(matches!(window.classify_request(MessageId::new(0), tail), Arrival::New));
        window.send_response(tail, message(0, true));
        match window.classify_request(MessageId::new(0), tail) {
            Arrival::Repeated(again) => assert_eq!(again.bytes, message(0, true).bytes),
            other => unreachable!("{other:?}"),
        }
        assert!(matches!(window.classify_request(MessageId::new(0), other), Arrival::OutOfWindow));
        window.send_response(other, message(1, true));
        assert!(matches!(window.classify_request(MessageId::new(0), tail), Arrival::OutOfWindow));
        assert!(matches!(window.classify_request(MessageId::new(3), tail), Arrival::OutOfWindow));
    }

    #[test]
    fn an_abandoned_request_leaves_no_deadline_and_its_message_id() {
        let mut window = Window::default();
        window.send_request(Duration::ZERO, RetransmitPolicy::default(), message(0, false));
        window.abandon();
        assert_eq!((window.deadline(), window.next_id()), (None, MessageId::new(0)));
        assert!(!window.expects_response(MessageId::new(0)));
    }

    #[test]
    fn only_the_outstanding_request_can_be_answered() {
        let mut window = Window::default();
        assert!(!window.expects_response(MessageId::new(0)));
        window.send_request(Duration::ZERO, RetransmitPolicy::default(), message(0, false));
        assert!(window.expects_response(MessageId::new(0)) && !window.expects_response(MessageId::new(1)));
        window.complete();
        assert_eq!(window.next_id(), MessageId::new(1));
        assert!(!window.expects_response(MessageId::new(0)));
    }

    #[test]
    fn port_4500_carries_the_non_esp_marker() {
        let marked = transmit(None, path(NAT_T_PORT), message(0, false));
        assert_eq!((&marked.payload[..4], marked.payload.len()), (&[0; 4][..], 32));
        assert_eq!(transmit(None, path(500), message(0, false)).payload.len(), 28);
    }
}
