//! What a source writes at the start of each payload: sequence number and send time, both big-endian.
//!
//! From 65 536 on, the upper half of a number is marked. Without that, 65 536 would read as the header of a DNS query with one
//! question (zeros, and a one in the sixth octet), and Wireshark, which looks for DNS at every port, would call it malformed.
//! With it, the third octet holds an opcode of DNS that does not exist.
//!
//! The rest of a payload counts up, so that a capture shows at a glance where octets moved. Payloads that are too short
//! for eight octets of each get a stamp with a number of 40 bits and a time of 56, which lasts for 833 days.

use ipseclab_sim::SimTime;

/// Octets of sequence number and send time at the start of a payload.
pub const STAMP_LEN: usize = 16;
/// Octets of the short form; no payload can be shorter.
pub(super) const SHORT_STAMP_LEN: usize = 12;
const SHORT_SEQ_LEN: usize = 5;
/// Numbers from here on are marked.
const MARKED_FROM: u64 = 1 << 16;
const MARK: u64 = 0x5555_5555 << 32;

/// Sequence number and send time of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) seq: u64,
    pub(super) sent_at: SimTime,
}

impl Stamp {
    /// Writes the stamp over the start of a payload that [`blank_payload`] made.
    pub(super) fn write(self, payload: &mut [u8]) {
        let (seq, sent_at) = (self.seq.to_be_bytes(), self.sent_at.as_nanos().to_be_bytes());
        if payload.len() >= STAMP_LEN {
            payload[..8].copy_from_slice(&mark(self.seq).to_be_bytes());
            payload[8..STAMP_LEN].copy_from_slice(&sent_at);
        } else {
            payload[..SHORT_SEQ_LEN].copy_from_slice(&seq[8 - SHORT_SEQ_LEN..]);
            payload[SHORT_SEQ_LEN..SHORT_STAMP_LEN].copy_from_slice(&sent_at[1..]);
        }
    }

    /// Reads the stamp back, or `None` when the payload is too short for one.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        if payload.len() < STAMP_LEN {
            return Self::read_short(payload);
        }
        let (seq, rest) = payload.split_first_chunk()?;
        let sent_at = rest.first_chunk()?;
        Some(Self {
            seq: mark(u64::from_be_bytes(*seq)),
            sent_at: SimTime::from_nanos(u64::from_be_bytes(*sent_at)),
        })
    }

    fn read_short(payload: &[u8]) -> Option<Self> {
        let number = |octets: &[u8]| octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
        let (seq, rest) = payload.get(..SHORT_STAMP_LEN)?.split_at(SHORT_SEQ_LEN);
        Some(Self { seq: number(seq), sent_at: SimTime::from_nanos(number(rest)) })
    }
}

/// Puts the mark on a number that gets one, or takes it off again. A number is below 6 · 10¹⁸, where the two could no longer
/// be told apart: no run sends as many.
const fn mark(seq: u64) -> u64 {
    if seq < MARKED_FROM { seq } else { seq ^ MARK }
}

/// A payload without stamp: each octet holds the low bits of its offset.
pub(super) fn blank_payload(len: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_takes_sixteen_octets_and_leaves_the_rest() {
        let stamp = Stamp { seq: 0x0102_0304_0506_0708, sent_at: SimTime::from_nanos(9) };
        let mut payload = blank_payload(300);
        stamp.write(&mut payload);
        assert_eq!(payload[..STAMP_LEN], [0x54, 0x57, 0x56, 0x51, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(payload[STAMP_LEN..20], [16, 17, 18, 19]);
        assert_eq!(payload[256], 0);
        assert_eq!(Stamp::read(&payload), Some(stamp));
    }

    #[test]
    fn no_number_looks_like_the_header_of_a_dns_query() {
        for seq in [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, u64::from(u32::MAX), 1 << 40] {
            let mut payload = blank_payload(STAMP_LEN);
            Stamp { seq, sent_at: SimTime::ZERO }.write(&mut payload);
            // RFC 1035 §4.1.1: opcodes above 6 are unassigned, and a query has a question.
            let (opcode, questions) = ((payload[2] >> 3) & 0x0f, [payload[4], payload[5]]);
            assert!(opcode > 6 || questions == [0, 0], "{payload:?}");
            assert_eq!(Stamp::read(&payload).map(|stamp| stamp.seq), Some(seq));
        }
    }

    #[test]
    fn a_short_payload_has_a_short_stamp() {
        let stamp = Stamp { seq: 0x12_3456_789a, sent_at: SimTime::from_nanos(0x00ff_eedd_ccbb_aa99) };
        let mut payload = blank_payload(SHORT_STAMP_LEN);
        stamp.write(&mut payload);
        assert_eq!(Stamp::read(&payload), Some(stamp));
        assert_eq!(Stamp::read(&payload[..SHORT_STAMP_LEN - 1]), None);
    }
}
