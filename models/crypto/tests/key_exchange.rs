//! Key exchange: both sides agree, bad public values are refused, and a second implementation gives the same.

mod common;

use common::{octets, session};
use ipseclab_crypto::{KeyExchangeError, KeyExchangeMethod, Secret};
use num_bigint::BigUint;
use proptest::prelude::*;

fn drawn(method: KeyExchangeMethod, seed: u64) -> Secret {
    Secret::new(octets(seed, method.private_len()))
}

fn check_agreement(method: KeyExchangeMethod, seed: u64) {
    let mut crypto = session();
    let (private_i, private_r) = (drawn(method, seed), drawn(method, !seed));
    let public_i = crypto.public_value(method, &private_i);
    let public_r = crypto.public_value(method, &private_r);
    let secret_i = crypto.shared_secret(method, &private_i, &public_r).expect("valid");
    let secret_r = crypto.shared_secret(method, &private_r, &public_i).expect("valid");
    assert_eq!(secret_i.expose(), secret_r.expose(), "{method}");
    assert_ne!(public_i, public_r, "{method}");
    assert_eq!((public_i.len(), secret_i.len()), (method.public_len(), method.secret_len()), "{method}");
}

#[test]
fn both_sides_of_every_group_agree() {
    for &method in KeyExchangeMethod::ALL {
        (0..4).for_each(|seed| check_agreement(method, seed));
    }
}

#[test]
fn the_same_octets_always_give_the_same_key() {
    for &method in KeyExchangeMethod::ALL {
        let publics: Vec<_> = (0..2).map(|_| session().public_value(method, &drawn(method, 7))).collect();
        assert_eq!(publics[0], publics[1], "{method}");
    }
}

#[test]
fn extreme_draws_are_valid_keys() {
    for &method in KeyExchangeMethod::ALL {
        let peer = session().public_value(method, &drawn(method, 1));
        for filler in [0x00, 0xff] {
            let private = Secret::new(vec![filler; method.private_len()]);
            let public = session().public_value(method, &private);
            assert_eq!(public.len(), method.public_len(), "{method}");
            assert!(session().shared_secret(method, &private, &peer).is_ok(), "{method}");
        }
    }
}

#[test]
fn public_values_of_another_length_are_refused() {
    for &method in KeyExchangeMethod::ALL {
        let expected = method.public_len();
        for actual in [0, 1, expected - 1, expected + 1, 2 * expected] {
            let result = session().shared_secret(method, &drawn(method, 1), &vec![2; actual]);
            assert_eq!(result, Err(KeyExchangeError::Length { expected, actual }), "{method}");
        }
    }
}

/// RFC 6989 §2.1.
#[test]
fn modp_values_outside_the_open_range_are_refused() {
    let is_modp = |method: &&KeyExchangeMethod| method.keyword().starts_with("modp");
    for &method in KeyExchangeMethod::ALL.iter().filter(is_modp) {
        let len = method.public_len();
        let small = |value: u8| [vec![0; len - 1], vec![value]].concat();
        let attempt = |public: Vec<u8>| session().shared_secret(method, &drawn(method, 3), &public);
        assert_eq!(attempt(small(0)), Err(KeyExchangeError::Invalid), "{method}");
        assert_eq!(attempt(small(1)), Err(KeyExchangeError::Invalid), "{method}");
        // 2 generates the whole of a group with a safe prime, and is outside the subgroups of RFC 5114 (RFC 6989 §2.2).
        let has_subgroup = method.keyword().contains('s');
        assert_eq!(attempt(small(2)).is_err(), has_subgroup, "{method}");
        assert_eq!(attempt(vec![0xff; len]), Err(KeyExchangeError::Invalid), "{method}");
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    for method in [KeyExchangeMethod::Ecp256, KeyExchangeMethod::Ecp384, KeyExchangeMethod::Ecp521] {
        let private = drawn(method, 5);
        let good = session().public_value(method, &drawn(method, 6));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let result = session().shared_secret(method, &private, &bad);
            assert_eq!(result, Err(KeyExchangeError::Invalid), "{method} bit {bit}");
        }
        for filler in [0x00, 0xff] {
            let result = session().shared_secret(method, &private, &vec![filler; good.len()]);
            assert_eq!(result, Err(KeyExchangeError::Invalid), "{method} {filler:#x}");
        }
    }
}

/// A curve of RFC 7748 for the ladder below.
struct Montgomery {
    p: BigUint,
    bits: u64,
    a24: u32,
    clamp: fn(&mut [u8]),
}

impl Montgomery {
    fn curve25519() -> Self {
        let clamp = |scalar: &mut [u8]| {
            scalar[0] &= 0xf8;
            scalar[31] = (scalar[31] & 0x7f) | 0x40;
        };
        Self { p: (BigUint::from(1_u8) << 255) - 19_u8, bits: 255, a24: 121_665, clamp }
    }

    fn curve448() -> Self {
        let one = BigUint::from(1_u8);
        let clamp = |scalar: &mut [u8]| {
            scalar[0] &= 0xfc;
            scalar[55] |= 0x80;
        };
        Self { p: (&one << 448) - (&one << 224) - one, bits: 448, a24: 39_081, clamp }
    }
}

/// X25519 and X448 by the Montgomery ladder of RFC 7748 §5, over big integers: slow, and shares nothing with the
/// provider.
fn ladder(curve: &Montgomery, scalar: &[u8], coordinate: &[u8]) -> Vec<u8> {
    let p = &curve.p;
    let mut clamped = scalar.to_vec();
    (curve.clamp)(&mut clamped);
    let clamped = BigUint::from_bytes_le(&clamped);
    let x1 = BigUint::from_bytes_le(coordinate) % (BigUint::from(1_u8) << curve.bits);
    let sub = |a: &BigUint, b: &BigUint| (a + p - b) % p;
    let (mut x2, mut z2) = (BigUint::from(1_u8), BigUint::ZERO);
    let (mut x3, mut z3) = (&x1 % p, BigUint::from(1_u8));
    for bit in (0..curve.bits).rev() {
        let swap = clamped.bit(bit);
        if swap {
            (x2, z2, x3, z3) = (x3, z3, x2, z2);
        }
        let (a, b) = ((&x2 + &z2) % p, sub(&x2, &z2));
        let (aa, bb) = (&a * &a % p, &b * &b % p);
        let e = sub(&aa, &bb);
        let (da, cb) = (sub(&x3, &z3) * &a % p, (&x3 + &z3) * &b % p);
        let (sum, difference) = ((&da + &cb) % p, sub(&da, &cb));
        (x3, z3) = (&sum * &sum % p, &x1 * &difference * &difference % p);
        (x2, z2) = (&aa * &bb % p, &e * (&aa + &e * curve.a24) % p);
        if swap {
            (x2, z2, x3, z3) = (x3, z3, x2, z2);
        }
    }
    let mut out = (x2 * z2.modpow(&(p - 2_u8), p) % p).to_bytes_le();
    out.resize(scalar.len(), 0);
    out
}

/// Points of a curve y^2 = x^3 - 3x + b modulo p, in affine coordinates, by the schoolbook formulas.
struct Weierstrass {
    p: BigUint,
    order: BigUint,
    base: Point,
}

type Point = Option<(BigUint, BigUint)>;

impl Weierstrass {
    /// P-256 as RFC 5903 §3.1 prints it.
    fn p256() -> Self {
        let hex = |text: &[u8]| BigUint::parse_bytes(text, 16).expect("constants are hexadecimal");
        Self {
            p: hex(b"FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF"),
            order: hex(b"FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
            base: Some((
                hex(b"6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"),
                hex(b"4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"),
            )),
        }
    }

    fn add(&self, left: &Point, right: &Point) -> Point {
        let (Some((x1, y1)), Some((x2, y2))) = (left, right) else {
            return left.clone().or_else(|| right.clone());
        };
        let p = &self.p;
        let (rise, run) = if x1 != x2 {
            (y2 + p - y1, x2 + p - x1)
        } else if y1 == y2 {
            (x1 * x1 * 3_u8 + p - 3_u8, y1 * 2_u8)
        } else {
            return None;
        };
        let slope = rise * run.modpow(&(p - 2_u8), p) % p;
        let x3 = (&slope * &slope + p + p - x1 - x2) % p;
        let y3 = (&slope * (x1 + p - &x3) + p - y1) % p;
        Some((x3, y3))
    }

    fn multiply(&self, scalar: &BigUint) -> Point {
        (0..scalar.bits()).rev().fold(None, |sum, bit| {
            let doubled = self.add(&sum, &sum);
            if scalar.bit(bit) { self.add(&doubled, &self.base) } else { doubled }
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn x25519_agrees_with_a_second_implementation(scalar: [u8; 32], u: [u8; 32]) {
        let secret = session().shared_secret(KeyExchangeMethod::Curve25519, &Secret::new(scalar), &u).unwrap();
        prop_assert_eq!(secret.expose(), ladder(&Montgomery::curve25519(), &scalar, &u));
    }

    #[test]
    fn x448_agrees_with_a_second_implementation(scalar: [u8; 56], u: [u8; 56]) {
        let secret = session().shared_secret(KeyExchangeMethod::Curve448, &Secret::new(scalar), &u).unwrap();
        prop_assert_eq!(secret.expose(), ladder(&Montgomery::curve448(), &scalar, &u));
    }

    #[test]
    fn p256_agrees_with_a_second_implementation(seed: u64) {
        let curve = Weierstrass::p256();
        let private = drawn(KeyExchangeMethod::Ecp256, seed);
        // FIPS 186-5 A.2.1.
        let scalar = BigUint::from_bytes_be(private.expose()) % (&curve.order - 1_u8) + 1_u8;
        let (x, y) = curve.multiply(&scalar).unwrap();
        let public = session().public_value(KeyExchangeMethod::Ecp256, &private);
        prop_assert_eq!(BigUint::from_bytes_be(&public[..32]), x);
        prop_assert_eq!(BigUint::from_bytes_be(&public[32..]), y);
    }

    #[test]
    fn arbitrary_public_values_never_panic(seed: u64, fill: Vec<u8>) {
        for &method in KeyExchangeMethod::ALL {
            let public: Vec<u8> = fill.iter().copied().cycle().take(method.public_len()).collect();
            if let Ok(secret) = session().shared_secret(method, &drawn(method, seed), &public) {
                prop_assert_eq!(secret.len(), method.secret_len());
            }
        }
    }
}
