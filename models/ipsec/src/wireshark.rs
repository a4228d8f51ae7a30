//! Test: Wireshark's `ipsec_esp` samples, opened and sealed again octet by octet.
//!
//! They are manually keyed with SPIs of the reserved range, which the engine rightly refuses, so they are tried on the
//! packet format directly. Keys are printed in their `esp_sa` tables.

use ipseclab_crypto::{AesKey, Encryption, Integrity, PacketCipher, Secret};

use crate::esp::{self, Envelope};
use crate::spi::{SeqNo, Spi};
use crate::testing::crypto;

#[path = "../tests/ipsec/pcap.rs"]
mod pcap;

/// Octets of the samples' IP headers.
const IP_LEN: usize = 20;

fn sample_cipher(encryption: Encryption) -> PacketCipher {
    let key: &[u8] = if encryption == Encryption::Null { b"" } else { b"aescbcencryption" };
    let integrity_key = Secret::new(*b"hmacsha1authenticati");
    crypto().packet_cipher(encryption, &Secret::new(key), Some((Integrity::HmacSha1_96, &integrity_key)))
}

/// Opens one packet, seals it again, and says which next header it has.
fn check_packet(cipher: &PacketCipher, packet: &[u8]) -> u8 {
    let mut crypto = crypto();
    let original = &packet[IP_LEN..];
    let mut opened = original.to_vec();
    let result = esp::open(cipher, &mut crypto, &mut opened, None).unwrap();
    let word = |place: usize| u32::from_be_bytes(original[place..place + 4].try_into().unwrap());
    let envelope = Envelope {
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
    result.next_header
}

/// Checks every packet of the sample to an address; gives back how many there were and their next headers.
fn check_sample(sample: &str, destination: [u8; 4], encryption: Encryption) -> Option<(usize, Vec<u8>)> {
    let path = pcap::reference(&format!("captures/wireshark/ipsec_esp/{sample}/capture.pcap"))?;
    let cipher = sample_cipher(encryption);
    let packets = pcap::ip_packets(&path);
    let ours = packets.iter().flatten().filter(|packet| packet[9] == 50 && packet[16..20] == destination);
    let mut kinds: Vec<u8> = ours.map(|packet| check_packet(&cipher, packet)).collect();
    let count = kinds.len();
    kinds.dedup();
    Some((count, kinds))
}

#[test]
fn transport_mode_samples_open_and_seal_to_the_same_octets() {
    let aes = Encryption::AesCbc(AesKey::Bits128);
    for (destination, encryption) in [([190, 0, 0, 2], aes), ([190, 0, 0, 5], Encryption::Null)] {
        if let Some(found) = check_sample("ipsec_esp_capture_1", destination, encryption) {
            assert_eq!(found, (10, vec![1]), "ten pings in transport mode");
        }
    }
}

#[test]
fn tunnel_mode_samples_open_and_seal_to_the_same_octets() {
    let aes = Encryption::AesCbc(AesKey::Bits128);
    if let Some((count, kinds)) = check_sample("ipsec_esp_capture_2", [10, 0, 0, 2], aes) {
        assert_eq!((count, kinds), (312, vec![4]));
    }
}
