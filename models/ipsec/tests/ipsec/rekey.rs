//! Several pairs of one policy at once, as while a Child SA is rekeyed: nothing is lost between the old and the new one.

use ipseclab_ipsec::{
    DiscardReason, Event, Inbound, Lifetime, Mode, Outbound, OutboundUse, SaPair, Spi, TrafficSelector,
};
use proptest::prelude::*;

use crate::support::{
    LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Suite, TestEngine, delivered, ends, engine, mirrored, ping,
    protect_all, seconds, sent,
};

fn spi(value: u32) -> Spi {
    Spi::new(value).unwrap()
}

fn pair(spi: u32) -> SaPair {
    Suite::GCM_TUNNEL.pair(spi)
}

/// The SPI that a packet leaves under.
fn outbound_spi(left: &mut TestEngine) -> Option<u32> {
    // The selectors of these pairs are the same both ways, so that the right end can be asked too.
    match left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0) {
        Outbound::Send { sa, .. } => sa.map(Spi::value),
        _ => None,
    }
}

#[test]
fn a_pair_that_waits_to_be_told_leaves_the_old_one_in_use() {
    let (mut left, _) = ends(&pair(0x1000));
    left.install(seconds(1), pair(0x2000), OutboundUse::WhenTold).unwrap();
    assert_eq!(outbound_spi(&mut left), Some(0x1001));
    assert!(left.enable_outbound(spi(0x2000)));
    assert_eq!(outbound_spi(&mut left), Some(0x2001));
    assert!(!left.enable_outbound(spi(0x3000)), "there is no such pair");
}

#[test]
fn a_packet_that_arrives_under_the_new_pair_puts_it_into_use() {
    let (mut left, mut right) = ends(&pair(0x1000));
    left.install(seconds(1), pair(0x2000), OutboundUse::WhenTold).unwrap();
    right.install(seconds(1), mirrored(&pair(0x2000)), OutboundUse::Now).unwrap();
    let wire = sent(right.outbound(seconds(1), ping(RIGHT_HOST, LEFT_HOST, 8), 0));
    let mut forged = wire.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(left.inbound(seconds(1), forged, 0), Inbound::Discard { .. }));
    assert_eq!(outbound_spi(&mut left), Some(0x1001), "a forged packet says nothing");
    delivered(left.inbound(seconds(1), wire, 0));
    assert_eq!(outbound_spi(&mut left), Some(0x2001));
}

#[test]
fn when_the_old_pair_goes_the_waiting_one_takes_over_untold() {
    let (mut left, _) = ends(&pair(0x1000));
    left.install(seconds(1), pair(0x2000), OutboundUse::WhenTold).unwrap();
    left.remove(spi(0x1000)).unwrap();
    assert_eq!(outbound_spi(&mut left), Some(0x2001));
    assert_eq!(left.poll_event(), None, "nothing has to be negotiated");
}

#[test]
fn a_retired_pair_takes_what_arrives_and_sends_nothing() {
    let (mut left, mut right) = ends(&pair(0x1000));
    let late = sent(right.outbound(seconds(0), ping(RIGHT_HOST, LEFT_HOST, 8), 0));
    let too_late = sent(right.outbound(seconds(0), ping(RIGHT_HOST, LEFT_HOST, 8), 0));
    left.install(seconds(1), pair(0x2000), OutboundUse::WhenTold).unwrap();
    assert!(left.retire(spi(0x1000)) && !left.retire(spi(0x3000)));
    assert_eq!(outbound_spi(&mut left), Some(0x2001), "although nobody has told it");
    assert!(left.can_send(spi(0x2000)) && !left.can_send(spi(0x1000)));
    delivered(left.inbound(seconds(2), late.clone(), 0));
    let replayed = left.inbound(seconds(2), late, 0);
    assert!(matches!(replayed, Inbound::Discard { reason: DiscardReason::Replay, .. }), "{replayed:?}");
    assert_eq!(outbound_spi(&mut left), Some(0x2001), "what arrives does not bring it back");
    assert_eq!(left.remove(spi(0x1000)).unwrap().inbound.packets, 1);
    let refused = left.inbound(seconds(3), too_late, 0);
    assert!(matches!(refused, Inbound::Discard { reason: DiscardReason::UnknownSpi, .. }), "{refused:?}");
}

#[test]
fn a_retired_pair_is_no_longer_asked_whether_it_is_idle() {
    let (mut left, _) = ends(&SaPair { idle_timeout: Some(seconds(9)), ..pair(0x1000) });
    assert_eq!(left.poll_timeout(), Some(seconds(9)));
    left.retire(spi(0x1000));
    assert_eq!(left.poll_timeout(), None);
    left.remove(spi(0x1000)).unwrap();
    assert_eq!(outbound_spi(&mut left), None, "the next packet waits for a negotiation");
}

#[test]
fn a_first_pair_serves_waiting_packets_even_before_it_is_told() {
    let mut left = engine(LEFT, protect_all(Mode::Tunnel));
    assert_eq!(outbound_spi(&mut left), None);
    left.install(seconds(1), pair(0x1000), OutboundUse::WhenTold).unwrap();
    assert_eq!(left.poll_packet().map(|(wire, ..)| wire[20..24].to_vec()), Some(vec![0, 0, 0x10, 1]));
}

#[test]
fn a_newer_pair_with_narrower_selectors_takes_only_its_own_packets() {
    let (mut left, _) = ends(&pair(0x1000));
    let mut narrow = pair(0x2000);
    narrow.remote_ts = vec![TrafficSelector::host(RIGHT)];
    left.install(seconds(1), narrow, OutboundUse::Now).unwrap();
    assert_eq!(outbound_spi(&mut left), Some(0x1001));
    let wire = sent(left.outbound(seconds(1), ping(LEFT_HOST, RIGHT, 8), 0));
    assert_eq!(wire[20..24], 0x2001_u32.to_be_bytes());
}

#[test]
fn every_selector_of_both_sides_counts() {
    let mut several = pair(0x1000);
    several.local_ts = vec![TrafficSelector::host(LEFT_HOST), TrafficSelector::host(LEFT)];
    several.remote_ts = vec![TrafficSelector::host(RIGHT), TrafficSelector::network(RIGHT_HOST, 24)];
    let (mut left, mut right) = ends(&several);
    for (from, to) in [(LEFT_HOST, RIGHT), (LEFT_HOST, RIGHT_HOST), (LEFT, RIGHT), (LEFT, RIGHT_HOST)] {
        let wire = sent(left.outbound(seconds(0), ping(from, to, 8), 0));
        assert_eq!(delivered(right.inbound(seconds(0), wire, 0)), ping(from, to, 8));
    }
    assert_eq!(left.outbound(seconds(0), ping(RIGHT, RIGHT_HOST, 8), 0), Outbound::Queued);
}

#[test]
fn a_pair_that_is_used_up_hands_over_to_one_that_is_not() {
    let mut left = engine(LEFT, protect_all(Mode::Tunnel));
    let short = Lifetime { hard_packets: Some(2), ..Lifetime::UNLIMITED };
    left.install(seconds(0), pair(0x1000), OutboundUse::WhenTold).unwrap();
    left.install(seconds(0), SaPair { lifetime: short, ..pair(0x2000) }, OutboundUse::Now).unwrap();
    let used: Vec<_> = (0..4).map(|_| outbound_spi(&mut left)).collect();
    assert_eq!(used, [0x2001, 0x2001, 0x1001, 0x1001].map(Some));
    assert_eq!(left.discards().count(DiscardReason::LifetimeExceeded), 0);
}

#[test]
fn the_newest_pair_is_the_last_one_installed_whatever_was_removed() {
    let (mut left, _) = ends(&pair(0x1000));
    for name in [0x3000, 0x2000] {
        left.install(seconds(0), pair(name), OutboundUse::Now).unwrap();
        assert_eq!(outbound_spi(&mut left), Some(name + 1));
    }
    left.remove(spi(0x1000)).unwrap();
    left.install(seconds(0), pair(0x1000), OutboundUse::Now).unwrap();
    assert_eq!(outbound_spi(&mut left), Some(0x1001));
}

#[test]
fn a_trap_asks_again_when_its_last_pair_is_gone() {
    let (mut left, _) = ends(&pair(0x1000));
    left.install(seconds(0), pair(0x2000), OutboundUse::Now).unwrap();
    left.remove(spi(0x2000)).unwrap();
    assert_eq!((outbound_spi(&mut left), left.poll_event()), (Some(0x1001), None));
    left.remove(spi(0x1000)).unwrap();
    assert_eq!(outbound_spi(&mut left), None);
    assert!(matches!(left.poll_event(), Some(Event::Acquire { .. })));
}

/// What the two ends do for a rekeying by the left one, in the order that the messages force.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The request came: the right end can receive on the new pair.
    RightInstalls,
    /// The response came.
    LeftInstalls,
    /// The delete came.
    RightRemoves,
    /// The response to the delete came.
    LeftRemoves,
}

const STEPS: [Step; 4] = [Step::RightInstalls, Step::LeftInstalls, Step::RightRemoves, Step::LeftRemoves];

fn take(step: Step, left: &mut TestEngine, right: &mut TestEngine) {
    let done = match step {
        Step::RightInstalls => {
            right.install(seconds(1), mirrored(&pair(0x2000)), OutboundUse::WhenTold).is_ok()
        }
        Step::LeftInstalls => left.install(seconds(1), pair(0x2000), OutboundUse::Now).is_ok(),
        Step::RightRemoves => right.remove(spi(0x1001)).is_some(),
        Step::LeftRemoves => left.remove(spi(0x1000)).is_some(),
    };
    assert!(done, "{step:?}");
}

proptest! {
    #[test]
    fn no_step_of_a_rekeying_loses_a_packet_when_its_responder_waits(
        talks in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..4), STEPS.len()),
    ) {
        let (mut left, mut right) = ends(&pair(0x1000));
        for (step, talk) in STEPS.into_iter().zip(talks) {
            take(step, &mut left, &mut right);
            for to_right in talk {
                let (sender, receiver, packet) = if to_right {
                    (&mut left, &mut right, ping(LEFT_HOST, RIGHT_HOST, 8))
                } else {
                    (&mut right, &mut left, ping(RIGHT_HOST, LEFT_HOST, 8))
                };
                let wire = sent(sender.outbound(seconds(1), packet.clone(), 0));
                prop_assert_eq!(delivered(receiver.inbound(seconds(1), wire, 0)), packet);
            }
        }
        prop_assert_eq!((outbound_spi(&mut left), outbound_spi(&mut right)), (Some(0x2001), Some(0x2000)));
    }

    #[test]
    fn while_a_pair_is_installed_every_packet_leaves_under_one_that_can_send(
        steps in prop::collection::vec((0_u32..4, 0_u8..4), 1..60),
    ) {
        let mut left = engine(LEFT, protect_all(Mode::Tunnel));
        let mut sendable = std::collections::BTreeMap::new();
        for (place, step) in steps {
            let name = 0x1000 * (place + 1);
            match step {
                0 | 1 => {
                    let outbound_use = if step == 0 { OutboundUse::Now } else { OutboundUse::WhenTold };
                    let lifetime = Lifetime { hard_packets: Some(3), ..Lifetime::UNLIMITED };
                    if left.install(seconds(0), SaPair { lifetime, ..pair(name) }, outbound_use).is_ok() {
                        sendable.insert(name, 3);
                    }
                }
                2 => prop_assert_eq!(left.remove(spi(name)).is_some(), sendable.remove(&name).is_some()),
                _ => prop_assert_eq!(left.enable_outbound(spi(name)), sendable.contains_key(&name)),
            }
            if sendable.values().any(|rest| *rest > 0) {
                let used = outbound_spi(&mut left).unwrap() - 1;
                let rest = sendable.get_mut(&used).unwrap();
                prop_assert!(*rest > 0, "{used:x} was used up");
                *rest -= 1;
            }
        }
    }
}
