//! What a source writes at the start of each payload: sequence number and send time, both big-endian.
//!
//! The rest of a payload counts up from its length's offset, so that a capture shows at a glance where octets moved.

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
    /// Fills a payload of at least [`STAMP_LEN`] octets.
    pub(super) fn fill(self, payload: &mut [u8]) {
        for (octet, value) in payload.iter_mut().zip((0..=u8::MAX).cycle()) {
            *octet = value;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_round_trips_and_the_rest_counts_up() {
        let stamp = Stamp { seq: 3, sent_at: SimTime::from_nanos(1 << 40) };
        let mut payload = [0; 20];
        stamp.fill(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(payload[STAMP_LEN..], [16, 17, 18, 19]);
        assert_eq!(Stamp::read(&payload[..15]), None);
    }
}
