//! A NAPT box as a value: RFC 4787 for UDP, RFC 5508 for ICMP echo.
//!
//! `outbound` and `inbound` rewrite a packet in place and say whether it may go on; routing and TTL are the node's.
//! The behaviours that tell NATs apart are data: on which remote endpoint a mapping depends (RFC 4787 §4.1), and from
//! which remote endpoints it lets packets in (§5). One rule serves both: a behaviour reduces a remote endpoint to the
//! part it looks at.
//!
//! External ports: the internal port is kept when it is free (§4.2.1 "port preservation"); otherwise ports are taken
//! in turn from 49152 upwards, wrapping at 65535. No port is ever shared between mappings of one protocol. A NAT that
//! has rebooted keeps no internal port any more and begins elsewhere in that range: whoever was inside before shows up
//! with another port, as behind a carrier's NAT that comes back with other blocks of ports.
//! Outbound packets refresh a mapping, inbound ones do not (§4.3, REQ-6).
//!
//! Model: raw ESP and all protocols but UDP and ICMP echo are refused, as a plain NAPT does; no hairpinning
//! (REQ-9); port parity is not kept (REQ-4); one timeout serves UDP and ICMP; ICMP errors are not translated.

mod table;
mod translate;

use ipseclab_sim::{SimDuration, SimTime};

use core::net::SocketAddrV4;

use crate::address::Ipv4Addr;
use crate::drop::{DropCounters, DropReason};

use table::Table;
use translate::Direction;

/// On which part of a remote endpoint a NAT's mapping or filtering depends (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatBehaviour {
    /// On nothing: the same for every remote endpoint.
    EndpointIndependent,
    /// On the remote address.
    AddressDependent,
    /// On the remote address and port.
    AddressAndPortDependent,
}

/// How a NAT behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// Which remote endpoints share a mapping.
    pub mapping: NatBehaviour,
    /// Which remote endpoints may send through a mapping.
    pub filtering: NatBehaviour,
    /// A mapping ends this long after its last outbound packet.
    pub timeout: SimDuration,
    /// The most table entries: pairs of a mapping and a remote endpoint that its filter admits. With address- and
    /// port-dependent mapping, that is the number of mappings.
    pub max_mappings: usize,
}

/// What a NAT has counted since the start. A reset does not clear it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatCounters {
    /// Packets translated on their way out.
    pub outbound_packets: u64,
    /// Packets translated on their way in.
    pub inbound_packets: u64,
    /// Mappings made.
    pub mappings_created: u64,
    /// Mappings that timed out.
    pub mappings_expired: u64,
    /// Mappings forgotten by resets.
    pub mappings_reset: u64,
    /// Packets dropped, by reason.
    pub drops: DropCounters,
}

/// A network address and port translator with one external address.
#[derive(Clone, Debug)]
pub struct Nat {
    config: NatConfig,
    external: Ipv4Addr,
    table: Table,
    reboots: u32,
    counters: NatCounters,
}

impl NatBehaviour {
    /// `remote` with the parts cleared that this behaviour does not look at.
    const fn scope(self, remote: SocketAddrV4) -> SocketAddrV4 {
        match self {
            Self::EndpointIndependent => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            Self::AddressDependent => SocketAddrV4::new(*remote.ip(), 0),
            Self::AddressAndPortDependent => remote,
        }
    }

    /// The behaviour's name in scenario files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndpointIndependent => "endpoint-independent",
            Self::AddressDependent => "address-dependent",
            Self::AddressAndPortDependent => "address-and-port-dependent",
        }
    }
}

impl Default for NatConfig {
    /// The strictest NAT that RFC 4787 describes: address- and port-dependent both ways, 2 minutes (the least that
    /// REQ-5 allows), 65536 entries.
    fn default() -> Self {
        Self {
            mapping: NatBehaviour::AddressAndPortDependent,
            filtering: NatBehaviour::AddressAndPortDependent,
            timeout: SimDuration::from_secs(120),
            max_mappings: 65_536,
        }
    }
}

impl Nat {
    /// A NAT without mappings that shows `external` to the outside.
    pub fn new(config: NatConfig, external: Ipv4Addr) -> Self {
        Self { config, external, table: Table::default(), reboots: 0, counters: NatCounters::default() }
    }

    /// Translates a packet that leaves the inside: its source becomes the external endpoint of its mapping, which is
    /// made or refreshed.
    ///
    /// # Errors
    /// The reason why the packet ends here; it is unchanged then, and counted.
    pub fn outbound(&mut self, now: SimTime, packet: &mut [u8]) -> Result<(), DropReason> {
        let outcome = self.translate_outbound(now, packet);
        self.counters.outbound_packets += u64::from(outcome.is_ok());
        outcome.inspect_err(|&reason| self.counters.drops.count(reason))
    }

    fn translate_outbound(&mut self, now: SimTime, packet: &mut [u8]) -> Result<(), DropReason> {
        self.expire(now);
        let flow = translate::classify(packet, Direction::Outbound)?;
        let (port, created) = self.table.outbound(now, &self.config, &flow)?;
        self.counters.mappings_created += u64::from(created);
        translate::rewrite(packet, Direction::Outbound, &flow, SocketAddrV4::new(self.external, port));
        Ok(())
    }

    /// Translates a packet that arrives from the outside: its destination becomes the internal endpoint of the
    /// mapping it hits, if the filter admits its source.
    ///
    /// # Errors
    /// The reason why the packet ends here; it is unchanged then, and counted.
    pub fn inbound(&mut self, now: SimTime, packet: &mut [u8]) -> Result<(), DropReason> {
        let outcome = self.translate_inbound(now, packet);
        self.counters.inbound_packets += u64::from(outcome.is_ok());
        outcome.inspect_err(|&reason| self.counters.drops.count(reason))
    }

    fn translate_inbound(&mut self, now: SimTime, packet: &mut [u8]) -> Result<(), DropReason> {
        self.expire(now);
        let flow = translate::classify(packet, Direction::Inbound)?;
        if *flow.destination.ip() != self.external {
            return Err(DropReason::NatNoMapping);
        }
        let internal = self.table.inbound(&self.config, &flow)?;
        translate::rewrite(packet, Direction::Inbound, &flow, internal);
        Ok(())
    }

    fn expire(&mut self, now: SimTime) {
        self.counters.mappings_expired += self.table.expire(now);
    }

    /// Forgets all mappings, as a reboot does. New ones get other ports than those before.
    pub fn reset(&mut self) {
        self.counters.mappings_reset += self.mappings() as u64;
        self.reboots += 1;
        self.table = Table::after_reboots(self.reboots);
    }

    /// How many mappings there are, as of the last packet.
    pub fn mappings(&self) -> usize {
        self.table.mappings()
    }

    /// The address shown to the outside.
    pub const fn external(&self) -> Ipv4Addr {
        self.external
    }

    /// What the NAT was made with.
    pub const fn config(&self) -> &NatConfig {
        &self.config
    }

    /// What the NAT has counted so far.
    pub const fn counters(&self) -> &NatCounters {
        &self.counters
    }
}

#[cfg(test)]
mod tests;
