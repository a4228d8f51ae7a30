//! How many IKE SAs two identities may have: `INITIAL_CONTACT` (RFC 7296 §2.4) and strongSwan's `unique`.
//!
//! The responder decides when the new IKE SA is authenticated:
//!
//! | `unique` | with `INITIAL_CONTACT` | without |
//! |---|---|---|
//! | `Never` | older ones stay | older ones stay |
//! | `No` | older ones are forgotten without a word | older ones stay |
//! | `Replace` | older ones are forgotten without a word | older ones are deleted |
//! | `Keep` | older ones are forgotten without a word | the new one is refused |
//!
//! An older one is one that was up when the peer's first request came: an IKE SA that both set up at the same time, each
//! beginning one, is not left from before.
//!
//! Deletion waits a little when both come from the same address, as strongSwan has it: that is a reauthentication whose
//! initiator is about to delete the older one itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{ConnectionId, Unique};
use crate::event::IkeSaId;
use crate::identity::Identity;
use crate::v2::ike_sa::{Env, Head};
use crate::v2::order::Order;

/// Two identities, ours first; names without their case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peers {
    local: Identity,
    remote: Identity,
}

impl Peers {
    pub(crate) fn new(local: &Identity, remote: &Identity) -> Self {
        Self { local: without_case(local), remote: without_case(remote) }
    }
}

fn without_case(identity: &Identity) -> Identity {
    match identity {
        Identity::Fqdn(name) => Identity::Fqdn(name.to_ascii_lowercase()),
        Identity::Email(name) => Identity::Email(name.to_ascii_lowercase()),
        other => other.clone(),
    }
}

/// The established IKE SAs by the identities that they are between. One that another has taken the place of is not here.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    between: BTreeMap<Arc<Peers>, BTreeMap<IkeSaId, Contact>>,
    next: Turn,
}

/// The place of an IKE SA among all that have come up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u64);

#[derive(Clone, Copy, Debug)]
struct Contact {
    connection: ConnectionId,
    turn: Turn,
}

impl Contacts {
    /// The IKE SAs between these two, in order of their numbers.
    pub(crate) fn between(&self, peers: &Peers) -> impl Iterator<Item = (IkeSaId, ConnectionId)> {
        self.entries(peers).map(|(id, contact)| (id, contact.connection))
    }

    /// Those of them that were up at `turn`.
    fn older(&self, peers: &Peers, turn: Turn) -> impl Iterator<Item = IkeSaId> {
        self.entries(peers).filter(move |(_, contact)| contact.turn < turn).map(|(id, _)| id)
    }

    fn entries(&self, peers: &Peers) -> impl Iterator<Item = (IkeSaId, Contact)> {
        self.between.get(peers).into_iter().flatten().map(|(id, contact)| (*id, *contact))
    }

    /// The turn of the next IKE SA that comes up.
    pub(crate) fn next_turn(&self) -> Turn {
        self.next
    }

    pub(crate) fn insert(&mut self, peers: Arc<Peers>, id: IkeSaId, connection: ConnectionId) {
        let turn = self.next;
        self.next = Turn(turn.0 + 1);
        self.between.entry(peers).or_default().insert(id, Contact { connection, turn });
    }

    pub(crate) fn remove(&mut self, peers: &Arc<Peers>, id: IkeSaId) {
        if let Some(ids) = self.between.get_mut(peers) {
            ids.remove(&id);
            if ids.is_empty() {
                self.between.remove(peers);
            }
        }
    }
}

/// Whether an initiator says that it has no other IKE SA with its peer. Of one that it cannot name, it cannot say so.
pub(crate) fn is_initial_contact(env: &Env<'_>, connection: ConnectionId, peers: Option<&Peers>) -> bool {
    let is_first = peers.is_some_and(|peers| env.contacts.between(peers).next().is_none());
    env.config.connection(connection).unique != Unique::Never && is_first
}

/// Whether a responder lets the new IKE SA between `peers` in; what becomes of the older ones is ordered.
///
/// With `INITIAL_CONTACT`, `initial_contact` is the turn when the peer's first request was answered. What has come up
/// since is not left from before: the peer was alive, and both have begun at the same time.
pub(crate) fn admit(
    head: &Head,
    env: &mut Env<'_>,
    connection: ConnectionId,
    peers: &Peers,
    initial_contact: Option<Turn>,
) -> bool {
    let unique = env.config.connection(connection).unique;
    let rivals = env.contacts.between(peers).filter(|(_, other)| *other == connection).map(|(id, _)| id);
    match (unique, initial_contact) {
        (Unique::Never, _) | (Unique::No, None) => {}
        (_, Some(turn)) => {
            for old in env.contacts.older(peers, turn) {
                // Its addresses go to the new one.
                env.pools.release(old);
                env.orders.push_back(Order::Forget(old));
            }
        }
        (Unique::Replace, None) => {
            let remote = head.path.remote.ip();
            env.orders.extend(rivals.map(|old| Order::Supersede(old, remote)));
        }
        (Unique::Keep, None) => return rivals.count() == 0,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(local: &str, remote: &str) -> Peers {
        Peers::new(&Identity::parse(local), &Identity::parse(remote))
    }

    #[test]
    fn contacts_are_found_by_both_identities_regardless_of_case() {
        let mut contacts = Contacts::default();
        contacts.insert(Arc::new(peers("a.example", "b.example")), IkeSaId(7), ConnectionId(1));
        let found = |peers: Peers| contacts.between(&peers).collect::<Vec<_>>();
        assert_eq!(found(peers("A.example", "B.EXAMPLE")), [(IkeSaId(7), ConnectionId(1))]);
        assert_eq!(found(peers("b.example", "a.example")), []);
        assert_eq!(found(peers("a.example", "keyid:b.example")), []);
    }

    #[test]
    fn only_what_was_up_at_a_turn_is_older() {
        let mut contacts = Contacts::default();
        let pair = Arc::new(peers("a", "b"));
        contacts.insert(pair.clone(), IkeSaId(5), ConnectionId(0));
        let turn = contacts.next_turn();
        contacts.insert(pair.clone(), IkeSaId(2), ConnectionId(0));
        assert_eq!(contacts.older(&pair, turn).collect::<Vec<_>>(), [IkeSaId(5)]);
    }

    #[test]
    fn a_contact_that_is_gone_leaves_nothing_behind() {
        let mut contacts = Contacts::default();
        let pair = Arc::new(peers("a", "b"));
        contacts.insert(pair.clone(), IkeSaId(1), ConnectionId(0));
        contacts.insert(pair.clone(), IkeSaId(2), ConnectionId(0));
        contacts.remove(&pair, IkeSaId(1));
        assert_eq!(contacts.between(&pair).collect::<Vec<_>>(), [(IkeSaId(2), ConnectionId(0))]);
        contacts.remove(&pair, IkeSaId(2));
        assert!(contacts.between.is_empty());
    }
}
