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
    let padding = match figure.kind {
        Kind::Timeline => 0.01,
        Kind::Band => 0.025,
        Kind::Line | Kind::Cdf | Kind::Box | Kind::Heatmap | Kind::Stack => PADDING,
    };
    let wanted = if super::layout::columns(figure) > 1 { 5 } else { 8 };
    let extent = extent(figure, &figure.x, |point| x_values(figure.kind, point));
    match (&figure.x.scale, figure.kind) {
        // Points at zero stay clear of the frame; only bars of time begin at it.
        (Scale::Linear, Kind::Line | Kind::Band | Kind::Cdf) => {
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
        Kind::Line | Kind::Band | Kind::Cdf | Kind::Box | Kind::Heatmap | Kind::Stack => vec![point.x],
        Kind::Timeline => vec![point.low, point.high],
    }
}

fn y_values(kind: Kind, point: &Point) -> Vec<f64> {
    match kind {
        Kind::Line | Kind::Band | Kind::Stack => vec![point.y, point.low, point.high],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Panel, Series};

    fn figure(kind: Kind, y: Axis, points: Vec<Point>) -> Figure {
        let panels = vec![Panel { title: String::new(), series: vec![Series::new("", points)] }];
        Figure { panels, ..Figure::new("", kind, Axis::linear("x"), y) }
    }

    fn check_bounds(range: &Range, low: f64, high: f64) {
        let close = |found: f64, wanted: f64| (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0);
        assert!(close(range.low, low) && close(range.high, high), "{} to {}", range.low, range.high);
    }

    #[test]
    fn heights_begin_at_zero_unless_the_data_lies_close_together() {
        let line = |values: [f64; 2]| {
            vertical(&figure(
                Kind::Line,
                Axis::linear("y"),
                values.map(|value| Point::new(1.0, value)).into(),
            ))
        };
        check_bounds(&line([20.0, 100.0]), 0.0, 104.0);
        check_bounds(&line([90.0, 100.0]), 89.6, 100.4);
        check_bounds(&line([-10.0, 40.0]), -12.0, 42.0);
    }

    #[test]
    fn points_at_zero_stay_clear_of_the_left_edge() {
        let points = vec![Point::new(0.0, 1.0), Point::new(10.0, 1.0)];
        let range = horizontal(&figure(Kind::Line, Axis::linear("y"), points));
        assert!(range.share(0.0) > 0.03 && range.share(10.0) < 0.97);
    }

    #[test]
    fn equal_factors_are_equal_distances_on_a_logarithmic_axis() {
        let points = vec![Point::with_interval(1.0, 10.0, -5.0, 10.0), Point::new(1.0, 1e-2)];
        let range = vertical(&figure(Kind::Line, Axis::log("y"), points));
        let steps = [0.01, 0.1, 1.0, 10.0].map(|value| range.share(value));
        assert!(
            steps.windows(3).all(|step| ((step[1] - step[0]) - (step[2] - step[1])).abs() < 1e-12),
            "{steps:?}"
        );
        assert!(range.share(-5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_first_lane_of_a_timeline_is_the_uppermost() {
        let y = || Axis::categories("y", ["first", "second"]);
        let lanes = vertical(&figure(Kind::Timeline, y(), vec![Point::span(0, 1.0, 2.0)]));
        assert!(lanes.share(0.0) > lanes.share(1.0));
        let rows = vertical(&figure(Kind::Heatmap, y(), vec![Point::cell(0, 0, 2.0)]));
        assert!(rows.share(0.0) < rows.share(1.0));
    }

    #[test]
    fn the_share_of_a_distribution_ends_just_above_one() {
        let range = vertical(&figure(Kind::Cdf, Axis::linear("share"), vec![Point::sample(7.0)]));
        assert!(range.share(1.0) > 0.97 && range.share(0.0).abs() < f64::EPSILON);
        assert_eq!(range.ticks.last().map(|tick| tick.text.as_str()), Some("1.0"));
    }
}
