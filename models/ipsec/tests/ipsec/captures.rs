//! Real ESP from strongSwan and from the Wireshark wiki: every packet is opened, and an engine that is given the same
//! randomness must send the same octets.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ipseclab_crypto::{AesKey, Encryption, Integrity, Secret};
use ipseclab_ipsec::{
    EngineConfig, EspParameters, Inbound, Mode, OutboundUse, Protection, SaPair, SaParameters, Spi, UdpEncap,
};
use serde::Deserialize;

use crate::pcap::{ip_packets, reference};
use crate::support::{POLICY, Scripted, TestEngine, delivered, engine, engine_with, protect_all, sent};

/// IPv4 and UDP headers in front of ESP.
const OUTER_LEN: usize = 28;

/// IP and UDP headers in front of ESP.
fn outer_len(packet: &[u8]) -> usize {
    if packet[0] >> 4 == 6 { 48 } else { OUTER_LEN }
}

#[derive(Deserialize)]
struct Keys {
    sas: Vec<SaKeys>,
}

#[derive(Deserialize)]
struct SaKeys {
    proto: String,
    spi: String,
    src: String,
    dst: String,
    proposal: String,
    encr_key: String,
    integ_key: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    frame: usize,
    ip_len: usize,
    kind: String,
    len: usize,
    spi: Option<String>,
    seq: Option<u32>,
    iv_len: Option<usize>,
    pad_len: Option<usize>,
    icv_len: Option<usize>,
    inner_len: Option<usize>,
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
}

fn spi(hex: &str) -> Spi {
    Spi::new(u32::from_str_radix(hex, 16).unwrap()).unwrap()
}

/// The algorithms of a strongSwan proposal string, or `None` when they are not built here.
fn algorithms(proposal: &str) -> Option<(Encryption, Option<Integrity>)> {
    let name = |part: &str| match part {
        "3DES_CBC" => Some(Encryption::TripleDes),
        "AES_CBC_128" => Some(Encryption::AesCbc(AesKey::Bits128)),
        "AES_CBC_256" => Some(Encryption::AesCbc(AesKey::Bits256)),
        "AES_GCM_16_128" => Some(Encryption::AesGcm16(AesKey::Bits128)),
        "AES_GCM_16_256" => Some(Encryption::AesGcm16(AesKey::Bits256)),
        "CHACHA20_POLY1305" => Some(Encryption::ChaCha20Poly1305),
        "NULL" => Some(Encryption::Null),
        _ => None,
    };
    let mut parts = proposal.strip_prefix("ESP:")?.split('/');
    let encryption = name(parts.next()?)?;
    let integrity = match parts.next()? {
        _ if encryption.is_aead() => None,
        "HMAC_MD5_96" => Some(Integrity::HmacMd5_96),
        "HMAC_SHA1_96" => Some(Integrity::HmacSha1_96),
        "HMAC_SHA2_256_128" => Some(Integrity::HmacSha2_256_128),
        _ => return None,
    };
    Some((encryption, integrity))
}

/// Parameters for a key line, or `None` for AH and other algorithms.
fn parameters(keys: &SaKeys) -> Option<SaParameters> {
    let (encryption, integrity) = algorithms(&keys.proposal)?;
    let integrity_key = octets(keys.integ_key.as_deref().unwrap_or_default());
    let esp = EspParameters {
        spi: spi(&keys.spi),
        encryption,
        encryption_key: Secret::new(octets(&keys.encr_key)),
        integrity: integrity.map(|algorithm| (algorithm, Secret::new(integrity_key))),
    };
    Some(SaParameters {
        protection: Protection::Esp(esp),
        esn: false,
        mode: Mode::Tunnel,
        source: keys.src.parse().ok()?,
        destination: keys.dst.parse().ok()?,
        udp_encap: Some(UdpEncap { source_port: 4500, destination_port: 4500 }),
    })
    .filter(|_| keys.proto == "ESP")
}

/// Both halves alike: a receiver uses the one, a sender that must send the same octets the other.
fn both_ways(sa: &SaParameters) -> SaPair {
    SaPair::new(POLICY, sa.clone(), sa.clone())
}

/// The octets that the sender's generator must have given: IVs of CBC, the salt of counting IVs of AEADs.
fn randomness(sa: &SaParameters, packets: &[Vec<u8>]) -> Vec<u8> {
    let encryption = sa.protection.esp().unwrap().encryption;
    let iv = |packet: &Vec<u8>| packet[outer_len(packet) + 8..][..encryption.iv_len()].to_vec();
    if encryption.needs_random_iv() {
        return packets.iter().flat_map(iv).collect();
    }
    let mut salt = packets.first().map(iv).unwrap_or_default();
    if let Some(last) = salt.last_mut() {
        // The first packet has sequence number 1.
        *last ^= 1;
    }
    salt
}

fn receiver(sa: &SaParameters) -> TestEngine {
    let mut receiver = engine(sa.destination, protect_all(Mode::Tunnel));
    receiver.install(Duration::ZERO, both_ways(sa), OutboundUse::Now).unwrap();
    receiver
}

/// Opens all packets of one SA in order and gives back what they protect.
fn open_all(sa: &SaParameters, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut receiver = receiver(sa);
    packets.iter().map(|packet| delivered(receiver.inbound(Duration::ZERO, packet.clone(), 0))).collect()
}

/// Sends `inner` as the captured sender did and compares octets: all but identification and header checksum.
fn seal_all(sa: &SaParameters, inner: &[Vec<u8>], packets: &[Vec<u8>]) {
    let config = EngineConfig::new(protect_all(Mode::Tunnel), sa.source);
    let mut sender = engine_with(config, Scripted::new(randomness(sa, packets)));
    sender.install(Duration::ZERO, both_ways(sa), OutboundUse::Now).unwrap();
    for (inner, captured) in inner.iter().zip(packets) {
        let ours = sent(sender.outbound(Duration::ZERO, inner.clone(), 0));
        if sa.source.is_ipv6() {
            // The flow label is the sender's to choose.
            assert_eq!(ours[0], captured[0], "version");
            assert_eq!(ours[4..], captured[4..], "lengths, addresses, UDP and ESP of {}", sa.spi());
            continue;
        }
        assert_eq!(ours[..4], captured[..4], "version, traffic class, length");
        assert_eq!(ours[6..10], captured[6..10], "flags, TTL, protocol");
        assert_eq!(ours[12..], captured[12..], "addresses, UDP and ESP of {}", sa.spi());
    }
}

/// Checks one case; gives back how many packets it opened.
fn check_case(case: &Path) -> usize {
    let keys: Keys = serde_json::from_str(&fs::read_to_string(case.join("keys.json")).unwrap()).unwrap();
    let frames = ip_packets(&case.join("capture.pcap"));
    let mut rows: BTreeMap<Spi, Vec<Row>> = BTreeMap::new();
    for row in csv::Reader::from_path(case.join("esp.csv")).unwrap().deserialize::<Row>() {
        let row = row.unwrap();
        if row.kind == "esp" {
            rows.entry(spi(row.spi.as_deref().unwrap())).or_default().push(row);
        }
    }
    let known: Vec<SaParameters> = keys.sas.iter().filter_map(parameters).collect();
    rows.iter().map(|(spi, rows)| check_sa(&known, *spi, rows, &frames)).sum()
}

fn check_sa(known: &[SaParameters], spi: Spi, rows: &[Row], frames: &[Option<Vec<u8>>]) -> usize {
    let candidates: Vec<&SaParameters> = known.iter().filter(|sa| sa.spi() == spi).collect();
    if candidates.is_empty() {
        return 0;
    }
    let packets: Vec<Vec<u8>> = rows.iter().map(|row| frames[row.frame - 1].clone().unwrap()).collect();
    // Where two rekeyings collided the key logs name one SPI with the keys of both; one of them must be right.
    let opens = |sa: &&&SaParameters| {
        matches!(receiver(sa).inbound(Duration::ZERO, packets[0].clone(), 0), Inbound::Deliver { .. })
    };
    let sa = candidates.iter().find(opens).unwrap();
    let inner = open_all(sa, &packets);
    for ((row, packet), inner) in rows.iter().zip(&packets).zip(&inner) {
        check_row(row, packet, inner);
    }
    seal_all(sa, &inner, &packets);
    rows.len()
}

fn check_row(row: &Row, packet: &[u8], inner: &[u8]) {
    let outer_len = outer_len(packet);
    let number = u32::from_be_bytes(packet[outer_len + 4..outer_len + 8].try_into().unwrap());
    assert_eq!(row.seq, Some(number));
    assert_eq!(row.inner_len, Some(inner.len()));
    assert_eq!((row.ip_len, row.len), (packet.len(), packet.len() - outer_len));
    let parts = [row.iv_len, row.inner_len, row.pad_len, row.icv_len];
    let overhead = 8 + 2;
    assert_eq!(parts.into_iter().flatten().sum::<usize>() + overhead, row.len);
}

#[test]
fn every_strongswan_packet_opens_and_seals_to_the_same_octets() {
    let Some(root) = reference("captures/strongswan") else { return };
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let with_esp = cases.iter().filter(|case| case.join("esp.csv").exists());
    let opened: usize = with_esp.map(|case| check_case(case)).sum();
    assert_eq!(opened, 272, "packets opened, 8 of them over IPv6");
}

/// SPI, encryption with its key, integrity with its key.
type SampleKeys = (Spi, Encryption, Secret, Option<(Integrity, Secret)>);

/// The lines of the sample's `esp_sa`.
fn sample_keys(table: &str) -> Vec<SampleKeys> {
    let mut keys = Vec::new();
    for line in table.lines().filter(|line| line.starts_with('"')) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim_matches('"')).collect();
        let key = |field: usize| Secret::new(octets(fields[field].trim_start_matches("0x")));
        let (encryption, integrity) = match fields[4] {
            "AES-GCM with 16 octet ICV [RFC4106]" => (Encryption::AesGcm16(AesKey::Bits128), None),
            "AES-CBC [RFC3602]" => {
                (Encryption::AesCbc(AesKey::Bits128), Some((Integrity::HmacSha2_256_128, key(7))))
            }
            "AES-CTR [RFC3686]" => {
                (Encryption::AesCtr(AesKey::Bits128), Some((Integrity::HmacSha2_256_128, key(7))))
            }
            other => panic!("{other} is none of the sample's ciphers"),
        };
        keys.push((spi(fields[3].trim_start_matches("0x")), encryption, key(5), integrity));
    }
    keys
}

#[test]
fn the_wireshark_ikev2_sample_opens() {
    let Some(root) = reference("captures/wireshark/ipsec_ikev2_esp") else { return };
    let packets: Vec<Vec<u8>> = ip_packets(&root.join("capture.pcapng")).into_iter().flatten().collect();
    let mut opened = 0;
    for (spi, encryption, encryption_key, integrity) in
        sample_keys(&fs::read_to_string(root.join("esp_sa")).unwrap())
    {
        let ours: Vec<Vec<u8>> = packets
            .iter()
            .filter(|packet| packet.get(OUTER_LEN..OUTER_LEN + 4) == Some(&spi.value().to_be_bytes()))
            .cloned()
            .collect();
        let address = |place: usize| {
            Ipv4Addr::from_bits(u32::from_be_bytes(ours[0][place..place + 4].try_into().unwrap()))
        };
        let port = u16::from_be_bytes(ours[0][22..24].try_into().unwrap());
        let sa = SaParameters {
            protection: Protection::Esp(EspParameters { spi, encryption, encryption_key, integrity }),
            esn: false,
            mode: Mode::Tunnel,
            source: address(12).into(),
            destination: address(16).into(),
            udp_encap: None,
        };
        // The client of this capture does not use port 4500 itself.
        let config = EngineConfig {
            nat_traversal_port: port,
            ..EngineConfig::new(protect_all(Mode::Tunnel), sa.destination)
        };
        let mut receiver = engine_with(config, Scripted::default());
        receiver.install(Duration::ZERO, both_ways(&sa), OutboundUse::Now).unwrap();
        let inner: Vec<Vec<u8>> =
            ours.into_iter().map(|packet| delivered(receiver.inbound(Duration::ZERO, packet, 0))).collect();
        assert!(inner.iter().all(|packet| packet[9] == 1), "pings");
        opened += inner.len();
    }
    assert_eq!(opened, 24);
}
