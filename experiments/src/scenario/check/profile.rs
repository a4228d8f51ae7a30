//! Cost profiles that a scenario names: read and checked before anything runs.

use std::path::Path;

use ipseclab_node::{CostProfile, CostProfileError};

use super::Checker;
use crate::document::{Document, Finding, KeyPath, Location, SourceText};

impl Checker<'_> {
    /// Reports what is wrong with a profile, at its place in the profile's own text.
    pub(super) fn check_profile(&mut self, file: &Path, text: &str, used: &KeyPath) {
        if let Err(error) = CostProfile::parse(text) {
            let scenario = self.document.locate(used);
            let finding = finding(&error, &file.display().to_string(), text);
            let help = format!("used by `{used}` of {}", scenario.source.name);
            self.report.push(finding.help(help));
        }
    }
}

fn finding(error: &CostProfileError, name: &str, text: &str) -> Finding {
    let source = SourceText::new(name, text);
    let section = |name: &str| KeyPath::root().key(name);
    // Text that is no TOML has an error of syntax, which has its own place.
    let document = Document::parse(&source).ok();
    let place = |find: &dyn Fn(&Document) -> Location| {
        document.as_ref().map_or_else(|| Location::new(&source, 0..0), find)
    };
    match error {
        CostProfileError::Syntax { message, span } => {
            let place = Location::new(&source, span.clone().unwrap_or(0..0));
            Finding::new("this is no cost profile").at(place, message.clone())
        }
        CostProfileError::Missing { section: at, keyword } => {
            let place = place(&|document| document.locate(&section(at)));
            Finding::new(format!("`{at}` lacks `{keyword}`"))
                .at(place, "every algorithm and step needs its cost")
                .help(format!("such as {keyword} = {{ fixed_ns = 100, ns_per_byte = 0.5 }}"))
                .help("`ipseclab calibrate` writes a complete profile")
        }
        CostProfileError::Unknown { section: at, keyword, allowed } => {
            let place = place(&|document| document.locate_key(&section(at).key(keyword)));
            Finding::new(format!("`{at}` has no `{keyword}`"))
                .at(place, "unknown here")
                .suggest(keyword, allowed.split(", "))
                .help(format!("allowed: {allowed}"))
        }
        CostProfileError::Range { section: at, keyword } => {
            let place = place(&|document| document.locate(&section(at).key(keyword)));
            Finding::new(format!("`{at}.{keyword}` is out of range"))
                .at(place, "costs lie between 0 and 3.6e12 ns, which is an hour")
        }
    }
}
