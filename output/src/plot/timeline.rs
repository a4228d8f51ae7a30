//! Timelines: bars in lanes, and marks for what takes no time.

use super::Panel;
use super::canvas::{Area, Canvas};
use super::frame::Frame;
use super::palette::{BLACK, GRID, WHITE, color};

/// Share of a lane's height that a bar takes.
const FILL: f64 = 0.62;
/// Half the width of a mark, and the least width of a bar.
const MARK: f64 = 1.5;

/// All bars of a panel.
pub(super) fn draw(canvas: &mut Canvas, frame: &Frame<'_>, panel: &Panel, number: impl Fn(&str) -> usize) {
    let Area { left, right, .. } = frame.area;
    for tick in frame.y.ticks.iter().skip(1) {
        let edge = frame.y(tick.value - 0.5);
        canvas.line((left, edge), (right, edge), GRID, 1.0);
    }
    let half = frame.area.height() * frame.y.slot() * FILL / 2.0;
    for series in &panel.series {
        let hue = color(number(&series.label));
        for point in &series.points {
            let (start, end, middle) = (frame.x(point.low), frame.x(point.high), frame.y(point.y));
            let (top, bottom) = (middle - half, middle + half);
            if end - start < 2.0 * MARK {
                let center = start.midpoint(end);
                let mark = Area { left: center - MARK, top, right: center + MARK, bottom };
                canvas.area(Area { left: mark.left - 1.0, right: mark.right + 1.0, ..mark }, WHITE);
                canvas.area(mark, hue);
            } else {
                let bar = Area { left: start, top, right: end, bottom };
                canvas.area(bar, hue);
                canvas.outline(bar, BLACK, 0.5);
            }
        }
    }
}
