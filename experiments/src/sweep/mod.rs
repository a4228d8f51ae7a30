//! Sweeps: one scenario, many values of some of its keys, many replications of each.
//!
//! A sweep file becomes a [`SweepPlan`], the complete and ordered list of runs. Running them, statistics and plots
//! read the plan and are elsewhere.

mod build;
mod file;
mod metric;
mod plan;

pub use file::{LabelFile, PlotFile, PlotKind, Scale, SweepFile};
pub use metric::{Metric, MetricError, PlotMetric, Statistic};
pub use plan::{Axis, AxisValue, MAX_RUNS, PlannedRun, Plot, RunId, SweepPlan, replication_seed};
