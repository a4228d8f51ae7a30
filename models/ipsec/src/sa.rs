//! The words of the owner and its key manager for SAs: what a pair is made from, what it may carry and what it carried
//! (RFC 4301 §4.4.2.1).
//!
//! Left out: lifetimes in time, which are the key manager's, since it has the timers for rekeying.

use core::net::IpAddr;
use core::time::Duration;

use ipseclab_crypto::{Authentication, Encryption, Integrity, Secret};

use crate::replay::WindowLen;
use crate::selector::TrafficSelector;
use crate::spd::PolicyId;
use crate::spi::Spi;
use crate::udp_encap::UdpEncap;

/// How ESP or AH wraps a packet (RFC 4301 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The whole packet inside a new one.
    Tunnel,
    /// The payload of the packet, under its own IP header.
    Transport,
}

/// What ESP of one SA is made from; lengths of keys are those of the algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspParameters {
    /// The SPI, chosen by the receiver.
    pub spi: Spi,
    /// Encryption algorithm.
    pub encryption: Encryption,
    /// Its key, with the salt of AEADs at the end ([`Encryption::key_material_len`]).
    pub encryption_key: Secret,
    /// Integrity algorithm and key; `None` with AEADs, and where AH or nothing protects what is hidden
    /// ([`SaPair::unauthenticated_esp`]).
    pub integrity: Option<(Integrity, Secret)>,
}

impl EspParameters {
    /// Whether nobody would notice if its packets were changed on the way.
    pub const fn is_unauthenticated(&self) -> bool {
        self.integrity.is_none() && !self.encryption.is_aead()
    }
}

/// What AH of one SA is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AhParameters {
    /// The SPI, chosen by the receiver; another one than that of ESP in the same bundle.
    pub spi: Spi,
    /// Authentication algorithm.
    pub algorithm: Authentication,
    /// Its key ([`Authentication::key_material_len`]).
    pub key: Secret,
}

/// Which protocols protect the packets of an SA, or of a bundle of two (RFC 4301 §4.1, RFC 2401 §4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// ESP (RFC 4303).
    Esp(EspParameters),
    /// AH (RFC 4302).
    Ah(AhParameters),
    /// ESP, and AH around it: in transport mode both behind the packet's own IP header, in tunnel mode an ESP tunnel under
    /// AH in transport mode, as Cisco's routers build it.
    AhEsp {
        /// The outer protocol.
        ah: AhParameters,
        /// The inner protocol.
        esp: EspParameters,
    },
}

impl Protection {
    /// The SPI that names the SA, or the bundle: that of ESP where there is ESP.
    pub const fn spi(&self) -> Spi {
        match self {
            Self::Esp(esp) | Self::AhEsp { esp, .. } => esp.spi,
            Self::Ah(ah) => ah.spi,
        }
    }

    /// What ESP is made from, where there is ESP.
    pub const fn esp(&self) -> Option<&EspParameters> {
        match self {
            Self::Esp(esp) | Self::AhEsp { esp, .. } => Some(esp),
            Self::Ah(_) => None,
        }
    }

    /// What AH is made from, where there is AH.
    pub const fn ah(&self) -> Option<&AhParameters> {
        match self {
            Self::Ah(ah) | Self::AhEsp { ah, .. } => Some(ah),
            Self::Esp(_) => None,
        }
    }
}

/// What one SA is made from, or both of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaParameters {
    /// Protocols, SPIs, algorithms and keys.
    pub protection: Protection,
    /// Whether sequence numbers have 64 bits, of which the high half is not sent (RFC 4302 §2.5.1, RFC 4303 §2.2.1).
    pub esn: bool,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Outer source address.
    pub source: IpAddr,
    /// Outer destination address, of the same version.
    pub destination: IpAddr,
    /// UDP encapsulation, with the ports in the direction of this SA; ESP alone.
    pub udp_encap: Option<UdpEncap>,
}

impl SaParameters {
    /// The SPI that names the SA.
    pub const fn spi(&self) -> Spi {
        self.protection.spi()
    }

    /// Whether it can be brought into force.
    fn check(&self, unauthenticated_esp: bool) -> Result<(), InstallError> {
        let spi = self.spi();
        if self.source.is_ipv4() != self.destination.is_ipv4() {
            return Err(InstallError::MixedVersions { spi });
        }
        if self.protection.ah().is_some() && self.udp_encap.is_some() {
            return Err(InstallError::AhInUdp { spi });
        }
        match &self.protection {
            Protection::Esp(esp) if esp.is_unauthenticated() && !unauthenticated_esp => {
                Err(InstallError::Unauthenticated { spi })
            }
            Protection::AhEsp { ah, esp } if ah.spi == esp.spi => Err(InstallError::SpiInUse { spi }),
            Protection::Esp(_) | Protection::Ah(_) | Protection::AhEsp { .. } => Ok(()),
        }
    }
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
    /// How many sequence numbers the anti-replay windows of arriving packets cover (RFC 4303 §3.4.3).
    pub replay_window: WindowLen,
    /// Whether ESP may hide packets and protect them from nothing, outside a bundle with AH. Everybody on the way can then
    /// change them unnoticed (RFC 8221 §4); some old configurations have it.
    pub unauthenticated_esp: bool,
}

impl SaPair {
    /// A pair for all traffic of a policy, without limits.
    pub fn new(policy: PolicyId, inbound: SaParameters, outbound: SaParameters) -> Self {
        Self {
            policy,
            inbound,
            outbound,
            local_ts: vec![TrafficSelector::ANY],
            remote_ts: vec![TrafficSelector::ANY],
            idle_timeout: None,
            lifetime: Lifetime::UNLIMITED,
            replay_window: WindowLen::default(),
            unauthenticated_esp: false,
        }
    }

    /// Whether it can be brought into force.
    pub(crate) fn check(&self) -> Result<(), InstallError> {
        self.inbound.check(self.unauthenticated_esp)?;
        self.outbound.check(self.unauthenticated_esp)
    }
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
    pub local: IpAddr,
    /// The other end.
    pub remote: IpAddr,
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
    /// An installed pair has this inbound SPI already, or both protocols of a bundle have it.
    #[error("inbound SPI {spi} is in use")]
    SpiInUse {
        /// The SPI.
        spi: Spi,
    },
    /// The ends of a tunnel are not of one IP version.
    #[error("SA {spi} leads from an address of one IP version to one of the other")]
    MixedVersions {
        /// The SPI.
        spi: Spi,
    },
    /// AH covers addresses, which a NAT changes, and has no UDP encapsulation (RFC 3948 §1).
    #[error("SA {spi} has AH inside UDP, which does not exist")]
    AhInUdp {
        /// The SPI.
        spi: Spi,
    },
    /// ESP without integrity, outside a bundle, and without [`SaPair::unauthenticated_esp`] (RFC 8221 §4).
    #[error("SA {spi} has ESP without integrity, which its pair does not insist on")]
    Unauthenticated {
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
