//! `check`: is a file right?

use std::io::Write;

use clap::Args;

use super::Failure;
use super::common::{SettingArgs, counted};
use crate::document::{Document, Report};
use crate::scenario::{self, CheckedScenario, Override, ScenarioSource, library};
use crate::sweep::SweepPlan;

/// Check scenario and sweep files without running them.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab check my-scenario.toml my-sweep.toml
  ipseclab check site-to-site --set topology.link.delay=5ms")]
pub struct CheckArgs {
    /// Shipped names, or paths to .toml files.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub settings: SettingArgs,
}

pub(super) fn execute(args: &CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let overrides = args.settings.overrides()?;
    let mut report = Report::default();
    for file in &args.files {
        match check(file, &overrides) {
            Ok(summary) => writeln!(out, "{file}: {summary}")?,
            Err(findings) => report.append(findings),
        }
    }
    Ok(report.into_result(())?)
}

fn check(name: &str, overrides: &[Override]) -> Result<String, Report> {
    let is_study = library::STUDIES.iter().any(|study| study.name == name);
    let shipped = if is_study { library::STUDIES } else { library::SCENARIOS };
    let source = ScenarioSource::parse(name, shipped, "scenario or study")?;
    let mut document = Document::parse(&source.read()?)?;
    // A sweep names a scenario; a scenario has no such key, and a topology instead.
    if document.root().contains_key("scenario") && !document.root().contains_key("topology") {
        let plan = SweepPlan::build(&document, source.folder(), overrides)?;
        return Ok(sweep_summary(&plan));
    }
    let mut report = Report::default();
    for change in overrides {
        if let Err(error) = change.apply(&mut document) {
            report.push(error.finding());
        }
    }
    report.into_result(())?;
    scenario::check(&document, source.folder()).map(|scenario| scenario_summary(&scenario))
}

fn scenario_summary(scenario: &CheckedScenario) -> String {
    let parts = [
        counted(scenario.topology.node_count(), "node"),
        counted(scenario.topology.link_count(), "link"),
        counted(scenario.pairs().len(), "connection"),
        counted(scenario.traffic.len(), "flow"),
    ];
    format!("scenario with {}", parts.join(", "))
}

fn sweep_summary(plan: &SweepPlan) -> String {
    let combinations = counted(plan.point_count(), "combination");
    format!("sweep with {combinations} and {} runs", plan.run_count())
}
