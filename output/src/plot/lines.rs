//! Lines with error bars or bands, and cumulative distributions.

use super::canvas::{Canvas, Spot};
use super::frame::Frame;
use super::palette::{Marker, Rgb, WHITE, color, marker};
use super::{Panel, Point, index};

const LINE_WIDTH: f64 = 2.0;
const BAR_WIDTH: f64 = 1.3;
/// Half the length of the cap of an error bar.
const CAP: f64 = 4.0;
/// Points from one marker of a band's line to the next.
const BAND_MARK_EVERY: usize = 12;
/// With more points than this, markers would hide the line.
const MARKERS_MAX: usize = 60;
/// Markers of a cumulative line.
const CDF_MARKS: u8 = 3;

/// All series of a panel; bars first, so that no bar covers another series' marker.
pub(super) fn draw(
    canvas: &mut Canvas,
    frame: &Frame<'_>,
    panel: &Panel,
    number: impl Fn(&str) -> usize,
    series_count: usize,
) {
    let place = |number: usize, point: &Point| {
        let (x, y) = frame.spot(point.x, point.y);
        (x + dodge(frame, number, series_count), y)
    };
    for series in &panel.series {
        let number = number(&series.label);
        let hue = color(number);
        for point in series.points.iter().filter(|point| point.low < point.high) {
            draw_bar(canvas, frame, place(number, point).0, point, hue);
        }
        let spots: Vec<Spot> = series.points.iter().map(|point| place(number, point)).collect();
        if spots.len() > 1 {
            canvas.path(spots, hue, LINE_WIDTH);
        }
    }
    for series in panel.series.iter().filter(|series| series.points.len() <= MARKERS_MAX) {
        let number = number(&series.label);
        for point in &series.points {
            draw_marker(canvas, marker(number), place(number, point), color(number));
        }
    }
}

/// All series of a panel as lines with the intervals around them; bands first, so that they hide no line.
pub(super) fn draw_bands(
    canvas: &mut Canvas,
    frame: &Frame<'_>,
    panel: &Panel,
    number: impl Fn(&str) -> usize,
    series_count: usize,
) {
    for series in &panel.series {
        let hue = color(number(&series.label));
        if series.points.iter().any(|point| point.low < point.high) {
            let below = series.points.iter().map(|point| frame.spot(point.x, point.low));
            let above = series.points.iter().rev().map(|point| frame.spot(point.x, point.high));
            canvas.veil(below.chain(above).collect(), hue);
        }
    }
    for series in &panel.series {
        let hue = color(number(&series.label));
        let spots: Vec<Spot> = series.points.iter().map(|point| frame.spot(point.x, point.y)).collect();
        if spots.len() > 1 {
            canvas.path(spots, hue, LINE_WIDTH);
        }
    }
    for series in &panel.series {
        let number = number(&series.label);
        // Curves that lie on each other have their markers beside each other; a short part has one in its middle.
        let first = number * BAND_MARK_EVERY / series_count.max(1);
        let first = if series.points.len() > BAND_MARK_EVERY { first } else { series.points.len() / 2 };
        for point in series.points.iter().skip(first).step_by(BAND_MARK_EVERY) {
            draw_marker(canvas, marker(number), frame.spot(point.x, point.y), color(number));
        }
    }
}

/// On an axis with names, series stand a little beside each other, so that their bars can be told apart; on an axis with
/// numbers that would be a lie.
fn dodge(frame: &Frame<'_>, number: usize, series_count: usize) -> f64 {
    if !frame.x.named || series_count < 2 {
        return 0.0;
    }
    let pitch = (frame.area.width() * frame.x.slot() * 0.7 / index(series_count)).min(12.0);
    (index(number) - index(series_count - 1) / 2.0) * pitch
}

fn draw_bar(canvas: &mut Canvas, frame: &Frame<'_>, x: f64, point: &Point, hue: Rgb) {
    let (low, high) = (frame.y(point.low), frame.y(point.high));
    canvas.line((x, low), (x, high), hue, BAR_WIDTH);
    for end in [low, high] {
        canvas.line((x - CAP, end), (x + CAP, end), hue, BAR_WIDTH);
    }
}

/// The share of samples up to each value, as steps from edge to edge.
pub(super) fn draw_cdf(
    canvas: &mut Canvas,
    frame: &Frame<'_>,
    panel: &Panel,
    number: impl Fn(&str) -> usize,
    series_count: usize,
) {
    for series in panel.series.iter().filter(|series| !series.points.is_empty()) {
        let number = number(&series.label);
        let mut values: Vec<f64> = series.points.iter().map(|point| point.x).collect();
        values.sort_by(f64::total_cmp);
        canvas.path(steps(frame, &values), color(number), LINE_WIDTH);
        for mark in 0..CDF_MARKS {
            // Each series has heights of its own, so that steps at one place do not hide each other's markers.
            let part = (index(number) + 0.5) / index(series_count.max(1));
            let share = (f64::from(mark) + part) / f64::from(CDF_MARKS);
            let spot = frame.spot(value_at(&values, share), share);
            draw_marker(canvas, marker(number), spot, color(number));
        }
    }
}

/// The smallest value with at least `share` of the values at or below it; `values` are sorted and not empty.
fn value_at(values: &[f64], share: f64) -> f64 {
    let count = index(values.len());
    let place = values.iter().enumerate().find(|(place, _)| index(place + 1) >= share * count);
    place.map_or(f64::NAN, |(_, &value)| value)
}

fn steps(frame: &Frame<'_>, values: &[f64]) -> Vec<Spot> {
    let count = index(values.len());
    let mut spots = vec![(frame.area.left, frame.y(0.0))];
    for (place, &value) in values.iter().enumerate() {
        let x = frame.x(value);
        spots.push((x, frame.y(index(place) / count)));
        spots.push((x, frame.y(index(place + 1) / count)));
    }
    spots.push((frame.area.right, frame.y(1.0)));
    thin(spots)
}

/// Without the steps that are too small to see, so that 10⁵ samples do not make a file of megabytes.
fn thin(spots: Vec<Spot>) -> Vec<Spot> {
    let mut kept: Vec<Spot> = Vec::new();
    let last = spots.len().saturating_sub(1);
    for (place, spot) in spots.into_iter().enumerate() {
        let seen =
            kept.last().is_some_and(|kept| (kept.0 - spot.0).abs() < 0.2 && (kept.1 - spot.1).abs() < 0.2);
        if !seen || place == last {
            kept.push(spot);
        }
    }
    kept
}

/// A marker with a thin white edge, so that it stands out from lines and other markers.
pub(super) fn draw_marker(canvas: &mut Canvas, marker: Marker, spot: Spot, hue: Rgb) {
    const RADIUS: f64 = 4.6;
    const EDGE: f64 = 1.0;
    match outline(marker, spot, RADIUS + EDGE) {
        Some(corners) => canvas.polygon(corners, WHITE),
        None => canvas.circle(spot, RADIUS + EDGE - 0.4, WHITE),
    }
    match outline(marker, spot, RADIUS) {
        Some(corners) => canvas.polygon(corners, hue),
        None => canvas.circle(spot, RADIUS - 0.4, hue),
    }
}

/// Corners of a marker; `None` for the circle.
fn outline(marker: Marker, (x, y): Spot, radius: f64) -> Option<Vec<Spot>> {
    let scaled = |corners: &[(f64, f64)]| {
        Some(corners.iter().map(|(right, down)| (x + right * radius, y + down * radius)).collect())
    };
    match marker {
        Marker::Circle => None,
        Marker::Square => scaled(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
        Marker::Triangle => scaled(&[(0.0, -1.15), (1.1, 0.8), (-1.1, 0.8)]),
        Marker::Diamond => scaled(&[(0.0, -1.25), (1.05, 0.0), (0.0, 1.25), (-1.05, 0.0)]),
        Marker::Inverted => scaled(&[(0.0, 1.15), (-1.1, -0.8), (1.1, -0.8)]),
        Marker::Hexagon => {
            scaled(&[(-1.1, 0.0), (-0.55, -0.95), (0.55, -0.95), (1.1, 0.0), (0.55, 0.95), (-0.55, 0.95)])
        }
        Marker::Plus => scaled(&plus(0.4, 1.1)),
        Marker::Cross => {
            let turned: Vec<_> =
                plus(0.4, 1.15).iter().map(|(right, down)| (right - down, right + down)).collect();
            // Turned by 45°, which also stretches by √2.
            scaled(&turned.iter().map(|(right, down)| (right * 0.707, down * 0.707)).collect::<Vec<_>>())
        }
    }
}

/// A plus sign with arms of half-width `arm` and length `reach`.
fn plus(arm: f64, reach: f64) -> [(f64, f64); 12] {
    [
        (-arm, -reach),
        (arm, -reach),
        (arm, -arm),
        (reach, -arm),
        (reach, arm),
        (arm, arm),
        (arm, reach),
        (-arm, reach),
        (-arm, arm),
        (-reach, arm),
        (-reach, -arm),
        (-arm, -arm),
    ]
}
