//! UDP datagrams at any pace and of any lengths, and the sink that books them.

use core::net::SocketAddr;

use ipseclab_sim::{ModelRng, SimTime};

use super::pace::Schedule;
use super::ping::low_bits;
use super::sizes::Sizes;
use super::stamp::{SHORT_STAMP_LEN, Stamp, blank_payload};
use super::{Arrival, FlowRecord, Pace, TrafficError, check_payload_len, flow::Receiver};
use crate::address::IpAddr;
use crate::packet::Packet;
use crate::udp::{UdpDatagram, build_udp, udp_headers_len};

/// What a source of datagrams sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port; of the same family.
    pub destination: SocketAddr,
    /// How long datagrams are.
    pub sizes: Sizes,
    /// How datagrams are spaced.
    pub pace: Pace,
    /// How many datagrams; `None` goes on for ever.
    pub count: Option<u64>,
    /// Nothing is sent at this time or later.
    pub until: Option<SimTime>,
    /// TTL of the datagrams.
    pub ttl: u8,
    /// The DF flag of the datagrams.
    pub dont_fragment: bool,
}

/// A source of UDP datagrams.
#[derive(Clone, Debug)]
pub struct UdpSource {
    config: UdpConfig,
    schedule: Schedule,
    /// Draws lengths; a source of one length needs none.
    size_rng: Option<Box<ModelRng>>,
    /// The payload of the last datagram, as long as the longest: only its stamp changes.
    payload: Vec<u8>,
    record: FlowRecord,
}

/// Where the datagrams of one source arrive.
#[derive(Clone, Debug, Default)]
pub struct UdpSink {
    receiver: Receiver,
    record: FlowRecord,
}

/// The streams of a source: what needs no chance needs no stream.
#[derive(Clone, Debug, Default)]
pub struct UdpStreams {
    /// When datagrams leave.
    pub pace: Option<ModelRng>,
    /// How long they are.
    pub sizes: Option<ModelRng>,
}

impl UdpSource {
    /// A source whose first datagram leaves at `start`, or as chance decides from then on.
    ///
    /// # Errors
    /// When the payload length is impossible, the source would send without end at one instant, or a stream is missing.
    pub fn new(config: UdpConfig, start: SimTime, streams: UdpStreams) -> Result<Self, TrafficError> {
        let headers_len = udp_headers_len(config.destination.ip());
        let longest = config.sizes.longest(headers_len);
        check_payload_len(longest, SHORT_STAMP_LEN, headers_len)?;
        if config.sizes.is_random() && streams.sizes.is_none() {
            return Err(TrafficError::NoRandomness);
        }
        let ends = (config.count, config.until);
        Ok(Self {
            config,
            schedule: Schedule::new(start, config.pace, headers_len + longest, ends, streams.pace)?,
            size_rng: streams.sizes.filter(|_| config.sizes.is_random()).map(Box::new),
            payload: blank_payload(longest),
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
        let UdpConfig { source, destination, ttl, dont_fragment, .. } = self.config;
        let headers_len = udp_headers_len(destination.ip());
        let len = self.config.sizes.draw(self.size_rng.as_deref_mut(), headers_len, SHORT_STAMP_LEN);
        let payload = &mut self.payload[..len];
        Stamp { seq, sent_at: now }.write(payload);
        let bytes = build_udp(source, destination, payload, ttl, dont_fragment, low_bits(seq));
        self.record.sent.count(bytes.len());
        Some(Packet::new(bytes, now))
    }

    /// Lets what follows leave from another address.
    pub fn set_source(&mut self, address: IpAddr) {
        self.config.source.set_ip(address);
    }

    /// What the source was made with.
    pub const fn config(&self) -> &UdpConfig {
        &self.config
    }

    /// The books so far: the sent part only.
    pub const fn record(&self) -> &FlowRecord {
        &self.record
    }
}

impl UdpSink {
    /// A sink that has received nothing. The owner hands it the datagrams of one flow.
    pub fn new() -> Self {
        Self::default()
    }

    /// Books a datagram.
    pub fn receive(&mut self, now: SimTime, datagram: &UdpDatagram<'_>) -> Arrival {
        let headers = udp_headers_len(datagram.source.ip());
        // The sink cannot know how many were sent; the stamp's range is all it can check.
        let stamp = Stamp::read(datagram.payload);
        self.receiver.receive(now, stamp, u64::MAX, (headers, datagram.payload.len()), &mut self.record)
    }

    /// The books so far: all but the sent part. `delay` is the one-way delay.
    pub const fn record(&self) -> &FlowRecord {
        &self.record
    }
}
