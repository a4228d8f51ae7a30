//! One packet under one SA, on its way in: AH, ESP or both, in place (RFC 4302 §3.4, RFC 4303 §3.4, RFC 4301 §5.2).

use core::net::IpAddr;

use ipseclab_crypto::Crypto;

use crate::ah::{AhHeader, Covered};
use crate::child::InboundSa;
use crate::discard::DiscardReason;
use crate::engine::Engine;
use crate::esp::{self, Opened};
use crate::event::Event;
use crate::header::{IpHeader, Version, protocol};
use crate::ip::{self, Mark};
use crate::replay::ReplayWindow;
use crate::sa::Mode;
use crate::selector::{Direction, Selectors};
use crate::spi::{SeqNo, Spi};

/// The outermost protection of an arriving packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layer {
    Esp { start: usize, encapsulated: bool },
    Ah { start: usize },
}

/// A packet whose protection has been checked, and taken off where it hides something.
#[derive(Debug)]
struct Admitted {
    opened: Opened,
    /// The number of ESP in UDP and where it came from.
    from: Option<(SeqNo, (IpAddr, u16))>,
}

impl<T> Engine<T> {
    /// Turns a packet into what it protects.
    pub(crate) fn decapsulate(
        &mut self,
        packet: &mut Vec<u8>,
        header: &IpHeader,
        layer: Layer,
    ) -> Result<Spi, DiscardReason> {
        let spi = match layer {
            Layer::Esp { start, .. } => esp::header(&packet[start..])?.0,
            Layer::Ah { start } => AhHeader::parse(&packet[start..])?.spi,
        };
        let child = self.sad.arriving(spi).ok_or(DiscardReason::UnknownSpi)?;
        let spi = child.inbound.sa.spi;
        let admitted = child.inbound.open(&mut self.crypto, &mut self.kept, packet, header, layer)?;
        // The other end sends on this pair, so it can receive on it.
        if !core::mem::replace(&mut child.outbound.enabled, true) {
            self.flow = None;
        }
        if let Some((_, (address, port))) =
            admitted.from.filter(|(number, from)| child.inbound.has_moved(*number, *from))
        {
            self.events.push_back(Event::MappingChanged { spi, address, port });
        }
        if admitted.opened.next_header == protocol::NONE && child.inbound.sa.esp.is_some() {
            return Err(DiscardReason::Dummy);
        }
        let selectors = match child.inbound.sa.mode {
            Mode::Tunnel => {
                let (selectors, mark) = unwrap_tunnel(packet, header, &admitted.opened)?;
                self.congestion_marks += u64::from(mark == Mark::Carried);
                selectors
            }
            Mode::Transport => unwrap_transport(packet, header, &admitted.opened, admitted.from.is_some())?,
        };
        if !child.covers(Direction::Inbound, &selectors) {
            return Err(DiscardReason::InboundPolicy);
        }
        let events = &mut self.events;
        child.inbound.sa.usage.add(self.now, packet.len(), |limit| {
            events.push_back(Event::expired(spi, Direction::Inbound, limit));
        });
        Ok(spi)
    }
}

impl InboundSa {
    /// Checks and opens all layers of a packet, and marks its numbers as received.
    fn open(
        &mut self,
        crypto: &mut Crypto,
        kept: &mut Vec<u8>,
        packet: &mut Vec<u8>,
        header: &IpHeader,
        layer: Layer,
    ) -> Result<Admitted, DiscardReason> {
        if self.sa.usage.is_over() {
            return Err(DiscardReason::LifetimeExceeded);
        }
        match layer {
            // A bundle protects a packet only with both of its SAs.
            Layer::Esp { .. } if self.sa.ah.is_some() && self.sa.esp.is_some() => {
                Err(DiscardReason::Unprotected)
            }
            Layer::Esp { start, encapsulated } => {
                let from = encapsulated.then(|| ip::udp_source(packet, start, header));
                let (number, opened) = self.open_esp(crypto, packet, start)?;
                Ok(Admitted { opened, from: from.map(|from| (number, from)) })
            }
            Layer::Ah { start } => {
                let opened = self.open_ah(crypto, kept, packet, header.version, start)?;
                if self.sa.esp.is_none() {
                    return Ok(Admitted { opened, from: None });
                }
                if opened.next_header != protocol::ESP {
                    return Err(DiscardReason::Unprotected);
                }
                let (_, opened) = self.open_esp(crypto, packet, opened.payload.start)?;
                Ok(Admitted { opened, from: None })
            }
        }
    }

    fn open_esp(
        &mut self,
        crypto: &mut Crypto,
        packet: &mut [u8],
        start: usize,
    ) -> Result<(SeqNo, Opened), DiscardReason> {
        let (spi, low) = esp::header(&packet[start..])?;
        let layer = self.sa.esp.as_ref().filter(|layer| layer.spi == spi).ok_or(DiscardReason::UnknownSpi)?;
        let number = number(&self.window, self.sa.esn, low)?;
        let high = number.implicit(self.sa.esn);
        let opened = esp::open(&layer.cipher, crypto, &mut packet[start..], high)?;
        self.window.update(number);
        let payload = start + opened.payload.start..start + opened.payload.end;
        Ok((number, Opened { payload, ..opened }))
    }

    fn open_ah(
        &mut self,
        crypto: &mut Crypto,
        kept: &mut Vec<u8>,
        packet: &mut Vec<u8>,
        version: Version,
        start: usize,
    ) -> Result<Opened, DiscardReason> {
        let header = AhHeader::parse(&packet[start..])?;
        let layer =
            self.sa.ah.as_ref().filter(|layer| layer.spi == header.spi).ok_or(DiscardReason::UnknownSpi)?;
        let window = self.outer_window.as_mut().unwrap_or(&mut self.window);
        let number = number(window, self.sa.esn, header.low)?;
        let high = number.implicit(self.sa.esn);
        let covered = Covered { version, start, authenticator: &layer.authenticator, high };
        covered.verify(crypto, kept, packet, &header)?;
        window.update(number);
        Ok(Opened { payload: start + header.len..packet.len(), next_header: header.next_header })
    }
}

/// The whole number of a packet by what its header carries, if it may still be accepted.
fn number(window: &ReplayWindow, esn: bool, low: u32) -> Result<SeqNo, DiscardReason> {
    let number = if esn { window.extend(low) } else { Some(SeqNo::new(u64::from(low))) };
    number.filter(|number| window.check(*number)).ok_or(DiscardReason::Replay)
}

/// Leaves only the inner packet, with the congestion mark of the outer one.
fn unwrap_tunnel(
    packet: &mut Vec<u8>,
    outer: &IpHeader,
    opened: &Opened,
) -> Result<(Selectors, Mark), DiscardReason> {
    if !matches!(opened.next_header, protocol::IPV4 | protocol::IPV6) {
        return Err(DiscardReason::InboundPolicy);
    }
    packet.truncate(opened.payload.end);
    packet.drain(..opened.payload.start);
    let header = IpHeader::parse(packet).map_err(|_| DiscardReason::Malformed)?;
    if header.version.in_tunnel() != opened.next_header {
        return Err(DiscardReason::Malformed);
    }
    // Behind the inner packet there may be traffic flow confidentiality padding (RFC 4303 §2.7).
    packet.truncate(header.total_len);
    let mark = ip::decapsulate_ecn(outer.traffic_class, packet, &header)?;
    Ok((Selectors::of(&header, packet), mark))
}

/// Leaves the IP header with the payload that it had before.
fn unwrap_transport(
    packet: &mut Vec<u8>,
    header: &IpHeader,
    opened: &Opened,
    encapsulated: bool,
) -> Result<Selectors, DiscardReason> {
    packet.truncate(opened.payload.end);
    packet.drain(header.upper.start..opened.payload.start);
    ip::complete(packet, header.version, header.upper.named_at, opened.next_header);
    ip::fill_checksum(packet, header.version);
    let header = IpHeader::parse(packet).map_err(|_| DiscardReason::Malformed)?;
    if encapsulated {
        ip::refresh_checksum(packet, &header);
    }
    Ok(Selectors::of(&header, packet))
}

#[cfg(test)]
mod tests {
    use ipseclab_crypto::{Purpose, RandomSource as _};

    use super::*;
    use crate::esp::{Envelope, TrailerAlignment};
    use core::time::Duration;

    use crate::inbound::Inbound;
    use crate::testing::{Counting, LEFT, RIGHT, crypto, engine, mirrored, pair, ping};

    /// What the peer of `pair(Mode::Tunnel)` could send under its key: any payload, any next header.
    fn from_peer(payload: &[u8], next_header: u8) -> Vec<u8> {
        let parameters = pair(Mode::Tunnel).inbound;
        let parameters = parameters.protection.esp().unwrap();
        let mut iv = [0; 8];
        Counting::default().fill(Purpose::Iv, &mut iv);
        let spi = parameters.spi;
        let (number, alignment) = (SeqNo::new(1), TrailerAlignment::FourOctets);
        let envelope = Envelope { spi, number, esn: false, iv: &iv, next_header, alignment };
        let cipher = crypto().packet_cipher(parameters.encryption, &parameters.encryption_key, None);
        let mut esp = vec![0; esp::sealed_len(&cipher, alignment, payload.len())];
        esp[esp::front_len(&cipher)..][..payload.len()].copy_from_slice(payload);
        esp::seal(&cipher, &mut crypto(), &envelope, &mut esp, payload.len());
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
        check_discard(from_peer(&[0; 30], protocol::NONE), DiscardReason::Dummy);
    }

    #[test]
    fn a_tunnel_carries_nothing_but_ip() {
        check_discard(from_peer(&ping(RIGHT, LEFT, 8), 41), DiscardReason::Malformed);
        check_discard(from_peer(&ping(RIGHT, LEFT, 8)[20..], 1), DiscardReason::InboundPolicy);
        check_discard(from_peer(&[0x45; 12], protocol::IPV4), DiscardReason::Malformed);
        check_discard(from_peer(&[], protocol::IPV4), DiscardReason::Malformed);
    }

    #[test]
    fn flow_confidentiality_padding_is_cut_off() {
        let inner = ping(RIGHT, LEFT, 8);
        let padded = [inner.as_slice(), &[0xaa; 77]].concat();
        let Inbound::Deliver { packet, .. } = receive(from_peer(&padded, protocol::IPV4)) else {
            panic!("discarded");
        };
        assert_eq!(packet, inner);
    }

    #[test]
    fn a_congestion_mark_on_the_way_reaches_the_inner_packet() {
        let mut inner = ping(RIGHT, LEFT, 8);
        inner[1] = 0b10;
        smoltcp::wire::Ipv4Packet::new_unchecked(&mut inner).fill_checksum();
        let mut wire = from_peer(&inner, protocol::IPV4);
        wire[1] = 0b11;
        let Inbound::Deliver { packet, .. } = receive(wire) else { panic!("discarded") };
        assert_eq!(packet[1], 0b11);
        assert!(smoltcp::wire::Ipv4Packet::new_unchecked(&packet).verify_checksum());
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
