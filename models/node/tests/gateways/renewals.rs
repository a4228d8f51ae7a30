//! Renewals: no packet is lost for them, and their books say where the time went.

use std::time::Duration;

use ipseclab_ike::config::{
    Child, ChildId, Childless, Connection, ConnectionId, Lifetime, Reauthentication, Renewal, Volume,
};
use ipseclab_ike::{CloseReason, FailureReason};
use ipseclab_net::{LinkConfig, LossPpb};
use ipseclab_node::{Command, EndReason, Node, Outcome, RenewalOutcome, RenewalRecord, Renewed};
use ipseclab_sim::{ProcessId, SimDuration, Simulation};

use crate::support::{LEFT, RIGHT, Setup, build, command, finish, priced, received, run};

const CONNECTION: ConnectionId = ConnectionId(0);
const CHILD: ChildId = ChildId { connection: CONNECTION, place: 0 };

fn renewals(simulation: &Simulation<Node>, node: ProcessId) -> &[RenewalRecord] {
    &simulation.process(node).records().renewals
}

/// Every ping came back, and nothing was dropped anywhere.
fn check_no_loss(simulation: &Simulation<Node>, pings: u64) {
    assert_eq!(received(simulation), pings);
    for node in [LEFT, RIGHT] {
        let drops: Vec<_> = simulation.process(node).drops().iter().collect();
        assert_eq!(drops, [], "{node}");
    }
}

/// The parts of every record sum to it.
fn check_sums(records: &[RenewalRecord]) {
    for record in records {
        assert_eq!(record.delays.total(), record.ended.since(record.started), "{record:?}");
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn renewing_child_sas_by_time_loses_no_packet() {
    let child = |child: &mut Child, side| {
        let rekey_time = Some(seconds(if side == 1 { 3 } else { 60 }));
        child.lifetime =
            Lifetime { rekey_time, life_time: Some(seconds(70)), rand_time: Duration::from_millis(500) };
    };
    let simulation =
        run(&Setup { child, pings: 2_000, interval: SimDuration::from_millis(10), ..Setup::default() }, 25);
    check_no_loss(&simulation, 2_000);
    let records = renewals(&simulation, LEFT);
    assert!((7..=10).contains(&records.len()), "{records:?}");
    check_sums(records);
    assert!(records.iter().all(|record| record.what == Renewed::Child && record.child == Some(CHILD)));
    // A request and its answer cross the link once each, 10 ms a way.
    let done: Vec<_> = records.iter().filter(|record| record.outcome == RenewalOutcome::Done).collect();
    assert!(done.iter().all(|record| record.delays.propagation == SimDuration::from_millis(20)));
    assert!(records.windows(2).all(|pair| pair[0].spi_new == pair[1].spi_old), "a chain of SPIs");
    assert!(renewals(&simulation, RIGHT).is_empty(), "who began has the record");
    assert_eq!(simulation.process(LEFT).host_counters().ike_sas_established, 1);
}

#[test]
fn renewing_child_sas_by_volume_loses_no_packet() {
    let child = |child: &mut Child, side| {
        child.packets = Volume { rekey: (side == 1).then_some(100), life: Some(400), rand: 20 };
        child.bytes = Volume { rekey: Some(1_000_000), life: None, rand: 0 };
    };
    let simulation =
        run(&Setup { child, pings: 1_000, interval: SimDuration::from_millis(5), ..Setup::default() }, 10);
    check_no_loss(&simulation, 1_000);
    let records = renewals(&simulation, LEFT);
    assert!((9..=14).contains(&records.len()), "{}", records.len());
    check_sums(records);
    let counters = simulation.process(LEFT).host_counters();
    assert_eq!(counters.esp.outbound.packets, 1_000, "each packet went out once, on one of the SAs");
    let rekeyed = |record: &&ipseclab_node::ClosureRecord| {
        record.closure.reason == EndReason::Closed(CloseReason::Rekeyed)
    };
    for node in [LEFT, RIGHT] {
        let closures = &simulation.process(node).records().closures;
        assert_eq!(closures.iter().filter(rekeyed).count(), closures.len());
        assert!(closures.len() >= records.len() - 1);
    }
}

#[test]
fn a_volume_without_renewal_ends_the_child_sa_and_the_next_packet_brings_another() {
    let child = |child: &mut Child, _| {
        child.packets = Volume { rekey: None, life: Some(4), rand: 0 };
    };
    let simulation = run(&Setup { child, ..Setup::default() }, 5);
    let closures = &simulation.process(LEFT).records().closures;
    let expired = EndReason::Closed(CloseReason::Expired);
    assert!(closures.iter().any(|record| record.closure.reason == expired), "{closures:?}");
    let new = renewals(&simulation, LEFT).iter().filter(|record| record.what == Renewed::NewChild).count();
    assert!(new >= 1, "{:?}", renewals(&simulation, LEFT));
}

#[test]
fn renewing_ike_sas_keeps_child_sas_and_packets() {
    let connection = |connection: &mut Connection, side| {
        let rekey_time = Some(seconds(if side == 1 { 3 } else { 60 }));
        connection.renewal = Renewal { rekey_time, ..Renewal::NEVER };
        connection.renewal.over_time = Duration::from_secs(10);
    };
    let simulation = run(&Setup { connection, pings: 200, ..Setup::default() }, 21);
    check_no_loss(&simulation, 200);
    let records = renewals(&simulation, LEFT);
    assert_eq!(records.len(), 6, "{records:?}");
    check_sums(records);
    assert!(
        records.iter().all(|record| (record.what, record.outcome) == (Renewed::Ike, RenewalOutcome::Done))
    );
    let counters = simulation.process(LEFT).host_counters();
    assert_eq!((counters.ike_sas_established, counters.child_sas_established), (7, 1));
}

#[test]
fn crossing_renewals_leave_one_that_is_redundant() {
    let mut simulation = build(&Setup { pings: 100, ..Setup::default() });
    for node in [LEFT, RIGHT] {
        command(&mut simulation, node, 2_000, Command::RekeyChild(CHILD));
        command(&mut simulation, node, 5_000, Command::RekeyIke(CONNECTION));
    }
    finish(&mut simulation, 15);
    check_no_loss(&simulation, 100);
    for what in [Renewed::Child, Renewed::Ike] {
        let both = [LEFT, RIGHT].map(|node| renewals(&simulation, node));
        let outcomes: Vec<_> = both
            .iter()
            .flat_map(|records| records.iter())
            .filter(|r| r.what == what)
            .map(|r| r.outcome)
            .collect();
        assert_eq!(outcomes.len(), 2, "{what:?}");
        let of = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
        assert_eq!(
            (of(RenewalOutcome::Done), of(RenewalOutcome::Redundant)),
            (1, 1),
            "{what:?}: {outcomes:?}"
        );
        both.into_iter().for_each(check_sums);
    }
}

#[test]
fn a_reauthentication_is_a_set_up_and_has_a_record_of_its_own() {
    for order in [Reauthentication::BreakBeforeMake, Reauthentication::MakeBeforeBreak] {
        let connection: fn(&mut Connection, u8) = match order {
            Reauthentication::BreakBeforeMake => |_, _| {},
            Reauthentication::MakeBeforeBreak => |connection, _| {
                connection.renewal.reauthentication = Reauthentication::MakeBeforeBreak;
            },
        };
        let mut simulation = build(&Setup { connection, ..Setup::default() });
        command(&mut simulation, LEFT, 3_000, Command::Reauthenticate(CONNECTION));
        finish(&mut simulation, 10);
        let left = simulation.process(LEFT);
        let [record] = renewals(&simulation, LEFT) else {
            panic!("{order:?}: {:?}", left.records().renewals)
        };
        assert_eq!((record.what, record.outcome), (Renewed::Reauthentication, RenewalOutcome::Done));
        let [first, second] = left.records().negotiations.as_slice() else { panic!("{order:?}") };
        assert_eq!((first.outcome, first.renews), (Outcome::Established, None));
        assert_eq!((record.spi_old, second.renews), (Some(first.spi_i.as_u64()), Some(first.spi_i)));
        assert_eq!((record.started, record.ended), (second.started, second.ended));
        assert_eq!(left.host_counters().child_sas_established, 2);
    }
}

#[test]
fn a_renewal_over_a_lossy_link_books_its_repetitions() {
    let (mut repeated, mut all) = (0, 0);
    for seed in 0..10 {
        let child = |child: &mut Child, side| {
            let rekey_time = Some(seconds(if side == 1 { 20 } else { 2_000 }));
            child.lifetime = Lifetime { rekey_time, life_time: None, rand_time: Duration::ZERO };
        };
        let link = LinkConfig { loss: LossPpb::new(200_000_000).unwrap(), ..Setup::default().link };
        let profile = priced(100_000.0);
        let simulation = run(&Setup { child, link, seed, profile, pings: 1, ..Setup::default() }, 300);
        let records = renewals(&simulation, LEFT);
        check_sums(records);
        for record in records.iter().filter(|record| record.outcome == RenewalOutcome::Done) {
            let waited = record.delays.retransmission_wait > SimDuration::ZERO;
            assert_eq!(record.retransmissions > 0, waited, "seed {seed}: {record:?}");
            repeated += u32::from(waited);
            all += 1;
        }
    }
    assert!(repeated > 20 && all > 50, "{repeated} of {all} lost something");
}

#[test]
fn a_renewal_that_nobody_answers_ends_with_its_ike_sa() {
    let mut simulation = build(&Setup::default());
    command(&mut simulation, RIGHT, 2_000, Command::Blackhole(true));
    command(&mut simulation, LEFT, 3_000, Command::RekeyIke(CONNECTION));
    finish(&mut simulation, 300);
    let [record] = renewals(&simulation, LEFT) else { panic!("{:?}", renewals(&simulation, LEFT)) };
    assert_eq!(record.outcome, RenewalOutcome::Failed(FailureReason::Timeout));
    assert_eq!(record.retransmissions, 5);
    check_sums(&[*record]);
}

#[test]
fn an_ike_sa_without_children_is_a_set_up_too_and_a_child_follows_in_it() {
    let connection = |connection: &mut Connection, _| connection.childless = Childless::Prefer;
    let mut simulation = build(&Setup { connection, pings: 0, ..Setup::default() });
    command(&mut simulation, LEFT, 0, Command::InitiateIke(CONNECTION));
    command(&mut simulation, LEFT, 2_000, Command::InitiateChild(CHILD));
    command(&mut simulation, LEFT, 4_000, Command::TerminateChild(CHILD));
    finish(&mut simulation, 10);
    let left = simulation.process(LEFT);
    let [setup] = left.records().negotiations.as_slice() else { panic!("{:?}", left.records().negotiations) };
    assert_eq!((setup.outcome, setup.agreed.esp_proposal.as_ref()), (Outcome::Established, None));
    let [record] = renewals(&simulation, LEFT) else { panic!("{:?}", renewals(&simulation, LEFT)) };
    assert_eq!((record.what, record.outcome), (Renewed::NewChild, RenewalOutcome::Done));
    let counters = left.host_counters();
    assert_eq!((counters.child_sas_closed, counters.ike_sas_closed), (1, 0));
}

#[test]
fn the_timeline_has_set_ups_and_renewals_in_their_second() {
    let mut simulation = build(&Setup { pings: 1, ..Setup::default() });
    command(&mut simulation, LEFT, 2_500, Command::RekeyChild(CHILD));
    command(&mut simulation, LEFT, 2_990, Command::RekeyIke(CONNECTION));
    finish(&mut simulation, 10);
    let timeline = &simulation.process(LEFT).records().timeline;
    let counts: Vec<_> = timeline
        .buckets()
        .map(|(time, bucket)| {
            (
                time.as_nanos() / 1_000_000_000,
                bucket.setups_begun,
                bucket.setups_established,
                bucket.renewals_begun,
                bucket.renewals_done,
            )
        })
        .collect();
    assert_eq!(counts, [(0, 1, 1, 0, 0), (2, 0, 0, 2, 1), (3, 0, 0, 0, 1)]);
}
