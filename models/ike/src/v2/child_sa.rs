//! Child SAs: what an IKE SA remembers of each, and what the exchanges that make them share.
//!
//! `IKE_AUTH` and `CREATE_CHILD_SA` agree on proposals and traffic selectors in the same way; here stands that way, once
//! for the side that asks and once for the side that answers (RFC 7296 §2.9, §2.17, §1.3.1).

use core::time::Duration;

use ipseclab_crypto::Secret;

use crate::config::{Child, ChildId, ConnectionId, EndpointConfig, Lifetime, Mode};
use crate::event::{ChildProtocol, ChildSaEstablished, CloseReason, Event, FailureReason, Outbound};
use crate::proposal::{ChildProposal, ChosenChild};
use crate::traffic_selector::TrafficSelectors;
use crate::v2::Role;
use crate::v2::channel::Channel;
use crate::v2::configuration::Hosts;
use crate::v2::ike_sa::{Env, Head, has_notify};
use crate::v2::translated::Translation;
use crate::wire::{
    Message, NotifyPayload, NotifyType, Payload, ProposalPayload, ProtocolId, SaPayload, TrafficSelector,
};

/// A Child SA of an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChildSa {
    /// What its SPIs are of.
    pub(crate) protocol: ChildProtocol,
    /// The SPI on packets that we receive.
    pub(crate) spi_in: u32,
    /// The SPI on packets that we send.
    pub(crate) spi_out: u32,
    /// The child that it was made from.
    pub(crate) child: ChildId,
    pub(crate) phase: Phase,
    /// When to renew it.
    pub(crate) rekey_at: Option<Duration>,
    /// When it ends, renewed or not.
    pub(crate) expires_at: Option<Duration>,
    /// Whether packets go out on it only when the one that it replaces is gone.
    pub(crate) waits_for_use: bool,
    /// The inbound SPI of the Child SA that the peer has made in its place: packets move there when this one is gone,
    /// whoever ends it.
    pub(crate) successor: Option<u32>,
}

/// What the peer knows a Child SA of ours by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) protocol: ChildProtocol,
    /// The SPI on packets that we receive.
    pub(crate) spi_in: u32,
}

/// Where a Child SA is in its life.
///
/// ```text
/// Installed ──our renewal──► Rekeying ──answered──► Deleting ──answered──► gone
///     │                          └─────refused────► Installed
///     ├──the peer's renewal──► Rekeyed ──the peer's Delete──► gone
///     └──Delete of either side──► Deleting / gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In use.
    Installed,
    /// Our request to renew it waits or is under way.
    Rekeying,
    /// The peer has renewed it and will delete it.
    Rekeyed,
    /// Our Delete waits or is under way.
    Deleting(CloseReason),
}

/// A Child SA that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) child: ChildId,
    /// The selectors of the packet that wants it, ours first.
    packet: Option<Box<(TrafficSelector, TrafficSelector)>>,
}

/// The traffic of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selectors {
    pub(crate) local: TrafficSelectors,
    pub(crate) remote: TrafficSelectors,
}

impl Wish {
    /// All the traffic that the child is configured with.
    pub(crate) fn whole(child: ChildId) -> Self {
        Self { child, packet: None }
    }

    /// The same for a packet, whose own selectors go first (RFC 7296 §2.9).
    pub(crate) fn for_packet(child: ChildId, local: TrafficSelector, remote: TrafficSelector) -> Self {
        Self { child, packet: Some(Box::new((local, remote))) }
    }

    /// The selectors to ask for, where `dynamic` stands for `hosts`.
    pub(crate) fn selectors(&self, config: &EndpointConfig, hosts: &Hosts) -> Selectors {
        let Selectors { local, remote } = Selectors::of(config.child(self.child), hosts);
        match self.packet.as_deref() {
            Some((own, peers)) => {
                Selectors { local: local.preceded_by(own.clone()), remote: remote.preceded_by(peers.clone()) }
            }
            None => Selectors { local, remote },
        }
    }
}

impl Selectors {
    /// All that `child` allows, where `dynamic` stands for `hosts`.
    fn of(child: &Child, hosts: &Hosts) -> Self {
        Self { local: child.local_ts.resolve(&hosts.local), remote: child.remote_ts.resolve(&hosts.remote) }
    }

    /// What both sides have in common with `policy`; `None` when that is nothing on one of them.
    pub(crate) fn narrow_to(&self, policy: &Self) -> Option<Self> {
        let (local, remote) = (self.local.narrow_to(&policy.local), self.remote.narrow_to(&policy.remote));
        (!local.is_empty() && !remote.is_empty()).then_some(Self { local, remote })
    }

    /// Whether all of this is allowed by `outer`.
    fn is_within(&self, outer: &Self) -> bool {
        self.local.is_within(&outer.local) && self.remote.is_within(&outer.remote)
    }

    /// Whether this allows what comes first in `offer`: the packet that has caused it (RFC 7296 §2.9).
    fn allows_first_of(&self, offer: &Self) -> bool {
        self.local.allows_first_of(&offer.local) && self.remote.allows_first_of(&offer.remote)
    }
}

/// A Child SA as agreed, before its keys.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) child: ChildId,
    pub(crate) chosen: ChosenChild,
    pub(crate) mode: Mode,
    pub(crate) spi_in: u32,
    pub(crate) ts: Selectors,
    /// The same as the answer names it: in the initiator's addresses.
    pub(crate) named: Selectors,
}

/// The part of an agreement that is about traffic.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) child: ChildId,
    pub(crate) mode: Mode,
    pub(crate) ts: Selectors,
    pub(crate) named: Selectors,
}

/// What the keys of a Child SA come from, besides the IKE SA's `SK_d` (RFC 7296 §2.17).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeySources<'a> {
    /// Our part in the exchange, not in the IKE SA.
    pub(crate) side: Role,
    pub(crate) nonce_i: &'a [u8],
    pub(crate) nonce_r: &'a [u8],
    /// The exchange's own key exchange (PFS).
    pub(crate) shared_secret: Option<&'a Secret>,
}

/// How a Child SA begins its life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) replaces: Option<u32>,
    pub(crate) outbound: Outbound,
}

impl Start {
    /// A Child SA that replaces none.
    pub(crate) const FRESH: Self = Self { replaces: None, outbound: Outbound::Now };
}

/// The payloads of a message that concern a Child SA.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChildParts<'a> {
    pub(crate) sa: Option<&'a SaPayload>,
    pub(crate) ts_i: Option<TrafficSelectors>,
    pub(crate) ts_r: Option<TrafficSelectors>,
}

impl ChildParts<'_> {
    /// The protocol of the Child SA that an answer tells of, in so far as it is one.
    pub(crate) fn protocol(&self) -> Option<ChildProtocol> {
        let proposal = self.sa?.proposals.first()?;
        [ChildProtocol::Esp, ChildProtocol::Ah].into_iter().find(|one| one.id() == proposal.protocol)
    }

    /// The selectors of a request, as the responder sees them.
    fn offer(&self) -> Option<Selectors> {
        Some(Selectors { local: self.ts_r.clone()?, remote: self.ts_i.clone()? })
    }
}

/// The SA payload that offers `proposals` for the inbound SPI `spi`.
pub(crate) fn offer(proposals: &[ChildProposal], spi: u32) -> Payload {
    let spi = spi.to_be_bytes();
    let proposals: Vec<ProposalPayload> =
        proposals.iter().zip(1_u8..).map(|(proposal, number)| proposal.to_wire(number, &spi)).collect();
    Payload::Sa(SaPayload { proposals })
}

/// The wish for transport mode, where it is ours.
pub(crate) fn transport_notify(mode: Mode) -> Option<Payload> {
    let notify = NotifyPayload::new(NotifyType::UseTransportMode, vec![]);
    (mode == Mode::Transport).then_some(Payload::Notify(notify))
}

/// Transport mode needs both sides' wish (RFC 7296 §1.3.1).
fn agreed_mode(configured: Mode, peer_wants_transport: bool) -> Mode {
    if peer_wants_transport { configured } else { Mode::Tunnel }
}

/// Checks the answer to our offer of `offered` for `child`: `chosen` is what it chose of our proposals.
pub(crate) fn verify_answer(
    config: &EndpointConfig,
    (child, offered): (ChildId, &Selectors),
    (spi_in, chosen): (u32, ChosenChild),
    message: &Message,
    parts: &ChildParts<'_>,
) -> Result<Agreed, FailureReason> {
    let (Some(ts_i), Some(ts_r)) = (&parts.ts_i, &parts.ts_r) else {
        return Err(FailureReason::InvalidSyntax);
    };
    let ts = Selectors { local: ts_i.clone(), remote: ts_r.clone() };
    if !ts.is_within(offered) || ts.local.is_empty() || ts.remote.is_empty() {
        return Err(FailureReason::TsUnacceptable);
    }
    let configured = config.child(child).mode;
    let transport = has_notify(message, NotifyType::UseTransportMode);
    if transport && configured == Mode::Tunnel {
        return Err(FailureReason::InvalidSyntax);
    }
    let mode = agreed_mode(configured, transport);
    Ok(Agreed { child, chosen, mode, spi_in, named: ts.clone(), ts })
}

/// What a responder agrees on for the traffic of a request, which wants `renewed` again or any child of the connection;
/// `None` when nothing is left.
pub(crate) fn settle_traffic(
    config: &EndpointConfig,
    (connection, renewed): (ConnectionId, Option<ChildId>),
    (head, hosts): (&Head, &Hosts),
    (message, parts): (&Message, &ChildParts<'_>),
) -> Option<Traffic> {
    let wants_transport = has_notify(message, NotifyType::UseTransportMode);
    let settle = |parts: &ChildParts<'_>| {
        let child = renewed.or_else(|| matching_child(config, connection, hosts, parts))?;
        let ts = parts.offer()?.narrow_to(&Selectors::of(config.child(child), hosts))?;
        let mode = agreed_mode(config.child(child).mode, wants_transport);
        Some(Traffic { child, mode, named: ts.clone(), ts })
    };
    let translation = Translation::of(head, parts).filter(|_| wants_transport);
    let translated = translation.and_then(|translation| {
        let traffic = settle(&translation.apply(parts))?;
        Some(Traffic { named: translation.undo(&traffic.ts), ..traffic })
    });
    // What the NAT has changed counts for transport mode alone.
    translated.filter(|traffic| traffic.mode == Mode::Transport).or_else(|| settle(parts))
}

/// The first child of the connection whose traffic has something in common with the request's. One with just that traffic
/// goes first, then one that allows all of it, then one that allows the packet that has caused it.
fn matching_child(
    config: &EndpointConfig,
    connection: ConnectionId,
    hosts: &Hosts,
    parts: &ChildParts<'_>,
) -> Option<ChildId> {
    let offer = parts.offer()?;
    let fit = |child: &Child| {
        let policy = Selectors::of(child, hosts);
        let common = offer.narrow_to(&policy)?;
        let whole = offer.is_within(&common);
        Some((whole && policy.is_within(&offer), whole, common.allows_first_of(&offer)))
    };
    let candidates: Vec<_> =
        config.children(connection).filter_map(|(id, child)| Some((fit(child)?, id))).collect();
    // Of equals, the last one is found: the first in order.
    candidates.into_iter().rev().max_by_key(|(fit, _)| *fit).map(|(_, id)| id)
}

/// The responder's payloads for an agreed Child SA: what goes before and what goes after its nonce and key exchange.
pub(crate) fn answer_payloads(agreed: &Agreed) -> (Vec<Payload>, Vec<Payload>) {
    let answer = agreed.chosen.to_wire(&agreed.spi_in.to_be_bytes());
    let mut before: Vec<_> = transport_notify(agreed.mode).into_iter().collect();
    before.push(Payload::Sa(SaPayload { proposals: vec![answer] }));
    let after =
        vec![Payload::TsI(agreed.named.remote.to_payload()), Payload::TsR(agreed.named.local.to_payload())];
    (before, after)
}

/// The error notification for a Child SA that we refuse.
pub(crate) fn refusal(reason: FailureReason) -> NotifyPayload {
    let kind = match reason {
        FailureReason::TsUnacceptable => NotifyType::TsUnacceptable,
        FailureReason::InvalidSyntax => NotifyType::InvalidSyntax,
        FailureReason::TemporaryFailure => NotifyType::TemporaryFailure,
        FailureReason::NoAdditionalSas => NotifyType::NoAdditionalSas,
        FailureReason::AddressFailure => NotifyType::InternalAddressFailure,
        FailureReason::CpRequired => NotifyType::FailedCpRequired,
        _ => NotifyType::NoProposalChosen,
    };
    NotifyPayload::new(kind, vec![])
}

/// Derives the keys of an agreed Child SA, tells the owner, and returns what the IKE SA remembers.
pub(crate) fn install(
    head: &Head,
    env: &mut Env<'_>,
    channel: &Channel,
    agreed: Agreed,
    sources: KeySources<'_>,
    start: Start,
) -> ChildSa {
    let keys = channel.keys.child_keys(env.crypto, channel.chosen, &agreed.chosen.algorithms, sources);
    let (keys_in, keys_out) = match sources.side {
        Role::Initiator => (keys.from_responder, keys.from_initiator),
        Role::Responder => (keys.from_initiator, keys.from_responder),
    };
    let child = ChildSa::new(env, &agreed, start);
    env.events.push_back(Event::ChildSaEstablished(Box::new(ChildSaEstablished {
        ike_sa: head.id,
        connection: agreed.child.connection,
        child: agreed.child,
        replaces: start.replaces,
        outbound: start.outbound,
        role: sources.side,
        protocol: child.protocol,
        spi_in: child.spi_in,
        spi_out: child.spi_out,
        proposal: agreed.chosen.algorithms,
        keys_in,
        keys_out,
        ah: None,
        mode: agreed.mode,
        local_ts: agreed.ts.local,
        remote_ts: agreed.ts.remote,
        udp_encap: head.nat.detected(),
        local: head.path.local,
        remote: head.path.remote,
    })));
    child
}

impl ChildSa {
    fn new(env: &mut Env<'_>, agreed: &Agreed, start: Start) -> Self {
        let Lifetime { rekey_time, life_time, rand_time } = env.config.child(agreed.child).lifetime;
        Self {
            protocol: agreed.chosen.protocol,
            spi_in: agreed.spi_in,
            spi_out: u32::from_be_bytes(agreed.chosen.algorithms.spi),
            child: agreed.child,
            phase: Phase::Installed,
            rekey_at: env.renewal_at(rekey_time, rand_time),
            expires_at: life_time.map(|life| env.now.saturating_add(life)),
            waits_for_use: start.outbound == Outbound::Later,
            successor: None,
        }
    }

    /// What the peer knows it by.
    pub(crate) fn named(&self) -> Named {
        Named { protocol: self.protocol, spi_in: self.spi_in }
    }

    /// Whether the peer receives with this SPI under this protocol.
    pub(crate) fn is_sent_with(&self, protocol: ProtocolId, spi: &[u8]) -> bool {
        protocol == self.protocol.id() && spi == self.spi_out.to_be_bytes()
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let rekey = self.rekey_at.filter(|_| self.phase == Phase::Installed);
        let expiry = self.expires_at.filter(|_| !self.is_ending());
        [rekey, expiry].into_iter().flatten().min()
    }

    /// Whether our Delete waits or is under way.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Deleting(_))
    }

    /// Why it will have ended when its end comes from us.
    pub(crate) fn local_reason(&self) -> CloseReason {
        match self.phase {
            Phase::Deleting(reason) => reason,
            Phase::Rekeyed => CloseReason::Rekeyed,
            Phase::Installed | Phase::Rekeying => CloseReason::Local,
        }
    }

    /// Why it has ended when the peer deletes it.
    pub(crate) fn remote_reason(&self) -> CloseReason {
        match self.phase {
            Phase::Deleting(reason) if reason != CloseReason::Local => reason,
            _ if self.successor.is_some() => CloseReason::Rekeyed,
            _ => CloseReason::Remote,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn child(phase: Phase, successor: Option<u32>) -> ChildSa {
        let child = ChildId { connection: ConnectionId(0), place: 0 };
        let (rekey_at, expires_at) = (Some(Duration::from_secs(1)), Some(Duration::from_secs(2)));
        let (spi_in, spi_out, waits_for_use) = (256, 257, false);
        let protocol = ChildProtocol::Esp;
        ChildSa { protocol, spi_in, spi_out, child, phase, rekey_at, expires_at, waits_for_use, successor }
    }

    #[test]
    fn the_ends_and_timers_of_each_phase_are_those_of_the_table() {
        let phases = [
            Phase::Installed,
            Phase::Rekeying,
            Phase::Rekeyed,
            Phase::Deleting(CloseReason::Local),
            Phase::Deleting(CloseReason::Rekeyed),
            Phase::Deleting(CloseReason::Redundant),
            Phase::Deleting(CloseReason::Expired),
        ];
        let mut table = String::from("phase | successor | our end | the peer's end | next timer\n");
        for phase in phases {
            for successor in [None, Some(258)] {
                let sa = child(phase, successor);
                let timer = match sa.deadline() {
                    at if at == sa.rekey_at => "soft limit",
                    at if at == sa.expires_at => "hard limit",
                    _ => "none",
                };
                let has = if successor.is_some() { "yes" } else { "no" };
                let (ours, theirs) = (sa.local_reason().as_str(), sa.remote_reason().as_str());
                writeln!(table, "{phase:?} | {has} | {ours} | {theirs} | {timer}").unwrap();
            }
        }
        assert_eq!(table, include_str!("../../tests/snapshots/child_sa_phases.txt"), "\n{table}");
    }
}
