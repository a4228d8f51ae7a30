//! Patterns over node names: `left`, `spoke-*`, `*`.
//!
//! `*` stands for any run of characters, including none; nothing else is special, since the names of imported
//! topologies hold spaces, dots and question marks. Where several patterns speak of one node, the one with more
//! literal characters wins, and a pattern without `*` beats every other.

use crate::structure::Mistake;

/// A pattern over node names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodePattern {
    text: String,
}

/// How exactly a pattern names its nodes; greater is more exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precision(usize);

impl NodePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// An empty text, control characters, or `**`.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        if text.is_empty() {
            return Err(Mistake::new("an empty pattern names no node"));
        }
        if let Some(at) = text.find("**") {
            return Err(Mistake { span: Some(at..at + 2), ..Mistake::new("one `*` is enough") });
        }
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
            let span = Some(at..at + c.len_utf8());
            return Err(Mistake { span, ..Mistake::new("control characters occur in no name") });
        }
        Ok(Self { text: text.to_owned() })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern can name more than one node.
    pub fn is_wild(&self) -> bool {
        self.text.contains('*')
    }

    /// How exactly it names its nodes.
    pub fn precision(&self) -> Precision {
        let literal = self.text.chars().filter(|c| *c != '*').count();
        Precision(if self.is_wild() { literal } else { usize::MAX })
    }

    /// Whether `name` is one of the pattern's nodes.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        // Taking each middle part at its first occurrence leaves the most room for the others.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> NodePattern {
        NodePattern::parse(text).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (text, yes, no) in [
            ("left", "left", "left2"),
            ("spoke-*", "spoke-", "spok"),
            ("*-1", "spoke-1", "spoke-11"),
            ("a*b*c", "a-b-b-c", "a-c-b"),
            ("*", "anything", "\u{0}never"),
        ] {
            assert!(pattern(text).matches(yes), "{text} should match {yes}");
            assert_eq!(pattern(text).matches(no), text == "*", "{text} against {no}");
        }
        assert!(!pattern("ab*b").matches("ab"), "the two ends must not overlap");
    }

    #[test]
    fn literal_names_beat_wildcards_and_longer_ones_beat_shorter_ones() {
        assert!(pattern("s").precision() > pattern("spoke-*").precision());
        assert!(pattern("spoke-*").precision() > pattern("*").precision());
    }

    #[test]
    fn nonsense_patterns_are_refused_where_they_go_wrong() {
        assert!(NodePattern::parse("").is_err());
        assert_eq!(NodePattern::parse("ab**").unwrap_err().span, Some(2..4));
        assert_eq!(NodePattern::parse("a\u{7}").unwrap_err().span, Some(1..2));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_any_of_its_prefixes_with_a_star(name in "[a-z.? -]{1,12}", cut in 0_usize..12) {
            prop_assert!(pattern(&name).matches(&name));
            let cut = cut.min(name.len());
            let prefix = format!("{}*", &name[..cut]);
            prop_assert!(pattern(&prefix).matches(&name));
        }
    }
}
