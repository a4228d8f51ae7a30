//! `[nodes.<pattern>]`: settings of every node, layered from the least to the most exact pattern.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipseclab_sim::SimDuration;
use ipseclab_topologies::NodeIndex;

use super::behind::Pools;
use super::clash::{Claim, report_clashes};
use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{Connection, CostProfile, Datapath, Fault, Flow, Nat, NodeSettings};
use crate::scenario::defaults;
use crate::scenario::file::{DatapathFile, Df, IpFragmentation, NodeFile, Spreading};
use crate::scenario::pattern::{NodePattern, Precision};
use crate::scenario::selector::Network;
use crate::scenario::value::Address;

/// One `[nodes.…]` table.
pub(super) struct Layer<'a> {
    key: &'a str,
    precision: Precision,
    pub(super) file: &'a NodeFile,
}

/// What a layer said last about each key of one node: the position of the layer.
#[derive(Clone, Copy, Default)]
pub(super) struct Chosen {
    pub(super) networks: Option<usize>,
    pub(super) address: Option<usize>,
    cores: Option<usize>,
    cost_profile: Option<usize>,
    profile: Option<usize>,
    limits: Option<usize>,
    swanctl: Option<usize>,
    pub(super) nat: Option<usize>,
    pub(super) behind: Option<usize>,
    mss_clamp: Option<usize>,
    datapath: Option<usize>,
    df: Option<usize>,
    ip_fragmentation: Option<usize>,
    esp_alignment: Option<usize>,
}

/// Hands out addresses of a network that nobody asked for by name.
pub(super) struct Spare {
    network: Network,
    next: u128,
    taken: Vec<IpAddr>,
}

pub(super) fn path_of(layer: &Layer<'_>) -> KeyPath {
    KeyPath::root().key("nodes").key(layer.key)
}

impl Checker<'_> {
    /// Settings of every node, in node order, and the nodes for which no cost profile is named; what depends on the
    /// role of a node comes with [`settle_roles`].
    pub(super) fn nodes(&mut self, ground: &Ground) -> (Vec<NodeSettings>, Vec<NodeIndex>) {
        let file = self.file;
        let layers: Vec<_> = file.nodes.iter().filter_map(|(key, node)| self.layer(key, node)).collect();
        let chosen = self.choose(ground, &layers);
        let profiles = self.cost_profiles(&layers);
        let behaviours = self.profiles(&layers);
        let limits = self.node_limits(&layers);
        let mut claims = Vec::new();
        let networks = self.networks(ground, &layers, &chosen, &mut claims);
        let gateways = self.gateways(ground, &layers, &chosen, &networks);
        let addresses = self.addresses(ground, &layers, &chosen, (&networks, &gateways), &mut claims);
        let nats = self.nats(ground, &layers, &chosen, &addresses);
        report_clashes(claims, self.document, &mut self.report);
        let cores = |chosen: &Chosen| chosen.cores.and_then(|layer| layers[layer].file.cores);
        let profile = |chosen: &Chosen| chosen.cost_profile.and_then(|layer| profiles.get(&layer).cloned());
        let behaviour = |chosen: &Chosen| chosen.profile.and_then(|layer| behaviours.get(&layer).cloned());
        let parts = networks.into_iter().zip(addresses).zip(nats.into_iter().zip(gateways));
        let settings = ground.topology.nodes().zip(&chosen).zip(parts);
        let settings =
            settings.map(|(((node, spec), chosen), ((networks, address), (nat, behind)))| NodeSettings {
                node,
                name: spec.name.clone(),
                address,
                networks,
                behind,
                cores: cores(chosen).unwrap_or(defaults::CORES),
                datapath: chosen
                    .datapath
                    .and_then(|layer| layers[layer].file.datapath.as_ref())
                    .map(datapath),
                cost_profile: profile(chosen).unwrap_or(CostProfile::Free),
                nat,
                profile: behaviour(chosen).unwrap_or_default(),
                limits: chosen.limits.and_then(|layer| limits.get(&layer).copied()).unwrap_or_default(),
                df: chosen.df.and_then(|layer| layers[layer].file.df).unwrap_or(Df::Set),
                ip_fragmentation: chosen
                    .ip_fragmentation
                    .and_then(|layer| layers[layer].file.ip_fragmentation)
                    .unwrap_or(IpFragmentation::Before),
                esp_alignment: chosen
                    .esp_alignment
                    .and_then(|layer| layers[layer].file.esp_alignment)
                    .unwrap_or(defaults::ESP_ALIGNMENT),
                mss_clamp: chosen.mss_clamp.and_then(|layer| layers[layer].file.mss_clamp),
                is_host: false,
            });
        let settings = settings.collect();
        let numbered = ground.topology.nodes().zip(&chosen);
        let without_profile = numbered.filter(|(_, chosen)| chosen.cost_profile.is_none());
        (settings, without_profile.map(|((node, _), _)| node).collect())
    }

    fn layer<'f>(&mut self, key: &'f str, file: &'f NodeFile) -> Option<Layer<'f>> {
        let path = KeyPath::root().key("nodes").key(key);
        if file.networks.is_some() && file.pool.is_some() {
            let finding = Finding::new(format!("`{path}` has both `networks` and `pool`"));
            self.blame(&path.key("pool"), "one of them is enough", finding);
        }
        if let Some(octets @ (2 | 3)) = file.esp_alignment {
            let path = path.key("esp_alignment");
            let finding = Finding::new(format!("`{path}` must be 1 or 4"));
            let finding = finding.help("RFC 4303 §2.4 asks for 4; 1 leaves its alignment out");
            self.blame(&path, format!("no multiple of {octets} octets is of use"), finding);
        }
        match NodePattern::parse(key) {
            Ok(pattern) => Some(Layer { key, precision: pattern.precision(), file }),
            Err(mistake) => {
                let place = self.document.locate_key(&path);
                let message = format!("`{}` is no pattern of node names", key.escape_debug());
                let finding = Finding::new(message).at(place, mistake.message);
                self.report.push(finding.help("`*` stands for any run of characters, as in \"spoke-*\""));
                None
            }
        }
    }

    /// Which layer decides each key of each node.
    fn choose(&mut self, ground: &Ground, layers: &[Layer<'_>]) -> Vec<Chosen> {
        let mut order: Vec<usize> = (0..layers.len()).collect();
        order.sort_by_key(|&position| layers[position].precision);
        let mut chosen = vec![Chosen::default(); ground.topology.node_count()];
        for position in order {
            let Ok(pattern) = NodePattern::parse(layers[position].key) else { continue };
            let place = self.document.locate_key(&path_of(&layers[position]));
            for node in self.resolve_at(ground, &pattern, place) {
                self.lay(&mut chosen[node.index()], position, layers, ground.name(node));
            }
        }
        chosen
    }

    fn lay(&mut self, chosen: &mut Chosen, position: usize, layers: &[Layer<'_>], node: &str) {
        let file = layers[position].file;
        let slots = [
            ("networks", file.networks.is_some() || file.pool.is_some(), &mut chosen.networks),
            ("behind", file.behind.is_some(), &mut chosen.behind),
            ("address", file.address.is_some(), &mut chosen.address),
            ("cores", file.cores.is_some(), &mut chosen.cores),
            ("cost_profile", file.cost_profile.is_some(), &mut chosen.cost_profile),
            ("profile", file.profile.is_some(), &mut chosen.profile),
            ("limits", file.limits.is_some(), &mut chosen.limits),
            ("swanctl", file.swanctl.is_some(), &mut chosen.swanctl),
            ("nat", file.nat.is_some(), &mut chosen.nat),
            ("ip_fragmentation", file.ip_fragmentation.is_some(), &mut chosen.ip_fragmentation),
            ("df", file.df.is_some(), &mut chosen.df),
            ("datapath", file.datapath.is_some(), &mut chosen.datapath),
            ("esp_alignment", file.esp_alignment.is_some(), &mut chosen.esp_alignment),
            ("mss_clamp", file.mss_clamp.is_some(), &mut chosen.mss_clamp),
        ];
        for (key, given, slot) in slots {
            let rival =
                slot.filter(|&earlier| given && layers[earlier].precision == layers[position].precision);
            if let Some(earlier) = rival {
                self.ambiguous(key, &layers[earlier], &layers[position], node);
            }
            if given {
                *slot = Some(position);
            }
        }
    }

    fn ambiguous(&mut self, key: &str, a: &Layer<'_>, b: &Layer<'_>, node: &str) {
        let place = self.document.locate_key(&path_of(b));
        let message = format!("`{}` and `{}` both set `{key}` of `{node}`", a.key, b.key);
        let finding = Finding::new(message).at(place, "neither is more exact than the other");
        self.report
            .push(finding.help("the pattern with more literal characters wins; set one node by its name"));
    }

    fn networks(
        &mut self,
        ground: &Ground,
        layers: &[Layer<'_>],
        chosen: &[Chosen],
        claims: &mut Vec<Claim>,
    ) -> Vec<Vec<Network>> {
        let mut used = vec![0_u32; layers.len()];
        let mut all = Vec::with_capacity(chosen.len());
        for ((_, spec), chosen) in ground.topology.nodes().zip(chosen) {
            let Some(position) = chosen.networks else {
                all.push(Vec::new());
                continue;
            };
            let layer = &layers[position];
            let (networks, path) = match &layer.file.networks {
                Some(networks) => (networks.clone(), path_of(layer).key("networks")),
                None => (
                    self.next_of_pool(layer, &mut used[position]).into_iter().collect(),
                    path_of(layer).key("pool"),
                ),
            };
            let claim = |(index, network): (usize, &Network)| Claim {
                network: *network,
                owner: format!("the network {network} of `{}`", spec.name),
                path: path.index(index),
            };
            claims.extend(networks.iter().enumerate().map(claim));
            all.push(networks);
        }
        all
    }

    fn next_of_pool(&mut self, layer: &Layer<'_>, used: &mut u32) -> Option<Network> {
        let pool = layer.file.pool.as_ref()?;
        let network = pool.from.subnet(pool.prefix, *used);
        if network.is_none() {
            let path = path_of(layer).key("pool");
            let finding = Finding::new(format!("`{path}` is too small"));
            let label = format!("{used} networks of /{} fit into {}", pool.prefix, pool.from);
            self.blame(&path, label, finding.help("every node that the pattern names takes one"));
        }
        *used += u32::from(network.is_some());
        network
    }

    fn nats(
        &mut self,
        ground: &Ground,
        layers: &[Layer<'_>],
        chosen: &[Chosen],
        addresses: &[IpAddr],
    ) -> Vec<Option<Nat>> {
        let given = chosen.iter().filter_map(|chosen| layers[chosen.nat?].file.nat.as_ref());
        let taken = given.filter_map(|nat| nat.inside).map(Address::get).collect();
        let mut spare = Spare::new(inside_addresses(), taken);
        let mut nats = Vec::with_capacity(chosen.len());
        for (((node, _), chosen), address) in ground.topology.nodes().zip(chosen).zip(addresses) {
            let layer = chosen.nat.map(|position| &layers[position]);
            if let Some(layer) = layer {
                self.check_nat_place(ground, node, &path_of(layer).key("nat"));
                self.check_nat_family(ground.name(node), *address, layer);
            }
            nats.push(layer.and_then(|layer| self.nat(layer, &mut spare)));
        }
        nats
    }

    fn nat(&mut self, layer: &Layer<'_>, spare: &mut Spare) -> Option<Nat> {
        let nat = layer.file.nat.as_ref()?;
        let timeout = nat.timeout.map_or(defaults::NAT_TIMEOUT, crate::scenario::value::Duration::span);
        if timeout == SimDuration::ZERO {
            let path = path_of(layer).key("nat").key("timeout");
            self.blame(&path, "forgets at once", Finding::new(format!("`{path}` must be above zero")));
        }
        let inside = nat.inside.map(Address::get).or_else(|| spare.take());
        let Some(IpAddr::V4(inside)) = inside else { return None };
        Some(Nat {
            inside,
            mapping: nat.mapping.unwrap_or(defaults::NAT_BEHAVIOUR),
            filtering: nat.filtering.unwrap_or(defaults::NAT_BEHAVIOUR),
            timeout,
        })
    }

    /// A NAT translates IPv4 to IPv4.
    fn check_nat_family(&mut self, name: &str, outside: IpAddr, layer: &Layer<'_>) {
        let inside = layer.file.nat.as_ref().and_then(|nat| nat.inside);
        let path = path_of(layer).key("nat");
        if outside.is_ipv6() {
            let finding = Finding::new(format!("a NAT cannot stand in front of `{name}`"))
                .help("give the node an IPv4 address, or leave the NAT out");
            self.blame(&path, format!("the address of `{name}` is {outside}"), finding);
        } else if inside.is_some_and(|inside| inside.get().is_ipv6()) {
            let finding = Finding::new(format!("`{path}.inside` must be an IPv4 address"));
            self.blame(&path.key("inside"), "a NAT translates IPv4 to IPv4", finding);
        }
    }

    /// The address of every node, in node order.
    fn addresses(
        &mut self,
        ground: &Ground,
        layers: &[Layer<'_>],
        chosen: &[Chosen],
        (networks, gateways): (&[Vec<Network>], &[Option<NodeIndex>]),
        claims: &mut Vec<Claim>,
    ) -> Vec<IpAddr> {
        let given = |chosen: &Chosen| chosen.address.and_then(|layer| layers[layer].file.address);
        let taken = chosen.iter().filter_map(given).map(Address::get).collect();
        let from = self.file.topology.addresses.unwrap_or_else(outside_addresses);
        let mut spare = Spare::new(from, taken);
        let mut pools = Pools::new(layers, chosen, gateways);
        let mut all = Vec::with_capacity(chosen.len());
        for ((node, spec), chosen) in ground.topology.nodes().zip(chosen) {
            if let Some(gateway) = gateways[node.index()] {
                let given = given(chosen).map(|given| (given.get(), address_path(layers, chosen)));
                let networks = &networks[gateway.index()];
                let address = self.address_behind(ground, (node, gateway), networks, given, &mut pools);
                all.push(address.unwrap_or_else(|| networks[0].first_host()));
                continue;
            }
            let Some(address) = given(chosen).map(Address::get).or_else(|| spare.take()) else {
                let path = KeyPath::root().key("topology").key("addresses");
                let finding = Finding::new(format!("`{path}` is too small"));
                self.blame(&path, format!("no address is left for `{}`", spec.name), finding);
                // The rest of the check goes on as if it had one.
                all.push(from.first());
                continue;
            };
            claims.push(Claim {
                network: Network::host(address),
                owner: format!("the address {address} of `{}`", spec.name),
                path: address_path(layers, chosen),
            });
            all.push(address);
        }
        all
    }

    fn cost_profiles(&mut self, layers: &[Layer<'_>]) -> BTreeMap<usize, CostProfile> {
        let named = layers.iter().enumerate().filter_map(|(position, layer)| {
            let name = layer.file.cost_profile.as_deref()?;
            Some((position, self.cost_profile(name, &path_of(layer).key("cost_profile"))?))
        });
        named.collect()
    }

    fn cost_profile(&mut self, name: &str, path: &KeyPath) -> Option<CostProfile> {
        match name {
            "free" => Some(CostProfile::Free),
            "reference" => Some(CostProfile::Reference),
            file if std::path::Path::new(file).extension().is_some_and(|end| end == "toml") => {
                let used = path;
                let (path, text) = self.read_file(file, used)?;
                self.check_profile(&path, &text, used);
                Some(CostProfile::File { path, text })
            }
            unknown => {
                let finding = Finding::new(format!("there is no cost profile `{unknown}`"))
                    .suggest(unknown, ["free", "reference"])
                    .help("shipped: `free` and `reference`")
                    .help("a file ends in .toml");
                self.blame(path, "neither shipped nor the name of a file", finding);
                None
            }
        }
    }
}

fn datapath(file: &DatapathFile) -> Datapath {
    let count = |given: Option<u32>, default: usize| {
        given.map_or(default, |given| usize::try_from(given).unwrap_or(usize::MAX))
    };
    Datapath {
        cores: u16::try_from(file.cores).unwrap_or(u16::MAX),
        ring: count(file.ring, defaults::RING_PACKETS),
        batch: count(file.batch, defaults::BATCH_PACKETS),
        spreading: file.spreading.unwrap_or(Spreading::Spi),
    }
}

/// Tells hosts from nodes that only forward; of these, those without a named cost profile work for free.
pub(super) fn settle_roles(
    nodes: &mut [NodeSettings],
    without_profile: &[NodeIndex],
    connections: &[Connection],
    traffic: &[Flow],
    faults: &[Fault],
) {
    let tunnels = connections.iter().map(|connection| connection.node);
    let flows = traffic.iter().flat_map(|flow| [flow.from, flow.to]);
    let floods = faults.iter().filter_map(|fault| match fault {
        Fault::Flood { from, .. } => Some(*from),
        _ => None,
    });
    for node in tunnels.chain(flows).chain(floods) {
        nodes[node.index()].is_host = true;
    }
    for node in nodes.iter_mut() {
        node.is_host |= !node.networks.is_empty() || node.behind.is_some();
    }
    for node in without_profile {
        let node = &mut nodes[node.index()];
        node.cost_profile = if node.is_host { CostProfile::Reference } else { CostProfile::Free };
    }
}

/// Where addresses towards the topology come from, unless the scenario says (RFC 2544 §C.2.2).
fn outside_addresses() -> Network {
    Network::containing(defaults::FIRST_ADDRESS, 15)
}

/// Where addresses behind NATs come from (RFC 6598).
fn inside_addresses() -> Network {
    Network::containing(defaults::FIRST_INSIDE_ADDRESS, 10)
}

/// Where an address was given; one that was not points at the topology that brought the node.
fn address_path(layers: &[Layer<'_>], chosen: &Chosen) -> KeyPath {
    match chosen.address {
        Some(layer) => path_of(&layers[layer]).key("address"),
        None => KeyPath::root().key("topology"),
    }
}

impl Spare {
    fn new(network: Network, mut taken: Vec<IpAddr>) -> Self {
        taken.sort_unstable();
        Self { network, next: 0, taken }
    }

    /// All but the first address.
    pub(super) fn past_first(network: Network, taken: Vec<IpAddr>) -> Self {
        Self { next: 1, ..Self::new(network, taken) }
    }

    /// The next address that is free, or `None` when all are taken.
    pub(super) fn take(&mut self) -> Option<IpAddr> {
        loop {
            let address = self.network.host_at(self.next)?;
            self.next += 1;
            if self.taken.binary_search(&address).is_err() {
                return Some(address);
            }
        }
    }
}
