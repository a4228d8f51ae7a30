//! `[[faults]]`: links, nodes and times resolved; which keys go with which kind.

use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::{LinkIndex, NodeIndex};

use super::{Checker, Ground};
use crate::document::{Finding, KeyPath, list};
use crate::scenario::checked::{Fault, NodeSettings};
use crate::scenario::defaults;
use crate::scenario::file::{FaultFile, FaultKind};
use crate::scenario::pattern::NodePattern;
use crate::scenario::selector::Network;
use crate::scenario::value::Duration;

/// The keys of each kind of fault besides `at` and `kind`: those that it needs, and those that it may have.
fn keys_of(kind: FaultKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        FaultKind::LinkDown => (&["link", "for"], &[]),
        FaultKind::NodeCrash => (&["node"], &["for"]),
        FaultKind::NatReboot => (&["node"], &[]),
        FaultKind::Blackhole => (&["node", "for"], &[]),
        FaultKind::Flood => (&["from", "to", "rate", "for"], &["sources"]),
    }
}

fn name_of(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::LinkDown => "link-down",
        FaultKind::NodeCrash => "node-crash",
        FaultKind::NatReboot => "nat-reboot",
        FaultKind::Blackhole => "blackhole",
        FaultKind::Flood => "flood",
    }
}

/// When a fault begins and ends.
#[derive(Clone, Copy)]
struct Window {
    at: SimTime,
    until: Option<SimTime>,
}

impl Window {
    /// The end, which kinds that need `for` have.
    fn end(self) -> SimTime {
        self.until.unwrap_or(SimTime::MAX)
    }
}

impl Checker<'_> {
    /// Every fault, one entry for each node of a pattern.
    pub(super) fn faults(
        &mut self,
        ground: &Ground,
        settings: &[NodeSettings],
        run: SimDuration,
    ) -> Vec<Fault> {
        let file = self.file;
        let mut all = Vec::new();
        for (index, fault) in file.faults.iter().enumerate() {
            let path = KeyPath::root().key("faults").index(index);
            let fits = self.check_fault_keys(fault, &path);
            let window = self.window_of(fault, run, &path);
            if let (true, Some(window)) = (fits, window) {
                all.extend(self.fault(ground, settings, fault, window, &path));
            }
        }
        all
    }

    /// Whether the keys are those of the kind.
    fn check_fault_keys(&mut self, file: &FaultFile, path: &KeyPath) -> bool {
        let (needed, allowed) = keys_of(file.kind);
        let given = [
            ("link", file.link.is_some()),
            ("node", file.node.is_some()),
            ("for", file.lasts.is_some()),
            ("from", file.from.is_some()),
            ("to", file.to.is_some()),
            ("rate", file.rate.is_some()),
            ("sources", file.sources.is_some()),
        ];
        let kind = name_of(file.kind);
        let mut fits = true;
        for (key, is_given) in given {
            if needed.contains(&key) && !is_given {
                let finding = Finding::new(format!("`{path}` lacks `{key}`"))
                    .help(format!("keys of a {kind}: {}", list(needed.iter().chain(allowed).copied())));
                self.blame(path, format!("a {kind} needs it"), finding);
                fits = false;
            } else if is_given && !needed.contains(&key) && !allowed.contains(&key) {
                let finding = Finding::new(format!("a {kind} has no `{key}`"))
                    .help(format!("its keys: {}", list(needed.iter().chain(allowed).copied())));
                self.blame(&path.key(key), "of another kind of fault", finding);
                fits = false;
            }
        }
        fits
    }

    fn window_of(&mut self, file: &FaultFile, run: SimDuration, path: &KeyPath) -> Option<Window> {
        let at = self.moment(file.at, run, &path.key("at"));
        let lasts = file.lasts.map(Duration::span);
        if lasts == Some(SimDuration::ZERO) {
            let finding = Finding::new(format!("`{path}.for` must be above zero"));
            self.blame(&path.key("for"), "over before it begins", finding);
            return None;
        }
        let at = at?;
        Some(Window { at, until: lasts.map(|lasts| at.checked_add(lasts).unwrap_or(SimTime::MAX)) })
    }

    fn fault(
        &mut self,
        ground: &Ground,
        settings: &[NodeSettings],
        file: &FaultFile,
        window: Window,
        path: &KeyPath,
    ) -> Vec<Fault> {
        let (at, until) = (window.at, window.until);
        match file.kind {
            FaultKind::LinkDown => {
                let name = file.link.as_deref().unwrap_or_default();
                let link = self.link_named(ground, name, &path.key("link"));
                link.map(|link| Fault::LinkDown { link, at, until: window.end() }).into_iter().collect()
            }
            FaultKind::Flood => self.flood(ground, settings, file, window, path).into_iter().collect(),
            FaultKind::NodeCrash => {
                self.nodes_of(ground, file, path).map(|node| Fault::NodeCrash { node, at, until }).collect()
            }
            FaultKind::Blackhole => {
                let until = window.end();
                self.nodes_of(ground, file, path).map(|node| Fault::Blackhole { node, at, until }).collect()
            }
            FaultKind::NatReboot => {
                let nodes: Vec<_> = self.nodes_of(ground, file, path).collect();
                self.check_nats(settings, &nodes, path);
                nodes.into_iter().map(|node| Fault::NatReboot { node, at }).collect()
            }
        }
    }

    fn nodes_of(
        &mut self,
        ground: &Ground,
        file: &FaultFile,
        path: &KeyPath,
    ) -> std::vec::IntoIter<NodeIndex> {
        let nodes = file.node.as_ref().map(|node| self.resolve(ground, node, &path.key("node")));
        nodes.unwrap_or_default().into_iter()
    }

    fn check_nats(&mut self, settings: &[NodeSettings], nodes: &[NodeIndex], path: &KeyPath) {
        if let Some(node) = nodes.iter().find(|node| settings[node.index()].nat.is_none()) {
            let name = &settings[node.index()].name;
            let finding = Finding::new(format!("`{name}` has no NAT in front of it"))
                .help("name the node behind the NAT that reboots")
                .help(format!("or add nat = {{}} to [nodes.{name}]"));
            self.blame(&path.key("node"), "what would reboot?", finding);
        }
    }

    fn flood(
        &mut self,
        ground: &Ground,
        settings: &[NodeSettings],
        file: &FaultFile,
        window: Window,
        path: &KeyPath,
    ) -> Option<Fault> {
        let from = self.one_node(ground, file.from.as_ref()?, &path.key("from"));
        let to = self.one_node(ground, file.to.as_ref()?, &path.key("to"));
        let (address, prefix) = defaults::FLOOD_SOURCES;
        let sources = file.sources.unwrap_or_else(|| Network::containing(address, prefix));
        let (from, to) = (from?, to?);
        if from == to {
            let finding = Finding::new(format!("`{path}` floods the node that sends"));
            self.blame(&path.key("to"), "the same node as `from`", finding);
        }
        // A sender may show its own address: then it is one that many share, or that does not answer.
        let others =
            settings.iter().filter(|node| node.node != from || sources != Network::host(node.address));
        let owner = others.into_iter().find(|node| {
            sources.contains(node.address) || node.networks.iter().any(|network| network.overlaps(sources))
        });
        if let Some(owner) = owner {
            let finding = Finding::new(format!("{sources} holds addresses of `{}`", owner.name)).help(
                "forged sources are addresses of nobody, such as 203.0.113.0/24, or the sender's own one",
            );
            self.blame(&path.key("sources"), "somebody would answer", finding);
        }
        let interval = SimDuration::from_nanos(1_000_000_000 / u64::from(file.rate?));
        Some(Fault::Flood { from, to, at: window.at, until: window.end(), interval, sources })
    }

    fn one_node(&mut self, ground: &Ground, pattern: &NodePattern, path: &KeyPath) -> Option<NodeIndex> {
        let nodes = self.resolve(ground, pattern, path);
        if nodes.len() > 1 {
            let finding = Finding::new(format!("`{}` names {} nodes", pattern.as_str(), nodes.len()))
                .help("write one fault for each");
            self.blame(path, "one node is meant", finding);
            return None;
        }
        nodes.first().copied()
    }

    fn link_named(&mut self, ground: &Ground, name: &str, path: &KeyPath) -> Option<LinkIndex> {
        let found = ground.topology.link_by_name(name);
        if found.is_none() {
            let links = ground.topology.links().filter_map(|(link, ..)| ground.topology.link_name(link));
            let links: Vec<_> = links.collect();
            let finding = Finding::new(format!("there is no link `{name}`"))
                .suggest(name, links.iter().map(String::as_str))
                .help(format!("links: {}", list(links.iter().map(String::as_str))));
            self.blame(path, "not in the topology", finding);
        }
        found
    }
}
