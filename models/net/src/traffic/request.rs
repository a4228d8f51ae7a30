//! Requests and responses over UDP: what a database, a name server or a remote procedure does to a network.
//!
//! A request carries a stamp, the response repeats it, and the client books the round trip as `delay`. Requests are open
//! loop: they leave at their pace, whether or not earlier ones have been answered. A response that is longer than the
//! MTU travels in IP fragments.

use core::net::SocketAddr;

use ipseclab_sim::{ModelRng, SimTime};

use super::pace::Schedule;
use super::ping::low_bits;
use super::stamp::{SHORT_STAMP_LEN, Stamp, blank_payload};
use super::{Arrival, FlowRecord, Pace, TrafficError, check_payload_len, flow::Receiver};
use crate::address::IpAddr;
use crate::packet::Packet;
use crate::udp::{UdpDatagram, build_udp, udp_headers_len};

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestConfig {
    /// The client's address and port.
    pub source: SocketAddr,
    /// The server's address and port; of the same family.
    pub destination: SocketAddr,
    /// Octets of a request after the UDP header.
    pub request_len: usize,
    /// How requests are spaced.
    pub pace: Pace,
    /// How many; `None` goes on for ever.
    pub count: Option<u64>,
    /// Nothing is asked at this time or later.
    pub until: Option<SimTime>,
    /// TTL of the datagrams.
    pub ttl: u8,
}

/// A client that asks and books the answers.
#[derive(Clone, Debug)]
pub struct RequestSource {
    config: RequestConfig,
    schedule: Schedule,
    payload: Vec<u8>,
    receiver: Receiver,
    record: FlowRecord,
}

/// A server that answers every request with one datagram.
#[derive(Clone, Debug)]
pub struct Responder {
    ttl: u8,
    payload: Vec<u8>,
    answered: u64,
}

impl RequestSource {
    /// A client whose first request leaves at `start`, or as chance decides from then on.
    ///
    /// # Errors
    /// When a length is impossible, the client would ask without end at one instant, or a random pace has no stream.
    pub fn new(config: RequestConfig, start: SimTime, rng: Option<ModelRng>) -> Result<Self, TrafficError> {
        let headers_len = udp_headers_len(config.destination.ip());
        check_payload_len(config.request_len, SHORT_STAMP_LEN, headers_len)?;
        let ends = (config.count, config.until);
        Ok(Self {
            config,
            schedule: Schedule::new(start, config.pace, headers_len + config.request_len, ends, rng)?,
            payload: blank_payload(config.request_len),
            receiver: Receiver::default(),
            record: FlowRecord::default(),
        })
    }

    /// When the next request leaves, or `None` after the last.
    pub fn next_send(&self) -> Option<SimTime> {
        self.schedule.next_send()
    }

    /// The request that is due at `now`, or `None` when none is.
    pub fn send(&mut self, now: SimTime) -> Option<Packet> {
        let seq = self.schedule.take_due(now)?;
        Stamp { seq, sent_at: now }.write(&mut self.payload);
        let RequestConfig { source, destination, ttl, .. } = self.config;
        let bytes = build_udp(source, destination, &self.payload, ttl, false, low_bits(seq));
        self.record.sent.count(bytes.len());
        Some(Packet::new(bytes, now))
    }

    /// Books a response, if it answers a request of this client.
    pub fn handle_response(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> Arrival {
        let headers = udp_headers_len(datagram.source.ip());
        let stamp = Stamp::read(datagram.payload).filter(|_| datagram.source == self.config.destination);
        let octets = (headers, datagram.payload.len());
        self.receiver.receive(now, stamp, self.schedule.sent(), octets, &mut self.record)
    }

    /// Lets what follows leave from another address.
    pub fn set_source(&mut self, address: IpAddr) {
        self.config.source.set_ip(address);
    }

    /// What the client was made with.
    pub const fn config(&self) -> &RequestConfig {
        &self.config
    }

    /// The books so far; `delay` is the time from request to response.
    pub const fn record(&self) -> &FlowRecord {
        &self.record
    }
}

impl Responder {
    /// A server whose responses have `response_len` octets after the UDP header.
    ///
    /// # Errors
    /// When that cannot be: too short for the stamp, or too long for an IPv6 packet.
    pub fn new(response_len: usize, ttl: u8) -> Result<Self, TrafficError> {
        let longest_headers = udp_headers_len(IpAddr::V6(crate::address::Ipv6Addr::UNSPECIFIED));
        check_payload_len(response_len, SHORT_STAMP_LEN, longest_headers)?;
        Ok(Self { ttl, payload: blank_payload(response_len), answered: 0 })
    }

    /// The answer to a request; `None` when it has no stamp.
    pub fn answer(&mut self, now: SimTime, request: &UdpDatagram<'_>) -> Option<Packet> {
        Stamp::read(request.payload)?.write(&mut self.payload);
        let (from, to) = (request.destination, request.source);
        let bytes = build_udp(from, to, &self.payload, self.ttl, false, low_bits(self.answered));
        self.answered += 1;
        Some(Packet::new(bytes, now))
    }

    /// Requests answered.
    pub const fn answered(&self) -> u64 {
        self.answered
    }
}
