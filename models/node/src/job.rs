//! The work of a host's cores: what it is, what it leads to, and what it costs.

use core::time::Duration;

use ipseclab_ike::config::ConnectionId;
use ipseclab_ike::wire::IkeSpi;
use ipseclab_ike::{IkeSaId, Transmit};
use ipseclab_net::{DropReason, IcmpError, Owner, Packet, PortId};
use ipseclab_sim::SimTime;

use crate::cost_profile::{Charge, CostProfile, Step as PathStep};
use crate::event::Command;
use crate::journey::Cause;
use crate::record::{Closure, Step};

/// Work for a core.
#[derive(Debug)]
pub(crate) enum Job {
    /// A packet of others, to be passed on.
    Forward(Packet),
    /// A packet for this host, or for a node behind it.
    Receive(Packet),
    /// A packet of a node behind this host for the host itself: it has not crossed the boundary that policies guard.
    Accept(Packet),
    /// A packet of a node behind this host, or out of a tunnel, that the policies are to see on its way out.
    Transit(Packet),
    /// A packet of this host's applications.
    Send(Packet),
    /// A packet that an application has made whole; no policy sees it.
    Raw(Packet),
    /// Deadlines of the protocol cores, due at this time.
    Timer(SimTime),
    /// The scenario asks for something.
    Command(Command),
}

/// What a job leads to when its CPU time is over.
#[derive(Debug)]
pub(crate) enum Output {
    /// A packet of this node to route.
    Packet(Packet),
    /// A packet of others to route.
    Forwarded(Packet),
    /// A packet of this host's own making, to one of its own addresses or another.
    Notice(Packet),
    /// An IKE message to wrap and route.
    Ike(Box<Transmit>),
    /// A packet in the clear for an application of this host.
    Local(Packet),
    /// A packet in the clear that has passed the policies and is not for this host, and the port towards the node behind
    /// it that it is for.
    Onward(Packet, Option<PortId>),
    /// Something to write down.
    Step(Box<Step>),
    /// An SA ended.
    Closed(Box<Closure>),
    /// An IKE SA came up; if it has no Child SA by now, it was to have none (RFC 6023).
    Established(IkeSaId),
    /// A packet of this owner ended here.
    Drop(DropReason, Owner),
    /// A packet ended here, and its sender may be told why.
    Refused(Refusal),
    /// A message of this host about a packet that ended before.
    Answer(Packet),
    /// Cutting packets of this owner has made so many more of them.
    Made(u64, Owner),
    /// The IKE endpoint took a packet.
    Absorbed,
    /// A fragment of this owner became part of another one.
    Joined(Owner),
    /// The IKE endpoint could do nothing with what it took.
    IkeRejected,
}

/// The end of a packet that was to be passed on.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) packet: Box<Packet>,
    /// Why.
    pub(crate) reason: DropReason,
    /// What its sender is told, if anything.
    pub(crate) error: Option<IcmpError>,
}

/// The effects of a job.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) cause: Cause,
    pub(crate) outputs: Vec<Output>,
    pub(crate) cost: Charge,
}

/// A job in the hands of a core.
pub(crate) struct Run<'a> {
    pub(crate) profile: &'a CostProfile,
    /// Start of service.
    pub(crate) now: Duration,
    /// Arrival of the job at the CPU.
    pub(crate) arrived: SimTime,
    /// Connections whose IKE SA this job has ended to set it up anew, with the initiator's SPI of that.
    pub(crate) broken: Vec<(ConnectionId, IkeSpi)>,
    /// IKE SAs that this job has brought up.
    pub(crate) established: Vec<IkeSaId>,
    /// IKE SAs of IKEv1 for which this job has finished a Quick Mode; the message that says so belongs to it.
    pub(crate) finished: Vec<IkeSaId>,
    pub(crate) effects: Effects,
}

impl Job {
    /// Whose packet it holds, if it does.
    pub(crate) fn owner(&self) -> Option<Owner> {
        match self {
            Self::Forward(packet)
            | Self::Receive(packet)
            | Self::Accept(packet)
            | Self::Transit(packet)
            | Self::Send(packet)
            | Self::Raw(packet) => Some(packet.owner),
            Self::Timer(_) | Self::Command(_) => None,
        }
    }
}

impl Output {
    /// Whose packet ends or leaves with it, if one does.
    pub(crate) fn owner(&self) -> Option<Owner> {
        match self {
            Self::Packet(packet)
            | Self::Forwarded(packet)
            | Self::Local(packet)
            | Self::Onward(packet, _) => Some(packet.owner),
            Self::Drop(_, owner) | Self::Joined(owner) => Some(*owner),
            Self::Refused(refusal) => Some(refusal.packet.owner),
            Self::Absorbed => Some(Owner::NONE),
            Self::Answer(_)
            | Self::Notice(_)
            | Self::Made(..)
            | Self::Ike(_)
            | Self::Step(_)
            | Self::Closed(_)
            | Self::Established(_)
            | Self::IkeRejected => None,
        }
    }
}

impl Run<'_> {
    pub(crate) fn push(&mut self, output: Output) {
        self.effects.outputs.push(output);
    }

    pub(crate) fn charge(&mut self, step: PathStep, octets: usize) {
        self.effects.cost += self.profile.charge_step(step, octets);
    }

    pub(crate) fn charge_crypto(&mut self, work: &[ipseclab_crypto::Work]) {
        self.effects.cost += self.profile.charge_crypto(work);
    }
}
