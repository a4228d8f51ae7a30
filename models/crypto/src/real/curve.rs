//! ECDH on given private keys by AWS-LC: ECP groups (RFC 5903) and Curve25519 (RFC 8031, RFC 7748).
//!
//! AWS-LC checks that points lie on the curve (RFC 6989 §2.3) and refuses the all-zero secret that a point of small
//! order gives (RFC 7748 §6.1); what a KE payload carries is turned into its formats and back here.

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};

use super::integer::{below_order, octets_of_hex, to_octets};
use crate::error::KeyExchangeError;
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
#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    X25519,
}

impl Curve {
    /// The public point as the KE payload carries it.
    pub(super) fn public_value(self, private: &Secret) -> Vec<u8> {
        let public = self.private_key(private).compute_public_key().expect("a private key has a public key");
        match self {
            Self::P256 | Self::P384 | Self::P521 => public.as_ref()[1..].to_vec(),
            Self::X25519 => public.as_ref().to_vec(),
        }
    }

    /// The x coordinate of private * peer.
    pub(super) fn shared_secret(
        self,
        private: &Secret,
        peer_public: &[u8],
    ) -> Result<Secret, KeyExchangeError> {
        let point = match self {
            Self::P256 | Self::P384 | Self::P521 => [&[UNCOMPRESSED], peer_public].concat(),
            Self::X25519 => peer_public.to_vec(),
        };
        let peer = UnparsedPublicKey::new(self.algorithm(), point);
        agreement::agree(&self.private_key(private), peer, KeyExchangeError::Invalid, |x| Ok(Secret::new(x)))
    }

    fn private_key(self, private: &Secret) -> PrivateKey {
        let key = match self {
            Self::P256 => scalar(private, &P256_ORDER),
            Self::P384 => scalar(private, &P384_ORDER),
            Self::P521 => scalar(private, &P521_ORDER),
            Self::X25519 => private.clone(),
        };
        PrivateKey::from_private_key(self.algorithm(), key.expose()).expect("every drawn key is valid")
    }

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
        let public = Curve::P256.public_value(&Secret::new([0; 40]));
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
