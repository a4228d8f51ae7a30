//! Who goes first at the same instant.
//!
//! Ties are broken by the source's number, always in the same way. A model whose results lean on that order is suspect;
//! breaking ties by a seeded permutation of the sources instead finds it: run under several seeds and compare.
//!
//! A permutation and not a hash, since two sources with the same hash would need a third criterion. It is a Feistel
//! network of four rounds over the two halves of the number, which is its own proof of being one-to-one.

/// The order among events from different sources at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TieBreak {
    /// The source with the lower id goes first.
    #[default]
    BySource,
    /// The seed decides, for each pair of sources anew.
    BySeed(u64),
}

impl TieBreak {
    /// The place of a source among ties; no two have the same.
    pub(crate) fn rank(self, source: u32) -> u32 {
        match self {
            Self::BySource => source,
            Self::BySeed(seed) => (0..4).fold(source, |x, round| {
                let (left, right) = (x >> HALF, x & HALF_MASK);
                (right << HALF) | (left ^ scramble(seed, round, right))
            }),
        }
    }

    /// The source with this rank.
    #[inline]
    pub(crate) fn source(self, rank: u32) -> u32 {
        match self {
            Self::BySource => rank,
            Self::BySeed(seed) => unrank(seed, rank),
        }
    }
}

/// The source that a seeded permutation gives this rank.
// Out of line, since the usual order needs none of it.
#[inline(never)]
fn unrank(seed: u64, rank: u32) -> u32 {
    (0..4).rev().fold(rank, |x, round| {
        let (right, mixed) = (x >> HALF, x & HALF_MASK);
        ((mixed ^ scramble(seed, round, right)) << HALF) | right
    })
}

/// Half of the 24 bits of a process number.
const HALF: u32 = 12;
const HALF_MASK: u32 = (1 << HALF) - 1;

/// 12 bits that depend on everything given. The constants are splitmix64's (Steele, Lea and Flood, 2014).
const fn scramble(seed: u64, round: u64, half: u32) -> u32 {
    let mut z = seed ^ (((round << 32) | half as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> (64 - HALF)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_lead_back_to_their_sources() {
        for tie_break in [TieBreak::BySource, TieBreak::BySeed(0), TieBreak::BySeed(0xdead_beef)] {
            for source in (0..1000).chain([0xfff, 0x1000, 0xff_ffff]) {
                assert_eq!(tie_break.source(tie_break.rank(source)), source);
            }
        }
    }

    #[test]
    fn sources_rank_by_number_unless_a_seed_is_given() {
        assert_eq!(TieBreak::default().rank(42), 42);
    }

    #[test]
    fn a_seed_puts_the_second_first_about_half_of_the_time() {
        let swapped = (0..1000).map(TieBreak::BySeed).filter(|t| t.rank(1) < t.rank(0)).count();
        assert!((430..570).contains(&swapped), "{swapped} of 1000");
    }
}
