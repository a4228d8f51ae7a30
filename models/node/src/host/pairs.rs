//! What a host books of its Child SAs: their names on packets, their records, and whether their children have one.
//!
//! Packets under way name the outbound SA by a number of this host's, since an SPI is drawn by the receiver and two
//! receivers can draw the same one.

use core::time::Duration;

use ipseclab_ike::config::ConnectionId;
use ipseclab_ike::{ChildSaEstablished, CloseReason};
use ipseclab_ipsec::{ChildSaCounters, ChildSaHandle, Spi};
use ipseclab_net::SaId;
use ipseclab_sim::SimTime;

use super::{Host, Installed, Retired, add};
use crate::coverage::{ChildRecord, Coverage, is_deliberate};
use crate::record::{EndReason, SaRecord};

impl Host {
    /// A packet has gone out under a pair: a NAT between us and the peer keeps its mapping without a keepalive (RFC 3948 §4).
    /// The outbound SA, as packets name it; none for packets in the clear.
    pub(super) fn note_sent(&mut self, now: Duration, pair: Option<ChildSaHandle>) -> SaId {
        let installed = pair.and_then(|pair| self.children.get(&pair.spi().value()));
        let Some(installed) = installed else { return SaId::NONE };
        if installed.in_udp {
            self.endpoint.note_sent(now, installed.ike_sa);
        }
        installed.outbound
    }

    /// A packet of the peer has come under a pair: the peer is alive.
    pub(super) fn note_alive(&mut self, now: Duration, spi: Spi) {
        if let Some(child) = self.children.get(&spi.value()) {
            self.endpoint.note_alive(now, child.ike_sa);
        }
    }

    /// The engine has taken a pair.
    pub(super) fn note_installed(&mut self, now: Duration, child: &ChildSaEstablished) {
        self.sas_installed += 1;
        let since = time(now);
        let installed = Installed {
            ike_sa: child.ike_sa,
            child: child.child,
            outbound: SaId::new(self.origin.owner.index(), self.sas_installed),
            spi_out: child.spi_out,
            since,
            in_udp: child.udp_encap,
        };
        self.children.insert(child.spi_in, installed);
        let coverage =
            self.coverage.entry(child.child).or_insert_with(|| Coverage::begin(child.child, since));
        coverage.install(child.spi_in);
        self.note_usable(now, child.spi_in);
    }

    /// Whether packets can leave under a pair may have changed.
    pub(super) fn note_usable(&mut self, now: Duration, spi_in: u32) {
        let child = self.children.get(&spi_in).map(|installed| installed.child);
        let Some(coverage) = child.and_then(|child| self.coverage.get_mut(&child)) else { return };
        if can_send(&self.engine, coverage) {
            coverage.covered(time(now));
        } else {
            coverage.uncovered(time(now));
        }
    }

    /// IKE has closed a Child SA; what it has carried so far.
    ///
    /// When others of the child are there, packets that left under it may still be on their way, or in the ring of a
    /// datapath core, where the messages of IKE overtake them. So the pair takes them for a while (charon's
    /// `delete_rekeyed_delay`). It goes with the last Child SA of its child, which is then no longer wanted.
    pub(super) fn take_down(&mut self, now: Duration, spi_in: u32, reason: CloseReason) -> ChildSaCounters {
        let Some(spi) = Spi::new(spi_in) else { return ChildSaCounters::default() };
        let Some(installed) = self.children.remove(&spi_in) else { return ChildSaCounters::default() };
        let carried = self.engine.sa_counters(spi).unwrap_or_default();
        self.engine.retire(spi);
        let retired = Retired { installed, ended: time(now), until: now.saturating_add(self.rekeyed_delay) };
        self.retired.insert(spi_in, retired);
        self.retirements.insert((retired.until, spi_in));
        self.note_closed_pair(now, spi_in, installed, EndReason::Closed(reason));
        let is_last = self.coverage.get(&installed.child).is_none_or(|coverage| coverage.pairs.is_empty());
        if is_last {
            let of_child =
                self.retired.iter().filter(|(_, retired)| retired.installed.child == installed.child);
            let of_child: Vec<_> = of_child.map(|(spi, _)| *spi).collect();
            for spi in of_child {
                self.forget(spi);
            }
        } else if !is_succeeded(reason) {
            self.forget(spi_in);
        }
        carried
    }

    /// Lets go of the Child SAs that have taken what arrives for long enough.
    pub(super) fn drop_retired(&mut self, now: Duration) {
        while let Some((_, spi_in)) = self.retirements.first().copied().filter(|(until, _)| *until <= now) {
            self.forget(spi_in);
        }
    }

    /// The engine gives up a pair that has ended for IKE.
    pub(super) fn forget(&mut self, spi_in: u32) {
        let Some(retired) = self.retired.remove(&spi_in) else { return };
        self.retirements.remove(&(retired.until, spi_in));
        if let Some(sizes) = &mut self.packet_sizes {
            sizes.remove(spi_in);
        }
        let carried = Spi::new(spi_in).and_then(|spi| self.engine.remove(spi)).unwrap_or_default();
        add(&mut self.counters.esp, carried);
        self.sas_removed.push(record(spi_in, &retired.installed, Some(retired.ended), carried));
    }

    /// The engine has lost a pair.
    pub(super) fn note_removed(
        &mut self,
        now: Duration,
        spi_in: u32,
        installed: Installed,
        (carried, reason): (ChildSaCounters, EndReason),
    ) {
        self.note_closed_pair(now, spi_in, installed, reason);
        self.sas_removed.push(record(spi_in, &installed, Some(time(now)), carried));
    }

    fn note_closed_pair(&mut self, now: Duration, spi_in: u32, installed: Installed, reason: EndReason) {
        let Some(coverage) = self.coverage.get_mut(&installed.child) else { return };
        coverage.pairs.remove(&spi_in);
        if can_send(&self.engine, coverage) {
            coverage.covered(time(now));
        } else if is_deliberate(reason) {
            coverage.closed(time(now));
        } else {
            coverage.uncovered(time(now));
        }
    }

    /// The IKE SAs of a connection have ended to be set up anew.
    pub(super) fn note_broken(&mut self, now: Duration, connection: ConnectionId) {
        let ours = self.coverage.iter_mut().filter(|(child, _)| child.connection == connection);
        ours.for_each(|(_, coverage)| coverage.broken(time(now)));
    }

    /// The records of all Child SAs and of all children, at the end of the run.
    pub(crate) fn take_stock(&mut self, now: SimTime) -> (Vec<SaRecord>, Vec<ChildRecord>) {
        let carried =
            |spi: u32| Spi::new(spi).and_then(|spi| self.engine.sa_counters(spi)).unwrap_or_default();
        let living = self.children.iter().map(|(spi, pair)| record(*spi, pair, None, carried(*spi)));
        let retired = self
            .retired
            .iter()
            .map(|(spi, one)| record(*spi, &one.installed, Some(one.ended), carried(*spi)));
        let living = living.chain(retired);
        let sas: Vec<_> = core::mem::take(&mut self.sas_removed).into_iter().chain(living).collect();
        let coverage = core::mem::take(&mut self.coverage);
        (sas, coverage.into_values().map(|coverage| coverage.finish(now)).collect())
    }
}

/// Whether what ended so has others in its place, and packets of its own that may still arrive.
fn is_succeeded(reason: CloseReason) -> bool {
    match reason {
        CloseReason::Rekeyed | CloseReason::Redundant | CloseReason::Remote => true,
        CloseReason::Local | CloseReason::PeerDead | CloseReason::Expired | CloseReason::Replaced => false,
    }
}

/// Whether packets of a child can leave.
fn can_send(engine: &ipseclab_ipsec::Engine<super::Token>, coverage: &Coverage) -> bool {
    coverage.pairs.iter().filter_map(|spi| Spi::new(*spi)).any(|spi| engine.can_send(spi))
}

fn record(spi_in: u32, pair: &Installed, removed: Option<SimTime>, carried: ChildSaCounters) -> SaRecord {
    SaRecord {
        outbound: pair.outbound,
        child: pair.child,
        spi_in,
        spi_out: pair.spi_out,
        installed: pair.since,
        removed,
        carried,
    }
}

/// The time of a job; it has come from the simulation's clock.
fn time(now: Duration) -> SimTime {
    SimTime::from_duration(now).expect("a time of the simulation fits its clock")
}
