//! From the plots of a plan to figures: which numbers go where, in which unit, under which words.
//!
//! Axes take their numbers and units from the names of values (`5 %`), so that a plot shows what its author wrote.
//! Seconds become milliseconds or microseconds where that gives readable numbers, or where the label says so. What has
//! no place on a logarithmic axis is left out, and a note says so.

mod time;

use ipseclab_output::{Axis as PlotAxis, Figure, Kind, Panel, Point, Series};

use super::estimate::{Estimate, wilson_interval};
use super::file::{PlotFile, PlotKind, Scale, XScale};
use super::label::{heading, positions, slug, split_unit, with_unit};
use super::metric::{Metric, PlotMetric, Statistic, Unit};
use super::plan::{Axis, Plot, Shown, SweepPlan};
use super::table::Observations;

/// A figure and where it goes.
pub(super) struct Drawing {
    /// The name of its files, without folder and ending.
    pub(super) name: String,
    pub(super) figure: Figure,
    /// What cannot be seen in it.
    pub(super) note: Option<String>,
}

/// The plots of a plan, in order.
pub(super) fn drawings(plan: &SweepPlan, observations: &Observations<'_>) -> Vec<Drawing> {
    let draw = |(index, plot): (usize, &Plot)| {
        let mut artist = Artist { plan, observations, outside: 0, missing: 0 };
        let figure = artist.figure(index, plot);
        // What stands behind a comma explains, and would make long names.
        let name = format!("{:02}-{}", index + 1, slug(figure.title.split(',').next().unwrap_or_default()));
        Drawing { name: name.trim_end_matches('-').to_owned(), figure, note: artist.note() }
    };
    plan.plots.iter().enumerate().map(draw).collect()
}

/// How values of a metric are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Display {
    factor: f64,
    unit: &'static str,
}

impl Display {
    /// For values up to `greatest`; a unit at the end of `label` decides.
    fn new(unit: Unit, label: Option<&str>, greatest: f64) -> Self {
        let shown = |unit, factor| Self { factor, unit };
        match (unit, label.and_then(|label| split_unit(label).1)) {
            (Unit::Count, _) => shown("", 1.0),
            (Unit::PerSecond, _) => shown("1/s", 1.0),
            (Unit::Share, _) => shown("%", 100.0),
            (Unit::Seconds, Some("s")) => shown("s", 1.0),
            (Unit::Seconds, Some("ms")) => shown("ms", 1e3),
            (Unit::Seconds, Some("µs")) => shown("µs", 1e6),
            (Unit::Seconds, _) if greatest >= 1.0 => shown("s", 1.0),
            (Unit::Seconds, _) if greatest >= 1e-3 => shown("ms", 1e3),
            (Unit::Seconds, _) => shown("µs", 1e6),
        }
    }
}

/// Draws one plot and counts what it leaves out.
struct Artist<'a> {
    plan: &'a SweepPlan,
    observations: &'a Observations<'a>,
    /// Values that a logarithmic axis cannot show.
    outside: usize,
    /// Runs that have no value.
    missing: usize,
}

/// The axes that tell series and panels apart.
#[derive(Clone, Copy)]
struct Groups<'a> {
    series: Option<usize>,
    facet: Option<usize>,
    shown: &'a Shown,
}

impl Groups<'_> {
    /// The combination without series, facet and x: the first shown value of each axis.
    fn base(&self) -> Vec<usize> {
        self.shown.iter().map(|values| values.first().copied().unwrap_or_default()).collect()
    }

    /// The values of an axis that are drawn, or a single step without one.
    fn steps(&self, axis: Option<usize>) -> Vec<Option<usize>> {
        axis.map_or_else(|| vec![None], |axis| self.shown[axis].iter().copied().map(Some).collect())
    }
}

impl Artist<'_> {
    fn figure(&mut self, number: usize, plot: &Plot) -> Figure {
        match plot {
            Plot::Curve { file, x, y, series, facet, shown } => {
                let groups = Groups { series: *series, facet: *facet, shown };
                match file.kind {
                    PlotKind::Box => self.boxes(file, *x, y.metric, groups),
                    _ => self.lines(file, *x, *y, groups),
                }
            }
            Plot::Cdf { file, x, series, facet, shown } => {
                self.cdf(file, *x, Groups { series: *series, facet: *facet, shown })
            }
            Plot::Heatmap { file, x, y, value, facet, shown } => {
                self.heatmap(file, *x, *y, *value, Groups { series: None, facet: *facet, shown })
            }
            Plot::Timeline { file, y, series, facet, shown } => {
                self.timeline((number, file), *y, Groups { series: *series, facet: *facet, shown })
            }
            Plot::Stack { file, x, facet, shown } => {
                self.stack(file, *x, Groups { series: None, facet: *facet, shown })
            }
        }
    }

    fn note(&self) -> Option<String> {
        let outside = format!("{} values of zero have no place on its logarithmic axis", self.outside);
        let missing = format!("{} runs without a value are left out", self.missing);
        let notes = [(self.outside, outside), (self.missing, missing)];
        let notes: Vec<_> = notes.into_iter().filter(|(count, _)| *count > 0).map(|(_, note)| note).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    fn lines(&mut self, file: &PlotFile, x: usize, y: PlotMetric, groups: Groups<'_>) -> Figure {
        let axis = &self.plan.axes[x];
        let by_name = file.x_scale == Some(XScale::Names);
        let numbers = positions(axis, &groups.shown[x]).filter(|_| !by_name);
        let log = file.y_scale == Some(Scale::Log);
        let panels = self.panels(groups, |artist, choice| {
            let mut points = Vec::new();
            for (place, &value) in groups.shown[x].iter().enumerate() {
                let at = numbers.as_ref().map_or(index(place), |(numbers, _)| numbers[place]);
                let values = artist.values(&with(choice, x, value), y.metric);
                points.extend(Estimate::of(&values).map(|estimate| point(at, &estimate, &values, y)));
            }
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            artist.retain(&mut points, log, |point| point.y);
            points
        });
        let display =
            Display::new(y.metric.unit(), file.y_label.as_deref(), greatest(&panels, |point| point.high));
        let y_axis = quantity_axis(file.y_label.as_deref(), &words(y), display, log);
        let label = file.x_label.as_ref().unwrap_or(&axis.label);
        let x_axis = match &numbers {
            Some((_, unit)) => numeric(&with_unit(label, unit), file.x_scale == Some(XScale::Log)),
            None => categories(axis, label, &groups.shown[x]),
        };
        let title = title(file, || format!("{} by {}", words(y), split_unit(&axis.label).0));
        self.assemble((&title, Kind::Line), (x_axis, y_axis), scaled(panels, display, scale_height), groups)
    }

    fn boxes(&mut self, file: &PlotFile, x: usize, metric: Metric, groups: Groups<'_>) -> Figure {
        let axis = &self.plan.axes[x];
        let log = file.y_scale == Some(Scale::Log);
        let panels = self.panels(groups, |artist, choice| {
            let mut points = Vec::new();
            for (place, &value) in groups.shown[x].iter().enumerate() {
                let values = artist.values(&with(choice, x, value), metric);
                points.extend(values.into_iter().map(|value| Point::grouped_sample(place, value)));
            }
            artist.retain(&mut points, log, |point| point.y);
            points
        });
        let display =
            Display::new(metric.unit(), file.y_label.as_deref(), greatest(&panels, |point| point.y));
        let y_axis = quantity_axis(file.y_label.as_deref(), metric.words(), display, log);
        let label = file.x_label.as_ref().unwrap_or(&axis.label);
        let x_axis = categories(axis, label, &groups.shown[x]);
        let title = title(file, || format!("{} by {}", metric.words(), split_unit(&axis.label).0));
        self.assemble((&title, Kind::Box), (x_axis, y_axis), scaled(panels, display, scale_height), groups)
    }

    fn cdf(&mut self, file: &PlotFile, metric: Metric, groups: Groups<'_>) -> Figure {
        let log = file.x_scale == Some(XScale::Log);
        let panels = self.panels(groups, |artist, choice| {
            let values = artist.values(choice, metric);
            let mut points: Vec<_> = values.into_iter().map(Point::sample).collect();
            artist.retain(&mut points, log, |point| point.x);
            points
        });
        let display =
            Display::new(metric.unit(), file.x_label.as_deref(), greatest(&panels, |point| point.x));
        let x_axis = quantity_axis(file.x_label.as_deref(), metric.words(), display, log);
        let y_axis = PlotAxis::linear(file.y_label.as_deref().unwrap_or("share of runs"));
        let title = title(file, || format!("distribution of {}", metric.words()));
        let panels = scaled(panels, display, |point, factor| Point::sample(point.x * factor));
        self.assemble((&title, Kind::Cdf), (x_axis, y_axis), panels, groups)
    }

    fn heatmap(
        &mut self,
        file: &PlotFile,
        x: usize,
        y: usize,
        value: PlotMetric,
        groups: Groups<'_>,
    ) -> Figure {
        let (across, up) = (&self.plan.axes[x], &self.plan.axes[y]);
        let log = file.y_scale == Some(Scale::Log);
        let panels = self.panels(groups, |artist, choice| {
            let mut points = Vec::new();
            for (column, &at_x) in groups.shown[x].iter().enumerate() {
                for (row, &at_y) in groups.shown[y].iter().enumerate() {
                    let values = artist.values(&with(&with(choice, x, at_x), y, at_y), value.metric);
                    let estimate = Estimate::of(&values);
                    points.extend(
                        estimate
                            .map(|estimate| Point::cell(column, row, estimate.statistic(value.statistic))),
                    );
                }
            }
            artist.retain(&mut points, log, |point| point.low);
            points
        });
        let display = Display::new(value.metric.unit(), None, greatest(&panels, |point| point.low));
        let label = |own: &Option<String>, axis: &Axis| own.as_ref().unwrap_or(&axis.label).clone();
        let x_axis = categories(across, &label(&file.x_label, across), &groups.shown[x]);
        let y_axis = categories(up, &label(&file.y_label, up), &groups.shown[y]);
        let title = title(file, || words(value));
        let panels = scaled(panels, display, |point, factor| Point {
            low: point.low * factor,
            high: point.low * factor,
            ..point
        });
        let color = quantity_axis(None, &words(value), display, log);
        Figure { color, ..self.assemble((&title, Kind::Heatmap), (x_axis, y_axis), panels, groups) }
    }

    fn stack(&mut self, file: &PlotFile, x: usize, groups: Groups<'_>) -> Figure {
        let axis = &self.plan.axes[x];
        let mut panels = Vec::new();
        for facet in groups.steps(groups.facet) {
            let choice = choose(&groups.base(), groups.facet, facet);
            let mut series: Vec<_> =
                file.parts.iter().map(|part| Series::new(part.words(), Vec::new())).collect();
            for (place, &value) in groups.shown[x].iter().enumerate() {
                let heights = self.means(&with(&choice, x, value), &file.parts);
                for (series, (bottom, top)) in series.iter_mut().zip(shares(&heights)) {
                    series.points.push(Point::part(place, bottom * 100.0, top * 100.0));
                }
            }
            panels.push(Panel { title: self.name(groups.facet, facet, heading), series });
        }
        let x_axis = categories(axis, file.x_label.as_ref().unwrap_or(&axis.label), &groups.shown[x]);
        let y_axis = numeric(&with_unit(file.y_label.as_deref().unwrap_or("share of their sum"), "%"), false);
        let title = title(file, || format!("parts by {}", split_unit(&axis.label).0));
        self.assemble((&title, Kind::Stack), (x_axis, y_axis), panels, groups)
    }

    /// The mean of each metric; nothing where one has no value.
    fn means(&mut self, choice: &[usize], metrics: &[Metric]) -> Vec<f64> {
        let before = self.missing;
        let means = metrics.iter().map(|metric| Some(Estimate::of(&self.values(choice, *metric))?.mean));
        let means = means.collect::<Option<_>>().unwrap_or_default();
        // A run that lacks one part usually lacks them all, and is one run.
        self.missing = before + (self.missing - before) / metrics.len().max(1);
        means
    }

    /// A panel for each facet, a series for each value in it; `points` gets the combination without its x.
    fn panels(
        &mut self,
        groups: Groups<'_>,
        points: impl Fn(&mut Self, &[usize]) -> Vec<Point>,
    ) -> Vec<Panel> {
        let mut panels = Vec::new();
        for facet in groups.steps(groups.facet) {
            let choice = choose(&groups.base(), groups.facet, facet);
            let title = self.name(groups.facet, facet, heading);
            let mut series = Vec::new();
            for step in groups.steps(groups.series) {
                let label = self.name(groups.series, step, |axis, value| axis.values[value].label.clone());
                series.push(Series::new(&label, points(self, &choose(&choice, groups.series, step))));
            }
            panels.push(Panel { title, series });
        }
        panels
    }

    fn name(&self, axis: Option<usize>, value: Option<usize>, word: fn(&Axis, usize) -> String) -> String {
        axis.zip(value).map(|(axis, value)| word(&self.plan.axes[axis], value)).unwrap_or_default()
    }

    fn values(&mut self, choice: &[usize], metric: Metric) -> Vec<f64> {
        let values = self.observations.values(self.plan.point(choice), metric);
        self.missing += self.plan.replications as usize - values.len();
        values
    }

    /// Leaves out what a logarithmic axis cannot show.
    fn retain(&mut self, points: &mut Vec<Point>, log: bool, value: fn(&Point) -> f64) {
        let before = points.len();
        points.retain(|point| !log || value(point) > 0.0);
        self.outside += before - points.len();
    }

    fn assemble(
        &self,
        (title, kind): (&str, Kind),
        (x, y): (PlotAxis, PlotAxis),
        panels: Vec<Panel>,
        groups: Groups<'_>,
    ) -> Figure {
        let legend = groups.series.map(|series| split_unit(&self.plan.axes[series].label).0.to_owned());
        Figure { panels, legend: legend.unwrap_or_default(), ..Figure::new(title, kind, x, y) }
    }
}

fn with(choice: &[usize], axis: usize, value: usize) -> Vec<usize> {
    choose(choice, Some(axis), Some(value))
}

fn choose(choice: &[usize], axis: Option<usize>, value: Option<usize>) -> Vec<usize> {
    let mut choice = choice.to_vec();
    if let Some((axis, value)) = axis.zip(value) {
        choice[axis] = value;
    }
    choice
}

/// A point of a line; means have their confidence interval, as far as the metric can reach.
fn point(x: f64, estimate: &Estimate, values: &[f64], y: PlotMetric) -> Point {
    let value = estimate.statistic(y.statistic);
    let share = wilson_interval(values).filter(|_| y.metric.is_share_of_successes());
    let interval = share.or(estimate.interval()).filter(|_| y.statistic == Statistic::Mean);
    let greatest = if y.metric.unit() == Unit::Share { 1.0 } else { f64::INFINITY };
    let (low, high) = interval.unwrap_or((value, value));
    Point::with_interval(x, value, low.max(0.0).min(value), high.min(greatest).max(value))
}

fn scale_height(point: Point, factor: f64) -> Point {
    Point { y: point.y * factor, low: point.low * factor, high: point.high * factor, ..point }
}

fn scaled(mut panels: Vec<Panel>, display: Display, scale: fn(Point, f64) -> Point) -> Vec<Panel> {
    let points = panels.iter_mut().flat_map(|panel| &mut panel.series).flat_map(|series| &mut series.points);
    points.for_each(|point| *point = scale(*point, display.factor));
    panels
}

fn greatest(panels: &[Panel], value: fn(&Point) -> f64) -> f64 {
    let points = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    points.map(value).fold(0.0, f64::max)
}

/// Where each part of a whole begins and ends, from 0 to 1; nothing when the whole is zero.
fn shares(parts: &[f64]) -> Vec<(f64, f64)> {
    let whole: f64 = parts.iter().sum();
    if whole <= 0.0 {
        return Vec::new();
    }
    let mut below = 0.0;
    let share = |part: &f64| {
        let bottom = below;
        below += part;
        (bottom / whole, below / whole)
    };
    parts.iter().map(share).collect()
}

/// What a metric and a statistic are together, such as `median set-up latency`.
fn words(metric: PlotMetric) -> String {
    let words = metric.metric.words();
    match (metric.statistic, metric.metric.unit()) {
        // The mean of successes is their share, which the unit says.
        (Statistic::Mean, Unit::Share) => words.to_owned(),
        (Statistic::Mean, Unit::Seconds | Unit::Count | Unit::PerSecond) => format!("mean {words}"),
        (Statistic::P50, _) => format!("median {words}"),
        (Statistic::P90, _) => format!("90th percentile of {words}"),
        (Statistic::P99, _) => format!("99th percentile of {words}"),
        (Statistic::Min, _) => format!("least {words}"),
        (Statistic::Max, _) => format!("greatest {words}"),
    }
}

fn title(file: &PlotFile, default: impl FnOnce() -> String) -> String {
    file.title.clone().unwrap_or_else(|| capitalised(&default()))
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn quantity_axis(label: Option<&str>, words: &str, display: Display, log: bool) -> PlotAxis {
    numeric(&with_unit(label.unwrap_or(words), display.unit), log)
}

fn numeric(label: &str, log: bool) -> PlotAxis {
    if log { PlotAxis::log(label) } else { PlotAxis::linear(label) }
}

/// The names of values; a unit that all of them share moves to the axis.
fn categories(axis: &Axis, label: &str, shown: &[usize]) -> PlotAxis {
    let unit = positions(axis, shown).map_or("", |(_, unit)| unit);
    let name = |&value: &usize| axis.values[value].label.trim_end_matches(unit).trim_end().to_owned();
    PlotAxis::categories(&with_unit(label, unit), shown.iter().map(name))
}

#[expect(clippy::cast_precision_loss, reason = "values of an axis are few")]
fn index(place: usize) -> f64 {
    place as f64
}

#[cfg(test)]
mod tests;
