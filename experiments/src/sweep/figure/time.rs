//! Curves over simulated time: the mean over the runs in each bucket, with its interval as a band.
//!
//! A bucket that too few runs have a value in, such as the latency of renewals where none began, is a gap: the curve is
//! drawn in parts, and nothing is made up between them.

use ipseclab_output::{Axis as PlotAxis, Figure, Kind, Panel, Point, Series};

use super::{Artist, Display, Groups, choose, greatest, quantity_axis, scale_height, scaled, title};
use crate::sweep::estimate::Estimate;
use crate::sweep::file::{PlotFile, Scale};
use crate::sweep::label::heading;
use crate::sweep::measure::to_f64;
use crate::sweep::series::{Curve, TimeSeries};

impl Artist<'_> {
    pub(super) fn timeline(
        &mut self,
        (number, file): (usize, &PlotFile),
        y: TimeSeries,
        groups: Groups<'_>,
    ) -> Figure {
        let log = file.y_scale == Some(Scale::Log);
        let mut panels = Vec::new();
        for facet in groups.steps(groups.facet) {
            let choice = choose(&groups.base(), groups.facet, facet);
            let mut series = Vec::new();
            for step in groups.steps(groups.series) {
                let label = self.name(groups.series, step, |axis, value| axis.values[value].label.clone());
                let choice = choose(&choice, groups.series, step);
                let parts = self.parts(&choice, number, log);
                series.extend(parts.into_iter().map(|part| Series::new(&label, part)));
            }
            panels.push(Panel { title: self.name(groups.facet, facet, heading), series });
        }
        let display = Display::new(y.unit(), file.y_label.as_deref(), greatest(&panels, |point| point.high));
        let y_axis = quantity_axis(file.y_label.as_deref(), y.words(), display, log);
        let x_axis = PlotAxis::linear(file.x_label.as_deref().unwrap_or("simulated time (s)"));
        let title = title(file, || format!("{} over time", y.words()));
        self.assemble((&title, Kind::Band), (x_axis, y_axis), scaled(panels, display, scale_height), groups)
    }

    /// The curve of a combination, cut where there is no value; at least one part, so that the legend names it.
    fn parts(&mut self, choice: &[usize], plot: usize, log: bool) -> Vec<Vec<Point>> {
        let curves = self.observations.curves_at(self.plan.point(choice), plot);
        self.missing += self.plan.replications as usize - curves.len();
        // Replications share a scenario, so the width too.
        let width_ns = curves.first().map_or(1, |curve| curve.width_ns);
        let (mut parts, mut part) = (Vec::new(), Vec::new());
        for bucket in span(&curves) {
            let values: Vec<_> = curves.iter().filter_map(|curve| curve.at(bucket)).collect();
            // Zero is a gap on a logarithmic axis.
            match Estimate::of(&values).filter(|estimate| !log || estimate.mean > 0.0) {
                Some(estimate) => part.push(point(bucket, width_ns, &estimate)),
                None if part.is_empty() => {}
                None => parts.push(std::mem::take(&mut part)),
            }
        }
        if !part.is_empty() || parts.is_empty() {
            parts.push(part);
        }
        parts
    }
}

/// The buckets of all curves together.
fn span(curves: &[&Curve]) -> std::ops::Range<u64> {
    let first = curves.iter().map(|curve| curve.first).min().unwrap_or(0);
    first..curves.iter().map(|curve| curve.end()).max().unwrap_or(0)
}

/// A bucket's mean, in the middle of the bucket. None of the quantities can be negative.
fn point(bucket: u64, width_ns: u64, estimate: &Estimate) -> Point {
    let middle = (to_f64(bucket) + 0.5) * to_f64(width_ns) / 1e9;
    let (low, high) = estimate.interval().unwrap_or((estimate.mean, estimate.mean));
    Point::with_interval(middle, estimate.mean, low.max(0.0).min(estimate.mean), high.max(estimate.mean))
}
