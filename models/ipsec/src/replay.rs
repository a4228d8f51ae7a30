//! The anti-replay window: 64 sequence numbers, as RFC 4303 §3.4.3 and appendix A2 describe it.
//!
//! Checking and updating are two calls because the integrity check stands between them: a forged packet must not
//! move the window. Bit `n` of the mask stands for `highest - n`, so a shift moves the window.
//! Of an extended sequence number the packet carries the low half; the window tells the high half (appendix A2.2).
//! Left out: finding the high half again after 2³² packets were lost in a row (appendix A3).

use crate::spi::SeqNo;

/// Which of the last sequence numbers have been received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    highest: SeqNo,
    seen: u64,
}

impl ReplayWindow {
    /// How many sequence numbers, the highest included, the window covers.
    pub const LEN: u64 = 64;

    /// Whether a packet with this number may still be accepted: not 0, not left of the window, not seen.
    pub fn check(&self, number: SeqNo) -> bool {
        if number.value() == 0 {
            return false;
        }
        match self.highest.value().checked_sub(number.value()) {
            None => true,
            Some(age) => age < Self::LEN && self.seen >> age & 1 == 0,
        }
    }

    /// The extended sequence number whose low half a packet carries: of the numbers with this low half the one that is
    /// inside the window or the nearest right of it. `None` when there is no such number.
    pub fn extend(&self, low: u32) -> Option<SeqNo> {
        let low = u64::from(low);
        let bottom = self.highest.value().saturating_sub(Self::LEN - 1);
        // The first number from the bottom of the window on with this low half.
        let number = bottom >> 32 << 32 | low;
        let number = if number < bottom { number.checked_add(1 << 32)? } else { number };
        Some(SeqNo::new(number))
    }

    /// Marks a number that passed [`check`](Self::check) and then its packet's integrity check.
    pub fn update(&mut self, number: SeqNo) {
        if number > self.highest {
            let distance = number.value() - self.highest.value();
            self.seen = if distance < Self::LEN { self.seen << distance } else { 0 };
            self.highest = number;
        }
        let age = self.highest.value() - number.value();
        if age < Self::LEN {
            self.seen |= 1 << age;
        }
    }

    /// The right edge of the window; 0 before the first packet.
    pub fn highest(&self) -> SeqNo {
        self.highest
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "low halves are cut off on purpose")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The definition without any cleverness: everything seen, and the greatest of it.
    #[derive(Default)]
    struct Oracle(BTreeSet<u64>);

    impl Oracle {
        fn check(&self, number: u64) -> bool {
            let highest = self.0.last().copied().unwrap_or(0);
            number != 0 && number + ReplayWindow::LEN > highest && !self.0.contains(&number)
        }
    }

    fn agree_on(numbers: impl IntoIterator<Item = (u64, bool)>) {
        let (mut window, mut oracle) = (ReplayWindow::default(), Oracle::default());
        for (number, genuine) in numbers {
            let accepted = window.check(SeqNo::new(number));
            assert_eq!(accepted, oracle.check(number), "{number} after {:?}", oracle.0);
            if accepted && genuine {
                window.update(SeqNo::new(number));
                oracle.0.insert(number);
            }
            assert_eq!(window.highest().value(), oracle.0.last().copied().unwrap_or(0));
        }
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(numbers in prop::collection::vec((0_u64..400, prop::bool::weighted(0.8)), 0..300)) {
            agree_on(numbers);
        }

        #[test]
        fn a_drifting_sequence_agrees_with_a_set(steps in prop::collection::vec((0_u64..90, 0_u64..80), 0..300)) {
            let mut base = 0;
            agree_on(steps.into_iter().map(|(forward, back)| {
                base += forward / 8;
                (base.saturating_sub(back), true)
            }));
        }

        #[test]
        fn the_end_of_the_number_space_agrees_with_a_set(back in prop::collection::vec(0_u64..130, 0..200)) {
            agree_on(back.into_iter().map(|age| (u64::from(u32::MAX) - age, true)));
        }
    }

    /// Appendix A2.2 of RFC 4303 as it stands there; `None` for the numbers before the first.
    fn appendix(highest: u64, low: u32) -> Option<u64> {
        let window = u32::try_from(ReplayWindow::LEN).unwrap();
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
