//! `[[policies]]`: selectors resolved, one entry for each node.

use super::connections::resolved;
use super::{Checker, Ground};
use crate::document::{Finding, KeyPath};
use crate::scenario::checked::{NodeSettings, Policy, TrafficSelector};
use crate::scenario::selector::{Selector, SelectorRange};

impl Checker<'_> {
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
