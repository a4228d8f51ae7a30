//! The NAT's mappings: found from the inside by flow, from the outside by external port, and ended by time.
//!
//! Expiry is lazy: a heap holds one entry per mapping with the time at which it would end had it not been refreshed
//! since. An entry that comes due for a refreshed mapping goes back with its new time, so a busy mapping costs one
//! heap operation per timeout and not one per packet.

use core::cmp::Reverse;
use core::net::SocketAddrV4;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ipseclab_sim::SimTime;

use super::NatConfig;
use super::translate::{Flow, NatProtocol};
use crate::drop::DropReason;

/// The first of the ports handed out when a flow's own is taken (RFC 6335 §6, dynamic ports).
const DYNAMIC_PORT_MIN: u16 = 49_152;
/// How many there are.
const DYNAMIC_PORTS: u16 = u16::MAX - DYNAMIC_PORT_MIN + 1;

/// Finds a mapping from the inside. The remote endpoint is reduced to what the mapping behaviour looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InternalKey {
    protocol: NatProtocol,
    internal: SocketAddrV4,
    remote: SocketAddrV4,
}

/// Finds a mapping from the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ExternalKey {
    protocol: NatProtocol,
    port: u16,
}

#[derive(Clone, Debug)]
struct Mapping {
    key: InternalKey,
    expires: SimTime,
    /// Remote endpoints contacted, reduced to what the filtering behaviour looks at.
    contacts: BTreeSet<SocketAddrV4>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    by_internal: BTreeMap<InternalKey, ExternalKey>,
    by_external: BTreeMap<ExternalKey, Mapping>,
    due: BinaryHeap<Reverse<(SimTime, ExternalKey)>>,
    /// Contacts of all mappings, which is what the bound counts.
    entries: usize,
    /// How many dynamic ports have been handed out, modulo their number.
    dynamic_ports_used: u16,
    /// Whether even a free internal port is not kept.
    always_dynamic: bool,
}

/// How far each reboot moves the first dynamic port: odd, so that 16384 reboots pass before one comes back.
const REBOOT_STRIDE: u32 = 4_099;

impl Table {
    /// The external port for an outbound flow, and whether a mapping was made for it.
    pub(super) fn outbound(
        &mut self,
        now: SimTime,
        config: &NatConfig,
        flow: &Flow,
    ) -> Result<(u16, bool), DropReason> {
        let key = InternalKey {
            protocol: flow.protocol,
            internal: flow.source,
            remote: config.mapping.scope(flow.destination),
        };
        let contact = config.filtering.scope(flow.destination);
        let has_room = self.entries < config.max_mappings;
        // A timeout beyond representable time means that mappings never end.
        let expires = now.checked_add(config.timeout).unwrap_or(SimTime::MAX);
        match self.by_internal.get(&key) {
            Some(&external) => {
                self.refresh(external, contact, expires, has_room).map(|()| (external.port, false))
            }
            None if !has_room => Err(DropReason::NatTableFull),
            None => self.create(key, contact, expires).map(|port| (port, true)),
        }
    }

    fn refresh(
        &mut self,
        external: ExternalKey,
        contact: SocketAddrV4,
        expires: SimTime,
        has_room: bool,
    ) -> Result<(), DropReason> {
        let mapping = self.by_external.get_mut(&external).expect("the two indices hold the same mappings");
        if !mapping.contacts.contains(&contact) {
            if !has_room {
                return Err(DropReason::NatTableFull);
            }
            mapping.contacts.insert(contact);
            self.entries += 1;
        }
        mapping.expires = expires;
        Ok(())
    }

    fn create(
        &mut self,
        key: InternalKey,
        contact: SocketAddrV4,
        expires: SimTime,
    ) -> Result<u16, DropReason> {
        let port = self.allocate(key.protocol, key.internal.port())?;
        let external = ExternalKey { protocol: key.protocol, port };
        self.by_internal.insert(key, external);
        self.by_external.insert(external, Mapping { key, expires, contacts: BTreeSet::from([contact]) });
        self.due.push(Reverse((expires, external)));
        self.entries += 1;
        Ok(port)
    }

    /// The empty table of a NAT that has rebooted so often, at least once.
    pub(super) fn after_reboots(reboots: u32) -> Self {
        let moved = reboots.wrapping_mul(REBOOT_STRIDE) % u32::from(DYNAMIC_PORTS);
        let dynamic_ports_used = u16::try_from(moved).expect("a remainder of a port count is one");
        Self { dynamic_ports_used, always_dynamic: true, ..Self::default() }
    }

    /// The preferred port when it is free, else the next free dynamic one in turn.
    fn allocate(&mut self, protocol: NatProtocol, preferred: u16) -> Result<u16, DropReason> {
        if !self.always_dynamic && self.is_free(protocol, preferred) {
            return Ok(preferred);
        }
        for _ in 0..DYNAMIC_PORTS {
            let port = DYNAMIC_PORT_MIN + self.dynamic_ports_used;
            self.dynamic_ports_used = (self.dynamic_ports_used + 1) % DYNAMIC_PORTS;
            if self.is_free(protocol, port) {
                return Ok(port);
            }
        }
        Err(DropReason::NatPortsExhausted)
    }

    fn is_free(&self, protocol: NatProtocol, port: u16) -> bool {
        !self.by_external.contains_key(&ExternalKey { protocol, port })
    }

    /// The internal endpoint for an inbound flow.
    pub(super) fn inbound(&self, config: &NatConfig, flow: &Flow) -> Result<SocketAddrV4, DropReason> {
        let external = ExternalKey { protocol: flow.protocol, port: flow.destination.port() };
        let mapping = self.by_external.get(&external).ok_or(DropReason::NatNoMapping)?;
        if mapping.contacts.contains(&config.filtering.scope(flow.source)) {
            Ok(mapping.key.internal)
        } else {
            Err(DropReason::NatFiltered)
        }
    }

    /// Removes the mappings that ended at `now` or before; returns how many.
    pub(super) fn expire(&mut self, now: SimTime) -> u64 {
        let mut expired = 0;
        while let Some(&Reverse((due, external))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            expired += u64::from(self.end_or_postpone(now, external));
        }
        expired
    }

    fn end_or_postpone(&mut self, now: SimTime, external: ExternalKey) -> bool {
        let mapping = &self.by_external[&external];
        if mapping.expires > now {
            self.due.push(Reverse((mapping.expires, external)));
            return false;
        }
        self.entries -= mapping.contacts.len();
        self.by_internal.remove(&mapping.key);
        self.by_external.remove(&external);
        true
    }

    pub(super) fn mappings(&self) -> usize {
        self.by_external.len()
    }
}
