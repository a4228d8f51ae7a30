//! Reads frames from pcap and pcapng files; just enough for the reference captures (little-endian, Ethernet).

use std::fs;
use std::path::PathBuf;

/// The path of a reference file, or `None`, with a note, when the reference data is not there.
pub(crate) fn reference(path: &str) -> Option<PathBuf> {
    let full = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference")).join(path);
    if full.exists() {
        return Some(full);
    }
    println!("skipped: reference data {path} is not there");
    None
}

/// The IP packet in each frame, in order; `None` for frames of anything else.
pub(crate) fn ip_packets(path: &PathBuf) -> Vec<Option<Vec<u8>>> {
    let file = fs::read(path).unwrap();
    let frames = if word(&file, 0) == 0x0a0d_0d0a { pcapng(&file) } else { pcap(&file) };
    let packet = |frame: &[u8]| matches!(frame[12..14], [8, 0] | [0x86, 0xdd]).then(|| frame[14..].to_vec());
    frames.into_iter().map(packet).collect()
}

fn pcap(file: &[u8]) -> Vec<&[u8]> {
    assert_eq!(word(file, 0), 0xa1b2_c3d4, "microsecond pcap");
    let mut frames = Vec::new();
    let mut place = 24;
    while place < file.len() {
        let len = word(file, place + 8);
        frames.push(&file[place + 16..][..len]);
        place += 16 + len;
    }
    frames
}

fn pcapng(file: &[u8]) -> Vec<&[u8]> {
    const ENHANCED_PACKET_BLOCK: usize = 6;
    let mut frames = Vec::new();
    let mut place = 0;
    while place < file.len() {
        if word(file, place) == ENHANCED_PACKET_BLOCK {
            let len = word(file, place + 20);
            frames.push(&file[place + 28..][..len]);
        }
        place += word(file, place + 4);
    }
    frames
}

fn word(file: &[u8], place: usize) -> usize {
    u32::from_le_bytes(file[place..place + 4].try_into().unwrap()) as usize
}
