//! Sweeps: one scenario, many values of some of its keys, many replications of each.
//!
//! A sweep file becomes a [`SweepPlan`], the complete and ordered list of runs. [`execute`] makes those that are not
//! there yet, each kept in the sweep's folder as soon as it ends, and then computes tables and plots from what the
//! folder holds, in the order of the plan. A sweep that is killed loses the runs in flight and nothing else.

mod build;
mod error;
mod estimate;
mod execute;
mod figure;
mod file;
mod label;
mod measure;
mod metric;
mod plan;
mod record;
mod report;
mod results;
mod series;
mod store;
mod table;

pub use error::SweepError;
pub use estimate::{Estimate, student_t_975};
pub use execute::Progress;
pub use file::{LabelFile, PlotFile, PlotKind, Scale, SweepFile, XScale};
pub use metric::{Metric, MetricError, PlotMetric, Statistic, Unit};
pub use plan::{Axis, AxisValue, MAX_RUNS, PlannedRun, Plot, RunId, Shown, SweepPlan, replication_seed};
pub use record::{FinishedRun, Negotiation, Renewal, RenewalEnd, RunOutcome, RunRecord, Stretch, Timeline};
pub use results::{SweepReport, SweepSettings, default_folder, execute, sweep_hash};
pub use series::TimeSeries;
pub(crate) use store::IDENTITY_FILE;
pub use store::StoreError;
