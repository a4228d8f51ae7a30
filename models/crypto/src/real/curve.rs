//! ECDH on given private keys by AWS-LC: ECP groups (RFC 5903) and Curve25519 (RFC 8031, RFC 7748).
//!
//! AWS-LC checks that points lie on the curve (RFC 6989 §2.3) and refuses the all-zero secret that a point of small
//! order gives (RFC 7748 §6.1); what a KE payload carries is turned into its formats and back here.

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};

use super::integer::{below_order, octets_of_hex, to_octets};
use crate::error::KeyExchangeError;
use crate::provider::RawExchangeKey;
use crate::secret::Secret;

/// Order of the base point of P-256 (FIPS 186-4 D.1.2.3, RFC 5903 §3.1).
pub(super) const P256_ORDER: [u8; 32] =
    octets_of_hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

/// Order of the base point of P-384 (FIPS 186-4 D.1.2.4, RFC 5903 §3.2).
pub(super) const P384_ORDER: [u8; 48] = octets_of_hex(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
);

/// Order of the base point of P-521 (FIPS 186-4 D.1.2.5, RFC 5903 §3.3).
const P521_ORDER: [u8; 66] = octets_of_hex(
    "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709\
     A5D03BB5C9B8899C47AEBB6FB71E91386409",
);

/// The first octet of an uncompressed point (SEC 1 §2.3.3), which KE payloads leave out (RFC 5903 §7).
const UNCOMPRESSED: u8 = 0x04;

/// A curve of the registry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    X25519,
}

/// A private key of a curve.
#[derive(Debug)]
pub(super) struct CurveKey {
    curve: Curve,
    key: PrivateKey,
}

impl CurveKey {
    /// The key that the drawn octets stand for. AWS-LC computes its public value here, whether it is asked for or not.
    pub(super) fn new(curve: Curve, private: &Secret) -> Self {
        let from_octets = |octets| PrivateKey::from_private_key(curve.algorithm(), octets);
        let key = match curve {
            Curve::P256 => from_octets(scalar(private, &P256_ORDER).expose()),
            Curve::P384 => from_octets(scalar(private, &P384_ORDER).expose()),
            Curve::P521 => from_octets(scalar(private, &P521_ORDER).expose()),
            Curve::X25519 => from_octets(private.expose()),
        };
        Self { curve, key: key.expect("every drawn key is valid") }
    }

    /// The x coordinate of private * peer, which is in AWS-LC's own format.
    fn agree(&self, peer: &[u8]) -> Result<Secret, KeyExchangeError> {
        let peer = UnparsedPublicKey::new(self.curve.algorithm(), peer);
        agreement::agree(&self.key, peer, KeyExchangeError::Invalid, |x| Ok(Secret::new(x)))
    }
}

impl RawExchangeKey for CurveKey {
    fn public_value(&self) -> Vec<u8> {
        let public = self.key.compute_public_key().expect("a private key has a public key");
        match self.curve {
            Curve::P256 | Curve::P384 | Curve::P521 => public.as_ref()[1..].to_vec(),
            Curve::X25519 => public.as_ref().to_vec(),
        }
    }

    fn shared_secret(&self, peer_public: &[u8]) -> Result<Secret, KeyExchangeError> {
        match self.curve {
            Curve::P256 | Curve::P384 | Curve::P521 => self.agree(&[&[UNCOMPRESSED], peer_public].concat()),
            Curve::X25519 => self.agree(peer_public),
        }
    }
}

impl Curve {
    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
            Self::X25519 => &agreement::X25519,
        }
    }
}

fn scalar(private: &Secret, order: &[u8]) -> Secret {
    Secret::new(to_octets(&below_order(private, order), order.len()))
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    #[test]
    fn the_smallest_draw_is_the_base_point_itself() {
        let public = CurveKey::new(Curve::P256, &Secret::new([0; 40])).public_value();
        // RFC 5903 §3.1: gx.
        assert_eq!(public[..4], [0x6b, 0x17, 0xd1, 0xf2]);
    }

    #[test]
    fn draws_around_the_order_stay_in_range() {
        for order in [&P256_ORDER[..], &P384_ORDER[..], &P521_ORDER[..]] {
            let n = BigUint::from_bytes_be(order);
            let expected = [(&n - 2_u8, &n - 1_u8), (&n - 1_u8, 1_u8.into()), (n.clone(), 2_u8.into())];
            for (drawn, wanted) in expected {
                let private = Secret::new(to_octets(&drawn, order.len() + 8));
                assert_eq!(BigUint::from_bytes_be(scalar(&private, order).expose()), wanted);
            }
        }
    }
}
