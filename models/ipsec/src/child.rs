//! An installed pair of SAs: keys and addresses of both directions, sender and receiver state, and how much was used.

use core::net::IpAddr;
use core::time::Duration;

use ipseclab_crypto::{Authentication, Authenticator, Crypto, PacketCipher, Purpose, RandomSource};

use crate::esp::TrailerAlignment;
use crate::path_mtu::PathMtu;
use crate::replay::{ReplayWindow, WindowLen};
use crate::sa::{ChildSaCounters, Lifetime, Mode, OutboundUse, Path, SaPair, SaParameters, Traffic};
use crate::selector::{Direction, Selectors, TrafficSelector};
use crate::spd::PolicyId;
use crate::spi::{SeqNo, Spi};
use crate::udp_encap::UdpEncap;

/// ESP of one direction.
#[derive(Debug)]
pub(crate) struct EspLayer {
    pub(crate) spi: Spi,
    pub(crate) cipher: PacketCipher,
    /// Of packets that leave; arriving ones may have any.
    pub(crate) alignment: TrailerAlignment,
}

/// AH of one direction.
#[derive(Debug)]
pub(crate) struct AhLayer {
    pub(crate) spi: Spi,
    pub(crate) authenticator: Authenticator,
}

/// Addresses and keys of one direction, without what only one of the directions needs. It has one layer or both.
#[derive(Debug)]
pub(crate) struct SaHalf {
    /// The SPI that names it.
    pub(crate) spi: Spi,
    pub(crate) esp: Option<EspLayer>,
    pub(crate) ah: Option<AhLayer>,
    pub(crate) esn: bool,
    pub(crate) mode: Mode,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) udp_encap: Option<UdpEncap>,
    pub(crate) usage: Usage,
}

impl SaHalf {
    fn new(
        parameters: &SaParameters,
        lifetime: Lifetime,
        crypto: &Crypto,
        alignment: TrailerAlignment,
    ) -> Self {
        let esp = parameters.protection.esp().map(|esp| {
            let integrity = esp.integrity.as_ref().map(|(algorithm, key)| (*algorithm, key));
            let cipher = crypto.packet_cipher(esp.encryption, &esp.encryption_key, integrity);
            EspLayer { spi: esp.spi, cipher, alignment }
        });
        let ah = parameters
            .protection
            .ah()
            .map(|ah| AhLayer { spi: ah.spi, authenticator: crypto.authenticator(ah.algorithm, &ah.key) });
        Self {
            spi: parameters.spi(),
            esp,
            ah,
            esn: parameters.esn,
            mode: parameters.mode,
            source: parameters.source,
            destination: parameters.destination,
            udp_encap: parameters.udp_encap,
            usage: Usage::new(lifetime),
        }
    }

    /// The SPIs of its layers.
    pub(crate) fn spis(&self) -> impl Iterator<Item = Spi> + use<> {
        let [esp, ah] = [self.esp.as_ref().map(|layer| layer.spi), self.ah.as_ref().map(|layer| layer.spi)];
        esp.into_iter().chain(ah)
    }

    /// Whether IVs count from a salt, rather than being random or none.
    fn needs_salt(&self) -> bool {
        let esp = self.esp.as_ref().is_some_and(|layer| !layer.cipher.needs_random_iv());
        let gmac = |layer: &AhLayer| matches!(layer.authenticator.algorithm(), Authentication::Gmac(_));
        esp || self.ah.as_ref().is_some_and(gmac)
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

    /// Counts a packet; tells of the limits that were reached by it and not before.
    #[inline]
    pub(crate) fn add(&mut self, now: Duration, octets: usize, mut reached: impl FnMut(Limit)) {
        self.traffic.add(octets);
        self.last = Some(now);
        if self.lifetime == Lifetime::UNLIMITED {
            return;
        }
        if self.lifetime.is_soft_reached(self.traffic) && !core::mem::replace(&mut self.soft_reached, true) {
            reached(Limit::Soft);
        }
        if self.lifetime.is_hard_reached(self.traffic) && !core::mem::replace(&mut self.hard_reached, true) {
            reached(Limit::Hard);
        }
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
    /// The last number used; 0 before the first packet. Both SAs of a bundle count alike.
    pub(crate) number: SeqNo,
    /// Makes the counting IVs of AEADs start somewhere unpredictable.
    pub(crate) iv_salt: u64,
    /// Whether the owner knows that the numbers have run out.
    pub(crate) exhaustion_reported: bool,
    /// Whether packets use it although another pair covers them too.
    pub(crate) enabled: bool,
    pub(crate) path_mtu: PathMtu,
}

impl OutboundSa {
    pub(crate) fn can_send(&self) -> bool {
        !self.sa.usage.is_over() && self.number.next(self.sa.esn).is_some()
    }
}

/// The SA for arriving packets with its receiver state.
#[derive(Debug)]
pub(crate) struct InboundSa {
    pub(crate) sa: SaHalf,
    /// The window of ESP, or of AH where there is no ESP.
    pub(crate) window: ReplayWindow,
    /// The window of AH around ESP.
    pub(crate) outer_window: Option<ReplayWindow>,
    /// Where packets come from now, if not from where they should, as the owner was told.
    reported: Option<(IpAddr, u16)>,
}

impl InboundSa {
    fn new(sa: SaHalf, window: WindowLen) -> Self {
        let is_bundle = sa.esp.is_some() && sa.ah.is_some();
        let outer_window = is_bundle.then(|| ReplayWindow::new(window));
        Self { sa, window: ReplayWindow::new(window), outer_window, reported: None }
    }

    /// Whether an authentic packet in UDP came from a place that the owner has not been told of.
    ///
    /// Only the newest packet says where the other end is; one that was overtaken may come from where it was.
    pub(crate) fn has_moved(&mut self, number: SeqNo, from: (IpAddr, u16)) -> bool {
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
    /// Whether it is only there for what still arrives.
    pub(crate) retired: bool,
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
        alignment: TrailerAlignment,
    ) -> Self {
        let mut salt = [0; 8];
        let outbound = SaHalf::new(&pair.outbound, pair.lifetime, crypto, alignment);
        if outbound.needs_salt() {
            random.fill(Purpose::Iv, &mut salt);
        }
        let inbound = SaHalf::new(&pair.inbound, pair.lifetime, crypto, alignment);
        Self {
            policy: pair.policy,
            inbound: InboundSa::new(inbound, pair.replay_window),
            outbound: OutboundSa {
                sa: outbound,
                number: SeqNo::default(),
                iv_salt: u64::from_be_bytes(salt),
                exhaustion_reported: false,
                enabled: outbound_use == OutboundUse::Now,
                path_mtu: PathMtu::default(),
            },
            serial: 0,
            armed: None,
            retired: false,
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

    /// Moves both directions to another path; numbers, keys and counters stay. False when they cannot go there.
    pub(crate) fn set_path(&mut self, path: Path) -> bool {
        let has_ah = self.inbound.sa.ah.is_some() || self.outbound.sa.ah.is_some();
        if path.local.is_ipv4() != path.remote.is_ipv4() || has_ah && path.udp_encap.is_some() {
            return false;
        }
        let (inbound, outbound) = (&mut self.inbound.sa, &mut self.outbound.sa);
        (outbound.source, outbound.destination, outbound.udp_encap) =
            (path.local, path.remote, path.udp_encap);
        (inbound.source, inbound.destination) = (path.remote, path.local);
        inbound.udp_encap = path.udp_encap.map(UdpEncap::reversed);
        self.outbound.path_mtu = PathMtu::default();
        self.inbound.reported = None;
        true
    }

    pub(crate) fn idle_deadline(&self) -> Option<Duration> {
        let last = self.inbound.sa.usage.last.max(self.outbound.sa.usage.last).unwrap_or(self.installed);
        self.idle_timeout.and_then(|timeout| last.checked_add(timeout))
    }
}
