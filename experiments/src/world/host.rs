//! Hosts: endpoint, policies and traps of one node.

use ipseclab_ike::config::{Child, Connection, EndpointConfig, Mode as IkeMode, RetransmitPolicy};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::wire::{AddressRange, TrafficSelector as IkeSelector};
use ipseclab_ike::{Identity, TrafficSelectors};
use ipseclab_ipsec::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry, TrafficSelector as IpsecSelector};
use ipseclab_node::{HostConfig, Observe, convert};
use ipseclab_topologies::NodeIndex;

use super::Connections;
use super::links::ipv4_net;
use crate::scenario::{
    self, CheckedScenario, ConnectionIndex, Mode, NodeSettings, PolicyMode, StartAction, TrafficSelector,
};

/// The host of a node, or `None` for one that only forwards.
pub(super) fn config(
    scenario: &CheckedScenario,
    connections: &Connections,
    settings: &NodeSettings,
    observe: Observe,
) -> Option<HostConfig> {
    let node = settings.node;
    if !settings.is_host {
        return None;
    }
    let indices = connections.at(node);
    let sides: Vec<_> = indices.iter().map(|index| Side::of(scenario, *index, node)).collect();
    let ike = EndpointConfig {
        trace: observe.steps,
        credentials: credentials(&sides),
        ..EndpointConfig::new(
            settings.nat.map_or(settings.address, |nat| nat.inside).into(),
            sides.iter().map(Side::connection).collect(),
        )
    };
    Some(HostConfig {
        networks: settings.networks.iter().copied().map(ipv4_net).collect(),
        spd: policies(scenario, &sides, node),
        ike,
        acquire_queue: scenario.limits.acquire_queue,
        traps: sides.iter().map(Side::traps).collect(),
        inactivity: sides.iter().map(Side::inactivity).collect(),
    })
}

/// A connection as one of its two nodes sees it.
struct Side<'a> {
    scenario: &'a CheckedScenario,
    connection: &'a scenario::Connection,
    child: &'a scenario::Child,
    is_local: bool,
}

/// The pre-shared keys of a node's connections.
fn credentials(sides: &[Side<'_>]) -> Credentials {
    let mut credentials = Credentials::default();
    for side in sides {
        let (psk, _) = side.turn(&side.connection.psk, &side.connection.remote_psk);
        credentials.add_psk(<[Identity; 2]>::from(side.identities()), psk.as_slice());
    }
    credentials
}

impl<'a> Side<'a> {
    fn of(scenario: &'a CheckedScenario, index: ConnectionIndex, node: NodeIndex) -> Self {
        let connection = &scenario.connections[index.index()];
        let child = connection.children.first().expect("a checked connection has a child");
        Self { scenario, connection, child, is_local: connection.local == node }
    }

    /// `(ours, theirs)` of a pair that is written from the local node's side.
    fn turn<T>(&self, local: T, remote: T) -> (T, T) {
        if self.is_local { (local, remote) } else { (remote, local) }
    }

    /// Our identity and the peer's.
    fn identities(&self) -> (Identity, Identity) {
        let (local, remote) = self.turn(&self.connection.local_id, &self.connection.remote_id);
        (identity(local), identity(remote))
    }

    fn connection(&self) -> Connection {
        let written = self.connection;
        let (_, peer) = self.turn(written.local, written.remote);
        let peer = &self.scenario.nodes[peer.index()];
        let (local_id, remote_id) = self.identities();
        let (proposals, _) = self.turn(&written.proposals, &written.remote_proposals);
        let mut connection = Connection::new(&written.name, local_id, remote_id);
        // Whoever is behind a NAT shows up with an address and port that nobody knows beforehand.
        connection.remote_address = peer.nat.is_none().then_some(peer.address.into());
        connection.proposals.clone_from(proposals);
        connection.encap = written.encap;
        connection.retransmit = RetransmitPolicy {
            timeout: written.retransmission.timeout.to_duration(),
            base_permille: written.retransmission.base_thousandths,
            tries: written.retransmission.tries,
        };
        connection.dpd_delay = written.dpd_delay.map(ipseclab_sim::SimDuration::to_duration);
        connection.children.push(self.child());
        connection
    }

    fn child(&self) -> Child {
        let own = self.child_end();
        let mut child =
            Child::new(&self.child.name, ike_selectors(&own.local_ts), ike_selectors(&own.remote_ts));
        child.esp_proposals.clone_from(&own.esp_proposals);
        child.mode = self.mode();
        child
    }

    /// The node's own configuration of the tunnel.
    fn child_end(&self) -> &'a scenario::ChildEnd {
        if self.is_local { &self.child.local } else { &self.child.remote }
    }

    fn mode(&self) -> IkeMode {
        match self.child.mode {
            Mode::Tunnel => IkeMode::Tunnel,
            Mode::Transport => IkeMode::Transport,
        }
    }

    /// Whether the first packet that matches starts a negotiation. Both ends have the trap, as long as they know where
    /// the other one is.
    fn traps(&self) -> bool {
        let (_, peer) = self.turn(self.connection.local, self.connection.remote);
        let reachable = self.scenario.nodes[peer.index()].nat.is_none();
        self.child.start_action == StartAction::Trap && reachable
    }

    /// The side that set the tunnel up takes it down; two timers would only cross.
    fn inactivity(&self) -> Option<std::time::Duration> {
        self.child.inactivity.filter(|_| self.is_local).map(ipseclab_sim::SimDuration::to_duration)
    }

    fn protect(&self, policy: PolicyId) -> SpdEntry {
        let own = self.child_end();
        SpdEntry {
            name: format!("{}/{}", self.connection.name, self.child.name),
            local: ipsec_selectors(&own.local_ts),
            remote: ipsec_selectors(&own.remote_ts),
            action: SpdAction::Protect { policy, mode: convert::ipsec_mode(self.mode()) },
        }
    }
}

/// Written bypasses and discards first, then the tunnels; what matches nothing passes, as with strongSwan.
fn policies(scenario: &CheckedScenario, sides: &[Side<'_>], node: NodeIndex) -> Spd {
    let written = scenario.policies.iter().filter(|policy| policy.node == node);
    let mut entries: Vec<_> = written
        .map(|policy| SpdEntry {
            name: "policy".to_owned(),
            local: ipsec_selectors(&policy.local_ts),
            remote: ipsec_selectors(&policy.remote_ts),
            action: match policy.mode {
                PolicyMode::Pass => SpdAction::Bypass,
                PolicyMode::Drop => SpdAction::Discard,
            },
        })
        .collect();
    entries.extend((0..).zip(sides).map(|(number, side)| side.protect(PolicyId(number))));
    Spd::new(entries, DefaultAction::Bypass)
}

fn identity(identity: &scenario::Identity) -> Identity {
    match identity {
        scenario::Identity::Address(address) => Identity::Address((*address).into()),
        scenario::Identity::Fqdn(name) => Identity::Fqdn(name.clone()),
        scenario::Identity::Email(address) => Identity::Email(address.clone()),
    }
}

fn ike_selectors(selectors: &[TrafficSelector]) -> TrafficSelectors {
    TrafficSelectors::new(selectors.iter().map(ike_selector).collect())
}

fn ike_selector(selector: &TrafficSelector) -> IkeSelector {
    let (start_port, end_port) = selector.ports.unwrap_or((0, u16::MAX));
    let network = selector.network;
    let addresses = AddressRange::V4 { start: network.first(), end: network.last() };
    IkeSelector { protocol: selector.protocol.unwrap_or(0), start_port, end_port, addresses }
}

fn ipsec_selectors(selectors: &[TrafficSelector]) -> Vec<IpsecSelector> {
    convert::ipsec_selectors(&ike_selectors(selectors))
}
