//! Addresses and pools of a swanctl.conf: whose they are.

use std::net::IpAddr;

use ipseclab_ike::config::{Network as PoolNetwork, PoolAttribute};
use ipseclab_topologies::NodeIndex;

use super::Checker;
use super::connections::own_address;
use super::credentials::address_range;
use super::swanctl::Conf;
use crate::document::{Finding, list};
use crate::scenario::checked::{Connection, NodeSettings, Pool};
use crate::scenario::selector::Network;
use crate::scenario::swanctl::{self, Section};
use crate::scenario::value::TextValue as _;

/// Where a peer is.
#[derive(Clone, Copy, Default)]
pub(super) struct Remote {
    pub(super) address: Option<IpAddr>,
    pub(super) node: Option<NodeIndex>,
}

impl Checker<'_> {
    pub(super) fn check_local_address(&mut self, conf: &Conf<'_>, section: &Section) {
        let Some(entry) = section.entry("local_addrs") else { return };
        let node = conf.node;
        let own = [Some(node.address), node.nat.map(|nat| nat.inside.into())];
        for item in swanctl::items(entry) {
            let is_own = item.text.starts_with("%any")
                || matches!(item.text.as_str(), "0.0.0.0" | "::")
                || item.text.parse().is_ok_and(|address| own.contains(&Some(address)));
            if !is_own {
                let finding = Finding::new(format!("{} is no address of `{}`", item.text, node.name))
                    .help(format!("the address of `{}` is {}", node.name, own_address(node)))
                    .help(format!("or give it this one: address = \"…\" in [nodes.{}]", node.name));
                self.report.push(finding.at(entry.within(item.range), "of another host"));
            }
        }
    }

    pub(super) fn remote_of(&mut self, conf: &Conf<'_>, section: &Section) -> Remote {
        let Some(entry) = section.entry("remote_addrs") else { return Remote::default() };
        let items = swanctl::items(entry);
        if items
            .iter()
            .any(|item| item.text.starts_with("%any") || matches!(item.text.as_str(), "0.0.0.0/0" | "::/0"))
        {
            return Remote::default();
        }
        let [item] = items.as_slice() else {
            self.refuse(entry.place.clone(), "more than one address of a peer");
            return Remote::default();
        };
        let place = entry.within(item.range.clone());
        let Ok(address) = item.text.parse::<IpAddr>() else {
            self.refuse(place, "a peer by name or by range");
            return Remote::default();
        };
        let owner = conf.nodes.iter().find(|node| node.address == address);
        if owner.is_none() {
            let known: Vec<_> = conf.nodes.iter().map(|node| node.address.to_string()).collect();
            let finding = Finding::new(format!("{address} is the address of no node"))
                .help(format!("addresses: {}", list(known.iter().map(String::as_str))));
            self.report.push(finding.at(place, "nobody is there"));
        }
        Remote { address: Some(address), node: owner.map(|node| node.node) }
    }

    pub(super) fn vips(&mut self, section: &Section) -> Vec<IpAddr> {
        let Some(entry) = section.entry("vips") else { return Vec::new() };
        let mut found = Vec::new();
        for item in swanctl::items(entry) {
            if let Ok(address) = item.text.parse() {
                found.push(address);
                continue;
            }
            let finding = Finding::new("`vips` must be addresses").help("0.0.0.0 asks for any");
            self.report.push(finding.at(entry.within(item.range), "not an address"));
        }
        found
    }

    /// The pools of a file, under names that tell them from those of other nodes.
    pub(super) fn pools_of(&mut self, conf: &mut Conf<'_>) {
        let mut pools = Vec::new();
        for (name, place, section) in conf.root.inside("pools") {
            let range = section.entry("addrs").and_then(|entry| address_range(&entry.value));
            let Some(addresses) = range else {
                let place = section.entry("addrs").map_or(place, |entry| &entry.place);
                let finding =
                    Finding::new(format!("`addrs` of the pool `{name}` is no network and no range"))
                        .help("such as 10.77.0.0/28 or 10.77.0.10-10.77.0.99");
                self.report.push(finding.at(place.clone(), "no addresses"));
                continue;
            };
            let attributes = self.pool_attributes(section);
            pools.push((name.clone(), self.credentials.pools.len()));
            let name = format!("{}/{name}", conf.node.name);
            self.credentials.pools.push(Pool { name, addresses, attributes });
        }
        conf.pools = pools;
    }

    /// What clients of a pool are told, in the order of the file, as strongSwan tells it.
    fn pool_attributes(&mut self, section: &Section) -> Vec<PoolAttribute> {
        let mut told = Vec::new();
        for entry in section.entries.iter().filter(|entry| entry.key != "addrs") {
            for item in swanctl::items(entry) {
                if let Some(attribute) = pool_attribute(&entry.key, &item.text) {
                    told.push(attribute);
                } else {
                    let finding = Finding::new(format!(
                        "`{}` of a pool cannot be `{}`",
                        entry.key, item.text
                    ))
                    .help(
                        "dns, nbns, dhcp and netmask are addresses, the others networks such as 10.1.0.0/16",
                    );
                    self.report.push(finding.at(entry.within(item.range), "of another kind"));
                }
            }
        }
        told
    }

    pub(super) fn pools_in(&mut self, conf: &Conf<'_>, section: &Section) -> Vec<usize> {
        let Some(entry) = section.entry("pools") else { return Vec::new() };
        let mut found = Vec::new();
        for item in swanctl::items(entry) {
            let place = conf.pools.iter().find(|(name, _)| *name == item.text).map(|(_, place)| *place);
            let Some(place) = place else {
                let names = || conf.pools.iter().map(|(name, _)| name.as_str());
                let finding = Finding::new(format!("there is no pool `{}`", item.text.escape_debug()))
                    .suggest(&item.text, names())
                    .help(format!("pools: {}", list(names())));
                self.report.push(finding.at(entry.within(item.range), "no addresses to hand out"));
                continue;
            };
            found.push(place);
        }
        found
    }
}

/// The address that the peer's own packets carry.
pub(super) fn peer_address(conf: &Conf<'_>, remote: Remote) -> Option<IpAddr> {
    let node = conf.nodes.iter().find(|node| Some(node.node) == remote.node);
    node.map(own_address).or(remote.address)
}

/// A peer that may be anywhere is the one node whose connection leads here, if there is only one.
pub(super) fn settle_peers(connections: &mut [Connection], nodes: &[NodeSettings]) {
    let towards: Vec<_> =
        connections.iter().map(|connection| (connection.node, connection.remote_address)).collect();
    for connection in connections {
        if connection.peer.is_none() {
            let own = nodes[connection.node.index()].address;
            let mut callers =
                towards.iter().filter(|(_, address)| *address == Some(own)).map(|(node, _)| *node);
            let first = callers.next();
            connection.peer = first.filter(|first| callers.all(|other| other == *first));
        }
        connection.is_local = connection.peer.is_none_or(|peer| connection.node < peer);
    }
}

/// An attribute by swanctl's word for it.
fn pool_attribute(key: &str, value: &str) -> Option<PoolAttribute> {
    let network = || {
        let network = Network::parse(value).ok()?;
        PoolNetwork::new(network.first(), network.prefix_len())
    };
    Some(match key {
        "dns" => PoolAttribute::Dns(value.parse().ok()?),
        "nbns" => PoolAttribute::Nbns(value.parse().ok()?),
        "dhcp" => PoolAttribute::Dhcp(value.parse().ok()?),
        "netmask" => PoolAttribute::Netmask(value.parse().ok()?),
        "subnet" => PoolAttribute::Subnet(network()?),
        "split_include" => PoolAttribute::SplitInclude(network()?),
        "split_exclude" => PoolAttribute::SplitExclude(network()?),
        _ => return None,
    })
}
