//! The books of `CREATE_CHILD_SA` and Quick Mode exchanges that this node has begun: further Child SAs and renewals, with where each
//! nanosecond of their latency went (see [`Journey`]).
//!
//! An exchange is known by what it is about, since a request that is made again for another group goes on with the same
//! purpose under another Message ID. What renewals that crossed have decided is told by events: the loser's is redundant.
//! A reauthentication is a set-up, and its record is made from that of the set-up.

use std::collections::BTreeMap;

use ipseclab_ike::config::{ChildId, ConnectionId};
use ipseclab_ike::wire::{ExchangeType, MessageId};
use ipseclab_ike::{
    CloseReason, CreateChildSubject, Event, FailureReason, IkeSaId, Outbound, Role, Transmit, V1Exchange,
};
use ipseclab_net::{Delays, Trail};
use ipseclab_sim::SimTime;

use crate::journey::{Cause, Journey};
use crate::record::{NegotiationRecord, Outcome, RenewalOutcome, RenewalRecord, Renewed};

/// What an exchange is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    NewChild(IkeSaId, ChildId),
    /// The Child SA with this inbound SPI.
    Child(u32),
    Ike(IkeSaId),
}

/// An exchange under way.
#[derive(Clone, Debug)]
struct Open {
    record: RenewalRecord,
    journey: Journey,
    ike_sa: IkeSaId,
    message_id: MessageId,
    /// The IKE SA that it has made, with the initiator's SPI; whether that stays is told later.
    made: Option<(IkeSaId, u64)>,
}

/// What the node knows about an exchange that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub(crate) ike_sa: IkeSaId,
    pub(crate) message_id: MessageId,
    pub(crate) subject: CreateChildSubject,
    pub(crate) connection: ConnectionId,
    pub(crate) child: Option<ChildId>,
    /// The SPI of what is renewed: ours of a Child SA, the initiator's of an IKE SA.
    pub(crate) spi_old: Option<u64>,
}

/// The exchanges that a node has begun and not finished.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    open: BTreeMap<Subject, Open>,
    by_message: BTreeMap<(IkeSaId, u32), Subject>,
}

impl Beginning {
    fn subject(&self) -> Subject {
        match self.subject {
            CreateChildSubject::Child(child) => Subject::NewChild(self.ike_sa, child),
            CreateChildSubject::RekeyChild(spi_in) => Subject::Child(spi_in),
            CreateChildSubject::RekeyIke => Subject::Ike(self.ike_sa),
        }
    }

    fn record(&self, started: SimTime) -> RenewalRecord {
        RenewalRecord {
            connection: self.connection,
            child: self.child,
            what: match self.subject {
                CreateChildSubject::Child(_) => Renewed::NewChild,
                CreateChildSubject::RekeyChild(_) => Renewed::Child,
                CreateChildSubject::RekeyIke => Renewed::Ike,
            },
            started,
            ended: started,
            outcome: RenewalOutcome::Unfinished,
            retransmissions: 0,
            delays: Delays::ZERO,
            spi_old: self.spi_old,
            spi_new: None,
        }
    }
}

impl Renewals {
    /// A request goes out with a job that arrived at `started`.
    pub(crate) fn begin(&mut self, beginning: Beginning, started: SimTime) {
        let Beginning { ike_sa, message_id, .. } = beginning;
        let subject = beginning.subject();
        let open = self.open.entry(subject).or_insert_with(|| Open {
            record: beginning.record(started),
            journey: Journey::begin(started),
            ike_sa,
            message_id,
            made: None,
        });
        self.by_message.remove(&(open.ike_sa, open.message_id.as_u32()));
        (open.ike_sa, open.message_id) = (ike_sa, message_id);
        self.by_message.insert((ike_sa, message_id.as_u32()), subject);
    }

    /// The trail of a message that leaves at `now`; `None` when it is of no exchange in these books.
    pub(crate) fn departure(&mut self, transmit: &Transmit, cause: Cause, now: SimTime) -> Option<Trail> {
        let message = &transmit.message;
        let asks =
            message.exchange == ExchangeType::CreateChildSa || message.exchange == V1Exchange::QuickMode;
        if message.response || !asks {
            return None;
        }
        let subject = self.by_message.get(&(transmit.ike_sa?, message.message_id.as_u32()))?;
        let open = self.open.get_mut(subject)?;
        let first = message.fragment.is_none_or(|(number, _)| number == 1);
        open.record.retransmissions += u32::from(message.repeated && first);
        Some(open.journey.depart(cause, now))
    }

    /// Books what an event says about exchanges under way; returns those that it ends.
    pub(crate) fn note(&mut self, event: &Event, cause: Cause, now: SimTime) -> Vec<RenewalRecord> {
        match event {
            Event::ChildSaEstablished(child) if child.role == Role::Initiator => {
                let subject =
                    child.replaces.map_or(Subject::NewChild(child.ike_sa, child.child), Subject::Child);
                // A winner's packets go at once; who has lost waits for the other side's.
                let outcome = match (child.replaces, child.outbound) {
                    (Some(_), Outbound::Later) => RenewalOutcome::Redundant,
                    _ => RenewalOutcome::Done,
                };
                self.settle(subject, outcome, Some(child.spi_in.into()), cause, now).into_iter().collect()
            }
            Event::ChildSaFailed { ike_sa, child: Some(child), reason, .. } => {
                self.fail(Subject::NewChild(*ike_sa, *child), *reason, cause, now)
            }
            Event::IkeSaEstablished(sa) if sa.role == Role::Initiator => {
                let open = sa.replaces.and_then(|old| self.open.get_mut(&Subject::Ike(old)));
                if let Some(open) = open {
                    open.made = Some((sa.ike_sa, sa.spi_i.as_u64()));
                }
                vec![]
            }
            Event::IkeSaRekeyed { old, new } => self.elect(*old, *new, cause, now),
            Event::RekeyFailed { ike_sa, spi_in, reason } => {
                let subject = spi_in.map_or(Subject::Ike(*ike_sa), Subject::Child);
                self.fail(subject, *reason, cause, now)
            }
            Event::ChildSaClosed { spi_in, reason: CloseReason::Rekeyed, .. } => {
                let outcome = RenewalOutcome::Redundant;
                self.settle(Subject::Child(*spi_in), outcome, None, cause, now).into_iter().collect()
            }
            Event::IkeSaClosed { ike_sa, reason } => self.close(*ike_sa, *reason, cause, now),
            _ => vec![],
        }
    }

    /// One of the IKE SAs that crossing renewals have made takes the place of `old`.
    fn elect(&mut self, old: IkeSaId, new: IkeSaId, cause: Cause, now: SimTime) -> Vec<RenewalRecord> {
        let subject = Subject::Ike(old);
        let made = self.open.get(&subject).and_then(|open| open.made);
        let outcome = match made {
            Some((ours, _)) if ours == new => RenewalOutcome::Done,
            _ => RenewalOutcome::Redundant,
        };
        self.settle(subject, outcome, made.map(|(_, spi)| spi), cause, now).into_iter().collect()
    }

    fn fail(
        &mut self,
        subject: Subject,
        reason: FailureReason,
        cause: Cause,
        now: SimTime,
    ) -> Vec<RenewalRecord> {
        self.settle(subject, RenewalOutcome::Failed(reason), None, cause, now).into_iter().collect()
    }

    /// Nothing comes of what an IKE SA that has ended was asking for.
    fn close(
        &mut self,
        ike_sa: IkeSaId,
        reason: CloseReason,
        cause: Cause,
        now: SimTime,
    ) -> Vec<RenewalRecord> {
        let reason = match reason {
            CloseReason::PeerDead => FailureReason::Timeout,
            _ => FailureReason::Terminated,
        };
        let of_it = self.open.iter().filter(|(_, open)| open.ike_sa == ike_sa);
        let subjects: Vec<_> = of_it.map(|(subject, _)| *subject).collect();
        subjects.into_iter().flat_map(|subject| self.fail(subject, reason, cause, now)).collect()
    }

    fn settle(
        &mut self,
        subject: Subject,
        outcome: RenewalOutcome,
        spi_new: Option<u64>,
        cause: Cause,
        now: SimTime,
    ) -> Option<RenewalRecord> {
        let open = self.open.remove(&subject)?;
        self.by_message.remove(&(open.ike_sa, open.message_id.as_u32()));
        let delays = open.journey.at(cause, now).delays;
        Some(RenewalRecord { ended: now, outcome, delays, spi_new, ..open.record })
    }

    /// Ends everything that is still under way.
    pub(crate) fn end_all(&mut self, outcome: RenewalOutcome, now: SimTime) -> Vec<RenewalRecord> {
        let subjects: Vec<_> = self.open.keys().copied().collect();
        let end = |subject| self.settle(subject, outcome, None, Cause::Timer(now), now);
        subjects.into_iter().filter_map(end).collect()
    }
}

impl RenewalRecord {
    /// The record of a reauthentication, if the set-up is one.
    pub(crate) fn of_reauthentication(setup: &NegotiationRecord) -> Option<Self> {
        let spi_old = setup.renews?;
        let outcome = match setup.outcome {
            Outcome::Established => RenewalOutcome::Done,
            Outcome::Failed(reason) => RenewalOutcome::Failed(reason),
            Outcome::NodeDown => RenewalOutcome::NodeDown,
            Outcome::Unfinished => RenewalOutcome::Unfinished,
        };
        Some(Self {
            connection: setup.connection,
            child: None,
            what: Renewed::Reauthentication,
            started: setup.started,
            ended: setup.ended,
            outcome,
            retransmissions: setup.retransmissions,
            delays: setup.delays,
            spi_old: Some(spi_old.as_u64()),
            spi_new: Some(setup.spi_i.as_u64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_ike::MessageInfo;
    use ipseclab_sim::SimDuration;

    use super::*;

    const IKE: IkeSaId = IkeSaId(1);

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    fn begin(renewals: &mut Renewals, message_id: u32, started: u64) {
        let beginning = Beginning {
            ike_sa: IKE,
            message_id: MessageId::new(message_id),
            subject: CreateChildSubject::RekeyChild(0xabc),
            connection: ConnectionId(0),
            child: None,
            spi_old: Some(0xabc),
        };
        renewals.begin(beginning, at(started));
    }

    fn request(message_id: u32, repeated: bool) -> Transmit {
        Transmit {
            from: ([192, 0, 2, 1], 500).into(),
            to: ([192, 0, 2, 2], 500).into(),
            payload: vec![7; 28],
            ike_sa: Some(IKE),
            message: MessageInfo {
                exchange: ExchangeType::CreateChildSa.into(),
                message_id: MessageId::new(message_id),
                response: false,
                repeated,
                keepalive: false,
                fragment: None,
                payloads: vec![],
            },
        }
    }

    #[test]
    fn a_request_for_another_group_is_the_same_renewal() {
        let mut renewals = Renewals::default();
        begin(&mut renewals, 2, 100);
        let first = renewals.departure(&request(2, false), Cause::Timer(at(100)), at(100)).unwrap();
        begin(&mut renewals, 3, 140);
        assert!(renewals.departure(&request(2, true), Cause::Timer(at(140)), at(140)).is_none());
        let mut back = first;
        back.add_propagation(SimDuration::from_nanos(40));
        renewals.departure(&request(3, false), Cause::Trail(back), at(145)).unwrap();
        let failed =
            Event::RekeyFailed { ike_sa: IKE, spi_in: Some(0xabc), reason: FailureReason::NoProposalChosen };
        let records = renewals.note(&failed, Cause::Timer(at(200)), at(200));
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((record.started, record.delays.total()), (at(100), SimDuration::from_nanos(100)));
        assert_eq!(record.outcome, RenewalOutcome::Failed(FailureReason::NoProposalChosen));
        assert!(renewals.open.is_empty() && renewals.by_message.is_empty());
    }

    #[test]
    fn a_renewal_ends_with_its_ike_sa() {
        let mut renewals = Renewals::default();
        begin(&mut renewals, 2, 100);
        renewals.departure(&request(2, false), Cause::Timer(at(100)), at(100)).unwrap();
        renewals.departure(&request(2, true), Cause::Timer(at(4_100)), at(4_100)).unwrap();
        let other = Event::IkeSaClosed { ike_sa: IkeSaId(2), reason: CloseReason::PeerDead };
        assert!(renewals.note(&other, Cause::Timer(at(5_000)), at(5_000)).is_empty());
        let closed = Event::IkeSaClosed { ike_sa: IKE, reason: CloseReason::PeerDead };
        let records = renewals.note(&closed, Cause::Timer(at(5_000)), at(5_000));
        assert_eq!(records[0].outcome, RenewalOutcome::Failed(FailureReason::Timeout));
        assert_eq!((records[0].retransmissions, records.len()), (1, 1));
    }

    #[test]
    fn the_successor_of_the_peer_makes_ours_redundant() {
        let mut renewals = Renewals::default();
        begin(&mut renewals, 2, 100);
        let closed = Event::ChildSaClosed { ike_sa: IKE, spi_in: 0xabc, reason: CloseReason::Rekeyed };
        let records = renewals.note(&closed, Cause::Timer(at(300)), at(300));
        assert_eq!(records[0].outcome, RenewalOutcome::Redundant);
        assert!(renewals.end_all(RenewalOutcome::Unfinished, at(400)).is_empty());
    }
}
