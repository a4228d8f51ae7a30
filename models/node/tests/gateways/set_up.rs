//! Set-up and end of tunnels: what the node adds to the protocol cores.

use std::time::Duration;

use ipseclab_ike::config::ConnectionId;
use ipseclab_ike::{CloseReason, FailureReason};
use ipseclab_net::{DropReason, LinkConfig, LossPpb, PortId};
use ipseclab_node::{ClosedSa, Command, EndReason, NodeEvent, Observe, Outcome, Step};
use ipseclab_sim::{SimDuration, SimTime};

use crate::support::{LEFT, MS, RIGHT, Setup, build, finish, priced, received, run};

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
    let ends = [(LEFT, CloseReason::Local), (RIGHT, CloseReason::Remote)];
    for (node, cause) in ends.map(|(node, reason)| (node, EndReason::Closed(reason))) {
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
