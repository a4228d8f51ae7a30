//! The Internet checksum: whole (RFC 1071) by smoltcp, and updated in place (RFC 1624) by us.
//!
//! Routers and NATs change a few octets of a packet; to sum all of it again would cost more, and would hide damage
//! that the sender's checksum was there to reveal.

use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address};

use crate::address::IpAddr;

/// The one's complement sum of `data`, not complemented.
pub(crate) fn sum(data: &[u8]) -> u16 {
    smoltcp::wire::checksum::data(data)
}

/// Whether `data`, which holds its own checksum, verifies.
pub(crate) fn verifies(data: &[u8]) -> bool {
    sum(data) == u16::MAX
}

/// The sum of the pseudo header (RFC 768, RFC 8200 §8.1) and the octets of an upper-layer protocol.
///
/// # Panics
/// When the addresses are of two families: no packet can have both.
pub(crate) fn transport_sum((source, destination): (IpAddr, IpAddr), protocol: u8, octets: &[u8]) -> u16 {
    use smoltcp::wire::checksum::{combine, pseudo_header};
    assert!(source.is_ipv4() == destination.is_ipv4(), "no packet goes from {source} to {destination}");
    let len = u32::try_from(octets.len()).expect("shorter than its packet");
    let (source, destination) = (IpAddress::from(source), IpAddress::from(destination));
    combine(&[pseudo_header(&source, &destination, IpProtocol::from(protocol), len), sum(octets)])
}

/// The checksum after the 16-bit word `old` became `new` (RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m')).
pub(crate) fn update_word(checksum: u16, old: u16, new: u16) -> u16 {
    let wide = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let folded = (wide & 0xffff) + (wide >> 16);
    // Two folds suffice: three 16-bit terms carry at most 2, and the first fold at most 1.
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).expect("a twice folded sum of three words has 16 bits")
}

/// The checksum after the address `old` became `new`.
pub(crate) fn update_address(checksum: u16, old: Ipv4Address, new: Ipv4Address) -> u16 {
    let (old_high, old_low) = words(old);
    let (new_high, new_low) = words(new);
    update_word(update_word(checksum, old_high, new_high), old_low, new_low)
}

/// The two 16-bit words of an address.
const fn words(address: Ipv4Address) -> (u16, u16) {
    let [first, second, third, fourth] = address.octets();
    (u16::from_be_bytes([first, second]), u16::from_be_bytes([third, fourth]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_corner_case_of_rfc_1624_section_4_comes_out_as_zero() {
        // RFC 1624 §4: header checksum 0xDD2F, word 0x5555 becomes 0x3285; equation 2 wrongly gives 0xFFFF.
        assert_eq!(update_word(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn an_update_equals_a_new_sum(mut words in prop::collection::vec(any::<u16>(), 2..20), new: u16) {
            // A header is never all zero (its version is 4), which is the one case where the two zeros differ.
            words[0] |= 0x4000;
            let bytes = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
            let before = !sum(&bytes(&words));
            let old = words[1];
            words[1] = new;
            prop_assert_eq!(update_word(before, old, new), !sum(&bytes(&words)));
        }
    }
}
