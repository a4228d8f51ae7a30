//! Claims about sources and sinks.

use core::net::SocketAddrV4;

use super::*;
use crate::address::Ipv4Addr;
use crate::icmp::{Echo, parse_icmp};
use crate::ipv4::Ipv4View;
use crate::packet::Packet;
use crate::udp::parse_udp;

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

const fn ns(nanos: u64) -> SimDuration {
    SimDuration::from_nanos(nanos)
}

const fn at(nanos: u64) -> SimTime {
    SimTime::from_nanos(nanos)
}

fn ping_config() -> PingConfig {
    PingConfig {
        source: LEFT,
        destination: RIGHT,
        ident: 9,
        payload_len: 56,
        pace: Pace::Interval(ns(100)),
        count: Some(3),
        ttl: 64,
    }
}

fn udp_config() -> UdpCbrConfig {
    UdpCbrConfig {
        source: SocketAddrV4::new(LEFT, 5_000),
        destination: SocketAddrV4::new(RIGHT, 6_000),
        payload_len: 972,
        pace: Pace::Interval(ns(10)),
        count: Some(4),
        ttl: 64,
        dont_fragment: true,
    }
}

/// Sends everything at its time; returns times and packets.
fn drain(mut next: impl FnMut() -> Option<(SimTime, Packet)>) -> Vec<(SimTime, Packet)> {
    std::iter::from_fn(&mut next).collect()
}

fn pings(source: &mut PingSource) -> Vec<(SimTime, Packet)> {
    drain(|| source.next_send().map(|due| (due, source.send(due).unwrap())))
}

fn datagrams(source: &mut UdpCbrSource) -> Vec<(SimTime, Packet)> {
    drain(|| source.next_send().map(|due| (due, source.send(due).unwrap())))
}

/// The echo of a request packet, as the peer would answer it.
fn answer(source: &mut PingSource, now: SimTime, request: &Packet) -> Arrival {
    let view = Ipv4View::parse(&request.bytes).unwrap();
    let reply = parse_icmp(view.payload()).unwrap().reply();
    source.handle_reply(now, view.destination(), &parse_icmp(&reply).unwrap())
}

#[test]
fn a_ping_sends_its_count_at_its_interval() {
    let mut source = PingSource::new(ping_config(), at(1_000)).unwrap();
    assert_eq!(source.send(at(999)), None, "not due yet");
    let sent = pings(&mut source);
    assert_eq!(sent.iter().map(|(due, _)| due.as_nanos()).collect::<Vec<_>>(), [1_000, 1_100, 1_200]);
    assert!(sent.iter().all(|(due, packet)| packet.len() == 84 && packet.trail.now() == *due));
    assert_eq!((source.next_send(), source.send(at(9_999))), (None, None));
    assert_eq!(source.record().sent, Tally { packets: 3, bytes: 252 });
}

#[test]
fn a_ping_measures_round_trips_and_counts_losses() {
    let mut source = PingSource::new(ping_config(), at(0)).unwrap();
    let sent = pings(&mut source);
    assert_eq!(answer(&mut source, at(50), &sent[0].1), Arrival::New { delay: ns(50) });
    assert_eq!(answer(&mut source, at(270), &sent[2].1), Arrival::New { delay: ns(70) });
    let record = source.record();
    assert_eq!((record.received.packets, record.lost(), record.reordered), (2, 1, 0));
    assert_eq!((record.delay.min(), record.delay.max()), (Some(ns(50)), Some(ns(70))));
    assert_eq!((record.delay.mean(), record.delay.std_dev()), (Some(ns(60)), Some(ns(10))));
}

#[test]
fn late_and_repeated_replies_are_told_apart() {
    let mut source = PingSource::new(ping_config(), at(0)).unwrap();
    let sent = pings(&mut source);
    answer(&mut source, at(300), &sent[1].1);
    assert_eq!(answer(&mut source, at(310), &sent[0].1), Arrival::New { delay: ns(310) });
    assert_eq!(answer(&mut source, at(320), &sent[0].1), Arrival::Duplicate);
    let record = source.record();
    assert_eq!((record.received.packets, record.duplicates, record.reordered), (2, 1, 1));
}

#[test]
fn replies_that_answer_nothing_are_foreign() {
    let mut source = PingSource::new(ping_config(), at(0)).unwrap();
    let request = source.send(at(0)).unwrap();
    let message = request.bytes[20..].to_vec();
    let echo = parse_icmp(&message).unwrap();
    let reply = Echo { kind: crate::icmp::EchoKind::Reply, ..echo };
    let unsent = [0xff; 56];
    let cases = [
        (RIGHT, echo),
        (LEFT, reply),
        (RIGHT, Echo { ident: 8, ..reply }),
        (RIGHT, Echo { seq: 1, ..reply }),
        (RIGHT, Echo { payload: &echo.payload[..16], ..reply }),
        (RIGHT, Echo { payload: &unsent, seq: u16::MAX, ..reply }),
    ];
    for (from, echo) in cases {
        assert_eq!(source.handle_reply(at(10), from, &echo), Arrival::Foreign, "{from} {echo:?}");
    }
    assert_eq!(source.record().foreign, 6);
    assert_eq!(source.handle_reply(at(10), RIGHT, &reply), Arrival::New { delay: ns(10) });
}

#[test]
fn a_sink_books_what_its_source_sent() {
    let mut source = UdpCbrSource::new(udp_config(), at(0)).unwrap();
    let mut sink = UdpSink::new();
    for (n, (due, packet)) in datagrams(&mut source).into_iter().enumerate().filter(|&(n, _)| n != 1) {
        let delay = ns(100 + n as u64);
        let arrival = sink.receive(due + delay, &parse_udp(&packet.bytes).unwrap());
        assert_eq!(arrival, Arrival::New { delay });
    }
    let record = FlowRecord::join(source.record(), sink.record());
    assert_eq!(record.sent, Tally { packets: 4, bytes: 4_000 });
    assert_eq!(record.received, Tally { packets: 3, bytes: 3_000 });
    assert_eq!((record.lost(), record.delay.max()), (1, Some(ns(103))));
}

#[test]
fn a_sink_calls_datagrams_without_a_possible_stamp_foreign() {
    let mut sink = UdpSink::new();
    let (source, destination) = (udp_config().source, udp_config().destination);
    for payload in [&[0; 15][..], &[0xff; 16][..]] {
        let packet = crate::udp::build_udp(source, destination, payload, 64, true, 0);
        assert_eq!(sink.receive(at(5), &parse_udp(&packet).unwrap()), Arrival::Foreign);
    }
    assert_eq!(sink.record(), &FlowRecord { foreign: 2, ..FlowRecord::default() });
}

#[test]
fn a_rate_never_drifts() {
    // 8000 bits at 3 Gb/s are 2666 ⅔ ns: three packets take 8000 ns sharp.
    let pace = Pace::Rate(BitRate::new(3_000_000_000).unwrap());
    let mut source =
        UdpCbrSource::new(UdpCbrConfig { pace, count: Some(3_001), ..udp_config() }, at(0)).unwrap();
    let times: Vec<_> = datagrams(&mut source).into_iter().map(|(due, _)| due.as_nanos()).collect();
    assert_eq!(times[..4], [0, 2_666, 5_333, 8_000]);
    assert_eq!(times[3_000], 8_000_000);
}

#[test]
fn a_source_ends_with_representable_time() {
    let config = UdpCbrConfig { pace: Pace::Interval(SimDuration::MAX), count: None, ..udp_config() };
    let mut source = UdpCbrSource::new(config, at(1)).unwrap();
    assert!(source.send(at(1)).is_some());
    assert_eq!(source.next_send(), None);
}

#[test]
fn impossible_sources_are_refused() {
    let refused =
        |payload_len| PingSource::new(PingConfig { payload_len, ..ping_config() }, at(0)).unwrap_err();
    let (min, max) = (16, 65_507);
    assert_eq!(refused(15), TrafficError::PayloadLen { payload_len: 15, min, max });
    assert_eq!(refused(65_508), TrafficError::PayloadLen { payload_len: 65_508, min, max });
    let endless = UdpCbrConfig { pace: Pace::Interval(SimDuration::ZERO), count: None, ..udp_config() };
    assert_eq!(UdpCbrSource::new(endless, at(0)).unwrap_err(), TrafficError::EndlessBurst);
    let burst = UdpCbrConfig { count: Some(4), ..endless };
    assert_eq!(datagrams(&mut UdpCbrSource::new(burst, at(0)).unwrap()).len(), 4);
}
