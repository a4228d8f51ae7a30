//! A node's streams of key material: one per purpose (style A3).

use std::collections::BTreeMap;

use ipseclab_crypto::{Purpose, RandomSource};
use ipseclab_sim::{KeyRng, ProcessId, RunSeed, StreamLabel};

/// The streams of one protocol core of one node, made when first drawn from.
pub(crate) struct Streams {
    seed: RunSeed,
    owner: u32,
    core: String,
    by_purpose: BTreeMap<Purpose, KeyRng>,
}

impl Streams {
    /// The streams of `core` ("ike", "esp") of process `owner`. A node that has come back so many times draws from
    /// others than before, so that nothing is repeated.
    pub(crate) fn new(seed: RunSeed, owner: ProcessId, core: &str, incarnation: u32) -> Self {
        let core = if incarnation == 0 { core.to_owned() } else { format!("{core}@{incarnation}") };
        Self { seed, owner: owner.index(), core, by_purpose: BTreeMap::new() }
    }

    /// A number from 0 to `max`, each with the same chance up to one part in 2⁶⁴.
    pub(crate) fn up_to(&mut self, purpose: Purpose, max: u64) -> u64 {
        let mut octets = [0; 8];
        self.fill(purpose, &mut octets);
        let scaled = u128::from(u64::from_be_bytes(octets)) * (u128::from(max) + 1);
        u64::try_from(scaled >> 64).expect("a product of two 64-bit numbers has 64 bits above its lowest 64")
    }
}

impl RandomSource for Streams {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        let (seed, owner, core) = (self.seed, self.owner, &self.core);
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
        let new = || Streams::new(RunSeed::new(1), ProcessId::new(3), "ike", 0);
        let (mut a, mut b) = (new(), new());
        draw(&mut a, Purpose::Nonce);
        assert_eq!(draw(&mut a, Purpose::IkeSpi), draw(&mut b, Purpose::IkeSpi));
        assert_ne!(draw(&mut a, Purpose::Nonce), draw(&mut b, Purpose::Nonce));
    }

    #[test]
    fn seeds_owners_cores_and_incarnations_give_other_streams() {
        let first = |seed, owner, core, incarnation| {
            let owner = ProcessId::new(owner);
            draw(&mut Streams::new(RunSeed::new(seed), owner, core, incarnation), Purpose::Iv)
        };
        let others = [first(2, 0, "ike", 0), first(1, 1, "ike", 0), first(1, 0, "esp", 0)];
        let lives = [first(1, 0, "ike", 0), first(1, 0, "ike", 1), first(1, 0, "ike", 2)];
        let all = [others, lives].concat();
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one));
        }
    }

    #[test]
    fn numbers_reach_both_ends_and_never_pass_them() {
        let mut streams = Streams::new(RunSeed::new(1), ProcessId::new(0), "esp", 0);
        let drawn: Vec<_> = (0..200).map(|_| streams.up_to(Purpose::Jitter, 3)).collect();
        assert!((0..=3).all(|number| drawn.contains(&number)));
        assert_eq!(drawn.iter().max(), Some(&3));
        assert_eq!(streams.up_to(Purpose::Jitter, 0), 0);
    }
}
