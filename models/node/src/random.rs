//! A node's streams of key material: one per purpose (style A3).

use std::collections::BTreeMap;

use ipseclab_crypto::{Purpose, RandomSource};
use ipseclab_sim::{KeyRng, ProcessId, RunSeed, StreamLabel};

/// The streams of one protocol core of one node, made when first drawn from.
pub(crate) struct Streams {
    seed: RunSeed,
    owner: u32,
    core: &'static str,
    by_purpose: BTreeMap<Purpose, KeyRng>,
}

impl Streams {
    /// The streams of `core` ("ike", "esp") of process `owner`.
    pub(crate) fn new(seed: RunSeed, owner: ProcessId, core: &'static str) -> Self {
        Self { seed, owner: owner.index(), core, by_purpose: BTreeMap::new() }
    }
}

impl RandomSource for Streams {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        let (seed, owner, core) = (self.seed, self.owner, self.core);
        let stream = self.by_purpose.entry(purpose).or_insert_with(|| {
            KeyRng::new(seed, StreamLabel::new(owner, &format!("{core} {}", purpose_name(purpose))))
        });
        stream.fill(out);
    }
}

/// Names are part of the seed: changing one changes every run.
fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::IkeSpi => "ike spi",
        Purpose::ChildSpi => "child spi",
        Purpose::Nonce => "nonce",
        Purpose::KeyExchange => "key exchange",
        Purpose::Iv => "iv",
        Purpose::Padding => "padding",
        Purpose::Eap => "eap",
        Purpose::Signature => "signature",
        Purpose::Cookie => "cookie",
        Purpose::Jitter => "jitter",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(streams: &mut Streams, purpose: Purpose) -> [u8; 16] {
        let mut out = [0; 16];
        streams.fill(purpose, &mut out);
        out
    }

    #[test]
    fn a_further_draw_of_one_purpose_shifts_no_other() {
        let new = || Streams::new(RunSeed::new(1), ProcessId::new(3), "ike");
        let (mut a, mut b) = (new(), new());
        draw(&mut a, Purpose::Nonce);
        assert_eq!(draw(&mut a, Purpose::IkeSpi), draw(&mut b, Purpose::IkeSpi));
        assert_ne!(draw(&mut a, Purpose::Nonce), draw(&mut b, Purpose::Nonce));
    }

    #[test]
    fn seeds_owners_and_cores_give_other_streams() {
        let first = |seed, owner, core| {
            draw(&mut Streams::new(RunSeed::new(seed), ProcessId::new(owner), core), Purpose::Iv)
        };
        let all = [first(1, 0, "ike"), first(2, 0, "ike"), first(1, 1, "ike"), first(1, 0, "esp")];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one));
        }
    }
}
