//! Claims about links, held against closed forms.

use ipseclab_sim::{RunSeed, StreamLabel};
use proptest::prelude::*;

use super::*;

fn rng(purpose: &str) -> ModelRng {
    ModelRng::new(RunSeed::new(7), StreamLabel::new(3, purpose))
}

fn link(config: LinkConfig) -> Link {
    Link::new(config, rng("loss"), rng("jitter"), rng("reorder"))
}

const fn at(nanos: u64) -> SimTime {
    SimTime::from_nanos(nanos)
}

const fn ns(nanos: u64) -> SimDuration {
    SimDuration::from_nanos(nanos)
}

/// One octet per nanosecond, 5 µs away.
fn octet_per_ns() -> LinkConfig {
    LinkConfig { rate: BitRate::new(8_000_000_000), ..LinkConfig::ideal(ns(5_000)) }
}

fn lossy(ppb: u32) -> LinkConfig {
    LinkConfig { loss: LossPpb::new(ppb).unwrap(), ..LinkConfig::ideal(ns(1)) }
}

fn deliver(queued_and_serialised: u64, propagation: u64) -> Verdict {
    Verdict::Deliver { queued_and_serialised: ns(queued_and_serialised), propagation: ns(propagation) }
}

fn check_conservation(counters: &LinkCounters) {
    assert_eq!(counters.offered_packets, counters.delivered_packets + counters.dropped_packets());
    assert_eq!(counters.offered_bytes, counters.delivered_bytes + counters.dropped_bytes);
    assert_eq!(counters.dropped_packets(), counters.drops().iter().map(|&(_, packets)| packets).sum::<u64>());
}

#[test]
fn an_idle_link_delays_by_serialisation_and_propagation() {
    let mut link = link(octet_per_ns());
    assert_eq!(link.transmit(at(100), 1_000), deliver(1_000, 5_000));
    assert_eq!(link.transmit(at(1_100), 500), deliver(500, 5_000));
    assert_eq!(link.counters().queue_bytes_max, 0);
}

#[test]
fn packets_queue_behind_one_another() {
    let mut link = link(octet_per_ns());
    assert_eq!(link.transmit(at(0), 1_000), deliver(1_000, 5_000));
    assert_eq!(link.transmit(at(0), 200), deliver(1_200, 5_000));
    assert_eq!(link.transmit(at(400), 300), deliver(1_100, 5_000));
    assert_eq!(link.queue_bytes(at(400)), 500);
    assert_eq!(link.queue_bytes(at(1_000)), 300);
    assert_eq!(link.queue_bytes(at(1_200)), 0);
}

#[test]
fn the_queue_drops_what_exceeds_its_octets_but_not_the_packet_in_service() {
    let mut link = link(LinkConfig { queue_bytes: 1_000, ..octet_per_ns() });
    let verdicts: Vec<_> = (0..4).map(|_| link.transmit(at(0), 500)).collect();
    assert_eq!(verdicts[..3], [deliver(500, 5_000), deliver(1_000, 5_000), deliver(1_500, 5_000)]);
    assert_eq!(verdicts[3], Verdict::Drop(DropReason::QueueFull));
    // At 500 ns the second packet enters service and makes room for exactly one more.
    assert_eq!(link.transmit(at(500), 500), deliver(1_500, 5_000));
    assert_eq!(link.transmit(at(500), 1), Verdict::Drop(DropReason::QueueFull));
    assert_eq!(link.counters().queue_bytes_max, 1_000);
    check_conservation(link.counters());
}

#[test]
fn a_link_without_queue_still_takes_a_packet_when_idle() {
    let mut link = link(LinkConfig { queue_bytes: 0, ..octet_per_ns() });
    assert_eq!(link.transmit(at(0), 100), deliver(100, 5_000));
    assert_eq!(link.transmit(at(99), 100), Verdict::Drop(DropReason::QueueFull));
    assert_eq!(link.transmit(at(100), 100), deliver(100, 5_000));
}

#[test]
fn the_mtu_holds_for_the_packet_and_not_for_its_framing() {
    let mut link = link(LinkConfig { framing: Framing::Ethernet, ..octet_per_ns() });
    assert_eq!(link.transmit(at(0), 1_500), deliver(1_538, 5_000));
    assert_eq!(link.transmit(at(9_000), 1_501), Verdict::Drop(DropReason::MtuExceeded));
    assert_eq!(link.transmit(at(9_000), 70_000), Verdict::Drop(DropReason::MtuExceeded));
    assert_eq!(link.counters().busy, ns(1_538));
    check_conservation(link.counters());
}

#[test]
fn a_saturated_link_carries_exactly_its_rate() {
    // The shortest frames of a 10 Gb/s Ethernet take 67.2 ns each, and ten of them 672 ns.
    let rate = BitRate::new(10_000_000_000);
    let mut link = link(LinkConfig { rate, framing: Framing::Ethernet, ..LinkConfig::ideal(ns(0)) });
    let ends: Vec<_> = (0..10).map(|_| link.transmit(at(0), 40)).collect();
    let expected = [68, 135, 202, 269, 336, 404, 471, 538, 605, 672].map(|end| deliver(end, 0));
    assert_eq!(ends, expected);
    assert_eq!(link.counters().busy, ns(672));
    let counters = link.counters();
    let delivered =
        (counters.delivered_bytes, counters.delivered_layer_2_bytes, counters.delivered_layer_1_bytes);
    assert_eq!(delivered, (400, 640, 840));
    // A packet that finds the wire idle shares no rounding with those before.
    assert_eq!(link.transmit(at(700), 40), deliver(68, 0));
}

#[test]
fn an_infinite_rate_never_queues() {
    let mut link = link(LinkConfig { queue_bytes: 0, ..LinkConfig::ideal(ns(7)) });
    assert!((0..100).all(|_| link.transmit(at(3), 1_500) == deliver(0, 7)));
    assert_eq!(link.busy_until(at(3)), SimDuration::ZERO);
}

#[test]
fn a_lost_link_drops_everything() {
    let mut link = link(lossy(1_000_000_000));
    assert!((0..100).all(|_| link.transmit(at(0), 100) == Verdict::Drop(DropReason::Loss)));
    check_conservation(link.counters());
}

#[test]
fn a_lost_packet_occupies_the_wire() {
    let mut link = link(LinkConfig { loss: LossPpb::ALL, ..octet_per_ns() });
    assert_eq!(link.transmit(at(0), 1_000), Verdict::Drop(DropReason::Loss));
    assert_eq!(link.transmit(at(0), 1_000), Verdict::Drop(DropReason::Loss));
    assert_eq!((link.counters().busy, link.queue_bytes(at(0))), (ns(2_000), 1_000));
}

#[test]
fn a_link_that_is_down_takes_nothing_until_it_is_up_again() {
    let mut link = link(octet_per_ns());
    link.set_up(false);
    assert_eq!(link.transmit(at(0), 100), Verdict::Drop(DropReason::LinkDown));
    assert!(!link.is_up());
    link.set_up(true);
    assert_eq!(link.transmit(at(0), 100), deliver(100, 5_000));
    check_conservation(link.counters());
}

/// The share of losses lies within 4.9 standard deviations, which a right link leaves once in 10⁶ seeds.
fn check_loss_share(ppb: u32) {
    let packets = 200_000_u64;
    let mut link = link(lossy(ppb));
    for _ in 0..packets {
        link.transmit(at(0), 100);
    }
    let share = f64::from(ppb) / 1e9;
    let packets = 200_000.0;
    let deviation = f64::sqrt(packets * share * (1.0 - share));
    let lost = f64::from(u32::try_from(link.counters().dropped_loss).unwrap());
    assert!((lost - packets * share).abs() < 4.9 * deviation, "{lost} of {packets} lost at {share}");
}

#[test]
fn losses_have_the_configured_share() {
    for ppb in [1_000_000, 50_000_000, 200_000_000, 500_000_000, 990_000_000] {
        check_loss_share(ppb);
    }
}

/// Which of 1000 packets a link loses when its queue refuses every second one, or none.
fn losses(queue_bytes: u64) -> Vec<usize> {
    let config = LinkConfig { queue_bytes, loss: LossPpb::new(100_000_000).unwrap(), ..octet_per_ns() };
    let mut link = link(config);
    let fate = |n: u64| link.transmit(at(n / 2 * 1_000), 1_000) == Verdict::Drop(DropReason::Loss);
    (0..1_000).map(fate).enumerate().filter(|&(_, lost)| lost).map(|(n, _)| n).collect()
}

#[test]
fn a_refused_packet_does_not_shift_the_losses_of_others() {
    let all = losses(u64::MAX);
    let every_second: Vec<_> = all.iter().copied().filter(|n| n % 2 == 0).collect();
    assert_eq!(losses(0), every_second);
}

#[test]
fn more_loss_loses_the_same_packets_and_more() {
    let lost = |ppb| {
        let mut link = link(lossy(ppb));
        (0..10_000).map(|_| link.transmit(at(0), 100) == Verdict::Drop(DropReason::Loss)).collect::<Vec<_>>()
    };
    assert!(lost(10_000_000).iter().zip(lost(50_000_000)).all(|(&few, many)| !few || many));
}

#[test]
fn jitter_stays_in_its_range_fills_it_and_lets_packets_overtake() {
    let mut link = link(LinkConfig { jitter: ns(9), ..LinkConfig::ideal(ns(100)) });
    assert!(!link.is_fifo());
    let spans: Vec<_> = (0..1_000)
        .map(|_| match link.transmit(at(0), 100) {
            Verdict::Deliver { propagation, .. } => propagation.as_nanos(),
            Verdict::Drop(reason) => panic!("dropped: {reason}"),
        })
        .collect();
    assert!((100..=109).all(|span| spans.contains(&span)));
    assert!(spans.iter().all(|span| (100..=109).contains(span)));
    assert!(!spans.is_sorted());
}

fn to_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// A link that holds packets back for 1 µs, or a µs on average.
fn reordering(ppb: u32, spread: ReorderSpread) -> Link {
    let reorder = Reorder { probability: LossPpb::new(ppb).unwrap(), delay: ns(1_000), spread };
    link(LinkConfig { reorder: Some(reorder), ..LinkConfig::ideal(ns(100)) })
}

/// When packets arrive that are sent every `interval` ns, in the order of their departures.
fn arrivals(link: &mut Link, packets: u64, interval: u64) -> Vec<u64> {
    let arrival = |number| match link.transmit(at(number * interval), 100) {
        Verdict::Deliver { propagation, .. } => number * interval + propagation.as_nanos(),
        Verdict::Drop(reason) => panic!("dropped: {reason}"),
    };
    (0..packets).map(arrival).collect()
}

#[test]
fn a_share_of_packets_arrives_late_as_probability_and_interval_say() {
    const PACKETS: u32 = 200_000;
    for (ppb, interval) in [(10_000_000, 400_u32), (100_000_000, 250), (300_000_000, 500), (500_000_000, 900)]
    {
        let mut link = reordering(ppb, ReorderSpread::Constant);
        assert!(!link.is_fifo());
        let times = arrivals(&mut link, PACKETS.into(), interval.into());
        // One is late when one that was sent later has come before it (RFC 4737 §3.3).
        let mut first_after = u64::MAX;
        let late = times.iter().rev().filter(|time| {
            let is_late = **time > first_after;
            first_after = first_after.min(**time);
            is_late
        });
        let (late, held) = (to_f64(late.count() as u64), to_f64(link.counters().held_back_packets));
        let p = f64::from(ppb) / 1e9;
        let overtakers = f64::from(1_000_u32.div_ceil(interval) - 1);
        for (seen, share) in [(held, p), (late, p * (1.0 - libm::pow(p, overtakers)))] {
            let (mean, sigma) =
                (f64::from(PACKETS) * share, (f64::from(PACKETS) * share * (1.0 - share)).sqrt());
            // Neighbours share their overtakers, which widens the interval of the late ones a little.
            assert!(
                (seen - mean).abs() < 5.0 * sigma,
                "p = {p}, every {interval} ns: {seen}, not {mean} ± {sigma}"
            );
        }
    }
}

#[test]
fn only_a_link_that_can_reorder_is_no_fifo_channel() {
    assert!(link(LinkConfig::ideal(ns(100))).is_fifo());
    assert!(!reordering(1, ReorderSpread::Constant).is_fifo());
}

#[test]
fn spans_are_constant_or_exponential_and_draw_alike() {
    let held = |link: &mut Link| -> Vec<u64> {
        let times = arrivals(link, 100_000, 0);
        times.into_iter().map(|time| time - 100).filter(|span| *span > 0).collect()
    };
    assert!(held(&mut reordering(250_000_000, ReorderSpread::Constant)).iter().all(|span| *span == 1_000));
    let spans = held(&mut reordering(250_000_000, ReorderSpread::Exponential));
    let mean = spans.iter().sum::<u64>() / spans.len() as u64;
    // 1 000 ± 5 σ / √n with σ = 1 000 and n = 25 000.
    assert!((968..=1_032).contains(&mean), "{mean} ns on average");
    let above =
        to_f64(spans.iter().filter(|span| **span > 2_000).count() as u64) / to_f64(spans.len() as u64);
    assert!((above - libm::exp(-2.0)).abs() < 0.011, "{above} above twice the mean");
}

#[test]
fn more_reordering_holds_back_the_same_packets_and_more() {
    let held = |ppb| -> Vec<bool> {
        let times = arrivals(&mut reordering(ppb, ReorderSpread::Exponential), 10_000, 0);
        times.into_iter().map(|time| time > 100).collect()
    };
    assert!(held(10_000_000).iter().zip(held(50_000_000)).all(|(&few, many)| !few || many));
    assert!(held(0).iter().all(|held| !held));
}

#[test]
fn reordering_and_jitter_shift_nothing_of_each_other() {
    let config = LinkConfig { jitter: ns(9), ..LinkConfig::ideal(ns(100)) };
    let reorder = Reorder {
        probability: LossPpb::new(500_000_000).unwrap(),
        delay: ns(1_000),
        spread: ReorderSpread::Constant,
    };
    let plain = arrivals(&mut link(config), 1_000, 0);
    let both = arrivals(&mut link(LinkConfig { reorder: Some(reorder), ..config }), 1_000, 0);
    assert!(plain.iter().zip(&both).all(|(plain, both)| *both == *plain || *both == plain + 1_000));
    assert!(both.iter().any(|time| *time > 1_000) && both.iter().any(|time| *time < 1_000));
}

#[test]
fn utilisation_counts_only_time_that_has_passed() {
    let mut link = link(octet_per_ns());
    link.transmit(at(0), 1_000);
    link.transmit(at(0), 1_000);
    assert_eq!(link.busy_until(at(500)), ns(500));
    assert_eq!(link.busy_until(at(2_500)), ns(2_000));
    link.transmit(at(3_000), 1_000);
    assert_eq!(link.busy_until(at(3_100)), ns(2_100));
}

/// Mean wait of an M/D/1-like queue at load ½ is ½ service time: W = ρ / (2 (1 − ρ)) · D (Pollaczek–Khinchine).
#[test]
fn the_mean_wait_at_half_load_agrees_with_queueing_theory() {
    let mut link = link(octet_per_ns());
    let mut arrivals = rng("arrivals");
    let (mut now, mut waits, packets) = (0, 0, 200_000);
    for _ in 0..packets {
        // Geometric steps of 1/8 service time with chance 1/16 each: mean gap two service times, nearly memoryless.
        while !arrivals.chance_ppb(62_500_000) {
            now += 125;
        }
        now += 125;
        if let Verdict::Deliver { queued_and_serialised, .. } = link.transmit(at(now), 1_000) {
            waits += queued_and_serialised.as_nanos() - 1_000;
        }
    }
    // Geo/D/1 with step 1/8 and p = 1/16: W = p·s(s−1)/(2(1−ps)) steps with s = 8, so 3.5 steps, 437.5 ns.
    let mean = waits / packets;
    assert!((425..=450).contains(&mean), "mean wait {mean} ns");
}

proptest! {
    /// Every packet's delay equals that of a plain recursion (Lindley), and the books balance.
    #[test]
    fn a_link_is_a_fifo_server(
        packets in prop::collection::vec((0_u64..3_000, 1_usize..1_600), 1..80),
        queue_bytes in 0_u64..5_000,
        loss in 0_u32..=1_000_000_000,
    ) {
        let mut link = link(LinkConfig { queue_bytes, loss: LossPpb::new(loss).unwrap(), ..octet_per_ns() });
        let mut served: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (gap, len) in packets {
            now += gap;
            let octets = len as u64;
            let free_at = served.last().map_or(0, |&(start, octets)| start + octets);
            let waiting: u64 = served.iter().filter(|&&(start, _)| start > now).map(|&(_, octets)| octets).sum();
            let fits = len <= 1_500 && (free_at <= now || waiting + octets <= queue_bytes);
            let start = free_at.max(now);
            match link.transmit(at(now), len) {
                Verdict::Deliver { queued_and_serialised, propagation } => {
                    prop_assert!(fits);
                    prop_assert_eq!(queued_and_serialised, ns(start + octets - now));
                    prop_assert_eq!(propagation, ns(5_000));
                }
                Verdict::Drop(reason) => prop_assert_eq!(fits, reason == DropReason::Loss),
            }
            if fits {
                served.push((start, octets));
            }
            prop_assert!(link.queue_bytes(at(now)) <= queue_bytes);
        }
        prop_assert_eq!(link.counters().busy, ns(served.iter().map(|&(_, octets)| octets).sum()));
        check_conservation(link.counters());
    }
}
