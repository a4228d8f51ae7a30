//! `topology show`: what surrounds runs.

use clap::{Args, Subcommand};
use ipseclab_topologies::Topology;

use crate::document::{Finding, Location, Report, SourceText};
use crate::scenario::{Duration, TextValue as _, read_topology};

/// Look at topologies.
#[derive(Clone, Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct TopologyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TopologyCommand,
}

/// What to do with topologies.
#[derive(Clone, Debug, Subcommand)]
pub enum TopologyCommand {
    /// Print nodes, links and what is doubtful about a topology.
    Show(TopologyShowArgs),
}

/// Print nodes, links and what is doubtful about a topology.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab topology show abilene
  ipseclab topology show Cogentco.graphml --default-delay 1ms")]
pub struct TopologyShowArgs {
    /// A shipped topology (see `ipseclab list`), or a path to a .toml or .graphml file.
    #[arg(value_name = "TOPOLOGY")]
    pub topology: String,
    /// Delay of links whose ends have no coordinates, such as 1ms.
    #[arg(long, value_name = "DURATION")]
    pub default_delay: Option<String>,
}

/// A topology to show, as meant.
#[derive(Clone, Debug)]
pub struct TopologyShowOptions {
    /// The topology.
    pub topology: Topology,
}

impl TopologyShowArgs {
    /// Reads the topology.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn resolve(&self) -> Result<TopologyShowOptions, Report> {
        let delay = self.default_delay.as_deref().map(parse_delay).transpose()?;
        Ok(TopologyShowOptions { topology: read_topology(&self.topology, delay)? })
    }
}

fn parse_delay(text: &str) -> Result<Duration, Report> {
    Duration::parse(text).map_err(|mistake| {
        let source = SourceText::new("--default-delay", text);
        let finding = Finding::new(format!("the delay must be {}", Duration::EXPECTED));
        let finding = finding.at(Location::new(&source, 0..text.len()), mistake.message);
        Report::of(mistake.help.into_iter().fold(finding, Finding::help))
    })
}
