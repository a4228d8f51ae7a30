//! What must hold of the packets on every wire: nothing that a policy says to protect leaves its gateway as it is.

use std::net::IpAddr;

use ipseclab_experiments::run::RunResult;
use ipseclab_experiments::scenario::{CheckedScenario, NodeSettings, TrafficSelector};
use ipseclab_ipsec::Selectors;
use ipseclab_net::{IcmpMessage, IpView, parse_icmp};
use ipseclab_node::CaptureDirection;

/// ESP and AH, which are what becomes of packets that are protected.
const PROTECTED: [u8; 2] = [50, 51];
const UDP: u8 = 17;
const IKE_PORTS: [u16; 2] = [500, 4500];

/// Checks that no packet that left a gateway is one that a tunnel of it is for; the run must have been captured. Gives how
/// many packets were looked at. An error of ICMP quotes a packet, and must not show it either, but to a node behind.
///
/// Written policies go before tunnels, so what they let pass is left out; so are selectors of addresses that come and go.
pub(crate) fn check_nothing_in_the_clear(scenario: &CheckedScenario, result: &RunResult) -> usize {
    let mut seen = 0;
    for node in &scenario.nodes {
        let tunnels = tunnels_of(scenario, node);
        let observed = result.observed.iter().find(|observed| observed.name == node.name);
        let packets = observed.into_iter().flat_map(|observed| &observed.records.packets);
        for captured in packets.filter(|packet| packet.direction == CaptureDirection::Outbound) {
            let packet = Selectors::parse(&captured.bytes).unwrap();
            seen += 1;
            let is_inside = is_behind(scenario, node, packet.destination);
            if let Some((source, destination)) = quoted(&captured.bytes).filter(|_| !is_inside) {
                let quoted =
                    Selectors { source, destination, protocol: 0, source_port: None, destination_port: None };
                let answer = Selectors { source: destination, destination: source, ..quoted };
                let shown = |packet| tunnels.iter().any(|(local, remote)| covers(local, remote, packet));
                assert!(!shown(&quoted) && !shown(&answer), "{}: quoted in the clear: {quoted:?}", node.name);
            }
            if is_inside
                || PROTECTED.contains(&packet.protocol)
                || is_ike(&packet)
                || is_exempt(scenario, node, &packet)
            {
                continue;
            }
            let tunnel = tunnels.iter().find(|(local, remote)| covers(local, remote, &packet));
            assert_eq!(tunnel, None, "{} of {}: in the clear: {packet:?}", node.name, scenario.name);
        }
    }
    seen
}

/// Source and destination of the packet that an error of ICMP quotes.
fn quoted(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let view = IpView::parse(packet).unwrap();
    let Ok(IcmpMessage::Error { about, .. }) = parse_icmp(&view) else { return None };
    let v4 = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(about.get(at..at + 4)?).unwrap()));
    let v6 = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(about.get(at..at + 16)?).unwrap()));
    if about.first()? >> 4 == 4 { v4(12).zip(v4(16)) } else { v6(8).zip(v6(24)) }
}

fn is_behind(scenario: &CheckedScenario, gateway: &NodeSettings, address: IpAddr) -> bool {
    scenario.nodes.iter().any(|node| node.behind == Some(gateway.node) && node.address == address)
}

type Sides<'a> = (&'a [TrafficSelector], &'a [TrafficSelector]);

fn tunnels_of<'a>(scenario: &'a CheckedScenario, node: &NodeSettings) -> Vec<Sides<'a>> {
    let own = scenario.connections.iter().filter(|connection| connection.node == node.node);
    let children = own.flat_map(|connection| &connection.children);
    children.map(|child| (child.local_ts.as_slice(), child.remote_ts.as_slice())).collect()
}

fn is_ike(packet: &Selectors) -> bool {
    packet.protocol == UDP && packet.source_port.is_some_and(|port| IKE_PORTS.contains(&port))
}

fn is_exempt(scenario: &CheckedScenario, node: &NodeSettings, packet: &Selectors) -> bool {
    let own = scenario.policies.iter().filter(|policy| policy.node == node.node);
    own.into_iter().any(|policy| covers(&policy.local_ts, &policy.remote_ts, packet))
}

fn covers(local: &[TrafficSelector], remote: &[TrafficSelector], packet: &Selectors) -> bool {
    let side = |selectors: &[TrafficSelector], address, port| {
        selectors.iter().any(|selector| matches(selector, packet.protocol, address, port))
    };
    side(local, packet.source, packet.source_port)
        && side(remote, packet.destination, packet.destination_port)
}

fn matches(selector: &TrafficSelector, protocol: u8, address: IpAddr, port: Option<u16>) -> bool {
    let addresses = selector.addresses.first()..=selector.addresses.last();
    let of_ports = |(first, last)| port.is_some_and(|port| (first..=last).contains(&port));
    !selector.is_dynamic
        && addresses.contains(&address)
        && selector.protocol.is_none_or(|wanted| wanted == protocol)
        && selector.ports.is_none_or(of_ports)
}
