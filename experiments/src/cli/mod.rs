//! The command line: arguments as typed in, what they mean, and the commands that need no simulation.
//!
//! Two types for each command: `…Args` is what clap fills, `…Options` what it means once names are looked up and
//! settings parsed. Commands write results to the writer that they are given and return a [`Failure`]; only `main`
//! knows terminals and exit codes: 0 for success, 1 for an error in the input or a run, 2 for wrong usage.

mod calibrate;
mod check;
mod common;
mod list;
mod run;
mod schema;
mod show;
mod sweep;
mod throughput;
mod tools;

use std::io::Write;

use clap::{Parser, Subcommand};

pub use calibrate::{CalibrateArgs, CalibrateOptions};
pub use check::CheckArgs;
pub use common::{OutputArgs, OutputOptions, SettingArgs};
pub use list::{ListArgs, ListKind};
pub use run::{ExplainArgs, ExplainOptions, RunArgs, RunOptions};
pub use schema::{SchemaArgs, SchemaKind};
pub use show::{ShowArgs, ShowKind};
pub use sweep::{SweepArgs, SweepOptions};
pub use throughput::ThroughputArgs;
pub use tools::{TopologyArgs, TopologyCommand, TopologyShowArgs, TopologyShowOptions};

use crate::document::Report;
use crate::results::ResultsError;
use crate::run::RunError;
use crate::sweep::SweepError;

/// A deterministic simulator of networks whose nodes speak real IKEv2 and ESP.
#[derive(Debug, Parser)]
#[command(name = "ipseclab", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario and write its results.
    Run(RunArgs),
    /// Run every combination of a sweep and write tables and plots.
    Sweep(SweepArgs),
    /// Find the greatest rate that a device bears without loss, and with little.
    ThroughputSearch(ThroughputArgs),
    /// Run a scenario and show its messages: who sends what, when, and what was agreed.
    Explain(ExplainArgs),
    /// Look at topologies.
    Topology(TopologyArgs),
    /// Check scenario and sweep files without running them.
    Check(CheckArgs),
    /// List the scenarios, studies, topologies and profiles that come with the program.
    List(ListArgs),
    /// Print a file that comes with the program, to read it or to begin one's own with.
    Show(ShowArgs),
    /// Print the JSON Schema of a kind of file, for completion and checks in editors.
    Schema(SchemaArgs),
    /// Measure what cryptography and packets cost on this machine and print a cost profile.
    Calibrate(CalibrateArgs),
}

const EXAMPLES: &str = "\
Examples:
  ipseclab list                       what there is to try
  ipseclab explain site-to-site       IKE, message by message
  ipseclab run site-to-site           tables, ladder and summary in out/
  ipseclab sweep negotiation-latency  thousands of runs, tables and plots in out/
  ipseclab show scenario site-to-site to begin a scenario of one's own with
  ipseclab check my-scenario.toml     is the file right?
  ipseclab schema scenario            for the editor

Exit codes: 0 success, 1 error in a file or a run, 2 wrong usage.
NO_COLOR=1 turns colours off; output that is no terminal has none.";

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something is wrong with the input.
    #[error(transparent)]
    Input(#[from] Report),
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
    /// A sweep has no complete results.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// The run has no result.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The results cannot be kept.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl Failure {
    /// Whether the reader of the result went away, which is no mistake (`ipseclab list | head`).
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The text for standard error, complete with line ends.
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Input(report) | Self::Sweep(SweepError::Scenario(report)) => report.render(colour),
            Self::Output(_) | Self::Run(_) | Self::Results(_) | Self::Sweep(_) => format!("error: {self}\n"),
        }
    }
}

/// Does what the command line asks for; results go to `out`.
///
/// # Errors
/// Everything wrong with the input, or a result that cannot be written.
pub fn execute(cli: &Cli, out: &mut dyn Write) -> Result<(), Failure> {
    match &cli.command {
        Command::Run(args) => run::execute(args, out),
        Command::ThroughputSearch(args) => throughput::execute(args, out),
        Command::Explain(args) => run::explain(args, out),
        Command::Topology(args) => tools::topology(args, out),
        Command::Check(args) => check::execute(args, out),
        Command::List(args) => list::execute(args, out),
        Command::Show(args) => show::execute(args, out),
        Command::Schema(args) => schema::execute(args, out),
        Command::Sweep(args) => sweep::execute(args, out),
        Command::Calibrate(args) => calibrate::execute(args, out),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}: {help}", command.get_name());
        }
    }
}
