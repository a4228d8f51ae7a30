//! A host or gateway: IKE endpoint, IPsec engine and applications behind one address (design §7).
//!
//! A job runs the protocol cores at the start of its service and leaves its effects in [`Effects`]; the node carries
//! them out when the job's CPU time is over. Nothing in here touches a link or the event queue. What the scenario asks
//! for is in `commands`, what the cores tell each other in `events`, the books of Child SAs in `pairs`.

mod commands;
mod config;
mod events;
mod pairs;
mod sizes;

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipseclab_crypto::{Crypto, Provider};
use ipseclab_ike::config::{ChildId, ConnectionId, EndpointConfig, IkeVersion};
use ipseclab_ike::wire::IkeSpi;
use ipseclab_ike::{Endpoint, IkeSaId, Transmit};
use ipseclab_ipsec::{
    ChildSaCounters, DontFragment, Engine, EngineConfig, Fragmentation, Inbound, Outbound, Spd, Spi,
    TrailerAlignment, WindowLen,
};
use ipseclab_net::{IpNet, IpView, Owner, Packet, Reassembler, SaId, Trail, UdpDatagram, protocol};
use ipseclab_sim::{ProcessId, RunSeed, SimTime};

use crate::app::Apps;
use crate::convert;
use crate::cost_profile::{Charge, CostProfile, Step as PathStep};
use crate::coverage::Coverage;
use crate::job::{Effects, Job, Output, Run};
use crate::journey::{Cause, trail_at};
use crate::negotiation::{Ledger, initiator_spi};
use crate::packet_sizes::PacketSizes;
use crate::path;
use crate::policies::Policies;
use crate::random::Streams;
use crate::record::{
    ClosedSa, Closure, EndReason, NegotiationRecord, Outcome, RenewalOutcome, RenewalRecord, SaRecord,
};
use crate::renewal::Renewals;
use crate::transit::Behind;

pub use config::{HostConfig, HostCounters};

/// The host's state.
pub(crate) struct Host {
    address: IpAddr,
    networks: Vec<IpNet>,
    /// Nodes behind the host.
    pub(crate) behind: Behind,
    /// Addresses that came during the run, such as the virtual ones of a road warrior.
    assigned: BTreeSet<IpAddr>,
    /// Those of them that a peer lends us, by the IKE SA with which they end.
    borrowed: BTreeMap<IkeSaId, Vec<IpAddr>>,
    pub(crate) endpoint: Endpoint,
    pub(crate) engine: Engine<Token>,
    pub(crate) apps: Apps,
    ledger: Ledger,
    renewals: Renewals,
    policies: Policies,
    traps: Vec<bool>,
    inactivity: Vec<Option<Duration>>,
    replay_windows: Vec<WindowLen>,
    unauthenticated_esp: Vec<bool>,
    /// Fragments that have arrived from the network.
    outer_fragments: Reassembler,
    /// Fragments that have come out of tunnels.
    pub(crate) inner_fragments: Reassembler,
    /// What is known of the paths to other hosts: the longest packet, and until when that is believed.
    path_mtus: BTreeMap<IpAddr, (u32, SimTime)>,
    mss_clamp: Option<u16>,
    pub(crate) packet_sizes: Option<Box<PacketSizes>>,
    next_fragment_id: u32,
    /// Installed Child SAs by inbound SPI.
    children: BTreeMap<u32, Installed>,
    rekeyed_delay: Duration,
    /// Child SAs that have ended for IKE and still take what arrives, by inbound SPI.
    retired: BTreeMap<u32, Retired>,
    /// The same by the time at which they go.
    retirements: BTreeSet<(Duration, u32)>,
    /// How many Child SAs were installed so far.
    sas_installed: u32,
    /// Those that are gone.
    sas_removed: Vec<SaRecord>,
    /// How the children fare that ever had a Child SA.
    coverage: BTreeMap<ChildId, Coverage>,
    /// IKE SAs that are up.
    ike_sas: BTreeMap<IkeSaId, Standing>,
    /// IKE SAs that are being set up for themselves: no Child SA is to follow at once.
    bare: BTreeSet<IkeSaId>,
    counters: HostCounters,
    origin: Origin,
    /// For what the host itself draws.
    streams: Streams,
}

/// An installed Child SA.
#[derive(Clone, Copy, Debug)]
struct Installed {
    ike_sa: IkeSaId,
    child: ChildId,
    /// The name of its outbound SA on packets.
    outbound: SaId,
    spi_out: u32,
    since: SimTime,
    /// Whether it is in UDP: what it sends holds a NAT's mapping open.
    in_udp: bool,
}

/// A Child SA that has ended for IKE.
#[derive(Clone, Copy, Debug)]
struct Retired {
    installed: Installed,
    ended: SimTime,
    until: Duration,
}

/// What the engine keeps with each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    trail: Trail,
    pub(crate) owner: Owner,
}

/// An IKE SA that is up.
#[derive(Clone, Copy, Debug)]
struct Standing {
    connection: ConnectionId,
    spi_i: IkeSpi,
    version: IkeVersion,
    /// Whether a renewal has put another one in its place, so that it only waits for its end.
    replaced: bool,
}

/// Where the protocol cores come from; needed again when a crash has taken them.
struct Origin {
    provider: Arc<dyn Provider>,
    seed: RunSeed,
    owner: ProcessId,
    /// How often the host has gone down.
    incarnation: u32,
    queue_packets: usize,
    dont_fragment: DontFragment,
    fragmentation: Fragmentation,
    protected_addresses: Vec<IpAddr>,
    trailer_alignment: TrailerAlignment,
}

/// What a crash takes along.
pub(crate) struct Wreck {
    /// Whose packets.
    pub(crate) packets: Vec<Owner>,
    pub(crate) negotiations: Vec<NegotiationRecord>,
    pub(crate) renewals: Vec<RenewalRecord>,
    pub(crate) closures: Vec<Closure>,
}

impl Origin {
    fn streams(&self, core: &str) -> Streams {
        Streams::new(self.seed, self.owner, core, self.incarnation)
    }

    fn endpoint(&self, config: EndpointConfig) -> Endpoint {
        Endpoint::new(config, Crypto::new(Arc::clone(&self.provider)), Box::new(self.streams("ike")))
    }

    fn engine(&self, spd: Spd, address: IpAddr) -> Engine<Token> {
        let config = EngineConfig {
            queue_packets: self.queue_packets,
            dont_fragment: self.dont_fragment,
            fragmentation: self.fragmentation,
            protected_addresses: self.protected_addresses.clone(),
            trailer_alignment: self.trailer_alignment,
            ..EngineConfig::new(spd, address)
        };
        Engine::new(config, Crypto::new(Arc::clone(&self.provider)), Box::new(self.streams("esp")))
    }
}

impl Host {
    pub(crate) fn new(
        address: IpAddr,
        config: HostConfig,
        provider: &Arc<dyn Provider>,
        seed: RunSeed,
        owner: ProcessId,
    ) -> Self {
        let provider = Arc::clone(provider);
        let origin = Origin {
            provider,
            seed,
            owner,
            incarnation: 0,
            queue_packets: config.acquire_queue,
            dont_fragment: config.dont_fragment,
            fragmentation: config.fragmentation,
            protected_addresses: protected_addresses(&config.networks),
            trailer_alignment: config.trailer_alignment,
        };
        Self {
            address,
            networks: config.networks,
            behind: Behind::default(),
            assigned: BTreeSet::new(),
            borrowed: BTreeMap::new(),
            policies: Policies::of(&config.ike),
            endpoint: origin.endpoint(config.ike),
            engine: origin.engine(config.spd, address),
            apps: Apps::default(),
            ledger: Ledger::default(),
            renewals: Renewals::default(),
            traps: config.traps,
            inactivity: config.inactivity,
            replay_windows: config.replay_windows,
            unauthenticated_esp: config.unauthenticated_esp,
            outer_fragments: Reassembler::new(config.reassembly),
            inner_fragments: Reassembler::new(config.reassembly),
            path_mtus: BTreeMap::new(),
            mss_clamp: config.mss_clamp,
            packet_sizes: config.packet_sizes.then(Box::default),
            next_fragment_id: 0,
            children: BTreeMap::new(),
            rekeyed_delay: config.rekeyed_delay,
            retired: BTreeMap::new(),
            retirements: BTreeSet::new(),
            sas_installed: 0,
            sas_removed: vec![],
            coverage: BTreeMap::new(),
            ike_sas: BTreeMap::new(),
            bare: BTreeSet::new(),
            counters: HostCounters::default(),
            streams: origin.streams("host"),
            origin,
        }
    }

    /// Whether packets to `destination` end here.
    pub(crate) fn owns(&self, destination: IpAddr) -> bool {
        let behind = || self.behind.has(destination);
        destination == self.address
            || self.networks.iter().any(|network| network.contains(destination)) && !behind()
            || self.assigned.contains(&destination)
    }

    /// Gives the host a further address, which the applications without one send from.
    pub(crate) fn assign(&mut self, address: IpAddr) {
        self.assigned.insert(address);
        self.apps.move_dynamic(&self.assigned);
    }

    /// Takes an address away again.
    pub(crate) fn withdraw(&mut self, address: IpAddr) {
        if self.assigned.remove(&address) {
            self.apps.move_dynamic(&self.assigned);
        }
    }

    /// When the protocol cores want to run next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let cores = [self.endpoint.poll_timeout(), self.engine.poll_timeout()];
        let fragments = [self.outer_fragments.next_timeout(), self.inner_fragments.next_timeout()];
        let fragments = fragments.into_iter().flatten().map(SimTime::to_duration);
        cores.into_iter().flatten().chain(fragments).min()
    }

    /// Runs a job's protocol work. `arrived` is when the job came to the CPU, `now` the start of its service.
    ///
    /// `outputs` is empty, and only there for its memory.
    pub(crate) fn run(
        &mut self,
        profile: &CostProfile,
        (now, arrived): (SimTime, SimTime),
        job: Job,
        outputs: Vec<Output>,
    ) -> Effects {
        let cause = match &job {
            Job::Receive(packet) | Job::Accept(packet) => Cause::Trail(packet.trail),
            Job::Timer(due) => Cause::Timer(*due),
            // A command may end a negotiation that has waited for an answer until now.
            Job::Command(_) => Cause::Timer(arrived),
            Job::Forward(_) | Job::Transit(_) | Job::Send(_) | Job::Raw(_) => {
                Cause::Trail(Trail::new(arrived))
            }
        };
        let effects = Effects { cause, outputs, cost: Charge::default() };
        let mut run = Run {
            profile,
            now: now.to_duration(),
            arrived,
            broken: vec![],
            established: vec![],
            finished: vec![],
            effects,
        };
        self.drop_retired(run.now);
        match job {
            Job::Receive(packet) => self.receive(&mut run, now, packet),
            Job::Send(packet) => self.send(&mut run, now, packet),
            Job::Accept(packet) => self.accept(&mut run, now, packet),
            Job::Transit(packet) => self.transit(&mut run, packet),
            Job::Raw(packet) => {
                run.charge(PathStep::Send, packet.len());
                run.push(Output::Packet(packet));
            }
            Job::Timer(_) => {
                self.endpoint.handle_timeout(run.now);
                self.engine.handle_timeout(run.now);
                self.expire_fragments(&mut run, now);
            }
            Job::Command(command) => self.command(&mut run, command),
            Job::Forward(_) => unreachable!("the node forwards by itself"),
        }
        self.drain(&mut run);
        run.charge_crypto(&self.endpoint.take_work());
        // Read where it stands: a meter that is taken starts with no memory, once a packet.
        let meter = self.engine.crypto_mut().meter();
        run.charge_crypto(meter.entries());
        meter.clear();
        run.effects
    }

    fn receive(&mut self, run: &mut Run<'_>, now: SimTime, packet: Packet) {
        run.charge(PathStep::Receive, packet.len());
        let Some(packet) = self.reassemble(run, now, packet) else { return };
        let (tag, arrived_octets) = (packet.tag, packet.bytes.len());
        let token = Token { trail: packet.trail, owner: packet.owner };
        match self.engine.inbound(run.now, packet.bytes, token) {
            Inbound::Deliver { packet: bytes, token: Token { trail, owner }, spi } => {
                let mut packet = Packet { bytes, trail, tag, owner };
                if let Some(spi) = spi {
                    packet.owner = owner.opened();
                    self.note_alive(run.now, spi);
                    if let Some(sizes) = &mut self.packet_sizes {
                        sizes.add(spi.value(), packet.bytes.len(), arrived_octets);
                    }
                    self.clamp(&mut packet);
                } else if self.receive_ike(run, &packet) {
                    return run.push(Output::Absorbed);
                }
                run.push(self.admitted(packet));
            }
            Inbound::Discard { reason, token, .. } => {
                run.push(Output::Drop(convert::drop_reason(reason), token.owner));
            }
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
        self.endpoint.handle_datagram(run.now, datagram.source, datagram.destination, datagram.payload);
        true
    }

    fn send(&mut self, run: &mut Run<'_>, now: SimTime, mut packet: Packet) {
        run.charge(PathStep::Send, packet.len());
        if self.is_for_behind(&packet) {
            return run.push(Output::Packet(packet));
        }
        self.clamp(&mut packet);
        for packet in self.fit_to_path(run, now, packet) {
            self.send_one(run, packet, path::Origin::Own);
        }
    }

    pub(crate) fn send_one(&mut self, run: &mut Run<'_>, packet: Packet, origin: path::Origin) {
        let tag = packet.tag;
        let token = Token { trail: packet.trail, owner: packet.owner };
        match self.engine.outbound(run.now, packet.bytes, token) {
            Outbound::Send { packet: bytes, token: Token { trail, owner }, pair, .. } => {
                let owner = owner.sealed(self.note_sent(run.now, pair));
                let packet = Packet { bytes, trail, tag, owner };
                run.push(match (pair, origin) {
                    (None, path::Origin::Others) => Output::Forwarded(packet),
                    (Some(_), _) | (None, path::Origin::Own) => Output::Packet(packet),
                });
            }
            Outbound::Discard { reason, token, .. } => {
                run.push(Output::Drop(convert::drop_reason(reason), token.owner));
            }
            Outbound::Fragment { octets, packet: bytes, token: Token { trail, owner } } => {
                self.send_smaller(run, &Packet { bytes, trail, tag, owner }, octets, origin);
            }
            Outbound::Queued => {}
        }
        self.tell_senders(run);
    }

    /// The trail of an IKE message that leaves at `now`, for whatever reason.
    pub(crate) fn departure(&mut self, transmit: &Transmit, cause: Cause, now: SimTime) -> Trail {
        let renewal = self.renewals.departure(transmit, cause, now);
        let of_ours = renewal.or_else(|| self.ledger.departure(transmit, cause, now));
        of_ours.unwrap_or_else(|| trail_at(cause, now))
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

    /// Ends all that is under way; for the end of the run, and of the host.
    pub(crate) fn end_all(
        &mut self,
        (setup, renewal): (Outcome, RenewalOutcome),
        now: SimTime,
    ) -> (Vec<NegotiationRecord>, Vec<RenewalRecord>) {
        let setups = self.ledger.end_all(setup, now);
        let mut renewals: Vec<_> = setups.iter().filter_map(RenewalRecord::of_reauthentication).collect();
        renewals.extend(self.renewals.end_all(renewal, now));
        (setups, renewals)
    }

    /// Loses all SAs, negotiations, waiting packets and assigned addresses. Configuration, applications and counters
    /// stay, and the randomness of the next life is another one.
    pub(crate) fn crash(&mut self, now: SimTime) -> Wreck {
        let packets = self.owners_held();
        self.outer_fragments.clear();
        self.inner_fragments.clear();
        self.path_mtus.clear();
        let (negotiations, renewals) = self.end_all((Outcome::NodeDown, RenewalOutcome::NodeDown), now);
        let closures = self.lose_sas(now);
        self.origin.incarnation += 1;
        self.endpoint = self.origin.endpoint(self.endpoint.config().clone());
        self.engine = self.origin.engine(self.engine.spd_mut().clone(), self.address);
        self.streams = self.origin.streams("host");
        self.assigned.clear();
        self.borrowed.clear();
        self.bare.clear();
        self.apps.move_dynamic(&self.assigned);
        Wreck { packets, negotiations, renewals, closures }
    }

    /// The ends of all SAs, Child SAs first.
    fn lose_sas(&mut self, now: SimTime) -> Vec<Closure> {
        let reason = EndReason::NodeDown;
        self.drop_retired(Duration::MAX);
        let mut closures = vec![];
        for (spi, installed) in core::mem::take(&mut self.children) {
            let carried = Spi::new(spi).and_then(|spi| self.engine.remove(spi)).unwrap_or_default();
            add(&mut self.counters.esp, carried);
            self.counters.child_sas_closed += 1;
            self.note_removed(now.to_duration(), spi, installed, (carried, reason));
            let connection = installed.child.connection;
            closures.push(Closure { connection, reason, sa: ClosedSa::Child(carried) });
        }
        for (_, Standing { connection, .. }) in core::mem::take(&mut self.ike_sas) {
            self.counters.ike_sas_closed += 1;
            closures.push(Closure { connection, reason, sa: ClosedSa::Ike });
        }
        closures
    }
}

/// The first address of the first network of each version, which is the host's own there.
fn protected_addresses(networks: &[IpNet]) -> Vec<IpAddr> {
    let first =
        |is_v4| networks.iter().map(|network| network.first_host()).find(|own| own.is_ipv4() == is_v4);
    [true, false].into_iter().filter_map(first).collect()
}

fn add(sum: &mut ChildSaCounters, carried: ChildSaCounters) {
    for (sum, carried) in [(&mut sum.inbound, carried.inbound), (&mut sum.outbound, carried.outbound)] {
        sum.packets += carried.packets;
        sum.octets += carried.octets;
    }
}

/// The datagram in a packet for the IKE ports of `address`.
pub(crate) fn ike_datagram(bytes: &[u8], address: IpAddr) -> Option<UdpDatagram<'_>> {
    let view = IpView::parse(bytes).ok()?;
    if view.protocol() != protocol::UDP || view.destination() != address {
        return None;
    }
    let datagram = UdpDatagram::parse(&view).ok()?;
    let port = datagram.destination.port();
    (port == ipseclab_ike::config::IKE_PORT || port == ipseclab_ike::config::NAT_T_PORT).then_some(datagram)
}
