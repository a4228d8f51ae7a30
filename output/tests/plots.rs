//! Figures as files: the same bytes twice, well-formed, and clear errors for data that has no place.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use ipseclab_output::{Axis, Figure, Kind, Panel, PlotError, Point, Scale, Series};

fn figure(kind: Kind, points: Vec<Point>) -> Figure {
    let names = || Axis::categories("place <&>", ["first", "second", "third"]);
    let x = match kind {
        Kind::Box | Kind::Heatmap | Kind::Stack => names(),
        Kind::Line | Kind::Band | Kind::Cdf | Kind::Timeline => Axis::linear("loss (%)"),
    };
    let y = match kind {
        Kind::Heatmap | Kind::Timeline => names(),
        Kind::Line | Kind::Band | Kind::Cdf | Kind::Box | Kind::Stack => Axis::linear("latency (ms)"),
    };
    let series = vec![Series::new("one", points), Series::new("two", Vec::new())];
    let panels = vec![Panel { title: "panel".into(), series }];
    Figure { panels, ..Figure::new("title & more", kind, x, y) }
}

fn point(kind: Kind, place: usize, value: f64) -> Point {
    match kind {
        Kind::Line | Kind::Band => {
            Point::with_interval(f64::from(u8::try_from(place).unwrap()), value, value - 1.0, value + 1.0)
        }
        Kind::Cdf => Point::sample(value),
        Kind::Box => Point::grouped_sample(place, value),
        Kind::Heatmap => Point::cell(place, place, value),
        Kind::Stack => Point::part(place, value, value + 1.0),
        Kind::Timeline => Point::span(place, value, value + 1.0),
    }
}

const KINDS: [Kind; 7] =
    [Kind::Line, Kind::Band, Kind::Cdf, Kind::Box, Kind::Heatmap, Kind::Stack, Kind::Timeline];

fn three_points(kind: Kind) -> Figure {
    figure(kind, (0..3).zip([3.0, 5.0, 4.0]).map(|(place, value)| point(kind, place, value)).collect())
}

/// Texts of a picture, which must be well-formed.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let nodes = document.descendants().filter(|node| node.has_tag_name("text"));
    nodes.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
}

fn pixels(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(bytes).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

#[test]
fn equal_figures_are_equal_bytes() {
    for kind in KINDS {
        let (one, two) = (three_points(kind), three_points(kind));
        assert_eq!(one.svg(), two.svg(), "{kind:?}");
        assert!(one.png().unwrap() == two.png().unwrap(), "{kind:?}");
    }
}

#[test]
fn a_band_lets_the_lines_below_shine_through_and_gaps_stay_open() {
    let part = |from: u8| (from..from + 4).map(|x| Point::with_interval(x.into(), 5.0, 4.0, 6.0)).collect();
    let mut figure = figure(Kind::Band, part(0));
    figure.panels[0].series.push(Series::new("one", part(10)));
    let svg = figure.svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let veils = document.descendants().filter(|node| node.has_tag_name("polygon"));
    let covers = veils.filter_map(|node| node.attribute("opacity")).filter(|share| *share != "1");
    assert_eq!(covers.count(), 2, "a band for each part");
    assert_eq!(texts(&svg).iter().filter(|text| *text == "one").count(), 1, "one name for both");
}

#[test]
fn every_kind_is_well_formed_and_keeps_its_words_as_text() {
    for kind in KINDS {
        let figure = three_points(kind);
        let texts = texts(&figure.svg().unwrap());
        for expected in ["title & more", "panel", &figure.x.label, &figure.y.label] {
            assert!(texts.iter().any(|text| text == expected), "{kind:?} lacks {expected}: {texts:?}");
        }
        assert_eq!(texts.iter().any(|text| text == "two"), kind != Kind::Heatmap, "{kind:?}: legend");
    }
}

#[test]
fn a_png_has_twice_the_size_of_the_svg_and_is_not_empty() {
    for kind in KINDS {
        let figure = three_points(kind);
        let (width, height, pixels) = pixels(&figure.png().unwrap());
        let svg = figure.svg().unwrap();
        assert!(svg.starts_with(&format!("<svg width=\"{}\" height=\"{}\" viewBox=", width / 2, height / 2)));
        assert_eq!(width, 1800);
        let colored = pixels.chunks_exact(3).filter(|pixel| pixel[0].abs_diff(pixel[2]) > 60).count();
        assert!(colored > 500, "{kind:?} shows {colored} coloured pixels");
    }
}

#[test]
fn empty_series_and_single_points_are_drawn() {
    for kind in KINDS {
        assert!(texts(&figure(kind, Vec::new()).svg().unwrap()).contains(&"no data".to_owned()), "{kind:?}");
        for value in [0.0, 1.0, -3.5, 1e90, -1e-90] {
            let svg = figure(kind, vec![point(kind, 0, value)]).svg().unwrap();
            assert!(!texts(&svg).contains(&"no data".to_owned()), "{kind:?} {value}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{kind:?} {value}");
        }
    }
}

#[test]
fn equal_points_on_a_logarithmic_axis_are_drawn() {
    let mut figure = figure(Kind::Line, vec![Point::new(1e-90, 7.0), Point::new(1e90, 7.0)]);
    (figure.x.scale, figure.y.scale) = (Scale::Log, Scale::Log);
    let svg = figure.svg().unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
    assert!(texts(&svg).len() > 6);
}

#[test]
fn numbers_that_are_none_are_refused_by_name() {
    for kind in KINDS {
        for bad in [f64::NAN, f64::INFINITY, 1e101] {
            let points = vec![point(kind, 0, 1.0), Point { y: bad, ..point(kind, 0, 1.0) }];
            let expected = PlotError::NotFinite { panel: "panel".into(), series: "one".into(), index: 1 };
            assert_eq!(figure(kind, points).svg(), Err(expected), "{kind:?}");
        }
    }
}

#[test]
fn zero_on_a_logarithmic_axis_is_refused_with_the_axis() {
    let mut figure = figure(Kind::Line, vec![Point::new(0.0, 3.0)]);
    assert!(figure.svg().is_ok());
    figure.x.scale = Scale::Log;
    let expected = "0 of series \"one\" in panel \"panel\" has no place on the logarithmic x axis";
    assert_eq!(figure.svg().unwrap_err().to_string(), expected);
    assert_eq!(figure.png().unwrap_err().to_string(), expected);
}

#[test]
fn an_interval_down_to_zero_reaches_the_edge_of_a_logarithmic_axis() {
    let mut figure =
        figure(Kind::Line, vec![Point::with_interval(1.0, 10.0, -2.0, 20.0), Point::new(2.0, 5.0)]);
    figure.y.scale = Scale::Log;
    assert!(!figure.svg().unwrap().contains("NaN"));
}

#[test]
fn intervals_must_hold_their_point_and_spans_must_not_end_before_they_begin() {
    let inverted = figure(Kind::Line, vec![Point::with_interval(1.0, 5.0, 6.0, 7.0)]);
    assert!(matches!(inverted.svg(), Err(PlotError::BadInterval { .. })));
    let inverted = figure(Kind::Stack, vec![Point::part(0, 2.0, 1.0)]);
    assert!(matches!(inverted.svg(), Err(PlotError::BadInterval { .. })));
    let inverted = figure(Kind::Timeline, vec![Point::span(0, 2.0, 1.0)]);
    assert!(matches!(inverted.svg(), Err(PlotError::BadInterval { .. })));
}

#[test]
fn categories_are_indices_and_go_with_the_kind() {
    let outside = figure(Kind::Box, vec![Point::grouped_sample(3, 1.0)]);
    let expected = "3 of series \"one\" is not one of the 3 categories of the x axis";
    assert_eq!(outside.svg().unwrap_err().to_string(), expected);
    let mut wrong = three_points(Kind::Heatmap);
    wrong.y = Axis::linear("y");
    let expected = "a figure of kind Heatmap needs categories on its y axis";
    assert_eq!(wrong.svg().unwrap_err().to_string(), expected);
}

#[test]
fn a_figure_is_bounded() {
    let mut figure = three_points(Kind::Line);
    figure.panels.clear();
    assert_eq!(figure.svg(), Err(PlotError::NoPanels));
    figure.panels = vec![Panel::default(); 65];
    assert_eq!(figure.svg(), Err(PlotError::TooMany { what: "panels", count: 65, limit: 64 }));
}

#[test]
fn a_series_keeps_its_colour_in_every_panel() {
    let mut figure = three_points(Kind::Line);
    let second = Series::new("two", vec![Point::new(0.0, 1.0), Point::new(2.0, 4.0)]);
    figure.panels[0].series[1] = second.clone();
    let both = figure.svg().unwrap().matches("stroke=\"#D55E00\"").count();
    figure.panels.push(Panel { title: "without the first".into(), series: vec![second] });
    assert!(figure.svg().unwrap().matches("stroke=\"#D55E00\"").count() > both);
}

#[test]
fn long_names_stand_upright_instead_of_overlapping() {
    let mut figure = three_points(Kind::Box);
    assert!(!figure.svg().unwrap().contains(">\nfirst") || !rotated(&figure, "first"));
    let names = (0..12).map(|number| format!("aes256gcm16-prfsha256-modp{number}"));
    figure.x = Axis::categories("proposal", names);
    assert!(rotated(&figure, "aes256gcm16-prfsha256-modp7"));
}

fn rotated(figure: &Figure, name: &str) -> bool {
    let svg = figure.svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let mut nodes = document.descendants().filter(|node| node.has_tag_name("text"));
    let node = nodes.find(|node| node.text().unwrap_or_default().trim() == name).unwrap();
    node.attribute("transform").is_some()
}
