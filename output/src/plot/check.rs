//! What a figure must satisfy before anything is drawn, so that drawing itself cannot fail on data.

use super::{Axis, Figure, Kind, Point, Scale};

/// More panels than this are no longer small multiples but a mistake in a sweep.
const PANELS_MAX: usize = 64;
/// A picture with more points is neither readable nor quick to open.
const POINTS_MAX: usize = 2_000_000;
/// Squares and differences of such numbers are finite.
const MAGNITUDE_MAX: f64 = 1e100;
/// Places on an axis with names.
const CATEGORIES_MAX: usize = 1_000;

/// Why a figure cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("figure has no panels")]
    NoPanels,
    /// More than 64 panels, 1000 categories or 2 000 000 points.
    #[error("figure has {count} {what}, at most {limit} can be drawn")]
    TooMany {
        /// Panels, categories or points.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// A coordinate is NaN, infinite, or beyond ±10^100, where the arithmetic of axes would overflow.
    #[error("point {index} of series {series:?} in panel {panel:?} is not a finite number within ±10^100")]
    NotFinite {
        /// Title of the panel.
        panel: String,
        /// Label of the series.
        series: String,
        /// Number of the point, from 0.
        index: usize,
    },
    /// A value on a logarithmic axis is zero or negative.
    #[error("{value} of series {series:?} in panel {panel:?} has no place on the logarithmic {axis} axis")]
    NotPositive {
        /// `x`, `y` or `color`.
        axis: &'static str,
        /// Title of the panel.
        panel: String,
        /// Label of the series.
        series: String,
        /// The value.
        value: f64,
    },
    /// A value on an axis with names is not an index into them.
    #[error("{value} of series {series:?} is not one of the {count} categories of the {axis} axis")]
    BadCategory {
        /// `x` or `y`.
        axis: &'static str,
        /// Label of the series.
        series: String,
        /// The value.
        value: f64,
        /// Number of categories.
        count: usize,
    },
    /// The interval of a point does not hold the point, or a span ends before it begins.
    #[error("interval {low} to {high} of series {series:?} is not one around {value}")]
    BadInterval {
        /// Label of the series.
        series: String,
        /// The value.
        value: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// The kind of figure needs an axis with names, or one without.
    #[error("a figure of kind {kind:?} needs {needed} on its {axis} axis")]
    WrongScale {
        /// Kind of the figure.
        kind: Kind,
        /// `x`, `y` or `color`.
        axis: &'static str,
        /// `categories` or `numbers`.
        needed: &'static str,
    },
    /// The drawing library refused.
    #[error("cannot draw: {0}")]
    Backend(String),
}

/// Checks everything; the first mistake in reading order is reported.
pub(super) fn check(figure: &Figure) -> Result<(), PlotError> {
    if figure.panels.is_empty() {
        return Err(PlotError::NoPanels);
    }
    let points = figure.panels.iter().flat_map(|panel| &panel.series).map(|series| series.points.len()).sum();
    limit("panels", figure.panels.len(), PANELS_MAX)?;
    limit("points", points, POINTS_MAX)?;
    check_scales(figure)?;
    for panel in &figure.panels {
        for series in &panel.series {
            for (index, point) in series.points.iter().enumerate() {
                let place = Place { figure, panel: &panel.title, series: &series.label };
                place.check(index, point)?;
            }
        }
    }
    Ok(())
}

fn limit(what: &'static str, count: usize, limit: usize) -> Result<(), PlotError> {
    if count > limit { Err(PlotError::TooMany { what, count, limit }) } else { Ok(()) }
}

fn check_scales(figure: &Figure) -> Result<(), PlotError> {
    let needs = |axis: &'static str, is: &Axis, named: Option<bool>| {
        let Some(named) = named else { return Ok(()) };
        let needed = if named { "categories" } else { "numbers" };
        let found = matches!(is.scale, Scale::Categories(_));
        if found == named { Ok(()) } else { Err(PlotError::WrongScale { kind: figure.kind, axis, needed }) }
    };
    let (x, y) = match figure.kind {
        Kind::Line => (None, Some(false)),
        Kind::Cdf | Kind::Band => (Some(false), Some(false)),
        Kind::Box | Kind::Stack => (Some(true), Some(false)),
        Kind::Heatmap => (Some(true), Some(true)),
        Kind::Timeline => (Some(false), Some(true)),
    };
    needs("x", &figure.x, x)?;
    needs("y", &figure.y, y)?;
    needs("color", &figure.color, Some(false))?;
    for axis in [&figure.x, &figure.y] {
        if let Scale::Categories(names) = &axis.scale {
            limit("categories", names.len(), CATEGORIES_MAX)?;
        }
    }
    Ok(())
}

struct Place<'a> {
    figure: &'a Figure,
    panel: &'a str,
    series: &'a str,
}

impl Place<'_> {
    fn check(&self, index: usize, point: &Point) -> Result<(), PlotError> {
        if ![point.x, point.y, point.low, point.high].into_iter().all(|value| value.abs() <= MAGNITUDE_MAX) {
            let (panel, series) = (self.panel.to_owned(), self.series.to_owned());
            return Err(PlotError::NotFinite { panel, series, index });
        }
        let Figure { x, y, color, .. } = self.figure;
        match self.figure.kind {
            Kind::Line | Kind::Band | Kind::Stack => {
                self.interval(point.y, point)?;
                self.value("x", x, point.x)?;
                self.value("y", y, point.y)
            }
            Kind::Cdf => self.value("x", x, point.x),
            Kind::Box => self.value("x", x, point.x).and(self.value("y", y, point.y)),
            Kind::Heatmap => {
                self.value("x", x, point.x)?;
                self.value("y", y, point.y)?;
                self.value("color", color, point.low)
            }
            Kind::Timeline => {
                self.interval(point.low, point)?;
                self.value("x", x, point.low)?;
                self.value("y", y, point.y)
            }
        }
    }

    fn interval(&self, value: f64, point: &Point) -> Result<(), PlotError> {
        if (point.low..=point.high).contains(&value) {
            return Ok(());
        }
        let series = self.series.to_owned();
        Err(PlotError::BadInterval { series, value, low: point.low, high: point.high })
    }

    fn value(&self, name: &'static str, axis: &Axis, value: f64) -> Result<(), PlotError> {
        let series = || self.series.to_owned();
        match &axis.scale {
            Scale::Linear => Ok(()),
            Scale::Log if value >= 1.0 / MAGNITUDE_MAX => Ok(()),
            Scale::Log => Err(PlotError::NotPositive {
                axis: name,
                panel: self.panel.to_owned(),
                series: series(),
                value,
            }),
            Scale::Categories(names) => {
                let count = names.len();
                let found = (0..count).any(|index| super::index(index).total_cmp(&value).is_eq());
                if found {
                    Ok(())
                } else {
                    Err(PlotError::BadCategory { axis: name, series: series(), value, count })
                }
            }
        }
    }
}
