//! A ladder as a picture: a self-contained SVG file without scripts.
//!
//! Down is later, but not to scale: each instant gets the room that its texts need, since a negotiation has
//! microseconds of computing beside seconds of waiting. Arrows slant from the instant of sending to the instant of
//! arrival, so that crossing messages cross in the picture too. Texts of messages have a white ground and stay readable
//! where a line passes behind them. Written by hand, because it is lines and texts and nothing else.

use super::wrap::wrap;
use super::{Ladder, LadderEvent, LadderEventKind, Message, Participant, position};
use crate::font::{FAMILY, Weight, text_width};
use crate::time::milliseconds;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const TEXT_SIZE: f64 = 14.0;
const SMALL_SIZE: f64 = 12.5;
const NAME_SIZE: f64 = 16.0;
const LINE_HEIGHT: f64 = 18.0;
/// Left of the first lifeline; holds the times.
const TIME_WIDTH: f64 = 116.0;
/// Between two lifelines.
const SPACING: f64 = 420.0;
/// With many lifelines they stand closer.
const SPACING_MIN: f64 = 240.0;
const WIDTH_WANTED: f64 = 1_100.0;
const EDGE: f64 = 150.0;
const HEAD: f64 = 64.0;
/// From one instant to the next at least, so that an arrow between them slants.
const STEP: f64 = 16.0;
/// Free space above the first line of a text.
const LEAD: f64 = 12.0;

/// The ladder as an SVG file.
///
/// ```
/// use ipseclab_output::{Ladder, LadderEvent, ladder::svg};
/// let ladder = Ladder { events: vec![LadderEvent::note(0, "left", "a < b")], ..Ladder::default() };
/// assert!(svg::render(&ladder).contains("a &lt; b"));
/// ```
pub fn render(ladder: &Ladder) -> String {
    let lifelines = ladder.lifelines();
    let mut sheet = Sheet::new(ladder, &lifelines);
    sheet.place(ladder);
    sheet.draw(ladder)
}

/// An event with the texts that stand above its line.
struct Placed<'a> {
    event: &'a LadderEvent,
    lines: Vec<String>,
    /// Baseline of the time, or start of the arrow.
    y: f64,
}

struct Sheet<'a> {
    lifelines: &'a [Participant],
    spacing: f64,
    top: f64,
    placed: Vec<Placed<'a>>,
    /// Where each instant of an arrival lies.
    arrivals: BTreeMap<u64, f64>,
    bottom: f64,
}

impl<'a> Sheet<'a> {
    fn new(ladder: &Ladder, lifelines: &'a [Participant]) -> Self {
        let gaps = lifelines.len().saturating_sub(1).max(1);
        let spacing = ((WIDTH_WANTED - TIME_WIDTH - 2.0 * EDGE) / count(gaps)).clamp(SPACING_MIN, SPACING);
        let top = if ladder.title.is_empty() { 16.0 } else { 48.0 };
        Self { lifelines, spacing, top, placed: Vec::new(), arrivals: BTreeMap::new(), bottom: top + HEAD }
    }

    fn x(&self, index: usize) -> f64 {
        TIME_WIDTH + EDGE + self.spacing * count(index)
    }

    fn x_of(&self, node: &str) -> f64 {
        self.x(position(self.lifelines, node))
    }

    fn width(&self) -> f64 {
        self.x(self.lifelines.len().saturating_sub(1)) + EDGE
    }

    /// Gives every event and every arrival its height, in order of time; an arrival comes before what it causes.
    fn place(&mut self, ladder: &'a Ladder) {
        let events = ladder.in_order();
        let arrivals = events.iter().filter_map(|event| match &event.kind {
            LadderEventKind::Message(message) => message.received_ns,
            LadderEventKind::Note { .. } | LadderEventKind::LocalStep { .. } => None,
        });
        let mut arrivals: Vec<u64> = arrivals.collect();
        arrivals.sort_unstable();
        arrivals.dedup();
        let mut arrivals = arrivals.into_iter().peekable();
        for event in events {
            while let Some(time_ns) = arrivals.next_if(|&time_ns| time_ns <= event.time_ns) {
                self.place_arrival(time_ns);
            }
            self.place_event(event);
        }
        arrivals.for_each(|time_ns| self.place_arrival(time_ns));
    }

    fn place_arrival(&mut self, time_ns: u64) {
        self.bottom += STEP;
        self.arrivals.insert(time_ns, self.bottom);
    }

    fn place_event(&mut self, event: &'a LadderEvent) {
        let lines = self.lines(event);
        self.bottom += LEAD + LINE_HEIGHT * count(lines.len());
        self.placed.push(Placed { event, lines, y: self.bottom });
        if matches!(event.kind, LadderEventKind::Message(_)) {
            // The arrow begins below its text.
            self.bottom += 6.0;
            if let Some(placed) = self.placed.last_mut() {
                placed.y = self.bottom;
            }
        }
    }

    fn lines(&self, event: &LadderEvent) -> Vec<String> {
        let fit = |room: f64| move |line: &str| text_width(line, TEXT_SIZE, Weight::Regular) <= room;
        match &event.kind {
            LadderEventKind::Message(message) => {
                let span = (self.x_of(&message.from) - self.x_of(&message.to)).abs().max(self.spacing);
                let mut lines = wrap(&message.headline(), |line| {
                    text_width(line, TEXT_SIZE, Weight::Bold) <= span - 24.0
                });
                lines.extend(wrap(&message.contents(), fit(span - 24.0)));
                lines
            }
            LadderEventKind::Note { text, .. } | LadderEventKind::LocalStep { text, .. } => {
                wrap(text, fit(2.0 * EDGE.min(self.spacing / 2.0) - 44.0))
            }
        }
    }

    fn draw(&self, ladder: &Ladder) -> String {
        let (width, height) = (self.width(), self.bottom + 28.0);
        let mut svg = String::new();
        let start = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FAMILY}\" font-size=\"{TEXT_SIZE}\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            escape(&ladder.title),
        );
        svg.push_str(&start);
        let title = Text { size: 18.0, bold: true, ..Text::new(&ladder.title, width / 2.0, 32.0) };
        svg.push_str(&title.draw());
        self.draw_lifelines(&mut svg);
        for placed in &self.placed {
            self.draw_event(&mut svg, placed);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_lifelines(&self, svg: &mut String) {
        for (index, participant) in self.lifelines.iter().enumerate() {
            let x = self.x(index);
            let top = self.top + HEAD - 12.0;
            line(svg, (x, top), (x, self.bottom + 14.0), "#999999", 1.5);
            let room = self.spacing - 16.0;
            let name = clip(&participant.name, |text| text_width(text, NAME_SIZE, Weight::Bold) <= room);
            let detail =
                clip(&participant.detail, |text| text_width(text, SMALL_SIZE, Weight::Regular) <= room);
            svg.push_str(
                &Text { size: NAME_SIZE, bold: true, ..Text::new(&name, x, self.top + 20.0) }.draw(),
            );
            let detail = Text::new(&detail, x, self.top + 40.0);
            svg.push_str(&Text { size: SMALL_SIZE, fill: GREY, ..detail }.draw());
        }
    }

    fn draw_event(&self, svg: &mut String, placed: &Placed<'_>) {
        let time = milliseconds(placed.event.time_ns);
        let time = Text::new(&time, TIME_WIDTH, placed.y + 4.0);
        svg.push_str(&Text { size: SMALL_SIZE, fill: GREY, anchor: "end", ..time }.draw());
        match &placed.event.kind {
            LadderEventKind::Message(message) => self.draw_message(svg, placed, message),
            LadderEventKind::Note { node, .. } => self.draw_remark(svg, placed, node, "#fff4cc", "#b8860b"),
            LadderEventKind::LocalStep { node, .. } => {
                self.draw_remark(svg, placed, node, "#e3f0fa", "#0072b2");
            }
        }
    }

    fn draw_message(&self, svg: &mut String, placed: &Placed<'_>, message: &Message) {
        let (from, to) = (self.x_of(&message.from), self.x_of(&message.to));
        let arrival = message.received_ns.and_then(|time_ns| self.arrivals.get(&time_ns));
        let first =
            placed.y - 6.0 - LINE_HEIGHT * count(placed.lines.len() - usize::from(!placed.lines.is_empty()));
        match arrival {
            // Without any delay the arrival was placed before the sending at the same instant.
            Some(&y) => draw_arrow(svg, (from, placed.y), (to, y.max(placed.y))),
            None => draw_lost(svg, (from, placed.y), (to, placed.y + STEP)),
        }
        for (number, text) in placed.lines.iter().enumerate() {
            let text = Text::new(text, from.midpoint(to), first + LINE_HEIGHT * count(number));
            let text = Text { bold: number == 0, ..text };
            svg.push_str(&text.ground());
            svg.push_str(&text.draw());
        }
    }

    /// A box on the lifeline.
    fn draw_remark(&self, svg: &mut String, placed: &Placed<'_>, node: &str, fill: &str, edge: &str) {
        let x = self.x_of(node);
        let widths = placed.lines.iter().map(|text| text_width(text, TEXT_SIZE, Weight::Regular));
        let half = widths.fold(0.0, f64::max) / 2.0 + 10.0;
        let height = LINE_HEIGHT * count(placed.lines.len()) + 6.0;
        let (left, top, width) = (x - half, placed.y - height + 7.0, 2.0 * half);
        let rect = format!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\" \
             fill=\"{fill}\" stroke=\"{edge}\"/>\n",
        );
        svg.push_str(&rect);
        for (number, text) in placed.lines.iter().enumerate() {
            let y = top + LINE_HEIGHT * count(number) + 15.0;
            svg.push_str(&Text::new(text, x, y).draw());
        }
    }
}

const GREY: &str = "#555555";
const BLUE: &str = "#0072b2";
const RED: &str = "#d55e00";

/// A text around a spot on its baseline.
struct Text<'a> {
    content: &'a str,
    x: f64,
    y: f64,
    size: f64,
    bold: bool,
    fill: &'a str,
    anchor: &'a str,
}

impl<'a> Text<'a> {
    fn new(content: &'a str, x: f64, y: f64) -> Self {
        Self { content, x, y, size: TEXT_SIZE, bold: false, fill: "#1a1a1a", anchor: "middle" }
    }

    /// A white area under the text, which must be anchored in its middle.
    fn ground(&self) -> String {
        let weight = if self.bold { Weight::Bold } else { Weight::Regular };
        let width = text_width(self.content, self.size, weight) + 6.0;
        let (left, top) = (self.x - width / 2.0, self.y - LINE_HEIGHT + 4.0);
        format!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{LINE_HEIGHT}\" fill=\"#ffffff\" \
             fill-opacity=\"0.85\"/>\n",
        )
    }

    fn draw(&self) -> String {
        if self.content.is_empty() {
            return String::new();
        }
        let Self { x, y, size, fill, anchor, .. } = self;
        let weight = if self.bold { " font-weight=\"bold\"" } else { "" };
        format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{fill}\"{weight}>{}\
             </text>\n",
            escape(self.content),
        )
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), color: &str, width: f64) {
    let ((x1, y1), (x2, y2)) = (from, to);
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\" stroke-width=\"{width}\"/>",
    );
}

fn draw_arrow(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    const LENGTH: f64 = 12.0;
    const HALF: f64 = 5.0;
    let (run, fall) = (to.0 - from.0, to.1 - from.1);
    let distance = libm::sqrt(run * run + fall * fall).max(1.0);
    let (right, down) = (run / distance, fall / distance);
    let neck = (to.0 - right * LENGTH, to.1 - down * LENGTH);
    line(svg, from, neck, BLUE, 2.0);
    let (x1, y1) = (neck.0 - down * HALF, neck.1 + right * HALF);
    let (x2, y2) = (neck.0 + down * HALF, neck.1 - right * HALF);
    let (x, y) = to;
    let _ =
        writeln!(svg, "<polygon points=\"{x:.1},{y:.1} {x1:.1},{y1:.1} {x2:.1},{y2:.1}\" fill=\"{BLUE}\"/>");
}

/// Two thirds of an arrow, a cross, and the word.
fn draw_lost(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    const ARM: f64 = 6.0;
    let (x, y) = (from.0 + (to.0 - from.0) * 0.66, from.1 + (to.1 - from.1) * 0.66);
    line(svg, from, (x, y), RED, 2.0);
    line(svg, (x - ARM, y - ARM), (x + ARM, y + ARM), RED, 2.5);
    line(svg, (x - ARM, y + ARM), (x + ARM, y - ARM), RED, 2.5);
    let (anchor, side) = if to.0 >= from.0 { ("start", 12.0) } else { ("end", -12.0) };
    let text = Text::new("lost", x + side, y + 4.0);
    svg.push_str(&Text { fill: RED, anchor, size: SMALL_SIZE, ..text }.draw());
}

/// `text`, or as much of it as fits before an ellipsis.
fn clip(text: &str, fits: impl Fn(&str) -> bool) -> String {
    let mut kept = text.to_owned();
    let mut shown = kept.clone();
    while !fits(&shown) && kept.pop().is_some() {
        shown = format!("{kept}…");
    }
    shown
}

/// For text and attributes; characters that XML 1.0 forbids become a replacement character.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[expect(clippy::cast_precision_loss, reason = "lines and lifelines are few")]
fn count(value: usize) -> f64 {
    value as f64
}
