//! The Security Association Database: pairs of SAs by inbound SPI and by policy (RFC 4301 §4.4.2).
//!
//! SAs come and go in pairs, since that is how IKE makes them; bundles of ESP and AH are pairs with two SPIs. An arriving
//! packet finds its pair by SPI alone (RFC 4301 §4.1, unicast), so no two have one SPI, whatever the protocol; a leaving one by policy and negotiated selectors. Where several pairs cover it, as while a Child SA is
//! rekeyed, the newest one takes it that is in use and has something left; the others are there for what still arrives.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::child::ChildSa;
use crate::index::RemoteIndex;
use crate::sa::ChildSaHandle;
use crate::selector::{Direction, Selectors};
use crate::spd::PolicyId;
use crate::spi::Spi;

/// All installed pairs. Slots are reused, so an index is valid only until the next removal.
#[derive(Debug, Default)]
pub(crate) struct Sad {
    slots: Vec<Option<ChildSa>>,
    free: Vec<usize>,
    by_spi: BTreeMap<Spi, usize>,
    /// Bundles by the SPI of their AH.
    by_outer_spi: BTreeMap<Spi, usize>,
    /// Pairs by the SPIs of their leaving packets, which other hosts have chosen and may have chosen alike.
    by_leaving_spi: BTreeSet<(Spi, usize)>,
    by_policy: BTreeMap<PolicyId, RemoteIndex>,
    serial: u64,
    idle: BTreeSet<(Duration, Spi)>,
}

impl Sad {
    pub(crate) fn contains(&self, spi: Spi) -> bool {
        self.by_spi.contains_key(&spi)
    }

    /// Whether an arriving packet with this SPI, of ESP or AH, belongs to a pair.
    pub(crate) fn is_taken(&self, spi: Spi) -> bool {
        self.contains(spi) || self.by_outer_spi.contains_key(&spi)
    }

    /// Adds a pair, none of whose inbound SPIs is taken.
    pub(crate) fn insert(&mut self, mut child: ChildSa) -> ChildSaHandle {
        let (spi, policy) = (child.inbound.sa.spi, child.policy);
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.serial += 1;
        child.serial = self.serial;
        self.by_policy.entry(policy).or_default().insert(slot, child.remote_ts());
        self.by_spi.insert(spi, slot);
        if let Some(outer) = child.inbound.sa.ah.as_ref().filter(|ah| ah.spi != spi) {
            self.by_outer_spi.insert(outer.spi, slot);
        }
        self.by_leaving_spi.extend(child.outbound.sa.spis().map(|leaving| (leaving, slot)));
        self.slots[slot] = Some(child);
        self.arm(spi);
        ChildSaHandle(spi)
    }

    pub(crate) fn remove(&mut self, spi: Spi) -> Option<ChildSa> {
        self.retire(spi);
        let slot = self.by_spi.remove(&spi)?;
        let child = self.slots[slot].take()?;
        self.free.push(slot);
        if let Some(ah) = &child.inbound.sa.ah {
            self.by_outer_spi.remove(&ah.spi);
        }
        Some(child)
    }

    /// Leaves of a pair what arriving packets need: none leaves under it any more, no policy knows it, and nobody asks
    /// whether it is idle. False when there is no such pair.
    pub(crate) fn retire(&mut self, spi: Spi) -> bool {
        let Some(&slot) = self.by_spi.get(&spi) else { return false };
        let Some(child) = self.slots[slot].as_mut() else { return false };
        for leaving in child.outbound.sa.spis() {
            self.by_leaving_spi.remove(&(leaving, slot));
        }
        if let Some(index) = self.by_policy.get_mut(&child.policy).filter(|_| !child.retired) {
            index.remove(slot, child.remote_ts());
            if index.is_empty() {
                self.by_policy.remove(&child.policy);
            }
        }
        if let Some(deadline) = child.armed.take() {
            self.idle.remove(&(deadline, spi));
        }
        child.retired = true;
        true
    }

    pub(crate) fn get(&self, spi: Spi) -> Option<&ChildSa> {
        self.slots[*self.by_spi.get(&spi)?].as_ref()
    }

    pub(crate) fn get_mut(&mut self, spi: Spi) -> Option<&mut ChildSa> {
        self.slots[*self.by_spi.get(&spi)?].as_mut()
    }

    /// The pair of an arriving packet: by the SPI that names it, or that of AH in a bundle.
    pub(crate) fn arriving(&mut self, spi: Spi) -> Option<&mut ChildSa> {
        let slot = self.by_spi.get(&spi).or_else(|| self.by_outer_spi.get(&spi))?;
        self.slots[*slot].as_mut()
    }

    /// The pair whose packets leave with this SPI, of ESP or AH, between these addresses.
    pub(crate) fn leaving(&mut self, spi: Spi, source: IpAddr, destination: IpAddr) -> Option<&mut ChildSa> {
        let slots = self.by_leaving_spi.range((spi, 0)..=(spi, usize::MAX)).map(|(_, slot)| *slot);
        let on_path = |slot: &usize| {
            let sa = self.slots[*slot].as_ref().map(|child| &child.outbound.sa);
            sa.is_some_and(|sa| (sa.source, sa.destination) == (source, destination))
        };
        let slot = slots.into_iter().find(on_path)?;
        self.slots[slot].as_mut()
    }

    /// The slot of the pair of the policy that takes a leaving packet.
    pub(crate) fn outbound(&self, policy: PolicyId, packet: &Selectors) -> Option<usize> {
        let covering = self.covering(policy, Direction::Outbound, packet);
        covering.map(|(slot, child)| (child.preference(), slot)).max().map(|(_, slot)| slot)
    }

    /// The pair in a slot.
    pub(crate) fn in_slot(&mut self, slot: usize) -> Option<&mut ChildSa> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Whether a pair of the policy covers a packet.
    pub(crate) fn covers(&self, policy: PolicyId, direction: Direction, packet: &Selectors) -> bool {
        self.covering(policy, direction, packet).next().is_some()
    }

    fn covering(
        &self,
        policy: PolicyId,
        direction: Direction,
        packet: &Selectors,
    ) -> impl Iterator<Item = (usize, &ChildSa)> {
        let remote = match direction {
            Direction::Outbound => packet.destination,
            Direction::Inbound => packet.source,
        };
        let slots = self.by_policy.get(&policy).into_iter().flat_map(move |index| index.candidates(remote));
        let pairs = slots.filter_map(|slot| self.slots[slot].as_ref().map(|child| (slot, child)));
        pairs.filter(move |(_, child)| child.covers(direction, packet))
    }

    /// Inbound SPIs of all pairs, ascending.
    pub(crate) fn spis(&self) -> impl Iterator<Item = Spi> + '_ {
        self.by_spi.keys().copied()
    }

    /// The earliest time at which some pair could have been idle for too long.
    pub(crate) fn next_idle(&self) -> Option<Duration> {
        self.idle.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one pair that has been idle for too long; it is not armed again.
    ///
    /// Packets do not touch the timer; it is moved here, when it runs out and turns out to have been put off.
    pub(crate) fn take_idle(&mut self, now: Duration) -> Option<Spi> {
        while let Some(&(deadline, spi)) = self.idle.first() {
            if deadline > now {
                return None;
            }
            self.idle.pop_first();
            let Some(child) = self.get_mut(spi) else { continue };
            child.armed = None;
            if child.idle_deadline().is_some_and(|real| real <= now) {
                return Some(spi);
            }
            self.arm(spi);
        }
        None
    }

    fn arm(&mut self, spi: Spi) {
        let Some(child) = self.get_mut(spi) else { return };
        child.armed = child.idle_deadline();
        if let Some(deadline) = child.armed {
            self.idle.insert((deadline, spi));
        }
    }
}
