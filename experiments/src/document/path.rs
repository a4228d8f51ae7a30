//! Where a value sits in a TOML document: `connections.office.proposals`, `traffic.0.interval`.
//!
//! The written form is TOML's own dotted key, quotes included, plus numbers for array elements; the same words are
//! used in error messages, in `--set` and in a sweep's `[vary]` table.

use std::fmt;
use std::str::Chars;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
}

/// The steps from the root of a document to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Segment>);

/// Why a text is no dotted path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing between two dots, or nothing at all.
    #[error("`{0}` has an empty step")]
    EmptyStep(String),
    /// A quote without its partner, or text behind a closing quote.
    #[error("`{0}` has a quote that does not enclose a whole step")]
    StrayQuote(String),
}

impl KeyPath {
    /// The root of the document.
    pub fn root() -> Self {
        Self::default()
    }

    /// Splits a dotted path; every step comes out as a key, since only a document tells keys from indices.
    ///
    /// # Errors
    /// [`PathError`] for empty steps and stray quotes.
    pub fn split(text: &str) -> Result<Vec<String>, PathError> {
        let mut steps = Vec::new();
        let mut chars = text.chars();
        loop {
            let (step, more) = next_step(&mut chars, text)?;
            steps.push(step);
            if !more {
                return Ok(steps);
            }
        }
    }

    /// The path of `key` inside this one.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.join(Segment::Key(key.into()))
    }

    /// The path of element `index` inside this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(Segment::Index(index))
    }

    fn join(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The path without its last step, or `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether `self` is `other` or lies inside it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The value at this path below `root`.
    pub fn find<'v>(&self, root: &'v toml::Table) -> Option<&'v toml::Value> {
        let (first, rest) = self.0.split_first()?;
        let Segment::Key(first) = first else { return None };
        rest.iter().try_fold(root.get(first)?, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(*index),
        })
    }
}

/// One step of a dotted path, and whether a dot announced another.
fn next_step(chars: &mut Chars<'_>, whole: &str) -> Result<(String, bool), PathError> {
    let rest = chars.as_str();
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let (step, more) = match rest.split_once('.') {
            Some((step, after)) => {
                *chars = after.chars();
                (step, true)
            }
            None => (rest, false),
        };
        return checked_step(step, whole).map(|step| (step, more));
    };
    let (step, after) = rest[1..].split_once(quote).ok_or_else(|| PathError::StrayQuote(whole.into()))?;
    match after.strip_prefix('.') {
        Some(after) => {
            *chars = after.chars();
            Ok((step.to_owned(), true))
        }
        None if after.is_empty() => Ok((step.to_owned(), false)),
        None => Err(PathError::StrayQuote(whole.into())),
    }
}

fn checked_step(step: &str, whole: &str) -> Result<String, PathError> {
    if step.is_empty() {
        return Err(PathError::EmptyStep(whole.into()));
    }
    if step.contains(['"', '\'']) {
        return Err(PathError::StrayQuote(whole.into()));
    }
    Ok(step.to_owned())
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(".")?;
            }
            match segment {
                Segment::Key(key) if is_bare(key) => f.write_str(key)?,
                Segment::Key(key) if key.contains('"') => write!(f, "'{key}'")?,
                Segment::Key(key) => write!(f, "\"{key}\"")?,
                Segment::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_separate_steps_and_quotes_protect_them() {
        assert_eq!(KeyPath::split("a.b-c.0"), Ok(vec!["a".into(), "b-c".into(), "0".into()]));
        assert_eq!(
            KeyPath::split("nodes.\"St. Louis\".cores"),
            Ok(vec!["nodes".into(), "St. Louis".into(), "cores".into()])
        );
        assert_eq!(KeyPath::split("nodes.'a\"b'"), Ok(vec!["nodes".into(), "a\"b".into()]));
    }

    #[test]
    fn empty_steps_and_stray_quotes_are_named() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(KeyPath::split(text), Err(PathError::EmptyStep(text.into())), "{text:?}");
        }
        for text in ["\"a", "a\"b", "\"a\"b", "'a"] {
            assert_eq!(KeyPath::split(text), Err(PathError::StrayQuote(text.into())), "{text:?}");
        }
    }

    #[test]
    fn the_written_form_splits_into_the_same_steps() {
        let path = KeyPath::root().key("nodes").key("New York").key("a\"b").index(3);
        assert_eq!(path.to_string(), "nodes.\"New York\".'a\"b'.3");
        assert_eq!(KeyPath::split(&path.to_string()).unwrap(), ["nodes", "New York", "a\"b", "3"]);
    }

    #[test]
    fn find_walks_tables_and_arrays() {
        let root: toml::Table = toml::from_str("[[t]]\nx = 1\n[[t]]\nx = 2\n").unwrap();
        let path = KeyPath::root().key("t").index(1).key("x");
        assert_eq!(path.find(&root).and_then(toml::Value::as_integer), Some(2));
        assert_eq!(path.key("deeper").find(&root), None);
        assert_eq!(KeyPath::root().key("t").index(2).find(&root), None);
    }
}
