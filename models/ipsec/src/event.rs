//! What the engine tells its owner beside packets.

use core::net::IpAddr;

use crate::child::Limit;
use crate::sa::Mode;
use crate::selector::{Direction, Selectors};
use crate::spd::PolicyId;
use crate::spi::Spi;

/// What the owner, or its key manager, should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet needs an SA that is not there. Comes once per policy until [`Engine::install`](crate::Engine::install)
    /// or [`Engine::negotiation_failed`](crate::Engine::negotiation_failed) answers it.
    Acquire {
        /// The policy.
        policy: PolicyId,
        /// The mode to negotiate.
        mode: Mode,
        /// Selectors of the packet (RFC 7296 §2.9: the first pair of traffic selectors).
        selectors: Selectors,
    },
    /// No packet passed through the pair for its idle timeout. Comes once; the pair stays until it is removed.
    IdleTimeout {
        /// The inbound SPI.
        spi: Spi,
    },
    /// The outbound SA has no sequence numbers left (RFC 4303 §3.3.3). Comes once.
    SeqExhausted {
        /// The inbound SPI of its pair.
        spi: Spi,
    },
    /// Time to rekey: one SA of the pair has carried a soft limit of its [`Lifetime`](crate::Lifetime), or the outbound one
    /// has used fifteen of sixteen sequence numbers. Comes once for each reason and direction.
    SoftExpired {
        /// The inbound SPI of the pair.
        spi: Spi,
        /// Which of its SAs.
        direction: Direction,
    },
    /// One SA of the pair has carried a hard limit of its [`Lifetime`](crate::Lifetime) and carries nothing more. Comes
    /// once for each direction; the pair stays until it is removed.
    HardExpired {
        /// The inbound SPI of the pair.
        spi: Spi,
        /// Which of its SAs.
        direction: Direction,
    },
    /// A router says that only so much passes on the path of an SA, and is believed (RFC 4301 §8.2.1). From now on senders of
    /// longer packets are told.
    PathMtuChanged {
        /// The inbound SPI of the pair.
        spi: Spi,
        /// Octets of the longest protected packet.
        octets: usize,
    },
    /// Authentic ESP in UDP comes from another place than the SA says: a NAT has a new mapping, and
    /// [`Engine::update_path`](crate::Engine::update_path) can follow it (RFC 7296 §2.23). Comes once per place.
    MappingChanged {
        /// The inbound SPI of the pair.
        spi: Spi,
        /// The address that it comes from.
        address: IpAddr,
        /// The port that it comes from.
        port: u16,
    },
}

impl Event {
    pub(crate) fn expired(spi: Spi, direction: Direction, limit: Limit) -> Self {
        match limit {
            Limit::Soft => Self::SoftExpired { spi, direction },
            Limit::Hard => Self::HardExpired { spi, direction },
        }
    }
}
