//! How many packets a second two engines seal and open, beside the bare library calls on buffers of the same size.
//!
//! One round is: policy lookup, SA lookup, ESP, outer header and checksums on the way out; SPI lookup, replay window,
//! ESP and selector check on the way in. The bare line does only the cryptography of one seal and one open, in place.
//! The lines of encapsulation seal alone, as a gateway does all day: the whole way of a packet through the engine, beside
//! one seal of the bare library, with the share of the bare library's speed that is left.
//! The last lines send to one after the other of many road warriors, who have a pair each under one policy, and through
//! policies of which each packet meets another one.
//! Figures are those of the fastest of many short batches, which are over before other work on the machine can disturb them:
//! `cargo bench -p ipseclab-ipsec --bench esp`.

use core::hint::black_box;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _, KeyInit as _};
use ipseclab_crypto::{AesKey, Crypto, Encryption, Integrity, Purpose, RandomSource, RealProvider, Secret};
use ipseclab_ipsec::{
    DefaultAction, Direction, Engine, EngineConfig, EspParameters, Inbound, Mode, Outbound, OutboundUse,
    PolicyId, Protection, SaPair, SaParameters, Selectors, Spd, SpdAction, SpdEntry, Spi, TrafficSelector,
};
use ring::{aead, hmac};

const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const GCM: Suite = (Encryption::AesGcm16(AesKey::Bits128), None);
const CBC: Suite = (Encryption::AesCbc(AesKey::Bits128), Some(Integrity::HmacSha2_256_128));
const BATCHES: usize = 1_000;
const ROUNDS: u32 = 500;

type Suite = (Encryption, Option<Integrity>);

struct Counting(u8);

impl RandomSource for Counting {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

fn main() {
    // `cargo bench` adds an option; words are sections to run, none of them means all.
    let sections: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: &str| sections.is_empty() || sections.iter().any(|section| section == name);
    if wanted("rounds") {
        rounds();
    }
    if wanted("encapsulation") {
        println!(
            "{:<28} {:>6} {:>12} {:>12} {:>8}",
            "encapsulation", "octets", "engine ns", "bare ns", "share"
        );
        for octets in [64, 1400] {
            let (engine, bare) = (encapsulation(octets), bare_seal(octets));
            println!("{:<28} {octets:>6} {engine:>12.1} {bare:>12.1} {:>8.2}", "aes128gcm16", bare / engine);
        }
    }
    if wanted("policies") {
        println!("{:<28} {:>12} {:>12}", "policies", "new flow ns", "old flow ns");
        for policies in [10, 1_000, 100_000] {
            let [new, old] = [true, false].map(|new_flows| look_up(policies, new_flows));
            println!("{policies:<28} {new:>12.1} {old:>12.1}");
        }
    }
    if wanted("clients") {
        println!("{:<28} {:>12}", "road warriors", "sent pkt/s");
        for clients in [1, 100, 10_000] {
            println!("{clients:<28} {:>12.0}", 1e9 / road_warriors(clients));
        }
    }
}

fn rounds() {
    println!(
        "{:<28} {:>6} {:>12} {:>12} {:>8}",
        "suite", "octets", "engine pkt/s", "bare pkt/s", "engine/bare"
    );
    for octets in [64, 1400] {
        report("aes128gcm16", octets, engine_round(GCM, octets), bare_gcm(octets));
        report("aes128-sha256", octets, engine_round(CBC, octets), bare_cbc(octets));
    }
}

fn report(name: &str, octets: usize, engine: f64, bare: f64) {
    println!("{name:<28} {octets:>6} {:>12.0} {:>12.0} {:>8.2}", 1e9 / engine, 1e9 / bare, bare / engine);
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures this machine's clock")]
fn clock() -> Instant {
    Instant::now()
}

/// Nanoseconds for one call of `round`, in the fastest batch.
fn measure(mut round: impl FnMut()) -> f64 {
    let batch = |_| {
        let start = clock();
        (0..ROUNDS).for_each(|_| round());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    (0..BATCHES).map(batch).fold(f64::INFINITY, f64::min)
}

fn engine_round(suite: Suite, octets: usize) -> f64 {
    let mut left = engine(LEFT, pair(suite, 0x1000, 0x2000, LEFT, RIGHT));
    let mut right = engine(RIGHT, pair(suite, 0x2000, 0x1000, RIGHT, LEFT));
    let mut packet = inner(octets);
    measure(|| {
        let Outbound::Send { packet: wire, .. } =
            left.outbound(Duration::ZERO, core::mem::take(&mut packet), ())
        else {
            panic!("not sent")
        };
        let Inbound::Deliver { packet: inner, .. } = right.inbound(Duration::ZERO, wire, ()) else {
            panic!("not delivered")
        };
        packet = inner;
        left.crypto_mut().meter().clear();
        right.crypto_mut().meter().clear();
    })
}

/// Nanoseconds for sealing a packet, in a buffer that has room.
fn encapsulation(octets: usize) -> f64 {
    let mut left = engine(LEFT, pair(GCM, 0x1000, 0x2000, LEFT, RIGHT));
    let template = inner(octets);
    let mut packet = template.clone();
    measure(|| {
        // The payload does not matter, so only the headers are written anew.
        packet.truncate(octets);
        packet[..28].copy_from_slice(&template[..28]);
        let Outbound::Send { packet: wire, .. } =
            left.outbound(Duration::ZERO, core::mem::take(&mut packet), ())
        else {
            panic!("not sent")
        };
        packet = wire;
        left.crypto_mut().meter().clear();
    })
}

/// Nanoseconds for sealing as many octets with the bare library.
fn bare_seal(octets: usize) -> f64 {
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &[7; 16]).expect("16 octets");
    let key = aead::LessSafeKey::new(key);
    let mut buffer = vec![0x5a; (octets + 2).next_multiple_of(4)];
    measure(|| {
        let nonce = aead::Nonce::assume_unique_for_key([3; 12]);
        let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::from([1_u8; 8]), &mut buffer);
        black_box(tag.expect("short enough").as_ref());
        black_box(&mut buffer);
    })
}

/// Nanoseconds for the verdict on a packet among so many policies, each for a network of its own; of packets that all
/// belong to different flows, or to few.
fn look_up(policies: u32, new_flows: bool) -> f64 {
    let network = |number: u32| Ipv4Addr::from_bits(Ipv4Addr::new(20, 0, 0, 0).to_bits() + (number << 8));
    let entry = |number| SpdEntry {
        name: String::new(),
        local: vec![TrafficSelector::network([10, 1, 0, 0], 16)],
        remote: vec![TrafficSelector::network(network(number), 24)],
        action: SpdAction::Protect { policy: PolicyId(number), mode: Mode::Tunnel },
    };
    let spd = Spd::new((0..policies).map(entry).collect(), DefaultAction::Discard);
    let mut engine: Engine<()> = Engine::new(
        EngineConfig::new(spd, LEFT),
        Crypto::new(Arc::new(RealProvider::new())),
        Box::new(Counting(0)),
    );
    let mut selectors = Selectors::parse(&inner(64)).expect("a packet");
    let mut number = 0_u32;
    measure(|| {
        number = number.wrapping_add(7_919);
        // Of old flows the cache holds all; of new ones none, since no port comes twice before it is full.
        selectors.source_port =
            Some(if new_flows { u16::try_from((number >> 3) & 0xffff).expect("sixteen bits") } else { 7 });
        let policy = if new_flows { number % policies } else { number % policies.min(1_000) };
        selectors.destination = Ipv4Addr::from_bits(network(policy).to_bits() + 5).into();
        let found = engine.lookup(Direction::Outbound, &selectors);
        assert_eq!(found.and_then(SpdAction::policy), Some(PolicyId(policy)));
    })
}

fn inner(octets: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let payload = vec![0x5a; octets - 28];
    etherparse::PacketBuilder::ipv4([10, 1, 0, 1], [10, 2, 0, 1], 64)
        .udp(5000, 5001)
        .write(&mut packet, &payload)
        .expect("a vector takes any packet");
    packet
}

/// Nanoseconds for a small packet to one of so many clients.
fn road_warriors(clients: u32) -> f64 {
    let mut gateway = empty_engine(LEFT, SpdAction::ProtectInstalled { policy: PolicyId(1) });
    let address = |client: u32| Ipv4Addr::from_bits(Ipv4Addr::new(10, 3, 0, 0).to_bits() + client);
    for client in 0..clients {
        let mut pair = pair(GCM, 0x10_0000 + client, 0x20_0000 + client, LEFT, RIGHT);
        pair.remote_ts = vec![TrafficSelector::host(address(client))];
        gateway.install(Duration::ZERO, pair, OutboundUse::Now).expect("SPIs differ");
    }
    let template = inner(64);
    let mut client = 0;
    measure(|| {
        let mut packet = template.clone();
        packet[16..20].copy_from_slice(&address(client).octets());
        // A stride that visits all clients in an order that no cache foresees.
        client = (client + 7_919) % clients;
        let outcome = gateway.outbound(Duration::ZERO, packet, ());
        assert!(matches!(outcome, Outbound::Send { .. }));
        gateway.crypto_mut().meter().clear();
    })
}

fn empty_engine(address: Ipv4Addr, action: SpdAction) -> Engine<()> {
    let entry = SpdEntry {
        name: String::from("all"),
        local: vec![TrafficSelector::ANY],
        remote: vec![TrafficSelector::ANY],
        action,
    };
    let config = EngineConfig::new(Spd::new(vec![entry], DefaultAction::Discard), address);
    Engine::new(config, Crypto::new(Arc::new(RealProvider::new())), Box::new(Counting(0)))
}

fn engine(address: Ipv4Addr, pair: SaPair) -> Engine<()> {
    let mut engine = empty_engine(address, SpdAction::Protect { policy: PolicyId(1), mode: Mode::Tunnel });
    engine.install(Duration::ZERO, pair, OutboundUse::Now).expect("the engine is fresh");
    engine
}

fn pair(suite: Suite, inbound: u32, outbound: u32, here: Ipv4Addr, there: Ipv4Addr) -> SaPair {
    SaPair::new(PolicyId(1), sa(suite, inbound, there, here), sa(suite, outbound, here, there))
}

fn sa((encryption, integrity): Suite, spi: u32, source: Ipv4Addr, destination: Ipv4Addr) -> SaParameters {
    SaParameters {
        protection: Protection::Esp(EspParameters {
            spi: Spi::new(spi).expect("not reserved"),
            encryption,
            encryption_key: Secret::new(vec![7; encryption.key_material_len()]),
            integrity: integrity.map(|algorithm| (algorithm, Secret::new(vec![8; algorithm.key_len()]))),
        }),
        esn: false,
        mode: Mode::Tunnel,
        source: source.into(),
        destination: destination.into(),
        udp_encap: None,
    }
}

fn bare_gcm(octets: usize) -> f64 {
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &[7; 16]).expect("16 octets");
    let key = aead::LessSafeKey::new(key);
    let mut buffer = vec![0x5a; (octets + 2).next_multiple_of(4)];
    let nonce = || aead::Nonce::assume_unique_for_key([3; 12]);
    measure(|| {
        let aad = aead::Aad::from([1_u8; 8]);
        let tag = key.seal_in_place_separate_tag(nonce(), aad, &mut buffer).expect("short enough");
        buffer.extend_from_slice(tag.as_ref());
        let len = key.open_in_place(nonce(), aad, &mut buffer).expect("just sealed").len();
        buffer.truncate(len);
        black_box(&mut buffer);
    })
}

fn bare_cbc(octets: usize) -> f64 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
    let block = Aes128::new(&[7; 16].into());
    let len = (octets + 2).next_multiple_of(16);
    // SPI, sequence number and IV in front, since the ICV covers them.
    let mut buffer = vec![0x5a; 24 + len];
    measure(|| {
        let cipher = cbc::Encryptor::inner_iv_init(block.clone(), &[3; 16].into());
        cipher.encrypt_padded::<NoPadding>(&mut buffer[24..], len).expect("whole blocks");
        black_box(hmac::sign(&key, &buffer));
        black_box(hmac::sign(&key, &buffer));
        let cipher = cbc::Decryptor::inner_iv_init(block.clone(), &[3; 16].into());
        cipher.decrypt_padded::<NoPadding>(&mut buffer[24..]).expect("whole blocks");
        black_box(&mut buffer);
    })
}
