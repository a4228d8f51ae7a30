//! What a link counts. Offered is delivered plus dropped, in packets and in octets, at any moment.

use ipseclab_sim::SimDuration;

use crate::drop::DropReason;

/// Totals of one link since the start. Octets are those of IP packets, without framing, where no layer is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets handed to the link.
    pub offered_packets: u64,
    /// Octets handed to the link.
    pub offered_bytes: u64,
    /// Packets that arrive, or have arrived, at the other end.
    pub delivered_packets: u64,
    /// Octets that arrive, or have arrived, at the other end.
    pub delivered_bytes: u64,
    /// The same with the frames around them (see [`Framing`](super::Framing)).
    pub delivered_layer_2_bytes: u64,
    /// The same in all octets for which they took the wire.
    pub delivered_layer_1_bytes: u64,
    /// Of the packets delivered, those that were held back so that others overtook them.
    pub held_back_packets: u64,
    /// Packets dropped for want of queue.
    pub dropped_queue_full: u64,
    /// Packets dropped for their length.
    pub dropped_mtu_exceeded: u64,
    /// Packets lost on the wire.
    pub dropped_loss: u64,
    /// Packets dropped since the link was down.
    pub dropped_link_down: u64,
    /// Octets of all dropped packets.
    pub dropped_bytes: u64,
    /// Time on the wire of all packets accepted, lost ones and those that still wait included.
    pub busy: SimDuration,
    /// The most octets that ever waited at once.
    pub queue_bytes_max: u64,
}

impl LinkCounters {
    pub(super) fn count_drop(&mut self, reason: DropReason, bytes: u64) {
        let count = match reason {
            DropReason::QueueFull => &mut self.dropped_queue_full,
            DropReason::MtuExceeded => &mut self.dropped_mtu_exceeded,
            DropReason::Loss => &mut self.dropped_loss,
            DropReason::LinkDown => &mut self.dropped_link_down,
            other => unreachable!("a link does not drop for {other}"),
        };
        *count += 1;
        self.dropped_bytes += bytes;
    }

    /// The four reasons a link has, each with its packets.
    pub const fn drops(&self) -> [(DropReason, u64); 4] {
        [
            (DropReason::QueueFull, self.dropped_queue_full),
            (DropReason::MtuExceeded, self.dropped_mtu_exceeded),
            (DropReason::Loss, self.dropped_loss),
            (DropReason::LinkDown, self.dropped_link_down),
        ]
    }

    /// Packets dropped for any reason.
    pub const fn dropped_packets(&self) -> u64 {
        self.dropped_queue_full + self.dropped_mtu_exceeded + self.dropped_loss + self.dropped_link_down
    }
}
