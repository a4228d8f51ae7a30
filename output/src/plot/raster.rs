//! The shapes of a canvas as a PNG.
//!
//! plotters' bitmap back-end draws hard edges, so the page is drawn at four times its size and each two by two
//! pixels are averaged. Text is painted from the embedded font at fractions of a pixel, which plotters does not do.

use super::canvas::{Anchor, Canvas, Label, PageSize, draw, pixel, refused};
use super::check::PlotError;
use crate::font::{paint, text_width};
use plotters::prelude::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, RGBColor};

/// Pixels of the picture per unit of the page.
const DENSITY: u32 = 2;
/// Drawn pixels per pixel of the picture, in each direction.
const OVERSAMPLING: u32 = 2;
const CHANNELS: usize = 3;

/// Draws `paint`'s shapes as a PNG file.
pub(super) fn png(size: PageSize, paint: impl FnOnce(&mut Canvas)) -> Result<Vec<u8>, PlotError> {
    let (width, height) = (size.width * DENSITY, size.height * DENSITY);
    let (wide, high) = (width * OVERSAMPLING, height * OVERSAMPLING);
    let mut drawn = vec![0xff; wide as usize * high as usize * CHANNELS];
    let mut backend = BitMapBackend::with_buffer(&mut drawn, (wide, high));
    draw(&mut backend, f64::from(DENSITY * OVERSAMPLING), paint, raster_label)?;
    drop(backend);
    encode(&average(&drawn, wide as usize), width, height).map_err(refused)
}

fn raster_label(backend: &mut BitMapBackend<'_>, label: &Label, scale: f64) -> Result<(), PlotError> {
    let size = label.size * scale;
    let width = text_width(&label.text, size, label.weight);
    let start = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -width / 2.0,
        Anchor::End => -width,
    };
    let (x, y) = pixel(label.spot, scale);
    let color = RGBColor(label.color.0, label.color.1, label.color.2);
    let mut result = Ok(());
    paint(&label.text, size, label.weight, (start, 0.0), |right, down, coverage| {
        let at = if label.upwards { (x + down, y - right - 1) } else { (x + right, y + down) };
        let drawn = backend.draw_pixel(at, color.mix(f64::from(coverage)).to_backend_color());
        if let Err(error) = drawn {
            result = Err(refused(error));
        }
    });
    result
}

/// Each two by two pixels of rows of `wide` pixels as one.
fn average(drawn: &[u8], wide: usize) -> Vec<u8> {
    let row = wide * CHANNELS;
    let mut picture = Vec::with_capacity(drawn.len() / 4);
    for rows in drawn.chunks_exact(2 * row) {
        let (upper, lower) = rows.split_at(row);
        for (above, below) in upper.chunks_exact(2 * CHANNELS).zip(lower.chunks_exact(2 * CHANNELS)) {
            picture.extend((0..CHANNELS).map(|channel| {
                let values =
                    [above[channel], above[channel + CHANNELS], below[channel], below[channel + CHANNELS]];
                let sum: u16 = values.into_iter().map(u16::from).sum();
                u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX)
            }));
        }
    }
    picture
}

fn encode(picture: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.write_header()?.write_image_data(picture)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaging_takes_two_by_two_pixels() {
        let upper = [0, 0, 0, 4, 8, 12, 255, 255, 255, 255, 255, 255];
        let lower = [0, 0, 0, 4, 8, 12, 255, 255, 255, 0, 0, 0];
        assert_eq!(average(&[upper, lower].concat(), 4), [2, 4, 6, 191, 191, 191]);
    }

    #[test]
    fn an_empty_page_is_white_and_has_its_size() {
        let bytes = png(PageSize { width: 30, height: 20 }, |_| {}).unwrap();
        let mut reader = png::Decoder::new(bytes.as_slice()).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (60, 40));
        assert!(pixels.iter().all(|&value| value == 0xff));
    }
}
