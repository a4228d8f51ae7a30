//! Operations that cross, under every order of arrival and with one fault anywhere (RFC 7296 §2.8.1, §2.8.2, §2.25).

use ipseclab_ike::config::EndpointConfig;
use ipseclab_ike::proposal::parse_ah_proposal;

use crate::support::Side;
use crate::support::explore::{Bounds, Seen, explore};
use crate::support::world::{Op, Scene};

const OPS: [Op; 7] = [
    Op::RekeyChild,
    Op::RekeyOtherChild,
    Op::RekeyIke,
    Op::CreateChild,
    Op::DeleteChild,
    Op::DeleteIke,
    Op::Liveness,
];

/// As many turns as there are.
const ANY: usize = usize::MAX;

/// Streams of randomness with which the lowest nonce belongs to either side.
const SEEDS: [(u8, u8); 2] = [(0, 0x55), (0x55, 0)];

fn scene(ops: &[(Side, Op)], seeds: (u8, u8)) -> Scene {
    Scene { ops: ops.to_vec(), seeds, configure: |_| {} }
}

fn check(scenes: impl Iterator<Item = Scene>, faults: usize, turns: usize) -> Seen {
    let bounds = Bounds { faults, turns };
    let (mut all, mut failures) = (Seen::default(), Vec::new());
    for scene in scenes {
        match explore(&scene, bounds) {
            Ok(seen) => all += seen,
            Err(story) => failures.push(story),
        }
    }
    println!("{all:?}, {} scenes fail", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    all
}

#[test]
fn every_operation_survives_two_faults_and_two_turns() {
    let scenes = OPS
        .into_iter()
        .chain([Op::Reauthenticate])
        .flat_map(|op| [Side::A, Side::B].map(|side| scene(&[(side, op)], SEEDS[0])));
    let seen = check(scenes, 2, 2);
    assert!(seen.schedules > 10_000);
}

#[test]
fn two_operations_that_cross_end_in_agreement_in_every_order() {
    let pairs = OPS.into_iter().flat_map(|one| OPS.map(|other| [(Side::A, one), (Side::B, other)]));
    let scenes = pairs.flat_map(|ops| SEEDS.map(|seeds| scene(&ops, seeds)));
    let seen = check(scenes, 0, ANY);
    assert!(seen.schedules > 1_000);
}

#[test]
fn two_operations_that_cross_survive_one_fault_and_two_turns() {
    let pairs = OPS.into_iter().flat_map(|one| OPS.map(|other| [(Side::A, one), (Side::B, other)]));
    let ordered = pairs.filter(|[(_, one), (_, other)]| one <= other);
    let seen = check(ordered.map(|ops| scene(&ops, SEEDS[0])), 1, 2);
    assert!(seen.schedules > 3_000);
}

#[test]
fn three_operations_that_cross_end_in_agreement_after_three_turns() {
    let ours = OPS.into_iter().flat_map(|one| OPS.map(|other| [(Side::A, one), (Side::A, other)]));
    let all = ours.flat_map(|ours| OPS.map(|theirs| [ours[0], ours[1], (Side::B, theirs)]));
    // The other child's renewal is like the child's own, and liveness like neither but simpler: pairs have them.
    let many =
        |ops: &[(Side, Op); 3]| ops.iter().all(|(_, op)| !matches!(op, Op::RekeyOtherChild | Op::Liveness));
    let all = all.filter(many);
    let seen = check(all.map(|ops| scene(&ops, SEEDS[0])), 0, 3);
    assert!(seen.schedules > 4_000);
}

/// The LAN under AH and the others under ESP, so that deletions and renewals name both protocols.
fn lan_under_ah(config: &mut EndpointConfig) {
    let lan = &mut config.connections[0].children[0];
    lan.esp_proposals = vec![];
    lan.ah_proposals = vec![parse_ah_proposal("sha256-x25519-esn").unwrap()];
}

#[test]
fn a_child_under_ah_crosses_like_one_under_esp() {
    let pairs = OPS.into_iter().flat_map(|one| OPS.map(|other| [(Side::A, one), (Side::B, other)]));
    let scenes = pairs.map(|ops| Scene { configure: lan_under_ah, ..scene(&ops, SEEDS[0]) });
    let scenes: Vec<_> = scenes.collect();
    let seen = check(scenes.iter().cloned(), 0, ANY);
    assert!(seen.schedules > 500);
    let ordered = scenes.into_iter().filter(|scene| scene.ops[0].1 <= scene.ops[1].1);
    let seen = check(ordered, 1, 1);
    assert!(seen.schedules > 1_000);
}
