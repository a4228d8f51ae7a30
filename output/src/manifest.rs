//! `manifest.json`: what made a run and which bytes it left, so that a reader can repeat and check it.
//!
//! It holds inputs (hashes, seed, version) and results (fingerprint, a hash per file), and on purpose no wall-clock
//! time, host, user or path of the machine: the manifest itself must be the same bytes wherever the run is repeated.

use crate::summary::{SummaryError, summary_json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the manifest inside a run's directory.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Program name that marks a manifest as ours.
pub const PROGRAM: &str = "ipseclab";

/// Everything that identifies a run and its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`PROGRAM`].
    pub program: String,
    /// Version of the program.
    pub version: String,
    /// Name of the scenario, or of the sweep.
    pub scenario: String,
    /// SHA-256 of the resolved scenario, in hex.
    pub scenario_sha256: String,
    /// Seed of the run.
    pub seed: u64,
    /// SHA-256 of each cost profile in use, by its name.
    pub cost_profile_sha256: BTreeMap<String, String>,
    /// Crypto provider, `real` or `modelled`.
    pub crypto: String,
    /// Fingerprint of the run, in hex.
    pub fingerprint: String,
    /// SHA-256 of every other file of the run, by its path with `/` between the parts.
    ///
    /// [`RunDirectory::commit`](crate::RunDirectory::commit) fills it.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest of this program without any facts yet.
    pub fn new(version: &str) -> Self {
        Self {
            program: PROGRAM.to_owned(),
            version: version.to_owned(),
            scenario: String::new(),
            scenario_sha256: String::new(),
            seed: 0,
            cost_profile_sha256: BTreeMap::new(),
            crypto: String::new(),
            fingerprint: String::new(),
            files: BTreeMap::new(),
        }
    }

    /// Pretty JSON, fields in the order above, one line break at the end.
    ///
    /// # Errors
    /// [`SummaryError`] if serialising fails, which plain strings and numbers cannot cause.
    pub fn to_json(&self) -> Result<Vec<u8>, SummaryError> {
        summary_json(self)
    }

    /// Reads a manifest back; `None` if the bytes are not a manifest of this program.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|manifest| manifest.program == PROGRAM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        Manifest {
            scenario: "site-to-site".into(),
            seed: u64::MAX,
            cost_profile_sha256: BTreeMap::from([("free".into(), "aa".into())]),
            files: BTreeMap::from([("links.csv".into(), "02".into()), ("drops.csv".into(), "01".into())]),
            ..Manifest::new("0.1.0")
        }
    }

    #[test]
    fn the_json_is_these_bytes() {
        let expected = r#"{
  "program": "ipseclab",
  "version": "0.1.0",
  "scenario": "site-to-site",
  "scenario_sha256": "",
  "seed": 18446744073709551615,
  "cost_profile_sha256": {
    "free": "aa"
  },
  "crypto": "",
  "fingerprint": "",
  "files": {
    "drops.csv": "01",
    "links.csv": "02"
  }
}
"#;
        assert_eq!(String::from_utf8(sample().to_json().unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_manifest_reads_back_as_itself() {
        assert_eq!(Manifest::parse(&sample().to_json().unwrap()), Some(sample()));
    }

    #[test]
    fn the_manifest_of_another_program_is_not_ours() {
        let other = Manifest { program: "npm".into(), ..sample() };
        assert_eq!(Manifest::parse(&other.to_json().unwrap()), None);
        assert_eq!(Manifest::parse(b"{\"program\": \"ipseclab\"}"), None);
        assert_eq!(Manifest::parse(b"\xff"), None);
    }
}
