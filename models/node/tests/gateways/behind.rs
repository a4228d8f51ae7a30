//! Nodes behind gateways: theirs is the traffic, and the gateways' the tunnel.

use std::net::IpAddr;
use std::sync::Arc;

use ipseclab_crypto::{Provider, RealProvider};
use ipseclab_ipsec::{Spd, SpdAction, SpdEntry, TrafficSelector};
use ipseclab_net::{
    DropReason, IpNet, IpView, Link, LinkConfig, Pace, PingConfig, PingSource, PortId, protocol,
};
use ipseclab_node::{App, AppId, HostConfig, Node, NodeConfig, Observe, Port};
use ipseclab_sim::{ModelRng, ProcessId, RunSeed, SimDuration, SimTime, Simulation, StreamLabel};

use crate::support::{LEFT, RIGHT, Setup, address, build, finish_all, host, inner};

const SENDER: ProcessId = ProcessId::new(2);
const RECEIVER: ProcessId = ProcessId::new(3);
const PINGS: u64 = 10;

fn host_address(side: u8) -> IpAddr {
    IpAddr::from([10, side, 0, 9])
}

/// The two gateways of [`build`], with a node behind each; one of them pings the other with this TTL.
fn build_with_nodes_behind(setup: &Setup, ttl: u8) -> Simulation<Node> {
    let mut simulation = build(setup);
    for (gateway, own) in [(LEFT, 1), (RIGHT, 2)] {
        let id = if gateway == LEFT { SENDER } else { RECEIVER };
        let node = stub(setup, own, id);
        assert_eq!(simulation.add(node), id);
        join(&mut simulation, id, gateway, IpNet::ALL_V4);
        let port = join(&mut simulation, gateway, id, IpNet::host(host_address(own)));
        simulation.process_mut(gateway).put_behind(IpNet::host(host_address(own)), port);
    }
    let ping = PingConfig {
        source: host_address(1),
        destination: host_address(2),
        ident: 8,
        payload_len: 56,
        pace: Pace::Interval(SimDuration::from_millis(100)),
        count: Some(PINGS),
        until: None,
        ttl,
    };
    let app = App::Ping(Box::new(PingSource::new(ping, SimTime::ZERO, None).unwrap()));
    assert_eq!(simulation.process_mut(SENDER).add_app(app), Some(AppId(0)));
    simulation.schedule(SENDER, SimTime::ZERO, ipseclab_node::NodeEvent::Start);
    simulation
}

/// A host without policies at the address behind gateway `own`.
fn stub(setup: &Setup, own: u8, id: ProcessId) -> Node {
    let config = NodeConfig {
        name: format!("behind-{own}"),
        address: host_address(own),
        cores: 1,
        cpu_queue: 1000,
        datapath: None,
        cost_profile: Arc::new(setup.profile.clone()),
        observe: setup.observe,
        timeline: SimDuration::from_secs(1),
    };
    let bare = HostConfig {
        networks: vec![],
        spd: Spd::new(vec![], ipseclab_ipsec::DefaultAction::Bypass),
        traps: vec![],
        inactivity: vec![],
        ike: ipseclab_ike::config::EndpointConfig::new(host_address(own), vec![]),
        ..host(setup, own, own, b"")
    };
    let provider: Arc<dyn Provider> = Arc::new(RealProvider::new());
    Node::host(config, id, bare, &provider, RunSeed::new(setup.seed))
}

fn protected_link(from: ProcessId) -> Link {
    let stream = |purpose| ModelRng::new(RunSeed::new(9), StreamLabel::new(from.index(), purpose));
    let config = LinkConfig::ideal(SimDuration::from_millis(1));
    Link::new(config, stream("loss"), stream("jitter"), stream("reordering"))
}

/// Adds one direction of a link, and the route to `network` over it.
fn join(simulation: &mut Simulation<Node>, from: ProcessId, to: ProcessId, network: IpNet) -> PortId {
    let link = protected_link(from);
    // The gateways have one port, towards each other, before this one.
    let to_port = PortId::new(u32::from(to == LEFT || to == RIGHT));
    let node = simulation.process_mut(from);
    let port = node.add_port(Port { link, to, to_port, channel: None });
    node.fib_mut().insert(network, port);
    port
}

fn answers(simulation: &Simulation<Node>) -> u64 {
    simulation.process(SENDER).app(AppId(0)).unwrap().0.record().unwrap().received.packets
}

fn drops(simulation: &Simulation<Node>, node: ProcessId, reason: DropReason) -> u64 {
    simulation.process(node).drops().iter().find(|(of, _)| *of == reason).map_or(0, |(_, packets)| packets)
}

#[test]
fn what_a_node_behind_a_gateway_sends_is_protected_between_the_gateways_alone() {
    let setup = Setup::default();
    let mut simulation = build_with_nodes_behind(&setup, 64);
    finish_all(&mut simulation, 3);
    assert_eq!(answers(&simulation), PINGS);
    let seen = |node: ProcessId, wanted: &dyn Fn(&IpView<'_>) -> bool| {
        let packets = &simulation.process(node).records().packets;
        packets.iter().filter(|packet| IpView::parse(&packet.bytes).is_ok_and(|view| wanted(&view))).count()
    };
    let echo = |view: &IpView<'_>| view.protocol() == protocol::ICMP;
    let esp = |view: &IpView<'_>| view.protocol() == protocol::ESP;
    let of_node =
        |view: &IpView<'_>| echo(view) && [view.source(), view.destination()].contains(&host_address(2));
    let pings = usize::try_from(PINGS).unwrap();
    // Requests and answers on the protected link of the left gateway; its own pings never leave it unprotected.
    assert_eq!(seen(LEFT, &of_node), 2 * pings);
    assert_eq!(seen(LEFT, &echo), 2 * pings);
    assert_eq!(seen(LEFT, &esp), 4 * pings);
    assert_eq!((seen(SENDER, &esp), seen(RECEIVER, &esp)), (0, 0));
}

#[test]
fn each_gateway_takes_one_hop_and_says_so_when_none_is_left() {
    let answered = |ttl| {
        let mut simulation = build_with_nodes_behind(&Setup::default(), ttl);
        finish_all(&mut simulation, 3);
        let expired = [LEFT, RIGHT].map(|node| drops(&simulation, node, DropReason::TtlExpired));
        (answers(&simulation), expired)
    };
    assert_eq!(answered(3), (PINGS, [0, 0]));
    assert_eq!(answered(2), (0, [0, PINGS]));
    assert_eq!(answered(1), (0, [PINGS, 0]));
}

#[test]
fn what_should_have_been_protected_is_not_let_in_to_a_node_behind() {
    let setup = Setup::default();
    let mut simulation = build_with_nodes_behind(&setup, 64);
    // The left gateway forgets its policy and sends in the clear; the right one still has its own.
    let forgetful = HostConfig {
        spd: Spd::new(
            vec![SpdEntry {
                name: "pass".into(),
                local: vec![TrafficSelector::ANY],
                remote: vec![TrafficSelector::ANY],
                action: SpdAction::Bypass,
            }],
            ipseclab_ipsec::DefaultAction::Bypass,
        ),
        ..host(&setup, 1, 2, b"secret")
    };
    let config = NodeConfig {
        name: "forgetful".into(),
        address: address(1).into(),
        cores: 1,
        cpu_queue: 1000,
        datapath: None,
        cost_profile: Arc::new(setup.profile.clone()),
        observe: Observe::default(),
        timeline: SimDuration::from_secs(1),
    };
    let provider: Arc<dyn Provider> = Arc::new(RealProvider::new());
    let gateway = Node::host(config, LEFT, forgetful, &provider, RunSeed::new(1));
    let old = core::mem::replace(simulation.process_mut(LEFT), gateway);
    let channel = old.ports()[0].channel;
    drop(old);
    let ends = [(RIGHT, 0, inner(2)), (SENDER, 0, IpNet::host(host_address(1)))];
    for (to, to_port, network) in ends {
        let link = protected_link(LEFT);
        let channel = channel.filter(|_| to == RIGHT);
        let node = simulation.process_mut(LEFT);
        let port = node.add_port(Port { link, to, to_port: PortId::new(to_port), channel });
        node.fib_mut().insert(network, port);
        if to == SENDER {
            node.put_behind(network, port);
        }
    }
    finish_all(&mut simulation, 3);
    assert_eq!((answers(&simulation), drops(&simulation, RIGHT, DropReason::SpdUnprotected)), (0, PINGS));
    assert_eq!(simulation.process(RECEIVER).books().arrived, 0);
}
