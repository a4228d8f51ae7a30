//! ICMP's "packet too big", read and written (RFC 792 with RFC 1191 §4, RFC 4443 §3.2).
//!
//! A gateway meets it on both sides: routers on the unprotected side send it about protected packets, whose SPI is in what
//! the message quotes; and the gateway itself sends it to hosts of the protected side, about packets that do not fit their
//! SA. Left out: every other ICMP error, which is traffic like any other here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet};

use crate::ah::AhHeader;
use crate::esp;
use crate::header::{IPV4_LEN, IPV6_LEN, IpHeader, Part, UDP_LEN, Version, protocol};
use crate::ip;
use crate::spi::Spi;

/// Octets of the ICMP header in front of the quotation.
const ICMP_LEN: usize = 8;
/// Destination unreachable, fragmentation needed and DF set (RFC 792).
const V4_TYPE_AND_CODE: [u8; 2] = [3, 4];
/// Packet too big (RFC 4443 §3.2).
const V6_TYPE_AND_CODE: [u8; 2] = [2, 0];
/// The longest ICMP message over IPv4 (RFC 1812 §4.3.2.3).
const V4_LEN_MAX: usize = 576;
/// The longest error message over IPv6 (RFC 4443 §2.4).
const V6_LEN_MAX: usize = 1280;

/// A message of ours to the sender of a packet that was too long for its SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The ICMP message, from its IP header on; it quotes the packet.
    pub packet: Vec<u8>,
    /// Whether it may go to a sender on the protected side alone: to any other one it would go in the clear, and show what
    /// a policy protects (RFC 4301 §6.2).
    pub is_for_protected_side: bool,
}

/// What a router says about one of our protected packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooBig {
    /// Source and destination of the packet.
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Its SPI, of ESP or AH.
    pub(crate) spi: Spi,
    /// Octets that would have passed; 0 from routers older than RFC 1191.
    pub(crate) mtu: usize,
}

/// Reads a message about a packet of ESP or AH; `None` for everything else, and where too little is quoted.
pub(crate) fn parse(header: &IpHeader, packet: &[u8], nat_traversal_port: u16) -> Option<TooBig> {
    let message = packet.get(header.upper.start..header.total_len)?;
    let (icmp, quoted) = message.split_first_chunk::<ICMP_LEN>()?;
    let kind = [icmp[0], icmp[1]];
    let mtu = match (header.version, header.upper.protocol, header.part) {
        (Version::V4, protocol::ICMP, Part::Whole) if kind == V4_TYPE_AND_CODE => {
            u32::from(u16::from_be_bytes([icmp[6], icmp[7]]))
        }
        (Version::V6, protocol::ICMPV6, Part::Whole) if kind == V6_TYPE_AND_CODE => {
            u32::from_be_bytes([icmp[4], icmp[5], icmp[6], icmp[7]])
        }
        _ => return None,
    };
    let (source, destination, spi) = read_quotation(header.version, quoted, nat_traversal_port)?;
    Some(TooBig { source, destination, spi, mtu: usize::try_from(mtu).ok()? })
}

/// Addresses and SPI of a quoted packet, which is cut off somewhere.
///
/// Ours have no extension headers in tunnel mode; one that has is not recognised.
fn read_quotation(version: Version, quoted: &[u8], port: u16) -> Option<(IpAddr, IpAddr, Spi)> {
    let (source, destination, protocol, rest) = match version {
        Version::V4 => {
            let fixed = quoted.first_chunk::<IPV4_LEN>()?;
            let rest = quoted.get(usize::from(fixed[0] & 0x0f) * 4..)?;
            let at = |place: usize| -> IpAddr {
                Ipv4Addr::new(fixed[place], fixed[place + 1], fixed[place + 2], fixed[place + 3]).into()
            };
            (at(12), at(16), fixed[9], rest)
        }
        Version::V6 => {
            let fixed = quoted.first_chunk::<IPV6_LEN>()?;
            let at = |place: usize| crate::header::ipv6_at(fixed, place);
            (at(8), at(24), fixed[6], &quoted[IPV6_LEN..])
        }
    };
    let spi = match protocol {
        protocol::ESP => esp::header(rest).ok()?.0,
        protocol::AH => AhHeader::quoted_spi(rest)?,
        protocol::UDP if rest.get(..2)? == port.to_be_bytes() => esp::header(rest.get(UDP_LEN..)?).ok()?.0,
        _ => return None,
    };
    Some((source, destination, spi))
}

/// A message from `gateway` to the sender of `packet` that only `mtu` octets of it would pass; `None` when the two are not of
/// one version.
pub(crate) fn build(gateway: IpAddr, header: &IpHeader, packet: &[u8], mtu: usize) -> Option<Vec<u8>> {
    match (gateway, header.source) {
        (IpAddr::V4(gateway), IpAddr::V4(to)) => Some(build_v4(gateway, to, packet, mtu)),
        (IpAddr::V6(gateway), IpAddr::V6(to)) => Some(build_v6(gateway, to, packet, mtu)),
        _ => None,
    }
}

fn build_v4(gateway: Ipv4Addr, to: Ipv4Addr, packet: &[u8], mtu: usize) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(V4_LEN_MAX - IPV4_LEN - ICMP_LEN)];
    let [high, low] = u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes();
    let outer = ip::OuterHeader {
        source: gateway.into(),
        destination: to.into(),
        traffic_class: 0,
        dont_fragment: false,
        ident: 0,
        protocol: protocol::ICMP,
    };
    let mut message = vec![0; IPV4_LEN];
    message.extend_from_slice(&[V4_TYPE_AND_CODE[0], V4_TYPE_AND_CODE[1], 0, 0, 0, 0, high, low]);
    message.extend_from_slice(quoted);
    outer.write(&mut message);
    Icmpv4Packet::new_unchecked(&mut message[IPV4_LEN..]).fill_checksum();
    message
}

fn build_v6(gateway: Ipv6Addr, to: Ipv6Addr, packet: &[u8], mtu: usize) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(V6_LEN_MAX - IPV6_LEN - ICMP_LEN)];
    let outer = ip::OuterHeader {
        source: gateway.into(),
        destination: to.into(),
        traffic_class: 0,
        dont_fragment: true,
        ident: 0,
        protocol: protocol::ICMPV6,
    };
    let mut message = vec![0; IPV6_LEN];
    message.extend_from_slice(&[V6_TYPE_AND_CODE[0], V6_TYPE_AND_CODE[1], 0, 0]);
    message.extend_from_slice(&u32::try_from(mtu).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(quoted);
    outer.write(&mut message);
    Icmpv6Packet::new_unchecked(&mut message[IPV6_LEN..]).fill_checksum(&gateway, &to);
    message
}
