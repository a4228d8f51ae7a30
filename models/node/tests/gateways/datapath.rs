//! Datapath cores: a saturated one moves what its cost profile says, and IKE does not wait behind packets.

use core::net::SocketAddr;

use ipseclab_net::{DropReason, LinkConfig, Pace, Sizes, UdpConfig, UdpSink, UdpSource, UdpStreams};
use ipseclab_node::{App, AppId, CostProfile, DatapathConfig, Node, Outcome, Spreading};
use ipseclab_sim::{SimDuration, SimTime, Simulation};

use crate::support::{LEFT, MS, RIGHT, Setup, build, finish, inner, priced_path};

/// Nanoseconds for a batch, for receiving a packet, and for all its cryptography.
const BATCH_NS: u64 = 4_000;
const RECEIVE_NS: u64 = 1_000;
const DECRYPT_NS: u64 = 500;
const PORT: u16 = 5001;

fn profile() -> CostProfile {
    priced_path(&[("batch", 4_000.0), ("receive", 1_000.0), ("send", 0.0)], ("aes128gcm16", 500.0))
}

/// A tunnel with datagrams in it, one every `interval`, from 500 ms on; datapath cores at the right gateway alone.
fn flooded(config: DatapathConfig, interval: SimDuration, until_ms: u64) -> Simulation<Node> {
    let link = LinkConfig::ideal(SimDuration::from_millis(10));
    let setup = Setup { link, profile: profile(), pings: 1, ..Setup::default() };
    let mut simulation = build(&setup);
    simulation.process_mut(RIGHT).set_datapath(Some(config));
    let end = |side| SocketAddr::new(inner(side).first_host(), PORT);
    let config = UdpConfig {
        source: end(1),
        destination: end(2),
        sizes: Sizes::Payload(100),
        pace: Pace::Interval(interval),
        count: None,
        until: Some(SimTime::from_nanos(until_ms * MS)),
        ttl: 64,
        dont_fragment: false,
    };
    let source = UdpSource::new(config, SimTime::from_nanos(500 * MS), UdpStreams::default()).unwrap();
    assert_eq!(simulation.process_mut(LEFT).add_app(App::UdpSource(Box::new(source))), Some(AppId(1)));
    let sink = App::UdpSink { port: PORT, sink: Box::new(UdpSink::new()) };
    assert_eq!(simulation.process_mut(RIGHT).add_app(sink), Some(AppId(0)));
    simulation
}

fn received(simulation: &Simulation<Node>) -> u64 {
    simulation.process(RIGHT).app(AppId(0)).unwrap().0.record().unwrap().received.packets
}

#[test]
fn a_saturated_core_moves_what_its_cost_profile_says() {
    for batch in [1_u64, 8, 32] {
        let config = DatapathConfig {
            cores: 1,
            ring: 256,
            batch: usize::try_from(batch).unwrap(),
            spreading: Spreading::Spi,
        };
        let mut simulation = flooded(config, SimDuration::from_nanos(1_000), 950);
        simulation.run_until(SimTime::from_nanos(600 * MS));
        let before = received(&simulation);
        simulation.run_until(SimTime::from_nanos(900 * MS));
        let moved = received(&simulation) - before;
        // A full batch takes its fixed part and each of its packets: so many are done in 300 ms.
        let expected = 300 * MS * batch / (BATCH_NS + batch * (RECEIVE_NS + DECRYPT_NS));
        assert!(moved.abs_diff(expected) * 1000 <= expected, "batches of {batch}: {moved}, not {expected}");
        assert!(simulation.process(RIGHT).drops().of(DropReason::RingFull) > 0);
        finish(&mut simulation, 2);
        assert_eq!(simulation.process(RIGHT).is_balanced(), Some(true));
    }
}

#[test]
fn below_its_capacity_a_core_loses_nothing() {
    let config = DatapathConfig { cores: 2, ring: 64, batch: 32, spreading: Spreading::FiveTuple };
    let mut simulation = flooded(config, SimDuration::from_nanos(4_000), 600);
    finish(&mut simulation, 2);
    let (left, right) = (simulation.process(LEFT), simulation.process(RIGHT));
    let sent = left.app(AppId(1)).unwrap().0.record().unwrap().sent.packets;
    assert_eq!((received(&simulation), right.drops().total()), (sent, 0));
    assert_eq!(left.records().negotiations[0].outcome, Outcome::Established);
    let (datapath, batches) = right.datapath_counters().unwrap();
    assert!(datapath.jobs >= sent && batches < datapath.jobs, "{datapath:?} in {batches}");
}
