//! What a model may rely on: order, horizon, limits, timers, channels and fingerprints, through the public interface.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ipseclab_sim::{
    ChannelId, Context, Fingerprint, Options, Process, ProcessId, SimDuration, SimTime, Simulation,
    StopReason, TieBreak, TimerHandle,
};
use proptest::prelude::*;

/// Keeps what happened to it, and does what the event says.
#[derive(Default)]
struct Probe {
    seen: Vec<(u64, u32)>,
    timer: Option<TimerHandle>,
    cancelled: Vec<bool>,
}

#[derive(Clone, Copy)]
enum Event {
    Mark(u32),
    /// Sends a mark to the process, so late.
    Relay(ProcessId, u64, u32),
    /// Sends a mark along the channel, so late.
    RelayFifo(ChannelId, u64, u32),
    /// Sets the timer, so late.
    Arm(u64),
    Disarm,
    /// Schedules itself again at once, for ever.
    Spin,
    Note(u64),
    /// Sets a far timer and cancels it at once, so many times, then sets a mark.
    Churn(u32),
}

impl Process for Probe {
    type Event = Event;

    fn handle(&mut self, ctx: &mut Context<'_, Event>, event: Event) {
        match event {
            Event::Mark(mark) => self.seen.push((ctx.now().as_nanos(), mark)),
            Event::Relay(to, delay, mark) => ctx.send(to, nanos(delay), Event::Mark(mark)),
            Event::RelayFifo(channel, delay, mark) => ctx.send_fifo(channel, nanos(delay), Event::Mark(mark)),
            Event::Arm(delay) => self.timer = Some(ctx.schedule(nanos(delay), Event::Mark(99))),
            Event::Disarm => self.cancelled.extend(self.timer.map(|timer| ctx.cancel(timer))),
            Event::Spin => {
                ctx.schedule(SimDuration::ZERO, Event::Spin);
            }
            Event::Note(fact) => ctx.note(1, &[fact]),
            Event::Churn(times) => {
                for _ in 0..times {
                    let far = ctx.schedule(SimDuration::from_secs(30), Event::Mark(0));
                    self.cancelled.push(ctx.cancel(far));
                }
                ctx.schedule(nanos(1), Event::Mark(7));
            }
        }
    }
}

fn nanos(count: u64) -> SimDuration {
    SimDuration::from_nanos(count)
}

fn at(count: u64) -> SimTime {
    SimTime::from_nanos(count)
}

fn probes(count: u32) -> Simulation<Probe> {
    probes_with(count, Options::default())
}

fn probes_with(count: u32, options: Options) -> Simulation<Probe> {
    let mut simulation = Simulation::new(options);
    for _ in 0..count {
        simulation.add(Probe::default());
    }
    simulation
}

const A: ProcessId = ProcessId::new(0);
const B: ProcessId = ProcessId::new(1);
const C: ProcessId = ProcessId::new(2);

#[test]
fn events_at_the_horizon_run_and_later_ones_stay() {
    let mut simulation = probes(1);
    for time in [10, 20, 21] {
        simulation.schedule(A, at(time), Event::Mark(0));
    }
    let report = simulation.run_until(at(20));
    assert_eq!((report.events, report.end, report.stopped), (2, at(20), StopReason::Horizon));
    assert_eq!(simulation.now(), at(20));
    let report = simulation.run_until(at(100));
    assert_eq!((report.events, report.end, report.stopped), (1, at(21), StopReason::Idle));
}

#[test]
fn the_clock_stands_at_the_horizon_when_nothing_was_due() {
    let mut simulation = probes(1);
    simulation.schedule(A, at(1_000_000_000), Event::Mark(0));
    assert_eq!(simulation.run_until(at(50)).end, at(50));
    assert!(catch_unwind(AssertUnwindSafe(|| simulation.schedule(A, at(49), Event::Mark(1)))).is_err());
    simulation.schedule(A, at(50), Event::Mark(2));
    simulation.run_until(SimTime::MAX);
    assert_eq!(simulation.process(A).seen, [(50, 2), (1_000_000_000, 0)]);
}

#[test]
fn an_earlier_horizon_does_not_turn_the_clock_back() {
    let mut simulation = probes(1);
    simulation.schedule(A, at(100), Event::Mark(0));
    simulation.run_until(at(50));
    assert_eq!(simulation.run_until(at(10)).end, at(50));
}

#[test]
fn an_empty_simulation_is_idle() {
    let report = probes(0).run_until(SimTime::MAX);
    assert_eq!((report.events, report.end, report.stopped), (0, SimTime::ZERO, StopReason::Idle));
}

#[test]
fn the_event_limit_stops_a_model_that_runs_in_circles() {
    let mut simulation = probes_with(1, Options { event_limit: 1_000, ..Options::default() });
    simulation.schedule(A, at(5), Event::Spin);
    let report = simulation.run_until(at(6));
    assert_eq!((report.events, report.end, report.stopped), (1_000, at(5), StopReason::EventLimit));
    assert_eq!(simulation.run_until(at(6)).events, 0);
}

#[test]
fn ties_go_by_source_and_then_by_the_sources_own_order() {
    let mut simulation = probes(3);
    simulation.schedule(B, at(0), Event::Relay(C, 10, 21));
    simulation.schedule(A, at(1), Event::Relay(C, 9, 11));
    simulation.schedule(B, at(2), Event::Relay(C, 8, 22));
    simulation.schedule(C, at(10), Event::Mark(31));
    simulation.run_until(SimTime::MAX);
    assert_eq!(simulation.process(C).seen, [(10, 11), (10, 21), (10, 22), (10, 31)]);
}

#[test]
fn a_seeded_tie_break_changes_the_order_of_ties_and_nothing_else() {
    let run = |tie_break| {
        let mut simulation = probes_with(9, Options { tie_break, ..Options::default() });
        for source in 1..9 {
            simulation.schedule(ProcessId::new(source), at(0), Event::Relay(A, 10, source));
            simulation.schedule(ProcessId::new(source), at(0), Event::Relay(A, 20 + u64::from(source), 50));
        }
        simulation.run_until(SimTime::MAX);
        simulation.process(A).seen.clone()
    };
    let (plain, seeded) = (run(TieBreak::BySource), run(TieBreak::BySeed(1)));
    assert_ne!(plain[..8], seeded[..8]);
    assert_eq!(plain[8..], seeded[8..]);
    let mut sorted = seeded[..8].to_vec();
    sorted.sort_unstable();
    assert_eq!(plain[..8], sorted);
    assert_eq!(seeded, run(TieBreak::BySeed(1)));
}

#[test]
fn an_event_without_delay_follows_within_the_same_instant() {
    let mut simulation = probes(2);
    simulation.schedule(B, at(5), Event::Relay(A, 0, 1));
    simulation.schedule(B, at(5), Event::Mark(2));
    let report = simulation.run_until(at(5));
    assert_eq!((report.events, report.stopped), (3, StopReason::Idle));
    assert_eq!(simulation.process(A).seen, [(5, 1)]);
}

#[test]
fn a_cancelled_timer_never_fires_and_cancels_once() {
    let mut simulation = probes(1);
    simulation.schedule(A, at(0), Event::Arm(100));
    simulation.schedule(A, at(10), Event::Disarm);
    simulation.schedule(A, at(20), Event::Disarm);
    let report = simulation.run_until(SimTime::MAX);
    assert_eq!((report.events, report.end, report.stopped), (3, at(20), StopReason::Idle));
    assert_eq!(simulation.process(A).cancelled, [true, false]);
    assert!(simulation.process(A).seen.is_empty());
}

#[test]
fn a_fired_timer_cannot_be_cancelled() {
    let mut simulation = probes(1);
    simulation.schedule(A, at(0), Event::Arm(5));
    simulation.schedule(A, at(10), Event::Disarm);
    simulation.run_until(SimTime::MAX);
    assert_eq!(simulation.process(A).seen, [(5, 99)]);
    assert_eq!(simulation.process(A).cancelled, [false]);
}

#[test]
fn only_cancelled_events_left_means_idle_and_not_horizon() {
    let mut simulation = probes(1);
    let timer = simulation.schedule(A, at(1_000), Event::Mark(0));
    assert!(simulation.cancel(A, timer));
    assert!(!simulation.cancel(A, timer));
    assert_eq!(simulation.run_until(at(10)).stopped, StopReason::Idle);
}

#[test]
fn a_foreign_timer_cannot_be_cancelled() {
    let mut simulation = probes(2);
    let timer = simulation.schedule(A, at(10), Event::Mark(1));
    assert!(catch_unwind(AssertUnwindSafe(|| simulation.cancel(B, timer))).is_err());
    simulation.run_until(SimTime::MAX);
    assert_eq!(simulation.process(A).seen, [(10, 1)]);
}

#[test]
fn timers_that_come_and_go_leave_the_others_in_place() {
    let mut simulation = probes(2);
    simulation.schedule(B, at(40_000_000_000), Event::Mark(5));
    for round in 0..20 {
        simulation.schedule(A, at(round * 1_000), Event::Churn(1_000));
    }
    simulation.run_until(SimTime::MAX);
    assert_eq!(simulation.process(A).seen.len(), 20);
    assert!(simulation.process(A).cancelled.iter().all(|dropped| *dropped));
    assert_eq!(simulation.process(B).seen, [(40_000_000_000, 5)]);
}

#[test]
fn sending_to_nobody_stops_the_run() {
    let mut simulation = probes(1);
    simulation.schedule(A, at(0), Event::Relay(B, 1, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| simulation.run_until(SimTime::MAX))).is_err());
}

#[test]
fn a_channel_serves_only_the_process_that_it_begins_at() {
    let mut simulation = probes(2);
    let channel = simulation.add_channel(A, B);
    simulation.schedule(B, at(0), Event::RelayFifo(channel, 1, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| simulation.run_until(SimTime::MAX))).is_err());
}

#[test]
fn overtaking_on_a_channel_stops_the_run() {
    let mut simulation = probes(2);
    let channel = simulation.add_channel(A, B);
    simulation.schedule(A, at(0), Event::RelayFifo(channel, 10, 0));
    simulation.schedule(A, at(1), Event::RelayFifo(channel, 8, 0));
    assert!(catch_unwind(AssertUnwindSafe(|| simulation.run_until(SimTime::MAX))).is_err());
}

#[test]
fn processes_come_in_the_order_of_their_ids() {
    let mut simulation = probes(3);
    simulation.process_mut(B).seen.push((0, 1));
    let lengths: Vec<_> = simulation.processes().map(|probe| probe.seen.len()).collect();
    assert_eq!(lengths, [0, 1, 0]);
    assert_eq!(simulation.into_processes()[1].seen, [(0, 1)]);
}

#[test]
fn a_noted_fact_changes_only_its_process_and_the_whole() {
    let run = |fact| {
        let mut simulation = probes(2);
        simulation.schedule(A, at(1), Event::Note(fact));
        simulation.schedule(B, at(1), Event::Mark(0));
        simulation.run_until(SimTime::MAX);
        [simulation.process_fingerprint(A), simulation.process_fingerprint(B), simulation.fingerprint()]
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one, run(1));
    assert_ne!(one[0], two[0]);
    assert_eq!(one[1], two[1]);
    assert_ne!(one[2], two[2]);
}

#[test]
fn a_fixed_run_has_this_fingerprint_in_every_build() {
    let mut simulation = probes(3);
    let channel = simulation.add_channel(A, B);
    for round in 0..100 {
        simulation.schedule(A, at(round * 1_000), Event::RelayFifo(channel, 20_000, 1));
        simulation.schedule(B, at(round * 700), Event::Relay(C, round % 7 * 100_000, 2));
        simulation.schedule(C, at(round * 700), Event::Note(round));
    }
    simulation.schedule(A, at(5), Event::Churn(2_000));
    simulation.schedule(C, at(10), Event::Arm(50));
    simulation.schedule(C, at(40), Event::Disarm);
    assert_eq!(simulation.run_until(SimTime::MAX).events, 504);
    // A change of this value changes every published fingerprint.
    assert_eq!(simulation.fingerprint().to_string(), "1c3476b16d97cef5");
}

/// One line of a random plan: source, time, target, delay.
type Line = (u32, u64, u32, u64);

fn plan() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec((0_u32..4, 0..40_u64, 0_u32..4, 0..30_u64), 1..80)
}

fn finish(mut simulation: Simulation<Probe>) -> (Vec<Vec<(u64, u32)>>, Fingerprint) {
    simulation.run_until(SimTime::MAX);
    let fingerprint = simulation.fingerprint();
    (simulation.into_processes().into_iter().map(|probe| probe.seen).collect(), fingerprint)
}

/// Runs the lines in the given order as plain sends.
fn run_sends(lines: &[Line]) -> (Vec<Vec<(u64, u32)>>, Fingerprint) {
    let mut simulation = probes(4);
    for &(source, time, target, delay) in lines {
        let event = Event::Relay(ProcessId::new(target), delay, source);
        simulation.schedule(ProcessId::new(source), at(time * 1_000), event);
    }
    finish(simulation)
}

/// Makes the arrivals between each pair of processes non-decreasing, with ties.
fn in_order(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line.1);
    let mut last = [[0; 4]; 4];
    for (source, time, target, delay) in &mut lines {
        let last = &mut last[*source as usize][*target as usize];
        *last = (*time * 1_000 + *delay).max(*last);
        *delay = *last - *time * 1_000;
    }
    lines
}

fn run_channels(lines: &[Line]) -> (Vec<Vec<(u64, u32)>>, Fingerprint) {
    let mut simulation = probes(4);
    let ids = [0, 1, 2, 3].map(ProcessId::new);
    let channels = ids.map(|from| ids.map(|to| simulation.add_channel(from, to)));
    for &(source, time, target, delay) in lines {
        let event = Event::RelayFifo(channels[source as usize][target as usize], delay, source);
        simulation.schedule(ProcessId::new(source), at(time * 1_000), event);
    }
    finish(simulation)
}

proptest! {
    #[test]
    fn the_same_plan_gives_the_same_run(lines in plan()) {
        prop_assert_eq!(run_sends(&lines), run_sends(&lines));
    }

    #[test]
    fn the_order_in_which_processes_are_set_up_does_not_matter(lines in plan()) {
        // A stable sort keeps each source's own order, which is part of its history, and changes all else.
        let mut by_source = lines.clone();
        by_source.sort_by_key(|line| core::cmp::Reverse(line.0));
        prop_assert_eq!(run_sends(&lines), run_sends(&by_source));
    }

    #[test]
    fn channels_give_the_history_of_plain_sends(lines in plan().prop_map(in_order)) {
        prop_assert_eq!(run_channels(&lines), run_sends(&lines));
    }

    #[test]
    fn stopping_on_the_way_changes_nothing(lines in plan(), stops in prop::collection::vec(0..70_000_u64, 0..5)) {
        let mut simulation = probes(4);
        for &(source, time, target, delay) in &lines {
            let event = Event::Relay(ProcessId::new(target), delay, source);
            simulation.schedule(ProcessId::new(source), at(time * 1_000), event);
        }
        for stop in stops {
            simulation.run_until(at(stop));
        }
        prop_assert_eq!(finish(simulation), run_sends(&lines));
    }
}

#[test]
fn what_is_still_to_happen_can_be_counted() {
    let mut simulation = probes(2);
    let (a, b) = (ProcessId::new(0), ProcessId::new(1));
    let channel = simulation.add_channel(a, b);
    for mark in 0..3 {
        simulation.schedule(a, at(1), Event::RelayFifo(channel, 10 * (u64::from(mark) + 1), mark));
    }
    simulation.schedule(a, at(1), Event::Relay(b, 50, 7));
    simulation.schedule(b, at(1), Event::Arm(60));
    simulation.schedule(b, at(2), Event::Disarm);
    let marks = |simulation: &Simulation<Probe>| {
        let mark = |event: &Event| if let Event::Mark(mark) = event { Some(*mark) } else { None };
        let mut marks: Vec<_> = simulation.pending().filter_map(mark).collect();
        marks.sort_unstable();
        marks
    };
    simulation.run_until(at(1));
    assert_eq!(marks(&simulation), [0, 1, 2, 7, 99]);
    simulation.run_until(at(11));
    assert_eq!(marks(&simulation), [1, 2, 7], "one has arrived, and the timer is cancelled");
    simulation.run_until(at(100));
    assert_eq!(simulation.pending().count(), 0);
}
