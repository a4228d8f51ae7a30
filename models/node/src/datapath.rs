//! Cores of their own for packets, beside those of IKE: rings, spreading and batches, as fast routers have them.
//!
//! Each core owns a ring of bounded length and polls it. The receiving interface decides by a hash which ring an arriving
//! packet goes to: by the SPI, so that every SA is pinned to a core, or by addresses, protocol and ports of the outer
//! header, so that everything between two gateways lands on one core, and so does all that NAT traversal wraps in UDP.
//! What leaves is pinned by its policy, whose SAs number their packets one after the other. A core takes up to a batch of
//! packets at once and pays for the batch, for each packet and for each octet, rounded once to a whole nanosecond; its packets
//! leave when the batch is done. A packet that finds its ring full is dropped.
//!
//! Model: the rings are those of an interface that spreads; there is no second queue between cores, and no core helps
//! another one out.

use std::collections::VecDeque;

use ipseclab_net::{IpView, protocol};
use ipseclab_sim::{SimDuration, SimTime};

use crate::cpu::{CpuCounters, Lane, Queued};

/// Datapath cores of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatapathConfig {
    /// How many; at least 1.
    pub cores: u16,
    /// Packets that may wait for one core.
    pub ring: usize,
    /// Packets that a core takes at once, at most; at least 1.
    pub batch: usize,
    /// Which core an arriving packet goes to.
    pub spreading: Spreading,
}

/// By what arriving packets are spread over cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spreading {
    /// The SPI of ESP and AH, inside UDP too; other packets by what [`FiveTuple`](Self::FiveTuple) says.
    Spi,
    /// Source and destination address, protocol, and the ports of TCP and UDP, of the outer header.
    FiveTuple,
}

/// One of the cores.
#[derive(Debug)]
struct Core<J> {
    ring: VecDeque<Queued<J>>,
    is_busy: bool,
}

/// The datapath cores of a node, and what waits for them.
#[derive(Debug)]
pub(crate) struct Datapath<J> {
    config: DatapathConfig,
    cores: Vec<Core<J>>,
    /// Packets in the batches under way.
    in_service: usize,
    counters: CpuCounters,
    batches: u64,
}

impl<J> Datapath<J> {
    pub(crate) fn new(config: DatapathConfig) -> Self {
        let core = || Core { ring: VecDeque::new(), is_busy: false };
        let cores = core::iter::repeat_with(core).take(config.cores.max(1).into()).collect();
        Self { config, cores, in_service: 0, counters: CpuCounters::default(), batches: 0 }
    }

    /// The core for what has this hash.
    fn core_of(&self, hash: u64) -> usize {
        // The upper half of the product is uniform over the cores where the hash is over its range.
        usize::try_from((u128::from(hash) * self.cores.len() as u128) >> 64)
            .expect("less than the number of cores")
    }

    /// Puts a packet into the ring of its core; gives it back when that is full.
    pub(crate) fn submit(&mut self, now: SimTime, hash: u64, job: J) -> Result<(), J> {
        let place = self.core_of(hash);
        let core = &mut self.cores[place];
        if core.ring.len() >= self.config.ring {
            return Err(job);
        }
        core.ring.push_back(Queued { job, arrived: now });
        self.counters.queue_max = self.counters.queue_max.max(core.ring.len());
        Ok(())
    }

    /// The next batch of a core that is idle and has something to do; [`begin`](Self::begin) or
    /// [`finish`](Self::finish) follows.
    pub(crate) fn next(&mut self, now: SimTime) -> Option<(usize, Vec<Queued<J>>)> {
        let place = self.cores.iter().position(|core| !core.is_busy && !core.ring.is_empty())?;
        let core = &mut self.cores[place];
        core.is_busy = true;
        let size = core.ring.len().min(self.config.batch.max(1));
        let batch: Vec<_> = core.ring.drain(..size).collect();
        self.in_service += batch.len();
        self.batches += 1;
        self.counters.jobs += batch.len() as u64;
        for queued in &batch {
            let wait = now.since(queued.arrived);
            self.counters.wait += wait;
            self.counters.wait_max = self.counters.wait_max.max(wait);
        }
        Some((place, batch))
    }

    /// The batch occupies its core for `cost`.
    pub(crate) fn begin(&mut self, cost: SimDuration) {
        self.counters.busy += cost;
    }

    /// A batch of so many packets is done.
    pub(crate) fn finish(&mut self, core: usize, packets: usize) {
        self.cores[core].is_busy = false;
        self.in_service -= packets;
    }

    /// Forgets everything but the counters; returns the packets that waited.
    pub(crate) fn clear(&mut self) -> Vec<J> {
        self.in_service = 0;
        let rings = self.cores.iter_mut().flat_map(|core| {
            core.is_busy = false;
            core.ring.drain(..)
        });
        rings.map(|queued| queued.job).collect()
    }

    /// The packets that wait, by core.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &J> {
        self.cores.iter().flat_map(|core| &core.ring).map(|queued| &queued.job)
    }

    /// Packets that wait, and packets in batches under way.
    pub(crate) fn in_progress(&self) -> usize {
        self.in_service + self.cores.iter().map(|core| core.ring.len()).sum::<usize>()
    }

    /// What the cores have done.
    pub(crate) const fn counters(&self) -> CpuCounters {
        self.counters
    }

    /// Batches that were begun.
    pub(crate) const fn batches(&self) -> u64 {
        self.batches
    }

    /// What the cores were made with.
    pub(crate) const fn config(&self) -> &DatapathConfig {
        &self.config
    }
}

/// A ring that is polled and emptied again, for measuring what a batch costs whatever its packets do. A run takes the same
/// way around its events.
#[derive(Debug)]
pub struct PolledRing(Datapath<Vec<u8>>);

impl PolledRing {
    /// The empty ring of one core.
    pub fn new() -> Self {
        Self(Datapath::new(DatapathConfig { cores: 1, ring: 1024, batch: 32, spreading: Spreading::Spi }))
    }

    /// Puts a packet into the ring, finds it by polling, takes it out as a batch, and ends the batch; `None` never, as the
    /// ring was empty.
    pub fn turn(&mut self, packet: Vec<u8>) -> Option<Vec<u8>> {
        self.0.submit(SimTime::ZERO, 0, packet).ok()?;
        let (core, mut batch) = self.0.next(SimTime::ZERO)?;
        self.0.begin(SimDuration::ZERO);
        self.0.finish(core, batch.len());
        batch.pop().map(|queued| queued.job)
    }
}

impl Default for PolledRing {
    fn default() -> Self {
        Self::new()
    }
}

impl Spreading {
    /// The hash of an arriving packet, whose lane is known.
    pub(crate) fn hash(self, lane: Option<Lane>, view: &IpView<'_>) -> u64 {
        match (self, lane) {
            (Self::Spi, Some(Lane::EspIn(spi))) => fnv(&spi.to_be_bytes()),
            _ => five_tuple(view),
        }
    }
}

/// The hash of what leaves under a policy, or of a packet without one.
pub(crate) fn outbound_hash(lane: Option<Lane>, packet: &[u8]) -> u64 {
    match lane {
        Some(Lane::EspOut(policy)) => fnv(&policy.to_be_bytes()),
        _ => IpView::parse(packet).map_or(0, |view| five_tuple(&view)),
    }
}

fn five_tuple(view: &IpView<'_>) -> u64 {
    let mut key = Vec::with_capacity(37);
    for address in [view.source(), view.destination()] {
        match address {
            core::net::IpAddr::V4(address) => key.extend_from_slice(&address.octets()),
            core::net::IpAddr::V6(address) => key.extend_from_slice(&address.octets()),
        }
    }
    key.push(view.protocol());
    let has_ports = matches!(view.protocol(), protocol::TCP | protocol::UDP) && !view.is_fragment();
    if let Some(ports) = view.payload().first_chunk::<4>().filter(|_| has_ports) {
        key.extend_from_slice(ports);
    }
    fnv(&key)
}

/// FNV-1a with a final mixing of its bits, since the upper ones choose the core and short keys leave them alike.
fn fnv(octets: &[u8]) -> u64 {
    let hash = octets.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The finaliser of MurmurHash3.
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime::ZERO;

    fn datapath(cores: u16, ring: usize, batch: usize) -> Datapath<u32> {
        Datapath::new(DatapathConfig { cores, ring, batch, spreading: Spreading::Spi })
    }

    #[test]
    fn a_core_takes_a_batch_and_what_comes_meanwhile_waits() {
        let mut datapath = datapath(1, 10, 3);
        (0..5).for_each(|job| datapath.submit(NOW, 7, job).unwrap());
        let (core, batch) = datapath.next(NOW).unwrap();
        assert_eq!(batch.iter().map(|queued| queued.job).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(datapath.next(NOW).is_none(), "its only core is busy");
        assert_eq!(datapath.in_progress(), 5);
        datapath.finish(core, 3);
        let (_, rest) = datapath.next(NOW).unwrap();
        assert_eq!((rest.len(), datapath.batches(), datapath.counters().jobs), (2, 2, 5));
    }

    #[test]
    fn a_polled_ring_gives_back_what_was_put_in() {
        let mut ring = PolledRing::new();
        assert!(
            (0..5_000_u32).all(|n| ring.turn(n.to_be_bytes().to_vec()) == Some(n.to_be_bytes().to_vec()))
        );
    }

    #[test]
    fn a_full_ring_gives_the_packet_back() {
        let mut datapath = datapath(1, 2, 8);
        assert_eq!(
            (0..3).map(|job| datapath.submit(NOW, 0, job)).collect::<Vec<_>>(),
            [Ok(()), Ok(()), Err(2)]
        );
        assert_eq!(datapath.counters().queue_max, 2);
    }

    #[test]
    fn spis_spread_over_all_cores_and_each_stays_on_its_own() {
        let datapath = datapath(4, 1, 1);
        let core_of = |spi: u32| datapath.core_of(fnv(&spi.to_be_bytes()));
        let mut counts = [0; 4];
        (256..10_256).for_each(|spi| counts[core_of(spi)] += 1);
        assert!(counts.iter().all(|count| (2_300..2_700).contains(count)), "{counts:?}");
        assert_eq!(core_of(4711), core_of(4711));
    }

    #[test]
    fn esp_between_two_gateways_has_one_five_tuple_and_many_spis() {
        use ipseclab_net::{IpHeader, build_ip};
        let header = IpHeader::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), protocol::ESP);
        let hashes = |spreading: Spreading| -> std::collections::BTreeSet<u64> {
            let of = |spi: u32| {
                let packet = build_ip(&header, &[&spi.to_be_bytes()[..], &[0; 20]].concat());
                let view = IpView::parse(&packet).unwrap();
                spreading.hash(crate::lane::receive_lane(&view), &view)
            };
            (300..400).map(of).collect()
        };
        assert_eq!((hashes(Spreading::Spi).len(), hashes(Spreading::FiveTuple).len()), (100, 1));
    }

    #[test]
    fn a_cleared_datapath_begins_anew() {
        let mut datapath = datapath(2, 8, 2);
        (0..6).for_each(|job| datapath.submit(NOW, u64::from(job) << 61, job).unwrap());
        datapath.next(NOW).unwrap();
        let waited = datapath.clear();
        assert_eq!((waited.len(), datapath.in_progress()), (4, 0));
        datapath.submit(NOW, 0, 9).unwrap();
        assert!(datapath.next(NOW).is_some());
    }
}
