//! The words of the owner and its key manager for SAs: what a pair is made from, what it may carry and what it carried
//! (RFC 4301 §4.4.2.1).
//!
//! Left out: lifetimes in time, which are the key manager's, since it has the timers for rekeying.

use core::net::Ipv4Addr;
use core::time::Duration;

use ipseclab_crypto::{Encryption, Integrity, Secret};

use crate::selector::TrafficSelector;
use crate::spd::PolicyId;
use crate::spi::Spi;
use crate::udp_encap::UdpEncap;

/// How ESP wraps a packet (RFC 4301 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The whole packet inside a new one.
    Tunnel,
    /// The payload of the packet, under its own IP header.
    Transport,
}

/// What one SA is made from; lengths of keys are those of the algorithms (`Encryption::key_material_len`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaParameters {
    /// The SPI, chosen by the receiver.
    pub spi: Spi,
    /// Encryption algorithm.
    pub encryption: Encryption,
    /// Its key, with the salt of AEADs at the end.
    pub encryption_key: Secret,
    /// Integrity algorithm and key; `None` with AEADs.
    pub integrity: Option<(Integrity, Secret)>,
    /// Whether sequence numbers have 64 bits, of which the high half is not sent (RFC 4303 §2.2.1).
    pub esn: bool,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Outer source address.
    pub source: Ipv4Addr,
    /// Outer destination address.
    pub destination: Ipv4Addr,
    /// UDP encapsulation, with the ports in the direction of this SA.
    pub udp_encap: Option<UdpEncap>,
}

/// What a Child SA brings into force: one SA each way, and what they may carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaPair {
    /// The policy whose packets it protects.
    pub policy: PolicyId,
    /// The SA for arriving packets.
    pub inbound: SaParameters,
    /// The SA for leaving packets.
    pub outbound: SaParameters,
    /// Negotiated selectors of this side.
    pub local_ts: Vec<TrafficSelector>,
    /// Negotiated selectors of the other side.
    pub remote_ts: Vec<TrafficSelector>,
    /// After this long without a packet either way the owner is told; `None` for never.
    pub idle_timeout: Option<Duration>,
    /// How much each of the two SAs may carry.
    pub lifetime: Lifetime,
}

/// How much one SA may carry, counted as in [`Traffic`]; `None` for any amount (RFC 4301 §4.4.2.1).
///
/// The packet that reaches a limit still passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// After so many octets it is time to rekey.
    pub soft_octets: Option<u64>,
    /// After so many octets nothing passes any more.
    pub hard_octets: Option<u64>,
    /// After so many packets it is time to rekey.
    pub soft_packets: Option<u64>,
    /// After so many packets nothing passes any more.
    pub hard_packets: Option<u64>,
}

impl Lifetime {
    /// No limits.
    pub const UNLIMITED: Self =
        Self { soft_octets: None, hard_octets: None, soft_packets: None, hard_packets: None };

    pub(crate) fn is_soft_reached(&self, carried: Traffic) -> bool {
        carried.has_reached(self.soft_octets, self.soft_packets)
    }

    pub(crate) fn is_hard_reached(&self, carried: Traffic) -> bool {
        carried.has_reached(self.hard_octets, self.hard_packets)
    }
}

/// From when on leaving packets use a pair that another one of the same policy covers too (RFC 7296 §2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboundUse {
    /// At once.
    #[default]
    Now,
    /// When [`Engine::enable_outbound`](crate::Engine::enable_outbound) says so, when the first packet arrives under
    /// it, or when no other pair is left for the packet: the responder of a rekeying does not know before whether the
    /// other end has its inbound SA.
    WhenTold,
}

/// Where the two ends of a pair are, and how ESP travels between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// This end.
    pub local: Ipv4Addr,
    /// The other end.
    pub remote: Ipv4Addr,
    /// UDP encapsulation, with the ports in the direction of leaving packets.
    pub udp_encap: Option<UdpEncap>,
}

/// Names an installed pair: the inbound SPI, which is unique on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildSaHandle(pub(crate) Spi);

impl ChildSaHandle {
    /// The inbound SPI.
    pub fn spi(self) -> Spi {
        self.0
    }
}

/// A pair that cannot be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// An installed pair has this inbound SPI already.
    #[error("inbound SPI {spi} is in use")]
    SpiInUse {
        /// The SPI.
        spi: Spi,
    },
}

/// Packets that passed through one SA, and the octets of the inner packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Octets of inner (tunnel) or original (transport) packets.
    pub octets: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    fn has_reached(self, octets: Option<u64>, packets: Option<u64>) -> bool {
        octets.is_some_and(|limit| self.octets >= limit) || packets.is_some_and(|limit| self.packets >= limit)
    }
}

/// What a pair carried, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildSaCounters {
    /// Packets accepted.
    pub inbound: Traffic,
    /// Packets protected.
    pub outbound: Traffic,
}
