//! A ladder for a terminal.
//!
//! Lifelines are columns, and every event takes a few lines: what a message is and holds stands above its arrow,
//! and the left margin has the time. When the columns would be too narrow to read, each message becomes a
//! line `from → to` instead; the content is the same. Characters count as one column each, so names in scripts
//! of double width will not line up.

use super::wrap::{shorten, wrap};
use super::{Ladder, LadderEvent, LadderEventKind, Message, Participant, position};
use crate::time::milliseconds;

/// Narrower terminals get lines of this many columns all the same.
const WIDTH_MIN: usize = 60;
/// Below this distance between lifelines, columns no longer hold a payload list.
const SPACING_MIN: usize = 20;
/// Columns left of the first and right of the last lifeline.
const EDGE: usize = 6;

/// Draws ladders as text.
#[derive(Debug, Clone, Copy)]
pub struct LadderText;

impl LadderText {
    /// The ladder in lines of at most `width` columns (at least 60), with a line break after each.
    ///
    /// ```
    /// use ipseclab_output::{Ladder, LadderEvent, LadderText};
    /// let ladder = Ladder { events: vec![LadderEvent::note(0, "left", "starts")], ..Ladder::default() };
    /// assert!(LadderText::render(&ladder, 80).contains("starts"));
    /// ```
    pub fn render(ladder: &Ladder, width: usize) -> String {
        let lifelines = ladder.lifelines();
        let sheet = Sheet::new(ladder, &lifelines, width.max(WIDTH_MIN));
        let mut lines = wrap(&ladder.title, |line| line.chars().count() <= sheet.width);
        if sheet.spacing().is_some_and(|spacing| spacing < SPACING_MIN) {
            lines.extend(ladder.in_order().into_iter().flat_map(|event| sheet.listed(event)));
        } else {
            lines.extend(sheet.heading());
            lines.extend(ladder.in_order().into_iter().flat_map(|event| sheet.drawn(event)));
            lines.push(sheet.row("", |_| {}));
        }
        lines.into_iter().flat_map(|line| [line.trim_end().to_owned(), "\n".to_owned()]).collect()
    }
}

/// The geometry of one drawing.
struct Sheet<'a> {
    lifelines: &'a [Participant],
    width: usize,
    /// Columns for the time, with a blank after it.
    margin: usize,
    /// Column of each lifeline.
    columns: Vec<usize>,
}

impl<'a> Sheet<'a> {
    fn new(ladder: &Ladder, lifelines: &'a [Participant], width: usize) -> Self {
        let times = ladder.events.iter().map(|event| milliseconds(event.time_ns).len());
        let margin = times.max().unwrap_or(0) + 2;
        let (first, last) = (margin + EDGE, width - 1 - EDGE);
        let gaps = lifelines.len().saturating_sub(1).max(1);
        let columns = (0..lifelines.len()).map(|index| first + (last - first) * index / gaps).collect();
        Self { lifelines, width, margin, columns }
    }

    /// The smallest distance between neighbours; `None` with fewer than two lifelines.
    fn spacing(&self) -> Option<usize> {
        self.columns.windows(2).map(|pair| pair[1] - pair[0]).min()
    }

    fn column(&self, node: &str) -> usize {
        self.columns.get(position(self.lifelines, node)).copied().unwrap_or(self.margin)
    }

    /// A line with the time in its margin, the lifelines, and what `write` puts over them.
    fn row(&self, time: &str, write: impl FnOnce(&mut [char])) -> String {
        let mut cells = vec![' '; self.width];
        for &column in &self.columns {
            cells[column] = '│';
        }
        put(&mut cells, self.margin.saturating_sub(time.len() + 2), time);
        write(&mut cells);
        cells.into_iter().collect()
    }

    fn heading(&self) -> Vec<String> {
        let mut lines = vec![self.labels(|participant| &participant.name)];
        if self.lifelines.iter().any(|participant| !participant.detail.is_empty()) {
            lines.push(self.labels(|participant| &participant.detail));
        }
        lines
    }

    /// One text per lifeline, centred on it as far as the edges allow, and shortened to half way to its neighbours.
    fn labels(&self, label: impl Fn(&Participant) -> &String) -> String {
        let mut cells = vec![' '; self.width];
        for (index, participant) in self.lifelines.iter().enumerate() {
            let column = self.columns[index];
            let low =
                index.checked_sub(1).map_or(self.margin, |before| self.columns[before].midpoint(column) + 1);
            let high = self.columns.get(index + 1).map_or(self.width, |&next| column.midpoint(next));
            let text = shorten(label(participant), high - low);
            let length = text.chars().count();
            let start = column.saturating_sub(length / 2).clamp(low, high - length);
            put(&mut cells, start, &text);
        }
        cells.into_iter().collect()
    }

    fn drawn(&self, event: &LadderEvent) -> Vec<String> {
        let time = milliseconds(event.time_ns);
        match &event.kind {
            LadderEventKind::Message(message) => self.message(&time, message),
            LadderEventKind::Note { node, text } => self.remark(&time, node, '*', text),
            LadderEventKind::LocalStep { node, text } => self.remark(&time, node, '●', text),
        }
    }

    fn message(&self, time: &str, message: &Message) -> Vec<String> {
        let (from, to) = (self.column(&message.from), self.column(&message.to));
        if from == to {
            let text = format!("{} (to itself): {}", message.headline(), message.contents());
            return self.remark(time, &message.from, '●', &text);
        }
        let (low, high) = (from.min(to), from.max(to));
        let room = high - low - 3;
        let mut lines = vec![self.row("", |_| {})];
        for text in [message.headline(), message.contents()] {
            let wrapped = wrap(&text, |line| line.chars().count() <= room);
            lines.extend(wrapped.iter().map(|line| self.row("", |cells| put(cells, low + 2, line))));
        }
        lines.push(self.row(time, |cells| arrow(cells, from, to, message)));
        lines
    }

    /// Text beside a lifeline: to its right, or for the last one to its left, where the room is.
    fn remark(&self, time: &str, node: &str, mark: char, text: &str) -> Vec<String> {
        let index = position(self.lifelines, node);
        let column = self.column(node);
        let left = index > 0 && index + 1 == self.lifelines.len();
        let (low, high) = if left {
            (self.columns[index - 1] + 2, column - 2)
        } else {
            (column + 2, self.columns.get(index + 1).map_or(self.width - 1, |next| next - 2))
        };
        let wrapped = wrap(text, |line| line.chars().count() <= high - low + 1);
        let line = |(number, text): (usize, &String)| {
            self.row(if number == 0 { time } else { "" }, |cells| {
                if number == 0 {
                    cells[column] = mark;
                }
                let start = if left { high + 1 - text.chars().count() } else { low };
                put(cells, start, text);
            })
        };
        wrapped.iter().enumerate().map(line).collect()
    }

    /// The event without columns, for many participants on a narrow terminal.
    fn listed(&self, event: &LadderEvent) -> Vec<String> {
        let text = match &event.kind {
            LadderEventKind::Message(message) => {
                let arrival = arrival(message);
                let (from, to) = (&message.from, &message.to);
                format!("{from} → {to} ({arrival}): {}: {}", message.headline(), message.contents())
            }
            LadderEventKind::Note { node, text } => format!("{node} * {text}"),
            LadderEventKind::LocalStep { node, text } => format!("{node} ● {text}"),
        };
        let time = milliseconds(event.time_ns);
        let room = self.width - self.margin;
        let wrapped = wrap(&text, |line| line.chars().count() <= room);
        let line = |(number, text): (usize, &String)| {
            let time = if number == 0 { time.as_str() } else { "" };
            format!("{time:>pad$}  {text}", pad = self.margin - 2)
        };
        wrapped.iter().enumerate().map(line).collect()
    }
}

/// How long the message was under way, or that it never arrived.
fn arrival(message: &Message) -> String {
    match message.received_ns {
        Some(received_ns) => format!("+{}", milliseconds(received_ns.saturating_sub(message.sent_ns))),
        None => "lost".to_owned(),
    }
}

/// An arrow from one column to another; a lost message stops before it arrives, with an `x`.
fn arrow(cells: &mut [char], from: usize, to: usize, message: &Message) {
    let (low, high) = (from.min(to), from.max(to));
    let rightwards = from < to;
    cells[low + 1..high].fill('─');
    cells[from] = if rightwards { '├' } else { '┤' };
    let tip = if rightwards { high - 1 } else { low + 1 };
    if message.received_ns.is_some() {
        cells[tip] = if rightwards { '►' } else { '◄' };
    } else {
        let length = (high - low) / 4;
        let gap = if rightwards { high - length..high } else { low + 1..low + 1 + length };
        cells[gap].fill(' ');
        cells[if rightwards { high - length } else { low + length }] = 'x';
    }
    let label = format!(" {} ", arrival(message));
    let length = label.chars().count();
    if length + 4 < high - low {
        put(cells, low + (high - low - length) / 2, &label);
    }
}

/// Writes `text` from `start` on; what does not fit is not written.
fn put(cells: &mut [char], start: usize, text: &str) {
    for (cell, character) in cells.iter_mut().skip(start).zip(text.chars()) {
        *cell = character;
    }
}
