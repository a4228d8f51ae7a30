//! Traffic sources and sinks as values: ping, and UDP at a constant rate.
//!
//! A source says when it next sends and builds the packet then; the owner keeps the clock. Each payload carries a
//! sequence number and its send time, so that delays and losses are known exactly, with no table of packets in
//! flight. The payload's octets are all that a source and its sink share.

mod flow;
mod ping;
mod stamp;
mod udp_cbr;

use ipseclab_sim::{SimDuration, SimTime};

use crate::link::BitRate;

pub use flow::{Arrival, DelayStats, FlowRecord, Tally};
pub use ping::{PingConfig, PingSource};
pub use stamp::STAMP_LEN;
pub use udp_cbr::{UdpCbrConfig, UdpCbrSource, UdpSink};

/// How a source spaces its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One packet every so often.
    Interval(SimDuration),
    /// So many bits of IPv4 packets per second; rounding never accumulates.
    Rate(BitRate),
}

/// Why a source cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrafficError {
    /// The payload is too short for the stamp or too long for a packet.
    #[error("a payload of {payload_len} octets: {min} to {max} are possible")]
    PayloadLen {
        /// The length asked for.
        payload_len: usize,
        /// The least possible, which sequence number and send time need.
        min: usize,
        /// The most that an IPv4 packet holds.
        max: usize,
    },
    /// No time between packets, and no end of them.
    #[error("an interval of 0 needs a count: the source would send without end at one instant")]
    EndlessBurst,
}

impl Pace {
    /// When packet `n` leaves, counted from the first; `None` beyond representable time.
    fn offset(self, n: u64, packet_len: usize) -> Option<SimDuration> {
        match self {
            Self::Interval(interval) => interval.checked_mul(n),
            Self::Rate(rate) => {
                let scaled_bits = u128::from(n).checked_mul(packet_len as u128 * 8_000_000_000)?;
                let nanos = scaled_bits / u128::from(rate.bits_per_second());
                u64::try_from(nanos).ok().map(SimDuration::from_nanos)
            }
        }
    }
}

/// When packets leave: start, pace and count of one source.
#[derive(Clone, Debug)]
struct Schedule {
    start: SimTime,
    pace: Pace,
    packet_len: usize,
    count: Option<u64>,
    sent: u64,
}

impl Schedule {
    fn new(start: SimTime, pace: Pace, packet_len: usize, count: Option<u64>) -> Result<Self, TrafficError> {
        if pace == Pace::Interval(SimDuration::ZERO) && count.is_none() {
            return Err(TrafficError::EndlessBurst);
        }
        Ok(Self { start, pace, packet_len, count, sent: 0 })
    }

    fn next_send(&self) -> Option<SimTime> {
        if self.count.is_some_and(|count| self.sent >= count) {
            return None;
        }
        self.start.checked_add(self.pace.offset(self.sent, self.packet_len)?)
    }

    /// The number of the packet that is due at `now`, or `None`; it counts as sent.
    fn take_due(&mut self, now: SimTime) -> Option<u64> {
        let number = self.sent;
        self.next_send().filter(|&due| due <= now)?;
        self.sent += 1;
        Some(number)
    }
}

/// Refuses payloads that cannot hold a stamp or do not fit a packet with `header_len` octets of headers.
fn check_payload_len(payload_len: usize, header_len: usize) -> Result<(), TrafficError> {
    let (min, max) = (STAMP_LEN, usize::from(u16::MAX) - header_len);
    if (min..=max).contains(&payload_len) {
        Ok(())
    } else {
        Err(TrafficError::PayloadLen { payload_len, min, max })
    }
}

#[cfg(test)]
mod tests;
