//! One packet under one SA, on its way out: AH, ESP or both, in place (RFC 4302 §3.3, RFC 4303 §3.3).
//!
//! ```text
//!  transport:  IP, headers in front | AH | ESP header, IV | payload | ESP trailer, ICV
//!  tunnel:     outer IP | (UDP)     | AH | ESP header, IV | packet  | ESP trailer, ICV
//! ```
//!
//! The payload moves back once, by the length of everything in front of it, and nothing is allocated when the owner's
//! buffer has that much room behind the packet. All that can go wrong does so before anything is written, so a packet that
//! is discarded is as it came.

use ipseclab_crypto::{Crypto, Purpose, RandomSource};

use crate::ah::{self, Covered};
use crate::child::OutboundSa;
use crate::discard::DiscardReason;
use crate::engine::DontFragment;
use crate::esp::{self, Envelope};
use crate::header::{IpHeader, Part, Place, UDP_LEN, Version, protocol};
use crate::ip::{self, OuterHeader};
use crate::mutable;
use crate::path_mtu::{self, Excess, Fragmentation};
use crate::sa::Mode;
use crate::spi::SeqNo;

/// Longest IV of any cipher, in octets.
const IV_MAX: usize = 16;

/// What of the engine the sealing of a packet uses.
pub(crate) struct Tools<'a> {
    pub(crate) crypto: &'a mut Crypto,
    pub(crate) random: &'a mut dyn RandomSource,
    pub(crate) kept: &'a mut Vec<u8>,
}

/// What an outer header says that is neither the SA's nor the packet's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) dont_fragment: DontFragment,
    pub(crate) ident: u16,
}

/// Lengths of the parts of a protected packet.
#[derive(Clone, Copy, Debug)]
struct Layout {
    version: Version,
    /// IP header, and the extension headers in front of AH or ESP.
    ip_len: usize,
    /// How much of `ip_len` the packet brings itself: all in transport mode, none in tunnel mode.
    kept_len: usize,
    udp_len: usize,
    ah_len: usize,
    /// ESP header and IV.
    esp_front_len: usize,
    payload_len: usize,
    total_len: usize,
    /// What the payload is.
    payload_protocol: u8,
}

impl Layout {
    const fn ah_start(&self) -> usize {
        self.ip_len + self.udp_len
    }

    const fn esp_start(&self) -> usize {
        self.ah_start() + self.ah_len
    }

    const fn payload_start(&self) -> usize {
        self.esp_start() + self.esp_front_len
    }
}

impl OutboundSa {
    /// Wraps one packet under the next sequence number; `header` is what has been read of it.
    ///
    /// # Errors
    /// Why it cannot be; it is then as it came.
    pub(crate) fn encapsulate(
        &mut self,
        mut tools: Tools<'_>,
        packet: &mut Vec<u8>,
        header: &IpHeader,
        outer: Outer,
    ) -> Result<(), DiscardReason> {
        if self.sa.usage.is_over() {
            return Err(DiscardReason::LifetimeExceeded);
        }
        let layout = self.layout(packet, header)?;
        let number = self.number.next(self.sa.esn).ok_or(DiscardReason::SeqExhausted)?;
        self.number = number;
        open_room(packet, &layout);
        if let Some(esp) = &self.sa.esp {
            let mut iv = [0; IV_MAX];
            let iv = &mut iv[..esp.cipher.iv_len()];
            if esp.cipher.needs_random_iv() {
                tools.random.fill(Purpose::Iv, iv);
            } else if !iv.is_empty() {
                // Unique because numbers never repeat under one key; all counting IVs here have eight octets.
                iv.copy_from_slice(&(self.iv_salt ^ number.value()).to_be_bytes());
            }
            let next_header = layout.payload_protocol;
            let (spi, alignment) = (esp.spi, esp.alignment);
            let envelope = Envelope { spi, number, esn: self.sa.esn, iv, next_header, alignment };
            let room = &mut packet[layout.esp_start()..];
            esp::seal(&esp.cipher, tools.crypto, &envelope, room, layout.payload_len);
        }
        self.write_ip(packet, &layout, header, outer);
        self.authenticate(&mut tools, packet, &layout, number)
    }

    /// What becomes of a packet that would be longer than `path_mtu` octets; `None` when it is not, or cannot be protected
    /// at all.
    pub(crate) fn excess(
        &self,
        packet: &[u8],
        header: &IpHeader,
        path_mtu: usize,
        (fragmentation, dont_fragment): (Fragmentation, DontFragment),
    ) -> Option<Excess> {
        let layout = self.layout(packet, header).ok().filter(|layout| layout.total_len > path_mtu)?;
        let room = path_mtu.saturating_sub(layout.payload_start());
        let payload = match &self.sa.esp {
            Some(esp) => esp::payload_max(&esp.cipher, esp.alignment, room),
            None => room,
        };
        let (outer, fragmentation) = match self.sa.mode {
            // Around IPv6 no router fragments, but this host could; whether it does is the same setting.
            Mode::Tunnel => (dont_fragment.applies(header), fragmentation),
            // Fragments cannot be protected, only whole packets (RFC 4303 §3.3.4).
            Mode::Transport => (header.dont_fragment, Fragmentation::After),
        };
        Some(path_mtu::verdict(header, outer, layout.kept_len + payload, fragmentation))
    }

    /// The parts of the packet to be.
    #[inline]
    fn layout(&self, packet: &[u8], header: &IpHeader) -> Result<Layout, DiscardReason> {
        let sa = &self.sa;
        let (version, ip_len, kept_len, payload_protocol) = match sa.mode {
            Mode::Tunnel => {
                let version = Version::of(sa.source);
                (version, version.header_len(), 0, header.version.in_tunnel())
            }
            Mode::Transport if header.part != Part::Whole => return Err(DiscardReason::Fragment),
            Mode::Transport => {
                let Place { start, protocol, .. } = header.insertion;
                (header.version, start, start, protocol)
            }
        };
        let payload_len = packet.len() - kept_len;
        let udp_len = sa.udp_encap.map_or(0, |_| UDP_LEN);
        let ah_len = sa.ah.as_ref().map_or(0, |ah| ah::header_len(ah.authenticator.algorithm(), version));
        let (esp_front_len, body_len) = match &sa.esp {
            Some(esp) => {
                let sealed_len = esp::sealed_len(&esp.cipher, esp.alignment, payload_len);
                (esp::front_len(&esp.cipher), sealed_len)
            }
            None => (0, payload_len),
        };
        let total_len = ip_len + udp_len + ah_len + body_len;
        if total_len > version.packet_len_max() {
            return Err(DiscardReason::TooBig);
        }
        if sa.ah.is_some() && kept_len > 0 {
            mutable::check(&packet[..kept_len], version)?;
        }
        Ok(Layout {
            version,
            ip_len,
            kept_len,
            udp_len,
            ah_len,
            esp_front_len,
            payload_len,
            total_len,
            payload_protocol,
        })
    }

    /// Writes the outer IP header, or what the packet's own says from now on, and a UDP header.
    fn write_ip(&self, packet: &mut [u8], layout: &Layout, header: &IpHeader, outer: Outer) {
        let protocol = match (self.sa.udp_encap, &self.sa.ah) {
            (Some(_), _) => protocol::UDP,
            (None, Some(_)) => protocol::AH,
            (None, None) => protocol::ESP,
        };
        match self.sa.mode {
            Mode::Transport => {
                ip::complete(packet, layout.version, header.insertion.named_at, protocol);
                ip::fill_checksum(&mut packet[..layout.ip_len], layout.version);
            }
            Mode::Tunnel => self.outer_header(header, outer, protocol).write(packet),
        }
        if let Some(ports) = self.sa.udp_encap {
            let (source, destination) = match self.sa.mode {
                Mode::Tunnel => (self.sa.source, self.sa.destination),
                Mode::Transport => (header.source, header.destination),
            };
            ip::write_udp(&mut packet[layout.ip_len..], ports, source, destination);
        }
    }

    fn authenticate(
        &self,
        tools: &mut Tools<'_>,
        packet: &mut Vec<u8>,
        layout: &Layout,
        number: SeqNo,
    ) -> Result<(), DiscardReason> {
        let Some(ah) = &self.sa.ah else { return Ok(()) };
        let next_header = if self.sa.esp.is_some() { protocol::ESP } else { layout.payload_protocol };
        let covered = Covered {
            version: layout.version,
            start: layout.ah_start(),
            authenticator: &ah.authenticator,
            high: number.implicit(self.sa.esn),
        };
        covered.seal(tools.crypto, tools.kept, packet, (ah.spi, number, next_header), self.iv_salt)
    }

    fn outer_header(&self, inner: &IpHeader, outer: Outer, protocol: u8) -> OuterHeader {
        OuterHeader {
            source: self.sa.source,
            destination: self.sa.destination,
            traffic_class: inner.traffic_class,
            dont_fragment: outer.dont_fragment.applies(inner),
            ident: outer.ident,
            protocol,
        }
    }

    /// Whether this is the first packet that finds no number left.
    pub(crate) fn report_exhausted(&mut self) -> bool {
        !core::mem::replace(&mut self.exhaustion_reported, true)
    }
}

/// Moves the payload to its place and makes the packet as long as it will be.
#[inline]
fn open_room(packet: &mut Vec<u8>, layout: &Layout) {
    let end = packet.len();
    packet.resize(layout.total_len, 0);
    packet.copy_within(layout.kept_len..end, layout.payload_start());
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::engine::Engine;
    use crate::event::Event;
    use crate::outbound::Outbound;
    use crate::spi::Spi;
    use crate::testing::{LEFT, RIGHT, engine, pair, ping};

    /// An engine whose SA has used all numbers but `left`.
    fn nearly_exhausted(left: u64) -> Engine<u32> {
        let mut engine = engine(LEFT, pair(Mode::Tunnel));
        let child = engine.sad.get_mut(Spi::new(0x1000).unwrap()).unwrap();
        child.outbound.number = SeqNo::new(SeqNo::LAST_WITHOUT_ESN.value() - left);
        engine
    }

    #[test]
    fn sequence_numbers_never_wrap_and_the_end_is_reported_once() {
        let mut engine = nearly_exhausted(1);
        let Outbound::Send { packet, .. } = engine.outbound(Duration::ZERO, ping(LEFT, RIGHT, 8), 0) else {
            panic!("one number is left");
        };
        assert_eq!(packet[24..28], [0xff; 4]);
        for _ in 0..2 {
            let outcome = engine.outbound(Duration::ZERO, ping(LEFT, RIGHT, 8), 0);
            let Outbound::Discard { reason: DiscardReason::SeqExhausted, packet, .. } = outcome else {
                panic!("no number is left");
            };
            assert_eq!(packet, ping(LEFT, RIGHT, 8), "it is as it came");
        }
        assert_eq!(engine.poll_event(), Some(Event::SeqExhausted { spi: Spi::new(0x1000).unwrap() }));
        assert_eq!(engine.poll_event(), None);
        assert_eq!(engine.discards.count(DiscardReason::SeqExhausted), 2);
    }

    #[test]
    fn it_is_time_to_rekey_while_numbers_are_left() {
        let left = SeqNo::LAST_WITHOUT_ESN.value() / 16;
        let mut engine = nearly_exhausted(left + 2);
        for expected in [None, Some(()), None] {
            let outcome = engine.outbound(Duration::ZERO, ping(LEFT, RIGHT, 8), 0);
            assert!(matches!(outcome, Outbound::Send { .. }));
            let spi = Spi::new(0x1000).unwrap();
            let event = Event::SoftExpired { spi, direction: crate::Direction::Outbound };
            assert_eq!(engine.poll_event(), expected.map(|()| event));
        }
    }

    #[test]
    fn ivs_of_aeads_count_from_a_random_salt_and_never_repeat() {
        let mut engine = engine(LEFT, pair(Mode::Tunnel));
        let ivs: Vec<u64> = (0..300)
            .map(|_| match engine.outbound(Duration::ZERO, ping(LEFT, RIGHT, 8), 0) {
                Outbound::Send { packet, .. } => u64::from_be_bytes(packet[28..36].try_into().unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        let salt = u64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        let expected: Vec<u64> = (1..=300).map(|number| salt ^ number).collect();
        assert_eq!(ivs, expected);
    }
}
