//! From values to positions: the range of an axis, chosen from all panels' data.

use super::ticks::{Tick, linear, logarithmic};
use super::{Axis, Figure, Kind, Point, Scale};

/// Share of the range that is left free at either end, so that no marker sits on the frame.
const PADDING: f64 = 0.04;

/// A direction of the plot with its range and ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    low: f64,
    high: f64,
    log: bool,
    pub(super) ticks: Vec<Tick>,
    /// Whether the places have names rather than numbers.
    pub(super) named: bool,
    /// Whether it begins at the other end.
    reversed: bool,
}

impl Range {
    /// Where `value` lies between the ends of the axis, 0 to 1; values beyond stay at the end.
    pub(super) fn share(&self, value: f64) -> f64 {
        let place = if self.log {
            // The lower end of an interval may be zero or below, and then reaches the edge.
            let value = value.max(self.low);
            libm::log(value / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        let place = place.clamp(0.0, 1.0);
        if self.reversed { 1.0 - place } else { place }
    }

    /// Length of one category as a share of the axis.
    pub(super) fn slot(&self) -> f64 {
        1.0 / (self.high - self.low)
    }
}

/// Range of the horizontal axis of all panels.
pub(super) fn horizontal(figure: &Figure) -> Range {
    let padding = if figure.kind == Kind::Timeline { 0.01 } else { PADDING };
    let wanted = if super::layout::columns(figure) > 1 { 5 } else { 8 };
    let extent = extent(figure, &figure.x, |point| x_values(figure.kind, point));
    match (&figure.x.scale, figure.kind) {
        // Points at zero stay clear of the frame; only bars of time begin at it.
        (Scale::Linear, Kind::Line | Kind::Cdf) => {
            padded_range(extent.unwrap_or((0.0, 1.0)), padding, wanted)
        }
        _ => range(&figure.x, extent, padding, wanted),
    }
}

/// Range of the vertical axis of all panels.
pub(super) fn vertical(figure: &Figure) -> Range {
    if figure.kind == Kind::Cdf && figure.y.scale == Scale::Linear {
        return Range {
            low: 0.0,
            high: 1.02,
            log: false,
            ticks: linear(0.0, 1.0, 5),
            named: false,
            reversed: false,
        };
    }
    if figure.kind == Kind::Cdf {
        return range(&figure.y, Some((0.001, 1.0)), PADDING, 6);
    }
    let range = range(&figure.y, extent(figure, &figure.y, |point| y_values(figure.kind, point)), PADDING, 6);
    // The first lane of a timeline is the uppermost.
    Range { reversed: figure.kind == Kind::Timeline, ..range }
}

/// Range of the colours of a heat map.
pub(super) fn colors(figure: &Figure) -> Range {
    range(&figure.color, extent(figure, &figure.color, |point| vec![point.low]), 0.0, 6)
}

fn x_values(kind: Kind, point: &Point) -> Vec<f64> {
    match kind {
        Kind::Line | Kind::Cdf | Kind::Box | Kind::Heatmap => vec![point.x],
        Kind::Timeline => vec![point.low, point.high],
    }
}

fn y_values(kind: Kind, point: &Point) -> Vec<f64> {
    match kind {
        Kind::Line => vec![point.y, point.low, point.high],
        Kind::Cdf | Kind::Box | Kind::Heatmap | Kind::Timeline => vec![point.y],
    }
}

/// Least and greatest of the values of all points. A logarithmic axis leaves out what is not above zero: only lower ends
/// of intervals, which are drawn to the edge and do not move it.
fn extent(figure: &Figure, axis: &Axis, values: impl Fn(&Point) -> Vec<f64>) -> Option<(f64, f64)> {
    let points = figure.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let shown = |value: &f64| axis.scale != Scale::Log || *value > 0.0;
    points.flat_map(values).filter(shown).fold(None, |found, value| {
        let (low, high) = found.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

fn range(axis: &Axis, extent: Option<(f64, f64)>, padding: f64, wanted: u8) -> Range {
    match &axis.scale {
        Scale::Linear => linear_range(extent.unwrap_or((0.0, 1.0)), padding, wanted),
        Scale::Log => log_range(extent.unwrap_or((1.0, 10.0)), padding),
        Scale::Categories(names) => named_range(names),
    }
}

fn linear_range((low, high): (f64, f64), padding: f64, wanted: u8) -> Range {
    // Data that reaches far towards zero is shown from zero, so that heights can be compared.
    if low >= 0.0 && low < 0.5 * high {
        let high = high * (1.0 + padding);
        return Range {
            low: 0.0,
            high,
            ticks: linear(0.0, high, wanted),
            log: false,
            named: false,
            reversed: false,
        };
    }
    padded_range((low, high), padding, wanted)
}

fn padded_range((low, high): (f64, f64), padding: f64, wanted: u8) -> Range {
    let (low, high) = widen(low, high);
    let free = (high - low) * padding;
    let (low, high) = (low - free, high + free);
    Range { low, high, log: false, ticks: linear(low, high, wanted), named: false, reversed: false }
}

/// A single value gets some room around it.
fn widen(low: f64, high: f64) -> (f64, f64) {
    let magnitude = low.abs().max(high.abs());
    if high - low > magnitude * 1e-9 {
        (low, high)
    } else if magnitude > 0.0 {
        (low - magnitude * 0.1, high + magnitude * 0.1)
    } else {
        (0.0, 1.0)
    }
}

fn log_range((low, high): (f64, f64), padding: f64) -> Range {
    let (low, high) = if high / low > 1.0 + 1e-9 { (low, high) } else { (low / 2.0, high * 2.0) };
    let factor = libm::pow(high / low, padding);
    let (low, high) = (low / factor, high * factor);
    Range { low, high, log: true, ticks: logarithmic(low, high), named: false, reversed: false }
}

fn named_range(names: &[String]) -> Range {
    let tick = |(index, name): (usize, &String)| Tick { value: super::index(index), text: name.clone() };
    let ticks = names.iter().enumerate().map(tick).collect();
    Range {
        low: -0.5,
        high: super::index(names.len().max(1)) - 0.5,
        log: false,
        ticks,
        named: true,
        reversed: false,
    }
}
