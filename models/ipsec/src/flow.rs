//! The pairs that the last packets of flows left under. The next ones need no look-up, until policies or pairs change, or the
//! pair has used itself up.
//!
//! A table of one place for each hash: it begins with one place and grows when flows meet in one, up to a bound that a
//! cache of the first level holds. What it forgets is looked up again.

use crate::header::IpHeader;
use crate::selector::{Selectors, ports_of};
use crate::spd::flow_hash;

/// Places at most; a power of four.
const PLACES_MAX: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Flow {
    selectors: Selectors,
    slot: usize,
}

/// What is remembered of flows.
#[derive(Debug, Default)]
pub(crate) struct Flows(Vec<Option<Flow>>);

impl Flows {
    /// The slot of the pair that took the last packet of this one's flow.
    #[inline]
    pub(crate) fn slot(&self, header: &IpHeader, packet: &[u8]) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let ports = ports_of(header, packet);
        let hash = flow_hash(header.source, header.destination, header.upper.protocol, ports);
        let flow = self.0[place(hash, self.0.len())].as_ref();
        flow.filter(|flow| flow.selectors.are_of(header, ports)).map(|flow| flow.slot)
    }

    pub(crate) fn remember(&mut self, selectors: Selectors, slot: usize) {
        let Selectors { source, destination, protocol, source_port, destination_port } = selectors;
        let hash = flow_hash(source, destination, protocol, (source_port, destination_port));
        let meets = |flows: &[Option<Flow>]| flows[place(hash, flows.len())].is_some();
        if self.0.is_empty() || self.0.len() < PLACES_MAX && meets(&self.0) {
            let places = (self.0.len() * 4).clamp(1, PLACES_MAX);
            self.0.clear();
            self.0.resize(places, None);
        }
        let place = place(hash, self.0.len());
        self.0[place] = Some(Flow { selectors, slot });
    }

    pub(crate) fn forget(&mut self) {
        self.0.fill(None);
    }
}

/// `places` is a power of two.
fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) & (places - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEFT, RIGHT, ping};

    #[test]
    fn flows_are_remembered_with_their_slots_until_all_are_forgotten() {
        let mut flows = Flows::default();
        let mut other = ping(LEFT, RIGHT, 8);
        other[19] ^= 0x55;
        let packets = [ping(LEFT, RIGHT, 8), ping(RIGHT, LEFT, 8), other];
        let slot_of = |flows: &Flows, packet: &[u8]| flows.slot(&IpHeader::parse(packet).unwrap(), packet);
        // What a growing table forgets is there when it has come again.
        for _ in 0..4 {
            for (slot, packet) in packets.iter().enumerate() {
                flows.remember(Selectors::parse(packet).unwrap(), slot);
                assert_eq!(slot_of(&flows, packet), Some(slot));
            }
        }
        let found = packets.iter().filter(|packet| slot_of(&flows, packet).is_some());
        assert!(found.count() >= 2 && flows.0.len() <= PLACES_MAX);
        flows.forget();
        assert!(packets.iter().all(|packet| slot_of(&flows, packet).is_none()));
    }
}
