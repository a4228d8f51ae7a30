//! Where a scenario comes from: a shipped name or a file.
//!
//! A name without `/` and `.toml` is a shipped one; a path needs one of them, so that a typo in a shipped name
//! is answered with the names there are, and not with "no such file".

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{check, read_bounded};
use super::checked::CheckedScenario;
use super::library::{self, Shipped};
use super::overrides::Override;
use crate::document::{Document, Finding, Report, SourceText, list};

/// A scenario or sweep as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScenarioSource {
    /// One that comes with the program.
    Shipped(&'static Shipped),
    /// A file.
    File(PathBuf),
}

impl ScenarioSource {
    /// Tells a path from a name, and looks the name up in `shipped`.
    ///
    /// # Errors
    /// A name that is not shipped.
    pub fn parse(text: &str, shipped: &'static [Shipped], what: &str) -> Result<Self, Report> {
        let is_toml = Path::new(text).extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
        if is_toml || text.contains(['/', '\\']) {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let names = || shipped.iter().map(|entry| entry.name);
        shipped.iter().find(|entry| entry.name == text).map(Self::Shipped).ok_or_else(|| {
            let finding = Finding::new(format!("there is no shipped {what} `{}`", text.escape_debug()));
            let finding = finding.suggest(text, names()).help(format!("shipped: {}", list(names())));
            Report::of(finding.help("a file is named by its path and ends in .toml"))
        })
    }

    /// The text under the name that messages use.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self) -> Result<Arc<SourceText>, Report> {
        match self {
            Self::Shipped(shipped) => Ok(SourceText::new(format!("shipped {}", shipped.name), shipped.text)),
            Self::File(path) => {
                let text = read_bounded(path).map_err(|reason| {
                    Report::of(Finding::new(format!("cannot read `{}`: {reason}", path.display())))
                })?;
                Ok(SourceText::new(path.display().to_string(), text))
            }
        }
    }

    /// The folder that relative paths in the file start from; none for what was shipped.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Shipped(_) => None,
            // The parent of a bare file name is the empty path, which is the current folder.
            Self::File(path) => path.parent(),
        }
    }
}

/// Reads, overrides and checks a scenario named by `text`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(text: &str, overrides: &[Override]) -> Result<CheckedScenario, Report> {
    let source = ScenarioSource::parse(text, library::SCENARIOS, "scenario")?;
    let mut document = Document::parse(&source.read()?)?;
    let mut report = Report::default();
    for change in overrides {
        if let Err(error) = change.apply(&mut document) {
            report.push(error.finding());
        }
    }
    report.into_result(())?;
    check(&document, source.folder())
}
