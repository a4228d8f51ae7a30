//! Operations that cross, under every order of arrival, and what one fault makes of one operation.
//!
//! IKEv1 has no rule for what crosses: two renewals leave two Child SAs, and a Delete that is lost is not repeated. What
//! must hold all the same: both sides end with the same Child SAs and no exchange under way, nobody is told of a failure
//! but of one that a Delete has caused, and no event contradicts another.

use std::collections::BTreeSet;

use ipseclab_ike::config::EndpointConfig;

use crate::support::Side;
use crate::support::world::{Half, Op, Scene, World};

fn configure(config: &mut EndpointConfig) {
    let connection = &mut config.connections[0];
    crate::old(connection);
    connection.renewal = ipseclab_ike::config::Renewal::NEVER;
    for child in &mut connection.children {
        child.lifetime = ipseclab_ike::config::Lifetime::NEVER;
    }
}

fn scene(ops: &[(Side, Op)]) -> Scene {
    Scene { ops: ops.to_vec(), seeds: (0, 0x55), configure }
}

/// What is wrong once everything has come to rest.
fn judge(world: &mut World) -> Vec<String> {
    world.settle();
    let mut wrong: Vec<_> = [Side::A, Side::B]
        .into_iter()
        .flat_map(|side| std::mem::take(&mut world.half(side).owner.complaints))
        .collect();
    // Packets on a new Child SA may overtake the message that makes it.
    wrong.extend(world.complaints.drain(..).filter(|line| !line.contains("packet")));
    let children = |half: &Half, turned: bool| -> BTreeSet<(u32, u32)> {
        let pair = |spi: &u32| {
            let sa = &half.owner.children[spi].sa;
            if turned { (sa.spi_out, sa.spi_in) } else { (sa.spi_in, sa.spi_out) }
        };
        half.owner.children.keys().map(pair).collect()
    };
    let (a, b) = (children(&world.a, false), children(&world.b, true));
    if a != b {
        wrong.push(format!("A has {a:x?}, B has {b:x?}"));
    }
    for half in [&world.a, &world.b] {
        let endpoint = &half.peer.endpoint;
        let told: BTreeSet<_> = half.owner.children.keys().copied().collect();
        let here: BTreeSet<_> = endpoint.established().flat_map(|(.., spis)| spis).collect();
        if told != here {
            wrong.push(format!("the owner knows of {told:x?}, and there is {here:x?}"));
        }
        if endpoint.ike_sa_count() != endpoint.established().count() {
            wrong.push("something half-built remains".to_owned());
        }
        if endpoint.established().count() != half.owner.ike_sas.len() {
            wrong.push("the owner knows of other ISAKMP SAs".to_owned());
        }
    }
    let ike = |half: &Half| half.owner.ike_sas.values().copied().collect::<BTreeSet<_>>();
    if ike(&world.a) != ike(&world.b) {
        wrong.push(format!("ISAKMP SAs of A {:x?}, of B {:x?}", ike(&world.a), ike(&world.b)));
    }
    wrong
}

/// Plays every schedule within `faults` and `turns`; how many there were.
fn explore(scene: &Scene, faults: usize, turns: usize) -> usize {
    let mut open = vec![(Vec::new(), turns)];
    let (mut known, mut schedules) = (BTreeSet::new(), 0);
    while let Some((mut script, mut turns)) = open.pop() {
        let mut world = World::new(scene);
        for choice in &script {
            assert!(world.step(*choice), "a schedule can be repeated");
        }
        loop {
            let all = world.choices(faults);
            if all.is_empty() {
                schedules += 1;
                let wrong = judge(&mut world);
                assert!(wrong.is_empty(), "{:?}: {wrong:#?}\n{}", scene.ops, world.story.join("\n"));
                break;
            }
            let mut next: Vec<_> = all
                .into_iter()
                .enumerate()
                .filter_map(|(place, choice)| {
                    let left =
                        if place == 0 || choice.is_fault() { Some(turns) } else { turns.checked_sub(1) };
                    Some((choice, left?))
                })
                .filter(|(choice, left)| known.insert((world.fingerprint_after(*choice), *left)))
                .collect();
            if next.is_empty() {
                break;
            }
            let (first, left) = next.remove(0);
            open.extend(
                next.into_iter().map(|(choice, left)| ([script.as_slice(), &[choice]].concat(), left)),
            );
            world.step(first);
            script.push(first);
            turns = left;
        }
    }
    schedules
}

const OPS: [Op; 6] =
    [Op::RekeyChild, Op::RekeyOtherChild, Op::RekeyIke, Op::CreateChild, Op::DeleteChild, Op::DeleteIke];

#[test]
fn two_operations_that_cross_end_in_agreement_in_every_order() {
    let pairs = OPS.into_iter().flat_map(|one| OPS.map(|other| [(Side::A, one), (Side::B, other)]));
    let schedules: usize = pairs.map(|ops| explore(&scene(&ops), 0, 4)).sum();
    println!("{schedules} schedules");
    assert!(schedules > 1_000);
}

#[test]
fn two_operations_of_one_side_end_in_agreement_in_every_order() {
    let pairs = OPS.into_iter().flat_map(|one| OPS.map(|other| [(Side::A, one), (Side::A, other)]));
    let schedules: usize = pairs.map(|ops| explore(&scene(&ops), 0, 4)).sum();
    println!("{schedules} schedules");
    assert!(schedules > 500);
}

#[test]
fn every_exchange_survives_one_fault_and_two_turns() {
    // A Delete that is lost stays lost; dead peer detection finds what it has left.
    let exchanges = [Op::RekeyChild, Op::RekeyIke, Op::CreateChild];
    let scenes = exchanges.into_iter().flat_map(|op| [Side::A, Side::B].map(|side| scene(&[(side, op)])));
    let schedules: usize = scenes.map(|scene| explore(&scene, 1, 2)).sum();
    println!("{schedules} schedules");
    assert!(schedules > 500);
}
