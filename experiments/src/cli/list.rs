//! `list`: what comes with the program.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::scenario::library::{self, Shipped};
use crate::{cost_profiles, profiles};

/// List the scenarios, studies, topologies and profiles that come with the program.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab list
  ipseclab list scenarios

`ipseclab show` prints one of them.")]
pub struct ListArgs {
    /// Only this kind.
    #[arg(value_enum)]
    pub kind: Option<ListKind>,
}

/// A kind of shipped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListKind {
    /// For `run`, `explain` and `check`.
    Scenarios,
    /// For `sweep` and `check`.
    Studies,
    /// For `file` in a scenario's `[topology]`.
    Topologies,
    /// For `profile` of a scenario's nodes: how an implementation behaves.
    Profiles,
    /// For `cost_profile` of a scenario's nodes: what things cost in processor time.
    CostProfiles,
}

/// All kinds, in the order of the list.
const KINDS: [ListKind; 5] = [
    ListKind::Scenarios,
    ListKind::Studies,
    ListKind::Topologies,
    ListKind::Profiles,
    ListKind::CostProfiles,
];

pub(super) fn execute(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let kinds = args.kind.map_or(KINDS.to_vec(), |kind| vec![kind]);
    for (position, kind) in kinds.into_iter().enumerate() {
        if position > 0 {
            writeln!(out)?;
        }
        let (heading, entries) = section(kind);
        writeln!(out, "{heading}")?;
        let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, description) in entries {
            writeln!(out, "  {name:width$}  {description}")?;
        }
    }
    Ok(())
}

fn section(kind: ListKind) -> (&'static str, Vec<(&'static str, String)>) {
    match kind {
        ListKind::Scenarios => ("Scenarios", described(library::SCENARIOS)),
        ListKind::Studies => ("Studies", described(library::STUDIES)),
        ListKind::Topologies => ("Topologies", topologies()),
        ListKind::Profiles => ("Vendor profiles", described(profiles::SHIPPED)),
        ListKind::CostProfiles => ("Cost profiles", described(cost_profiles::SHIPPED)),
    }
}

fn described(shipped: &'static [Shipped]) -> Vec<(&'static str, String)> {
    shipped.iter().map(|entry| (entry.name, entry.description())).collect()
}

fn topologies() -> Vec<(&'static str, String)> {
    let size = |text: &str| {
        let read = ipseclab_topologies::from_toml(text);
        read.map_or_else(
            |error| error.to_string(),
            |topology| format!("{} nodes, {} links", topology.node_count(), topology.link_count()),
        )
    };
    ipseclab_topologies::shipped().iter().map(|(name, text)| (*name, size(text))).collect()
}
