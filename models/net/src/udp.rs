//! UDP over IPv4 and IPv6 (RFC 768, RFC 8200 §8.1): build and read whole packets.
//!
//! Builder and reader handle the IP and the UDP header together, because the UDP checksum covers addresses of both.
//! We always send a checksum; over IPv4 none (0) is accepted, as RFC 768 says, and as RFC 3948 §2.1 wants for ESP in UDP.
//!
//! Model: over IPv6 a datagram without checksum is accepted as well, for any port: RFC 6935 lets tunnels do so, and ESP
//! in UDP is one.

use core::net::SocketAddr;

pub(crate) use smoltcp::wire::UDP_HEADER_LEN;
use smoltcp::wire::UdpPacket;

use crate::address::IpAddr;
use crate::checksum;
use crate::error::PacketError;
use crate::ip::{IpHeader, IpView, header_len};
use crate::ipv4::protocol;
use crate::packet::TUNNEL_ROOM;

/// A UDP datagram that was read from a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// The octets after the UDP header.
    pub payload: &'a [u8],
}

/// An IP packet with a UDP datagram in it; the UDP checksum is never 0.
///
/// DF and identification have no place in IPv6.
///
/// # Panics
/// When the payload exceeds 65 507 octets, 65 527 with IPv6, or the endpoints are of two families.
pub fn build_udp(
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
    ttl: u8,
    dont_fragment: bool,
    identification: u16,
) -> Vec<u8> {
    let header = IpHeader {
        ttl,
        dont_fragment,
        identification,
        ..IpHeader::new(source.ip(), destination.ip(), protocol::UDP)
    };
    let start = header.len();
    let mut packet = Vec::with_capacity(start + UDP_HEADER_LEN + payload.len() + TUNNEL_ROOM);
    packet.resize(start + UDP_HEADER_LEN, 0);
    packet.extend_from_slice(payload);
    header.write(&mut packet);
    write_udp(&mut packet[start..], source, destination);
    packet
}

/// Octets of the headers of a datagram from or to `address`.
pub(crate) const fn udp_headers_len(address: IpAddr) -> usize {
    header_len(address) + UDP_HEADER_LEN
}

fn write_udp(datagram: &mut [u8], source: SocketAddr, destination: SocketAddr) {
    let mut udp = UdpPacket::new_unchecked(&mut *datagram);
    udp.set_src_port(source.port());
    udp.set_dst_port(destination.port());
    udp.set_checksum(0);
    let ends = (source.ip(), destination.ip());
    let udp_len = u16::try_from(datagram.len()).expect("shorter than its IP packet");
    UdpPacket::new_unchecked(&mut *datagram).set_len(udp_len);
    let checksum = never_zero(!checksum::transport_sum(ends, protocol::UDP, datagram));
    UdpPacket::new_unchecked(datagram).set_checksum(checksum);
}

/// Zero on the wire would mean "no checksum": its other representation stands for it (RFC 768).
pub(crate) const fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { u16::MAX } else { checksum }
}

/// Reads an IP packet with a UDP datagram in it.
///
/// # Errors
/// As [`IpView::parse`], and when the packet is a fragment, carries another protocol, has a UDP length that does
/// not fit, or a checksum that is present and wrong.
pub fn parse_udp(packet: &[u8]) -> Result<UdpDatagram<'_>, PacketError> {
    UdpDatagram::parse(&IpView::parse(packet)?)
}

impl<'a> UdpDatagram<'a> {
    /// Reads the datagram in a packet whose IP header has been read.
    ///
    /// # Errors
    /// As [`parse_udp`], the IP header aside.
    pub fn parse(view: &IpView<'a>) -> Result<Self, PacketError> {
        let datagram = view.payload_of(protocol::UDP)?;
        let (source, destination) = (view.source(), view.destination());
        let udp = checked_udp(datagram, (source, destination))?;
        Ok(Self {
            source: SocketAddr::new(source, udp.src_port()),
            destination: SocketAddr::new(destination, udp.dst_port()),
            payload: udp.payload(),
        })
    }
}

fn checked_udp(datagram: &[u8], ends: (IpAddr, IpAddr)) -> Result<UdpPacket<&[u8]>, PacketError> {
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
    if udp.checksum() != 0 && checksum::transport_sum(ends, protocol::UDP, covered) != u16::MAX {
        return Err(PacketError::Checksum { header: "UDP" });
    }
    Ok(udp)
}
