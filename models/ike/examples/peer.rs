//! The endpoint on real sockets, against a real peer: one tunnel, from set-up to deletion.
//!
//! ```text
//! cargo run -p ipseclab-ike --example peer -- role=initiator local=10.99.0.2 remote=10.99.0.1 id=peer.example \
//!     peer_id=charon.example psk=secret proposal=aes256gcm16-prfsha256-x25519 esp=aes256gcm16 \
//!     local_ts=10.98.2.0-10.98.2.255 remote_ts=10.98.1.0-10.98.1.255 delete_after=2 give_up=30 seed=1
//! ```
//!
//! Without `delete_after` (seconds after establishment), the other side has to delete. Prints a line for each event,
//! and ends well when the IKE SA was established and is closed. Randomness comes from `seed`, so never use it for
//! traffic that matters. UDP 500 and 4500 must be free. No packet is ever protected: there is no IPsec here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};
use ipseclab_ike::config::{Child, Connection, ConnectionId, EndpointConfig, IKE_PORT, NAT_T_PORT};
use ipseclab_ike::credential::Credentials;
use ipseclab_ike::proposal::{parse_esp_proposal, parse_ike_proposal};
use ipseclab_ike::{Endpoint, Event, Identity, TrafficSelectors};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One stream per purpose, all from one seed.
struct Seeded([u8; 32], BTreeMap<Purpose, ChaCha20Rng>);

impl RandomSource for Seeded {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        let stream = self.1.entry(purpose).or_insert_with(|| {
            let mut rng = ChaCha20Rng::from_seed(self.0);
            rng.set_stream(purpose as u64);
            rng
        });
        stream.fill_bytes(out);
    }
}

struct Arguments(BTreeMap<String, String>);

impl Arguments {
    fn text(&self, key: &str) -> Outcome<&str> {
        Ok(self.0.get(key).ok_or_else(|| format!("{key}=… is missing"))?)
    }

    fn selectors(&self, key: &str) -> Outcome<TrafficSelectors> {
        let (from, to) = self.text(key)?.split_once('-').ok_or("a range is FIRST-LAST")?;
        Ok(TrafficSelectors::ipv4_range(from.parse()?, to.parse()?))
    }

    fn config(&self) -> Outcome<EndpointConfig> {
        let id = |key| self.text(key).map(Identity::parse);
        let owners = [id("id")?, id("peer_id")?];
        let mut connection = Connection::new("net", id("id")?, id("peer_id")?);
        connection.remote_address = Some(self.text("remote")?.parse()?);
        connection.proposals = vec![parse_ike_proposal(self.text("proposal")?)?];
        connection.dpd_delay = Some(Duration::from_secs(1));
        let mut child = Child::new("net", self.selectors("local_ts")?, self.selectors("remote_ts")?);
        child.esp_proposals = vec![parse_esp_proposal(self.text("esp")?)?];
        connection.children.push(child);
        let local_address: Ipv4Addr = self.text("local")?.parse()?;
        let credentials = Credentials::with_psk(owners, self.text("psk")?.as_bytes());
        let config = EndpointConfig::new(local_address.into(), vec![connection]);
        Ok(EndpointConfig { trace: true, credentials, ..config })
    }
}

/// A datagram with where it came from and which of our sockets it came to.
type Arrival = (SocketAddr, SocketAddr, Vec<u8>);

/// Binds both ports and reads them in the background.
fn listen(address: IpAddr) -> Outcome<(BTreeMap<u16, UdpSocket>, Receiver<Arrival>)> {
    let (sender, arrivals) = mpsc::channel();
    let mut sockets = BTreeMap::new();
    for port in [IKE_PORT, NAT_T_PORT] {
        let local = SocketAddr::from((address, port));
        let socket = UdpSocket::bind(local)?;
        let (sender, reader) = (sender.clone(), socket.try_clone()?);
        sockets.insert(port, socket);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok((len, from)) = reader.recv_from(&mut buffer) {
                let _ended = sender.send((from, local, buffer[..len].to_vec()));
            }
        });
    }
    Ok((sockets, arrivals))
}

fn report(event: &Event) {
    match event {
        Event::IkeSaEstablished(sa) => {
            println!("established {} {} with {} at {}", sa.spi_i, sa.spi_r, sa.peer_id, sa.remote);
        }
        Event::ChildSaEstablished(child) => {
            let (spi_in, spi_out, encap) = (child.spi_in, child.spi_out, child.udp_encap);
            println!("child spi_in={spi_in:08x} spi_out={spi_out:08x} {} udp_encap={encap}", child.proposal);
        }
        other => println!("{other:?}"),
    }
}

fn main() -> Outcome<()> {
    let split = |text: String| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let arguments = Arguments(std::env::args().skip(1).filter_map(split).collect());
    let seconds = |key| arguments.0.get(key).map(|text| text.parse().map(Duration::from_secs)).transpose();
    let (give_up, delete_after) =
        (seconds("give_up")?.ok_or("give_up=… is missing")?, seconds("delete_after")?);
    let config = arguments.config()?;
    let (sockets, arrivals) = listen(config.local_address)?;
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&arguments.text("seed")?.parse::<u64>()?.to_le_bytes());
    let crypto = Crypto::new(Arc::new(RealProvider::new()));
    let mut endpoint = Endpoint::new(config, crypto, Box::new(Seeded(seed, BTreeMap::new())));

    #[expect(clippy::disallowed_methods, reason = "a real peer lives in real time")]
    let start = Instant::now();
    if arguments.text("role")? == "initiator" {
        endpoint.initiate(start.elapsed(), ConnectionId(0));
    }
    println!("ready");
    let (mut doomed, mut closed, mut failed) = (None, false, false);
    while start.elapsed() < give_up {
        while let Some(transmit) = endpoint.poll_transmit() {
            let message = &transmit.message;
            println!("send {} {} {:?}", message.exchange, message.message_id, message.payloads);
            sockets[&transmit.from.port()].send_to(&transmit.payload, transmit.to)?;
        }
        if closed || failed {
            return if closed { Ok(()) } else { Err("the negotiation failed".into()) };
        }
        while let Some(event) = endpoint.poll_event() {
            report(&event);
            failed |= matches!(event, Event::NegotiationFailed { .. });
            closed |= matches!(event, Event::IkeSaClosed { .. });
            if let (Event::IkeSaEstablished(sa), Some(after)) = (event, delete_after) {
                doomed = Some((start.elapsed() + after, sa.ike_sa));
            }
        }
        if let Some((_, ike_sa)) = doomed.take_if(|(at, _)| *at <= start.elapsed()) {
            endpoint.terminate(start.elapsed(), ike_sa)?;
        }
        // Short enough for whatever became due meanwhile.
        let next = endpoint.poll_timeout().unwrap_or(give_up).saturating_sub(start.elapsed());
        match arrivals.recv_timeout(next.min(Duration::from_millis(20))) {
            Ok((from, to, bytes)) => endpoint.handle_datagram(start.elapsed(), from, to, &bytes),
            Err(_) => endpoint.handle_timeout(start.elapsed()),
        }
    }
    Err("not established and closed in time".into())
}
