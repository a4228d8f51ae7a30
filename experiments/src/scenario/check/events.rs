//! `[[faults]]` and `[[actions]]`: links, connections and times resolved.

use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::{LinkIndex, NodeIndex};

use super::{Checker, Ground};
use crate::document::{Finding, KeyPath, list};
use crate::scenario::checked::{Action, Connection, ConnectionIndex, Fault, NodeSettings};
use crate::scenario::file::{ActionFile, FaultFile, FaultKind};
use crate::scenario::value::Duration;

impl Checker<'_> {
    /// Every fault.
    pub(super) fn faults(&mut self, ground: &Ground, run: SimDuration) -> Vec<Fault> {
        let file = self.file;
        let faults = file.faults.iter().enumerate().filter_map(|(index, fault)| {
            let path = KeyPath::root().key("faults").index(index);
            self.fault(ground, fault, run, &path)
        });
        faults.collect()
    }

    fn fault(
        &mut self,
        ground: &Ground,
        file: &FaultFile,
        run: SimDuration,
        path: &KeyPath,
    ) -> Option<Fault> {
        let at = self.moment(file.at, run, &path.key("at"));
        let link = self.link_named(ground, &file.link, &path.key("link"));
        let lasts = file.lasts.span();
        if lasts == SimDuration::ZERO {
            let finding = Finding::new(format!("`{path}.for` must be above zero"));
            self.blame(&path.key("for"), "over before it begins", finding);
            return None;
        }
        let (at, link) = (at?, link?);
        match file.kind {
            FaultKind::LinkDown => {
                let until = at.checked_add(lasts).unwrap_or(SimTime::MAX);
                Some(Fault::LinkDown { link, at, until })
            }
        }
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

    fn moment(&mut self, at: Duration, run: SimDuration, path: &KeyPath) -> Option<SimTime> {
        if at.span() >= run {
            if run == SimDuration::ZERO {
                // The run's own finding says it all.
                return None;
            }
            let finding = Finding::new(format!("`{path}` must be before the end of the run"));
            self.blame(path, "never happens", finding);
            return None;
        }
        Some(SimTime::ZERO + at.span())
    }

    /// Every command, one entry for each connection and node.
    pub(super) fn actions(
        &mut self,
        ground: &Ground,
        connections: &[Connection],
        settings: &[NodeSettings],
        run: SimDuration,
    ) -> Vec<Action> {
        let file = self.file;
        let mut all = Vec::new();
        for (index, action) in file.actions.iter().enumerate() {
            let path = KeyPath::root().key("actions").index(index);
            let at = self.moment(action.at, run, &path.key("at"));
            let child_is_known = self.check_connection(action, &path);
            let nodes = action.node.as_ref().map(|node| self.resolve(ground, node, &path.key("node")));
            let (Some(at), true) = (at, child_is_known) else { continue };
            let before = all.len();
            all.extend(expand(action, at, connections, nodes.as_deref()));
            if all.len() == before && nodes.is_some_and(|nodes| !nodes.is_empty()) {
                let finding = Finding::new(format!("`{}` is no connection of that node", action.connection));
                self.blame(&path.key("node"), "neither its local nor its remote node", finding);
            }
            for action in &all[before..] {
                self.check_initiation(action, connections, settings, &path);
            }
        }
        all
    }

    /// Whether the connection and the child that an action names exist.
    fn check_connection(&mut self, action: &ActionFile, path: &KeyPath) -> bool {
        let file = self.file;
        let name = &action.connection;
        let Some(connection) = file.connections.get(name) else {
            let known = || file.connections.keys().map(String::as_str);
            let finding = Finding::new(format!("there is no connection `{name}`"))
                .suggest(name, known())
                .help(format!("connections: {}", list(known())));
            self.blame(&path.key("connection"), "not a connection", finding);
            return false;
        };
        let unknown = action.child.as_ref().filter(|child| !connection.children.contains_key(*child));
        if let Some(child) = unknown {
            let known = || connection.children.keys().map(String::as_str);
            let finding = Finding::new(format!("`{name}` has no child `{child}`"))
                .suggest(child, known())
                .help(format!("children of `{name}`: {}", list(known())));
            self.blame(&path.key("child"), "not a child", finding);
        }
        unknown.is_none()
    }
}

fn expand(
    action: &ActionFile,
    at: SimTime,
    connections: &[Connection],
    nodes: Option<&[NodeIndex]>,
) -> Vec<Action> {
    let mut all = Vec::new();
    for (index, connection) in connections.iter().enumerate() {
        if connection.name != action.connection {
            continue;
        }
        let position = |name: &String| connection.children.iter().position(|child| child.name == *name);
        let children: Vec<_> = action.child.iter().filter_map(position).collect();
        let ends = [connection.local, connection.remote];
        let given = |node: &NodeIndex| nodes.map_or(*node == connection.local, |nodes| nodes.contains(node));
        for node in ends.into_iter().filter(given) {
            let connection = ConnectionIndex(index);
            all.push(Action { at, kind: action.action, connection, node, children: children.clone() });
        }
    }
    all
}
