//! The engine: databases, waiting packets, timers and counters of one host behind one interface.
//!
//! It is a plain value in the sans-I/O manner: calls take a packet and the time, and queue what the owner polls. The
//! two data paths live in `outbound` and `inbound`; this file has the rest.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;

use ipseclab_crypto::{Crypto, RandomSource, Work};

use crate::acquire::{Acquires, Waiting};
use crate::child::ChildSa;
use crate::discard::{DiscardCounters, DiscardReason};
use crate::esp::TrailerAlignment;
use crate::event::Event;
use crate::header::{IpHeader, protocol};
use crate::notice::Notice;
use crate::outbound::Outbound;
use crate::path_mtu::Fragmentation;
use crate::sa::{ChildSaCounters, ChildSaHandle, InstallError, OutboundUse, Path, SaPair};
use crate::sad::Sad;
use crate::selector::{Direction, Selectors};
use crate::spd::{PolicyId, Spd, SpdAction};
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

impl DontFragment {
    /// Whether the bit is set around this packet.
    pub(crate) const fn applies(self, inner: &IpHeader) -> bool {
        match self {
            Self::Set => true,
            Self::Clear => false,
            Self::Copy => inner.dont_fragment,
        }
    }
}

/// What an engine is made from.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The policies.
    pub spd: Spd,
    /// The addresses that ESP, AH and IKE for this host are sent to; one, or one of each version.
    pub local_addresses: Vec<IpAddr>,
    /// Addresses of this host on the protected side, one of each version at most. Messages about protected packets come from
    /// there, so that they are within the selectors of the tunnel that takes them to the sender (RFC 4301 §6).
    pub protected_addresses: Vec<IpAddr>,
    /// Most packets of one policy that wait for its SA; 0 lets none wait.
    pub queue_packets: usize,
    /// The DF bit of outer headers in tunnel mode.
    pub dont_fragment: DontFragment,
    /// The local UDP port of encapsulated ESP and of IKE with the non-ESP marker.
    pub nat_traversal_port: u16,
    /// The longest protected packet that the owner's link takes, in octets from its IP header on; `None` for any, as long as
    /// no router says otherwise.
    pub path_mtu: Option<usize>,
    /// How long a router is believed that less passes.
    pub path_mtu_age: Duration,
    /// When packets that do not fit are fragmented.
    pub fragmentation: Fragmentation,
    /// Where the trailers of leaving ESP packets end.
    pub trailer_alignment: TrailerAlignment,
}

impl EngineConfig {
    /// Default of [`queue_packets`](Self::queue_packets): a few seconds of ping, well below a TCP window.
    pub const QUEUE_PACKETS: usize = 16;
    /// Default of [`path_mtu_age`](Self::path_mtu_age), that of RFC 1191 §6.3.
    pub const PATH_MTU_AGE: Duration = Duration::from_mins(10);
    /// Most notices that wait for [`Engine::poll_notice`]; the oldest give way.
    pub const NOTICES: usize = 16;

    /// The defaults around these policies and this address.
    pub fn new(spd: Spd, local_address: impl Into<IpAddr>) -> Self {
        Self {
            spd,
            local_addresses: vec![local_address.into()],
            protected_addresses: Vec::new(),
            queue_packets: Self::QUEUE_PACKETS,
            dont_fragment: DontFragment::default(),
            nat_traversal_port: NAT_TRAVERSAL_PORT,
            path_mtu: None,
            path_mtu_age: Self::PATH_MTU_AGE,
            fragmentation: Fragmentation::default(),
            trailer_alignment: TrailerAlignment::default(),
        }
    }

    /// Whether packets to this address end here.
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        self.local_addresses.contains(&address)
    }

    /// Whether UDP with this local port is IKE's, or its port's guests'.
    pub(crate) fn is_ike_port(&self, protocol: u8, port: Option<u16>) -> bool {
        protocol == protocol::UDP
            && port.is_some_and(|port| port == IKE_PORT || port == self.nat_traversal_port)
    }
}

/// The pair that the last packet left under. The next one of its flow needs no look-up, until policies or pairs change, or
/// the pair has used itself up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) selectors: Selectors,
    pub(crate) slot: usize,
}

/// The IPsec datapath of one host; `T` is what the owner attaches to each packet.
pub struct Engine<T> {
    pub(crate) config: EngineConfig,
    pub(crate) crypto: Crypto,
    pub(crate) random: Box<dyn RandomSource>,
    pub(crate) sad: Sad,
    pub(crate) flow: Option<Flow>,
    pub(crate) acquires: Acquires<T>,
    pub(crate) events: VecDeque<Event>,
    pub(crate) discards: DiscardCounters,
    /// The latest time that the owner told.
    pub(crate) now: Duration,
    /// Packets whose congestion mark went from the outer header to the inner one.
    pub(crate) congestion_marks: u64,
    /// Identification of the next outer header.
    pub(crate) ident: u16,
    /// Room for what AH keeps aside, so that no packet allocates it.
    pub(crate) kept: Vec<u8>,
    /// ICMP messages for the protected side.
    pub(crate) notices: VecDeque<Notice>,
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
            flow: None,
            acquires,
            events: VecDeque::new(),
            discards: DiscardCounters::default(),
            now: Duration::ZERO,
            congestion_marks: 0,
            ident: 1,
            kept: Vec::new(),
            notices: VecDeque::new(),
            released: VecDeque::new(),
            discarded: VecDeque::new(),
        }
    }

    /// Brings a pair into force at time `now` and lets the packets that waited for its policy go: those that it covers
    /// through [`poll_packet`](Self::poll_packet), the others as [`DiscardReason::OutsideSelectors`].
    ///
    /// Arriving packets are taken under every pair that is installed. Which one a leaving packet takes of those that
    /// cover it is `outbound_use`'s matter; none is dropped while one of them can send.
    ///
    /// # Errors
    /// When a pair with one of the inbound SPIs is installed already, or the parameters do not fit together.
    ///
    /// # Panics
    /// When a key does not have the length of its algorithm.
    pub fn install(
        &mut self,
        now: Duration,
        pair: SaPair,
        outbound_use: OutboundUse,
    ) -> Result<ChildSaHandle, InstallError> {
        self.now = now;
        self.flow = None;
        let policy = pair.policy;
        pair.check()?;
        let protection = &pair.inbound.protection;
        let outer = protection.ah().map(|ah| ah.spi);
        if let Some(spi) = outer.into_iter().chain([protection.spi()]).find(|spi| self.sad.is_taken(*spi)) {
            return Err(InstallError::SpiInUse { spi });
        }
        let (crypto, random) = (&self.crypto, self.random.as_mut());
        let child = ChildSa::new(now, pair, outbound_use, crypto, random, self.config.trailer_alignment);
        for waiting in self.acquires.take(policy) {
            if child.covers(Direction::Outbound, &waiting.selectors) {
                self.released.push_back((waiting.packet, waiting.token));
            } else {
                self.discard_waiting(waiting, DiscardReason::OutsideSelectors);
            }
        }
        Ok(self.sad.insert(child))
    }

    /// Takes the pair with this inbound SPI out of force; says what it carried, or `None` when there is none.
    pub fn remove(&mut self, spi: Spi) -> Option<ChildSaCounters> {
        self.flow = None;
        self.sad.remove(spi).map(|child| child.counters())
    }

    /// Takes the pair with this inbound SPI out of use but for packets that still arrive, until
    /// [`remove`](Self::remove): those that left before the peer let go of it, and are slower than the messages of its key
    /// manager. False when there is no such pair.
    pub fn retire(&mut self, spi: Spi) -> bool {
        self.flow = None;
        self.sad.retire(spi)
    }

    /// Lets leaving packets use the pair with this inbound SPI that was installed with [`OutboundUse::WhenTold`], as the
    /// newest one. False when there is no such pair.
    pub fn enable_outbound(&mut self, spi: Spi) -> bool {
        self.flow = None;
        self.sad.get_mut(spi).map(|child| child.outbound.enabled = true).is_some()
    }

    /// Moves the pair with this inbound SPI to another path, both directions at once, after a NAT's mapping changed or
    /// an end moved (RFC 7296 §2.23, RFC 4555). False when there is no such pair, or it cannot go there: between addresses
    /// of two versions, or into UDP with AH.
    pub fn update_path(&mut self, spi: Spi, path: Path) -> bool {
        self.sad.get_mut(spi).is_some_and(|child| child.set_path(path))
    }

    /// Moves this host to another address in the place of those of the same version: ESP, AH and IKE are for it when they
    /// are sent there. SAs keep their paths until [`update_path`](Self::update_path).
    pub fn set_local_address(&mut self, address: impl Into<IpAddr>) {
        let address = address.into();
        self.flow = None;
        self.config.local_addresses.retain(|other| other.is_ipv4() != address.is_ipv4());
        self.config.local_addresses.push(address);
    }

    /// Tells that the SA that [`Event::Acquire`] asked for will not come: what waited for it is discarded, and the next
    /// packet asks again.
    pub fn negotiation_failed(&mut self, policy: PolicyId) {
        for waiting in self.acquires.take(policy) {
            self.discard_waiting(waiting, DiscardReason::NegotiationFailed);
        }
    }

    /// The next packet that no longer has to wait, protected, with the pair that protects it. Drain it after [`install`](Self::install), before the
    /// next packet goes in; each call protects one packet, so [`take_work`](Self::take_work) after it is that packet's.
    pub fn poll_packet(&mut self) -> Option<(Vec<u8>, T, Option<ChildSaHandle>)> {
        while let Some((packet, token)) = self.released.pop_front() {
            match self.outbound(self.now, packet, token) {
                Outbound::Send { packet, token, pair, .. } => return Some((packet, token, pair)),
                Outbound::Discard { reason, packet, token } => {
                    self.discarded.push_back((packet, token, reason));
                }
                // Fragments would have to wait for each other here; they are discarded like any other that does not fit.
                Outbound::Fragment { packet, token, .. } => {
                    self.discards.add(DiscardReason::PathMtu);
                    self.discarded.push_back((packet, token, DiscardReason::PathMtu));
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

    /// The next ICMP message of this host's to a sender: that a packet was too long for its SA. Drain it after each packet
    /// that leaves; who sends messages seldom enough is the owner's matter (RFC 1812 §4.3.2.8).
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
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

    /// The address from which the sender of a packet may be told what was wrong with it, when the sender is beyond the
    /// unprotected side; `None` when the message, which quotes the packet, would show in the clear what a policy protects
    /// (RFC 4301 §6.2).
    pub fn error_source(&mut self, about: &Selectors) -> Option<IpAddr> {
        let answer = Selectors {
            source: about.destination,
            destination: about.source,
            source_port: about.destination_port,
            destination_port: about.source_port,
            ..*about
        };
        if !self.protects(&answer) {
            return of_version(&self.config.local_addresses, about.source);
        }
        let own = of_version(&self.config.protected_addresses, about.source)?;
        let protocol = if own.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        let message =
            Selectors { source: own, protocol, source_port: None, destination_port: None, ..answer };
        self.protects(&message).then_some(own)
    }

    /// The address of a message to the sender of a leaving packet, and whether it is for the protected side alone.
    pub(crate) fn notice_source(&mut self, about: &Selectors) -> Option<(IpAddr, bool)> {
        match self.error_source(about) {
            Some(source) => Some((source, false)),
            None => Some((of_version(&self.config.local_addresses, about.source)?, true)),
        }
    }

    /// Whether a leaving packet would be protected.
    fn protects(&mut self, packet: &Selectors) -> bool {
        let action = self.lookup(Direction::Outbound, packet);
        matches!(action, Some(SpdAction::Protect { .. } | SpdAction::ProtectInstalled { .. }))
    }

    /// What the policies say to a packet, if any does: the action of the first entry that matches it, where an entry for
    /// the selectors of installed pairs matches what such a pair covers.
    pub fn lookup(&mut self, direction: Direction, packet: &Selectors) -> Option<SpdAction> {
        let sad = &self.sad;
        let covered = |policy| sad.covers(policy, direction, packet);
        self.config.spd.lookup(direction, packet, covered).map(|entry| entry.action)
    }

    /// The policies, to read or to change; SAs and waiting packets stay.
    pub fn spd_mut(&mut self) -> &mut Spd {
        self.flow = None;
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
        self.sad.get(spi).map(ChildSa::counters)
    }

    /// Whether the pair with this inbound SPI takes leaving packets: it is installed, in use, and not used up.
    pub fn can_send(&self, spi: Spi) -> bool {
        self.sad.get(spi).is_some_and(|child| !child.retired && child.outbound.can_send())
    }

    /// When the last packet was accepted under the pair with this inbound SPI; `None` before the first one.
    pub fn last_inbound(&self, spi: Spi) -> Option<Duration> {
        self.sad.get(spi)?.inbound.sa.usage.last()
    }

    /// When the last packet was protected under the pair with this inbound SPI; `None` before the first one.
    pub fn last_outbound(&self, spi: Spi) -> Option<Duration> {
        self.sad.get(spi)?.outbound.sa.usage.last()
    }

    /// The longest protected packet that passes through the pair with this inbound SPI at time `now`, in octets; `None` when
    /// nothing is known of it, or there is no such pair.
    pub fn path_mtu(&self, now: Duration, spi: Spi) -> Option<usize> {
        let child = self.sad.get(spi)?;
        child.outbound.path_mtu.octets(now, self.config.path_mtu, self.config.path_mtu_age)
    }

    /// Discarded packets by reason.
    pub fn discards(&self) -> &DiscardCounters {
        &self.discards
    }

    /// Packets out of tunnels to which the congestion mark of the outer header went over (RFC 6040 §4.2); those that could
    /// not take it are [`DiscardReason::CongestionMark`].
    pub fn congestion_marks(&self) -> u64 {
        self.congestion_marks
    }

    /// Whether a negotiation for this policy has been asked for and not answered.
    pub fn is_acquiring(&self, policy: PolicyId) -> bool {
        self.acquires.is_pending(policy)
    }

    /// Packets that are inside: waiting for an SA, or waiting to be polled.
    pub fn packets_held(&self) -> usize {
        self.acquires.len() + self.released.len() + self.discarded.len()
    }

    /// The tokens of these packets.
    pub fn tokens_held(&self) -> impl Iterator<Item = &T> {
        let waiting = self.acquires.iter().map(|waiting| &waiting.token);
        let released = self.released.iter().map(|(_, token)| token);
        waiting.chain(released).chain(self.discarded.iter().map(|(_, token, _)| token))
    }

    fn discard_waiting(&mut self, waiting: Waiting<T>, reason: DiscardReason) {
        self.discards.add(reason);
        self.discarded.push_back((waiting.packet, waiting.token, reason));
    }
}

/// The first of the addresses that is of the version of another one.
fn of_version(addresses: &[IpAddr], other: IpAddr) -> Option<IpAddr> {
    addresses.iter().find(|address| address.is_ipv4() == other.is_ipv4()).copied()
}
