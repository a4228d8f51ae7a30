//! Claims about sources and sinks.

use core::net::{IpAddr, SocketAddr};

use ipseclab_sim::{SimDuration, SimTime};

use super::*;
use crate::address::Ipv4Addr;
use crate::icmp::{Echo, EchoKind, IcmpMessage, parse_icmp};
use crate::ip::IpView;
use crate::link::BitRate;
use crate::packet::Packet;
use crate::udp::parse_udp;

const LEFT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
const RIGHT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1));

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
        until: None,
        ttl: 64,
    }
}

fn udp_config() -> UdpConfig {
    UdpConfig {
        source: SocketAddr::new(LEFT, 5_000),
        destination: SocketAddr::new(RIGHT, 6_000),
        sizes: Sizes::Payload(972),
        pace: Pace::Interval(ns(10)),
        count: Some(4),
        until: None,
        ttl: 64,
        dont_fragment: true,
    }
}

fn udp_source(config: UdpConfig) -> Result<UdpSource, TrafficError> {
    UdpSource::new(config, at(0), UdpStreams::default())
}

/// Sends everything at its time; returns times and packets.
fn drain(mut next: impl FnMut() -> Option<(SimTime, Packet)>) -> Vec<(SimTime, Packet)> {
    std::iter::from_fn(&mut next).collect()
}

fn pings(source: &mut PingSource) -> Vec<(SimTime, Packet)> {
    drain(|| source.next_send().map(|due| (due, source.send(due).unwrap())))
}

fn datagrams(source: &mut UdpSource) -> Vec<(SimTime, Packet)> {
    drain(|| source.next_send().map(|due| (due, source.send(due).unwrap())))
}

/// The echo of a request packet, as the peer would answer it.
fn answer(source: &mut PingSource, now: SimTime, request: &Packet) -> Arrival {
    let echo = Echo { kind: EchoKind::Reply, ..echo_in(&request.bytes) };
    source.handle_reply(now, source.config().destination, &echo)
}

fn echo_in(packet: &[u8]) -> Echo<'_> {
    match parse_icmp(&IpView::parse(packet).unwrap()).unwrap() {
        IcmpMessage::Echo(echo) => echo,
        error @ IcmpMessage::Error { .. } => panic!("{error:?}"),
    }
}

#[test]
fn a_ping_sends_its_count_at_its_interval() {
    let mut source = PingSource::new(ping_config(), at(1_000), None).unwrap();
    assert_eq!(source.send(at(999)), None, "not due yet");
    let sent = pings(&mut source);
    assert_eq!(sent.iter().map(|(due, _)| due.as_nanos()).collect::<Vec<_>>(), [1_000, 1_100, 1_200]);
    assert!(sent.iter().all(|(due, packet)| packet.len() == 84 && packet.trail.now() == *due));
    assert_eq!((source.next_send(), source.send(at(9_999))), (None, None));
    assert_eq!(source.record().sent, Tally { packets: 3, bytes: 252, frame_bytes: 252 + 3 * 18 });
}

#[test]
fn a_ping_measures_round_trips_and_counts_losses() {
    let mut source = PingSource::new(ping_config(), at(0), None).unwrap();
    let sent = pings(&mut source);
    assert_eq!(answer(&mut source, at(50), &sent[0].1), Arrival::New { delay: ns(50) });
    assert_eq!(answer(&mut source, at(270), &sent[2].1), Arrival::New { delay: ns(70) });
    let record = source.record();
    assert_eq!((record.received.packets, record.lost(), record.reordered), (2, 1, 0));
    assert_eq!((record.delay.min(), record.delay.max()), (Some(ns(50)), Some(ns(70))));
    assert_eq!((record.delay.mean(), record.delay.std_dev()), (Some(ns(60)), Some(ns(10))));
}

#[test]
fn sources_send_over_ipv6_as_well() {
    let (left, right): (IpAddr, IpAddr) =
        ("2001:db8:1::1".parse().unwrap(), "2001:db8:2::1".parse().unwrap());
    let config = PingConfig { source: left, destination: right, ..ping_config() };
    let mut source = PingSource::new(config, at(0), None).unwrap();
    let sent = pings(&mut source);
    assert!(sent.iter().all(|(_, packet)| packet.len() == 40 + 8 + 56));
    assert_eq!(answer(&mut source, at(50), &sent[0].1), Arrival::New { delay: ns(50) });
    assert_eq!(source.record().received, Tally { packets: 1, bytes: 104, frame_bytes: 122 });
    let config = UdpConfig {
        source: SocketAddr::new(left, 5_000),
        destination: SocketAddr::new(right, 6_000),
        ..udp_config()
    };
    let (due, packet) = datagrams(&mut udp_source(config).unwrap()).remove(0);
    let mut sink = UdpSink::new();
    let arrival = sink.receive(due + ns(9), &parse_udp(&packet.bytes).unwrap());
    assert_eq!((arrival, sink.record().received.bytes), (Arrival::New { delay: ns(9) }, 1_020));
}

#[test]
fn late_and_repeated_replies_are_told_apart() {
    let mut source = PingSource::new(ping_config(), at(0), None).unwrap();
    let sent = pings(&mut source);
    answer(&mut source, at(300), &sent[1].1);
    assert_eq!(answer(&mut source, at(310), &sent[0].1), Arrival::New { delay: ns(310) });
    assert_eq!(answer(&mut source, at(320), &sent[0].1), Arrival::Duplicate);
    let record = source.record();
    assert_eq!((record.received.packets, record.duplicates, record.reordered), (2, 1, 1));
}

#[test]
fn replies_that_answer_nothing_are_foreign() {
    let mut source = PingSource::new(ping_config(), at(0), None).unwrap();
    let request = source.send(at(0)).unwrap();
    let echo = echo_in(&request.bytes);
    let reply = Echo { kind: EchoKind::Reply, ..echo };
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
    let mut source = udp_source(udp_config()).unwrap();
    let mut sink = UdpSink::new();
    for (n, (due, packet)) in datagrams(&mut source).into_iter().enumerate().filter(|&(n, _)| n != 1) {
        let delay = ns(100 + n as u64);
        let arrival = sink.receive(due + delay, &parse_udp(&packet.bytes).unwrap());
        assert_eq!(arrival, Arrival::New { delay });
    }
    let record = FlowRecord::join(source.record(), sink.record());
    assert_eq!(record.sent, Tally { packets: 4, bytes: 4_000, frame_bytes: 4_072 });
    assert_eq!(record.received, Tally { packets: 3, bytes: 3_000, frame_bytes: 3_054 });
    assert_eq!((record.lost(), record.delay.max()), (1, Some(ns(103))));
}

#[test]
fn a_sink_calls_datagrams_without_a_possible_stamp_foreign() {
    let mut sink = UdpSink::new();
    let (source, destination) = (udp_config().source, udp_config().destination);
    for payload in [&[0; 11][..], &[0xff; 16][..]] {
        let packet = crate::udp::build_udp(source, destination, payload, 64, true, 0);
        assert_eq!(sink.receive(at(5), &parse_udp(&packet).unwrap()), Arrival::Foreign);
    }
    assert_eq!(sink.record(), &FlowRecord { foreign: 2, ..FlowRecord::default() });
}

#[test]
fn a_rate_never_drifts() {
    // 8000 bits at 3 Gb/s are 2666 ⅔ ns: three packets take 8000 ns sharp.
    let pace = Pace::Rate(BitRate::new(3_000_000_000).unwrap());
    let mut source = udp_source(UdpConfig { pace, count: Some(3_001), ..udp_config() }).unwrap();
    let times: Vec<_> = datagrams(&mut source).into_iter().map(|(due, _)| due.as_nanos()).collect();
    assert_eq!(times[..4], [0, 2_666, 5_333, 8_000]);
    assert_eq!(times[3_000], 8_000_000);
}

#[test]
fn a_source_ends_with_representable_time() {
    let config = UdpConfig { pace: Pace::Interval(SimDuration::MAX), count: None, ..udp_config() };
    let mut source = UdpSource::new(config, at(1), UdpStreams::default()).unwrap();
    assert!(source.send(at(1)).is_some());
    assert_eq!(source.next_send(), None);
}

#[test]
fn impossible_sources_are_refused() {
    let refused =
        |payload_len| PingSource::new(PingConfig { payload_len, ..ping_config() }, at(0), None).unwrap_err();
    let (min, max) = (16, 65_507);
    assert_eq!(refused(15), TrafficError::PayloadLen { payload_len: 15, min, max });
    assert_eq!(refused(65_508), TrafficError::PayloadLen { payload_len: 65_508, min, max });
    let endless = UdpConfig { pace: Pace::Interval(SimDuration::ZERO), count: None, ..udp_config() };
    assert_eq!(udp_source(endless).unwrap_err(), TrafficError::EndlessBurst);
    let burst = UdpConfig { count: Some(4), ..endless };
    assert_eq!(datagrams(&mut udp_source(burst).unwrap()).len(), 4);
}

#[test]
fn a_mix_needs_randomness_and_keeps_to_its_lengths() {
    let config = UdpConfig { sizes: Sizes::Imix, count: Some(1_000), ..udp_config() };
    assert_eq!(udp_source(config).unwrap_err(), TrafficError::NoRandomness);
    let rng =
        ipseclab_sim::ModelRng::new(ipseclab_sim::RunSeed::new(1), ipseclab_sim::StreamLabel::new(0, "mix"));
    let streams = UdpStreams { pace: None, sizes: Some(rng) };
    let mut source = UdpSource::new(config, at(0), streams).unwrap();
    let mut sink = UdpSink::new();
    for (due, packet) in datagrams(&mut source) {
        assert!([40, 576, 1500].contains(&packet.len()));
        let arrival = sink.receive(due + ns(7), &parse_udp(&packet.bytes).unwrap());
        assert_eq!(arrival, Arrival::New { delay: ns(7) });
    }
    assert_eq!(sink.record().delays.quantile(990_000), Some(ns(7)));
}

#[test]
fn a_response_answers_its_request() {
    let config = RequestConfig {
        source: udp_config().source,
        destination: udp_config().destination,
        request_len: 100,
        pace: Pace::Interval(ns(100)),
        count: Some(3),
        until: None,
        ttl: 64,
    };
    let mut client = RequestSource::new(config, at(0), None).unwrap();
    let mut server = Responder::new(3000, 64).unwrap();
    let requests = drain(|| client.next_send().map(|due| (due, client.send(due).unwrap())));
    for (due, request) in &requests[1..] {
        let response = server.answer(*due, &parse_udp(&request.bytes).unwrap()).unwrap();
        let datagram = parse_udp(&response.bytes).unwrap();
        assert_eq!(client.handle_response(*due + ns(30), &datagram), Arrival::New { delay: ns(30) });
        assert_eq!(client.handle_response(*due + ns(40), &datagram), Arrival::Duplicate);
    }
    let record = client.record();
    assert_eq!((record.sent.packets, record.received.packets, record.received_payload), (3, 2, 6_000));
    assert_eq!(server.answered(), 2);
}

#[test]
fn jitter_is_the_change_of_delay_from_packet_to_packet() {
    let mut source = udp_source(udp_config()).unwrap();
    let mut sink = UdpSink::new();
    for ((due, packet), delay) in datagrams(&mut source).into_iter().zip([100, 109, 103, 103]) {
        sink.receive(due + ns(delay), &parse_udp(&packet.bytes).unwrap());
    }
    let jitter = &sink.record().jitter;
    assert_eq!((jitter.quantile(0), jitter.quantile(1_000_000)), (Some(ns(0)), Some(ns(9))));
}
