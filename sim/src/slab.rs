//! Where payloads wait while their small queue entries are sorted.
//!
//! A slot is reused last-in first-out, so a handler that schedules one event gets the slot of the event that it
//! is handling, still in the cache. A cancelled slot drops its payload at once, but stays taken until its
//! queue entry comes by: entries carry no generation and must not find somebody else's payload.
//!
//! With a million events pending each slot is a cache miss, so a slot is hardly more than its payload. The free slots
//! are a stack of their own, and generations, which only timers need, are kept apart.

use crate::process::{ProcessId, TimerHandle};

pub(crate) struct Slab<E> {
    slots: Vec<Slot<E>>,
    /// For each slot the generation of the timer that it had last.
    generations: Vec<u32>,
    /// The free slots, the one freed last on top.
    free: Vec<u32>,
    generation: u32,
    cancelled: usize,
}

enum Slot<E> {
    /// Free, or taken by a cancelled timer.
    Empty,
    /// Taken by an event that nobody can cancel.
    Sent(E),
    Timer(E),
}

impl<E> Slab<E> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), generations: Vec::new(), free: Vec::new(), generation: 0, cancelled: 0 }
    }

    /// Keeps the `payload` of an event and says in which slot.
    #[inline]
    pub(crate) fn insert(&mut self, payload: E) -> u32 {
        self.fill(Slot::Sent(payload))
    }

    /// Keeps the `payload` of a timer of `owner` and says where.
    #[inline]
    pub(crate) fn insert_timer(&mut self, owner: ProcessId, payload: E) -> TimerHandle {
        let slot = self.fill(Slot::Timer(payload));
        self.generation = self.generation.wrapping_add(1);
        self.generations[slot as usize] = self.generation;
        TimerHandle { slot, generation: self.generation, owner }
    }

    #[inline]
    fn fill(&mut self, content: Slot<E>) -> u32 {
        let Some(slot) = self.free.pop() else { return self.grow(content) };
        self.slots[slot as usize] = content;
        slot
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, content: Slot<E>) -> u32 {
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        assert!(slot < crate::queue::CHANNEL_BIT, "more than 2^31 events are pending");
        self.slots.push(content);
        self.generations.push(0);
        slot
    }

    /// Empties `slot`, whose queue entry is due, and frees it; `None` if the event was cancelled.
    #[inline]
    pub(crate) fn take(&mut self, slot: u32) -> Option<E> {
        let content = core::mem::replace(&mut self.slots[slot as usize], Slot::Empty);
        self.free.push(slot);
        match content {
            Slot::Sent(payload) | Slot::Timer(payload) => Some(payload),
            Slot::Empty => {
                self.cancelled -= 1;
                None
            }
        }
    }

    /// Drops the payload behind `handle`; false if it has been taken or dropped before.
    ///
    /// # Panics
    /// When the event is not one that `owner` scheduled for itself.
    pub(crate) fn cancel(&mut self, owner: ProcessId, handle: TimerHandle) -> bool {
        assert!(handle.owner == owner, "{owner} cancels a timer of {}", handle.owner);
        let place = &mut self.slots[handle.slot as usize];
        // A later timer in the slot has another generation; a later event that was sent leaves it, but is no timer.
        let current = self.generations[handle.slot as usize] == handle.generation;
        let dropped = current && matches!(place, Slot::Timer(_));
        if dropped {
            *place = Slot::Empty;
        }
        self.cancelled += usize::from(dropped);
        dropped
    }

    /// The payloads that wait, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Sent(payload) | Slot::Timer(payload) => Some(payload),
            Slot::Empty => None,
        })
    }

    /// Something of `slot`; for reading ahead only.
    #[inline]
    pub(crate) fn touch(&self, slot: u32) -> u64 {
        u64::from(self.slots.get(slot as usize).is_some_and(|place| matches!(place, Slot::Sent(_))))
    }

    /// The memory that all slots take, which is what delivering an event reads.
    pub(crate) const fn bytes(&self) -> usize {
        size_of::<Slot<E>>() * self.slots.len()
    }

    /// Whether `slot` is taken but its event was cancelled.
    pub(crate) fn is_cancelled(&self, slot: u32) -> bool {
        matches!(self.slots[slot as usize], Slot::Empty)
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
        let handle = slab.insert_timer(A, "x");
        assert_eq!(slab.take(handle.slot), Some("x"));
        assert!(!slab.cancel(A, handle));
    }

    #[test]
    fn a_cancelled_slot_is_not_reused_before_its_entry_came() {
        let mut slab = Slab::new();
        let first = slab.insert_timer(A, 1);
        assert!(slab.cancel(A, first));
        assert!(!slab.cancel(A, first));
        assert!(slab.is_cancelled(first.slot));
        let second = slab.insert_timer(A, 2);
        assert_ne!(first.slot, second.slot);
        assert_eq!(slab.cancelled(), 1);
        assert_eq!(slab.take(first.slot), None);
        assert_eq!(slab.cancelled(), 0);
    }

    #[test]
    fn a_stale_handle_leaves_the_slots_next_tenant_alone() {
        let mut slab = Slab::new();
        let old = slab.insert_timer(A, 1);
        slab.take(old.slot);
        let new = slab.insert_timer(A, 2);
        assert_eq!(old.slot, new.slot);
        assert!(!slab.cancel(A, old));
        assert_eq!(slab.take(new.slot), Some(2));
    }

    #[test]
    fn slots_are_reused_last_in_first_out() {
        let mut slab = Slab::new();
        let slots: Vec<_> = (0..3).map(|n| slab.insert_timer(A, n).slot).collect();
        slab.take(slots[0]);
        slab.take(slots[2]);
        assert_eq!(slab.insert_timer(A, 9).slot, slots[2]);
        assert_eq!(slab.insert_timer(A, 9).slot, slots[0]);
    }

    #[test]
    fn a_stale_handle_leaves_an_event_that_was_sent_alone() {
        let mut slab = Slab::new();
        let old = slab.insert_timer(A, 1);
        slab.take(old.slot);
        let sent = slab.insert(2);
        assert_eq!(old.slot, sent);
        assert!(!slab.cancel(A, old));
        assert_eq!(slab.take(sent), Some(2));
        assert_eq!(slab.cancelled(), 0);
    }

    #[test]
    fn an_empty_payload_costs_a_byte() {
        assert_eq!(size_of::<Slot<()>>(), 1);
    }
}
