//! Two gateways on one link, as the tests want them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ipseclab_crypto::{Provider, RealProvider};
use ipseclab_ike::config::{Child, Connection, EndpointConfig};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{Identity, TrafficSelectors};
use ipseclab_ipsec::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry};
use ipseclab_net::{BitRate, IpNet, Link, LinkConfig, Pace, PingConfig, PingSource, PortId};
use ipseclab_node::{
    App, AppId, Command, CostProfile, HostConfig, Node, NodeConfig, NodeEvent, Observe, Port, convert,
};
use ipseclab_sim::{ModelRng, Options, ProcessId, RunSeed, SimDuration, SimTime, Simulation, StreamLabel};

pub(crate) const LEFT: ProcessId = ProcessId::new(0);
pub(crate) const RIGHT: ProcessId = ProcessId::new(1);
pub(crate) const MS: u64 = 1_000_000;

/// What a test changes.
pub(crate) struct Setup {
    pub(crate) link: LinkConfig,
    pub(crate) profile: CostProfile,
    pub(crate) cores: u16,
    pub(crate) datapath: Option<ipseclab_node::DatapathConfig>,
    pub(crate) acquire_queue: usize,
    pub(crate) inactivity: Option<Duration>,
    pub(crate) right_psk: &'static [u8],
    pub(crate) pings: u64,
    pub(crate) seed: u64,
    pub(crate) observe: Observe,
    /// Changes the connection of both sides; the number is the side.
    pub(crate) connection: fn(&mut Connection, u8),
    /// Changes the child of both sides.
    pub(crate) child: fn(&mut Child, u8),
    /// Time between pings.
    pub(crate) interval: SimDuration,
}

impl Default for Setup {
    fn default() -> Self {
        let link =
            LinkConfig { rate: BitRate::new(100_000_000), ..LinkConfig::ideal(SimDuration::from_millis(10)) };
        Self {
            link,
            profile: CostProfile::free(),
            cores: 1,
            datapath: None,
            acquire_queue: 16,
            inactivity: None,
            right_psk: b"secret",
            pings: 10,
            seed: 1,
            observe: Observe { packets: true, steps: true },
            connection: |_, _| {},
            child: |_, _| {},
            interval: SimDuration::from_millis(100),
        }
    }
}

pub(crate) fn address(side: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, side)
}

pub(crate) fn inner(side: u8) -> IpNet {
    IpNet::new(Ipv4Addr::new(10, side, 0, 0), 16).unwrap()
}

pub(crate) fn selectors(side: u8) -> TrafficSelectors {
    TrafficSelectors::ipv4_range(Ipv4Addr::new(10, side, 0, 0), Ipv4Addr::new(10, side, 255, 255))
}

pub(crate) fn host(setup: &Setup, own: u8, peer: u8, psk: &[u8]) -> HostConfig {
    let mut child = Child::new("lan", selectors(own), selectors(peer));
    child.esp_proposals = vec![parse_esp_proposal("aes128gcm16").unwrap()];
    (setup.child)(&mut child, own);
    let policy = SpdEntry {
        name: "lan".into(),
        local: convert::ipsec_selectors(&selectors(own)),
        remote: convert::ipsec_selectors(&selectors(peer)),
        action: SpdAction::Protect { policy: PolicyId(0), mode: ipseclab_ipsec::Mode::Tunnel },
    };
    let id = |side| Identity::Address(address(side).into());
    let mut connection = Connection::new("office", id(own), id(peer));
    connection.remote_address = Some(address(peer).into());
    connection.proposals = vec![parse_ike_proposal("aes128gcm16-prfsha256-x25519").unwrap()];
    (setup.connection)(&mut connection, own);
    connection.children.push(child);
    HostConfig {
        packet_sizes: false,
        networks: vec![inner(own)],
        ike: EndpointConfig {
            trace: true,
            credentials: Credentials::with_psk([id(own), id(peer)], psk),
            ..EndpointConfig::new(address(own).into(), vec![connection])
        },
        spd: Spd::new(vec![policy], DefaultAction::Bypass),
        acquire_queue: setup.acquire_queue,
        traps: vec![own == 1],
        replay_windows: vec![],
        unauthenticated_esp: vec![],
        inactivity: vec![setup.inactivity.filter(|_| own == 1)],
        reassembly: ipseclab_net::ReassemblyConfig::default(),
        dont_fragment: ipseclab_ipsec::DontFragment::Set,
        fragmentation: ipseclab_ipsec::Fragmentation::Before,
        trailer_alignment: ipseclab_ipsec::TrailerAlignment::FourOctets,
        rekeyed_delay: Duration::from_secs(5),
        mss_clamp: None,
    }
}

pub(crate) fn build(setup: &Setup) -> Simulation<Node> {
    let provider: Arc<dyn Provider> = Arc::new(RealProvider::new());
    let seed = RunSeed::new(setup.seed);
    let mut simulation = Simulation::new(Options::default());
    for (id, own, peer, psk) in [(LEFT, 1, 2, &b"secret"[..]), (RIGHT, 2, 1, setup.right_psk)] {
        let config = NodeConfig {
            name: format!("gateway-{own}"),
            address: address(own).into(),
            cores: setup.cores,
            cpu_queue: 1000,
            datapath: setup.datapath,
            cost_profile: Arc::new(setup.profile.clone()),
            observe: setup.observe,
            timeline: SimDuration::from_secs(1),
        };
        simulation.add(Node::host(config, id, host(setup, own, peer, psk), &provider, seed));
    }
    for (from, to, peer) in [(LEFT, RIGHT, 2), (RIGHT, LEFT, 1)] {
        let stream = |purpose| ModelRng::new(seed, StreamLabel::new(from.index(), purpose));
        let link = Link::new(setup.link, stream("loss"), stream("jitter"), stream("reorder"));
        let channel = Some(simulation.add_channel(from, to));
        let node = simulation.process_mut(from);
        let port = node.add_port(Port { link, to, to_port: PortId::new(0), channel });
        node.fib_mut().insert(IpNet::host(address(peer)), port);
        node.fib_mut().insert(inner(peer), port);
    }
    let ping = PingConfig {
        source: inner(1).first_host(),
        destination: inner(2).first_host(),
        ident: 7,
        payload_len: 56,
        pace: Pace::Interval(setup.interval),
        count: Some(setup.pings),
        until: None,
        ttl: 64,
    };
    let app = App::Ping(Box::new(PingSource::new(ping, SimTime::ZERO, None).unwrap()));
    assert_eq!(simulation.process_mut(LEFT).add_app(app), Some(AppId(0)));
    for node in [LEFT, RIGHT] {
        simulation.schedule(node, SimTime::ZERO, NodeEvent::Start);
    }
    simulation
}

/// Runs for `secs` simulated seconds and closes the books.
pub(crate) fn run(setup: &Setup, secs: u64) -> Simulation<Node> {
    let mut simulation = build(setup);
    finish(&mut simulation, secs);
    simulation
}

pub(crate) fn finish(simulation: &mut Simulation<Node>, secs: u64) {
    finish_nodes(simulation, secs, &[LEFT, RIGHT]);
}

/// The same where there are nodes besides the two gateways.
pub(crate) fn finish_all(simulation: &mut Simulation<Node>, secs: u64) {
    let count = u32::try_from(simulation.processes().len()).unwrap();
    finish_nodes(simulation, secs, &(0..count).map(ProcessId::new).collect::<Vec<_>>());
}

fn finish_nodes(simulation: &mut Simulation<Node>, secs: u64, nodes: &[ProcessId]) {
    let end = SimTime::from_nanos(secs * 1_000 * MS);
    simulation.run_until(end);
    for &id in nodes {
        simulation.process_mut(id).finish(end);
        assert_ne!(simulation.process(id).is_balanced(), Some(false), "every packet is accounted for");
    }
}

/// Gives a node a command at some millisecond of the run.
pub(crate) fn command(simulation: &mut Simulation<Node>, node: ProcessId, at_ms: u64, command: Command) {
    simulation.schedule(node, SimTime::from_nanos(at_ms * MS), NodeEvent::Command(command));
}

pub(crate) fn received(simulation: &Simulation<Node>) -> u64 {
    simulation.process(LEFT).app(AppId(0)).unwrap().0.record().unwrap().received.packets
}

/// A profile in which nothing costs anything but the steps of the path that are given, and one cipher each way.
pub(crate) fn priced_path(steps: &[(&str, f64)], (cipher, cipher_ns): (&str, f64)) -> CostProfile {
    let costs = |fixed_ns| ipseclab_node::CostEntry { fixed_ns, ns_per_byte: 0.0 };
    let mut file = free_file();
    file.path.extend(steps.iter().map(|(step, ns)| ((*step).to_owned(), costs(*ns))));
    file.encrypt.insert(cipher.to_owned(), costs(0.0));
    file.decrypt.insert(cipher.to_owned(), costs(cipher_ns));
    CostProfile::from_file(&file).unwrap()
}

fn free_file() -> ipseclab_node::CostProfileFile {
    file_of(ipseclab_node::CostEntry::default(), 0.0)
}

pub(crate) fn priced(ike_message_ns: f64) -> CostProfile {
    let entry = ipseclab_node::CostEntry { fixed_ns: 1000.0, ns_per_byte: 0.0 };
    CostProfile::from_file(&file_of(entry, ike_message_ns)).unwrap()
}

/// A file in which everything costs the same but the handling of IKE messages.
fn file_of(entry: ipseclab_node::CostEntry, ike_message_ns: f64) -> ipseclab_node::CostProfileFile {
    use ipseclab_node::cost_profile::{DES_KEYWORD, hash_keyword};
    use ipseclab_node::{CostEntry, CostProfileFile};
    let of = |names: Vec<&str>| names.into_iter().map(|name| (name.to_owned(), entry)).collect();
    let groups = || ipseclab_crypto::KeyExchangeMethod::ALL.iter().map(|item| item.keyword()).collect();
    let ciphers = || ipseclab_crypto::Encryption::ALL.iter().map(|item| item.keyword()).collect();
    let keys = || ipseclab_crypto::KeyClass::ALL.iter().map(|item| item.keyword()).collect();
    let mut path: std::collections::BTreeMap<_, _> = of(vec!["receive", "send", "forward"]);
    path.insert("ike_message".to_owned(), CostEntry { fixed_ns: ike_message_ns, ns_per_byte: 0.0 });
    CostProfileFile {
        name: "test".into(),
        origins: Vec::new(),
        origin: "made up for tests".into(),
        prf: of(ipseclab_crypto::Prf::ALL.iter().map(|item| item.keyword()).collect()),
        hash: of(ipseclab_crypto::Hash::ALL.iter().map(|item| hash_keyword(*item)).collect()),
        block: of(vec![DES_KEYWORD]),
        key_generation: of(groups()),
        key_agreement: of(groups()),
        encrypt: of(ciphers()),
        decrypt: of(ciphers()),
        integrity: of(ipseclab_crypto::Integrity::ALL.iter().map(|item| item.keyword()).collect()),
        sign: of(keys()),
        verify: of(keys()),
        path,
    }
}
