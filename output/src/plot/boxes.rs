//! Box plots: median, quartiles, whiskers at the last sample within 1.5 interquartile ranges, samples beyond as dots.

use super::canvas::{Area, Canvas};
use super::frame::Frame;
use super::palette::{Rgb, color};
use super::{Panel, index};
use std::collections::BTreeMap;

/// Share of a category's room that its boxes take together.
const FILL: f64 = 0.72;
const BOX_WIDTH_MAX: f64 = 54.0;
const LINE_WIDTH: f64 = 1.5;
const DOT: f64 = 2.2;

/// What a box shows.
#[derive(Debug, Clone, PartialEq)]
struct Summary {
    whisker_low: f64,
    quartile_1: f64,
    median: f64,
    quartile_3: f64,
    whisker_high: f64,
    outliers: Vec<f64>,
}

impl Summary {
    /// Of at least one value.
    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let [quartile_1, median, quartile_3] = [0.25, 0.5, 0.75].map(|share| quantile(&values, share));
        let reach = 1.5 * (quartile_3 - quartile_1);
        let inside = |value: &f64| (quartile_1 - reach..=quartile_3 + reach).contains(value);
        let whisker_low = values.iter().copied().find(inside).unwrap_or(quartile_1);
        let whisker_high = values.iter().rev().copied().find(inside).unwrap_or(quartile_3);
        let outliers = values.into_iter().filter(|value| !inside(value)).collect();
        Self { whisker_low, quartile_1, median, quartile_3, whisker_high, outliers }
    }
}

/// Linear interpolation between order statistics (Hyndman and Fan's type 7) of sorted values.
fn quantile(values: &[f64], share: f64) -> f64 {
    let place = share * index(values.len().saturating_sub(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, rounded down")]
    let below = libm::floor(place) as usize;
    let at = |place: usize| values.get(place).or(values.last()).copied().unwrap_or_default();
    at(below) + (at(below + 1) - at(below)) * (place - index(below))
}

/// All boxes of a panel; the series of a category stand side by side in the order of the legend.
pub(super) fn draw(
    canvas: &mut Canvas,
    frame: &Frame<'_>,
    panel: &Panel,
    number: impl Fn(&str) -> usize,
    series_count: usize,
) {
    let slot = frame.area.width() * frame.x.slot();
    let pitch = (slot * FILL / index(series_count.max(1))).min(BOX_WIDTH_MAX * 1.2);
    for series in &panel.series {
        let number = number(&series.label);
        let shift = (index(number) - index(series_count.max(1) - 1) / 2.0) * pitch;
        let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for point in &series.points {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be an index"
            )]
            let category = point.x as usize;
            groups.entry(category).or_default().push(point.y);
        }
        for (category, values) in groups {
            let place =
                Place { middle: frame.x(index(category)) + shift, half: pitch * 0.41, hue: color(number) };
            place.draw(canvas, frame, &Summary::new(values));
        }
    }
}

struct Place {
    middle: f64,
    half: f64,
    hue: Rgb,
}

impl Place {
    fn draw(&self, canvas: &mut Canvas, frame: &Frame<'_>, summary: &Summary) {
        let (left, right) = (self.middle - self.half, self.middle + self.half);
        let ends = [(summary.quartile_1, summary.whisker_low), (summary.quartile_3, summary.whisker_high)];
        for (quartile, whisker) in ends {
            let y = frame.y(whisker);
            canvas.line((self.middle, frame.y(quartile)), (self.middle, y), self.hue, LINE_WIDTH);
            let cap = self.half / 2.0;
            canvas.line((self.middle - cap, y), (self.middle + cap, y), self.hue, LINE_WIDTH);
        }
        let area =
            Area { left, top: frame.y(summary.quartile_3), right, bottom: frame.y(summary.quartile_1) };
        canvas.area(area, self.hue.tint(0.45));
        canvas.outline(area, self.hue, LINE_WIDTH);
        let median = frame.y(summary.median);
        canvas.line((left, median), (right, median), self.hue, 2.0 * LINE_WIDTH);
        for &outlier in &summary.outliers {
            canvas.circle((self.middle, frame.y(outlier)), DOT, self.hue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate_and_outliers_are_beyond_the_whiskers() {
        // R: quantile(c(1:9, 100)) = 1, 3.25, 5.5, 7.75, 100.
        let summary = Summary::new(vec![100.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
        let expected = Summary {
            whisker_low: 1.0,
            quartile_1: 3.25,
            median: 5.5,
            quartile_3: 7.75,
            whisker_high: 9.0,
            outliers: vec![100.0],
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn one_value_is_a_box_without_height() {
        let summary = Summary::new(vec![4.0]);
        let expected = Summary {
            whisker_low: 4.0,
            quartile_1: 4.0,
            median: 4.0,
            quartile_3: 4.0,
            whisker_high: 4.0,
            outliers: Vec::new(),
        };
        assert_eq!(summary, expected);
    }
}
