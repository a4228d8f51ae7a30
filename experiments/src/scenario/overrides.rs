//! Setting a value of a scenario by its dotted path, for `--set` and for the `[vary]` table of a sweep.
//!
//! The document is changed before it is checked, so an overridden value passes the same checks as a written one. A
//! path is compared with the schema first: a key that no scenario can have is an error with the keys that exist at
//! the step where it went wrong, and so is an entry of a map (a connection, a list element) that the file lacks.

use serde_json::Value as Schema;
use toml::Value;

use crate::document::{Document, Finding, KeyPath, Location, PathError, SourceText, list};
use crate::schema;
use crate::structure::{descend, keys};

/// One value to set.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    steps: Vec<String>,
    value: Value,
    path_written: Location,
    value_written: Location,
}

/// Why a value cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// A `--set` without `=`.
    #[error("`{}` is no setting", .written.text())]
    NoValue {
        /// The whole setting.
        written: Location,
    },
    /// The path is no dotted path.
    #[error("{error}")]
    Path {
        /// What is wrong.
        error: PathError,
        /// The path.
        written: Location,
    },
    /// A step of the path leads nowhere.
    #[error("a scenario has no `{path}`")]
    Unknown {
        /// The path up to and with the step.
        path: String,
        /// The step that leads nowhere.
        step: String,
        /// What exists in its place.
        known: Vec<String>,
        /// The path as written.
        written: Location,
    },
}

impl Override {
    /// Reads `topology.link.delay=5ms` as given to `--set`.
    ///
    /// The value is TOML where it can be read as such, and otherwise the text itself: numbers, booleans, lists and
    /// quoted strings keep their meaning, and `5ms` needs no quotes.
    ///
    /// # Errors
    /// A setting without `=`, or with a malformed path.
    pub fn parse(text: &str) -> Result<Self, OverrideError> {
        let source = SourceText::new("--set", text);
        let whole = Location::new(&source, 0..text.len());
        let (path, value) = split_setting(text).ok_or(OverrideError::NoValue { written: whole })?;
        let path_written = Location::new(&source, 0..path.len());
        let value_written = Location::new(&source, path.len() + 1..text.len());
        Self::new(path.trim(), parse_value(value.trim()), path_written, value_written)
    }

    /// A value for a path, both written somewhere else, such as in a sweep file.
    ///
    /// # Errors
    /// A malformed path.
    pub fn new(
        path: &str,
        value: Value,
        path_written: Location,
        value_written: Location,
    ) -> Result<Self, OverrideError> {
        match KeyPath::split(path) {
            Ok(steps) => Ok(Self { steps, value, path_written, value_written }),
            Err(error) => Err(OverrideError::Path { error, written: path_written }),
        }
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Sets the value.
    ///
    /// # Errors
    /// A path that a scenario, or this one, does not have.
    pub fn apply(&self, document: &mut Document) -> Result<KeyPath, OverrideError> {
        let path = self.resolve(document)?;
        document.set(&path, self.fitting(), &self.value_written);
        Ok(path)
    }

    /// The path as the document has it.
    ///
    /// # Errors
    /// A path that a scenario, or this one, does not have.
    pub fn resolve(&self, document: &Document) -> Result<KeyPath, OverrideError> {
        let mut path = KeyPath::root();
        for (position, step) in self.steps.iter().enumerate() {
            let (before, through) = (&self.steps[..position], &self.steps[..=position]);
            let (Ok(parent), Ok(schema)) =
                (descend(schema::scenario_inlined(), before), descend(schema::scenario_inlined(), through))
            else {
                return Err(
                    self.unknown(position, known_keys(schema::scenario_inlined(), before, document, &path))
                );
            };
            let next = path.join_step(step, parent);
            if !parent["properties"][step].is_object()
                && document.value(&next).is_none()
                && !may_be_made(schema)
            {
                return Err(
                    self.unknown(position, known_keys(schema::scenario_inlined(), before, document, &path))
                );
            }
            path = next;
        }
        Ok(path)
    }

    /// The value in the type that the schema asks for: `psk=1234` is a text.
    fn fitting(&self) -> Value {
        let wants_text =
            descend(schema::scenario_inlined(), &self.steps).is_ok_and(|schema| schema["type"] == "string");
        match &self.value {
            Value::Integer(_) | Value::Boolean(_) | Value::Datetime(_)
                if wants_text && self.value_written.source.name == "--set" =>
            {
                Value::String(self.value_written.text().trim().to_owned())
            }
            value => value.clone(),
        }
    }

    fn unknown(&self, position: usize, known: Vec<String>) -> OverrideError {
        OverrideError::Unknown {
            path: self.steps[..=position].join("."),
            step: self.steps[position].clone(),
            known,
            written: self.path_written.clone(),
        }
    }
}

impl OverrideError {
    /// The error as a finding for a report.
    pub fn finding(&self) -> Finding {
        let finding = Finding::new(self.to_string());
        match self {
            Self::NoValue { written } => finding
                .at(written.clone(), "`=` and a value are missing")
                .help("such as --set topology.link.delay=5ms"),
            Self::Path { written, .. } => finding.at(written.clone(), "not a path"),
            Self::Unknown { step, known, written, .. } => finding
                .at(written.clone(), format!("`{step}` leads nowhere"))
                .suggest(step, known.iter().map(String::as_str))
                .help(format!("what exists there: {}", list(known.iter().map(String::as_str)))),
        }
    }
}

impl KeyPath {
    /// The next step, an index where `parent` is the schema of a list.
    fn join_step(&self, step: &str, parent: &Schema) -> Self {
        match step.parse() {
            Ok(index) if parent["items"].is_object() => self.index(index),
            _ => self.key(step),
        }
    }
}

/// Whether an entry of a map can come into being by setting one of its keys: nothing else must be required.
fn may_be_made(schema: &Schema) -> bool {
    schema["properties"].is_object() && schema["required"].as_array().is_none_or(Vec::is_empty)
}

/// What a user could have meant at a step: keys of the schema, or the entries that the document has.
fn known_keys(root: &Schema, steps: &[String], document: &Document, path: &KeyPath) -> Vec<String> {
    let Ok(schema) = descend(root, steps) else { return Vec::new() };
    let written = match document.value(path) {
        Some(Value::Table(table)) if !schema["properties"].is_object() => table.keys().cloned().collect(),
        Some(Value::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    };
    keys(schema).into_iter().map(str::to_owned).chain(written).collect()
}

/// The path and the value around the first `=` outside quotes.
fn split_setting(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '=') => return Some((&text[..at], &text[at + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn parse_value(text: &str) -> Value {
    let line = format!("value = {text}");
    let parsed = toml::from_str::<toml::Table>(&line).ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
name = \"t\"
[topology]
kind = \"pair\"
link = { rate = \"1Mbps\" }
[nodes.\"spoke-*\"]
cores = 1
[connections.office]
local = \"left\"
[connections.office.auth]
psk = \"k\"
[[traffic]]
interval = \"1s\"
";

    fn document() -> Document {
        Document::parse(&SourceText::new("t.toml", TEXT)).unwrap()
    }

    fn set(text: &str) -> Result<Document, OverrideError> {
        let mut document = document();
        Override::parse(text)?.apply(&mut document)?;
        Ok(document)
    }

    fn check(text: &str, expected: impl Into<Value>) {
        let document = set(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let change = Override::parse(text).unwrap();
        let path = change.resolve(&document).unwrap();
        assert_eq!(document.value(&path), Some(&expected.into()), "{text}");
    }

    fn known(text: &str) -> Vec<String> {
        match set(text) {
            Err(OverrideError::Unknown { known, .. }) => known,
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn keys_are_set_whether_or_not_the_file_has_them() {
        check("topology.link.rate=2Mbps", "2Mbps");
        check("topology.link.delay=5ms", "5ms");
        check("traffic.0.interval=\"200ms\"", "200ms");
        check("seed = 7", 7);
        check("warm_up=1s", "1s");
        check("limits.events=5", 5);
    }

    #[test]
    fn values_are_numbers_lists_tables_or_text() {
        check("topology.link.loss=0.01", 0.01);
        check("nodes.'spoke-*'.cores=4", 4);
        check("connections.office.encap=true", true);
        check("connections.office.proposals=[\"a\", \"b\"]", vec!["a", "b"]);
        check("connections.office.auth.psk=1234", "1234");
        check("connections.office.auth.psk=a=b", "a=b");
        assert!(
            set("topology.link={ delay = \"1ms\" }").unwrap().canonical().contains("[topology.link]\ndelay")
        );
    }

    #[test]
    fn a_node_may_be_new_and_a_connection_may_not() {
        check("nodes.hub.cores=2", 2);
        assert_eq!(known("connections.offise.encap=true"), ["office"]);
        assert_eq!(known("traffic.1.size=1B"), ["0"]);
    }

    #[test]
    fn unknown_steps_list_what_exists_there() {
        assert!(known("topology.link.dely=5ms").contains(&"delay".to_owned()));
        assert!(known("topolgy.link.delay=5ms").contains(&"topology".to_owned()));
        assert_eq!(known("seed.x=1"), Vec::<String>::new());
        let finding = set("topology.link.dely=5ms").unwrap_err().finding();
        assert_eq!(finding.help[0], "did you mean `delay`?");
    }

    #[test]
    fn settings_without_value_or_path_are_refused() {
        assert!(matches!(Override::parse("seed"), Err(OverrideError::NoValue { .. })));
        assert!(matches!(Override::parse("=1"), Err(OverrideError::Path { .. })));
        assert!(matches!(Override::parse("a..b=1"), Err(OverrideError::Path { .. })));
        assert!(matches!(Override::parse("'a=1"), Err(OverrideError::NoValue { .. })));
    }

    #[test]
    fn a_value_cannot_smuggle_in_other_keys() {
        check("connections.office.auth.psk=1\nseed = 9", "1\nseed = 9");
    }
}
