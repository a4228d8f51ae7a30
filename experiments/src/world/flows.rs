//! Traffic: the applications of each flow.

use core::net::SocketAddrV4;

use ipseclab_net::{Pace, PingConfig, PingSource, UdpCbrConfig, UdpCbrSource, UdpSink};
use ipseclab_node::{App, Node};
use ipseclab_sim::{SimDuration, Simulation};

use super::{FlowApps, process};
use crate::scenario::{CheckedScenario, Flow, FlowKind};

/// UDP flows go to this port and the ones above it, one each, so that a sink knows its source.
const FIRST_UDP_PORT: u16 = 5001;
/// The TTL of application packets.
const TTL: u8 = 64;

/// Adds the applications of all flows.
pub(super) fn add(scenario: &CheckedScenario, simulation: &mut Simulation<Node>) -> Vec<FlowApps> {
    (0_u16..).zip(&scenario.traffic).map(|(number, flow)| add_flow(flow, number, simulation)).collect()
}

fn add_flow(flow: &Flow, number: u16, simulation: &mut Simulation<Node>) -> FlowApps {
    let (from, to) = (process(flow.from), process(flow.to));
    let (source, sink) = match flow.kind {
        FlowKind::Ping => (App::Ping(Box::new(ping(flow, number))), None),
        FlowKind::Udp => {
            let port = FIRST_UDP_PORT.wrapping_add(number);
            let sink = App::UdpSink { port, sink: Box::new(UdpSink::new()) };
            (App::UdpSource(Box::new(udp(flow, port))), Some(sink))
        }
    };
    let mut add = |at, app| {
        let id = simulation.process_mut(at).add_app(app).expect("both ends of a flow are hosts");
        (at, id)
    };
    FlowApps { source: add(from, source), sink: sink.map(|sink| add(to, sink)) }
}

fn ping(flow: &Flow, number: u16) -> PingSource {
    let config = PingConfig {
        source: flow.source,
        destination: flow.destination,
        ident: number,
        payload_len: flow.payload_octets as usize,
        pace: Pace::Interval(flow.interval),
        count: Some(count(flow)),
        ttl: TTL,
    };
    PingSource::new(config, flow.start).expect("a checked flow has a possible payload and interval")
}

fn udp(flow: &Flow, port: u16) -> UdpCbrSource {
    let config = UdpCbrConfig {
        source: SocketAddrV4::new(flow.source, port),
        destination: SocketAddrV4::new(flow.destination, port),
        payload_len: flow.payload_octets as usize,
        pace: Pace::Interval(flow.interval),
        count: Some(count(flow)),
        ttl: TTL,
        dont_fragment: false,
    };
    UdpCbrSource::new(config, flow.start).expect("a checked flow has a possible payload and interval")
}

/// Packets that leave before the flow stops.
fn count(flow: &Flow) -> u64 {
    let last_start = flow.stop.since(flow.start);
    let fitting = packets_before(last_start, flow.interval);
    flow.count.map_or(fitting, |count| count.min(fitting))
}

/// How many multiples of `interval`, from 0 on, lie before `span`.
fn packets_before(span: SimDuration, interval: SimDuration) -> u64 {
    span.as_nanos().div_ceil(interval.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_itself_sends_no_more() {
        let nanos = SimDuration::from_nanos;
        assert_eq!(packets_before(nanos(10), nanos(5)), 2);
        assert_eq!(packets_before(nanos(11), nanos(5)), 3);
        assert_eq!(packets_before(nanos(1), nanos(5)), 1);
    }
}
