//! Big-endian integers of fixed length, between octets, hexadecimal constants and num-bigint.

use num_bigint::BigUint;

use crate::secret::Secret;

/// The octets of a hexadecimal constant of exactly `N` octets, settled by the compiler.
pub(super) const fn octets_of_hex<const N: usize>(text: &str) -> [u8; N] {
    let digits = text.as_bytes();
    assert!(digits.len() == 2 * N, "the constant has another length");
    let mut octets = [0; N];
    let mut at = 0;
    while at < N {
        octets[at] = nibble(digits[2 * at]) << 4 | nibble(digits[2 * at + 1]);
        at += 1;
    }
    octets
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'F' => digit - b'A' + 10,
        _ => panic!("constants are written in upper-case hexadecimal digits"),
    }
}

/// `value` with leading zeros up to `len` octets.
///
/// # Panics
/// When `value` needs more than `len` octets.
pub(super) fn to_octets(value: &BigUint, len: usize) -> Vec<u8> {
    let digits = value.to_bytes_be();
    let zeros = len.checked_sub(digits.len()).expect("the value fits its field");
    let mut octets = vec![0; zeros];
    octets.extend_from_slice(&digits);
    octets
}

/// The drawn octets c as the scalar (c mod (n - 1)) + 1, which lies in 1..n (FIPS 186-5 A.2.1).
pub(super) fn below_order(private: &Secret, order: &[u8]) -> BigUint {
    let choices = BigUint::from_bytes_be(order) - 1_u8;
    BigUint::from_bytes_be(private.expose()) % choices + 1_u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_get_leading_zeros() {
        assert_eq!(to_octets(&BigUint::from(0x0102_u32), 4), [0, 0, 1, 2]);
        assert_eq!(to_octets(&BigUint::from(0x0102_u32), 2), [1, 2]);
    }

    #[test]
    fn hexadecimal_constants_are_read_most_significant_digit_first() {
        const OCTETS: [u8; 4] = octets_of_hex("00FF1A2B");
        assert_eq!(OCTETS, [0x00, 0xff, 0x1a, 0x2b]);
    }
}
