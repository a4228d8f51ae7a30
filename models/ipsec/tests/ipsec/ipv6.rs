//! IPv6 inside and outside: every combination of versions, extension headers, selectors, and what AH covers of them.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use ipseclab_crypto::{AesKey, Authentication, Encryption, Integrity, Secret};
use ipseclab_ipsec::{
    AhParameters, DefaultAction, DiscardReason, DontFragment, EngineConfig, EspParameters, Inbound, Mode,
    Outbound, OutboundUse, PolicyId, PortRange, Protection, SaPair, SaParameters, Selectors, Spd, SpdAction,
    Spi, TrafficSelector, UdpEncap,
};
use proptest::prelude::*;

use crate::support::{
    self, LEFT, LEFT_HOST, POLICY, RIGHT, RIGHT_HOST, Scripted, TestEngine, engine, engine_with, entry,
    mirrored, protect_all, sent,
};

const LEFT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1);
const RIGHT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 2);
const GCM: Encryption = Encryption::AesGcm16(AesKey::Bits128);
const SHA256: Authentication = Authentication::Mac(Integrity::HmacSha2_256_128);
/// Octets of an IPv6 header.
const IP_LEN: usize = 40;

/// What protects: ESP, AH, both.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Esp,
    Ah,
    Bundle,
}

const KINDS: [Kind; 3] = [Kind::Esp, Kind::Ah, Kind::Bundle];

fn protection(kind: Kind, value: u32) -> Protection {
    let esp = EspParameters {
        spi: Spi::new(value).unwrap(),
        encryption: GCM,
        encryption_key: Secret::new(vec![3; GCM.key_material_len()]),
        integrity: None,
    };
    let spi = Spi::new(value + 0x100).unwrap();
    let ah = AhParameters { spi, algorithm: SHA256, key: Secret::new(vec![4; SHA256.key_material_len()]) };
    match kind {
        Kind::Esp => Protection::Esp(esp),
        Kind::Ah => Protection::Ah(ah),
        Kind::Bundle => Protection::AhEsp { ah, esp },
    }
}

fn pair(kind: Kind, mode: Mode, [left, right]: [IpAddr; 2]) -> SaPair {
    let sa = |value, source, destination| SaParameters {
        protection: protection(kind, value),
        esn: false,
        mode,
        source,
        destination,
        udp_encap: None,
    };
    SaPair::new(POLICY, sa(0x1000, right, left), sa(0x2000, left, right))
}

const V6: [IpAddr; 2] = [IpAddr::V6(LEFT6), IpAddr::V6(RIGHT6)];
const V4: [IpAddr; 2] = [IpAddr::V4(LEFT), IpAddr::V4(RIGHT)];

fn ends(pair: &SaPair) -> (TestEngine, TestEngine) {
    let mode = pair.inbound.mode;
    let mut left = engine(pair.outbound.source, protect_all(mode));
    let mut right = engine(pair.outbound.destination, protect_all(mode));
    left.install(Duration::ZERO, pair.clone(), OutboundUse::Now).unwrap();
    right.install(Duration::ZERO, mirrored(pair), OutboundUse::Now).unwrap();
    (left, right)
}

fn receive(right: &mut TestEngine, packet: &[u8]) -> Result<Vec<u8>, DiscardReason> {
    match right.inbound(Duration::ZERO, packet.to_vec(), 0) {
        Inbound::Deliver { packet, .. } => Ok(packet),
        Inbound::Discard { reason, .. } => Err(reason),
    }
}

fn udp6(octets: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(octets).collect();
    etherparse::PacketBuilder::ipv6(LEFT6.octets(), RIGHT6.octets(), 64)
        .udp(5000, 53)
        .write(&mut packet, &data)
        .unwrap();
    packet
}

fn ping6() -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv6(LEFT6.octets(), RIGHT6.octets(), 64)
        .icmpv6_echo_request(1, 1)
        .write(&mut packet, &[7; 20])
        .unwrap();
    packet
}

/// Puts extension headers, whose first is `first`, in front of the UDP of a packet.
fn with_extensions(first: u8, chain: &[u8]) -> Vec<u8> {
    let plain = udp6(16);
    let mut packet = [&plain[..IP_LEN], chain, &plain[IP_LEN..]].concat();
    packet[6] = first;
    let len = u16::try_from(packet.len() - IP_LEN).unwrap();
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    packet
}

#[test]
fn every_version_goes_through_every_tunnel() {
    for kind in KINDS {
        for outer in [V4, V6] {
            let (mut left, mut right) = ends(&pair(kind, Mode::Tunnel, outer));
            for inner in [udp6(33), support::udp(LEFT_HOST, RIGHT_HOST, (1, 2), 33)] {
                let wire = sent(left.outbound(Duration::ZERO, inner.clone(), 0));
                check_outer(&wire, kind, outer);
                assert_eq!(receive(&mut right, &wire), Ok(inner), "{kind:?} {outer:?}");
            }
        }
    }
}

/// Checks the outer header with somebody else's parser.
fn check_outer(wire: &[u8], kind: Kind, outer: [IpAddr; 2]) {
    let protocol = if matches!(kind, Kind::Esp) { 50 } else { 51 };
    let (header, _) = etherparse::IpHeaders::from_slice(wire).unwrap();
    match header {
        etherparse::IpHeaders::Ipv4(header, _) => {
            let ends = [header.source, header.destination].map(IpAddr::from);
            assert_eq!(
                (ends, header.protocol.0, usize::from(header.total_len)),
                (outer, protocol, wire.len())
            );
            assert_eq!(header.header_checksum, header.calc_header_checksum());
        }
        etherparse::IpHeaders::Ipv6(header, _) => {
            let ends = [header.source, header.destination].map(IpAddr::from);
            let len = usize::from(header.payload_length) + IP_LEN;
            assert_eq!((ends, header.next_header.0, len), (outer, protocol, wire.len()));
            assert_eq!(header.hop_limit, 64);
        }
    }
}

#[test]
fn transport_mode_stands_behind_what_every_hop_reads() {
    // Hop-by-hop options, routing with nothing left, destination options, UDP.
    let chain =
        [&[43, 0, 5, 2, 0, 0, 1, 0][..], &[60, 0, 0, 0, 0, 0, 0, 0], &[17, 0, 1, 4, 0, 0, 0, 0]].concat();
    let packet = with_extensions(0, &chain);
    for kind in KINDS {
        let (mut left, mut right) = ends(&pair(kind, Mode::Transport, V6));
        let wire = sent(left.outbound(Duration::ZERO, packet.clone(), 0));
        let protocol = if matches!(kind, Kind::Esp) { 50 } else { 51 };
        assert_eq!((wire[6], wire[40], wire[48]), (0, 43, protocol), "{kind:?}");
        assert_eq!(wire[49..56], packet[49..56]);
        assert_eq!(receive(&mut right, &wire), Ok(packet.clone()), "{kind:?}");
    }
}

#[test]
fn ah_covers_of_ipv6_what_does_not_change() {
    let (mut left, _) = ends(&pair(Kind::Ah, Mode::Transport, V6));
    // Hop-by-hop: one option that may change (0x3e) and router alert, which may not.
    let chain = [17, 1, 0x3e, 4, 1, 2, 3, 4, 5, 2, 0, 0, 1, 2, 0, 0];
    let wire = sent(left.outbound(Duration::ZERO, with_extensions(0, &chain), 0));
    assert_eq!((wire[40], wire[56], wire[57]), (51, 17, 6), "32 octets of AH, a multiple of eight");
    for bit in 4..wire.len() * 8 {
        let mut damaged = wire.clone();
        damaged[bit / 8] ^= 1 << (7 - bit % 8);
        let (_, mut right) = ends(&pair(Kind::Ah, Mode::Transport, V6));
        let result = receive(&mut right, &damaged);
        // Traffic class, flow label, hop limit, data of the option.
        let is_mutable = matches!(bit / 8, 0..4 | 7 | 44..48);
        assert_eq!(result.is_ok(), is_mutable, "bit {bit}: {result:?}");
    }
}

#[test]
fn a_routing_header_is_protected_as_it_arrives() {
    let stop = [0xfe; 16];
    let route = |left, address: [u8; 16]| [&[17, 2, 0, left, 0, 0, 0, 0][..], &address].concat();
    let mut packet = with_extensions(43, &route(1, RIGHT6.octets()));
    packet[24..40].copy_from_slice(&stop);
    for kind in [Kind::Ah, Kind::Bundle] {
        let (mut left, mut right) = ends(&pair(kind, Mode::Transport, V6));
        let mut wire = sent(left.outbound(Duration::ZERO, packet.clone(), 0));
        assert_eq!(wire[24..40], stop, "it leaves for its first stop");
        wire[24..40].copy_from_slice(&RIGHT6.octets());
        let next_header = wire[40];
        wire[40..64].copy_from_slice(&route(0, stop));
        wire[40] = next_header;
        assert!(receive(&mut right, &wire).is_ok(), "{kind:?}");
    }
}

#[test]
fn fragments_go_through_tunnels_only() {
    let fragment = |offset: u8, more: u8| with_extensions(44, &[17, 0, offset, more, 0, 0, 0, 9]);
    for kind in KINDS {
        let (mut left, _) = ends(&pair(kind, Mode::Transport, V6));
        for packet in [fragment(0, 1), fragment(1, 0)] {
            let outcome = left.outbound(Duration::ZERO, packet.clone(), 0);
            assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::Fragment, .. }));
            let (mut left, mut right) = ends(&pair(kind, Mode::Tunnel, V6));
            let wire = sent(left.outbound(Duration::ZERO, packet.clone(), 0));
            assert_eq!(receive(&mut right, &wire), Ok(packet));
        }
        let (mut left, mut right) = ends(&pair(kind, Mode::Transport, V6));
        let atomic = fragment(0, 0);
        let wire = sent(left.outbound(Duration::ZERO, atomic.clone(), 0));
        assert_eq!(receive(&mut right, &wire), Ok(atomic), "an atomic fragment is a whole packet");
    }
}

#[test]
fn arriving_fragments_of_protected_packets_are_discarded() {
    let (mut left, mut right) = ends(&pair(Kind::Esp, Mode::Tunnel, V6));
    let wire = sent(left.outbound(Duration::ZERO, udp6(40), 0));
    let mut fragment = [&wire[..IP_LEN], &[50, 0, 0, 1, 0, 0, 0, 1], &wire[IP_LEN..]].concat();
    fragment[6] = 44;
    let len = u16::try_from(fragment.len() - IP_LEN).unwrap();
    fragment[4..6].copy_from_slice(&len.to_be_bytes());
    assert_eq!(receive(&mut right, &fragment), Err(DiscardReason::Fragment));
}

#[test]
fn esp_in_udp_over_ipv6_has_a_checksum() {
    let mut pair = pair(Kind::Esp, Mode::Tunnel, V6);
    let ports = UdpEncap { source_port: 4500, destination_port: 4500 };
    pair.inbound.udp_encap = Some(ports);
    pair.outbound.udp_encap = Some(ports);
    let (mut left, mut right) = ends(&pair);
    let wire = sent(left.outbound(Duration::ZERO, udp6(40), 0));
    let (ip, rest) = etherparse::Ipv6Header::from_slice(&wire).unwrap();
    let (udp, payload) = etherparse::UdpHeader::from_slice(rest).unwrap();
    assert_eq!(udp.checksum, udp.calc_checksum_ipv6(&ip, payload).unwrap());
    assert_eq!(receive(&mut right, &wire), Ok(udp6(40)));
}

fn class(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 4 { packet[1] } else { packet[0] << 4 | packet[1] >> 4 }
}

#[test]
fn the_traffic_class_goes_out_and_a_congestion_mark_comes_in_between_versions() {
    for outer in [V4, V6] {
        let (mut left, mut right) = ends(&pair(Kind::Esp, Mode::Tunnel, outer));
        let mut inner = udp6(8);
        // DSCP 46, ECT(0).
        inner[..2].copy_from_slice(&[0x6b, 0xa0]);
        let mut wire = sent(left.outbound(Duration::ZERO, inner.clone(), 0));
        assert_eq!(class(&wire), 0xba);
        match outer {
            V4 => wire[1] |= 1,
            _ => wire[1] |= 0x10,
        }
        let arrived = receive(&mut right, &wire).unwrap();
        assert_eq!((class(&arrived), right.congestion_marks()), (0xbb, 1));
        assert_eq!(arrived[2..], inner[2..]);
        inner[1] = 0x80;
        let mut wire = sent(left.outbound(Duration::ZERO, inner, 0));
        wire[1] |= if outer == V4 { 3 } else { 0x30 };
        assert_eq!(
            receive(&mut right, &wire),
            Err(DiscardReason::CongestionMark),
            "the inner one is Not-ECT"
        );
        assert_eq!((right.congestion_marks(), right.discards().count(DiscardReason::CongestionMark)), (1, 1));
    }
}

#[test]
fn ipv6_inside_counts_as_do_not_fragment() {
    let config = EngineConfig {
        dont_fragment: DontFragment::Copy,
        ..EngineConfig::new(protect_all(Mode::Tunnel), LEFT)
    };
    let mut left = engine_with(config, Scripted::default());
    left.install(Duration::ZERO, pair(Kind::Esp, Mode::Tunnel, V4), OutboundUse::Now).unwrap();
    assert_eq!(sent(left.outbound(Duration::ZERO, udp6(8), 0))[6], 0x40);
}

#[test]
fn selectors_of_ipv6_packets_are_those_behind_the_extension_headers() {
    let packet = with_extensions(60, &[17, 0, 1, 4, 0, 0, 0, 0]);
    let selectors = Selectors::parse(&packet).unwrap();
    assert_eq!((selectors.source, selectors.destination), (LEFT6.into(), RIGHT6.into()));
    assert_eq!(
        (selectors.protocol, selectors.source_port, selectors.destination_port),
        (17, Some(5000), Some(53))
    );
    let ping = Selectors::parse(&ping6()).unwrap();
    assert_eq!((ping.protocol, ping.source_port, ping.destination_port), (58, Some(0x8000), Some(0x8000)));
}

#[test]
fn policies_tell_types_of_icmpv6_and_networks_apart() {
    let protect = SpdAction::Protect { policy: PolicyId(1), mode: Mode::Tunnel };
    let echo = |value| TrafficSelector::ANY.restricted_to(58, PortRange::single(value));
    // Neighbour discovery passes in the clear (types 133 to 137), other traffic of one network is protected.
    let discovery =
        TrafficSelector::ANY.restricted_to(58, PortRange { start: 133 << 8, end: (137 << 8) | 0xff });
    let spd = Spd::new(
        vec![
            entry("discovery", discovery, TrafficSelector::ANY, SpdAction::Bypass),
            entry("requests", echo(0x8000), TrafficSelector::network(RIGHT6, 64), SpdAction::Discard),
            entry(
                "office",
                TrafficSelector::network(LEFT6, 64),
                TrafficSelector::network(RIGHT6, 64),
                protect,
            ),
        ],
        DefaultAction::Discard,
    );
    let mut gateway = engine(LEFT6, spd);
    let mut solicitation = ping6();
    solicitation[IP_LEN] = 135;
    assert!(matches!(gateway.outbound(Duration::ZERO, solicitation, 0), Outbound::Send { sa: None, .. }));
    let request = gateway.outbound(Duration::ZERO, ping6(), 0);
    assert!(matches!(request, Outbound::Discard { reason: DiscardReason::PolicyDiscard, .. }));
    assert_eq!(gateway.outbound(Duration::ZERO, udp6(9), 0), Outbound::Queued);
    let elsewhere = support::udp(LEFT_HOST, RIGHT_HOST, (1, 2), 3);
    let outcome = gateway.outbound(Duration::ZERO, elsewhere, 0);
    assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::NoPolicy, .. }));
}

#[test]
fn ike_over_ipv6_bypasses_the_policies() {
    let mut gateway = engine(LEFT6, protect_all(Mode::Tunnel));
    let mut ike = udp6(30);
    ike[IP_LEN..IP_LEN + 4].copy_from_slice(&[1, 0xf4, 1, 0xf4]);
    assert!(matches!(gateway.outbound(Duration::ZERO, ike.clone(), 0), Outbound::Send { sa: None, .. }));
    let mut right = engine(RIGHT6, protect_all(Mode::Tunnel));
    assert!(matches!(right.inbound(Duration::ZERO, ike, 0), Inbound::Deliver { spi: None, .. }));
}

proptest! {
    #[test]
    fn any_octets_are_delivered_or_discarded(
        octets in prop::collection::vec(any::<u8>(), 0..140),
        first in prop::sample::select(vec![0_u8, 43, 44, 50, 51, 60, 17]),
    ) {
        let mut packet = udp6(0);
        packet.truncate(IP_LEN);
        packet.extend_from_slice(&octets);
        packet[4..6].copy_from_slice(&u16::try_from(octets.len()).unwrap().to_be_bytes());
        packet[6] = first;
        for kind in KINDS {
            let (mut left, mut right) = ends(&pair(kind, Mode::Transport, V6));
            let _ = left.outbound(Duration::ZERO, packet.clone(), 0);
            let _ = right.inbound(Duration::ZERO, packet.clone(), 0);
            prop_assert!(left.packets_held() <= 1);
        }
    }
}
