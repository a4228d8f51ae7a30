//! Packet-hops per CPU second on the engine, beside a bare loop in the same run.
//!
//! The workload: sender – R1 – R2 – R3 – receiver with 1000-octet UDP payloads, 100 µs links and 1 Gb/s access; one
//! pair with a packet every 10 µs and a 1 Gb/s core, or 100 pairs with a packet every 100 µs each, starts 1 µs apart,
//! and a 10 Gb/s core. A packet makes four hops, and none is dropped. Both sides build and check the same real octets;
//! the bare loop has no processes, no trails, no routes and no counters, only a `BinaryHeap` and a ring per link.
//!
//! `cargo bench -p ipseclab-net --bench forwarding`

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use ipseclab_net::{
    Arrival, BitRate, Fib, IpNet, Link, LinkConfig, Pace, Packet, PortId, Sizes, UdpConfig, UdpSink,
    UdpSource, UdpStreams, Verdict, forward, parse_udp,
};
use ipseclab_sim::{
    ChannelId, Context, ModelRng, Options, Process, ProcessId, RunSeed, SimDuration, SimTime, Simulation,
    StopReason, StreamLabel,
};

const PAYLOAD_LEN: usize = 1_000;
const LINK_DELAY: SimDuration = SimDuration::from_micros(100);
const ACCESS: u64 = 1_000_000_000;
const HOPS: u64 = 4;
const BATCHES: usize = 7;
/// Enough that a batch takes some tenths of a second.
const PACKETS: u64 = 1_000_000;

/// One row of the workload.
#[derive(Clone, Copy)]
struct Plan {
    pairs: u32,
    interval: SimDuration,
    core: u64,
}

const PLANS: [Plan; 2] = [
    Plan { pairs: 1, interval: SimDuration::from_micros(10), core: 1_000_000_000 },
    Plan { pairs: 100, interval: SimDuration::from_micros(100), core: 10_000_000_000 },
];

impl Plan {
    fn packets_per_pair(self) -> u64 {
        PACKETS / u64::from(self.pairs)
    }

    fn start(pair: u32) -> SimTime {
        SimTime::from_nanos(u64::from(pair) * 1_000)
    }

    fn source(self, pair: u32) -> UdpSource {
        let config = UdpConfig {
            source: SocketAddr::new(sender(pair).into(), 9),
            destination: SocketAddr::new(receiver(pair).into(), 9),
            sizes: Sizes::Payload(PAYLOAD_LEN),
            pace: Pace::Interval(self.interval),
            count: Some(self.packets_per_pair()),
            until: None,
            ttl: 64,
            dont_fragment: true,
        };
        UdpSource::new(config, Self::start(pair), UdpStreams::default()).expect("the plan is possible")
    }
}

fn sender(pair: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a01_0001 + pair)
}

fn receiver(pair: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a02_0001 + pair)
}

// The engine's side.

enum Event {
    Send,
    Arrive(Packet),
}

struct Port {
    link: Link,
    channel: ChannelId,
}

enum Node {
    Sender { source: Box<UdpSource>, port: Option<Port> },
    Router { fib: Fib, ports: Vec<Port> },
    Receiver { sink: UdpSink },
}

impl Port {
    #[inline]
    fn transmit(&mut self, ctx: &mut Context<'_, Event>, mut packet: Packet) {
        match self.link.transmit(ctx.now(), packet.len()) {
            Verdict::Deliver { queued_and_serialised, propagation } => {
                packet.trail.add_serialisation_queueing(queued_and_serialised);
                packet.trail.add_propagation(propagation);
                ctx.send_fifo(self.channel, queued_and_serialised + propagation, Event::Arrive(packet));
            }
            Verdict::Drop(reason) => panic!("the workload drops nothing, but: {reason}"),
        }
    }
}

impl Process for Node {
    type Event = Event;

    fn handle(&mut self, ctx: &mut Context<'_, Event>, event: Event) {
        match (self, event) {
            (Self::Router { fib, ports }, Event::Arrive(mut packet)) => {
                let port = forward(&mut packet.bytes, fib).expect("a route for every packet");
                ports[port.index()].transmit(ctx, packet);
            }
            (Self::Sender { source, port: Some(port) }, Event::Send) => {
                let packet = source.send(ctx.now()).expect("it is time to send");
                port.transmit(ctx, packet);
                if let Some(next) = source.next_send() {
                    ctx.schedule(next.since(ctx.now()), Event::Send);
                }
            }
            (Self::Receiver { sink }, Event::Arrive(packet)) => {
                packet.trail.assert_at(ctx.now());
                let datagram = parse_udp(&packet.bytes).expect("what was sent is valid");
                assert!(matches!(sink.receive(ctx.now(), &datagram), Arrival::New { .. }));
            }
            (Self::Router { .. } | Self::Receiver { .. }, Event::Send) | (Self::Sender { .. }, _) => {
                panic!("an event for another kind of node")
            }
        }
    }
}

/// The engine with routers 0 to 2, then a sender and a receiver for each pair.
struct World {
    simulation: Simulation<Node>,
    links: u32,
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = Self { simulation: Simulation::new(Options::default()), links: 0 };
        let routers = [0, 1, 2].map(|place| {
            let ports = Vec::new();
            world.simulation.add(Node::Router { fib: routes(plan, place), ports })
        });
        for pair in routers.windows(2) {
            world.connect(pair[0], pair[1], plan.core);
        }
        for pair in 0..plan.pairs {
            let from = world.simulation.add(Node::Sender { source: Box::new(plan.source(pair)), port: None });
            let to = world.simulation.add(Node::Receiver { sink: UdpSink::new() });
            world.connect(from, routers[0], ACCESS);
            world.connect(routers[2], to, ACCESS);
            world.simulation.schedule(from, Plan::start(pair), Event::Send);
        }
        world
    }

    fn connect(&mut self, from: ProcessId, to: ProcessId, rate: u64) {
        let rng = |purpose| ModelRng::new(RunSeed::new(1), StreamLabel::new(self.links, purpose));
        let config = LinkConfig { rate: BitRate::new(rate), ..LinkConfig::ideal(LINK_DELAY) };
        let link = Link::new(config, rng("loss"), rng("jitter"), rng("reorder"));
        assert!(link.is_fifo());
        self.links += 1;
        let new_port = Port { link, channel: self.simulation.add_channel(from, to) };
        match self.simulation.process_mut(from) {
            Node::Router { ports, .. } => ports.push(new_port),
            Node::Sender { port, .. } => *port = Some(new_port),
            Node::Receiver { .. } => panic!("a receiver sends nothing"),
        }
    }

    /// Runs to the end; returns the packets delivered and the sum of their delays in nanoseconds.
    fn run(&mut self) -> (u64, u128) {
        let report = self.simulation.run_until(SimTime::MAX);
        assert_eq!(report.stopped, StopReason::Idle);
        let sinks = self.simulation.processes().filter_map(|node| match node {
            Node::Receiver { sink } => Some(sink.record()),
            Node::Router { .. } | Node::Sender { .. } => None,
        });
        sinks.fold((0, 0), |(packets, ns), record| {
            (packets + record.received.packets, ns + record.delay.sum_ns)
        })
    }
}

/// Host routes to every receiver, as shortest paths over the topology would give them to each router.
fn routes(plan: Plan, router: u32) -> Fib {
    let port = |pair| if router == 2 { pair } else { 0 };
    (0..plan.pairs).map(|pair| (IpNet::host(receiver(pair)), PortId::new(port(pair)))).collect()
}

// The bare loop's side.

struct BareLink {
    serialisation: u64,
    free_at: u64,
    ring: VecDeque<(u64, Vec<u8>)>,
}

struct Bare {
    /// Time, sequence, and what is due: link `n` when below the number of links, else a sender.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    sequence: u64,
    /// Core links 0 and 1, then an access link of a sender and one of a receiver for each pair.
    links: Vec<BareLink>,
    sources: Vec<UdpSource>,
    delivered: u64,
    delay_sum: u128,
}

impl Bare {
    fn new(plan: Plan) -> Self {
        let rates = [plan.core; 2].into_iter().chain((0..2 * plan.pairs).map(|_| ACCESS));
        let bits = (PAYLOAD_LEN as u64 + 28) * 8;
        let link = |rate| BareLink {
            serialisation: (bits * 1_000_000_000).div_ceil(rate),
            free_at: 0,
            ring: VecDeque::new(),
        };
        let links: Vec<_> = rates.map(link).collect();
        let sources = (0..plan.pairs).map(|pair| plan.source(pair)).collect();
        let mut bare =
            Self { heap: BinaryHeap::new(), sequence: 0, links, sources, delivered: 0, delay_sum: 0 };
        for pair in 0..plan.pairs {
            bare.push(Plan::start(pair).as_nanos(), bare.links.len() + pair as usize);
        }
        bare
    }

    fn push(&mut self, time: u64, due: usize) {
        self.sequence += 1;
        self.heap.push(Reverse((time, self.sequence, due)));
    }

    fn run(&mut self) -> (u64, u128) {
        while let Some(Reverse((now, _, due))) = self.heap.pop() {
            if due < self.links.len() {
                self.arrive(now, due);
            } else {
                self.send(now, due - self.links.len());
            }
        }
        (self.delivered, self.delay_sum)
    }

    fn send(&mut self, now: u64, pair: usize) {
        let packet = self.sources[pair].send(SimTime::from_nanos(now)).expect("it is time to send");
        if let Some(next) = self.sources[pair].next_send() {
            self.push(next.as_nanos(), self.links.len() + pair);
        }
        self.transmit(now, 2 + 2 * pair, packet.bytes);
    }

    fn transmit(&mut self, now: u64, link: usize, packet: Vec<u8>) {
        let BareLink { serialisation, free_at, ring } = &mut self.links[link];
        *free_at = now.max(*free_at) + *serialisation;
        let arrival = *free_at + LINK_DELAY.as_nanos();
        ring.push_back((arrival, packet));
        if ring.len() == 1 {
            self.push(arrival, link);
        }
    }

    fn arrive(&mut self, now: u64, link: usize) {
        let (_, mut packet) = self.links[link].ring.pop_front().expect("a packet is due");
        if let Some(&(next, _)) = self.links[link].ring.front() {
            self.push(next, link);
        }
        let from_sender = link >= 2 && link.is_multiple_of(2);
        if link >= 2 && !from_sender {
            return self.deliver(now, &packet);
        }
        bare_forward(&mut packet);
        let pair = usize::from(u16::from_be_bytes([packet[18], packet[19]]) - 1);
        let next = if from_sender {
            0
        } else if link == 0 {
            1
        } else {
            3 + 2 * pair
        };
        self.transmit(now, next, packet);
    }

    fn deliver(&mut self, now: u64, packet: &[u8]) {
        let datagram = parse_udp(packet).expect("what was sent is valid");
        let sent_at = datagram.payload[8..16].iter().fold(0, |time, &octet| time << 8 | u64::from(octet));
        self.delivered += 1;
        self.delay_sum += u128::from(now - sent_at);
    }
}

/// Checks the header checksum, decrements the TTL and updates the checksum, written out by hand.
fn bare_forward(packet: &mut [u8]) {
    let (header, _) = packet.split_first_chunk_mut::<20>().expect("20 octets");
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    assert!(sum.is_multiple_of(0xffff) && header[8] > 1);
    header[8] -= 1;
    let checksum = u32::from(u16::from_be_bytes([header[10], header[11]])) + 0x100;
    let folded = (checksum & 0xffff) + (checksum >> 16);
    header[10..12].copy_from_slice(&folded.to_be_bytes()[2..]);
}

// Measuring.

/// Nanoseconds of CPU that this thread has used, or of the wall clock where the system does not tell.
fn cpu_ns() -> u128 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(wall_ns)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine, not the simulation")]
fn wall_ns() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Thousand packet-hops per CPU second of one batch; set-up is not counted.
fn measure<T>(world: &mut T, run: impl Fn(&mut T) -> (u64, u128), plan: Plan) -> (u128, u128) {
    let before = cpu_ns();
    let (delivered, delay_sum) = run(world);
    let spent = cpu_ns() - before;
    assert_eq!(delivered, plan.packets_per_pair() * u64::from(plan.pairs));
    (u128::from(delivered * HOPS) * 1_000_000 / spent.max(1), delay_sum)
}

/// The middle of the batches, and the best of them.
fn summary(mut rates: Vec<u128>) -> (u128, u128) {
    rates.sort_unstable();
    (rates[rates.len() / 2], rates[rates.len() - 1])
}

fn main() {
    println!("thousand packet-hops per CPU second, median (best) of {BATCHES} batches of {PACKETS} packets");
    for plan in PLANS {
        let (mut engine, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..BATCHES {
            let (rate, delays) = measure(&mut World::new(plan), World::run, plan);
            engine.push(rate);
            let (rate, bare_delays) = measure(&mut Bare::new(plan), Bare::run, plan);
            bare.push(rate);
            assert_eq!(delays, bare_delays, "both sides simulate the same");
        }
        let ((engine, engine_best), (bare, bare_best)) = (summary(engine), summary(bare));
        let pairs = plan.pairs;
        println!(
            "{pairs:>3} pairs: engine {engine} ({engine_best}), bare loop {bare} ({bare_best}), ratio 0.{:02}",
            engine * 100 / bare
        );
    }
}
