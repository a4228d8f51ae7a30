//! Which flow a packet belongs to, and rewriting one of its endpoints.
//!
//! For ICMP echo the identifier stands for the port of the inside (RFC 5508 §3.1); the outside has none, so it is 0.
//! Checksums are updated, not recomputed: damage stays visible to the receiver.

use core::net::SocketAddrV4;

use smoltcp::wire::{Icmpv4Packet, Ipv4Packet, UDP_HEADER_LEN, UdpPacket};

use crate::checksum::{update_address, update_word};
use crate::drop::DropReason;
use crate::icmp::{EchoKind, IcmpMessage, parse_icmp};
use crate::ip::IpView;
use crate::ipv4::{Ipv4View, protocol};
use crate::udp::never_zero;

/// Which way a packet crosses the NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Outbound,
    Inbound,
}

/// A protocol that the NAT translates; each has port numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NatProtocol {
    Udp,
    IcmpEcho,
}

/// The endpoints of a packet, as it stands before translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) protocol: NatProtocol,
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
}

/// Reads the flow of a packet; after this, [`rewrite`] cannot fail on it.
pub(super) fn classify(packet: &[u8], direction: Direction) -> Result<Flow, DropReason> {
    let view = Ipv4View::parse(packet).map_err(|error| error.drop_reason())?;
    if view.fragment().is_some() {
        return Err(DropReason::FragmentUnsupported);
    }
    let (protocol, source_port, destination_port) = match view.protocol() {
        protocol::UDP => udp_ports(view.payload())?,
        protocol::ICMP => icmp_ports(view, direction)?,
        _ => return Err(DropReason::NatUnsupportedProtocol),
    };
    Ok(Flow {
        protocol,
        source: SocketAddrV4::new(view.source(), source_port),
        destination: SocketAddrV4::new(view.destination(), destination_port),
    })
}

fn udp_ports(datagram: &[u8]) -> Result<(NatProtocol, u16, u16), DropReason> {
    if datagram.len() < UDP_HEADER_LEN {
        return Err(DropReason::MalformedPacket);
    }
    let udp = UdpPacket::new_unchecked(datagram);
    Ok((NatProtocol::Udp, udp.src_port(), udp.dst_port()))
}

/// Requests go out and replies come in; the other way round there is no mapping to speak of.
fn icmp_ports(view: Ipv4View<'_>, direction: Direction) -> Result<(NatProtocol, u16, u16), DropReason> {
    let message = parse_icmp(&IpView::V4(view)).map_err(|error| match error.drop_reason() {
        DropReason::NoListener => DropReason::NatUnsupportedProtocol,
        reason => reason,
    })?;
    let IcmpMessage::Echo(echo) = message else { return Err(DropReason::NatUnsupportedProtocol) };
    match (direction, echo.kind) {
        (Direction::Outbound, EchoKind::Request) => Ok((NatProtocol::IcmpEcho, echo.ident, 0)),
        (Direction::Inbound, EchoKind::Reply) => Ok((NatProtocol::IcmpEcho, 0, echo.ident)),
        (Direction::Outbound, EchoKind::Reply) | (Direction::Inbound, EchoKind::Request) => {
            Err(DropReason::NatUnsupportedProtocol)
        }
    }
}

/// Replaces the inside's endpoint of a classified packet: the source outbound, the destination inbound.
pub(super) fn rewrite(packet: &mut [u8], direction: Direction, flow: &Flow, new: SocketAddrV4) {
    let old = match direction {
        Direction::Outbound => flow.source,
        Direction::Inbound => flow.destination,
    };
    let mut ip = Ipv4Packet::new_unchecked(packet);
    ip.set_checksum(update_address(ip.checksum(), *old.ip(), *new.ip()));
    match direction {
        Direction::Outbound => ip.set_src_addr(*new.ip()),
        Direction::Inbound => ip.set_dst_addr(*new.ip()),
    }
    match flow.protocol {
        NatProtocol::Udp => rewrite_udp(ip.payload_mut(), direction, old, new),
        NatProtocol::IcmpEcho => rewrite_echo(ip.payload_mut(), old.port(), new.port()),
    }
}

fn rewrite_udp(datagram: &mut [u8], direction: Direction, old: SocketAddrV4, new: SocketAddrV4) {
    let mut udp = UdpPacket::new_unchecked(datagram);
    match direction {
        Direction::Outbound => udp.set_src_port(new.port()),
        Direction::Inbound => udp.set_dst_port(new.port()),
    }
    // No checksum (0) stays none, as RFC 3022 §4.1 has it.
    if udp.checksum() != 0 {
        let with_address = update_address(udp.checksum(), *old.ip(), *new.ip());
        udp.set_checksum(never_zero(update_word(with_address, old.port(), new.port())));
    }
}

fn rewrite_echo(message: &mut [u8], old: u16, new: u16) {
    let mut icmp = Icmpv4Packet::new_unchecked(message);
    icmp.set_checksum(update_word(icmp.checksum(), old, new));
    icmp.set_echo_ident(new);
}
