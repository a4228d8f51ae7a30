//! What the tests share: scripted randomness, packets, pairs of SAs and engines at both ends of them.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use ipseclab_crypto::{Crypto, Encryption, Integrity, Purpose, RandomSource, RealProvider, Secret};
use ipseclab_ipsec::{
    DefaultAction, Engine, EngineConfig, EspParameters, Inbound, Mode, Outbound, OutboundUse, PolicyId,
    Protection, SaPair, SaParameters, Spd, SpdAction, SpdEntry, Spi, TrafficSelector, UdpEncap,
};

/// Outer address of the left gateway.
pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Outer address of the right gateway.
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// A host behind the left gateway.
pub(crate) const LEFT_HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);
/// A host behind the right gateway.
pub(crate) const RIGHT_HOST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 9);
/// The policy of [`spd`].
pub(crate) const POLICY: PolicyId = PolicyId(1);

/// What the tests attach to packets.
pub(crate) type Token = u32;
pub(crate) type TestEngine = Engine<Token>;

/// First gives scripted octets, then counts.
#[derive(Default)]
pub(crate) struct Scripted {
    script: VecDeque<u8>,
    counter: u8,
}

impl Scripted {
    pub(crate) fn new(octets: impl IntoIterator<Item = u8>) -> Self {
        Self { script: octets.into_iter().collect(), counter: 0 }
    }
}

impl RandomSource for Scripted {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        assert_eq!(purpose, Purpose::Iv);
        for octet in out {
            self.counter = self.counter.wrapping_mul(5).wrapping_add(1);
            *octet = self.script.pop_front().unwrap_or(self.counter);
        }
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn entry(
    name: &str,
    local: TrafficSelector,
    remote: TrafficSelector,
    action: SpdAction,
) -> SpdEntry {
    SpdEntry { name: String::from(name), local: vec![local], remote: vec![remote], action }
}

/// Protects everything under [`POLICY`].
pub(crate) fn protect_all(mode: Mode) -> Spd {
    let action = SpdAction::Protect { policy: POLICY, mode };
    Spd::new(vec![entry("all", TrafficSelector::ANY, TrafficSelector::ANY, action)], DefaultAction::Discard)
}

/// An engine without SAs.
pub(crate) fn engine(address: impl Into<IpAddr>, spd: Spd) -> TestEngine {
    engine_with(EngineConfig::new(spd, address), Scripted::default())
}

pub(crate) fn engine_with(config: EngineConfig, random: Scripted) -> TestEngine {
    Engine::new(config, Crypto::new(Arc::new(RealProvider::new())), Box::new(random))
}

/// How a pair of SAs protects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suite {
    pub(crate) encryption: Encryption,
    pub(crate) integrity: Option<Integrity>,
    pub(crate) mode: Mode,
    pub(crate) encapsulated: bool,
    pub(crate) esn: bool,
}

impl Suite {
    pub(crate) const GCM_TUNNEL: Self = Self {
        encryption: Encryption::AesGcm16(ipseclab_crypto::AesKey::Bits128),
        integrity: None,
        mode: Mode::Tunnel,
        encapsulated: false,
        esn: false,
    };

    /// Every pair of algorithms that ESP can use, in both modes, with and without UDP and extended numbers.
    pub(crate) fn all() -> Vec<Self> {
        let mut suites = Vec::new();
        for &encryption in Encryption::ALL {
            let companions: Vec<Option<Integrity>> = if encryption.is_aead() {
                vec![None]
            } else {
                Integrity::ALL.iter().copied().map(Some).collect()
            };
            for integrity in companions {
                for mode in [Mode::Tunnel, Mode::Transport] {
                    let ways = [(false, false), (false, true), (true, false), (true, true)];
                    suites.extend(ways.map(|(encapsulated, esn)| Self {
                        encryption,
                        integrity,
                        mode,
                        encapsulated,
                        esn,
                    }));
                }
            }
        }
        suites
    }

    fn sa(self, spi: u32, source: Ipv4Addr, destination: Ipv4Addr) -> SaParameters {
        let mut key = vec![0x42; self.encryption.key_material_len()];
        if let Some(first) = key.first_mut() {
            *first = spi.to_be_bytes()[2];
        }
        let integrity =
            self.integrity.map(|algorithm| (algorithm, Secret::new(vec![0x17; algorithm.key_len()])));
        SaParameters {
            protection: Protection::Esp(EspParameters {
                spi: Spi::new(spi).unwrap(),
                encryption: self.encryption,
                encryption_key: Secret::new(key),
                integrity,
            }),
            esn: self.esn,
            mode: self.mode,
            source: source.into(),
            destination: destination.into(),
            udp_encap: self.encapsulated.then_some(UdpEncap { source_port: 4500, destination_port: 4500 }),
        }
    }

    /// The pair as the left end has it; `spi` names the SA to the left, `spi + 1` the one to the right.
    pub(crate) fn pair(self, spi: u32) -> SaPair {
        SaPair::new(POLICY, self.sa(spi, RIGHT, LEFT), self.sa(spi + 1, LEFT, RIGHT))
    }
}

/// The other end's view of a pair.
pub(crate) fn mirrored(pair: &SaPair) -> SaPair {
    let pair = pair.clone();
    SaPair {
        inbound: pair.outbound,
        outbound: pair.inbound,
        local_ts: pair.remote_ts,
        remote_ts: pair.local_ts,
        ..pair
    }
}

/// Engines at both ends of an installed pair: left, right.
pub(crate) fn ends(pair: &SaPair) -> (TestEngine, TestEngine) {
    let mode = pair.inbound.mode;
    let mut left = engine(LEFT, protect_all(mode));
    let mut right = engine(RIGHT, protect_all(mode));
    left.install(Duration::ZERO, pair.clone(), OutboundUse::Now).unwrap();
    right.install(Duration::ZERO, mirrored(pair), OutboundUse::Now).unwrap();
    (left, right)
}

/// A UDP packet with `octets` octets of data.
pub(crate) fn udp(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), octets: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
        .udp(ports.0, ports.1)
        .write(&mut packet, &data(octets))
        .unwrap();
    packet
}

/// An ICMP echo request with `octets` octets of data.
pub(crate) fn ping(source: Ipv4Addr, destination: Ipv4Addr, octets: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
        .icmpv4_echo_request(7, 1)
        .write(&mut packet, &data(octets))
        .unwrap();
    packet
}

fn data(octets: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(octets).collect()
}

/// The packet that goes out; anything else fails the test.
pub(crate) fn sent(outcome: Outbound<Token>) -> Vec<u8> {
    match outcome {
        Outbound::Send { packet, .. } => packet,
        other => panic!("not sent: {other:?}"),
    }
}

/// The packet that is delivered; anything else fails the test.
pub(crate) fn delivered(outcome: Inbound<Token>) -> Vec<u8> {
    match outcome {
        Inbound::Deliver { packet, .. } => packet,
        other @ Inbound::Discard { .. } => panic!("not delivered: {other:?}"),
    }
}
