//! MSS clamping: what a gateway does to TCP connections that begin through it, so that their segments fit its tunnels.
//!
//! The option of a segment with SYN is lowered in place, and the checksum updated (RFC 9293 §3.7.1 defines the option;
//! that routers rewrite it is custom and no standard). Nothing else of the packet changes.

use smoltcp::wire::TcpPacket;

use crate::checksum::update_word;
use crate::ip::IpView;
use crate::ipv4::protocol;

/// The kind of the option (RFC 9293 §3.2), and its length.
const MSS: u8 = 2;
const MSS_LEN: usize = 4;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
/// Octets of a TCP header without options, and where its checksum is.
const TCP_HEADER_LEN: usize = 20;
const CHECKSUM_AT: usize = 16;

/// Lowers the maximum segment size that a packet with SYN announces to `limit`; whether it was above.
pub fn clamp_mss(packet: &mut [u8], limit: u16) -> bool {
    let Some((start, option)) = find(packet) else { return false };
    let announced = u16::from_be_bytes([packet[option + 2], packet[option + 3]]);
    if announced <= limit {
        return false;
    }
    let at = start + CHECKSUM_AT;
    let mut checksum = u16::from_be_bytes([packet[at], packet[at + 1]]);
    // The value may lie across two words of the sum, so both are updated.
    let first = (option - start) / 2 * 2 + start;
    let words = |packet: &[u8]| [0, 2, 4].map(|more| word(packet, first + more));
    let before = words(packet);
    packet[option + 2..option + 4].copy_from_slice(&limit.to_be_bytes());
    for (old, new) in before.into_iter().zip(words(packet)) {
        checksum = update_word(checksum, old, new);
    }
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    true
}

/// A word of a packet, padded with zero as the sum does.
fn word(packet: &[u8], at: usize) -> u16 {
    let octet = |at: usize| packet.get(at).copied().unwrap_or(0);
    u16::from_be_bytes([octet(at), octet(at + 1)])
}

/// Where the TCP header of a packet with SYN begins, and where its option.
fn find(packet: &[u8]) -> Option<(usize, usize)> {
    let view = IpView::parse(packet).ok()?;
    let segment = TcpPacket::new_checked(view.payload_of(protocol::TCP).ok()?).ok()?;
    if !segment.syn() {
        return None;
    }
    let (start, end) = (view.header_len(), view.header_len() + usize::from(segment.header_len()));
    let mut at = start + TCP_HEADER_LEN;
    while at < end {
        let len = match packet[at] {
            END_OF_OPTIONS => return None,
            NO_OPERATION => 1,
            MSS if at + MSS_LEN <= end && usize::from(packet[at + 1]) == MSS_LEN => return Some((start, at)),
            _ => packet.get(at + 1).copied().map(usize::from).filter(|len| *len >= 2)?,
        };
        at += len;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum;
    use crate::ip::{IpHeader, build_ip};

    /// A SYN with `front` in front of an MSS option of 1460.
    fn syn(ends: [&str; 2], front: &[u8]) -> Vec<u8> {
        let mut options = [front, &[MSS, 4, 0x05, 0xb4]].concat();
        options.resize(options.len().next_multiple_of(4), END_OF_OPTIONS);
        let words = u8::try_from(5 + options.len() / 4).unwrap();
        let mut segment =
            vec![0x13, 0x89, 0x13, 0x89, 0, 0, 0, 9, 0, 0, 0, 0, words << 4, 2, 0xff, 0xff, 0, 0, 0, 0];
        segment.extend_from_slice(&options);
        let header = IpHeader::new(ends[0].parse().unwrap(), ends[1].parse().unwrap(), protocol::TCP);
        let sum = !checksum::transport_sum((header.source, header.destination), protocol::TCP, &segment);
        segment[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        build_ip(&header, &segment)
    }

    fn check(packet: &[u8], mss: u16) {
        let view = IpView::parse(packet).unwrap();
        let ends = (view.source(), view.destination());
        assert_eq!(
            checksum::transport_sum(ends, protocol::TCP, view.payload()),
            u16::MAX,
            "the checksum holds"
        );
        let (_, option) = find(packet).unwrap();
        assert_eq!(packet[option + 2..option + 4], mss.to_be_bytes());
    }

    #[test]
    fn a_syn_is_clamped_wherever_its_option_stands() {
        for ends in [["10.1.0.1", "10.2.0.1"], ["2001:db8::1", "2001:db8::2"]] {
            for front in [&[][..], &[NO_OPERATION], &[3, 3, 7], &[NO_OPERATION, NO_OPERATION]] {
                let mut packet = syn(ends, front);
                check(&packet, 1460);
                assert!(clamp_mss(&mut packet, 1360));
                check(&packet, 1360);
                assert!(!clamp_mss(&mut packet, 1400), "it is below already");
                check(&packet, 1360);
            }
        }
    }

    #[test]
    fn other_packets_stay_as_they_are() {
        let packet = syn(["10.1.0.1", "10.2.0.1"], &[]);
        let mut later = packet.clone();
        later[33] = 0x10;
        let mut broken = packet.clone();
        broken[41] = 0;
        for other in [later, broken, packet[..30].to_vec(), vec![]] {
            let mut copy = other.clone();
            assert!(!clamp_mss(&mut copy, 100));
            assert_eq!(copy, other);
        }
    }
}
