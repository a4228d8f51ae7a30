//! Reading the reference captures: pcap records, the tables beside them, and their keys.

use std::path::{Path, PathBuf};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use ipseclab_crypto::{AesKey, Crypto, Encryption, Integrity, PacketCipher, Secret};
use serde::Deserialize;

/// The port on which a four-octet marker of zeros tells IKE from ESP (RFC 3948 §2.2).
const NAT_PORT: u16 = 4500;

/// The reference captures of strongSwan, or `None` with a message where they are not there.
pub(crate) fn cases() -> Option<Vec<PathBuf>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/captures/strongswan");
    let Ok(entries) = std::fs::read_dir(root) else {
        println!("skipped: no reference captures beside the workspace");
        return None;
    };
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    Some(cases)
}

/// The reference captures of IKEv2.
pub(crate) fn v2_cases() -> Option<Vec<PathBuf>> {
    let mut cases = cases()?;
    cases.retain(|case| name(case).starts_with("v2-"));
    Some(cases)
}

pub(crate) fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

/// The frames of a case's capture.
pub(crate) fn frames(case: &Path) -> Vec<Vec<u8>> {
    frames_of(&std::fs::read(case.join("capture.pcap")).unwrap())
}

/// The frames of a classic little-endian pcap file with microseconds and Ethernet.
pub(crate) fn frames_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(bytes[..4], [0xd4, 0xc3, 0xb2, 0xa1], "little-endian pcap");
    assert_eq!(bytes[20], 1, "Ethernet");
    let mut rest = &bytes[24..];
    let mut frames = Vec::new();
    while let Some((record, after)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(record[8..12].try_into().unwrap()) as usize;
        assert_eq!(record[8..12], record[12..16], "whole frames");
        frames.push(after[..len].to_vec());
        rest = &after[len..];
    }
    assert!(rest.is_empty());
    frames
}

/// The IKE message in a frame; `None` for everything else. IP fragments stop the test: the captures have none.
pub(crate) fn ike_message(frame: &[u8]) -> Option<Vec<u8>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    if let Some(NetSlice::Ipv4(ip)) = &packet.net {
        assert!(!ip.header().is_fragmenting_payload(), "IP fragments are not reassembled here");
    }
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return None;
    };
    if udp.source_port() != NAT_PORT && udp.destination_port() != NAT_PORT {
        return Some(udp.payload().to_vec());
    }
    udp.payload().strip_prefix(&[0; 4]).map(<[u8]>::to_vec)
}

/// A row of `messages.csv`, the columns that are used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) frame: usize,
    pub(crate) ike_len: usize,
    pub(crate) udp_payload_len: usize,
    pub(crate) version: String,
    pub(crate) spi_i: String,
    pub(crate) spi_r: String,
    pub(crate) exchange: String,
    pub(crate) msgid: String,
    pub(crate) flags: String,
    pub(crate) enc: String,
    pub(crate) iv_len: Option<usize>,
    pub(crate) pad_len: Option<usize>,
    pub(crate) icv_len: Option<usize>,
    pub(crate) payloads: String,
    pub(crate) key_set: Option<usize>,
}

pub(crate) fn rows(case: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(case.join("messages.csv")).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// The keys of one IKE SA in `keys.json`; some SAs there never got as far as keys.
#[derive(Debug, Deserialize)]
pub(crate) struct KeySet {
    proposal: String,
    #[serde(default)]
    pub(crate) spi_i: String,
    #[serde(default)]
    pub(crate) spi_r: String,
    #[serde(rename = "DH_shared", default)]
    pub(crate) dh_shared: String,
    #[serde(rename = "SKEYSEED", default)]
    pub(crate) skeyseed: String,
    #[serde(rename = "SK_d", default)]
    pub(crate) sk_d: String,
    #[serde(rename = "SK_ai", default)]
    pub(crate) sk_ai: String,
    #[serde(rename = "SK_ar", default)]
    pub(crate) sk_ar: String,
    #[serde(rename = "SK_ei", default)]
    pub(crate) sk_ei: String,
    #[serde(rename = "SK_er", default)]
    pub(crate) sk_er: String,
    #[serde(rename = "SK_pi", default)]
    pub(crate) sk_pi: String,
    #[serde(rename = "SK_pr", default)]
    pub(crate) sk_pr: String,
}

/// The keys of one Child SA in `keys.json`, named by direction of the exchange that made it.
#[derive(Debug, Deserialize)]
pub(crate) struct ChildKeySet {
    pub(crate) spi_in: String,
    pub(crate) spi_out: String,
    #[serde(default)]
    pub(crate) encr_i: String,
    #[serde(default)]
    pub(crate) encr_r: String,
    #[serde(default)]
    pub(crate) integ_i: String,
    #[serde(default)]
    pub(crate) integ_r: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Keys {
    pub(crate) ike_sas: Vec<KeySet>,
    pub(crate) child_keys: Vec<ChildKeySet>,
}

pub(crate) fn keys(case: &Path) -> Keys {
    let text = std::fs::read_to_string(case.join("keys.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl KeySet {
    /// The cipher of what the original initiator or responder sends; `None` where we do not have the algorithms.
    pub(crate) fn cipher(&self, crypto: &Crypto, from_initiator: bool) -> Option<PacketCipher> {
        let names = self.proposal.strip_prefix("IKE:").unwrap();
        let encryption = names.split('/').find_map(encryption)?;
        let integrity = names.split('/').find_map(integrity);
        let (sk_e, sk_a) =
            if from_initiator { (&self.sk_ei, &self.sk_ai) } else { (&self.sk_er, &self.sk_ar) };
        let integrity_key = secret(sk_a);
        let integrity = integrity.map(|integrity| (integrity, &integrity_key));
        Some(crypto.packet_cipher(encryption, &secret(sk_e), integrity))
    }
}

pub(crate) fn secret(hex: &str) -> Secret {
    let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    Secret::new(octets.collect::<Vec<_>>())
}

fn encryption(name: &str) -> Option<Encryption> {
    let aes = |bits: &str| AesKey::from_bits(bits.parse().unwrap());
    if let Some(bits) = name.strip_prefix("AES_CBC_") {
        return aes(bits).map(Encryption::AesCbc);
    }
    if let Some(bits) = name.strip_prefix("AES_GCM_16_") {
        return aes(bits).map(Encryption::AesGcm16);
    }
    match name {
        "3DES_CBC" => Some(Encryption::TripleDes),
        "CHACHA20_POLY1305" => Some(Encryption::ChaCha20Poly1305),
        _ => None,
    }
}

fn integrity(name: &str) -> Option<Integrity> {
    match name {
        "HMAC_SHA1_96" => Some(Integrity::HmacSha1_96),
        "HMAC_SHA2_256_128" => Some(Integrity::HmacSha2_256_128),
        "HMAC_SHA2_384_192" => Some(Integrity::HmacSha2_384_192),
        "HMAC_SHA2_512_256" => Some(Integrity::HmacSha2_512_256),
        _ => None,
    }
}
