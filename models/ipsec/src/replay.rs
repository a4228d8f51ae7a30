//! The anti-replay window of ESP and AH, as RFC 4303 §3.4.3 and appendix A2 describe it, for any length.
//!
//! Checking and updating are two calls because the integrity check stands between them: a forged packet must not move the
//! window. The bitmap is a ring of blocks that each stand for 64 numbers, with at least one block more than the window
//! covers; so the window moves by clearing the blocks that it enters, never by shifting (the idea of RFC 6479).
//! Of an extended sequence number the packet carries the low half; the window tells the high half (appendix A2.2).
//! Left out: finding the high half again after 2³² packets were lost in a row (appendix A3).

use crate::spi::SeqNo;

/// How many sequence numbers, the highest included, a window covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowLen(u32);

impl WindowLen {
    /// The shortest one that receivers must support (RFC 4303 §3.4.3).
    pub const MIN: Self = Self(32);
    /// The longest one here; the bitmap has 8 KiB.
    pub const MAX: Self = Self(65_536);

    /// A window of so many numbers; `None` outside of [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    pub const fn new(numbers: u32) -> Option<Self> {
        if numbers < Self::MIN.0 || numbers > Self::MAX.0 { None } else { Some(Self(numbers)) }
    }

    /// Sequence numbers covered.
    pub const fn numbers(self) -> u32 {
        self.0
    }
}

/// 64, what RFC 4303 §3.4.3 prefers.
impl Default for WindowLen {
    fn default() -> Self {
        Self(64)
    }
}

/// Which of the last sequence numbers have been received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayWindow {
    highest: SeqNo,
    len: WindowLen,
    /// A power of two of blocks; number `n` is bit `n % 64` of block `n / 64` modulo their count.
    seen: Box<[u64]>,
}

impl ReplayWindow {
    /// An empty window.
    pub fn new(len: WindowLen) -> Self {
        let blocks = (len.0.div_ceil(u64::BITS) + 1).next_power_of_two();
        Self { highest: SeqNo::default(), len, seen: vec![0; blocks as usize].into() }
    }

    /// Whether a packet with this number may still be accepted: not 0, not left of the window, not seen.
    pub fn check(&self, number: SeqNo) -> bool {
        if number.value() == 0 {
            return false;
        }
        match self.highest.value().checked_sub(number.value()) {
            None => true,
            Some(age) => {
                let (block, bit) = self.place(number.value());
                age < u64::from(self.len.0) && self.seen[block] & bit == 0
            }
        }
    }

    /// The extended sequence number whose low half a packet carries: of the numbers with this low half the one that is
    /// inside the window or the nearest right of it. `None` when there is no such number.
    pub fn extend(&self, low: u32) -> Option<SeqNo> {
        let low = u64::from(low);
        let bottom = self.highest.value().saturating_sub(u64::from(self.len.0) - 1);
        // The first number from the bottom of the window on with this low half.
        let number = bottom >> 32 << 32 | low;
        let number = if number < bottom { number.checked_add(1 << 32)? } else { number };
        Some(SeqNo::new(number))
    }

    /// Marks a number that passed [`check`](Self::check) and then its packet's integrity check.
    pub fn update(&mut self, number: SeqNo) {
        if number > self.highest {
            let (old, new) = (self.highest.value() / 64, number.value() / 64);
            for entered in (old + 1..=new).take(self.seen.len()) {
                let (block, _) = self.place(entered * 64);
                self.seen[block] = 0;
            }
            self.highest = number;
        }
        if self.highest.value() - number.value() < u64::from(self.len.0) {
            let (block, bit) = self.place(number.value());
            self.seen[block] |= bit;
        }
    }

    /// The right edge of the window; 0 before the first packet.
    pub fn highest(&self) -> SeqNo {
        self.highest
    }

    /// Block and bit of a number.
    fn place(&self, number: u64) -> (usize, u64) {
        let block = (number / 64) & (self.seen.len() as u64 - 1);
        (usize::try_from(block).unwrap_or(0), 1 << (number % 64))
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new(WindowLen::default())
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "low halves are cut off on purpose")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Around the size of a block, and some in between.
    const LENS: [u32; 7] = [32, 63, 64, 65, 128, 150, 1000];

    /// The definition without any cleverness: everything seen, and the greatest of it.
    struct Oracle(BTreeSet<u64>, WindowLen);

    impl Oracle {
        fn check(&self, number: u64) -> bool {
            let highest = self.0.last().copied().unwrap_or(0);
            number != 0 && number + u64::from(self.1.numbers()) > highest && !self.0.contains(&number)
        }
    }

    fn agree_on(numbers: &[(u64, bool)]) {
        for len in LENS.map(|len| WindowLen::new(len).unwrap()) {
            let (mut window, mut oracle) = (ReplayWindow::new(len), Oracle(BTreeSet::new(), len));
            for &(number, genuine) in numbers {
                let accepted = window.check(SeqNo::new(number));
                assert_eq!(accepted, oracle.check(number), "{number} in {len:?} after {:?}", oracle.0);
                if accepted && genuine {
                    window.update(SeqNo::new(number));
                    oracle.0.insert(number);
                }
                assert_eq!(window.highest().value(), oracle.0.last().copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn windows_are_from_32_to_65536_numbers_wide() {
        assert_eq!([0, 31, 65_537].map(WindowLen::new), [None; 3]);
        for (numbers, octets) in [(32, 16), (64, 16), (65, 32), (1024, 256), (65_536, 16_384)] {
            let mut window = ReplayWindow::new(WindowLen::new(numbers).unwrap());
            assert!(window.seen.len() * 8 <= octets, "{numbers}");
            window.update(SeqNo::new(200_000));
            let left = 200_000 - u64::from(numbers);
            assert!(window.check(SeqNo::new(left + 1)) && !window.check(SeqNo::new(left)), "{numbers}");
        }
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(numbers in prop::collection::vec((0_u64..400, prop::bool::weighted(0.8)), 0..300)) {
            agree_on(&numbers);
        }

        #[test]
        fn a_drifting_sequence_agrees_with_a_set(steps in prop::collection::vec((0_u64..90, 0_u64..80), 0..300)) {
            let mut base = 0;
            let numbers: Vec<_> = steps.into_iter().map(|(forward, back)| {
                base += forward / 8;
                (base.saturating_sub(back), true)
            }).collect();
            agree_on(&numbers);
        }

        #[test]
        fn the_end_of_the_number_space_agrees_with_a_set(back in prop::collection::vec(0_u64..130, 0..200)) {
            agree_on(&back.into_iter().map(|age| (u64::from(u32::MAX) - age, true)).collect::<Vec<_>>());
        }
    }

    /// Appendix A2.2 of RFC 4303 as it stands there; `None` for the numbers before the first.
    fn appendix(highest: u64, low: u32) -> Option<u64> {
        let window = WindowLen::default().numbers();
        let (high, edge) = ((highest >> 32) as u32, highest as u32);
        let bottom = edge.wrapping_sub(window - 1);
        let high = match (edge >= window - 1, low >= bottom) {
            (true, true) | (false, false) => Some(high),
            (true, false) => high.checked_add(1),
            (false, true) => high.checked_sub(1),
        };
        high.map(|high| u64::from(high) << 32 | u64::from(low))
    }

    fn window_at(highest: u64) -> ReplayWindow {
        let mut window = ReplayWindow::default();
        window.update(SeqNo::new(highest));
        window
    }

    proptest! {
        #[test]
        fn high_halves_are_those_of_the_appendix(
            high in prop::sample::select(vec![1_u64, 2, 77, 0xffff_fffe, 0xffff_ffff]),
            edge in prop_oneof![0_u64..200, 0xffff_ff00_u64..0x1_0000_0000, 0_u64..0x1_0000_0000],
            low in prop_oneof![0_u32..200, 0xffff_ff00_u32.., any::<u32>()],
        ) {
            let highest = high << 32 | edge;
            let found = window_at(highest).extend(low).map(SeqNo::value);
            prop_assert_eq!(found, appendix(highest, low));
        }

        #[test]
        fn a_number_near_the_right_edge_is_found_from_its_low_half(
            highest in prop_oneof![0_u64..1000, 0xffff_fc00_u64..0x1_0000_0400, 1_u64 << 40..1 << 41],
            distance in -63_i64..0x7fff_ffff,
        ) {
            let number = highest.saturating_add_signed(distance);
            prop_assert_eq!(window_at(highest).extend(number as u32), Some(SeqNo::new(number)));
        }
    }

    #[test]
    fn the_first_numbers_have_no_high_half_whatever_was_lost() {
        for low in [1, 64, u32::MAX] {
            assert_eq!(ReplayWindow::default().extend(low), Some(SeqNo::new(u64::from(low))));
            assert_eq!(window_at(5).extend(low), Some(SeqNo::new(u64::from(low))));
        }
        assert_eq!(window_at(u64::MAX).extend(3), None, "nothing follows the last number");
    }

    #[test]
    fn a_forged_packet_does_not_move_the_window() {
        let mut window = ReplayWindow::default();
        window.update(SeqNo::new(1));
        assert!(window.check(SeqNo::new(1_000_000)));
        assert!(window.check(SeqNo::new(2)));
        assert!(!window.check(SeqNo::new(1)));
    }

    #[test]
    fn the_left_edge_is_exactly_sixty_four_numbers_wide() {
        let mut window = ReplayWindow::default();
        window.update(SeqNo::new(100));
        assert!(window.check(SeqNo::new(37)));
        assert!(!window.check(SeqNo::new(36)));
    }
}
