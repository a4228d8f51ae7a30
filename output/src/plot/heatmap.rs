//! Heat maps: a cell per pair of categories, with its value written inside where it fits, and the scale of colours.

use super::Panel;
use super::axis::Range;
use super::canvas::{Anchor, Area, Canvas, Label};
use super::frame::Frame;
use super::layout::{TICK_GAP, TICK_SIZE, text};
use super::palette::{BLACK, WHITE, heat};
use crate::font::{Weight, text_width};

/// Bands of the colour scale.
const BANDS: u8 = 100;

/// All cells of a panel; a later one covers an earlier one at the same place.
pub(super) fn draw(canvas: &mut Canvas, frame: &Frame<'_>, panel: &Panel, colors: &Range) {
    for point in panel.series.iter().flat_map(|series| &series.points) {
        let (left, right) = (frame.x(point.x - 0.5), frame.x(point.x + 0.5));
        let (top, bottom) = (frame.y(point.y + 0.5), frame.y(point.y - 0.5));
        let area = Area { left, top, right, bottom };
        let color = heat(colors.share(point.low));
        canvas.area(area, color);
        canvas.outline(area, WHITE, 1.0);
        let (x, y) = area.center();
        let value = short(point.low);
        let fits = text_width(&value, TICK_SIZE, Weight::Regular) < area.width() - 6.0;
        if fits && TICK_SIZE < area.height() - 6.0 {
            let label = text(&value, (x, y + TICK_SIZE * 0.36), TICK_SIZE, Weight::Regular, Anchor::Middle);
            canvas.label(Label { color: if color.is_light() { BLACK } else { WHITE }, ..label });
        }
    }
}

/// About three digits.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    let text = match magnitude {
        _ if magnitude >= 1e6 || (magnitude > 0.0 && magnitude < 1e-3) => format!("{value:.1e}"),
        _ if magnitude >= 100.0 => format!("{value:.0}"),
        _ if magnitude >= 10.0 => format!("{value:.1}"),
        _ if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    text.replace('-', "−")
}

/// The scale of colours with its numbers and name.
pub(super) fn draw_scale(canvas: &mut Canvas, area: Area, colors: &Range, name: &str, name_size: f64) {
    let height = area.height() / f64::from(BANDS);
    for band in 0..BANDS {
        let bottom = area.bottom - f64::from(band) * height;
        // Each band reaches under the next one, so that no seam shows.
        let top = (bottom - 2.0 * height).max(area.top);
        canvas.area(Area { top, bottom, ..area }, heat((f64::from(band) + 0.5) / f64::from(BANDS)));
    }
    canvas.outline(area, BLACK, 1.0);
    let mut widest: f64 = 0.0;
    for tick in &colors.ticks {
        let y = area.bottom - colors.share(tick.value) * area.height();
        canvas.line((area.right, y), (area.right + 4.0, y), BLACK, 1.0);
        let spot = (area.right + TICK_GAP, y + TICK_SIZE * 0.36);
        canvas.label(text(&tick.text, spot, TICK_SIZE, Weight::Regular, Anchor::Start));
        widest = widest.max(text_width(&tick.text, TICK_SIZE, Weight::Regular));
    }
    let spot = (area.right + TICK_GAP + widest + name_size + 4.0, area.center().1);
    let label = text(name, spot, name_size, Weight::Regular, Anchor::Middle);
    canvas.label(Label { upwards: true, ..label });
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn values_in_cells_have_about_three_digits() {
        let values = [0.0, 0.12345, 1.2345, -12.345, 123.45, 1.5e7, 1e-6];
        assert_eq!(values.map(short), ["0.000", "0.123", "1.23", "−12.3", "123", "1.5e7", "1.0e−6"]);
    }
}
