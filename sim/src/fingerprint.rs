//! Fingerprints: has this run done the same as that one, and if not, which process differs first?
//!
//! Each process hashes its own ordered history: for every event that it handles the key (time, source, sequence),
//! and whatever facts its model notes. A run's fingerprint combines the processes' in process order. No global order
//! enters, so a parallel executor gets the same value without talking.
//!
//! The mixing step is a folded 64 × 64 → 128 bit multiplication: one multiplication absorbs two words. It is
//! made for comparing honest runs, not against somebody who searches for collisions.

use core::fmt;

/// A digest of a history; equal histories give equal fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

/// The running digest of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History(u64);

// Fractional digits of the golden ratio and of the square roots of 2 and 3: odd, and nobody chose them.
const START: u64 = 0x9e37_79b9_7f4a_7c15;
const LEFT: u64 = 0x6a09_e667_f3bc_c909;
const RIGHT: u64 = 0xbb67_ae85_84ca_a73b;

impl Fingerprint {
    /// The digest as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The digest of `parts` in their order.
    pub(crate) fn combine(parts: impl Iterator<Item = Self>) -> Self {
        let mut whole = History::new();
        let mut count = 0;
        for part in parts {
            whole.absorb(part.0, count);
            count += 1;
        }
        whole.absorb(count, RIGHT);
        whole.fingerprint()
    }
}

impl fmt::Display for Fingerprint {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl History {
    pub(crate) const fn new() -> Self {
        Self(START)
    }

    /// Appends two words.
    #[inline]
    pub(crate) fn absorb(&mut self, a: u64, b: u64) {
        self.0 = fold(self.0 ^ a ^ LEFT, b ^ RIGHT).wrapping_add(self.0.rotate_left(23));
    }

    /// Appends facts of any number; the number itself is part of the history.
    pub(crate) fn absorb_facts(&mut self, kind: u32, facts: &[u64]) {
        self.absorb(u64::from(kind), facts.len() as u64);
        for (place, fact) in (0_u64..).zip(facts) {
            self.absorb(*fact, place);
        }
    }

    pub(crate) fn fingerprint(self) -> Fingerprint {
        Fingerprint(fold(self.0 ^ LEFT, RIGHT))
    }
}

/// The two halves of the product, folded together.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = halves(u128::from(a) * u128::from(b));
    low ^ high
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "taking the two halves is the point")]
const fn halves(wide: u128) -> [u64; 2] {
    [wide as u64, (wide >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(pairs: &[(u64, u64)]) -> Fingerprint {
        let mut history = History::new();
        for &(a, b) in pairs {
            history.absorb(a, b);
        }
        history.fingerprint()
    }

    #[test]
    fn order_of_events_matters() {
        assert_ne!(digest(&[(1, 2), (3, 4)]), digest(&[(3, 4), (1, 2)]));
        assert_ne!(digest(&[(1, 2)]), digest(&[(2, 1)]));
        assert_eq!(digest(&[(1, 2), (3, 4)]), digest(&[(1, 2), (3, 4)]));
    }

    #[test]
    fn a_repeated_event_is_not_forgotten() {
        assert_ne!(digest(&[]), digest(&[(0, 0)]));
        assert_ne!(digest(&[(0, 0)]), digest(&[(0, 0), (0, 0)]));
    }

    #[test]
    fn a_zero_factor_does_not_erase_the_past() {
        assert_ne!(digest(&[(1, 0), (7, RIGHT)]), digest(&[(2, 0), (7, RIGHT)]));
    }

    #[test]
    fn facts_are_delimited() {
        let digest = |notes: &[&[u64]]| {
            let mut history = History::new();
            for facts in notes {
                history.absorb_facts(1, facts);
            }
            history.fingerprint()
        };
        assert_ne!(digest(&[&[1, 2]]), digest(&[&[1], &[2]]));
        assert_ne!(digest(&[&[1, 0]]), digest(&[&[1]]));
    }

    #[test]
    fn single_bits_spread_over_the_digest() {
        let base = digest(&[(0, 0)]).as_u64();
        for bit in 0..64 {
            let flipped = (base ^ digest(&[(1 << bit, 0)]).as_u64()).count_ones();
            assert!((12..=52).contains(&flipped), "bit {bit} changes {flipped} bits");
        }
    }

    #[test]
    fn the_combination_knows_which_process_is_which() {
        let (a, b) = (digest(&[(1, 1)]), digest(&[(2, 2)]));
        let combine = |parts: &[Fingerprint]| Fingerprint::combine(parts.iter().copied());
        assert_ne!(combine(&[a, b]), combine(&[b, a]));
        assert_ne!(combine(&[a]), combine(&[a, a]));
        assert_ne!(combine(&[]), combine(&[a]));
    }

    #[test]
    fn it_prints_as_sixteen_hex_digits() {
        assert_eq!(Fingerprint(0xab).to_string(), "00000000000000ab");
    }
}
