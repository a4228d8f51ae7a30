//! The simulated node: ports, cores, and a host, router or NAT inside.
//!
//! This file makes nodes and reads their books; what they do with events is in `process`.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use ipseclab_crypto::Provider;
use ipseclab_ike::config::ChildId;
use ipseclab_net::{DropCounters, Fib, FlowId, Nat, NatConfig, Owner, PortId};
use ipseclab_sim::{ProcessId, RunSeed, SimDuration, SimTime, TimerHandle};

use crate::app::{App, AppTimes};
use crate::books::{Losses, OwnerBooks, PacketBooks};
use crate::cost_profile::CostProfile;
use crate::cpu::{CoreId, Cpu, CpuCounters};
use crate::datapath::{Datapath, DatapathConfig};
use crate::event::AppId;
use crate::host::{Host, HostConfig, HostCounters};
use crate::job::{Effects, Job, Output};
use crate::packet_sizes::{PacketSizes, SizeRecord};
use crate::port::Port;
use crate::record::{NegotiationRecord, Observe, Outcome, Records, RenewalOutcome, RenewalRecord};
use crate::timeline::Timeline;

/// What every node has.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The name in results.
    pub name: String,
    /// The node's own address.
    pub address: IpAddr,
    /// Number of cores, at least 1.
    pub cores: u16,
    /// Jobs that may wait for a core.
    pub cpu_queue: usize,
    /// Cores for packets alone; without them, packets share the cores with everything else.
    pub datapath: Option<DatapathConfig>,
    /// What work costs.
    pub cost_profile: Arc<CostProfile>,
    /// What to write down.
    pub observe: Observe,
    /// Width of the buckets of [`Records::timeline`]; zero keeps none.
    pub timeline: SimDuration,
}

/// A node of the simulated network.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) id: ProcessId,
    pub(crate) kind: Kind,
    pub(crate) ports: Vec<Port>,
    pub(crate) fib: Fib,
    pub(crate) cpu: Cpu<Job>,
    pub(crate) running: BTreeMap<CoreId, (Effects, TimerHandle)>,
    pub(crate) datapath: Option<Datapath<Job>>,
    /// The batches under way, by core.
    pub(crate) batches: BTreeMap<u16, (Vec<Effects>, TimerHandle)>,
    /// The memory of the outputs of jobs that are done, for later ones.
    pub(crate) spare: Vec<Vec<Output>>,
    pub(crate) timer: Option<(SimTime, TimerHandle)>,
    /// Whether a timer job waits for a core.
    pub(crate) timer_queued: bool,
    pub(crate) drops: DropCounters,
    pub(crate) books: PacketBooks,
    pub(crate) owner_books: OwnerBooks,
    /// What the links behind the ports lost, in the order of the ports.
    pub(crate) link_losses: Vec<Losses>,
    pub(crate) records: Records,
    pub(crate) sent_tags: u64,
    pub(crate) next_ident: u16,
    /// The last identification of a fragmented IPv6 packet.
    pub(crate) next_fragment_id: u32,
    /// Alarms of the ends of TCP connections.
    pub(crate) app_alarms: BTreeMap<AppId, (SimTime, TimerHandle)>,
    pub(crate) power: Power,
    /// Whether what arrives is swallowed.
    pub(crate) is_blackhole: bool,
}

/// Whether a node is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
}

pub(crate) enum Kind {
    Router,
    Host(Box<Host>),
    /// Port 0 leads inside, port 1 outside.
    Nat(Box<Nat>),
}

impl Node {
    /// A node that only forwards. `id` is the process that it will be.
    pub fn router(config: NodeConfig, id: ProcessId) -> Self {
        Self::with_kind(config, id, Kind::Router)
    }

    /// A host or gateway with an IKE endpoint and an IPsec engine.
    pub fn host(
        config: NodeConfig,
        id: ProcessId,
        host: HostConfig,
        provider: &Arc<dyn Provider>,
        seed: RunSeed,
    ) -> Self {
        let host = Host::new(config.address, host, provider, seed, id);
        Self::with_kind(config, id, Kind::Host(Box::new(host)))
    }

    /// A NAT: its first port leads inside, its second outside; `config.address` is what the outside sees. `None` when
    /// that is an IPv6 address, which nothing is translated to.
    pub fn nat(config: NodeConfig, id: ProcessId, nat: NatConfig) -> Option<Self> {
        let IpAddr::V4(external) = config.address else { return None };
        Some(Self::with_kind(config, id, Kind::Nat(Box::new(Nat::new(nat, external)))))
    }

    fn with_kind(config: NodeConfig, id: ProcessId, kind: Kind) -> Self {
        let cpu = Cpu::new(config.cores.max(1), config.cpu_queue);
        let datapath = config.datapath.map(Datapath::new);
        let records = Records { timeline: Timeline::new(config.timeline), ..Records::default() };
        Self {
            config,
            id,
            kind,
            ports: vec![],
            fib: Fib::new(),
            cpu,
            running: BTreeMap::new(),
            datapath,
            batches: BTreeMap::new(),
            spare: vec![],
            timer: None,
            timer_queued: false,
            drops: DropCounters::default(),
            books: PacketBooks::default(),
            owner_books: OwnerBooks::default(),
            link_losses: vec![],
            records,
            sent_tags: 0,
            next_ident: 0,
            next_fragment_id: 0,
            app_alarms: BTreeMap::new(),
            power: Power::On,
            is_blackhole: false,
        }
    }

    /// Gives the node datapath cores, or takes them away; before the run alone.
    pub fn set_datapath(&mut self, config: Option<DatapathConfig>) {
        self.datapath = config.map(Datapath::new);
    }

    /// Adds a port; the first is 0.
    ///
    /// # Panics
    /// At the 2³²th port.
    pub fn add_port(&mut self, port: Port) -> PortId {
        self.ports.push(port);
        self.link_losses.push(Losses::default());
        PortId::new(u32::try_from(self.ports.len() - 1).expect("a node has fewer than 2^32 ports"))
    }

    /// The routes of packets that this node sends or forwards.
    pub fn fib_mut(&mut self) -> &mut Fib {
        &mut self.fib
    }

    /// Adds an application whose packets are in no flow's books; `None` on nodes that are no hosts.
    pub fn add_app(&mut self, app: App) -> Option<AppId> {
        self.add_flow_app(app, FlowId::NONE)
    }

    /// Adds an application of a flow; `None` on nodes that are no hosts.
    pub fn add_flow_app(&mut self, app: App, flow: FlowId) -> Option<AppId> {
        match &mut self.kind {
            Kind::Host(host) => Some(host.apps.add(app, flow)),
            Kind::Router | Kind::Nat(_) => None,
        }
    }

    /// Gives a host a further address during the run, such as a virtual one (RFC 7296 §2.19). Packets to it end here, and
    /// applications that were added with the source 0.0.0.0, or ::, send from it. Until then their packets are dropped as
    /// [`DropReason::NoAddress`](ipseclab_net::DropReason::NoAddress).
    pub fn assign_address(&mut self, address: IpAddr) {
        if let Kind::Host(host) = &mut self.kind {
            host.assign(address);
        }
    }

    /// Takes an assigned address away again.
    pub fn withdraw_address(&mut self, address: IpAddr) {
        if let Kind::Host(host) = &mut self.kind {
            host.withdraw(address);
        }
    }

    /// The name in results.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The node's own address.
    pub fn address(&self) -> IpAddr {
        self.config.address
    }

    /// Number of cores.
    pub fn cores(&self) -> u16 {
        self.config.cores.max(1)
    }

    /// "host", "router" or "nat".
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Router => "router",
            Kind::Host(_) => "host",
            Kind::Nat(_) => "nat",
        }
    }

    /// The ports, in order.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// How many applications this node has.
    pub fn app_count(&self) -> usize {
        match &self.kind {
            Kind::Host(host) => host.apps.len(),
            Kind::Router | Kind::Nat(_) => 0,
        }
    }

    /// An application of this host, and when things happened to it.
    pub fn app(&self, id: AppId) -> Option<&(App, AppTimes)> {
        match &self.kind {
            Kind::Host(host) => Some(host.apps.get(id)),
            Kind::Router | Kind::Nat(_) => None,
        }
    }

    /// The name of a child in this host's configuration.
    pub fn child_name(&self, child: ChildId) -> Option<&str> {
        match &self.kind {
            Kind::Host(host) => Some(host.endpoint.config().child(child).name.as_str()),
            Kind::Router | Kind::Nat(_) => None,
        }
    }

    /// What the host has counted; zeros for other nodes.
    pub fn host_counters(&self) -> HostCounters {
        match &self.kind {
            Kind::Host(host) => host.counters(),
            Kind::Router | Kind::Nat(_) => HostCounters::default(),
        }
    }

    /// The lengths of packets under Child SAs, where the host was asked for them.
    pub fn packet_sizes(&self) -> impl Iterator<Item = SizeRecord<'_>> {
        let host = match &self.kind {
            Kind::Host(host) => Some(host),
            Kind::Router | Kind::Nat(_) => None,
        };
        host.and_then(|host| host.packet_sizes.as_deref()).into_iter().flat_map(PacketSizes::records)
    }

    /// What the cores have done, those of the datapath aside.
    pub fn cpu_counters(&self) -> CpuCounters {
        self.cpu.counters()
    }

    /// What the datapath cores have done, where there are some, and in how many batches.
    pub fn datapath_counters(&self) -> Option<(CpuCounters, u64)> {
        self.datapath.as_ref().map(|datapath| (datapath.counters(), datapath.batches()))
    }

    /// Number of datapath cores.
    pub fn datapath_cores(&self) -> u16 {
        self.datapath.as_ref().map_or(0, |datapath| datapath.config().cores.max(1))
    }

    /// Jobs and packets that wait for a core or are being worked on.
    fn in_progress(&self) -> usize {
        self.cpu.in_progress() + self.datapath.as_ref().map_or(0, Datapath::in_progress)
    }

    /// Packets that ended in this node, by reason; those that ended on a link are the link's.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// Packets that are inside the node: waiting for a core, being worked on, or waiting for an SA or for fragments.
    pub fn packets_held(&self) -> usize {
        let waiting = match &self.kind {
            Kind::Host(host) => host.packets_held(),
            Kind::Router | Kind::Nat(_) => 0,
        };
        self.in_progress() + waiting
    }

    /// What came in and what went out.
    pub fn books(&self) -> PacketBooks {
        self.books
    }

    /// The books of flows and SAs, of what happened inside this node.
    pub fn owner_books(&self) -> &OwnerBooks {
        &self.owner_books
    }

    /// What the links behind the ports lost, in the order of the ports.
    pub fn link_losses(&self) -> &[Losses] {
        &self.link_losses
    }

    /// Whose packets are inside the node, one by one: waiting for a core, being worked on, or waiting for an SA or for
    /// fragments.
    pub fn owners_held(&self) -> Vec<Owner> {
        let waiting = self.cpu.jobs().chain(self.datapath.iter().flat_map(Datapath::jobs));
        let worked_on = self.effects_under_way().flat_map(|effects| &effects.outputs);
        let mut held: Vec<_> =
            waiting.filter_map(Job::owner).chain(worked_on.filter_map(Output::owner)).collect();
        if let Kind::Host(host) = &self.kind {
            held.extend(host.owners_held());
        }
        held
    }

    fn effects_under_way(&self) -> impl Iterator<Item = &Effects> {
        let batches = self.batches.values().flat_map(|(batch, _)| batch);
        self.running.values().map(|(effects, _)| effects).chain(batches)
    }

    /// Whether every packet is accounted for; `None` while a core is at work, since its packets are neither here nor
    /// there.
    pub fn is_balanced(&self) -> Option<bool> {
        let held = match &self.kind {
            Kind::Host(host) => host.packets_held() as u64,
            Kind::Router | Kind::Nat(_) => 0,
        };
        (self.in_progress() == 0).then(|| self.books.are_balanced(held))
    }

    /// What has been written down.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Ends the books at the end of the run: negotiations under way become unfinished, and the pieces of packets that are
    /// being cut are there.
    pub fn finish(&mut self, now: SimTime) {
        let outputs = self.effects_under_way().flat_map(|effects| &effects.outputs);
        let made = |output: &Output| match output {
            Output::Made(pieces, owner) => Some((*pieces, *owner)),
            _ => None,
        };
        let cut: Vec<_> = outputs.filter_map(made).collect();
        for (pieces, owner) in cut {
            self.owner_books.cut(owner, pieces);
        }
        if let Kind::Host(host) = &mut self.kind {
            let (setups, renewals) = host.end_all((Outcome::Unfinished, RenewalOutcome::Unfinished), now);
            self.records.negotiations.extend(setups);
            self.records.renewals.extend(renewals);
            let (sas, children) = host.take_stock(now);
            self.records.sas.extend(sas);
            self.records.children.extend(children);
        }
    }

    /// Writes down what has ended.
    pub(crate) fn write_ends(
        &mut self,
        now: SimTime,
        setups: impl IntoIterator<Item = NegotiationRecord>,
        renewals: Vec<RenewalRecord>,
    ) {
        for setup in setups {
            let is_up = setup.outcome == Outcome::Established;
            self.records.timeline.count(now, |bucket| bucket.setups_established += u64::from(is_up));
            self.records.negotiations.push(setup);
        }
        for renewal in renewals {
            let is_done = renewal.outcome == RenewalOutcome::Done;
            self.records.timeline.count(now, |bucket| {
                bucket.renewals_done += u64::from(is_done);
                bucket.renewals_failed += u64::from(!is_done);
            });
            self.records.renewals.push(renewal);
        }
    }
}
