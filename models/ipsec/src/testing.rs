//! What unit tests share: a cryptographic session, keyed ciphers, packets to send.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::sync::Arc;

use ipseclab_crypto::{
    AesKey, Crypto, Encryption, Integrity, PacketCipher, Purpose, RandomSource, RealProvider, Secret,
};

use crate::engine::{Engine, EngineConfig};
use crate::sa::{EspParameters, Mode, OutboundUse, Protection, SaPair, SaParameters};
use crate::selector::TrafficSelector;
use crate::spd::{DefaultAction, PolicyId, Spd, SpdAction, SpdEntry};
use crate::spi::Spi;

pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const POLICY: PolicyId = PolicyId(1);

/// Octets that count up, whatever they are for.
#[derive(Default)]
pub(crate) struct Counting(u8);

impl RandomSource for Counting {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        for octet in out {
            *octet = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}

pub(crate) fn crypto() -> Crypto {
    Crypto::new(Arc::new(RealProvider::new()))
}

/// A cipher under a constant key, with HMAC-SHA1-96 where the encryption needs company.
pub(crate) fn cipher(encryption: Encryption) -> PacketCipher {
    let key = Secret::new(vec![0x11; encryption.key_material_len()]);
    let integrity = Secret::new(vec![0x22; Integrity::HmacSha1_96.key_len()]);
    let integrity = (!encryption.is_aead()).then_some((Integrity::HmacSha1_96, &integrity));
    crypto().packet_cipher(encryption, &key, integrity)
}

/// An ICMP echo request from `source` to `destination` with `octets` octets of data.
pub(crate) fn ping(source: Ipv4Addr, destination: Ipv4Addr, octets: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(octets).collect();
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
        .icmpv4_echo_request(7, 1)
        .write(&mut packet, &data)
        .unwrap();
    packet
}

/// An AES-128-GCM pair between [`LEFT`] and [`RIGHT`], seen from the left.
pub(crate) fn pair(mode: Mode) -> SaPair {
    let encryption = Encryption::AesGcm16(AesKey::Bits128);
    let sa = |spi, source: Ipv4Addr, destination: Ipv4Addr| SaParameters {
        protection: Protection::Esp(EspParameters {
            spi: Spi::new(spi).unwrap(),
            encryption,
            encryption_key: Secret::new(vec![0x33; encryption.key_material_len()]),
            integrity: None,
        }),
        esn: false,
        mode,
        source: source.into(),
        destination: destination.into(),
        udp_encap: None,
    };
    SaPair::new(POLICY, sa(0x1000, RIGHT, LEFT), sa(0x2000, LEFT, RIGHT))
}

/// The other end's view of a pair.
pub(crate) fn mirrored(pair: SaPair) -> SaPair {
    SaPair {
        inbound: pair.outbound,
        outbound: pair.inbound,
        local_ts: pair.remote_ts,
        remote_ts: pair.local_ts,
        ..pair
    }
}

/// An engine at `address` that protects everything under `pair`.
pub(crate) fn engine(address: Ipv4Addr, pair: SaPair) -> Engine<u32> {
    let entry = SpdEntry {
        name: String::from("all"),
        local: vec![TrafficSelector::ANY],
        remote: vec![TrafficSelector::ANY],
        action: SpdAction::Protect { policy: POLICY, mode: pair.inbound.mode },
    };
    let spd = Spd::new(vec![entry], DefaultAction::Discard);
    let mut engine = Engine::new(EngineConfig::new(spd, address), crypto(), Box::new(Counting::default()));
    engine.install(Duration::ZERO, pair, OutboundUse::Now).unwrap();
    engine
}
