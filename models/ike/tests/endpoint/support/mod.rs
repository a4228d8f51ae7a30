//! Two endpoints and the network between them, for the exchange scripts.
//!
//! The clock moves from event to event; every datagram takes 10 ms unless the script says otherwise. A script is a
//! function that judges each datagram by its number on the wire.

pub(crate) mod arena;
pub(crate) mod certified;
pub(crate) mod cheap;
pub(crate) mod craft;
pub(crate) mod explore;
pub(crate) mod owner;
pub(crate) mod stage;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cheap::Cheap;
use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
use ipseclab_ike::config::{Child, ChildId, Connection, ConnectionId, EndpointConfig, Lifetime, Renewal};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{
    ChildSaEstablished, DropReason, Endpoint, Event, FailureReason, Identity, IkeSaId, TrafficSelectors,
    Transmit,
};

pub(crate) const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const OFFICE: ConnectionId = ConnectionId(0);
pub(crate) const LAN: ChildId = ChildId { connection: OFFICE, place: 0 };
/// What A and B share.
pub(crate) const SECRET: [u8; 28] = *b"correct horse battery staple";
const LATENCY: Duration = Duration::from_millis(10);

/// A counter with a different start for each stream: deterministic, and never the same octets twice.
pub(crate) struct Counting {
    seed: u8,
    counters: BTreeMap<Purpose, u64>,
}

impl Counting {
    pub(crate) fn new(seed: u8) -> Self {
        Self { seed, counters: BTreeMap::new() }
    }
}

impl RandomSource for Counting {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        let counter = self.counters.entry(purpose).or_insert(1);
        for octet in out {
            // A linear congruential step: test keys need variety, not strength.
            *counter =
                counter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = (*counter >> 56) as u8 ^ self.seed;
        }
    }
}

/// What the network does with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Deliver,
    Lose,
    Duplicate,
    /// Arrives this much later than usual.
    Delay(Duration),
}

/// One side with what it told its owner.
pub(crate) struct Peer {
    pub(crate) address: Ipv4Addr,
    pub(crate) endpoint: Endpoint,
    pub(crate) events: Vec<Event>,
}

/// Both sides, the wire, and a log of every datagram sent.
pub(crate) struct Pair {
    pub(crate) a: Peer,
    pub(crate) b: Peer,
    pub(crate) now: Duration,
    pub(crate) log: Vec<(Duration, Transmit)>,
    pub(crate) nat: Option<Nat>,
    in_flight: BTreeMap<(Duration, usize), Flight>,
    script: Script,
}

/// Judges each datagram by its number on the wire.
type Script = Box<dyn FnMut(usize, &Transmit) -> Verdict>;

struct Flight {
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

/// A translator in front of A: its address and the port that it gives to A's port 500 and 4500.
#[derive(Clone, Copy)]
pub(crate) struct Nat {
    pub(crate) address: Ipv4Addr,
    pub(crate) port_offset: u16,
}

pub(crate) fn tunnel(local: &str, remote: &str) -> Child {
    let mut child = Child::new("lan", net(local), net(remote));
    child.esp_proposals = vec![parse_esp_proposal("aes128gcm16").unwrap()];
    child.lifetime = Lifetime::NEVER;
    child
}

/// The traffic selectors of `a.b.c` = a.b.c.0/24.
pub(crate) fn net(prefix: &str) -> TrafficSelectors {
    let ends = [format!("{prefix}.0"), format!("{prefix}.255")].map(|text| text.parse().unwrap());
    TrafficSelectors::ipv4_range(ends[0], ends[1])
}

pub(crate) fn connection(side: Side) -> Connection {
    let (own, peer, remote, child) = match side {
        Side::A => ("a.example", "b.example", B, tunnel("10.1.0", "10.2.0")),
        Side::B => ("b.example", "a.example", A, tunnel("10.2.0", "10.1.0")),
    };
    let mut connection = Connection::new("office", Identity::parse(own), Identity::parse(peer));
    connection.remote_address = Some(remote.into());
    connection.proposals = vec![parse_ike_proposal("aes256gcm16-prfsha256-x25519").unwrap()];
    connection.renewal = Renewal::NEVER;
    connection.children.push(child);
    connection
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    A,
    B,
}

/// Who A and B are.
pub(crate) fn ids() -> [Identity; 2] {
    ["a.example", "b.example"].map(Identity::parse)
}

/// The configuration of one side with nothing special about it.
pub(crate) fn config(side: Side) -> EndpointConfig {
    let local_address = if side == Side::A { A } else { B };
    let connections = vec![connection(side)];
    let credentials = Credentials::with_psk(ids(), SECRET);
    EndpointConfig { trace: true, credentials, ..EndpointConfig::new(local_address.into(), connections) }
}

impl Peer {
    pub(crate) fn new(config: EndpointConfig, random: impl RandomSource + 'static) -> Self {
        let IpAddr::V4(address) = config.local_address else { unreachable!("the tests speak IPv4") };
        let crypto = Crypto::new(Arc::new(RealProvider::new()));
        Self { address, endpoint: Endpoint::new(config, crypto, Box::new(random)), events: vec![] }
    }

    /// One whose key exchanges cost nothing.
    pub(crate) fn cheap(config: EndpointConfig, random: impl RandomSource + 'static) -> Self {
        let IpAddr::V4(address) = config.local_address else { unreachable!("the tests speak IPv4") };
        let crypto = Crypto::new(Arc::new(Cheap::new()));
        Self { address, endpoint: Endpoint::new(config, crypto, Box::new(random)), events: vec![] }
    }
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// A pair whose two connections `change` has changed.
    pub(crate) fn with(change: impl FnOnce(&mut Connection, &mut Connection)) -> Self {
        Self::configured(|a, b| change(&mut a.connections[0], &mut b.connections[0]))
    }

    /// A pair whose two configurations `change` has changed.
    pub(crate) fn configured(change: impl FnOnce(&mut EndpointConfig, &mut EndpointConfig)) -> Self {
        let (mut a, mut b) = (config(Side::A), config(Side::B));
        change(&mut a, &mut b);
        Self::of(Peer::new(a, Counting::new(0)), Peer::new(b, Counting::new(0x55)))
    }

    /// A pair whose two connections `change` has changed, and whose key exchanges cost nothing.
    pub(crate) fn cheap(change: impl FnOnce(&mut Connection, &mut Connection)) -> Self {
        let (mut a, mut b) = (config(Side::A), config(Side::B));
        change(&mut a.connections[0], &mut b.connections[0]);
        Self::of(Peer::cheap(a, Counting::new(0)), Peer::cheap(b, Counting::new(0x55)))
    }

    /// Two sides on a wire that delivers everything.
    pub(crate) fn of(a: Peer, b: Peer) -> Self {
        Self {
            a,
            b,
            now: Duration::ZERO,
            log: vec![],
            nat: None,
            in_flight: BTreeMap::new(),
            script: Box::new(|_, _| Verdict::Deliver),
        }
    }

    pub(crate) fn script(mut self, script: impl FnMut(usize, &Transmit) -> Verdict + 'static) -> Self {
        self.script = Box::new(script);
        self
    }

    pub(crate) fn peer(&mut self, side: Side) -> &mut Peer {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// A's connection begins.
    pub(crate) fn initiate(&mut self) {
        let now = self.now;
        self.a.endpoint.initiate(now, OFFICE).expect("the connection has a peer address");
        self.flush();
    }

    /// Initiates and runs until nothing is under way, or `horizon`.
    pub(crate) fn establish(mut self) -> Self {
        self.initiate();
        self.run_for(Duration::from_secs(400));
        self
    }

    /// Moves everything that both sides want to send onto the wire.
    pub(crate) fn flush(&mut self) {
        for side in [Side::A, Side::B] {
            while let Some(transmit) = self.peer(side).endpoint.poll_transmit() {
                self.put_on_wire(transmit);
            }
            while let Some(event) = self.peer(side).endpoint.poll_event() {
                self.peer(side).events.push(event);
            }
        }
    }

    fn put_on_wire(&mut self, transmit: Transmit) {
        let number = self.log.len();
        let verdict = (self.script)(number, &transmit);
        let usual = self.now + LATENCY;
        let arrivals = match verdict {
            Verdict::Lose => vec![],
            Verdict::Deliver => vec![usual],
            Verdict::Duplicate => vec![usual, usual + LATENCY / 2],
            Verdict::Delay(more) => vec![usual + more],
        };
        for (copy, at) in arrivals.into_iter().enumerate() {
            let Some((from, to)) = self.translate(transmit.from, transmit.to) else { continue };
            let flight = Flight { from, to, payload: transmit.payload.clone() };
            self.in_flight.insert((at, 2 * number + copy), flight);
        }
        self.log.push((self.now, transmit));
    }

    /// The addresses behind the NAT; `None` for a mapping that it does not have.
    fn translate(&self, from: SocketAddr, to: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
        let Some(nat) = self.nat else { return Some((from, to)) };
        if from.ip() == A {
            return Some(((nat.address, from.port() + nat.port_offset).into(), to));
        }
        let port = to.port().checked_sub(nat.port_offset).filter(|port| [500, 4500].contains(port));
        port.filter(|_| to.ip() == nat.address).map(|port| (from, (A, port).into()))
    }

    /// Runs until the wire is empty and no timer is due before `now + span`.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// One arrival or one timer; false when none comes before `end`.
    pub(crate) fn step(&mut self, end: Duration) -> bool {
        let arrival = self.in_flight.keys().next().map(|(at, _)| *at);
        let timers = [self.a.endpoint.poll_timeout(), self.b.endpoint.poll_timeout()];
        let timer = timers.into_iter().flatten().min();
        let Some(next) = arrival.into_iter().chain(timer).min().filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, flight) = self.in_flight.pop_first().expect("it was there");
            let side = if flight.to.ip() == B { Side::B } else { Side::A };
            let now = self.now;
            self.peer(side).endpoint.handle_datagram(now, flight.from, flight.to, &flight.payload);
        } else {
            self.a.endpoint.handle_timeout(next);
            self.b.endpoint.handle_timeout(next);
        }
        self.flush();
        true
    }

    /// The Child SAs that both sides believe in, as (our SPI, their SPI) from A's side; asserts that they agree.
    pub(crate) fn live_children(&self) -> Vec<u32> {
        let spis =
            |peer: &Peer| -> Vec<u32> { peer.endpoint.established().flat_map(|(_, _, spis)| spis).collect() };
        let mut expected_at_b: Vec<u32> = Vec::new();
        for spi in spis(&self.a) {
            let child = self.a.children().into_iter().find(|child| child.spi_in == spi).expect("announced");
            expected_at_b.push(child.spi_out);
        }
        let mut at_b = spis(&self.b);
        expected_at_b.sort_unstable();
        at_b.sort_unstable();
        assert_eq!(expected_at_b, at_b, "both sides agree on the live Child SAs");
        spis(&self.a)
    }

    /// Titles of the messages sent, such as `IKE_AUTH 1 request`.
    pub(crate) fn titles(&self) -> Vec<String> {
        let title = |transmit: &Transmit| {
            let kind = if transmit.message.response { "response" } else { "request" };
            let repeated = if transmit.message.repeated { " again" } else { "" };
            format!("{} {} {kind}{repeated}", transmit.message.exchange, transmit.message.message_id)
        };
        self.log.iter().map(|(_, transmit)| title(transmit)).collect()
    }
}

impl Peer {
    /// Hands `payload` in as if it came from `from` to our port `port`, and returns what goes out.
    pub(crate) fn receive(
        &mut self,
        now: Duration,
        from: impl Into<SocketAddr>,
        port: u16,
        payload: &[u8],
    ) -> Vec<Transmit> {
        self.endpoint.handle_datagram(now, from.into(), (self.address, port).into(), payload);
        self.drain()
    }

    /// Takes what waits to be sent and told.
    pub(crate) fn drain(&mut self) -> Vec<Transmit> {
        self.events.extend(std::iter::from_fn(|| self.endpoint.poll_event()));
        std::iter::from_fn(|| self.endpoint.poll_transmit()).collect()
    }

    /// The reasons of the drops so far.
    pub(crate) fn drops(&self) -> Vec<DropReason> {
        let reason = |event: &Event| match event {
            Event::Dropped(reason) => Some(*reason),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }

    /// The only established IKE SA with the SPIs of its Child SAs.
    pub(crate) fn established(&self) -> (IkeSaId, Vec<u32>) {
        let all: Vec<_> = self.endpoint.established().collect();
        let [(id, _, spis)] = all.as_slice() else { unreachable!("one IKE SA, not {all:?}") };
        (*id, spis.clone())
    }

    pub(crate) fn children(&self) -> Vec<&ChildSaEstablished> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::ChildSaEstablished(child) => Some(child.as_ref()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn failures(&self) -> Vec<FailureReason> {
        let reason = |event: &Event| match event {
            Event::NegotiationFailed { reason, .. } | Event::ChildSaFailed { reason, .. } => Some(*reason),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}
