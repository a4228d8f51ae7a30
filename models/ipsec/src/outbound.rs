//! From the protected to the unprotected side: policy and SA (RFC 4301 §5.1); `encapsulate` does the rest.

use core::time::Duration;

use crate::acquire::{Queued, Waiting};
use crate::discard::DiscardReason;
use crate::encapsulate::{Outer, Tools};
use crate::engine::{Engine, EngineConfig, Flow};
use crate::event::Event;
use crate::header::{IpHeader, Part, protocol};
use crate::notice::{self, Notice};
use crate::path_mtu::Excess;
use crate::sa::{ChildSaHandle, Mode};
use crate::selector::{Direction, Selectors};
use crate::spd::{DefaultAction, PolicyId, SpdAction};
use crate::spi::{SeqNo, Spi};

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
        /// The pair which that SA belongs to.
        pair: Option<ChildSaHandle>,
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
    /// It is too long for its SA: it has to come again in fragments, or whole if it cannot be fragmented so.
    Fragment {
        /// The longest fragment that fits, in octets of the whole packet.
        octets: usize,
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
    /// The pair in this slot protects it.
    Protect {
        slot: usize,
    },
    /// No pair does yet.
    Acquire {
        policy: PolicyId,
        mode: Mode,
    },
}

/// Why a packet is not protected.
enum Refusal {
    Discard(DiscardReason),
    Fragment { octets: usize },
}

impl<T> Engine<T> {
    /// Takes an IP packet from the protected side, or one of this host's own, at time `now`.
    ///
    /// IKE from the local addresses passes without a policy. The inner TTL is not touched. With room behind the packet in
    /// its buffer nothing is allocated.
    pub fn outbound(&mut self, now: Duration, mut packet: Vec<u8>, token: T) -> Outbound<T> {
        self.now = now;
        // Left where it is, since to move it would cost as much as to read it.
        let parsed = IpHeader::parse(&packet);
        let Ok(header) = &parsed else {
            return self.discard_outbound(DiscardReason::Malformed, packet, token);
        };
        packet.truncate(header.total_len);
        if let Some(slot) = self.remembered(header, &packet) {
            return self.send_protected(slot, header, packet, token);
        }
        let selectors = Selectors::of(header, &packet);
        match self.verdict(&selectors) {
            Ok(Verdict::Bypass) => Outbound::Send { packet, token, sa: None, pair: None },
            Ok(Verdict::Protect { slot }) => {
                self.flow = Some(Flow { selectors, slot });
                self.send_protected(slot, header, packet, token)
            }
            Ok(Verdict::Acquire { policy, mode }) => {
                self.acquire(policy, mode, Waiting { packet, token, selectors })
            }
            Err(reason) => self.discard_outbound(reason, packet, token),
        }
    }

    /// The slot of the pair that took the last packet, if this one is of its flow and the pair can still send.
    fn remembered(&mut self, header: &IpHeader, packet: &[u8]) -> Option<usize> {
        let slot = self.flow.as_ref().filter(|flow| flow.selectors.are_of(header, packet))?.slot;
        let child = self.sad.in_slot(slot)?;
        child.outbound.can_send().then_some(slot)
    }

    fn send_protected(
        &mut self,
        slot: usize,
        header: &IpHeader,
        mut packet: Vec<u8>,
        token: T,
    ) -> Outbound<T> {
        match self.protect(slot, &mut packet, header) {
            Ok((spi, pair)) => Outbound::Send { packet, token, sa: Some(spi), pair: Some(pair) },
            Err(Refusal::Fragment { octets }) => Outbound::Fragment { octets, packet, token },
            Err(Refusal::Discard(reason)) => self.discard_outbound(reason, packet, token),
        }
    }

    fn verdict(&mut self, selectors: &Selectors) -> Result<Verdict, DiscardReason> {
        if self.config.is_ike_port(selectors.protocol, selectors.source_port)
            && self.config.is_local(selectors.source)
        {
            return Ok(Verdict::Bypass);
        }
        let default = self.config.spd.default_action();
        match self.lookup(Direction::Outbound, selectors) {
            Some(SpdAction::Protect { policy, mode }) => Ok(match self.sad.outbound(policy, selectors) {
                Some(slot) => Verdict::Protect { slot },
                None => Verdict::Acquire { policy, mode },
            }),
            // The entry matches by a pair that covers the packet.
            Some(SpdAction::ProtectInstalled { policy }) => {
                let slot = self.sad.outbound(policy, selectors).ok_or(DiscardReason::NoPolicy)?;
                Ok(Verdict::Protect { slot })
            }
            Some(SpdAction::Bypass) => Ok(Verdict::Bypass),
            Some(SpdAction::Discard) => Err(DiscardReason::PolicyDiscard),
            None if default == DefaultAction::Bypass => Ok(Verdict::Bypass),
            None => Err(DiscardReason::NoPolicy),
        }
    }

    /// Protects the packet under the pair in a slot, and gives the SPI and the pair.
    fn protect(
        &mut self,
        slot: usize,
        packet: &mut Vec<u8>,
        header: &IpHeader,
    ) -> Result<(Spi, ChildSaHandle), Refusal> {
        let child = self.sad.in_slot(slot).expect("the slot was found in this call");
        let spi = child.inbound.sa.spi;
        let config = &self.config;
        let path_mtu = child.outbound.path_mtu.octets(self.now, config.path_mtu, config.path_mtu_age);
        let sizes = (config.fragmentation, config.dont_fragment);
        match path_mtu.and_then(|octets| child.outbound.excess(packet, header, octets, sizes)) {
            Some(Excess::Fragment { octets }) => return Err(Refusal::Fragment { octets }),
            Some(Excess::Tell { octets }) => {
                self.tell_sender(header, packet, octets);
                return Err(Refusal::Discard(DiscardReason::PathMtu));
            }
            Some(Excess::Passes) | None => {}
        }
        let tools = Tools { crypto: &mut self.crypto, random: self.random.as_mut(), kept: &mut self.kept };
        let outer = Outer { dont_fragment: self.config.dont_fragment, ident: self.ident };
        let octets = packet.len();
        let result = child.outbound.encapsulate(tools, packet, header, outer);
        match result {
            Ok(()) => {
                let events = &mut self.events;
                child.outbound.sa.usage.add(self.now, octets, |limit| {
                    events.push_back(Event::expired(spi, Direction::Outbound, limit));
                });
                self.ident = self.ident.wrapping_add(1);
                if child.outbound.number == SeqNo::time_to_rekey(child.outbound.sa.esn) {
                    self.events.push_back(Event::SoftExpired { spi, direction: Direction::Outbound });
                }
            }
            Err(DiscardReason::SeqExhausted) if child.outbound.report_exhausted() => {
                self.events.push_back(Event::SeqExhausted { spi });
            }
            Err(_) => {}
        }
        result.map(|()| (child.outbound.sa.spi, ChildSaHandle(spi))).map_err(Refusal::Discard)
    }

    /// Says to the sender of a packet that only so many octets of it pass (RFC 4301 §8.2.1); nobody answers an ICMP error
    /// with another one, nor a later fragment (RFC 1812 §4.3.2.7).
    fn tell_sender(&mut self, header: &IpHeader, packet: &[u8], octets: usize) {
        let protocol = header.upper.protocol;
        let is_error = match packet.get(header.upper.start) {
            Some(kind) if protocol == protocol::ICMP => !matches!(kind, 0 | 8 | 13..=18),
            Some(kind) if protocol == protocol::ICMPV6 => kind & 0x80 == 0,
            _ => false,
        };
        if is_error || header.part == Part::LaterFragment {
            return;
        }
        let source = self.notice_source(&Selectors::of(header, packet));
        let notice = source.and_then(|(gateway, is_for_protected_side)| {
            let packet = notice::build(gateway, header, packet, octets)?;
            Some(Notice { packet, is_for_protected_side })
        });
        self.notices.extend(notice);
        if self.notices.len() > EngineConfig::NOTICES {
            self.notices.pop_front();
        }
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
