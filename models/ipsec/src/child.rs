//! An installed pair of SAs: keys and addresses of both directions, sender and receiver state, and how much was used.

use core::net::Ipv4Addr;
use core::time::Duration;

use ipseclab_crypto::{Crypto, PacketCipher, Purpose, RandomSource};

use crate::replay::ReplayWindow;
use crate::sa::{ChildSaCounters, Lifetime, Mode, OutboundUse, Path, SaPair, SaParameters, Traffic};
use crate::selector::{Direction, Selectors, TrafficSelector};
use crate::spd::PolicyId;
use crate::spi::{SeqNo, Spi};
use crate::udp_encap::UdpEncap;

/// Addresses and keys of one direction, without what only one of the directions needs.
#[derive(Debug)]
pub(crate) struct SaHalf {
    pub(crate) spi: Spi,
    pub(crate) cipher: PacketCipher,
    pub(crate) esn: bool,
    pub(crate) mode: Mode,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) udp_encap: Option<UdpEncap>,
    pub(crate) usage: Usage,
}

impl SaHalf {
    fn new(parameters: &SaParameters, lifetime: Lifetime, crypto: &Crypto) -> Self {
        let integrity = parameters.integrity.as_ref().map(|(algorithm, key)| (*algorithm, key));
        Self {
            spi: parameters.spi,
            cipher: crypto.packet_cipher(parameters.encryption, &parameters.encryption_key, integrity),
            esn: parameters.esn,
            mode: parameters.mode,
            source: parameters.source,
            destination: parameters.destination,
            udp_encap: parameters.udp_encap,
            usage: Usage::new(lifetime),
        }
    }
}

/// A limit of a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Soft,
    Hard,
}

/// What one SA has carried of what it may carry.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    lifetime: Lifetime,
    traffic: Traffic,
    /// When the last packet passed.
    last: Option<Duration>,
    soft_reached: bool,
    hard_reached: bool,
}

impl Usage {
    fn new(lifetime: Lifetime) -> Self {
        Self { lifetime, traffic: Traffic::default(), last: None, soft_reached: false, hard_reached: false }
    }

    /// Counts a packet; gives the limits that were reached by it and not before.
    pub(crate) fn add(&mut self, now: Duration, octets: usize) -> impl Iterator<Item = Limit> + use<> {
        self.traffic.add(octets);
        self.last = Some(now);
        let soft = self.lifetime.is_soft_reached(self.traffic) && !self.soft_reached;
        let hard = self.lifetime.is_hard_reached(self.traffic) && !self.hard_reached;
        self.soft_reached |= soft;
        self.hard_reached |= hard;
        [soft.then_some(Limit::Soft), hard.then_some(Limit::Hard)].into_iter().flatten()
    }

    /// Whether the SA may carry nothing more.
    pub(crate) fn is_over(&self) -> bool {
        self.hard_reached
    }

    /// When the last packet passed, if one has.
    pub(crate) fn last(&self) -> Option<Duration> {
        self.last
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
    /// Whether packets use it although another pair covers them too.
    pub(crate) enabled: bool,
}

impl OutboundSa {
    fn can_send(&self) -> bool {
        !self.sa.usage.is_over() && self.number.next(self.sa.esn).is_some()
    }
}

/// The SA for arriving packets with its receiver state.
#[derive(Debug)]
pub(crate) struct InboundSa {
    pub(crate) sa: SaHalf,
    pub(crate) window: ReplayWindow,
    /// Where packets come from now, if not from where they should, as the owner was told.
    reported: Option<(Ipv4Addr, u16)>,
}

impl InboundSa {
    /// The whole number of a packet by what its header carries, if it may still be accepted.
    pub(crate) fn number(&self, low: u32) -> Option<SeqNo> {
        let number = if self.sa.esn { self.window.extend(low)? } else { SeqNo::new(u64::from(low)) };
        self.window.check(number).then_some(number)
    }

    /// Whether an authentic packet in UDP came from a place that the owner has not been told of.
    ///
    /// Only the newest packet says where the other end is; one that was overtaken may come from where it was.
    pub(crate) fn has_moved(&mut self, number: SeqNo, from: (Ipv4Addr, u16)) -> bool {
        let Some(encap) = self.sa.udp_encap.filter(|_| number == self.window.highest()) else { return false };
        let observed = Some(from).filter(|from| *from != (self.sa.source, encap.source_port));
        let is_news = observed.is_some() && observed != self.reported;
        self.reported = observed;
        is_news
    }
}

/// An installed pair.
#[derive(Debug)]
pub(crate) struct ChildSa {
    pub(crate) policy: PolicyId,
    pub(crate) inbound: InboundSa,
    pub(crate) outbound: OutboundSa,
    /// Grows with every installation.
    pub(crate) serial: u64,
    pub(crate) armed: Option<Duration>,
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
    idle_timeout: Option<Duration>,
    installed: Duration,
}

impl ChildSa {
    pub(crate) fn new(
        now: Duration,
        pair: SaPair,
        outbound_use: OutboundUse,
        crypto: &Crypto,
        random: &mut dyn RandomSource,
    ) -> Self {
        let mut salt = [0; 8];
        let outbound = SaHalf::new(&pair.outbound, pair.lifetime, crypto);
        if !outbound.cipher.needs_random_iv() {
            random.fill(Purpose::Iv, &mut salt);
        }
        let inbound = SaHalf::new(&pair.inbound, pair.lifetime, crypto);
        Self {
            policy: pair.policy,
            inbound: InboundSa { sa: inbound, window: ReplayWindow::default(), reported: None },
            outbound: OutboundSa {
                sa: outbound,
                number: SeqNo::default(),
                iv_salt: u64::from_be_bytes(salt),
                exhaustion_reported: false,
                enabled: outbound_use == OutboundUse::Now,
            },
            serial: 0,
            armed: None,
            local_ts: pair.local_ts,
            remote_ts: pair.remote_ts,
            idle_timeout: pair.idle_timeout,
            installed: now,
        }
    }

    /// Whether the negotiated selectors cover a packet.
    pub(crate) fn covers(&self, direction: Direction, packet: &Selectors) -> bool {
        packet.are_within(direction, &self.local_ts, &self.remote_ts)
    }

    /// Negotiated selectors of the other side.
    pub(crate) fn remote_ts(&self) -> &[TrafficSelector] {
        &self.remote_ts
    }

    /// The greatest of the pairs that cover a packet takes it: one that can send, of these one that is enabled, of
    /// these the newest.
    pub(crate) fn preference(&self) -> (bool, bool, u64) {
        (self.outbound.can_send(), self.outbound.enabled, self.serial)
    }

    pub(crate) fn counters(&self) -> ChildSaCounters {
        ChildSaCounters { inbound: self.inbound.sa.usage.traffic, outbound: self.outbound.sa.usage.traffic }
    }

    /// Moves both directions to another path; numbers, keys and counters stay.
    pub(crate) fn set_path(&mut self, path: Path) {
        let (inbound, outbound) = (&mut self.inbound.sa, &mut self.outbound.sa);
        (outbound.source, outbound.destination, outbound.udp_encap) =
            (path.local, path.remote, path.udp_encap);
        (inbound.source, inbound.destination) = (path.remote, path.local);
        inbound.udp_encap = path.udp_encap.map(UdpEncap::reversed);
        self.inbound.reported = None;
    }

    pub(crate) fn idle_deadline(&self) -> Option<Duration> {
        let last = self.inbound.sa.usage.last.max(self.outbound.sa.usage.last).unwrap_or(self.installed);
        self.idle_timeout.and_then(|timeout| last.checked_add(timeout))
    }
}
