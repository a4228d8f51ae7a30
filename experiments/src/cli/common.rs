//! Arguments that several commands share: settings of the scenario, and where results go.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use ipseclab_output::wrap_columns;

use crate::document::Report;
use crate::scenario::Override;
use crate::scenario::defaults::MAX_SEED;

/// Changes to a scenario.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingArgs {
    /// Set a value of the scenario by its dotted path, such as topology.link.delay=5ms; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub settings: Vec<String>,
    /// Use this seed, from 0 to 9223372036854775807, instead of the scenario's.
    #[arg(long, value_name = "NUMBER", value_parser = seed, allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

/// Where results go and what is in them.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Write results to this folder instead of out/NAME-HASH.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Replace the results of another run in the same folder.
    #[arg(long)]
    pub force: bool,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Where results go, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputOptions {
    /// The folder, or the default for what is run.
    pub folder: Option<PathBuf>,
    /// Whether results of another run may be replaced.
    pub replace: bool,
    /// Whether progress and summaries are shown.
    pub talkative: bool,
}

impl SettingArgs {
    /// The settings, the seed last.
    ///
    /// # Errors
    /// Every setting that is none.
    pub fn overrides(&self) -> Result<Vec<Override>, Report> {
        let mut report = Report::default();
        let mut overrides = Vec::new();
        let seed = self.seed.map(|seed| format!("seed={seed}"));
        for text in self.settings.iter().chain(&seed) {
            match Override::parse(text) {
                Ok(change) => overrides.push(change),
                Err(error) => report.push(error.finding()),
            }
        }
        report.into_result(overrides)
    }
}

/// Reads a seed.
fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse().ok().filter(|seed| *seed <= MAX_SEED.unsigned_abs());
    seed.ok_or_else(|| format!("a seed is an integer between 0 and {MAX_SEED}"))
}

/// "1 link", "2 links".
pub(crate) fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Below this many columns text is cut by the terminal and not by us.
const COLUMNS_MIN: usize = 40;
/// Columns that labels of summary lines take.
pub(crate) const LABEL_COLUMNS: usize = 14;

/// Writes `text` behind `label`, wrapped to the terminal and indented below the label.
pub(crate) fn write_labelled(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    let room = terminal_width() - LABEL_COLUMNS;
    for (number, line) in wrap_columns(text, room).into_iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        writeln!(out, "{label:LABEL_COLUMNS$}{line}")?;
    }
    Ok(())
}

/// Nanoseconds as people read them: "80.136 ms", "4.08 s".
pub(crate) fn seconds(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{}.{:03} µs", nanos / 1_000, nanos % 1_000),
        1_000_000..1_000_000_000 => format!("{}.{:03} ms", nanos / 1_000_000, nanos / 1_000 % 1_000),
        _ => format!("{}.{:03} s", nanos / 1_000_000_000, nanos / 1_000_000 % 1_000),
    }
}

/// Columns to use: the terminal's, or what `COLUMNS` says, or 80 where there is neither.
pub(crate) fn terminal_width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let real = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    real.or(asked).unwrap_or(80).max(COLUMNS_MIN)
}

impl From<&OutputArgs> for OutputOptions {
    fn from(args: &OutputArgs) -> Self {
        Self { folder: args.out.clone(), replace: args.force, talkative: !args.quiet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_what_a_file_could_hold() {
        assert_eq!((seed("0"), seed("9223372036854775807")), (Ok(0), Ok(MAX_SEED.unsigned_abs())));
        for text in ["-1", "9223372036854775808", "18446744073709551615", "99999999999999999999", "one", ""] {
            assert_eq!(seed(text).unwrap_err(), "a seed is an integer between 0 and 9223372036854775807");
        }
    }
}
