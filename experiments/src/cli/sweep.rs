//! `sweep`: one scenario, many values, many times.

use std::num::NonZeroUsize;

use clap::Args;

use super::common::{OutputArgs, OutputOptions, SettingArgs};
use crate::document::Report;
use crate::sweep::SweepPlan;

/// Run every combination of a sweep and write tables and plots.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab sweep negotiation-latency
  ipseclab sweep my-sweep.toml --jobs 2 --out results
  ipseclab sweep negotiation-latency --set topology.link.rate=1Gbps")]
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
