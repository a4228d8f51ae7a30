//! `[connections.<name>]` and `[[policies]]`: patterns expanded into pairs of nodes, selectors into networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipseclab_ike::proposal;
use ipseclab_sim::SimDuration;
use ipseclab_topologies::NodeIndex;

use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{
    Child, ChildEnd, Connection, Identity, NodeSettings, Policy, Retransmission, TrafficSelector,
};
use crate::scenario::defaults;
use crate::scenario::file::{ChildFile, ConnectionFile, Mode, StartAction};
use crate::scenario::selector::{Network, Selector, SelectorRange};
use crate::scenario::value::{Duration, EspProposal, Factor, IkeProposal};

/// Which connection claimed a pair of nodes first, the lower node in front.
type Pairs = BTreeMap<(NodeIndex, NodeIndex), String>;

impl Checker<'_> {
    /// Every connection, one entry for each pair of nodes.
    pub(super) fn connections(&mut self, ground: &Ground, nodes: &[NodeSettings]) -> Vec<Connection> {
        let file = self.file;
        let mut all = Vec::new();
        let mut taken = Pairs::new();
        for (name, connection) in &file.connections {
            let path = KeyPath::root().key("connections").key(name);
            self.check_name("name of a connection", name, &path);
            let pairs = self.pairs(ground, connection, &path);
            if all.len() + pairs.len() > defaults::MAX_CONNECTIONS {
                self.too_many(&path, "connections", defaults::MAX_CONNECTIONS);
                break;
            }
            self.check_ids(connection, &pairs, &path);
            self.check_template(connection, &path);
            for (local, remote) in pairs {
                let (a, b) = (local.min(remote), local.max(remote));
                if let Some(first) = taken.insert((a, b), name.clone()) {
                    self.pair_taken(ground, (local, remote), &first, &path);
                } else {
                    all.push(self.connection(
                        name,
                        connection,
                        &nodes[local.index()],
                        &nodes[remote.index()],
                    ));
                }
            }
        }
        all
    }

    /// The pairs of nodes that a connection stands for, in node order; each unordered pair once.
    fn pairs(
        &mut self,
        ground: &Ground,
        file: &ConnectionFile,
        path: &KeyPath,
    ) -> Vec<(NodeIndex, NodeIndex)> {
        let locals = self.resolve(ground, &file.local, &path.key("local"));
        let remotes = self.resolve(ground, &file.remote, &path.key("remote"));
        let mut pairs = Vec::new();
        let both_ways = |a, b| file.local.matches(ground.name(b)) && file.remote.matches(ground.name(a));
        for &local in &locals {
            for &remote in &remotes {
                let mirrored = remote < local && both_ways(local, remote);
                if local != remote && !mirrored && pairs.len() <= defaults::MAX_CONNECTIONS {
                    pairs.push((local, remote));
                }
            }
        }
        if pairs.is_empty() && !locals.is_empty() && !remotes.is_empty() {
            let finding = Finding::new(format!("`{path}` connects a node with itself"));
            self.blame(&path.key("remote"), "the same node as `local`", finding);
        }
        let unreachable = pairs.iter().find(|(local, remote)| !ground.connected(*local, *remote));
        if let Some(&(local, remote)) = unreachable {
            let (local, remote) = (ground.name(local), ground.name(remote));
            let finding = Finding::new(format!("`{local}` cannot reach `{remote}`"))
                .help("the topology is in several parts; every tunnel needs a path of links");
            self.blame(&path.key("remote"), "no path leads there", finding);
        }
        pairs
    }

    fn pair_taken(&mut self, ground: &Ground, pair: (NodeIndex, NodeIndex), first: &str, path: &KeyPath) {
        let (local, remote) = (ground.name(pair.0), ground.name(pair.1));
        let finding = Finding::new(format!("`{local}` and `{remote}` have the connection `{first}` already"))
            .help("two nodes have one connection");
        let place = self.document.locate_key(path);
        self.report.push(finding.at(place, "a second one"));
    }

    pub(super) fn too_many(&mut self, path: &KeyPath, what: &str, limit: usize) {
        let finding = Finding::new(format!("the patterns stand for more than {limit} {what}"));
        self.blame(path, "too many", finding);
    }

    /// One identity cannot serve several nodes.
    fn check_ids(&mut self, file: &ConnectionFile, pairs: &[(NodeIndex, NodeIndex)], path: &KeyPath) {
        let several = |of: fn(&(NodeIndex, NodeIndex)) -> NodeIndex| {
            let mut nodes = pairs.iter().map(of);
            let first = nodes.next();
            nodes.any(|node| Some(node) != first)
        };
        let sides = [
            ("local_id", file.local_id.is_some() && several(|pair| pair.0)),
            ("remote_id", file.remote_id.is_some() && several(|pair| pair.1)),
        ];
        for (key, shared) in sides {
            if shared {
                let finding = Finding::new(format!("`{path}.{key}` would be the identity of several nodes"))
                    .help("leave it out; each node is then known by its address");
                self.blame(&path.key(key), "one identity, many nodes", finding);
            }
        }
    }

    /// What is wrong with a connection whatever its nodes.
    fn check_template(&mut self, file: &ConnectionFile, path: &KeyPath) {
        if file.children.is_empty() {
            let finding = Finding::new(format!("`{path}` has no children"))
                .help(format!("a child is a tunnel: add [{path}.children.<name>]"));
            let place = self.document.locate(path);
            self.report.push(finding.at(place, "nothing would ever flow"));
        }
        self.check_one_child(file, path);
        for (name, child) in &file.children {
            let path = path.key("children").key(name);
            self.check_name("name of a child", name, &path);
            self.check_positive(child.inactivity, &path.key("inactivity"));
        }
        self.check_positive(file.retransmit_timeout, &path.key("retransmit_timeout"));
        self.check_patience(retransmission(file), path);
    }

    fn check_positive(&mut self, duration: Option<Duration>, path: &KeyPath) {
        if duration.is_some_and(|duration| duration.span() == SimDuration::ZERO) {
            self.blame(path, "no time at all", Finding::new(format!("`{path}` must be above zero")));
        }
    }

    /// The waits of a request must add up to a time that the kernel can hold.
    fn check_patience(&mut self, given: Retransmission, path: &KeyPath) {
        let most = u128::from(defaults::MAX_DURATION.as_nanos());
        let mut wait = u128::from(given.timeout.as_nanos());
        let mut total = wait;
        for _ in 0..given.tries {
            wait = wait.saturating_mul(u128::from(given.base_thousandths)) / 1000;
            total = total.saturating_add(wait);
        }
        if total > most {
            let finding = Finding::new(format!("`{path}` would wait for more than 365d"))
                .help("lower `retransmit_timeout`, `retransmit_base` or `retransmit_tries`");
            self.blame(&path.key("retransmit_tries"), "the waits add up", finding);
        }
    }

    fn connection(
        &mut self,
        name: &str,
        file: &ConnectionFile,
        local: &NodeSettings,
        remote: &NodeSettings,
    ) -> Connection {
        let path = KeyPath::root().key("connections").key(name);
        let mut children: Vec<Child> = Vec::with_capacity(file.children.len());
        for (child, given) in &file.children {
            let child = self.child(child, given, local, remote, &path.key("children").key(child));
            self.check_beginning(&child, local, remote, &path);
            self.check_transport(&child, local, remote, &path);
            children.push(child);
        }
        let proposals =
            file.proposals.as_deref().map_or_else(proposal::IkeProposal::default_set, ike_proposals);
        let remote_proposals = file.remote_proposals.as_deref();
        Connection {
            name: name.to_owned(),
            local: local.node,
            remote: remote.node,
            remote_proposals: remote_proposals.map_or_else(|| proposals.clone(), ike_proposals),
            proposals,
            psk: file.auth.psk.octets().to_vec(),
            remote_psk: file.auth.remote_psk.as_ref().unwrap_or(&file.auth.psk).octets().to_vec(),
            local_id: identity(file.local_id.as_deref(), local),
            remote_id: identity(file.remote_id.as_deref(), remote),
            encap: file.encap.unwrap_or(false),
            retransmission: retransmission(file),
            // swanctl: 0s turns it off, as does leaving it out.
            dpd_delay: file.dpd_delay.map(Duration::span).filter(|delay| *delay > SimDuration::ZERO),
            children,
        }
    }

    fn child(
        &mut self,
        name: &str,
        file: &ChildFile,
        local: &NodeSettings,
        remote: &NodeSettings,
        path: &KeyPath,
    ) -> Child {
        let mode = file.mode.unwrap_or(Mode::Tunnel);
        let end = self.local_end(file, (local, remote), mode, path);
        Child {
            name: name.to_owned(),
            remote: self.remote_end(file, &end, (local, remote), mode, path),
            local: end,
            mode,
            start_action: file.start_action.unwrap_or(StartAction::Trap),
            inactivity: file.inactivity.map(Duration::span),
        }
    }

    /// What the local node of `(local, remote)` is configured with.
    fn local_end(
        &mut self,
        file: &ChildFile,
        (local, remote): (&NodeSettings, &NodeSettings),
        mode: Mode,
        path: &KeyPath,
    ) -> ChildEnd {
        let local_ts = self.selectors(file.local_ts.as_deref(), local, mode, &path.key("local_ts"));
        let remote_ts = self.selectors(file.remote_ts.as_deref(), remote, mode, &path.key("remote_ts"));
        ChildEnd {
            local_ts: local_ts.unwrap_or_else(|| default_selectors(local, mode)),
            remote_ts: remote_ts.unwrap_or_else(|| default_selectors(remote, mode)),
            esp_proposals: file
                .esp_proposals
                .as_deref()
                .map_or_else(proposal::EspProposal::default_set, esp_proposals),
        }
    }

    /// What the remote node is configured with: its own words where it has some, else the mirror image of `other`.
    fn remote_end(
        &mut self,
        file: &ChildFile,
        other: &ChildEnd,
        (local, remote): (&NodeSettings, &NodeSettings),
        mode: Mode,
        path: &KeyPath,
    ) -> ChildEnd {
        let path = path.key("remote_policy");
        let policy = file.remote_policy.as_ref();
        let own = policy.and_then(|policy| policy.local_ts.as_deref());
        let peers = policy.and_then(|policy| policy.remote_ts.as_deref());
        let local_ts = self.selectors(own, remote, mode, &path.key("local_ts"));
        let remote_ts = self.selectors(peers, local, mode, &path.key("remote_ts"));
        let proposals = file.remote_esp_proposals.as_deref();
        ChildEnd {
            local_ts: local_ts.unwrap_or_else(|| other.remote_ts.clone()),
            remote_ts: remote_ts.unwrap_or_else(|| other.local_ts.clone()),
            esp_proposals: proposals.map_or_else(|| other.esp_proposals.clone(), esp_proposals),
        }
    }

    /// The traffic of `node` that a list at `path` selects; `None` when it lists nothing.
    fn selectors(
        &mut self,
        given: Option<&[Selector]>,
        node: &NodeSettings,
        mode: Mode,
        path: &KeyPath,
    ) -> Option<Vec<TrafficSelector>> {
        let given = given.filter(|given| !given.is_empty())?;
        for (index, selector) in given.iter().enumerate() {
            let SelectorRange::Network(network) = selector.range else { continue };
            self.check_selector(network, node, mode, &path.index(index));
        }
        Some(given.iter().map(|selector| resolved(*selector, node)).collect())
    }

    fn check_selector(&mut self, network: Network, node: &NodeSettings, mode: Mode, path: &KeyPath) {
        let (name, own) = (&node.name, own_address(node));
        let is_own = network == Network::host(own);
        if mode == Mode::Transport && !is_own {
            let finding = Finding::new(format!("transport mode protects only `{name}` itself, {own}"))
                .help("leave the selector out, or use mode = \"tunnel\"");
            self.blame(path, "other addresses", finding);
        } else if self.networks_known
            && !is_own
            && !node.networks.iter().any(|behind| behind.overlaps(network))
        {
            let behind: Vec<_> = node.networks.iter().map(ToString::to_string).collect();
            let behind = if behind.is_empty() { "no network".to_owned() } else { behind.join(", ") };
            let finding = Finding::new(format!("no traffic of `{name}` is in {network}"))
                .help(format!("`{name}` has {behind} behind it and the address {own}"));
            self.blame(path, "selects nothing", finding);
        }
    }

    /// Bypass and discard policies, one entry for each node.
    pub(super) fn policies(&mut self, ground: &Ground, nodes: &[NodeSettings]) -> Vec<Policy> {
        let file = self.file;
        let mut all = Vec::new();
        for (index, policy) in file.policies.iter().enumerate() {
            let path = KeyPath::root().key("policies").index(index);
            for node in self.resolve(ground, &policy.node, &path.key("node")) {
                let settings = &nodes[node.index()];
                let resolve = |selectors: &[Selector]| -> Vec<TrafficSelector> {
                    selectors.iter().map(|selector| resolved(*selector, settings)).collect()
                };
                let (local_ts, remote_ts) = (resolve(&policy.local_ts), resolve(&policy.remote_ts));
                all.push(Policy { node, local_ts, remote_ts, mode: policy.mode });
            }
            let dynamic = policy.remote_ts.iter().position(|selector| selector.range == SelectorRange::Own);
            if let Some(at) = dynamic {
                let finding = Finding::new("`dynamic` names nobody as the other side of a policy")
                    .help("give the other side's network, or 0.0.0.0/0 for all");
                self.blame(&path.key("remote_ts").index(at), "whose address?", finding);
            }
        }
        all
    }
}

/// The address that a node's own packets carry: the inside one behind a NAT.
pub(super) fn own_address(node: &NodeSettings) -> Ipv4Addr {
    node.nat.map_or(node.address, |nat| nat.inside)
}

fn ike_proposals(given: &[IkeProposal]) -> Vec<proposal::IkeProposal> {
    given.iter().map(|one| one.parsed().clone()).collect()
}

fn esp_proposals(given: &[EspProposal]) -> Vec<proposal::EspProposal> {
    given.iter().map(|one| one.parsed().clone()).collect()
}

fn default_selectors(node: &NodeSettings, mode: Mode) -> Vec<TrafficSelector> {
    let of = |network| TrafficSelector { network, protocol: None, ports: None };
    match mode {
        Mode::Tunnel if !node.networks.is_empty() => node.networks.iter().copied().map(of).collect(),
        Mode::Tunnel | Mode::Transport => vec![of(Network::host(own_address(node)))],
    }
}

fn resolved(selector: Selector, node: &NodeSettings) -> TrafficSelector {
    let network = match selector.range {
        SelectorRange::Own => Network::host(own_address(node)),
        SelectorRange::Network(network) => network,
    };
    TrafficSelector { network, protocol: selector.protocol, ports: selector.ports }
}

fn retransmission(file: &ConnectionFile) -> Retransmission {
    let default = defaults::RETRANSMISSION;
    Retransmission {
        timeout: file.retransmit_timeout.map_or(default.timeout, Duration::span),
        base_thousandths: file.retransmit_base.map_or(default.base_thousandths, Factor::thousandths),
        tries: file.retransmit_tries.unwrap_or(default.tries),
    }
}

/// Reads an identity as strongSwan does: an address, `user@domain`, or a name; a leading `@` makes it a name.
fn identity(text: Option<&str>, node: &NodeSettings) -> Identity {
    let Some(text) = text else { return Identity::Address(own_address(node)) };
    match (text.strip_prefix('@'), text.parse()) {
        (Some(name), _) => Identity::Fqdn(name.to_owned()),
        (None, Ok(address)) => Identity::Address(address),
        (None, Err(_)) if text.contains('@') => Identity::Email(text.to_owned()),
        (None, Err(_)) => Identity::Fqdn(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_topologies::NodeIndex;

    use super::*;
    use crate::scenario::checked::CostProfile;

    fn node() -> NodeSettings {
        NodeSettings {
            node: NodeIndex::new(0),
            name: "left".to_owned(),
            address: Ipv4Addr::new(198, 18, 0, 1),
            networks: Vec::new(),
            cores: 1,
            cost_profile: CostProfile::Free,
            nat: None,
            is_host: true,
        }
    }

    #[test]
    fn identities_are_read_as_strongswan_reads_them() {
        let read = |text| identity(Some(text), &node());
        assert_eq!(read("192.0.2.1"), Identity::Address(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(read("moon.example"), Identity::Fqdn("moon.example".into()));
        assert_eq!(read("@192.0.2.1"), Identity::Fqdn("192.0.2.1".into()));
        assert_eq!(read("carol@example"), Identity::Email("carol@example".into()));
        assert_eq!(identity(None, &node()), Identity::Address(Ipv4Addr::new(198, 18, 0, 1)));
    }

    #[test]
    fn a_node_without_networks_has_itself_as_traffic() {
        let own = default_selectors(&node(), Mode::Tunnel);
        assert_eq!(own[0].network, Network::host(Ipv4Addr::new(198, 18, 0, 1)));
    }
}
