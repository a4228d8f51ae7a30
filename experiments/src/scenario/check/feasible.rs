//! What can be written down and cannot work: what the stack cannot do yet, and what no stack could do.
//!
//! It is refused where it is asked for, so that no run quietly shows something else.

use ipseclab_topologies::{MAX_TRANSIT_NODES, NodeIndex};

use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{Action, Connection, NodeSettings};
use crate::scenario::file::{ActionKind, ChildFile, StartAction};

impl Checker<'_> {
    /// All shortest paths fit into memory for so many nodes with two or more links; generators stay below by themselves.
    pub(super) fn check_routable(&mut self, ground: &Ground) {
        let nodes = ground.topology.nodes();
        let transit = nodes.filter(|(node, _)| ground.topology.degree(*node) > 1).count();
        if transit > MAX_TRANSIT_NODES {
            let finding = Finding::new(format!(
                "{transit} nodes with two or more links are too many to find all shortest paths"
            ));
            let finding =
                finding.help(format!("at most {MAX_TRANSIT_NODES}; nodes with one link do not count"));
            self.blame(&KeyPath::root().key("topology").key("file"), "too many for routes", finding);
        }
    }

    /// A NAT stands between a node and its only link, and needs a name of its own in the results.
    pub(super) fn check_nat_place(&mut self, ground: &Ground, node: NodeIndex, path: &KeyPath) {
        let links = ground.topology.degree(node);
        if links != 1 {
            let message = format!("`{}` has {links} links and a NAT", ground.name(node));
            let finding = Finding::new(message).help("a NAT stands on one link; set it on nodes at the edge");
            self.blame(path, "between the node and which link?", finding);
        }
        let name = format!("{}-nat", ground.name(node));
        if ground.topology.node_by_name(&name).is_some() {
            let finding = Finding::new(format!("the NAT would be called `{name}`, as another node is"));
            self.blame(path, "needs a name of its own", finding);
        }
    }

    /// Nobody outside can send the first packet to a node behind a NAT.
    pub(super) fn check_beginning(
        &mut self,
        child: &ChildFile,
        local: &NodeSettings,
        remote: &NodeSettings,
        path: &KeyPath,
    ) {
        let begins = child.start_action != Some(StartAction::None);
        if begins && remote.nat.is_some() {
            self.blame_beginning(local, remote, &path.key("remote"));
        }
    }

    fn blame_beginning(&mut self, from: &NodeSettings, to: &NodeSettings, path: &KeyPath) {
        let finding = Finding::new(format!("`{}` cannot reach `{}` behind its NAT", from.name, to.name));
        let finding = if from.nat.is_some() {
            finding.help("one of the two must be without a NAT")
        } else {
            finding.help("the side behind the NAT must begin: let it be `local`")
        };
        self.blame(path, "the first message would not get through", finding);
    }

    /// An operator cannot initiate towards a NAT either.
    pub(super) fn check_initiation(
        &mut self,
        action: &Action,
        connections: &[Connection],
        nodes: &[NodeSettings],
        path: &KeyPath,
    ) {
        let connection = &connections[action.connection.index()];
        let Some(peer) = connection.peer else { return };
        let (from, to) = (&nodes[connection.node.index()], &nodes[peer.index()]);
        if action.kind == ActionKind::Initiate && to.nat.is_some() {
            self.blame_beginning(from, to, &path.key("connection"));
        }
    }

    /// A node that only forwards has no traffic of its own for a policy to match.
    pub(super) fn check_policy_nodes(&mut self, ground: &Ground, nodes: &[NodeSettings]) {
        let file = self.file;
        for (index, policy) in file.policies.iter().enumerate() {
            let path = KeyPath::root().key("policies").index(index).key("node");
            let idle = |node: &NodeIndex| !nodes[node.index()].is_host;
            let named = ground.matching(&policy.node);
            if !named.is_empty() && named.iter().all(idle) {
                let finding = Finding::new(format!("`{}` only forwards", policy.node.as_str()))
                    .help("a policy is about the traffic of a node and of the networks behind it");
                self.blame(&path, "has no traffic of its own", finding);
            }
        }
    }
}
