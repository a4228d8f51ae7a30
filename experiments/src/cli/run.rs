//! `run` and `explain`: one scenario, once.

use std::io::{self, Write};

use clap::Args;
use ipseclab_node::Observe;
use ipseclab_output::table::ratio;
use ipseclab_output::{NegotiationRow, wrap_columns};

use super::Failure;
use super::common::{
    LABEL_COLUMNS, OutputArgs, OutputOptions, SettingArgs, counted, seconds, terminal_width, write_labelled,
};
use crate::document::Report;
use crate::results::{self, Negotiations, Summary, Wanted};
use crate::run::{RunResult, run};
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

/// What a ladder of two lifelines needs to be readable.
const LADDER_COLUMNS_MIN: usize = 60;

/// Runs a scenario and writes its results.
pub(super) fn execute(args: &RunArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let options = args.resolve()?;
    let scenario = &options.scenario;
    let wanted = Wanted { capture: options.capture, secrets: options.secrets };
    let folder = options.output.folder.clone().unwrap_or_else(|| results::default_folder(scenario));
    let directory = results::prepare(&folder, options.output.replace)?;
    let result = run(scenario, wanted.observe())?;
    let written = results::write(directory, scenario, &result, wanted)?;
    if options.output.talkative {
        print_summary(&results::summarise(scenario, &result), &result, out)?;
        print_packet_sizes(&result, out)?;
        writeln!(out, "\nresults in {}", written.display())?;
    }
    Ok(())
}

/// The run on one screen of a narrow terminal.
fn print_summary(summary: &Summary, result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let run = format!(
        "{} simulated, {}, {}, {} events, fingerprint {}",
        seconds(summary.duration_ns),
        counted(summary.nodes, "node"),
        counted(summary.links, "link"),
        summary.events,
        summary.fingerprint
    );
    write_labelled(out, "run", &format!("{}: {run}", summary.scenario))?;
    print_negotiations(&summary.negotiations, out)?;
    print_split(result, out)?;
    let traffic = summary.traffic;
    let [sent, received, lost] = [traffic.sent_packets, traffic.received_packets, traffic.lost_packets];
    write_labelled(out, "traffic", &format!("{sent} packets sent, {received} received, {lost} lost"))?;
    for (reason, packets) in &summary.drops {
        write_labelled(out, "drops", &format!("{packets} {reason}"))?;
    }
    for warning in &summary.warnings {
        write_labelled(out, "warning", warning)?;
    }
    Ok(())
}

/// What protection has added to packets, where the scenario wants that shown. A table is not wrapped.
fn print_packet_sizes(result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let lines = results::sizes::table(&result.packet_sizes);
    if !lines.is_empty() {
        writeln!(out, "\noctets of IP packets inside tunnels, and of those that carried them:")?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn print_negotiations(negotiations: &Negotiations, out: &mut dyn Write) -> io::Result<()> {
    let Negotiations { established, counted, retransmissions, .. } = negotiations;
    let text = format!("{established} of {counted} established, {retransmissions} retransmissions");
    write_labelled(out, "negotiations", &text)?;
    for (reason, count) in &negotiations.failed {
        write_labelled(out, "", &format!("{count} failed: {reason}"))?;
    }
    for (reason, count) in &negotiations.refused {
        write_labelled(out, "", &format!("{count} refused by a responder: {reason}"))?;
    }
    if negotiations.unfinished > 0 {
        write_labelled(out, "", &format!("{} unfinished when the run ended", negotiations.unfinished))?;
    }
    if let Some(latency) = negotiations.latency {
        let [p50, p90, p99] = [latency.p50_ns, latency.p90_ns, latency.p99_ns].map(seconds);
        write_labelled(out, "latency", &format!("p50 {p50}, p90 {p90}, p99 {p99}"))?;
    }
    Ok(())
}

/// Where the time of all negotiations went.
fn print_split(result: &RunResult, out: &mut dyn Write) -> io::Result<()> {
    let rows = &result.negotiations;
    let total: u64 = rows.iter().map(|row| row.latency_ns).sum();
    if total == 0 {
        return Ok(());
    }
    let share = |of: fn(&NegotiationRow) -> u64| {
        let part: u64 = rows.iter().map(of).sum();
        ratio(part, total) * 100.0
    };
    let text = format!(
        "propagation {:.1} %, serialisation and queues {:.1} %, CPU {:.1} %, waits for retransmission {:.1} %",
        share(|row| row.propagation_ns),
        share(|row| row.serialisation_queueing_ns),
        share(|row| row.cpu_ns),
        share(|row| row.retransmission_wait_ns)
    );
    write_labelled(out, "time went to", &text)
}

/// Runs a scenario and prints its ladders.
pub(super) fn explain(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let options = args.resolve()?;
    let scenario = &options.scenario;
    let result = run(scenario, Observe { packets: false, steps: true })?;
    if let Some(description) = &scenario.description {
        for line in wrap_columns(description, terminal_width()) {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
    }
    let ladders =
        results::ladder_text(scenario, &result, options.secrets, terminal_width().max(LADDER_COLUMNS_MIN));
    if ladders.is_empty() {
        writeln!(out, "no IKE message was sent: no packet and no command asked for a tunnel")?;
    }
    writeln!(out, "{ladders}")?;
    for (name, meaning) in results::glossary(&result) {
        let label = name.strip_prefix("N(").map_or(name, |inner| inner.trim_end_matches(')'));
        if label.len() < LABEL_COLUMNS {
            write_labelled(out, label, meaning)?;
        } else {
            writeln!(out, "{label}")?;
            write_labelled(out, "", meaning)?;
        }
    }
    writeln!(out)?;
    print_summary(&results::summarise(scenario, &result), &result, out)?;
    Ok(())
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
