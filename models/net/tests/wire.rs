//! Packets of ours against etherparse, and hostile octets against our readers.

#![cfg(test)]

use core::net::{SocketAddr, SocketAddrV4};

use etherparse::{Icmpv4Type, PacketBuilder, SlicedPacket, TransportSlice};
use ipseclab_net::{
    DropReason, EchoKind, IcmpMessage, IpHeader, IpView, Ipv4Addr, Ipv4Header, Ipv4View, Ipv6Addr,
    Ipv6Header, Ipv6View, PacketError, TtlOutcome, UdpDatagram, build_echo, build_ipv4, build_ipv6,
    build_udp, decrement_ttl, parse_icmp, parse_udp, protocol,
};
use proptest::prelude::*;

const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

fn left() -> SocketAddr {
    SocketAddrV4::new(LEFT, 500).into()
}

fn right() -> SocketAddr {
    SocketAddrV4::new(RIGHT, 4_500).into()
}

fn header() -> impl Strategy<Value = Ipv4Header> {
    let addresses = (any::<u32>(), any::<u32>());
    (addresses, any::<u8>(), any::<u8>(), any::<bool>(), any::<u16>(), 0..64_u8, 0..4_u8).prop_map(
        |((source, destination), protocol, ttl, dont_fragment, identification, dscp, ecn)| Ipv4Header {
            source: source.into(),
            destination: destination.into(),
            protocol,
            ttl,
            dont_fragment,
            identification,
            dscp,
            ecn,
        },
    )
}

/// The packet that etherparse builds for a UDP datagram.
fn etherparse_udp(payload: &[u8], ttl: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(LEFT.octets(), RIGHT.octets(), ttl).udp(500, 4_500);
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// Recomputes both checksums of a UDP packet from its octets.
fn check_udp_checksums(packet: &[u8]) {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let header = sliced.net.unwrap().ipv4_ref().unwrap().header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    let Some(TransportSlice::Udp(udp)) = sliced.transport else { panic!("no UDP") };
    assert_eq!(udp.checksum(), udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap());
    assert_ne!(udp.checksum(), 0);
}

#[test]
fn a_udp_packet_equals_that_of_etherparse() {
    // etherparse sets DF and leaves the identification 0.
    assert_eq!(build_udp(left(), right(), b"payload", 61, true, 0), etherparse_udp(b"payload", 61));
}

#[test]
fn a_udp_checksum_that_comes_out_as_zero_is_sent_as_ones() {
    let builds = (0..=u16::MAX).map(|word| build_udp(left(), right(), &word.to_be_bytes(), 64, true, 0));
    let ones: Vec<_> =
        builds.filter(|packet| packet[26..28] != [0, 0] && packet[26..28] == [0xff, 0xff]).collect();
    assert_eq!(ones.len(), 1, "of all values of a word, one brings the sum to zero");
    check_udp_checksums(&ones[0]);
    assert!(parse_udp(&ones[0]).is_ok());
}

#[test]
fn an_absent_udp_checksum_is_accepted_and_a_wrong_one_is_not() {
    let mut packet = build_udp(left(), right(), b"payload", 64, true, 0);
    packet[26..28].fill(0);
    assert_eq!(parse_udp(&packet).unwrap().payload, b"payload");
    packet[27] = 1;
    assert_eq!(parse_udp(&packet), Err(PacketError::Checksum { header: "UDP" }));
}

#[test]
fn padding_after_the_total_length_is_not_payload() {
    let mut packet = build_udp(left(), right(), b"payload", 64, true, 0);
    packet.extend_from_slice(&[0xaa; 30]);
    assert_eq!(parse_udp(&packet).unwrap().payload, b"payload");
    assert_eq!(Ipv4View::parse(&packet).unwrap().bytes().len(), 35);
}

#[test]
fn options_are_skipped() {
    let udp = &build_udp(left(), right(), b"payload", 64, true, 0)[20..];
    let mut header =
        etherparse::Ipv4Header::new(15, 64, etherparse::IpNumber::UDP, LEFT.octets(), RIGHT.octets())
            .unwrap();
    header.options = [1, 1, 1, 0].into();
    header.total_len += 4;
    header.header_checksum = header.calc_header_checksum();
    let packet = [&header.to_bytes(), udp].concat();
    let view = Ipv4View::parse(&packet).unwrap();
    assert_eq!((view.header_len(), view.payload().len()), (24, 15));
    assert_eq!(UdpDatagram::parse(&IpView::V4(view)).unwrap().payload, b"payload");
}

#[test]
fn fragments_are_named() {
    let mut packet = build_ipv4(&Ipv4Header::new(LEFT, RIGHT, protocol::UDP), &[0; 16]);
    packet[6..8].copy_from_slice(&[0x20, 0x02]);
    packet[10..12].fill(0);
    let sum = !smoltcp::wire::checksum::data(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    assert!(IpView::parse(&packet).unwrap().is_fragment());
    let error = parse_udp(&packet).unwrap_err();
    assert_eq!(error, PacketError::Fragment { offset: 16 });
    assert_eq!(error.drop_reason(), DropReason::FragmentUnsupported);
}

#[test]
fn errors_say_what_and_where() {
    let packet = build_udp(left(), right(), b"payload", 64, true, 0);
    let message = |bytes: &[u8]| parse_udp(bytes).unwrap_err().to_string();
    assert_eq!(message(&packet[..12]), "IPv4 header needs 20 octets, 12 are there");
    assert_eq!(message(&packet[..34]), "IPv4 header length 20 and total length 35 do not fit 34 octets");
    let mut version = packet.clone();
    version[0] = 0x55;
    assert_eq!(message(&version), "IP version 5 does not belong here");
    let esp = build_ipv4(&Ipv4Header::new(LEFT, RIGHT, protocol::ESP), &[0; 8]);
    assert_eq!(message(&esp), "protocol is 50, not 17");
    let short = build_ipv4(&Ipv4Header::new(LEFT, RIGHT, protocol::UDP), &[0, 0, 0, 0, 0, 9, 0, 0]);
    assert_eq!(message(&short), "UDP length 9 does not fit 8 octets");
}

fn echo_packet(kind: EchoKind, ident: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    build_echo(&IpHeader::new(LEFT.into(), RIGHT.into(), 0), kind, ident, seq, payload)
}

fn parse_echo(packet: &[u8]) -> Result<IcmpMessage<'_>, PacketError> {
    parse_icmp(&IpView::parse(packet)?)
}

#[test]
fn an_unknown_icmp_message_is_named() {
    let redirect = build_ipv4(&Ipv4Header::new(LEFT, RIGHT, protocol::ICMP), &[5, 1, 0xfa, 0xfe, 0, 0, 0, 0]);
    assert_eq!(parse_echo(&redirect), Err(PacketError::UnknownIcmp { icmp_type: 5, code: 1 }));
}

#[test]
fn decrementing_the_ttl_stops_at_the_last_hop() {
    let mut packet = build_udp(left(), right(), b"", 3, true, 0);
    assert_eq!(decrement_ttl(&mut packet), TtlOutcome::Forward { ttl: 2 });
    assert_eq!(decrement_ttl(&mut packet), TtlOutcome::Forward { ttl: 1 });
    let last = packet.clone();
    assert_eq!((decrement_ttl(&mut packet), packet), (TtlOutcome::Expired, last));
    assert_eq!(decrement_ttl(&mut [0x45; 19]), TtlOutcome::Malformed);
    assert_eq!(decrement_ttl(&mut [0x55; 40]), TtlOutcome::Malformed);
}

/// No reader panics, and what the IPv4 reader accepts is within the octets.
fn read_everything(bytes: &[u8]) {
    if let Ok(view) = Ipv4View::parse(bytes) {
        assert!(
            view.header_len() + view.payload().len() == view.bytes().len()
                && view.bytes().len() <= bytes.len()
        );
        let _fields = view.header();
    }
    if let Ok(view) = Ipv6View::parse(bytes) {
        assert!(view.header_len() + view.payload().len() == view.bytes().len());
        let _fields = (view.header(), view.fragment());
    }
    if let Ok(datagram) = parse_udp(bytes) {
        assert!(datagram.payload.len() + 28 <= bytes.len());
    }
    if let Ok(IcmpMessage::Echo(echo)) = parse_echo(bytes) {
        assert!(echo.payload.len() + 28 <= bytes.len());
    }
    decrement_ttl(&mut bytes.to_vec());
}

proptest! {
    #[test]
    fn ipv4_headers_round_trip(header in header(), payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let packet = build_ipv4(&header, &payload);
        let view = Ipv4View::parse(&packet).unwrap();
        prop_assert_eq!(view.header(), header);
        prop_assert_eq!(view.payload(), &payload);
        prop_assert_eq!(view.fragment(), None);
        prop_assert_eq!((view.source(), view.destination()), (header.source, header.destination));
        let theirs = etherparse::Ipv4Slice::from_slice(&packet);
        // etherparse wants to parse authentication headers, too.
        if header.protocol != protocol::AH {
            let theirs = theirs.unwrap().header().to_header();
            prop_assert_eq!(theirs.header_checksum, theirs.calc_header_checksum());
            prop_assert_eq!((theirs.time_to_live, theirs.dscp.value()), (header.ttl, header.dscp));
            prop_assert_eq!((theirs.dont_fragment, theirs.identification), (header.dont_fragment, header.identification));
        }
    }

    #[test]
    fn udp_packets_round_trip(ports: (u16, u16), payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let (source, destination) = (SocketAddr::new(LEFT.into(), ports.0), SocketAddr::new(RIGHT.into(), ports.1));
        let packet = build_udp(source, destination, &payload, 9, false, 77);
        check_udp_checksums(&packet);
        let expected = UdpDatagram { source, destination, payload: &payload };
        prop_assert_eq!(parse_udp(&packet), Ok(expected));
        let header = Ipv4View::parse(&packet).unwrap().header();
        prop_assert_eq!((header.ttl, header.dont_fragment, header.identification), (9, false, 77));
    }

    #[test]
    fn ipv6_headers_agree_with_etherparse(
        addresses: (u128, u128),
        fields in (any::<u8>(), 0..64_u8, 0..4_u8, 0_u32..1 << 20),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (hop_limit, dscp, ecn, flow_label) = fields;
        let (source, destination) = (Ipv6Addr::from_bits(addresses.0), Ipv6Addr::from_bits(addresses.1));
        let header = Ipv6Header { hop_limit, dscp, ecn, flow_label, ..Ipv6Header::new(source, destination, protocol::ESP) };
        let packet = build_ipv6(&header, &payload);
        let view = Ipv6View::parse(&packet).unwrap();
        prop_assert_eq!((view.header(), view.payload()), (header, payload.as_slice()));
        let theirs = etherparse::Ipv6Slice::from_slice(&packet).unwrap().header().to_header();
        prop_assert_eq!((theirs.hop_limit, theirs.traffic_class), (hop_limit, dscp << 2 | ecn));
        prop_assert_eq!((theirs.flow_label.value(), usize::from(theirs.payload_length)), (flow_label, payload.len()));
        prop_assert_eq!((theirs.source, theirs.destination), (source.octets(), destination.octets()));
    }

    #[test]
    fn udp_over_ipv6_agrees_with_etherparse(ports: (u16, u16), payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let (left, right): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let (source, destination) = (SocketAddr::new(left.into(), ports.0), SocketAddr::new(right.into(), ports.1));
        let packet = build_udp(source, destination, &payload, 9, false, 0);
        let mut theirs = Vec::new();
        PacketBuilder::ipv6(left.octets(), right.octets(), 9).udp(ports.0, ports.1).write(&mut theirs, &payload).unwrap();
        prop_assert_eq!(&packet, &theirs);
        prop_assert_eq!(parse_udp(&packet), Ok(UdpDatagram { source, destination, payload: &payload }));
    }

    #[test]
    fn echo_messages_agree_with_etherparse(ident: u16, seq: u16, payload in prop::collection::vec(any::<u8>(), 0..99)) {
        let echo = etherparse::IcmpEchoHeader { id: ident, seq };
        for (kind, message) in [
            (Icmpv4Type::EchoRequest(echo), echo_packet(EchoKind::Request, ident, seq, &payload)),
            (Icmpv4Type::EchoReply(echo), echo_packet(EchoKind::Reply, ident, seq, &payload)),
        ] {
            let message = &message[20..];
            let theirs = etherparse::Icmpv4Header::with_checksum(kind, &payload).to_bytes();
            prop_assert_eq!(&message[..8], theirs.as_slice());
            prop_assert_eq!(&message[8..], &payload);
        }
    }

    #[test]
    fn every_hop_keeps_the_header_checksum_right(header in header()) {
        let mut packet = build_ipv4(&header, &[]);
        while let TtlOutcome::Forward { ttl } = decrement_ttl(&mut packet) {
            prop_assert_eq!(&packet, &build_ipv4(&Ipv4Header { ttl, ..header }, &[]));
        }
    }

    #[test]
    fn every_truncation_of_a_udp_packet_is_an_error(payload in prop::collection::vec(any::<u8>(), 0..60)) {
        let packet = build_udp(left(), right(), &payload, 64, true, 1);
        for len in 0..packet.len() {
            prop_assert!(parse_udp(&packet[..len]).is_err());
            read_everything(&packet[..len]);
        }
    }

    #[test]
    fn every_bit_flip_in_a_udp_packet_is_found(payload in prop::collection::vec(any::<u8>(), 0..40)) {
        let packet = build_udp(left(), right(), &payload, 64, true, 1);
        for bit in 0..packet.len() * 8 {
            let mut flipped = packet.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            read_everything(&flipped);
            // A single flip always shows, unless it clears the checksum's last bit and so means "none".
            prop_assert!(parse_udp(&flipped).is_err() || flipped[26..28] == [0, 0]);
        }
    }

    #[test]
    fn every_bit_flip_in_an_echo_is_found(payload in prop::collection::vec(any::<u8>(), 0..40)) {
        let packet = echo_packet(EchoKind::Request, 1, 2, &payload);
        for bit in 20 * 8..packet.len() * 8 {
            let mut flipped = packet.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(parse_echo(&flipped), Err(PacketError::Checksum { header: "ICMP" }));
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        read_everything(&bytes);
        let mut likely = bytes;
        for version in [0x45, 0x60] {
            if let Some(first) = likely.first_mut() {
                *first = version;
            }
            read_everything(&likely);
        }
    }
}
