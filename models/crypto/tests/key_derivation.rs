//! Key derivation of RFC 7296 §2.13 and §2.14 against NIST's and OpenSSL's cases in the reference data.
//!
//! The data lies beside the workspace and is not part of it; without it the tests say so and pass.

mod common;

use std::path::Path;

use common::{Hex, session};
use ipseclab_crypto::{Crypto, Prf};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn reference<T: DeserializeOwned>(file: &str) -> Option<T> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/kdf-vectors");
    let Ok(text) = std::fs::read_to_string(Path::new(folder).join(file)) else {
        eprintln!("skipped: no reference data {file}");
        return None;
    };
    Some(serde_json::from_str(&text).expect("the reference file fits"))
}

#[derive(Deserialize)]
struct Cavp {
    values: CavpValues,
}

#[derive(Deserialize)]
struct CavpValues {
    #[serde(rename = "Ni")]
    nonce_i: Hex,
    #[serde(rename = "Nr")]
    nonce_r: Hex,
    #[serde(rename = "g^ir")]
    secret: Hex,
    #[serde(rename = "g^ir (new)")]
    secret_new: Hex,
    #[serde(rename = "SPIi")]
    spi_i: Hex,
    #[serde(rename = "SPIr")]
    spi_r: Hex,
    #[serde(rename = "SKEYSEED")]
    skeyseed: Hex,
    #[serde(rename = "DKM")]
    key_material: Hex,
    #[serde(rename = "DKM(Child SA)")]
    child_material: Hex,
    #[serde(rename = "DKM(Child SA D-H)")]
    child_material_pfs: Hex,
    #[serde(rename = "SKEYSEED(Rekey)")]
    skeyseed_rekey: Hex,
}

/// SKEYSEED = prf(Ni | Nr, g^ir).
fn skeyseed(crypto: &mut Crypto, prf: Prf, nonces: [&[u8]; 2], secret: &[u8]) -> Vec<u8> {
    crypto.prf(prf, &nonces.concat(), &[secret]).expose().to_vec()
}

#[test]
fn nists_sha1_case_comes_out() {
    let Some(Cavp { values: v }) = reference("cavp-ikev2.json") else { return };
    let (prf, mut crypto) = (Prf::HmacSha1, session());
    let nonces = [&v.nonce_i.0[..], &v.nonce_r.0];
    assert_eq!(skeyseed(&mut crypto, prf, nonces, &v.secret.0), v.skeyseed.0);

    let seed = [nonces[0], nonces[1], &v.spi_i.0, &v.spi_r.0];
    let stream = crypto.prf_plus(prf, &v.skeyseed.0, &seed, v.key_material.0.len());
    assert_eq!(stream.expose(), v.key_material.0);

    let sk_d = &v.key_material.0[..prf.key_len()];
    let child = crypto.prf_plus(prf, sk_d, &nonces, v.child_material.0.len());
    assert_eq!(child.expose(), v.child_material.0);
    let seed = [&v.secret_new.0[..], nonces[0], nonces[1]];
    let child = crypto.prf_plus(prf, sk_d, &seed, v.child_material_pfs.0.len());
    assert_eq!(child.expose(), v.child_material_pfs.0);
    assert_eq!(crypto.prf(prf, sk_d, &seed).expose(), v.skeyseed_rekey.0);
}

#[derive(Deserialize)]
struct OpenSsl {
    ni: Hex,
    nr: Hex,
    spii: Hex,
    spir: Hex,
    secret: Hex,
    new_secret: Hex,
    skeyseed: Hex,
    skeyseed_rekey: Hex,
    dkm_first32: Hex,
}

#[test]
fn openssls_sha256_case_comes_out() {
    let Some(v) = reference::<OpenSsl>("openssl-ikev2-sha256-case1.json") else { return };
    let (prf, mut crypto) = (Prf::HmacSha2_256, session());
    let nonces = [&v.ni.0[..], &v.nr.0];
    assert_eq!(skeyseed(&mut crypto, prf, nonces, &v.secret.0), v.skeyseed.0);
    let seed = [nonces[0], nonces[1], &v.spii.0, &v.spir.0];
    let sk_d = crypto.prf_plus(prf, &v.skeyseed.0, &seed, prf.key_len());
    assert_eq!(sk_d.expose(), v.dkm_first32.0);
    let rekeyed = crypto.prf(prf, sk_d.expose(), &[&v.new_secret.0, nonces[0], nonces[1]]);
    assert_eq!(rekeyed.expose(), v.skeyseed_rekey.0);
}
