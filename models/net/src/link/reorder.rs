//! Packets that are held back on a link so that others overtake them, independently of jitter.
//!
//! A network that reorders is seldom one whose every packet has a delay of its own; more often most packets keep their
//! order, and a few take another path, another lane of a load balancer, or a second try below the IP layer. So each packet is
//! held back with a probability, on its own, for a span that is always the same or exponentially distributed. netem's
//! `reorder` is the same with the roles exchanged: there a share of packets is let go ahead of the delayed rest.
//!
//! With a span D and packets that follow at equal intervals of T, n = ⌈D/T⌉ − 1 are due before one that is held back, and
//! one of them overtakes it unless all are held back too: a share p·(1 − pⁿ) of the packets arrives late (RFC 4737 §3.3).

use ipseclab_sim::{ModelRng, SimDuration};

use super::config::LossPpb;
use crate::traffic::exponential;

/// How a link holds packets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorder {
    /// How likely each packet is held back.
    pub probability: LossPpb,
    /// For how long; on average, where chance decides.
    pub delay: SimDuration,
    /// How the span is distributed.
    pub spread: ReorderSpread,
}

/// How the spans for which packets are held back are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReorderSpread {
    /// All the same.
    #[default]
    Constant,
    /// Exponentially.
    Exponential,
}

impl Reorder {
    /// For how long the next packet is held back, if it is. Draws equally often whatever comes of it, so that the n-th packet
    /// meets the same luck under every probability and delay.
    pub(super) fn draw(&self, rng: &mut ModelRng) -> Option<SimDuration> {
        let is_held = rng.chance_ppb(self.probability.ppb());
        let span = match self.spread {
            ReorderSpread::Constant => self.delay,
            ReorderSpread::Exponential => exponential(rng, self.delay),
        };
        is_held.then_some(span)
    }
}
