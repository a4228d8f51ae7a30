//! Keys that two strongSwan daemons derived, derived again: `SKEYSEED` and `SK_*` from the secret in `keys.json` and
//! the nonces in `capture.pcap` of the reference data.
//!
//! The nonces are found by the IKE SPI and the payload chain alone, without a capture reader; IKE SAs whose nonces
//! went encrypted (rekeyed ones) are left to the IKE crate. Without the data the test says so and passes.

mod common;

use std::fs;
use std::path::Path;

use common::{Hex, session};
use ipseclab_crypto::{Prf, Secret};
use serde::Deserialize;

#[derive(Deserialize)]
struct Keys {
    ike_sas: Vec<IkeSaKeys>,
}

#[derive(Deserialize)]
struct IkeSaKeys {
    proposal: String,
    spi_i: Hex,
    spi_r: Hex,
    #[serde(rename = "DH_shared")]
    secret: Hex,
    #[serde(rename = "SKEYSEED")]
    skeyseed: Option<Hex>,
    #[serde(rename = "SK_d")]
    sk_d: Option<Hex>,
    #[serde(rename = "SK_ai")]
    sk_ai: Option<Hex>,
    #[serde(rename = "SK_ar")]
    sk_ar: Option<Hex>,
    #[serde(rename = "SK_ei")]
    sk_ei: Option<Hex>,
    #[serde(rename = "SK_er")]
    sk_er: Option<Hex>,
    #[serde(rename = "SK_pi")]
    sk_pi: Option<Hex>,
    #[serde(rename = "SK_pr")]
    sk_pr: Option<Hex>,
}

impl IkeSaKeys {
    /// `SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr` (RFC 7296 §2.14).
    fn key_material(&self) -> Vec<u8> {
        let keys = [&self.sk_d, &self.sk_ai, &self.sk_ar, &self.sk_ei, &self.sk_er, &self.sk_pi, &self.sk_pr];
        keys.into_iter().flatten().flat_map(|key| key.0.iter().copied()).collect()
    }

    fn prf(&self) -> Option<Prf> {
        let named = |prf: &&Prf| self.proposal.split('/').any(|part| part == format!("PRF_{prf}"));
        Prf::ALL.iter().find(named).copied()
    }
}

/// The nonce of the last `IKE_SA_INIT` message with these SPIs, found anywhere in the octets of a capture.
fn nonce(capture: &[u8], spi_i: &[u8], spi_r: &[u8]) -> Option<Vec<u8>> {
    const VERSION_AND_SA_INIT: [u8; 2] = [0x20, 34];
    let spis = [spi_i, spi_r].concat();
    let is_header = |at: &usize| {
        capture[*at..].starts_with(&spis) && capture.get(at + 17..at + 19) == Some(&VERSION_AND_SA_INIT)
    };
    let messages = (0..capture.len()).filter(is_header);
    messages.rev().find_map(|at| nonce_payload(&capture[at..]))
}

/// Walks the payload chain of RFC 7296 §3.2 to the nonce.
fn nonce_payload(message: &[u8]) -> Option<Vec<u8>> {
    const NONCE: u8 = 40;
    let (mut kind, mut at) = (*message.get(16)?, 28);
    while kind != 0 {
        let header = message.get(at..at + 4)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]])).max(4);
        if kind == NONCE {
            return message.get(at + 4..at + len).map(<[u8]>::to_vec);
        }
        (kind, at) = (header[0], at + len);
    }
    None
}

/// Whether the nonces were in the clear, so that the keys could be compared.
fn check_ike_sa(case: &str, capture: &[u8], keys: &IkeSaKeys) -> bool {
    let (Some(prf), Some(skeyseed)) = (keys.prf(), &keys.skeyseed) else { return false };
    let nonce_i = nonce(capture, &keys.spi_i.0, &[0; 8]);
    let nonce_r = nonce(capture, &keys.spi_i.0, &keys.spi_r.0);
    let (Some(nonce_i), Some(nonce_r)) = (nonce_i, nonce_r) else { return false };
    let mut crypto = session();
    let derived = crypto.prf(prf, &[&nonce_i[..], &nonce_r].concat(), &[&keys.secret.0]);
    assert_eq!(derived, Secret::new(skeyseed.0.clone()), "{case}: SKEYSEED");
    let expected = keys.key_material();
    let seed = [&nonce_i[..], &nonce_r, &keys.spi_i.0, &keys.spi_r.0];
    let stream = crypto.prf_plus(prf, derived.expose(), &seed, expected.len());
    assert_eq!(stream.expose(), expected, "{case}: SK_*");
    true
}

#[test]
fn strongswans_ike_keys_come_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/captures/strongswan");
    let Ok(entries) = fs::read_dir(Path::new(folder)) else {
        eprintln!("skipped: no reference captures");
        return;
    };
    let mut compared = 0;
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        let case = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // RFC 8784 mixes a secret of its own into the keys.
        let (Ok(keys), false) = (fs::read_to_string(path.join("keys.json")), case == "v2-ppk") else {
            continue;
        };
        if !case.starts_with("v2-") {
            continue;
        }
        let keys: Keys = serde_json::from_str(&keys).expect("keys.json fits");
        let capture = fs::read(path.join("capture.pcap")).expect("a case has a capture");
        compared += keys.ike_sas.iter().filter(|ike_sa| check_ike_sa(&case, &capture, ike_sa)).count();
    }
    eprintln!("{compared} IKE SAs compared");
    assert!(compared >= 30, "only {compared} IKE SAs compared");
}
