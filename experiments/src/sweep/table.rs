//! The tables of a sweep: a row for each run, and a row for each combination and metric.
//!
//! Everything is computed from the kept records in the order of the plan, and sums run in that order, so that neither
//! the number of threads nor a resumption can show. Times are decimal seconds throughout.

use std::collections::BTreeMap;

use ipseclab_output::{TableError, write_records};

use super::estimate::Estimate;
use super::metric::Metric;
use super::plan::{PlannedRun, Plot, SweepPlan};
use super::record::{FinishedRun, RunOutcome, RunRecord};
use super::series::{Buckets, Curve};

/// The values of all runs, in the order of the plan.
pub(super) struct Observations<'a> {
    plan: &'a SweepPlan,
    rows: Vec<Row>,
}

/// One run.
struct Row {
    run: PlannedRun,
    negotiations: usize,
    /// One for each metric of the plan.
    values: Vec<Option<f64>>,
    /// One for each timeline of the plan, by the number of the plot.
    curves: BTreeMap<usize, Curve>,
    /// The fingerprint, or why there is none.
    ended: Result<String, String>,
}

impl<'a> Observations<'a> {
    pub(super) fn new(plan: &'a SweepPlan) -> Self {
        Self { plan, rows: Vec::new() }
    }

    /// Adds the next run of the plan.
    pub(super) fn add(&mut self, run: PlannedRun, record: RunRecord) {
        let point = run.point;
        self.rows.push(match record.outcome {
            RunOutcome::Finished(finished) => Row {
                run,
                negotiations: finished.negotiations.len(),
                values: self.plan.metrics.iter().map(|metric| metric.value(&finished)).collect(),
                curves: self.curves(point, &finished),
                ended: Ok(finished.fingerprint),
            },
            RunOutcome::Failed(reason) => {
                let values = vec![None; self.plan.metrics.len()];
                Row { run, negotiations: 0, values, curves: BTreeMap::new(), ended: Err(reason) }
            }
        });
    }

    /// The values of a metric in a combination, by replication; runs without one are left out.
    pub(super) fn values(&self, point: usize, metric: Metric) -> Vec<f64> {
        let Some(column) = self.plan.metrics.iter().position(|other| *other == metric) else {
            return Vec::new();
        };
        self.at(point).iter().filter_map(|row| row.values[column]).collect()
    }

    /// The curves of a timeline in a combination, by replication; runs that failed have none.
    pub(super) fn curves_at(&self, point: usize, plot: usize) -> Vec<&Curve> {
        self.at(point).iter().filter_map(|row| row.curves.get(&plot)).collect()
    }

    /// The curves that plots draw of a run; the others are not worth their memory.
    fn curves(&self, point: usize, finished: &FinishedRun) -> BTreeMap<usize, Curve> {
        let choice = self.plan.choice(point);
        let plots = self.plan.plots.iter().enumerate();
        let curves = plots.filter_map(|(number, plot)| {
            let Plot::Timeline { file, y, shown, .. } = plot else { return None };
            let is_shown = shown.iter().zip(&choice).all(|(values, value)| values.contains(value));
            is_shown.then(|| (number, y.curve(finished, Buckets::of(file))))
        });
        curves.collect()
    }

    fn at(&self, point: usize) -> &[Row] {
        let replications = self.plan.replications as usize;
        &self.rows[point * replications..(point + 1) * replications]
    }

    /// How many runs failed.
    pub(super) fn failed(&self) -> u64 {
        self.rows.iter().filter(|row| row.ended.is_err()).count() as u64
    }

    /// The fingerprints of all runs, or why they have none, in order.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| match &row.ended {
            Ok(text) | Err(text) => text.as_str(),
        })
    }

    /// `runs.csv`: what was varied and what came out; an empty cell is a value that the run does not have.
    pub(super) fn runs_csv(&self) -> Result<Vec<u8>, TableError> {
        let metrics = self.plan.metrics.iter().map(|metric| metric.column());
        let columns = texts(["run", "point", "replication", "seed"])
            .chain(self.paths())
            .chain(texts(["result", "negotiations"]))
            .chain(metrics)
            .chain(texts(["fingerprint"]));
        let records = self.rows.iter().map(|row| {
            let result = if row.ended.is_ok() { "finished" } else { "failed" };
            let values = self.plan.metrics.iter().zip(&row.values);
            let values = values
                .map(|(metric, value)| value.map(|value| metric.unit().text(value)).unwrap_or_default());
            self.start(row)
                .chain([result.to_owned(), row.negotiations.to_string()])
                .chain(values)
                .chain([row.ended.clone().unwrap_or_default()])
                .collect()
        });
        write_records(&columns.collect::<Vec<_>>(), &records.collect::<Vec<_>>())
    }

    /// `failures.csv`: the runs without a result.
    pub(super) fn failures_csv(&self) -> Result<Vec<u8>, TableError> {
        let columns = texts(["run", "point", "replication", "seed"]).chain(self.paths());
        let columns: Vec<_> = columns.chain(texts(["reason"])).collect();
        let failures = self.rows.iter().filter_map(|row| {
            let reason = row.ended.as_ref().err()?;
            Some(self.start(row).chain([reason.clone()]).collect())
        });
        write_records(&columns, &failures.collect::<Vec<_>>())
    }

    /// `aggregate.csv`: figures for each combination and metric.
    pub(super) fn aggregate_csv(&self) -> Result<Vec<u8>, TableError> {
        let figures = [
            "metric",
            "unit",
            "runs",
            "n",
            "missing",
            "mean",
            "standard_deviation",
            "ci95_half_width",
            "ci95_low",
            "ci95_high",
            "min",
            "p50",
            "p90",
            "p99",
            "max",
        ];
        let columns: Vec<_> = texts(["point"]).chain(self.paths()).chain(texts(figures)).collect();
        let points = 0..self.plan.point_count();
        let rows = points.flat_map(|point| self.plan.metrics.iter().map(move |&metric| (point, metric)));
        let records: Vec<_> = rows.map(|(point, metric)| self.figures(point, metric)).collect();
        write_records(&columns, &records)
    }

    fn figures(&self, point: usize, metric: Metric) -> Vec<String> {
        let values = self.values(point, metric);
        let (runs, count) = (self.at(point).len(), values.len());
        let estimate = Estimate::of(&values);
        let text = |figure: fn(&Estimate) -> Option<f64>| {
            estimate.as_ref().and_then(figure).map(|value| metric.unit().text(value)).unwrap_or_default()
        };
        let figures = [
            text(|estimate| Some(estimate.mean)),
            text(|estimate| estimate.standard_deviation),
            text(|estimate| estimate.half_width),
            text(|estimate| estimate.interval().map(|(low, _)| low)),
            text(|estimate| estimate.interval().map(|(_, high)| high)),
            text(|estimate| Some(estimate.min)),
            text(|estimate| Some(estimate.p50)),
            text(|estimate| Some(estimate.p90)),
            text(|estimate| Some(estimate.p99)),
            text(|estimate| Some(estimate.max)),
        ];
        [point.to_string()]
            .into_iter()
            .chain(self.parameters(point))
            .chain(texts([metric.name(), metric.unit().symbol()]))
            .chain([runs, count, runs - count].map(|number| number.to_string()))
            .chain(figures)
            .collect()
    }

    fn paths(&self) -> impl Iterator<Item = String> {
        self.plan.axes.iter().map(|axis| axis.path.to_string())
    }

    fn parameters(&self, point: usize) -> impl Iterator<Item = String> {
        self.plan.parameters(point).into_iter().map(|(_, value)| value.plain())
    }

    fn start(&self, row: &Row) -> impl Iterator<Item = String> {
        let PlannedRun { index, point, replication, seed, .. } = row.run;
        let numbers = [index.to_string(), point.to_string(), replication.to_string(), seed.to_string()];
        numbers.into_iter().chain(self.parameters(point))
    }
}

fn texts<const N: usize>(texts: [&'static str; N]) -> impl Iterator<Item = String> {
    texts.into_iter().map(str::to_owned)
}
