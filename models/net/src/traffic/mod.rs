//! Traffic sources and sinks as values: ping, UDP of any pace and length, requests, bulk TCP.
//!
//! A source says when it next sends and builds the packet then; the owner keeps the clock. Each payload carries a
//! sequence number and its send time, so that delays and losses are known exactly, with no table of packets in
//! flight. The payload's octets are all that a source and its sink share. What chance decides is drawn from a stream
//! that the owner hands over, one for each source and purpose.

mod flow;
mod pace;
mod ping;
mod quality;
mod request;
mod sample;
mod sizes;
mod stamp;
mod tcp;
mod udp;

pub use flow::{Arrival, DelayStats, FlowRecord, Tally};
pub use pace::Pace;
pub use ping::{PingConfig, PingSource};
pub use quality::{Reordering, Spans};
pub use request::{RequestConfig, RequestSource, Responder};
pub use sample::Pareto;
pub(crate) use sample::exponential;
pub use sizes::Sizes;
pub use stamp::STAMP_LEN;
pub use tcp::{TcpConfig, TcpReceiver, TcpSender};
pub use udp::{UdpConfig, UdpSink, UdpSource, UdpStreams};

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
        /// The most that an IP packet holds.
        max: usize,
    },
    /// No time between packets, and no end of them.
    #[error("an interval of 0 needs a count: the source would send without end at one instant")]
    EndlessBurst,
    /// Chance is to decide, and there is no stream to draw from.
    #[error("a random pace or length needs a stream of random numbers")]
    NoRandomness,
}

/// Refuses payloads that cannot hold a stamp of `min` octets or do not fit a packet with `header_len` octets of headers.
fn check_payload_len(payload_len: usize, min: usize, header_len: usize) -> Result<(), TrafficError> {
    let max = usize::from(u16::MAX) - header_len;
    if (min..=max).contains(&payload_len) {
        Ok(())
    } else {
        Err(TrafficError::PayloadLen { payload_len, min, max })
    }
}

#[cfg(test)]
mod tests;
