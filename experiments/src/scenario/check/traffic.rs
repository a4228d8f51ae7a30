//! `[[traffic]]`: patterns expanded into flows, with addresses, intervals and times.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipseclab_ipsec::udp_encap::{IKE_PORT, NAT_TRAVERSAL_PORT};
use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::NodeIndex;

use super::connections::own_address;
use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::addresses::Addresses;
use crate::scenario::checked::{Connection, Flow, FlowKind, FlowPace, NodeSettings};
use crate::scenario::defaults;
use crate::scenario::file::{Distribution, Mode, TrafficFile, TrafficKind};
use crate::scenario::value::{Address, Duration, Factor, Size};

/// IPv4 and UDP or ICMP echo headers (RFC 791 §3.1, RFC 768, RFC 792): 20 + 8 octets.
const HEADER_OCTETS: u64 = 28;
/// The mean length of the simple Internet mix, rounded: (7 × 40 + 4 × 576 + 1500) / 12.
const IMIX_MEAN_OCTETS: u64 = 340;
/// The Total Length of IPv4 has 16 bits.
const MAX_PAYLOAD_OCTETS: u64 = 65_535 - HEADER_OCTETS;

/// Windows of TCP in octets: a segment of any path, and what window scaling reaches (RFC 7323 §2.3).
const TCP_WINDOWS: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;

/// What the flows of one entry share.
struct Pace {
    kind: FlowKind,
    gaps: FlowPace,
    interval: SimDuration,
    payload_octets: u32,
    start: SimTime,
    stop: SimTime,
    stagger: SimDuration,
}

/// One end of a flow: the keys that speak of it.
#[derive(Clone, Copy)]
struct End {
    node_key: &'static str,
    address_key: &'static str,
    /// Whether the other end knows the node itself by the address of its NAT.
    is_nat: bool,
}

const FROM: End = End { node_key: "from", address_key: "source", is_nat: false };
const TO: End = End { node_key: "to", address_key: "destination", is_nat: false };

impl Checker<'_> {
    /// Every flow, one entry for each pair of nodes.
    pub(super) fn traffic(
        &mut self,
        ground: &Ground,
        nodes: &[NodeSettings],
        connections: &[Connection],
        duration: SimDuration,
    ) -> Vec<Flow> {
        let file = self.file;
        let hosts = hosts_of(nodes, connections);
        let mut all = Vec::new();
        for (entry, traffic) in file.traffic.iter().enumerate() {
            let path = KeyPath::root().key("traffic").index(entry);
            let pairs = self.flow_pairs(ground, traffic, &path);
            let Some(pace) = self.pace(traffic, duration, &path) else { continue };
            if all.len() + pairs.len() > defaults::MAX_FLOWS {
                self.too_many(&path, "flows", defaults::MAX_FLOWS);
                break;
            }
            for (position, (from, to)) in (0_u64..).zip(pairs) {
                let pair = (&nodes[from.index()], &nodes[to.index()]);
                let ends = self.ends(traffic, pair, &hosts, &path);
                let start = self.staggered(&pace, position, &path);
                let (Some((source, destination)), Some(start)) = (ends, start) else { continue };
                if source.is_unspecified() && matches!(pace.kind, FlowKind::Tcp { .. }) {
                    let finding =
                        Finding::new(format!("a connection of `{path}` has no address to begin from"))
                            .help("give `source`: TCP cannot wait for a virtual address");
                    self.blame(&path.key("from"), "its address comes with the tunnel", finding);
                    continue;
                }
                let interval = match (traffic.rate, source) {
                    // The headers of IPv6 are 20 octets longer.
                    (Some(rate), IpAddr::V6(_)) if pace.kind != FlowKind::Imix => {
                        let octets = u64::from(pace.payload_octets) + HEADER_OCTETS + 20;
                        spacing(octets, rate.bits_per_second()).max(SimDuration::from_nanos(1))
                    }
                    _ => pace.interval,
                };
                let number = all.len() as u64;
                let Some(port) = self.port(traffic, (number, position), &path) else { continue };
                let (source_seen, destination_inside) = hosts.beyond_nats(pair, (source, destination));
                all.push(Flow {
                    entry,
                    from,
                    to,
                    source,
                    destination,
                    source_seen,
                    destination_inside,
                    kind: pace.kind,
                    pace: pace.gaps,
                    interval,
                    payload_octets: pace.payload_octets,
                    start,
                    stop: pace.stop,
                    count: traffic.count,
                    port,
                });
            }
        }
        self.check_ports(ground, &all);
        all
    }

    /// The port of a flow, which is the one of this number, and of this position among those of its entry.
    fn port(&mut self, file: &TrafficFile, (number, position): (u64, u64), path: &KeyPath) -> Option<u16> {
        let Some(first) = file.port else {
            // 65 536 flows on, ports come again.
            let low = u16::try_from(number & 0xffff).unwrap_or_default();
            return Some(defaults::FIRST_PORT.wrapping_add(low));
        };
        let port = u16::try_from(u64::from(first) + position).ok();
        if port.is_none() {
            let finding = Finding::new(format!("`{path}` has more pairs of nodes than ports above {first}"));
            self.blame(&path.key("port"), "each pair has a port of its own", finding);
        }
        if let Some(port @ (IKE_PORT | NAT_TRAVERSAL_PORT)) = port {
            let finding = Finding::new(format!("port {port} is that of IKE"));
            self.blame(&path.key("port"), "taken at every node", finding);
        }
        port
    }

    /// Two flows at one node cannot have the same port where the scenario chose it: applications are told apart by it.
    fn check_ports(&mut self, ground: &Ground, flows: &[Flow]) {
        let mut taken: BTreeMap<(NodeIndex, u16), usize> = BTreeMap::new();
        let with_ports = flows.iter().filter(|flow| flow.kind != FlowKind::Ping);
        for flow in with_ports {
            for node in [flow.from, flow.to] {
                let Some(earlier) = taken.insert((node, flow.port), flow.entry) else { continue };
                let chosen = [flow.entry, earlier].map(|entry| self.file.traffic[entry].port.map(|_| entry));
                let Some(entry) = chosen.into_iter().flatten().next() else { continue };
                let finding =
                    Finding::new(format!("two flows have the port {} at `{}`", flow.port, ground.name(node)));
                let path = KeyPath::root().key("traffic").index(entry).key("port");
                self.blame(&path, "applications are told apart by it", finding);
                return;
            }
        }
    }

    /// Every packet takes more than one event, so flows of more packets than events cannot end well.
    pub(super) fn check_amount(&mut self, flows: &[Flow]) {
        let limit = self.limits().events;
        let mut by_entry: BTreeMap<usize, u128> = BTreeMap::new();
        for flow in flows {
            *by_entry.entry(flow.entry).or_default() += u128::from(packets(flow));
        }
        // A transfer has no pace: its packets come as its acknowledgements do, and the event limit ends what is too much.
        by_entry.retain(|entry, _| self.file.traffic[*entry].kind != TrafficKind::Tcp);
        let total: u128 = by_entry.values().sum();
        let most = by_entry.into_iter().max_by_key(|(entry, packets)| (*packets, std::cmp::Reverse(*entry)));
        let Some((entry, packets)) = most.filter(|_| total > u128::from(limit)) else { return };
        let key = if self.file.traffic[entry].rate.is_some() { "rate" } else { "interval" };
        let path = KeyPath::root().key("traffic").index(entry).key(key);
        let finding = Finding::new(format!(
            "traffic of about {total} packets cannot end within `limits.events`, {limit}"
        ))
        .help("send less often, or end it by `stop`, `count` or `duration`")
        .help("or raise `limits.events`; a packet takes several events");
        self.blame(&path, format!("{packets} of them"), finding);
    }

    fn flow_pairs(
        &mut self,
        ground: &Ground,
        file: &TrafficFile,
        path: &KeyPath,
    ) -> Vec<(NodeIndex, NodeIndex)> {
        let from = self.resolve(ground, &file.from, &path.key("from"));
        let to = self.resolve(ground, &file.to, &path.key("to"));
        let all = from.iter().flat_map(|&from| to.iter().map(move |&to| (from, to)));
        let pairs: Vec<_> = all.filter(|(from, to)| from != to).take(defaults::MAX_FLOWS + 1).collect();
        if pairs.is_empty() && !from.is_empty() && !to.is_empty() {
            let finding = Finding::new(format!("`{path}` leads from a node to itself"));
            self.blame(&path.key("to"), "the same node as `from`", finding);
        }
        if let Some(&(from, to)) = pairs.iter().find(|(from, to)| !ground.connected(*from, *to)) {
            let (from, to) = (ground.name(from), ground.name(to));
            let finding = Finding::new(format!("`{from}` cannot reach `{to}`"))
                .help("the topology is in several parts; traffic needs a path of links");
            self.blame(&path.key("to"), "no path leads there", finding);
        }
        pairs
    }

    fn pace(&mut self, file: &TrafficFile, duration: SimDuration, path: &KeyPath) -> Option<Pace> {
        self.check_kind(file, path);
        let payload_octets = self.payload(file, path);
        let distribution = self.distribution(file, path);
        let interval = self.interval(file, payload_octets?.into(), path);
        let window = self.window(file, duration, path);
        let (start, stop) = window?;
        let response = file.response.map_or(defaults::RESPONSE_OCTETS, Size::octets);
        Some(Pace {
            kind: match file.kind {
                TrafficKind::Ping => FlowKind::Ping,
                TrafficKind::Udp if file.mix.is_some() => FlowKind::Imix,
                TrafficKind::Udp => FlowKind::Udp,
                TrafficKind::Request => {
                    FlowKind::Request { response_octets: self.octets(response, "response", path)? }
                }
                TrafficKind::Tcp => FlowKind::Tcp {
                    volume: file.size.map(Size::octets),
                    window: self.tcp_window(file, path)?,
                },
            },
            gaps: distribution?,
            interval: interval?,
            payload_octets: payload_octets?,
            start,
            stop,
            stagger: file.stagger.map_or(SimDuration::ZERO, Duration::span),
        })
    }

    /// Keys that say nothing about this kind of traffic.
    fn check_kind(&mut self, file: &TrafficFile, path: &KeyPath) {
        use TrafficKind::{Ping, Request, Tcp, Udp};
        let on_off = file.distribution == Some(Distribution::OnOff);
        let keys: [(&str, bool, bool, &str); 11] = [
            ("window", file.window.is_some(), file.kind == Tcp, "tcp"),
            ("port", file.port.is_some(), file.kind != Ping, "udp, request and tcp"),
            ("rate", file.rate.is_some(), matches!(file.kind, Udp | Request), "udp and request"),
            ("interval", file.interval.is_some(), file.kind != Tcp, "ping, udp and request"),
            ("count", file.count.is_some(), file.kind != Tcp, "ping, udp and request"),
            (
                "distribution",
                file.distribution.is_some(),
                matches!(file.kind, Ping | Udp | Request),
                "ping, udp and request",
            ),
            ("mix", file.mix.is_some(), file.kind == Udp, "udp"),
            ("response", file.response.is_some(), file.kind == Request, "request"),
            ("on", file.on.is_some(), on_off, "distribution = \"on-off\""),
            ("off", file.off.is_some(), on_off, "distribution = \"on-off\""),
            ("shape", file.shape.is_some(), on_off, "distribution = \"on-off\""),
        ];
        for (key, given, belongs, owner) in keys {
            if given && !belongs {
                let finding = Finding::new(format!("`{path}.{key}` means nothing here"));
                self.blame(&path.key(key), format!("only for {owner}"), finding);
            }
        }
        if file.mix.is_some() && file.size.is_some() {
            let finding = Finding::new(format!("`{path}` has both `size` and `mix`"));
            self.blame(&path.key("size"), "one of them is enough", finding);
        }
    }

    fn distribution(&mut self, file: &TrafficFile, path: &KeyPath) -> Option<FlowPace> {
        match file.distribution {
            None | Some(Distribution::Constant) => Some(FlowPace::Constant),
            Some(Distribution::Poisson) => Some(FlowPace::Poisson),
            Some(Distribution::OnOff) => {
                let on = self.period(file.on, "on", path);
                let off = self.period(file.off, "off", path);
                let shape_thousandths = file.shape.map_or(defaults::SHAPE_THOUSANDTHS, Factor::thousandths);
                if shape_thousandths <= 1000 {
                    let finding = Finding::new(format!("`{path}.shape` must be above 1"));
                    self.blame(&path.key("shape"), "such periods have no mean", finding);
                    return None;
                }
                Some(FlowPace::OnOff { on: on?, off: off?, shape_thousandths })
            }
        }
    }

    /// A mean length of periods.
    fn period(&mut self, given: Option<Duration>, key: &str, path: &KeyPath) -> Option<SimDuration> {
        let span = given.map(Duration::span);
        if span.is_none() {
            let finding =
                Finding::new(format!("`{path}` lacks `{key}`")).help(format!("such as {key} = \"100ms\""));
            self.blame(&path.key("distribution"), "how long are its periods?", finding);
        }
        self.check_positive(given, &path.key(key));
        span.filter(|span| *span > SimDuration::ZERO)
    }

    fn payload(&mut self, file: &TrafficFile, path: &KeyPath) -> Option<u32> {
        let default = match file.kind {
            TrafficKind::Ping => defaults::PING_PAYLOAD_OCTETS,
            TrafficKind::Udp => defaults::UDP_PAYLOAD_OCTETS,
            TrafficKind::Request => defaults::REQUEST_PAYLOAD_OCTETS,
            // Its `size` is what is transferred in all.
            TrafficKind::Tcp => return Some(0),
        };
        self.octets(file.size.map_or(default, Size::octets), "size", path)
    }

    /// A length of payload that a packet can have.
    fn octets(&mut self, octets: u64, key: &str, path: &KeyPath) -> Option<u32> {
        if octets > MAX_PAYLOAD_OCTETS {
            let finding = Finding::new(format!("`{path}.{key}` must be at most {MAX_PAYLOAD_OCTETS}B"));
            self.blame(&path.key(key), "more than an IPv4 packet can carry", finding);
        }
        u32::try_from(octets).ok().filter(|_| octets <= MAX_PAYLOAD_OCTETS)
    }

    fn tcp_window(&mut self, file: &TrafficFile, path: &KeyPath) -> Option<usize> {
        let Some(window) = file.window.map(Size::octets) else { return Some(defaults::TCP_BUFFER_OCTETS) };
        if !TCP_WINDOWS.contains(&window) {
            let finding = Finding::new(format!("`{path}.window` must be from 1KiB to 1GiB"))
                .help("a transfer over a path needs its rate times its round-trip time");
            let label =
                if window < *TCP_WINDOWS.start() { "less than a segment" } else { "no TCP has so much" };
            self.blame(&path.key("window"), label, finding);
        }
        usize::try_from(window).ok().filter(|_| TCP_WINDOWS.contains(&window))
    }

    fn interval(&mut self, file: &TrafficFile, payload: u64, path: &KeyPath) -> Option<SimDuration> {
        let (key, interval) = match (file.kind, file.interval, file.rate) {
            // A transfer has no pace.
            (TrafficKind::Tcp, ..) => return Some(SimDuration::from_nanos(1)),
            // Reported already.
            (TrafficKind::Ping, _, Some(_)) => return None,
            (TrafficKind::Ping, None, None) => ("interval", defaults::PING_INTERVAL),
            (_, Some(interval), None) => ("interval", interval.span()),
            (_, None, Some(rate)) => {
                let len = if file.mix.is_some() { IMIX_MEAN_OCTETS } else { payload + HEADER_OCTETS };
                ("rate", spacing(len, rate.bits_per_second()))
            }
            (_, Some(_), Some(_)) => {
                let finding = Finding::new(format!("`{path}` has both `interval` and `rate`"));
                self.blame(&path.key("rate"), "one of them is enough", finding);
                return None;
            }
            (_, None, None) => {
                let finding = Finding::new(format!("`{path}` lacks `interval` or `rate`"))
                    .help("such as interval = \"10ms\" or rate = \"1Mbps\"");
                self.blame(path, "how often?", finding);
                return None;
            }
        };
        if interval == SimDuration::ZERO {
            let finding = Finding::new(format!("the packets of `{path}` must be at least 1ns apart"));
            self.blame(&path.key(key), "no time between packets", finding);
            return None;
        }
        Some(interval)
    }

    fn window(&mut self, file: &TrafficFile, run: SimDuration, path: &KeyPath) -> Option<(SimTime, SimTime)> {
        let start = file.start.map_or(SimDuration::ZERO, Duration::span);
        let stop = file.stop.map_or(run, Duration::span);
        let late = [("start", start >= run), ("stop", stop > run), ("stop", stop <= start && start < run)];
        let Some((key, _)) = late.into_iter().find(|(_, late)| *late) else {
            return Some((SimTime::ZERO + start, SimTime::ZERO + stop));
        };
        // A run of no length is reported where it is given.
        if run > SimDuration::ZERO {
            let finding = Finding::new(format!("`{path}` never sends, or sends past the end of the run"))
                .help("0 ≤ `start` < `stop` ≤ `duration`");
            self.blame(&path.key(key), "outside the run", finding);
        }
        None
    }

    fn staggered(&mut self, pace: &Pace, position: u64, path: &KeyPath) -> Option<SimTime> {
        let offset = pace.stagger.checked_mul(position);
        let start =
            offset.and_then(|offset| pace.start.checked_add(offset)).filter(|start| *start < pace.stop);
        if start.is_none() {
            let finding =
                Finding::new(format!("pair {} of `{path}` would start after the end", position + 1));
            self.blame(&path.key("stagger"), "too long for so many pairs", finding);
        }
        start
    }

    /// The addresses of a flow: the first ones of the same family.
    fn ends(
        &mut self,
        file: &TrafficFile,
        (from, to): (&NodeSettings, &NodeSettings),
        hosts: &Hosts,
        path: &KeyPath,
    ) -> Option<(IpAddr, IpAddr)> {
        let sources = self.end(from, file.source, hosts, FROM, path);
        let far = End { is_nat: hosts.translated.contains(&(to.node, from.node)), ..TO };
        let destinations = self.end(to, file.destination, hosts, far, path);
        let (sources, destinations) = (sources?, destinations?);
        let partner = |source: &IpAddr| {
            let of_family = destinations.iter().find(|address| address.is_ipv6() == source.is_ipv6());
            of_family.map(|destination| (*source, *destination))
        };
        let found = sources.iter().find_map(partner);
        if found.is_none() {
            let (source, destination) = (sources[0], destinations[0]);
            let finding = Finding::new(format!("no packet goes from {source} to {destination}"))
                .help("both ends of a flow need addresses of IPv4, or of IPv6");
            self.blame(path, "from one family to the other", finding);
        }
        found
    }

    /// The addresses that one end of a flow may have, the best first; never none.
    fn end(
        &mut self,
        node: &NodeSettings,
        given: Option<Address>,
        hosts: &Hosts,
        end: End,
        path: &KeyPath,
    ) -> Option<Vec<IpAddr>> {
        let name = &node.name;
        let Some(given) = given.map(Address::get) else { return self.default_end(node, hosts, end, path) };
        if !self.networks_known {
            return None;
        }
        let is_outside = given == node.address && end.is_nat;
        if given == own_address(node)
            || is_outside
            || node.networks.iter().any(|network| network.contains(given))
        {
            return Some(vec![given]);
        }
        let finding = Finding::new(format!("{given} is no address of `{name}` or behind it"))
            .help(format!("the address of `{name}` is {}", own_address(node)));
        self.blame(&path.key(end.address_key), format!("not at `{name}`"), finding);
        None
    }

    fn default_end(
        &mut self,
        node: &NodeSettings,
        hosts: &Hosts,
        end: End,
        path: &KeyPath,
    ) -> Option<Vec<IpAddr>> {
        if !node.networks.is_empty() {
            return Some(node.networks.iter().map(|network| network.first_host()).collect());
        }
        // Whoever sends waits for the address; whoever answers needs to be known by one.
        let roaming = hosts.roaming.get(&node.node).filter(|_| end.node_key == FROM.node_key);
        if let Some(any) = roaming {
            return Some(any.clone());
        }
        if end.is_nat {
            return Some(vec![node.address]);
        }
        if node.behind.is_some() || hosts.protected.contains(&node.node) {
            return Some(vec![own_address(node)]);
        }
        if self.networks_known {
            let name = &node.name;
            let finding = Finding::new(format!("`{name}` has no networks for `{path}`"))
                .help(format!("add networks = [\"10.1.0.0/16\"] to [nodes.{name}]"))
                .help(format!("or give `{}`, the node's own address", end.address_key));
            self.blame(&path.key(end.node_key), "nobody is there", finding);
        }
        None
    }
}

/// Nodes whose traffic may be their own.
#[derive(Default)]
struct Hosts {
    /// Those whose own address some tunnel protects.
    protected: BTreeSet<NodeIndex>,
    /// Those that transport mode protects behind a NAT, each with the node that knows it by the NAT's address.
    translated: BTreeSet<(NodeIndex, NodeIndex)>,
    /// Those that ask for virtual addresses, with no address of each family that they ask for.
    roaming: BTreeMap<NodeIndex, Vec<IpAddr>>,
}

fn hosts_of(nodes: &[NodeSettings], connections: &[Connection]) -> Hosts {
    let mut hosts = Hosts::default();
    for connection in connections {
        let any = connection.vips.iter().map(|vip| match vip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        });
        if !connection.vips.is_empty() {
            hosts.roaming.entry(connection.node).or_default().extend(any);
        }
        let node = &nodes[connection.node.index()];
        let own = Addresses::host(own_address(node));
        if node.nat.is_some() && connection.children.iter().any(|child| child.mode == Mode::Transport) {
            hosts.translated.extend(connection.peer.map(|peer| (connection.node, peer)));
        }
        let mut selectors = connection.children.iter().flat_map(|child| &child.local_ts);
        if selectors.any(|selector| selector.addresses == own) {
            hosts.protected.insert(connection.node);
        }
    }
    hosts
}

impl Hosts {
    /// The source of a flow as its receiver sees it, and the destination as the receiver itself knows it.
    fn beyond_nats(
        &self,
        (from, to): (&NodeSettings, &NodeSettings),
        (source, destination): (IpAddr, IpAddr),
    ) -> (IpAddr, IpAddr) {
        let known =
            |node: &NodeSettings, peer: &NodeSettings| self.translated.contains(&(node.node, peer.node));
        let seen = if known(from, to) && source == own_address(from) { from.address } else { source };
        let inside = if known(to, from) && destination == to.address { own_address(to) } else { destination };
        (seen, inside)
    }
}

/// How many packets a flow sends if nothing stops it.
fn packets(flow: &Flow) -> u64 {
    let window = flow.stop.as_nanos().saturating_sub(flow.start.as_nanos());
    let packets = window.div_ceil(flow.interval.as_nanos().max(1));
    flow.count.map_or(packets, |count| packets.min(count))
}

/// The interval at which IP packets of so many octets make a bit rate, in whole nanoseconds.
fn spacing(octets: u64, bits_per_second: u64) -> SimDuration {
    let bits = u128::from(octets) * 8;
    let nanos = bits * 1_000_000_000 / u128::from(bits_per_second.max(1));
    SimDuration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_whole_ip_packets() {
        assert_eq!(spacing(1000, 8_000_000).as_nanos(), 1_000_000);
        assert_eq!(spacing(1028, 1_000_000_000).as_nanos(), 8_224);
        assert_eq!(spacing(0, u64::MAX).as_nanos(), 0);
        assert_eq!(spacing(65_535, 1).as_nanos(), 65_535 * 8 * 1_000_000_000);
    }
}
