//! The life of a tunnel seen from the datapath: acquire, waiting packets, installation, idle end.

use core::time::Duration;

use ipseclab_crypto::Operation;
use ipseclab_ipsec::{
    DiscardReason, EngineConfig, Event, InstallError, Mode, Outbound, OutboundUse, SaPair, Selectors, Spi,
    TrafficSelector,
};
use proptest::prelude::*;

use crate::support::{
    LEFT, LEFT_HOST, POLICY, RIGHT, RIGHT_HOST, Scripted, Suite, TestEngine, delivered, ends, engine,
    engine_with, mirrored, ping, protect_all, seconds, sent,
};

fn echo(octets: usize) -> Vec<u8> {
    ping(LEFT_HOST, RIGHT_HOST, octets)
}

fn fresh() -> TestEngine {
    engine(LEFT, protect_all(Mode::Tunnel))
}

fn idle_after(timeout: Duration) -> SaPair {
    SaPair { idle_timeout: Some(timeout), ..Suite::GCM_TUNNEL.pair(0x1000) }
}

fn events(engine: &mut TestEngine) -> Vec<Event> {
    core::iter::from_fn(|| engine.poll_event()).collect()
}

#[test]
fn the_first_packet_asks_for_an_sa_and_the_next_ones_do_not() {
    let mut left = fresh();
    for octets in [8, 16, 24] {
        assert_eq!(left.outbound(seconds(0), echo(octets), 0), Outbound::Queued);
    }
    let selectors = Selectors::parse(&echo(8)).unwrap();
    assert_eq!(selectors.source_port, Some(2048), "echo request as IKE writes it");
    assert_eq!(events(&mut left), [Event::Acquire { policy: POLICY, mode: Mode::Tunnel, selectors }]);
    assert!(left.is_acquiring(POLICY));
}

#[test]
fn waiting_packets_leave_in_order_with_their_tokens() {
    let mut left = fresh();
    for token in 0..5 {
        assert_eq!(left.outbound(seconds(0), echo(token as usize), token), Outbound::Queued);
    }
    let pair = Suite::GCM_TUNNEL.pair(0x1000);
    left.install(seconds(1), pair.clone(), OutboundUse::Now).unwrap();
    let mut right = engine(RIGHT, protect_all(Mode::Tunnel));
    right.install(seconds(1), mirrored(&pair), OutboundUse::Now).unwrap();
    for expected in 0..5 {
        assert_eq!(left.tokens_held().copied().collect::<Vec<_>>(), (expected..5).collect::<Vec<_>>());
        let (wire, token, under) = left.poll_packet().unwrap();
        assert_eq!(left.take_work().len(), 1, "each poll does the work of one packet");
        assert_eq!((token, under.map(|pair| pair.spi().value())), (expected, Some(0x1000)));
        assert_eq!(delivered(right.inbound(seconds(2), wire, 0)), echo(token as usize));
    }
    assert_eq!((left.poll_packet(), left.packets_held()), (None, 0));
    sent(left.outbound(seconds(2), echo(9), 9));
}

proptest! {
    #[test]
    fn the_queue_is_bounded_and_loses_the_latest(limit in 0_usize..20, offered in 0_u32..40) {
        let config = EngineConfig { queue_packets: limit, ..EngineConfig::new(protect_all(Mode::Tunnel), LEFT) };
        let mut left = engine_with(config, Scripted::default());
        let mut refused = Vec::new();
        for token in 0..offered {
            match left.outbound(seconds(0), echo(8), token) {
                Outbound::Queued => {}
                Outbound::Discard { reason: DiscardReason::AcquireQueueFull, token, .. } => refused.push(token),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let kept = offered.min(u32::try_from(limit).unwrap());
        prop_assert_eq!(left.packets_held(), kept as usize);
        prop_assert_eq!(refused, (kept..offered).collect::<Vec<_>>());
        prop_assert_eq!(events(&mut left).len(), usize::from(offered > 0));
        left.install(seconds(1), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now).unwrap();
        let released: Vec<u32> = core::iter::from_fn(|| left.poll_packet()).map(|(_, token, _)| token).collect();
        prop_assert_eq!(released, (0..kept).collect::<Vec<_>>());
    }
}

#[test]
fn a_failed_negotiation_discards_what_waited_and_the_next_packet_asks_again() {
    let mut left = fresh();
    for token in 0..3 {
        left.outbound(seconds(0), echo(8), token);
    }
    events(&mut left);
    left.negotiation_failed(POLICY);
    let discarded: Vec<_> = core::iter::from_fn(|| left.poll_discard()).collect();
    let expected: Vec<_> = (0..3).map(|token| (echo(8), token, DiscardReason::NegotiationFailed)).collect();
    assert_eq!(discarded, expected);
    assert_eq!(left.discards().count(DiscardReason::NegotiationFailed), 3);
    assert_eq!(left.outbound(seconds(9), echo(8), 7), Outbound::Queued);
    assert_eq!(events(&mut left).len(), 1);
}

#[test]
fn a_narrowed_pair_releases_only_what_it_covers() {
    let mut left = fresh();
    left.outbound(seconds(0), echo(8), 1);
    left.outbound(seconds(0), ping(LEFT_HOST, RIGHT, 8), 2);
    let mut pair = Suite::GCM_TUNNEL.pair(0x1000);
    pair.remote_ts = vec![TrafficSelector::host(RIGHT_HOST)];
    left.install(seconds(1), pair, OutboundUse::Now).unwrap();
    assert_eq!(left.poll_packet().map(|(_, token, _)| token), Some(1));
    assert_eq!(left.poll_packet(), None);
    let (_, token, reason) = left.poll_discard().unwrap();
    assert_eq!((token, reason), (2, DiscardReason::OutsideSelectors));
}

#[test]
fn released_packets_wait_again_when_their_pair_is_gone_before_they_are_polled() {
    let mut left = fresh();
    left.outbound(seconds(0), echo(8), 1);
    events(&mut left);
    left.install(seconds(1), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now).unwrap();
    left.remove(Spi::new(0x1000).unwrap());
    assert_eq!(left.poll_packet(), None);
    assert_eq!((events(&mut left).len(), left.packets_held()), (1, 1));
}

#[test]
fn an_spi_is_installed_once() {
    let mut left = fresh();
    let spi = Spi::new(0x1000).unwrap();
    let handle = left.install(seconds(0), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now).unwrap();
    assert_eq!((handle.spi(), left.is_installed(spi)), (spi, true));
    let again = left.install(seconds(0), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now);
    assert_eq!(again, Err(InstallError::SpiInUse { spi }));
    assert_eq!(left.installed().collect::<Vec<_>>(), [spi]);
    left.remove(spi).unwrap();
    assert_eq!(left.remove(spi), None);
    left.install(seconds(0), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now).unwrap();
}

#[test]
fn an_idle_pair_is_reported_once_at_its_deadline() {
    let mut left = fresh();
    left.install(seconds(10), idle_after(seconds(30)), OutboundUse::Now).unwrap();
    assert_eq!(left.poll_timeout(), Some(seconds(40)));
    left.handle_timeout(Duration::new(39, 999_999_999));
    assert_eq!(events(&mut left), []);
    left.handle_timeout(seconds(40));
    left.handle_timeout(seconds(41));
    assert_eq!(events(&mut left), [Event::IdleTimeout { spi: Spi::new(0x1000).unwrap() }]);
    assert_eq!(left.poll_timeout(), None);
}

#[test]
fn traffic_either_way_puts_the_idle_end_off() {
    let pair = idle_after(seconds(30));
    let (mut left, mut right) = ends(&pair);
    sent(left.outbound(seconds(20), echo(8), 0));
    left.handle_timeout(seconds(30));
    assert_eq!((events(&mut left), left.poll_timeout()), (vec![], Some(seconds(50))));
    let answer = sent(right.outbound(seconds(45), ping(RIGHT_HOST, LEFT_HOST, 8), 0));
    delivered(left.inbound(seconds(45), answer.clone(), 0));
    left.handle_timeout(seconds(50));
    assert_eq!((events(&mut left), left.poll_timeout()), (vec![], Some(seconds(75))));
    // A replayed packet is no traffic.
    left.inbound(seconds(70), answer, 0);
    left.handle_timeout(seconds(75));
    assert_eq!(events(&mut left).len(), 1);
}

#[test]
fn a_removed_pair_leaves_no_timer() {
    let mut left = fresh();
    left.install(seconds(0), idle_after(seconds(30)), OutboundUse::Now).unwrap();
    left.remove(Spi::new(0x1000).unwrap());
    assert_eq!(left.poll_timeout(), None);
    left.handle_timeout(seconds(100));
    assert_eq!(events(&mut left), []);
}

#[test]
fn work_names_the_algorithm_and_the_octets() {
    let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let wire = sent(left.outbound(seconds(0), echo(56), 0));
    let work = left.take_work();
    assert_eq!((work.len(), work[0].octets), (1, 88), "84 octets, 2 of padding, trailer");
    assert_eq!(work[0].operation, Operation::Encrypt(Suite::GCM_TUNNEL.encryption));
    delivered(right.inbound(seconds(0), wire, 0));
    assert_eq!(right.take_work()[0].octets, 88);
}
