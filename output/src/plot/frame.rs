//! One panel's frame, grid and numbers, and the places of values inside it.

use super::axis::Range;
use super::canvas::{Anchor, Area, Canvas, Label, Spot};
use super::layout::{TICK_GAP, TICK_SIZE, text};
use super::palette::{BLACK, GRID};
use crate::font::{Weight, text_width};

/// Height of digits as a share of the size of the text.
const DIGIT_HEIGHT: f64 = 0.73;

/// A panel's place and its axes.
pub(super) struct Frame<'a> {
    pub(super) area: Area,
    pub(super) x: &'a Range,
    pub(super) y: &'a Range,
    /// Whether numbers stand below.
    pub(super) x_texts: bool,
    /// Whether numbers stand at the left.
    pub(super) y_texts: bool,
    /// Whether the names below read upwards, because they are too long.
    pub(super) x_upright: bool,
}

impl Frame<'_> {
    pub(super) fn x(&self, value: f64) -> f64 {
        self.area.left + self.x.share(value) * self.area.width()
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.area.bottom - self.y.share(value) * self.area.height()
    }

    pub(super) fn spot(&self, x: f64, y: f64) -> Spot {
        (self.x(x), self.y(y))
    }
}

/// Grid lines at the named ticks, and the texts of both axes; to be drawn before the data.
pub(super) fn draw_grid(canvas: &mut Canvas, frame: &Frame<'_>) {
    let Area { left, top, right, bottom } = frame.area;
    for tick in frame.x.ticks.iter().filter(|tick| !tick.text.is_empty() && !frame.x.named) {
        let x = frame.x(tick.value);
        canvas.line((x, top), (x, bottom), GRID, 1.0);
    }
    for tick in frame.y.ticks.iter().filter(|tick| !tick.text.is_empty() && !frame.y.named) {
        let y = frame.y(tick.value);
        canvas.line((left, y), (right, y), GRID, 1.0);
    }
    if frame.x_texts {
        draw_x_texts(canvas, frame);
    }
    if frame.y_texts {
        draw_y_texts(canvas, frame);
    }
}

/// The frame itself with its tick marks; to be drawn before the data, which may reach over it.
pub(super) fn draw_edge(canvas: &mut Canvas, frame: &Frame<'_>) {
    let Area { left, bottom, .. } = frame.area;
    canvas.outline(frame.area, BLACK, 1.0);
    let length = |text: &str| if text.is_empty() { 3.0 } else { 5.0 };
    for tick in frame.x.ticks.iter().filter(|_| !frame.x.named) {
        let x = frame.x(tick.value);
        canvas.line((x, bottom), (x, bottom + length(&tick.text)), BLACK, 1.0);
    }
    for tick in frame.y.ticks.iter().filter(|_| !frame.y.named) {
        let y = frame.y(tick.value);
        canvas.line((left - length(&tick.text), y), (left, y), BLACK, 1.0);
    }
}

fn draw_x_texts(canvas: &mut Canvas, frame: &Frame<'_>) {
    let bottom = frame.area.bottom;
    let mut free = f64::NEG_INFINITY;
    for tick in &frame.x.ticks {
        let x = frame.x(tick.value);
        if frame.x_upright {
            let spot = (x + TICK_SIZE * DIGIT_HEIGHT / 2.0, bottom + TICK_GAP);
            let label = text(&tick.text, spot, TICK_SIZE, Weight::Regular, Anchor::End);
            canvas.label(Label { upwards: true, ..label });
            continue;
        }
        // A number that would touch its neighbour is left out; its tick stays.
        let half = text_width(&tick.text, TICK_SIZE, Weight::Regular) / 2.0;
        if tick.text.is_empty() || x - half < free {
            continue;
        }
        free = x + half + 6.0;
        let spot = (x, bottom + TICK_GAP + TICK_SIZE);
        canvas.label(text(&tick.text, spot, TICK_SIZE, Weight::Regular, Anchor::Middle));
    }
}

fn draw_y_texts(canvas: &mut Canvas, frame: &Frame<'_>) {
    for tick in &frame.y.ticks {
        let spot = (frame.area.left - TICK_GAP, frame.y(tick.value) + TICK_SIZE * DIGIT_HEIGHT / 2.0);
        canvas.label(text(&tick.text, spot, TICK_SIZE, Weight::Regular, Anchor::End));
    }
}
