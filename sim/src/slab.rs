//! Where payloads wait while their small queue entries are sorted.
//!
//! A slot is reused last-in first-out, so a handler that schedules one event gets the slot of the event that it
//! is handling, still in the cache. A cancelled slot drops its payload at once, but stays taken until its
//! queue entry comes by: entries carry no generation and must not find somebody else's payload.

use crate::process::{ProcessId, TimerHandle};

pub(crate) struct Slab<E> {
    slots: Vec<Slot<E>>,
    /// The slot freed last, from which the chain of free slots goes on; `NONE` if all are taken.
    free: u32,
    generation: u32,
    cancelled: usize,
}

/// A payload; the rest is small, since with a million events pending each slot is a cache miss.
struct Slot<E> {
    /// The generation of a taken slot; of a free one, the slot freed before it.
    generation_or_free: u32,
    payload: Option<E>,
}

/// Ends the chain of free slots; slots have lesser numbers.
const NONE: u32 = u32::MAX;

impl<E> Slab<E> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE, generation: 0, cancelled: 0 }
    }

    /// Keeps the `payload` of an event of `owner` and says where.
    #[inline]
    pub(crate) fn insert(&mut self, owner: ProcessId, payload: E) -> TimerHandle {
        self.generation = self.generation.wrapping_add(1);
        let fresh = Slot { generation_or_free: self.generation, payload: Some(payload) };
        let slot = self.free;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            self.free = place.generation_or_free;
            *place = fresh;
            return TimerHandle { slot, generation: self.generation, owner };
        }
        let slot = self.grow(fresh);
        TimerHandle { slot, generation: self.generation, owner }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, fresh: Slot<E>) -> u32 {
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        assert!(slot < crate::queue::CHANNEL_BIT, "more than 2^31 events are pending");
        self.slots.push(fresh);
        slot
    }

    /// Empties `slot`, whose queue entry is due, and frees it; `None` if the event was cancelled.
    #[inline]
    pub(crate) fn take(&mut self, slot: u32) -> Option<E> {
        let place = &mut self.slots[slot as usize];
        let payload = place.payload.take();
        place.generation_or_free = core::mem::replace(&mut self.free, slot);
        self.cancelled -= usize::from(payload.is_none());
        payload
    }

    /// Drops the payload behind `handle`; false if it has been taken or dropped before.
    ///
    /// # Panics
    /// When the event is not one that `owner` scheduled for itself.
    pub(crate) fn cancel(&mut self, owner: ProcessId, handle: TimerHandle) -> bool {
        assert!(handle.owner == owner, "{owner} cancels a timer of {}", handle.owner);
        let place = &mut self.slots[handle.slot as usize];
        // A free slot has no payload, so its link cannot pass for a generation.
        let dropped = place.generation_or_free == handle.generation && place.payload.take().is_some();
        self.cancelled += usize::from(dropped);
        dropped
    }

    /// Something of `slot`; for reading ahead only.
    #[inline]
    pub(crate) fn touch(&self, slot: u32) -> u32 {
        self.slots.get(slot as usize).map_or(0, |place| place.generation_or_free)
    }

    /// The memory that all slots take.
    pub(crate) const fn bytes(&self) -> usize {
        size_of::<Slot<E>>() * self.slots.len()
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
    fn an_empty_payload_costs_eight_bytes() {
        assert_eq!(size_of::<Slot<()>>(), 8);
    }
}
