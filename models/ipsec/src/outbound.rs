//! From the protected to the unprotected side: policy, SA, ESP, outer header (RFC 4301 §5.1, RFC 4303 §3.3).

use ipseclab_crypto::{Crypto, Purpose, RandomSource};
use smoltcp::wire::Ipv4Packet;

use crate::acquire::{Queued, Waiting};
use crate::child::OutboundSa;
use crate::discard::DiscardReason;
use crate::engine::{DontFragment, Engine};
use crate::esp::{self, Envelope};
use crate::event::Event;
use crate::ip::{self, OuterHeader};
use crate::sa::Mode;
use crate::selector::{Direction, Selectors};
use crate::spd::{DefaultAction, PolicyId, SpdAction};
use crate::spi::Spi;

/// Longest IV of any cipher, in octets.
const IV_MAX: usize = 16;

/// What becomes of a packet that leaves.
#[derive(Debug, PartialEq, Eq)]
pub enum Outbound<T> {
    /// It goes out like this.
    Send {
        /// The packet: as it came when it bypasses, protected otherwise.
        packet: Vec<u8>,
        /// The owner's token.
        token: T,
        /// The outbound SPI that protects it; `None` when it bypasses.
        sa: Option<Spi>,
    },
    /// It goes no further.
    Discard {
        /// Why.
        reason: DiscardReason,
        /// The packet as it came.
        packet: Vec<u8>,
        /// The owner's token.
        token: T,
    },
    /// It waits for an SA; the negotiation has been asked for by [`Event::Acquire`].
    Queued,
}

enum Verdict {
    Bypass,
    /// `mode` is that of an SA to be negotiated, if one may be.
    Protect {
        policy: PolicyId,
        mode: Option<Mode>,
        selectors: Selectors,
    },
}

impl<T> Engine<T> {
    /// Takes an IPv4 packet from the protected side, or one of this host's own, at time `now`.
    ///
    /// IKE from the local address passes without a policy. The inner TTL is not touched.
    pub fn outbound(&mut self, now: core::time::Duration, mut packet: Vec<u8>, token: T) -> Outbound<T> {
        self.now = now;
        match self.verdict(&mut packet) {
            Ok(Verdict::Bypass) => Outbound::Send { packet, token, sa: None },
            Ok(Verdict::Protect { policy, mode, selectors }) => {
                match self.protect(policy, &selectors, &packet) {
                    Some(Ok((packet, spi))) => Outbound::Send { packet, token, sa: Some(spi) },
                    Some(Err(reason)) => self.discard_outbound(reason, packet, token),
                    None => match mode {
                        Some(mode) => self.acquire(policy, mode, Waiting { packet, token, selectors }),
                        None => self.discard_outbound(DiscardReason::NoPolicy, packet, token),
                    },
                }
            }
            Err(reason) => self.discard_outbound(reason, packet, token),
        }
    }

    fn verdict(&mut self, packet: &mut Vec<u8>) -> Result<Verdict, DiscardReason> {
        let selectors = Selectors::parse(packet).map_err(|_| DiscardReason::Malformed)?;
        packet.truncate(usize::from(Ipv4Packet::new_unchecked(&packet).total_len()));
        if selectors.source == self.config.local_address
            && self.config.is_ike_port(selectors.protocol, selectors.source_port)
        {
            return Ok(Verdict::Bypass);
        }
        let default = self.config.spd.default_action();
        match self.lookup(Direction::Outbound, &selectors) {
            Some(SpdAction::Protect { policy, mode }) => {
                Ok(Verdict::Protect { policy, mode: Some(mode), selectors })
            }
            Some(SpdAction::ProtectInstalled { policy }) => {
                Ok(Verdict::Protect { policy, mode: None, selectors })
            }
            Some(SpdAction::Bypass) => Ok(Verdict::Bypass),
            Some(SpdAction::Discard) => Err(DiscardReason::PolicyDiscard),
            None if default == DefaultAction::Bypass => Ok(Verdict::Bypass),
            None => Err(DiscardReason::NoPolicy),
        }
    }

    /// The protected packet and its SPI, or `None` when the policy has no SA for it.
    fn protect(
        &mut self,
        policy: PolicyId,
        selectors: &Selectors,
        packet: &[u8],
    ) -> Option<Result<(Vec<u8>, Spi), DiscardReason>> {
        let child = self.sad.outbound(policy, selectors)?;
        let spi = child.inbound.sa.spi;
        let random = self.random.as_mut();
        let ident = self.ident;
        let result =
            child.outbound.encapsulate(&mut self.crypto, random, packet, self.config.dont_fragment, ident);
        match result {
            Ok(_) => {
                let limits = child.outbound.sa.usage.add(self.now, packet.len());
                self.events.extend(limits.map(|limit| Event::expired(spi, Direction::Outbound, limit)));
                self.ident = ident.wrapping_add(1);
            }
            Err(DiscardReason::SeqExhausted) if child.outbound.report_exhausted() => {
                self.events.push_back(Event::SeqExhausted { spi });
            }
            Err(_) => {}
        }
        Some(result.map(|packet| (packet, child.outbound.sa.spi)))
    }

    fn acquire(&mut self, policy: PolicyId, mode: Mode, waiting: Waiting<T>) -> Outbound<T> {
        let selectors = waiting.selectors;
        let (first, outcome) = match self.acquires.push(policy, waiting) {
            Queued::Waits { first } => (first, Outbound::Queued),
            Queued::Full { first, waiting: Waiting { packet, token, .. } } => {
                (first, self.discard_outbound(DiscardReason::AcquireQueueFull, packet, token))
            }
        };
        if first {
            self.events.push_back(Event::Acquire { policy, mode, selectors });
        }
        outcome
    }

    fn discard_outbound(&mut self, reason: DiscardReason, packet: Vec<u8>, token: T) -> Outbound<T> {
        self.discards.add(reason);
        Outbound::Discard { reason, packet, token }
    }
}

impl OutboundSa {
    /// Wraps one packet under the next sequence number.
    fn encapsulate(
        &mut self,
        crypto: &mut Crypto,
        random: &mut dyn RandomSource,
        packet: &[u8],
        dont_fragment: DontFragment,
        ident: u16,
    ) -> Result<Vec<u8>, DiscardReason> {
        if self.sa.usage.is_over() {
            return Err(DiscardReason::LifetimeExceeded);
        }
        let original = Ipv4Packet::new_unchecked(packet);
        let header_len = match self.sa.mode {
            Mode::Tunnel => 0,
            Mode::Transport if original.more_frags() || original.frag_offset() != 0 => {
                return Err(DiscardReason::Fragment);
            }
            Mode::Transport => usize::from(original.header_len()),
        };
        let ip_len = if header_len == 0 { ip::IPV4_LEN } else { header_len };
        let prefix_len = ip_len + self.sa.udp_encap.map_or(0, |_| ip::UDP_LEN);
        let payload = &packet[header_len..];
        let len = prefix_len + esp::sealed_len(&self.sa.cipher, payload.len());
        let len = u16::try_from(len).map_err(|_| DiscardReason::TooBig)?;
        let next_header = match self.sa.mode {
            Mode::Tunnel => esp::IPV4_IN_ESP,
            Mode::Transport => u8::from(original.next_header()),
        };
        let mut sealed = self.seal(crypto, random, payload, next_header, prefix_len)?;
        prepend_room(&mut sealed, prefix_len);
        match self.sa.mode {
            Mode::Transport => sealed[..header_len].copy_from_slice(&packet[..header_len]),
            Mode::Tunnel => self.outer_header(&original, dont_fragment, ident).write(&mut sealed),
        }
        ip::wrap(&mut sealed, ip_len, self.sa.udp_encap, len);
        Ok(sealed)
    }

    fn seal(
        &mut self,
        crypto: &mut Crypto,
        random: &mut dyn RandomSource,
        payload: &[u8],
        next_header: u8,
        headroom: usize,
    ) -> Result<Vec<u8>, DiscardReason> {
        let number = self.number.next(self.sa.esn).ok_or(DiscardReason::SeqExhausted)?;
        self.number = number;
        let mut iv = [0; IV_MAX];
        let iv = &mut iv[..self.sa.cipher.iv_len()];
        if self.sa.cipher.needs_random_iv() {
            random.fill(Purpose::Iv, iv);
        } else if !iv.is_empty() {
            // Unique because numbers never repeat under one key; all AEADs here have IVs of eight octets.
            iv.copy_from_slice(&(self.iv_salt ^ number.value()).to_be_bytes());
        }
        let envelope = Envelope { spi: self.sa.spi, number, esn: self.sa.esn, iv, next_header, headroom };
        Ok(esp::seal(&self.sa.cipher, crypto, &envelope, payload))
    }

    fn outer_header(
        &self,
        inner: &Ipv4Packet<&[u8]>,
        dont_fragment: DontFragment,
        ident: u16,
    ) -> OuterHeader {
        OuterHeader {
            source: self.sa.source,
            destination: self.sa.destination,
            traffic_class: inner.dscp() << 2 | inner.ecn(),
            dont_fragment: match dont_fragment {
                DontFragment::Set => true,
                DontFragment::Clear => false,
                DontFragment::Copy => inner.dont_frag(),
            },
            ident,
        }
    }

    /// Whether this is the first packet that finds no number left.
    fn report_exhausted(&mut self) -> bool {
        !core::mem::replace(&mut self.exhaustion_reported, true)
    }
}

/// Moves `packet` back by `len` octets, within its capacity.
///
/// The packet cipher wants the ESP header at the start of its buffer, so the outer headers come in afterwards.
fn prepend_room(packet: &mut Vec<u8>, len: usize) {
    let end = packet.len();
    packet.resize(end + len, 0);
    packet.copy_within(..end, len);
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::spi::SeqNo;
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
            assert!(matches!(outcome, Outbound::Discard { reason: DiscardReason::SeqExhausted, .. }));
        }
        assert_eq!(engine.poll_event(), Some(Event::SeqExhausted { spi: Spi::new(0x1000).unwrap() }));
        assert_eq!(engine.poll_event(), None);
        assert_eq!(engine.discards.count(DiscardReason::SeqExhausted), 2);
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
