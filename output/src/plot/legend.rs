//! The legend: one for all panels, above them, where it can cover nothing.

use super::canvas::{Anchor, Area, Canvas};
use super::layout::text;
use super::lines::draw_marker;
use super::palette::{BLACK, color, marker};
use super::{Figure, Kind};
use crate::font::{Weight, text_width};

const SIZE: f64 = 15.0;
const ROW_HEIGHT: f64 = 24.0;
/// Length of the sample in front of a name.
const SAMPLE: f64 = 30.0;
const SAMPLE_GAP: f64 = 7.0;
const ENTRY_GAP: f64 = 24.0;

/// Names of all series in order of appearance, broken into rows.
pub(super) struct Legend {
    kind: Kind,
    title: String,
    labels: Vec<String>,
    /// Numbers of the series in each row.
    rows: Vec<Vec<usize>>,
}

impl Legend {
    pub(super) fn new(figure: &Figure, room: f64) -> Self {
        let mut labels: Vec<String> = Vec::new();
        for series in figure.panels.iter().flat_map(|panel| &panel.series) {
            if !labels.contains(&series.label) {
                labels.push(series.label.clone());
            }
        }
        let mut legend = Self { kind: figure.kind, title: figure.legend.clone(), labels, rows: Vec::new() };
        if legend.is_useful() {
            legend.rows = legend.even_rows(room);
        }
        legend
    }

    /// One series needs no name, and neither do colours that mean values.
    fn is_useful(&self) -> bool {
        self.kind != Kind::Heatmap && (self.labels.len() > 1 || !self.title.is_empty())
    }

    /// As few rows as there must be, and none of them with a single name left over.
    fn even_rows(&self, room: f64) -> Vec<Vec<usize>> {
        let tight = self.break_rows(room);
        let least = tight.iter().map(|row| self.row_width(row)).fold(0.0, f64::max);
        // Narrower rows until one more would be needed; a step is finer than any name.
        let mut rows = tight;
        let mut width = least;
        while width > 0.0 {
            let narrower = self.break_rows(width);
            if narrower.len() > rows.len() {
                break;
            }
            rows = narrower;
            width -= 4.0;
        }
        rows
    }

    fn row_width(&self, row: &[usize]) -> f64 {
        self.title_width() + row.iter().map(|&number| self.entry_width(number)).sum::<f64>()
    }

    fn break_rows(&self, room: f64) -> Vec<Vec<usize>> {
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut used = 0.0;
        for number in 0..self.labels.len() {
            let width = self.entry_width(number);
            match rows.last_mut() {
                Some(row) if used + width <= room => row.push(number),
                Some(_) | None => {
                    used = self.title_width();
                    rows.push(vec![number]);
                }
            }
            used += width;
        }
        rows
    }

    fn title_width(&self) -> f64 {
        if self.title.is_empty() { 0.0 } else { text_width(&self.title, SIZE, Weight::Regular) + ENTRY_GAP }
    }

    fn entry_width(&self, number: usize) -> f64 {
        SAMPLE + SAMPLE_GAP + text_width(&self.labels[number], SIZE, Weight::Regular) + ENTRY_GAP
    }

    /// Number of a series, which settles its colour and marker.
    pub(super) fn number(&self, label: &str) -> usize {
        self.labels.iter().position(|found| found == label).unwrap_or_default()
    }

    /// How many different series there are.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn height(&self) -> f64 {
        super::index(self.rows.len()) * ROW_HEIGHT
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, middle: f64, top: f64) {
        for (index, row) in self.rows.iter().enumerate() {
            let baseline = top + super::index(index) * ROW_HEIGHT + SIZE;
            let entries: f64 = row.iter().map(|&number| self.entry_width(number)).sum();
            let title = if index == 0 { self.title_width() } else { 0.0 };
            let mut x = middle - (title + entries - ENTRY_GAP) / 2.0;
            if index == 0 {
                canvas.label(text(&self.title, (x, baseline), SIZE, Weight::Regular, Anchor::Start));
            }
            x += title;
            for &number in row {
                self.draw_sample(canvas, number, x, baseline - SIZE * 0.36);
                let spot = (x + SAMPLE + SAMPLE_GAP, baseline);
                canvas.label(text(&self.labels[number], spot, SIZE, Weight::Regular, Anchor::Start));
                x += self.entry_width(number);
            }
        }
    }

    fn draw_sample(&self, canvas: &mut Canvas, number: usize, x: f64, y: f64) {
        let hue = color(number);
        match self.kind {
            Kind::Line | Kind::Band | Kind::Cdf => {
                canvas.line((x, y), (x + SAMPLE, y), hue, 2.0);
                draw_marker(canvas, marker(number), (x + SAMPLE / 2.0, y), hue);
            }
            Kind::Box => {
                let area = Area { left: x + 7.0, top: y - 6.0, right: x + SAMPLE - 7.0, bottom: y + 6.0 };
                canvas.area(area, hue.tint(0.45));
                canvas.outline(area, hue, 1.5);
            }
            Kind::Timeline | Kind::Heatmap | Kind::Stack => {
                let area = Area { left: x + 5.0, top: y - 6.0, right: x + SAMPLE - 5.0, bottom: y + 6.0 };
                canvas.area(area, hue);
                canvas.outline(area, BLACK, 0.5);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Panel, Series};
    use super::*;

    fn rows(count: usize, room: f64) -> Vec<usize> {
        let mut figure = Figure::new("", Kind::Line, Axis::linear(""), Axis::linear(""));
        figure.legend = "key exchange".into();
        let series = (0..count).map(|number| Series::new(&format!("MODP-{number}"), Vec::new()));
        figure.panels = vec![Panel { title: String::new(), series: series.collect() }];
        Legend::new(&figure, room).rows.iter().map(Vec::len).collect()
    }

    #[test]
    fn rows_are_as_few_as_fit_and_of_one_length() {
        assert_eq!(rows(4, 868.0), [4]);
        assert_eq!(rows(6, 868.0), [6]);
        assert_eq!(rows(6, 750.0), [3, 3]);
        assert_eq!(rows(7, 750.0), [4, 3]);
        assert_eq!(rows(3, 10.0), [1, 1, 1]);
    }
}
