//! A list of shapes, and how plotters' back-ends draw it.
//!
//! Drawing code adds shapes in units of a 900 unit wide page, and cannot fail. [`draw`] then hands them to a back-end
//! at a scale; coordinates of a back-end are whole numbers, so the SVG is written ten times as large with a
//! view box that brings it back to size.

use super::check::PlotError;
use super::palette::Rgb;
use crate::font::{FAMILY, Weight};
use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle};

/// How much of what lies below a veil covers.
const VEIL: f64 = 0.22;

/// A place on the page: right and down from its upper left corner.
pub(super) type Spot = (f64, f64);

/// Width and height of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageSize {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A filled rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn center(self) -> Spot {
        (self.left.midpoint(self.right), self.top.midpoint(self.bottom))
    }
}

/// Which part of a text stands at its spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text; its spot is on the baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub(super) text: String,
    pub(super) spot: Spot,
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) anchor: Anchor,
    /// Reads upwards instead of to the right.
    pub(super) upwards: bool,
    pub(super) color: Rgb,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Path {
        spots: Vec<Spot>,
        color: Rgb,
        width: f64,
    },
    Polygon {
        spots: Vec<Spot>,
        color: Rgb,
    },
    /// A polygon that lets through what lies below.
    Veil {
        spots: Vec<Spot>,
        color: Rgb,
    },
    Area {
        area: Area,
        color: Rgb,
    },
    Circle {
        center: Spot,
        radius: f64,
        color: Rgb,
    },
    Label(Label),
}

/// Collects shapes; later ones cover earlier ones.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    shapes: Vec<Shape>,
}

impl Canvas {
    pub(super) fn line(&mut self, from: Spot, to: Spot, color: Rgb, width: f64) {
        self.path(vec![from, to], color, width);
    }

    /// Joined lines.
    pub(super) fn path(&mut self, spots: Vec<Spot>, color: Rgb, width: f64) {
        self.shapes.push(Shape::Path { spots, color, width });
    }

    pub(super) fn polygon(&mut self, spots: Vec<Spot>, color: Rgb) {
        self.shapes.push(Shape::Polygon { spots, color });
    }

    pub(super) fn veil(&mut self, spots: Vec<Spot>, color: Rgb) {
        self.shapes.push(Shape::Veil { spots, color });
    }

    pub(super) fn area(&mut self, area: Area, color: Rgb) {
        self.shapes.push(Shape::Area { area, color });
    }

    /// The edge of an area.
    pub(super) fn outline(&mut self, area: Area, color: Rgb, width: f64) {
        let Area { left, top, right, bottom } = area;
        self.path(
            vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)],
            color,
            width,
        );
    }

    pub(super) fn circle(&mut self, center: Spot, radius: f64, color: Rgb) {
        self.shapes.push(Shape::Circle { center, radius, color });
    }

    pub(super) fn label(&mut self, label: Label) {
        if !label.text.is_empty() {
            self.shapes.push(Shape::Label(label));
        }
    }
}

/// Draws `paint`'s shapes as an SVG file.
pub(super) fn svg(size: PageSize, paint: impl FnOnce(&mut Canvas)) -> Result<String, PlotError> {
    const SCALE: u32 = 10;
    let PageSize { width, height } = size;
    let (wide, high) = (width * SCALE, height * SCALE);
    let mut text = String::new();
    let mut backend = SVGBackend::with_string(&mut text, (wide, high));
    draw(&mut backend, f64::from(SCALE), paint, svg_label)?;
    drop(backend);
    let header = format!("width=\"{wide}\" height=\"{high}\"");
    Ok(text.replacen(&header, &format!("width=\"{width}\" height=\"{height}\""), 1))
}

/// Draws `paint`'s shapes on any back-end, with `draw_label` for the texts.
pub(super) fn draw<B: DrawingBackend>(
    backend: &mut B,
    scale: f64,
    paint: impl FnOnce(&mut Canvas),
    draw_label: impl Fn(&mut B, &Label, f64) -> Result<(), PlotError>,
) -> Result<(), PlotError> {
    let mut canvas = Canvas::default();
    paint(&mut canvas);
    for shape in &canvas.shapes {
        match shape {
            Shape::Label(label) => draw_label(backend, label, scale)?,
            Shape::Path { .. }
            | Shape::Polygon { .. }
            | Shape::Veil { .. }
            | Shape::Area { .. }
            | Shape::Circle { .. } => draw_shape(backend, scale, shape)?,
        }
    }
    backend.present().map_err(refused)
}

/// Any error of a back-end.
pub(super) fn refused(error: impl std::fmt::Display) -> PlotError {
    PlotError::Backend(error.to_string())
}

fn draw_shape<B: DrawingBackend>(backend: &mut B, scale: f64, shape: &Shape) -> Result<(), PlotError> {
    let at = |spot: &Spot| pixel(*spot, scale);
    let drawn = match shape {
        Shape::Path { spots, color, width } => {
            let mut pixels: Vec<_> = spots.iter().map(at).collect();
            pixels.dedup();
            backend.draw_path(pixels, &style(*color, width * scale))
        }
        Shape::Polygon { spots, color } => backend.fill_polygon(spots.iter().map(at), &style(*color, 0.0)),
        Shape::Veil { spots, color } => {
            let style = style(*color, 0.0);
            backend.fill_polygon(spots.iter().map(at), &ShapeStyle { color: style.color.mix(VEIL), ..style })
        }
        Shape::Area { area, color } => {
            let (from, to) = ((area.left, area.top), (area.right, area.bottom));
            backend.draw_rect(at(&from), at(&to), &style(*color, 0.0), true)
        }
        Shape::Circle { center, radius, color } => {
            backend.draw_circle(at(center), whole(radius * scale), &style(*color, 0.0), true)
        }
        Shape::Label(_) => Ok(()),
    };
    drawn.map_err(refused)
}

fn style(color: Rgb, width: f64) -> ShapeStyle {
    ShapeStyle {
        color: RGBColor(color.0, color.1, color.2).to_rgba(),
        filled: true,
        stroke_width: whole(width),
    }
}

fn svg_label(backend: &mut SVGBackend<'_>, label: &Label, scale: f64) -> Result<(), PlotError> {
    // plotters writes sizes divided by this factor, and moves a text anchored at its top down by 0.76 em.
    const SIZE_FACTOR: f64 = 1.24;
    const TOP: f64 = 0.76;
    let lift = TOP * label.size;
    let (x, y) = label.spot;
    let spot = if label.upwards { (x - lift, y) } else { (x, y - lift) };
    let font = (FAMILY, label.size * scale * SIZE_FACTOR).into_font();
    let font = font.style(if label.weight == Weight::Bold { FontStyle::Bold } else { FontStyle::Normal });
    let font = if label.upwards { font.transform(FontTransform::Rotate270) } else { font };
    let h_pos = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let color = RGBColor(label.color.0, label.color.1, label.color.2);
    let style = TextStyle::from(font).color(&color).pos(Pos::new(h_pos, VPos::Top));
    let drawn = backend.draw_text(&label.text, &style, pixel(spot, scale));
    drawn.map_err(refused)
}

/// The back-end's place of a spot.
pub(super) fn pixel(spot: Spot, scale: f64) -> (i32, i32) {
    let place = |value: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "rounded, and pages are small")]
        let place = libm::round(value * scale) as i32;
        place
    };
    (place(spot.0), place(spot.1))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded widths; negative ones become 0"
)]
fn whole(value: f64) -> u32 {
    libm::round(value) as u32
}
