//! `calibrate`: a cost profile of this machine.
//!
//! The one command that looks at a clock, since it measures a machine; no simulation reads what it sees but through the
//! file that it writes.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::calibrate::{Date, Effort, Origin, calibrate, render};
use crate::document::{Finding, Report};

/// Measure what cryptography and packets cost on this machine and print a cost profile.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Takes about a quarter of a minute. Build with --release and leave the machine alone meanwhile.

Examples:
  ipseclab calibrate --out my-machine.toml
  ipseclab calibrate --name gateway --machine \"the gateway in the cellar\" --out gateway.toml
  ipseclab check my-scenario.toml --set 'nodes.*.cost_profile=my-machine.toml'")]
pub struct CalibrateArgs {
    /// Write the profile to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file if there is one.
    #[arg(long)]
    pub force: bool,
    /// The profile's name.
    #[arg(long, value_name = "NAME", default_value = "calibrated")]
    pub name: String,
    /// What to call this machine in the profile's origin, besides the model of its processor.
    #[arg(long, value_name = "TEXT")]
    pub machine: Option<String>,
    /// Day of the measurement, such as 2026-11-20; today (UTC) when left out.
    #[arg(long, value_name = "DATE")]
    pub date: Option<Date>,
    /// Measure little: good enough to try the command, not to use the figures.
    #[arg(long)]
    pub quick: bool,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// A calibration, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalibrateOptions {
    /// The profile's name.
    pub name: String,
    /// What the profile says about where its figures come from.
    pub origin: Origin,
    /// How much is measured.
    pub effort: Effort,
    /// Where the profile goes, or standard output.
    pub file: Option<PathBuf>,
    /// Whether a file that is there may be replaced.
    pub replace: bool,
    /// Whether progress and warnings are shown.
    pub talkative: bool,
}

impl CalibrateArgs {
    /// The calibration that is meant.
    ///
    /// # Errors
    /// When the result could not be written: it is better to hear that before the measurement than after.
    pub fn resolve(&self) -> Result<CalibrateOptions, Report> {
        if let Some(file) = &self.out {
            check_place(file, self.force)?;
        }
        Ok(CalibrateOptions {
            name: self.name.clone(),
            origin: Origin {
                machine: self.machine.clone(),
                processor: Origin::this_processor(),
                date: self.date.unwrap_or_else(today),
                quick: self.quick,
            },
            effort: if self.quick { Effort::QUICK } else { Effort::FULL },
            file: self.out.clone(),
            replace: self.force,
            talkative: !self.quiet,
        })
    }
}

fn check_place(file: &Path, replace: bool) -> Result<(), Report> {
    let shown = file.display();
    if file.is_dir() {
        return Err(Report::of(Finding::new(format!("`{shown}` is a folder")).help("--out takes a file")));
    }
    if file.exists() && !replace {
        return Err(already_there(file));
    }
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Report::of(Finding::new(format!("there is no folder `{}`", folder.display()))))
        }
        _ => Ok(()),
    }
}

fn already_there(file: &Path) -> Report {
    Report::of(Finding::new(format!("`{}` is there already", file.display())).help("--force replaces it"))
}

pub(super) fn execute(args: &CalibrateArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let options = args.resolve()?;
    if options.talkative && cfg!(debug_assertions) {
        eprintln!("note: this is a debug build; its figures are too high to be used");
    }
    let bar = progress_bar(&options);
    let mut report = |done: u32| bar.set_position(done.into());
    let profile = calibrate(&options.name, &options.origin, options.effort, &mut stopwatch(), &mut report);
    bar.finish_and_clear();
    let text = render(&profile);
    match &options.file {
        Some(file) => write_file(file, &text, options.replace),
        None => Ok(out.write_all(text.as_bytes())?),
    }
}

/// A bar on standard error, which draws nothing where that is no terminal.
fn progress_bar(options: &CalibrateOptions) -> ProgressBar {
    if !options.talkative {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("measuring {wide_bar} {percent:>3} %  {eta} left");
    let bar = ProgressBar::new(options.effort.batches().into());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Never replaces a file that came into being since it was looked for, unless asked to.
fn write_file(path: &Path, text: &str, replace: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if replace {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Input(already_there(path)),
        _ => Failure::Output(error),
    })?;
    Ok(file.write_all(text.as_bytes())?)
}

#[expect(clippy::disallowed_methods, reason = "calibration measures the machine, not the simulation")]
fn stopwatch() -> impl FnMut() -> Duration {
    let start = Instant::now();
    move || start.elapsed()
}

#[expect(clippy::disallowed_methods, reason = "the day of a measurement is no simulated time")]
fn today() -> Date {
    // A clock before 1970 is wrong anyway, and then 1970 shows it.
    Date::from_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
