//! What AH does not cover: fields in front of it that change on the way, or that the sender foretells (RFC 4302 §3.3.3.1,
//! appendix A).
//!
//! Both ends do the same to the octets in front of the AH header before they compute: mutable fields become zero,
//! predictable ones what they will be at the destination. Everything behind AH is covered as it is.
//! Model: of IPv6 routing headers only types 0 and 2, which list addresses, can be foretold; a sender's packet with
//! segments left under another type cannot be protected by AH.

use crate::discard::DiscardReason;
use crate::header::{IPV4_LEN, IPV6_LEN, Version, extension_len, protocol};

/// IPv4 options that no router changes, beside those of one octet (RFC 4302 appendix A1): security, extended security,
/// commercial security, router alert, sender directed multi-destination.
const IMMUTABLE_OPTIONS: [u8; 5] = [130, 133, 134, 148, 149];
/// Options that the packet follows to its destination: loose and strict source route.
const SOURCE_ROUTES: [u8; 2] = [131, 137];
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
/// In the type of an IPv6 option: its data may change on the way (RFC 8200 §4.2).
const CHANGES_EN_ROUTE: u8 = 0x20;
const PAD_1: u8 = 0;
/// The pointer of a source route counts from 1, and what it leads to has four octets.
const ROUTE_START: usize = 3;
/// Octets in front of the addresses of a routing header of type 0 or 2.
const SEGMENTS_START: usize = 8;
const ADDRESS_LEN: usize = 16;

/// Makes the octets in front of an AH header what its ICV covers.
///
/// # Errors
/// [`DiscardReason::Malformed`] when options do not fit their header, or a route cannot be foretold.
pub(crate) fn mask(front: &mut [u8], version: Version) -> Result<(), DiscardReason> {
    match version {
        Version::V4 => mask_v4(front),
        Version::V6 => mask_v6(front),
    }
    .ok_or(DiscardReason::Malformed)
}

/// Whether AH can cover these octets in front of its header.
///
/// # Errors
/// As [`mask`].
pub(crate) fn check(front: &[u8], version: Version) -> Result<(), DiscardReason> {
    // Without options and extension headers there is nothing to go wrong.
    if front.len() == version.header_len() {
        return Ok(());
    }
    mask(&mut front.to_vec(), version)
}

fn mask_v4(header: &mut [u8]) -> Option<()> {
    let (fixed, options) = header.split_at_mut_checked(IPV4_LEN)?;
    // DSCP and ECN; flags and fragment offset; TTL; checksum.
    for place in [1, 6, 7, 8, 10, 11] {
        fixed[place] = 0;
    }
    let mut rest = options;
    while let Some(kind) = rest.first().copied() {
        match kind {
            END_OF_OPTIONS => break,
            NO_OPERATION => rest = &mut rest[1..],
            _ => {
                let len = usize::from(*rest.get(1)?);
                let (option, behind) = rest.split_at_mut_checked(len).filter(|_| len >= 2)?;
                // Until the route has been gone to its end, the pointer leads to an address of it.
                if SOURCE_ROUTES.contains(&kind)
                    && let [_, _, pointer, .., a, b, c, d] = option
                    && usize::from(*pointer) + ROUTE_START <= len
                {
                    fixed[16..].copy_from_slice(&[*a, *b, *c, *d]);
                }
                if !IMMUTABLE_OPTIONS.contains(&kind) {
                    option.fill(0);
                }
                rest = behind;
            }
        }
    }
    Some(())
}

fn mask_v6(front: &mut [u8]) -> Option<()> {
    let (fixed, mut rest) = front.split_at_mut_checked(IPV6_LEN)?;
    // Traffic class and flow label share three and a half octets; the version stays.
    fixed[0] &= 0xf0;
    fixed[1..4].fill(0);
    fixed[7] = 0;
    let mut kind = fixed[6];
    while !rest.is_empty() {
        let len = if kind == protocol::FRAGMENT { 8 } else { extension_len(rest, kind)? };
        let (extension, behind) = rest.split_at_mut_checked(len)?;
        match kind {
            protocol::HOP_BY_HOP | protocol::DESTINATION_OPTIONS => mask_options(&mut extension[2..])?,
            protocol::ROUTING => foretell_route(extension, &mut fixed[IPV6_LEN - ADDRESS_LEN..])?,
            _ => {}
        }
        kind = extension[0];
        rest = behind;
    }
    Some(())
}

/// Zeroes the data of options that may change; their types and lengths stay.
fn mask_options(mut options: &mut [u8]) -> Option<()> {
    while let Some(kind) = options.first().copied() {
        if kind == PAD_1 {
            options = &mut options[1..];
            continue;
        }
        let len = 2 + usize::from(*options.get(1)?);
        let (option, behind) = options.split_at_mut_checked(len)?;
        if kind & CHANGES_EN_ROUTE != 0 {
            option[2..].fill(0);
        }
        options = behind;
    }
    Some(())
}

/// What a routing header and the destination are when the last segment is reached: each stop has swapped the destination
/// with the next address of the list (RFC 4302 §3.3.3.1.2.2).
fn foretell_route(routing: &mut [u8], destination: &mut [u8]) -> Option<()> {
    let left = usize::from(routing[3]);
    if left == 0 {
        return Some(());
    }
    let addresses = routing.get_mut(SEGMENTS_START..)?;
    let count = addresses.len() / ADDRESS_LEN;
    if !matches!(routing[2], 0 | 2) || left > count {
        return None;
    }
    let addresses = &mut routing[SEGMENTS_START..];
    for segment in count - left..count {
        let place = segment * ADDRESS_LEN;
        addresses[place..place + ADDRESS_LEN].swap_with_slice(destination);
    }
    routing[3] = 0;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header with options, all other fields set.
    fn v4(options: &[u8]) -> Vec<u8> {
        let words = u8::try_from(5 + options.len() / 4).unwrap();
        let mut header =
            vec![0x40 | words, 0xbb, 1, 2, 3, 4, 0x60, 7, 64, 51, 8, 9, 10, 0, 0, 1, 10, 0, 0, 2];
        header.extend_from_slice(options);
        header
    }

    fn masked(mut front: Vec<u8>, version: Version) -> Result<Vec<u8>, DiscardReason> {
        mask(&mut front, version).map(|()| front)
    }

    #[test]
    fn what_ipv4_routers_change_is_zero_and_the_rest_stays() {
        let expected = [0x45, 0, 1, 2, 3, 4, 0, 0, 0, 51, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        assert_eq!(masked(v4(&[]), Version::V4).unwrap(), expected);
    }

    #[test]
    fn ipv4_options_are_covered_or_zero_as_the_appendix_lists_them() {
        // Router alert and security stay; record route, timestamp and unknown ones go, type and length included.
        let kept: [&[u8]; 3] = [&[1, 148, 4, 0, 7, 1, 1, 0], &[130, 4, 9, 9], &[133, 3, 7, 0]];
        for options in kept {
            assert_eq!(masked(v4(options), Version::V4).unwrap()[20..], *options);
        }
        let record = masked(v4(&[1, 7, 7, 4, 1, 2, 3, 4, 148, 4, 0, 0]), Version::V4).unwrap();
        assert_eq!(record[20..], [1, 0, 0, 0, 0, 0, 0, 0, 148, 4, 0, 0]);
        for kind in [68, 82, 136, 222] {
            assert_eq!(masked(v4(&[kind, 4, 5, 5]), Version::V4).unwrap()[20..], [0; 4]);
        }
        let end = masked(v4(&[0, 7, 7, 7]), Version::V4).unwrap();
        assert_eq!(end[20..], [0, 7, 7, 7], "behind the end of the options there are none");
    }

    #[test]
    fn a_source_route_gives_the_destination_that_it_ends_at() {
        for kind in SOURCE_ROUTES {
            let route = [1, kind, 11, 4, 10, 0, 0, 9, 10, 9, 9, 9];
            let front = masked(v4(&route), Version::V4).unwrap();
            assert_eq!(
                (&front[16..20], &front[20..]),
                (&[10, 9, 9, 9][..], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..])
            );
        }
        assert_eq!(
            masked(v4(&[131, 3, 4, 0]), Version::V4).unwrap()[16..20],
            [10, 0, 0, 2],
            "an empty route"
        );
    }

    #[test]
    fn options_that_leave_their_header_are_malformed() {
        for options in [[7, 5, 4, 0], [7, 1, 4, 0], [7, 0, 4, 0], [1, 1, 1, 7]] {
            assert_eq!(masked(v4(&options), Version::V4), Err(DiscardReason::Malformed), "{options:?}");
        }
    }

    fn v6(first: u8, chain: &[u8]) -> Vec<u8> {
        let mut front = vec![0x6a, 0xbc, 0xde, 0xf0, 1, 2, first, 64];
        front.extend_from_slice(&[0xa1; 16]);
        front.extend_from_slice(&[0xd1; 16]);
        front.extend_from_slice(chain);
        front
    }

    #[test]
    fn what_ipv6_routers_change_is_zero_and_the_rest_stays() {
        let front = masked(v6(51, &[]), Version::V6).unwrap();
        assert_eq!(front[..8], [0x60, 0, 0, 0, 1, 2, 51, 0]);
        assert_eq!(front[8..], v6(51, &[])[8..]);
    }

    #[test]
    fn options_of_ipv6_that_may_change_keep_type_and_length_alone() {
        // A pad, router alert (immutable), one with the bit that lets it change, and padding.
        let chain = [60, 1, 0, 5, 2, 7, 8, 0x3e, 4, 1, 2, 3, 4, 1, 1, 0];
        let expected = [60, 1, 0, 5, 2, 7, 8, 0x3e, 4, 0, 0, 0, 0, 1, 1, 0];
        assert_eq!(
            masked(v6(0, &[&chain[..], &[51, 0, 0x20, 1, 9, 1, 1, 0]].concat()), Version::V6).unwrap()
                [40..56],
            expected
        );
        assert_eq!(masked(v6(0, &[51, 0, 0x20, 5, 9, 1, 1, 0]), Version::V6), Err(DiscardReason::Malformed));
        assert_eq!(masked(v6(0, &[51, 1, 0, 0, 0, 0, 0, 0]), Version::V6), Err(DiscardReason::Malformed));
    }

    #[test]
    fn a_routing_header_gives_what_it_is_at_the_last_stop() {
        let route = |kind, left, addresses: [u8; 2]| {
            let mut header = vec![51, 4, kind, left, 0, 0, 0, 0];
            header.extend(addresses.iter().flat_map(|octet| [*octet; 16]));
            header
        };
        let arrived = masked(v6(43, &route(0, 2, [0xe1, 0xe2])), Version::V6).unwrap();
        assert_eq!(arrived[24..40], [0xe2; 16], "the last address of the list is the destination");
        assert_eq!(arrived[40..], route(0, 0, [0xd1, 0xe1]), "and the others have moved up");
        let halfway = masked(v6(43, &route(0, 1, [0xe1, 0xe2])), Version::V6).unwrap();
        assert_eq!((&halfway[24..40], &halfway[40..]), (&[0xe2; 16][..], &route(0, 0, [0xe1, 0xd1])[..]));
        let done = v6(43, &route(4, 0, [0xe1, 0xe2]));
        assert_eq!(
            masked(done.clone(), Version::V6).unwrap()[40..],
            done[40..],
            "nothing is left to foretell"
        );
        for wrong in [route(4, 1, [1, 2]), route(0, 3, [1, 2])] {
            assert_eq!(masked(v6(43, &wrong), Version::V6), Err(DiscardReason::Malformed));
        }
    }
}
