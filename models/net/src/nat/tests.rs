//! Claims about the NAT, by the requirements of RFC 4787 and RFC 5508.

use etherparse::{Ipv4Slice, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;
use crate::icmp::{EchoKind, IcmpMessage, build_echo, parse_icmp};
use crate::ip::{IpHeader, IpView};
use crate::ipv4::{Ipv4Header, Ipv4View, build_ipv4, protocol};
use crate::udp::{build_udp, parse_udp};

const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SERVER: &str = "198.51.100.7:500";

fn nat(mapping: NatBehaviour, filtering: NatBehaviour) -> Nat {
    Nat::new(
        NatConfig { mapping, filtering, timeout: SimDuration::from_secs(30), max_mappings: 1_000 },
        EXTERNAL,
    )
}

fn strict() -> Nat {
    nat(NatBehaviour::AddressAndPortDependent, NatBehaviour::AddressAndPortDependent)
}

fn sock(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

fn v4(address: core::net::SocketAddr) -> SocketAddrV4 {
    let core::net::SocketAddr::V4(address) = address else { panic!("{address}") };
    address
}

const fn s(seconds: u64) -> SimTime {
    SimTime::from_nanos(seconds * 1_000_000_000)
}

/// Sends a datagram from the inside; returns the endpoint that the outside sees.
fn out(nat: &mut Nat, now: SimTime, from: &str, to: &str) -> Result<SocketAddrV4, DropReason> {
    let mut packet = build_udp(sock(from).into(), sock(to).into(), b"payload", 64, true, 1);
    nat.outbound(now, &mut packet)?;
    let datagram = parse_udp(&packet).unwrap();
    assert_eq!((datagram.destination, datagram.payload), (sock(to).into(), &b"payload"[..]));
    check_checksums(&packet);
    Ok(v4(datagram.source))
}

/// Sends a datagram from the outside; returns the endpoint of the inside that gets it.
fn back(nat: &mut Nat, now: SimTime, from: &str, to: SocketAddrV4) -> Result<SocketAddrV4, DropReason> {
    let mut packet = build_udp(sock(from).into(), to.into(), b"answer", 64, true, 1);
    nat.inbound(now, &mut packet)?;
    let datagram = parse_udp(&packet).unwrap();
    assert_eq!((datagram.source, datagram.payload), (sock(from).into(), &b"answer"[..]));
    check_checksums(&packet);
    Ok(v4(datagram.destination))
}

/// Both checksums, recomputed by etherparse from the rewritten octets.
fn check_checksums(packet: &[u8]) {
    let header = Ipv4Slice::from_slice(packet).unwrap().header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    match SlicedPacket::from_ip(packet).unwrap().transport.unwrap() {
        TransportSlice::Udp(udp) if udp.checksum() != 0 => {
            let checksum = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap();
            assert_eq!(udp.checksum(), checksum);
        }
        TransportSlice::Udp(_) => {}
        TransportSlice::Icmpv4(icmp) => {
            assert_eq!(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()));
        }
        other => panic!("unexpected transport {other:?}"),
    }
}

#[test]
fn a_flow_keeps_its_mapping_and_gets_its_answers() {
    let mut nat = strict();
    let seen = out(&mut nat, s(0), "10.0.0.2:4500", SERVER).unwrap();
    assert_eq!(seen, SocketAddrV4::new(EXTERNAL, 4_500), "a free port is preserved");
    assert_eq!(out(&mut nat, s(1), "10.0.0.2:4500", SERVER), Ok(seen));
    assert_eq!(back(&mut nat, s(1), SERVER, seen), Ok(sock("10.0.0.2:4500")));
    assert_eq!((nat.mappings(), nat.counters().mappings_created), (1, 1));
    assert_eq!((nat.counters().outbound_packets, nat.counters().inbound_packets), (2, 1));
}

#[test]
fn a_port_clash_takes_the_next_free_dynamic_port() {
    let mut nat = strict();
    let ports: Vec<_> = (2..6)
        .map(|host| out(&mut nat, s(0), &format!("10.0.0.{host}:500"), SERVER).unwrap().port())
        .collect();
    assert_eq!(ports, [500, 49_152, 49_153, 49_154]);
    // 49155 is taken as somebody's own port; the search passes over it.
    assert_eq!(out(&mut nat, s(0), "10.0.0.9:49155", SERVER).unwrap().port(), 49_155);
    assert_eq!(out(&mut nat, s(0), "10.0.0.6:500", SERVER).unwrap().port(), 49_156);
    let clashed = SocketAddrV4::new(EXTERNAL, 49_153);
    assert_eq!(back(&mut nat, s(0), SERVER, clashed), Ok(sock("10.0.0.4:500")));
}

/// How many external ports one internal endpoint shows to three remote endpoints on two addresses.
fn ports_shown(mapping: NatBehaviour) -> usize {
    let mut nat = nat(mapping, NatBehaviour::EndpointIndependent);
    let remotes = ["198.51.100.7:500", "198.51.100.7:4500", "198.51.100.8:500"];
    let mut ports = remotes.map(|to| out(&mut nat, s(0), "10.0.0.2:500", to).unwrap().port()).to_vec();
    ports.dedup();
    ports.len()
}

#[test]
fn mapping_behaviours_differ_as_rfc_4787_section_4_1_says() {
    assert_eq!(ports_shown(NatBehaviour::EndpointIndependent), 1);
    assert_eq!(ports_shown(NatBehaviour::AddressDependent), 2);
    assert_eq!(ports_shown(NatBehaviour::AddressAndPortDependent), 3);
}

/// What happens to packets from the contacted endpoint, another port of it, and another address.
fn check_filtering(filtering: NatBehaviour, expected: [bool; 3]) {
    let mut nat = nat(NatBehaviour::EndpointIndependent, filtering);
    let seen = out(&mut nat, s(0), "10.0.0.2:500", SERVER).unwrap();
    let arrived = ["198.51.100.7:500", "198.51.100.7:501", "198.51.100.8:500"].map(|from| {
        back(&mut nat, s(0), from, seen).map_err(|reason| assert_eq!(reason, DropReason::NatFiltered)).is_ok()
    });
    assert_eq!(arrived, expected, "{}", filtering.as_str());
    let filtered = expected.iter().filter(|&&arrives| !arrives).count() as u64;
    assert_eq!(nat.counters().drops.of(DropReason::NatFiltered), filtered);
}

#[test]
fn filtering_behaviours_differ_as_rfc_4787_section_5_says() {
    check_filtering(NatBehaviour::EndpointIndependent, [true, true, true]);
    check_filtering(NatBehaviour::AddressDependent, [true, true, false]);
    check_filtering(NatBehaviour::AddressAndPortDependent, [true, false, false]);
}

#[test]
fn without_mapping_nothing_gets_in() {
    let mut nat = strict();
    let target = SocketAddrV4::new(EXTERNAL, 500);
    assert_eq!(back(&mut nat, s(0), SERVER, target), Err(DropReason::NatNoMapping));
    out(&mut nat, s(0), "10.0.0.2:500", SERVER).unwrap();
    assert_eq!(back(&mut nat, s(0), SERVER, sock("203.0.113.2:500")), Err(DropReason::NatNoMapping));
}

#[test]
fn a_mapping_ends_after_its_timeout() {
    let mut nat = strict();
    let seen = out(&mut nat, s(0), "10.0.0.2:500", SERVER).unwrap();
    let last = SimTime::from_nanos(s(30).as_nanos() - 1);
    assert!(back(&mut nat, last, SERVER, seen).is_ok());
    assert_eq!(back(&mut nat, s(30), SERVER, seen), Err(DropReason::NatNoMapping));
    assert_eq!((nat.mappings(), nat.counters().mappings_expired), (0, 1));
}

#[test]
fn outbound_packets_refresh_a_mapping_and_inbound_ones_do_not() {
    let mut nat = strict();
    let seen = out(&mut nat, s(0), "10.0.0.2:500", SERVER).unwrap();
    out(&mut nat, s(20), "10.0.0.2:500", SERVER).unwrap();
    assert!(back(&mut nat, s(49), SERVER, seen).is_ok(), "refreshed at 20 s");
    assert_eq!(back(&mut nat, s(50), SERVER, seen), Err(DropReason::NatNoMapping), "not refreshed at 49 s");
}

#[test]
fn a_mapping_with_the_longest_timeout_never_ends() {
    let mut nat = Nat::new(NatConfig { timeout: SimDuration::MAX, ..NatConfig::default() }, EXTERNAL);
    let seen = out(&mut nat, s(1), "10.0.0.2:500", SERVER).unwrap();
    assert!(back(&mut nat, s(1_000_000_000), SERVER, seen).is_ok());
}

#[test]
fn an_expired_port_is_free_again() {
    let mut nat = strict();
    out(&mut nat, s(0), "10.0.0.2:500", SERVER).unwrap();
    assert_eq!(out(&mut nat, s(31), "10.0.0.3:500", SERVER).unwrap().port(), 500);
}

#[test]
fn the_table_is_bounded_and_recovers() {
    let config = NatConfig { max_mappings: 2, timeout: SimDuration::from_secs(30), ..NatConfig::default() };
    let mut nat = Nat::new(config, EXTERNAL);
    out(&mut nat, s(0), "10.0.0.2:1", SERVER).unwrap();
    out(&mut nat, s(1), "10.0.0.2:2", SERVER).unwrap();
    assert_eq!(out(&mut nat, s(2), "10.0.0.2:3", SERVER), Err(DropReason::NatTableFull));
    assert!(out(&mut nat, s(2), "10.0.0.2:2", SERVER).is_ok(), "an existing mapping still works");
    assert!(out(&mut nat, s(30), "10.0.0.2:3", SERVER).is_ok(), "the first mapping has ended");
    assert_eq!(nat.mappings(), 2);
}

#[test]
fn contacts_of_one_mapping_count_against_the_bound() {
    let config =
        NatConfig { mapping: NatBehaviour::EndpointIndependent, max_mappings: 2, ..NatConfig::default() };
    let mut nat = Nat::new(config, EXTERNAL);
    out(&mut nat, s(0), "10.0.0.2:1", "198.51.100.7:1").unwrap();
    out(&mut nat, s(0), "10.0.0.2:1", "198.51.100.7:2").unwrap();
    assert_eq!(out(&mut nat, s(0), "10.0.0.2:1", "198.51.100.7:3"), Err(DropReason::NatTableFull));
    assert_eq!(nat.mappings(), 1);
}

#[test]
fn a_mapping_without_free_port_is_refused() {
    let config = NatConfig { max_mappings: usize::MAX, ..NatConfig::default() };
    let mut nat = Nat::new(config, EXTERNAL);
    let results: Vec<_> = (0..16_386)
        .map(|n: u32| {
            let from = SocketAddrV4::new(Ipv4Addr::from_bits(0x0a00_0000 + n), 500);
            let mut packet = build_udp(from.into(), sock(SERVER).into(), b"", 64, true, 1);
            nat.outbound(s(0), &mut packet)
        })
        .collect();
    // Port 500 itself, and the 16384 dynamic ones.
    assert!(results[..16_385].iter().all(Result::is_ok));
    assert_eq!(results[16_385], Err(DropReason::NatPortsExhausted));
}

#[test]
fn a_reboot_forgets_all_mappings() {
    let mut nat = strict();
    let seen = out(&mut nat, s(0), "10.0.0.2:500", SERVER).unwrap();
    nat.reset();
    assert_eq!(back(&mut nat, s(0), SERVER, seen), Err(DropReason::NatNoMapping));
    assert_eq!((nat.mappings(), nat.counters().mappings_reset), (0, 1));
    assert!(out(&mut nat, s(1), "10.0.0.2:500", SERVER).is_ok());
}

#[test]
fn each_reboot_hands_out_another_port() {
    let mut nat = strict();
    let mut seen = vec![];
    for second in 0..50 {
        seen.push(out(&mut nat, s(second), "10.0.0.2:4500", SERVER).unwrap());
        nat.reset();
    }
    let (first, all) = (seen[0], seen.len());
    assert_eq!(first.port(), 4500, "a NAT that never rebooted keeps the port");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

fn echo_packet(source: Ipv4Addr, destination: Ipv4Addr, kind: EchoKind, ident: u16) -> Vec<u8> {
    build_echo(&IpHeader::new(source.into(), destination.into(), 0), kind, ident, 1, b"data")
}

fn ident_of(packet: &[u8]) -> u16 {
    match parse_icmp(&IpView::parse(packet).unwrap()).unwrap() {
        IcmpMessage::Echo(echo) => echo.ident,
        error @ IcmpMessage::Error { .. } => panic!("{error:?}"),
    }
}

/// Pings from two inside hosts with one identifier; returns the identifiers that the outside sees.
#[test]
fn echo_identifiers_are_translated_there_and_back() {
    let mut nat = strict();
    let outside = *sock(SERVER).ip();
    let hosts = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];
    let idents = hosts.map(|host| {
        let mut packet = echo_packet(host, outside, EchoKind::Request, 7);
        nat.outbound(s(0), &mut packet).unwrap();
        check_checksums(&packet);
        let view = Ipv4View::parse(&packet).unwrap();
        assert_eq!(view.source(), EXTERNAL);
        ident_of(&packet)
    });
    assert_eq!(idents, [7, 49_152]);
    for (host, ident) in hosts.into_iter().zip(idents) {
        let mut packet = echo_packet(outside, EXTERNAL, EchoKind::Reply, ident);
        nat.inbound(s(0), &mut packet).unwrap();
        check_checksums(&packet);
        let view = Ipv4View::parse(&packet).unwrap();
        assert_eq!((view.destination(), ident_of(&packet)), (host, 7));
    }
}

#[test]
fn udp_ports_and_echo_identifiers_do_not_clash() {
    let mut nat = strict();
    assert_eq!(out(&mut nat, s(0), "10.0.0.2:7", SERVER).unwrap().port(), 7);
    let mut packet = echo_packet(Ipv4Addr::new(10, 0, 0, 3), *sock(SERVER).ip(), EchoKind::Request, 7);
    nat.outbound(s(0), &mut packet).unwrap();
    assert_eq!(ident_of(&packet), 7);
}

#[test]
fn what_cannot_be_translated_is_refused_by_name_and_left_alone() {
    let mut nat = strict();
    let (inside, outside) = (Ipv4Addr::new(10, 0, 0, 2), *sock(SERVER).ip());
    let mut check = |packet: &[u8], reason| {
        let mut copy = packet.to_vec();
        assert_eq!(nat.outbound(s(0), &mut copy), Err(reason));
        assert_eq!(copy, packet);
    };
    let esp = build_ipv4(&Ipv4Header::new(inside, outside, protocol::ESP), &[1; 40]);
    check(&esp, DropReason::NatUnsupportedProtocol);
    check(&echo_packet(inside, outside, EchoKind::Reply, 1), DropReason::NatUnsupportedProtocol);
    check(
        &build_ipv4(&Ipv4Header::new(inside, outside, protocol::UDP), &[0; 7]),
        DropReason::MalformedPacket,
    );
    check(&esp[..19], DropReason::MalformedPacket);
    let mut damaged = esp.clone();
    damaged[8] ^= 1;
    check(&damaged, DropReason::BadChecksum);
    assert_eq!(nat.mappings(), 0);
    assert_eq!(nat.counters().drops.total(), 5);
}

#[test]
fn a_datagram_without_checksum_stays_without() {
    let mut nat = strict();
    let mut packet = build_udp(sock("10.0.0.2:4500").into(), sock(SERVER).into(), b"esp", 64, true, 1);
    packet[26..28].fill(0);
    nat.outbound(s(0), &mut packet).unwrap();
    assert_eq!(packet[26..28], [0, 0]);
    check_checksums(&packet);
}

proptest! {
    /// Whatever the octets, translation gives valid checksums, and there and back is the identity.
    #[test]
    fn translation_there_and_back_changes_nothing(
        host: u32, port: u16, remote: u32, remote_port: u16, payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut nat = strict();
        let (inside, outside) = (SocketAddrV4::new(host.into(), port), SocketAddrV4::new(remote.into(), remote_port));
        let mut packet = build_udp(inside.into(), outside.into(), &payload, 64, true, 1);
        nat.outbound(s(0), &mut packet).unwrap();
        check_checksums(&packet);
        let seen = parse_udp(&packet).unwrap();
        prop_assert_eq!(seen.source.ip(), EXTERNAL);
        let mut answer = build_udp(outside.into(), seen.source, seen.payload, 64, true, 1);
        nat.inbound(s(0), &mut answer).unwrap();
        check_checksums(&answer);
        prop_assert_eq!(answer, build_udp(outside.into(), inside.into(), &payload, 64, true, 1));
    }

    #[test]
    fn hostile_octets_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), header: bool) {
        if header && bytes.len() >= 20 {
            bytes[0] = 0x45;
            bytes[9] = if bytes[9] & 1 == 0 { protocol::UDP } else { protocol::ICMP };
            let len = bytes.len();
            bytes[2..4].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            bytes[6..8].fill(0);
            bytes[10..12].fill(0);
            let checksum = !crate::checksum::sum(&bytes[..20]);
            bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        let mut nat = strict();
        let outbound = nat.outbound(s(0), &mut bytes.clone()).is_ok();
        let inbound = nat.inbound(s(0), &mut bytes).is_ok();
        prop_assert_eq!(nat.counters().drops.total(), u64::from(!outbound) + u64::from(!inbound));
    }
}
