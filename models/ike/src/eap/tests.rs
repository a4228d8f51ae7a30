//! Both sides in a loop.

use std::sync::Arc;

use ipseclab_crypto::{Crypto, Purpose, RandomSource, RealProvider};

use super::*;

/// Octets that differ from draw to draw; what they are does not matter.
pub(super) struct Counter(pub(super) u64);

impl RandomSource for Counter {
    fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
        assert_eq!(purpose, Purpose::Eap);
        for octet in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *octet = self.0.to_be_bytes()[0];
        }
    }
}

pub(super) fn with_context<T>(work: impl FnOnce(&mut EapContext<'_>) -> T) -> T {
    let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
    work(&mut EapContext { crypto: &mut crypto, random: &mut Counter(1) })
}
