//! `show`: a shipped file as it is, to read or to begin one's own with.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::document::{Finding, Report};
use crate::scenario::library::{SCENARIOS, STUDIES, Shipped};
use crate::{cost_profiles, profiles};

/// Print a file that comes with the program, to read it or to begin one's own with.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab show scenario site-to-site > mine.toml
  ipseclab show profile strongswan > my-gateway.toml")]
pub struct ShowArgs {
    /// The kind of file.
    #[arg(value_enum)]
    pub kind: ShowKind,
    /// Its name, as `ipseclab list` has it.
    pub name: String,
}

/// A kind of shipped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowKind {
    /// For `run`, `explain` and `check`.
    Scenario,
    /// For `sweep` and `check`.
    Study,
    /// For `file` in a scenario's `[topology]`.
    Topology,
    /// For `profile` of a scenario's nodes.
    Profile,
    /// For `cost_profile` of a scenario's nodes.
    CostProfile,
}

pub(super) fn execute(args: &ShowArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let files = files(args.kind);
    match files.iter().find(|(name, _)| *name == args.name) {
        Some((_, text)) => Ok(out.write_all(text.as_bytes())?),
        None => Err(Report::of(unknown(&args.name, &files)).into()),
    }
}

fn files(kind: ShowKind) -> Vec<(&'static str, &'static str)> {
    let named = |shipped: &'static [Shipped]| shipped.iter().map(|file| (file.name, file.text)).collect();
    match kind {
        ShowKind::Scenario => named(SCENARIOS),
        ShowKind::Study => named(STUDIES),
        ShowKind::Topology => ipseclab_topologies::shipped().to_vec(),
        ShowKind::Profile => named(profiles::SHIPPED),
        ShowKind::CostProfile => named(cost_profiles::SHIPPED),
    }
}

fn unknown(name: &str, files: &[(&'static str, &'static str)]) -> Finding {
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    let finding = Finding::new(format!("no shipped file of this kind is called `{name}`"));
    finding.suggest(name, names.iter().copied()).help(format!("shipped: {}", names.join(", ")))
}
