//! Faults, as entries in the agenda.
//!
//! A crashed node that comes back does what it did at the start of the run: it begins the connections with a start
//! action of their own; the others wait for their packets, or for the peer.

use ipseclab_crypto::Provider;
use ipseclab_ike::proposal::IkeProposal;
use ipseclab_net::IpNet;
use ipseclab_node::{App, AppId, Command, IkeFlood, IkeFloodConfig, NodeEvent};
use ipseclab_sim::{ModelRng, ProcessId, RunSeed, SimDuration, SimTime, StreamLabel};
use ipseclab_topologies::{LinkIndex, NodeIndex};

use super::{World, process};

/// Forged `IKE_SA_INIT` requests from one node to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Flood {
    /// The node that sends them.
    pub from: NodeIndex,
    /// The node that they go to.
    pub to: NodeIndex,
    /// The first one leaves.
    pub at: SimTime,
    /// None leaves at this time or later; above `at`.
    pub until: SimTime,
    /// Time from one to the next; above zero.
    pub interval: SimDuration,
    /// Where the source addresses are drawn from.
    pub sources: IpNet,
    /// What they offer; one with a key exchange.
    pub proposal: IkeProposal,
}

impl World {
    fn at(&mut self, process: ProcessId, at: SimTime, command: Command) {
        self.simulation.schedule(process, at, NodeEvent::Command(command));
    }

    /// The link takes no packet from `at` until `until`.
    pub fn cut_link(&mut self, link: LinkIndex, at: SimTime, until: SimTime) {
        for end in 0..2 {
            let wire = self.wires[2 * link.index() + end];
            for (at, up) in [(at, false), (until, true)] {
                self.at(wire.process, at, Command::SetLink { port: wire.port, up });
            }
        }
    }

    /// The node loses its SAs and every packet inside at `at`, and is down until `until`, or for ever.
    pub fn crash(&mut self, node: NodeIndex, at: SimTime, until: Option<SimTime>) {
        self.at(process(node), at, Command::Crash);
        let Some(until) = until else { return };
        self.at(process(node), until, Command::Recover);
        for start in self.starts.get(&node).cloned().unwrap_or_default() {
            self.at(process(node), until, start);
        }
    }

    /// The NAT in front of the node forgets its mappings; nothing happens without one.
    pub fn reboot_nat(&mut self, node: NodeIndex, at: SimTime) {
        if let Some(nat) = self.nats.get(&node).copied() {
            self.at(nat, at, Command::RebootNat);
        }
    }

    /// Every packet that arrives at the node is dropped from `at` until `until`.
    pub fn swallow(&mut self, node: NodeIndex, at: SimTime, until: SimTime) {
        for (at, swallows) in [(at, true), (until, false)] {
            self.at(process(node), at, Command::Blackhole(swallows));
        }
    }

    /// Adds a flood; its place among the applications of its node, or `None` when that is no host or nothing is offered. Its
    /// randomness depends on the run's seed, on the node and on that place.
    pub fn flood(&mut self, flood: &Flood, seed: u64, provider: &dyn Provider) -> Option<AppId> {
        let address = self.simulation.process(process(flood.to)).address();
        let lasts = flood.until.since(flood.at).as_nanos();
        let config = IkeFloodConfig {
            target: self.nats.get(&flood.to).map_or(address, |nat| self.simulation.process(*nat).address()),
            sources: flood.sources,
            proposal: flood.proposal.clone(),
            start: flood.at,
            interval: flood.interval,
            count: lasts.div_ceil(flood.interval.as_nanos()),
        };
        let node = self.simulation.process_mut(process(flood.from));
        let label = format!("flood {}", node.app_count());
        let random = ModelRng::new(RunSeed::new(seed), StreamLabel::new(process(flood.from).index(), &label));
        let source = IkeFlood::new(config, provider, random)?;
        node.add_app(App::IkeFlood(Box::new(source)))
    }
}
