//! IP and UDP headers around ESP and AH: outer header construction (RFC 4301 §5.1.2), congestion marks (RFC 6040) and
//! checksums behind a NAT (RFC 3948 §3.1.2).
//!
//! What the outer header of a tunnel holds: the version of the SA's addresses, no options or extension headers, TTL or hop
//! limit 64 (not the inner one: the tunnel is one hop), a per-engine identification counter and DF as configured (IPv4), a
//! flow label of 0 (IPv6), DSCP and ECN copied from the inner packet. On the way in DSCP of the inner packet stays, its ECN
//! follows RFC 6040 §4.2. The inner TTL is left alone in both directions: forwarding decrements it, and forwarding is the
//! owner's.

use core::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{IpAddress, TcpPacket, UdpPacket};

use crate::discard::DiscardReason;
use crate::header::{IPV4_LEN, IPV6_LEN, IpHeader, UDP_LEN, Version, protocol};
use crate::udp_encap::UdpEncap;

/// TTL and hop limit of outer headers, as the reference captures have it.
const OUTER_TTL: u8 = 64;
/// Not ECN-capable transport.
const NOT_ECT: u8 = 0b00;
/// ECN-capable transport, codepoint 1.
const ECT_1: u8 = 0b01;
/// Congestion experienced.
const CE: u8 = 0b11;
/// The DF bit in the octet of flags.
const DONT_FRAGMENT: u8 = 0x40;

/// What the new IP header of a tunnel packet says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OuterHeader {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) traffic_class: u8,
    pub(crate) dont_fragment: bool,
    pub(crate) ident: u16,
    pub(crate) protocol: u8,
}

impl OuterHeader {
    /// Writes the header over the first octets of a packet that is as long as it will be.
    ///
    /// The checksum is the sum of the fields and not of the octets just written: reading those back at once costs more than
    /// the rest of the header.
    #[inline]
    pub(crate) fn write(&self, packet: &mut [u8]) {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let flags = if self.dont_fragment { DONT_FRAGMENT } else { 0 };
                let len =
                    u16::try_from(packet.len()).expect("lengths are checked before anything is written");
                let words = [
                    u16::from_be_bytes([0x45, self.traffic_class]),
                    len,
                    self.ident,
                    u16::from_be_bytes([flags, 0]),
                    u16::from_be_bytes([OUTER_TTL, self.protocol]),
                ];
                let [source, destination] = [source, destination].map(Ipv4Addr::to_bits);
                let addresses = [source >> 16, source & 0xffff, destination >> 16, destination & 0xffff];
                let sum = words.into_iter().map(u32::from).chain(addresses).sum();
                let mut header = [0; IPV4_LEN];
                for (place, word) in words.into_iter().chain([checksum(sum)]).enumerate() {
                    header[2 * place..2 * place + 2].copy_from_slice(&word.to_be_bytes());
                }
                header[12..16].copy_from_slice(&source.to_be_bytes());
                header[16..].copy_from_slice(&destination.to_be_bytes());
                packet[..IPV4_LEN].copy_from_slice(&header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let class = self.traffic_class;
                packet[..8].copy_from_slice(&[0x60 | class >> 4, class << 4, 0, 0, 0, 0, 0, OUTER_TTL]);
                packet[8..24].copy_from_slice(&source.octets());
                packet[24..40].copy_from_slice(&destination.octets());
                complete(packet, Version::V6, 6, self.protocol);
            }
            _ => unreachable!("installation checks that both ends have one version"),
        }
    }
}

/// Sets what an IP header says of what follows it: protocol, at `named_at`, and length.
pub(crate) fn complete(packet: &mut [u8], version: Version, named_at: usize, protocol: u8) {
    packet[named_at] = protocol;
    let (place, len) = match version {
        Version::V4 => (2, packet.len()),
        Version::V6 => (4, packet.len() - IPV6_LEN),
    };
    let len = u16::try_from(len).expect("lengths are checked before anything is written");
    packet[place..place + 2].copy_from_slice(&len.to_be_bytes());
}

/// Computes the checksum of an IPv4 header; IPv6 has none.
pub(crate) fn fill_checksum(packet: &mut [u8], version: Version) {
    if version == Version::V4 {
        packet[10..12].fill(0);
        let header_len = usize::from(packet[0] & 0x0f) * 4;
        let sum_of = |part: &[u8]| -> u32 {
            part.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum()
        };
        let (fixed, options) = packet[..header_len].split_at(IPV4_LEN);
        let fixed: [u8; IPV4_LEN] = fixed.try_into().expect("the part has this length");
        let sum = sum_of(&fixed) + sum_of(options);
        packet[10..12].copy_from_slice(&checksum(sum).to_be_bytes());
    }
}

/// The checksum of a header of at most sixty octets whose words sum up to this (RFC 1071).
#[inline]
fn checksum(sum: u32) -> u16 {
    // So few words give at most one carry, which adding it can bring once more.
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (!sum).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Completes the UDP header in front of an ESP packet; `datagram` begins with it.
pub(crate) fn write_udp(datagram: &mut [u8], ports: UdpEncap, source: IpAddr, destination: IpAddr) {
    let len = u16::try_from(datagram.len()).expect("lengths are checked before anything is written");
    let mut udp = UdpPacket::new_unchecked(datagram);
    udp.set_src_port(ports.source_port);
    udp.set_dst_port(ports.destination_port);
    udp.set_len(len);
    udp.fill_checksum(&source.into(), &destination.into());
}

/// What carrying a congestion mark over did to the inner header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Unchanged,
    /// The inner header has the mark of the outer one now.
    Carried,
}

/// Carries the congestion mark of the outer header over to a decapsulated packet (RFC 6040 §4.2, figure 4).
///
/// # Errors
/// [`DiscardReason::CongestionMark`] when the outer header says CE and the inner transport does not know of it.
pub(crate) fn decapsulate_ecn(outer: u8, inner: &mut [u8], header: &IpHeader) -> Result<Mark, DiscardReason> {
    let mark = match (header.traffic_class & CE, outer & CE) {
        (NOT_ECT, CE) => return Err(DiscardReason::CongestionMark),
        (NOT_ECT | CE, _) => return Ok(Mark::Unchanged),
        (_, CE) => CE,
        (inner, ECT_1) if inner != ECT_1 => ECT_1,
        _ => return Ok(Mark::Unchanged),
    };
    match header.version {
        Version::V4 => inner[1] = inner[1] & !CE | mark,
        Version::V6 => inner[1] = inner[1] & !(CE << 4) | mark << 4,
    }
    fill_checksum(inner, header.version);
    Ok(Mark::Carried)
}

/// Recomputes the TCP or UDP checksum of a packet whose addresses a NAT has changed (RFC 3948 §3.1.2, second way); the
/// integrity check has already vouched for the payload. A UDP checksum that was not used stays unused.
pub(crate) fn refresh_checksum(packet: &mut [u8], header: &IpHeader) {
    let (source, destination) = (IpAddress::from(header.source), IpAddress::from(header.destination));
    let payload = &mut packet[header.upper.start..header.total_len];
    match header.upper.protocol {
        protocol::UDP => {
            if let Ok(mut udp) = UdpPacket::new_checked(payload)
                && udp.checksum() != 0
            {
                udp.fill_checksum(&source, &destination);
            }
        }
        protocol::TCP => {
            if let Ok(mut tcp) = TcpPacket::new_checked(payload) {
                tcp.fill_checksum(&source, &destination);
            }
        }
        _ => {}
    }
}

/// Address and port that a packet with ESP in UDP at `offset` comes from.
pub(crate) fn udp_source(packet: &[u8], offset: usize, header: &IpHeader) -> (IpAddr, u16) {
    (header.source, UdpPacket::new_unchecked(&packet[offset - UDP_LEN..]).src_port())
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::Ipv4Packet;

    use super::*;
    use crate::testing::{LEFT, RIGHT, ping};

    /// ECN-capable transport, codepoint 0.
    const ECT_0: u8 = 0b10;

    fn refresh(packet: &mut [u8]) {
        let header = IpHeader::parse(packet).unwrap();
        refresh_checksum(packet, &header);
    }

    #[test]
    fn congestion_marks_follow_the_table_of_rfc_6040() {
        // Rows: inner; columns: outer Not-ECT, ECT(0), ECT(1), CE (RFC 6040 §4.2, figure 4).
        let table = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in table {
            for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                let mut packet = ping(LEFT, RIGHT, 0);
                packet[1] = 0xb8 | inner;
                Ipv4Packet::new_unchecked(&mut packet).fill_checksum();
                let header = IpHeader::parse(&packet).unwrap();
                let result = decapsulate_ecn(outer, &mut packet, &header).ok().map(|_| packet[1]);
                assert_eq!(result, expected.map(|mark| 0xb8 | mark), "inner {inner:02b}, outer {outer:02b}");
                assert!(Ipv4Packet::new_unchecked(&packet).verify_checksum());
            }
        }
    }

    #[test]
    fn an_unused_udp_checksum_stays_unused() {
        let mut packet = ping(LEFT, RIGHT, 16);
        packet[9] = 17;
        packet[20..28].copy_from_slice(&[0, 9, 0, 9, 0, 24, 0, 0]);
        let before = packet.clone();
        refresh(&mut packet);
        assert_eq!(packet, before);
        packet[26..28].copy_from_slice(&[1, 1]);
        refresh(&mut packet);
        let udp = UdpPacket::new_unchecked(&packet[20..]);
        assert!(udp.verify_checksum(&IpAddress::Ipv4(LEFT), &IpAddress::Ipv4(RIGHT)));
    }

    #[test]
    fn a_tcp_checksum_is_recomputed_and_nonsense_is_left_alone() {
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(LEFT.octets(), RIGHT.octets(), 64)
            .tcp(1, 2, 3, 4)
            .write(&mut packet, &[5; 7])
            .unwrap();
        let good = packet.clone();
        packet[36] ^= 0xff;
        refresh(&mut packet);
        assert_eq!(packet, good);
        packet[32] = 0xf0;
        let nonsense = packet.clone();
        refresh(&mut packet);
        assert_eq!(packet, nonsense);
    }
}
