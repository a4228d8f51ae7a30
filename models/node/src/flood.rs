//! A flood: well-formed `IKE_SA_INIT` requests that claim to come from elsewhere (RFC 7296 §2.6).
//!
//! Each request has its own initiator's SPI, nonce, source address and port, so that the victim cannot tell it from a
//! first request of somebody new. All share one public value: making a pair for each would cost the attacker more than
//! it costs the victim, and a responder does not compare them.
//!
//! Model: answers go to addresses where nobody is; the attacker never sees a cookie.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipseclab_crypto::{Provider, Secret};
use ipseclab_ike::config::IKE_PORT;
use ipseclab_ike::proposal::IkeProposal;
use ipseclab_ike::wire::{
    ExchangeType, Flags, IkeSpi, KePayload, Message, MessageHeader, MessageId, NoncePayload, Payload, Version,
};
use ipseclab_net::{FlowRecord, IpNet, Packet, build_udp};
use ipseclab_sim::{ModelRng, SimDuration, SimTime};

/// Octets of a nonce, as strongSwan's (RFC 7296 §2.10 wants at least 16).
const NONCE_LEN: usize = 32;
/// TTL of the requests.
const TTL: u8 = 64;
/// The first source port: those below belong to services.
const SOURCE_PORT_MIN: u16 = 1024;

/// What a flood sends.
#[derive(Clone, Debug, PartialEq)]
pub struct IkeFloodConfig {
    /// The victim.
    pub target: IpAddr,
    /// Where the forged source addresses are drawn from, of the target's family; of an IPv6 network, the first 2³².
    pub sources: IpNet,
    /// What the requests offer; its first key exchange is the one with a public value.
    pub proposal: IkeProposal,
    /// When the first request leaves.
    pub start: SimTime,
    /// Time from one request to the next; above zero.
    pub interval: SimDuration,
    /// How many requests.
    pub count: u64,
}

/// A source of forged requests.
#[derive(Clone)]
pub struct IkeFlood {
    config: IkeFloodConfig,
    public_value: Vec<u8>,
    random: ModelRng,
    record: FlowRecord,
}

impl IkeFlood {
    /// A flood that draws what it forges from `random`; `None` when its proposal has no key exchange.
    pub fn new(config: IkeFloodConfig, provider: &dyn Provider, mut random: ModelRng) -> Option<Self> {
        let method = *config.proposal.key_exchange.first()?;
        let private = Secret::new(octets(&mut random, method.private_len()));
        let public_value = provider.exchange_key(method, &private).public_value();
        Some(Self { config, public_value, random, record: FlowRecord::default() })
    }

    /// When the next request leaves, or `None` after the last.
    pub fn next_send(&self) -> Option<SimTime> {
        let sent = self.record.sent.packets;
        let offset = self.config.interval.checked_mul(sent).filter(|_| sent < self.config.count)?;
        self.config.start.checked_add(offset)
    }

    /// The request that is due at `now`.
    pub fn send(&mut self, now: SimTime) -> Option<Packet> {
        self.next_send().filter(|due| *due <= now)?;
        let payload = self.request();
        let from = self.source();
        let to = SocketAddr::new(self.config.target, IKE_PORT);
        let ident = u16::try_from(self.record.sent.packets & 0xffff).unwrap_or_default();
        let bytes = build_udp(from, to, &payload, TTL, true, ident);
        self.record.sent.packets += 1;
        self.record.sent.bytes += bytes.len() as u64;
        Some(Packet::new(bytes, now))
    }

    /// What was sent; nothing is ever received.
    pub fn record(&self) -> &FlowRecord {
        &self.record
    }

    /// An address of the network, whatever it is, and a port.
    fn source(&mut self) -> SocketAddr {
        let address = match (self.config.sources.first(), self.config.sources.last()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let (first, last) = (first.to_bits(), last.to_bits());
                Ipv4Addr::from_bits(first + below(&mut self.random, last - first)).into()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let (first, last) = (first.to_bits(), last.to_bits());
                let span = u32::try_from(last - first).unwrap_or(u32::MAX);
                Ipv6Addr::from_bits(first + u128::from(below(&mut self.random, span))).into()
            }
            (first, last) => unreachable!("a network goes from {first} to {last}"),
        };
        let port = below(&mut self.random, u32::from(u16::MAX - SOURCE_PORT_MIN));
        let port = SOURCE_PORT_MIN + u16::try_from(port).expect("a port offset has 16 bits");
        SocketAddr::new(address, port)
    }

    fn request(&mut self) -> Vec<u8> {
        let method = self.config.proposal.key_exchange[0].transform_id();
        let nonce = NoncePayload::new(octets(&mut self.random, NONCE_LEN)).expect("a nonce of 32 octets");
        let header = MessageHeader {
            // Zero is no SPI.
            spi_i: IkeSpi::new(self.random.next_u64() | 1),
            spi_r: IkeSpi::ZERO,
            exchange: ExchangeType::IkeSaInit,
            flags: Flags::request(true),
            message_id: MessageId::new(0),
            version: Version::V2_0,
        };
        let payloads = vec![
            Payload::Sa(IkeProposal::offer(core::slice::from_ref(&self.config.proposal), &[])),
            Payload::Ke(KePayload { method, public_value: self.public_value.clone() }),
            Payload::Nonce(nonce),
        ];
        Message { header, payloads }.encode()
    }
}

impl core::fmt::Debug for IkeFlood {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IkeFlood").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A number from 0 to `max`.
fn below(random: &mut ModelRng, max: u32) -> u32 {
    let scaled = (random.next_u64() >> 32) * (u64::from(max) + 1);
    u32::try_from(scaled >> 32).expect("a product of two 32-bit numbers has 32 bits above its lowest 32")
}

fn octets(random: &mut ModelRng, len: usize) -> Vec<u8> {
    core::iter::repeat_with(|| random.next_u64().to_be_bytes()).flatten().take(len).collect()
}

#[cfg(test)]
mod tests {
    use ipseclab_crypto::RealProvider;
    use ipseclab_ike::proposal::parse_ike_proposal;
    use ipseclab_net::parse_udp;
    use ipseclab_sim::{RunSeed, StreamLabel};

    use super::*;

    fn flood(seed: u64) -> IkeFlood {
        let config = IkeFloodConfig {
            target: Ipv4Addr::new(192, 0, 2, 1).into(),
            sources: IpNet::new(Ipv4Addr::new(203, 0, 113, 0), 24).unwrap(),
            proposal: parse_ike_proposal("aes128gcm16-prfsha256-x25519").unwrap(),
            start: SimTime::from_nanos(5),
            interval: SimDuration::from_nanos(10),
            count: 200,
        };
        let random = ModelRng::new(RunSeed::new(seed), StreamLabel::new(0, "flood"));
        IkeFlood::new(config, &RealProvider::new(), random).unwrap()
    }

    fn all(mut flood: IkeFlood) -> Vec<Vec<u8>> {
        core::iter::from_fn(|| flood.next_send().and_then(|due| flood.send(due))).map(|p| p.bytes).collect()
    }

    #[test]
    fn every_request_is_well_formed_and_another_one() {
        let packets = all(flood(1));
        assert_eq!(packets.len(), 200);
        let mut spis = std::collections::BTreeSet::new();
        let mut sources = std::collections::BTreeSet::new();
        for bytes in &packets {
            let datagram = parse_udp(bytes).unwrap();
            let message = Message::decode(datagram.payload).unwrap();
            assert_eq!((message.header.exchange, message.payloads.len()), (ExchangeType::IkeSaInit, 3));
            assert!(IpNet::new(Ipv4Addr::new(203, 0, 113, 0), 24).unwrap().contains(datagram.source.ip()));
            spis.insert(message.header.spi_i.as_u64());
            sources.insert(datagram.source);
        }
        assert_eq!(spis.len(), 200);
        assert!(sources.len() > 190, "{}", sources.len());
    }

    #[test]
    fn requests_keep_their_pace_and_end() {
        let mut flood = flood(1);
        assert!(flood.send(SimTime::from_nanos(4)).is_none());
        assert!(flood.send(SimTime::from_nanos(5)).is_some());
        assert_eq!(flood.next_send(), Some(SimTime::from_nanos(15)));
        assert!(flood.send(SimTime::from_nanos(14)).is_none());
    }

    #[test]
    fn seeds_decide_what_is_forged() {
        assert_eq!(all(flood(1)), all(flood(1)));
        assert_ne!(all(flood(1))[0], all(flood(2))[0]);
    }
}
