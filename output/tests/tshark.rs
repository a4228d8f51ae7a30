//! What an independent reader makes of our captures and key tables.
//!
//! These tests run tshark where it is installed, and read captures of strongSwan where the reference folder is there;
//! without them they say so and pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use ipseclab_output::wireshark::AesBits;
use ipseclab_output::{Direction, Encryption, EspKeyRow, IkeKeyRow, Integrity, KeyTables, PcapngWriter};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn tshark(config: &Path, arguments: &[&str]) -> Output {
    Command::new("tshark").env("WIRESHARK_CONFIG_DIR", config).args(arguments).output().unwrap()
}

/// Standard output of a run that must succeed without complaints about its configuration.
fn decoded(config: &Path, arguments: &[&str]) -> String {
    let output = tshark(config, arguments);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<_> = complaints.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{complaints:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn has_tshark() -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok();
    if !found {
        println!("skipped: tshark is not installed");
    }
    found
}

fn reference(case: &str) -> Option<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/captures/strongswan");
    let folder = Path::new(folder).join(case);
    if !folder.exists() {
        println!("skipped: the reference captures are not there");
        return None;
    }
    Some(folder)
}

fn write(tables: &KeyTables) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in tables.files() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// An ICMP echo request in IPv4, with correct checksums.
const PING: [u8; 28] =
    [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0xf6, 0xda, 192, 0, 2, 1, 192, 0, 2, 2, 8, 0, 0xf7, 0xfd, 0, 1, 0, 1];

#[test]
fn tshark_reads_times_to_the_nanosecond_comments_and_directions() {
    if !has_tshark() {
        return;
    }
    let mut writer = PcapngWriter::new("left", "site-to-site, seed 1");
    writer.packet(1_000_000_001, Some(Direction::Outbound), &PING, Some("first")).unwrap();
    writer.packet(4_062_034_567_891, Some(Direction::Inbound), &PING, None).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("left.pcapng");
    std::fs::write(&file, writer.finish()).unwrap();
    let file = file.to_str().unwrap();
    let fields = [
        "frame.time_epoch",
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.comment",
        "ip.src",
        "icmp.type",
        "icmp.checksum.status",
    ];
    let mut arguments = vec!["-r", file, "-T", "fields", "-E", "separator=,", "-o", "ip.check_checksum:TRUE"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", *field]));
    let expected =
        "1.000000001,left,0x00000002,first,192.0.2.1,8,1\n4062.034567891,left,0x00000001,,192.0.2.1,8,1\n";
    assert_eq!(decoded(folder.path(), &arguments), expected);
}

#[test]
fn tshark_takes_every_name_that_the_tables_can_hold() {
    if !has_tshark() {
        return;
    }
    let mut tables = KeyTables::new();
    for (spi, encryption) in (1..).zip(Encryption::all()) {
        for integrity in Integrity::ALL {
            let (spi, key) = (spi * 0x100 + integrity as u32, vec![7; key_length(encryption)]);
            let ikey = vec![9; integrity_key_length(integrity)];
            tables.add_ike(&IkeKeyRow {
                spi_i: u64::from(spi),
                spi_r: 1,
                sk_ei: key.clone(),
                sk_er: key.clone(),
                encryption,
                sk_ai: ikey.clone(),
                sk_ar: ikey.clone(),
                integrity,
            });
            let address = "192.0.2.1".parse().unwrap();
            tables.add_esp(&EspKeyRow { src: address, dst: address, spi, encryption, key, integrity, ikey });
        }
    }
    let config = write(&tables);
    let file = config.path().join("empty.pcapng");
    std::fs::write(&file, PcapngWriter::new("left", "").finish()).unwrap();
    assert_eq!(decoded(config.path(), &["-r", file.to_str().unwrap()]), "");
    // The same check does notice a name that tshark does not know.
    std::fs::write(
        config.path().join("ikev2_decryption_table"),
        "01,02,aa,bb,\"ROT13\",,,\"NONE [RFC4306]\"\n",
    )
    .unwrap();
    let output = tshark(config.path(), &["-r", file.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("ROT13"));
}

fn key_length(encryption: Encryption) -> usize {
    let octets = |key: AesBits| usize::from(key.bits()) / 8;
    match encryption {
        Encryption::Null => 0,
        Encryption::Des => 8,
        Encryption::TripleDes => 24,
        Encryption::AesCbc(key) => octets(key),
        Encryption::AesCcm8(key) | Encryption::AesCcm12(key) | Encryption::AesCcm16(key) => octets(key) + 3,
        Encryption::AesCtr(key)
        | Encryption::AesGcm8(key)
        | Encryption::AesGcm12(key)
        | Encryption::AesGcm16(key)
        | Encryption::AesGmac(key) => octets(key) + 4,
        Encryption::ChaCha20Poly1305 => 36,
    }
}

fn integrity_key_length(integrity: Integrity) -> usize {
    match integrity {
        Integrity::None => 0,
        Integrity::HmacMd5 | Integrity::AesXcbc | Integrity::AesCmac => 16,
        Integrity::HmacSha1 => 20,
        Integrity::HmacSha256 => 32,
        Integrity::HmacSha384 => 48,
        Integrity::HmacSha512 => 64,
    }
}

/// Decodes a capture of strongSwan with tables written from its keys; returns what is inside the encrypted parts.
fn decrypt(case: &str, encryption: Encryption, ike: Integrity, esp: Integrity) -> Option<[String; 4]> {
    let folder = reference(case)?;
    let keys = std::fs::read(folder.join("keys.json")).unwrap();
    let keys: Value = serde_json::from_slice(&keys).unwrap();
    let mut tables = KeyTables::new();
    for sa in keys["ike_sas"].as_array().unwrap() {
        let (spi_i, spi_r) = (number(&sa["spi_i"]), number(&sa["spi_r"]));
        let key = |name| unhex(&sa[name]);
        tables.add_ike(&IkeKeyRow {
            spi_i,
            spi_r,
            sk_ei: key("SK_ei"),
            sk_er: key("SK_er"),
            encryption: ike_cipher(sa),
            sk_ai: key("SK_ai"),
            sk_ar: key("SK_ar"),
            integrity: ike,
        });
    }
    for sa in keys["sas"].as_array().unwrap() {
        let [src, dst] = ["src", "dst"].map(|name| sa[name].as_str().unwrap().parse().unwrap());
        let [key, ikey] = ["encr_key", "integ_key"].map(|name| unhex(&sa[name]));
        let spi = u32::try_from(number(&sa["spi"])).unwrap();
        tables.add_esp(&EspKeyRow { src, dst, spi, encryption, key, integrity: esp, ikey });
    }
    let config = write(&tables);
    let capture = folder.join("capture.pcap");
    let show = |filter: &str, field: &str| {
        let arguments = ["-r", capture.to_str().unwrap(), "-Y", filter, "-T", "fields", "-e", field];
        decoded(config.path(), &arguments)
    };
    Some([
        show("isakmp.exchangetype == 35", "isakmp.typepayload"),
        show("esp && icmp", "icmp.type"),
        show("esp && !(esp.icv_good == 1)", "frame.number"),
        show("esp.icv_bad == 1 || _ws.malformed || _ws.expert.message contains \"ncorrect\"", "frame.number"),
    ])
}

fn ike_cipher(sa: &Value) -> Encryption {
    let proposal = sa["proposal"].as_str().unwrap();
    if proposal.contains("3DES") {
        return Encryption::TripleDes;
    }
    if proposal.contains("AES_GCM_16_256") {
        Encryption::AesGcm16(AesBits::Bits256)
    } else {
        Encryption::AesCbc(AesBits::Bits128)
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_default();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn check_decryption(case: &str, encryption: Encryption, ike: Integrity, esp: Integrity) {
    if !has_tshark() {
        return;
    }
    let Some([payloads, pings, unchecked, bad]) = decrypt(case, encryption, ike, esp) else { return };
    // IKE_AUTH has two messages; 39 is AUTH, 44 and 45 are the traffic selectors (RFC 7296 §3.2).
    assert_eq!(payloads.lines().count(), 2);
    for message in payloads.lines() {
        let types: Vec<&str> = message.split(',').collect();
        assert!(["46", "39", "44", "45"].iter().all(|payload| types.contains(payload)), "{types:?}");
    }
    assert!(pings.contains('8') && pings.contains('0'), "{pings}");
    assert_eq!([unchecked, bad], ["", ""]);
}

#[test]
fn tshark_decrypts_gcm_with_our_tables() {
    check_decryption(
        "v2-psk-gcm256-ecp256",
        Encryption::AesGcm16(AesBits::Bits256),
        Integrity::None,
        Integrity::None,
    );
}

#[test]
fn tshark_decrypts_cbc_and_hmac_with_our_tables() {
    let hmac = Integrity::HmacSha256;
    check_decryption("v2-psk-aes128-modp2048", Encryption::AesCbc(AesBits::Bits128), hmac, hmac);
}

#[test]
fn tshark_decodes_null_encryption_with_our_tables() {
    let hmac = Integrity::HmacSha256;
    check_decryption("v2-null-esp", Encryption::Null, hmac, hmac);
}

#[test]
fn tshark_decrypts_triple_des_with_our_tables() {
    let hmac = Integrity::HmacSha1;
    check_decryption("v2-psk-3des-sha1-modp1024", Encryption::TripleDes, hmac, hmac);
}
