//! What must hold of any octets; for the fuzz targets, and for the tests that feed them random ones.

use ipseclab_net::{
    Fib, IcmpError, IpNet, IpView, Packet, PortId, Reassembler, ReassemblyConfig, UdpDatagram,
    build_icmp_error, clamp_mss, forward, fragment, parse_icmp,
};
use ipseclab_sim::{SimDuration, SimTime};

/// Memory that reassembly may use here, in octets.
const OCTETS_MAX: usize = 20_000;

/// Reads a packet in every way, and does with it what routers and hosts do.
pub(crate) fn check_packet(bytes: &[u8]) {
    let everywhere = [(IpNet::ALL_V4, PortId::new(0)), (IpNet::ALL_V6, PortId::new(0))];
    let fib: Fib = everywhere.into_iter().collect();
    let _port = forward(&mut bytes.to_vec(), &fib);
    let mut clamped = bytes.to_vec();
    clamp_mss(&mut clamped, 1000);
    let Ok(view) = IpView::parse(bytes) else { return };
    assert!(view.bytes().len() <= bytes.len() && view.header_len() <= view.bytes().len());
    let _read = (view.header(), view.fragment(), UdpDatagram::parse(&view), parse_icmp(&view));
    if let Some(error) = build_icmp_error(view.destination(), IcmpError::TooBig { mtu: 1280 }, bytes) {
        let error = IpView::parse(&error).expect("what is built can be read");
        assert!(parse_icmp(&error).is_ok() && error.bytes().len() <= 1280);
    }
    for piece in fragment(bytes, 576, 7).into_iter().flatten() {
        assert!(piece.len() <= 576 && IpView::parse(&piece).is_ok(), "a piece is a packet that fits");
    }
}

/// Takes the octets as packets, each behind a length of two octets, and joins them.
pub(crate) fn check_fragments(mut bytes: &[u8]) {
    let config = ReassemblyConfig { octets_max: OCTETS_MAX, packets_max: 8, ..ReassemblyConfig::default() };
    let mut reassembler = Reassembler::new(config);
    let mut now = SimTime::ZERO;
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        let (_outcome, _given_up) = reassembler.push(now, &Packet::new(packet.to_vec(), now));
        while reassembler.expire(now).is_some() {}
        let counters = reassembler.counters();
        assert_eq!(counters.fragments, counters.joined + counters.dropped + reassembler.held());
        assert!(reassembler.octets() <= OCTETS_MAX);
        now += SimDuration::from_secs(7);
        bytes = rest;
    }
}
