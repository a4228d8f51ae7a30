//! What figures show of a small sweep whose numbers are known.

use std::path::Path;

use ipseclab_output::Scale as PlotScale;

use super::*;
use crate::document::{Document, SourceText};
use crate::sweep::record::{FinishedRun, Negotiation, Renewal, RenewalEnd, RunOutcome, RunRecord, Timeline};

const SWEEP: &str = r#"name = "drawn"
scenario = "site-to-site"
replications = 2
[vary]
"topology.link.loss" = [0.05, 0.0]
"topology.link.delay" = ["5ms", "20ms"]
[labels]
"topology.link.loss" = { name = "loss", values = ["5 %", "0 %"] }
"topology.link.delay" = { name = "round-trip time (ms)", values = ["10", "40"] }
[[plots]]
"#;

const SECOND: u64 = 1_000_000_000;

/// Run number n renews n times in the second second, and once in the fifth, in n + 1 ms each.
fn renewals(index: u64) -> Vec<Renewal> {
    let renewal =
        |started_ns| Renewal { started_ns, latency_ns: (index + 1) * 1_000_000, ended: RenewalEnd::Done };
    (0..index).map(|_| renewal(SECOND)).chain([renewal(4 * SECOND)]).collect()
}

/// Run number n takes n ms, half of it waiting; the last run fails, and the first waits not at all.
fn draw(plot: &str) -> Drawing {
    let document = Document::parse(&SourceText::new("sweep.toml", format!("{SWEEP}{plot}"))).unwrap();
    let plan =
        SweepPlan::build(&document, Some(Path::new("")), &[]).unwrap_or_else(|report| panic!("{report}"));
    let mut observations = Observations::new(&plan);
    for run in plan.runs() {
        let negotiation = Negotiation {
            established: run.index < 7,
            latency_ns: run.index * 1_000_000,
            retransmission_wait_ns: run.index * 500_000,
            propagation_ns: run.index * 500_000,
            ..Negotiation::default()
        };
        let finished = FinishedRun {
            fingerprint: String::new(),
            events: 1,
            negotiations: vec![negotiation],
            renewals: renewals(run.index),
            timeline: Timeline { end_ns: 6 * SECOND, width_ns: SECOND, ..Timeline::default() },
            ..FinishedRun::default()
        };
        let outcome = RunOutcome::Finished(Box::new(finished));
        let record = RunRecord { crypto: "real".into(), cost_profile_sha256: [].into(), outcome };
        observations.add(run, record);
    }
    drawings(&plan, &observations).pop().unwrap()
}

fn spots(series: &Series) -> Vec<(f64, f64)> {
    series.points.iter().map(|point| (point.x, (point.y * 1e6).round() / 1e6)).collect()
}

const LINE: &str = "kind = \"line\"\nx = \"topology.link.loss\"\ny = \"negotiation.latency\"\n";

#[test]
fn a_line_runs_over_the_numbers_in_the_names_in_a_readable_unit() {
    let drawing = draw(&format!("{LINE}series = \"topology.link.delay\"\n"));
    let Figure { x, y, panels, legend, .. } = &drawing.figure;
    assert_eq!(
        (&*x.label, &*y.label, &**legend),
        ("loss (%)", "mean set-up latency (ms)", "round-trip time")
    );
    let [panel] = &panels[..] else { panic!("one panel") };
    let labels: Vec<_> = panel.series.iter().map(|series| &*series.label).collect();
    assert_eq!(labels, ["10", "40"]);
    // Runs 0, 1 have 5 % and 10 ms, runs 4, 5 have 0 %; run 7 failed and leaves 6 alone.
    assert_eq!(spots(&panel.series[0]), [(0.0, 4.5), (5.0, 0.5)]);
    assert_eq!(spots(&panel.series[1]), [(0.0, 6.0), (5.0, 2.5)]);
    assert_eq!(drawing.note.as_deref(), Some("1 runs without a value are left out"));
    assert_eq!(drawing.name, "01-mean-set-up-latency-by-loss");
}

#[test]
fn only_yes_or_no_has_the_interval_of_a_share_of_runs() {
    let nothing = [0.0; 5];
    let drawn = |metric| {
        let y = PlotMetric { metric, statistic: Statistic::Mean };
        let point = point(1.0, &Estimate::of(&nothing).unwrap(), &nothing, y);
        (point.low, point.high)
    };
    // Five runs without success leave room for many; five runs that lost none of a million packets do not.
    let (low, high) = drawn(Metric::Success);
    assert!(low == 0.0 && high > 0.4, "{high}");
    assert_eq!(drawn(Metric::Loss), (0.0, 0.0));
}

#[test]
fn an_interval_never_leaves_what_is_possible() {
    let drawing = draw(&format!("{LINE}facet = \"topology.link.delay\"\n"));
    let point = drawing.figure.panels[0].series[0].points[1];
    // Half a millisecond with t(1) × 0.5 ms to either side.
    assert!(point.low.abs() < 1e-12 && (point.high - 0.5 - 12.706_204_736 * 0.5).abs() < 1e-6, "{point:?}");
    let titles: Vec<_> = drawing.figure.panels.iter().map(|panel| &*panel.title).collect();
    assert_eq!(titles, ["round-trip time 10 ms", "round-trip time 40 ms"]);
    let shares = draw(
        "kind = \"line\"\nx = \"topology.link.loss\"\ny = \"negotiation.success\"\nseries = \"topology.link.delay\"\n",
    );
    assert_eq!(shares.figure.y.label, "successful set-ups (%)");
    let points = || shares.figure.panels[0].series.iter().flat_map(|series| &series.points);
    assert!(points().all(|point| (0.0..=100.0).contains(&point.low) && point.high <= 100.0));
    assert!(points().all(|point| point.low < point.high), "no certainty from two runs");
}

#[test]
fn names_and_the_choice_of_values_are_obeyed() {
    let drawing =
        draw(&format!("{LINE}x_scale = \"names\"\nonly = {{ \"topology.link.delay\" = [\"40\"] }}\n"));
    assert_eq!(drawing.figure.x.scale, PlotScale::Categories(vec!["5".into(), "0".into()]));
    assert_eq!(drawing.figure.x.label, "loss (%)");
    assert_eq!(spots(&drawing.figure.panels[0].series[0]), [(0.0, 2.5), (1.0, 6.0)]);
}

#[test]
fn a_label_chooses_the_unit_and_zeros_leave_a_logarithmic_axis() {
    let plot = "kind = \"cdf\"\nx = \"negotiation.latency\"\nx_scale = \"log\"\nx_label = \"latency (µs)\"\n\
                series = \"topology.link.loss\"\nfacet = \"topology.link.delay\"\n";
    let drawing = draw(plot);
    assert_eq!(drawing.figure.x, PlotAxis::log("latency (µs)"));
    let values: Vec<_> = drawing.figure.panels[0].series[0].points.iter().map(|point| point.x).collect();
    assert!(values.len() == 1 && (values[0] - 1000.0).abs() < 1e-9, "{values:?}");
    let note = "1 values of zero have no place on its logarithmic axis; 1 runs without a value are left out";
    assert_eq!(drawing.note.as_deref(), Some(note));
}

#[test]
fn stacks_are_shares_of_the_sum() {
    let plot = "kind = \"stack\"\nx = \"topology.link.loss\"\nfacet = \"topology.link.delay\"\n\
                parts = [\"negotiation.propagation\", \"negotiation.cpu\", \"negotiation.retransmission_wait\"]\n";
    let drawing = draw(plot);
    assert_eq!(drawing.note.as_deref(), Some("1 runs without a value are left out"));
    let [propagation, cpu, wait] = &drawing.figure.panels[0].series[..] else { panic!("three parts") };
    assert_eq!(wait.label, "wait for retransmission");
    for (place, ((bottom, none), top)) in
        propagation.points.iter().zip(&cpu.points).zip(&wait.points).enumerate()
    {
        let ends = [bottom.low, bottom.high, none.low, none.high, top.low, top.high];
        let expected = [0.0, 50.0, 50.0, 50.0, 50.0, 100.0];
        assert!(
            ends.iter().zip(expected).all(|(end, expected)| (end - expected).abs() < 1e-9),
            "{place}: {ends:?}"
        );
    }
}

#[test]
fn a_heatmap_has_a_cell_for_each_pair() {
    let plot = "kind = \"heatmap\"\nx = \"topology.link.loss\"\ny = \"topology.link.delay\"\n\
                value = \"negotiation.latency.max\"\n";
    let figure = draw(plot).figure;
    assert_eq!(figure.color.label, "greatest set-up latency (ms)");
    assert_eq!((&*figure.x.label, &*figure.y.label), ("loss (%)", "round-trip time (ms)"));
    let cells: Vec<_> =
        figure.panels[0].series[0].points.iter().map(|cell| (cell.x, cell.y, cell.low.round())).collect();
    assert_eq!(cells, [(0.0, 0.0, 1.0), (0.0, 1.0, 3.0), (1.0, 0.0, 5.0), (1.0, 1.0, 6.0)]);
}

#[test]
fn a_box_has_a_sample_for_each_run() {
    let plot = "kind = \"box\"\nx = \"topology.link.loss\"\ny = \"negotiation.latency\"\nseries = \"topology.link.delay\"\n";
    let figure = draw(plot).figure;
    assert_eq!(spots(&figure.panels[0].series[1]), [(0.0, 2.0), (0.0, 3.0), (1.0, 6.0)]);
}

const TIMELINE: &str = "kind = \"timeline\"\nx = \"time\"\ny = \"renewal.rate\"\nseries = \"topology.link.loss\"\n\
                        facet = \"topology.link.delay\"\n";

#[test]
fn a_timeline_has_the_mean_of_the_runs_in_the_middle_of_each_bucket() {
    let drawing = draw(TIMELINE);
    let Figure { kind, x, y, panels, legend, .. } = &drawing.figure;
    assert_eq!((*kind, &*x.label, &*y.label), (Kind::Band, "simulated time (s)", "rekeys per second (1/s)"));
    assert_eq!((&**legend, &*panels[1].title), ("loss", "round-trip time 40 ms"));
    // Runs 4 and 5 are those of no loss and 10 ms.
    let series = &panels[0].series[1];
    assert_eq!(series.label, "0 %");
    assert_eq!(spots(series), [(0.5, 0.0), (1.5, 4.5), (2.5, 0.0), (3.5, 0.0), (4.5, 1.0), (5.5, 0.0)]);
    let point = series.points[1];
    assert!(point.low.abs() < 1e-12 && (point.high - 4.5 - 12.706_204_736 * 0.5).abs() < 1e-6, "{point:?}");
    assert!(drawing.figure.svg().is_ok() && drawing.figure.png().is_ok());
}

#[test]
fn a_curve_over_time_is_cut_where_it_has_no_value() {
    let latency = TIMELINE.replace("renewal.rate", "renewal.latency");
    for plot in [latency, format!("{TIMELINE}y_scale = \"log\"\n")] {
        let drawing = draw(&plot);
        let of_no_loss = drawing.figure.panels[0].series.iter().filter(|series| series.label == "0 %");
        let parts: Vec<_> = of_no_loss.map(|series| spots(series)[0].0).collect();
        assert_eq!(parts, [1.5, 4.5], "{plot}");
    }
}

#[test]
fn every_drawing_can_be_drawn() {
    for kind in ["line", "box"] {
        let plot = LINE.replace("line", kind);
        let drawing = draw(&format!("{plot}series = \"topology.link.delay\"\ny_scale = \"log\"\n"));
        assert!(drawing.figure.svg().is_ok() && drawing.figure.png().is_ok(), "{kind}");
    }
}
