//! Anti-replay windows of every length, through two engines: what was overtaken by a window is lost, and nothing else.

use ipseclab_ipsec::{DiscardReason, Inbound, Mode, OutboundUse, SaPair, WindowLen};

use crate::support::{
    LEFT_HOST, POLICY, RIGHT, RIGHT_HOST, Suite, TestEngine, engine, mirrored, ping, protect_all, seconds,
    sent,
};

/// Ends whose right one has a window of so many numbers.
fn ends(numbers: u32, esn: bool) -> (TestEngine, TestEngine) {
    let suite = Suite { esn, ..Suite::GCM_TUNNEL };
    let pair = SaPair { replay_window: WindowLen::new(numbers).unwrap(), ..suite.pair(0x1000) };
    assert_eq!(pair.policy, POLICY);
    let mut right = engine(RIGHT, protect_all(Mode::Tunnel));
    right.install(seconds(0), mirrored(&pair), OutboundUse::Now).unwrap();
    (crate::support::ends(&pair).0, right)
}

fn receive(right: &mut TestEngine, packet: &[u8]) -> Result<(), DiscardReason> {
    match right.inbound(seconds(0), packet.to_vec(), 0) {
        Inbound::Deliver { .. } => Ok(()),
        Inbound::Discard { reason, .. } => Err(reason),
    }
}

#[test]
fn the_window_is_as_long_as_it_was_asked_for() {
    for numbers in [32, 64, 100, 1024, 4096] {
        for esn in [false, true] {
            let (mut left, mut right) = ends(numbers, esn);
            let wire: Vec<_> = (0..=numbers)
                .map(|_| sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 4), 0)))
                .collect();
            let (last, first) = (wire.last().unwrap(), &wire[0]);
            assert_eq!(receive(&mut right, last), Ok(()));
            // Under extended numbers it stands for one of the next round, whose ICV it does not have.
            let overtaken = if esn { DiscardReason::Integrity } else { DiscardReason::Replay };
            assert_eq!(receive(&mut right, first), Err(overtaken), "{numbers}");
            for packet in &wire[1..wire.len() - 1] {
                assert_eq!(receive(&mut right, packet), Ok(()), "{numbers}");
            }
            assert!(wire[1..].iter().all(|packet| receive(&mut right, packet) == Err(DiscardReason::Replay)));
        }
    }
}

#[test]
fn the_longest_window_takes_what_was_overtaken_by_tens_of_thousands() {
    let (mut left, mut right) = ends(WindowLen::MAX.numbers(), false);
    let mut next = || sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 4), 0));
    let (first, second) = (next(), next());
    let last = (2..=WindowLen::MAX.numbers()).map(|_| next()).last().unwrap();
    assert_eq!(receive(&mut right, &last), Ok(()));
    assert_eq!(receive(&mut right, &second), Ok(()));
    assert_eq!(receive(&mut right, &second), Err(DiscardReason::Replay));
    assert_eq!(receive(&mut right, &first), Err(DiscardReason::Replay));
}
