//! Cookies of a responder under load (RFC 7296 §2.6): proof that an initiator receives what is sent to its address.
//!
//! A cookie is the number of a secret's generation in 4 octets and `HMAC-SHA-1(secret, Ni | IPi | SPIi)` in 20, the
//! size of strongSwan's. Nothing is kept for the one who gets it: the secret of the generation that it names shows
//! whether it is ours. A secret serves for [`Limits::cookie_lifetime`](crate::config::Limits::cookie_lifetime), and is
//! remembered for as long again, so that a cookie given at the end of its time is still good when it comes back.

use core::net::IpAddr;
use core::time::Duration;

use ipseclab_crypto::{Crypto, Prf, Purpose, RandomSource, Secret};

use crate::wire::IkeSpi;

/// Octets of a secret: those of the hash.
const SECRET_LEN: usize = 20;

/// The secrets behind cookies.
#[derive(Debug, Default)]
pub(crate) struct CookieJar {
    current: Option<Generation>,
    previous: Option<Generation>,
}

/// A secret with its number and the time when the next one takes its place.
#[derive(Debug)]
struct Generation {
    number: u32,
    secret: Secret,
    until: Duration,
}

/// What a cookie vouches for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) nonce: &'a [u8],
    pub(crate) address: IpAddr,
    pub(crate) spi: IkeSpi,
}

impl CookieJar {
    /// The cookie for `claim` now.
    pub(crate) fn bake(
        &mut self,
        (now, lifetime): (Duration, Duration),
        crypto: &mut Crypto,
        random: &mut dyn RandomSource,
        claim: Claim<'_>,
    ) -> Vec<u8> {
        let generation = self.generation(now, lifetime, random);
        generation.bake(crypto, claim)
    }

    /// Whether `cookie` is one that we have given for `claim` not too long ago.
    pub(crate) fn is_good(
        &self,
        (now, lifetime): (Duration, Duration),
        crypto: &mut Crypto,
        claim: Claim<'_>,
        cookie: &[u8],
    ) -> bool {
        let Some(number) = cookie.first_chunk().copied().map(u32::from_be_bytes) else { return false };
        let mut known = [&self.current, &self.previous].into_iter().flatten();
        let named = known.find(|generation| generation.number == number);
        named.is_some_and(|generation| {
            now < generation.until.saturating_add(lifetime)
                && Secret::new(generation.bake(crypto, claim)) == Secret::new(cookie)
        })
    }

    /// The secret in use, drawn anew when the last one has served its time.
    fn generation(
        &mut self,
        now: Duration,
        lifetime: Duration,
        random: &mut dyn RandomSource,
    ) -> &Generation {
        let last = self.current.take();
        let number = last.as_ref().map_or(0, |last| last.number);
        let current = match last {
            Some(last) if now < last.until => last,
            last => {
                self.previous = last;
                let mut secret = [0; SECRET_LEN];
                random.fill(Purpose::Cookie, &mut secret);
                let until = now.saturating_add(lifetime);
                Generation { number: number.wrapping_add(1), secret: Secret::new(secret), until }
            }
        };
        self.current.insert(current)
    }
}

impl Generation {
    fn bake(&self, crypto: &mut Crypto, claim: Claim<'_>) -> Vec<u8> {
        let (v4, v6);
        let address: &[u8] = match claim.address {
            IpAddr::V4(ip) => {
                v4 = ip.octets();
                &v4
            }
            IpAddr::V6(ip) => {
                v6 = ip.octets();
                &v6
            }
        };
        let spi = claim.spi.as_u64().to_be_bytes();
        let hash = crypto.prf(Prf::HmacSha1, self.secret.expose(), &[claim.nonce, address, &spi]);
        [&self.number.to_be_bytes()[..], hash.expose()].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipseclab_crypto::RealProvider;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(10);

    struct Counting(u8);

    impl RandomSource for Counting {
        fn fill(&mut self, purpose: Purpose, out: &mut [u8]) {
            assert_eq!(purpose, Purpose::Cookie);
            self.0 += 1;
            out.fill(self.0);
        }
    }

    fn claim(nonce: &[u8], last: u8, spi: u64) -> Claim<'_> {
        Claim { nonce, address: IpAddr::from([192, 0, 2, last]), spi: IkeSpi::new(spi) }
    }

    fn seconds(seconds: u64) -> (Duration, Duration) {
        (Duration::from_secs(seconds), LIFETIME)
    }

    #[test]
    fn a_cookie_is_good_for_its_nonce_address_and_spi_only() {
        let (mut crypto, mut jar) = (Crypto::new(Arc::new(RealProvider::new())), CookieJar::default());
        let cookie = jar.bake(seconds(0), &mut crypto, &mut Counting(0), claim(&[1; 32], 1, 7));
        assert_eq!(cookie.len(), 24);
        let mut good = |claim, cookie: &[u8]| jar.is_good(seconds(1), &mut crypto, claim, cookie);
        assert!(good(claim(&[1; 32], 1, 7), &cookie));
        assert!(!good(claim(&[2; 32], 1, 7), &cookie));
        assert!(!good(claim(&[1; 32], 2, 7), &cookie));
        assert!(!good(claim(&[1; 32], 1, 8), &cookie));
        for at in 0..cookie.len() {
            let mut changed = cookie.clone();
            changed[at] ^= 1;
            assert!(!good(claim(&[1; 32], 1, 7), &changed), "octet {at}");
            assert!(!good(claim(&[1; 32], 1, 7), &cookie[..at]), "{at} octets");
        }
    }

    #[test]
    fn a_cookie_outlives_its_secret_by_one_lifetime_at_most() {
        let (mut crypto, mut jar) = (Crypto::new(Arc::new(RealProvider::new())), CookieJar::default());
        let (mut random, asked) = (Counting(0), claim(&[1; 32], 1, 7));
        let first = jar.bake(seconds(0), &mut crypto, &mut random, asked);
        assert_eq!(jar.bake(seconds(9), &mut crypto, &mut random, asked), first);
        let second = jar.bake(seconds(10), &mut crypto, &mut random, asked);
        assert_ne!(second, first);
        assert!(jar.is_good(seconds(19), &mut crypto, asked, &first));
        assert!(!jar.is_good(seconds(20), &mut crypto, asked, &first));
        assert!(jar.is_good(seconds(29), &mut crypto, asked, &second));
        assert!(!jar.is_good(seconds(30), &mut crypto, asked, &second));
    }
}
