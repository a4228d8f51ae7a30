//! Nodes behind a gateway: `behind = "hub"` gives them an address of the gateway's networks instead of one outside.
//!
//! Such a node has one link, which leads to its gateway, and that link is on the protected side. The first address of
//! each network stays the gateway's, whose own applications send from it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipseclab_topologies::NodeIndex;

use super::nodes::{Chosen, Layer, Spare, path_of};
use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::selector::Network;
use crate::scenario::value::Address;

impl Checker<'_> {
    /// The gateway of every node that is behind one, in node order.
    pub(super) fn gateways(
        &mut self,
        ground: &Ground,
        layers: &[Layer<'_>],
        chosen: &[Chosen],
        networks: &[Vec<Network>],
    ) -> Vec<Option<NodeIndex>> {
        let mut gateways = Vec::with_capacity(chosen.len());
        for (node, _) in ground.topology.nodes() {
            let layer = chosen[node.index()].behind.map(|position| &layers[position]);
            gateways.push(layer.and_then(|layer| self.gateway(ground, (node, layer), chosen, networks)));
        }
        gateways
    }

    fn gateway(
        &mut self,
        ground: &Ground,
        (node, layer): (NodeIndex, &Layer<'_>),
        chosen: &[Chosen],
        networks: &[Vec<Network>],
    ) -> Option<NodeIndex> {
        let wanted = layer.file.behind.as_deref()?;
        let path = path_of(layer).key("behind");
        let Some(gateway) = ground.topology.node_by_name(wanted) else {
            let names = || ground.topology.nodes().map(|(_, node)| node.name.as_str());
            let finding = Finding::new(format!("there is no node `{wanted}`")).suggest(wanted, names());
            self.blame(&path, "not in the topology", finding);
            return None;
        };
        let name = ground.name(node);
        let own = &chosen[node.index()];
        let of_gateway = &chosen[gateway.index()];
        let links = ground.topology.links_between(node, gateway).len();
        let mistake = if gateway == node {
            "a node cannot be behind itself".to_owned()
        } else if links != 1 || ground.topology.degree(node) != 1 {
            format!("`{name}` needs one link, and to `{wanted}`")
        } else if own.networks.is_some() || own.nat.is_some() {
            format!("`{name}` has networks or a NAT of its own")
        } else if of_gateway.behind.is_some() {
            format!("`{wanted}` is behind another node itself")
        } else if networks[gateway.index()].is_empty() {
            format!("`{wanted}` has no networks that `{name}` could be part of")
        } else {
            return Some(gateway);
        };
        let finding = Finding::new(format!("`{name}` cannot be behind `{wanted}`")).help(
            "a node behind a gateway has one link, to that gateway, and an address of the gateway's networks",
        );
        self.blame(&path, mistake, finding);
        None
    }

    /// The address of a node behind `gateway`: the one that it asks for, or the next one of the gateway's first network.
    pub(super) fn address_behind(
        &mut self,
        ground: &Ground,
        (node, gateway): (NodeIndex, NodeIndex),
        networks: &[Network],
        given: Option<(IpAddr, KeyPath)>,
        pools: &mut Pools,
    ) -> Option<IpAddr> {
        let Some((given, path)) = given else {
            let spare = pools.spare.entry(gateway).or_insert_with(|| {
                let taken = pools.taken.iter().map(|(address, _)| *address).collect();
                Spare::past_first(networks[0], taken)
            });
            let address = spare.take().filter(|address| is_host_of(networks[0], *address));
            if address.is_none() {
                let message =
                    format!("{} is too small for the nodes behind `{}`", networks[0], ground.name(gateway));
                let path = KeyPath::root().key("nodes");
                self.blame(
                    &path,
                    format!("no address is left for `{}`", ground.name(node)),
                    Finding::new(message),
                );
            }
            return address;
        };
        let name = ground.name(node);
        let within = networks.iter().find(|network| network.contains(given));
        let mistake = match within {
            None => Some("outside its gateway's networks"),
            Some(network) if network.first_host() == given => {
                Some("the gateway's own address in that network")
            }
            Some(network) if !is_host_of(*network, given) => Some("no host of that network"),
            Some(_) => None,
        };
        if let Some(label) = mistake {
            let list = networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let finding = Finding::new(format!("`{name}` cannot have the address {given}"))
                .help(format!("`{}` has {list}", ground.name(gateway)));
            self.blame(&path, label, finding);
        } else if let Some((_, other)) =
            pools.taken.iter().find(|(taken, owner)| *taken == given && *owner != node)
        {
            let finding =
                Finding::new(format!("`{name}` and `{}` both have the address {given}", ground.name(*other)))
                    .help("no two nodes can own the same address");
            self.blame(&path, "this address is taken", finding);
        }
        Some(given)
    }
}

/// Whether a host can have this address of a network: in IPv4 the first one names the network, and the last one is for all
/// of its hosts, unless there are only two (RFC 3021).
fn is_host_of(network: Network, address: IpAddr) -> bool {
    let is_shared = address == network.first() || address == network.last();
    network.is_ipv6() || network.prefix_len() >= 31 || !is_shared
}

/// Addresses behind gateways: those that are given, and what is left.
pub(super) struct Pools {
    taken: Vec<(IpAddr, NodeIndex)>,
    spare: BTreeMap<NodeIndex, Spare>,
}

impl Pools {
    pub(super) fn new(layers: &[Layer<'_>], chosen: &[Chosen], gateways: &[Option<NodeIndex>]) -> Self {
        let of = |(place, chosen): (usize, &Chosen)| {
            gateways[place]?;
            let address = layers[chosen.address?].file.address.map(Address::get)?;
            Some((address, NodeIndex::new(u32::try_from(place).ok()?)))
        };
        Self { taken: chosen.iter().enumerate().filter_map(of).collect(), spare: BTreeMap::new() }
    }
}
