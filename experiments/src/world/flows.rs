//! Traffic: the applications of each flow.

use core::net::SocketAddr;

use ipseclab_net::{
    FlowId, Pace, Pareto, PingConfig, PingSource, RequestConfig, RequestSource, Responder, Sizes, TcpConfig,
    TcpReceiver, TcpSender, UdpConfig, UdpSink, UdpSource, UdpStreams,
};
use ipseclab_node::{App, Node};
use ipseclab_sim::{ModelRng, RunSeed, SimDuration, Simulation, StreamLabel};

use super::{FlowApps, process};
use crate::scenario::{CheckedScenario, Flow, FlowKind, FlowPace, defaults};

/// The TTL of application packets.
const TTL: u8 = 64;

/// One flow of the scenario: its place, and the seed that its streams come from.
struct Plan<'a> {
    flow: &'a Flow,
    number: u32,
    seed: RunSeed,
    /// The MTU of the interface of a TCP sender and receiver.
    mtu: (u16, u16),
}

/// Adds the applications of all flows.
pub(super) fn add(scenario: &CheckedScenario, simulation: &mut Simulation<Node>) -> Vec<FlowApps> {
    let seed = RunSeed::new(scenario.seed);
    let plan = |(number, flow): (u32, &'_ Flow)| {
        let mtu = |node| least_mtu(simulation, node);
        let mtu = (mtu(flow.from), mtu(flow.to));
        let (source, sink) = Plan { flow, number, seed, mtu }.apps();
        let mut add = |node, app| {
            let at = process(node);
            let id = simulation.process_mut(at).add_flow_app(app, FlowId::at(number as usize));
            let id = id.expect("both ends of a flow are hosts");
            (at, id)
        };
        FlowApps { source: add(flow.from, source), sink: sink.map(|sink| add(flow.to, sink)) }
    };
    (0..).zip(&scenario.traffic).map(plan).collect()
}

/// The MTU of what a host's own packets leave by: the smallest of its links.
fn least_mtu(simulation: &Simulation<Node>, node: ipseclab_topologies::NodeIndex) -> u16 {
    let ports = simulation.process(process(node)).ports();
    ports.iter().map(|port| port.link.config().mtu.octets()).min().unwrap_or(u16::MAX)
}

impl Plan<'_> {
    /// The application that sends, and the one at the other end where there must be one.
    fn apps(&self) -> (App, Option<App>) {
        let port = self.flow.port;
        match self.flow.kind {
            FlowKind::Ping => (App::Ping(Box::new(self.ping())), None),
            FlowKind::Udp | FlowKind::Imix => {
                let sink = App::UdpSink { port, sink: Box::new(UdpSink::new()) };
                (App::UdpSource(Box::new(self.udp())), Some(sink))
            }
            FlowKind::Request { response_octets } => {
                let responder = Responder::new(response_octets as usize, TTL);
                let responder = Box::new(responder.expect("a checked response has a possible length"));
                (App::Request(Box::new(self.request())), Some(App::Responder { port, responder }))
            }
            FlowKind::Tcp { volume, window } => {
                let (near, far) = self.tcp(window);
                let (start, stop) = (self.flow.start, Some(self.flow.stop));
                let sender = TcpSender::new(near, start, stop, volume);
                (App::TcpSender(Box::new(sender)), Some(App::TcpReceiver(Box::new(TcpReceiver::new(far)))))
            }
        }
    }

    fn ends(&self) -> (SocketAddr, SocketAddr) {
        let port = self.flow.port;
        (SocketAddr::new(self.flow.source, port), SocketAddr::new(self.flow.destination, port))
    }

    /// The stream of this flow for a purpose.
    fn stream(&self, purpose: &str) -> ModelRng {
        ModelRng::new(self.seed, StreamLabel::new(self.number, purpose))
    }

    fn pace(&self) -> Pace {
        match self.flow.pace {
            FlowPace::Constant => Pace::Interval(self.flow.interval),
            FlowPace::Poisson => Pace::Poisson(self.flow.interval),
            FlowPace::OnOff { on, off, shape_thousandths } => {
                let pareto = |mean| Pareto::new(mean, shape_thousandths).expect("a checked shape is above 1");
                Pace::OnOff { interval: self.flow.interval, on: pareto(on), off: pareto(off) }
            }
        }
    }

    fn pace_stream(&self) -> Option<ModelRng> {
        self.pace().is_random().then(|| self.stream("traffic pace"))
    }

    /// Packets that leave before the flow stops; where chance decides, what the scenario allows.
    fn count(&self) -> Option<u64> {
        if self.pace().is_random() {
            return self.flow.count;
        }
        let fitting = packets_before(self.flow.stop.since(self.flow.start), self.flow.interval);
        Some(self.flow.count.map_or(fitting, |count| count.min(fitting)))
    }

    fn ping(&self) -> PingSource {
        let config = PingConfig {
            source: self.flow.source,
            destination: self.flow.destination,
            ident: self.flow.port.wrapping_sub(defaults::FIRST_PORT),
            payload_len: self.flow.payload_octets as usize,
            pace: self.pace(),
            count: self.count(),
            until: Some(self.flow.stop),
            ttl: TTL,
        };
        PingSource::new(config, self.flow.start, self.pace_stream())
            .expect("a checked flow has a possible payload and interval")
    }

    fn udp(&self) -> UdpSource {
        let (source, destination) = self.ends();
        let config = UdpConfig {
            source,
            destination,
            sizes: match self.flow.kind {
                FlowKind::Imix => Sizes::Imix,
                _ => Sizes::Payload(self.flow.payload_octets as usize),
            },
            pace: self.pace(),
            count: self.count(),
            until: Some(self.flow.stop),
            ttl: TTL,
            dont_fragment: false,
        };
        let sizes = config.sizes.is_random().then(|| self.stream("traffic sizes"));
        let streams = UdpStreams { pace: self.pace_stream(), sizes };
        UdpSource::new(config, self.flow.start, streams)
            .expect("a checked flow has a possible payload and interval")
    }

    fn request(&self) -> RequestSource {
        let (source, destination) = self.ends();
        let config = RequestConfig {
            source,
            destination,
            request_len: self.flow.payload_octets as usize,
            pace: self.pace(),
            count: self.count(),
            until: Some(self.flow.stop),
            ttl: TTL,
        };
        RequestSource::new(config, self.flow.start, self.pace_stream())
            .expect("a checked flow has a possible payload and interval")
    }

    fn tcp(&self, buffer: usize) -> (TcpConfig, TcpConfig) {
        let (local, remote) = self.ends();
        let mut seeds = self.stream("traffic tcp");
        let near = TcpConfig { local, remote, mtu: self.mtu.0, buffer, ttl: TTL, seed: seeds.next_u64() };
        let far = TcpConfig {
            local: SocketAddr::new(self.flow.destination_inside, self.flow.port),
            remote: SocketAddr::new(self.flow.source_seen, self.flow.port),
            mtu: self.mtu.1,
            seed: seeds.next_u64(),
            ..near
        };
        (near, far)
    }
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
