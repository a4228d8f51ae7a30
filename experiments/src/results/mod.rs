//! The files of one run.
//!
//! Tables, summary and ladder are written for every run, captures with their key tables on request. The folder is
//! complete or absent: everything goes to a temporary sibling that takes its place at the end.

mod capture;
pub(crate) mod course;
mod keys;
mod ladder;
pub(crate) mod sizes;
mod summary;
mod v1_wording;
mod warning;
mod wording;

use std::path::{Path, PathBuf};

use ipseclab_node::Observe;
use ipseclab_output::{
    LadderText, Manifest, OutputError, RunDirectory, TableError, sha256_hex, short_hash, write_csv,
};

pub use ladder::{Story, stories};
pub use summary::{Negotiations, Summary, summarise};
pub use warning::warnings;

use crate::run::RunResult;
use crate::scenario::{CheckedScenario, CostProfile, CryptoKind};

/// The version in manifests and hashes.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Columns of `ladder.txt`: what a printed page holds in landscape.
const LADDER_FILE_WIDTH: usize = 120;

/// Connections whose ladders are written out: more than anybody reads, and a bound for large scenarios.
const LADDERS_MAX: usize = 32;

/// What to write besides the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Captures with key tables.
    pub capture: bool,
    /// Values of keys in the ladder.
    pub secrets: bool,
}

/// Why results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The folder or a file in it.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The summary.
    #[error(transparent)]
    Summary(#[from] ipseclab_output::SummaryError),
    /// The folder holds a sweep.
    #[error("{} holds the results of a sweep, which a run does not replace; choose another folder with --out", .0.display())]
    Sweep(PathBuf),
    /// A capture.
    #[error(transparent)]
    Capture(#[from] ipseclab_output::PcapngError),
}

impl Wanted {
    /// What the run must write down for it.
    pub fn observe(self) -> Observe {
        Observe { packets: self.capture, steps: true }
    }
}

/// `out/<name>-<short hash>`: the hash is of version and scenario, seed included, so another run is another folder.
pub fn default_folder(scenario: &CheckedScenario) -> PathBuf {
    let identity = format!("{VERSION}\n{}", scenario.canonical);
    Path::new("out").join(format!("{}-{}", scenario.name, short_hash(identity.as_bytes())))
}

/// Prepares the folder, so that a run that could not be written is not begun.
///
/// # Errors
/// When the folder holds something already and `force` is off, or cannot be made.
pub fn prepare(folder: &Path, force: bool) -> Result<RunDirectory, ResultsError> {
    // A sweep's folder is ours as well, but hours of runs are not to be replaced by one.
    if folder.join(crate::sweep::IDENTITY_FILE).exists() {
        return Err(ResultsError::Sweep(folder.to_owned()));
    }
    Ok(RunDirectory::create(folder, force)?)
}

/// Writes the results into a prepared folder; returns where they are.
///
/// # Errors
/// When a file cannot be written; the folder is then as it was.
pub fn write(
    mut directory: RunDirectory,
    scenario: &CheckedScenario,
    result: &RunResult,
    wanted: Wanted,
) -> Result<PathBuf, ResultsError> {
    directory.write_file("negotiations.csv", &write_csv(&result.negotiations)?)?;
    directory.write_file("renewals.csv", &write_csv(&result.renewals)?)?;
    directory.write_file("timeline.csv", &write_csv(&result.timeline)?)?;
    directory.write_file("drops_timeline.csv", &write_csv(&result.drops_timeline)?)?;
    directory.write_file("closures.csv", &write_csv(&result.closures)?)?;
    // Most runs have none, and a file would say nothing.
    if !result.refusals.is_empty() {
        directory.write_file("refusals.csv", &write_csv(&result.refusals)?)?;
    }
    directory.write_file("flows.csv", &write_csv(&result.flows)?)?;
    directory.write_file("flow_books.csv", &write_csv(&result.books.flows)?)?;
    directory.write_file("flow_losses.csv", &write_csv(&result.books.flow_losses)?)?;
    directory.write_file("sa_books.csv", &write_csv(&result.books.sas)?)?;
    directory.write_file("sa_losses.csv", &write_csv(&result.books.sa_losses)?)?;
    directory.write_file("children.csv", &write_csv(&result.books.children)?)?;
    directory.write_file("links.csv", &write_csv(&result.links)?)?;
    directory.write_file("nodes.csv", &write_csv(&result.nodes)?)?;
    directory.write_file("drops.csv", &write_csv(&result.drops)?)?;
    if scenario.outputs.packet_sizes {
        directory.write_file("packet_sizes.csv", &write_csv(&result.packet_sizes)?)?;
    }
    let summary = summarise(scenario, result);
    directory.write_file("summary.json", &ipseclab_output::summary_json(&summary)?)?;
    write_ladders(&mut directory, scenario, result, wanted)?;
    if wanted.capture {
        capture::write(&mut directory, scenario, result)?;
        for (name, bytes) in keys::tables(result).files() {
            directory.write_file(&format!("capture/wireshark/{name}"), &bytes)?;
        }
    }
    Ok(directory.commit(manifest(scenario, result))?)
}

/// The ladders of the first connections, `width` columns wide; empty when no IKE message was sent.
pub fn ladder_text(scenario: &CheckedScenario, result: &RunResult, secrets: bool, width: usize) -> String {
    let stories = stories(scenario, result, secrets);
    let shown = stories.iter().take(LADDERS_MAX).map(|story| LadderText::render(&story.ladder, width));
    let mut text = shown.collect::<Vec<_>>().join("\n");
    if stories.len() > LADDERS_MAX {
        let more = stories.len() - LADDERS_MAX;
        let note = format!("\n… and {more} more connections; negotiations.csv has a row for each set-up\n");
        text.push_str(&note);
    }
    text
}

/// What the payloads in a run's ladders are for, in the order of a set-up.
pub fn glossary(result: &RunResult) -> Vec<(&'static str, &'static str)> {
    let messages = result.observed.iter().flat_map(|node| &node.records.messages);
    let departures = messages.filter_map(|message| message.departure.as_ref());
    wording::glossary(departures.flat_map(|departure| departure.info.payloads.iter().map(String::as_str)))
}

fn write_ladders(
    directory: &mut RunDirectory,
    scenario: &CheckedScenario,
    result: &RunResult,
    wanted: Wanted,
) -> Result<(), ResultsError> {
    let text = ladder_text(scenario, result, wanted.secrets, LADDER_FILE_WIDTH);
    directory.write_file("ladder.txt", text.as_bytes())?;
    let whole = ladder::whole(scenario, result, wanted.secrets);
    directory.write_file("ladder.svg", ipseclab_output::ladder::svg::render(&whole).as_bytes())?;
    Ok(())
}

fn manifest(scenario: &CheckedScenario, result: &RunResult) -> Manifest {
    let mut manifest = Manifest::new(VERSION);
    manifest.scenario.clone_from(&scenario.name);
    manifest.scenario_sha256 = sha256_hex(scenario.canonical.as_bytes());
    manifest.seed = scenario.seed;
    manifest.crypto = match scenario.crypto {
        CryptoKind::Real => "real".to_owned(),
    };
    manifest.fingerprint = result.fingerprint.to_string();
    for settings in &scenario.nodes {
        let (name, text) = match &settings.cost_profile {
            CostProfile::Free => continue,
            CostProfile::Reference => ("reference".to_owned(), crate::cost_profiles::REFERENCE),
            CostProfile::File { path, text } => (
                path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
                text.as_str(),
            ),
        };
        manifest.cost_profile_sha256.insert(name, sha256_hex(text.as_bytes()));
    }
    manifest
}
