//! How much an SA may carry, how much it did and when (RFC 4301 §4.4.2.1).

use ipseclab_ipsec::{Direction, DiscardReason, Event, Inbound, Lifetime, Outbound, SaPair, Spi};

use crate::support::{LEFT_HOST, RIGHT_HOST, Suite, TestEngine, delivered, ends, ping, seconds, sent};

/// Octets of a ping with 8 octets of data.
const PING: u64 = 36;

fn limited(lifetime: Lifetime) -> (TestEngine, TestEngine) {
    ends(&SaPair { lifetime, ..Suite::GCM_TUNNEL.pair(0x1000) })
}

fn spi(value: u32) -> Spi {
    Spi::new(value).unwrap()
}

fn echo() -> Vec<u8> {
    ping(LEFT_HOST, RIGHT_HOST, 8)
}

fn soft(value: u32, direction: Direction) -> Event {
    Event::SoftExpired { spi: spi(value), direction }
}

fn hard(value: u32, direction: Direction) -> Event {
    Event::HardExpired { spi: spi(value), direction }
}

fn events(engine: &mut TestEngine) -> Vec<Event> {
    core::iter::from_fn(|| engine.poll_event()).collect()
}

#[test]
fn limits_in_packets_are_told_once_at_either_end() {
    let limits = Lifetime { soft_packets: Some(2), hard_packets: Some(4), ..Lifetime::UNLIMITED };
    let (mut left, mut right) = limited(limits);
    for number in 1..=4 {
        let wire = sent(left.outbound(seconds(0), echo(), 0));
        assert_eq!(delivered(right.inbound(seconds(0), wire, 0)), echo());
        let (at_left, at_right) = match number {
            2 => (vec![soft(0x1000, Direction::Outbound)], vec![soft(0x1001, Direction::Inbound)]),
            4 => (vec![hard(0x1000, Direction::Outbound)], vec![hard(0x1001, Direction::Inbound)]),
            _ => (vec![], vec![]),
        };
        assert_eq!((events(&mut left), events(&mut right)), (at_left, at_right), "packet {number}");
    }
}

#[test]
fn limits_in_octets_count_inner_packets_and_let_the_packet_that_reaches_them_pass() {
    let limits = Lifetime { soft_octets: Some(PING + 1), hard_octets: Some(3 * PING), ..Lifetime::UNLIMITED };
    let (mut left, _) = limited(limits);
    let told: Vec<_> = (0..3)
        .map(|_| {
            sent(left.outbound(seconds(0), echo(), 0));
            events(&mut left)
        })
        .collect();
    let (soft, hard) = (soft(0x1000, Direction::Outbound), hard(0x1000, Direction::Outbound));
    assert_eq!(told, [vec![], vec![soft], vec![hard]]);
}

#[test]
fn nothing_passes_after_a_hard_limit_and_the_reason_says_so() {
    let limits = Lifetime { hard_packets: Some(1), ..Lifetime::UNLIMITED };
    let (mut left, mut right) = limited(limits);
    let (_, mut unlimited) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    sent(left.outbound(seconds(0), echo(), 0));
    for token in 0..2 {
        let outcome = left.outbound(seconds(0), echo(), token);
        let reason = DiscardReason::LifetimeExceeded;
        assert_eq!(outcome, Outbound::Discard { reason, packet: echo(), token });
    }
    assert_eq!(events(&mut left), [hard(0x1000, Direction::Outbound)], "no soft limit, and told once");
    assert_eq!(left.discards().count(DiscardReason::LifetimeExceeded), 2);
    // The other direction has a limit of its own, and has carried nothing.
    let back = || ping(RIGHT_HOST, LEFT_HOST, 8);
    let wires: Vec<_> = (0..2).map(|_| sent(unlimited.outbound(seconds(0), back(), 0))).collect();
    delivered(left.inbound(seconds(0), wires[0].clone(), 0));
    let late = left.inbound(seconds(0), wires[1].clone(), 0);
    assert!(matches!(late, Inbound::Discard { reason: DiscardReason::LifetimeExceeded, .. }));
    assert_eq!(events(&mut left), [hard(0x1000, Direction::Inbound)]);
    assert_eq!(events(&mut right), []);
}

#[test]
fn both_limits_at_once_are_told_in_order() {
    let limits = Lifetime { soft_octets: Some(1), hard_packets: Some(1), ..Lifetime::UNLIMITED };
    let (mut left, _) = limited(limits);
    sent(left.outbound(seconds(0), echo(), 0));
    assert_eq!(events(&mut left), [soft(0x1000, Direction::Outbound), hard(0x1000, Direction::Outbound)]);
}

#[test]
fn what_is_refused_uses_up_no_lifetime() {
    let limits = Lifetime { hard_packets: Some(2), ..Lifetime::UNLIMITED };
    let (mut left, mut right) = limited(limits);
    let wire = sent(left.outbound(seconds(0), echo(), 0));
    let mut forged = wire.clone();
    *forged.last_mut().unwrap() ^= 1;
    right.inbound(seconds(0), forged, 0);
    right.inbound(seconds(0), wire.clone(), 0);
    right.inbound(seconds(0), wire, 0);
    assert_eq!(events(&mut right), []);
    assert_eq!(right.sa_counters(spi(0x1001)).unwrap().inbound.packets, 1);
}

#[test]
fn last_uses_are_known_each_way() {
    let (mut left, mut right) = limited(Lifetime::UNLIMITED);
    assert_eq!((left.last_outbound(spi(0x1000)), left.last_inbound(spi(0x1000))), (None, None));
    let wire = sent(left.outbound(seconds(3), echo(), 0));
    delivered(right.inbound(seconds(5), wire.clone(), 0));
    right.inbound(seconds(9), wire, 0);
    assert_eq!((left.last_outbound(spi(0x1000)), left.last_inbound(spi(0x1000))), (Some(seconds(3)), None));
    let (out, into) = (right.last_outbound(spi(0x1001)), right.last_inbound(spi(0x1001)));
    assert_eq!((out, into), (None, Some(seconds(5))), "a replayed packet is no use");
    assert_eq!(right.last_inbound(spi(0x1000)), None, "no such pair");
}
