//! Peers that move: a NAT with a new mapping, an end with a new address (RFC 7296 §2.23, RFC 4555).

use core::net::Ipv4Addr;

use ipseclab_ipsec::{DiscardReason, Event, Inbound, Path, SaPair, Spi, UdpEncap};

use crate::support::{
    LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Suite, TestEngine, delivered, ends, ping, seconds, sent,
};

const IN_UDP: Suite = Suite { encapsulated: true, ..Suite::GCM_TUNNEL };
/// Where a NAT shows the left end.
const MAPPED: (Ipv4Addr, u16) = (Ipv4Addr::new(203, 0, 113, 5), 31_000);
const PORTS: UdpEncap = UdpEncap { source_port: 4500, destination_port: 4500 };

fn spi(value: u32) -> Spi {
    Spi::new(value).unwrap()
}

fn to_right(left: &mut TestEngine) -> Vec<u8> {
    sent(left.outbound(seconds(0), ping(LEFT_HOST, RIGHT_HOST, 8), 0))
}

fn to_left(right: &mut TestEngine) -> Vec<u8> {
    sent(right.outbound(seconds(0), ping(RIGHT_HOST, LEFT_HOST, 8), 0))
}

/// What a NAT makes of a packet from the left.
fn translated(mut packet: Vec<u8>, (address, port): (Ipv4Addr, u16)) -> Vec<u8> {
    packet[12..16].copy_from_slice(&address.octets());
    packet[20..22].copy_from_slice(&port.to_be_bytes());
    packet
}

fn addresses(packet: &[u8]) -> (Ipv4Addr, Ipv4Addr) {
    let at = |place: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&packet[place..place + 4]).unwrap());
    (at(12), at(16))
}

fn ports(packet: &[u8]) -> (u16, u16) {
    let at = |place: usize| u16::from_be_bytes([packet[place], packet[place + 1]]);
    (at(20), at(22))
}

fn mapping((address, port): (Ipv4Addr, u16)) -> Event {
    Event::MappingChanged { spi: spi(0x1001), address: address.into(), port }
}

fn events(engine: &mut TestEngine) -> Vec<Event> {
    core::iter::from_fn(|| engine.poll_event()).collect()
}

#[test]
fn a_new_mapping_is_told_once_and_followed_when_the_owner_says_so() {
    let (mut left, mut right) = ends(&IN_UDP.pair(0x1000));
    for _ in 0..2 {
        delivered(right.inbound(seconds(0), translated(to_right(&mut left), MAPPED), 0));
    }
    assert_eq!(events(&mut right), [mapping(MAPPED)]);
    assert_eq!(addresses(&to_left(&mut right)), (RIGHT, LEFT), "not by itself");

    let udp_encap = Some(UdpEncap { source_port: 4500, destination_port: MAPPED.1 });
    assert!(right.update_path(spi(0x1001), Path { local: RIGHT.into(), remote: MAPPED.0.into(), udp_encap }));
    let wire = to_left(&mut right);
    assert_eq!((addresses(&wire), ports(&wire)), ((RIGHT, MAPPED.0), (4500, MAPPED.1)));
    delivered(right.inbound(seconds(0), translated(to_right(&mut left), MAPPED), 0));
    assert_eq!(events(&mut right), [], "it is where it should be");
    let back = (LEFT, 4500);
    delivered(right.inbound(seconds(0), translated(to_right(&mut left), back), 0));
    assert_eq!(events(&mut right), [mapping(back)], "and leaves again");
}

#[test]
fn a_mapping_that_was_not_followed_is_told_again_after_another_move() {
    let (mut left, mut right) = ends(&IN_UDP.pair(0x1000));
    let elsewhere = Ipv4Addr::new(203, 0, 113, 6);
    for remote in [LEFT, elsewhere] {
        assert!(right.update_path(
            spi(0x1001),
            Path { local: RIGHT.into(), remote: remote.into(), udp_encap: Some(PORTS) }
        ));
        delivered(right.inbound(seconds(0), translated(to_right(&mut left), MAPPED), 0));
        assert_eq!(events(&mut right), [mapping(MAPPED)], "not at {remote}");
    }
}

#[test]
fn forged_replayed_and_overtaken_packets_move_nobody() {
    let (mut left, mut right) = ends(&IN_UDP.pair(0x1000));
    let [overtaken, newer] = [(); 2].map(|()| to_right(&mut left));
    let mut forged = translated(newer.clone(), MAPPED);
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(right.inbound(seconds(0), forged, 0), Inbound::Discard { .. }));
    delivered(right.inbound(seconds(0), newer.clone(), 0));
    let replayed = right.inbound(seconds(0), translated(newer, MAPPED), 0);
    assert!(matches!(replayed, Inbound::Discard { reason: DiscardReason::Replay, .. }));
    delivered(right.inbound(seconds(0), translated(overtaken, MAPPED), 0));
    assert_eq!(events(&mut right), []);
}

#[test]
fn esp_without_udp_has_no_mapping_to_change() {
    let (mut left, mut right) = ends(&Suite::GCM_TUNNEL.pair(0x1000));
    let mut wire = to_right(&mut left);
    wire[12..16].copy_from_slice(&MAPPED.0.octets());
    delivered(right.inbound(seconds(0), wire, 0));
    assert_eq!(events(&mut right), []);
}

#[test]
fn an_end_moves_behind_a_nat_and_back_under_the_same_sa() {
    let pair: SaPair = Suite::GCM_TUNNEL.pair(0x1000);
    let (mut left, mut right) = ends(&pair);
    delivered(right.inbound(seconds(0), to_right(&mut left), 0));
    let elsewhere = Ipv4Addr::new(10, 66, 0, 4);
    assert!(left.update_path(
        spi(0x1000),
        Path { local: elsewhere.into(), remote: RIGHT.into(), udp_encap: Some(PORTS) }
    ));
    left.set_local_address(elsewhere);
    assert!(right.update_path(
        spi(0x1001),
        Path { local: RIGHT.into(), remote: elsewhere.into(), udp_encap: Some(PORTS) }
    ));
    let wire = to_right(&mut left);
    assert_eq!((addresses(&wire), ports(&wire)), ((elsewhere, RIGHT), (4500, 4500)));
    assert_eq!(wire[32..36], 2_u32.to_be_bytes(), "the sequence goes on");
    delivered(right.inbound(seconds(0), wire, 0));
    delivered(left.inbound(seconds(0), to_left(&mut right), 0));

    assert!(
        left.update_path(spi(0x1000), Path { local: LEFT.into(), remote: RIGHT.into(), udp_encap: None })
    );
    left.set_local_address(LEFT);
    let wire = to_right(&mut left);
    assert_eq!((wire[9], addresses(&wire)), (50, (LEFT, RIGHT)));
    delivered(right.inbound(seconds(0), wire, 0));
    assert_eq!(left.sa_counters(spi(0x1000)).unwrap().outbound.packets, 3);
    assert_eq!((events(&mut left), events(&mut right)), (vec![], vec![]));
}

#[test]
fn a_pair_that_is_not_there_has_no_path() {
    let (mut left, _) = ends(&IN_UDP.pair(0x1000));
    assert!(
        !left.update_path(spi(0x9000), Path { local: LEFT.into(), remote: RIGHT.into(), udp_encap: None })
    );
}
