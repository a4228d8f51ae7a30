//! All that an adversary can do to a scene, and the shortest script of what it did where the two sides came apart.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ipseclab_ike::ChildSaEstablished;
use ipseclab_ike::config::ChildId;

use super::Side;
use super::world::{Choice, DMZ, Half, LAN, Op, Scene, World};

/// What an exploration has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Schedules that were played to their end.
    pub(crate) schedules: usize,
    /// States that were met; the same state by another way counts once.
    pub(crate) states: usize,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.states += other.states;
    }
}

/// How far the adversary may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Messages lost or doubled, and timers that go off early.
    pub(crate) faults: usize,
    /// How often something else happens than what is first in line; without faults there is no need to bound it.
    pub(crate) turns: usize,
}

/// Plays every schedule of `scene` within `bounds`; the shortest script of the first failure, if any.
pub(crate) fn explore(scene: &Scene, bounds: Bounds) -> Result<Seen, String> {
    let mut open = vec![(Vec::new(), bounds.turns)];
    let mut known = BTreeSet::new();
    let mut seen = Seen::default();
    while let Some((mut script, mut turns)) = open.pop() {
        let mut world = World::new(scene);
        for choice in &script {
            assert!(world.step(*choice), "a schedule can be repeated");
        }
        loop {
            let all = world.choices(bounds.faults);
            if all.is_empty() {
                seen.schedules += 1;
                if !judge(&mut world).is_empty() {
                    return Err(report(scene, &script));
                }
                break;
            }
            let left = |place: usize, choice: &Choice| {
                let free = place == 0 || choice.is_fault() || turns == usize::MAX;
                if free { Some(turns) } else { turns.checked_sub(1) }
            };
            let within =
                all.into_iter().enumerate().filter_map(|(n, choice)| Some((choice, left(n, &choice)?)));
            let mut choices: Vec<_> = within
                .filter(|(choice, left)| known.insert((world.fingerprint_after(*choice), *left)))
                .collect();
            seen.states += choices.len();
            if choices.is_empty() {
                break;
            }
            let (first, left) = choices.remove(0);
            open.extend(
                choices.into_iter().map(|(choice, left)| ([script.as_slice(), &[choice]].concat(), left)),
            );
            world.step(first);
            script.push(first);
            turns = left;
        }
    }
    Ok(seen)
}

/// Plays `script` as far as it goes, and then lets everything take its course.
pub(crate) fn replay(scene: &Scene, script: &[Choice]) -> World {
    let mut world = World::new(scene);
    for choice in script {
        world.step(*choice);
    }
    world
}

/// Leaves out what is not needed to fail.
fn reduce(scene: &Scene, script: &[Choice]) -> Vec<Choice> {
    let fails = |script: &[Choice]| !judge(&mut replay(scene, script)).is_empty();
    let mut script = script.to_vec();
    let mut chunk = script.len().next_power_of_two();
    while chunk > 0 {
        let mut at = 0;
        while at < script.len() {
            let end = (at + chunk).min(script.len());
            let without = [&script[..at], &script[end..]].concat();
            if fails(&without) {
                script = without;
            } else {
                at = end;
            }
        }
        chunk /= 2;
    }
    script
}

fn report(scene: &Scene, script: &[Choice]) -> String {
    let script = reduce(scene, script);
    let mut world = replay(scene, &script);
    let complaints = judge(&mut world);
    let mut text = String::new();
    let Scene { ops, seeds, .. } = scene;
    writeln!(text, "{ops:?} with seeds {seeds:?}:").expect("a string takes everything");
    for line in complaints.iter().take(8) {
        writeln!(text, "  ! {line}").expect("a string takes everything");
    }
    writeln!(text, "  script: {script:?}\n  story:").expect("a string takes everything");
    for line in &world.story {
        writeln!(text, "  {line}").expect("a string takes everything");
    }
    text
}

/// Lets the world come to rest, and says what is wrong with it.
pub(crate) fn judge(world: &mut World) -> Vec<String> {
    world.settle();
    let mut wrong = std::mem::take(&mut world.complaints);
    for (side, half) in [(Side::A, &mut world.a), (Side::B, &mut world.b)] {
        wrong.extend(half.owner.complaints.drain(..).map(|line| format!("{side:?}: {line}")));
    }
    let world = &*world;
    for (side, half) in [(Side::A, &world.a), (Side::B, &world.b)] {
        wrong.extend(remains(half).into_iter().map(|line| format!("{side:?}: {line}")));
    }
    wrong.extend(disagreement(&world.a, &world.b));
    wrong.extend(surplus(world));
    wrong
}

/// What is half-built at the end, or not what the owner was told.
fn remains(half: &Half) -> Vec<String> {
    let mut wrong = Vec::new();
    let endpoint = &half.peer.endpoint;
    let established: Vec<_> = endpoint.established().collect();
    if endpoint.ike_sa_count() != established.len() {
        wrong.push(format!("{} IKE SAs, {} established", endpoint.ike_sa_count(), established.len()));
    }
    let ids: Vec<_> = established.iter().map(|(id, ..)| *id).collect();
    if !ids.iter().eq(half.owner.ike_sas.keys()) {
        wrong.push(format!("IKE SAs {ids:?}, and the owner knows of {:?}", half.owner.ike_sas.keys()));
    }
    let here: BTreeSet<_> =
        established.iter().flat_map(|(id, _, spis)| spis.iter().map(|spi| (*spi, *id))).collect();
    let told: BTreeSet<_> = half.owner.children.iter().map(|(spi, child)| (*spi, child.ike_sa)).collect();
    if here != told {
        wrong.push(format!("Child SAs {here:x?}, and the owner knows of {told:x?}"));
    }
    for (spi, child) in &half.owner.children {
        if child.usable.is_none() {
            wrong.push(format!("{spi:x} still waits for being used"));
        }
    }
    wrong
}

/// Where the two sides believe in different things.
fn disagreement(a: &Half, b: &Half) -> Vec<String> {
    let mut wrong = Vec::new();
    let ike = |half: &Half| half.owner.ike_sas.values().copied().collect::<BTreeSet<_>>();
    if ike(a) != ike(b) {
        wrong.push(format!("IKE SAs of A: {:x?}, of B: {:x?}", ike(a), ike(b)));
    }
    let pairs = |half: &Half, turned: bool| {
        let pair = |sa: &ChildSaEstablished| {
            if turned { (sa.spi_out, sa.spi_in) } else { (sa.spi_in, sa.spi_out) }
        };
        half.owner.children.values().map(|child| pair(&child.sa)).collect::<BTreeSet<_>>()
    };
    if pairs(a, false) != pairs(b, true) {
        wrong.push(format!("Child SAs of A: {:x?}, of B: {:x?}", pairs(a, false), pairs(b, true)));
    }
    for child in a.owner.children.values() {
        let Some(other) = b.owner.children.get(&child.sa.spi_out) else { continue };
        let (one, two) = (&child.sa, &other.sa);
        let same = (&one.keys_in, &one.keys_out, &one.local_ts, &one.remote_ts)
            == (&two.keys_out, &two.keys_in, &two.remote_ts, &two.local_ts);
        if !same || one.child != two.child {
            wrong.push(format!("the sides have different keys or selectors of {:x}", one.spi_in));
        }
    }
    wrong
}

/// Every renewed SA has one heir, and what nobody wanted gone is there.
fn surplus(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let asked = |op: Op| world.scene.ops.iter().any(|(_, asked)| *asked == op);
    let ends = asked(Op::DeleteIke) || asked(Op::Reauthenticate);
    let ike_sas = world.a.owner.ike_sas.len();
    // Whoever wants a Child SA after the end may begin anew, and so may the other side at the same time.
    let anew = asked(Op::Reauthenticate) || asked(Op::DeleteIke) && asked(Op::CreateChild);
    if ike_sas > 1 && !anew || ike_sas == 0 && !ends {
        wrong.push(format!("{ike_sas} IKE SAs"));
    }
    let count = |child: ChildId| world.a.owner.children.values().filter(|sa| sa.sa.child == child).count();
    for (child, lasts) in [(LAN, !ends && !asked(Op::DeleteChild)), (DMZ, !ends)] {
        if count(child) > 1 || count(child) == 0 && lasts {
            wrong.push(format!("{} Child SAs of {child:?}", count(child)));
        }
    }
    wrong
}
