//! UDP over IPv4 (RFC 768): build and read whole packets.
//!
//! Builder and reader handle the IPv4 and the UDP header together, because the UDP checksum covers addresses of both.
//! We always send a checksum; none (0) is accepted, as RFC 768 says, and as RFC 3948 §2.1 wants for ESP in UDP.

use core::net::SocketAddrV4;

pub(crate) use smoltcp::wire::UDP_HEADER_LEN;
use smoltcp::wire::UdpPacket;

use crate::address::Ipv4Addr;
use crate::checksum;
use crate::error::PacketError;
use crate::ipv4::{HEADER_LEN, Ipv4Header, Ipv4View, protocol, write_header};

/// A UDP datagram that was read from a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// Source address and port.
    pub source: SocketAddrV4,
    /// Destination address and port.
    pub destination: SocketAddrV4,
    /// The octets after the UDP header.
    pub payload: &'a [u8],
}

/// An IPv4 packet with a UDP datagram in it; the UDP checksum is never 0.
///
/// # Panics
/// When the payload exceeds 65 507 octets.
pub fn build_udp(
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: &[u8],
    ttl: u8,
    dont_fragment: bool,
    identification: u16,
) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_LEN + UDP_HEADER_LEN + payload.len());
    packet.resize(HEADER_LEN + UDP_HEADER_LEN, 0);
    packet.extend_from_slice(payload);
    let header = Ipv4Header {
        ttl,
        dont_fragment,
        identification,
        ..Ipv4Header::new(*source.ip(), *destination.ip(), protocol::UDP)
    };
    write_header(&mut packet, &header);
    write_udp(&mut packet[HEADER_LEN..], source, destination);
    packet
}

fn write_udp(datagram: &mut [u8], source: SocketAddrV4, destination: SocketAddrV4) {
    let udp_len = u16::try_from(datagram.len()).expect("shorter than its IPv4 packet");
    let mut udp = UdpPacket::new_unchecked(&mut *datagram);
    udp.set_src_port(source.port());
    udp.set_dst_port(destination.port());
    udp.set_len(udp_len);
    udp.set_checksum(0);
    let checksum = never_zero(!checksum::udp_sum(*source.ip(), *destination.ip(), udp_len, datagram));
    UdpPacket::new_unchecked(datagram).set_checksum(checksum);
}

/// Zero on the wire would mean "no checksum": its other representation stands for it (RFC 768).
pub(crate) const fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { u16::MAX } else { checksum }
}

/// Reads an IPv4 packet with a UDP datagram in it.
///
/// # Errors
/// As [`Ipv4View::parse`], and when the packet is a fragment, carries another protocol, has a UDP length that does
/// not fit, or a checksum that is present and wrong.
pub fn parse_udp(packet: &[u8]) -> Result<UdpDatagram<'_>, PacketError> {
    UdpDatagram::parse(&Ipv4View::parse(packet)?)
}

impl<'a> UdpDatagram<'a> {
    /// Reads the datagram in a packet whose IPv4 header has been read.
    ///
    /// # Errors
    /// As [`parse_udp`], the IPv4 header aside.
    pub fn parse(view: &Ipv4View<'a>) -> Result<Self, PacketError> {
        let datagram = view.payload_of(protocol::UDP)?;
        let (source, destination) = (view.source(), view.destination());
        let udp = checked_udp(datagram, source, destination)?;
        Ok(Self {
            source: SocketAddrV4::new(source, udp.src_port()),
            destination: SocketAddrV4::new(destination, udp.dst_port()),
            payload: udp.payload(),
        })
    }
}

fn checked_udp(
    datagram: &[u8],
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Result<UdpPacket<&[u8]>, PacketError> {
    let available = datagram.len();
    if available < UDP_HEADER_LEN {
        return Err(PacketError::Truncated { header: "UDP", needed: UDP_HEADER_LEN, available });
    }
    let udp = UdpPacket::new_unchecked(datagram);
    let udp_len = udp.len();
    if udp.check_len().is_err() {
        return Err(PacketError::UdpLength { udp_len, available });
    }
    let covered = &datagram[..usize::from(udp_len)];
    if udp.checksum() != 0 && checksum::udp_sum(source, destination, udp_len, covered) != u16::MAX {
        return Err(PacketError::Checksum { header: "UDP" });
    }
    Ok(udp)
}
