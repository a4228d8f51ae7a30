//! What a source writes at the start of each payload: sequence number and send time, both big-endian.
//!
//! The rest of a payload counts up, so that a capture shows at a glance where octets moved.

use ipseclab_sim::SimTime;

/// Octets of sequence number and send time at the start of a payload.
pub const STAMP_LEN: usize = 16;

/// Sequence number and send time of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) seq: u64,
    pub(super) sent_at: SimTime,
}

impl Stamp {
    /// Writes the stamp over the start of a payload that [`blank_payload`] made.
    pub(super) fn write(self, payload: &mut [u8]) {
        payload[..8].copy_from_slice(&self.seq.to_be_bytes());
        payload[8..STAMP_LEN].copy_from_slice(&self.sent_at.as_nanos().to_be_bytes());
    }

    /// Reads the stamp back, or `None` when the payload is too short for one.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (seq, rest) = payload.split_first_chunk()?;
        let sent_at = rest.first_chunk()?;
        Some(Self {
            seq: u64::from_be_bytes(*seq),
            sent_at: SimTime::from_nanos(u64::from_be_bytes(*sent_at)),
        })
    }
}

/// A payload without stamp, at least [`STAMP_LEN`] octets long: each octet holds the low bits of its offset.
pub(super) fn blank_payload(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_round_trips_and_the_rest_counts_up() {
        let stamp = Stamp { seq: 3, sent_at: SimTime::from_nanos(1 << 40) };
        let mut payload = blank_payload(20);
        stamp.write(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(payload[STAMP_LEN..], [16, 17, 18, 19]);
        assert_eq!(Stamp::read(&payload[..15]), None);
    }
}
