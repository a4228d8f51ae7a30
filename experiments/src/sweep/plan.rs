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

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::file::{PlotFile, PlotKind, SweepFile};
use super::metric::{self, Metric, PlotMetric};
use crate::document::{Document, Finding, KeyPath, Report, list};
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
    changes: Vec<Override>,
}

/// A value of a varied key.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisValue {
    /// The value as TOML.
    pub value: toml::Value,
    /// Its name for people.
    pub label: String,
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
    },
}

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
        let schema = schema::inlined::<SweepFile>();
        Structure::new(document, &schema, metric::FORMATS).check().into_result(())?;
        let file = read(document)?;
        let mut builder = Builder { document, file: &file, report: Report::default() };
        let (base, folder) = builder.base(folder, overrides)?;
        let axes = builder.axes(&base);
        let plots = builder.plots(&axes);
        builder.check_size(&axes);
        let Builder { report, .. } = builder;
        report.into_result(())?;
        let scenario_seed = base.root().get("seed").and_then(toml::Value::as_integer);
        let mut plan = Self {
            name: file.name.clone(),
            description: file.description.clone(),
            replications: file.replications.unwrap_or(1),
            seed: file.seed.or(scenario_seed).map_or(scenario::defaults::SEED, i64::unsigned_abs),
            metrics: metrics(&file, &plots),
            axes,
            plots,
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

    /// The key and the value of each axis in a combination.
    pub fn parameters(&self, point: usize) -> Vec<(&KeyPath, &AxisValue)> {
        self.axes.iter().zip(self.choice(point)).map(|(axis, at)| (&axis.path, &axis.values[at])).collect()
    }

    /// The scenario of a combination; its seed is not that of any run.
    ///
    /// # Errors
    /// None for a plan that was built, unless a file that the scenario names changed meanwhile.
    pub fn scenario(&self, point: usize) -> Result<CheckedScenario, Report> {
        let mut document = self.base.clone();
        for (axis, at) in self.axes.iter().zip(self.choice(point)) {
            axis.changes[at].apply(&mut document).map_err(|error| Report::of(error.finding()))?;
        }
        scenario::check(&document, self.folder.as_deref())
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

fn read(document: &Document) -> Result<SweepFile, Report> {
    let table = toml::Value::Table(document.root().clone());
    SweepFile::deserialize(table).map_err(|error| {
        let place = document.locate(&KeyPath::root());
        Report::of(Finding::new("this is no sweep").at(place, error.message()))
    })
}

fn metrics(file: &SweepFile, plots: &[Plot]) -> Vec<Metric> {
    let drawn = plots.iter().map(|plot| match plot {
        Plot::Curve { y, .. } => y.metric,
        Plot::Cdf { x, .. } => *x,
        Plot::Heatmap { value, .. } => value.metric,
    });
    let asked =
        if file.metrics.is_empty() { vec![Metric::Latency, Metric::Success] } else { file.metrics.clone() };
    let mut metrics: Vec<_> = asked.into_iter().chain(drawn).collect();
    metrics.sort_unstable();
    metrics.dedup();
    metrics
}

/// The checks of one sweep file.
struct Builder<'a> {
    document: &'a Document,
    file: &'a SweepFile,
    report: Report,
}

impl Builder<'_> {
    /// The scenario with the command line's and the sweep's own settings.
    fn base(
        &mut self,
        folder: Option<&Path>,
        overrides: &[Override],
    ) -> Result<(Document, Option<PathBuf>), Report> {
        let at = KeyPath::root().key("scenario");
        let source = ScenarioSource::parse(&self.file.scenario, library::SCENARIOS, "scenario");
        let source = source.map_err(|report| self.placed(&at, &report))?;
        let source = match (source, folder) {
            (ScenarioSource::File(path), Some(folder)) => ScenarioSource::File(folder.join(path)),
            (source, _) => source,
        };
        let text = source.read().map_err(|report| self.placed(&at, &report))?;
        let mut document = Document::parse(&text)?;
        let set = KeyPath::root().key("set");
        for (path, value) in &self.file.set {
            let entry = set.key(path);
            let change = Override::new(
                path,
                value.clone(),
                self.document.locate_key(&entry),
                self.document.locate(&entry),
            );
            self.apply(change, &mut document);
        }
        for change in overrides {
            self.apply(Ok(change.clone()), &mut document);
        }
        Ok((document, source.folder().map(Path::to_path_buf)))
    }

    fn apply(&mut self, change: Result<Override, scenario::OverrideError>, document: &mut Document) {
        if let Err(error) = change.and_then(|change| change.apply(document)) {
            self.report.push(error.finding());
        }
    }

    /// The findings of another input, placed where this file names it.
    fn placed(&self, path: &KeyPath, other: &Report) -> Report {
        let mut report = Report::default();
        for finding in other.findings() {
            let placed = finding.clone().at(self.document.locate(path), "named here");
            report.push(placed);
        }
        report
    }

    fn axes(&mut self, base: &Document) -> Vec<Axis> {
        let vary = KeyPath::root().key("vary");
        let keys = self.document.keys_as_written(&vary);
        let axes: Vec<_> = keys.iter().filter_map(|key| self.axis(key, &vary.key(key), base)).collect();
        for (position, axis) in axes.iter().enumerate() {
            let inside =
                |other: &&Axis| axis.path.starts_with(&other.path) || other.path.starts_with(&axis.path);
            if let Some(other) = axes[..position].iter().find(inside) {
                let finding =
                    Finding::new(format!("`{}` and `{}` set the same value", other.path, axis.path));
                let place = self.document.locate_key(&vary.key(&keys[position]));
                self.report.push(finding.at(place, "one would undo the other"));
            }
        }
        for key in self.file.labels.keys().filter(|key| !keys.contains(key)) {
            self.not_varied(key, &KeyPath::root().key("labels").key(key), &axes);
        }
        axes
    }

    fn axis(&mut self, key: &str, at: &KeyPath, base: &Document) -> Option<Axis> {
        let given = self.file.vary.get(key)?;
        let label = self.file.labels.get(key);
        if key == "seed" {
            let finding =
                Finding::new("`seed` cannot be varied").help("use `replications`, and `seed` of the sweep");
            self.report.push(finding.at(self.document.locate_key(at), "every replication has its own"));
            return None;
        }
        let mut axis = Axis {
            path: KeyPath::root(),
            label: label.and_then(|label| label.name.clone()).unwrap_or_else(|| key.to_owned()),
            values: Vec::with_capacity(given.len()),
            changes: Vec::with_capacity(given.len()),
        };
        let names = label.and_then(|label| label.values.as_ref());
        self.check_names(key, names.map(Vec::len), given.len());
        for (index, value) in given.iter().enumerate() {
            if axis.values.iter().any(|earlier| earlier.value == *value) {
                let finding = Finding::new(format!("`{key}` has the value {value} twice"));
                self.report.push(finding.at(self.document.locate(&at.index(index)), "the same again"));
                continue;
            }
            let places = (self.document.locate_key(at), self.document.locate(&at.index(index)));
            let resolved = Override::new(key, value.clone(), places.0, places.1)
                .and_then(|change| Ok((change.resolve(base)?, change)));
            match resolved {
                Ok((path, change)) => {
                    axis.path = path;
                    axis.changes.push(change);
                }
                Err(error) => {
                    self.report.push(error.finding());
                    return None;
                }
            }
            let name = names.and_then(|names| names.get(index).cloned());
            axis.values.push(AxisValue { value: value.clone(), label: name.unwrap_or_else(|| plain(value)) });
        }
        Some(axis)
    }

    fn check_names(&mut self, key: &str, names: Option<usize>, values: usize) {
        if names.is_some_and(|names| names != values) {
            let at = KeyPath::root().key("labels").key(key).key("values");
            let finding = Finding::new(format!("`{at}` must have one name for each value"));
            self.report.push(finding.at(self.document.locate(&at), format!("`{key}` has {values} values")));
        }
    }

    fn check_size(&mut self, axes: &[Axis]) {
        let replications = u64::from(self.file.replications.unwrap_or(1));
        let runs =
            axes.iter().try_fold(replications, |runs, axis| runs.checked_mul(axis.values.len() as u64));
        if runs.is_none_or(|runs| runs > MAX_RUNS) {
            let count = runs.map_or_else(|| "more than 2^64".to_owned(), |runs| runs.to_string());
            let finding = Finding::new(format!("the sweep has {count} runs, more than {MAX_RUNS}"))
                .help("use fewer values or fewer replications");
            let place = self.document.locate(&KeyPath::root().key("vary"));
            self.report.push(finding.at(place, "every combination is a point"));
        }
    }

    fn plots(&mut self, axes: &[Axis]) -> Vec<Plot> {
        let file = self.file;
        let plots = file.plots.iter().enumerate().filter_map(|(index, plot)| {
            let at = KeyPath::root().key("plots").index(index);
            match plot.kind {
                PlotKind::Line | PlotKind::Box => self.curve(plot, axes, &at),
                PlotKind::Cdf => self.cdf(plot, axes, &at),
                PlotKind::Heatmap => self.heatmap(plot, axes, &at),
            }
        });
        plots.collect()
    }

    fn curve(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Option<Plot> {
        self.refuse(file.value.is_some(), "value", "a heatmap", at);
        let x = self.varied(Some(&file.x), "x", axes, at);
        let series = self.varied(file.series.as_ref(), "series", axes, at);
        let facet = self.varied(file.facet.as_ref(), "facet", axes, at);
        let y = self.quantity(file.y.as_ref(), "y", at, PlotMetric::parse);
        self.check_covered(&[x?, series?, facet?], axes, at);
        Some(Plot::Curve { file: file.clone(), x: x??, y: y?, series: series?, facet: facet? })
    }

    fn cdf(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Option<Plot> {
        self.refuse(file.y.is_some(), "y", "line, box and heatmap", at);
        self.refuse(file.value.is_some(), "value", "a heatmap", at);
        let series = self.varied(file.series.as_ref(), "series", axes, at);
        let facet = self.varied(file.facet.as_ref(), "facet", axes, at);
        let x = self.quantity(Some(&file.x), "x", at, Metric::parse);
        self.check_covered(&[series?, facet?], axes, at);
        Some(Plot::Cdf { file: file.clone(), x: x?, series: series?, facet: facet? })
    }

    fn heatmap(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Option<Plot> {
        self.refuse(file.series.is_some(), "series", "line, box and cdf", at);
        let x = self.varied(Some(&file.x), "x", axes, at);
        let y = match &file.y {
            Some(y) => self.varied(Some(y), "y", axes, at),
            None => self.missing("y", at),
        };
        let facet = self.varied(file.facet.as_ref(), "facet", axes, at);
        let value = match file.value {
            Some(value) => Some(value),
            None => self.missing("value", at),
        };
        self.check_covered(&[x?, y?, facet?], axes, at);
        Some(Plot::Heatmap { file: file.clone(), x: x??, y: y??, value: value?, facet: facet? })
    }

    fn missing<T>(&mut self, key: &str, at: &KeyPath) -> Option<T> {
        let finding = Finding::new(format!("`{at}` lacks `{key}`"));
        self.report.push(finding.at(self.document.locate(at), format!("`{key}` belongs here")));
        None
    }

    fn refuse(&mut self, given: bool, key: &str, owner: &str, at: &KeyPath) {
        if given {
            let finding = Finding::new(format!("`{at}.{key}` means nothing here"));
            self.report.push(finding.at(self.document.locate_key(&at.key(key)), format!("only for {owner}")));
        }
    }

    fn quantity<T>(
        &mut self,
        text: Option<&String>,
        key: &str,
        at: &KeyPath,
        parse: fn(&str) -> Result<T, metric::MetricError>,
    ) -> Option<T> {
        let Some(text) = text else { return self.missing(key, at) };
        let fail = |error: metric::MetricError| {
            let finding =
                Finding::new(error.to_string()).at(self.document.locate(&at.key(key)), "not measured");
            self.report.push(error.help().into_iter().fold(finding, Finding::help));
        };
        parse(text).map_err(fail).ok()
    }

    /// The axis that a key of a plot names: `Some(None)` when the key is absent, `None` when it names no axis.
    #[expect(clippy::option_option, reason = "absent and wrong are different answers")]
    fn varied(
        &mut self,
        text: Option<&String>,
        key: &str,
        axes: &[Axis],
        at: &KeyPath,
    ) -> Option<Option<usize>> {
        let Some(text) = text else { return Some(None) };
        let steps = KeyPath::split(text).ok();
        let same = |axis: &Axis| KeyPath::split(&axis.path.to_string()).ok() == steps;
        let found = axes.iter().position(same);
        if found.is_none() {
            self.not_varied(text, &at.key(key), axes);
        }
        found.map(Some)
    }

    fn not_varied(&mut self, key: &str, at: &KeyPath, axes: &[Axis]) {
        let names: Vec<_> = axes.iter().map(|axis| axis.path.to_string()).collect();
        let names = || names.iter().map(String::as_str);
        let finding = Finding::new(format!("`{key}` is not varied")).suggest(key, names());
        let place = self.document.locate(at);
        self.report.push(finding.at(place, "not a key of [vary]").help(format!("varied: {}", list(names()))));
    }

    /// A plot must tell every varied key apart, or it would draw a mixture.
    fn check_covered(&mut self, used: &[Option<usize>], axes: &[Axis], at: &KeyPath) {
        let mut left = axes
            .iter()
            .enumerate()
            .filter(|(position, axis)| axis.values.len() > 1 && !used.contains(&Some(*position)));
        if let Some((_, axis)) = left.next() {
            let finding = Finding::new(format!("`{at}` does not tell the values of `{}` apart", axis.path))
                .help("name it in `x`, `series` or `facet`");
            self.report.push(finding.at(self.document.locate(at), "would mix different combinations"));
        }
    }
}

/// A value for people: texts without quotes, lists without brackets.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
