//! The Security Association Database: pairs of SAs by inbound SPI and by policy (RFC 4301 §4.4.2).
//!
//! SAs come and go in pairs, since that is how IKE makes them; each half is one way and keeps its own keys, counters and
//! sequence numbers. An arriving packet finds its pair by SPI alone (RFC 4301 §4.1, unicast), a leaving one by policy and
//! negotiated selectors, newest pair first, so that a rekeyed pair takes over at once.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use ipseclab_crypto::{Crypto, Encryption, Integrity, PacketCipher, Purpose, RandomSource, Secret};

use crate::replay::ReplayWindow;
use crate::selector::{Direction, Selectors, TrafficSelector};
use crate::spd::PolicyId;
use crate::spi::{SeqNo, Spi};
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
}

/// Names an installed pair: the inbound SPI, which is unique on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildSaHandle(Spi);

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
}

/// What a pair carried, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildSaCounters {
    /// Packets accepted.
    pub inbound: Traffic,
    /// Packets protected.
    pub outbound: Traffic,
}

/// Addresses and keys of one direction, without what only one of the directions needs.
#[derive(Debug)]
pub(crate) struct SaHalf {
    pub(crate) spi: Spi,
    pub(crate) cipher: PacketCipher,
    pub(crate) mode: Mode,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) udp_encap: Option<UdpEncap>,
}

impl SaHalf {
    fn new(parameters: &SaParameters, crypto: &Crypto) -> Self {
        let integrity = parameters.integrity.as_ref().map(|(algorithm, key)| (*algorithm, key));
        Self {
            spi: parameters.spi,
            cipher: crypto.packet_cipher(parameters.encryption, &parameters.encryption_key, integrity),
            mode: parameters.mode,
            source: parameters.source,
            destination: parameters.destination,
            udp_encap: parameters.udp_encap,
        }
    }
}

/// The SA for leaving packets with its sender state.
#[derive(Debug)]
pub(crate) struct OutboundSa {
    pub(crate) sa: SaHalf,
    /// The last number used; 0 before the first packet.
    pub(crate) number: SeqNo,
    /// Makes the counting IVs of AEADs start somewhere unpredictable.
    pub(crate) iv_salt: u64,
    /// Whether the owner knows that the numbers have run out.
    pub(crate) exhaustion_reported: bool,
}

/// The SA for arriving packets with its receiver state.
#[derive(Debug)]
pub(crate) struct InboundSa {
    pub(crate) sa: SaHalf,
    pub(crate) window: ReplayWindow,
}

/// An installed pair.
#[derive(Debug)]
pub(crate) struct ChildSa {
    pub(crate) policy: PolicyId,
    pub(crate) inbound: InboundSa,
    pub(crate) outbound: OutboundSa,
    pub(crate) counters: ChildSaCounters,
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
    idle_timeout: Option<Duration>,
    last_packet: Duration,
    armed: Option<Duration>,
}

impl ChildSa {
    pub(crate) fn new(now: Duration, pair: SaPair, crypto: &Crypto, random: &mut dyn RandomSource) -> Self {
        let mut salt = [0; 8];
        let outbound = SaHalf::new(&pair.outbound, crypto);
        if !outbound.cipher.needs_random_iv() {
            random.fill(Purpose::Iv, &mut salt);
        }
        Self {
            policy: pair.policy,
            inbound: InboundSa { sa: SaHalf::new(&pair.inbound, crypto), window: ReplayWindow::default() },
            outbound: OutboundSa {
                sa: outbound,
                number: SeqNo::default(),
                iv_salt: u64::from_be_bytes(salt),
                exhaustion_reported: false,
            },
            counters: ChildSaCounters::default(),
            local_ts: pair.local_ts,
            remote_ts: pair.remote_ts,
            idle_timeout: pair.idle_timeout,
            last_packet: now,
            armed: None,
        }
    }

    /// Whether the negotiated selectors cover a packet.
    pub(crate) fn covers(&self, direction: Direction, packet: &Selectors) -> bool {
        packet.are_within(direction, &self.local_ts, &self.remote_ts)
    }

    pub(crate) fn count_inbound(&mut self, now: Duration, octets: usize) {
        self.counters.inbound.add(octets);
        self.last_packet = now;
    }

    pub(crate) fn count_outbound(&mut self, now: Duration, octets: usize) {
        self.counters.outbound.add(octets);
        self.last_packet = now;
    }

    fn idle_deadline(&self) -> Option<Duration> {
        self.idle_timeout.and_then(|timeout| self.last_packet.checked_add(timeout))
    }
}

/// All installed pairs. Slots are reused, so an index is valid only until the next removal.
#[derive(Debug, Default)]
pub(crate) struct Sad {
    slots: Vec<Option<ChildSa>>,
    free: Vec<usize>,
    by_spi: BTreeMap<Spi, usize>,
    by_policy: BTreeMap<PolicyId, Vec<usize>>,
    idle: BTreeSet<(Duration, Spi)>,
}

impl Sad {
    pub(crate) fn contains(&self, spi: Spi) -> bool {
        self.by_spi.contains_key(&spi)
    }

    pub(crate) fn insert(&mut self, child: ChildSa) -> Result<ChildSaHandle, InstallError> {
        let (spi, policy) = (child.inbound.sa.spi, child.policy);
        if self.contains(spi) {
            return Err(InstallError::SpiInUse { spi });
        }
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot] = Some(child);
        self.by_spi.insert(spi, slot);
        self.by_policy.entry(policy).or_default().push(slot);
        self.arm(spi);
        Ok(ChildSaHandle(spi))
    }

    pub(crate) fn remove(&mut self, spi: Spi) -> Option<ChildSa> {
        let slot = self.by_spi.remove(&spi)?;
        let child = self.slots[slot].take()?;
        self.free.push(slot);
        if let Some(slots) = self.by_policy.get_mut(&child.policy) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_policy.remove(&child.policy);
            }
        }
        if let Some(deadline) = child.armed {
            self.idle.remove(&(deadline, spi));
        }
        Some(child)
    }

    pub(crate) fn get(&self, spi: Spi) -> Option<&ChildSa> {
        self.slots[*self.by_spi.get(&spi)?].as_ref()
    }

    pub(crate) fn get_mut(&mut self, spi: Spi) -> Option<&mut ChildSa> {
        self.slots[*self.by_spi.get(&spi)?].as_mut()
    }

    /// The newest pair of the policy whose selectors cover a leaving packet.
    pub(crate) fn outbound(&mut self, policy: PolicyId, packet: &Selectors) -> Option<&mut ChildSa> {
        let slots = self.by_policy.get(&policy)?;
        let covers = |slot: &&usize| {
            self.slots[**slot].as_ref().is_some_and(|child| child.covers(Direction::Outbound, packet))
        };
        let slot = *slots.iter().rev().find(covers)?;
        self.slots[slot].as_mut()
    }

    /// Inbound SPIs of all pairs, ascending.
    pub(crate) fn spis(&self) -> impl Iterator<Item = Spi> + '_ {
        self.by_spi.keys().copied()
    }

    /// The earliest time at which some pair could have been idle for too long.
    pub(crate) fn next_idle(&self) -> Option<Duration> {
        self.idle.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one pair that has been idle for too long; it is not armed again.
    ///
    /// Packets do not touch the timer; it is moved here, when it runs out and turns out to have been put off.
    pub(crate) fn take_idle(&mut self, now: Duration) -> Option<Spi> {
        while let Some(&(deadline, spi)) = self.idle.first() {
            if deadline > now {
                return None;
            }
            self.idle.pop_first();
            let Some(child) = self.get_mut(spi) else { continue };
            child.armed = None;
            if child.idle_deadline().is_some_and(|real| real <= now) {
                return Some(spi);
            }
            self.arm(spi);
        }
        None
    }

    fn arm(&mut self, spi: Spi) {
        let Some(child) = self.get_mut(spi) else { return };
        child.armed = child.idle_deadline();
        if let Some(deadline) = child.armed {
            self.idle.insert((deadline, spi));
        }
    }
}
