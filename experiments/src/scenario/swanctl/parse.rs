//! The grammar, with the place of every key and value.

use std::ops::Range;
use std::sync::Arc;

use crate::document::{Finding, Location, Report, SourceText};

/// Sections inside sections: swanctl.conf has four levels.
const MAX_DEPTH: usize = 16;

/// A section: its entries in the order of the file; sections of one name are one.
#[derive(Clone, Debug, Default)]
pub(in crate::scenario) struct Section {
    pub(in crate::scenario) entries: Vec<Entry>,
    pub(in crate::scenario) sections: Vec<(String, Location, Self)>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(in crate::scenario) struct Entry {
    pub(in crate::scenario) key: String,
    pub(in crate::scenario) key_place: Location,
    pub(in crate::scenario) value: String,
    pub(in crate::scenario) place: Location,
    /// Where the value's own bytes begin, when it was written without quotes and escapes.
    plain_start: Option<usize>,
}

impl Entry {
    /// Where bytes `inner` of the value stand.
    pub(in crate::scenario) fn within(&self, inner: Range<usize>) -> Location {
        match self.plain_start {
            Some(start) => Location::new(&self.place.source, start + inner.start..start + inner.end),
            None => self.place.clone(),
        }
    }
}

impl Section {
    /// The value of a key.
    pub(in crate::scenario) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The section of a name.
    pub(in crate::scenario) fn section(&self, name: &str) -> Option<&Self> {
        self.sections.iter().find(|(known, ..)| known == name).map(|(.., section)| section)
    }

    /// The sections inside the section of a name.
    pub(in crate::scenario) fn inside(&self, name: &str) -> &[(String, Location, Self)] {
        self.section(name).map_or(&[], |section| &section.sections)
    }

    fn section_mut(&mut self, name: &str, place: &Location) -> &mut Self {
        let found = self.sections.iter().position(|(known, ..)| known == name);
        let at = found.unwrap_or_else(|| {
            self.sections.push((name.to_owned(), place.clone(), Self::default()));
            self.sections.len() - 1
        });
        &mut self.sections[at].2
    }
}

/// Reads a whole file.
///
/// # Errors
/// The first thing that does not fit the grammar; what follows it could mean anything.
pub(in crate::scenario) fn parse(source: &Arc<SourceText>) -> Result<Section, Report> {
    let mut parser = Parser { source, text: &source.text, at: 0 };
    let mut root = Section::default();
    parser.section(&mut root, 0).map_err(|finding| Report::of(*finding))?;
    Ok(root)
}

type Parsed<T> = Result<T, Box<Finding>>;

struct Parser<'a> {
    source: &'a Arc<SourceText>,
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// The entries of a section up to its closing brace, or of the file up to its end.
    fn section(&mut self, section: &mut Section, depth: usize) -> Parsed<()> {
        loop {
            self.skip_blank();
            match self.peek() {
                None if depth == 0 => return Ok(()),
                None => {
                    return Err(Box::new(
                        self.wrong(self.at..self.at, "a `}` is missing at the end of the file"),
                    ));
                }
                Some('}') if depth > 0 => {
                    self.at += 1;
                    return Ok(());
                }
                Some('}') => {
                    return Err(Box::new(self.wrong(self.at..self.at + 1, "no section is open here")));
                }
                Some(_) => self.item(section, depth)?,
            }
        }
    }

    fn item(&mut self, section: &mut Section, depth: usize) -> Parsed<()> {
        let name = self.name()?;
        let text = &self.text[name.clone()];
        let place = Location::new(self.source, name.clone());
        if text == "include" {
            let finding = self.wrong(name, "other files are not read");
            return Err(Box::new(finding.help("put the text of the other file in its place")));
        }
        self.skip_spaces();
        if self.peek() == Some('=') {
            self.at += 1;
            return self.assignment(section, text, place);
        }
        self.skip_blank();
        match self.peek() {
            Some('{') if depth == MAX_DEPTH => {
                Err(Box::new(self.wrong(name, "too many sections inside each other")))
            }
            Some('{') => {
                self.at += 1;
                self.section(section.section_mut(text, &place), depth + 1)
            }
            Some(':') => {
                let finding = self.wrong(self.at..self.at + 1, "references to other sections are not built");
                Err(Box::new(finding.help("write the keys of the other section out")))
            }
            _ => Err(Box::new(self.wrong(name, "`=` and a value, or `{`, must follow"))),
        }
    }

    fn assignment(&mut self, section: &mut Section, key: &str, key_place: Location) -> Parsed<()> {
        let entry = self.value(key, key_place)?;
        if section.entry(key).is_some() {
            let finding =
                Finding::new(format!("`{key}` is set twice")).at(entry.key_place, "the second time");
            return Err(Box::new(
                finding.help("strongSwan would take the later one; keep the one that is meant"),
            ));
        }
        section.entries.push(entry);
        Ok(())
    }

    fn name(&mut self) -> Parsed<Range<usize>> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| c.is_whitespace() || "{}=:#\",".contains(c)).unwrap_or(rest.len());
        let name = self.at..self.at + end;
        if name.is_empty() {
            let width = rest.chars().next().map_or(0, char::len_utf8);
            return Err(Box::new(
                self.wrong(self.at..self.at + width, "a key or the name of a section belongs here"),
            ));
        }
        self.at = name.end;
        Ok(name)
    }

    /// A value: bare and quoted parts up to the end of the line, joined as they stand.
    fn value(&mut self, key: &str, key_place: Location) -> Parsed<Entry> {
        self.skip_spaces();
        let start = self.at;
        let mut value = String::new();
        let mut is_plain = true;
        let mut end = start;
        while let Some(c) = self.peek() {
            match c {
                '\n' | '\r' | '#' | '}' => break,
                '"' => {
                    is_plain = false;
                    self.quoted(&mut value)?;
                    end = self.at;
                }
                c => {
                    value.push(c);
                    self.at += c.len_utf8();
                    end = if c.is_whitespace() { end } else { self.at };
                }
            }
        }
        let value = if is_plain { value.trim_end().to_owned() } else { value.trim().to_owned() };
        let place = if end > start { Location::new(self.source, start..end) } else { key_place.clone() };
        let plain_start = is_plain.then_some(start);
        Ok(Entry { key: key.to_owned(), key_place, value, place, plain_start })
    }

    fn quoted(&mut self, value: &mut String) -> Parsed<()> {
        let start = self.at;
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + offset + 1;
                    return Ok(());
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    // A line may go on behind a backslash.
                    Some((_, '\n')) => {}
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(Box::new(self.wrong(start..start + 1, "this quote is never closed")))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// White space, ends of lines and comments.
    fn skip_blank(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            self.at += rest.len() - rest.trim_start().len();
            if self.peek() != Some('#') {
                return;
            }
            let rest = &self.text[self.at..];
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn wrong(&self, span: Range<usize>, label: &str) -> Finding {
        let place = Location::new(self.source, span);
        Finding::new("this is no swanctl.conf").at(place, label)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Section {
        parse(&SourceText::new("t.conf", text)).unwrap_or_else(|report| panic!("{report}"))
    }

    fn refused(text: &str) -> (String, String) {
        let report = parse(&SourceText::new("t.conf", text)).unwrap_err();
        let finding = &report.findings()[0];
        (finding.label.clone(), finding.location.as_ref().unwrap().text().to_owned())
    }

    #[test]
    fn sections_keys_comments_and_quotes_are_read() {
        let text = "# first\nconnections {\n  net # a comment\n  {\n    version = 2 # two\n    id = \"C=CH, O=\\\"L # b\\\"\"\n  } }\n";
        let root = read(text);
        let net = &root.inside("connections")[0];
        assert_eq!(net.0, "net");
        assert_eq!(net.2.entry("version").unwrap().value, "2");
        assert_eq!(net.2.entry("id").unwrap().value, "C=CH, O=\"L # b\"");
        assert_eq!(net.2.entry("id").unwrap().place.text(), "\"C=CH, O=\\\"L # b\\\"\"");
    }

    #[test]
    fn values_may_be_empty_and_end_with_their_section() {
        let root = read("a { b = \n c = x y } d=1");
        let a = root.section("a").unwrap();
        assert_eq!(a.entry("b").unwrap().value, "");
        assert_eq!(a.entry("c").unwrap().value, "x y");
        assert_eq!(a.entry("c").unwrap().within(2..3).text(), "y");
        assert_eq!(root.entry("d").unwrap().value, "1");
    }

    #[test]
    fn sections_of_one_name_are_one() {
        let root = read("pools { a { addrs = 1 } }\npools { b { addrs = 2 } a { dns = 3 } }");
        let names: Vec<_> = root.inside("pools").iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(root.section("pools").unwrap().section("a").unwrap().entries.len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_placed() {
        assert_eq!(refused("a {\n").0, "a `}` is missing at the end of the file");
        assert_eq!(refused("}"), ("no section is open here".into(), "}".into()));
        assert_eq!(refused("include x.conf").1, "include");
        assert_eq!(refused("a : b {\n}").1, ":");
        assert_eq!(refused("a { b }").1, "b");
        assert_eq!(refused("a = 1\na = 2").1, "a");
        assert_eq!(refused("a = \"x").0, "this quote is never closed");
        assert_eq!(refused("= 1").0, "a key or the name of a section belongs here");
        assert_eq!(refused(&"a{".repeat(40)).0, "too many sections inside each other");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-c{}=:#\"\\\\\n é]{0,60}") {
            let _ = parse(&SourceText::new("t", text));
        }
    }
}
