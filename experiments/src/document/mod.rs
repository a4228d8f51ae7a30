//! A TOML document that remembers where every value stands in its text.
//!
//! Values and places are kept apart: the values are a plain `toml::Table`, which overrides change and serde reads; the
//! places are a map from path to byte range, which messages look up. So the types of a scenario carry no spans, and a
//! value that came from `--set` or a sweep is underlined where it was written, not where the file had another one.

mod path;
mod report;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use path::{KeyPath, PathError, Segment};
pub use report::{Finding, Location, Report, SourceText, list, nearest};

/// A parsed document with the places of its values.
#[derive(Clone, Debug)]
pub struct Document {
    source: Arc<SourceText>,
    root: toml::Table,
    places: BTreeMap<KeyPath, Place>,
}

/// Where a key and its value were written.
#[derive(Clone, Debug)]
struct Place {
    key: Location,
    value: Location,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// Every syntax error and duplicate key that the parser can tell apart.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Report> {
        let (spanned, errors) = DeTable::parse_recoverable(&source.text);
        if !errors.is_empty() {
            let mut report = Report::default();
            for error in &errors {
                report.push(syntax_finding(source, error));
            }
            return Err(report.sorted());
        }
        let root =
            toml::from_str(&source.text).map_err(|error| Report::of(syntax_finding(source, &error)))?;
        let mut document = Self { source: Arc::clone(source), root, places: BTreeMap::new() };
        document.note_table(&KeyPath::root(), spanned.get_ref());
        Ok(document)
    }

    /// The values.
    pub fn root(&self) -> &toml::Table {
        &self.root
    }

    /// The text that the document came from.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// The value at `path`.
    pub fn value(&self, path: &KeyPath) -> Option<&toml::Value> {
        path.find(&self.root)
    }

    /// Where the value at `path` was written, or the nearest enclosing one that was.
    pub fn locate(&self, path: &KeyPath) -> Location {
        self.place(path).map_or_else(|| self.start(), |place| place.value.clone())
    }

    /// Where the key of `path` was written; array elements answer with their value.
    pub fn locate_key(&self, path: &KeyPath) -> Location {
        self.place(path).map_or_else(|| self.start(), |place| place.key.clone())
    }

    /// Where bytes `inner` of the string at `path` stand; the whole string when it was written with escapes.
    pub fn locate_within(&self, path: &KeyPath, inner: Range<usize>) -> Location {
        let whole = self.locate(path);
        let Some(text) = self.value(path).and_then(toml::Value::as_str) else { return whole };
        let body = whole.span.start + 1;
        let plain = whole.text().get(1..whole.text().len().saturating_sub(1)) == Some(text);
        if !plain || inner.end > text.len() || inner.start > inner.end {
            return whole;
        }
        Location::new(&whole.source, body + inner.start..body + inner.end)
    }

    /// The keys of the table at `path` in the order in which they were written.
    pub fn keys_as_written(&self, path: &KeyPath) -> Vec<String> {
        let table = if path.segments().is_empty() {
            Some(&self.root)
        } else {
            self.value(path).and_then(toml::Value::as_table)
        };
        let mut keys: Vec<String> = table.into_iter().flat_map(|table| table.keys().cloned()).collect();
        keys.sort_by_key(|key| self.locate_key(&path.key(key)).span.start);
        keys
    }

    /// Puts `value` at `path`, making tables on the way; messages about it point at `written`.
    ///
    /// Steps that do not exist and are no table keys are left alone; [`crate::scenario::Override`] checks them first.
    pub fn set(&mut self, path: &KeyPath, value: toml::Value, written: &Location) {
        if put(&mut self.root, path.segments(), value) {
            self.places.retain(|place, _| !place.starts_with(path));
            self.places.insert(path.clone(), Place { key: written.clone(), value: written.clone() });
        }
    }

    /// The document as TOML with sorted keys: equal for equal values, whatever the layout and comments.
    pub fn canonical(&self) -> String {
        // A table of plain values always has a TOML form.
        toml::to_string(&self.root).unwrap_or_default()
    }

    fn start(&self) -> Location {
        let line = self.source.text.find('\n').unwrap_or(self.source.text.len());
        Location::new(&self.source, 0..line)
    }

    fn place(&self, path: &KeyPath) -> Option<&Place> {
        let mut at = path.clone();
        loop {
            if let Some(place) = self.places.get(&at) {
                return Some(place);
            }
            at = at.parent()?;
        }
    }

    fn note_table(&mut self, path: &KeyPath, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = path.key(key.get_ref().as_ref());
            self.note_value(&at, key.span(), value);
        }
    }

    fn note_value(&mut self, path: &KeyPath, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let place =
            Place { key: Location::new(&self.source, key), value: Location::new(&self.source, value.span()) };
        self.places.insert(path.clone(), place);
        match value.get_ref() {
            DeValue::Table(table) => self.note_table(path, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.note_value(&path.index(index), item.span(), item);
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

/// Puts a value into a table; false when a step does not exist.
fn put(table: &mut toml::Table, path: &[Segment], value: toml::Value) -> bool {
    let Some((Segment::Key(key), rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return true;
    }
    let inner = table.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    put_inside(inner, rest, value)
}

fn put_inside(target: &mut toml::Value, path: &[Segment], value: toml::Value) -> bool {
    match (target, path) {
        (toml::Value::Table(table), _) => put(table, path, value),
        (toml::Value::Array(items), [Segment::Index(index), rest @ ..]) => match items.get_mut(*index) {
            Some(item) if rest.is_empty() => {
                *item = value;
                true
            }
            Some(item) => put_inside(item, rest, value),
            None => false,
        },
        _ => false,
    }
}

fn syntax_finding(source: &Arc<SourceText>, error: &toml::de::Error) -> Finding {
    let span = error.span().unwrap_or(0..0);
    Finding::new("this is not valid TOML").at(Location::new(source, span), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(&SourceText::new("t.toml", text)).unwrap()
    }

    fn path(steps: &[&str]) -> KeyPath {
        steps.iter().fold(KeyPath::root(), |path, step| path.key(*step))
    }

    #[test]
    fn values_keys_and_headers_are_found_where_they_stand() {
        let document = document("a = 1\n[b.c]\nd = { e = \"xyz\" }\n[[f]]\ng = 2\n");
        assert_eq!(document.locate(&path(&["a"])).text(), "1");
        assert_eq!(document.locate_key(&path(&["b", "c", "d", "e"])).text(), "e");
        assert_eq!(document.locate(&path(&["b", "c"])).text(), "[b.c]");
        assert_eq!(document.locate(&KeyPath::root().key("f").index(0)).text(), "[[f]]");
        assert_eq!(document.locate(&path(&["b", "c", "nothing"])).text(), "[b.c]");
        assert_eq!(document.locate_within(&path(&["b", "c", "d", "e"]), 1..2).text(), "y");
    }

    #[test]
    fn escapes_make_the_whole_string_the_place() {
        let document = document("a = \"x\\u0041y\"\n");
        assert_eq!(document.locate_within(&path(&["a"]), 1..2).text(), "\"x\\u0041y\"");
    }

    #[test]
    fn keys_keep_the_written_order() {
        let document = document("[vary]\nzulu = 1\nalpha = 2\n\"mike.x\" = 3\n");
        assert_eq!(document.keys_as_written(&path(&["vary"])), ["zulu", "alpha", "mike.x"]);
    }

    #[test]
    fn an_override_is_found_where_it_was_written() {
        let mut document = document("[a]\nb = 1\n");
        let set = SourceText::new("--set", "a.b=2");
        document.set(&path(&["a", "b"]), 2.into(), &Location::new(&set, 4..5));
        assert_eq!(document.value(&path(&["a", "b"])), Some(&2.into()));
        assert_eq!(document.locate(&path(&["a", "b"])).source.name, "--set");
        assert_eq!(document.canonical(), "[a]\nb = 2\n");
    }

    #[test]
    fn a_duplicate_key_and_a_broken_line_are_reported_together() {
        let report = Document::parse(&SourceText::new("t.toml", "a = 1\na = 2\nb =\n")).unwrap_err();
        let messages: Vec<_> = report.findings().iter().map(|f| f.label.as_str()).collect();
        assert_eq!(messages.len(), 2, "{report}");
        assert!(messages[0].contains("duplicate key"), "{report}");
    }
}
