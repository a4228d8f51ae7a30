//! Test: whole ESP packets that were published with their keys, opened and sealed again octet by octet.

use ipseclab_crypto::{Encryption, Secret};
use serde::Deserialize;

use crate::esp::{self, Envelope, Opened};
use crate::spi::{SeqNo, Spi};
use crate::testing::crypto;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    source: String,
    encryption: String,
    /// With the salt.
    key: String,
    /// All 64 bits.
    number: String,
    esn: bool,
    next_header: u8,
    payload: String,
    packet: String,
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap()).collect()
}

#[test]
fn published_packets_open_and_seal_to_the_same_octets() {
    let vectors: Vectors = serde_json::from_str(include_str!("../tests/vectors/esp.json")).unwrap();
    assert_eq!(vectors.cases.len(), 16);
    for case in vectors.cases {
        let encryption = Encryption::from_keyword(&case.encryption).unwrap();
        let cipher = crypto().packet_cipher(encryption, &Secret::new(octets(&case.key)), None);
        let number = SeqNo::new(case.number.parse().unwrap());
        let (packet, payload) = (octets(&case.packet), octets(&case.payload));
        let mut opened = packet.clone();
        let front = esp::front_len(&cipher);
        let expected = Opened { payload: front..front + payload.len(), next_header: case.next_header };
        let result = esp::open(&cipher, &mut crypto(), &mut opened, number.implicit(case.esn));
        assert_eq!(result.as_ref(), Ok(&expected), "{}", case.source);
        assert_eq!(opened[expected.payload.clone()], payload, "{}", case.source);
        let envelope = Envelope {
            alignment: esp::TrailerAlignment::FourOctets,
            spi: Spi::reserved(u32::from_be_bytes(packet[..4].try_into().unwrap())),
            number,
            esn: case.esn,
            iv: &packet[esp::HEADER_LEN..front],
            next_header: case.next_header,
        };
        let mut sealed = vec![0; esp::sealed_len(&cipher, envelope.alignment, payload.len())];
        sealed[expected.payload].copy_from_slice(&payload);
        esp::seal(&cipher, &mut crypto(), &envelope, &mut sealed, payload.len());
        assert_eq!(sealed, packet, "{}", case.source);
    }
}
