//! From the unprotected to the protected side: SPI, replay, ICV, selectors (RFC 4301 §5.2, RFC 4303 §3.4).

use core::net::Ipv4Addr;
use core::time::Duration;

use ipseclab_crypto::Crypto;
use smoltcp::wire::{IpProtocol, Ipv4Packet, UdpPacket};

use crate::child::InboundSa;
use crate::discard::DiscardReason;
use crate::engine::Engine;
use crate::esp::{self, Opened};
use crate::event::Event;
use crate::ip;
use crate::sa::Mode;
use crate::selector::{Direction, Selectors};
use crate::spd::{DefaultAction, SpdAction};
use crate::spi::{SeqNo, Spi};
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
        match self.lookup(Direction::Inbound, selectors) {
            Some(SpdAction::Bypass) => Ok(None),
            Some(SpdAction::Discard) => Err(DiscardReason::PolicyDiscard),
            Some(SpdAction::Protect { .. } | SpdAction::ProtectInstalled { .. }) => {
                Err(DiscardReason::InboundPolicy)
            }
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
        let (spi, low) = esp::header(&packet[offset..])?;
        let from = encapsulated.then(|| udp_source(packet, offset));
        let child = self.sad.get_mut(spi).ok_or(DiscardReason::UnknownSpi)?;
        let (number, opened) = child.inbound.open(&mut self.crypto, low, &mut packet[offset..])?;
        // The other end sends on this pair, so it can receive on it.
        child.outbound.enabled = true;
        if let Some((address, port)) = from.filter(|from| child.inbound.has_moved(number, *from)) {
            self.events.push_back(Event::MappingChanged { spi, address, port });
        }
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
        let limits = child.inbound.sa.usage.add(self.now, packet.len());
        self.events.extend(limits.map(|limit| Event::expired(spi, Direction::Inbound, limit)));
        Ok(spi)
    }
}

impl InboundSa {
    /// Opens an ESP packet, of whose number `low` is sent, and marks the number as received.
    fn open(
        &mut self,
        crypto: &mut Crypto,
        low: u32,
        packet: &mut [u8],
    ) -> Result<(SeqNo, Opened), DiscardReason> {
        if self.sa.usage.is_over() {
            return Err(DiscardReason::LifetimeExceeded);
        }
        let number = self.number(low).ok_or(DiscardReason::Replay)?;
        let opened = esp::open(&self.sa.cipher, crypto, packet, number.implicit(self.sa.esn))?;
        self.window.update(number);
        Ok((number, opened))
    }
}

/// Address and port that a packet with ESP in UDP at `offset` comes from.
fn udp_source(packet: &[u8], offset: usize) -> (Ipv4Addr, u16) {
    let datagram = UdpPacket::new_unchecked(&packet[offset - ip::UDP_LEN..]);
    (Ipv4Packet::new_unchecked(packet).src_addr(), datagram.src_port())
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

#[cfg(test)]
mod tests {
    use ipseclab_crypto::{Purpose, RandomSource as _};

    use super::*;
    use crate::esp::Envelope;
    use crate::testing::{Counting, LEFT, RIGHT, crypto, engine, mirrored, pair, ping};

    /// What the peer of `pair(Mode::Tunnel)` could send under its key: any payload, any next header.
    fn from_peer(payload: &[u8], next_header: u8) -> Vec<u8> {
        let parameters = pair(Mode::Tunnel).inbound;
        let mut iv = [0; 8];
        Counting::default().fill(Purpose::Iv, &mut iv);
        let envelope = Envelope {
            spi: parameters.spi,
            number: SeqNo::new(1),
            esn: false,
            iv: &iv,
            next_header,
            headroom: 0,
        };
        let cipher = crypto().packet_cipher(parameters.encryption, &parameters.encryption_key, None);
        let esp = esp::seal(&cipher, &mut crypto(), &envelope, payload);
        let mut packet = Vec::new();
        etherparse::PacketBuilder::ipv4(RIGHT.octets(), LEFT.octets(), 64)
            .write(&mut packet, etherparse::IpNumber(50), &esp)
            .unwrap();
        packet
    }

    fn receive(packet: Vec<u8>) -> Inbound<u32> {
        engine(LEFT, pair(Mode::Tunnel)).inbound(Duration::ZERO, packet, 0)
    }

    fn check_discard(packet: Vec<u8>, expected: DiscardReason) {
        match receive(packet) {
            Inbound::Discard { reason, .. } => assert_eq!(reason, expected),
            Inbound::Deliver { .. } => panic!("delivered"),
        }
    }

    #[test]
    fn dummy_packets_vanish_under_their_own_reason() {
        check_discard(from_peer(&[0; 30], esp::NO_NEXT_HEADER), DiscardReason::Dummy);
    }

    #[test]
    fn a_tunnel_carries_nothing_but_ipv4() {
        check_discard(from_peer(&ping(RIGHT, LEFT, 8), 41), DiscardReason::InboundPolicy);
        check_discard(from_peer(&ping(RIGHT, LEFT, 8)[20..], 1), DiscardReason::InboundPolicy);
        check_discard(from_peer(&[0x45; 12], esp::IPV4_IN_ESP), DiscardReason::Malformed);
        check_discard(from_peer(&[], esp::IPV4_IN_ESP), DiscardReason::Malformed);
    }

    #[test]
    fn flow_confidentiality_padding_is_cut_off() {
        let inner = ping(RIGHT, LEFT, 8);
        let padded = [inner.as_slice(), &[0xaa; 77]].concat();
        let Inbound::Deliver { packet, .. } = receive(from_peer(&padded, esp::IPV4_IN_ESP)) else {
            panic!("discarded");
        };
        assert_eq!(packet, inner);
    }

    #[test]
    fn a_congestion_mark_on_the_way_reaches_the_inner_packet() {
        let mut inner = ping(RIGHT, LEFT, 8);
        inner[1] = 0b10;
        Ipv4Packet::new_unchecked(&mut inner).fill_checksum();
        let mut wire = from_peer(&inner, esp::IPV4_IN_ESP);
        wire[1] = 0b11;
        let Inbound::Deliver { packet, .. } = receive(wire) else { panic!("discarded") };
        assert_eq!(packet[1], 0b11);
        assert!(Ipv4Packet::new_unchecked(&packet).verify_checksum());
    }

    #[test]
    fn a_tunnel_end_restores_what_the_other_end_protected() {
        let mut right = engine(RIGHT, mirrored(pair(Mode::Tunnel)));
        let crate::Outbound::Send { packet, .. } = right.outbound(Duration::ZERO, ping(RIGHT, LEFT, 8), 0)
        else {
            panic!("not sent");
        };
        assert!(matches!(receive(packet), Inbound::Deliver { packet, .. } if packet == ping(RIGHT, LEFT, 8)));
    }
}
