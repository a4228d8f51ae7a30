//! From the unprotected to the protected side: what a packet is, and whether it may come in the clear (RFC 4301 §5.2);
//! `decapsulate` has what is protected.

use core::time::Duration;

use smoltcp::wire::UdpPacket;

use crate::decapsulate::Layer;
use crate::discard::DiscardReason;
use crate::engine::Engine;
use crate::event::Event;
use crate::header::{IpHeader, Part, UDP_LEN, protocol};
use crate::notice;
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
    Protected(Layer),
    Ike,
    Clear(Selectors),
}

impl<T> Engine<T> {
    /// Takes an IP packet from the unprotected side at time `now`.
    ///
    /// ESP, in UDP or not, and AH to the local addresses are opened; IKE to them passes; all else passes if the SPD lets
    /// such traffic come in the clear. NAT keepalives and dummy packets end here, with a reason of their own.
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
        let header = IpHeader::parse(packet).map_err(|_| DiscardReason::Malformed)?;
        packet.truncate(header.total_len);
        if self.learn_path_mtu(packet, &header) {
            return Err(DiscardReason::PathMtuNotice);
        }
        match self.classify(packet, &header)? {
            Arrival::Ike => Ok(None),
            Arrival::Clear(selectors) => self.admit_clear(&selectors),
            Arrival::Protected(layer) => self.decapsulate(packet, &header, layer).map(Some),
        }
    }

    /// Whether the packet is a router's message about one of our SAs; then its path MTU is what the router says.
    ///
    /// It is not authentic, so no SA's path becomes less than what every path takes (RFC 4301 §8.2.1).
    fn learn_path_mtu(&mut self, packet: &[u8], header: &IpHeader) -> bool {
        if !matches!(header.upper.protocol, protocol::ICMP | protocol::ICMPV6)
            || !self.config.is_local(header.destination)
        {
            return false;
        }
        let Some(notice) = notice::parse(header, packet, self.config.nat_traversal_port) else {
            return false;
        };
        let Some(child) = self.sad.leaving(notice.spi, notice.source, notice.destination) else {
            return false;
        };
        let (path_mtu, config) = (&mut child.outbound.path_mtu, &self.config);
        let current = path_mtu.octets(self.now, config.path_mtu, config.path_mtu_age);
        if let Some(octets) = path_mtu.learn(self.now, notice.mtu, header.version, current) {
            self.events.push_back(Event::PathMtuChanged { spi: child.inbound.sa.spi, octets });
        }
        true
    }

    fn classify(&self, packet: &[u8], header: &IpHeader) -> Result<Arrival, DiscardReason> {
        if !self.config.is_local(header.destination) {
            return Ok(Arrival::Clear(Selectors::of(header, packet)));
        }
        let start = header.upper.start;
        match header.upper.protocol {
            protocol::ESP | protocol::AH if header.part != Part::Whole => Err(DiscardReason::Fragment),
            protocol::ESP => Ok(Arrival::Protected(Layer::Esp { start, encapsulated: false })),
            protocol::AH => Ok(Arrival::Protected(Layer::Ah { start })),
            _ => {
                let selectors = Selectors::of(header, packet);
                match selectors.destination_port {
                    Some(port)
                        if port == self.config.nat_traversal_port && selectors.protocol == protocol::UDP =>
                    {
                        port_4500(&packet[start..], start, header.part != Part::Whole)
                    }
                    port if self.config.is_ike_port(selectors.protocol, port) => Ok(Arrival::Ike),
                    _ => Ok(Arrival::Clear(selectors)),
                }
            }
        }
    }

    /// Clear traffic may pass only where the SPD would let it go out in the clear (RFC 4301 §5.2 step 3b).
    fn admit_clear(&mut self, selectors: &Selectors) -> Result<Option<Spi>, DiscardReason> {
        let default = self.config.spd.default_action();
        match self.lookup(Direction::Inbound, selectors) {
            Some(SpdAction::Bypass) => Ok(None),
            Some(SpdAction::Discard) => Err(DiscardReason::PolicyDiscard),
            Some(SpdAction::Protect { .. } | SpdAction::ProtectInstalled { .. }) => {
                Err(DiscardReason::Unprotected)
            }
            None if default == DefaultAction::Bypass => Ok(None),
            None => Err(DiscardReason::NoPolicy),
        }
    }
}

fn port_4500(datagram: &[u8], offset: usize, fragment: bool) -> Result<Arrival, DiscardReason> {
    // An IKE message in fragments is for the owner's reassembly, an ESP packet in fragments is not ours to open.
    let payload = match UdpPacket::new_checked(datagram) {
        Ok(udp) => udp.payload(),
        Err(_) if fragment => &datagram[UDP_LEN.min(datagram.len())..],
        Err(_) => return Err(DiscardReason::Malformed),
    };
    match Port4500::classify(payload) {
        Port4500::Ike(_) => Ok(Arrival::Ike),
        Port4500::Esp(_) if fragment => Err(DiscardReason::Fragment),
        Port4500::Esp(_) => {
            Ok(Arrival::Protected(Layer::Esp { start: offset + UDP_LEN, encapsulated: true }))
        }
        Port4500::Keepalive => Err(DiscardReason::NatKeepalive),
        Port4500::Malformed => Err(DiscardReason::Malformed),
    }
}
