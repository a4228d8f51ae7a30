//! Test: Wireshark's `ipsec_esp` samples, opened and sealed again octet by octet with the keys of their `esp_sa` tables.
//!
//! They are manually keyed with SPIs of the reserved range, which the engine rightly refuses, so they are tried on the
//! packet format directly. Of Blowfish and Twofish, which nobody negotiates here, the ICVs are checked.

use core::net::IpAddr;

use ipseclab_crypto::{AesKey, Encryption, Integrity, PacketCipher, Secret};

use crate::esp::{self, Envelope};
use crate::header::{IpHeader, protocol};
use crate::spi::{SeqNo, Spi};
use crate::testing::crypto;

#[path = "../tests/ipsec/pcap.rs"]
mod pcap;

/// A line of an `esp_sa` table.
struct Line {
    destination: IpAddr,
    /// `None` for one that is not built here.
    encryption: Option<(Encryption, Secret)>,
    integrity: Option<(Integrity, Secret)>,
}

impl Line {
    fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let encryption = match fields[4] {
            "AES-CBC [RFC3602]" => Some(Encryption::AesCbc(AesKey::Bits128)),
            "TripleDES-CBC [RFC2451]" => Some(Encryption::TripleDes),
            "DES-CBC [RFC2405]" => Some(Encryption::Des),
            "NULL" => Some(Encryption::Null),
            "BLOWFISH-CBC [RFC2451]" | "TWOFISH-CBC" => None,
            other => panic!("{other} is none of the samples' ciphers"),
        };
        let integrity = match fields[6] {
            "HMAC-SHA-1-96 [RFC2404]" => Some(Integrity::HmacSha1_96),
            "HMAC-MD5-96 [RFC2403]" => Some(Integrity::HmacMd5_96),
            "NULL" => None,
            other => panic!("{other} is none of the samples' MACs"),
        };
        Self {
            destination: address(fields[2]),
            encryption: encryption.map(|algorithm| (algorithm, key(fields[5]))),
            integrity: integrity.map(|algorithm| (algorithm, key(fields[7]))),
        }
    }

    /// The cipher of the line; where it is not built, the MAC alone.
    fn cipher(&self) -> PacketCipher {
        let integrity = self.integrity.as_ref().map(|(algorithm, key)| (*algorithm, key));
        match &self.encryption {
            Some((encryption, key)) => crypto().packet_cipher(*encryption, key, integrity),
            None => crypto().packet_cipher(Encryption::Null, &Secret::new([]), integrity),
        }
    }
}

/// An address as the tables write it: `3ffe::12` stands as it is.
fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Keys are hexadecimal behind 0x, and characters otherwise.
fn key(text: &str) -> Secret {
    match text.strip_prefix("0x") {
        Some(hex) => {
            let octet = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
            Secret::new((0..hex.len()).step_by(2).map(octet).collect::<Vec<_>>())
        }
        None => Secret::new(text.as_bytes()),
    }
}

/// Opens one packet, seals it again, and gives its next header and what is inside.
fn check_packet(cipher: &PacketCipher, original: &[u8]) -> (u8, Vec<u8>) {
    let mut crypto = crypto();
    let mut opened = original.to_vec();
    let result = esp::open(cipher, &mut crypto, &mut opened, None).unwrap();
    let word = |place: usize| u32::from_be_bytes(original[place..place + 4].try_into().unwrap());
    let envelope = Envelope {
        alignment: esp::TrailerAlignment::FourOctets,
        spi: Spi::reserved(word(0)),
        number: SeqNo::new(u64::from(word(4))),
        esn: false,
        iv: &original[esp::HEADER_LEN..result.payload.start],
        next_header: result.next_header,
    };
    // The payload stands where it will be; all else is written anew.
    let mut sealed = vec![0; original.len()];
    sealed[result.payload.clone()].copy_from_slice(&opened[result.payload.clone()]);
    esp::seal(cipher, &mut crypto, &envelope, &mut sealed, result.payload.len());
    assert_eq!(sealed, original);
    (result.next_header, opened[result.payload].to_vec())
}

/// ESP packets with their destinations.
type Packets = Vec<(IpAddr, Vec<u8>)>;

/// The lines of a sample's table and the ESP packets of its capture.
fn sample(name: &str) -> Option<(Vec<Line>, Packets)> {
    let folder = pcap::reference(&format!("captures/wireshark/ipsec_esp/{name}"))?;
    let table = std::fs::read_to_string(folder.join("esp_sa")).unwrap();
    let lines = table.lines().filter(|line| line.starts_with('"')).map(Line::parse).collect();
    let packets = pcap::ip_packets(&folder.join("capture.pcap"));
    let esp = packets.into_iter().flatten().filter_map(|packet| {
        let header = IpHeader::parse(&packet).ok()?;
        let payload = packet[header.upper.start..header.total_len].to_vec();
        (header.upper.protocol == protocol::ESP).then_some((header.destination, payload))
    });
    Some((lines, esp.collect()))
}

fn to(packets: &[(IpAddr, Vec<u8>)], destination: IpAddr) -> impl Iterator<Item = &Vec<u8>> {
    packets.iter().filter(move |(address, _)| *address == destination).map(|(_, packet)| packet)
}

#[test]
fn transport_mode_samples_of_both_versions_open_and_seal_to_the_same_octets() {
    let Some((lines, packets)) = sample("ipsec_esp_capture_1") else { return };
    let mut opened = 0;
    for line in &lines {
        let cipher = line.cipher();
        let expected = if line.destination.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        for packet in to(&packets, line.destination) {
            assert_eq!(check_packet(&cipher, packet).0, expected, "pings to {}", line.destination);
            opened += 1;
        }
    }
    assert_eq!((lines.len(), opened, packets.len()), (24, 240, 240));
}

#[test]
fn tunnel_mode_samples_open_and_seal_to_the_same_octets_inside_too() {
    let Some((lines, packets)) = sample("ipsec_esp_capture_2") else { return };
    let [outer, inner] = &lines[..] else { panic!("two lines") };
    for (_, packet) in &packets {
        let (kind, tunnelled) = check_packet(&outer.cipher(), packet);
        let header = IpHeader::parse(&tunnelled).unwrap();
        assert_eq!((kind, header.upper.protocol), (protocol::IPV4, protocol::ESP));
        let (kind, _) = check_packet(&inner.cipher(), &tunnelled[header.upper.start..]);
        assert_eq!(kind, protocol::ICMP);
    }
    assert_eq!(packets.len(), 312);
}

#[test]
fn icvs_of_samples_with_other_ciphers_are_accepted() {
    for (name, count) in [("ipsec_esp_capture_3", 18), ("ipsec_esp_capture_5", 72)] {
        let Some((lines, packets)) = sample(name) else { return };
        let mut accepted = 0;
        for line in &lines {
            assert_eq!(line.encryption, None);
            for packet in to(&packets, line.destination) {
                let mut packet = packet.clone();
                line.cipher().open(&mut crypto(), &mut packet, esp::HEADER_LEN).unwrap();
                accepted += 1;
            }
        }
        assert_eq!((accepted, packets.len()), (count, count), "{name}");
    }
}
