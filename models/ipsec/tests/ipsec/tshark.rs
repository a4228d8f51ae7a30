//! Our packets in the eyes of tshark: with the keys it finds every ICV right and the ping inside, in every algorithm that it
//! knows, and it reads the headers of AH.

use core::fmt::Write as _;
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ipseclab_crypto::{Encryption, Integrity};
use ipseclab_ipsec::{Mode, OutboundUse};

use crate::support::{LEFT, LEFT_HOST, RIGHT, RIGHT_HOST, Suite, engine, ping, protect_all, sent};

/// Link type of packets that begin with their IP header.
const LINKTYPE_RAW: u32 = 101;

/// tshark's names of encryption algorithms that it can check.
fn encryption_name(encryption: Encryption) -> Option<&'static str> {
    match encryption {
        Encryption::Null => Some("NULL"),
        Encryption::Des => Some("DES-CBC [RFC2405]"),
        Encryption::TripleDes => Some("TripleDES-CBC [RFC2451]"),
        Encryption::AesCbc(_) => Some("AES-CBC [RFC3602]"),
        Encryption::AesCtr(_) => Some("AES-CTR [RFC3686]"),
        Encryption::AesGcm8(_) => Some("AES-GCM with 8 octet ICV [RFC4106]"),
        Encryption::AesGcm12(_) => Some("AES-GCM with 12 octet ICV [RFC4106]"),
        Encryption::AesGcm16(_) => Some("AES-GCM with 16 octet ICV [RFC4106]"),
        Encryption::AesCcm8(_)
        | Encryption::AesCcm12(_)
        | Encryption::AesCcm16(_)
        | Encryption::AesGmac(_)
        | Encryption::ChaCha20Poly1305 => None,
    }
}

fn integrity_name(integrity: Option<Integrity>) -> Option<&'static str> {
    match integrity {
        None => Some("NULL"),
        Some(Integrity::HmacMd5_96) => Some("HMAC-MD5-96 [RFC2403]"),
        Some(Integrity::HmacSha1_96) => Some("HMAC-SHA-1-96 [RFC2404]"),
        Some(Integrity::HmacSha2_256_128) => Some("HMAC-SHA-256-128 [RFC4868]"),
        Some(Integrity::HmacSha2_384_192) => Some("HMAC-SHA-384-192 [RFC4868]"),
        Some(Integrity::HmacSha2_512_256) => Some("HMAC-SHA-512-256 [RFC4868]"),
        Some(Integrity::AesXcbc96 | Integrity::AesCmac96) => None,
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::from(if octets.is_empty() { "" } else { "0x" });
    for octet in octets {
        write!(text, "{octet:02x}").unwrap();
    }
    text
}

/// A folder with the packets as `packets.pcap` and a table of keys, which tshark takes as its configuration.
fn folder(name: &str, packets: &[Vec<u8>], table: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let mut file = vec![];
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, LINKTYPE_RAW] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap().to_le_bytes();
        file.extend([[0; 4], [0; 4], len, len].concat());
        file.extend_from_slice(packet);
    }
    fs::write(folder.join("packets.pcap"), file).unwrap();
    fs::write(folder.join("esp_sa"), table).unwrap();
    folder
}

/// The fields of each packet, or `None`, with a note, where there is no tshark.
fn tshark(folder: &PathBuf, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.env("WIRESHARK_CONFIG_DIR", folder).arg("-r").arg(folder.join("packets.pcap"));
    command.args(["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]);
    command.args(["-T", "fields"]).args(fields.iter().flat_map(|field| ["-e", field]));
    let Ok(output) = command.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn every_icv_is_right_and_every_ping_is_found() {
    let (mut packets, mut table, mut expected) = (vec![], String::new(), vec![]);
    for (number, suite) in (0x2000_u32..).step_by(2).zip(Suite::all()) {
        let names = (encryption_name(suite.encryption), integrity_name(suite.integrity));
        let (Some(encryption), Some(integrity)) = names else { continue };
        if suite.mode != Mode::Tunnel || suite.esn || suite.encapsulated {
            continue;
        }
        let pair = suite.pair(number);
        let esp = pair.outbound.protection.esp().unwrap();
        let integrity_key = esp.integrity.as_ref().map_or(&[][..], |(_, key)| key.expose());
        writeln!(
            table,
            "\"IPv4\",\"{LEFT}\",\"{RIGHT}\",\"0x{:08x}\",\"{encryption}\",\"{}\",\"{integrity}\",\"{}\"",
            esp.spi.value(),
            hex(esp.encryption_key.expose()),
            hex(integrity_key),
        )
        .unwrap();
        let mut left = engine(LEFT, protect_all(Mode::Tunnel));
        left.install(Duration::ZERO, pair.clone(), OutboundUse::Now).unwrap();
        for octets in [0, 1, 56, 1000] {
            packets.push(sent(left.outbound(Duration::ZERO, ping(LEFT_HOST, RIGHT_HOST, octets), 0)));
            expected.push(format!("0x{:08x}\t1\t8", esp.spi.value()));
        }
    }
    assert_eq!(packets.len(), 4 * (9 * 5 + 9), "nine ciphers with five MACs each, nine of AES-GCM");
    let folder = folder("tshark-esp", &packets, &table);
    let Some(found) = tshark(&folder, &["esp.spi", "esp.icv_good", "icmp.type"]) else { return };
    assert_eq!(found, expected);
}

#[test]
fn headers_of_ah_are_read() {
    let algorithm = ipseclab_crypto::Authentication::Mac(Integrity::HmacSha2_256_128);
    let mut pair = Suite::GCM_TUNNEL.pair(0x3000);
    for sa in [&mut pair.inbound, &mut pair.outbound] {
        let key = ipseclab_crypto::Secret::new(vec![7; algorithm.key_material_len()]);
        sa.protection =
            ipseclab_ipsec::Protection::Ah(ipseclab_ipsec::AhParameters { spi: sa.spi(), algorithm, key });
    }
    let mut left = engine(LEFT, protect_all(Mode::Tunnel));
    left.install(Duration::ZERO, pair, OutboundUse::Now).unwrap();
    let packets: Vec<_> = (1..=2)
        .map(|octets| sent(left.outbound(Duration::ZERO, ping(LEFT_HOST, RIGHT_HOST, octets), 0)))
        .collect();
    let folder = folder("tshark-ah", &packets, "");
    let fields = ["ah.spi", "ah.sequence", "ah.next_header", "icmp.type", "_ws.malformed"];
    let Some(found) = tshark(&folder, &fields) else { return };
    assert_eq!(found, ["0x00003001\t1\t4\t8\t", "0x00003001\t2\t4\t8\t"]);
}
