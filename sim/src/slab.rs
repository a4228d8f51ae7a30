//! Where payloads wait while their small queue entries are sorted.
//!
//! A slot is reused last-in first-out, so a handler that schedules one event gets the slot of the event that it
//! is handling, still in the cache. A cancelled slot drops its payload at once, but stays taken until its
//! queue entry comes by: entries carry no generation and must not find somebody else's payload.

use crate::process::{ProcessId, TimerHandle};

/// Ends the list of free slots.
const NONE: u32 = u32::MAX;

pub(crate) struct Slab<E> {
    slots: Vec<Slot<E>>,
    free: u32,
    generation: u64,
    cancelled: usize,
}

struct Slot<E> {
    generation: u64,
    /// The process that gets the event, and after that the next free slot.
    target: u32,
    payload: Option<E>,
}

impl<E> Slab<E> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE, generation: 0, cancelled: 0 }
    }

    /// Keeps `payload` for `target` and says where.
    #[inline]
    pub(crate) fn insert(&mut self, target: ProcessId, payload: E) -> TimerHandle {
        self.generation += 1;
        let fresh = Slot { generation: self.generation, target: target.index(), payload: Some(payload) };
        let slot = self.free;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            self.free = place.target;
            *place = fresh;
            return TimerHandle { slot, generation: self.generation };
        }
        TimerHandle { slot: self.grow(fresh), generation: self.generation }
    }

    #[cold]
    fn grow(&mut self, fresh: Slot<E>) -> u32 {
        let slot = u32::try_from(self.slots.len()).unwrap_or(NONE);
        assert!(slot < crate::queue::CHANNEL_BIT, "more than 2^31 events are pending");
        self.slots.push(fresh);
        slot
    }

    /// Empties `slot`, whose queue entry is due, and frees it; `None` if the event was cancelled.
    #[inline]
    pub(crate) fn take(&mut self, slot: u32) -> Option<E> {
        let place = &mut self.slots[slot as usize];
        place.target = core::mem::replace(&mut self.free, slot);
        place.generation = 0;
        let payload = place.payload.take();
        self.cancelled -= usize::from(payload.is_none());
        payload
    }

    /// Drops the payload behind `handle`; false if it has been taken or dropped before.
    ///
    /// # Panics
    /// When the event is not one that `owner` scheduled for itself.
    pub(crate) fn cancel(&mut self, owner: ProcessId, handle: TimerHandle) -> bool {
        let place = &mut self.slots[handle.slot as usize];
        if place.generation != handle.generation {
            return false;
        }
        assert!(place.target == owner.index(), "{owner} cancels a timer of process {}", place.target);
        place.generation = 0;
        place.payload = None;
        self.cancelled += 1;
        true
    }

    /// Something of `slot`; for reading ahead only.
    #[inline]
    pub(crate) fn generation(&self, slot: u32) -> u64 {
        self.slots.get(slot as usize).map_or(0, |place| place.generation)
    }

    /// Whether `slot` is taken but its event was cancelled.
    pub(crate) fn is_cancelled(&self, slot: u32) -> bool {
        self.slots[slot as usize].payload.is_none()
    }

    /// How many cancelled events still hold a slot.
    pub(crate) const fn cancelled(&self) -> usize {
        self.cancelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProcessId = ProcessId::new(7);

    #[test]
    fn a_payload_comes_back_once() {
        let mut slab = Slab::new();
        let handle = slab.insert(A, "x");
        assert_eq!(slab.take(handle.slot), Some("x"));
        assert!(!slab.cancel(A, handle));
    }

    #[test]
    fn a_cancelled_slot_is_not_reused_before_its_entry_came() {
        let mut slab = Slab::new();
        let first = slab.insert(A, 1);
        assert!(slab.cancel(A, first));
        assert!(!slab.cancel(A, first));
        assert!(slab.is_cancelled(first.slot));
        let second = slab.insert(A, 2);
        assert_ne!(first.slot, second.slot);
        assert_eq!(slab.cancelled(), 1);
        assert_eq!(slab.take(first.slot), None);
        assert_eq!(slab.cancelled(), 0);
    }

    #[test]
    fn a_stale_handle_leaves_the_slots_next_tenant_alone() {
        let mut slab = Slab::new();
        let old = slab.insert(A, 1);
        slab.take(old.slot);
        let new = slab.insert(A, 2);
        assert_eq!(old.slot, new.slot);
        assert!(!slab.cancel(A, old));
        assert_eq!(slab.take(new.slot), Some(2));
    }

    #[test]
    fn slots_are_reused_last_in_first_out() {
        let mut slab = Slab::new();
        let slots: Vec<_> = (0..3).map(|n| slab.insert(A, n).slot).collect();
        slab.take(slots[0]);
        slab.take(slots[2]);
        assert_eq!(slab.insert(A, 9).slot, slots[2]);
        assert_eq!(slab.insert(A, 9).slot, slots[0]);
    }

    #[test]
    fn an_empty_payload_costs_sixteen_bytes() {
        assert_eq!(size_of::<Slot<()>>(), 16);
    }
}
