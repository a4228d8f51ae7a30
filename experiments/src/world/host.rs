//! Hosts: endpoint, policies and traps of one node.

use ipseclab_crypto::Secret;
use ipseclab_ike::config::{Child, Connection, EndpointConfig, Limits, Mode as IkeMode, RetransmitPolicy};
use ipseclab_ike::wire::{AddressRange, TrafficSelector as IkeSelector};
use ipseclab_ike::{Identity, TrafficSelectors};
use ipseclab_ipsec::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry, TrafficSelector as IpsecSelector};
use ipseclab_node::{HostConfig, Observe, convert};
use ipseclab_sim::SimDuration;
use ipseclab_topologies::NodeIndex;

use super::Connections;
use super::links::ipv4_net;
use crate::scenario::{
    self, CheckedScenario, LocalAuth, Mode, NodeSettings, PeerIdentity, PolicyMode, StartAction,
    TrafficSelector,
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
    let own: Vec<_> = indices.iter().map(|index| &scenario.connections[index.index()]).collect();
    let ike = EndpointConfig {
        local_address: settings.nat.map_or(settings.address, |nat| nat.inside),
        connections: own.iter().map(|written| connection(written)).collect(),
        limits: Limits::default(),
        trace: observe.steps,
    };
    let children =
        || policy_children(&own).map(|(_, connection, place)| (connection, &connection.children[place]));
    Some(HostConfig {
        networks: settings.networks.iter().copied().map(ipv4_net).collect(),
        spd: policies(scenario, &own, node),
        ike,
        acquire_queue: scenario.limits.acquire_queue,
        traps: children().map(|(connection, child)| traps(connection, child)).collect(),
        inactivity: children().map(|(_, child)| child.inactivity.map(SimDuration::to_duration)).collect(),
    })
}

fn connection(written: &scenario::Connection) -> Connection {
    Connection {
        name: written.name.clone(),
        remote_address: written.remote_address.map(Into::into),
        proposals: written.proposals.clone(),
        local_id: identity(&written.local_id),
        remote_id: peer_identity(&written.remote_id),
        psk: psk(&written.local_auth),
        encap: written.encap,
        retransmit: RetransmitPolicy {
            timeout: written.retransmission.timeout.to_duration(),
            base_permille: written.retransmission.base_thousandths,
            tries: written.retransmission.tries,
        },
        dpd_delay: written.dpd_delay.map(SimDuration::to_duration),
        child: child(&written.children[0]),
    }
}

fn child(written: &scenario::Child) -> Child {
    Child {
        name: written.name.clone(),
        local_ts: ike_selectors(&written.local_ts),
        remote_ts: ike_selectors(&written.remote_ts),
        esp_proposals: written.esp_proposals.clone(),
        mode: mode(written.mode),
    }
}

fn mode(mode: Mode) -> IkeMode {
    match mode {
        Mode::Tunnel => IkeMode::Tunnel,
        Mode::Transport => IkeMode::Transport,
    }
}

/// Whether the first packet that matches starts a negotiation; a node that does not know where its peer is cannot.
fn traps(connection: &scenario::Connection, child: &scenario::Child) -> bool {
    let traps = matches!(child.start_action, StartAction::Trap | StartAction::TrapStart);
    traps && connection.remote_address.is_some()
}

/// Every child of a node's connections with its number: policies are numbered over all children of all connections, in
/// the order of the connections and of the children in each.
pub(crate) fn policy_children<'a>(
    connections: &'a [&'a scenario::Connection],
) -> impl Iterator<Item = (PolicyId, &'a scenario::Connection, usize)> {
    let children = connections
        .iter()
        .flat_map(|connection| (0..connection.children.len()).map(move |place| (*connection, place)));
    (0..).zip(children).map(|(number, (connection, place))| (PolicyId(number), connection, place))
}

fn protect(policy: PolicyId, connection: &scenario::Connection, place: usize) -> SpdEntry {
    let child = &connection.children[place];
    SpdEntry {
        name: format!("{}/{}", connection.name, child.name),
        local: ipsec_selectors(&child.local_ts),
        remote: ipsec_selectors(&child.remote_ts),
        action: SpdAction::Protect { policy, mode: convert::ipsec_mode(mode(child.mode)) },
    }
}

/// Written bypasses and discards first, then the tunnels; what matches nothing passes, as with strongSwan.
fn policies(scenario: &CheckedScenario, connections: &[&scenario::Connection], node: NodeIndex) -> Spd {
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
    entries
        .extend(policy_children(connections).map(|(id, connection, place)| protect(id, connection, place)));
    Spd::new(entries, DefaultAction::Bypass)
}

fn identity(identity: &scenario::Identity) -> Identity {
    match identity {
        scenario::Identity::Address(address) => Identity::Address((*address).into()),
        scenario::Identity::Fqdn(name) => Identity::Fqdn(name.clone()),
        scenario::Identity::Email(address) => Identity::Email(address.clone()),
        scenario::Identity::KeyId(octets) => Identity::KeyId(octets.clone()),
        scenario::Identity::DistinguishedName(_) => {
            unreachable!("refused before: certificates are not built yet")
        }
    }
}

fn peer_identity(wanted: &PeerIdentity) -> Identity {
    match wanted {
        PeerIdentity::Exactly(wanted) => identity(wanted),
        PeerIdentity::Any | PeerIdentity::Like(_) => unreachable!("refused before: they are not built yet"),
    }
}

fn psk(auth: &LocalAuth) -> Secret {
    match auth {
        LocalAuth::Psk(key) => Secret::new(key.as_slice()),
        LocalAuth::PublicKey { .. } | LocalAuth::Eap { .. } => {
            unreachable!("refused before: they are not built yet")
        }
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
