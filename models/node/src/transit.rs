//! Nodes behind a gateway: what they send is protected and sent on, and what comes out of a tunnel for them goes to them
//! (RFC 4301 §3.1, §5.1, §5.2).
//!
//! A port that leads to them is on the protected side of the IPsec boundary, all others are on the unprotected one. A
//! packet that comes in by a protected port and leaves by another one meets the policies like one of the host's own
//! applications; for the host itself, or for another node behind it, it has not crossed the boundary and meets none. One
//! that comes by another port for a node behind meets them too: what should have been protected goes no further. What a
//! tunnel brings for neither the host nor anybody behind it meets the policies of packets that leave, which is how a hub
//! passes packets from one spoke to another.
//!
//! Each node takes one from the TTL of the packet inside, once (RFC 4301 §5.1.2.1), and answers for what it drops.
//! Model: what passes from one unprotected port to another meets no policy; such a node is a router there, and the
//! packets are mostly the ESP of others.

use core::net::IpAddr;
use std::collections::BTreeSet;

use ipseclab_net::{DropReason, Fib, IcmpError, IpNet, IpView, Packet, PortId, TtlOutcome, decrement_ttl};
use ipseclab_sim::{Context, SimTime};

use crate::cost_profile::Step as PathStep;
use crate::datapath::outbound_hash;
use crate::event::NodeEvent;
use crate::host::Host;
use crate::job::{Job, Output, Refusal, Run};
use crate::node::{Kind, Node};
use crate::path::Origin;

/// What is behind a host.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    routes: Fib,
    ports: BTreeSet<PortId>,
}

impl Behind {
    fn insert(&mut self, network: IpNet, port: PortId) {
        self.routes.insert(network, port);
        self.ports.insert(port);
    }

    /// The port towards the node behind the host that has this address.
    fn port(&self, address: IpAddr) -> Option<PortId> {
        if self.ports.is_empty() { None } else { self.routes.lookup(address) }
    }

    /// Whether a node behind the host has this address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.port(address).is_some()
    }
}

/// Where a packet is to go that arrives at a host.
pub(crate) enum Heading {
    /// Through its policies to the host or to a node behind it.
    Inward,
    /// From a node behind the host to the host.
    Home,
    /// From a node behind the host to somewhere else.
    Outward,
    /// Past the host.
    Past,
}

impl Host {
    pub(crate) fn heading(&self, port: PortId, destination: IpAddr) -> Heading {
        let from_behind = self.behind.ports.contains(&port);
        match (from_behind, self.owns(destination)) {
            (true, true) => Heading::Home,
            (false, true) => Heading::Inward,
            (true, false) if self.behind.has(destination) => Heading::Past,
            (true, false) => Heading::Outward,
            (false, false) if self.behind.has(destination) => Heading::Inward,
            (false, false) => Heading::Past,
        }
    }

    /// Where a packet goes that has passed the policies on its way in.
    pub(crate) fn admitted(&self, packet: Packet) -> Output {
        let Ok(view) = IpView::parse(&packet.bytes) else { return Output::Local(packet) };
        let destination = view.destination();
        match self.behind.port(destination) {
            Some(port) => Output::Onward(packet, Some(port)),
            None if self.owns(destination) => Output::Local(packet),
            None => Output::Onward(packet, None),
        }
    }

    /// Sends what the engine has to say to the senders of packets that were too long: to an application or a node behind the
    /// host in any case, and to anybody else if it does not show what is to be protected.
    pub(crate) fn tell_senders(&mut self, run: &mut Run<'_>) {
        while let Some(notice) = self.engine.poll_notice() {
            let sender = IpView::parse(&notice.packet).map(|view| view.destination());
            let is_inside = sender.is_ok_and(|sender| self.owns(sender) || self.behind.has(sender));
            if is_inside || !notice.is_for_protected_side {
                run.push(Output::Notice(Packet::new(notice.packet, run.arrived)));
            }
        }
    }

    /// Whether a packet of the host goes to a node behind it, and so never crosses the boundary.
    pub(crate) fn is_for_behind(&self, packet: &Packet) -> bool {
        !self.behind.ports.is_empty()
            && IpView::parse(&packet.bytes).is_ok_and(|view| self.behind.has(view.destination()))
    }

    /// Takes what a node behind the host has sent to it.
    pub(crate) fn accept(&mut self, run: &mut Run<'_>, now: SimTime, packet: Packet) {
        run.charge(PathStep::Receive, packet.len());
        if let Some(packet) = self.reassemble(run, now, packet) {
            run.push(Output::Local(packet));
        }
    }

    /// Sends on what a node behind the host has sent, or what another tunnel has brought.
    pub(crate) fn transit(&mut self, run: &mut Run<'_>, mut packet: Packet) {
        run.charge(PathStep::Forward, packet.len());
        packet = match lower_ttl(packet) {
            Ok(packet) => packet,
            Err(refusal) => return run.push(Output::Refused(refusal)),
        };
        self.clamp(&mut packet);
        self.send_one(run, packet, Origin::Others);
    }
}

impl Node {
    /// Puts a network behind this host: it is reached by `port`, and what comes from there is to be protected. The network may
    /// be part of one of the host's own; its addresses are then no longer those of the host's applications. Nodes that are
    /// no hosts only get the route.
    pub fn put_behind(&mut self, network: IpNet, port: PortId) {
        self.fib.insert(network, port);
        if let Kind::Host(host) = &mut self.kind {
            host.behind.insert(network, port);
        }
    }

    /// Sends an admitted packet on that is not for this host: to a node behind it by this port, else by the policies.
    pub(crate) fn send_onward(
        &mut self,
        ctx: &mut Context<'_, NodeEvent>,
        packet: Packet,
        port: Option<PortId>,
    ) {
        let Some(port) = port else { return self.submit_transit(ctx, packet) };
        match lower_ttl(packet) {
            Ok(packet) => self.route_by(ctx, port, packet, Origin::Others),
            Err(refusal) => self.refuse(ctx, &refusal),
        }
    }

    /// Packets of one policy keep their order, whoever sent them.
    pub(crate) fn submit_transit(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: Packet) {
        let lane = self.send_lane(&packet);
        let hash = self.datapath.as_ref().map(|_| outbound_hash(lane, &packet.bytes));
        self.submit_packet(ctx, lane, hash, Job::Transit(packet));
    }
}

/// The packet with one hop less to live, if it has one.
pub(crate) fn lower_ttl(mut packet: Packet) -> Result<Packet, Refusal> {
    let (reason, error) = match decrement_ttl(&mut packet.bytes) {
        TtlOutcome::Forward { .. } => return Ok(packet),
        TtlOutcome::Expired => (DropReason::TtlExpired, Some(IcmpError::TimeExceeded)),
        TtlOutcome::Malformed => (DropReason::MalformedPacket, None),
    };
    Err(Refusal { packet: Box::new(packet), reason, error })
}
