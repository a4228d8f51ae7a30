//! FIFO channels: links on which nothing overtakes.
//!
//! Arrival times on such a link never decrease, so only the head needs a place in the event queue; the rest wait
//! in a ring, each with its own key. As keys on one channel only grow, the order of events is exactly what plain
//! sends would have given. A long fat link then costs one queue entry and not one for every packet in flight.

use std::collections::VecDeque;

use crate::process::ProcessId;
use crate::queue::Tie;

pub(crate) struct Channel<E> {
    pub(crate) from: ProcessId,
    pub(crate) to: ProcessId,
    ring: VecDeque<Waiting<E>>,
    last_arrival: u64,
}

/// An event on its way, the head included.
pub(crate) struct Waiting<E> {
    pub(crate) time: u64,
    pub(crate) tie: Tie,
    pub(crate) payload: E,
}

impl<E> Channel<E> {
    pub(crate) const fn new(from: ProcessId, to: ProcessId) -> Self {
        Self { from, to, ring: VecDeque::new(), last_arrival: 0 }
    }

    /// Appends an event; true if it is the head, which belongs into the event queue.
    ///
    /// # Panics
    /// When it would overtake.
    #[inline]
    pub(crate) fn append(&mut self, waiting: Waiting<E>) -> bool {
        assert!(
            waiting.time >= self.last_arrival,
            "a FIFO channel from {} to {} is overtaken",
            self.from,
            self.to
        );
        self.last_arrival = waiting.time;
        self.ring.push_back(waiting);
        self.ring.len() == 1
    }

    /// Takes the head, which is due, and shows the next one, which belongs into the event queue now.
    #[inline]
    pub(crate) fn advance(&mut self) -> Option<(E, Option<&Waiting<E>>)> {
        let head = self.ring.pop_front()?;
        Some((head.payload, self.ring.front()))
    }

    /// The payloads on their way.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.ring.iter().map(|waiting| &waiting.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Channel<char> {
        Channel::new(ProcessId::new(0), ProcessId::new(1))
    }

    fn waiting(time: u64, sequence: u32, payload: char) -> Waiting<char> {
        Waiting { time, tie: (0..sequence).fold(Tie::before(0), |last, _| last.next()), payload }
    }

    #[test]
    fn only_the_head_asks_for_a_queue_entry() {
        let mut channel = channel();
        assert!(channel.append(waiting(5, 1, 'a')));
        assert!(!channel.append(waiting(5, 2, 'b')));
        let (payload, next) = channel.advance().unwrap();
        assert_eq!((payload, next.map(|w| (w.time, w.tie.sequence()))), ('a', Some((5, 2))));
        let (payload, next) = channel.advance().unwrap();
        assert_eq!((payload, next.is_none()), ('b', true));
        assert!(channel.advance().is_none());
    }

    #[test]
    fn an_emptied_channel_starts_again_with_a_head() {
        let mut channel = channel();
        channel.append(waiting(5, 1, 'a'));
        channel.advance();
        assert!(channel.append(waiting(5, 2, 'b')));
    }

    #[test]
    fn overtaking_stops_the_run() {
        let mut channel = channel();
        channel.append(waiting(5, 1, 'a'));
        let overtaken = std::panic::catch_unwind(move || {
            channel.append(waiting(4, 2, 'b'));
        });
        assert!(overtaken.is_err());
    }
}
