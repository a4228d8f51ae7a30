//! A port: the outgoing half of a link, and where it leads.

use ipseclab_net::{DropReason, Link, Packet, Verdict};
use ipseclab_sim::{ChannelId, Context, ProcessId, SimDuration};

use crate::event::NodeEvent;

/// One port of a node.
#[derive(Debug)]
pub struct Port {
    /// The link, in the direction away from the node.
    pub link: Link,
    /// The process at its other end.
    pub to: ProcessId,
    /// The port of that process which the link leads to.
    pub to_port: ipseclab_net::PortId,
    /// The FIFO channel of the link, for links without jitter.
    pub channel: Option<ChannelId>,
}

impl Port {
    /// Hands a packet to the link; returns the reason when it ends there, which the link has counted.
    pub(crate) fn transmit(
        &mut self,
        ctx: &mut Context<'_, NodeEvent>,
        mut packet: Packet,
    ) -> Option<DropReason> {
        let (queued_and_serialised, propagation) = match self.link.transmit(ctx.now(), packet.len()) {
            Verdict::Deliver { queued_and_serialised, propagation } => (queued_and_serialised, propagation),
            Verdict::Drop(reason) => return Some(reason),
        };
        packet.trail.add_serialisation_queueing(queued_and_serialised);
        packet.trail.add_propagation(propagation);
        let delay: SimDuration = queued_and_serialised + propagation;
        let event = NodeEvent::Arrive { port: self.to_port, packet };
        match self.channel.filter(|_| self.link.is_fifo()) {
            Some(channel) => ctx.send_fifo(channel, delay, event),
            None => ctx.send(self.to, delay, event),
        }
        None
    }
}
