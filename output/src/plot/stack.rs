//! Stacked bars: the parts of a whole above each other, one bar in each category.

use super::Panel;
use super::canvas::{Area, Canvas};
use super::frame::Frame;
use super::palette::{WHITE, color};

/// Share of a category's room that its bar takes.
const FILL: f64 = 0.74;

/// All parts of a panel; each says itself where it begins and ends.
pub(super) fn draw(canvas: &mut Canvas, frame: &Frame<'_>, panel: &Panel, number: impl Fn(&str) -> usize) {
    for series in &panel.series {
        let hue = color(number(&series.label));
        for point in series.points.iter().filter(|point| point.low < point.high) {
            let area = Area {
                left: frame.x(point.x - FILL / 2.0),
                top: frame.y(point.high),
                right: frame.x(point.x + FILL / 2.0),
                bottom: frame.y(point.low),
            };
            canvas.area(area, hue);
            // An edge keeps neighbours apart in grey prints; around a sliver it would be all there is.
            if area.bottom - area.top > 3.0 {
                canvas.outline(area, WHITE, 0.8);
            }
        }
    }
}
