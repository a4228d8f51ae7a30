//! Packets that are too long for their SA: who is told, what comes back to be fragmented, and what routers may say.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use ipseclab_ipsec::{
    DiscardReason, DontFragment, EngineConfig, Event, Fragmentation, Inbound, Mode, Outbound, OutboundUse,
    Spi,
};

use crate::support::{
    LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Scripted, Suite, TestEngine, delivered, ends, engine_with, ping,
    protect_all, seconds, sent, udp,
};

const SPI: u32 = 0x1000;
/// Octets of an IPv4 header without options.
const IP_LEN: usize = 20;

fn spi() -> Spi {
    Spi::new(SPI).unwrap()
}

/// A gateway whose link takes so many octets, and what it does about packets that do not fit.
fn gateway(suite: Suite, change: impl FnOnce(&mut EngineConfig)) -> TestEngine {
    let mut config = EngineConfig::new(protect_all(suite.mode), LEFT);
    config.path_mtu = Some(1500);
    change(&mut config);
    let mut left = engine_with(config, Scripted::default());
    left.install(Duration::ZERO, suite.pair(SPI), OutboundUse::Now).unwrap();
    left
}

/// A UDP packet of so many octets, with the DF bit or not.
fn packet(octets: usize, dont_fragment: bool) -> Vec<u8> {
    let mut packet = udp(LEFT_HOST, RIGHT_HOST, (7, 8), octets - 28);
    packet[6] = if dont_fragment { 0x40 } else { 0 };
    fix_checksum(&mut packet);
    packet
}

fn fix_checksum(packet: &mut [u8]) {
    let (header, _) = etherparse::Ipv4Header::from_slice(packet).unwrap();
    packet[10..12].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
}

/// The octets that the sender of a packet is told, and the checks that its message is a right one.
fn told(left: &mut TestEngine, packet: &[u8]) -> Option<usize> {
    let notice = left.poll_notice()?.packet;
    assert_eq!(left.poll_notice(), None, "one message");
    let sliced = etherparse::SlicedPacket::from_ip(&notice).unwrap();
    let Some(etherparse::TransportSlice::Icmpv4(icmp)) = sliced.transport else { panic!("ICMP") };
    let (ip, message) = etherparse::Ipv4Header::from_slice(&notice).unwrap();
    assert_eq!((ip.source, ip.destination), (LEFT.octets(), packet[12..16].try_into().unwrap()));
    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
    let etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu },
    ) = icmp.icmp_type()
    else {
        panic!("fragmentation needed");
    };
    let checksum = etherparse::Icmpv4Header::new(icmp.icmp_type()).icmp_type.calc_checksum(icmp.payload());
    assert_eq!(u16::from_be_bytes([message[2], message[3]]), checksum);
    assert!(packet.starts_with(icmp.payload()) && notice.len() <= 576);
    Some(next_hop_mtu.into())
}

#[test]
fn the_sender_of_a_packet_that_does_not_fit_is_told_what_does() {
    let mut suites = vec![Suite::GCM_TUNNEL];
    suites.extend(Suite::all().into_iter().filter(|suite| suite.mode == Mode::Tunnel).step_by(5));
    for suite in suites {
        let mut left = gateway(suite, |_| {});
        let long = packet(1500, true);
        let outcome = left.outbound(seconds(0), long.clone(), 0);
        let Outbound::Discard { reason: DiscardReason::PathMtu, packet: back, .. } = outcome else {
            panic!("{suite:?}: it does not fit");
        };
        assert_eq!(back, long, "it is as it came");
        let fits = told(&mut left, &long).unwrap();
        assert!(sent(left.outbound(seconds(0), packet(fits, true), 0)).len() <= 1500, "{suite:?}");
        let outcome = left.outbound(seconds(0), packet(fits + 1, true), 0);
        assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::PathMtu, .. }), "{suite:?}");
        assert_eq!(left.sa_counters(spi()).unwrap().outbound.packets, 1);
    }
}

#[test]
fn after_protection_packets_without_df_pass_at_any_length() {
    let mut left = gateway(Suite::GCM_TUNNEL, |config| config.dont_fragment = DontFragment::Copy);
    assert_eq!(sent(left.outbound(seconds(0), packet(1500, false), 0)).len(), 1500 + 20 + 8 + 8 + 4 + 16);
    let mut left = gateway(Suite::GCM_TUNNEL, |config| config.dont_fragment = DontFragment::Clear);
    assert!(
        sent(left.outbound(seconds(0), packet(1500, true), 0)).len() > 1500,
        "the outer header may be fragmented"
    );
    assert_eq!(told(&mut left, &packet(1500, true)), None);
}

#[test]
fn before_protection_packets_come_back_to_be_fragmented() {
    let mut left = gateway(Suite::GCM_TUNNEL, |config| config.fragmentation = Fragmentation::Before);
    let long = packet(1500, false);
    let outcome = left.outbound(seconds(0), long.clone(), 9);
    let Outbound::Fragment { octets, packet: back, token: 9 } = outcome else { panic!("{outcome:?}") };
    assert_eq!((back, octets), (long, 1500 - 20 - 8 - 8 - 16 - 2));
    assert!(sent(left.outbound(seconds(0), packet(octets, false), 0)).len() <= 1500);
    let outcome = left.outbound(seconds(0), packet(1500, true), 0);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::PathMtu, .. }));
    assert_eq!(told(&mut left, &packet(1500, true)), Some(octets));
}

#[test]
fn nobody_is_told_about_errors_and_later_fragments() {
    let mut left = gateway(Suite::GCM_TUNNEL, |_| {});
    let mut error = ping(LEFT_HOST, RIGHT_HOST, 1472);
    error[6] = 0x40;
    error[IP_LEN] = 3;
    fix_checksum(&mut error);
    let mut fragment = packet(1500, true);
    fragment[7] = 9;
    fix_checksum(&mut fragment);
    for silent in [error, fragment] {
        let outcome = left.outbound(seconds(0), silent, 0);
        assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::PathMtu, .. }));
        assert_eq!(left.poll_notice(), None);
    }
    let mut echo = ping(LEFT_HOST, RIGHT_HOST, 1472);
    echo[6] = 0x40;
    fix_checksum(&mut echo);
    left.outbound(seconds(0), echo.clone(), 0);
    assert!(told(&mut left, &echo).is_some(), "an echo request is no error");
}

#[test]
fn messages_that_nobody_fetches_do_not_pile_up() {
    let mut left = gateway(Suite::GCM_TUNNEL, |_| {});
    for _ in 0..100 {
        left.outbound(seconds(0), packet(1500, true), 0);
    }
    assert_eq!(core::iter::from_fn(|| left.poll_notice()).count(), EngineConfig::NOTICES);
}

/// What a router at `router` says about a protected packet of which it quotes so many octets.
fn too_big(router: Ipv4Addr, wire: &[u8], quoted: usize, mtu: u16) -> Vec<u8> {
    let kind = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu },
    );
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(router.octets(), wire[12..16].try_into().unwrap(), 64)
        .icmpv4(kind)
        .write(&mut packet, &wire[..quoted])
        .unwrap();
    packet
}

const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

#[test]
fn what_a_router_says_of_a_protected_packet_becomes_what_the_gateway_says_of_the_inner_one() {
    let mut udp_suite = Suite::GCM_TUNNEL;
    udp_suite.encapsulated = true;
    for (suite, quoted) in [(Suite::GCM_TUNNEL, 28), (udp_suite, 36)] {
        let mut left = gateway(suite, |_| {});
        let wire = sent(left.outbound(seconds(0), packet(1400, true), 0));
        let message = too_big(ROUTER, &wire, quoted, 1300);
        let outcome = left.inbound(seconds(1), message, 0);
        assert!(matches!(outcome, Inbound::Discard { reason: DiscardReason::PathMtuNotice, .. }));
        assert_eq!(left.poll_event(), Some(Event::PathMtuChanged { spi: spi(), octets: 1300 }));
        assert_eq!(left.path_mtu(seconds(1), spi()), Some(1300));
        let outcome = left.outbound(seconds(1), packet(1400, true), 0);
        assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::PathMtu, .. }));
        let fits = told(&mut left, &packet(1400, true)).unwrap();
        assert!(sent(left.outbound(seconds(1), packet(fits, true), 0)).len() <= 1300);
        sent(left.outbound(seconds(1) + EngineConfig::PATH_MTU_AGE, packet(1400, true), 0));
    }
}

#[test]
fn forged_and_useless_messages_change_nothing() {
    let mut left = gateway(Suite::GCM_TUNNEL, |config| {
        config.spd =
            ipseclab_ipsec::Spd::new(config.spd.entries().to_vec(), ipseclab_ipsec::DefaultAction::Bypass);
    });
    let wire = sent(left.outbound(seconds(0), packet(1400, true), 0));
    let message = |change: fn(&mut Vec<u8>)| {
        let mut wire = wire.clone();
        change(&mut wire);
        too_big(ROUTER, &wire, 28, 1300)
    };
    let useless = [
        message(|wire| wire[23] ^= 1),
        message(|wire| wire[19] ^= 1),
        message(|wire| wire[9] = 6),
        too_big(ROUTER, &wire, 27, 1300),
        too_big(ROUTER, &wire, 19, 1300),
        too_big(ROUTER, &wire, 28, 1500),
        too_big(ROUTER, &wire, 28, 9000),
    ];
    for packet in useless {
        left.inbound(seconds(0), packet, 0);
        assert_eq!(left.path_mtu(seconds(0), spi()), Some(1500));
        assert_eq!(left.poll_event(), None);
    }
    left.inbound(seconds(0), too_big(ROUTER, &wire, 28, 68), 0);
    assert_eq!(left.path_mtu(seconds(0), spi()), Some(576), "never less than every path takes");
}

#[test]
fn a_pair_that_moves_forgets_the_old_path() {
    let mut left = gateway(Suite::GCM_TUNNEL, |_| {});
    let wire = sent(left.outbound(seconds(0), packet(1400, true), 0));
    left.inbound(seconds(0), too_big(ROUTER, &wire, 28, 1000), 0);
    assert_eq!(left.path_mtu(seconds(0), spi()), Some(1000));
    let remote = Ipv4Addr::new(198, 51, 100, 77).into();
    left.update_path(spi(), ipseclab_ipsec::Path { local: LEFT.into(), remote, udp_encap: None });
    assert_eq!(left.path_mtu(seconds(0), spi()), Some(1500));
}

#[test]
fn transport_mode_tells_the_host_itself() {
    let suite = Suite { mode: Mode::Transport, ..Suite::GCM_TUNNEL };
    let mut left = gateway(suite, |config| config.fragmentation = Fragmentation::Before);
    let own = |octets: usize, flags: u8| {
        let mut packet = udp(LEFT, RIGHT, (7, 8), octets - 28);
        packet[6] = flags;
        fix_checksum(&mut packet);
        packet
    };
    let outcome = left.outbound(seconds(0), own(1490, 0x40), 0);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::PathMtu, .. }));
    let fits = told(&mut left, &own(1490, 0x40)).unwrap();
    assert!(sent(left.outbound(seconds(0), own(fits, 0x40), 0)).len() <= 1500);
    let wire = sent(left.outbound(seconds(0), own(1490, 0), 0));
    assert!(wire.len() > 1500, "fragments cannot be protected, so the whole goes out");
}

const LEFT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1);
const HOST6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 7), Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9)];

fn udp6(octets: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv6(HOST6[0].octets(), HOST6[1].octets(), 64)
        .udp(7, 8)
        .write(&mut packet, &vec![5; octets - 48])
        .unwrap();
    packet
}

#[test]
fn senders_of_ipv6_are_told_in_icmpv6_and_1280_octets_always_pass() {
    let mut left = gateway(Suite::GCM_TUNNEL, |config| config.local_addresses.push(IpAddr::V6(LEFT6)));
    let outcome = left.outbound(seconds(0), udp6(1500), 0);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::PathMtu, .. }));
    let notice = left.poll_notice().unwrap().packet;
    let (ip, message) = etherparse::Ipv6Header::from_slice(&notice).unwrap();
    assert_eq!((ip.source, ip.destination), (LEFT6.octets(), HOST6[0].octets()));
    let (icmp, quoted) = etherparse::Icmpv6Header::from_slice(message).unwrap();
    let etherparse::Icmpv6Type::PacketTooBig { mtu } = icmp.icmp_type else { panic!("packet too big") };
    let checksum = icmp.icmp_type.calc_checksum(ip.source, ip.destination, quoted).unwrap();
    assert_eq!(icmp.checksum, checksum);
    assert!(udp6(1500).starts_with(quoted) && notice.len() == 1280);
    assert!(sent(left.outbound(seconds(0), udp6(mtu as usize), 0)).len() <= 1500);

    let mut narrow = gateway(Suite::GCM_TUNNEL, |config| {
        config.path_mtu = Some(1300);
        config.local_addresses.push(IpAddr::V6(LEFT6));
    });
    assert!(sent(narrow.outbound(seconds(0), udp6(1280), 0)).len() > 1300);
    narrow.outbound(seconds(0), udp6(1281), 0);
    let notice = narrow.poll_notice().unwrap().packet;
    assert_eq!(notice[44..48], 1280_u32.to_be_bytes());
}

#[test]
fn without_a_known_mtu_nothing_is_too_long() {
    let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(SPI));
    let long = packet(9000, true);
    let wire = sent(left.outbound(seconds(0), long.clone(), 0));
    assert_eq!(delivered(right.inbound(seconds(0), wire, 0)), long);
    assert_eq!(left.path_mtu(seconds(0), spi()), None);
}
