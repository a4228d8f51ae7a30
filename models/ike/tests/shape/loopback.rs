//! Two endpoints with nothing between them, and the shape of what they say.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
use ipseclab_ike::config::{ChildId, ConnectionId, EndpointConfig};
use ipseclab_ike::wire::protect::open;
use ipseclab_ike::wire::{ExchangeType, Message, Payload};
use ipseclab_ike::{Endpoint, Event, IkeSaId, IkeSaKeys, Transmit};

use super::Shape;
use super::cases::{Case, PING, Side, Step};
use super::profile::strongswan;

/// A counter with a different start for each stream.
struct Counting {
    seed: u8,
    counters: BTreeMap<Purpose, u64>,
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

struct Peer {
    address: IpAddr,
    endpoint: Endpoint,
    events: Vec<Event>,
}

/// Two endpoints, what is on its way between them, and the shapes so far.
pub(crate) struct Loop {
    a: Peer,
    b: Peer,
    now: Duration,
    wire: VecDeque<Transmit>,
    deaf: bool,
    sent: Vec<Transmit>,
}

impl Peer {
    fn new(case: &Case, side: Side) -> Self {
        let connection = case.connection(side);
        let address = case.address(side);
        let config = EndpointConfig {
            profile: strongswan(),
            credentials: case.credentials(side),
            ..EndpointConfig::new(address, vec![connection])
        };
        let crypto = Crypto::new(Arc::new(RealProvider::new()));
        let seed = if side == Side::A { 0 } else { 0x55 };
        let random = Counting { seed, counters: BTreeMap::new() };
        Self { address, endpoint: Endpoint::new(config, crypto, Box::new(random)), events: vec![] }
    }

    fn ike_sa(&self) -> IkeSaId {
        self.endpoint.established().next().map(|(id, ..)| id).expect("an IKE SA is up")
    }

    /// The inbound SPI of the newest Child SA of this place that is still there.
    fn spi(&self, place: u32) -> u32 {
        let live: Vec<u32> = self.endpoint.established().flat_map(|(_, _, spis)| spis).collect();
        let newest = self.events.iter().rev().find_map(|event| match event {
            Event::ChildSaEstablished(sa) if sa.child.place == place && live.contains(&sa.spi_in) => {
                Some(sa.spi_in)
            }
            _ => None,
        });
        newest.expect("the Child SA is up")
    }
}

impl Loop {
    /// Runs a case and returns the shapes of its messages.
    pub(crate) fn run(case: &Case) -> Vec<Shape> {
        let (a, b) = (Peer::new(case, Side::A), Peer::new(case, Side::B));
        let mut run = Self { a, b, now: Duration::ZERO, wire: VecDeque::new(), deaf: false, sent: vec![] };
        for step in case.steps {
            run.step(step);
        }
        run.shapes()
    }

    fn peer(&mut self, side: Side) -> &mut Peer {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Deaf => self.deaf = true,
            Step::Wait(seconds) => self.wait(Duration::from_secs(*seconds)),
            Step::Crossing(first, second) => {
                self.act(first);
                self.act(second);
            }
            other => self.act(other),
        }
        self.deliver();
    }

    fn act(&mut self, step: &Step) {
        let now = self.now;
        let office = ConnectionId(0);
        let place = |place| ChildId { connection: office, place };
        let endpoint = |run: &mut Self, side, act: &dyn Fn(&mut Peer)| act(run.peer(side));
        match *step {
            Step::Child(at) => {
                self.a.endpoint.initiate_child(now, place(at)).expect("the peer's address is known");
            }
            Step::Ike => {
                self.a.endpoint.initiate_ike(now, office).expect("the peer's address is known");
            }
            Step::Acquire => {
                let [local, remote] = PING;
                self.a.endpoint.acquire(now, place(0), local(), remote());
            }
            Step::RekeyChild(side, at) => endpoint(self, side, &|peer| {
                let (ike_sa, spi) = (peer.ike_sa(), peer.spi(at));
                peer.endpoint.rekey_child(now, ike_sa, spi).unwrap();
            }),
            Step::RekeyIke(side) => endpoint(self, side, &|peer| {
                let ike_sa = peer.ike_sa();
                peer.endpoint.rekey_ike(now, ike_sa).unwrap();
            }),
            Step::CloseChild(side, at) => endpoint(self, side, &|peer| {
                let (ike_sa, spi) = (peer.ike_sa(), peer.spi(at));
                peer.endpoint.close_child(now, ike_sa, spi).unwrap();
            }),
            Step::Terminate(side) => endpoint(self, side, &|peer| {
                let ike_sa = peer.ike_sa();
                peer.endpoint.terminate(now, ike_sa).unwrap();
            }),
            Step::Reauthenticate => endpoint(self, Side::A, &|peer| {
                let ike_sa = peer.ike_sa();
                peer.endpoint.reauthenticate(now, ike_sa).unwrap();
            }),
            Step::Deaf | Step::Wait(_) | Step::Crossing(..) => unreachable!("no action of one side"),
        }
        self.collect();
    }

    /// Takes what both sides want to send and to tell.
    fn collect(&mut self) {
        for side in [Side::A, Side::B] {
            let deaf = self.deaf && side == Side::A;
            let peer = self.peer(side);
            peer.events.extend(std::iter::from_fn(|| peer.endpoint.poll_event()));
            let sent: Vec<_> = std::iter::from_fn(|| peer.endpoint.poll_transmit()).collect();
            self.sent.extend(sent.iter().cloned());
            if !deaf {
                self.wire.extend(sent);
            }
        }
    }

    fn deliver(&mut self) {
        while let Some(Transmit { from, to, payload, .. }) = self.wire.pop_front() {
            let side = if to.ip() == self.b.address { Side::B } else { Side::A };
            let now = self.now;
            self.peer(side).endpoint.handle_datagram(now, from, to, &payload);
            self.collect();
        }
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due = [&self.a, &self.b].into_iter().filter_map(|peer| peer.endpoint.poll_timeout()).min();
            let Some(at) = due.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.a.endpoint.handle_timeout(self.now);
            self.b.endpoint.handle_timeout(self.now);
            self.collect();
            self.deliver();
        }
        self.now = end;
    }

    fn shapes(&self) -> Vec<Shape> {
        let keys = self.a.events.iter().chain(&self.b.events).filter_map(|event| match event {
            Event::KeysDerived(keys) => Some(((keys.spi_i, keys.spi_r), keys.as_ref())),
            _ => None,
        });
        let keys: BTreeMap<_, _> = keys.collect();
        let not_keepalive = |transmit: &&Transmit| transmit.payload.len() > 1;
        let messages = self.sent.iter().filter(not_keepalive);
        messages
            .map(|transmit| {
                let direction = if transmit.from.ip() == self.a.address { "a>b" } else { "b>a" };
                let marked = transmit.to.port() == 4500 || transmit.from.port() == 4500;
                shape(direction, &transmit.payload[if marked { 4 } else { 0 }..], &keys)
            })
            .collect()
    }
}

type Keys<'a> = BTreeMap<(ipseclab_ike::wire::IkeSpi, ipseclab_ike::wire::IkeSpi), &'a IkeSaKeys>;

fn shape(direction: &str, bytes: &[u8], keys: &Keys<'_>) -> Shape {
    let mut message = Message::decode(bytes).unwrap();
    let header = message.header;
    if matches!(message.payloads.last(), Some(Payload::Sk(_))) {
        message = unprotected(bytes, keys[&(header.spi_i, header.spi_r)], header.flags.initiator);
    }
    let label = |payload: &Payload| {
        let label = payload.to_string().replace("N(", "N:").replace(')', "");
        format!("{label}({})", payload.encoded_len())
    };
    Shape {
        direction: direction.to_owned(),
        exchange: exchange(header.exchange).to_owned(),
        message_id: header.message_id.as_u32(),
        flags: bytes[19],
        len: bytes.len(),
        payloads: message.payloads.iter().map(label).collect(),
    }
}

fn unprotected(bytes: &[u8], keys: &IkeSaKeys, from_initiator: bool) -> Message {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    let derived = &keys.keys;
    let (sk_e, sk_a) =
        if from_initiator { (&derived.sk_ei, &derived.sk_ai) } else { (&derived.sk_er, &derived.sk_ar) };
    let integrity = keys.proposal.integrity.map(|algorithm| (algorithm, sk_a));
    let cipher = crypto.packet_cipher(keys.proposal.encryption, sk_e, integrity);
    open(bytes, &cipher, &mut crypto).unwrap()
}

fn exchange(exchange: ExchangeType) -> &'static str {
    match exchange {
        ExchangeType::IkeSaInit => "IKE_SA_INIT",
        ExchangeType::IkeAuth => "IKE_AUTH",
        ExchangeType::CreateChildSa => "CREATE_CHILD_SA",
        ExchangeType::Informational => "INFORMATIONAL",
        other => unreachable!("{other} is not spoken here"),
    }
}
