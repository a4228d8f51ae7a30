//! The line through a few measured points: fixed cost and cost per octet.
//!
//! Theil–Sen instead of least squares: the slope is the median of the slopes between all pairs of points, so one
//! disturbed point does not move it, and long messages do not outweigh short ones. Costs are never negative.

use ipseclab_node::CostEntry;

/// The time of one operation over one number of octets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) octets: f64,
    pub(super) ns: f64,
}

/// Digits after the point that a profile keeps: it counts in picoseconds.
const PLACES: usize = 3;

/// The line through `points`; flat through one point.
///
/// # Panics
/// Without a point.
pub(super) fn fit(points: &[Point]) -> CostEntry {
    let slopes = slopes(points);
    let slope = if slopes.is_empty() { 0.0 } else { median(slopes).max(0.0) };
    let fixed = median(points.iter().map(|point| point.ns - slope * point.octets).collect());
    if fixed >= 0.0 {
        return entry(fixed, slope);
    }
    let through_origin =
        points.iter().filter(|point| point.octets > 0.0).map(|point| point.ns / point.octets);
    let slopes: Vec<_> = through_origin.collect();
    entry(0.0, if slopes.is_empty() { 0.0 } else { median(slopes).max(0.0) })
}

fn slopes(points: &[Point]) -> Vec<f64> {
    let later = |index: usize| &points[index + 1..];
    let pairs = points.iter().enumerate().flat_map(|(index, a)| later(index).iter().map(move |b| (a, b)));
    let slopes = pairs.map(|(a, b)| (b.ns - a.ns) / (b.octets - a.octets));
    // Two points over the same number of octets have none.
    slopes.filter(|slope| slope.is_finite()).collect()
}

fn entry(fixed_ns: f64, ns_per_byte: f64) -> CostEntry {
    CostEntry { fixed_ns: rounded(fixed_ns), ns_per_byte: rounded(ns_per_byte) }
}

/// Three significant digits, and no more than whole picoseconds: measurements know no more.
fn rounded(value: f64) -> f64 {
    let through_text = |text: String| text.parse().unwrap_or(value);
    let significant: f64 = through_text(format!("{value:.2e}"));
    through_text(format!("{significant:.PLACES$}"))
}

/// The middle value, or the mean of the two in the middle.
///
/// # Panics
/// Without a figure.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len().is_multiple_of(2) {
        f64::midpoint(figures[middle - 1], figures[middle])
    } else {
        figures[middle]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(pairs: &[(f64, f64)]) -> Vec<Point> {
        pairs.iter().map(|&(octets, ns)| Point { octets, ns }).collect()
    }

    fn check(pairs: &[(f64, f64)], fixed_ns: f64, ns_per_byte: f64) {
        assert_eq!(fit(&points(pairs)), CostEntry { fixed_ns, ns_per_byte }, "{pairs:?}");
    }

    #[test]
    fn a_straight_line_is_found() {
        check(&[(64.0, 132.0), (256.0, 228.0), (1024.0, 612.0), (4096.0, 2148.0)], 100.0, 0.5);
    }

    #[test]
    fn one_disturbed_point_hardly_moves_the_line() {
        let found = fit(&points(&[(64.0, 132.0), (256.0, 228.0), (1024.0, 6120.0), (4096.0, 2148.0)]));
        assert!((found.ns_per_byte - 0.5).abs() < 0.01 && (found.fixed_ns - 100.0).abs() < 10.0, "{found:?}");
    }

    #[test]
    fn one_size_gives_a_fixed_cost() {
        check(&[(0.0, 28_649.3)], 28_600.0, 0.0);
    }

    #[test]
    fn costs_are_never_negative() {
        check(&[(64.0, 50.0), (256.0, 48.0), (1024.0, 46.0)], 48.0, 0.0);
        check(&[(64.0, 32.0), (1024.0, 1024.0)], 0.0, 0.75);
        check(&[(0.0, -3.0)], 0.0, 0.0);
    }

    #[test]
    fn figures_have_three_digits_and_whole_picoseconds() {
        let texts = [1234.5, 0.123_45, 0.012_345, 0.000_4, 99.96].map(|value| rounded(value).to_string());
        assert_eq!(texts, ["1230", "0.123", "0.012", "0", "100"]);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let texts =
            [vec![3.0, 1.0, 9.0], vec![4.0, 1.0, 9.0, 3.0]].map(|figures| median(figures).to_string());
        assert_eq!(texts, ["3", "3.5"]);
    }

    proptest! {
        #[test]
        fn any_figures_give_a_cost_that_a_profile_accepts(
            figures in prop::collection::vec((0_u16..9000, -1e9_f64..1e9), 1..8),
        ) {
            let pairs: Vec<_> = figures.iter().map(|&(octets, ns)| (f64::from(octets), ns)).collect();
            let CostEntry { fixed_ns, ns_per_byte } = fit(&points(&pairs));
            prop_assert!((0.0..=3.6e12).contains(&fixed_ns) && (0.0..=3.6e12).contains(&ns_per_byte));
        }
    }
}
