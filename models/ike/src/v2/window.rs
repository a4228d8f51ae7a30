//! Message IDs, retransmission and repeated requests of one IKE SA (RFC 7296 §2.1–§2.3).
//!
//! This layer lies below the exchanges and knows none of them. It holds our outstanding requests with their schedules,
//! as many as the peer's window allows, and our last responses, as many as our own window promises; those answer
//! repeated requests byte for byte. Messages wait without an address: a repetition goes where the peer is by then
//! (§2.23), and a repeated answer where its request came from (§2.11). A message may be several datagrams (RFC 7383).

use core::time::Duration;

use crate::config::RetransmitPolicy;
pub(crate) use crate::datagram::{Outgoing, Path, transmits};
use crate::v2::few::Few;
use crate::wire::{ExchangeType, MessageId};

/// The message layer of one IKE SA.
#[derive(Debug)]
pub(crate) struct Window {
    /// The Message ID of our next new request.
    next_request: u32,
    /// How many requests the peer lets us have under way.
    peer_size: u32,
    outstanding: Few<Outstanding>,
    /// The lowest Message ID of the peer's that we have not answered.
    expected_request: u32,
    /// How many requests we let the peer have under way.
    own_size: u32,
    answered: Few<Answered>,
}

#[derive(Debug)]
struct Outstanding {
    message: Outgoing,
    sent: u32,
    deadline: Duration,
}

/// A response of ours with the end of the request that it answers.
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
    /// One that we have not answered.
    New,
    /// One that we have answered: send this, which went out before.
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
    /// The peer did not answer any transmission of this request.
    GaveUp,
}

impl Default for Window {
    /// One request each way (RFC 7296 §2.3).
    fn default() -> Self {
        Self {
            next_request: 0,
            peer_size: 1,
            outstanding: Few::new(),
            expected_request: 0,
            own_size: 1,
            answered: Few::new(),
        }
    }
}

impl Window {
    /// A window that promises the peer `own` requests under way and takes `peer` of them for us.
    pub(crate) fn sized(own: u32, peer: u32) -> Self {
        Self { own_size: own.max(1), peer_size: peer.max(1), ..Self::default() }
    }

    /// The sizes: what we promise, and what the peer does.
    pub(crate) fn sizes(&self) -> (u32, u32) {
        (self.own_size, self.peer_size)
    }

    /// The peer promises a window of `size`; it can only grow (RFC 7296 §2.3).
    pub(crate) fn grow_peer(&mut self, size: u32) {
        self.peer_size = self.peer_size.max(size);
    }

    /// We have promised a window of `size`.
    pub(crate) fn grow_own(&mut self, size: u32) {
        self.own_size = self.own_size.max(size);
    }

    /// The Message ID of our next request.
    pub(crate) fn next_id(&self) -> MessageId {
        MessageId::new(self.next_request)
    }

    /// Whether no request of ours is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Whether another request of ours may go out (§2.3: counted from the oldest unanswered one).
    pub(crate) fn has_room(&self) -> bool {
        let oldest = self.outstanding.keys().next().copied().unwrap_or(self.next_request);
        self.next_request - oldest < self.peer_size
    }

    /// When to call [`on_timeout`](Self::on_timeout).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.outstanding.values().map(|outstanding| outstanding.deadline).min()
    }

    /// Keeps a request that is on its way for the first time.
    pub(crate) fn send_request(&mut self, now: Duration, policy: RetransmitPolicy, message: Outgoing) {
        assert!(self.has_room(), "the window has room for the request");
        let wait = policy.wait_after(0).unwrap_or_default();
        let outstanding = Outstanding { message, sent: 0, deadline: now.saturating_add(wait) };
        self.outstanding.insert(self.next_request, outstanding);
        // RFC 7296 §2.2: an IKE SA is closed or rekeyed long before its Message IDs run out.
        self.next_request = self.next_request.saturating_add(1);
    }

    /// Whether a response with `id` answers an outstanding request of `exchange`.
    pub(crate) fn expects_response(&self, id: MessageId, exchange: ExchangeType) -> bool {
        let asked = self.outstanding.get(id.as_u32());
        asked.is_some_and(|outstanding| outstanding.message.info.exchange == exchange)
    }

    /// Whether the request `id` of the peer is answered, and the answer still kept.
    pub(crate) fn has_answered(&self, id: MessageId) -> bool {
        self.answered.contains_key(id.as_u32())
    }

    /// The outstanding request `id` is answered.
    pub(crate) fn complete(&mut self, id: MessageId) {
        self.outstanding.remove(id.as_u32());
    }

    /// No outstanding request is repeated any more: the IKE SA has ended meanwhile.
    pub(crate) fn abandon(&mut self) {
        self.outstanding.clear();
    }

    /// The only request so far is sent again under the same Message ID, and changed: `IKE_SA_INIT` may be answered by
    /// a wish to see that.
    pub(crate) fn restart(&mut self) {
        self.outstanding.clear();
        self.next_request = 0;
    }

    /// Judges an arriving request by its Message ID and, when that was answered already, by its content.
    pub(crate) fn classify_request(&self, id: MessageId, tail: Tail) -> Arrival {
        let number = id.as_u32();
        match self.answered.get(number) {
            Some(answered) if answered.request_tail == tail => Arrival::Repeated(answered.response.again()),
            None if number.checked_sub(self.expected_request).is_some_and(|ahead| ahead < self.own_size) => {
                Arrival::New
            }
            _ => Arrival::OutOfWindow,
        }
    }

    /// The last response, once more.
    pub(crate) fn repeat_response(&self) -> Option<Outgoing> {
        self.answered.values().next_back().map(|answered| answered.response.again())
    }

    /// Keeps the response to the request that was new and ended with `request_tail`.
    pub(crate) fn send_response(&mut self, request_tail: Tail, response: Outgoing) {
        let number = response.info.message_id.as_u32();
        self.answered.insert(number, Answered { request_tail, response });
        while self.answered.contains_key(self.expected_request) {
            self.expected_request = self.expected_request.saturating_add(1);
        }
        // The peer can repeat no request that lies a whole window behind one that it has had answered (§2.3).
        let newest = self.answered.keys().next_back().copied().unwrap_or(number);
        let oldest = newest.saturating_sub(self.own_size.saturating_sub(1)).min(self.expected_request);
        self.answered = self.answered.split_off(oldest);
    }

    /// Repeats or gives up what is due at `now`; call it until nothing is.
    pub(crate) fn on_timeout(&mut self, now: Duration, policy: RetransmitPolicy) -> Overdue {
        let due = self.outstanding.iter_mut().find(|(_, outstanding)| outstanding.deadline <= now);
        let Some((&number, outstanding)) = due else { return Overdue::NotDue };
        outstanding.sent += 1;
        let Some(wait) = policy.wait_after(outstanding.sent) else {
            self.outstanding.remove(number);
            return Overdue::GaveUp;
        };
        outstanding.deadline = now.saturating_add(wait);
        Overdue::Repeat(outstanding.message.again())
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::*;
    use crate::config::NAT_T_PORT;
    use crate::event::MessageInfo;

    fn path(port: u16) -> Path {
        Path {
            local: SocketAddr::from(([192, 0, 2, 1], port)),
            remote: SocketAddr::from(([192, 0, 2, 2], port)),
        }
    }

    fn message(id: u32, response: bool) -> Outgoing {
        let info = MessageInfo {
            exchange: ExchangeType::Informational.into(),
            message_id: MessageId::new(id),
            response,
            repeated: false,
            fragment: None,
            keepalive: false,
            payloads: vec![],
        };
        Outgoing::whole(vec![7; 28], info)
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
                    assert_eq!(again.datagrams, message(0, false).datagrams);
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
            Arrival::Repeated(again) => assert_eq!(again.datagrams, message(0, true).datagrams),
            other => unreachable!("{other:?}"),
        }
        assert!(matches!(window.classify_request(MessageId::new(0), other), Arrival::OutOfWindow));
        window.send_response(other, message(1, true));
        assert!(matches!(window.classify_request(MessageId::new(0), tail), Arrival::OutOfWindow));
        assert!(matches!(window.classify_request(MessageId::new(3), tail), Arrival::OutOfWindow));
    }

    #[test]
    fn a_restarted_window_has_no_deadline_and_its_message_id_is_free() {
        let mut window = Window::default();
        window.send_request(Duration::ZERO, RetransmitPolicy::default(), message(0, false));
        window.restart();
        assert_eq!((window.deadline(), window.next_id()), (None, MessageId::new(0)));
        assert!(!window.expects_response(MessageId::new(0), ExchangeType::Informational));
    }

    #[test]
    fn only_the_outstanding_request_can_be_answered() {
        let mut window = Window::default();
        assert!(!window.expects_response(MessageId::new(0), ExchangeType::Informational));
        window.send_request(Duration::ZERO, RetransmitPolicy::default(), message(0, false));
        assert!(
            window.expects_response(MessageId::new(0), ExchangeType::Informational)
                && !window.expects_response(MessageId::new(1), ExchangeType::Informational)
        );
        window.complete(MessageId::new(0));
        assert_eq!(window.next_id(), MessageId::new(1));
        assert!(!window.expects_response(MessageId::new(0), ExchangeType::Informational));
    }

    #[test]
    fn port_4500_carries_the_non_esp_marker() {
        let marked = transmits(None, path(NAT_T_PORT), message(0, false)).next().expect("one datagram");
        assert_eq!((&marked.payload[..4], marked.payload.len()), (&[0; 4][..], 32));
        let plain = transmits(None, path(500), message(0, false)).map(|sent| sent.payload.len());
        assert_eq!(plain.collect::<Vec<_>>(), [28]);
    }

    #[test]
    fn a_message_in_fragments_is_sent_and_repeated_whole() {
        let mut window = Window::default();
        let fragments = Outgoing { datagrams: vec![vec![1; 28], vec![2; 28]], ..message(0, false) };
        window.send_request(Duration::ZERO, RetransmitPolicy::default(), fragments);
        let Overdue::Repeat(again) = window.on_timeout(Duration::from_secs(4), RetransmitPolicy::default())
        else {
            unreachable!("the request is due");
        };
        let sent: Vec<_> = transmits(None, path(500), again).map(|sent| sent.message.fragment).collect();
        assert_eq!(sent, [Some((1, 2)), Some((2, 2))]);
    }

    #[test]
    fn a_wider_window_takes_requests_in_any_order_and_repeats_each_answer() {
        let mut window = Window::sized(3, 1);
        let tail = |id: u8| Tail::of(&[id; 40]);
        for id in [2, 0, 1] {
            assert!(matches!(window.classify_request(MessageId::new(id.into()), tail(id)), Arrival::New));
            window.send_response(tail(id), message(id.into(), true));
        }
        for id in 0..3 {
            let again = window.classify_request(MessageId::new(id.into()), tail(id));
            assert!(matches!(again, Arrival::Repeated(_)), "{id}: {again:?}");
        }
        assert!(matches!(window.classify_request(MessageId::new(6), tail(6)), Arrival::OutOfWindow));
        assert!(matches!(window.classify_request(MessageId::new(5), tail(5)), Arrival::New));
        window.send_response(tail(5), message(5, true));
        assert!(matches!(window.classify_request(MessageId::new(0), tail(0)), Arrival::OutOfWindow));
        assert_eq!(window.answered.len(), 1, "what is kept is bounded by the window");
    }

    #[test]
    fn a_wider_window_of_the_peer_lets_requests_overlap() {
        let mut window = Window::sized(1, 2);
        let policy = RetransmitPolicy::default();
        window.send_request(Duration::ZERO, policy, message(0, false));
        assert!(window.has_room());
        window.send_request(Duration::ZERO, policy, message(1, false));
        assert!(!window.has_room());
        window.complete(MessageId::new(1));
        assert!(!window.has_room(), "the oldest unanswered request holds the window (RFC 7296 §2.3)");
        window.complete(MessageId::new(0));
        assert!(window.has_room() && window.is_idle());
    }
}
