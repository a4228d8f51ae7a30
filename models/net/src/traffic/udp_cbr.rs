//! UDP datagrams of one size at a constant rate, and the sink that books them.

use core::net::SocketAddrV4;

use ipseclab_sim::SimTime;

use super::ping::low_bits;
use super::stamp::{Stamp, blank_payload};
use super::{Arrival, FlowRecord, Pace, Schedule, TrafficError, check_payload_len, flow::Receiver};
use crate::address::Ipv4Addr;
use crate::ipv4::HEADER_LEN;
use crate::packet::Packet;
use crate::udp::{UDP_HEADER_LEN, UdpDatagram, build_udp};

const HEADERS_LEN: usize = HEADER_LEN + UDP_HEADER_LEN;

/// What a constant-rate source sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpCbrConfig {
    /// Source address and port.
    pub source: SocketAddrV4,
    /// Destination address and port.
    pub destination: SocketAddrV4,
    /// Octets after the UDP header, at least 16.
    pub payload_len: usize,
    /// How datagrams are spaced.
    pub pace: Pace,
    /// How many datagrams; `None` goes on for ever.
    pub count: Option<u64>,
    /// TTL of the datagrams.
    pub ttl: u8,
    /// The DF flag of the datagrams.
    pub dont_fragment: bool,
}

/// A source of UDP datagrams.
#[derive(Clone, Debug)]
pub struct UdpCbrSource {
    config: UdpCbrConfig,
    schedule: Schedule,
    /// The payload of the last datagram: only its stamp changes.
    payload: Vec<u8>,
    record: FlowRecord,
}

/// Where the datagrams of one source arrive.
#[derive(Clone, Debug)]
pub struct UdpSink {
    receiver: Receiver,
    record: FlowRecord,
}

impl UdpCbrSource {
    /// A source whose first datagram leaves at `start`.
    ///
    /// # Errors
    /// When the payload length is impossible, or the source would send without end at one instant.
    pub fn new(config: UdpCbrConfig, start: SimTime) -> Result<Self, TrafficError> {
        check_payload_len(config.payload_len, HEADERS_LEN)?;
        let schedule = Schedule::new(start, config.pace, HEADERS_LEN + config.payload_len, config.count)?;
        Ok(Self {
            config,
            schedule,
            payload: blank_payload(config.payload_len),
            record: FlowRecord::default(),
        })
    }

    /// When the next datagram leaves, or `None` after the last.
    pub fn next_send(&self) -> Option<SimTime> {
        self.schedule.next_send()
    }

    /// The datagram that is due at `now`, or `None` when none is.
    pub fn send(&mut self, now: SimTime) -> Option<Packet> {
        let seq = self.schedule.take_due(now)?;
        Stamp { seq, sent_at: now }.write(&mut self.payload);
        let UdpCbrConfig { source, destination, ttl, dont_fragment, .. } = self.config;
        let bytes = build_udp(source, destination, &self.payload, ttl, dont_fragment, low_bits(seq));
        self.record.sent.count(bytes.len());
        Some(Packet::new(bytes, now))
    }

    /// Lets what follows leave from another address.
    pub const fn set_source(&mut self, address: Ipv4Addr) {
        self.config.source.set_ip(address);
    }

    /// What the source was made with.
    pub const fn config(&self) -> &UdpCbrConfig {
        &self.config
    }

    /// The books so far: the sent part only.
    pub const fn record(&self) -> &FlowRecord {
        &self.record
    }
}

impl Default for UdpSink {
    fn default() -> Self {
        Self::new()
    }
}

impl UdpSink {
    /// A sink that has received nothing. The owner hands it the datagrams of one flow.
    pub fn new() -> Self {
        Self { receiver: Receiver::default(), record: FlowRecord::default() }
    }

    /// Books a datagram.
    pub fn receive(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> Arrival {
        let octets = HEADERS_LEN + datagram.payload.len();
        // The sink cannot know how many were sent; the stamp's range is all it can check.
        self.receiver.receive(now, Stamp::read(datagram.payload), u64::MAX, octets, &mut self.record)
    }

    /// The books so far: all but the sent part. `delay` is the one-way delay.
    pub const fn record(&self) -> &FlowRecord {
        &self.record
    }
}
