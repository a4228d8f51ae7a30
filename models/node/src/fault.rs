//! What goes wrong with a node: it goes down and comes back, its NAT reboots, or what is sent to it vanishes.
//!
//! A node that goes down loses its SAs, its mappings and every packet inside. It keeps its configuration and its place
//! in the network, and comes back as if it had just started, with other randomness.
//!
//! Model: the applications of a host stand for hosts behind it, which stay up as nodes behind it do; what they send or
//! receive while it is down is dropped there.

use ipseclab_net::{DropReason, Owner};
use ipseclab_sim::{Context, SimTime};

use crate::datapath::Datapath;
use crate::event::{Command, NodeEvent};
use crate::host::Wreck;
use crate::job::{Job, Output};
use crate::node::{Kind, Node, Power};
use crate::record::{Closure, ClosureRecord};

impl Node {
    /// Does what is no work for a core; false when the command is one for the host.
    pub(crate) fn happen(&mut self, ctx: &mut Context<'_, NodeEvent>, command: Command) -> bool {
        match command {
            Command::SetLink { port, up } => self.ports[port.index()].link.set_up(up),
            Command::Crash => self.crash(ctx),
            Command::Recover => self.power = Power::On,
            Command::RebootNat => {
                if let Kind::Nat(nat) = &mut self.kind {
                    nat.reset();
                }
            }
            Command::Blackhole(swallows) => self.is_blackhole = swallows,
            _ => return false,
        }
        true
    }

    /// Why a packet that comes to this node ends at its door.
    pub(crate) fn refusal(&self) -> Option<DropReason> {
        match self.power {
            Power::Off => Some(DropReason::NodeDown),
            Power::On if self.is_blackhole => Some(DropReason::Blackhole),
            Power::On => None,
        }
    }

    fn crash(&mut self, ctx: &mut Context<'_, NodeEvent>) {
        if self.power == Power::Off {
            return;
        }
        self.power = Power::Off;
        let mut lost = self.stop_cores(ctx);
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel(handle);
        }
        self.timer_queued = false;
        match &mut self.kind {
            Kind::Router => {}
            Kind::Nat(nat) => nat.reset(),
            Kind::Host(host) => {
                let wreck = host.crash(ctx.now());
                lost.extend_from_slice(&wreck.packets);
                self.book(ctx.now(), wreck);
            }
        }
        for owner in lost {
            self.drop_packet(ctx, DropReason::LostWithNode, owner);
        }
    }

    /// Ends the work of all cores; returns whose packets were waiting for it or in it.
    fn stop_cores(&mut self, ctx: &mut Context<'_, NodeEvent>) -> Vec<Owner> {
        let mut waiting = self.cpu.clear();
        waiting.extend(self.datapath.as_mut().map(Datapath::clear).into_iter().flatten());
        let mut lost: Vec<_> = waiting.iter().filter_map(Job::owner).collect();
        let running = core::mem::take(&mut self.running).into_values();
        let batches = core::mem::take(&mut self.batches).into_values();
        let all: Vec<_> = running
            .map(|(effects, handle)| (vec![effects], handle))
            .chain(batches)
            .flat_map(|(batch, handle)| {
                ctx.cancel(handle);
                batch
            })
            .collect();
        for output in all.iter().flat_map(|effects| &effects.outputs) {
            if let Output::Made(pieces, owner) = output {
                self.book_cut(*pieces, *owner);
            }
            lost.extend(output.owner());
        }
        lost
    }

    fn book(&mut self, time: SimTime, wreck: Wreck) {
        let record = |closure: Closure| ClosureRecord { time, closure };
        self.records.closures.extend(wreck.closures.into_iter().map(record));
        self.write_ends(time, wreck.negotiations, wreck.renewals);
    }
}
