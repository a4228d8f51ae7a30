//! How long the packets of a source are.

use ipseclab_sim::ModelRng;

use super::sample::below;

/// The lengths of a source's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Each has so many octets after the UDP header.
    Payload(usize),
    /// The simple Internet mix: IP packets of 40, 576 and 1500 octets, of twelve on average seven, four and one, in random
    /// order. Where the headers and the stamp of a datagram need more than 40 octets, the shortest are as long as that.
    Imix,
}

/// IP packet lengths of the mix, and how many of twelve have each.
const IMIX: [(usize, u64); 3] = [(40, 7), (576, 4), (1500, 1)];

impl Sizes {
    /// Whether chance decides.
    pub const fn is_random(self) -> bool {
        matches!(self, Self::Imix)
    }

    /// Octets of the payload of the next packet, whose headers take `headers`; at least `least`.
    pub(super) fn draw(self, rng: Option<&mut ModelRng>, headers: usize, least: usize) -> usize {
        match (self, rng) {
            (Self::Payload(octets), _) => octets,
            (Self::Imix, None) => least,
            (Self::Imix, Some(rng)) => {
                let mut ticket = below(rng, IMIX.iter().map(|(_, weight)| weight).sum());
                let drawn = IMIX.iter().find(|(_, weight)| {
                    let is_it = ticket < *weight;
                    ticket = ticket.saturating_sub(*weight);
                    is_it
                });
                let (len, _) = drawn.expect("a ticket below the sum of the weights");
                len.saturating_sub(headers).max(least)
            }
        }
    }

    /// The longest payload that may be drawn.
    pub(super) fn longest(self, headers: usize) -> usize {
        match self {
            Self::Payload(octets) => octets,
            Self::Imix => 1500 - headers,
        }
    }

    /// Twelve times the mean length of IP packets, so that it is exact.
    pub fn mean_len_times_twelve(self, headers: usize, least: usize) -> u64 {
        match self {
            Self::Payload(octets) => 12 * (headers + octets) as u64,
            Self::Imix => IMIX.iter().map(|(len, weight)| weight * (*len).max(headers + least) as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ipseclab_sim::{RunSeed, StreamLabel};

    use super::*;

    #[test]
    fn the_mix_has_its_shares() {
        let mut rng = ModelRng::new(RunSeed::new(1), StreamLabel::new(0, "sizes"));
        let mut counts = [0_u32; 3];
        for _ in 0..120_000 {
            match Sizes::Imix.draw(Some(&mut rng), 28, 12) {
                12 => counts[0] += 1,
                548 => counts[1] += 1,
                1472 => counts[2] += 1,
                other => panic!("{other}"),
            }
        }
        // Four standard deviations of a binomial count around 70 000, 40 000 and 10 000.
        for (count, (expected, bound)) in
            counts.into_iter().zip([(70_000, 700), (40_000, 660), (10_000, 390)])
        {
            assert!(count.abs_diff(expected) < bound, "{counts:?}");
        }
    }

    #[test]
    fn the_mean_of_the_mix_is_that_of_its_lengths() {
        assert_eq!(Sizes::Imix.mean_len_times_twelve(28, 12), 7 * 40 + 4 * 576 + 1500);
        assert_eq!(Sizes::Imix.mean_len_times_twelve(48, 12), 7 * 60 + 4 * 576 + 1500);
        assert_eq!(Sizes::Payload(972).mean_len_times_twelve(28, 12), 12_000);
    }
}
