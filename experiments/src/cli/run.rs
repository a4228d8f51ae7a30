//! `run` and `explain`: one scenario, once.

use clap::Args;

use super::common::{OutputArgs, OutputOptions, SettingArgs};
use crate::document::Report;
use crate::scenario::{CheckedScenario, load};

/// Run a scenario and write its results.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab run site-to-site
  ipseclab run my.toml --capture --secrets --out results
  ipseclab run site-to-site --set topology.link.loss=0.05 --seed 7")]
pub struct RunArgs {
    /// A shipped scenario (see `ipseclab list`), or a path to a .toml file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub settings: SettingArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub output: OutputArgs,
    /// Write what every node sends and receives as pcapng, with key tables for Wireshark.
    #[arg(long)]
    pub capture: bool,
    /// Write key material to the ladder as well.
    #[arg(long)]
    pub secrets: bool,
}

/// A run, as meant.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The scenario with all settings.
    pub scenario: CheckedScenario,
    /// Where results go.
    pub output: OutputOptions,
    /// Whether packets are captured.
    pub capture: bool,
    /// Whether key material is shown.
    pub secrets: bool,
}

/// Run a scenario and show its messages: who sends what, when, and what was agreed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab explain site-to-site
  ipseclab explain site-to-site --set connections.office.proposals='[\"aes128-sha256-modp2048\"]'")]
pub struct ExplainArgs {
    /// A shipped scenario (see `ipseclab list`), or a path to a .toml file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub settings: SettingArgs,
    /// Show the values of keys, not only their names.
    #[arg(long)]
    pub secrets: bool,
}

/// An explanation, as meant.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// The scenario with all settings.
    pub scenario: CheckedScenario,
    /// Whether key material is shown.
    pub secrets: bool,
}

impl RunArgs {
    /// Looks everything up.
    ///
    /// # Errors
    /// Everything wrong with settings and scenario.
    pub fn resolve(&self) -> Result<RunOptions, Report> {
        let scenario = load(&self.scenario, &self.settings.overrides()?)?;
        let output = OutputOptions::from(&self.output);
        Ok(RunOptions { scenario, output, capture: self.capture, secrets: self.secrets })
    }
}

impl ExplainArgs {
    /// Looks everything up.
    ///
    /// # Errors
    /// Everything wrong with settings and scenario.
    pub fn resolve(&self) -> Result<ExplainOptions, Report> {
        let scenario = load(&self.scenario, &self.settings.overrides()?)?;
        Ok(ExplainOptions { scenario, secrets: self.secrets })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Run {
        #[command(flatten)]
        args: RunArgs,
    }

    fn resolve(line: &[&str]) -> Result<RunOptions, Report> {
        Run::try_parse_from([&["run"], line].concat()).unwrap().args.resolve()
    }

    #[test]
    fn settings_and_seed_reach_the_scenario() {
        let options =
            resolve(&["site-to-site", "--set", "duration=40s", "--seed", "9", "--capture"]).unwrap();
        assert_eq!(options.scenario.duration.as_nanos(), 40_000_000_000);
        assert_eq!(options.scenario.seed, 9);
        assert!(options.capture && !options.secrets && options.output.talkative);
    }

    #[test]
    fn all_bad_settings_are_reported_together() {
        let report = resolve(&["site-to-site", "--set", "duration", "--set", "=1"]).unwrap_err();
        assert_eq!(report.findings().len(), 2);
    }

    #[test]
    fn seeds_beyond_a_toml_integer_are_wrong_usage() {
        assert!(Run::try_parse_from(["run", "x", "--seed", "9223372036854775808"]).is_err());
        assert!(Run::try_parse_from(["run", "x", "--seed", "-1"]).is_err());
    }
}
