//! Packets that wait for an SA: one bounded queue per policy, in order of arrival (RFC 4301 §4.4.1: the first packet
//! that needs an SA starts its negotiation).
//!
//! One negotiation runs per policy at a time, whatever the packets' own selectors, so a policy is either negotiating,
//! and then has a queue here, or not.

use std::collections::{BTreeMap, VecDeque};

use crate::selector::Selectors;
use crate::spd::PolicyId;

/// A packet that waits, with what it is matched by when an SA comes up.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) packet: Vec<u8>,
    pub(crate) token: T,
    pub(crate) selectors: Selectors,
}

/// What became of a packet that found no SA.
#[derive(Debug)]
pub(crate) enum Queued<T> {
    /// It waits; `first` when it is the one that starts the negotiation.
    Waits { first: bool },
    /// The queue is full (a first packet can find it so when nothing may wait at all).
    Full { first: bool, waiting: Waiting<T> },
}

/// The queues of all policies that are negotiating.
#[derive(Debug)]
pub(crate) struct Acquires<T> {
    queues: BTreeMap<PolicyId, VecDeque<Waiting<T>>>,
    queue_packets: usize,
}

impl<T> Acquires<T> {
    /// No queues yet; each will hold at most `queue_packets`.
    pub(crate) fn new(queue_packets: usize) -> Self {
        Self { queues: BTreeMap::new(), queue_packets }
    }

    pub(crate) fn push(&mut self, policy: PolicyId, waiting: Waiting<T>) -> Queued<T> {
        let first = !self.queues.contains_key(&policy);
        let queue = self.queues.entry(policy).or_default();
        if queue.len() >= self.queue_packets {
            return Queued::Full { first, waiting };
        }
        queue.push_back(waiting);
        Queued::Waits { first }
    }

    /// Ends the negotiation of `policy`; what waited comes out in order of arrival.
    pub(crate) fn take(&mut self, policy: PolicyId) -> VecDeque<Waiting<T>> {
        self.queues.remove(&policy).unwrap_or_default()
    }

    /// Whether `policy` is negotiating.
    pub(crate) fn is_pending(&self, policy: PolicyId) -> bool {
        self.queues.contains_key(&policy)
    }

    /// The packets that wait, by policy.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting<T>> {
        self.queues.values().flatten()
    }

    /// Packets that wait, over all policies.
    pub(crate) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }
}
