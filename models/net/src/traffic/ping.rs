//! A ping: echo requests at a pace, and the books of their replies.
//!
//! The ICMP sequence number has 16 bits and wraps; the stamp in the payload has 64 and tells replies apart.

use ipseclab_sim::{ModelRng, SimTime};

use super::pace::Schedule;
use super::stamp::{STAMP_LEN, Stamp, blank_payload};
use super::{Arrival, FlowRecord, Pace, TrafficError, check_payload_len, flow::Receiver};
use crate::address::IpAddr;
use crate::icmp::{Echo, EchoKind, ICMP_HEADER_LEN, build_echo};
use crate::ip::{IpHeader, header_len};
use crate::packet::Packet;

/// What a ping sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingConfig {
    /// Source address.
    pub source: IpAddr,
    /// Whom to ping; an address of the same family.
    pub destination: IpAddr,
    /// ICMP identifier: tells the pings of one source from each other.
    pub ident: u16,
    /// Octets after the ICMP header, at least 16.
    pub payload_len: usize,
    /// How requests are spaced.
    pub pace: Pace,
    /// How many requests; `None` goes on for ever.
    pub count: Option<u64>,
    /// Nothing is sent at this time or later.
    pub until: Option<SimTime>,
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
    /// When the payload length is impossible, the ping would send without end at one instant, or a random pace has no
    /// stream to draw from.
    pub fn new(config: PingConfig, start: SimTime, rng: Option<ModelRng>) -> Result<Self, TrafficError> {
        let headers_len = header_len(config.destination) + ICMP_HEADER_LEN;
        check_payload_len(config.payload_len, STAMP_LEN, headers_len)?;
        let ends = (config.count, config.until);
        let schedule = Schedule::new(start, config.pace, headers_len + config.payload_len, ends, rng)?;
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
        let header = IpHeader {
            ttl: self.config.ttl,
            identification: low_bits(seq),
            ..IpHeader::new(self.config.source, self.config.destination, 0)
        };
        let bytes = build_echo(&header, EchoKind::Request, self.config.ident, low_bits(seq), &self.payload);
        let packet = Packet::new(bytes, now);
        self.record.sent.count(packet.len());
        Some(packet)
    }

    /// Takes an echo message that reached the source from `source`, and books it if it answers this ping.
    pub fn handle_reply(&mut self, now: SimTime, source: IpAddr, echo: &Echo<'_>) -> Arrival {
        let is_answer = source == self.config.destination
            && echo.kind == EchoKind::Reply
            && echo.ident == self.config.ident
            && echo.payload.len() == self.config.payload_len;
        let stamp = Stamp::read(echo.payload).filter(|stamp| is_answer && echo.seq == low_bits(stamp.seq));
        let octets = (header_len(source) + ICMP_HEADER_LEN, echo.payload.len());
        self.receiver.receive(now, stamp, self.schedule.sent(), octets, &mut self.record)
    }

    /// Lets what follows leave from another address.
    pub const fn set_source(&mut self, address: IpAddr) {
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
