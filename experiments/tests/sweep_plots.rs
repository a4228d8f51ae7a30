//! Plots that cannot be drawn are answered before the first run.

use std::path::Path;

use ipseclab_experiments::document::{Document, SourceText};
use ipseclab_experiments::sweep::{Plot, SweepPlan, TimeSeries};

const SWEEP: &str = r#"name = "plots"
scenario = "site-to-site"
[vary]
"topology.link.loss" = [0.0, 0.05, 0.1]
"topology.link.delay" = ["5ms", "20ms"]
[labels]
"topology.link.loss" = { values = ["none", "5 %", "10 %"] }
[[plots]]
"#;

/// Everything wrong with a plot, or the plan.
fn build(plot: &str) -> Result<SweepPlan, String> {
    let document =
        Document::parse(&SourceText::new("sweep.toml", format!("{SWEEP}{plot}"))).expect("well-formed");
    SweepPlan::build(&document, Some(Path::new("")), &[]).map_err(|report| report.to_string())
}

fn check_refused(plot: &str, expected: &[&str]) {
    let report = build(plot).expect_err(plot);
    for words in expected {
        assert!(report.contains(words), "{words:?} is not in:\n{report}");
    }
    assert!(report.contains("1 error\n"), "one answer to one mistake:\n{report}");
}

const LINE: &str = "kind = \"line\"\nx = \"topology.link.loss\"\ny = \"negotiation.latency\"\nseries = \"topology.link.delay\"\n";
const STACK: &str = "kind = \"stack\"\nx = \"topology.link.loss\"\nfacet = \"topology.link.delay\"\nparts = [\"negotiation.cpu\"]\n";

#[test]
fn values_to_draw_are_chosen_by_name() {
    let plan = build(&format!("{LINE}only = {{ \"topology.link.loss\" = [\"10 %\", \"none\"] }}\n")).unwrap();
    let [Plot::Curve { shown, .. }] = &plan.plots[..] else { panic!("one curve") };
    assert_eq!(shown[..], [vec![0, 2], vec![0, 1]], "in the order of the axis");
    let other = format!("{LINE}only = {{ \"topology.link.loss\" = [\"5%\"] }}\n");
    check_refused(&other, &["has no value named `5%`", "did you mean `5 %`?", "its values:"]);
    check_refused(
        &format!("{LINE}only = {{ \"topology.link.mtu\" = [\"1500\"] }}\n"),
        &["`topology.link.mtu` is not varied"],
    );
    check_refused(&format!("{LINE}only = {{ \"topology.link.loss\" = [] }}\n"), &["topology.link.loss"]);
}

#[test]
fn one_value_of_a_key_needs_no_place_in_the_plot() {
    let line = LINE.replace("series = \"topology.link.delay\"\n", "");
    check_refused(&line, &["does not tell the values of `topology.link.delay` apart", "`only`"]);
    assert!(build(&format!("{line}only = {{ \"topology.link.delay\" = [\"5ms\"] }}\n")).is_ok());
}

#[test]
fn a_logarithmic_axis_needs_numbers_above_zero() {
    check_refused(
        &format!("{LINE}x_scale = \"log\"\n"),
        &["does not fit `topology.link.loss`", "numbers above zero"],
    );
    let some =
        format!("{LINE}x_scale = \"log\"\nonly = {{ \"topology.link.loss\" = [\"5 %\", \"10 %\"] }}\n");
    assert!(build(&some).is_ok());
}

#[test]
fn the_parts_of_a_stack_can_be_added() {
    assert!(build(STACK).is_ok());
    let parts = |parts: &str| STACK.replace("\"negotiation.cpu\"", parts);
    check_refused(&parts(""), &["`plots.0` lacks `parts`"]);
    check_refused(
        &parts("\"negotiation.cpu\", \"negotiation.octets\""),
        &["different units", "cannot be added"],
    );
    check_refused(&parts("\"negotiation.cpu\", \"negotiation.cpu\""), &["twice"]);
    check_refused(
        &format!("{LINE}parts = [\"negotiation.cpu\"]\n"),
        &["means nothing here", "only for a stack"],
    );
}

const TIMELINE: &str = "kind = \"timeline\"\nx = \"time\"\ny = \"renewal.rate\"\nseries = \"topology.link.loss\"\n\
                        facet = \"topology.link.delay\"\n";

#[test]
fn a_timeline_draws_a_curve_over_time_in_whole_seconds() {
    let plan = build(&format!("{TIMELINE}bucket = \"5s\"\nfrom = \"10s\"\nuntil = \"1min\"\n")).unwrap();
    assert!(matches!(plan.plots[..], [Plot::Timeline { y: TimeSeries::RenewalRate, .. }]));
    check_refused(
        &TIMELINE.replace("\"time\"", "\"topology.link.loss\""),
        &["`plots.0.x`", "must be \"time\""],
    );
    check_refused(
        &TIMELINE.replace("renewal.rate", "negotiation.latency"),
        &["no curve over time `negotiation.latency`", "`renewal.rate`", "`cpu.queue`"],
    );
    for bucket in ["1500ms", "0s"] {
        check_refused(&format!("{TIMELINE}bucket = \"{bucket}\"\n"), &["`plots.0.bucket`", "whole seconds"]);
    }
    check_refused(&format!("{TIMELINE}from = \"9s\"\nuntil = \"9s\"\n"), &["later than `from`"]);
    check_refused(
        &TIMELINE.replace("facet = \"topology.link.delay\"\n", ""),
        &["does not tell the values of `topology.link.delay` apart"],
    );
    check_refused(
        &format!("{LINE}bucket = \"5s\"\n"),
        &["`plots.0.bucket` means nothing here", "only for a timeline"],
    );
}

#[test]
fn keys_of_other_kinds_are_refused() {
    check_refused(&format!("{STACK}y = \"negotiation.cpu\"\n"), &["`plots.0.y` means nothing here"]);
    check_refused(&format!("{STACK}y_scale = \"log\"\n"), &["`plots.0.y_scale` means nothing here"]);
    let cdf = "kind = \"cdf\"\nx = \"negotiation.cpu\"\nseries = \"topology.link.loss\"\nfacet = \"topology.link.delay\"\n";
    check_refused(&format!("{cdf}x_scale = \"names\"\n"), &["`plots.0.x_scale` means nothing here"]);
    check_refused(&format!("{cdf}y_scale = \"log\"\n"), &["`plots.0.y_scale` means nothing here"]);
    check_refused(
        &format!("{}x_scale = \"linear\"\n", LINE.replace("line", "box")),
        &["only for line and cdf"],
    );
}
