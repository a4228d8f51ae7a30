//! `topology show`: what surrounds runs.

use std::io::Write;

use clap::{Args, Subcommand};
use ipseclab_topologies::{Topology, check, describe};

use super::Failure;
use crate::document::{Finding, Location, Report, SourceText};
use crate::scenario::{Duration, TextValue as _, read_topology};

/// Look at topologies.
#[derive(Clone, Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  ipseclab topology show abilene
  ipseclab topology show Cogentco.graphml --default-delay 1ms"
)]
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

/// Prints a topology.
pub(super) fn topology(args: &TopologyArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let TopologyCommand::Show(args) = &args.command;
    let topology = args.resolve()?.topology;
    out.write_all(describe(&topology).as_bytes())?;
    for finding in check(&topology) {
        writeln!(out, "{finding}")?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn show(topology: &str, default_delay: Option<&str>) -> Result<TopologyShowOptions, Report> {
        let default_delay = default_delay.map(str::to_owned);
        TopologyShowArgs { topology: topology.to_owned(), default_delay }.resolve()
    }

    #[test]
    fn shipped_topologies_are_found_by_name() {
        assert_eq!(show("abilene", None).unwrap().topology.node_count(), 11);
    }

    #[test]
    fn typos_in_names_and_delays_are_answered() {
        let report = show("abilen", None).unwrap_err();
        assert_eq!(report.findings()[0].help[0], "did you mean `abilene`?");
        let report = show("abilene", Some("1 minute")).unwrap_err();
        assert_eq!(report.findings()[0].label, "`minute` is no such unit");
    }

    #[test]
    fn a_file_that_cannot_be_read_has_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latin1.graphml");
        std::fs::write(&path, b"<graphml>\xe9</graphml>").unwrap();
        let message = |path: &std::path::Path| {
            let report = show(path.to_str().unwrap(), None).unwrap_err();
            report.findings()[0].message.clone()
        };
        assert!(message(&path).ends_with("latin1.graphml`: not UTF-8 text at octet 9"), "{}", message(&path));
        let nowhere = folder.path().join("nowhere.graphml");
        assert!(message(&nowhere).ends_with("nowhere.graphml`: there is no such file"));
    }

    #[test]
    fn a_graphml_file_without_coordinates_needs_the_default_delay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.graphml");
        let graph = "<graph edgedefault=\"undirected\"><node id=\"a\"/><node id=\"b\"/>\
                     <edge source=\"a\" target=\"b\"/></graph>";
        std::fs::write(&path, format!("<graphml>{graph}</graphml>")).unwrap();
        let name = path.to_str().unwrap();
        let report = show(name, None).unwrap_err();
        let finding = &report.findings()[0];
        assert_eq!(finding.location.as_ref().unwrap().text(), "<node id=\"a\"/>");
        assert_eq!(finding.help, ["give the links of these nodes a delay: --default-delay 1ms"]);
        let topology = show(name, Some("7ms")).unwrap().topology;
        assert_eq!(topology.links().next().unwrap().3.delay_ns, 7_000_000);
    }
}
