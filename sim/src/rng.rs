//! Random streams: one per (run seed, component, purpose).
//!
//! A stream is a `ChaCha` keystream: the run's seed is the key, and a 64-bit label of owner and purpose is the stream
//! number. So a further draw in one stream never shifts another, which gives common random numbers across the
//! points of a sweep. `ChaCha8` serves the models, `ChaCha20` key material (`../shared/dependencies.md` §3).

use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};

use crate::time::SimDuration;

/// The seed of one run, expanded to a `ChaCha` key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RunSeed([u8; 32]);

/// Which stream of the run: the owner's number and what it draws for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamLabel(u64);

/// A stream of a model: loss, jitter, arrivals.
#[derive(Clone)]
pub struct ModelRng(ChaCha8Rng);

/// A stream of key material, nonces and SPIs.
#[derive(Clone)]
pub struct KeyRng(ChaCha20Rng);

impl RunSeed {
    /// Expands a scenario's `seed` number.
    pub fn new(seed: u64) -> Self {
        // Domain separation in the upper bytes keeps the keys of this program apart from plain counters.
        let mut key = *b"........ipseclab run seed 2026..";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(key)
    }
}

impl core::fmt::Debug for RunSeed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RunSeed(..)")
    }
}

impl StreamLabel {
    /// The stream of `owner` (a process or link number) for `purpose` (a stable name such as `"loss"`).
    pub fn new(owner: u32, purpose: &str) -> Self {
        // FNV-1a of the purpose in the upper half: stable across versions, and no two purposes of ours collide
        // (the caller's tests see to that); the owner in the lower half keeps owners apart by construction.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in purpose.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
        Self((folded << 32) | u64::from(owner))
    }
}

impl ModelRng {
    /// The stream `label` of the run `seed`, from its beginning.
    pub fn new(seed: RunSeed, label: StreamLabel) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed.0);
        rng.set_stream(label.0);
        Self(rng)
    }

    /// The next 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// True with probability `ppb` / 10⁹; always draws once, so that streams stay aligned across a sweep.
    pub fn chance_ppb(&mut self, ppb: u32) -> bool {
        // The upper 32 bits scaled to 0..10⁹ by multiply-shift: bias below 2⁻³², the same for every platform.
        upper_half(u128::from(self.next_u64()) * 1_000_000_000) < u64::from(ppb)
    }

    /// A span in 0..=`max`, uniform.
    pub fn uniform_span(&mut self, max: SimDuration) -> SimDuration {
        let wide = u128::from(self.next_u64()) * (u128::from(max.as_nanos()) + 1);
        SimDuration::from_nanos(upper_half(wide))
    }
}

impl KeyRng {
    /// The stream `label` of the run `seed`, from its beginning.
    pub fn new(seed: RunSeed, label: StreamLabel) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed.0);
        rng.set_stream(label.0);
        Self(rng)
    }

    /// Fills `out` with the next bytes of the stream.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }
}

const fn upper_half(wide: u128) -> u64 {
    (wide >> 64) as u64
}
