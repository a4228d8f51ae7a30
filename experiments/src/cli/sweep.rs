//! `sweep`: one scenario, many values, many times.

use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::num::NonZeroUsize;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Failure;
use super::common::{OutputArgs, OutputOptions, SettingArgs};
use crate::document::Report;
use crate::sweep::{self, Progress, SweepError, SweepPlan, SweepReport, SweepSettings};

/// Run every combination of a sweep and write tables and plots.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab sweep negotiation-latency
  ipseclab sweep my-sweep.toml --jobs 2 --out results
  ipseclab sweep negotiation-latency --set topology.link.rate=1Gbps

The folder, out/<name>-<hash> unless --out names another, holds afterwards:
  runs.csv          a row for each run: what was varied, and each metric
  aggregate.csv     a row for each combination and metric: mean, deviation, 95 % interval, quantiles
  failures.csv      the runs without a result; if there are any, the exit code is 1
  plots/            every plot as SVG and PNG
  summary.json, manifest.json
  runs/             what each run left; a sweep that was stopped goes on from there

Latency and its parts are those of tunnels that came up: a run whose negotiation failed counts as
missing there, and lowers negotiation.success instead. Times are in seconds.")]
pub struct SweepArgs {
    /// A shipped study (see `ipseclab list`), or a path to a .toml file.
    #[arg(value_name = "SWEEP")]
    pub sweep: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub settings: SettingArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub output: OutputArgs,
    /// Runs at a time; the results do not depend on it. Default: one for each processor.
    #[arg(long, short, value_name = "NUMBER")]
    pub jobs: Option<NonZeroUsize>,
}

/// A sweep, as meant.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// Every run.
    pub plan: SweepPlan,
    /// Where results go.
    pub output: OutputOptions,
    /// Runs at a time, or one for each processor.
    pub jobs: Option<NonZeroUsize>,
}

impl SweepArgs {
    /// Looks everything up.
    ///
    /// # Errors
    /// Everything wrong with settings, sweep and scenario.
    pub fn resolve(&self) -> Result<SweepOptions, Report> {
        // The seed of a sweep is its own; as a setting of the scenario it would be without effect.
        let settings = SettingArgs { seed: None, ..self.settings.clone() };
        let plan = SweepPlan::load(&self.sweep, &settings.overrides()?)?;
        let plan = match self.settings.seed {
            Some(seed) => plan.with_seed(seed),
            None => plan,
        };
        Ok(SweepOptions { plan, output: OutputOptions::from(&self.output), jobs: self.jobs })
    }
}

impl From<&SweepOptions> for SweepSettings {
    fn from(options: &SweepOptions) -> Self {
        let OutputOptions { folder, replace, .. } = options.output.clone();
        Self { folder, replace, jobs: options.jobs }
    }
}

/// Makes the sweep and says where its results are.
///
/// # Errors
/// Everything wrong with the input, a folder that cannot be used, and runs that failed, after all else is written.
pub(super) fn execute(args: &SweepArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let options = args.resolve()?;
    let bar = Bar::new(options.output.talkative);
    let ended = sweep::execute(&options.plan, &SweepSettings::from(&options), &bar);
    bar.0.finish_and_clear();
    let report = ended?;
    if options.output.talkative {
        summarise(&options.plan, &report, &bar, out)?;
    }
    if report.failed > 0 {
        let list = report.folder.join("failures.csv");
        return Err(SweepError::Runs { failed: report.failed, total: report.runs, list }.into());
    }
    Ok(())
}

fn summarise(plan: &SweepPlan, report: &SweepReport, bar: &Bar, out: &mut dyn Write) -> std::io::Result<()> {
    let kept = match report.kept {
        0 => String::new(),
        kept => format!(", {kept} of them there already"),
    };
    let combinations = plan.point_count();
    let seconds = bar.0.elapsed().as_secs_f64();
    let SweepReport { folder, runs, failed, .. } = report;
    writeln!(
        out,
        "{}: {runs} runs of {combinations} combinations{kept}, {failed} failed, in {seconds:.1} s",
        plan.name
    )?;
    let plots = report.plots.iter().map(|plot| format!("{plot}.svg"));
    for file in ["runs.csv", "aggregate.csv", "summary.json"].map(str::to_owned).into_iter().chain(plots) {
        writeln!(out, "  {}", folder.join(file).display())?;
    }
    report.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
}

/// A progress bar on standard error, if that is a terminal and somebody wants one.
struct Bar(ProgressBar);

impl Bar {
    fn new(talkative: bool) -> Self {
        let seen = talkative && std::io::stderr().is_terminal();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} runs  {rate}  {eta} left");
        let bar = ProgressBar::with_draw_target(None, target);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        // A bar that cannot be written to is no reason to stop.
        let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
            let _ = write!(text, "{:.0} runs/s", state.per_sec());
        };
        Self(bar.with_style(style.with_key("rate", rate)))
    }
}

impl Progress for Bar {
    fn begin(&self, total: u64, kept: u64, torn: u64) {
        self.0.set_length(total);
        self.0.set_position(kept);
        // Otherwise the runs of an earlier sweep would count as done in no time.
        self.0.reset_eta();
        if kept > 0 {
            self.0.println(format!("{kept} of {total} runs are there already"));
        }
        if torn > 0 {
            self.0.println(format!("{torn} runs are there, but not whole; they are made again"));
        }
    }

    fn advance(&self) {
        self.0.inc(1);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Sweep {
        #[command(flatten)]
        args: SweepArgs,
    }

    #[test]
    fn the_seed_is_that_of_the_sweep() {
        let args =
            Sweep::try_parse_from(["sweep", "negotiation-latency", "--seed", "5", "-j", "2"]).unwrap().args;
        let options = args.resolve().unwrap();
        assert_eq!(options.plan.seed, 5);
        assert_eq!(options.jobs.map(NonZeroUsize::get), Some(2));
    }

    #[test]
    fn no_jobs_at_all_is_wrong_usage() {
        assert!(Sweep::try_parse_from(["sweep", "x", "--jobs", "0"]).is_err());
    }
}
