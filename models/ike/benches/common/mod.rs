//! Two endpoints with nothing between them: what they send arrives at once, in one thread.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
use ipseclab_ike::config::{Child, Connection, ConnectionId, EndpointConfig};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{Endpoint, Event, Identity, IkeSaId, TrafficSelectors};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The one connection of either side.
pub(crate) const OFFICE: ConnectionId = ConnectionId(0);
/// The responder's address.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// One stream for all purposes: two sides that do not share it are all that a set-up needs.
struct Stream(ChaCha20Rng);

impl RandomSource for Stream {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

/// The addresses that a tunnel is for.
fn net(octets: [u8; 3]) -> TrafficSelectors {
    let [a, b, c] = octets;
    TrafficSelectors::ipv4_range(Ipv4Addr::new(a, b, c, 0), Ipv4Addr::new(a, b, c, 255))
}

fn endpoint(local: IpAddr, connection: Connection, seed: u64) -> Endpoint {
    let mut key = [0x5a; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    let random = Stream(ChaCha20Rng::from_seed(key));
    let crypto = Crypto::new(Arc::new(RealProvider::new()));
    let secret = *b"correct horse battery staple";
    let ends = [Identity::parse("gw.example"), Identity::parse("branch.example")];
    let credentials = Credentials::with_psk(ends, secret);
    let config = EndpointConfig { credentials, ..EndpointConfig::new(local, vec![connection]) };
    Endpoint::new(config, crypto, Box::new(random))
}

fn connection(proposal: &str, (own, peer): (&str, &str), (local, remote): ([u8; 3], [u8; 3])) -> Connection {
    let mut connection = Connection::new("office", Identity::parse(own), Identity::parse(peer));
    connection.proposals = vec![parse_ike_proposal(proposal).expect("the proposal is well-formed")];
    let mut child = Child::new("lan", net(local), net(remote));
    child.esp_proposals = vec![parse_esp_proposal("aes128gcm16").expect("the proposal is well-formed")];
    connection.children.push(child);
    connection
}

/// A responder that takes peers from anywhere.
pub(crate) fn gateway(proposal: &str) -> Endpoint {
    let nets = ([10, 2, 0], [10, 1, 0]);
    endpoint(GATEWAY.into(), connection(proposal, ("gw.example", "branch.example"), nets), 1)
}

/// An initiator at `address`, with its own randomness.
pub(crate) fn branch(proposal: &str, address: Ipv4Addr) -> Endpoint {
    let nets = ([10, 1, 0], [10, 2, 0]);
    let mut connection = connection(proposal, ("branch.example", "gw.example"), nets);
    connection.remote_address = Some(GATEWAY.into());
    endpoint(address.into(), connection, (2 << 32) + u64::from(u32::from(address)))
}

/// Lets both sides talk until neither has anything to say.
pub(crate) fn exchange(branch: &mut Endpoint, gateway: &mut Endpoint, now: Duration) {
    while let Some(datagram) = branch.poll_transmit().or_else(|| gateway.poll_transmit()) {
        let receiver = if datagram.to.ip() == IpAddr::V4(GATEWAY) { &mut *gateway } else { &mut *branch };
        receiver.handle_datagram(now, datagram.from, datagram.to, &datagram.payload);
    }
}

/// Sets up an IKE SA with one Child SA.
///
/// # Panics
/// When it does not come up on both sides.
pub(crate) fn set_up(branch: &mut Endpoint, gateway: &mut Endpoint, now: Duration) -> IkeSaId {
    let id = branch.initiate(now, OFFICE).expect("the connection has a peer address");
    exchange(branch, gateway, now);
    let up = |event: &Event| matches!(event, Event::ChildSaEstablished(_));
    assert!(events(branch).any(|event| up(&event)), "the Child SA is up at the initiator");
    assert!(events(gateway).any(|event| up(&event)), "the Child SA is up at the responder");
    for side in [branch, gateway] {
        events(side).for_each(drop);
        drop(side.take_work());
    }
    id
}

fn events(endpoint: &mut Endpoint) -> impl Iterator<Item = Event> {
    std::iter::from_fn(|| endpoint.poll_event())
}
