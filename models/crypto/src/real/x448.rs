//! X448 (RFC 7748 §5, RFC 8031): the Montgomery ladder over integers modulo p = 2^448 - 2^224 - 1.
//!
//! No crate of the kept generation has it. A field element is eight limbs of 56 bits, so that 2^224 falls between two
//! limbs and reduction is two additions: 2^448 = 2^224 + 1. Limbs stay below 2^58 between operations, which leaves
//! room in the 128-bit column sums of a product; only the last step brings a value below p.
//! Left out: constant-time swaps, for the reason that the provider gives.

use crate::error::KeyExchangeError;
use crate::provider::RawExchangeKey;
use crate::secret::Secret;

/// Octets of scalars and coordinates.
const LEN: usize = 56;
const LIMBS: usize = 8;
const LIMB_BITS: usize = 56;
const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;
/// (A - 2) / 4 for the curve's A = 156326 (RFC 7748 §5).
const A24: u64 = 39_081;
/// The coordinate of the base point (RFC 7748 §4.2).
const BASE: u8 = 5;

/// A private key, as it was drawn.
#[derive(Debug)]
pub(super) struct X448Key(Secret);

impl X448Key {
    pub(super) fn new(private: &Secret) -> Self {
        Self(private.clone())
    }
}

impl RawExchangeKey for X448Key {
    fn public_value(&self) -> Vec<u8> {
        public_value(&self.0)
    }

    fn shared_secret(&self, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
        shared_secret(&self.0, peer_public)
    }
}

/// The public value: the base point's multiple.
fn public_value(private: &Secret) -> Vec<u8> {
    let mut base = [0; LEN];
    base[0] = BASE;
    ladder(&clamped(private), &Element::from_octets(&base)).to_vec()
}

/// The peer's multiple; refused where it is zero (RFC 8031 §4, RFC 7748 §6.2).
fn shared_secret(private: &Secret, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
    let peer = peer_public.try_into().expect("the caller has checked the public value's length");
    let secret = ladder(&clamped(private), &Element::from_octets(peer));
    if secret == [0; LEN] { Err(KeyExchangeError::Invalid) } else { Ok(Secret::new(secret)) }
}

/// The scalar that 56 octets stand for (RFC 7748 §5): a multiple of the cofactor 4 with its highest bit set.
fn clamped(private: &Secret) -> [u8; LEN] {
    let mut scalar: [u8; LEN] = private.expose().try_into().expect("the caller has checked the key's length");
    scalar[0] &= 0xfc;
    scalar[LEN - 1] |= 0x80;
    scalar
}

/// The u coordinate of `scalar` times the point with coordinate `x1` (RFC 7748 §5).
fn ladder(scalar: &[u8; LEN], x1: &Element) -> [u8; LEN] {
    let (mut x2, mut z2) = (Element::ONE, Element::ZERO);
    let (mut x3, mut z3) = (*x1, Element::ONE);
    for bit in (0..8 * LEN).rev() {
        let swap = scalar[bit / 8] >> (bit % 8) & 1 == 1;
        if swap {
            (x2, z2, x3, z3) = (x3, z3, x2, z2);
        }
        let (a, b) = (x2.add(&z2), x2.sub(&z2));
        let (aa, bb) = (a.square(), b.square());
        let e = aa.sub(&bb);
        let (da, cb) = (x3.sub(&z3).mul(&a), x3.add(&z3).mul(&b));
        (x3, z3) = (da.add(&cb).square(), da.sub(&cb).square().mul(x1));
        (x2, z2) = (aa.mul(&bb), e.mul(&aa.add(&e.mul_small(A24))));
        if swap {
            (x2, z2, x3, z3) = (x3, z3, x2, z2);
        }
    }
    x2.mul(&z2.inverse()).to_octets()
}

/// An integer modulo p, least significant limb first.
#[derive(Clone, Copy)]
struct Element([u64; LIMBS]);

impl Element {
    const ZERO: Self = Self([0; LIMBS]);
    const ONE: Self = Self([1, 0, 0, 0, 0, 0, 0, 0]);
    /// p, limb by limb.
    const P: [u64; LIMBS] =
        [LIMB_MASK, LIMB_MASK, LIMB_MASK, LIMB_MASK, LIMB_MASK - 1, LIMB_MASK, LIMB_MASK, LIMB_MASK];

    /// Any 56 octets, little-endian; values of p and above stand for their remainder (RFC 7748 §5).
    fn from_octets(octets: &[u8; LEN]) -> Self {
        let mut limbs = [0; LIMBS];
        for (limb, octets) in limbs.iter_mut().zip(octets.chunks_exact(LIMB_BITS / 8)) {
            *limb = octets.iter().rev().fold(0, |value, octet| value << 8 | u64::from(*octet));
        }
        Self(limbs)
    }

    /// The one representation below p, little-endian.
    fn to_octets(self) -> [u8; LEN] {
        // Two passes leave every limb below 2^56, and the value below 2p.
        let mut value = self.carried().carried();
        let (reduced, borrow) = value.minus_p();
        if !borrow {
            value = reduced;
        }
        let mut octets = [0; LEN];
        for (octets, limb) in octets.chunks_exact_mut(LIMB_BITS / 8).zip(value.0) {
            octets.copy_from_slice(&limb.to_le_bytes()[..LIMB_BITS / 8]);
        }
        octets
    }

    /// The difference to p, and whether it is below zero.
    fn minus_p(self) -> (Self, bool) {
        let mut limbs = [0; LIMBS];
        let mut borrow = 0;
        for (place, limb) in limbs.iter_mut().enumerate() {
            let difference = self.0[place].wrapping_sub(Self::P[place]).wrapping_sub(borrow);
            borrow = difference >> 63;
            *limb = difference & LIMB_MASK;
        }
        (Self(limbs), borrow == 1)
    }

    fn add(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|place| self.0[place] + other.0[place])).carried()
    }

    /// Twice p is added first, so that no limb falls below zero.
    fn sub(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|place| self.0[place] + 2 * Self::P[place] - other.0[place])).carried()
    }

    fn mul_small(&self, factor: u64) -> Self {
        Self::reduced(core::array::from_fn(|place| match self.0.get(place) {
            Some(limb) => u128::from(*limb) * u128::from(factor),
            None => 0,
        }))
    }

    fn square(&self) -> Self {
        self.mul(self)
    }

    fn mul(&self, other: &Self) -> Self {
        let mut columns = [0; 2 * LIMBS];
        for (i, left) in self.0.iter().enumerate() {
            for (j, right) in other.0.iter().enumerate() {
                columns[i + j] += u128::from(*left) * u128::from(*right);
            }
        }
        Self::reduced(columns)
    }

    /// Folds the upper half of a product down, then carries.
    fn reduced(mut columns: [u128; 2 * LIMBS]) -> Self {
        for place in (LIMBS..2 * LIMBS).rev() {
            let column = core::mem::take(&mut columns[place]);
            columns[place - LIMBS] += column;
            columns[place - LIMBS / 2] += column;
        }
        let mut limbs = [0; LIMBS];
        let mut carry = 0;
        for (limb, column) in limbs.iter_mut().zip(columns) {
            let sum = column + carry;
            *limb = low_limb(sum);
            carry = sum >> LIMB_BITS;
        }
        // The rest is below 2^72: its own two limbs are folded like the upper half.
        for (place, part) in [(0, low_limb(carry)), (1, low_limb(carry >> LIMB_BITS))] {
            limbs[place] += part;
            limbs[place + LIMBS / 2] += part;
        }
        Self(limbs).carried()
    }

    /// Moves what exceeds 56 bits one limb up, from the last to the first and the middle one.
    fn carried(&self) -> Self {
        let mut limbs = self.0;
        let mut carry = 0;
        for limb in &mut limbs {
            *limb += carry;
            carry = *limb >> LIMB_BITS;
            *limb &= LIMB_MASK;
        }
        limbs[0] += carry;
        limbs[LIMBS / 2] += carry;
        Self(limbs)
    }

    /// The inverse by Fermat: the power of p - 2, whose bits are all set but those of 1 and 2^224.
    fn inverse(&self) -> Self {
        (0..8 * LEN).rev().fold(Self::ONE, |power, bit| {
            let squared = power.square();
            if bit == 1 || bit == 4 * LEN { squared } else { squared.mul(self) }
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the mask leaves 56 bits")]
const fn low_limb(value: u128) -> u64 {
    value as u64 & LIMB_MASK
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    fn p() -> BigUint {
        (BigUint::from(1_u8) << 448) - (BigUint::from(1_u8) << 224) - 1_u8
    }

    fn octets_of(value: &BigUint) -> [u8; LEN] {
        let mut octets = value.to_bytes_le();
        octets.resize(LEN, 0);
        octets.try_into().unwrap()
    }

    /// Values where carries and the last subtraction matter.
    fn edges() -> Vec<BigUint> {
        let one = BigUint::from(1_u8);
        let top = (&one << 448) - 1_u8;
        let middle: BigUint = &one << 224;
        vec![BigUint::ZERO, one, p() - 1_u8, p(), p() + 1_u8, top, middle.clone(), middle - 1_u8, p() / 3_u8]
    }

    #[test]
    fn field_operations_are_those_of_the_integers_modulo_p() {
        for left in edges() {
            for right in edges() {
                let (a, b) =
                    (Element::from_octets(&octets_of(&left)), Element::from_octets(&octets_of(&right)));
                assert_eq!(a.add(&b).to_octets(), octets_of(&((&left + &right) % p())));
                assert_eq!(a.sub(&b).to_octets(), octets_of(&((&left + p() + p() - &right) % p())));
                assert_eq!(a.mul(&b).to_octets(), octets_of(&(&left * &right % p())));
                assert_eq!(a.mul_small(A24).to_octets(), octets_of(&(&left * A24 % p())));
            }
        }
    }

    #[test]
    fn an_inverse_undoes_its_element() {
        for value in edges().into_iter().filter(|value| value % p() != BigUint::ZERO) {
            let element = Element::from_octets(&octets_of(&value));
            assert_eq!(element.mul(&element.inverse()).to_octets(), Element::ONE.to_octets());
        }
    }
}
