//! The way out of a node: routes, MTUs, and messages about packets that cannot go on.
//!
//! A packet that is too long for its link is cut where that is allowed: IPv4 without DF by anybody, IPv6 by the node that
//! made it. Otherwise the link drops it, and its sender is told (RFC 792, RFC 1191 §4, RFC 4443 §3.2). If that is an
//! application of this very node, it is told at once, as an operating system tells its own.
//!
//! Model: nodes send as many error messages as there are reasons; there is no limit of rate (RFC 1812 §4.3.2.8, RFC 4443
//! §2.4 f). A router sends them from its own address and without CPU time, and stays silent about packets of the family
//! that it has no address of.

use core::net::IpAddr;

use ipseclab_ipsec::Selectors;
use ipseclab_net::{DropReason, IcmpError, IpView, Packet, PortId, build_icmp_error, fragment};
use ipseclab_sim::{Context, SimTime};

use crate::cost_profile::{CostProfile, Step as PathStep};
use crate::event::NodeEvent;
use crate::job::{Effects, Output, Refusal};
use crate::journey::Cause;
use crate::node::{Kind, Node};
use crate::record::{CaptureDirection, CapturedPacket};
use crate::transit::lower_ttl;

/// Whose a packet is that leaves: this node may cut its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Made here: by an application, as a tunnel's outer packet, or as a message.
    Own,
    /// Passed on.
    Others,
}

impl Node {
    /// Sends a packet on its way.
    pub(crate) fn route(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: Packet, origin: Origin) {
        let destination = IpView::parse(&packet.bytes).map(|view| view.destination());
        let port = destination.ok().and_then(|destination| self.fib.lookup(destination));
        let Some(port) = port else {
            self.drop_packet(ctx, DropReason::NoRoute, packet.owner);
            if origin == Origin::Others {
                self.report(ctx, IcmpError::NoRoute, &packet);
            }
            return;
        };
        self.route_by(ctx, port, packet, origin);
    }

    /// The same where the port is known.
    pub(crate) fn route_by(
        &mut self,
        ctx: &mut Context<'_, NodeEvent>,
        port: PortId,
        mut packet: Packet,
        origin: Origin,
    ) {
        let now = ctx.now();
        packet.trail.add_cpu(now.since(packet.trail.now()));
        let mtu = usize::from(self.ports[port.index()].link.config().mtu.octets());
        if packet.len() > mtu {
            return self.fit(ctx, port, &packet, (mtu, origin));
        }
        self.depart(ctx, port, packet);
    }

    fn depart(&mut self, ctx: &mut Context<'_, NodeEvent>, port: PortId, packet: Packet) {
        self.capture(ctx.now(), CaptureDirection::Outbound, &packet);
        self.transmit(ctx, port, packet);
    }

    /// Sends a packet that is too long for its link, in pieces where it may be cut.
    fn fit(
        &mut self,
        ctx: &mut Context<'_, NodeEvent>,
        port: PortId,
        packet: &Packet,
        (mtu, origin): (usize, Origin),
    ) {
        let is_v6 = packet.bytes.first().is_some_and(|first| first >> 4 == 6);
        let may_cut = !is_v6 || origin == Origin::Own;
        self.next_fragment_id = self.next_fragment_id.wrapping_add(u32::from(is_v6));
        let pieces = fragment(&packet.bytes, mtu, self.next_fragment_id).ok().filter(|_| may_cut);
        let Some(pieces) = pieces else {
            self.depart(ctx, port, packet.clone());
            let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
            return self.report(ctx, IcmpError::TooBig { mtu }, packet);
        };
        self.book_cut(pieces.len() as u64 - 1, packet.owner);
        for bytes in pieces {
            self.depart(ctx, port, Packet { bytes, ..packet.clone() });
        }
    }

    /// Hands a packet to a link.
    pub(crate) fn transmit(&mut self, ctx: &mut Context<'_, NodeEvent>, port: PortId, packet: Packet) {
        self.books.sent += 1;
        let owner = packet.owner;
        if let Some(reason) = self.ports[port.index()].transmit(ctx, packet) {
            self.records.timeline.drop(ctx.now(), reason);
            self.link_losses[port.index()].count(owner, reason);
        }
    }

    /// Ends a packet that was to be passed on.
    pub(crate) fn refuse(&mut self, ctx: &mut Context<'_, NodeEvent>, refusal: &Refusal) {
        self.drop_packet(ctx, refusal.reason, refusal.packet.owner);
        if let Some(error) = refusal.error {
            self.report(ctx, error, &refusal.packet);
        }
    }

    /// Tells the sender of a packet what was wrong with it, if it may be told.
    pub(crate) fn report(&mut self, ctx: &mut Context<'_, NodeEvent>, error: IcmpError, about: &Packet) {
        let Ok(view) = IpView::parse(&about.bytes) else { return };
        let sender = view.source();
        if let Kind::Host(host) = &mut self.kind
            && host.owns(sender)
        {
            if let IcmpError::TooBig { mtu } = error {
                host.learn_first_hop(ctx.now(), &about.bytes, mtu);
            }
            return self.note_error(ctx, error, &about.bytes);
        }
        let Some(own) = self.error_source(about, sender) else { return };
        let Some(message) = build_icmp_error(own, error, &about.bytes) else { return };
        let message = Packet::new(message, ctx.now());
        if let Kind::Host(_) = &self.kind {
            return self.submit_send(ctx, message);
        }
        self.books.originated += 1;
        self.route(ctx, message, Origin::Own);
    }

    /// Where a message about a packet comes from; none where there is no address of its family, or the message would show
    /// what is to be protected.
    fn error_source(&mut self, about: &Packet, sender: IpAddr) -> Option<IpAddr> {
        let own = Some(self.config.address).filter(|own| own.is_ipv6() == sender.is_ipv6());
        match (&mut self.kind, Selectors::parse(&about.bytes)) {
            (Kind::Host(host), Ok(selectors)) if !host.behind.has(sender) => {
                host.engine.error_source(&selectors)
            }
            _ => own,
        }
    }

    pub(crate) fn capture(&mut self, time: SimTime, direction: CaptureDirection, packet: &Packet) {
        if self.config.observe.packets {
            self.records.packets.push(CapturedPacket { time, direction, bytes: packet.bytes.clone() });
        }
    }
}

/// Passes a packet of others on: one hop less to live.
///
/// `outputs` is empty, and only there for its memory.
pub(crate) fn forward(profile: &CostProfile, packet: Packet, mut outputs: Vec<Output>) -> Effects {
    let cost = profile.charge_step(PathStep::Forward, packet.len());
    let cause = Cause::Trail(packet.trail);
    outputs.push(lower_ttl(packet).map_or_else(Output::Refused, Output::Forwarded));
    Effects { cause, outputs, cost }
}
