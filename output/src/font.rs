//! The embedded font: widths of texts, and glyphs for pictures made of pixels.
//!
//! A subset of `DejaVu` Sans (Latin, Greek, arrows, superscripts) is compiled in, so that no font of the machine changes
//! a picture and none need be installed. Its licence is in `assets/LICENSE-DejaVu.txt`. SVG pictures name the
//! font and keep their text as text; widths measured here then hold for readers who have the font and nearly
//! for those who have another sans.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use std::sync::LazyLock;

static REGULAR: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../assets/DejaVuSans-subset.ttf")).ok());
static BOLD: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../assets/DejaVuSans-Bold-subset.ttf")).ok());

/// Families for SVG, the embedded one first.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// Stroke weight of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

fn font(weight: Weight) -> Option<&'static FontRef<'static>> {
    match weight {
        Weight::Regular => REGULAR.as_ref(),
        Weight::Bold => BOLD.as_ref(),
    }
}

/// Font units of one em as `ab_glyph` scales: its scale is ascent minus descent, and sizes in SVG are ems.
fn scale(font: &FontRef<'static>, size: f32) -> PxScale {
    let units = font.units_per_em().unwrap_or(2048.0);
    PxScale::from(size * font.height_unscaled() / units)
}

/// Width of `text` at `size` pixels per em.
pub(crate) fn text_width(text: &str, size: f64, weight: Weight) -> f64 {
    let mut end = 0.0;
    lay_out(text, size, weight, |_, _, after| end = after);
    end
}

/// Paints `text` with its baseline beginning at (`x`, `y`): coordinates and coverage (0 to 1) of each pixel.
pub(crate) fn paint(
    text: &str,
    size: f64,
    weight: Weight,
    (x, y): (f64, f64),
    mut pixel: impl FnMut(i32, i32, f32),
) {
    let Some(font) = font(weight) else { return };
    lay_out(text, size, weight, |glyph, start, _| {
        let scale = scale(font, to_f32(size));
        let glyph = glyph.with_scale_and_position(scale, point(to_f32(x + start), to_f32(y)));
        let Some(outline) = font.outline_glyph(glyph) else { return };
        let bounds = outline.px_bounds();
        outline.draw(|column, row, coverage| {
            pixel(to_i32(bounds.min.x) + to_signed(column), to_i32(bounds.min.y) + to_signed(row), coverage);
        });
    });
}

/// Calls `place` with each glyph, where it begins and where it ends.
fn lay_out(text: &str, size: f64, weight: Weight, mut place: impl FnMut(ab_glyph::GlyphId, f64, f64)) {
    let Some(font) = font(weight) else { return };
    let scaled = font.as_scaled(scale(font, to_f32(size)));
    let mut x = 0.0;
    let mut previous = None;
    for character in text.chars() {
        let glyph = scaled.glyph_id(character);
        x += previous.map_or(0.0, |before| f64::from(scaled.kern(before, glyph)));
        let end = x + f64::from(scaled.h_advance(glyph));
        place(glyph, x, end);
        x = end;
        previous = Some(glyph);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "sizes and positions on a picture need no more digits")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

#[expect(clippy::cast_possible_truncation, reason = "glyph bounds are whole numbers; the cast saturates")]
fn to_i32(value: f32) -> i32 {
    value as i32
}

fn to_signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fonts_are_embedded_and_whole() {
        for weight in [Weight::Regular, Weight::Bold] {
            let font = font(weight).unwrap();
            for character in "Azµλ×→≤⁻⁹₂…—°±".chars() {
                assert_ne!(font.glyph_id(character).0, 0, "{character}");
            }
        }
    }

    #[test]
    fn widths_are_those_of_the_font() {
        // hmtx of DejaVu Sans: "0" advances 1303 of 2048 units per em.
        assert!((text_width("00", 2048.0, Weight::Regular) - 2606.0).abs() < 0.5);
        assert!(text_width("AV", 2048.0, Weight::Regular) < 2.0 * text_width("A", 2048.0, Weight::Regular));
        assert!(text_width("text", 20.0, Weight::Bold) > text_width("text", 20.0, Weight::Regular));
        assert!(text_width("", 20.0, Weight::Regular).abs() < f64::EPSILON);
    }

    #[test]
    fn painted_pixels_stand_on_the_baseline() {
        let mut rows = Vec::new();
        paint("H", 100.0, Weight::Regular, (10.0, 200.0), |_, row, coverage| {
            if coverage > 0.5 {
                rows.push(row);
            }
        });
        // Cap height of DejaVu Sans is 1493 of 2048 units.
        assert_eq!((rows.iter().min(), rows.iter().max()), (Some(&127), Some(&199)));
    }
}
