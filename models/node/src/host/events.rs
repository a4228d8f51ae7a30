//! What the IKE endpoint and the IPsec engine of a host tell each other, and what the host books of it.

use core::net::SocketAddr;

use ipseclab_ike::config::{ConnectionId, IkeVersion};
use ipseclab_ike::wire::MessageId;
use ipseclab_ike::{
    Acquired, CloseReason, CreateChildSubject, Endpoint, Event, FailureReason, IkeSaEstablished, IkeSaId,
    PathChange, Role, VirtualAddress,
};
use ipseclab_ipsec::{Event as EngineEvent, PolicyId, Spi};
use ipseclab_net::{DropReason, Packet};
use ipseclab_sim::SimTime;

use super::{Host, Standing};
use crate::convert;
use crate::cost_profile::Step as PathStep;
use crate::job::{Output, Run};
use crate::journey::Cause;
use crate::record::{ClosedSa, Closure, EndReason, NegotiationRecord, Outcome, RenewalRecord, Step};
use crate::renewal::Beginning;

/// Octets of the IP and UDP headers around an IKE message from or to an address.
fn ip_udp_headers(address: SocketAddr) -> usize {
    if address.is_ipv6() { 40 + 8 } else { 20 + 8 }
}

impl Host {
    /// Carries everything from core to core until all queues are empty.
    pub(super) fn drain(&mut self, run: &mut Run<'_>) {
        loop {
            let mut idle = true;
            while let Some(event) = self.engine.poll_event() {
                idle = false;
                self.handle_engine_event(run, &event);
            }
            while let Some(event) = self.endpoint.poll_event() {
                idle = false;
                self.handle_ike_event(run, event);
            }
            if idle {
                break;
            }
        }
        for ike_sa in core::mem::take(&mut run.established) {
            run.push(Output::Established(ike_sa));
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            run.charge(PathStep::Send, ip_udp_headers(transmit.to) + transmit.payload.len());
            run.push(Output::Ike(Box::new(transmit)));
        }
        self.release(run);
        for ike_sa in core::mem::take(&mut run.finished) {
            run.push(Output::Established(ike_sa));
        }
    }

    fn handle_engine_event(&mut self, run: &mut Run<'_>, event: &EngineEvent) {
        match *event {
            EngineEvent::Acquire { policy, selectors, .. } => {
                if let Some(child) = self.policies.child(policy) {
                    let connection = child.connection;
                    run.push(Output::Step(Box::new(Step::Acquire { connection, packet: selectors })));
                }
                self.acquire(run, policy, &selectors);
            }
            EngineEvent::IdleTimeout { spi } => {
                run.push(Output::Step(Box::new(Step::IdleTimeout { spi_in: spi.value() })));
                self.on_child(run.now, spi, Endpoint::close_idle_child);
            }
            EngineEvent::SeqExhausted { spi } => {
                self.note_usable(run.now, spi.value());
                self.on_child(run.now, spi, Endpoint::rekey_child);
            }
            EngineEvent::SoftExpired { spi, .. } => self.on_child(run.now, spi, Endpoint::rekey_child),
            // The engine tells the senders itself.
            EngineEvent::PathMtuChanged { .. } => {}
            EngineEvent::HardExpired { spi, .. } => self.on_child(run.now, spi, Endpoint::expire_child),
            EngineEvent::MappingChanged { spi, address, port } => {
                if let Some(installed) = self.children.get(&spi.value()) {
                    let remote = SocketAddr::from((address, port));
                    // It may have ended in the same instant; then there is nothing to ask.
                    let _gone = self.endpoint.note_path(run.now, installed.ike_sa, remote);
                }
            }
        }
    }

    fn acquire(&mut self, run: &mut Run<'_>, policy: PolicyId, selectors: &ipseclab_ipsec::Selectors) {
        let child = self.policies.child(policy);
        let Some(child) = child.filter(|_| self.traps.get(policy.0 as usize).is_some_and(|trap| *trap))
        else {
            return self.give_up(run, policy, |_| DropReason::NoTunnel);
        };
        let (local, remote) = convert::packet_selectors(selectors);
        match self.endpoint.acquire(run.now, child, local, remote) {
            Acquired::Started(_) | Acquired::InProgress(_) => {}
            Acquired::Covered(_) => self.give_up(run, policy, |_| DropReason::SelectorMismatch),
            Acquired::Refused(_) | Acquired::Impossible => self.give_up(run, policy, convert::drop_reason),
        }
    }

    fn handle_ike_event(&mut self, run: &mut Run<'_>, event: Event) {
        match &event {
            Event::Initiated { ike_sa, connection, replaces } => {
                self.note_initiated(run, *ike_sa, *connection, *replaces);
            }
            Event::CreateChildSaBegan { ike_sa, message_id, subject } => {
                self.note_request(run, *ike_sa, *message_id, *subject);
            }
            Event::KeysDerived(keys) => {
                if let Some(agreed) = self.ledger.agreed(keys.ike_sa) {
                    agreed.spi_r = Some(keys.spi_r);
                    agreed.ike_proposal = Some(keys.proposal.to_string());
                }
            }
            Event::IsakmpKeysDerived(keys) => {
                if let Some(agreed) = self.ledger.agreed(keys.ike_sa) {
                    agreed.spi_r = Some(keys.cookie_r);
                    agreed.ike_proposal = Some(keys.proposal.to_string());
                }
            }
            Event::IkeSaEstablished(sa) => self.note_established(run, sa),
            Event::ChildSaEstablished(child) => {
                self.install(run, child);
                if child.role == Role::Initiator && self.speaks_v1(child.ike_sa) {
                    run.finished.push(child.ike_sa);
                }
            }
            Event::ChildSaFailed { connection, child: None, .. } => self.abandon(run, *connection),
            Event::ChildSaFailed { child: Some(child), .. } => {
                self.give_up(run, self.policies.policy(*child), convert::drop_reason);
            }
            Event::ChildSaReady { spi_in, .. } => {
                if let Some(spi) = Spi::new(*spi_in) {
                    self.engine.enable_outbound(spi);
                    self.note_usable(run.now, *spi_in);
                }
            }
            Event::IkeSaRekeyed { old, new } => self.inherit(*old, *new),
            Event::PathChanged(change) => self.move_children(change),
            Event::VirtualAddress(agreed) => self.note_lent(agreed),
            Event::RekeyFailed { .. } => {}
            Event::TrapWanted { child } => {
                if let Some(trap) = self.traps.get_mut(self.policies.policy(*child).0 as usize) {
                    *trap = true;
                }
            }
            Event::ChildSaClosed { ike_sa, spi_in, reason } => self.remove(run, *ike_sa, *spi_in, *reason),
            Event::IkeSaClosed { ike_sa, reason } => self.note_ike_closed(run, *ike_sa, *reason),
            Event::NegotiationFailed { ike_sa, connection, role, .. } => {
                self.give_back(*ike_sa);
                self.counters.negotiations_refused += u64::from(*role == Role::Responder);
                if let Some(connection) = connection {
                    self.abandon(run, *connection);
                }
            }
            Event::Dropped(_) => {
                self.counters.ike_datagrams_dropped += 1;
                run.push(Output::IkeRejected);
            }
        }
        run.push(Output::Step(Box::new(Step::Ike(event))));
    }

    fn note_established(&mut self, run: &mut Run<'_>, sa: &IkeSaEstablished) {
        self.counters.ike_sas_established += 1;
        let (connection, spi_i, version) = (sa.connection, sa.spi_i, sa.version);
        self.ike_sas.insert(sa.ike_sa, Standing { connection, spi_i, version, replaced: false });
        // With IKEv1 the Child SA comes with exchanges of its own, and the set-up is over when it is there.
        if version == IkeVersion::V2 || self.bare.remove(&sa.ike_sa) || sa.replaces.is_some() {
            run.established.push(sa.ike_sa);
        }
        if let Some(agreed) = self.ledger.agreed(sa.ike_sa) {
            agreed.nat_detected = sa.nat_detected;
        }
    }

    /// A renewed IKE SA takes over the Child SAs of the old one.
    fn inherit(&mut self, old: IkeSaId, new: IkeSaId) {
        let moved = self.children.values_mut().filter(|installed| installed.ike_sa == old);
        moved.for_each(|installed| installed.ike_sa = new);
        if let Some(standing) = self.ike_sas.get_mut(&old) {
            standing.replaced = true;
        }
        if let Some(addresses) = self.borrowed.remove(&old) {
            self.borrowed.insert(new, addresses);
        }
    }

    /// The peer lends us addresses for as long as the IKE SA lives; what we lend is for the SAs to route.
    fn note_lent(&mut self, agreed: &VirtualAddress) {
        if agreed.role == Role::Responder {
            return;
        }
        let addresses = agreed.addresses.clone();
        for address in &addresses {
            self.assign(*address);
        }
        self.borrowed.insert(agreed.ike_sa, addresses);
    }

    /// Gives back what an IKE SA has brought, unless its successor has got the same address.
    fn give_back(&mut self, ike_sa: IkeSaId) {
        for address in self.borrowed.remove(&ike_sa).unwrap_or_default() {
            if !self.borrowed.values().flatten().any(|kept| *kept == address) {
                self.withdraw(address);
            }
        }
    }

    fn note_ike_closed(&mut self, run: &mut Run<'_>, ike_sa: IkeSaId, reason: CloseReason) {
        self.counters.ike_sas_closed += 1;
        self.note_closed(run, ike_sa, reason, ClosedSa::Ike);
        self.give_back(ike_sa);
        if let Some(ended) = self.ike_sas.remove(&ike_sa)
            && reason == CloseReason::Rekeyed
            && !ended.replaced
        {
            run.broken.push((ended.connection, ended.spi_i));
            self.note_broken(run.now, ended.connection);
        }
    }

    /// A set-up begins. It is a reauthentication when it is to replace an IKE SA, or when the same job has ended one for
    /// it (RFC 7296 §2.8.3).
    fn note_initiated(
        &mut self,
        run: &mut Run<'_>,
        ike_sa: IkeSaId,
        connection: ConnectionId,
        replaces: Option<IkeSaId>,
    ) {
        let broken = run.broken.iter().position(|(of, _)| *of == connection);
        let broken = broken.map(|place| run.broken.swap_remove(place).1);
        let kept = replaces.and_then(|old| self.ike_sas.get(&old)).map(|old| old.spi_i);
        self.ledger.begin(ike_sa, connection, run.arrived, kept.or(broken));
    }

    fn note_request(
        &mut self,
        run: &Run<'_>,
        ike_sa: IkeSaId,
        message_id: MessageId,
        subject: CreateChildSubject,
    ) {
        let Some(standing) = self.ike_sas.get(&ike_sa) else { return };
        // The first Quick Mode is a part of the set-up.
        if standing.version == IkeVersion::V1 && self.ledger.is_under_way(ike_sa) {
            return;
        }
        let (child, spi_old) = match subject {
            CreateChildSubject::Child(child) => (Some(child), None),
            CreateChildSubject::RekeyChild(spi) => {
                (self.children.get(&spi).map(|installed| installed.child), Some(spi.into()))
            }
            CreateChildSubject::RekeyIke => (None, Some(standing.spi_i.as_u64())),
        };
        let connection = standing.connection;
        let beginning = Beginning { ike_sa, message_id, subject, connection, child, spi_old };
        self.renewals.begin(beginning, run.arrived);
    }

    /// Books what an event says, at the time when its job is done; returns what it has ended.
    pub(crate) fn settle(
        &mut self,
        event: &Event,
        cause: Cause,
        now: SimTime,
    ) -> (Option<NegotiationRecord>, Vec<RenewalRecord>) {
        let outcome = outcome_of(event).filter(|_| !self.is_finished_later(event));
        let ended = outcome.and_then(|(id, outcome)| self.ledger.settle(id, outcome, cause, now));
        let mut renewals = self.renewals.note(event, cause, now);
        renewals.extend(ended.as_ref().and_then(RenewalRecord::of_reauthentication));
        (ended, renewals)
    }

    /// Whether a message of the set-up still leaves: the third of Quick Mode, at the time at which the SAs are there.
    fn is_finished_later(&self, event: &Event) -> bool {
        matches!(event, Event::ChildSaEstablished(child) if self.speaks_v1(child.ike_sa))
    }

    fn speaks_v1(&self, ike_sa: IkeSaId) -> bool {
        self.ike_sas.get(&ike_sa).is_some_and(|standing| standing.version == IkeVersion::V1)
    }

    /// The IKE SA is up, and its job has brought no Child SA; or all of a set-up has been sent.
    pub(crate) fn settle_childless(
        &mut self,
        ike_sa: IkeSaId,
        cause: Cause,
        now: SimTime,
    ) -> (Option<NegotiationRecord>, Vec<RenewalRecord>) {
        let ended = self.ledger.settle(ike_sa, Outcome::Established, cause, now);
        let renewals = ended.as_ref().and_then(RenewalRecord::of_reauthentication);
        (ended, renewals.into_iter().collect())
    }

    fn install(&mut self, run: &mut Run<'_>, child: &ipseclab_ike::ChildSaEstablished) {
        self.counters.child_sas_established += 1;
        if let Some(agreed) = self.ledger.agreed(child.ike_sa) {
            agreed.esp_proposal = Some(child.algorithms());
        }
        let policy = self.policies.policy(child.child);
        let idle = self.inactivity.get(policy.0 as usize).copied().flatten();
        let lifetime = convert::volumes(self.endpoint.config().child(child.child), &mut self.streams);
        let mut pair =
            convert::sa_pair(child, policy, idle, lifetime).expect("the endpoint agrees on valid SPIs");
        pair.unauthenticated_esp =
            self.unauthenticated_esp.get(policy.0 as usize).copied().unwrap_or_default();
        pair.replay_window = self.replay_windows.get(policy.0 as usize).copied().unwrap_or_default();
        self.forget(child.spi_in);
        self.engine
            .install(run.now, pair, convert::outbound_use(child.outbound))
            .expect("the endpoint draws each inbound SPI once");
        if let Some(sizes) = &mut self.packet_sizes {
            sizes.install(child);
        }
        self.note_installed(run.now, child);
        // A responder of IKEv1 has its SAs with the third message of Quick Mode, so that goes first.
        if child.role == Role::Responder || !self.speaks_v1(child.ike_sa) {
            self.release(run);
        }
        self.collect_discards(run, convert::drop_reason);
    }

    /// Sends what has waited for an SA that is there. The wait is no stage of a packet's own way, so a new trail begins here.
    fn release(&mut self, run: &mut Run<'_>) {
        while let Some((bytes, token, pair)) = self.engine.poll_packet() {
            run.charge(PathStep::Send, bytes.len());
            let owner = token.owner.sealed(self.note_sent(run.now, pair));
            run.push(Output::Packet(Packet { owner, ..Packet::new(bytes, run.arrived) }));
        }
        self.tell_senders(run);
    }

    fn remove(&mut self, run: &mut Run<'_>, ike_sa: IkeSaId, spi_in: u32, reason: CloseReason) {
        self.counters.child_sas_closed += 1;
        let carried = self.take_down(run.now, spi_in, reason);
        run.push(Output::Step(Box::new(Step::Carried { spi_in, carried })));
        self.note_closed(run, ike_sa, reason, ClosedSa::Child(carried));
    }

    fn note_closed(&self, run: &mut Run<'_>, ike_sa: IkeSaId, reason: CloseReason, sa: ClosedSa) {
        let sa_of = self.ike_sas.get(&ike_sa).expect("only what came up is reported as closed");
        let (connection, reason) = (sa_of.connection, EndReason::Closed(reason));
        run.push(Output::Closed(Box::new(Closure { connection, reason, sa })));
    }

    /// The SAD follows the IKE SA to another address or port.
    fn move_children(&mut self, change: &PathChange) {
        let path = convert::path(change);
        for spi in change.children.iter().filter_map(|spi| Spi::new(*spi)) {
            self.engine.update_path(spi, path);
        }
    }

    /// Nothing will come of the negotiation that packets wait for.
    fn abandon(&mut self, run: &mut Run<'_>, connection: ConnectionId) {
        let policies: Vec<_> = self.policies.of_connection(connection).collect();
        for policy in policies {
            self.give_up(run, policy, convert::drop_reason);
        }
    }

    fn give_up(
        &mut self,
        run: &mut Run<'_>,
        policy: PolicyId,
        reason_of: fn(ipseclab_ipsec::DiscardReason) -> DropReason,
    ) {
        self.engine.negotiation_failed(policy);
        self.collect_discards(run, reason_of);
    }

    fn collect_discards(
        &mut self,
        run: &mut Run<'_>,
        reason_of: fn(ipseclab_ipsec::DiscardReason) -> DropReason,
    ) {
        while let Some((_, token, reason)) = self.engine.poll_discard() {
            run.push(Output::Drop(reason_of(reason), token.owner));
        }
    }
}

fn cut_off(reason: CloseReason) -> FailureReason {
    match reason {
        CloseReason::Local | CloseReason::Expired => FailureReason::Terminated,
        CloseReason::PeerDead => FailureReason::Timeout,
        CloseReason::Remote | CloseReason::Rekeyed | CloseReason::Redundant | CloseReason::Replaced => {
            FailureReason::PeerError
        }
    }
}

/// The end of a set-up of ours that an event means.
fn outcome_of(event: &Event) -> Option<(IkeSaId, Outcome)> {
    match event {
        Event::ChildSaEstablished(child) if child.role == Role::Initiator => {
            Some((child.ike_sa, Outcome::Established))
        }
        Event::ChildSaFailed { ike_sa, reason, .. } => Some((*ike_sa, Outcome::Failed(*reason))),
        Event::NegotiationFailed { ike_sa, role: Role::Initiator, reason, .. } => {
            Some((*ike_sa, Outcome::Failed(*reason)))
        }
        // Phase 1 of IKEv1 was up, and its end has cut off what was to follow.
        Event::IkeSaClosed { ike_sa, reason } => Some((*ike_sa, Outcome::Failed(cut_off(*reason)))),
        _ => None,
    }
}
