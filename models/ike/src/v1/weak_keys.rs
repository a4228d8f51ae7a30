//! Weak and semi-weak keys of DES (RFC 2409 appendix A): under them encrypting twice gives the plain text back, alone or
//! in pairs.

/// The keys with odd parity.
const WEAK: [u64; 16] = [
    0x0101_0101_0101_0101,
    0x1f1f_1f1f_0e0e_0e0e,
    0xe0e0_e0e0_f1f1_f1f1,
    0xfefe_fefe_fefe_fefe,
    0x01fe_01fe_01fe_01fe,
    0x1fe0_1fe0_0ef1_0ef1,
    0x01e0_01e0_01f1_01f1,
    0x1ffe_1ffe_0efe_0efe,
    0x011f_011f_010e_010e,
    0xe0fe_e0fe_f1fe_f1fe,
    0xfe01_fe01_fe01_fe01,
    0xe01f_e01f_f10e_f10e,
    0xe001_e001_f101_f101,
    0xfe1f_fe1f_fe0e_fe0e,
    0x1f01_1f01_0e01_0e01,
    0xfee0_fee0_fef1_fef1,
];
/// The bits that matter: each octet's last is parity.
const KEY_BITS: u64 = 0xfefe_fefe_fefe_fefe;

/// Whether eight octets are a weak or semi-weak key, whatever their parity.
pub(crate) fn is_weak(key: &[u8]) -> bool {
    let Ok(octets) = <[u8; 8]>::try_from(key) else { return false };
    let key = u64::from_be_bytes(octets) & KEY_BITS;
    WEAK.iter().any(|weak| weak & KEY_BITS == key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipseclab_crypto::{Crypto, RealProvider};

    use super::*;

    /// What makes them weak: encryption under one is decryption under another of them.
    #[test]
    fn each_undoes_itself_or_another() {
        let mut crypto = Crypto::new(Arc::new(RealProvider::new()));
        let mut twice = |first: u64, second: u64| {
            let once = crypto.des_encrypt_block(first.to_be_bytes(), *b"ipseclab");
            crypto.des_encrypt_block(second.to_be_bytes(), once)
        };
        for first in WEAK {
            assert!(WEAK.iter().any(|second| twice(first, *second) == *b"ipseclab"), "{first:016x}");
        }
    }

    #[test]
    fn parity_does_not_matter_and_other_keys_are_not_weak() {
        assert!(is_weak(&[0; 8]) && is_weak(&[1; 8]) && is_weak(&[0xff; 8]));
        assert!(!is_weak(b"ipseclab") && !is_weak(&[1; 7]) && !is_weak(&[2; 8]));
    }
}
