//! Where the time of a conversation goes: the trail that its messages carry, and what it is when none is under way.
//!
//! Every IKE message carries the [`Trail`] of its conversation: it starts when the conversation does, and each stage
//! that the message passes (CPU, link queue, wire, the peer's CPU) adds exactly the time that it took. The answer goes
//! on with the trail of the request copy that it answers. A retransmission goes on with the trail of the copy before,
//! with the wait in between as `retransmission_wait`. So the trail of the last message adds up to the latency, to the
//! nanosecond, whatever was lost on the way. What ends a conversation without being part of it, such as the peer's
//! Delete, ends a wait of the same kind.

use ipseclab_net::Trail;
use ipseclab_sim::SimTime;

/// What caused the messages of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// A message of the peer, or a packet to send; the trail stands at the job's arrival.
    Trail(Trail),
    /// A timer that was due at this time, or a command that was given then: what went before was waiting.
    Timer(SimTime),
}

/// A conversation under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journey {
    /// The trail of the last message sent, at the moment when it left.
    last_sent: Trail,
}

impl Journey {
    /// A conversation that begins with a job that arrived at `started`.
    pub(crate) fn begin(started: SimTime) -> Self {
        Self { last_sent: Trail::new(started) }
    }

    /// When it began.
    pub(crate) fn started(&self) -> SimTime {
        self.last_sent.started
    }

    /// The trail of a message that leaves at `now`.
    pub(crate) fn depart(&mut self, cause: Cause, now: SimTime) -> Trail {
        self.last_sent = self.at(cause, now);
        self.last_sent
    }

    /// The trail at `now`, after a job with this cause.
    ///
    /// # Panics
    /// When its parts do not add up to the time since the start: a bug, and the figures would be false.
    pub(crate) fn at(&self, cause: Cause, now: SimTime) -> Trail {
        let trail = match cause {
            Cause::Trail(trail) if trail.started == self.started() => with_cpu_until(trail, now),
            Cause::Trail(foreign) => after_wait(self.last_sent, foreign.now(), now),
            Cause::Timer(due) => after_wait(self.last_sent, due, now),
        };
        trail.assert_at(now);
        trail
    }
}

/// The trail of a message that belongs to no conversation of this node's.
pub(crate) fn trail_at(cause: Cause, now: SimTime) -> Trail {
    match cause {
        Cause::Trail(trail) => with_cpu_until(trail, now),
        Cause::Timer(due) => with_cpu_until(Trail::new(due.min(now)), now),
    }
}

/// The trail continued to `now` by CPU time.
fn with_cpu_until(mut trail: Trail, now: SimTime) -> Trail {
    trail.add_cpu(now.since(trail.now()));
    trail
}

/// The trail continued to `now`: waiting from the last departure to `due`, and CPU from there. A message whose CPU
/// time outlasted the timer did not wait at all.
fn after_wait(mut trail: Trail, due: SimTime, now: SimTime) -> Trail {
    let left = trail.now();
    if due > left {
        trail.add_retransmission_wait(due.since(left));
    }
    with_cpu_until(trail, now)
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::SimDuration;

    use super::*;

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    #[test]
    fn what_another_conversation_ends_has_waited_for_it() {
        let mut journey = Journey::begin(at(100));
        journey.depart(Cause::Timer(at(100)), at(110));
        let foreign = Trail::new(at(500));
        let delays = journey.at(Cause::Trail(foreign), at(520)).delays;
        assert_eq!(delays.retransmission_wait, SimDuration::from_nanos(390));
        assert_eq!(delays.cpu, SimDuration::from_nanos(10 + 20));
    }
}
