//! Same inputs, same bytes: across runs, seeds and build profiles (design §1.1).
//!
//! The golden manifests hold the SHA-256 of every file of a run. This test compares them in the profile that tests are
//! built with, `.ci/run` compares them with the release binary. `UPDATE_GOLDEN=1` rewrites them; such a change is
//! explained in its commit and in the changelog under Results.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ipseclab_experiments::results::{self, Wanted};
use ipseclab_experiments::run::run;
use ipseclab_experiments::scenario::{Override, library, load};

fn golden_path(scenario: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{scenario}.manifest.json"))
}

/// Runs a scenario into a fresh folder; returns the contents of all its files.
fn files_of(scenario: &str, settings: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let changes: Vec<_> = settings.iter().map(|text| Override::parse(text).unwrap()).collect();
    let scenario = load(scenario, &changes).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let wanted = Wanted { capture: true, secrets: false };
    let result = run(&scenario, wanted.observe()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("run");
    let directory = results::prepare(&target, false).unwrap();
    results::write(directory, &scenario, &result, wanted).unwrap();
    let mut files = BTreeMap::new();
    collect(&target, &target, &mut files);
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_shipped_scenario_gives_the_golden_bytes() {
    for shipped in library::SCENARIOS {
        let manifest = files_of(shipped.name, &[]).remove("manifest.json").unwrap();
        let path = golden_path(shipped.name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &manifest).unwrap();
        }
        let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (golden, manifest) = (String::from_utf8(golden).unwrap(), String::from_utf8(manifest).unwrap());
        assert_eq!(golden, manifest, "{} differs from its golden manifest", shipped.name);
    }
}

#[test]
fn a_second_run_gives_the_same_bytes() {
    for shipped in library::SCENARIOS {
        assert_eq!(files_of(shipped.name, &[]), files_of(shipped.name, &[]), "{}", shipped.name);
    }
}

#[test]
fn another_seed_gives_other_spis_nonces_and_losses() {
    let settings = |seed| vec!["topology.link.loss=0.2", seed, "duration=\"30s\""];
    let (one, two) =
        (files_of("site-to-site", &settings("seed=1")), files_of("site-to-site", &settings("seed=2")));
    let cell = |files: &BTreeMap<String, Vec<u8>>, table: &str, column: &str| {
        let mut reader = csv::Reader::from_reader(files[table].as_slice());
        let place = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
        reader.records().map(|record| record.unwrap()[place].to_owned()).collect::<Vec<_>>()
    };
    assert_ne!(cell(&one, "negotiations.csv", "ike_spi_i"), cell(&two, "negotiations.csv", "ike_spi_i"));
    assert_ne!(cell(&one, "links.csv", "dropped_packets"), cell(&two, "links.csv", "dropped_packets"));
    assert_ne!(nonce(&one), nonce(&two));
}

/// The nonce of the first `IKE_SA_INIT` request: what follows SA and KE in the first packet of the capture.
fn nonce(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let capture = &files["capture/left.pcapng"];
    // Nonce payload: next payload Notify (41), no flags, length 36.
    let header = [41, 0, 0, 36];
    let at =
        capture.windows(4).position(|window| window == header).expect("a nonce payload is in the capture");
    capture[at + 4..at + 36].to_vec()
}
