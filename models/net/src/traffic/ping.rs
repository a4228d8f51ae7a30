//! A ping: echo requests at a pace, and the books of their replies.
//!
//! The ICMP sequence number has 16 bits and wraps; the stamp in the payload has 64 and tells replies apart.

use ipseclab_sim::SimTime;

use super::stamp::{Stamp, blank_payload};
use super::{Arrival, FlowRecord, Pace, Schedule, TrafficError, check_payload_len, flow::Receiver};
use crate::address::Ipv4Addr;
use crate::icmp::{ECHO_HEADER_LEN, Echo, EchoKind, build_echo_request};
use crate::ipv4::{HEADER_LEN, Ipv4Header, build_ipv4, protocol};
use crate::packet::Packet;

const HEADERS_LEN: usize = HEADER_LEN + ECHO_HEADER_LEN;

/// What a ping sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingConfig {
    /// Source address.
    pub source: Ipv4Addr,
    /// Whom to ping.
    pub destination: Ipv4Addr,
    /// ICMP identifier: tells the pings of one source from each other.
    pub ident: u16,
    /// Octets after the ICMP header, at least 16.
    pub payload_len: usize,
    /// How requests are spaced.
    pub pace: Pace,
    /// How many requests; `None` goes on for ever.
    pub count: Option<u64>,
    /// TTL of the requests.
    pub ttl: u8,
}

/// A source of echo requests.
#[derive(Clone, Debug)]
pub struct PingSource {
    config: PingConfig,
    schedule: Schedule,
    /// The payload of the last request: only its stamp changes.
    payload: Vec<u8>,
    receiver: Receiver,
    record: FlowRecord,
}

impl PingSource {
    /// A ping whose first request leaves at `start`.
    ///
    /// # Errors
    /// When the payload length is impossible, or the ping would send without end at one instant.
    pub fn new(config: PingConfig, start: SimTime) -> Result<Self, TrafficError> {
        check_payload_len(config.payload_len, HEADERS_LEN)?;
        let schedule = Schedule::new(start, config.pace, HEADERS_LEN + config.payload_len, config.count)?;
        let payload = blank_payload(config.payload_len);
        Ok(Self { config, schedule, payload, receiver: Receiver::default(), record: FlowRecord::default() })
    }

    /// When the next request leaves, or `None` after the last.
    pub fn next_send(&self) -> Option<SimTime> {
        self.schedule.next_send()
    }

    /// The request that is due at `now`, or `None` when none is.
    pub fn send(&mut self, now: SimTime) -> Option<Packet> {
        let seq = self.schedule.take_due(now)?;
        Stamp { seq, sent_at: now }.write(&mut self.payload);
        let message = build_echo_request(self.config.ident, low_bits(seq), &self.payload);
        let header = Ipv4Header {
            ttl: self.config.ttl,
            identification: low_bits(seq),
            ..Ipv4Header::new(self.config.source, self.config.destination, protocol::ICMP)
        };
        let packet = Packet::new(build_ipv4(&header, &message), now);
        self.record.sent.count(packet.len());
        Some(packet)
    }

    /// Takes an echo message that reached the source from `source`, and books it if it answers this ping.
    pub fn handle_reply(&mut self, now: SimTime, source: Ipv4Addr, echo: &Echo<'_>) -> Arrival {
        let is_answer = source == self.config.destination
            && echo.kind == EchoKind::Reply
            && echo.ident == self.config.ident
            && echo.payload.len() == self.config.payload_len;
        let stamp = Stamp::read(echo.payload).filter(|stamp| is_answer && echo.seq == low_bits(stamp.seq));
        let octets = HEADERS_LEN + echo.payload.len();
        self.receiver.receive(now, stamp, self.schedule.sent, octets, &mut self.record)
    }

    /// Lets what follows leave from another address.
    pub const fn set_source(&mut self, address: Ipv4Addr) {
        self.config.source = address;
    }

    /// What the ping was made with.
    pub const fn config(&self) -> &PingConfig {
        &self.config
    }

    /// The books so far; `delay` is the round-trip time.
    pub const fn record(&self) -> &FlowRecord {
        &self.record
    }
}

/// The lower 16 bits, for fields that wrap.
pub(super) const fn low_bits(number: u64) -> u16 {
    let [.., high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}
