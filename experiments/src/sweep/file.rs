//! A sweep file as written: what serde fills and the JSON Schema describes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::metric::{Metric, PlotMetric};
use crate::scenario::Duration;
use crate::scenario::defaults::MAX_SEED;

/// A sweep: which keys of a scenario take which values, how often each combination is run, and what is drawn.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ipseclab sweep")]
#[schemars(extend("x-not-built-yet" = ["zip", "list", "shards"]))]
pub struct SweepFile {
    /// A short name of letters, digits, `-` and `_`; the output folder is called after it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the sweep is to find out, in a sentence or two.
    pub description: Option<String>,
    /// A shipped scenario, or a path to a .toml file beside this one.
    #[schemars(length(min = 1))]
    pub scenario: String,
    /// How often each combination is run, with another seed each time. Default: 1.
    #[schemars(range(min = 1, max = 100_000))]
    pub replications: Option<u32>,
    /// The number from which the seeds derive; replication r has the same seed in every combination. Default: the
    /// scenario's seed.
    #[schemars(range(min = 0, max = MAX_SEED))]
    pub seed: Option<i64>,
    /// Keys of the scenario that have another value in the whole sweep, by dotted path.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub set: BTreeMap<String, toml::Value>,
    /// Keys of the scenario and the values that each takes; every combination is run, the last key varying fastest.
    #[schemars(with = "BTreeMap<String, Values>")]
    pub vary: BTreeMap<String, Vec<toml::Value>>,
    /// What is computed for each run. Default: the latency and success of negotiations, and what plots draw.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Words for plots, by the path of a varied key.
    #[serde(default)]
    pub labels: BTreeMap<String, LabelFile>,
    /// A varied key, for each value of which `report.md` lists the messages of one set-up. Default: no report.
    pub message_table: Option<String>,
    /// Plots to draw.
    #[serde(default)]
    pub plots: Vec<PlotFile>,
}

/// The values of one key; at least one.
#[derive(JsonSchema)]
#[schemars(inline, extend("minItems" = 1))]
#[expect(dead_code, reason = "describes the schema of a list of any values, and is never made")]
struct Values(Vec<serde_json::Value>);

/// The names of values; at least one.
#[derive(JsonSchema)]
#[schemars(inline, extend("minItems" = 1))]
#[expect(dead_code, reason = "describes the schema of a list of names, and is never made")]
struct Names(Vec<String>);

/// Words for a varied key in plots.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelFile {
    /// Name of the key, with its unit. Default: its path.
    pub name: Option<String>,
    /// Names of its values, one each and in their order. Default: the values.
    pub values: Option<Vec<String>>,
}

/// A plot over the combinations of a sweep.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-not-built-yet" = ["z", "colour", "size"]))]
pub struct PlotFile {
    /// How it is drawn.
    pub kind: PlotKind,
    /// Heading. Default: the quantity and the key.
    pub title: Option<String>,
    /// The varied key along the horizontal axis; for a cdf, the metric whose distribution over the runs is drawn; for a
    /// timeline, "time".
    pub x: String,
    /// The quantity along the vertical axis: a metric and a statistic, "negotiation.latency.p50". Not for a cdf or a
    /// stack; for a heatmap, the varied key along the vertical axis; for a timeline, a curve over time such as
    /// "renewal.rate".
    pub y: Option<String>,
    /// For a heatmap: the quantity that the colour shows.
    pub value: Option<PlotMetric>,
    /// For a stack: the metrics that are parts of a whole, the lowest first.
    #[serde(default)]
    pub parts: Vec<Metric>,
    /// For a timeline: the time that each of its points stands for, in whole seconds; for queues and drops at least that
    /// of the rows of timeline.csv. Default: 1s.
    pub bucket: Option<Duration>,
    /// For a timeline: what happened earlier is not drawn. Default: the end of the warm-up.
    pub from: Option<Duration>,
    /// For a timeline: what happened later is not drawn. Default: the end of the run.
    pub until: Option<Duration>,
    /// The varied key that has a line, or a box, for each of its values.
    pub series: Option<String>,
    /// The varied key that has a panel for each of its values.
    pub facet: Option<String>,
    /// The values that are drawn, by the path of a varied key and by their names in `labels`. Default: all.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Names>")]
    pub only: BTreeMap<String, Vec<String>>,
    /// Scale of the horizontal axis of a line or cdf. Default: linear, or names where values are no numbers.
    pub x_scale: Option<XScale>,
    /// Scale of the vertical axis of a line or box; for a heatmap, of its colours. Default: linear.
    pub y_scale: Option<Scale>,
    /// Words along the horizontal axis. Default: the label of the key; for a cdf, the name of the metric. Where
    /// seconds are drawn, a unit at the end chooses what they are shown in: (s), (ms) or (µs).
    pub x_label: Option<String>,
    /// Words along the vertical axis; for a heatmap that is a key. Default: the name of the quantity, or the label of
    /// the key. Where seconds are drawn, a unit at the end chooses what they are shown in: (s), (ms) or (µs).
    pub y_label: Option<String>,
}

/// How a plot is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("x-not-built-yet" = ["scatter", "violin", "histogram"]))]
pub enum PlotKind {
    /// Lines; those of means with 95 % confidence intervals: Student's, as in the table, and Wilson's for the share of
    /// runs that are a success or not, since Student's vanishes where all are.
    Line,
    /// Share of the runs up to each value.
    Cdf,
    /// Median, quartiles and what lies outside.
    Box,
    /// A coloured field for each combination of two keys.
    Heatmap,
    /// Bars of the means of some metrics, as shares of their sum.
    Stack,
    /// Means over the runs in each bucket of simulated time, with Student's 95 % confidence interval as a band.
    Timeline,
}

/// How the values of a horizontal axis become positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum XScale {
    /// Equal steps.
    Linear,
    /// Equal factors; values must be above zero.
    Log,
    /// A place for each value, whatever its size; lines stand a little beside each other, so that their intervals can
    /// be told apart. Not for a cdf.
    Names,
}

/// How values become positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Equal steps.
    Linear,
    /// Equal factors; values must be above zero.
    Log,
}
