//! Whether the packets of a child have an SA to leave on, and for how long they had none.
//!
//! The span counts from the moment when the last SA that could send is gone to the moment when another one can. A renewal
//! that makes before it breaks adds nothing. What somebody asked for is no outage: an SA that its own side or the peer took
//! down on purpose leaves the child without one, and so does one that was idle.
//!
//! Model: a peer that takes an SA down in order to set up another one (a reauthentication that breaks before it makes) says
//! no more than one that has had enough, so its outage is in the books of the side that did it alone. A child that
//! several peers share has an SA as long as one of them has.

use std::collections::BTreeSet;

use ipseclab_ike::CloseReason;
use ipseclab_ike::config::ChildId;
use ipseclab_sim::{SimDuration, SimTime};

use crate::record::EndReason;

/// How a child of the configuration fared at one node, over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildRecord {
    /// The child.
    pub child: ChildId,
    /// When its first Child SA was installed.
    pub first_installed: SimTime,
    /// How many Child SAs it had.
    pub child_sas: u64,
    /// How often it had none that could send.
    pub outages: u64,
    /// For how long, in all.
    pub outage: SimDuration,
    /// The longest time.
    pub outage_max: SimDuration,
}

/// The same while the run lasts.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    record: ChildRecord,
    /// Inbound SPIs of its pairs.
    pub(crate) pairs: BTreeSet<u32>,
    state: State,
}

/// Whether packets of the child can leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not yet.
    Never,
    /// They can.
    Covered,
    /// Not since then, and nobody wanted that.
    Out(SimTime),
    /// Not since then, as somebody wanted it.
    Closed(SimTime),
}

impl Coverage {
    /// Of a child that has just got its first pair.
    pub(crate) fn begin(child: ChildId, now: SimTime) -> Self {
        let record = ChildRecord {
            child,
            first_installed: now,
            child_sas: 0,
            outages: 0,
            outage: SimDuration::ZERO,
            outage_max: SimDuration::ZERO,
        };
        Self { record, pairs: BTreeSet::new(), state: State::Never }
    }

    /// A pair was installed.
    pub(crate) fn install(&mut self, spi_in: u32) {
        self.record.child_sas += 1;
        self.pairs.insert(spi_in);
    }

    /// One of the pairs can send.
    pub(crate) fn covered(&mut self, now: SimTime) {
        self.end_outage(now);
        self.state = State::Covered;
    }

    /// None of the pairs can send any more, and nobody wanted that.
    pub(crate) fn uncovered(&mut self, now: SimTime) {
        if self.state == State::Covered {
            self.state = State::Out(now);
            self.record.outages += 1;
        }
    }

    /// The last pair that could send was taken down on purpose.
    pub(crate) fn closed(&mut self, now: SimTime) {
        if self.state == State::Covered {
            self.state = State::Closed(now);
        }
    }

    /// What was taken down at this very time is to come again: the IKE SA is set up anew (RFC 7296 §2.8.3).
    pub(crate) fn broken(&mut self, now: SimTime) {
        if self.state == State::Closed(now) {
            self.state = State::Out(now);
            self.record.outages += 1;
        }
    }

    fn end_outage(&mut self, now: SimTime) {
        if let State::Out(since) = self.state {
            let span = now.since(since);
            self.record.outage += span;
            self.record.outage_max = self.record.outage_max.max(span);
        }
    }

    /// The books at the end of the run.
    pub(crate) fn finish(mut self, now: SimTime) -> ChildRecord {
        self.end_outage(now);
        self.record
    }
}

/// Whether an SA that ended so was to leave its child without one.
pub(crate) fn is_deliberate(reason: EndReason) -> bool {
    match reason {
        EndReason::Closed(CloseReason::Local | CloseReason::Remote) => true,
        EndReason::Closed(
            CloseReason::PeerDead
            | CloseReason::Rekeyed
            | CloseReason::Redundant
            | CloseReason::Expired
            | CloseReason::Replaced,
        )
        | EndReason::NodeDown => false,
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_ike::config::ConnectionId;

    use super::*;

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    #[test]
    fn outages_add_up_and_an_open_one_lasts_to_the_end() {
        let child = ChildId { connection: ConnectionId(0), place: 0 };
        let mut coverage = Coverage::begin(child, at(5));
        coverage.install(1);
        coverage.covered(at(5));
        coverage.uncovered(at(10));
        coverage.uncovered(at(12));
        coverage.install(2);
        coverage.covered(at(17));
        coverage.uncovered(at(20));
        let record = coverage.finish(at(30));
        let nanos = SimDuration::from_nanos;
        assert_eq!((record.outages, record.outage, record.outage_max), (2, nanos(17), nanos(10)));
        assert_eq!((record.first_installed, record.child_sas), (at(5), 2));
    }

    #[test]
    fn what_is_closed_on_purpose_is_an_outage_only_when_it_is_set_up_anew_at_once() {
        let child = ChildId { connection: ConnectionId(0), place: 0 };
        let mut coverage = Coverage::begin(child, at(0));
        coverage.uncovered(at(3));
        coverage.covered(at(5));
        coverage.closed(at(10));
        coverage.broken(at(11));
        assert_eq!(coverage.clone().finish(at(20)).outage, SimDuration::ZERO);
        coverage.covered(at(11));
        coverage.closed(at(12));
        coverage.broken(at(12));
        assert_eq!(coverage.finish(at(20)).outage, SimDuration::from_nanos(8));
    }
}
