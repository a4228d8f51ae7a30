//! A host or gateway: IKE endpoint, IPsec engine and applications behind one address (design §7).
//!
//! A job runs the protocol cores at the start of its service and leaves its effects in [`Effects`]; the node carries
//! them out when the job's CPU time is over. Nothing in here touches a link or the event queue.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use ipseclab_crypto::{Crypto, Provider};
use ipseclab_ike::config::{ConnectionId, EndpointConfig};
use ipseclab_ike::{Acquired, CloseReason, Endpoint, Event, IkeSaId, PathChange, Role, Transmit, UnknownSa};
use ipseclab_ipsec::{
    ChildSaCounters, Engine, EngineConfig, Event as EngineEvent, Inbound, Outbound, PolicyId, Spd, Spi,
};
use ipseclab_net::{DropReason, Ipv4Net, Ipv4View, Packet, Trail, UdpDatagram, protocol};
use ipseclab_sim::{ProcessId, RunSeed, SimDuration, SimTime};

use crate::app::Apps;
use crate::convert;
use crate::cost_profile::{CostProfile, Step as PathStep};
use crate::event::Command;
use crate::negotiation::{Cause, Ledger, initiator_spi};
use crate::policies::Policies;
use crate::random::Streams;
use crate::record::{ClosedSa, Closure, Step};

/// Octets of the IPv4 and UDP headers around an IKE message.
const IP_UDP_HEADERS: usize = 20 + 8;

/// What a host is made from, besides what every node has.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Networks behind the host; their addresses are its own applications'.
    pub networks: Vec<Ipv4Net>,
    /// The IKE endpoint.
    pub ike: EndpointConfig,
    /// The policies; [`PolicyId`] n protects what child n negotiates, counted through all connections of `ike` in order.
    pub spd: Spd,
    /// Packets that wait for the SA of one policy at most.
    pub acquire_queue: usize,
    /// For each child, counted in the same way: whether a packet that matches its policy starts a negotiation (swanctl's `trap`).
    pub traps: Vec<bool>,
    /// For each child: after this long without a packet its Child SA ends (swanctl's `inactivity`).
    pub inactivity: Vec<Option<Duration>>,
}

/// The host's state.
pub(crate) struct Host {
    address: Ipv4Addr,
    networks: Vec<Ipv4Net>,
    pub(crate) endpoint: Endpoint,
    pub(crate) engine: Engine<Trail>,
    pub(crate) apps: Apps,
    pub(crate) ledger: Ledger,
    policies: Policies,
    traps: Vec<bool>,
    inactivity: Vec<Option<Duration>>,
    /// Inbound SPI of each installed Child SA, with its IKE SA.
    children: BTreeMap<u32, IkeSaId>,
    /// Established IKE SAs with their connections.
    ike_sas: BTreeMap<IkeSaId, ConnectionId>,
    counters: HostCounters,
}

/// What a host counts besides packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// IKE SAs that came up, in either role.
    pub ike_sas_established: u64,
    /// IKE SAs that ended after they came up.
    pub ike_sas_closed: u64,
    /// Child SAs that came up.
    pub child_sas_established: u64,
    /// Child SAs that ended.
    pub child_sas_closed: u64,
    /// Negotiations that failed here in the responder's role.
    pub negotiations_refused: u64,
    /// What Child SAs carried, each way; octets are those of the packets inside.
    pub esp: ChildSaCounters,
    /// IKE datagrams that were dropped without an answer.
    pub ike_datagrams_dropped: u64,
}

/// Work for a core.
#[derive(Debug)]
pub(crate) enum Job {
    /// A packet of others, to be passed on.
    Forward(Packet),
    /// A packet for this host.
    Receive(Packet),
    /// A packet of this host's applications.
    Send(Packet),
    /// Deadlines of the protocol cores, due at this time.
    Timer(SimTime),
    /// The scenario asks for something.
    Command(Command),
}

/// What a job leads to when its CPU time is over.
#[derive(Debug)]
pub(crate) enum Output {
    /// A packet to route.
    Packet(Packet),
    /// An IKE message to wrap and route.
    Ike(Box<Transmit>),
    /// A packet in the clear for an application of this host.
    Local(Packet),
    /// Something to write down.
    Step(Box<Step>),
    /// An SA ended.
    Closed(Box<Closure>),
    /// A packet ended here.
    Drop(DropReason),
    /// The IKE endpoint took a packet.
    Absorbed,
    /// The IKE endpoint could do nothing with what it took.
    IkeRejected,
}

/// The effects of a job.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) cause: Cause,
    pub(crate) outputs: Vec<Output>,
    pub(crate) cost: SimDuration,
}

/// A job in the hands of a core.
struct Run<'a> {
    profile: &'a CostProfile,
    /// Start of service.
    now: Duration,
    /// Arrival of the job at the CPU.
    arrived: SimTime,
    effects: Effects,
}

impl Host {
    pub(crate) fn new(
        address: Ipv4Addr,
        config: HostConfig,
        provider: &Arc<dyn Provider>,
        seed: RunSeed,
        owner: ProcessId,
    ) -> Self {
        let crypto = || Crypto::new(Arc::clone(provider));
        let engine_config =
            EngineConfig { queue_packets: config.acquire_queue, ..EngineConfig::new(config.spd, address) };
        let esp_streams = Box::new(Streams::new(seed, owner, "esp"));
        let ike_streams = Box::new(Streams::new(seed, owner, "ike"));
        Self {
            address,
            networks: config.networks,
            policies: Policies::of(&config.ike),
            endpoint: Endpoint::new(config.ike, crypto(), ike_streams),
            engine: Engine::new(engine_config, crypto(), esp_streams),
            apps: Apps::default(),
            ledger: Ledger::default(),
            traps: config.traps,
            inactivity: config.inactivity,
            children: BTreeMap::new(),
            ike_sas: BTreeMap::new(),
            counters: HostCounters::default(),
        }
    }

    /// Whether packets to `destination` end here.
    pub(crate) fn owns(&self, destination: Ipv4Addr) -> bool {
        destination == self.address || self.networks.iter().any(|network| network.contains(destination))
    }

    /// When the protocol cores want to run next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        [self.endpoint.poll_timeout(), self.engine.poll_timeout()].into_iter().flatten().min()
    }

    /// Runs a job's protocol work. `arrived` is when the job came to the CPU, `now` the start of its service.
    pub(crate) fn run(&mut self, profile: &CostProfile, now: SimTime, arrived: SimTime, job: Job) -> Effects {
        let cause = match &job {
            Job::Receive(packet) => Cause::Trail(packet.trail),
            Job::Timer(due) => Cause::Timer(*due),
            // A command may end a negotiation that has waited for an answer until now.
            Job::Command(_) => Cause::Timer(arrived),
            Job::Forward(_) | Job::Send(_) => Cause::Trail(Trail::new(arrived)),
        };
        let effects = Effects { cause, outputs: vec![], cost: SimDuration::ZERO };
        let mut run = Run { profile, now: now.to_duration(), arrived, effects };
        match job {
            Job::Receive(packet) => self.receive(&mut run, packet),
            Job::Send(packet) => self.send(&mut run, packet),
            Job::Timer(_) => {
                self.endpoint.handle_timeout(run.now);
                self.engine.handle_timeout(run.now);
            }
            Job::Command(command) => self.command(&mut run, command),
            Job::Forward(_) => unreachable!("the node forwards by itself"),
        }
        self.drain(&mut run);
        run.charge_crypto(&self.endpoint.take_work());
        run.charge_crypto(&self.engine.take_work());
        run.effects
    }

    fn receive(&mut self, run: &mut Run<'_>, packet: Packet) {
        run.charge(PathStep::Receive, packet.len());
        let tag = packet.tag;
        match self.engine.inbound(run.now, packet.bytes, packet.trail) {
            Inbound::Deliver { packet: bytes, token: trail, spi } => {
                let packet = Packet { bytes, trail, tag };
                if let Some(spi) = spi {
                    self.note_alive(run.now, spi);
                    run.push(Output::Local(packet));
                } else if self.receive_ike(run, &packet) {
                    run.push(Output::Absorbed);
                } else {
                    run.push(Output::Local(packet));
                }
            }
            Inbound::Discard { reason, .. } => run.push(Output::Drop(convert::drop_reason(reason))),
        }
    }

    fn note_alive(&mut self, now: Duration, spi: Spi) {
        if let Some(ike_sa) = self.children.get(&spi.value()) {
            self.endpoint.note_alive(now, *ike_sa);
        }
    }

    /// Hands a datagram for the IKE ports to the endpoint; false when the packet is none.
    fn receive_ike(&mut self, run: &mut Run<'_>, packet: &Packet) -> bool {
        let Some(datagram) = ike_datagram(&packet.bytes, self.address) else {
            return false;
        };
        run.charge(PathStep::IkeMessage, datagram.payload.len());
        if let Some(spi_i) = initiator_spi(datagram.payload, datagram.destination.port()) {
            self.ledger.arrival(spi_i, datagram.payload.len());
        }
        let (from, to) = (SocketAddr::V4(datagram.source), SocketAddr::V4(datagram.destination));
        self.endpoint.handle_datagram(run.now, from, to, datagram.payload);
        true
    }

    fn send(&mut self, run: &mut Run<'_>, packet: Packet) {
        run.charge(PathStep::Send, packet.len());
        let tag = packet.tag;
        match self.engine.outbound(run.now, packet.bytes, packet.trail) {
            Outbound::Send { packet: bytes, token: trail, .. } => {
                run.push(Output::Packet(Packet { bytes, trail, tag }));
            }
            Outbound::Discard { reason, .. } => run.push(Output::Drop(convert::drop_reason(reason))),
            Outbound::Queued => {}
        }
    }

    fn command(&mut self, run: &mut Run<'_>, command: Command) {
        match command {
            Command::Initiate(connection) => {
                if let Some(ike_sa) = self.endpoint.initiate(run.now, connection) {
                    self.ledger.begin(ike_sa, connection, run.arrived);
                }
            }
            Command::Terminate(connection) => self.terminate(run.now, connection),
            Command::TerminateChildren(connection) => self.terminate_children(run.now, connection),
            Command::SetLink { .. } => {}
        }
    }

    fn terminate_children(&mut self, now: Duration, connection: ConnectionId) {
        let established = self.endpoint.established().filter(|(_, of, _)| *of == connection);
        let spis: Vec<_> = established.flat_map(|(.., spis)| spis).collect();
        for spi in spis.into_iter().filter_map(Spi::new) {
            self.on_child(now, spi, Endpoint::close_child);
        }
    }

    fn terminate(&mut self, now: Duration, connection: ConnectionId) {
        let established = self.endpoint.established().filter(|(_, of, _)| *of == connection);
        let mut ids: Vec<_> = established.map(|(id, ..)| id).collect();
        ids.extend(self.ledger.under_way(connection));
        for id in ids {
            // One that is ending already needs no second command.
            let _ending = self.endpoint.terminate(now, id);
        }
    }

    /// Carries everything from core to core until all queues are empty.
    fn drain(&mut self, run: &mut Run<'_>) {
        loop {
            let mut idle = true;
            while let Some(event) = self.engine.poll_event() {
                idle = false;
                self.handle_engine_event(run, &event);
            }
            while let Some(event) = self.endpoint.poll_event() {
                idle = false;
                self.handle_ike_event(run, event);
            }
            if idle {
                break;
            }
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            run.charge(PathStep::Send, IP_UDP_HEADERS + transmit.payload.len());
            run.push(Output::Ike(Box::new(transmit)));
        }
    }

    fn handle_engine_event(&mut self, run: &mut Run<'_>, event: &EngineEvent) {
        match *event {
            EngineEvent::Acquire { policy, selectors, .. } => {
                if let Some(child) = self.policies.child(policy) {
                    let connection = child.connection;
                    run.push(Output::Step(Box::new(Step::Acquire { connection, packet: selectors })));
                }
                self.acquire(run, policy, &selectors);
            }
            EngineEvent::IdleTimeout { spi } => {
                run.push(Output::Step(Box::new(Step::IdleTimeout { spi_in: spi.value() })));
                self.on_child(run.now, spi, Endpoint::close_idle_child);
            }
            EngineEvent::SeqExhausted { spi } | EngineEvent::SoftExpired { spi, .. } => {
                self.on_child(run.now, spi, Endpoint::rekey_child);
            }
            EngineEvent::HardExpired { spi, .. } => self.on_child(run.now, spi, Endpoint::expire_child),
            EngineEvent::MappingChanged { .. } => {}
        }
    }

    fn acquire(&mut self, run: &mut Run<'_>, policy: PolicyId, selectors: &ipseclab_ipsec::Selectors) {
        let child = self.policies.child(policy);
        let Some(child) = child.filter(|_| self.traps.get(policy.0 as usize).is_some_and(|trap| *trap))
        else {
            return self.give_up(run, policy, |_| DropReason::NoTunnel);
        };
        let (local, remote) = convert::packet_selectors(selectors);
        match self.endpoint.acquire(run.now, child, local, remote) {
            Acquired::Started(ike_sa) => self.ledger.begin(ike_sa, child.connection, run.arrived),
            Acquired::Covered(_) => self.give_up(run, policy, |_| DropReason::SelectorMismatch),
            Acquired::InProgress(_) => {}
            Acquired::Refused(_) | Acquired::Impossible => self.give_up(run, policy, convert::drop_reason),
        }
    }

    /// Gives the endpoint a command about the Child SA with this inbound SPI.
    fn on_child(
        &mut self,
        now: Duration,
        spi: Spi,
        command: fn(&mut Endpoint, Duration, IkeSaId, u32) -> Result<(), UnknownSa>,
    ) {
        if let Some(ike_sa) = self.children.get(&spi.value()) {
            // It may have ended, or be on its way there, in the same instant; then there is nothing to do.
            let _gone = command(&mut self.endpoint, now, *ike_sa, spi.value());
        }
    }

    fn handle_ike_event(&mut self, run: &mut Run<'_>, event: Event) {
        match &event {
            Event::KeysDerived(keys) => {
                if let Some(agreed) = self.ledger.agreed(keys.ike_sa) {
                    agreed.spi_r = Some(keys.spi_r);
                    agreed.ike_proposal = Some(keys.proposal.to_string());
                }
            }
            Event::IkeSaEstablished(sa) => {
                self.counters.ike_sas_established += 1;
                self.ike_sas.insert(sa.ike_sa, sa.connection);
                if let Some(agreed) = self.ledger.agreed(sa.ike_sa) {
                    agreed.nat_detected = sa.nat_detected;
                }
            }
            Event::ChildSaEstablished(child) => self.install(run, child),
            Event::ChildSaFailed { connection, child: None, .. } => self.abandon(run, *connection),
            Event::ChildSaFailed { child: Some(child), .. } => {
                self.give_up(run, self.policies.policy(*child), convert::drop_reason);
            }
            Event::ChildSaReady { spi_in, .. } => {
                if let Some(spi) = Spi::new(*spi_in) {
                    self.engine.enable_outbound(spi);
                }
            }
            Event::IkeSaRekeyed { old, new } => {
                let moved = self.children.values_mut().filter(|owner| *owner == old);
                moved.for_each(|owner| *owner = *new);
            }
            Event::PathChanged(change) => self.move_children(change),
            // Every policy here begins its Child SA with the next packet, so there is no trap to arm.
            Event::VirtualAddress(_) | Event::RekeyFailed { .. } | Event::TrapWanted { .. } => {}
            Event::ChildSaClosed { ike_sa, spi_in, reason } => self.remove(run, *ike_sa, *spi_in, *reason),
            Event::IkeSaClosed { ike_sa, reason } => {
                self.counters.ike_sas_closed += 1;
                self.note_closed(run, *ike_sa, *reason, ClosedSa::Ike);
                self.ike_sas.remove(ike_sa);
            }
            Event::NegotiationFailed { connection, role, .. } => {
                self.counters.negotiations_refused += u64::from(*role == Role::Responder);
                if let Some(connection) = connection {
                    self.abandon(run, *connection);
                }
            }
            Event::Dropped(_) => {
                self.counters.ike_datagrams_dropped += 1;
                run.push(Output::IkeRejected);
            }
        }
        run.push(Output::Step(Box::new(Step::Ike(event))));
    }

    fn install(&mut self, run: &mut Run<'_>, child: &ipseclab_ike::ChildSaEstablished) {
        self.counters.child_sas_established += 1;
        if let Some(agreed) = self.ledger.agreed(child.ike_sa) {
            agreed.esp_proposal = Some(child.proposal.to_string());
        }
        let policy = self.policies.policy(child.child);
        let idle = self.inactivity.get(policy.0 as usize).copied().flatten();
        let pair =
            convert::sa_pair(child, policy, idle).expect("an IPv4 endpoint agrees on IPv4 and on valid SPIs");
        self.engine
            .install(run.now, pair, convert::outbound_use(child.outbound))
            .expect("the endpoint draws each inbound SPI once");
        self.children.insert(child.spi_in, child.ike_sa);
        // Their wait for the SA is no stage of their own way, so a new trail begins here.
        while let Some((bytes, _)) = self.engine.poll_packet() {
            run.charge(PathStep::Send, bytes.len());
            run.push(Output::Packet(Packet::new(bytes, run.arrived)));
        }
        self.collect_discards(run, convert::drop_reason);
    }

    fn remove(&mut self, run: &mut Run<'_>, ike_sa: IkeSaId, spi_in: u32, reason: CloseReason) {
        self.counters.child_sas_closed += 1;
        self.children.remove(&spi_in);
        let carried = Spi::new(spi_in).and_then(|spi| self.engine.remove(spi)).unwrap_or_default();
        add(&mut self.counters.esp, carried);
        run.push(Output::Step(Box::new(Step::Carried { spi_in, carried })));
        self.note_closed(run, ike_sa, reason, ClosedSa::Child(carried));
    }

    fn note_closed(&self, run: &mut Run<'_>, ike_sa: IkeSaId, reason: CloseReason, sa: ClosedSa) {
        let connection = *self.ike_sas.get(&ike_sa).expect("only what came up is reported as closed");
        run.push(Output::Closed(Box::new(Closure { connection, reason, sa })));
    }

    /// What has been counted, live Child SAs included.
    pub(crate) fn counters(&self) -> HostCounters {
        let mut counters = self.counters;
        for spi in self.engine.installed() {
            if let Some(carried) = self.engine.sa_counters(spi) {
                add(&mut counters.esp, carried);
            }
        }
        counters
    }

    /// The SAD follows the IKE SA to another address or port.
    fn move_children(&mut self, change: &PathChange) {
        let Some(path) = convert::path(change) else { return };
        for spi in change.children.iter().filter_map(|spi| Spi::new(*spi)) {
            self.engine.update_path(spi, path);
        }
    }

    /// Nothing will come of the negotiation that packets wait for.
    fn abandon(&mut self, run: &mut Run<'_>, connection: ConnectionId) {
        let policies: Vec<_> = self.policies.of_connection(connection).collect();
        for policy in policies {
            self.give_up(run, policy, convert::drop_reason);
        }
    }

    fn give_up(
        &mut self,
        run: &mut Run<'_>,
        policy: PolicyId,
        reason_of: fn(ipseclab_ipsec::DiscardReason) -> DropReason,
    ) {
        self.engine.negotiation_failed(policy);
        self.collect_discards(run, reason_of);
    }

    fn collect_discards(
        &mut self,
        run: &mut Run<'_>,
        reason_of: fn(ipseclab_ipsec::DiscardReason) -> DropReason,
    ) {
        while let Some((_, _, reason)) = self.engine.poll_discard() {
            run.push(Output::Drop(reason_of(reason)));
        }
    }
}

fn add(sum: &mut ChildSaCounters, carried: ChildSaCounters) {
    for (sum, carried) in [(&mut sum.inbound, carried.inbound), (&mut sum.outbound, carried.outbound)] {
        sum.packets += carried.packets;
        sum.octets += carried.octets;
    }
}

impl Run<'_> {
    fn push(&mut self, output: Output) {
        self.effects.outputs.push(output);
    }

    fn charge(&mut self, step: PathStep, octets: usize) {
        self.effects.cost += self.profile.step(step, octets);
    }

    fn charge_crypto(&mut self, work: &[ipseclab_crypto::Work]) {
        self.effects.cost += self.profile.crypto(work);
    }
}

/// The datagram in a packet for the IKE ports of `address`.
pub(crate) fn ike_datagram(bytes: &[u8], address: Ipv4Addr) -> Option<UdpDatagram<'_>> {
    let view = Ipv4View::parse(bytes).ok()?;
    if view.protocol() != protocol::UDP || view.destination() != address {
        return None;
    }
    let datagram = UdpDatagram::parse(&view).ok()?;
    let port = datagram.destination.port();
    (port == ipseclab_ike::config::IKE_PORT || port == ipseclab_ike::config::NAT_T_PORT).then_some(datagram)
}

/// The IPv4 form of an endpoint's address; the endpoint was configured with IPv4 only.
pub(crate) fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => unreachable!("an IPv4 endpoint sends to IPv4"),
    }
}
