//! IPv4 and UDP headers around ESP: outer header construction (RFC 4301 §5.1.2.1), congestion marks (RFC 6040) and
//! checksums behind a NAT (RFC 3948 §3.1.2).
//!
//! What the outer header of a tunnel holds: version 4, no options, TTL 64 (not the inner one: the tunnel is one hop), a
//! per-engine identification counter, DF as configured, DSCP and ECN copied from the inner packet, source and destination
//! of the SA. On the way in DSCP of the inner packet stays, its ECN follows RFC 6040 §4.2. The inner TTL is left alone
//! in both directions: forwarding decrements it, and forwarding is the owner's.

use core::net::Ipv4Addr;

use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};

use crate::discard::DiscardReason;
use crate::udp_encap::UdpEncap;

/// Octets of an IPv4 header without options.
pub(crate) const IPV4_LEN: usize = 20;
/// Octets of a UDP header.
pub(crate) const UDP_LEN: usize = 8;
/// TTL of outer headers, as the reference captures have it.
const OUTER_TTL: u8 = 64;
/// Not ECN-capable transport.
const NOT_ECT: u8 = 0b00;
/// ECN-capable transport, codepoint 1.
const ECT_1: u8 = 0b01;
/// Congestion experienced.
const CE: u8 = 0b11;

/// What the new IP header of a tunnel packet says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OuterHeader {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) traffic_class: u8,
    pub(crate) dont_fragment: bool,
    pub(crate) ident: u16,
}

impl OuterHeader {
    /// Writes the header over the first [`IPV4_LEN`] octets; lengths, protocol and checksum come from [`wrap`].
    pub(crate) fn write(&self, packet: &mut [u8]) {
        let mut header = Ipv4Packet::new_unchecked(packet);
        header.set_version(4);
        header.set_header_len(20);
        header.set_dscp(self.traffic_class >> 2);
        header.set_ecn(self.traffic_class & 0b11);
        header.set_ident(self.ident);
        header.clear_flags();
        header.set_frag_offset(0);
        header.set_dont_frag(self.dont_fragment);
        header.set_hop_limit(OUTER_TTL);
        header.set_src_addr(self.source);
        header.set_dst_addr(self.destination);
    }
}

/// Completes an IP header of `header_len` octets around the ESP packet behind it: the UDP header in between if there is
/// one, protocol, length and checksums.
pub(crate) fn wrap(packet: &mut [u8], header_len: usize, udp_encap: Option<UdpEncap>, len: u16) {
    let mut header = Ipv4Packet::new_unchecked(&mut *packet);
    let protocol = if udp_encap.is_some() { IpProtocol::Udp } else { IpProtocol::IpSecEsp };
    header.set_next_header(protocol);
    header.set_total_len(len);
    header.fill_checksum();
    let (source, destination) = (header.src_addr(), header.dst_addr());
    if let Some(ports) = udp_encap {
        let datagram = &mut packet[header_len..];
        let datagram_len = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
        let mut udp = UdpPacket::new_unchecked(datagram);
        udp.set_src_port(ports.source_port);
        udp.set_dst_port(ports.destination_port);
        udp.set_len(datagram_len);
        udp.fill_checksum(&IpAddress::Ipv4(source), &IpAddress::Ipv4(destination));
    }
}

/// Carries the congestion mark of the outer header over to a decapsulated packet (RFC 6040 §4.2, figure 4).
///
/// # Errors
/// [`DiscardReason::CongestionMark`] when the outer header says CE and the inner transport does not know of it.
pub(crate) fn decapsulate_ecn(outer: u8, inner: &mut [u8]) -> Result<(), DiscardReason> {
    let mut header = Ipv4Packet::new_unchecked(inner);
    let mark = match (header.ecn(), outer) {
        (NOT_ECT, CE) => return Err(DiscardReason::CongestionMark),
        (NOT_ECT | CE, _) => return Ok(()),
        (_, CE) => CE,
        (_, ECT_1) => ECT_1,
        _ => return Ok(()),
    };
    header.set_ecn(mark);
    header.fill_checksum();
    Ok(())
}

/// Turns the packet back into what it was before transport mode: protocol, length and header checksum.
pub(crate) fn restore_transport(packet: &mut [u8], protocol: u8) {
    let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let mut header = Ipv4Packet::new_unchecked(packet);
    header.set_next_header(IpProtocol::from(protocol));
    header.set_total_len(len);
    header.fill_checksum();
}

/// Recomputes the TCP or UDP checksum of a packet whose addresses a NAT has changed (RFC 3948 §3.1.2, second way); the
/// integrity check has already vouched for the payload. A UDP checksum that was not used stays unused.
pub(crate) fn refresh_checksum(packet: &mut [u8]) {
    let mut header = Ipv4Packet::new_unchecked(packet);
    let (source, destination) = (IpAddress::Ipv4(header.src_addr()), IpAddress::Ipv4(header.dst_addr()));
    let protocol = header.next_header();
    let payload = header.payload_mut();
    match protocol {
        IpProtocol::Udp => {
            if let Ok(mut udp) = UdpPacket::new_checked(payload)
                && udp.checksum() != 0
            {
                udp.fill_checksum(&source, &destination);
            }
        }
        IpProtocol::Tcp => {
            if let Ok(mut tcp) = TcpPacket::new_checked(payload) {
                tcp.fill_checksum(&source, &destination);
            }
        }
        _ => {}
    }
}
