//! `[connections.<name>]`: patterns expanded into pairs of nodes; [`super::sides`] makes two configurations of each.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipseclab_sim::SimDuration;
use ipseclab_topologies::NodeIndex;

use super::sides::retransmission;
use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::addresses::Addresses;
use crate::scenario::checked::{Connection, NodeSettings, Retransmission, TrafficSelector};
use crate::scenario::defaults;
use crate::scenario::file::{ConnectionFile, Mode};
use crate::scenario::selector::{Selector, SelectorRange};
use crate::scenario::value::{Duration, Size};

/// Which connection claimed a pair of nodes first, the lower node in front.
type Pairs = BTreeMap<(NodeIndex, NodeIndex), String>;

impl Checker<'_> {
    /// Every connection, two entries for each pair of nodes.
    pub(super) fn connections(&mut self, ground: &Ground, nodes: &[NodeSettings]) -> Vec<Connection> {
        let file = self.file;
        let mut all = Vec::new();
        let mut taken = Pairs::new();
        for (name, connection) in &file.connections {
            let path = KeyPath::root().key("connections").key(name);
            self.check_name("name of a connection", name, &path);
            let pairs = self.pairs(ground, connection, &path);
            if all.len() / 2 + pairs.len() > defaults::MAX_CONNECTIONS {
                self.too_many(&path, "connections", defaults::MAX_CONNECTIONS);
                break;
            }
            self.check_ids(connection, &pairs, &path);
            self.check_template(connection, &path);
            let auth = self.auth(connection, &path);
            for (local, remote) in pairs {
                let (a, b) = (local.min(remote), local.max(remote));
                if let Some(first) = taken.insert((a, b), name.clone()) {
                    self.pair_taken(ground, (local, remote), &first, &path);
                } else if let Some(auth) = &auth {
                    let pair = (&nodes[local.index()], &nodes[remote.index()]);
                    self.check_families(pair, &path);
                    all.extend(self.two_sides(name, connection, auth, pair));
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

    /// Datagrams of IKE go from one address to another of the same family.
    fn check_families(&mut self, (local, remote): (&NodeSettings, &NodeSettings), path: &KeyPath) {
        if self.networks_known && local.address.is_ipv6() != remote.address.is_ipv6() {
            let (here, there) = (local.address, remote.address);
            let finding = Finding::new(format!("`{}` at {here} cannot reach {there}", local.name))
                .help(format!("give `{}` and `{}` addresses of one family", local.name, remote.name));
            self.blame(&path.key("remote"), "an address of the other family", finding);
        }
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
        for (name, child) in &file.children {
            let path = path.key("children").key(name);
            self.check_name("name of a child", name, &path);
            self.check_positive(child.inactivity, &path.key("inactivity"));
        }
        self.check_positive(file.retransmit_timeout, &path.key("retransmit_timeout"));
        self.check_patience(retransmission(file, defaults::RETRANSMISSION), path);
        self.check_lifetimes(file, path);
        self.check_version(file, path);
        self.check_fragment_size(file, path);
        self.refuse_in_connection(file, path);
    }

    /// An IPv4 host takes packets of 576 octets (RFC 791 §3.1), and a fragment that is larger than any packet is none.
    fn check_fragment_size(&mut self, file: &ConnectionFile, path: &KeyPath) {
        let octets = file.fragment_size.map(Size::octets);
        if octets.is_some_and(|octets| !(576..=65_535).contains(&octets)) {
            let finding = Finding::new(format!("`{path}.fragment_size` must be from 576B to 65535B"));
            self.blame(&path.key("fragment_size"), "no IP packet is so large or small", finding);
        }
    }

    pub(super) fn check_positive(&mut self, duration: Option<Duration>, path: &KeyPath) {
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

    /// The traffic of `node` that a list at `path` selects; `None` when it lists nothing.
    pub(super) fn selectors(
        &mut self,
        given: Option<&[Selector]>,
        node: &NodeSettings,
        mode: Mode,
        path: &KeyPath,
    ) -> Option<Vec<TrafficSelector>> {
        let given = given.filter(|given| !given.is_empty())?;
        for (index, selector) in given.iter().enumerate() {
            let SelectorRange::Addresses(addresses) = selector.range else { continue };
            self.check_selector(addresses, node, mode, &path.index(index));
        }
        Some(given.iter().map(|selector| resolved(*selector, node)).collect())
    }

    fn check_selector(&mut self, addresses: Addresses, node: &NodeSettings, mode: Mode, path: &KeyPath) {
        let (name, own) = (&node.name, own_address(node));
        let is_own = addresses == Addresses::host(own);
        if mode == Mode::Transport && !is_own {
            let finding = Finding::new(format!("transport mode protects only `{name}` itself, {own}"))
                .help("leave the selector out, or use mode = \"tunnel\"");
            self.blame(path, "other addresses", finding);
        } else if self.networks_known
            && !is_own
            && !node.networks.iter().any(|behind| addresses.overlaps((*behind).into()))
        {
            let behind: Vec<_> = node.networks.iter().map(ToString::to_string).collect();
            let behind = if behind.is_empty() { "no network".to_owned() } else { behind.join(", ") };
            let finding = Finding::new(format!("no traffic of `{name}` is in {addresses}"))
                .help(format!("`{name}` has {behind} behind it and the address {own}"));
            self.blame(path, "selects nothing", finding);
        }
    }
}

/// The address that a node's own packets carry: the inside one behind a NAT.
pub(super) fn own_address(node: &NodeSettings) -> IpAddr {
    node.nat.map_or(node.address, |nat| nat.inside.into())
}

pub(super) fn default_selectors(node: &NodeSettings, mode: Mode) -> Vec<TrafficSelector> {
    let of = |addresses| TrafficSelector { addresses, is_dynamic: false, protocol: None, ports: None };
    match mode {
        Mode::Tunnel if !node.networks.is_empty() => {
            node.networks.iter().map(|network| of((*network).into())).collect()
        }
        Mode::Tunnel | Mode::Transport => vec![of(Addresses::host(own_address(node)))],
    }
}

pub(super) fn resolved(selector: Selector, node: &NodeSettings) -> TrafficSelector {
    let addresses = match selector.range {
        SelectorRange::Own => Addresses::host(own_address(node)),
        SelectorRange::Addresses(addresses) => addresses,
    };
    TrafficSelector { addresses, is_dynamic: false, protocol: selector.protocol, ports: selector.ports }
}

#[cfg(test)]
mod tests {
    use ipseclab_topologies::NodeIndex;

    use super::*;
    use crate::scenario::checked::{CostProfile, NodeLimits};

    #[test]
    fn a_node_without_networks_has_itself_as_traffic() {
        let node = NodeSettings {
            node: NodeIndex::new(0),
            name: "left".to_owned(),
            address: IpAddr::from([198, 18, 0, 1]),
            networks: Vec::new(),
            behind: None,
            cores: 1,
            cost_profile: CostProfile::Free,
            nat: None,
            profile: std::sync::Arc::default(),
            limits: NodeLimits::default(),
            df: crate::scenario::file::Df::Set,
            ip_fragmentation: crate::scenario::file::IpFragmentation::Before,
            esp_alignment: 4,
            mss_clamp: None,
            datapath: None,
            is_host: true,
        };
        let own = default_selectors(&node, Mode::Tunnel);
        assert_eq!(own[0].addresses, Addresses::host(IpAddr::from([198, 18, 0, 1])));
    }
}
