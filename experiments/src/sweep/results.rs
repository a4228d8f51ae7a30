//! A whole sweep: its folder, its runs, its results.
//!
//! Results are computed from the kept records alone. So a sweep that was killed and resumed, or made with another
//! number of threads, ends with the same bytes as one that ran through.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ipseclab_output::{MANIFEST_FILE, Manifest, PROGRAM, sha256_hex, summary_json};
use serde::Serialize;

use super::error::SweepError;
use super::execute::{Missing, Progress};
use super::figure::drawings;
use super::plan::SweepPlan;
use super::record::{RunOutcome, RunRecord};
use super::store::{IDENTITY_FILE, SweepFolder};
use super::table::Observations;
use crate::cost_profiles;
use crate::results::VERSION;

/// How a sweep is made.
#[derive(Clone, Debug, Default)]
pub struct SweepSettings {
    /// Where results go; `None` means [`default_folder`].
    pub folder: Option<PathBuf>,
    /// Whether the results of an earlier sweep in that folder are thrown away.
    pub replace: bool,
    /// Runs at a time; `None` means one for each processor. Results do not depend on it.
    pub jobs: Option<NonZeroUsize>,
}

/// What a sweep did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepReport {
    /// Where the results are.
    pub folder: PathBuf,
    /// All runs.
    pub runs: u64,
    /// Runs that an earlier, interrupted sweep had finished.
    pub kept: u64,
    /// Runs without a result.
    pub failed: u64,
    /// The plots, as files in the folder, without their endings.
    pub plots: Vec<String>,
    /// What a reader of the plots should know.
    pub notes: Vec<String>,
}

/// The file that says whose folder it is.
#[derive(Serialize)]
struct Identity<'a> {
    program: &'static str,
    version: &'static str,
    sweep: &'a str,
    runs: u64,
    runs_sha256: String,
}

/// `summary.json`.
#[derive(Serialize)]
struct Summary<'a> {
    sweep: &'a str,
    description: Option<&'a str>,
    seed: u64,
    combinations: usize,
    replications: u32,
    runs: u64,
    failed_runs: u64,
    negotiations: u64,
    established: u64,
    /// Failed negotiations by reason.
    failures: BTreeMap<String, u64>,
    events: u64,
    treatment: &'static str,
}

const TREATMENT: &str = "Values are means over the negotiations of a run that started after the warm-up. Latency and \
its parts are those of tunnels that came up; a run without any has no value and counts as missing. \
negotiation.success, messages, octets and retransmissions count all negotiations. renewal.latency is that of renewals \
that gave fresh keys; renewal.count and renewal.peak_rate, the most in one second, count all that began. Figures are over the runs of a \
combination, quantiles by nearest rank, intervals by Student's t.";

/// A hash of what is simulated: version, measured costs, and the runs in their order.
///
/// Plots, labels and the choice of metrics are no part of it: they can be changed without running anything again.
pub fn sweep_hash(plan: &SweepPlan) -> String {
    let runs = plan.runs().map(|run| format!("{}\n", run.id));
    let header = format!("{}\n{}\n", VERSION, sha256_hex(cost_profiles::REFERENCE.as_bytes()));
    sha256_hex([header].into_iter().chain(runs).collect::<String>().as_bytes())
}

/// `out/<name>-<short hash>`, below the current folder.
pub fn default_folder(plan: &SweepPlan) -> PathBuf {
    Path::new("out").join(format!("{}-{}", plan.name, &sweep_hash(plan)[..8]))
}

/// Makes the runs of a sweep that are not there yet, and writes its results.
///
/// Runs that fail are in the report and in `failures.csv`.
///
/// # Errors
/// When the folder cannot be used or written, the scenario changed meanwhile, or a plot cannot be drawn; finished runs
/// are kept in each case.
pub fn execute(
    plan: &SweepPlan,
    settings: &SweepSettings,
    progress: &dyn Progress,
) -> Result<SweepReport, SweepError> {
    let path = settings.folder.clone().unwrap_or_else(|| default_folder(plan));
    let identity = summary_json(&Identity {
        program: PROGRAM,
        version: VERSION,
        sweep: &plan.name,
        runs: plan.run_count(),
        runs_sha256: sweep_hash(plan),
    })?;
    let folder = SweepFolder::open(&path, &identity, settings.replace)?;
    let missing = Missing::find(plan, &folder)?;
    progress.begin(plan.run_count(), missing.kept, missing.torn);
    missing.make(plan, &folder, settings.jobs, progress)?;
    let mut report = write(plan, folder, &identity)?;
    report.kept = missing.kept;
    Ok(report)
}

fn write(plan: &SweepPlan, folder: SweepFolder, identity: &[u8]) -> Result<SweepReport, SweepError> {
    let mut observations = Observations::new(plan);
    let mut totals = Totals::default();
    for run in plan.runs() {
        let record = folder.expect_record(run.id)?;
        totals.add(&record);
        observations.add(run, record);
    }
    let files = BTreeMap::from([(IDENTITY_FILE.to_owned(), sha256_hex(identity))]);
    let mut writer = Writer { folder, files };
    writer.folder.begin_results()?;
    writer.write("runs.csv", &observations.runs_csv()?)?;
    writer.write("aggregate.csv", &observations.aggregate_csv()?)?;
    writer.write("failures.csv", &observations.failures_csv()?)?;
    writer.write("summary.json", &summary_json(&totals.summary(plan, observations.failed()))?)?;
    let mut report = SweepReport {
        folder: writer.folder.path().to_path_buf(),
        runs: plan.run_count(),
        kept: 0,
        failed: observations.failed(),
        plots: Vec::new(),
        notes: Vec::new(),
    };
    let undrawn = writer.draw(plan, &observations, &mut report)?;
    if let Some(text) = super::report::report(plan, &report.plots)? {
        writer.write("report.md", text.as_bytes())?;
    }
    let fingerprints: String = observations.fingerprints().flat_map(|text| [text, "\n"]).collect();
    writer.finish(Manifest {
        scenario: plan.name.clone(),
        scenario_sha256: sweep_hash(plan),
        seed: plan.seed,
        cost_profile_sha256: totals.cost_profile_sha256,
        crypto: totals.crypto.into_iter().collect::<Vec<_>>().join(", "),
        fingerprint: sha256_hex(fingerprints.as_bytes()),
        ..Manifest::new(VERSION)
    })?;
    undrawn.map_or(Ok(report), Err)
}

/// Sums over all records.
#[derive(Default)]
struct Totals {
    negotiations: u64,
    established: u64,
    failures: BTreeMap<String, u64>,
    events: u64,
    crypto: BTreeSet<String>,
    cost_profile_sha256: BTreeMap<String, String>,
}

impl Totals {
    fn add(&mut self, record: &RunRecord) {
        self.crypto.insert(record.crypto.clone());
        self.cost_profile_sha256.extend(record.cost_profile_sha256.clone());
        let RunOutcome::Finished(finished) = &record.outcome else { return };
        self.events += finished.events;
        for negotiation in &finished.negotiations {
            self.negotiations += 1;
            if negotiation.established {
                self.established += 1;
            } else {
                *self.failures.entry(negotiation.failure_reason.clone()).or_default() += 1;
            }
        }
    }

    fn summary<'a>(&self, plan: &'a SweepPlan, failed_runs: u64) -> Summary<'a> {
        Summary {
            sweep: &plan.name,
            description: plan.description.as_deref(),
            seed: plan.seed,
            combinations: plan.point_count(),
            replications: plan.replications,
            runs: plan.run_count(),
            failed_runs,
            negotiations: self.negotiations,
            established: self.established,
            failures: self.failures.clone(),
            events: self.events,
            treatment: TREATMENT,
        }
    }
}

/// Writes results and remembers their hashes.
struct Writer {
    folder: SweepFolder,
    files: BTreeMap<String, String>,
}

impl Writer {
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), SweepError> {
        self.folder.write(name, bytes)?;
        self.files.insert(name.to_owned(), sha256_hex(bytes));
        Ok(())
    }

    /// Draws what can be drawn; the answer is about the first plot that cannot.
    fn draw(
        &mut self,
        plan: &SweepPlan,
        observations: &Observations<'_>,
        report: &mut SweepReport,
    ) -> Result<Option<SweepError>, SweepError> {
        let mut undrawn = None;
        for drawing in drawings(plan, observations) {
            let name = format!("plots/{}", drawing.name);
            match drawing.figure.svg().and_then(|svg| Ok((svg, drawing.figure.png()?))) {
                Ok((svg, png)) => {
                    self.write(&format!("{name}.svg"), svg.as_bytes())?;
                    self.write(&format!("{name}.png"), &png)?;
                    report.notes.extend(drawing.note.map(|note| format!("{name}: {note}")));
                    report.plots.push(name);
                }
                Err(source) => {
                    undrawn.get_or_insert(SweepError::Plot { name, source });
                }
            }
        }
        Ok(undrawn)
    }

    fn finish(self, manifest: Manifest) -> Result<(), SweepError> {
        let manifest = Manifest { files: self.files, ..manifest };
        Ok(self.folder.write(MANIFEST_FILE, &manifest.to_json()?)?)
    }
}
