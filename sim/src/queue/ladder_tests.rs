//! The ladder against its oracle: `std`'s binary heap, entry by entry.

use proptest::prelude::*;

use super::*;
use crate::process::ProcessId;
use crate::queue::Tie;

/// The oracle, which is also what the ladder was measured against.
#[derive(Default)]
struct Heap(BinaryHeap<Reverse<Entry>>);

impl EventQueue for Heap {
    fn push(&mut self, entry: Entry) {
        self.0.push(Reverse(entry));
    }

    fn pop_until(&mut self, horizon: u64) -> Option<Entry> {
        let due = self.0.peek().is_some_and(|Reverse(entry)| entry.time <= horizon);
        if due { self.0.pop().map(|Reverse(entry)| entry) } else { None }
    }

    fn upcoming(&self) -> &[Entry] {
        &[]
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        self.0.retain(|Reverse(entry)| keep(entry));
    }
}

/// A ladder and its oracle, driven alike.
struct Pair {
    ladder: Ladder,
    heap: Heap,
    ties: Vec<Tie>,
    now: u64,
    pushed: u32,
}

/// One step of a random schedule.
#[derive(Clone, Debug)]
enum Step {
    /// An entry of this source so far ahead.
    Push(u32, u64),
    /// Many entries at one instant.
    Burst(u32, u64),
    /// So many pops without a horizon.
    Pop(usize),
    /// All that is due until so far ahead; the clock then stands there.
    PopUntil(u64),
    /// Drops the entries whose slot is a multiple.
    Retain(u32),
}

impl Pair {
    fn new() -> Self {
        let ties = (0..4).map(Tie::before).collect();
        Self { ladder: Ladder::new(), heap: Heap::default(), ties, now: 0, pushed: 0 }
    }

    fn push(&mut self, source: u32, delay: u64) {
        let last = &mut self.ties[source as usize];
        *last = last.next();
        self.pushed += 1;
        let target = ProcessId::new(source);
        let entry = Entry { time: self.now.saturating_add(delay), tie: *last, target, slot: self.pushed };
        self.ladder.push(entry);
        self.heap.push(entry);
    }

    /// Pops from both; whether there was something.
    fn pop(&mut self, horizon: u64) -> bool {
        let (found, expected) = (self.ladder.pop_until(horizon), self.heap.pop_until(horizon));
        assert_eq!(found, expected);
        assert_eq!(self.ladder.len(), self.heap.len());
        self.now = found.map_or(self.now, |entry| entry.time);
        found.is_some()
    }

    fn drain(&mut self) {
        while self.pop(u64::MAX) {}
        assert_eq!(self.ladder.len(), 0);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Push(source, delay) => self.push(source, delay),
            Step::Burst(count, delay) => (0..count).for_each(|n| self.push(n % 4, delay)),
            Step::Pop(count) => (0..count).for_each(|_| {
                self.pop(u64::MAX);
            }),
            Step::PopUntil(ahead) => {
                let horizon = self.now.saturating_add(ahead);
                while self.pop(horizon) {}
                self.now = horizon;
            }
            Step::Retain(multiple) => {
                self.ladder.retain(|entry| entry.slot % multiple != 0);
                self.heap.retain(|entry| entry.slot % multiple != 0);
            }
        }
    }
}

/// Delays of every magnitude: none, within a window, across levels, to the end of time.
fn delays() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..10_u64, 0..20_000_u64, (0_u32..64, any::<u64>()).prop_map(|(bits, x)| x >> bits)]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u32..4, delays()).prop_map(|(source, delay)| Step::Push(source, delay)),
        1 => (1_u32..200, delays()).prop_map(|(count, delay)| Step::Burst(count, delay)),
        4 => (0_usize..12).prop_map(Step::Pop),
        2 => delays().prop_map(Step::PopUntil),
        1 => (2_u32..5).prop_map(Step::Retain),
    ]
}

proptest! {
    #[test]
    fn any_schedule_pops_as_from_a_heap(steps in prop::collection::vec(steps(), 1..120)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
        }
        pair.drain();
    }

    #[test]
    fn a_hold_model_pops_as_from_a_heap(pending in 1_u32..3000, bits in 0_u32..63, seed: u64) {
        let mut pair = Pair::new();
        let mut state = seed;
        let mut delay = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 1 >> bits
        };
        (0..pending).for_each(|n| pair.push(n % 4, delay()));
        for n in 0..pending {
            pair.pop(u64::MAX);
            pair.push(n % 4, delay());
        }
        pair.drain();
    }
}

#[test]
fn everything_at_the_same_time_pops_by_tie() {
    let mut pair = Pair::new();
    pair.step(&Step::Burst(10_000, 12_345_678));
    pair.drain();
}

#[test]
fn one_event_at_a_time_over_all_magnitudes() {
    let mut pair = Pair::new();
    for bits in 0..64 {
        pair.push(0, (1 << bits) - 1);
        assert!(pair.pop(u64::MAX));
    }
    pair.drain();
}

#[test]
fn the_end_of_time_is_reached_and_stays_open() {
    let mut pair = Pair::new();
    pair.push(0, u64::MAX);
    pair.push(1, u64::MAX - 1);
    pair.push(2, 5);
    pair.step(&Step::Pop(3));
    assert_eq!(pair.now, u64::MAX);
    pair.step(&Step::Burst(8, 0));
    pair.step(&Step::Pop(3));
    pair.push(0, 0);
    pair.drain();
}

#[test]
fn a_horizon_leaves_room_before_what_comes_later() {
    let mut pair = Pair::new();
    pair.push(0, 3_600_000_000_000);
    pair.step(&Step::PopUntil(1_000));
    pair.push(1, 10);
    pair.push(2, 50_000_000_000);
    assert!(pair.ladder.near.is_empty(), "nothing near is due yet");
    pair.drain();
}

#[test]
fn far_timers_do_not_reach_the_window_early() {
    let mut pair = Pair::new();
    (0..1000).for_each(|n| pair.push(0, 30_000_000_000 + n));
    (0..1000).for_each(|n| pair.push(1, n * 1_000));
    pair.step(&Step::PopUntil(1_000_000));
    assert_eq!(pair.ladder.len(), 1000);
    assert!(pair.ladder.upcoming().is_empty());
    pair.drain();
}

#[test]
fn the_arena_does_not_grow_while_the_load_is_steady() {
    let mut pair = Pair::new();
    (0..4000).for_each(|n| pair.push(0, n * 977));
    let mut settled = 0;
    for round in 0..40_000_u64 {
        pair.pop(u64::MAX);
        pair.push(0, 100_000 + round * 7_919 % 4_000_000);
        if round == 20_000 {
            settled = pair.ladder.slots.pages.capacity();
        }
    }
    assert_eq!(pair.ladder.slots.pages.capacity(), settled);
}

/// Holds 2000 entries whose delays are 1 to 2·`mean` ns and says what the last 3000 events of 100 000 cost.
fn hold(mean: u64) -> Pace {
    let mut pair = Pair::new();
    let mut state = mean;
    let mut delay = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 20) % (2 * mean)
    };
    (0..2000).for_each(|n| pair.push(n % 4, delay()));
    for n in 0..100_000 {
        if n == 97_000 {
            pair.ladder.pace = Pace::default();
        }
        pair.pop(u64::MAX);
        pair.push(n % 4, delay());
    }
    core::mem::take(&mut pair.ladder.pace)
}

#[test]
fn slots_fit_any_density_from_a_nanosecond_to_a_second() {
    for magnitude in 0..10 {
        let pace = hold(10_u64.pow(magnitude));
        let context = format!("10^{magnitude} ns: {pace:?}");
        assert!(pace.near <= 750, "the heap does the work at {context}");
        assert!(pace.windows <= 300, "windows are nearly empty at {context}");
        assert!(pace.dealt <= 750, "entries are moved twice at {context}");
    }
}

#[test]
fn a_load_that_changes_its_pace_pops_as_from_a_heap() {
    let mut pair = Pair::new();
    for mean in [1_000_000_000, 3, 50_000, 1, 40_000_000, 700] {
        (0..500).for_each(|n| pair.push(n % 4, u64::from(n) * mean / 100));
        for n in 0..20_000_u64 {
            pair.pop(u64::MAX);
            pair.push(0, n * 7_919 % (2 * mean));
        }
    }
    pair.drain();
}
