//! The checks of a sweep file: every finding about its keys, values, words and plots.
//!
//! Apart from the plan that comes out of them, since the two change for different reasons: the plan when runs are
//! ordered or identified otherwise, the checks when files may say more.

use std::path::{Path, PathBuf};

use ipseclab_sim::SimDuration;
use serde::Deserialize;

use super::file::{PlotFile, PlotKind, SweepFile, XScale};
use super::label::positions;
use super::metric::{self, Metric, PlotMetric, Unit};
use super::plan::{Axis, AxisValue, MAX_RUNS, Plot, Shown, plain};
use super::series::TimeSeries;
use crate::document::{Document, Finding, KeyPath, Report, list};
use crate::scenario::{self, Override, ScenarioSource, library};

/// The sweep as written.
pub(super) fn read(document: &Document) -> Result<SweepFile, Report> {
    let table = toml::Value::Table(document.root().clone());
    SweepFile::deserialize(table).map_err(|error| {
        let place = document.locate(&KeyPath::root());
        Report::of(Finding::new("this is no sweep").at(place, error.message()))
    })
}

/// What is asked for and what plots draw, each once.
pub(super) fn metrics(file: &SweepFile, plots: &[Plot]) -> Vec<Metric> {
    let drawn = plots.iter().flat_map(|plot| match plot {
        Plot::Curve { y, .. } => vec![y.metric],
        Plot::Cdf { x, .. } => vec![*x],
        Plot::Heatmap { value, .. } => vec![value.metric],
        Plot::Stack { file, .. } => file.parts.clone(),
        Plot::Timeline { .. } => vec![],
    });
    let asked =
        if file.metrics.is_empty() { vec![Metric::Latency, Metric::Success] } else { file.metrics.clone() };
    let mut metrics: Vec<_> = asked.into_iter().chain(drawn).collect();
    metrics.sort_unstable();
    metrics.dedup();
    metrics
}

/// The checks of one sweep file.
pub(super) struct Builder<'a> {
    document: &'a Document,
    file: &'a SweepFile,
    report: Report,
}

impl<'a> Builder<'a> {
    /// No check made yet.
    pub(super) fn new(document: &'a Document, file: &'a SweepFile) -> Self {
        Self { document, file, report: Report::default() }
    }

    /// Everything found wrong, if anything was.
    pub(super) fn finish(self) -> Result<(), Report> {
        self.report.into_result(())
    }

    /// The scenario with the command line's and the sweep's own settings.
    pub(super) fn base(
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

    /// The varied keys, in written order.
    pub(super) fn axes(&mut self, base: &Document) -> Vec<Axis> {
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

    /// Whether the number of runs is bearable.
    pub(super) fn check_size(&mut self, axes: &[Axis]) {
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

    /// The plots, with axes by number.
    pub(super) fn plots(&mut self, axes: &[Axis]) -> Vec<Plot> {
        let file = self.file;
        let plots = file.plots.iter().enumerate().filter_map(|(index, plot)| {
            let at = KeyPath::root().key("plots").index(index);
            if plot.kind != PlotKind::Timeline {
                for (key, given) in [("bucket", plot.bucket), ("from", plot.from), ("until", plot.until)] {
                    self.refuse(given.is_some(), key, "a timeline", &at);
                }
            }
            self.refuse(plot.kind != PlotKind::Stack && !plot.parts.is_empty(), "parts", "a stack", &at);
            match plot.kind {
                PlotKind::Line | PlotKind::Box => self.curve(plot, axes, &at),
                PlotKind::Cdf => self.cdf(plot, axes, &at),
                PlotKind::Heatmap => self.heatmap(plot, axes, &at),
                PlotKind::Stack => self.stack(plot, axes, &at),
                PlotKind::Timeline => self.timeline(plot, axes, &at),
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
        let shown = self.shown(file, axes, at);
        match file.kind {
            PlotKind::Line => self.check_log(file, &axes[x??], &shown[x??], at),
            _ => self.refuse(file.x_scale.is_some(), "x_scale", "line and cdf", at),
        }
        self.check_covered(&[x?, series?, facet?], axes, &shown, at);
        Some(Plot::Curve { file: file.clone(), x: x??, y: y?, series: series?, facet: facet?, shown })
    }

    fn cdf(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Option<Plot> {
        self.refuse(file.y.is_some(), "y", "line, box and heatmap", at);
        self.refuse(file.value.is_some(), "value", "a heatmap", at);
        let series = self.varied(file.series.as_ref(), "series", axes, at);
        let facet = self.varied(file.facet.as_ref(), "facet", axes, at);
        let x = self.quantity(Some(&file.x), "x", at, Metric::parse);
        self.refuse(file.y_scale.is_some(), "y_scale", "line, box and heatmap", at);
        self.refuse(file.x_scale == Some(XScale::Names), "x_scale", "line, with names", at);
        let shown = self.shown(file, axes, at);
        self.check_covered(&[series?, facet?], axes, &shown, at);
        Some(Plot::Cdf { file: file.clone(), x: x?, series: series?, facet: facet?, shown })
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
        self.refuse(file.x_scale.is_some(), "x_scale", "line and cdf", at);
        let shown = self.shown(file, axes, at);
        self.check_covered(&[x?, y?, facet?], axes, &shown, at);
        Some(Plot::Heatmap { file: file.clone(), x: x??, y: y??, value: value?, facet: facet?, shown })
    }

    fn stack(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Option<Plot> {
        self.refuse(file.y.is_some(), "y", "line, box and heatmap", at);
        self.refuse(file.value.is_some(), "value", "a heatmap", at);
        self.refuse(file.series.is_some(), "series", "line, box and cdf", at);
        self.refuse(file.x_scale.is_some(), "x_scale", "line and cdf", at);
        self.refuse(file.y_scale.is_some(), "y_scale", "line, box and heatmap", at);
        let x = self.varied(Some(&file.x), "x", axes, at);
        let facet = self.varied(file.facet.as_ref(), "facet", axes, at);
        let shown = self.shown(file, axes, at);
        match file.parts.first() {
            None => self.missing("parts", at)?,
            Some(first) => self.check_units(first.unit(), &file.parts, &at.key("parts")),
        }
        self.check_covered(&[x?, facet?], axes, &shown, at);
        Some(Plot::Stack { file: file.clone(), x: x??, facet: facet?, shown })
    }

    fn timeline(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Option<Plot> {
        self.refuse(file.value.is_some(), "value", "a heatmap", at);
        self.refuse(file.x_scale.is_some(), "x_scale", "line and cdf", at);
        if file.x != "time" {
            let finding = Finding::new(format!("`{at}.x` of a timeline must be \"time\""));
            self.report.push(finding.at(self.document.locate(&at.key("x")), "every curve is one over time"));
        }
        let series = self.varied(file.series.as_ref(), "series", axes, at);
        let facet = self.varied(file.facet.as_ref(), "facet", axes, at);
        let y = self.quantity(file.y.as_ref(), "y", at, TimeSeries::parse);
        self.check_buckets(file, at);
        let shown = self.shown(file, axes, at);
        self.check_covered(&[series?, facet?], axes, &shown, at);
        Some(Plot::Timeline { file: file.clone(), y: y?, series: series?, facet: facet?, shown })
    }

    /// Runs count by the second, so that a bucket of a second and a half would hold one or two of them.
    fn check_buckets(&mut self, file: &PlotFile, at: &KeyPath) {
        let second = SimDuration::from_secs(1).as_nanos();
        let nanos = file.bucket.map(|bucket| bucket.span().as_nanos());
        if nanos.is_some_and(|nanos| nanos == 0 || !nanos.is_multiple_of(second)) {
            let finding = Finding::new(format!("`{at}.bucket` must be whole seconds, at least one"));
            self.report.push(finding.at(self.document.locate(&at.key("bucket")), "runs count by the second"));
        }
        if file.from.zip(file.until).is_some_and(|(from, until)| from.span() >= until.span()) {
            let finding = Finding::new(format!("`{at}.until` must be later than `from`"));
            self.report.push(finding.at(self.document.locate(&at.key("until")), "leaves nothing to draw"));
        }
    }

    /// Parts of a whole have one unit, and each is there once.
    fn check_units(&mut self, unit: Unit, parts: &[Metric], at: &KeyPath) {
        for (index, part) in parts.iter().enumerate() {
            let name = part.name();
            let (message, label) = if part.unit() != unit {
                (format!("`{name}` and `{}` have different units", parts[0].name()), "cannot be added")
            } else if parts[..index].contains(part) {
                (format!("`{at}` has `{name}` twice"), "the same again")
            } else {
                continue;
            };
            self.report.push(Finding::new(message).at(self.document.locate(&at.index(index)), label));
        }
    }

    /// The values that a plot draws: all of an axis, or those that `only` names.
    fn shown(&mut self, file: &PlotFile, axes: &[Axis], at: &KeyPath) -> Shown {
        let mut shown: Shown = axes.iter().map(|axis| (0..axis.values.len()).collect()).collect();
        let only = at.key("only");
        for (key, names) in &file.only {
            let Some(Some(position)) = self.varied(Some(key), "only", axes, at) else { continue };
            let Axis { path, values, .. } = &axes[position];
            for (index, name) in names.iter().enumerate() {
                if values.iter().all(|value| value.label != *name) {
                    let labels = || values.iter().map(|value| value.label.as_str());
                    let finding = Finding::new(format!("`{path}` has no value named `{name}`"));
                    let place = self.document.locate(&only.key(key).index(index));
                    let finding = finding.at(place, "not one of its names").suggest(name, labels());
                    self.report.push(finding.help(format!("its values: {}", list(labels()))));
                }
            }
            shown[position].retain(|&value| names.contains(&values[value].label));
        }
        shown
    }

    fn check_log(&mut self, file: &PlotFile, axis: &Axis, shown: &[usize], at: &KeyPath) {
        let above_zero = |(numbers, _): (Vec<f64>, _)| numbers.iter().all(|number| *number > 0.0);
        if file.x_scale == Some(XScale::Log) && !positions(axis, shown).is_some_and(above_zero) {
            let finding = Finding::new(format!("`{at}.x_scale` does not fit `{}`", axis.path));
            let place = self.document.locate(&at.key("x_scale"));
            let finding = finding.at(place, "needs numbers above zero, all with one unit");
            self.report.push(finding.help("leave values out with `only`, or use a linear scale"));
        }
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
        // An axis that is wrong itself has its own finding.
        if found.is_none() && !self.file.vary.contains_key(text) {
            self.not_varied(text, &at.key(key), axes);
        }
        found.map(Some)
    }

    /// The axis that `message_table` names.
    pub(super) fn message_table(&mut self, axes: &[Axis]) -> Option<usize> {
        let key = self.file.message_table.as_deref()?;
        let found = axes.iter().position(|axis| axis.path.to_string() == key);
        if found.is_none() {
            self.not_varied(key, &KeyPath::root().key("message_table"), axes);
        }
        found
    }

    fn not_varied(&mut self, key: &str, at: &KeyPath, axes: &[Axis]) {
        let names: Vec<_> = axes.iter().map(|axis| axis.path.to_string()).collect();
        let names = || names.iter().map(String::as_str);
        let finding = Finding::new(format!("`{key}` is not varied")).suggest(key, names());
        let place = self.document.locate(at);
        self.report.push(finding.at(place, "not a key of [vary]").help(format!("varied: {}", list(names()))));
    }

    /// A plot must tell every varied key apart, or it would draw a mixture.
    fn check_covered(&mut self, used: &[Option<usize>], axes: &[Axis], shown: &Shown, at: &KeyPath) {
        let mut left = axes
            .iter()
            .enumerate()
            .filter(|(position, _)| shown[*position].len() > 1 && !used.contains(&Some(*position)));
        if let Some((_, axis)) = left.next() {
            let finding = Finding::new(format!("`{at}` does not tell the values of `{}` apart", axis.path))
                .help("name it in `x`, `series` or `facet`, or draw one value with `only`");
            self.report.push(finding.at(self.document.locate(at), "would mix different combinations"));
        }
    }
}
