//! Faults: what a node loses when it goes down, and how tunnels come back.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipseclab_crypto::RealProvider;
use ipseclab_ike::CloseReason;
use ipseclab_ike::config::{Connection, ConnectionId};
use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_net::{
    DropReason, IpNet, Link, LinkConfig, NatConfig, Pace, PingConfig, PingSource, PortId, parse_udp,
};
use ipseclab_node::{
    App, AppId, CaptureDirection, ClosedSa, Command, CostProfile, EndReason, IkeFlood, IkeFloodConfig, Node,
    NodeConfig, NodeEvent, Observe, Outcome, Port, RenewalOutcome,
};
use ipseclab_sim::{ModelRng, ProcessId, RunSeed, SimDuration, SimTime, Simulation, StreamLabel};

use crate::support::{LEFT, MS, RIGHT, Setup, build, command, finish, priced, received, run};

const CONNECTION: ConnectionId = ConnectionId(0);

fn with_dpd(connection: &mut Connection, _: u8) {
    connection.dpd_delay = Some(Duration::from_secs(2));
}

#[test]
fn a_gateway_that_crashed_comes_back_empty_and_the_tunnel_follows() {
    let setup = Setup { connection: with_dpd, pings: 4_000, ..Setup::default() };
    let mut simulation = build(&setup);
    command(&mut simulation, RIGHT, 5_050, Command::Crash);
    command(&mut simulation, RIGHT, 8_050, Command::Recover);
    finish(&mut simulation, 400);
    let (left, right) = (simulation.process(LEFT), simulation.process(RIGHT));
    let down = right.drops().of(DropReason::NodeDown);
    assert!(down >= 30, "the pings of 3 s find nobody: {down}");
    assert!(right.drops().of(DropReason::NoSa) > 0, "until the peer notices, its packets fit no SA");
    let lost = &right.records().closures;
    assert_eq!(lost.iter().filter(|end| end.closure.reason == EndReason::NodeDown).count(), 2);
    assert!(matches!(lost[0].closure.sa, ClosedSa::Child(carried) if carried.inbound.packets >= 49));
    let dead =
        |end: &&ipseclab_node::ClosureRecord| end.closure.reason == EndReason::Closed(CloseReason::PeerDead);
    assert_eq!(left.records().closures.iter().filter(dead).count(), 2, "an IKE SA and its Child SA");
    let outcomes: Vec<_> = left.records().negotiations.iter().map(|setup| setup.outcome).collect();
    assert_eq!(outcomes, [Outcome::Established, Outcome::Established]);
    assert!(received(&simulation) > 2_000, "pings are answered again: {}", received(&simulation));
}

#[test]
fn what_a_crash_interrupts_is_booked_under_its_name() {
    // An IKE message takes a core 50 ms. At 90 ms the core works on the first answer while one ping waits for the tunnel;
    // at 150 ms two pings wait, and the second answer is under way.
    for (at_ms, lost, refused) in [(90, 2, 9), (150, 2, 8 + 1)] {
        let mut simulation = build(&Setup { profile: priced(50_000_000.0), ..Setup::default() });
        command(&mut simulation, LEFT, at_ms, Command::Crash);
        finish(&mut simulation, 5);
        let left = simulation.process(LEFT);
        assert_eq!((left.is_balanced(), left.packets_held()), (Some(true), 0));
        assert_eq!(left.drops().of(DropReason::LostWithNode), lost, "{at_ms} ms");
        assert_eq!(left.drops().of(DropReason::NodeDown), refused, "{at_ms} ms");
        let [setup] = left.records().negotiations.as_slice() else { panic!() };
        assert_eq!(setup.outcome, Outcome::NodeDown);
        assert_eq!(setup.delays.total(), setup.ended.since(setup.started));
    }
}

#[test]
fn a_renewal_under_way_ends_with_its_node() {
    let mut simulation = build(&Setup { pings: 1, ..Setup::default() });
    command(&mut simulation, LEFT, 2_000, Command::RekeyIke(CONNECTION));
    command(&mut simulation, LEFT, 2_005, Command::Crash);
    finish(&mut simulation, 5);
    let [renewal] = simulation.process(LEFT).records().renewals.as_slice() else { panic!() };
    assert_eq!(renewal.outcome, RenewalOutcome::NodeDown);
    assert_eq!(renewal.delays.total(), SimDuration::from_millis(5));
}

#[test]
fn a_second_life_draws_other_randomness_and_the_same_in_every_run() {
    let spis = || {
        let mut simulation = build(&Setup { pings: 1, ..Setup::default() });
        command(&mut simulation, LEFT, 1_000, Command::Crash);
        command(&mut simulation, LEFT, 1_500, Command::Recover);
        command(&mut simulation, LEFT, 2_000, Command::Initiate(CONNECTION));
        finish(&mut simulation, 10);
        let setups = simulation.process(LEFT).records().negotiations.clone();
        assert!(setups.iter().all(|setup| setup.outcome == Outcome::Established), "{setups:?}");
        setups.iter().map(|setup| setup.spi_i.as_u64()).collect::<Vec<_>>()
    };
    let first = spis();
    assert_eq!(first.len(), 2);
    assert_ne!(first[0], first[1]);
    assert_eq!(first, spis());
}

#[test]
fn commands_to_a_node_that_is_down_do_nothing() {
    let mut simulation = build(&Setup { pings: 0, ..Setup::default() });
    command(&mut simulation, LEFT, 0, Command::Crash);
    command(&mut simulation, LEFT, 1, Command::Initiate(CONNECTION));
    command(&mut simulation, LEFT, 2, Command::Crash);
    finish(&mut simulation, 5);
    let left = simulation.process(LEFT);
    assert!(left.records().negotiations.is_empty() && left.books().originated == 0);
}

#[test]
fn a_black_hole_swallows_what_arrives_and_nothing_else() {
    let mut simulation = build(&Setup::default());
    command(&mut simulation, RIGHT, 250, Command::Blackhole(true));
    command(&mut simulation, RIGHT, 550, Command::Blackhole(false));
    finish(&mut simulation, 5);
    assert_eq!(received(&simulation), 7);
    let drops: Vec<_> = simulation.process(RIGHT).drops().iter().collect();
    assert_eq!(drops, [(DropReason::Blackhole, 3)]);
    let timeline = &simulation.process(RIGHT).records().timeline;
    let (_, first) = timeline.buckets().next().unwrap();
    assert_eq!(first.drops[&DropReason::Blackhole], 3);
}

/// A host behind a NAT, and the gateway that it has a tunnel to.
fn behind_nat(setup: &Setup) -> Simulation<Node> {
    const NAT: ProcessId = ProcessId::new(2);
    let mut simulation = build(setup);
    let config = NodeConfig {
        name: "nat".into(),
        address: Ipv4Addr::new(198, 51, 100, 1).into(),
        cores: 1,
        cpu_queue: 10,
        datapath: None,
        cost_profile: std::sync::Arc::new(CostProfile::free()),
        observe: Observe::default(),
        timeline: SimDuration::ZERO,
    };
    assert_eq!(simulation.add(Node::nat(config, NAT, NatConfig::default()).unwrap()), NAT);
    let link = |purpose| {
        let stream =
            |part: &str| ModelRng::new(RunSeed::new(1), StreamLabel::new(9, &format!("{purpose} {part}")));
        Link::new(
            LinkConfig::ideal(SimDuration::from_millis(5)),
            stream("loss"),
            stream("jitter"),
            stream("reorder"),
        )
    };
    // Ports 1 of the two hosts lead to the NAT, whose ports are 0 inside and 1 outside.
    let joints = [(LEFT, NAT, 0), (RIGHT, NAT, 1), (NAT, LEFT, 1), (NAT, RIGHT, 1)];
    for (place, (from, to, to_port)) in joints.into_iter().enumerate() {
        let channel = Some(simulation.add_channel(from, to));
        let port = Port { link: link(place), to, to_port: PortId::new(to_port), channel };
        simulation.process_mut(from).add_port(port);
    }
    for node in [LEFT, RIGHT] {
        let fib = simulation.process_mut(node).fib_mut();
        *fib = ipseclab_net::Fib::new();
        fib.insert(IpNet::ALL_V4, PortId::new(1));
    }
    simulation
}

#[test]
fn a_nat_that_reboots_shows_its_tunnels_at_other_ports_and_liveness_checks_go_on() {
    let connection = |connection: &mut Connection, side| {
        with_dpd(connection, side);
        connection.encap = true;
        if side == 2 {
            connection.remote_address = None;
        }
    };
    let setup = Setup { connection, pings: 300, ..Setup::default() };
    let mut simulation = behind_nat(&setup);
    command(&mut simulation, ProcessId::new(2), 5_050, Command::RebootNat);
    finish(&mut simulation, 60);
    let source_port =
        |packet: &ipseclab_node::CapturedPacket| parse_udp(&packet.bytes).unwrap().source.port();
    let packets = &simulation.process(RIGHT).records().packets;
    let inbound = packets.iter().filter(|packet| packet.direction == CaptureDirection::Inbound);
    let (before, after): (Vec<_>, Vec<_>) = inbound.partition(|packet| packet.time.as_nanos() < 5_050 * MS);
    assert!(before.iter().all(|packet| matches!(source_port(packet), 500 | 4500)));
    let late: Vec<_> = after.iter().filter(|packet| packet.time.as_nanos() > 5_100 * MS).collect();
    assert!(late.len() > 200 && late.iter().all(|packet| source_port(packet) >= 49_152));
    let nat = simulation.process(ProcessId::new(2));
    assert!(nat.drops().of(DropReason::NatNoMapping) > 0, "answers to the old port find nobody");
    let left = simulation.process(LEFT);
    assert_eq!(left.records().negotiations.len(), 1, "liveness checks go through, so nothing is set up anew");
    assert!(left.records().closures.is_empty());
}

fn flooded(count: u64, cost_ns: f64) -> Simulation<Node> {
    let connection = |connection: &mut Connection, side| {
        if side == 2 {
            connection.remote_address = None;
        }
    };
    let mut simulation = build(&Setup { pings: 0, profile: priced(cost_ns), connection, ..Setup::default() });
    let config = IkeFloodConfig {
        target: Ipv4Addr::new(192, 0, 2, 2).into(),
        sources: IpNet::new(Ipv4Addr::new(203, 0, 113, 0), 24).unwrap(),
        proposal: parse_ike_proposal("aes128gcm16-prfsha256-x25519").unwrap(),
        start: SimTime::from_nanos(100 * MS),
        interval: SimDuration::from_millis(2),
        count,
    };
    let random = ModelRng::new(RunSeed::new(1), StreamLabel::new(0, "flood"));
    let flood = IkeFlood::new(config, &RealProvider::new(), random).unwrap();
    // The flood is an application of the left gateway, added before the start.
    assert_eq!(simulation.process_mut(LEFT).add_app(App::IkeFlood(Box::new(flood))), Some(AppId(1)));
    simulation.schedule(
        LEFT,
        SimTime::from_nanos(1_500 * MS),
        NodeEvent::Command(Command::Initiate(CONNECTION)),
    );
    finish(&mut simulation, 60);
    simulation
}

#[test]
fn a_flood_of_forged_requests_is_answered_to_nobody_and_honest_set_ups_come_through() {
    let simulation = flooded(500, 10_000.0);
    let (left, right) = (simulation.process(LEFT), simulation.process(RIGHT));
    assert_eq!(left.app(AppId(1)).unwrap().0.record().unwrap().sent.packets, 500);
    assert!(right.books().arrived >= 500);
    assert!(right.drops().of(DropReason::NoRoute) > 250, "{:?}", right.drops());
    assert_eq!(left.records().negotiations[0].outcome, Outcome::Established, "in between, an honest set-up");
}

#[test]
fn an_honest_set_up_waits_behind_a_flood_for_the_cpu() {
    let latency = |simulation: &Simulation<Node>| {
        let setup = &simulation.process(LEFT).records().negotiations[0];
        setup.ended.since(setup.started)
    };
    let (quiet, flooded) = (flooded(0, 3_000_000.0), flooded(1_000, 3_000_000.0));
    assert!(
        latency(&flooded) > latency(&quiet) + latency(&quiet),
        "{} and {}",
        latency(&flooded),
        latency(&quiet)
    );
    let queue = |simulation: &Simulation<Node>| {
        simulation.process(RIGHT).records().timeline.buckets().map(|(_, bucket)| bucket.cpu_queue_max).max()
    };
    assert!(queue(&flooded) > queue(&quiet) && queue(&flooded) > Some(10), "{:?}", queue(&flooded));
}

#[test]
fn an_application_without_an_address_waits_for_the_assigned_one() {
    let mut simulation = build(&Setup::default());
    let ping = PingConfig {
        source: Ipv4Addr::UNSPECIFIED.into(),
        destination: Ipv4Addr::new(192, 0, 2, 2).into(),
        ident: 8,
        payload_len: 56,
        pace: Pace::Interval(SimDuration::from_secs(1)),
        count: Some(4),
        until: None,
        ttl: 64,
    };
    let app = App::Ping(Box::new(PingSource::new(ping, SimTime::ZERO, None).unwrap()));
    let id = simulation.process_mut(LEFT).add_app(app).unwrap();
    let virtual_address = Ipv4Addr::new(10, 9, 0, 1);
    simulation.process_mut(RIGHT).fib_mut().insert(IpNet::host(virtual_address), PortId::new(0));
    let pause = |simulation: &mut Simulation<Node>, ms: u64| {
        simulation.run_until(SimTime::from_nanos(ms * MS));
    };
    pause(&mut simulation, 1_500);
    simulation.process_mut(LEFT).assign_address(virtual_address.into());
    pause(&mut simulation, 2_500);
    simulation.process_mut(LEFT).withdraw_address(virtual_address.into());
    finish(&mut simulation, 6);
    let left = simulation.process(LEFT);
    assert_eq!(left.drops().of(DropReason::NoAddress), 3);
    assert_eq!(left.app(id).unwrap().0.record().unwrap().received.packets, 1);
}

#[test]
fn faults_are_the_same_in_every_run() {
    let fingerprint = || {
        let mut simulation = build(&Setup { connection: with_dpd, pings: 500, ..Setup::default() });
        command(&mut simulation, RIGHT, 5_050, Command::Crash);
        command(&mut simulation, RIGHT, 6_050, Command::Recover);
        finish(&mut simulation, 100);
        simulation.fingerprint()
    };
    assert_eq!(fingerprint(), fingerprint());
    assert_ne!(
        fingerprint(),
        run(&Setup { connection: with_dpd, pings: 500, ..Setup::default() }, 100).fingerprint()
    );
}
