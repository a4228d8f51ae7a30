//! What one engine sends the other delivers unchanged: all algorithms, both modes, with and without UDP, all lengths.

use ipseclab_ipsec::{
    DiscardReason, DontFragment, EngineConfig, Inbound, Mode, OutboundUse, Spi, TrailerAlignment,
};
use proptest::prelude::*;

use crate::support::{
    LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Scripted, Suite, delivered, ends, engine_with, mirrored, ping,
    protect_all, seconds, sent, udp,
};

/// Octets of an IPv4 header without options.
const IP_LEN: usize = 20;

/// Sends a packet through both ends and compares; gives back what was on the wire.
fn check_round_trip(suite: Suite, packet: &[u8]) -> Vec<u8> {
    let (mut left, mut right) = ends(&suite.pair(0x1000));
    let wire = sent(left.outbound(seconds(1), packet.to_vec(), 1));
    assert_eq!(delivered(right.inbound(seconds(2), wire.clone(), 2)), packet, "{suite:?}");
    check_headers(suite, &wire, packet);
    wire
}

/// Checks the outer headers with somebody else's parser and the length with the format of RFC 4303 §2.
fn check_headers(suite: Suite, wire: &[u8], inner: &[u8]) {
    let (header, payload) = etherparse::Ipv4Header::from_slice(wire).unwrap();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(usize::from(header.total_len), wire.len());
    let esp = if suite.encapsulated { udp_payload(&header, payload) } else { payload };
    assert_eq!(header.protocol.0, if suite.encapsulated { 17 } else { 50 });
    assert_eq!(esp[..8], [0, 0, 0x10, 0x01, 0, 0, 0, 1], "SPI and first sequence number");
    let carried = if suite.mode == Mode::Tunnel { inner.len() } else { inner.len() - IP_LEN };
    let align = suite.encryption.block_len().max(4);
    let icv_len = suite.integrity.map_or(suite.encryption.icv_len(), ipseclab_crypto::Integrity::icv_len);
    let body = (carried + 2).next_multiple_of(align);
    assert_eq!(esp.len(), 8 + suite.encryption.iv_len() + body + icv_len);
}

fn udp_payload<'a>(ip: &etherparse::Ipv4Header, datagram: &'a [u8]) -> &'a [u8] {
    let (udp, payload) = etherparse::UdpHeader::from_slice(datagram).unwrap();
    assert_eq!((udp.source_port, udp.destination_port), (4500, 4500));
    assert_eq!(udp.checksum, udp.calc_checksum_ipv4(ip, payload).unwrap());
    payload
}

#[test]
fn every_suite_delivers_every_short_length() {
    for suite in Suite::all() {
        for octets in 0..40 {
            check_round_trip(suite, &udp(LEFT, RIGHT, (5000, 53), octets));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_suite_delivers_any_length(choice in any::<prop::sample::Index>(), octets in 0_usize..9000) {
        let suites = Suite::all();
        check_round_trip(suites[choice.index(suites.len())], &ping(LEFT, RIGHT, octets));
    }

    #[test]
    fn packets_in_any_order_within_the_window_are_delivered_once(order in Just((0..60).collect::<Vec<usize>>()).prop_shuffle()) {
        let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
        let wire: Vec<Vec<u8>> =
            (0..60).map(|octets| sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, octets), 0))).collect();
        for place in order {
            let inner = delivered(right.inbound(seconds(1), wire[place].clone(), 0));
            prop_assert_eq!(inner, ping(LEFT_HOST, RIGHT_HOST, place));
            let again = right.inbound(seconds(1), wire[place].clone(), 0);
            let replayed = matches!(again, Inbound::Discard { reason: DiscardReason::Replay, .. });
            prop_assert!(replayed);
        }
    }
}

#[test]
fn a_tunnel_hides_addresses_and_a_transport_keeps_them() {
    let (mut left, _) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let wire = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 56), 0));
    assert_eq!(wire[12..20], [LEFT.octets(), RIGHT.octets()].concat());
    let transport = Suite { mode: Mode::Transport, ..Suite::GCM_TUNNEL };
    let wire = check_round_trip(transport, &ping(LEFT, RIGHT, 56));
    assert_eq!(wire[12..20], [LEFT.octets(), RIGHT.octets()].concat());
    assert_eq!(wire.len(), IP_LEN + 8 + 8 + 64 + 2 + 2 + 16, "no second IP header");
}

#[test]
fn transport_mode_keeps_ip_options() {
    let transport = Suite { mode: Mode::Transport, ..Suite::GCM_TUNNEL };
    let mut header = etherparse::Ipv4Header::new(12, 64, 17.into(), LEFT.octets(), RIGHT.octets()).unwrap();
    header.options = [1, 1, 1, 0].into();
    header.header_checksum = header.calc_header_checksum();
    header.total_len += 4;
    header.header_checksum = header.calc_header_checksum();
    let mut packet = header.to_bytes().to_vec();
    packet.extend_from_slice(&[0x13, 0x88, 0, 53, 0, 12, 0, 0, 9, 9, 9, 9]);
    let (mut left, mut right) = ends(&transport.pair(0x1000));
    let wire = sent(left.outbound(seconds(0), packet.clone(), 0));
    assert_eq!((wire[0], wire[9], &wire[20..24]), (0x46, 50, &[1, 1, 1, 0][..]));
    assert_eq!(delivered(right.inbound(seconds(0), wire, 0)), packet);
}

#[test]
fn checksums_survive_a_nat_in_transport_mode() {
    let suite = Suite { mode: Mode::Transport, encapsulated: true, ..Suite::GCM_TUNNEL };
    let (mut left, mut right) = ends(&suite.pair(0x1000));
    let mut wire = sent(left.outbound(seconds(0), udp(LEFT, RIGHT, (5000, 53), 20), 0));
    wire[12..16].copy_from_slice(&[203, 0, 113, 77]);
    let inner = delivered(right.inbound(seconds(0), wire, 0));
    let (ip, payload) = etherparse::Ipv4Header::from_slice(&inner).unwrap();
    let (header, data) = etherparse::UdpHeader::from_slice(payload).unwrap();
    assert_eq!(ip.source, [203, 0, 113, 77]);
    assert_eq!(header.checksum, header.calc_checksum_ipv4(&ip, data).unwrap());
}

#[test]
fn trailing_octets_behind_the_ip_packet_are_not_sent() {
    let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let packet = ping(LEFT_HOST, RIGHT_HOST, 10);
    let padded = [packet.as_slice(), &[0; 18]].concat();
    let wire = sent(left.outbound(seconds(0), padded, 0));
    let padded = [wire.as_slice(), &[0; 5]].concat();
    assert_eq!(delivered(right.inbound(seconds(0), padded, 0)), packet);
}

#[test]
fn outer_headers_count_copy_dscp_and_set_df_as_configured() {
    let cases = [(DontFragment::Set, true), (DontFragment::Clear, false), (DontFragment::Copy, false)];
    for (dont_fragment, expected) in cases {
        let config = EngineConfig { dont_fragment, ..EngineConfig::new(protect_all(Mode::Tunnel), LEFT) };
        let mut left = engine_with(config, Scripted::default());
        left.install(seconds(0), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now).unwrap();
        let mut packet = ping(LEFT_HOST, RIGHT_HOST, 4);
        packet[1] = 0xb8 | 0b01;
        packet[6] = 0;
        for ident in 1..4 {
            let wire = sent(left.outbound(seconds(0), packet.clone(), 0));
            let (header, _) = etherparse::Ipv4Header::from_slice(&wire).unwrap();
            assert_eq!((header.identification, header.time_to_live), (ident, 64));
            assert_eq!((wire[1], header.dont_fragment), (0xb8 | 0b01, expected));
        }
    }
}

#[test]
fn an_engine_without_alignment_sends_no_padding_and_any_engine_takes_its_packets() {
    let config = EngineConfig {
        trailer_alignment: TrailerAlignment::None,
        ..EngineConfig::new(protect_all(Mode::Tunnel), LEFT)
    };
    let mut left = engine_with(config, Scripted::default());
    left.install(seconds(0), Suite::GCM_TUNNEL.pair(0x1000), OutboundUse::Now).unwrap();
    let (_, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    for octets in 0..9 {
        let packet = ping(LEFT_HOST, RIGHT_HOST, octets);
        let wire = sent(left.outbound(seconds(0), packet.clone(), 0));
        // IP, ESP, IV, trailer and ICV: the 54 octets of AES-GCM that RFC 9347 appendix C counts with.
        assert_eq!(wire.len(), packet.len() + 20 + 8 + 8 + 2 + 16);
        assert_eq!(delivered(right.inbound(seconds(0), wire, 0)), packet);
    }
}

#[test]
fn two_runs_send_the_same_octets() {
    for suite in Suite::all() {
        let run = || {
            let (mut left, _) = ends(&suite.pair(0x1000));
            [10, 20].map(|octets| sent(left.outbound(seconds(0), ping(LEFT, RIGHT, octets), 0)))
        };
        assert_eq!(run(), run());
    }
}

#[test]
fn counters_count_inner_packets_each_way() {
    let pair = Suite::GCM_TUNNEL.pair(0x1000);
    let (mut left, mut right) = ends(&pair);
    for octets in [56, 100] {
        let wire = sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, octets), 0));
        delivered(right.inbound(seconds(0), wire, 0));
    }
    let sent_by_left = left.sa_counters(pair.inbound.spi()).unwrap();
    let received_by_right = right.sa_counters(mirrored(&pair).inbound.spi()).unwrap();
    assert_eq!(sent_by_left.outbound, received_by_right.inbound);
    assert_eq!((sent_by_left.outbound.packets, sent_by_left.outbound.octets), (2, 84 + 128));
    assert_eq!(sent_by_left.inbound.packets + received_by_right.outbound.packets, 0);
    assert_eq!(left.remove(pair.inbound.spi()), Some(sent_by_left));
    assert_eq!(left.sa_counters(Spi::new(0x1000).unwrap()), None);
}
