//! Random octets through what the fuzz targets check; libFuzzer goes deeper, and this runs everywhere.

#![cfg(test)]

mod hostile;

use ipseclab_net::{IpHeader, build_ip, fragment, protocol};
use proptest::prelude::*;

/// A packet of a kilobyte with the given octets, in either version.
fn packet(is_v6: bool, payload: &[u8]) -> Vec<u8> {
    let (source, destination) =
        if is_v6 { ("2001:db8::1", "2001:db8::2") } else { ("192.0.2.1", "192.0.2.2") };
    let header = IpHeader {
        dont_fragment: false,
        ..IpHeader::new(source.parse().unwrap(), destination.parse().unwrap(), protocol::UDP)
    };
    build_ip(&header, payload)
}

proptest! {
    #[test]
    fn any_octets_are_a_packet_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200), version in 0..3_u8) {
        if let (Some(first), 1..) = (bytes.first_mut(), version) {
            *first = if version == 1 { 0x45 } else { 0x60 };
        }
        hostile::check_packet(&bytes);
    }

    #[test]
    fn damaged_fragments_stay_within_bounds(
        payload in prop::collection::vec(any::<u8>(), 600..2000),
        is_v6: bool,
        damage in prop::collection::vec((any::<u16>(), any::<u8>()), 0..20),
    ) {
        let pieces = fragment(&packet(is_v6, &payload), 576, 3).unwrap();
        let framed = pieces.iter().flat_map(|piece| {
            let len = u16::try_from(piece.len()).unwrap().to_be_bytes();
            len.into_iter().chain(piece.iter().copied())
        });
        let mut bytes: Vec<_> = framed.collect();
        for (place, octet) in damage {
            let place = usize::from(place) % bytes.len();
            bytes[place] ^= octet;
        }
        hostile::check_fragments(&bytes);
        hostile::check_packet(&bytes[2..]);
    }
}
