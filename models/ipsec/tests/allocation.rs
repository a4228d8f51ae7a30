//! On the steady path no packet allocates: through an engine that protects and one that opens, in a buffer with room.
//!
//! One test alone, since the counter is the process's.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::alloc::System;
use std::sync::Arc;

use ipseclab_crypto::{
    AesKey, Authentication, Crypto, Encryption, Integrity, Purpose, RandomSource, RealProvider, Secret,
};
use ipseclab_ipsec::{
    AhParameters, DefaultAction, Engine, EngineConfig, EspParameters, Inbound, Mode, Outbound, OutboundUse,
    PolicyId, Protection, SaPair, SaParameters, Spd, SpdAction, SpdEntry, Spi, TrafficSelector, UdpEncap,
    WindowLen,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const V4: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];
const V6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
];
/// Policies besides the one that the packets meet, so that the index and the cache are in use.
const OTHERS: u32 = 100;
const PACKETS: usize = 60;
const REPETITIONS: usize = 3;

struct Counting(u8);

impl RandomSource for Counting {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

fn spi(value: u32) -> Spi {
    Spi::new(value).unwrap()
}

fn esp(value: u32, encryption: Encryption, integrity: Option<Integrity>) -> EspParameters {
    EspParameters {
        spi: spi(value),
        encryption,
        encryption_key: Secret::new(vec![1; encryption.key_material_len()]),
        integrity: integrity.map(|algorithm| (algorithm, Secret::new(vec![2; algorithm.key_len()]))),
    }
}

fn ah(value: u32, algorithm: Authentication) -> AhParameters {
    AhParameters { spi: spi(value), algorithm, key: Secret::new(vec![3; algorithm.key_material_len()]) }
}

/// Protections of every shape, for the SPI that they are given.
fn protections() -> Vec<fn(u32) -> Protection> {
    const CBC: Encryption = Encryption::AesCbc(AesKey::Bits128);
    const GMAC: AesKey = AesKey::Bits128;
    vec![
        |spi| Protection::Esp(esp(spi, Encryption::AesGcm16(AesKey::Bits128), None)),
        |spi| Protection::Esp(esp(spi, Encryption::AesGcm12(AesKey::Bits192), None)),
        |spi| Protection::Esp(esp(spi, Encryption::AesCcm16(AesKey::Bits128), None)),
        |spi| Protection::Esp(esp(spi, Encryption::AesGmac(GMAC), None)),
        |spi| Protection::Esp(esp(spi, Encryption::ChaCha20Poly1305, None)),
        |spi| Protection::Esp(esp(spi, CBC, Some(Integrity::HmacSha2_256_128))),
        |spi| Protection::Esp(esp(spi, Encryption::AesCtr(AesKey::Bits128), Some(Integrity::HmacSha1_96))),
        |spi| Protection::Esp(esp(spi, Encryption::TripleDes, Some(Integrity::HmacMd5_96))),
        |spi| Protection::Esp(esp(spi, Encryption::Null, Some(Integrity::AesXcbc96))),
        |spi| Protection::Ah(ah(spi, Integrity::HmacSha2_512_256.into())),
        |spi| Protection::Ah(ah(spi, Authentication::Gmac(GMAC))),
        |spi| Protection::AhEsp { ah: ah(spi + 8, Integrity::AesCmac96.into()), esp: esp(spi, CBC, None) },
    ]
}

/// How packets travel.
#[derive(Clone, Copy, Debug)]
struct Way {
    mode: Mode,
    ends: [IpAddr; 2],
    esn: bool,
    in_udp: bool,
}

fn engine(way: Way, here: usize, protection: fn(u32) -> Protection) -> Engine<()> {
    let network =
        |number: u32| TrafficSelector::network(Ipv4Addr::from_bits(0x2000_0000 + (number << 8)), 24);
    let entry = |policy, remote| SpdEntry {
        name: String::new(),
        local: vec![TrafficSelector::ANY],
        remote: vec![remote],
        action: SpdAction::Protect { policy: PolicyId(policy), mode: way.mode },
    };
    let mut entries: Vec<SpdEntry> = (1..=OTHERS).map(|number| entry(number, network(number))).collect();
    entries.push(entry(0, TrafficSelector::ANY));
    let spd = Spd::new(entries, DefaultAction::Discard);
    let crypto = Crypto::new(Arc::new(RealProvider::new()));
    let mut engine = Engine::new(EngineConfig::new(spd, way.ends[here]), crypto, Box::new(Counting(0)));
    let ports = UdpEncap { source_port: 4500, destination_port: 4500 };
    let sa = |value, source, destination| SaParameters {
        protection: protection(value),
        esn: way.esn,
        mode: way.mode,
        source,
        destination,
        udp_encap: way.in_udp.then_some(ports),
    };
    let there = 1 - here;
    let spis = [0x1000, 0x2000];
    let inbound = sa(spis[here], way.ends[there], way.ends[here]);
    let outbound = sa(spis[there], way.ends[here], way.ends[there]);
    let mut pair = SaPair::new(PolicyId(0), inbound, outbound);
    pair.replay_window = WindowLen::MAX;
    engine.install(Duration::ZERO, pair, OutboundUse::Now).unwrap();
    engine
}

fn packet([source, destination]: [IpAddr; 2]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(2000);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
                .udp(5, 6)
                .write(&mut packet, &[7; 900])
                .unwrap();
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            etherparse::PacketBuilder::ipv6(source.octets(), destination.octets(), 64)
                .udp(5, 6)
                .write(&mut packet, &[7; 900])
                .unwrap();
        }
        _ => panic!("ends of one version"),
    }
    packet
}

/// Sends one packet through both engines and gives it back.
fn pass(left: &mut Engine<()>, right: &mut Engine<()>, packet: Vec<u8>) -> Vec<u8> {
    let Outbound::Send { packet, .. } = left.outbound(Duration::ZERO, packet, ()) else { panic!("not sent") };
    let Inbound::Deliver { packet, .. } = right.inbound(Duration::ZERO, packet, ()) else {
        panic!("not delivered")
    };
    left.crypto_mut().meter().clear();
    right.crypto_mut().meter().clear();
    packet
}

fn allocations(way: Way, protection: fn(u32) -> Protection) -> usize {
    let (mut left, mut right) = (engine(way, 0, protection), engine(way, 1, protection));
    // The first packets make what the later ones use.
    let mut packet = (0..3).fold(packet(way.ends), |packet, _| pass(&mut left, &mut right, packet));
    // The test harness has a thread of its own, which may allocate meanwhile; what the packets do, they do every time.
    let mut counts = [0; REPETITIONS];
    for count in &mut counts {
        let region = Region::new(ALLOCATOR);
        for _ in 0..PACKETS {
            packet = pass(&mut left, &mut right, packet);
        }
        let change = region.change();
        *count = change.allocations + change.reallocations + change.deallocations;
    }
    counts.into_iter().min().unwrap()
}

#[test]
fn no_packet_allocates_on_the_steady_path() {
    for protection in protections() {
        for (mode, ends) in
            [(Mode::Tunnel, V4), (Mode::Transport, V4), (Mode::Tunnel, V6), (Mode::Transport, V6)]
        {
            let has_ah = protection(0x1000).ah().is_some();
            for (esn, in_udp) in [(false, false), (true, false), (false, true)] {
                if has_ah && in_udp {
                    continue;
                }
                let way = Way { mode, ends, esn, in_udp };
                assert_eq!(allocations(way, protection), 0, "{way:?} {:?}", protection(0x1000));
            }
        }
    }
}
