//! A receiver with an SA of every kind, and any octets: thrown as they are, under a real SPI, or sealed under the peer's
//! keys, as an insider could.
//!
//! Shared by the fuzz targets, where libFuzzer chooses the octets, and by `tests/arrivals.rs`, where proptest does.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::sync::Arc;

use ipseclab_crypto::{
    AesKey, Authentication, Crypto, Encryption, Integrity, Purpose, RandomSource, RealProvider, Secret,
};
use ipseclab_ipsec::{
    AhParameters, DefaultAction, Engine, EngineConfig, EspParameters, Inbound, Mode, OutboundUse, PolicyId,
    Protection, SaPair, SaParameters, Selectors, Spd, SpdAction, SpdEntry, Spi, TrafficSelector, UdpEncap,
};

/// What the octets stand behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// An IP header that says ESP.
    Esp,
    /// An IP header that says AH.
    Ah,
    /// UDP to port 4500.
    UdpEncap,
    /// An IP header that says whatever the octets say: its protocol is their first one.
    Any,
}

const ENCRYPTION: Encryption = Encryption::AesGcm16(AesKey::Bits128);
const AUTHENTICATION: Authentication = Authentication::Mac(Integrity::HmacSha1_96);
const LOCAL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
const PEER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2))];
/// SPIs of the pairs: by version, mode, and protection (ESP, AH, ESP of a bundle); of its AH 16 more.
const FIRST_SPI: u32 = 0x1000;
/// Packets in one input, at most.
const PACKETS_MAX: usize = 32;

struct Zeros;

impl RandomSource for Zeros {
    fn fill(&mut self, _: Purpose, out: &mut [u8]) {
        out.fill(0);
    }
}

fn crypto() -> Crypto {
    Crypto::new(Arc::new(RealProvider::new()))
}

fn spi(value: u32) -> Spi {
    Spi::new(value).expect("far above the reserved ones")
}

fn protection(kind: u32, value: u32) -> Protection {
    let esp = EspParameters {
        spi: spi(value),
        encryption: ENCRYPTION,
        encryption_key: Secret::new(vec![1; ENCRYPTION.key_material_len()]),
        integrity: None,
    };
    let key = Secret::new(vec![2; AUTHENTICATION.key_material_len()]);
    let ah = |value| AhParameters { spi: spi(value), algorithm: AUTHENTICATION, key: key.clone() };
    match kind {
        0 => Protection::Esp(esp),
        1 => Protection::Ah(ah(value)),
        _ => Protection::AhEsp { ah: ah(value + 16), esp },
    }
}

fn receiver() -> Engine<()> {
    let entry = SpdEntry {
        name: String::from("all"),
        local: vec![TrafficSelector::ANY],
        remote: vec![TrafficSelector::ANY],
        action: SpdAction::Protect { policy: PolicyId(1), mode: Mode::Tunnel },
    };
    let config = EngineConfig {
        local_addresses: LOCAL.to_vec(),
        ..EngineConfig::new(Spd::new(vec![entry], DefaultAction::Discard), LOCAL[0])
    };
    let mut engine = Engine::new(config, crypto(), Box::new(Zeros));
    for number in 0..12 {
        let (version, mode, kind) = (number as usize % 2, number / 2 % 2, number / 4);
        let sa = |value, source, destination| SaParameters {
            protection: protection(kind, value),
            esn: kind == 1,
            mode: if mode == 0 { Mode::Tunnel } else { Mode::Transport },
            source,
            destination,
            udp_encap: None,
        };
        let value = FIRST_SPI + number;
        let pair = SaPair::new(
            PolicyId(1),
            sa(value, PEER[version], LOCAL[version]),
            sa(value + 0x1000, LOCAL[version], PEER[version]),
        );
        engine.install(Duration::ZERO, pair, OutboundUse::Now).expect("SPIs differ");
    }
    engine
}

/// One packet of an input: a length, a choice, octets.
struct Throw<'a> {
    choice: u8,
    octets: &'a [u8],
}

impl<'a> Throw<'a> {
    fn take(input: &mut &'a [u8]) -> Option<Self> {
        let [len, choice, rest @ ..] = *input else { return None };
        let (octets, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        *input = rest;
        Some(Self { choice: *choice, octets })
    }

    fn version(&self) -> usize {
        usize::from(self.choice & 1)
    }

    /// An SPI that the receiver has, mostly one that fits the version.
    fn spi(&self) -> u32 {
        FIRST_SPI + u32::from(self.choice >> 1 & 0x1f)
    }

    fn payload(&self, entry: Entry, number: u32) -> Vec<u8> {
        match (self.choice >> 6, entry) {
            (0, _) | (_, Entry::Any) => self.octets.to_vec(),
            (1, Entry::Ah) => {
                let mut payload = self.octets.to_vec();
                if let Some(place) = payload.get_mut(4..8) {
                    place.copy_from_slice(&self.spi().to_be_bytes());
                }
                payload
            }
            (1, _) => [&self.spi().to_be_bytes(), self.octets].concat(),
            (_, Entry::Ah) => self.authenticated(number),
            _ => self.sealed(number),
        }
    }

    /// ESP around the octets, under the peer's keys and with whatever trailer they end in.
    fn sealed(&self, number: u32) -> Vec<u8> {
        let key = Secret::new(vec![1; ENCRYPTION.key_material_len()]);
        let cipher = crypto().packet_cipher(ENCRYPTION, &key, None);
        let header = [self.spi().to_be_bytes(), number.to_be_bytes()].concat();
        let mut packet = [&header[..], &[0; 8], self.octets].concat();
        cipher.seal(&mut crypto(), &mut packet, header.len());
        packet
    }

    /// AH in front of the octets, whose ICV covers an IP header without options and without extended numbers' high half.
    fn authenticated(&self, number: u32) -> Vec<u8> {
        let [next_header, octets @ ..] = self.octets else { return vec![] };
        let mut ah = vec![*next_header, 4, 0, 0];
        ah.extend_from_slice(&self.spi().to_be_bytes());
        ah.extend_from_slice(&number.to_be_bytes());
        ah.extend_from_slice(&[0; 12]);
        ah.extend_from_slice(octets);
        let mut covered = ip_packet(self.version(), 51, &ah);
        let header_len = covered.len() - ah.len();
        let mutable: &[usize] = if self.version() == 0 { &[1, 6, 7, 8, 10, 11] } else { &[7] };
        for place in mutable {
            covered[*place] = 0;
        }
        let esn = (self.spi() - FIRST_SPI) / 4 == 1;
        covered.extend_from_slice(if esn { &[0; 4] } else { &[] });
        let key = Secret::new(vec![2; AUTHENTICATION.key_material_len()]);
        let mut crypto = crypto();
        let authenticator = crypto.authenticator(AUTHENTICATION, &key);
        let mut tag = [0; 12];
        authenticator.sign(&mut crypto, &covered, &[], &mut tag);
        covered[header_len + 12..header_len + 24].copy_from_slice(&tag);
        covered[header_len..header_len + ah.len()].to_vec()
    }
}

/// An IP packet from the peer to the receiver; the checksum is not looked at.
fn ip_packet(version: usize, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len =
        |headers: usize| u16::try_from(headers + payload.len()).expect("inputs are short").to_be_bytes();
    let mut packet = vec![];
    match (PEER[version], LOCAL[version]) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [high, low] = len(20);
            packet.extend_from_slice(&[0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0]);
            packet.extend_from_slice(&source.octets());
            packet.extend_from_slice(&destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let [high, low] = len(0);
            packet.extend_from_slice(&[0x60, 0, 0, 0, high, low, protocol, 64]);
            packet.extend_from_slice(&source.octets());
            packet.extend_from_slice(&destination.octets());
        }
        _ => unreachable!("both ends have one version"),
    }
    packet.extend_from_slice(payload);
    packet
}

/// Throws the packets of an input at a receiver, and checks that each is delivered whole or discarded, and that nothing
/// stays behind. Gives the number of packets that were delivered.
pub(crate) fn play(entry: Entry, mut input: &[u8]) -> usize {
    let mut receiver = receiver();
    let mut delivered = 0;
    for number in 1..=PACKETS_MAX {
        let Some(throw) = Throw::take(&mut input) else { break };
        let payload = throw.payload(entry, u32::try_from(number).unwrap_or(1));
        let (protocol, payload) = match entry {
            Entry::Esp => (50, payload),
            Entry::Ah => (51, payload),
            Entry::UdpEncap => (17, udp(&payload)),
            Entry::Any => match payload.split_first() {
                Some((protocol, rest)) => (*protocol, rest.to_vec()),
                None => continue,
            },
        };
        let packet = ip_packet(throw.version(), protocol, &payload);
        let len = packet.len();
        match receiver.inbound(Duration::ZERO, packet, ()) {
            Inbound::Deliver { packet, .. } => {
                assert!(Selectors::parse(&packet).is_ok() && packet.len() <= len);
                delivered += 1;
            }
            Inbound::Discard { .. } => {}
        }
        assert_eq!(receiver.packets_held(), 0);
        while receiver.poll_event().is_some() {}
    }
    delivered
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let ports = UdpEncap { source_port: 4500, destination_port: 4500 };
    let len = u16::try_from(8 + payload.len()).expect("inputs are short");
    let words = [ports.source_port, ports.destination_port, len, 0];
    words.iter().flat_map(|word| word.to_be_bytes()).chain(payload.iter().copied()).collect()
}
