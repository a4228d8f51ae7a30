//! AH, and bundles of AH and ESP: lengths, what may change on the way and what may not, and that both layers count.

use core::time::Duration;

use ipseclab_crypto::{AesKey, Authentication, Encryption, Integrity, Secret};
use ipseclab_ipsec::{
    AhParameters, ChildSaHandle, DiscardReason, EspParameters, Inbound, InstallError, Mode, OutboundUse,
    Protection, SaPair, SaParameters, Spi, UdpEncap,
};
use proptest::prelude::*;
use ring::hmac;

use crate::support::{
    LEFT, LEFT_HOST, POLICY, RIGHT, RIGHT_HOST, TestEngine, delivered, ends, engine, mirrored, ping,
    protect_all, sent, udp,
};

const SHA1: Authentication = Authentication::Mac(Integrity::HmacSha1_96);
const CBC: Encryption = Encryption::AesCbc(AesKey::Bits128);
/// Octets of an IPv4 header without options.
const IP_LEN: usize = 20;

/// Which layers an SA has.
#[derive(Clone, Copy, Debug)]
struct Layers {
    ah: Option<Authentication>,
    esp: Option<(Encryption, Option<Integrity>)>,
}

const AH: Layers = Layers { ah: Some(SHA1), esp: None };
const ESP: Layers = Layers { ah: None, esp: Some((CBC, Some(Integrity::HmacSha1_96))) };
/// As Cisco's routers negotiate it: what AH authenticates ESP need not.
const BUNDLE: Layers = Layers { ah: Some(SHA1), esp: Some((CBC, None)) };

fn spi(value: u32) -> Spi {
    Spi::new(value).unwrap()
}

fn protection(layers: Layers, value: u32) -> Protection {
    let ah = layers.ah.map(|algorithm| {
        let key = Secret::new(vec![0x4a; algorithm.key_material_len()]);
        AhParameters { spi: spi(value + 0x100), algorithm, key }
    });
    let esp = layers.esp.map(|(encryption, integrity)| EspParameters {
        spi: spi(value),
        encryption,
        encryption_key: Secret::new(vec![0x5e; encryption.key_material_len()]),
        integrity: integrity.map(|algorithm| (algorithm, Secret::new(vec![0x17; algorithm.key_len()]))),
    });
    match (ah, esp) {
        (Some(ah), Some(esp)) => Protection::AhEsp { ah, esp },
        (Some(ah), None) => Protection::Ah(ah),
        (None, Some(esp)) => Protection::Esp(esp),
        (None, None) => panic!("an SA has a layer"),
    }
}

/// The pair as the left end has it: SPIs 0x1000 to the left, 0x2000 to the right, of AH 0x100 more.
fn pair(layers: Layers, mode: Mode, esn: bool) -> SaPair {
    let sa = |value, source, destination| SaParameters {
        protection: protection(layers, value),
        esn,
        mode,
        source,
        destination,
        udp_encap: None,
    };
    SaPair::new(POLICY, sa(0x1000, RIGHT.into(), LEFT.into()), sa(0x2000, LEFT.into(), RIGHT.into()))
}

fn ends_of(layers: Layers, mode: Mode) -> (TestEngine, TestEngine) {
    ends(&pair(layers, mode, false))
}

fn send(left: &mut TestEngine, packet: &[u8]) -> Vec<u8> {
    sent(left.outbound(Duration::ZERO, packet.to_vec(), 0))
}

fn receive(right: &mut TestEngine, packet: &[u8]) -> Result<Vec<u8>, DiscardReason> {
    match right.inbound(Duration::ZERO, packet.to_vec(), 0) {
        Inbound::Deliver { packet, .. } => Ok(packet),
        Inbound::Discard { reason, .. } => Err(reason),
    }
}

/// A ping of 100 octets, IP header included, as Cisco counts them.
fn cisco_ping() -> Vec<u8> {
    let packet = ping(LEFT, RIGHT, 72);
    assert_eq!(packet.len(), 100);
    packet
}

#[test]
fn lengths_are_those_that_cisco_routers_send() {
    let expected = [
        (AH, Mode::Transport, 124, 51),
        (AH, Mode::Tunnel, 144, 51),
        (ESP, Mode::Transport, 152, 50),
        (ESP, Mode::Tunnel, 168, 50),
        (BUNDLE, Mode::Transport, 164, 51),
        (BUNDLE, Mode::Tunnel, 180, 51),
    ];
    for (layers, mode, total_len, protocol) in expected {
        let (mut left, mut right) = ends_of(layers, mode);
        let wire = send(&mut left, &cisco_ping());
        let (header, _) = etherparse::Ipv4Header::from_slice(&wire).unwrap();
        let said = (wire.len(), usize::from(header.total_len), header.protocol.0);
        assert_eq!(said, (total_len, total_len, protocol), "{layers:?} {mode:?}");
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(receive(&mut right, &wire), Ok(cisco_ping()), "{layers:?} {mode:?}");
    }
}

/// Layers with every algorithm of AH, alone and around ESP.
fn every_layers() -> Vec<Layers> {
    let algorithms = Authentication::ALL.iter().map(|algorithm| Some(*algorithm));
    let inside = [None, Some((CBC, None)), Some((Encryption::AesGcm16(AesKey::Bits128), None))];
    algorithms.flat_map(|ah| inside.map(|esp| Layers { ah, esp })).collect()
}

#[test]
fn every_algorithm_delivers_every_short_length_in_both_modes() {
    for layers in every_layers() {
        for (mode, esn) in
            [Mode::Tunnel, Mode::Transport].into_iter().flat_map(|mode| [(mode, false), (mode, true)])
        {
            let (mut left, mut right) = ends(&pair(layers, mode, esn));
            for octets in 0..36 {
                let packet = udp(LEFT, RIGHT, (5000, 53), octets);
                let wire = send(&mut left, &packet);
                assert_eq!(receive(&mut right, &wire), Ok(packet), "{layers:?} {mode:?} {esn}");
            }
        }
    }
}

#[test]
fn the_header_is_that_of_the_rfc_and_its_icv_that_of_the_bare_mac() {
    let (mut left, _) = ends_of(AH, Mode::Transport);
    let packet = cisco_ping();
    for number in 1..=2 {
        let wire = send(&mut left, &packet);
        // Next header ICMP, 24 octets, reserved, SPI, number.
        assert_eq!(wire[IP_LEN..IP_LEN + 12], [1, 4, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, number]);
        assert_eq!(wire[IP_LEN + 24..], packet[IP_LEN..]);
        let mut covered = wire.clone();
        for mutable in [1, 6, 7, 8, 10, 11].into_iter().chain(IP_LEN + 12..IP_LEN + 24) {
            covered[mutable] = 0;
        }
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[0x4a; 20]);
        assert_eq!(wire[IP_LEN + 12..IP_LEN + 24], hmac::sign(&key, &covered).as_ref()[..12]);
    }
}

#[test]
fn what_routers_change_does_not_matter_and_all_else_does() {
    for mode in [Mode::Tunnel, Mode::Transport] {
        let (mut left, _) = ends_of(AH, mode);
        let wire = send(&mut left, &ping(LEFT, RIGHT, 8));
        for bit in 0..wire.len() * 8 {
            let mut damaged = wire.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (_, mut right) = ends_of(AH, mode);
            let result = receive(&mut right, &damaged);
            // DSCP and ECN, DF, TTL and checksum; whatever is left of the packet is as it was sent.
            let is_mutable = matches!(bit / 8, 1 | 8 | 10 | 11) || bit == 6 * 8 + 6 || bit == 6 * 8 + 7;
            assert_eq!(result.is_ok(), is_mutable, "{mode:?}, bit {bit}: {result:?}");
        }
    }
}

#[test]
fn bundles_refuse_every_change_below_the_ip_header() {
    for mode in [Mode::Tunnel, Mode::Transport] {
        let (mut left, _) = ends_of(BUNDLE, mode);
        let wire = send(&mut left, &ping(LEFT, RIGHT, 8));
        for bit in IP_LEN * 8..wire.len() * 8 {
            let mut damaged = wire.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (_, mut right) = ends_of(BUNDLE, mode);
            assert!(receive(&mut right, &damaged).is_err(), "{mode:?}, bit {bit}");
        }
    }
}

/// A ping with IP options, as from a host that has them.
fn ping_with_options(options: &[u8]) -> Vec<u8> {
    let plain = ping(LEFT, RIGHT, 16);
    let mut packet = [&plain[..IP_LEN], options, &plain[IP_LEN..]].concat();
    packet[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
    let len = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    fix_checksum(&mut packet);
    packet
}

fn fix_checksum(packet: &mut [u8]) {
    let (header, _) = etherparse::Ipv4Header::from_slice(packet).unwrap();
    packet[10..12].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
}

#[test]
fn options_may_change_on_the_way_if_the_appendix_lists_them_as_mutable() {
    let (mut left, mut right) = ends_of(AH, Mode::Transport);
    // Record route with room for one address, then router alert.
    let packet = ping_with_options(&[1, 7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0]);
    let wire = send(&mut left, &packet);
    let mut recorded = wire.clone();
    recorded[IP_LEN + 3..IP_LEN + 8].copy_from_slice(&[8, 10, 9, 9, 9]);
    fix_checksum(&mut recorded);
    let arrived = receive(&mut right, &recorded).unwrap();
    assert_eq!(arrived[IP_LEN..IP_LEN + 12], [1, 7, 7, 8, 10, 9, 9, 9, 148, 4, 0, 0]);
    let mut alert = send(&mut left, &packet);
    alert[IP_LEN + 11] = 1;
    assert_eq!(receive(&mut right, &alert), Err(DiscardReason::Integrity));
}

#[test]
fn a_source_route_is_protected_as_it_arrives() {
    let (mut left, mut right) = ends_of(AH, Mode::Transport);
    // To the right end by way of a router: its address is the first destination.
    let mut packet = ping_with_options(&[1, 131, 7, 4, 198, 51, 100, 2]);
    packet[16..20].copy_from_slice(&[10, 0, 0, 9]);
    fix_checksum(&mut packet);
    let wire = send(&mut left, &packet);
    let mut routed = wire.clone();
    routed[16..20].copy_from_slice(&RIGHT.octets());
    routed[IP_LEN + 3..IP_LEN + 8].copy_from_slice(&[8, 10, 0, 0, 9]);
    fix_checksum(&mut routed);
    assert!(receive(&mut right, &routed).is_ok());
}

#[test]
fn malformed_options_cannot_be_protected() {
    let (mut left, _) = ends_of(AH, Mode::Transport);
    let packet = ping_with_options(&[7, 9, 4, 0]);
    let outcome = left.outbound(Duration::ZERO, packet.clone(), 0);
    let ipseclab_ipsec::Outbound::Discard { reason, packet: back, .. } = outcome else { panic!("sent") };
    assert_eq!((reason, back), (DiscardReason::Malformed, packet));
    assert_eq!(send(&mut left, &cisco_ping())[IP_LEN + 11], 1, "no number was used");
}

#[test]
fn packets_are_delivered_once_and_in_any_order() {
    for layers in [AH, BUNDLE] {
        let (mut left, mut right) = ends_of(layers, Mode::Tunnel);
        let wire: Vec<_> =
            (0..8).map(|octets| send(&mut left, &ping(LEFT_HOST, RIGHT_HOST, octets))).collect();
        for place in [3, 1, 7, 0, 2, 6, 4, 5] {
            assert_eq!(receive(&mut right, &wire[place]), Ok(ping(LEFT_HOST, RIGHT_HOST, place)));
            assert_eq!(receive(&mut right, &wire[place]), Err(DiscardReason::Replay));
        }
    }
}

/// Takes the AH header off, so that what is left is the ESP packet of the bundle.
fn without_ah(wire: &[u8]) -> Vec<u8> {
    let mut packet = [&wire[..IP_LEN], &wire[IP_LEN + 24..]].concat();
    packet[9] = 50;
    let len = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    fix_checksum(&mut packet);
    packet
}

#[test]
fn half_of_a_bundle_is_not_enough() {
    let (mut left, mut right) = ends_of(BUNDLE, Mode::Tunnel);
    let wire = send(&mut left, &cisco_ping());
    assert_eq!(receive(&mut right, &without_ah(&wire)), Err(DiscardReason::Unprotected));
    // AH alone under the keys of the bundle's AH, as a peer that skips ESP would send it.
    let mut lazy = engine(LEFT, protect_all(Mode::Transport));
    let alone = Layers { esp: None, ..BUNDLE };
    lazy.install(Duration::ZERO, pair(alone, Mode::Transport, false), OutboundUse::Now).unwrap();
    let bare = send(&mut lazy, &cisco_ping());
    assert_eq!(receive(&mut right, &bare), Err(DiscardReason::Unprotected));
    assert_eq!(receive(&mut right, &wire), Err(DiscardReason::Replay), "AH has counted it");
    assert!(receive(&mut right, &send(&mut left, &cisco_ping())).is_ok());
}

#[test]
fn protocols_do_not_answer_for_each_other() {
    let (_, mut right) = ends_of(AH, Mode::Transport);
    let (mut left, _) = ends_of(ESP, Mode::Transport);
    let wire = send(&mut left, &cisco_ping());
    assert_eq!(receive(&mut right, &wire), Err(DiscardReason::UnknownSpi));
    let mut disguised = wire.clone();
    disguised[IP_LEN + 2] = 0x21;
    assert_eq!(receive(&mut right, &disguised), Err(DiscardReason::UnknownSpi), "ESP under the SPI of AH");
}

#[test]
fn pairs_that_cannot_work_are_not_installed() {
    let mut engine = engine(LEFT, protect_all(Mode::Tunnel));
    let mut install =
        |pair: SaPair| engine.install(Duration::ZERO, pair, OutboundUse::Now).map(ChildSaHandle::spi);
    let good = pair(BUNDLE, Mode::Tunnel, false);
    let mut in_udp = good.clone();
    in_udp.outbound.udp_encap = Some(UdpEncap { source_port: 4500, destination_port: 4500 });
    assert_eq!(install(in_udp), Err(InstallError::AhInUdp { spi: spi(0x2000) }));
    let mut mixed = good.clone();
    mixed.inbound.source = "2001:db8::1".parse().unwrap();
    assert_eq!(install(mixed), Err(InstallError::MixedVersions { spi: spi(0x1000) }));
    let naked = Layers { ah: None, esp: Some((CBC, None)) };
    let unauthenticated = pair(naked, Mode::Tunnel, false);
    assert_eq!(install(unauthenticated.clone()), Err(InstallError::Unauthenticated { spi: spi(0x1000) }));
    assert_eq!(install(good.clone()), Ok(spi(0x1000)));
    assert_eq!(install(good), Err(InstallError::SpiInUse { spi: spi(0x1100) }));
    let mut insisting = SaPair { unauthenticated_esp: true, ..unauthenticated };
    insisting.inbound.protection = protection(naked, 0x1100);
    assert_eq!(
        install(insisting.clone()),
        Err(InstallError::SpiInUse { spi: spi(0x1100) }),
        "that of a bundle's AH"
    );
    insisting.inbound.protection = protection(naked, 0x3000);
    assert_eq!(install(insisting), Ok(spi(0x3000)));
}

#[test]
fn a_bundle_is_removed_with_both_its_spis() {
    let (mut left, mut right) = ends_of(BUNDLE, Mode::Tunnel);
    let wire = send(&mut left, &cisco_ping());
    assert!(right.remove(spi(0x2000)).is_some());
    assert_eq!(receive(&mut right, &wire), Err(DiscardReason::UnknownSpi));
    right.install(Duration::ZERO, mirrored(&pair(BUNDLE, Mode::Tunnel, false)), OutboundUse::Now).unwrap();
    assert_eq!(receive(&mut right, &wire), Ok(cisco_ping()));
}

#[test]
fn esp_without_integrity_passes_where_the_pair_insists() {
    let naked = Layers { ah: None, esp: Some((CBC, None)) };
    let pair = SaPair { unauthenticated_esp: true, ..pair(naked, Mode::Tunnel, false) };
    let (mut left, mut right) = ends(&pair);
    let wire = send(&mut left, &cisco_ping());
    assert_eq!(wire.len(), 168 - 12, "no ICV");
    assert_eq!(delivered(right.inbound(Duration::ZERO, wire, 0)), cisco_ping());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_octets_behind_an_ip_header_are_never_delivered(
        octets in prop::collection::vec(any::<u8>(), 0..120),
        real_spi: bool,
    ) {
        let mut octets = octets;
        if real_spi && octets.len() >= 8 {
            octets[4..8].copy_from_slice(&0x2100_u32.to_be_bytes());
        }
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(LEFT.octets(), RIGHT.octets(), 64)
            .write(&mut packet, etherparse::IpNumber(51), &octets)
            .unwrap();
        for layers in [AH, BUNDLE] {
            prop_assert!(receive(&mut ends_of(layers, Mode::Tunnel).1, &packet).is_err());
        }
    }
}
