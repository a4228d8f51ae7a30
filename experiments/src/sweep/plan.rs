//! From a sweep file to the complete, ordered list of runs.
//!
//! Order and identity depend on the file alone: combinations in the order of the file with the last key varying
//! fastest, replications inside them. A run's identity is a hash of everything that decides its bytes, so a run that
//! is already there is known to be the same, whoever made it. Replication r has the same seed in all combinations:
//! with common random numbers, differences between combinations are not drowned by those between seeds.
//!
//! Every combination is checked before the first run: a sweep that would fail after an hour fails at once.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::build::{Builder, metrics, read};
use super::file::PlotFile;
use super::metric::{self, Metric, PlotMetric};
use super::series::TimeSeries;
use crate::document::{Document, Finding, KeyPath, Report};
use crate::scenario::{self, CheckedScenario, Override, ScenarioSource, hex, library};
use crate::schema;
use crate::structure::Structure;

/// Most runs of one sweep.
pub const MAX_RUNS: u64 = 1_000_000;

/// A sweep that can be run.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// The name; fit for a folder.
    pub name: String,
    /// What it is to find out.
    pub description: Option<String>,
    /// How often each combination is run; at least 1.
    pub replications: u32,
    /// The number from which the seeds of runs derive.
    pub seed: u64,
    /// The varied keys, in the order of the file.
    pub axes: Vec<Axis>,
    /// What is computed for each run, without repetition.
    pub metrics: Vec<Metric>,
    /// What is drawn.
    pub plots: Vec<Plot>,
    /// The axis for each value of which the report lists the messages of a set-up.
    pub message_table: Option<usize>,
    /// The scenario with everything that all runs share.
    base: Document,
    folder: Option<PathBuf>,
    /// A hash for each combination, from which run identities derive.
    digests: Vec<[u8; 32]>,
}

/// A varied key.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The key.
    pub path: KeyPath,
    /// Its name for people, with its unit.
    pub label: String,
    /// What it is set to; at least one value, no two alike.
    pub values: Vec<AxisValue>,
    pub(super) changes: Vec<Override>,
}

/// A value of a varied key.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisValue {
    /// The value as TOML.
    pub value: toml::Value,
    /// Its name for people.
    pub label: String,
}

impl AxisValue {
    /// The value as written, texts without quotes and lists without brackets.
    pub fn plain(&self) -> String {
        plain(&self.value)
    }
}

/// A value for people: texts without quotes, lists without brackets.
pub(super) fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A plot whose keys are known to be varied, as positions in [`SweepPlan::axes`].
#[derive(Clone, Debug, PartialEq)]
pub enum Plot {
    /// Lines with confidence intervals, or boxes.
    Curve {
        /// The file's entry: titles, labels, scales, and whether lines or boxes.
        file: PlotFile,
        /// Along the horizontal axis.
        x: usize,
        /// Along the vertical axis.
        y: PlotMetric,
        /// A line or box for each value.
        series: Option<usize>,
        /// A panel for each value.
        facet: Option<usize>,
        /// The values of each axis that are drawn.
        shown: Shown,
    },
    /// Distributions.
    Cdf {
        /// The file's entry.
        file: PlotFile,
        /// What is distributed.
        x: Metric,
        /// A line for each value.
        series: Option<usize>,
        /// A panel for each value.
        facet: Option<usize>,
        /// The values of each axis that are drawn.
        shown: Shown,
    },
    /// Coloured fields.
    Heatmap {
        /// The file's entry.
        file: PlotFile,
        /// Along the horizontal axis.
        x: usize,
        /// Along the vertical axis.
        y: usize,
        /// What the colour shows.
        value: PlotMetric,
        /// A panel for each value.
        facet: Option<usize>,
        /// The values of each axis that are drawn.
        shown: Shown,
    },
    /// Curves over simulated time.
    Timeline {
        /// The file's entry.
        file: PlotFile,
        /// Along the vertical axis.
        y: TimeSeries,
        /// A curve for each value.
        series: Option<usize>,
        /// A panel for each value.
        facet: Option<usize>,
        /// The values of each axis that are drawn.
        shown: Shown,
    },
    /// Stacked bars.
    Stack {
        /// The file's entry; its `parts` are at least one.
        file: PlotFile,
        /// Along the horizontal axis.
        x: usize,
        /// A panel for each value.
        facet: Option<usize>,
        /// The values of each axis that are drawn.
        shown: Shown,
    },
}

/// For each axis of a plan, the positions of the values that a plot draws; at least one, in the order of the axis.
pub type Shown = Vec<Vec<usize>>;

/// One run of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRun {
    /// Its position among all runs, from 0.
    pub index: u64,
    /// Its combination, from 0.
    pub point: usize,
    /// Its replication, from 0.
    pub replication: u32,
    /// Its seed.
    pub seed: u64,
    /// Its identity.
    pub id: RunId,
}

/// A hash of everything that decides a run's bytes: program version, scenario, parameters, replication, seed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId([u8; 32]);

impl SweepPlan {
    /// Reads and checks a sweep named by a path or a shipped name; `overrides` change its scenario.
    ///
    /// # Errors
    /// Everything that is wrong with the sweep, or with the scenario in any of its combinations.
    pub fn load(text: &str, overrides: &[Override]) -> Result<Self, Report> {
        let source = ScenarioSource::parse(text, library::STUDIES, "study")?;
        Self::build(&Document::parse(&source.read()?)?, source.folder(), overrides)
    }

    /// Checks a sweep; a scenario file that it names is looked for in `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with the sweep, or with the scenario in any of its combinations.
    pub fn build(document: &Document, folder: Option<&Path>, overrides: &[Override]) -> Result<Self, Report> {
        let schema = schema::sweep_inlined();
        Structure::new(document, &schema, &metric::formats()).check().into_result(())?;
        let file = read(document)?;
        let mut builder = Builder::new(document, &file);
        let (base, folder) = builder.base(folder, overrides)?;
        let axes = builder.axes(&base);
        let plots = builder.plots(&axes);
        let message_table = builder.message_table(&axes);
        builder.check_size(&axes);
        builder.finish()?;
        let scenario_seed = base.root().get("seed").and_then(toml::Value::as_integer);
        let mut plan = Self {
            name: file.name.clone(),
            description: file.description.clone(),
            replications: file.replications.unwrap_or(1),
            seed: file.seed.or(scenario_seed).map_or(scenario::defaults::SEED, i64::unsigned_abs),
            metrics: metrics(&file, &plots),
            axes,
            plots,
            message_table,
            base,
            folder,
            digests: Vec::new(),
        };
        plan.digests = plan.check_points()?;
        Ok(plan)
    }

    /// The same sweep with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many combinations there are.
    pub fn point_count(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// How many runs there are.
    pub fn run_count(&self) -> u64 {
        self.point_count() as u64 * u64::from(self.replications)
    }

    /// The value of each axis in a combination, as positions in [`Axis::values`].
    pub fn choice(&self, point: usize) -> Vec<usize> {
        let mut rest = point;
        let mut choice: Vec<_> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let position = rest % axis.values.len();
                rest /= axis.values.len();
                position
            })
            .collect();
        choice.reverse();
        choice
    }

    /// The combination with those positions in [`Axis::values`], one for each axis.
    pub fn point(&self, choice: &[usize]) -> usize {
        self.axes.iter().zip(choice).fold(0, |point, (axis, position)| point * axis.values.len() + position)
    }

    /// The key and the value of each axis in a combination.
    pub fn parameters(&self, point: usize) -> Vec<(&KeyPath, &AxisValue)> {
        self.axes.iter().zip(self.choice(point)).map(|(axis, at)| (&axis.path, &axis.values[at])).collect()
    }

    /// The scenario of a combination; its seed is not that of any run.
    ///
    /// # Errors
    /// None for a plan that was built, unless a file that the scenario names changed meanwhile: under the identity of
    /// its runs another scenario would be run.
    pub fn scenario(&self, point: usize) -> Result<CheckedScenario, Report> {
        let mut document = self.base.clone();
        for (axis, at) in self.axes.iter().zip(self.choice(point)) {
            axis.changes[at].apply(&mut document).map_err(|error| Report::of(error.finding()))?;
        }
        let scenario = scenario::check(&document, self.folder.as_deref())?;
        let promised = self.digests.get(point);
        if promised.is_some_and(|promised| *promised != self.digest(point, &scenario.canonical)) {
            let finding = Finding::new(format!("scenario `{}` changed while its sweep ran", scenario.name));
            return Err(Report::of(
                finding.help("a file that it names was written to; start the sweep again"),
            ));
        }
        Ok(scenario)
    }

    /// All runs, in order.
    pub fn runs(&self) -> impl Iterator<Item = PlannedRun> + '_ {
        (0..self.run_count()).filter_map(|index| self.run(index))
    }

    /// One run, or `None` past the last.
    pub fn run(&self, index: u64) -> Option<PlannedRun> {
        let replications = u64::from(self.replications);
        let point = usize::try_from(index / replications).ok()?;
        let replication = u32::try_from(index % replications).ok()?;
        let seed = replication_seed(self.seed, replication);
        let id = RunId::new(self.digests.get(point)?, replication, seed);
        Some(PlannedRun { index, point, replication, seed, id })
    }

    fn check_points(&self) -> Result<Vec<[u8; 32]>, Report> {
        let mut report = Report::default();
        let mut digests = Vec::new();
        for point in 0..self.point_count() {
            match self.scenario(point) {
                Ok(scenario) => digests.push(self.digest(point, &scenario.canonical)),
                Err(findings) => report.append(findings),
            }
        }
        report.into_result(digests)
    }

    fn digest(&self, point: usize, canonical: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            // Lengths in front keep neighbours from running into each other.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        add("ipseclab run");
        add(env!("CARGO_PKG_VERSION"));
        add(canonical);
        for (path, value) in self.parameters(point) {
            add(&path.to_string());
            add(&value.value.to_string());
        }
        hash.finalize().into()
    }
}

impl RunId {
    fn new(point: &[u8; 32], replication: u32, seed: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(point);
        hash.update(replication.to_be_bytes());
        hash.update(seed.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// The first twelve digits, for names of folders.
    pub fn short(self) -> String {
        hex(&self.0[..6])
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({})", self.short())
    }
}

/// The seed of a replication: `SplitMix64` of base seed and replication, cut to what a TOML integer holds.
///
/// Mixing keeps sweeps with neighbouring base seeds apart; with `base + replication` they would share most runs.
pub fn replication_seed(base: u64, replication: u32) -> u64 {
    let mixed = splitmix64(splitmix64(base) ^ u64::from(replication));
    mixed >> 1
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014) after one step of its counter.
fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
