//! MODP groups over num-bigint: RFC 7296 §2.14 and appendix B, RFC 3526, RFC 5114, checks of RFC 6989 §2.1 and §2.2.
//!
//! Exponents are short (see [`KeyExchangeMethod::private_len`](crate::KeyExchangeMethod::private_len)), which is what
//! makes these groups affordable. Left out: a fixed-base table for g = 2.

use num_bigint::BigUint;

use super::integer::{below_order, octets_of_hex, to_octets};
use super::modp_primes as primes;
use crate::error::KeyExchangeError;
use crate::provider::RawExchangeKey;
use crate::secret::Secret;

pub(super) const MODP_768: Group = Group::safe(&octets_of_hex::<96>(primes::MODP_768));
pub(super) const MODP_1024: Group = Group::safe(&octets_of_hex::<128>(primes::MODP_1024));
pub(super) const MODP_1536: Group = Group::safe(&octets_of_hex::<192>(primes::MODP_1536));
pub(super) const MODP_2048: Group = Group::safe(&octets_of_hex::<256>(primes::MODP_2048));
pub(super) const MODP_3072: Group = Group::safe(&octets_of_hex::<384>(primes::MODP_3072));
pub(super) const MODP_4096: Group = Group::safe(&octets_of_hex::<512>(primes::MODP_4096));
pub(super) const MODP_6144: Group = Group::safe(&octets_of_hex::<768>(primes::MODP_6144));
pub(super) const MODP_8192: Group = Group::safe(&octets_of_hex::<1024>(primes::MODP_8192));
pub(super) const MODP_1024_160: Group = Group {
    modulus: &octets_of_hex::<128>(primes::MODP_1024_160_P),
    subgroup: Some(Subgroup {
        generator: &octets_of_hex::<128>(primes::MODP_1024_160_G),
        order: &octets_of_hex::<20>(primes::MODP_1024_160_Q),
    }),
};
pub(super) const MODP_2048_224: Group = Group {
    modulus: &octets_of_hex::<256>(primes::MODP_2048_224_P),
    subgroup: Some(Subgroup {
        generator: &octets_of_hex::<256>(primes::MODP_2048_224_G),
        order: &octets_of_hex::<28>(primes::MODP_2048_224_Q),
    }),
};
pub(super) const MODP_2048_256: Group = Group {
    modulus: &octets_of_hex::<256>(primes::MODP_2048_256_P),
    subgroup: Some(Subgroup {
        generator: &octets_of_hex::<256>(primes::MODP_2048_256_G),
        order: &octets_of_hex::<32>(primes::MODP_2048_256_Q),
    }),
};

/// A group of integers modulo a prime: a safe one with 2 as generator, or one with a subgroup of its own.
#[derive(Debug)]
pub(super) struct Group {
    modulus: &'static [u8],
    subgroup: Option<Subgroup>,
}

/// A small subgroup of prime order (RFC 5114 §2).
#[derive(Debug)]
struct Subgroup {
    generator: &'static [u8],
    order: &'static [u8],
}

/// A private key of a group. Drawn octets suffice, since nothing is worth preparing before it is asked for.
#[derive(Debug)]
pub(super) struct ModpKey {
    group: Group,
    private: Secret,
}

impl ModpKey {
    pub(super) fn new(group: Group, private: &Secret) -> Self {
        Self { group, private: private.clone() }
    }
}

impl RawExchangeKey for ModpKey {
    fn public_value(&self) -> Vec<u8> {
        self.group.public_value(&self.private)
    }

    fn shared_secret(&self, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
        self.group.shared_secret(&self.private, peer_public)
    }
}

impl Group {
    const fn safe(modulus: &'static [u8]) -> Self {
        Self { modulus, subgroup: None }
    }

    /// g^private, padded to the modulus.
    fn public_value(&self, private: &Secret) -> Vec<u8> {
        let generator = match &self.subgroup {
            None => BigUint::from(2_u8),
            Some(subgroup) => BigUint::from_bytes_be(subgroup.generator),
        };
        to_octets(&generator.modpow(&self.exponent(private), &self.modulus()), self.modulus.len())
    }

    /// `peer_public^private`, padded to the modulus.
    fn shared_secret(&self, private: &Secret, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
        let peer = BigUint::from_bytes_be(peer_public);
        if !self.is_valid(&peer) {
            return Err(KeyExchangeError::Invalid);
        }
        let value = peer.modpow(&self.exponent(private), &self.modulus());
        Ok(Secret::new(to_octets(&value, self.modulus.len())))
    }

    /// RFC 6989 §2.1: for a safe prime, the range excludes every element of small order; §2.2: otherwise the element
    /// must also lie in the subgroup.
    fn is_valid(&self, peer: &BigUint) -> bool {
        let modulus = self.modulus();
        let one = BigUint::from(1_u8);
        let in_range = *peer > one && *peer < &modulus - 1_u8;
        in_range
            && self
                .subgroup
                .as_ref()
                .is_none_or(|subgroup| peer.modpow(&BigUint::from_bytes_be(subgroup.order), &modulus) == one)
    }

    fn exponent(&self, private: &Secret) -> BigUint {
        self.subgroup
            .as_ref()
            .map_or_else(|| exponent(private), |subgroup| below_order(private, subgroup.order))
    }

    fn modulus(&self) -> BigUint {
        BigUint::from_bytes_be(self.modulus)
    }
}

/// The drawn octets as an integer; all zeros, which would publish g^0 = 1, stand for 2^(8 * length) instead.
fn exponent(private: &Secret) -> BigUint {
    let drawn = BigUint::from_bytes_be(private.expose());
    if drawn == BigUint::ZERO { BigUint::from(1_u8) << (8 * private.len()) } else { drawn }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// floor(2^bits * pi) by Machin's formula, pi = 16 atan(1/5) - 4 atan(1/239), with 64 guard bits.
    fn pi_shifted(bits: usize) -> BigUint {
        let unit = BigUint::from(1_u8) << (bits + 64);
        let pi = atan_of_inverse(5, &unit) * 16_u8 - atan_of_inverse(239, &unit) * 4_u8;
        pi >> 64
    }

    fn atan_of_inverse(x: u32, unit: &BigUint) -> BigUint {
        let mut power = unit / x;
        let (mut positive, mut negative) = (power.clone(), BigUint::ZERO);
        for term in 1_u32.. {
            power /= x * x;
            if power == BigUint::ZERO {
                break;
            }
            let sum = if term % 2 == 0 { &mut positive } else { &mut negative };
            *sum += &power / (2 * term + 1);
        }
        positive - negative
    }

    fn power_of_two(exponent: usize) -> BigUint {
        BigUint::from(1_u8) << exponent
    }

    #[test]
    fn the_moduli_follow_the_formula_of_the_rfcs() {
        let groups = [
            (MODP_768, 149_686_u32),
            (MODP_1024, 129_093),
            (MODP_1536, 741_804),
            (MODP_2048, 124_476),
            (MODP_3072, 1_690_314),
            (MODP_4096, 240_904),
            (MODP_6144, 929_484),
            (MODP_8192, 4_743_158),
        ];
        for (group, k) in groups {
            let bits = group.modulus.len() * 8;
            let middle = (pi_shifted(bits - 130) + k) << 64;
            let expected = power_of_two(bits) - power_of_two(bits - 64) - 1_u8 + middle;
            assert_eq!(group.modulus(), expected, "{bits} bits");
        }
    }

    #[test]
    fn the_generator_has_the_large_prime_order() {
        for group in [MODP_1024, MODP_1536, MODP_2048] {
            let half = (group.modulus() - 1_u8) >> 1;
            let one = BigUint::from(2_u8).modpow(&half, &group.modulus());
            assert_eq!(one, BigUint::from(1_u8));
        }
    }

    /// RFC 6989 §2.1.
    #[test]
    fn the_range_check_ends_exactly_at_the_modulus() {
        for group in [MODP_1024, MODP_1536, MODP_2048, MODP_3072, MODP_4096] {
            let private = Secret::new([0x55; 20]);
            let attempt = |below: u8| {
                let public = to_octets(&(group.modulus() - below), group.modulus.len());
                group.shared_secret(&private, &public)
            };
            assert_eq!(attempt(0), Err(KeyExchangeError::Invalid));
            assert_eq!(attempt(1), Err(KeyExchangeError::Invalid));
            assert!(attempt(2).is_ok());
        }
    }

    #[test]
    fn the_subgroups_have_the_order_that_they_claim() {
        for group in [MODP_1024_160, MODP_2048_224, MODP_2048_256] {
            let (subgroup, modulus) = (group.subgroup.as_ref().unwrap(), group.modulus());
            let order = BigUint::from_bytes_be(subgroup.order);
            let generator = BigUint::from_bytes_be(subgroup.generator);
            assert_eq!((&modulus - 1_u8) % &order, BigUint::ZERO);
            assert!(group.is_valid(&generator));
            assert!(!group.is_valid(&(&modulus - generator)), "its negative has twice the order");
        }
    }

    #[test]
    fn an_all_zero_draw_is_a_usable_exponent() {
        let private = Secret::new(vec![0; 20]);
        let public = MODP_1024.public_value(&private);
        // 2^(2^160): the generator squared 160 times.
        let square = |value: BigUint, _| &value * &value % MODP_1024.modulus();
        assert_eq!(BigUint::from_bytes_be(&public), (0..160).fold(BigUint::from(2_u8), square));
        assert!(MODP_1024.shared_secret(&private, &public).is_ok());
    }
}
