//! The engine: databases, waiting packets, timers and counters of one host behind one interface.
//!
//! It is a plain value in the sans-I/O manner: calls take a packet and the time, and queue what the owner polls. The
//! two data paths live in `outbound` and `inbound`; this file has the rest.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::VecDeque;

use ipseclab_crypto::{Crypto, RandomSource, Work};
use smoltcp::wire::IpProtocol;

use crate::acquire::{Acquires, Waiting};
use crate::discard::{DiscardCounters, DiscardReason};
use crate::outbound::Outbound;
use crate::sad::{ChildSa, ChildSaCounters, ChildSaHandle, InstallError, Mode, SaPair, Sad};
use crate::selector::{Direction, Selectors};
use crate::spd::{PolicyId, Spd};
use crate::spi::Spi;
use crate::udp_encap::{IKE_PORT, NAT_TRAVERSAL_PORT};

/// The DF bit of outer headers in tunnel mode (RFC 4301 §8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DontFragment {
    /// Always set, as the reference captures have it.
    #[default]
    Set,
    /// Never set.
    Clear,
    /// As on the inner packet.
    Copy,
}

/// What an engine is made from.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The policies.
    pub spd: Spd,
    /// The address that ESP and IKE for this host are sent to.
    pub local_address: Ipv4Addr,
    /// Most packets of one policy that wait for its SA; 0 lets none wait.
    pub queue_packets: usize,
    /// The DF bit of outer headers in tunnel mode.
    pub dont_fragment: DontFragment,
    /// The local UDP port of encapsulated ESP and of IKE with the non-ESP marker.
    pub nat_traversal_port: u16,
}

impl EngineConfig {
    /// Default of [`queue_packets`](Self::queue_packets): a few seconds of ping, well below a TCP window.
    pub const QUEUE_PACKETS: usize = 16;

    /// The defaults around these policies and this address.
    pub fn new(spd: Spd, local_address: Ipv4Addr) -> Self {
        Self {
            spd,
            local_address,
            queue_packets: Self::QUEUE_PACKETS,
            dont_fragment: DontFragment::default(),
            nat_traversal_port: NAT_TRAVERSAL_PORT,
        }
    }

    /// Whether UDP with this local port is IKE's, or its port's guests'.
    pub(crate) fn is_ike_port(&self, protocol: u8, port: Option<u16>) -> bool {
        protocol == u8::from(IpProtocol::Udp)
            && port.is_some_and(|port| port == IKE_PORT || port == self.nat_traversal_port)
    }
}

/// What the owner, or its key manager, should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet needs an SA that is not there. Comes once per policy until [`Engine::install`] or
    /// [`Engine::negotiation_failed`] answers it.
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
}

/// The IPsec datapath of one host; `T` is what the owner attaches to each packet.
pub struct Engine<T> {
    pub(crate) config: EngineConfig,
    pub(crate) crypto: Crypto,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) sad: Sad,
    pub(crate) acquires: Acquires<T>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) discards: DiscardCounters,
    /// The latest time that the owner told.
    pub(crate) now: Duration,
    /// Identification of the next outer header.
    pub(crate) ident: u16,
    released: VecDeque<(Vec<u8>, T)>,
    discarded: VecDeque<(Vec<u8>, T, DiscardReason)>,
}

impl<T> Engine<T> {
    /// An engine without SAs. `random` gives IVs and their salts.
    pub fn new(config: EngineConfig, crypto: Crypto, random: Box<dyn RandomSource>) -> Self {
        let acquires = Acquires::new(config.queue_packets);
        Self {
            config,
            crypto,
            random,
            sad: Sad::default(),
            acquires,
            events: VecDeque::new(),
            discards: DiscardCounters::default(),
            now: Duration::ZERO,
            ident: 1,
            released: VecDeque::new(),
            discarded: VecDeque::new(),
        }
    }

    /// Brings a pair into force at time `now` and lets the packets that waited for its policy go: those that it covers
    /// through [`poll_packet`](Self::poll_packet), the others as [`DiscardReason::OutsideSelectors`].
    ///
    /// # Errors
    /// When a pair with this inbound SPI is installed already.
    ///
    /// # Panics
    /// When a key does not have the length of its algorithm.
    pub fn install(&mut self, now: Duration, pair: SaPair) -> Result<ChildSaHandle, InstallError> {
        self.now = now;
        let policy = pair.policy;
        let spi = pair.inbound.spi;
        if self.sad.contains(spi) {
            return Err(InstallError::SpiInUse { spi });
        }
        let child = ChildSa::new(now, pair, &self.crypto, self.random.as_mut());
        for waiting in self.acquires.take(policy) {
            if child.covers(Direction::Outbound, &waiting.selectors) {
                self.released.push_back((waiting.packet, waiting.token));
            } else {
                self.discard_waiting(waiting, DiscardReason::OutsideSelectors);
            }
        }
        self.sad.insert(child)
    }

    /// Takes the pair with this inbound SPI out of force; says what it carried, or `None` when there is none.
    pub fn remove(&mut self, spi: Spi) -> Option<ChildSaCounters> {
        self.sad.remove(spi).map(|child| child.counters)
    }

    /// Tells that the SA that [`Event::Acquire`] asked for will not come: what waited for it is discarded, and the next
    /// packet asks again.
    pub fn negotiation_failed(&mut self, policy: PolicyId) {
        for waiting in self.acquires.take(policy) {
            self.discard_waiting(waiting, DiscardReason::NegotiationFailed);
        }
    }

    /// The next packet that no longer has to wait, protected. Drain it after [`install`](Self::install), before the
    /// next packet goes in; each call protects one packet, so [`take_work`](Self::take_work) after it is that packet's.
    pub fn poll_packet(&mut self) -> Option<(Vec<u8>, T)> {
        while let Some((packet, token)) = self.released.pop_front() {
            match self.outbound(self.now, packet, token) {
                Outbound::Send { packet, token, .. } => return Some((packet, token)),
                Outbound::Discard { reason, packet, token } => {
                    self.discarded.push_back((packet, token, reason));
                }
                // The pair has been removed since; the packet waits for the next one.
                Outbound::Queued => {}
            }
        }
        None
    }

    /// The next packet that waited in vain, and why.
    pub fn poll_discard(&mut self) -> Option<(Vec<u8>, T, DiscardReason)> {
        self.discarded.pop_front()
    }

    /// The next thing that the owner should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if ever.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.sad.next_idle()
    }

    /// Runs what is due at time `now`; calling early or twice changes nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        while let Some(spi) = self.sad.take_idle(now) {
            self.events.push_back(Event::IdleTimeout { spi });
        }
    }

    /// The cryptographic work done since the last call.
    pub fn take_work(&mut self) -> Vec<Work> {
        self.crypto.take_work()
    }

    /// The cryptography with its meter, for owners that read work without taking it.
    pub fn crypto_mut(&mut self) -> &mut Crypto {
        &mut self.crypto
    }

    /// The policies, to read or to change; SAs and waiting packets stay.
    pub fn spd_mut(&mut self) -> &mut Spd {
        &mut self.config.spd
    }

    /// Whether a pair with this inbound SPI is installed.
    pub fn is_installed(&self, spi: Spi) -> bool {
        self.sad.contains(spi)
    }

    /// Inbound SPIs of the installed pairs, ascending.
    pub fn installed(&self) -> impl Iterator<Item = Spi> + '_ {
        self.sad.spis()
    }

    /// What the pair with this inbound SPI has carried so far.
    pub fn sa_counters(&self, spi: Spi) -> Option<ChildSaCounters> {
        self.sad.get(spi).map(|child| child.counters)
    }

    /// Discarded packets by reason.
    pub fn discards(&self) -> &DiscardCounters {
        &self.discards
    }

    /// Whether a negotiation for this policy has been asked for and not answered.
    pub fn is_acquiring(&self, policy: PolicyId) -> bool {
        self.acquires.is_pending(policy)
    }

    /// Packets that are inside: waiting for an SA, or waiting to be polled.
    pub fn packets_held(&self) -> usize {
        self.acquires.len() + self.released.len() + self.discarded.len()
    }

    fn discard_waiting(&mut self, waiting: Waiting<T>, reason: DiscardReason) {
        self.discards.add(reason);
        self.discarded.push_back((waiting.packet, waiting.token, reason));
    }
}
