//! What the SPD and the negotiated selectors let pass, and what not.

use core::net::Ipv4Addr;

use ipseclab_ipsec::{
    DefaultAction, DiscardReason, Inbound, Mode, Outbound, OutboundUse, PolicyId, PortRange, Spd, SpdAction,
    TrafficSelector,
};

use crate::support::{
    LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Suite, TestEngine, delivered, ends, engine, entry, mirrored, ping,
    protect_all, seconds, sent, udp,
};

const WEB_SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

/// Sites behind LEFT and RIGHT are protected, one port of it is not, and a third network is forbidden.
fn office(default: DefaultAction) -> TestEngine {
    let local = TrafficSelector::network(LEFT_HOST, 16);
    let remote = TrafficSelector::network(RIGHT_HOST, 16);
    let dns = |side: TrafficSelector, ports| side.restricted_to(17, ports);
    let protect = SpdAction::Protect { policy: PolicyId(1), mode: Mode::Tunnel };
    let entries = vec![
        entry("dns", dns(local, PortRange::ANY), dns(remote, PortRange::single(53)), SpdAction::Bypass),
        entry("office", local, remote, protect),
        entry(
            "forbidden",
            local,
            TrafficSelector::network(Ipv4Addr::new(10, 66, 0, 0), 16),
            SpdAction::Discard,
        ),
    ];
    engine(LEFT, Spd::new(entries, default))
}

fn outbound_reason(engine: &mut TestEngine, packet: Vec<u8>) -> Option<DiscardReason> {
    match engine.outbound(seconds(0), packet, 0) {
        Outbound::Discard { reason, .. } => Some(reason),
        Outbound::Send { sa: None, .. } => None,
        other => panic!("{other:?}"),
    }
}

fn inbound_reason(engine: &mut TestEngine, packet: Vec<u8>) -> Option<DiscardReason> {
    match engine.inbound(seconds(0), packet, 0) {
        Inbound::Discard { reason, .. } => Some(reason),
        Inbound::Deliver { spi: None, .. } => None,
        other @ Inbound::Deliver { .. } => panic!("{other:?}"),
    }
}

#[test]
fn the_first_entry_that_matches_decides_on_the_way_out() {
    let mut gateway = office(DefaultAction::Discard);
    assert_eq!(outbound_reason(&mut gateway, udp(LEFT_HOST, RIGHT_HOST, (999, 53), 5)), None);
    let forbidden = udp(LEFT_HOST, Ipv4Addr::new(10, 66, 1, 1), (1, 2), 5);
    assert_eq!(outbound_reason(&mut gateway, forbidden), Some(DiscardReason::PolicyDiscard));
    assert_eq!(outbound_reason(&mut gateway, ping(LEFT_HOST, WEB_SERVER, 5)), Some(DiscardReason::NoPolicy));
    assert_eq!(gateway.outbound(seconds(0), udp(LEFT_HOST, RIGHT_HOST, (999, 54), 5), 0), Outbound::Queued);
}

#[test]
fn the_same_entries_decide_on_the_way_in() {
    let mut gateway = office(DefaultAction::Discard);
    assert_eq!(inbound_reason(&mut gateway, udp(RIGHT_HOST, LEFT_HOST, (53, 999), 5)), None);
    let clear = udp(RIGHT_HOST, LEFT_HOST, (54, 999), 5);
    assert_eq!(inbound_reason(&mut gateway, clear), Some(DiscardReason::Unprotected));
    let forbidden = ping(Ipv4Addr::new(10, 66, 1, 1), LEFT_HOST, 5);
    assert_eq!(inbound_reason(&mut gateway, forbidden), Some(DiscardReason::PolicyDiscard));
    assert_eq!(inbound_reason(&mut gateway, ping(WEB_SERVER, LEFT_HOST, 5)), Some(DiscardReason::NoPolicy));
}

#[test]
fn a_default_of_bypass_lets_unmatched_packets_pass_unchanged() {
    let mut gateway = office(DefaultAction::Bypass);
    let packet = ping(LEFT_HOST, WEB_SERVER, 5);
    assert_eq!(sent(gateway.outbound(seconds(0), packet.clone(), 0)), packet);
    let packet = ping(WEB_SERVER, LEFT_HOST, 5);
    assert_eq!(delivered(gateway.inbound(seconds(0), packet.clone(), 0)), packet);
}

#[test]
fn ike_of_this_host_needs_no_entry() {
    let mut gateway = office(DefaultAction::Discard);
    for port in [500, 4500] {
        assert_eq!(outbound_reason(&mut gateway, udp(LEFT, RIGHT, (port, port), 0)), None);
        let theirs = udp(LEFT_HOST, WEB_SERVER, (port, port), 0);
        assert_eq!(outbound_reason(&mut gateway, theirs), Some(DiscardReason::NoPolicy));
    }
    assert_eq!(inbound_reason(&mut gateway, udp(RIGHT, LEFT, (500, 500), 9)), None);
    // The data of `udp` counts up from 0, so these begin with the marker, with an SPI, or with neither.
    let mut marked = udp(RIGHT, LEFT, (4500, 4500), 40);
    marked[28..32].fill(0);
    assert_eq!(inbound_reason(&mut gateway, marked), None);
    let esp = udp(RIGHT, LEFT, (4500, 4500), 40);
    assert_eq!(inbound_reason(&mut gateway, esp), Some(DiscardReason::UnknownSpi));
    let short = udp(RIGHT, LEFT, (4500, 4500), 3);
    assert_eq!(inbound_reason(&mut gateway, short), Some(DiscardReason::Malformed));
}

#[test]
fn a_keepalive_ends_in_its_own_counter() {
    let mut gateway = office(DefaultAction::Discard);
    let mut keepalive = udp(RIGHT, LEFT, (4500, 4500), 1);
    keepalive[28] = 0xff;
    assert_eq!(inbound_reason(&mut gateway, keepalive), Some(DiscardReason::NatKeepalive));
    assert_eq!(gateway.discards().count(DiscardReason::NatKeepalive), 1);
}

#[test]
fn esp_for_other_hosts_is_transit_traffic() {
    let (mut left, _) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let wire = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
    let mut bystander = engine(LEFT_HOST, protect_all(Mode::Tunnel));
    assert_eq!(inbound_reason(&mut bystander, wire), Some(DiscardReason::Unprotected));
}

#[test]
fn an_authentic_packet_outside_the_negotiated_selectors_is_discarded() {
    let mut pair = Suite::GCM_TUNNEL.pair(0x1000);
    pair.local_ts = vec![TrafficSelector::network(LEFT_HOST, 24)];
    let mut left = engine(LEFT, protect_all(Mode::Tunnel));
    left.install(seconds(0), pair.clone(), OutboundUse::Now).unwrap();
    let mut peer = mirrored(&pair);
    // The peer believes in wider selectors than were negotiated.
    peer.remote_ts = vec![TrafficSelector::ANY];
    let mut right = engine(RIGHT, protect_all(Mode::Tunnel));
    right.install(seconds(0), peer, OutboundUse::Now).unwrap();

    let stray = sent(right.outbound(seconds(0), ping(RIGHT_HOST, Ipv4Addr::new(10, 1, 9, 9), 8), 0));
    let outcome = left.inbound(seconds(0), stray, 3);
    assert!(matches!(outcome, Inbound::Discard { reason: DiscardReason::InboundPolicy, token: 3, .. }));
    let good = sent(right.outbound(seconds(0), ping(RIGHT_HOST, LEFT_HOST, 8), 0));
    assert_eq!(delivered(left.inbound(seconds(0), good, 0)), ping(RIGHT_HOST, LEFT_HOST, 8));
}

#[test]
fn each_packet_goes_under_the_pair_that_covers_it() {
    let mut left = engine(LEFT, protect_all(Mode::Tunnel));
    let mut narrow = Suite::GCM_TUNNEL.pair(0x1000);
    narrow.remote_ts = vec![TrafficSelector::host(RIGHT_HOST)];
    let mut other = Suite::GCM_TUNNEL.pair(0x2000);
    other.remote_ts = vec![TrafficSelector::host(WEB_SERVER)];
    left.install(seconds(0), narrow, OutboundUse::Now).unwrap();
    left.install(seconds(0), other, OutboundUse::Now).unwrap();
    let spi = |engine: &mut TestEngine, to| {
        let wire = sent(engine.outbound(seconds(0), ping(LEFT_HOST, to, 8), 0));
        u32::from_be_bytes(wire[20..24].try_into().unwrap())
    };
    assert_eq!(spi(&mut left, RIGHT_HOST), 0x1001);
    assert_eq!(spi(&mut left, WEB_SERVER), 0x2001);
    let uncovered = left.outbound(seconds(0), ping(LEFT_HOST, Ipv4Addr::new(10, 9, 9, 9), 8), 0);
    assert_eq!(uncovered, Outbound::Queued);
}

#[test]
fn the_newest_pair_takes_over_and_the_older_still_receives() {
    let pair = Suite::GCM_TUNNEL.pair(0x1000);
    let (mut left, mut right) = ends(&pair);
    let late = sent(right.outbound(seconds(0), ping(RIGHT_HOST, LEFT_HOST, 8), 0));
    left.install(seconds(1), Suite::GCM_TUNNEL.pair(0x2000), OutboundUse::Now).unwrap();
    let wire = sent(left.outbound(seconds(1), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
    assert_eq!(wire[20..24], 0x2001_u32.to_be_bytes());
    delivered(left.inbound(seconds(1), late, 0));
    left.remove(ipseclab_ipsec::Spi::new(0x2000).unwrap()).unwrap();
    let wire = sent(left.outbound(seconds(1), ping(LEFT_HOST, RIGHT_HOST, 8), 0));
    assert_eq!(wire[20..24], 0x1001_u32.to_be_bytes());
}

#[test]
fn an_spd_can_be_changed_while_traffic_flows() {
    let mut gateway = office(DefaultAction::Discard);
    assert_eq!(outbound_reason(&mut gateway, ping(LEFT_HOST, WEB_SERVER, 5)), Some(DiscardReason::NoPolicy));
    let web = entry("web", TrafficSelector::ANY, TrafficSelector::host(WEB_SERVER), SpdAction::Bypass);
    gateway.spd_mut().insert(0, web);
    assert_eq!(outbound_reason(&mut gateway, ping(LEFT_HOST, WEB_SERVER, 5)), None);
    assert_eq!(gateway.spd_mut().remove(PolicyId(1)), 1);
    let unprotected = udp(LEFT_HOST, RIGHT_HOST, (999, 54), 5);
    assert_eq!(outbound_reason(&mut gateway, unprotected), Some(DiscardReason::NoPolicy));
}
