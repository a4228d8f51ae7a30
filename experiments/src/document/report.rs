//! What is wrong with the user's files, and where: many findings, one report.
//!
//! A finding names the place by source text and byte range, says what is wrong, what stands there and what would be
//! right. Rendering is separate from finding, so that tests read plain text and a terminal gets colours.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A text that a user wrote, under the name that messages use for it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// A path as the user gave it, `shipped site-to-site`, or `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A range of bytes of a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The text.
    pub source: Arc<SourceText>,
    /// The bytes that a message underlines; within the text and on character boundaries.
    pub span: Range<usize>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, as one line.
    pub message: String,
    /// Where, or `None` when no text is to blame (a file that cannot be read).
    pub location: Option<Location>,
    /// A few words below the underlined bytes.
    pub label: String,
    /// What would be right; each is a line of its own.
    pub help: Vec<String>,
}

/// Findings that a report keeps; a pattern over 10⁵ nodes can go wrong 10⁵ times, and nobody reads that.
const MAX_FINDINGS: usize = 50;

/// Everything found wrong with a set of inputs; never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
    /// How many more there were.
    left_out: usize,
}

impl SourceText {
    /// A text under its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }
}

impl Location {
    /// `span` of `source`, moved onto character boundaries inside the text.
    pub fn new(source: &Arc<SourceText>, span: Range<usize>) -> Self {
        let start = source.text.floor_char_boundary(span.start.min(source.text.len()));
        let end = source.text.ceil_char_boundary(span.end.clamp(start, source.text.len()));
        Self { source: Arc::clone(source), span: start..end }
    }

    /// The bytes underlined.
    pub fn text(&self) -> &str {
        &self.source.text[self.span.clone()]
    }
}

impl Finding {
    /// A finding without place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), location: None, label: String::new(), help: Vec::new() }
    }

    /// Underlines `location` with `label` below it.
    #[must_use]
    pub fn at(mut self, location: Location, label: impl Into<String>) -> Self {
        self.location = Some(location);
        self.label = label.into();
        self
    }

    /// Adds a line of what would be right.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Adds `did you mean` when one of `known` is close to `given`.
    #[must_use]
    pub fn suggest<'k>(self, given: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        match nearest(given, known) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    fn group(&self) -> Group<'_> {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let group = match &self.location {
            Some(location) => {
                let annotation = AnnotationKind::Primary.span(location.span.clone()).label(&self.label);
                let snippet = Snippet::source(&location.source.text).path(&location.source.name);
                title.element(snippet.annotation(annotation))
            }
            None => Group::with_title(title),
        };
        self.help.iter().fold(group, |group, line| group.element(Level::HELP.message(line.as_str())))
    }
}

impl Report {
    /// A report of one finding.
    pub fn of(finding: Finding) -> Self {
        Self { findings: vec![finding], left_out: 0 }
    }

    /// Adds a finding, unless the very same one is there already.
    pub fn push(&mut self, finding: Finding) {
        if self.findings.contains(&finding) {
            return;
        }
        match self.findings.len() {
            MAX_FINDINGS.. => self.left_out += 1,
            _ => self.findings.push(finding),
        }
    }

    /// Adds all findings of another report.
    pub fn append(&mut self, other: Self) {
        for finding in other.findings {
            self.push(finding);
        }
        self.left_out += other.left_out;
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The findings, in the order of the texts.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// `value` when nothing is wrong.
    ///
    /// # Errors
    /// Itself, sorted by place, when something is.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self.sorted()) }
    }

    /// The same findings, file by file and from top to bottom.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.findings.sort_by(|a, b| place(a).cmp(&place(b)));
        self
    }

    /// The whole report as text; `colour` adds terminal escapes.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for finding in &self.findings {
            text.push_str(&renderer.render(&[finding.group()]));
            text.push_str("\n\n");
        }
        text.push_str(&self.count());
        text.push('\n');
        text
    }

    fn count(&self) -> String {
        match (self.findings.len(), self.left_out) {
            (1, 0) => "1 error".to_owned(),
            (many, 0) => format!("{many} errors"),
            (many, more) => format!("{many} errors, and {more} more that are not shown"),
        }
    }
}

fn place(finding: &Finding) -> Option<(&str, usize, usize)> {
    finding.location.as_ref().map(|at| (at.source.name.as_str(), at.span.start, at.span.end))
}

/// The entry of `known` that a typo most likely meant, if any is near enough.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the length, as compilers do: "dely" finds "delay", "x" finds nothing.
    let limit = given.chars().count().max(3) / 3;
    let distance = |name: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
    let (best, name) = known.into_iter().map(|name| (distance(name), name)).min()?;
    (best <= limit).then_some(name)
}

/// `` `a`, `b` and `c` ``, cut after a dozen.
pub fn list<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    const SHOWN: usize = 16;
    let names: Vec<_> = names.into_iter().collect();
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match (names.len().checked_sub(SHOWN), shown.split_last()) {
        (_, None) => "none".to_owned(),
        (Some(more), Some(_)) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        (_, Some((only, []))) => only.clone(),
        (_, Some((last, first))) => format!("{} and {last}", first.join(", ")),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_file_line_column_text_and_help() {
        let source = SourceText::new("a.toml", "name = \"x\"\nseed = \"one\"\n");
        let finding = Finding::new("`seed` must be an integer")
            .at(Location::new(&source, 18..23), "this is a string")
            .help("such as 1");
        let expected = "\
error: `seed` must be an integer
 --> a.toml:2:8
  |
2 | seed = \"one\"
  |        ^^^^^ this is a string
  |
  = help: such as 1

1 error
";
        assert_eq!(Report::of(finding).render(false), expected);
    }

    #[test]
    fn colours_appear_only_when_asked_for() {
        let report = Report::of(Finding::new("no such file"));
        assert_eq!(report.render(false), "error: no such file\n\n1 error\n");
        assert!(report.render(true).contains('\u{1b}'));
    }

    #[test]
    fn findings_come_in_the_order_of_the_text_and_once() {
        let source = SourceText::new("a", "abcdef");
        let at = |from| Finding::new("m").at(Location::new(&source, from..from + 1), "");
        let mut report = Report::default();
        for from in [3, 1, 3, 2] {
            report.push(at(from));
        }
        let report = report.into_result(()).unwrap_err();
        let starts: Vec<_> =
            report.findings().iter().map(|f| f.location.as_ref().unwrap().span.start).collect();
        assert_eq!(starts, [1, 2, 3]);
    }

    #[test]
    fn locations_stay_inside_the_text_and_off_split_characters() {
        let source = SourceText::new("a", "a\u{e9}z");
        assert_eq!(Location::new(&source, 2..99).text(), "\u{e9}z");
        assert_eq!(Location::new(&source, 50..60).text(), "");
    }

    #[test]
    fn nearest_finds_typos_and_leaves_strangers_alone() {
        assert_eq!(nearest("dely", ["delay", "rate"]), Some("delay"));
        assert_eq!(nearest("Left", ["left", "right"]), Some("left"));
        assert_eq!(nearest("colour", ["delay", "rate"]), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn lists_read_as_english_and_stop_somewhere() {
        assert_eq!(list([]), "none");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        let many: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert!(list(many.iter().map(String::as_str)).ends_with("`15` and 4 more"));
    }
}
