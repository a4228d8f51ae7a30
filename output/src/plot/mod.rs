//! Plots for papers: lines with intervals, bands over time, CDFs, box plots, heat maps, stacked bars and timelines, as SVG and PNG.
//!
//! A [`Figure`] is data: panels (small multiples) that share their axes and one legend. What a point means depends on
//! the [`Kind`], and [`Point`] has a constructor for each. Everything is drawn by our own layout onto plotters'
//! back-ends, because its charts place legends over data and ticks of logarithmic axes where nobody reads them. The
//! same drawing code serves both formats. Colours are those of Okabe and Ito, which colour-blind readers
//! can tell apart, and every series has its own marker too, so a grey print stays readable.
//!
//! Left out: interaction, three dimensions, a second y axis.

mod axis;
mod boxes;
mod canvas;
mod check;
mod frame;
mod heatmap;
mod layout;
mod legend;
mod lines;
mod palette;
mod raster;
mod stack;
mod ticks;
mod timeline;

pub use check::PlotError;

/// A picture: one or more panels with shared axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Heading; may be empty.
    pub title: String,
    /// What the points are and how they are drawn.
    pub kind: Kind,
    /// Small multiples in reading order, at least one.
    pub panels: Vec<Panel>,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Colour axis of a [`Kind::Heatmap`]; the others ignore it.
    pub color: Axis,
    /// Name of what tells the series apart, in front of the legend; may be empty.
    pub legend: String,
    /// Panels in a row; `None` chooses.
    pub columns: Option<usize>,
}

/// What a figure shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines through points, with error bars where a point has an interval. Points: [`Point::new`],
    /// [`Point::with_interval`]; they are joined in the order given.
    Line,
    /// Lines over many points close together, with the intervals as a band around them and few markers. Points:
    /// [`Point::new`], [`Point::with_interval`], joined in the order given; series of one label are parts of one curve
    /// with gaps between them.
    Band,
    /// Share of samples up to each value. Points: [`Point::sample`] with the value; the y axis is the share.
    Cdf,
    /// Median, quartiles, whiskers of 1.5 interquartile ranges and the samples beyond. Points:
    /// [`Point::grouped_sample`]; the x axis has categories; series stand side by side.
    Box,
    /// Coloured cells. Points: [`Point::cell`]; both axes have categories, the first row being the lowest. Series of a
    /// panel are merged.
    Heatmap,
    /// Bars above each other, the parts of a whole. Points: [`Point::part`]; the x axis has categories.
    Stack,
    /// Bars over time in lanes. Points: [`Point::span`]; the y axis has categories, the first at the top.
    Timeline,
}

/// One of the small multiples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Panel {
    /// Heading, such as `RTT 20 ms`; may be empty.
    pub title: String,
    /// Its data. A series of the same label in another panel has the same colour and marker.
    pub series: Vec<Series>,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Name in the legend.
    pub label: String,
    /// Its points; may be empty.
    pub points: Vec<Point>,
}

/// One point; its constructors say what the fields mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Horizontal position, or index of the x category.
    pub x: f64,
    /// Vertical position, or index of the y category.
    pub y: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// One axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Name with its unit, such as `set-up latency (ms)`.
    pub label: String,
    /// How values become positions.
    pub scale: Scale,
}

/// How values become positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps.
    Linear,
    /// Equal factors; values must be above zero.
    Log,
    /// Named places; a value is an index into them.
    Categories(Vec<String>),
}

impl Figure {
    /// A figure without panels.
    pub fn new(title: &str, kind: Kind, x: Axis, y: Axis) -> Self {
        Self {
            title: title.to_owned(),
            kind,
            panels: Vec::new(),
            x,
            y,
            color: Axis::linear(""),
            legend: String::new(),
            columns: None,
        }
    }

    /// The figure as a self-contained SVG file, 900 units wide; its text stays text.
    ///
    /// # Errors
    /// [`PlotError`] for data that cannot be drawn.
    pub fn svg(&self) -> Result<String, PlotError> {
        check::check(self)?;
        canvas::svg(layout::size(self), |canvas| layout::draw(self, canvas))
    }

    /// The figure as a PNG file, 1800 pixels wide.
    ///
    /// # Errors
    /// [`PlotError`] for data that cannot be drawn.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        check::check(self)?;
        raster::png(layout::size(self), |canvas| layout::draw(self, canvas))
    }
}

impl Axis {
    /// An axis with equal steps.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear }
    }

    /// An axis with equal factors.
    pub fn log(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Log }
    }

    /// An axis with named places.
    pub fn categories<S: Into<String>>(label: &str, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { label: label.to_owned(), scale: Scale::Categories(names) }
    }
}

impl Series {
    /// A series of a line, a heat map or a timeline.
    pub fn new(label: &str, points: Vec<Point>) -> Self {
        Self { label: label.to_owned(), points }
    }

    /// A series of a CDF, from samples in any order.
    pub fn samples(label: &str, values: &[f64]) -> Self {
        Self::new(label, values.iter().map(|&value| Point::sample(value)).collect())
    }
}

impl Point {
    /// A point of a line without an interval.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, low: y, high: y }
    }

    /// A point of a line with an interval, usually of 95 %.
    pub fn with_interval(x: f64, y: f64, low: f64, high: f64) -> Self {
        Self { x, y, low, high }
    }

    /// A sample of a CDF.
    pub fn sample(value: f64) -> Self {
        Self { x: value, y: 0.0, low: 0.0, high: 0.0 }
    }

    /// A sample of a box plot, in the x category of that index.
    pub fn grouped_sample(category: usize, value: f64) -> Self {
        Self::new(index(category), value)
    }

    /// A cell of a heat map, by the indices of its categories.
    pub fn cell(column: usize, row: usize, value: f64) -> Self {
        Self { x: index(column), y: index(row), low: value, high: value }
    }

    /// A part of a stacked bar in the x category of that index, from `bottom` to `top`.
    pub fn part(category: usize, bottom: f64, top: f64) -> Self {
        Self { x: index(category), y: top, low: bottom, high: top }
    }

    /// A bar of a timeline in the lane of that index; a mark if it begins when it ends.
    pub fn span(lane: usize, start: f64, end: f64) -> Self {
        Self { x: start, y: index(lane), low: start, high: end }
    }
}

#[expect(clippy::cast_precision_loss, reason = "categories are few")]
fn index(value: usize) -> f64 {
    value as f64
}
