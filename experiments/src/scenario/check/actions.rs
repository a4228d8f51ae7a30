//! `[[actions]]`: connections, children and times resolved.

use std::collections::BTreeSet;

use ipseclab_sim::{SimDuration, SimTime};
use ipseclab_topologies::NodeIndex;

use super::{Checker, Ground};
use crate::document::{Finding, KeyPath, list};
use crate::scenario::checked::{Action, Connection, ConnectionIndex, NodeSettings};
use crate::scenario::file::{ActionFile, ActionKind};
use crate::scenario::value::Duration;

impl Checker<'_> {
    pub(super) fn moment(&mut self, at: Duration, run: SimDuration, path: &KeyPath) -> Option<SimTime> {
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

    /// Every command, one entry for each connection of each node.
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
            let child_is_known = self.check_connection(action, connections, &path);
            self.check_target(action, &path);
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
    fn check_connection(&mut self, action: &ActionFile, connections: &[Connection], path: &KeyPath) -> bool {
        let name = &action.connection;
        let written = self.file.connections.keys();
        let known: BTreeSet<&str> = written
            .chain(connections.iter().map(|connection| &connection.name))
            .map(String::as_str)
            .collect();
        if !known.contains(name.as_str()) {
            let finding = Finding::new(format!("there is no connection `{name}`"))
                .suggest(name, known.iter().copied())
                .help(format!("connections: {}", list(known.iter().copied())));
            self.blame(&path.key("connection"), "not a connection", finding);
            return false;
        }
        let Some(child) = &action.child else { return true };
        let written = self.file.connections.get(name).into_iter().flat_map(|file| file.children.keys());
        let of_name = connections.iter().filter(|connection| connection.name == *name);
        let checked = of_name.flat_map(|connection| connection.children.iter().map(|child| &child.name));
        let children: BTreeSet<&str> = written.chain(checked).map(String::as_str).collect();
        if !children.contains(child.as_str()) {
            let finding = Finding::new(format!("`{name}` has no child `{child}`"))
                .suggest(child, children.iter().copied())
                .help(format!("children of `{name}`: {}", list(children.iter().copied())));
            self.blame(&path.key("child"), "not a child", finding);
        }
        children.contains(child.as_str())
    }

    /// Whether the command can be given about what the action names.
    fn check_target(&mut self, action: &ActionFile, path: &KeyPath) {
        if action.ike == Some(true) && action.child.is_some() {
            let finding = Finding::new(format!("`{path}` has both `ike` and `child`"))
                .help("`ike` speaks of the IKE SA, `child` of one tunnel in it");
            self.blame(&path.key("ike"), "one of them", finding);
        }
        if action.action == ActionKind::Reauthenticate && action.child.is_some() {
            let finding = Finding::new("a tunnel cannot authenticate anew")
                .help("leave `child` out: the IKE SA does, and its tunnels come along");
            self.blame(&path.key("child"), "the IKE SA is authenticated", finding);
        }
    }
}

fn expand(
    action: &ActionFile,
    at: SimTime,
    connections: &[Connection],
    nodes: Option<&[NodeIndex]>,
) -> Vec<Action> {
    let given =
        |connection: &Connection| nodes.map_or(connection.is_local, |nodes| nodes.contains(&connection.node));
    let matching = connections.iter().enumerate();
    let matching =
        matching.filter(|(_, connection)| connection.name == action.connection && given(connection));
    matching
        .map(|(index, connection)| Action {
            at,
            kind: action.action,
            connection: ConnectionIndex(index),
            children: targets(action, connection),
        })
        .collect()
}

/// The places of the tunnels that a command is about; none for the IKE SA.
fn targets(action: &ActionFile, connection: &Connection) -> Vec<usize> {
    match &action.child {
        Some(name) => connection.children.iter().position(|child| child.name == *name).into_iter().collect(),
        None if action.action == ActionKind::Initiate && action.ike != Some(true) => {
            (0..connection.children.len()).collect()
        }
        None => Vec::new(),
    }
}
