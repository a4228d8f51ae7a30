//! Where everything goes: heading, legend, panels in a grid with shared axes, axis names.
//!
//! All panels have one size and the same ranges. Numbers stand only at the left edge and under the lowest panel of each
//! column, so that the grid reads as one figure.

use super::axis::{Range, colors, horizontal, vertical};
use super::canvas::{Anchor, Area, Canvas, Label, PageSize};
use super::frame::{self, Frame};
use super::legend::Legend;
use super::palette::{BLACK, WHITE};
use super::{Figure, Kind, Scale, boxes, heatmap, index, lines, stack, timeline};
use crate::font::{Weight, text_width};

/// Width of every page.
pub(super) const WIDTH: u32 = 900;
pub(super) const TICK_SIZE: f64 = 14.0;
const TITLE_SIZE: f64 = 18.0;
const AXIS_SIZE: f64 = 16.0;
const PANEL_TITLE_SIZE: f64 = 15.0;
const MARGIN: f64 = 16.0;
/// Between two panels.
const GAP: f64 = 18.0;
/// Height of a panel's own heading.
const PANEL_TITLE_HEIGHT: f64 = 24.0;
/// From the frame to a number on an axis.
pub(super) const TICK_GAP: f64 = 8.0;
/// Of the colour scale beside a heat map, with its numbers.
const COLOR_WIDTH: f64 = 110.0;
/// A lane of a timeline or a row of a heat map.
const LANE_HEIGHT: f64 = 34.0;
/// Beyond this the lanes become thinner instead.
const PANEL_HEIGHT_MAX: f64 = 1_600.0;

/// Panels in a row.
pub(super) fn columns(figure: &Figure) -> usize {
    let count = figure.panels.len();
    let chosen = match count {
        0..=3 => count,
        4 => 2,
        _ => 3,
    };
    figure.columns.unwrap_or(chosen).clamp(1, count.clamp(1, 6))
}

/// Size of the page.
pub(super) fn size(figure: &Figure) -> PageSize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "heights are small and positive"
    )]
    let height = libm::ceil(Layout::new(figure).height) as u32;
    PageSize { width: WIDTH, height }
}

/// Draws the figure.
pub(super) fn draw(figure: &Figure, canvas: &mut Canvas) {
    let layout = Layout::new(figure);
    canvas.area(Area { left: 0.0, top: 0.0, right: f64::from(WIDTH), bottom: layout.height }, WHITE);
    layout.draw_heading(canvas);
    for number in 0..figure.panels.len() {
        layout.draw_panel(canvas, number);
    }
    layout.draw_axis_names(canvas);
    if figure.kind == Kind::Heatmap {
        heatmap::draw_scale(canvas, layout.scale_area(), &layout.colors, &figure.color.label, AXIS_SIZE);
    }
}

struct Layout<'a> {
    figure: &'a Figure,
    x: Range,
    y: Range,
    colors: Range,
    legend: Legend,
    columns: usize,
    /// Upper left corner of the first panel's frame.
    left: f64,
    top: f64,
    panel_width: f64,
    panel_height: f64,
    /// From the frame's bottom to the next row's frame.
    row_gap: f64,
    /// Room for the numbers or names under the lowest row.
    x_text_height: f64,
    x_upright: bool,
    height: f64,
}

impl<'a> Layout<'a> {
    fn new(figure: &'a Figure) -> Self {
        let (x, y) = (horizontal(figure), vertical(figure));
        let columns = columns(figure);
        let legend = Legend::new(figure, f64::from(WIDTH) - 2.0 * MARGIN);
        let y_text = widest(&y);
        let left = MARGIN + AXIS_SIZE + 10.0 + y_text + TICK_GAP;
        // The last number may reach over the frame.
        let last = x.ticks.iter().rev().find(|tick| !tick.text.is_empty() && !x.named);
        let right_text = last.map_or(0.0, |tick| text_width(&tick.text, TICK_SIZE, Weight::Regular) / 2.0);
        let scale = if figure.kind == Kind::Heatmap { COLOR_WIDTH } else { right_text.min(30.0) };
        let room = f64::from(WIDTH) - MARGIN - scale - left;
        let panel_width = ((room - GAP * index(columns - 1)) / index(columns)).max(40.0);
        let panel_height = panel_height(figure, columns);
        let x_upright = x.named && widest(&x) > panel_width * x.slot() - 8.0;
        let x_text_height = if x_upright { widest(&x) + TICK_GAP } else { TICK_SIZE + TICK_GAP };
        let titled = figure.panels.iter().any(|panel| !panel.title.is_empty());
        let panel_title = if titled { PANEL_TITLE_HEIGHT } else { 0.0 };
        let title = if figure.title.is_empty() { 0.0 } else { TITLE_SIZE + 14.0 };
        let top = MARGIN + title + legend.height() + panel_title + 6.0;
        let row_gap = GAP + panel_title;
        let rows = index(figure.panels.len().div_ceil(columns));
        let bottom = top + rows * panel_height + (rows - 1.0) * row_gap;
        let height = bottom + x_text_height + AXIS_SIZE + 14.0 + MARGIN;
        let colors = colors(figure);
        Self {
            figure,
            x,
            y,
            colors,
            legend,
            columns,
            left,
            top,
            panel_width,
            panel_height,
            row_gap,
            x_text_height,
            x_upright,
            height,
        }
    }

    fn panel_area(&self, number: usize) -> Area {
        let (row, column) = (index(number / self.columns), index(number % self.columns));
        let left = self.left + column * (self.panel_width + GAP);
        let top = self.top + row * (self.panel_height + self.row_gap);
        Area { left, top, right: left + self.panel_width, bottom: top + self.panel_height }
    }

    /// All panels together.
    fn grid_area(&self) -> Area {
        let last = self.panel_area(self.figure.panels.len().max(1) - 1);
        let right = self.panel_area(self.columns - 1).right;
        Area { left: self.left, top: self.top, right, bottom: last.bottom }
    }

    fn scale_area(&self) -> Area {
        let grid = self.grid_area();
        Area { left: grid.right + GAP, top: grid.top, right: grid.right + GAP + 18.0, bottom: grid.bottom }
    }

    fn draw_heading(&self, canvas: &mut Canvas) {
        let middle = self.grid_area().center().0;
        let spot = (middle, MARGIN + TITLE_SIZE);
        canvas.label(text(&self.figure.title, spot, TITLE_SIZE, Weight::Bold, Anchor::Middle));
        let top = MARGIN + if self.figure.title.is_empty() { 0.0 } else { TITLE_SIZE + 14.0 };
        self.legend.draw(canvas, middle, top);
    }

    fn draw_panel(&self, canvas: &mut Canvas, number: usize) {
        let area = self.panel_area(number);
        let frame = Frame {
            area,
            x: &self.x,
            y: &self.y,
            x_texts: number + self.columns >= self.figure.panels.len(),
            y_texts: number.is_multiple_of(self.columns),
            x_upright: self.x_upright,
        };
        let panel = &self.figure.panels[number];
        let spot = (area.center().0, area.top - 8.0);
        canvas.label(text(&panel.title, spot, PANEL_TITLE_SIZE, Weight::Bold, Anchor::Middle));
        frame::draw_grid(canvas, &frame);
        frame::draw_edge(canvas, &frame);
        if panel.series.iter().all(|series| series.points.is_empty()) {
            canvas.label(text("no data", area.center(), TICK_SIZE, Weight::Regular, Anchor::Middle));
        }
        let number_of = |label: &str| self.legend.number(label);
        match self.figure.kind {
            Kind::Line => lines::draw(canvas, &frame, panel, number_of, self.legend.len()),
            Kind::Band => lines::draw_bands(canvas, &frame, panel, number_of, self.legend.len()),
            Kind::Cdf => lines::draw_cdf(canvas, &frame, panel, number_of, self.legend.len()),
            Kind::Box => boxes::draw(canvas, &frame, panel, number_of, self.legend.len()),
            Kind::Heatmap => {
                heatmap::draw(canvas, &frame, panel, &self.colors);
                // Cells reach to the edge and cover half of it.
                frame::draw_edge(canvas, &frame);
            }
            Kind::Stack => {
                stack::draw(canvas, &frame, panel, number_of);
                frame::draw_edge(canvas, &frame);
            }
            Kind::Timeline => timeline::draw(canvas, &frame, panel, number_of),
        }
    }

    fn draw_axis_names(&self, canvas: &mut Canvas) {
        let grid = self.grid_area();
        let (middle, center) = grid.center();
        let below = self.height - MARGIN - 2.0;
        debug_assert!(below > grid.bottom + self.x_text_height);
        canvas.label(text(&self.figure.x.label, (middle, below), AXIS_SIZE, Weight::Regular, Anchor::Middle));
        let spot = (MARGIN + AXIS_SIZE - 2.0, center);
        let name = text(&self.figure.y.label, spot, AXIS_SIZE, Weight::Regular, Anchor::Middle);
        canvas.label(Label { upwards: true, ..name });
    }
}

fn panel_height(figure: &Figure, columns: usize) -> f64 {
    let lanes = match &figure.y.scale {
        Scale::Categories(names) => Some(index(names.len()) * LANE_HEIGHT),
        Scale::Linear | Scale::Log => None,
    };
    // The scale of a heat map's colours needs some height for its name, whatever the number of rows.
    let least = if figure.kind == Kind::Heatmap { 300.0 } else { 2.0 * LANE_HEIGHT };
    let usual = match columns {
        // Panels below each other together need a page that is not too long.
        1 if figure.panels.len() > 1 => 240.0,
        1 => 440.0,
        2 => 320.0,
        _ => 260.0,
    };
    lanes.map_or(usual, |height| height.clamp(least, PANEL_HEIGHT_MAX))
}

fn widest(range: &Range) -> f64 {
    let widths = range.ticks.iter().map(|tick| text_width(&tick.text, TICK_SIZE, Weight::Regular));
    widths.fold(0.0, f64::max)
}

/// A black text that reads to the right.
pub(super) fn text(text: &str, spot: (f64, f64), size: f64, weight: Weight, anchor: Anchor) -> Label {
    Label { text: text.to_owned(), spot, size, weight, anchor, upwards: false, color: BLACK }
}
