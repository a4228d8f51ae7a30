//! The books of packets: what comes into a node goes out of it, or is known to be inside (style A12).
//!
//! A node has three sets of books: one of all packets; one of each flow, whose packets it made, delivered or lost; and one
//! of each SA, whose packets it cut, joined or lost. The last two are about packets that may be anywhere, so only the
//! books of all nodes and links together balance, with what is counted to be inside nodes and on links.

use std::collections::BTreeMap;

use ipseclab_net::{DropReason, FlowId, Owner, SaId};

/// Packets that a node has dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketBooks {
    /// Arrived at a port.
    pub arrived: u64,
    /// Made by an application, as a reply, or as an IKE message.
    pub originated: u64,
    /// Handed to a link.
    pub sent: u64,
    /// Taken by an application.
    pub delivered: u64,
    /// IKE messages that the endpoint took.
    pub absorbed: u64,
    /// Ended here under a drop reason.
    pub dropped: u64,
}

/// Packets of one flow, or under one SA, that a node has made more or fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnedPackets {
    /// Made by an application, or as its answer.
    pub made: u64,
    /// Further pieces of packets that were cut.
    pub cut: u64,
    /// Taken by an application.
    pub delivered: u64,
    /// Pieces that became part of another one.
    pub joined: u64,
}

/// Packets that ended in one place, by owner and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    flows: BTreeMap<(FlowId, DropReason), u64>,
    sas: BTreeMap<(SaId, DropReason), u64>,
}

/// A node's books of flows and SAs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerBooks {
    flows: BTreeMap<FlowId, OwnedPackets>,
    sas: BTreeMap<SaId, OwnedPackets>,
    losses: Losses,
}

impl PacketBooks {
    /// Whether what came in equals what went out and what is `held` inside.
    pub fn are_balanced(&self, held: u64) -> bool {
        self.arrived + self.originated == self.sent + self.delivered + self.absorbed + self.dropped + held
    }
}

impl Losses {
    /// Counts a packet.
    pub(crate) fn count(&mut self, owner: Owner, reason: DropReason) {
        if owner.flow != FlowId::NONE {
            *self.flows.entry((owner.flow, reason)).or_default() += 1;
        }
        if owner.sa.is_some() {
            *self.sas.entry((owner.sa, reason)).or_default() += 1;
        }
    }

    /// Packets of flows, by flow and then by reason.
    pub fn of_flows(&self) -> impl Iterator<Item = (FlowId, DropReason, u64)> + '_ {
        self.flows.iter().map(|((flow, reason), packets)| (*flow, *reason, *packets))
    }

    /// Packets under SAs, by SA and then by reason.
    pub fn of_sas(&self) -> impl Iterator<Item = (SaId, DropReason, u64)> + '_ {
        self.sas.iter().map(|((sa, reason), packets)| (*sa, *reason, *packets))
    }
}

impl OwnerBooks {
    /// Counts a packet that an application made.
    pub(crate) fn made(&mut self, owner: Owner) {
        if owner.flow != FlowId::NONE {
            self.flows.entry(owner.flow).or_default().made += 1;
        }
    }

    /// Counts a packet that an application took.
    pub(crate) fn delivered(&mut self, owner: Owner) {
        if owner.flow != FlowId::NONE {
            self.flows.entry(owner.flow).or_default().delivered += 1;
        }
    }

    /// Counts pieces that a packet was cut into, but for one.
    pub(crate) fn cut(&mut self, owner: Owner, pieces: u64) {
        self.change(owner, |packets| packets.cut += pieces);
    }

    /// Counts a piece that became part of another one.
    pub(crate) fn joined(&mut self, owner: Owner) {
        self.change(owner, |packets| packets.joined += 1);
    }

    /// Counts a packet that ended here.
    pub(crate) fn dropped(&mut self, owner: Owner, reason: DropReason) {
        self.losses.count(owner, reason);
    }

    fn change(&mut self, owner: Owner, change: impl Fn(&mut OwnedPackets)) {
        if owner.flow != FlowId::NONE {
            change(self.flows.entry(owner.flow).or_default());
        }
        if owner.sa.is_some() {
            change(self.sas.entry(owner.sa).or_default());
        }
    }

    /// The flows that were here, in order.
    pub fn flows(&self) -> impl Iterator<Item = (FlowId, OwnedPackets)> + '_ {
        self.flows.iter().map(|(flow, packets)| (*flow, *packets))
    }

    /// The SAs whose packets were cut or joined here, in order.
    pub fn sas(&self) -> impl Iterator<Item = (SaId, OwnedPackets)> + '_ {
        self.sas.iter().map(|(sa, packets)| (*sa, *packets))
    }

    /// What ended inside the node.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_nobody_are_in_no_book() {
        let mut books = OwnerBooks::default();
        books.made(Owner::NONE);
        books.cut(Owner::NONE, 3);
        books.dropped(Owner::NONE, DropReason::Loss);
        assert_eq!(books, OwnerBooks::default());
    }

    #[test]
    fn a_sealed_packet_is_in_the_books_of_its_flow_and_of_its_sa() {
        let mut books = OwnerBooks::default();
        let (flow, sa) = (FlowId::at(0), SaId::new(4, 1));
        let owner = Owner::of_flow(flow).sealed(sa);
        books.made(owner.opened());
        books.cut(owner, 2);
        books.joined(owner);
        books.dropped(owner, DropReason::Replay);
        books.delivered(owner.opened());
        let pieces = OwnedPackets { cut: 2, joined: 1, ..OwnedPackets::default() };
        let packets = OwnedPackets { made: 1, delivered: 1, ..pieces };
        assert_eq!(books.flows().collect::<Vec<_>>(), [(flow, packets)]);
        assert_eq!(books.sas().collect::<Vec<_>>(), [(sa, pieces)]);
        assert_eq!(books.losses().of_flows().collect::<Vec<_>>(), [(flow, DropReason::Replay, 1)]);
        assert_eq!(books.losses().of_sas().collect::<Vec<_>>(), [(sa, DropReason::Replay, 1)]);
    }
}
