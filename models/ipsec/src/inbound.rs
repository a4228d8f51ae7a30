//! From the unprotected to the protected side: SPI, replay, ICV, selectors (RFC 4301 §5.2, RFC 4303 §3.4).

use core::time::Duration;

use smoltcp::wire::{IpProtocol, Ipv4Packet, UdpPacket};

use crate::discard::DiscardReason;
use crate::engine::Engine;
use crate::esp::{self, Opened};
use crate::ip;
use crate::sad::Mode;
use crate::selector::{Direction, Selectors};
use crate::spd::{DefaultAction, SpdAction};
use crate::spi::Spi;
use crate::udp_encap::Port4500;

/// What becomes of a packet that arrives.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<T> {
    /// It goes on to its destination.
    Deliver {
        /// The packet without protection: the inner one, or the original one of transport mode.
        packet: Vec<u8>,
        /// The owner's token.
        token: T,
        /// The inbound SPI that it came under; `None` when it came in the clear.
        spi: Option<Spi>,
    },
    /// It goes no further.
    Discard {
        /// Why.
        reason: DiscardReason,
        /// The packet; octets behind its ESP header may have been scrambled by decryption.
        packet: Vec<u8>,
        /// The owner's token.
        token: T,
    },
}

/// What a packet is before any SA has been looked at.
enum Arrival {
    /// ESP from this offset on.
    Esp {
        offset: usize,
        encapsulated: bool,
    },
    Ike,
    Clear(Selectors),
}

impl<T> Engine<T> {
    /// Takes an IPv4 packet from the unprotected side at time `now`.
    ///
    /// ESP to the local address, in UDP or not, is opened; IKE to it passes; all else passes if the SPD lets such
    /// traffic come in the clear. NAT keepalives and dummy packets end here, with a reason of their own.
    pub fn inbound(&mut self, now: Duration, mut packet: Vec<u8>, token: T) -> Inbound<T> {
        self.now = now;
        match self.admit(&mut packet) {
            Ok(spi) => Inbound::Deliver { packet, token, spi },
            Err(reason) => {
                self.discards.add(reason);
                Inbound::Discard { reason, packet, token }
            }
        }
    }

    fn admit(&mut self, packet: &mut Vec<u8>) -> Result<Option<Spi>, DiscardReason> {
        match self.classify(packet)? {
            Arrival::Ike => Ok(None),
            Arrival::Clear(selectors) => self.admit_clear(&selectors),
            Arrival::Esp { offset, encapsulated } => self.decapsulate(packet, offset, encapsulated).map(Some),
        }
    }

    fn classify(&self, packet: &mut Vec<u8>) -> Result<Arrival, DiscardReason> {
        let selectors = Selectors::parse(packet).map_err(|_| DiscardReason::Malformed)?;
        packet.truncate(usize::from(Ipv4Packet::new_unchecked(&packet).total_len()));
        if selectors.destination != self.config.local_address {
            return Ok(Arrival::Clear(selectors));
        }
        let header = Ipv4Packet::new_unchecked(packet.as_slice());
        let offset = usize::from(header.header_len());
        let fragment = header.more_frags() || header.frag_offset() != 0;
        match header.next_header() {
            IpProtocol::IpSecEsp if fragment => Err(DiscardReason::Fragment),
            IpProtocol::IpSecEsp => Ok(Arrival::Esp { offset, encapsulated: false }),
            IpProtocol::Udp if selectors.destination_port == Some(self.config.nat_traversal_port) => {
                port_4500(header.payload(), offset, fragment)
            }
            _ if self.config.is_ike_port(selectors.protocol, selectors.destination_port) => Ok(Arrival::Ike),
            _ => Ok(Arrival::Clear(selectors)),
        }
    }

    /// Clear traffic may pass only where the SPD would let it go out in the clear (RFC 4301 §5.2 step 3b).
    fn admit_clear(&mut self, selectors: &Selectors) -> Result<Option<Spi>, DiscardReason> {
        let default = self.config.spd.default_action();
        match self.config.spd.lookup(Direction::Inbound, selectors).map(|entry| entry.action) {
            Some(SpdAction::Bypass) => Ok(None),
            Some(SpdAction::Discard) => Err(DiscardReason::PolicyDiscard),
            Some(SpdAction::Protect { .. }) => Err(DiscardReason::InboundPolicy),
            None if default == DefaultAction::Bypass => Ok(None),
            None => Err(DiscardReason::NoPolicy),
        }
    }

    /// Turns `packet`, whose ESP header is at `offset`, into what it protects.
    fn decapsulate(
        &mut self,
        packet: &mut Vec<u8>,
        offset: usize,
        encapsulated: bool,
    ) -> Result<Spi, DiscardReason> {
        let (spi, number) = esp::header(&packet[offset..])?;
        let child = self.sad.get_mut(spi).ok_or(DiscardReason::UnknownSpi)?;
        if !child.inbound.window.check(number) {
            return Err(DiscardReason::Replay);
        }
        let opened = esp::open(&child.inbound.sa.cipher, &mut self.crypto, &mut packet[offset..])?;
        child.inbound.window.update(number);
        if opened.next_header == esp::NO_NEXT_HEADER {
            return Err(DiscardReason::Dummy);
        }
        let selectors = match child.inbound.sa.mode {
            Mode::Tunnel => unwrap_tunnel(packet, offset, &opened)?,
            Mode::Transport => unwrap_transport(packet, offset, &opened, encapsulated)?,
        };
        if !child.covers(Direction::Inbound, &selectors) {
            return Err(DiscardReason::InboundPolicy);
        }
        child.count_inbound(self.now, packet.len());
        Ok(spi)
    }
}

fn port_4500(datagram: &[u8], offset: usize, fragment: bool) -> Result<Arrival, DiscardReason> {
    // An IKE message in fragments is for the owner's reassembly, an ESP packet in fragments is not ours to open.
    let payload = match UdpPacket::new_checked(datagram) {
        Ok(udp) => udp.payload(),
        Err(_) if fragment => &datagram[ip::UDP_LEN.min(datagram.len())..],
        Err(_) => return Err(DiscardReason::Malformed),
    };
    match Port4500::classify(payload) {
        Port4500::Ike(_) => Ok(Arrival::Ike),
        Port4500::Esp(_) if fragment => Err(DiscardReason::Fragment),
        Port4500::Esp(_) => Ok(Arrival::Esp { offset: offset + ip::UDP_LEN, encapsulated: true }),
        Port4500::Keepalive => Err(DiscardReason::NatKeepalive),
        Port4500::Malformed => Err(DiscardReason::Malformed),
    }
}

/// Leaves only the inner packet, with the congestion mark of the outer one.
fn unwrap_tunnel(packet: &mut Vec<u8>, offset: usize, opened: &Opened) -> Result<Selectors, DiscardReason> {
    if opened.next_header != esp::IPV4_IN_ESP {
        return Err(DiscardReason::InboundPolicy);
    }
    let outer_ecn = Ipv4Packet::new_unchecked(packet.as_slice()).ecn();
    packet.truncate(offset + opened.payload.end);
    packet.drain(..offset + opened.payload.start);
    let selectors = Selectors::parse(packet).map_err(|_| DiscardReason::Malformed)?;
    // Behind the inner packet there may be traffic flow confidentiality padding (RFC 4303 §2.7).
    packet.truncate(usize::from(Ipv4Packet::new_unchecked(&packet).total_len()));
    ip::decapsulate_ecn(outer_ecn, packet)?;
    Ok(selectors)
}

/// Leaves the IP header with the payload that it had before.
fn unwrap_transport(
    packet: &mut Vec<u8>,
    offset: usize,
    opened: &Opened,
    encapsulated: bool,
) -> Result<Selectors, DiscardReason> {
    let header_len = usize::from(Ipv4Packet::new_unchecked(packet.as_slice()).header_len());
    packet.truncate(offset + opened.payload.end);
    packet.drain(header_len..offset + opened.payload.start);
    ip::restore_transport(packet, opened.next_header);
    if encapsulated {
        ip::refresh_checksum(packet);
    }
    Selectors::parse(packet).map_err(|_| DiscardReason::Malformed)
}
