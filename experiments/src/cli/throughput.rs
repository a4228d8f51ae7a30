//! `throughput-search`: the rates that a device bears without loss, and with little.

use std::io::Write;

use clap::Args;
use ipseclab_output::RunDirectory;
use serde::Serialize;

use super::Failure;
use super::common::{OutputArgs, OutputOptions, SettingArgs};
use crate::document::{Finding, Report};
use crate::results::ResultsError;
use crate::scenario::{Rate, TextValue as _};
use crate::throughput::{Found, Search, SearchError, Trial};

/// Find the greatest rate without loss, and with half a percent of it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ipseclab throughput-search gateway-throughput
  ipseclab throughput-search gateway-throughput --set nodes.hub.datapath.cores=4 --max 400Gbps
  ipseclab throughput-search my.toml --entry 1 --loss 0.1 --out search")]
pub struct ThroughputArgs {
    /// A shipped scenario (see `ipseclab list`), or a path to a .toml file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub settings: SettingArgs,
    /// Which element of the scenario's traffic is the load, counted from 0.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub entry: usize,
    /// The greatest rate to try, over all flows of the entry, in bits of IP packets.
    #[arg(long, value_name = "RATE", default_value = "100Gbps")]
    pub max: String,
    /// Percent of the packets that the partial-drop rate may lose.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.5)]
    pub loss: f64,
    /// Percent of the rate at which the search stops.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.1)]
    pub resolution: f64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field would end up in --help")]
    pub output: OutputArgs,
}

/// One line of `trials.csv`.
#[derive(Debug, Default, Serialize)]
struct TrialRow {
    rate_bps: u64,
    sent_packets: u64,
    received_packets: u64,
    lost_packets: u64,
    offered_mpps: String,
    layer_1_gbps: String,
    layer_2_gbps: String,
    layer_3_gbps: String,
}

impl ThroughputArgs {
    /// Looks everything up.
    ///
    /// # Errors
    /// Everything wrong with the arguments.
    pub fn resolve(&self) -> Result<(Search, OutputOptions), Report> {
        let rate_max = Rate::parse(&self.max).map_err(|mistake| {
            Report::of(Finding::new(format!("`--max {}`: {}", self.max, mistake.message)))
        })?;
        let search = Search {
            scenario: self.scenario.clone(),
            settings: self.settings.overrides()?,
            entry: self.entry,
            rate_max: rate_max.bits_per_second(),
            loss_ppm: ppm(self.loss, "--loss", 0.0)?,
            resolution_ppm: ppm(self.resolution, "--resolution", 0.000_1)?,
        };
        Ok((search, OutputOptions::from(&self.output)))
    }
}

/// Percent as parts per million.
fn ppm(percent: f64, option: &str, least: f64) -> Result<u64, Report> {
    if !(least..=100.0).contains(&percent) {
        return Err(Report::of(Finding::new(format!("`{option}` must be from {least} to 100 percent"))));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a million")]
    let ppm = (percent * 10_000.0).round() as u64;
    Ok(ppm)
}

/// Searches, shows what was found, and writes the trials where a folder is named.
pub(super) fn execute(args: &ThroughputArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (search, output) = args.resolve()?;
    let directory = match &output.folder {
        Some(folder) => Some(crate::results::prepare(folder, output.replace)?),
        None => None,
    };
    let mut problem = Ok(());
    let found = search.run(|trial| {
        if output.talkative && problem.is_ok() {
            problem = write_trial(out, trial);
        }
    });
    problem?;
    let found = found.map_err(|error| match error {
        SearchError::Input(report) => Failure::Input(report),
        SearchError::Run(error) => Failure::Run(error),
    })?;
    if let Some(directory) = directory {
        write_table(directory, &found)?;
    }
    let partial = format!("at most {} % lost", args.loss);
    write_found(out, "nothing lost", found.non_drop.as_ref())?;
    write_found(out, &partial, found.partial_drop.as_ref())?;
    write_bound(out, &found, search.rate_max)?;
    Ok(())
}

fn write_trial(out: &mut dyn Write, trial: &Trial) -> std::io::Result<()> {
    let rates = trial.rates();
    let (sent, lost) = (trial.sent, trial.lost());
    writeln!(
        out,
        "{:10.4} Mpps {:10.4} Gbit/s on layer 3: {lost} of {sent} packets lost",
        rates.mpps, rates.layer_3_gbps
    )
}

fn write_found(out: &mut dyn Write, what: &str, found: Option<&Trial>) -> std::io::Result<()> {
    let Some(trial) = found else { return writeln!(out, "{what:20}  no rate that was tried") };
    let rates = trial.rates();
    writeln!(
        out,
        "{what:20}  {:.4} Mpps; layer 3 {:.4}, layer 2 {:.4}, layer 1 {:.4} Gbit/s",
        rates.mpps, rates.layer_3_gbps, rates.layer_2_gbps, rates.layer_1_gbps
    )
}

/// Says so when the search has found its own end and not the device's.
fn write_bound(out: &mut dyn Write, found: &Found, rate_max: u64) -> std::io::Result<()> {
    let bounded = found.non_drop.iter().chain(&found.partial_drop).any(|trial| trial.rate_bps >= rate_max);
    if bounded {
        writeln!(
            out,
            "note: that is the greatest rate to try; with a greater --max the device may bear more"
        )?;
    }
    Ok(())
}

fn write_table(mut directory: RunDirectory, found: &Found) -> Result<(), Failure> {
    let row = |trial: &Trial| {
        let rates = trial.rates();
        let digits = |value: f64| format!("{value:.6}");
        TrialRow {
            rate_bps: trial.rate_bps,
            sent_packets: trial.sent,
            received_packets: trial.received,
            lost_packets: trial.lost(),
            offered_mpps: digits(rates.mpps),
            layer_1_gbps: digits(rates.layer_1_gbps),
            layer_2_gbps: digits(rates.layer_2_gbps),
            layer_3_gbps: digits(rates.layer_3_gbps),
        }
    };
    let rows: Vec<_> = found.trials.iter().map(row).collect();
    let table = ipseclab_output::write_csv(&rows).map_err(ResultsError::from)?;
    directory.write_file("trials.csv", &table).map_err(ResultsError::from)?;
    directory.commit(ipseclab_output::Manifest::new(crate::results::VERSION)).map_err(ResultsError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_ends_at_its_own_bound_says_so() {
        let trial = |rate_bps| Trial { rate_bps, sent: 1, received: 1, sent_bytes: 1, sent_frame_bytes: 1 };
        let told = |rate_bps| {
            let found = Found { non_drop: Some(trial(rate_bps)), partial_drop: None, trials: vec![] };
            let mut out = Vec::new();
            write_bound(&mut out, &found, 10).unwrap();
            !out.is_empty()
        };
        assert_eq!((told(10), told(9)), (true, false));
    }
}
