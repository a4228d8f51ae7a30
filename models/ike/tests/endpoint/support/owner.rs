//! What the owner of an endpoint does with its events: a SAD, and which SA packets go out on.
//!
//! The owner believes every event and complains of those that do not fit what it was told before.

use std::collections::{BTreeMap, BTreeSet};

use ipseclab_ike::config::ChildId;
use ipseclab_ike::{ChildSaEstablished, Event, IkeSaId, Outbound};

/// One side's SAD, its IKE SAs, and its complaints.
#[derive(Default)]
pub(crate) struct Owner {
    /// Child SAs by inbound SPI.
    pub(crate) children: BTreeMap<u32, Installed>,
    /// IKE SAs with their SPIs, the initiator's first.
    pub(crate) ike_sas: BTreeMap<IkeSaId, (u64, u64)>,
    /// Every inbound SPI that there has ever been.
    pub(crate) known: BTreeSet<u32>,
    pub(crate) complaints: Vec<String>,
    ended: BTreeSet<IkeSaId>,
    clock: u32,
}

/// A Child SA in the SAD.
pub(crate) struct Installed {
    pub(crate) ike_sa: IkeSaId,
    pub(crate) sa: ChildSaEstablished,
    /// Since when packets go out on it; `None` as long as they do not.
    pub(crate) usable: Option<u32>,
}

impl Owner {
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::IkeSaEstablished(sa) => {
                let spis = (sa.spi_i.as_u64(), sa.spi_r.as_u64());
                self.expect(!self.ended.contains(&sa.ike_sa), event);
                let known = self.ike_sas.insert(sa.ike_sa, spis);
                self.expect(known.is_none(), event);
            }
            Event::IkeSaClosed { ike_sa, .. } => {
                let known = self.ike_sas.remove(ike_sa).is_some();
                let once = self.ended.insert(*ike_sa);
                self.expect(known && once, event);
                let empty = self.children.values().all(|child| child.ike_sa != *ike_sa);
                self.expect(empty, event);
            }
            Event::IkeSaRekeyed { old, new } => {
                self.expect(self.ike_sas.contains_key(old), event);
                for child in self.children.values_mut().filter(|child| child.ike_sa == *old) {
                    child.ike_sa = *new;
                }
            }
            Event::ChildSaEstablished(sa) => self.install(sa, event),
            Event::ChildSaReady { spi_in, .. } => {
                self.clock += 1;
                let clock = self.clock;
                let waited = self.children.get_mut(spi_in).filter(|child| child.usable.is_none());
                let waited = waited.map(|child| child.usable = Some(clock)).is_some();
                self.expect(waited, event);
            }
            Event::ChildSaClosed { spi_in, .. } => {
                let known = self.children.remove(spi_in).is_some();
                self.expect(known, event);
            }
            _ => {}
        }
    }

    fn install(&mut self, sa: &ChildSaEstablished, event: &Event) {
        self.clock += 1;
        let usable = (sa.outbound == Outbound::Now).then_some(self.clock);
        let has_ike_sa = self.ike_sas.contains_key(&sa.ike_sa);
        let fresh = self.known.insert(sa.spi_in);
        self.children.insert(sa.spi_in, Installed { ike_sa: sa.ike_sa, sa: sa.clone(), usable });
        self.expect(has_ike_sa && fresh, event);
    }

    fn expect(&mut self, fits: bool, event: &Event) {
        if !fits {
            self.complaints.push(format!("does not fit what was told before: {event:?}"));
        }
    }

    /// The Child SA that packets of `child` go out on: the one that has last become usable.
    pub(crate) fn in_use(&self, child: ChildId) -> Option<&ChildSaEstablished> {
        let of_child = self.children.values().filter(|installed| installed.sa.child == child);
        let usable = of_child.filter_map(|installed| installed.usable.map(|since| (since, &installed.sa)));
        usable.max_by_key(|(since, _)| *since).map(|(_, sa)| sa)
    }

    /// The inbound SPI of the Child SA that serves `child` now.
    pub(crate) fn spi_of(&self, child: ChildId) -> Option<u32> {
        self.in_use(child).map(|sa| sa.spi_in)
    }
}
