//! Faults in a world of its own: what a world schedules for them, and what comes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use ipseclab_crypto::RealProvider;
use ipseclab_experiments::scenario::{CheckedScenario, Override, load};
use ipseclab_experiments::world::{Flood, World};
use ipseclab_ike::proposal::parse_ike_proposal;
use ipseclab_net::{DropReason, IpNet};
use ipseclab_node::{AppId, Node, Observe};
use ipseclab_sim::{ProcessId, SimDuration, SimTime};
use ipseclab_topologies::NodeIndex;

fn scenario(name: &str, settings: &[&str]) -> CheckedScenario {
    let changes: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    load(name, &changes).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

fn node(scenario: &CheckedScenario, name: &str) -> NodeIndex {
    scenario.nodes.iter().find(|settings| settings.name == name).unwrap().node
}

fn process<'a>(world: &'a World, name: &str) -> &'a Node {
    world.simulation.processes().find(|node| node.name() == name).unwrap()
}

fn at(seconds: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs(seconds)
}

/// Runs to the end and checks the books.
fn finish(world: &mut World, scenario: &CheckedScenario) {
    world.simulation.run_until(scenario.end());
    let count = u32::try_from(world.simulation.processes().len()).unwrap();
    for id in (0..count).map(ProcessId::new) {
        world.simulation.process_mut(id).finish(scenario.end());
        assert_ne!(world.simulation.process(id).is_balanced(), Some(false), "{id}");
    }
}

#[test]
fn a_node_that_comes_back_begins_its_connections_again() {
    let scenario = scenario("site-to-site", &["connections.office.children.lan.start_action=\"start\""]);
    let mut world = World::build(&scenario, Observe::default()).unwrap();
    world.crash(node(&scenario, "left"), at(3), Some(at(5)));
    finish(&mut world, &scenario);
    let left = process(&world, "left");
    let started: Vec<_> = left.records().negotiations.iter().map(|setup| setup.started).collect();
    assert_eq!(started[..2], [SimTime::ZERO, at(5)]);
    assert!(left.drops().of(DropReason::NodeDown) > 0);
    assert!(left.records().timeline.buckets().any(|(time, _)| time == at(3)));
}

#[test]
fn a_node_that_never_comes_back_stays_down() {
    let scenario = scenario("site-to-site", &[]);
    let mut world = World::build(&scenario, Observe::default()).unwrap();
    world.crash(node(&scenario, "right"), at(3), None);
    finish(&mut world, &scenario);
    let right = process(&world, "right");
    // Pings every 200 ms until 10 s, and then the Deletes of the idle tunnel.
    assert!(right.drops().of(DropReason::NodeDown) >= 35);
    assert_eq!(right.host_counters().ike_sas_established, 1);
}

#[test]
fn a_rebooted_nat_has_forgotten_its_mappings_and_others_have_none() {
    let scenario = scenario("site-to-site-nat", &[]);
    let names: Vec<_> = scenario.nodes.iter().filter(|settings| settings.nat.is_some()).collect();
    let behind = names.first().unwrap();
    let mut world = World::build(&scenario, Observe::default()).unwrap();
    for settings in &scenario.nodes {
        world.reboot_nat(settings.node, at(3));
    }
    finish(&mut world, &scenario);
    let nat = process(&world, &format!("{}-nat", behind.name));
    assert!(nat.drops().of(DropReason::NatNoMapping) > 0);
}

#[test]
fn what_a_black_hole_swallows_has_its_own_name() {
    let scenario = scenario("site-to-site", &[]);
    let mut world = World::build(&scenario, Observe::default()).unwrap();
    world.swallow(node(&scenario, "right"), at(2), at(4));
    finish(&mut world, &scenario);
    assert_eq!(process(&world, "right").drops().of(DropReason::Blackhole), 10);
}

#[test]
fn a_flood_goes_to_its_target_at_its_pace() {
    let scenario = scenario("site-to-site", &[]);
    let mut world = World::build(&scenario, Observe::default()).unwrap();
    let flood = Flood {
        from: node(&scenario, "left"),
        to: node(&scenario, "right"),
        at: at(1),
        until: at(3),
        interval: SimDuration::from_millis(10),
        sources: IpNet::new([203, 0, 113, 0], 24).unwrap(),
        proposal: parse_ike_proposal("aes128gcm16-prfsha256-x25519").unwrap(),
    };
    let id = world.flood(&flood, scenario.seed, &RealProvider::new());
    assert_eq!(id, Some(AppId(1)));
    finish(&mut world, &scenario);
    let (app, times) = process(&world, "left").app(AppId(1)).unwrap();
    assert_eq!((app.record().unwrap().sent.packets, times.first_sent), (200, Some(at(1))));
    // Nobody of that network is a configured peer.
    assert!(process(&world, "right").host_counters().ike_datagrams_dropped >= 200);
}
