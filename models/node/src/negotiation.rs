//! The books of set-ups under way: where each nanosecond of their latency went (see [`Journey`]).

use std::collections::BTreeMap;

use ipseclab_ike::config::ConnectionId;
use ipseclab_ike::wire::IkeSpi;
use ipseclab_ike::{IkeSaId, Transmit};
use ipseclab_net::Trail;
use ipseclab_sim::SimTime;

use crate::journey::{Cause, Journey};
use crate::record::{Agreed, NegotiationRecord, Outcome};

/// A negotiation under way.
#[derive(Clone, Debug)]
struct Open {
    record: NegotiationRecord,
    journey: Journey,
}

/// The negotiations that a node has begun and not finished.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    open: BTreeMap<IkeSaId, Open>,
    by_spi: BTreeMap<u64, IkeSaId>,
}

impl Ledger {
    /// A negotiation began with a job that arrived at `started`. `renews` is the IKE SA that it reauthenticates.
    pub(crate) fn begin(
        &mut self,
        ike_sa: IkeSaId,
        connection: ConnectionId,
        started: SimTime,
        renews: Option<IkeSpi>,
    ) {
        let record = NegotiationRecord {
            connection,
            ike_sa,
            started,
            ended: started,
            outcome: Outcome::Unfinished,
            messages_sent: 0,
            messages_received: 0,
            bytes_sent: 0,
            bytes_received: 0,
            retransmissions: 0,
            delays: ipseclab_net::Delays::ZERO,
            spi_i: IkeSpi::ZERO,
            renews,
            agreed: Agreed::default(),
        };
        self.open.insert(ike_sa, Open { record, journey: Journey::begin(started) });
    }

    /// The trail of a message that leaves at `now`; `None` when it is of no negotiation of ours.
    pub(crate) fn departure(&mut self, transmit: &Transmit, cause: Cause, now: SimTime) -> Option<Trail> {
        let open = transmit.ike_sa.and_then(|id| self.open.get_mut(&id))?;
        let trail = open.journey.depart(cause, now);
        open.count_sent(transmit);
        let (spi, id) = (open.record.spi_i, open.record.ike_sa);
        self.by_spi.insert(spi.as_u64(), id);
        Some(trail)
    }

    /// A message of `len` octets with this initiator's SPI has arrived.
    pub(crate) fn arrival(&mut self, spi_i: u64, len: usize) {
        let open = self.by_spi.get(&spi_i).and_then(|id| self.open.get_mut(id));
        if let Some(open) = open {
            open.record.messages_received += 1;
            open.record.bytes_received += len as u64;
        }
    }

    /// The negotiations of a connection that are under way.
    pub(crate) fn under_way(&self, connection: ConnectionId) -> impl Iterator<Item = IkeSaId> {
        self.open.iter().filter(move |(_, open)| open.record.connection == connection).map(|(id, _)| *id)
    }

    /// Whether a negotiation is under way.
    pub(crate) fn is_under_way(&self, ike_sa: IkeSaId) -> bool {
        self.open.contains_key(&ike_sa)
    }

    /// What has been agreed on so far, to be filled in.
    pub(crate) fn agreed(&mut self, ike_sa: IkeSaId) -> Option<&mut Agreed> {
        self.open.get_mut(&ike_sa).map(|open| &mut open.record.agreed)
    }

    /// The negotiation ended at `now`; `None` when it was not ours or has ended before.
    pub(crate) fn settle(
        &mut self,
        ike_sa: IkeSaId,
        outcome: Outcome,
        cause: Cause,
        now: SimTime,
    ) -> Option<NegotiationRecord> {
        let open = self.open.remove(&ike_sa)?;
        self.by_spi.remove(&open.record.spi_i.as_u64());
        let delays = open.journey.at(cause, now).delays;
        Some(NegotiationRecord { ended: now, outcome, delays, ..open.record })
    }

    /// Ends everything that is still under way.
    pub(crate) fn end_all(&mut self, outcome: Outcome, now: SimTime) -> Vec<NegotiationRecord> {
        let ids: Vec<_> = self.open.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.settle(id, outcome, Cause::Timer(now), now)).collect()
    }
}

impl Open {
    fn count_sent(&mut self, transmit: &Transmit) {
        let record = &mut self.record;
        record.messages_sent += 1;
        record.bytes_sent += transmit.payload.len() as u64;
        record.retransmissions += u32::from(transmit.message.repeated);
        if let Some(spi) = initiator_spi(&transmit.payload, transmit.from.port()) {
            record.spi_i = IkeSpi::new(spi);
        }
    }
}

/// The initiator's SPI of an IKE message in a UDP payload; port 4500 has the non-ESP marker in front.
pub(crate) fn initiator_spi(payload: &[u8], port: u16) -> Option<u64> {
    let message = match port {
        ipseclab_ike::config::NAT_T_PORT => payload.strip_prefix(&[0; 4])?,
        _ => payload,
    };
    message.first_chunk().map(|octets| u64::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use ipseclab_ike::MessageInfo;
    use ipseclab_ike::wire::{ExchangeType, MessageId};
    use ipseclab_sim::SimDuration;

    use super::*;

    const ID: IkeSaId = IkeSaId(1);

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    fn transmit(repeated: bool) -> Transmit {
        let message = MessageInfo {
            exchange: ExchangeType::IkeSaInit.into(),
            message_id: MessageId::new(0),
            response: false,
            repeated,
            fragment: None,
            keepalive: false,
            payloads: vec![],
        };
        Transmit {
            from: ([192, 0, 2, 1], 500).into(),
            to: ([192, 0, 2, 2], 500).into(),
            payload: vec![7; 28],
            ike_sa: Some(ID),
            message,
        }
    }

    #[test]
    fn a_retransmitted_set_up_adds_up_by_parts() {
        let mut ledger = Ledger::default();
        ledger.begin(ID, ConnectionId(0), at(100), None);
        let first = ledger.departure(&transmit(false), Cause::Trail(Trail::new(at(100))), at(105)).unwrap();
        assert_eq!(first.delays.cpu, SimDuration::from_nanos(5));
        let mut second = ledger.departure(&transmit(true), Cause::Timer(at(4_100)), at(4_101)).unwrap();
        assert_eq!(second.delays.retransmission_wait, SimDuration::from_nanos(3_995));
        second.add_propagation(SimDuration::from_nanos(40));
        ledger.arrival(u64::from_be_bytes([7; 8]), 36);
        let record = ledger.settle(ID, Outcome::Established, Cause::Trail(second), at(4_150)).unwrap();
        assert_eq!(record.delays.total(), SimDuration::from_nanos(4_050));
        assert_eq!(record.delays.cpu, SimDuration::from_nanos(5 + 1 + 9));
        assert_eq!((record.messages_sent, record.retransmissions, record.messages_received), (2, 1, 1));
        assert_eq!((record.bytes_sent, record.bytes_received), (56, 36));
        assert!(ledger.settle(ID, Outcome::Established, Cause::Trail(second), at(4_150)).is_none());
    }

    #[test]
    fn what_the_run_cuts_off_is_unfinished_and_still_adds_up() {
        let mut ledger = Ledger::default();
        ledger.begin(ID, ConnectionId(0), at(0), None);
        ledger.departure(&transmit(false), Cause::Trail(Trail::new(at(0))), at(10)).unwrap();
        let records = ledger.end_all(Outcome::Unfinished, at(1_000));
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].outcome, Outcome::Unfinished);
        assert_eq!(records[0].delays.retransmission_wait, SimDuration::from_nanos(990));
    }

    #[test]
    fn the_spi_is_found_behind_the_non_esp_marker() {
        let message = [1_u8; 28];
        let marked = [&[0; 4], &message[..]].concat();
        assert_eq!(initiator_spi(&message, 500), Some(0x0101_0101_0101_0101));
        assert_eq!(initiator_spi(&marked, 4500), Some(0x0101_0101_0101_0101));
        assert_eq!(initiator_spi(&message, 4500), None);
        assert_eq!(initiator_spi(&[1; 7], 500), None);
    }
}
