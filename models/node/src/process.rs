//! What a node does with events.
//!
//! Packets that arrive become jobs; jobs wait for a core; what they lead to happens when their CPU time is over. Work
//! that costs nothing is done within the event that brought it, so a node with the `free` profile adds no events.

use ipseclab_ike::{FailureReason, Role};
use ipseclab_net::{DropReason, IpView, Owner, Packet, PortId, build_udp};
use ipseclab_sim::{Context, Process, SimDuration, SimTime};

use crate::cost_profile::Step as PathStep;
use crate::cpu::Lane;
use crate::datapath::outbound_hash;
use crate::event::{Command, NodeEvent};
use crate::host::ike_datagram;
use crate::job::{Effects, Job, Output};
use crate::journey::Cause;
use crate::lane::receive_lane;
use crate::node::{Kind, Node, Power};
use crate::path::{self, Origin};
use crate::record::{
    CaptureDirection, ClosureRecord, Departure, MessageRecord, RefusalRecord, Step, StepRecord,
};
use crate::timeline::Bucket;
use crate::transit::Heading;

/// Notes in the fingerprint.
mod note {
    pub(super) const IKE_SENT: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const DROP: u32 = 3;
}

/// Memory of outputs that a node keeps: as many as the jobs of a usual batch.
const SPARE_MAX: usize = 64;
const NAT_INSIDE: PortId = PortId::new(0);
const NAT_OUTSIDE: PortId = PortId::new(1);
/// TTL of what this node sends itself; the captures have 64.
pub(crate) const TTL: u8 = 64;

impl Node {
    fn arrive(&mut self, ctx: &mut Context<'_, NodeEvent>, port: PortId, packet: Packet) {
        ctx.note(note::PACKET, &[packet.len() as u64]);
        self.books.arrived += 1;
        self.capture(ctx.now(), CaptureDirection::Inbound, &packet);
        if let Some(reason) = self.refusal() {
            return self.drop_packet(ctx, reason, packet.owner);
        }
        if let Kind::Nat(_) = &self.kind {
            return self.translate(ctx, port, packet);
        }
        let Ok(view) = IpView::parse(&packet.bytes) else {
            return self.drop_packet(ctx, DropReason::MalformedPacket, packet.owner);
        };
        let heading = match &self.kind {
            Kind::Host(host) => host.heading(port, view.destination()),
            Kind::Router | Kind::Nat(_) => Heading::Past,
        };
        let lane = match heading {
            Heading::Inward if self.orders_jobs() => receive_lane(&view),
            Heading::Outward => return self.submit_transit(ctx, packet),
            Heading::Home => return self.submit(ctx, None, Job::Accept(packet)),
            Heading::Inward | Heading::Past => None,
        };
        let hash = match (&self.datapath, lane) {
            // The messages of IKE are for the other cores.
            (Some(_), Some(Lane::Ike(_))) | (None, _) => None,
            (Some(datapath), lane) => Some(datapath.config().spreading.hash(lane, &view)),
        };
        let job = match heading {
            Heading::Inward => Job::Receive(packet),
            Heading::Outward => Job::Transit(packet),
            Heading::Home => Job::Accept(packet),
            Heading::Past => Job::Forward(packet),
        };
        self.note_ike_arrival(ctx.now(), &job);
        self.submit_packet(ctx, lane, hash, job);
    }

    /// Hands a packet to the datapath core for `hash`, or to the cores that do everything.
    pub(crate) fn submit_packet(
        &mut self,
        ctx: &mut Context<'_, NodeEvent>,
        lane: Option<Lane>,
        hash: Option<u64>,
        job: Job,
    ) {
        let (Some(datapath), Some(hash)) = (&mut self.datapath, hash) else {
            return self.submit(ctx, lane, job);
        };
        if let Err(job) = datapath.submit(ctx.now(), hash, job) {
            self.drop_packet(ctx, DropReason::RingFull, job.owner().unwrap_or_default());
        }
    }

    /// Passes a packet through the NAT.
    fn translate(&mut self, ctx: &mut Context<'_, NodeEvent>, port: PortId, mut packet: Packet) {
        let Kind::Nat(nat) = &mut self.kind else { return };
        let (outcome, out) = if port == NAT_INSIDE {
            (nat.outbound(ctx.now(), &mut packet.bytes), NAT_OUTSIDE)
        } else {
            (nat.inbound(ctx.now(), &mut packet.bytes), NAT_INSIDE)
        };
        match outcome {
            Ok(()) => self.transmit(ctx, out, packet),
            Err(reason) => self.drop_packet(ctx, reason, packet.owner),
        }
    }

    pub(crate) fn submit(&mut self, ctx: &mut Context<'_, NodeEvent>, lane: Option<Lane>, job: Job) {
        match job {
            // Losing an alarm would stop the host, and there is at most one at a time; commands are the scenario's.
            Job::Timer(_) | Job::Command(_) => self.cpu.submit_always(ctx.now(), lane, job),
            Job::Forward(_)
            | Job::Receive(_)
            | Job::Accept(_)
            | Job::Transit(_)
            | Job::Send(_)
            | Job::Raw(_) => {
                if let Err(job) = self.cpu.submit(ctx.now(), lane, job) {
                    self.drop_packet(ctx, DropReason::CpuQueueFull, job.owner().unwrap_or_default());
                }
            }
        }
    }

    /// Starts jobs until no core is free or none waits, then sets the alarm of the protocol cores.
    fn work(&mut self, ctx: &mut Context<'_, NodeEvent>) {
        while let Some((core, lane, queued)) = self.cpu.next(ctx.now()) {
            let effects = self.run(ctx.now(), queued.arrived, queued.job);
            let cost = effects.cost.rounded();
            if cost == SimDuration::ZERO {
                self.cpu.finish_at_once(lane);
                self.complete(ctx, effects);
            } else {
                self.cpu.begin(core, lane, cost);
                let done = ctx.schedule(cost, NodeEvent::CoreDone(core));
                self.running.insert(core, (effects, done));
            }
        }
        self.work_datapath(ctx);
        let waiting = self.cpu.waiting() as u64;
        if waiting > 0 {
            let note = |bucket: &mut Bucket| bucket.cpu_queue_max = bucket.cpu_queue_max.max(waiting);
            self.records.timeline.count(ctx.now(), note);
        }
        self.set_alarm(ctx);
    }

    /// Starts batches until no datapath core is free or none has anything to do.
    fn work_datapath(&mut self, ctx: &mut Context<'_, NodeEvent>) {
        while let Some((core, batch)) = self.datapath.as_mut().and_then(|datapath| datapath.next(ctx.now())) {
            let effects: Vec<_> =
                batch.into_iter().map(|queued| self.run(ctx.now(), queued.arrived, queued.job)).collect();
            let mut charge = self.config.cost_profile.charge_step(PathStep::Batch, 0);
            for effects in &effects {
                charge += effects.cost;
            }
            let cost = charge.at_once();
            let place = u16::try_from(core).expect("as many cores as fit 16 bits");
            if cost == SimDuration::ZERO {
                self.finish_batch(ctx, place, effects);
            } else {
                if let Some(datapath) = &mut self.datapath {
                    datapath.begin(cost);
                }
                let done = ctx.schedule(cost, NodeEvent::BatchDone(place));
                self.batches.insert(place, (effects, done));
            }
        }
    }

    fn finish_batch(&mut self, ctx: &mut Context<'_, NodeEvent>, core: u16, batch: Vec<Effects>) {
        if let Some(datapath) = &mut self.datapath {
            datapath.finish(core.into(), batch.len());
        }
        for effects in batch {
            self.complete(ctx, effects);
        }
    }

    fn run(&mut self, now: SimTime, arrived: SimTime, job: Job) -> Effects {
        let profile = &self.config.cost_profile;
        let outputs = self.spare.pop().unwrap_or_default();
        match (&mut self.kind, job) {
            (_, Job::Forward(packet)) => path::forward(profile, packet, outputs),
            (Kind::Host(host), job) => {
                self.timer_queued &= !matches!(job, Job::Timer(_));
                host.run(profile, (now, arrived), job, outputs)
            }
            (Kind::Router | Kind::Nat(_), job) => unreachable!("only hosts get {job:?}"),
        }
    }

    fn complete(&mut self, ctx: &mut Context<'_, NodeEvent>, effects: Effects) {
        let Effects { cause, mut outputs, .. } = effects;
        for output in outputs.drain(..) {
            match output {
                Output::Onward(packet, port) => self.send_onward(ctx, packet, port),
                Output::Packet(packet) => self.route(ctx, packet, Origin::Own),
                Output::Forwarded(packet) => self.route(ctx, packet, Origin::Others),
                Output::Notice(packet) => self.send_notice(ctx, packet),
                Output::Ike(transmit) => self.send_ike(ctx, cause, *transmit),
                Output::Local(packet) => self.deliver(ctx, &packet),
                Output::Step(step) => self.write_step(ctx.now(), cause, *step),
                Output::Closed(closure) => {
                    self.records.closures.push(ClosureRecord { time: ctx.now(), closure: *closure });
                }
                Output::Established(ike_sa) => {
                    let Kind::Host(host) = &mut self.kind else { continue };
                    let (setup, renewals) = host.settle_childless(ike_sa, cause, ctx.now());
                    self.write_ends(ctx.now(), setup, renewals);
                }
                Output::Drop(reason, owner) => self.drop_packet(ctx, reason, owner),
                Output::Refused(refusal) => self.refuse(ctx, &refusal),
                Output::Answer(packet) => self.submit_send(ctx, packet),
                Output::Made(pieces, owner) => self.book_cut(pieces, owner),
                Output::Absorbed => self.books.absorbed += 1,
                Output::Joined(owner) => self.book_joined(owner),
                Output::IkeRejected => self.drops.count(DropReason::IkeRejected),
            }
        }
        if self.spare.len() < SPARE_MAX {
            self.spare.push(outputs);
        }
    }

    /// A message about a packet goes to an application of this host at once, and to anybody else by way of the policies.
    fn send_notice(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: Packet) {
        let destination = IpView::parse(&packet.bytes).map(|view| view.destination());
        let is_ours = match (&self.kind, destination) {
            (Kind::Host(host), Ok(destination)) => host.owns(destination),
            _ => false,
        };
        if !is_ours {
            return self.submit_send(ctx, packet);
        }
        self.books.originated += 1;
        self.deliver(ctx, &packet);
    }

    fn send_ike(&mut self, ctx: &mut Context<'_, NodeEvent>, cause: Cause, transmit: ipseclab_ike::Transmit) {
        let Kind::Host(host) = &mut self.kind else { return };
        let now = ctx.now();
        let trail = host.departure(&transmit, cause, now);
        self.books.originated += 1;
        self.next_ident = self.next_ident.wrapping_add(1);
        let bytes = build_udp(transmit.from, transmit.to, &transmit.payload, TTL, true, self.next_ident);
        self.sent_tags += 1;
        let tag = (u64::from(self.id.index()) << 32) | self.sent_tags;
        ctx.note(note::IKE_SENT, &[content_hash(&transmit.payload)]);
        if self.config.observe.steps {
            let departure = Departure {
                from: transmit.from,
                to: transmit.to,
                len: transmit.payload.len(),
                info: transmit.message,
            };
            self.records.messages.push(MessageRecord { tag, time: now, departure: Some(departure) });
        }
        self.route(ctx, Packet { bytes, trail, tag, owner: Owner::NONE }, Origin::Own);
    }

    fn note_ike_arrival(&mut self, now: SimTime, job: &Job) {
        if !self.config.observe.steps {
            return;
        }
        if let Job::Receive(packet) = job
            && packet.tag != 0
            && ike_datagram(&packet.bytes, self.config.address).is_some()
        {
            self.records.messages.push(MessageRecord { tag: packet.tag, time: now, departure: None });
        }
    }

    pub(crate) fn submit_send(&mut self, ctx: &mut Context<'_, NodeEvent>, packet: Packet) {
        self.books.originated += 1;
        let lane = self.send_lane(&packet);
        let hash = self.datapath.as_ref().map(|_| outbound_hash(lane, &packet.bytes));
        self.submit_packet(ctx, lane, hash, Job::Send(packet));
    }

    /// Whether it matters which jobs belong together: one core takes them in the order in which they come.
    fn orders_jobs(&self) -> bool {
        self.cores() > 1 || self.datapath.is_some()
    }

    /// Packets of one policy share its SAs, so they keep their order on one core.
    pub(crate) fn send_lane(&mut self, packet: &Packet) -> Option<Lane> {
        use ipseclab_ipsec::{Direction, Selectors};
        if !self.orders_jobs() {
            return None;
        }
        let Kind::Host(host) = &mut self.kind else { return None };
        let selectors = Selectors::parse(&packet.bytes).ok()?;
        let policy = host.engine.lookup(Direction::Outbound, &selectors)?.policy()?;
        Some(Lane::EspOut(policy.0))
    }

    fn command(&mut self, ctx: &mut Context<'_, NodeEvent>, command: Command) {
        let is_host = matches!(self.kind, Kind::Host(_));
        if !self.happen(ctx, command) && self.power == Power::On && is_host {
            self.submit(ctx, None, Job::Command(command));
        }
    }

    /// The protocol cores' deadline has come: their work waits for a core like any other.
    fn timer_due(&mut self, ctx: &mut Context<'_, NodeEvent>) {
        self.timer = None;
        self.timer_queued = true;
        self.submit(ctx, None, Job::Timer(ctx.now()));
    }

    fn set_alarm(&mut self, ctx: &mut Context<'_, NodeEvent>) {
        let Kind::Host(host) = &self.kind else { return };
        if self.timer_queued {
            return;
        }
        let wanted = host.deadline().and_then(SimTime::from_duration).map(|time| time.max(ctx.now()));
        if self.timer.as_ref().map(|(time, _)| *time) == wanted {
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel(handle);
        }
        self.timer = wanted.map(|time| (time, ctx.schedule(span_until(ctx.now(), time), NodeEvent::Timer)));
    }

    fn write_step(&mut self, now: SimTime, cause: Cause, step: Step) {
        if let (Step::Ike(event), Kind::Host(host)) = (&step, &mut self.kind) {
            let (setup, renewals) = host.settle(event, cause, now);
            self.count_beginning(now, event);
            self.write_ends(now, setup, renewals);
            self.records.refusals.extend(refusal(now, event));
        }
        if self.config.observe.steps {
            self.records.steps.push(StepRecord { time: now, step });
        }
    }

    fn count_beginning(&mut self, now: SimTime, event: &ipseclab_ike::Event) {
        use ipseclab_ike::Event;
        let count: fn(&mut Bucket) = match event {
            Event::Initiated { .. } => |bucket| bucket.setups_begun += 1,
            Event::CreateChildSaBegan { .. } => |bucket| bucket.renewals_begun += 1,
            _ => return,
        };
        self.records.timeline.count(now, count);
    }

    /// A packet was cut into pieces: so many more than there were.
    pub(crate) fn book_cut(&mut self, pieces: u64, owner: Owner) {
        self.books.originated += pieces;
        self.owner_books.cut(owner, pieces);
    }

    /// A fragment became part of another one.
    pub(crate) fn book_joined(&mut self, owner: Owner) {
        self.books.absorbed += 1;
        self.owner_books.joined(owner);
    }

    pub(crate) fn drop_packet(&mut self, ctx: &mut Context<'_, NodeEvent>, reason: DropReason, owner: Owner) {
        ctx.note(note::DROP, &[reason as u64]);
        self.drops.count(reason);
        self.owner_books.dropped(owner, reason);
        self.records.timeline.drop(ctx.now(), reason);
        self.books.dropped += 1;
    }
}

impl Process for Node {
    type Event = NodeEvent;

    fn handle(&mut self, ctx: &mut Context<'_, NodeEvent>, event: NodeEvent) {
        match event {
            NodeEvent::Start => self.start(ctx),
            NodeEvent::Arrive { port, packet } => self.arrive(ctx, port, packet),
            NodeEvent::CoreDone(core) => {
                self.cpu.finish(core);
                let (effects, _) = self.running.remove(&core).expect("a core that is done was running");
                self.complete(ctx, effects);
            }
            NodeEvent::BatchDone(core) => {
                let (batch, _) = self.batches.remove(&core).expect("a core that is done was running");
                self.finish_batch(ctx, core, batch);
            }
            NodeEvent::Timer => self.timer_due(ctx),
            NodeEvent::App(id) => self.run_app(ctx, id),
            NodeEvent::Command(command) => self.command(ctx, command),
        }
        self.work(ctx);
    }
}

/// FNV-1a, for the fingerprint: any difference between two messages should show, and speed matters little here.
fn content_hash(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

pub(crate) fn span_until(now: SimTime, time: SimTime) -> SimDuration {
    if time > now { time.since(now) } else { SimDuration::ZERO }
}

/// What a responder tells of a set-up that it gives up. A peer that has fallen silent was not refused.
fn refusal(time: SimTime, event: &ipseclab_ike::Event) -> Option<RefusalRecord> {
    match event {
        ipseclab_ike::Event::NegotiationFailed { role: Role::Responder, connection, reason, .. }
            if *reason != FailureReason::Timeout =>
        {
            Some(RefusalRecord { time, connection: *connection, reason: *reason })
        }
        _ => None,
    }
}
