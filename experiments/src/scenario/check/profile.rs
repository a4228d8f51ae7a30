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
        CostProfileError::UnknownOrigin { of } => {
            let place = place(&|document| origin_place(document, of, 0));
            Finding::new(format!("`origins` speaks of `{of}`, which is not there"))
                .at(place, "neither a section nor a line of one")
                .help("such as \"hash\", or \"hash.md5\" for one line of it")
        }
        CostProfileError::TwoOrigins { of } => {
            let place = place(&|document| origin_place(document, of, 1));
            Finding::new(format!("`origins` speaks of `{of}` twice"))
                .at(place, "what comes from where?")
                .help("a section and a line of it may differ; the line's own comes first")
        }
        CostProfileError::Range { section: at, keyword } => {
            let place = place(&|document| document.locate(&section(at).key(keyword)));
            Finding::new(format!("`{at}.{keyword}` is out of range"))
                .at(place, "costs lie between 0 and 3.6e12 ns, which is an hour")
        }
    }
}

/// Where `origins` mentions something for the n-th time, counted from 0.
fn origin_place(document: &Document, of: &str, n: usize) -> Location {
    let path = KeyPath::root().key("origins");
    let origins = document.root().get("origins").and_then(toml::Value::as_array).into_iter().flatten();
    let mentions = origins.enumerate().flat_map(|(number, origin)| {
        let names = origin.get("of").and_then(toml::Value::as_array).into_iter().flatten();
        names.enumerate().map(move |(index, name)| (number, index, name))
    });
    let mut found = mentions.filter(|(_, _, name)| name.as_str() == Some(of));
    found.nth(n).map_or_else(
        || document.locate(&path),
        |(number, index, _)| document.locate(&path.index(number).key("of").index(index)),
    )
}
