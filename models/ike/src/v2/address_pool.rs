//! The leases of all pools: who has which address.
//!
//! strongSwan's order: an address that the same identity had before, then one that nobody has had, then the one that has
//! been free for longest (strongSwan: any free one). A lease belongs to an identity and is held by the IKE SAs that it was
//! given in; when the last of them ends it is free, and is remembered for its identity.
//!
//! An address that is in use goes to another IKE SA only when the same identity asks for just that one from the same
//! address: that is a reauthentication whose old IKE SA still stands.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Pool, PoolId};
use crate::event::IkeSaId;
use crate::identity::Identity;

/// The leases of all pools.
#[derive(Debug, Default)]
pub(crate) struct AddressPools {
    /// By the pool's number.
    pools: BTreeMap<PoolId, Leases>,
    /// What each IKE SA holds.
    held: BTreeMap<IkeSaId, BTreeSet<(PoolId, u32)>>,
    /// Counts releases, to know which is the oldest.
    releases: u64,
}

/// The leases of one pool, by the address's number in it.
#[derive(Debug, Default)]
struct Leases {
    by_place: BTreeMap<u32, Lease>,
    of_identity: BTreeMap<Identity, BTreeSet<u32>>,
    /// Free ones, the oldest first.
    free: BTreeMap<u64, u32>,
}

#[derive(Debug)]
struct Lease {
    identity: Identity,
    /// Where its client was when it got it.
    client: IpAddr,
    holders: BTreeSet<IkeSaId>,
    /// The place in `free`, once it is.
    freed: Option<u64>,
}

/// Who asks for an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) ike_sa: IkeSaId,
    pub(crate) identity: &'a Identity,
    pub(crate) address: IpAddr,
}

impl AddressPools {
    /// Lends an address of the family of `requested` out of `pools`; each of them remembers at most `limit` leases.
    pub(crate) fn acquire(
        &mut self,
        pools: &[(PoolId, &Pool)],
        client: Client<'_>,
        requested: IpAddr,
        limit: usize,
    ) -> Option<IpAddr> {
        let pools = || pools.iter().filter(|(_, pool)| pool.addresses.is_family_of(requested));
        let found = pools()
            .find_map(|(id, pool)| Some((*id, self.known(*id, pool, client, requested)?)))
            .or_else(|| pools().find_map(|(id, pool)| Some((*id, self.fresh(*id, pool, limit)?))))
            .or_else(|| pools().find_map(|(id, _)| Some((*id, self.oldest_free(*id)?))));
        let (id, place) = found?;
        self.hold((id, place), client);
        let (_, pool) = pools().find(|(other, _)| *other == id)?;
        pool.addresses.nth(place)
    }

    /// A lease of the same identity: the one that it asks for, else the first free one.
    fn known(&self, id: PoolId, pool: &Pool, client: Client<'_>, requested: IpAddr) -> Option<u32> {
        let leases = self.pools.get(&id)?;
        let known = leases.of_identity.get(client.identity)?;
        let lease = |place: &u32| leases.by_place.get(place);
        let wanted = pool.addresses.place(requested).filter(|place| known.contains(place));
        let wanted = wanted.filter(|place| {
            lease(place).is_some_and(|lease| lease.freed.is_some() || lease.client == client.address)
        });
        let free = || known.iter().copied().find(|place| lease(place).is_some_and(|l| l.freed.is_some()));
        wanted.or_else(free)
    }

    /// The first address that nobody has had.
    fn fresh(&self, id: PoolId, pool: &Pool, limit: usize) -> Option<u32> {
        // Leases are never forgotten, so the places that were lent are the first ones.
        let lent = self.pools.get(&id).map_or(0, |leases| leases.by_place.len());
        let place = u32::try_from(lent).ok()?;
        (lent < limit && place < pool.addresses.size()).then_some(place)
    }

    fn oldest_free(&self, id: PoolId) -> Option<u32> {
        self.pools.get(&id)?.free.first_key_value().map(|(_, place)| *place)
    }

    fn hold(&mut self, (id, place): (PoolId, u32), client: Client<'_>) {
        let leases = self.pools.entry(id).or_default();
        let lease = leases.by_place.entry(place).or_insert_with(|| Lease {
            identity: client.identity.clone(),
            client: client.address,
            holders: BTreeSet::new(),
            freed: None,
        });
        if let Some(freed) = lease.freed.take() {
            leases.free.remove(&freed);
        }
        if lease.identity != *client.identity
            && let Some(places) = leases.of_identity.get_mut(&lease.identity)
        {
            places.remove(&place);
            if places.is_empty() {
                leases.of_identity.remove(&lease.identity);
            }
        }
        lease.identity.clone_from(client.identity);
        lease.client = client.address;
        lease.holders.insert(client.ike_sa);
        leases.of_identity.entry(client.identity.clone()).or_default().insert(place);
        self.held.entry(client.ike_sa).or_default().insert((id, place));
    }

    /// `ike_sa` has ended, or is as good as that: what it alone held is free.
    pub(crate) fn release(&mut self, ike_sa: IkeSaId) {
        for (id, place) in self.held.remove(&ike_sa).unwrap_or_default() {
            let Some(leases) = self.pools.get_mut(&id) else { continue };
            let Some(lease) = leases.by_place.get_mut(&place) else { continue };
            lease.holders.remove(&ike_sa);
            if lease.holders.is_empty() {
                lease.freed = Some(self.releases);
                leases.free.insert(self.releases, place);
                self.releases += 1;
            }
        }
    }

    /// `heir` holds from now on what `old` has held.
    pub(crate) fn inherit(&mut self, old: IkeSaId, heir: IkeSaId) {
        let Some(held) = self.held.remove(&old) else { return };
        for (id, place) in &held {
            if let Some(lease) = self.pools.get_mut(id).and_then(|leases| leases.by_place.get_mut(place)) {
                lease.holders.remove(&old);
                lease.holders.insert(heir);
            }
        }
        self.held.entry(heir).or_default().extend(held);
    }

    /// Addresses that are in use now.
    pub(crate) fn in_use(&self, id: PoolId) -> usize {
        self.pools.get(&id).map_or(0, |leases| leases.by_place.len() - leases.free.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolRange;

    const POOL: PoolId = PoolId(0);
    const ANY: IpAddr = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);

    fn address(last: u8) -> IpAddr {
        [10, 77, 0, last].into()
    }

    /// A pool of the three addresses 10.77.0.1 to 10.77.0.3.
    fn pool() -> Pool {
        Pool::new("p1", PoolRange::range(address(1), address(3)).unwrap())
    }

    fn acquire(pools: &mut AddressPools, name: &str, ike_sa: u32, requested: IpAddr) -> Option<IpAddr> {
        let identity = Identity::parse(name);
        let client = Client { ike_sa: IkeSaId(ike_sa), identity: &identity, address: [192, 0, 2, 1].into() };
        pools.acquire(&[(POOL, &pool())], client, requested, usize::MAX)
    }

    #[test]
    fn everyone_gets_the_next_address_until_none_is_left() {
        let mut pools = AddressPools::default();
        for (place, name) in (1..).zip(["a", "b", "c"]) {
            assert_eq!(acquire(&mut pools, name, u32::from(place), ANY), Some(address(place)));
        }
        assert_eq!(pools.in_use(POOL), 3);
        assert_eq!(acquire(&mut pools, "d", 4, ANY), None);
    }

    #[test]
    fn a_returning_identity_gets_its_address_and_a_new_one_does_not_take_it() {
        let mut pools = AddressPools::default();
        assert_eq!(acquire(&mut pools, "a", 1, ANY), Some(address(1)));
        pools.release(IkeSaId(1));
        assert_eq!(acquire(&mut pools, "b", 2, ANY), Some(address(2)));
        assert_eq!(acquire(&mut pools, "a", 3, ANY), Some(address(1)));
    }

    #[test]
    fn an_exhausted_pool_lends_the_address_that_has_been_free_for_longest() {
        let mut pools = AddressPools::default();
        for (ike_sa, name) in (1..).zip(["a", "b", "c"]) {
            acquire(&mut pools, name, ike_sa, ANY);
        }
        pools.release(IkeSaId(3));
        pools.release(IkeSaId(1));
        assert_eq!(acquire(&mut pools, "d", 4, ANY), Some(address(3)));
        assert_eq!(acquire(&mut pools, "c", 5, ANY), Some(address(1)), "its own has gone to another");
        assert_eq!(acquire(&mut pools, "e", 6, ANY), None);
    }

    #[test]
    fn a_free_address_of_ones_own_can_be_chosen_and_no_other() {
        let mut pools = AddressPools::default();
        for ike_sa in [1, 2] {
            acquire(&mut pools, "a", ike_sa, ANY);
            acquire(&mut pools, "a", ike_sa + 10, ANY);
        }
        for ike_sa in [1, 11, 2] {
            pools.release(IkeSaId(ike_sa));
        }
        assert_eq!(acquire(&mut pools, "a", 20, address(2)), Some(address(2)));
        assert_eq!(acquire(&mut pools, "b", 21, address(3)), Some(address(1)), "the oldest");
    }

    #[test]
    fn an_address_in_use_is_shared_only_when_its_owner_asks_for_it_from_the_same_place() {
        let mut pools = AddressPools::default();
        acquire(&mut pools, "a", 1, ANY);
        assert_eq!(acquire(&mut pools, "b", 2, address(1)), Some(address(2)));
        assert_eq!(acquire(&mut pools, "a", 3, address(1)), Some(address(1)));
        let (identity, elsewhere) = (Identity::parse("a"), [192, 0, 2, 9].into());
        let client = Client { ike_sa: IkeSaId(4), identity: &identity, address: elsewhere };
        let got = pools.acquire(&[(POOL, &pool())], client, address(1), usize::MAX);
        assert_eq!(got, Some(address(3)));
        pools.release(IkeSaId(1));
        assert_eq!(pools.in_use(POOL), 3, "the other IKE SA still holds it");
        pools.release(IkeSaId(3));
        assert_eq!(pools.in_use(POOL), 2);
    }

    #[test]
    fn an_heir_holds_what_the_old_one_held() {
        let mut pools = AddressPools::default();
        acquire(&mut pools, "a", 1, ANY);
        pools.inherit(IkeSaId(1), IkeSaId(2));
        pools.release(IkeSaId(1));
        assert_eq!(pools.in_use(POOL), 1);
        pools.release(IkeSaId(2));
        assert_eq!(pools.in_use(POOL), 0);
    }

    #[test]
    fn the_memory_for_leases_is_bounded() {
        let mut pools = AddressPools::default();
        let (wide, identity) = (pool(), Identity::parse("a"));
        let client = |ike_sa| Client { ike_sa: IkeSaId(ike_sa), identity: &identity, address: address(9) };
        assert_eq!(pools.acquire(&[(POOL, &wide)], client(1), ANY, 1), Some(address(1)));
        assert_eq!(pools.acquire(&[(POOL, &wide)], client(2), ANY, 1), None);
    }

    #[test]
    fn the_next_pool_helps_out_and_families_are_kept_apart() {
        let mut pools = AddressPools::default();
        let v6 = "2001:db8::".parse().unwrap();
        let six = Pool::new("six", PoolRange::network(v6, 126).unwrap());
        let one = Pool::new("one", PoolRange::range(address(9), address(9)).unwrap());
        let all = [(PoolId(0), &one), (PoolId(1), &six), (PoolId(2), &pool())];
        let identity = Identity::parse("a");
        let client = Client { ike_sa: IkeSaId(1), identity: &identity, address: address(9) };
        let mut get = |requested| pools.acquire(&all, client, requested, usize::MAX);
        assert_eq!((get(ANY), get(ANY)), (Some(address(9)), Some(address(1))));
        assert_eq!(get("::".parse().unwrap()), Some("2001:db8::1".parse().unwrap()));
    }
}
