//! Two gateways on one link: what the node adds to the protocol cores.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ipseclab_crypto::{Provider, RealProvider};
use ipseclab_ike::config::{Child, Connection, ConnectionId, EndpointConfig};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{CloseReason, FailureReason, Identity, TrafficSelectors};
use ipseclab_ipsec::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry};
use ipseclab_net::{
    BitRate, DropReason, Ipv4Net, Link, LinkConfig, LossPpb, Pace, PingConfig, PingSource, PortId,
};
use ipseclab_node::{
    App, AppId, ClosedSa, Command, CostProfile, HostConfig, Node, NodeConfig, NodeEvent, Observe, Outcome,
    Port, Step, convert,
};
use ipseclab_sim::{ModelRng, Options, ProcessId, RunSeed, SimDuration, SimTime, Simulation, StreamLabel};

const LEFT: ProcessId = ProcessId::new(0);
const RIGHT: ProcessId = ProcessId::new(1);
const MS: u64 = 1_000_000;

/// What a test changes.
struct Setup {
    link: LinkConfig,
    profile: CostProfile,
    cores: u16,
    acquire_queue: usize,
    inactivity: Option<Duration>,
    right_psk: &'static [u8],
    pings: u64,
    seed: u64,
    observe: Observe,
}

impl Default for Setup {
    fn default() -> Self {
        let link =
            LinkConfig { rate: BitRate::new(100_000_000), ..LinkConfig::ideal(SimDuration::from_millis(10)) };
        Self {
            link,
            profile: CostProfile::free(),
            cores: 1,
            acquire_queue: 16,
            inactivity: None,
            right_psk: b"secret",
            pings: 10,
            seed: 1,
            observe: Observe { packets: true, steps: true },
        }
    }
}

fn address(side: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, side)
}

fn inner(side: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::new(10, side, 0, 0), 16).unwrap()
}

fn selectors(side: u8) -> TrafficSelectors {
    TrafficSelectors::ipv4_range(inner(side).first(), inner(side).last())
}

fn host(setup: &Setup, own: u8, peer: u8, psk: &[u8]) -> HostConfig {
    let mut child = Child::new("lan", selectors(own), selectors(peer));
    child.esp_proposals = vec![parse_esp_proposal("aes128gcm16").unwrap()];
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
    connection.children.push(child);
    HostConfig {
        networks: vec![inner(own)],
        ike: EndpointConfig {
            trace: true,
            credentials: Credentials::with_psk([id(own), id(peer)], psk),
            ..EndpointConfig::new(address(own).into(), vec![connection])
        },
        spd: Spd::new(vec![policy], DefaultAction::Bypass),
        acquire_queue: setup.acquire_queue,
        traps: vec![own == 1],
        inactivity: vec![setup.inactivity.filter(|_| own == 1)],
    }
}

fn build(setup: &Setup) -> Simulation<Node> {
    let provider: Arc<dyn Provider> = Arc::new(RealProvider::new());
    let seed = RunSeed::new(setup.seed);
    let mut simulation = Simulation::new(Options::default());
    for (id, own, peer, psk) in [(LEFT, 1, 2, &b"secret"[..]), (RIGHT, 2, 1, setup.right_psk)] {
        let config = NodeConfig {
            name: format!("gateway-{own}"),
            address: address(own),
            cores: setup.cores,
            cpu_queue: 1000,
            cost_profile: Arc::new(setup.profile.clone()),
            observe: setup.observe,
        };
        simulation.add(Node::host(config, id, host(setup, own, peer, psk), &provider, seed));
    }
    for (from, to, peer) in [(LEFT, RIGHT, 2), (RIGHT, LEFT, 1)] {
        let stream = |purpose| ModelRng::new(seed, StreamLabel::new(from.index(), purpose));
        let link = Link::new(setup.link, stream("loss"), stream("jitter"));
        let channel = Some(simulation.add_channel(from, to));
        let node = simulation.process_mut(from);
        let port = node.add_port(Port { link, to, to_port: PortId::new(0), channel });
        node.fib_mut().insert(Ipv4Net::host(address(peer)), port);
        node.fib_mut().insert(inner(peer), port);
    }
    let ping = PingConfig {
        source: inner(1).first_host(),
        destination: inner(2).first_host(),
        ident: 7,
        payload_len: 56,
        pace: Pace::Interval(SimDuration::from_millis(100)),
        count: Some(setup.pings),
        ttl: 64,
    };
    let app = App::Ping(Box::new(PingSource::new(ping, SimTime::ZERO).unwrap()));
    assert_eq!(simulation.process_mut(LEFT).add_app(app), Some(AppId(0)));
    for node in [LEFT, RIGHT] {
        simulation.schedule(node, SimTime::ZERO, NodeEvent::Start);
    }
    simulation
}

/// Runs for `secs` simulated seconds and closes the books.
fn run(setup: &Setup, secs: u64) -> Simulation<Node> {
    let mut simulation = build(setup);
    finish(&mut simulation, secs);
    simulation
}

fn finish(simulation: &mut Simulation<Node>, secs: u64) {
    let end = SimTime::from_nanos(secs * 1_000 * MS);
    simulation.run_until(end);
    for id in [LEFT, RIGHT] {
        simulation.process_mut(id).finish(end);
        assert_ne!(simulation.process(id).is_balanced(), Some(false), "every packet is accounted for");
    }
}

fn received(simulation: &Simulation<Node>) -> u64 {
    simulation.process(LEFT).app(AppId(0)).unwrap().0.record().received.packets
}

fn priced(ike_message_ns: f64) -> CostProfile {
    use ipseclab_node::cost_profile::{DES_KEYWORD, hash_keyword};
    use ipseclab_node::{CostEntry, CostProfileFile};
    let entry = CostEntry { fixed_ns: 1000.0, ns_per_byte: 0.0 };
    let of = |names: Vec<&str>| names.into_iter().map(|name| (name.to_owned(), entry)).collect();
    let groups = || ipseclab_crypto::KeyExchangeMethod::ALL.iter().map(|item| item.keyword()).collect();
    let ciphers = || ipseclab_crypto::Encryption::ALL.iter().map(|item| item.keyword()).collect();
    let keys = || ipseclab_crypto::KeyClass::ALL.iter().map(|item| item.keyword()).collect();
    let mut path: std::collections::BTreeMap<_, _> = of(vec!["receive", "send", "forward"]);
    path.insert("ike_message".to_owned(), CostEntry { fixed_ns: ike_message_ns, ns_per_byte: 0.0 });
    CostProfile::from_file(&CostProfileFile {
        name: "test".into(),
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
    })
    .unwrap()
}

#[test]
fn the_first_ping_waits_for_the_tunnel_and_none_is_lost() {
    let simulation = run(&Setup::default(), 5);
    assert_eq!(received(&simulation), 10);
    let (left, right) = (simulation.process(LEFT), simulation.process(RIGHT));
    assert_eq!(left.host_counters().esp.outbound.packets, 10);
    assert_eq!(right.host_counters().esp.inbound.packets, 10);
    assert_eq!((left.drops().total(), right.drops().total()), (0, 0));
    // Four messages of IKE, ten pings and ten replies, and nothing in the clear.
    assert_eq!(left.records().packets.len(), 24);
    assert!(left.records().packets.iter().all(|packet| matches!(packet.bytes[9], 17 | 50)));
}

#[test]
fn a_free_node_adds_no_time_and_no_events_of_its_own() {
    let simulation = run(&Setup::default(), 5);
    let record = &simulation.process(LEFT).records().negotiations[0];
    assert_eq!(record.outcome, Outcome::Established);
    assert_eq!(record.delays.cpu, SimDuration::ZERO);
    assert_eq!(record.delays.propagation, SimDuration::from_millis(40));
    assert_eq!(simulation.process(LEFT).cpu_counters().busy, SimDuration::ZERO);
}

#[test]
fn cpu_time_is_part_of_the_latency_and_of_both_nodes_books() {
    let cost_ns = 5_000_000;
    #[expect(clippy::cast_precision_loss, reason = "five million is exact")]
    let simulation = run(&Setup { profile: priced(cost_ns as f64), ..Setup::default() }, 5);
    let record = &simulation.process(LEFT).records().negotiations[0];
    // Each of the four messages is received once for the message price; key work comes on top, 1 µs an operation.
    assert!(record.delays.cpu >= SimDuration::from_nanos(4 * cost_ns), "{:?}", record.delays);
    assert!(record.delays.cpu < SimDuration::from_nanos(4 * cost_ns + 200_000), "{:?}", record.delays);
    assert_eq!(record.delays.total(), record.ended.since(record.started));
    assert!(simulation.process(RIGHT).cpu_counters().busy >= SimDuration::from_nanos(2 * cost_ns));
}

#[test]
fn packets_beyond_the_acquire_queue_are_named_drops() {
    let slow = LinkConfig::ideal(SimDuration::from_millis(400));
    let simulation = run(&Setup { link: slow, acquire_queue: 2, ..Setup::default() }, 10);
    // Set-up takes 1.6 s: two of the ten pings of the first second wait, eight find the queue full.
    assert_eq!(simulation.process(LEFT).drops().of(DropReason::AcquireQueueFull), 8);
    assert_eq!(received(&simulation), 2);
}

#[test]
fn a_refused_negotiation_drops_what_waited_and_the_next_packet_tries_again() {
    let simulation = run(&Setup { right_psk: b"other", ..Setup::default() }, 5);
    let left = simulation.process(LEFT);
    let outcomes: Vec<_> = left.records().negotiations.iter().map(|record| record.outcome).collect();
    let refused = Outcome::Failed(FailureReason::AuthenticationFailed);
    assert!(outcomes.len() >= 5 && outcomes.iter().all(|outcome| *outcome == refused), "{outcomes:?}");
    assert_eq!(left.drops().of(DropReason::NegotiationFailed), 10);
    assert_eq!(simulation.process(RIGHT).host_counters().negotiations_refused, outcomes.len() as u64);
    assert_eq!((received(&simulation), left.packets_held()), (0, 0));
}

#[test]
fn every_lossy_set_up_splits_into_parts_that_sum_to_it() {
    let mut waited = 0;
    for seed in 0..30 {
        let lossy = LinkConfig { loss: LossPpb::new(300_000_000).unwrap(), ..Setup::default().link };
        let setup = Setup { link: lossy, seed, pings: 1, profile: priced(100_000.0), ..Setup::default() };
        let simulation = run(&setup, 400);
        for record in &simulation.process(LEFT).records().negotiations {
            assert_eq!(record.delays.total(), record.ended.since(record.started), "seed {seed}: {record:?}");
            waited += u32::from(record.delays.retransmission_wait > SimDuration::ZERO);
            let repeated = record.retransmissions > 0;
            assert_eq!(repeated, record.delays.retransmission_wait > SimDuration::ZERO, "seed {seed}");
        }
    }
    assert!(waited > 10, "{waited} of 30 lost something");
}

#[test]
fn a_dead_link_times_out_by_name_after_165_seconds() {
    let dead = LinkConfig { loss: LossPpb::ALL, ..Setup::default().link };
    let simulation = run(&Setup { link: dead, pings: 1, ..Setup::default() }, 200);
    let record = &simulation.process(LEFT).records().negotiations[0];
    assert_eq!(record.outcome, Outcome::Failed(FailureReason::Timeout));
    assert_eq!(record.ended.as_nanos() / MS, 165_061);
    assert_eq!((record.messages_sent, record.retransmissions, record.messages_received), (6, 5, 0));
}

#[test]
fn what_the_end_of_the_run_cuts_off_is_unfinished() {
    let dead = LinkConfig { loss: LossPpb::ALL, ..Setup::default().link };
    let simulation = run(&Setup { link: dead, pings: 1, ..Setup::default() }, 100);
    let record = &simulation.process(LEFT).records().negotiations[0];
    assert_eq!(record.outcome, Outcome::Unfinished);
    assert_eq!(record.delays.total(), SimDuration::from_secs(100));
    assert_eq!(simulation.process(LEFT).packets_held(), 1);
}

#[test]
fn an_idle_tunnel_ends_on_both_sides_and_its_policy_stays() {
    let setup = Setup { inactivity: Some(Duration::from_secs(3)), ..Setup::default() };
    let simulation = run(&setup, 20);
    for id in [LEFT, RIGHT] {
        let counters = simulation.process(id).host_counters();
        assert_eq!((counters.child_sas_established, counters.child_sas_closed), (1, 1));
        assert_eq!((counters.ike_sas_established, counters.ike_sas_closed), (1, 1));
        assert_eq!(counters.esp.inbound.packets, 10, "closed SAs stay in the books");
    }
    let idle = |step: &Step| matches!(step, Step::IdleTimeout { .. });
    let steps = &simulation.process(LEFT).records().steps;
    let at = steps.iter().find(|record| idle(&record.step)).unwrap().time;
    // The last reply arrives 20 ms and two serialisations after 900 ms; three seconds later the tunnel is idle.
    assert_eq!(at.as_nanos() / MS, 3_920);
}

#[test]
fn a_command_begins_and_ends_a_connection_without_traffic() {
    let mut simulation = build(&Setup { pings: 0, ..Setup::default() });
    let command = |command| NodeEvent::Command(command);
    simulation.schedule(LEFT, SimTime::from_nanos(1), command(Command::Initiate(ConnectionId(0))));
    simulation.schedule(RIGHT, SimTime::from_nanos(1_000 * MS), command(Command::Terminate(ConnectionId(0))));
    finish(&mut simulation, 10);
    let counters = simulation.process(LEFT).host_counters();
    assert_eq!((counters.ike_sas_established, counters.ike_sas_closed), (1, 1));
    assert_eq!(simulation.process(LEFT).records().negotiations[0].started.as_nanos(), 1);
}

#[test]
fn every_end_of_an_sa_is_booked_with_its_cause_and_what_it_carried() {
    let mut simulation = build(&Setup { pings: 3, observe: Observe::default(), ..Setup::default() });
    let terminate = NodeEvent::Command(Command::TerminateChildren(ConnectionId(0)));
    simulation.schedule(LEFT, SimTime::from_nanos(1_000 * MS), terminate);
    finish(&mut simulation, 5);
    for (node, cause) in [(LEFT, CloseReason::Local), (RIGHT, CloseReason::Remote)] {
        let closures = &simulation.process(node).records().closures;
        let [child, ike] = closures.as_slice() else { panic!("{closures:?}") };
        let ClosedSa::Child(carried) = child.closure.sa else { panic!("{child:?}") };
        assert_eq!((carried.inbound.packets, carried.outbound.packets), (3, 3));
        assert_eq!(ike.closure.sa, ClosedSa::Ike);
        assert!(child.time < ike.time && (child.closure.reason, ike.closure.reason) == (cause, cause));
    }
}

#[test]
fn a_command_that_ends_a_negotiation_books_the_wait_before_it() {
    let link = LinkConfig { loss: LossPpb::ALL, ..Setup::default().link };
    let mut simulation = build(&Setup { link, pings: 1, ..Setup::default() });
    let terminate = NodeEvent::Command(Command::Terminate(ConnectionId(0)));
    simulation.schedule(LEFT, SimTime::from_nanos(2_000 * MS), terminate);
    finish(&mut simulation, 5);
    let records = simulation.process(LEFT).records();
    let [row] = records.negotiations.as_slice() else { panic!("{:?}", records.negotiations) };
    assert_eq!(row.outcome, Outcome::Failed(FailureReason::Terminated));
    assert_eq!(row.delays.retransmission_wait, SimDuration::from_millis(2_000));
    assert!(records.closures.is_empty(), "nothing had come up");
}

#[test]
fn a_link_taken_down_loses_packets_by_that_name_only() {
    let mut simulation = build(&Setup::default());
    let set = |up| NodeEvent::Command(Command::SetLink { port: PortId::new(0), up });
    simulation.schedule(LEFT, SimTime::from_nanos(250 * MS), set(false));
    simulation.schedule(LEFT, SimTime::from_nanos(550 * MS), set(true));
    finish(&mut simulation, 5);
    assert_eq!(received(&simulation), 7);
    let counters = simulation.process(LEFT).ports()[0].link.counters();
    assert_eq!((counters.dropped_link_down, counters.dropped_packets()), (3, 3));
}

#[test]
fn runs_are_equal_for_equal_seeds_and_differ_otherwise() {
    let fingerprint = |seed| run(&Setup { seed, ..Setup::default() }, 5).fingerprint();
    assert_eq!(fingerprint(1), fingerprint(1));
    assert_ne!(fingerprint(1), fingerprint(2));
    let quiet = Setup { observe: Observe::default(), ..Setup::default() };
    assert_eq!(run(&quiet, 5).fingerprint(), fingerprint(1), "watching changes nothing");
}
