//! Between a node and its applications: what arrives for them, and when they want to send.

use ipseclab_net::{
    DropReason, EchoKind, FlowId, IcmpError, IcmpMessage, IpHeader, IpView, Owner, Packet, Reassembled,
    UdpDatagram, build_echo, parse_icmp, protocol,
};
use ipseclab_sim::{Context, SimTime};

use crate::app::Taken;
use crate::event::{AppId, NodeEvent};
use crate::job::Job;
use crate::node::{Kind, Node, Power};
use crate::process::{TTL, span_until};

impl Node {
    /// The start of the run: applications set their alarms.
    pub(crate) fn start(&mut self, ctx: &mut Context<'_, NodeEvent>) {
        if let Kind::Host(host) = &self.kind {
            for (app, time) in host.apps.alarms() {
                ctx.schedule(span_until(ctx.now(), time), NodeEvent::App(app));
            }
        }
    }

    /// Gives a packet in the clear to the application that waits for it; a fragment waits for the others first.
    pub(crate) fn deliver(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: &Packet) {
        let Ok(view) = IpView::parse(&packet.bytes) else {
            return self.drop_packet(ctx, DropReason::MalformedPacket, packet.owner);
        };
        if view.is_fragment() {
            return self.deliver_fragment(ctx, packet);
        }
        let taken = match view.protocol() {
            protocol::ICMP | protocol::ICMPV6 => self.deliver_icmp(ctx, &view, packet.owner.flow),
            protocol::UDP => self.deliver_udp(ctx, &view, packet.owner.flow),
            protocol::TCP => self.deliver_tcp(ctx, &view),
            _ => false,
        };
        if taken {
            self.books.delivered += 1;
            self.owner_books.delivered(packet.owner);
        } else {
            self.drop_packet(ctx, DropReason::NoListener, packet.owner);
        }
    }

    /// A fragment that came out of a tunnel, where no fragment of the outside can be taken for it.
    fn deliver_fragment(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: &Packet) {
        let Kind::Host(host) = &mut self.kind else { return };
        let (outcome, given_up) = host.inner_fragments.push(ctx.now(), packet);
        self.drop_packets(ctx, DropReason::ReassemblyFull, &given_up);
        match outcome {
            Reassembled::Waits => {}
            Reassembled::Dropped { reason, fragments } => self.drop_packets(ctx, reason, &fragments),
            Reassembled::Whole { packet, joined } => {
                for owner in joined {
                    self.book_joined(owner);
                }
                self.deliver(ctx, &packet);
            }
        }
    }

    fn drop_packets(&mut self, ctx: &mut Context<'_, NodeEvent>, reason: DropReason, owners: &[Owner]) {
        for owner in owners {
            self.drop_packet(ctx, reason, *owner);
        }
    }

    fn deliver_icmp(&mut self, ctx: &mut Context<'_, NodeEvent>, view: &IpView<'_>, flow: FlowId) -> bool {
        let Kind::Host(host) = &mut self.kind else { return false };
        let echo = match parse_icmp(view) {
            Ok(IcmpMessage::Echo(echo)) => echo,
            Ok(IcmpMessage::Error { error, about }) => {
                self.note_error(ctx, error, about);
                return true;
            }
            Err(_) => return false,
        };
        if echo.kind == EchoKind::Reply {
            return host.apps.echo_reply(ctx.now(), view.source(), &echo);
        }
        let header = IpHeader {
            ttl: TTL,
            identification: view.header().identification,
            ..IpHeader::new(view.destination(), view.source(), 0)
        };
        let reply = build_echo(&header, EchoKind::Reply, echo.ident, echo.seq, echo.payload);
        self.submit_made(ctx, Packet::new(reply, ctx.now()), flow);
        true
    }

    /// A packet of ours, of which `about` is the beginning, has not reached its destination.
    pub(crate) fn note_error(&mut self, ctx: &mut Context<'_, NodeEvent>, error: IcmpError, about: &[u8]) {
        let Kind::Host(host) = &mut self.kind else { return };
        let IcmpError::TooBig { mtu } = error else { return };
        host.note_path_mtu(ctx.now(), about, mtu);
        if let Some(id) = host.apps.too_big(ctx.now(), about, mtu) {
            self.run_connection(ctx, id);
        }
    }

    fn deliver_udp(&mut self, ctx: &mut Context<'_, NodeEvent>, view: &IpView<'_>, flow: FlowId) -> bool {
        let Kind::Host(host) = &mut self.kind else { return false };
        let Ok(datagram) = UdpDatagram::parse(view) else { return false };
        match host.apps.datagram(ctx.now(), &datagram) {
            Taken::No => return false,
            Taken::Booked(_) => {}
            Taken::Answered(packet) => self.submit_made(ctx, packet, flow),
        }
        true
    }

    fn deliver_tcp(&mut self, ctx: &mut Context<'_, NodeEvent>, view: &IpView<'_>) -> bool {
        let Kind::Host(host) = &mut self.kind else { return false };
        let Some(id) = host.apps.segment(ctx.now(), view) else { return false };
        self.run_connection(ctx, id);
        true
    }

    /// An application's alarm.
    pub(crate) fn run_app(&mut self, ctx: &mut Context<'_, NodeEvent>, id: AppId) {
        let Kind::Host(host) = &mut self.kind else { return };
        if host.apps.get(id).0.is_connection() {
            return self.run_connection(ctx, id);
        }
        let (packet, next) = host.apps.send(id, ctx.now());
        let (has_source, is_raw) = (host.apps.has_source(id), host.apps.get(id).0.is_raw());
        let flow = host.apps.flow(id);
        if let Some(time) = next {
            ctx.schedule(span_until(ctx.now(), time), NodeEvent::App(id));
        }
        let Some(packet) = packet else { return };
        if self.power == Power::On && has_source {
            return if is_raw { self.submit_raw(ctx, packet) } else { self.submit_made(ctx, packet, flow) };
        }
        let reason = if has_source { DropReason::NodeDown } else { DropReason::NoAddress };
        self.drop_made(ctx, reason, flow);
    }

    /// Lets the stack of one end of a TCP connection run, and sends what comes out of it.
    fn run_connection(&mut self, ctx: &mut Context<'_, NodeEvent>, id: AppId) {
        let Kind::Host(host) = &mut self.kind else { return };
        let (packets, next) = host.apps.run_connection(id, ctx.now());
        let flow = host.apps.flow(id);
        self.set_app_alarm(ctx, id, next);
        for packet in packets {
            if self.power == Power::On {
                self.submit_made(ctx, packet, flow);
            } else {
                self.drop_made(ctx, DropReason::NodeDown, flow);
            }
        }
    }

    /// Sends a packet that an application of a flow has made, or that answers one.
    fn submit_made(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: Packet, flow: FlowId) {
        let owner = Owner::of_flow(flow);
        self.owner_books.made(owner);
        self.submit_send(ctx, Packet { owner, ..packet });
    }

    /// A packet that an application of a flow has made goes no further.
    fn drop_made(&mut self, ctx: &mut Context<'_, NodeEvent>, reason: DropReason, flow: FlowId) {
        let owner = Owner::of_flow(flow);
        self.books.originated += 1;
        self.owner_books.made(owner);
        self.drop_packet(ctx, reason, owner);
    }

    fn set_app_alarm(&mut self, ctx: &mut Context<'_, NodeEvent>, id: AppId, wanted: Option<SimTime>) {
        let set = self.app_alarms.get(&id).map(|(time, _)| *time).filter(|time| *time > ctx.now());
        if set == wanted {
            return;
        }
        if let Some((time, handle)) = self.app_alarms.remove(&id)
            && time > ctx.now()
        {
            ctx.cancel(handle);
        }
        if let Some(time) = wanted {
            let handle = ctx.schedule(span_until(ctx.now(), time), NodeEvent::App(id));
            self.app_alarms.insert(id, (time, handle));
        }
    }

    fn submit_raw(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: Packet) {
        self.books.originated += 1;
        self.submit(ctx, None, Job::Raw(packet));
    }
}
